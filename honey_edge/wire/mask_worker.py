"""A Worker's side of masked rounds: what it sends, what it reveals, and what it never reveals together.

    call -> key        list of keys -> accepted        per iteration: answer -> reveal (not open)* -> reveal (open)

For one home and iteration a Worker reveals either the mask between the two (the home is missing) or its share of the
home's own mask (the home is counted), never both: the missing only become more until the request with `open`, which
must name exactly the missing whose masks were revealed, and settles the iteration for ever. A Worker whose own answer
is not counted is left out for the rest of the round; its last counted answer stays in the sums.
"""

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass

from honey_edge.wire.mask_answer import base64_text
from honey_edge.wire.mask_errors import MaskKeyError, MaskLeftOut, MaskRefused, TooFewForMasks
from honey_edge.wire.mask_home import HomeMasks
from honey_edge.wire.mask_keys import FEWEST_MASKED, MaskSecret, RoundPlace, checked_roster, element_bytes, signed_key
from honey_edge.wire.mask_messages import MaskAskMessage, MaskKeyMessage, MaskRevealMessage, MaskRosterMessage
from honey_edge.wire.mask_vector import NOTHING, MaskedVector
from honey_edge.wire.signing import Signer
from honey_edge.wire.typed_data import Domain


@dataclass(slots=True)
class _Iteration:
    """The answer that was sent and what was revealed since; `asked` is the last request, `reply` the answer to it."""

    number: int
    plain: MaskedVector
    text: str
    missing: frozenset[bytes] = frozenset()
    opened: bool = False
    asked: MaskAskMessage | None = None
    reply: MaskRevealMessage | None = None


@dataclass(slots=True)
class _Masked:
    """The round that runs; `masks` is None until the list of keys has come."""

    place: RoundPlace
    secret: MaskSecret
    masks: HomeMasks | None = None
    active: frozenset[bytes] = frozenset()
    current: _Iteration | None = None
    counted: MaskedVector = NOTHING
    counted_iteration: int | None = None
    left_out: bool = False
    repeated: bool = False


class MaskedWorker:
    """One home's state; `members` are the homes of the Hive as the home's owner knows them (addresses).

    `newest_slot` is the first slot of the last masked round that was answered before this object was. For one first
    slot a home opens a second masked round only with exactly the homes of the first, and with none of them missing in
    its opening: the difference of two sums of the same plans would tell the plan of a home left out between them.
    `fewest` is how many homes must mask together for this home to join them. `random_bytes` is replaced in tests only.
    """

    def __init__(
        self,
        domain: Domain,
        signer: Signer,
        members: Collection[bytes],
        *,
        newest_slot: int = -1,
        fewest: int = FEWEST_MASKED,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._domain, self._signer, self._members = domain, signer, frozenset(members)
        self._newest_slot, self._fewest, self._random_bytes = newest_slot, fewest, random_bytes
        self._told: frozenset[bytes] = frozenset()
        self._round: _Masked | None = None
        self._closed: tuple[RoundPlace, MaskSecret] | None = None

    @property
    def counted_iteration(self) -> int | None:
        """The newest iteration in which this home's answer is counted, None before the first."""
        return None if self._round is None else self._round.counted_iteration

    @property
    def place(self) -> RoundPlace | None:
        """The round whose list of keys was accepted, None without one."""
        return self._round.place if self._round is not None and self._round.masks is not None else None

    @property
    def left_out(self) -> bool:
        """Whether this home takes no further part in the round's masks."""
        return self._round is not None and self._round.left_out

    def told(self, first_slot: int) -> bool:
        """Whether a plan from this slot on was told under masks."""
        return first_slot <= self._newest_slot

    def call(self, message: MaskRosterMessage) -> MaskKeyMessage:
        """A new key for the round that the Queen calls for; what was not revealed of the last one never will be.

        MaskRefused when a masked round of this first slot or a later one was answered before.
        """
        if message.workers:
            raise MaskRefused("a list of keys came where the call for keys is expected")
        if message.first_slot < self._newest_slot + (not self._told):
            raise MaskRefused(f"the plan from slot {message.first_slot} on was already told under masks")
        place = RoundPlace(message.hive, message.round, message.first_slot)
        secret = MaskSecret(self._random_bytes(32))
        self._round = _Masked(place, secret)
        return signed_key(self._domain, place, self._signer, secret.public_key)

    def accept(self, message: MaskRosterMessage) -> None:
        """Takes the list of keys; MaskKeyError, TooFewForMasks or MaskRefused when it will not mask with it."""
        running = self._running(message.round)
        roster = checked_roster(self._domain, message, self._members)
        place, own = roster.place, self._signer.address
        if len(roster.workers) < self._fewest:
            raise TooFewForMasks(f"{len(roster.workers)} homes mask, this home wants {self._fewest} at least")
        if (place.hive, place.first_slot) != (running.place.hive, running.place.first_slot):
            raise MaskRefused(f"the list of round {message.round} is of another Hive or slot than its call")
        if roster.public_keys.get(own) != running.secret.public_key:
            raise MaskKeyError("this home's own key is not in the list")
        running.repeated = place.first_slot == self._newest_slot
        if running.repeated and self._told != set(roster.workers):
            raise MaskRefused(f"the plan from slot {place.first_slot} on was already told among other homes")
        if running.masks is None:
            running.masks = HomeMasks(own, running.secret, roster)
            running.active, running.place = frozenset(roster.workers), place
        elif running.masks.roster.context != roster.context:
            raise MaskRefused(f"round {message.round} has another list of keys already")

    def answer(self, iteration: int, vector: MaskedVector) -> str:
        """The text of the masked answer; the same again for a repeated broadcast.

        MaskRefused for a second, different answer, which would show the difference of the two; MaskLeftOut when the
        iteration before was never opened with this home in it.
        """
        running = self._ready()
        current = running.current
        if current is not None and iteration == current.number:
            if vector != current.plain:
                raise MaskRefused(f"iteration {iteration} was answered with other numbers")
            return current.text
        expected = 0 if current is None else current.number + 1
        if iteration < expected:
            raise MaskRefused(f"iteration {iteration} is over")
        if iteration > expected or (current is not None and not current.opened):
            running.left_out = True
            raise MaskLeftOut(f"iteration {iteration - 1} was not opened with this home's answer in it")
        assert running.masks is not None
        sent = running.masks.answer(iteration, vector.after(running.counted), running.active)
        running.current = _Iteration(iteration, vector, sent.text())
        if iteration == 0:
            self._newest_slot, self._told = running.place.first_slot, running.active
        return running.current.text

    def reveal(self, ask: MaskAskMessage) -> MaskRevealMessage:
        """What the Queen needs to open the sum; the same again for a repeated request.

        MaskRefused for whatever would let a single answer be opened; MaskLeftOut when this home is among the missing.
        """
        running = self._ready()
        place, current = running.place, running.current
        if (ask.hive, ask.group) != (place.hive, place.group) or ask.round != place.round or current is None:
            raise MaskRefused(f"the request is not of round {place.round}, or came before its first answer")
        if ask.iteration != current.number:
            raise MaskRefused(f"iteration {ask.iteration} is not the one of the last answer, {current.number}")
        if current.reply is not None and ask == current.asked:
            return current.reply
        missing = self._missing(running, current, ask)
        current.missing = missing
        assert running.masks is not None
        if ask.open:
            revealed = self._open(running, running.masks, current)
        else:
            revealed = b"".join(running.masks.pair_seed(worker, ask.iteration) for worker in sorted(missing))
        current.asked = ask
        current.reply = MaskRevealMessage(
            hive=place.hive,
            worker=self._signer.address.hex(),
            round=place.round,
            iteration=ask.iteration,
            serial=ask.serial,
            revealed=base64_text(revealed),
        )
        return current.reply

    def close(self) -> None:
        """The round is over: nothing is revealed of it any more, but by `disclose`."""
        if self._round is not None:
            self._closed = (self._round.place, self._round.secret)
        self._round = None

    def disclose(self, number: int) -> bytes:
        """The secret of the round just closed, for the audit that its members agreed to. It opens this home's answers.

        MaskRefused for any other round, and the second time.
        """
        if self._closed is None or self._closed[0].round != number:
            raise MaskRefused(f"round {number} is not the masked round that this home closed last")
        secret = self._closed[1].secret
        self._closed = None
        return secret

    def _missing(self, running: _Masked, current: _Iteration, ask: MaskAskMessage) -> frozenset[bytes]:
        """The missing of a request, when it may be followed."""
        missing = frozenset(bytes.fromhex(name) for name in ask.missing)
        if list(ask.missing) != sorted(set(ask.missing)) or not missing <= running.active:
            raise MaskRefused("the missing are not homes that still mask, each once, in the order of their addresses")
        if self._signer.address in missing:
            running.left_out = True
            raise MaskLeftOut(f"the answer to iteration {ask.iteration} is not counted")
        if current.opened:
            raise MaskRefused(f"iteration {ask.iteration} was opened; nothing else of it is revealed")
        if ask.open and missing != current.missing:
            raise MaskRefused("the missing differ from those whose masks were revealed")
        if not missing >= current.missing:
            raise MaskRefused("a home was missing and is not any more")
        if missing and ask.iteration == 0 and running.repeated:
            raise MaskRefused("the same plans would be opened a second time without some of the homes")
        assert running.masks is not None
        need = running.masks.roster.threshold
        if len(running.active - missing) < need:
            raise MaskRefused(f"{len(running.active - missing)} answers are too few to hide in, {need} are needed")
        return missing

    def _open(self, running: _Masked, masks: HomeMasks, current: _Iteration) -> bytes:
        """The keys of the shares of everybody who is counted; from now on only they mask, and this answer stands."""
        running.active -= current.missing
        current.opened = True
        if current.number == 0:
            self._told = running.active
        running.counted, running.counted_iteration = current.plain, current.number
        keys = [masks.share_key(worker, current.number) for worker in sorted(running.active)]
        return b"".join(element_bytes(key) for key in keys)

    def _running(self, number: int) -> _Masked:
        if self._round is None or self._round.place.round != number:
            raise MaskRefused(f"this home has no key in round {number}")
        return self._round

    def _ready(self) -> _Masked:
        running = self._round
        if running is None or running.masks is None:
            raise MaskRefused("this home has accepted no list of keys")
        if running.left_out:
            raise MaskLeftOut("this home takes no further part in the round's masks")
        return running
