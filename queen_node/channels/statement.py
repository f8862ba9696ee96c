"""A Statement from the lines that wait for one: a pure draft that the Worker's recomputation must equal.

All lines of one Statement were booked under one funding, because the Worker recomputes all of them under the one
that the message tells; a change of funding therefore ends a Statement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from honey_edge.billing.account import statement_net_micro
from honey_edge.wire.merkle import merkle_root
from honey_edge.wire.messages import MAX_LINES
from honey_edge.wire.recompute import line_leaves
from honey_edge.wire.statement_message import StatementLine
from honey_edge.wire.structs import SlotTotals, Statement
from queen_node.store.records import LineRow


@dataclass(frozen=True, slots=True)
class SignedTotals:
    """A slot's totals with the Queen's signature."""

    totals: SlotTotals
    signature: bytes


@dataclass(frozen=True, slots=True)
class Evidence:
    """What lines refer to: totals by slot, and the hash of the Worker's reading of each slot."""

    totals: Mapping[int, SignedTotals]
    reading_hashes: Mapping[int, bytes]

    def leaves(self, lines: Sequence[LineRow]) -> tuple[bytes, ...]:
        """The evidence leaves of lines, in their order."""
        found: list[bytes] = []
        for line in lines:
            found += line_leaves(self.reading_hashes[line.slot], self.totals[line.slot].totals, line.kind)
        return tuple(found)

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


def lines_for_one(waiting: Sequence[LineRow]) -> list[LineRow]:
    """The oldest waiting lines that fit one Statement: at most 192, all under one funding."""
    taken: list[LineRow] = []
    for line in waiting[:MAX_LINES]:
        if taken and line.funding_micro != taken[0].funding_micro:
            break
        taken.append(line)
    return taken


def draft_statement(
    hive: int, worker: bytes, lines: Sequence[LineRow], day_leaves: Sequence[bytes], evidence: Evidence
) -> Statement:
    """The Statement that carries `lines`; `day_leaves` are those of the both-signed Statements of its day."""
    newest = lines[-1]
    return Statement(
        hive=hive,
        worker=worker,
        slot=newest.slot,
        net=statement_net_micro(newest.net_pico, newest.funding_micro),
        imported=newest.imported,
        exported=newest.exported,
        readings=merkle_root([*day_leaves, *evidence.leaves(lines)]),
    )


def credit_runs_out(funding_micro: int, recent: Sequence[LineRow]) -> bool:
    """Whether the credit left is below what the last 96 lines cost: less than a day at that pace."""
    if not recent:
        return False
    left_pico = funding_micro * 10**6 - recent[-1].net_pico
    return left_pico < max(0, sum(line.amount_pico for line in recent[-96:]))
