"""The answers of one round as they arrive: who is awaited, who has answered, which messages are refused."""

import asyncio
from collections.abc import Iterable

from honey_edge.market.errors import ProtocolError
from honey_edge.market.stragglers import AnswerLedger
from honey_edge.wire.messages import DeclareMessage


class RoundAnswers:
    """Collects the answers to the broadcasts of one round.

    Iteration 0 gathers openings; from then on answers of flexible Workers go into the ledger.
    """

    def __init__(self, number: int, first_slot: int, slots: int, largest_w: int) -> None:
        self._number, self._first_slot, self._slots, self._largest_w = number, first_slot, slots, largest_w
        self.openings: dict[str, DeclareMessage] = {}
        self.final_iteration: int | None = None
        self.ledger: AnswerLedger | None = None
        self.complete = asyncio.Event()
        self._awaited: set[str] = set()

    def expect(self, workers: Iterable[str]) -> None:
        """Whose answers complete the iteration that is about to be broadcast."""
        self._awaited = set(workers)
        self.complete.clear()
        if not self._awaited:
            self.complete.set()

    def take(self, worker: str, message: DeclareMessage) -> str:
        """Takes an answer; why it is refused, or "" when it counts or changes nothing."""
        if message.round != self._number or message.first_slot != self._first_slot:
            return "round"
        if self.final_iteration is not None and message.profile:
            return self._answered(worker)
        if len(message.power_w) != self._slots or any(abs(p) > self._largest_w for p in message.power_w):
            return "profile"
        if message.iteration == 0:
            if self.ledger is not None:
                return "round"
            self.openings.setdefault(worker, message)
        elif self.ledger is None or not self._into_ledger(self.ledger, worker, message):
            return "round"
        current = 0 if self.ledger is None else self.ledger.iteration
        return self._answered(worker) if message.iteration == current else ""

    def _into_ledger(self, ledger: AnswerLedger, worker: str, message: DeclareMessage) -> bool:
        try:
            ledger.take(worker, message.iteration, message.power_w, message.cost_e9_coin)
        except ProtocolError:
            return False
        return True

    def _answered(self, worker: str) -> str:
        self._awaited.discard(worker)
        if not self._awaited:
            self.complete.set()
        return ""
