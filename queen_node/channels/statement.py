"""A Statement from the lines that wait for one: a pure draft that the Worker's recomputation must equal.

All lines of one Statement were booked under one funding, because the Worker recomputes all of them under the one
that the message tells; a change of funding therefore ends a Statement.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from honey_edge.billing.account import statement_net_micro
from honey_edge.wire.charge_lines import ChargeLine
from honey_edge.wire.merkle import merkle_root
from honey_edge.wire.messages import MAX_LINES
from honey_edge.wire.recompute import line_leaves
from honey_edge.wire.statement_message import MAX_CHARGES, StatementLine
from honey_edge.wire.structs import PeakTotals, ReserveTotals, SlotTotals, Statement
from honey_edge.wire.typed_data import struct_hash
from queen_node.store.periods import ChargeRow
from queen_node.store.records import LineRow


@dataclass(frozen=True, slots=True)
class SignedTotals:
    """A slot's totals with the Queen's signature."""

    totals: SlotTotals
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedPeriod:
    """A period's totals with the Queen's signature."""

    totals: PeakTotals | ReserveTotals
    signature: bytes


@dataclass(frozen=True, slots=True)
class Evidence:
    """What lines and charges refer to.

    Totals by slot, the hash of the Worker's reading of each slot, and the totals of periods by (kind, last slot).
    """

    totals: Mapping[int, SignedTotals]
    reading_hashes: Mapping[int, bytes]
    periods: Mapping[tuple[int, int], SignedPeriod] = field(default_factory=dict)

    def leaves(self, lines: Sequence[LineRow], charges: Sequence[ChargeRow] = ()) -> tuple[bytes, ...]:
        """The evidence leaves of lines and charges, in the order of the account."""
        found: list[bytes] = []
        for one in in_order(lines, charges):
            if isinstance(one, LineRow):
                found += line_leaves(self.reading_hashes[one.slot], self.totals[one.slot].totals, one.kind)
            else:
                found.append(struct_hash(self.periods[one.kind, one.slot].totals))
        return tuple(found)

    def charge_lines(self, charges: Sequence[ChargeRow]) -> list[ChargeLine]:
        """The charges as a statement message carries them."""
        return [
            ChargeLine(
                one.kind,
                self.periods[one.kind, one.slot].totals,
                self.periods[one.kind, one.slot].signature,
                one.after_slot,
                one.quantity_milliwh,
                one.amount_pico,
                one.net_pico,
            )
            for one in charges
        ]

    def statement_lines(self, lines: Sequence[LineRow]) -> list[StatementLine]:
        """The lines as a statement message carries them."""
        return [
            StatementLine(
                totals=self.totals[line.slot].totals,
                totals_signature=self.totals[line.slot].signature,
                path=line.path,
                kind=line.kind,
                energy_milliwh=line.energy_milliwh,
                reputation=line.reputation,
                amount_pico=line.amount_pico,
                net_pico=line.net_pico,
            )
            for line in lines
        ]


def in_order(lines: Sequence[LineRow], charges: Sequence[ChargeRow]) -> list[LineRow | ChargeRow]:
    """Lines and charges as the account took them: a charge stands after the line of its `after_slot`."""
    places = [(one.slot, 0) for one in lines] + [(one.after_slot, 1) for one in charges]
    both: list[LineRow | ChargeRow] = [*lines, *charges]
    return [both[k] for k in sorted(range(len(both)), key=places.__getitem__)]


def lines_for_one(waiting: Sequence[LineRow], charges: Sequence[ChargeRow] = ()) -> list[LineRow]:
    """The oldest waiting lines that fit one Statement: at most 192, all under one funding, with at most 64 charges."""
    taken: list[LineRow] = []
    after = sorted(one.after_slot for one in charges)
    for line in waiting[:MAX_LINES]:
        full = bisect_right(after, line.slot) > MAX_CHARGES
        if taken and (full or line.funding_micro != taken[0].funding_micro):
            break
        taken.append(line)
    return taken


def draft_statement(
    hive: int,
    worker: bytes,
    lines: Sequence[LineRow],
    day_leaves: Sequence[bytes],
    evidence: Evidence,
    charges: Sequence[ChargeRow] = (),
) -> Statement:
    """The Statement that carries lines and charges; `day_leaves` are of the both-signed Statements of its day."""
    newest, last = lines[-1], in_order(lines, charges)[-1]
    return Statement(
        hive=hive,
        worker=worker,
        slot=newest.slot,
        net=statement_net_micro(last.net_pico, newest.funding_micro),
        imported=newest.imported,
        exported=newest.exported,
        readings=merkle_root([*day_leaves, *evidence.leaves(lines, charges)]),
    )


def credit_runs_out(funding_micro: int, recent: Sequence[LineRow]) -> bool:
    """Whether the credit left is below what the last 96 lines cost: less than a day at that pace."""
    if not recent:
        return False
    left_pico = funding_micro * 10**6 - recent[-1].net_pico
    return left_pico < max(0, sum(line.amount_pico for line in recent[-96:]))
