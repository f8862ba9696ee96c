"""Whose declarations can be relied on: the factor of each Worker's discount, observed as slots close (section 9).

A slot is observed for a Worker whose own reading of it was pooled, whose last Declaration for it is known and was there
before it began, and whose reading of `LAG_SLOTS` before is known. In a masked round the declared power stays hidden, so
such slots are not observed.
"""

from collections.abc import Iterable

from sqlalchemy import Connection

from honey_edge.billing.account import ALONE
from honey_edge.market.fairplay.reputation import Reputation
from honey_edge.market.fairplay.standing import LAG_SLOTS, after_slot, energies_of, factor_in
from queen_node.store import readings, reputations
from queen_node.store.records import LineRow
from queen_node.store.reputations import Observed


def factors(tx: Connection, slot: int) -> dict[str, int]:
    """The factor (per mille) that a slot is settled with, by Worker; a Worker that is not in it has the full one."""
    return {worker: factor_in(one.state, slot) for worker, one in reputations.all_reputations(tx).items()}


def observe_closed(tx: Connection, slot: int, lines: Iterable[LineRow]) -> None:
    """Takes what the closing of a slot booked into the reputations; once a slot, in the closing's transaction."""
    known = reputations.all_reputations(tx)
    declared = reputations.declared_w(tx, slot)
    for line in lines:
        if line.kind == ALONE or line.worker not in declared:
            continue
        before = known[line.worker].state if line.worker in known else Reputation()
        reference = _reference(tx, line.worker, slot)
        after = after_slot(before, slot, line.energy_milliwh, declared[line.worker], reference)
        if after != before:
            reputations.put_reputation(tx, line.worker, Observed(after, slot))


def _reference(tx: Connection, worker: str, slot: int) -> int | None:
    """The energy of the last slot that was known when the Declaration was due; None without its two readings."""
    at = slot - LAG_SLOTS
    stored = [row.reading for row in readings.readings_of(tx, worker, at - 1, at)]
    return energies_of((one.slot, one.imported, one.exported) for one in stored).get(at)
