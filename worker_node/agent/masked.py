"""The home's side of masked rounds: keys and reveals as messages, answers under masks (docs/masks.md).

A home that requires masks answers no price in plain; so does one that has opened a masked round for the same slots,
because its plan would stand beside the sum that hides it.
"""

import logging
from collections.abc import Callable

from msgspec import structs

from honey_edge.wire.codec import MessageError, decode
from honey_edge.wire.mask_errors import MaskError
from honey_edge.wire.mask_messages import MaskAskMessage, MaskKeyMessage, MaskRevealMessage, MaskRosterMessage
from honey_edge.wire.mask_vector import MaskedVector
from honey_edge.wire.mask_worker import MaskedWorker
from honey_edge.wire.messages import DeclareMessage, RoundMessage

_LOG = logging.getLogger(__name__)


class AgentMasks:
    """One home's masks. `worker` holds the secrets; `own` is the home's address (40 hex digits).

    `slot` tells the slot that runs: keys are made for rounds of the next one only.
    """

    def __init__(
        self, worker: MaskedWorker, hive: int, own: str, slot: Callable[[], int], *, required: bool = False
    ) -> None:
        self._worker, self._hive, self._own, self._slot, self._required = worker, hive, own, slot, required
        self._said = ""

    def roster(self, payload: bytes) -> MaskKeyMessage | None:
        """Takes a call for keys or a list of keys; the key to send. MessageError for what is no such message."""
        message = decode(MaskRosterMessage, payload)
        self._own_hive(message.hive)
        try:
            if not message.workers:
                return self._worker.call(message) if message.first_slot == self._slot() + 1 else None
            if self._own in message.workers:
                self._worker.accept(message)
        except MaskError as error:
            self._say(message.round, error)
        return None

    def ask(self, payload: bytes) -> MaskRevealMessage | None:
        """Takes a request; what is revealed. MessageError for what is no such message."""
        message = decode(MaskAskMessage, payload)
        self._own_hive(message.hive)
        place = self._worker.place
        if place is None or (place.round, place.group) != (message.round, message.group):
            return None
        try:
            return self._worker.reveal(message)
        except MaskError as error:
            self._say(message.round, error)
        return None

    async def sealed(self, message: RoundMessage, declared: DeclareMessage) -> DeclareMessage | None:
        """The answer as it leaves the house; None refuses to give one."""
        if not message.masked:
            return None if self._required or self._worker.told(message.first_slot) else declared
        if message.final:
            counted = self._worker.counted_iteration is not None
            self._worker.close()
            return _without_numbers(declared) if counted else _plain(declared)
        vector = MaskedVector.of(
            declared.power_w, declared.cost_e9_coin, declared.residual_e9_kw2, declared.inner_e9_kw2
        )
        place = self._worker.place
        if place is None or (place.round, place.first_slot) != (message.round, message.first_slot):
            return _plain(declared) if message.iteration == 0 else None
        try:
            return structs.replace(_without_numbers(declared), masked=self._worker.answer(message.iteration, vector))
        except MaskError as error:
            self._say(message.round, error)
        return None

    def counted(self, message: RoundMessage) -> int | None:
        """The iteration whose answer a final broadcast adopts: the last one before it in which this home counts.

        None when it never did; 0 for the opening, which is no plan yet.
        """
        newest = self._worker.counted_iteration
        return None if newest is None else min(message.iteration - 1, newest)

    def _own_hive(self, hive: int) -> None:
        if hive != self._hive:
            raise MessageError(f"masks of Hive {hive} came to Hive {self._hive}")

    def _say(self, number: int, error: MaskError) -> None:
        """Logs a refusal, once for each reason in a row."""
        text = f"round={number} code={error.code} reason={str(error)!r}"
        if text != self._said:
            _LOG.warning("masks_refused %s", text)
        self._said = text


def _plain(declared: DeclareMessage) -> DeclareMessage | None:
    """What a home tells that does not mask: the forecast where it can move nothing, else nothing."""
    return None if declared.flexible else declared


def _without_numbers(declared: DeclareMessage) -> DeclareMessage:
    return structs.replace(
        declared,
        power_w=(),
        cost_e9_coin=0,
        residual_e9_kw2=0,
        inner_e9_kw2=(),
        bound_e9_coin=None,
        alone_e9_coin=None,
        proof_e9_coin=None,
    )
