"""Whose declarations can be relied on: the factor of each Worker's discount, observed as slots close (section 9).

A slot is observed for a Worker whose own reading of it was pooled, whose last Declaration for it is known and was there
before it began, and whose reading of `LAG_SLOTS` before is known. In a masked round the declared power stays hidden, so
such slots are not observed. The same slots feed test C (section 10); what its alarms mean for a Worker begins with a
UTC day, so that a day has one factor.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict

from sqlalchemy import Connection

from honey_edge.billing.account import ALONE
from honey_edge.market.fairplay import conduct
from honey_edge.market.fairplay.bias import GOOD
from honey_edge.market.fairplay.conduct import Watched
from honey_edge.market.fairplay.reputation import FLOOR, Reputation
from honey_edge.market.fairplay.standing import LAG_SLOTS, after_slot, energies_of, factor_in
from honey_edge.model.slots import day_of, slot_of_day
from honey_edge.wire.fairplay_messages import BY_ALARMS, BY_QUIET
from queen_node.store import fairplay, flex_orders, readings, reputations
from queen_node.store.fairplay import STANDING, FindingRow
from queen_node.store.records import LineRow
from queen_node.store.reputations import Observed


def factors(tx: Connection, slot: int, *, suspension: bool = True) -> dict[str, int]:
    """The factor (per mille) that a slot is settled with, by Worker; a Worker that is not in it has the full one."""
    floored = fairplay.floored(tx, day_of(slot)) if suspension else frozenset()
    return {
        worker: FLOOR if worker in floored else factor_in(one.state, slot)
        for worker, one in reputations.all_reputations(tx).items()
    }


def begin_day(tx: Connection, slot: int, *, suspension: bool = True) -> None:
    """Before the first slot of a UTC day is booked: closes the days before under test C, notes who stands otherwise.

    Without `suspension` alarms are counted and have no consequence.
    """
    if slot_of_day(slot):
        return
    for worker, before in fairplay.all_watched(tx).items():
        after = conduct.at_day(before, day_of(slot))
        if after == before:
            continue
        if after.conduct.standing != before.conduct.standing and suspension:
            note_standing(tx, worker, after, BY_QUIET if after.conduct.standing == GOOD else BY_ALARMS)
        elif not suspension:
            after = conduct.unpunished(after)
        fairplay.put_watched(tx, worker, after)


def note_standing(tx: Connection, worker: str, watched: Watched, why: int) -> None:
    """Keeps what a Worker is to be told about its standing."""
    standing = watched.conduct
    runs = [asdict(run) for run in watched.runs] if standing.standing != GOOD else []
    detail = {"standing": standing.standing, "runs": runs}
    fairplay.add_finding(tx, FindingRow(worker, max(standing.since_day, 0), STANDING, why, json.dumps(detail)))


def observe_closed(tx: Connection, slot: int, lines: Iterable[LineRow]) -> None:
    """Takes what the closing of a slot booked into the reputations; once a slot, in the closing's transaction."""
    known = reputations.all_reputations(tx)
    declared, ordered = reputations.declared_w(tx, slot), flex_orders.ordered_energies(tx, slot)
    for line in lines:
        if line.kind == ALONE or line.worker not in declared:
            continue
        before = known[line.worker].state if line.worker in known else Reputation()
        reference = _reference(tx, line.worker, slot)
        own = ordered.get(line.worker, 0)
        after = after_slot(before, slot, line.energy_milliwh, declared[line.worker], reference, own)
        if after != before:
            reputations.put_reputation(tx, line.worker, Observed(after, slot))
            watched = conduct.after_slot(
                fairplay.watched_of(tx, line.worker) or Watched(),
                slot,
                line.energy_milliwh,
                declared[line.worker],
                before.scale,
                own,
            )
            fairplay.put_watched(tx, line.worker, watched)


def _reference(tx: Connection, worker: str, slot: int) -> int | None:
    """The energy of the last slot that was known when the Declaration was due; None without its two readings."""
    at = slot - LAG_SLOTS
    stored = [row.reading for row in readings.readings_of(tx, worker, at - 1, at)]
    return energies_of((one.slot, one.imported, one.exported) for one in stored).get(at)
