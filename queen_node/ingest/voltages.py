"""Voltages that homes publish, checked and stored (market-design section 11).

They are not signed, so nothing but the band of rounds follows from them. What cannot be of a meter, of this slot or of
this Worker is noted and changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from honey_edge.market.grid.feeder import SlotVoltage
from honey_edge.model.slots import slot_end_unix_s
from honey_edge.wire.codec import MessageError, decode
from honey_edge.wire.grid_messages import GridMessage
from queen_node.store import Store, voltages
from queen_node.store.records import RejectedRow
from queen_node.store.refusals import Refusals

AGE_S = 3_600
"""How long after its end a slot is taken; homes do not keep what could not be sent."""

_AHEAD_S = 5
_LEAST_PERMILLE, _MOST_PERMILLE = 500, 1_500


@dataclass(frozen=True, slots=True)
class VoltageRules:
    """What is plausible: nominal volts of a phase, and the largest power of a home (W or var)."""

    nominal_v: int
    largest_w: int


class VoltageIntake:
    """Takes the messages of the grid topic."""

    def __init__(self, store: Store, rules: VoltageRules, refusals: Refusals, now_unix_s: Callable[[], float]) -> None:
        self._store, self._rules, self._refusals, self._now_unix_s = store, rules, refusals, now_unix_s
        with store.begin() as tx:
            self._newest = voltages.newest_slots(tx)

    def receive(self, worker: str, payload: bytes) -> None:
        """Takes one message; a refused one is noted."""
        try:
            message = decode(GridMessage, payload)
        except MessageError as error:
            self._refuse(worker, payload, "malformed", str(error))
            return
        problem = self._problem(worker, message)
        if problem:
            self._refuse(worker, payload, problem, f"slot {message.slot}")
            return
        row = SlotVoltage(worker, message.slot, message.voltage_mv, message.power_w, message.reactive_var)
        with self._store.begin() as tx:
            voltages.add_voltage(tx, row)
        self._newest[worker] = message.slot

    def _problem(self, worker: str, message: GridMessage) -> str:
        """Why a message is refused, or ""."""
        if message.worker != worker:
            return "foreign"
        age_s = self._now_unix_s() - slot_end_unix_s(message.slot)
        if not -_AHEAD_S <= age_s <= AGE_S:
            return "slot"
        if message.slot <= self._newest.get(worker, -1):
            return "replayed"
        low, high = self._rules.nominal_v * _LEAST_PERMILLE, self._rules.nominal_v * _MOST_PERMILLE
        if not all(low <= one <= high for one in message.voltage_mv):
            return "voltage"
        if max(abs(message.power_w), abs(message.reactive_var)) > self._rules.largest_w:
            return "power"
        return ""

    def _refuse(self, worker: str, payload: bytes, reason: str, detail: str) -> None:
        now = int(self._now_unix_s())
        self._refusals.note(RejectedRow(worker, now, "grid", reason, detail, payload))
