"""The Queen's side of a masked round: collects keys, answers and reveals, and opens sums, nothing else.

    take_key* -> seal        per iteration: begin -> take_answer* -> (next_ask -> take_reveal*)* -> opened

Running sums: power, cost and residual arrive as differences, so that a home that is not counted keeps its last counted
plan. Time is the caller's: it calls `next_ask` when everybody in `awaited` has answered, or when it waits no longer.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from honey_edge.wire.mask_answer import MaskedAnswer, elements, secret_check, share_check, unbase64
from honey_edge.wire.mask_errors import MaskFormError, MaskKeyError, MaskLost, MaskRefused
from honey_edge.wire.mask_field import ELEMENT_BYTES, PRIME, secret_of_shares, weights_at_zero
from honey_edge.wire.mask_keys import (
    SEED_BYTES,
    Roster,
    RoundPlace,
    checked_roster,
    key_holds,
    own_seed,
    roster_message,
)
from honey_edge.wire.mask_messages import (
    MOST_MASKED,
    MaskAskMessage,
    MaskKeyMessage,
    MaskRevealMessage,
    MaskRosterMessage,
)
from honey_edge.wire.mask_vector import NOTHING, MaskedVector, WordSum, expand
from honey_edge.wire.typed_data import Domain


@dataclass(slots=True)
class IterationRecord:
    """What came in one iteration, kept for an audit: texts by home, who is missing, and what was revealed of them.

    `seeds` holds, by the home that revealed them, the seeds of its masks with the missing, in their order.
    """

    number: int
    texts: dict[bytes, str] = field(default_factory=dict)
    missing: frozenset[bytes] = frozenset()
    seeds: dict[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    active: tuple[bytes, ...] = ()


@dataclass(slots=True)
class _Open:
    """The iteration that runs."""

    record: IterationRecord
    answers: dict[bytes, MaskedAnswer] = field(default_factory=dict)
    keys: dict[bytes, tuple[int, ...]] = field(default_factory=dict)
    ask: MaskAskMessage | None = None


class MaskedQueen:
    """One round of one group; `members` are the enrolled homes (addresses)."""

    def __init__(self, domain: Domain, place: RoundPlace, members: Collection[bytes]) -> None:
        self._domain, self._place, self._members = domain, place, frozenset(members)
        self._told: dict[bytes, MaskKeyMessage] = {}
        self._roster: Roster | None = None
        self._active: frozenset[bytes] = frozenset()
        self._open: _Open | None = None
        self.totals = NOTHING
        self.records: list[IterationRecord] = []
        self.suspects: Counter[bytes] = Counter()

    @property
    def roster(self) -> Roster:
        """The list that was sent; MaskRefused before `seal`."""
        if self._roster is None:
            raise MaskRefused("the list of keys is not sealed")
        return self._roster

    @property
    def active(self) -> frozenset[bytes]:
        """The homes that still mask: all of the list, then those counted in the last opened iteration."""
        return self._active

    @property
    def awaited(self) -> frozenset[bytes]:
        """Whose answer, or whose reveal to the last request, has not come."""
        if self._open is None:
            return frozenset()
        if self._open.ask is None:
            return self._active - self._open.answers.keys()
        return self._present(self._open) - self._replied(self._open)

    def call(self) -> MaskRosterMessage:
        """The call for keys."""
        place = self._place
        return MaskRosterMessage(hive=place.hive, round=place.round, first_slot=place.first_slot, group=place.group)

    def check_key(self, message: MaskKeyMessage) -> None:
        """MaskKeyError for the key of a stranger, a forged one, or one for another round."""
        place = self._place
        if (message.hive, message.round, message.first_slot) != (place.hive, place.round, place.first_slot):
            raise MaskKeyError(f"a key for round {message.round}, this is {place.round}")
        if bytes.fromhex(message.worker) not in self._members or not key_holds(self._domain, message):
            raise MaskKeyError(f"{message.worker} is not enrolled, or did not sign this key")

    def take_key(self, message: MaskKeyMessage) -> None:
        """Takes a home's key, its newest until `seal`. MaskKeyError as `check_key`, or when no more are taken."""
        worker = bytes.fromhex(message.worker)
        if self._roster is not None:
            raise MaskKeyError("the list of keys is sealed")
        self.check_key(message)
        if len(self._told) >= MOST_MASKED and worker not in self._told:
            raise MaskKeyError(f"{MOST_MASKED} homes mask together at most")
        self._told[worker] = message

    def seal(self) -> MaskRosterMessage:
        """Closes the list and returns it; TooFewForMasks below three homes."""
        message = roster_message(self._place, self._told.values())
        self._roster = checked_roster(self._domain, message, self._members)
        self._active = frozenset(self._roster.workers)
        return message

    def begin(self, iteration: int) -> None:
        """A broadcast goes out; answers to it may come."""
        self._open = _Open(IterationRecord(iteration, active=tuple(sorted(self._active))))

    def take_answer(self, worker: bytes, iteration: int, text: str) -> bool:
        """Takes a masked answer; False for one that changes nothing: late or the same again.

        MaskFormError for a text that cannot be one, MaskRefused from a home that does not mask now.
        """
        running = self._open
        if running is None or running.record.number != iteration or running.ask is not None:
            return False
        if worker not in self._active:
            raise MaskRefused(f"{worker.hex()} does not mask in iteration {iteration}")
        if worker in running.answers:
            return False
        running.answers[worker] = MaskedAnswer.of_text(text, len(self.roster.workers))
        running.record.texts[worker] = text
        return True

    def next_ask(self) -> MaskAskMessage | None:
        """The next request to broadcast, None when the sum can be opened; MaskLost when it never can."""
        running = self._open
        if running is None:
            raise MaskRefused("no iteration runs")
        ask, record = running.ask, running.record
        if ask is not None and ask.open:
            self._enough(len(running.keys), "revealed")
            return None
        late = self._active - running.answers.keys() if ask is None else self._present(running) - self._replied(running)
        record.missing |= late
        self._enough(len(self._present(running)), "answered")
        running.ask = MaskAskMessage(
            hive=self._place.hive,
            round=self._place.round,
            group=self._place.group,
            iteration=record.number,
            serial=0 if ask is None else ask.serial + 1,
            open=not late,
            missing=tuple(sorted(worker.hex() for worker in record.missing)),
        )
        if late:
            record.seeds.clear()
        return running.ask

    def take_reveal(self, worker: bytes, message: MaskRevealMessage) -> bool:
        """Takes what a home revealed; False for one that changes nothing. MaskFormError, MaskRefused."""
        running = self._open
        ask = None if running is None else running.ask
        if running is None or ask is None or (message.round, message.iteration) != (ask.round, ask.iteration):
            return False
        if message.serial != ask.serial or worker in self._replied(running):
            return False
        present = self._present(running)
        if worker not in present or bytes.fromhex(message.worker) != worker:
            raise MaskRefused(f"{worker.hex()} has nothing to reveal in iteration {ask.iteration}")
        data = unbase64(message.revealed)
        if ask.open:
            _long(data, ELEMENT_BYTES * len(present))
            running.keys[worker] = elements(data)
        else:
            _long(data, SEED_BYTES * len(ask.missing))
            cuts = range(0, len(data), SEED_BYTES)
            running.record.seeds[worker] = tuple(data[k : k + SEED_BYTES] for k in cuts)
        return True

    def opened(self) -> MaskedVector:
        """The running sums of all who ever counted; the inner products only of those who count in this iteration.

        MaskLost names the homes whose shares cannot be right; the sums stay as they were.
        """
        running = self._open
        if running is None or running.ask is None or not running.ask.open:
            raise MaskRefused("the sum cannot be opened yet")
        self._enough(len(running.keys), "revealed")
        total = WordSum()
        present = self._present(running)
        for worker, secret in self._secrets(running).items():
            total.add(running.answers[worker].vector)
            total.subtract(expand(own_seed(secret, worker, self.roster.context, running.record.number)))
        for worker, seeds in running.record.seeds.items():
            for missing, seed in zip(sorted(running.record.missing), seeds, strict=True):
                if worker < missing:
                    total.subtract(expand(seed))
                else:
                    total.add(expand(seed))
        self.totals = MaskedVector.of_bytes(total.value()).onto(self.totals)
        self._active = present
        self.records.append(running.record)
        self._open = None
        return self.totals

    def _secrets(self, running: _Open) -> dict[bytes, int]:
        """The secrets of the own masks of all who are counted, from `threshold` good shares of each."""
        roster, number = self.roster, running.record.number
        weights: dict[tuple[int, ...], tuple[int, ...]] = {}
        secrets, unopened = {}, []
        for place, owner in enumerate(sorted(self._present(running))):
            shares = self._shares(running, owner, place)
            places = tuple(shares)
            if len(places) == roster.threshold:
                if places not in weights:
                    weights[places] = weights_at_zero(places)
                secret = secret_of_shares(weights[places], tuple(shares.values()))
                if secret_check(roster.context, owner, number, secret) == running.answers[owner].secret_check:
                    secrets[owner] = secret
                    continue
            unopened.append(owner)
        if unopened:
            liars = self._liars(running, unopened)
            names = ", ".join(liar.hex() for liar in liars)
            raise MaskLost(f"iteration {number} cannot be opened: false shares of {names}", liars=liars)
        return secrets

    def _liars(self, running: _Open, unopened: list[bytes]) -> tuple[bytes, ...]:
        """Who is to blame for masks that do not open.

        Holders whose keys fail for more than half of the homes; and homes whose shares fail with other holders too, or
        give another secret than they should.
        """
        present = sorted(self._present(running))
        failed = {
            owner: {holder for holder in running.keys if not self._share(running, owner, place, holder)[1]}
            for place, owner in enumerate(present)
        }
        counts = Counter(holder for holders in failed.values() for holder in holders)
        false_holders = {holder for holder, count in counts.items() if 2 * count > len(present)}
        false_owners = {owner for owner in unopened if failed[owner] - false_holders or not failed[owner]}
        return tuple(sorted(false_holders | false_owners))

    def _shares(self, running: _Open, owner: bytes, place: int) -> dict[int, int]:
        """Up to `threshold` good shares of a home's own mask, by x; wrong ones count against their holder."""
        good: dict[int, int] = {}
        for holder in sorted(running.keys):
            share, holds = self._share(running, owner, place, holder)
            if holds:
                good[self.roster.positions[holder]] = share
            else:
                self.suspects[holder] += 1
            if len(good) == self.roster.threshold:
                break
        return good

    def _share(self, running: _Open, owner: bytes, place: int, holder: bytes) -> tuple[int, bool]:
        """A holder's share of a home's own mask, and whether it is what the home locked."""
        x = self.roster.positions[holder]
        locked = running.answers[owner].shares[x - 1]
        share = (locked.locked - running.keys[holder][place]) % PRIME
        check = share_check(self.roster.context, owner, running.record.number, x, share)
        return share, check == locked.check

    def _present(self, running: _Open) -> frozenset[bytes]:
        return frozenset(running.record.active) - running.record.missing

    def _replied(self, running: _Open) -> frozenset[bytes]:
        if running.ask is None or running.ask.open:
            return frozenset(running.keys)
        return frozenset(running.record.seeds)

    def _enough(self, homes: int, did: str) -> None:
        need = self.roster.threshold
        if homes < need:
            raise MaskLost(f"only {homes} homes {did}, {need} of {len(self.roster.workers)} are needed")


def _long(data: bytes, expected: int) -> None:
    if len(data) != expected:
        raise MaskFormError(f"{len(data)} bytes were revealed, {expected} are needed")
