"""The home's own reckoning of its reputation, along the lines of a Statement (market-design section 9).

From the journal alone: what was declared for each slot, what was ordered in it, and the own readings. The Queen takes
the same steps; where a Declaration was lost on its way she has observed less, and `lowest_due` says how much that may
excuse. A factor at the floor is accepted where the own records say so too: by their own two alarms of test C, or by her
signed finding whose days add up to nearly as much here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from honey_edge.billing.account import ALONE, Position
from honey_edge.billing.clearing import FULL_REPUTATION
from honey_edge.market.fairplay import conduct
from honey_edge.market.fairplay.bias import GOOD
from honey_edge.market.fairplay.conduct import Run, Watched
from honey_edge.market.fairplay.reputation import FLOOR, Reputation
from honey_edge.market.fairplay.standing import LAG_SLOTS, after_slot, energies_of, lowest_due
from honey_edge.model.slots import day_of
from honey_edge.wire.codec import decode
from honey_edge.wire.fairplay_messages import StandingMessage
from honey_edge.wire.statement_message import StatementLine
from honey_edge.wire.structs import Reading
from worker_node.journal import Journal


@dataclass(frozen=True, slots=True)
class Walk:
    """The least factor (per mille) accepted for each line, own reputation and test C after the last."""

    lowest: tuple[int, ...]
    after: Reputation
    watched: Watched


def walk(journal: Journal, before: Position, readings: Sequence[Reading], lines: Sequence[StatementLine]) -> Walk:
    """Goes through lines and the own readings they are about, in order; `before` is where the account stood."""
    state, lowest = journal.reputation(), [FULL_REPUTATION] * len(lines)
    watched, told = journal.fair_play.watched(), findings(journal)
    slot, net = before.slot, before.imported - before.exported
    for k, (reading, line) in enumerate(zip(readings, lines, strict=False)):
        watched = conduct.at_day(watched, day_of(reading.slot))
        lowest[k] = FLOOR if is_floored(watched, told, reading.slot) else lowest_due(state, reading.slot)
        energy = reading.imported - reading.exported - net
        if line.kind != ALONE and reading.slot == slot + 1:
            declared_w, ordered = journal.declared_w(reading.slot), journal.flex.ordered_milliwh(reading.slot)
            scale, reference = state.scale, _reference(journal, reading.slot)
            state = after_slot(state, reading.slot, energy, declared_w, reference, ordered)
            if declared_w is not None and reference is not None:
                watched = conduct.after_slot(watched, reading.slot, energy, declared_w, scale, ordered)
        slot, net = reading.slot, reading.imported - reading.exported
    return Walk(tuple(lowest), state, watched)


def findings(journal: Journal) -> list[StandingMessage]:
    """What the Queen told of this home's standing, newest first; signatures were checked when it came."""
    return [decode(StandingMessage, message) for message in journal.fair_play.standings()]


def is_floored(own: Watched, told: Sequence[StandingMessage], slot: int) -> bool:
    """Whether the own records bear a factor at the floor for a slot; `own` is the state at the start of its day."""
    day = day_of(slot)
    if own.conduct.standing != GOOD or day < own.conduct.since_day:
        return True
    for finding in told:
        if finding.standing and day > finding.since_day:
            return not conduct.doubt(own, runs_of(finding))
        if not finding.standing and day >= finding.since_day:
            return False
    return False


def runs_of(finding: StandingMessage) -> list[Run]:
    """The runs of days that a finding names; none where its lists do not belong together."""
    lists = finding.side, finding.from_day, finding.to_day
    if len({len(one) for one in lists}) != 1:
        return []
    return [Run(*one) for one in zip(*lists, strict=True)]


def _reference(journal: Journal, slot: int) -> int | None:
    """The energy of the last slot that was known when the Declaration was due; None without its two readings."""
    at = slot - LAG_SLOTS
    known = [one.reading for one in (journal.reading(at - 1), journal.reading(at)) if one is not None]
    return energies_of((one.slot, one.imported, one.exported) for one in known).get(at)
