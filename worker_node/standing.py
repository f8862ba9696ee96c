"""The home's own reckoning of its reputation, along the lines of a Statement (market-design section 9).

From the journal alone: what was declared for each slot and the own readings. The Queen takes the same steps; where a
Declaration was lost on its way she has observed less, and `lowest_due` says how much that may excuse.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from honey_edge.billing.account import ALONE, Position
from honey_edge.billing.clearing import FULL_REPUTATION
from honey_edge.market.fairplay.reputation import Reputation
from honey_edge.market.fairplay.standing import LAG_SLOTS, after_slot, energies_of, lowest_due
from honey_edge.wire.statement_message import StatementLine
from honey_edge.wire.structs import Reading
from worker_node.journal import Journal


@dataclass(frozen=True, slots=True)
class Walk:
    """The least factor (per mille) accepted for each line, and the own reputation after the last."""

    lowest: tuple[int, ...]
    after: Reputation


def walk(journal: Journal, before: Position, readings: Sequence[Reading], lines: Sequence[StatementLine]) -> Walk:
    """Goes through lines and the own readings they are about, in order; `before` is where the account stood."""
    state, lowest = journal.reputation(), [FULL_REPUTATION] * len(lines)
    slot, net = before.slot, before.imported - before.exported
    for k, (reading, line) in enumerate(zip(readings, lines, strict=False)):
        lowest[k] = lowest_due(state, reading.slot)
        energy = reading.imported - reading.exported - net
        if line.kind != ALONE and reading.slot == slot + 1:
            state = after_slot(
                state, reading.slot, energy, journal.declared_w(reading.slot), _reference(journal, reading.slot)
            )
        slot, net = reading.slot, reading.imported - reading.exported
    return Walk(tuple(lowest), state)


def _reference(journal: Journal, slot: int) -> int | None:
    """The energy of the last slot that was known when the Declaration was due; None without its two readings."""
    at = slot - LAG_SLOTS
    known = [one.reading for one in (journal.reading(at - 1), journal.reading(at)) if one is not None]
    return energies_of((one.slot, one.imported, one.exported) for one in known).get(at)
