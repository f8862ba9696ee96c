"""The account countersigns an island's slot at prices that its home accepted, and objects to any other use of them."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from honey_edge.wire.recompute import TERMS, Agreement
from honey_edge.wire.structs import HiveTerms, Reading, SlotTotals
from honey_edge.wire.typed_data import struct_hash
from tests.unit.worker_node import world
from tests.unit.worker_node.test_account import Bench
from tests.unit.worker_node.world import DOMAIN, HIVE, QUEEN, WORKER, QueensBook
from worker_node.account import Account

ISLAND = (700_000, 400_000)


def terms_of(ceiling: int) -> HiveTerms:
    return replace(world.TERMS, island_ceiling=ceiling)


@dataclass
class IslandBook(QueensBook):
    """A Queen that settles every slot by the island tariff; a neighbour sells nearly what is bought."""

    neighbour_milliwh: int = -590_000
    pcc: int = 0
    ceiling: int = ISLAND[0]

    def totals(self, one: Reading, energy: int) -> SlotTotals:
        plain = super().totals(one, energy)
        terms = struct_hash(terms_of(self.ceiling))
        return replace(plain, buy=ISLAND[0], sell=ISLAND[1], pcc=self.pcc, price=ISLAND[0], terms=terms)


def bench_of(
    folder: Path, accepted: tuple[int, int] | None = ISLAND, ceiling: int = ISLAND[0], pcc: int = 0, sold: int = 590_000
) -> Bench:
    bench = Bench(folder)
    base = bench.readings[0]
    bench.book = IslandBook(QueensBook.opened_at(base).position, base.slot, [], neighbour_milliwh=-sold, pcc=pcc)
    bench.book.ceiling = ceiling
    tariff = replace(world.TARIFF, island=accepted)
    agreement = Agreement(DOMAIN, QUEEN.address, HIVE, terms_of(ceiling), tariff)
    bench.account = Account(agreement, WORKER, bench.journal, lambda: 1.0)
    return bench


def test_an_islands_slot_is_countersigned_and_what_was_saved_is_against_the_island_tariff(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    outcome = bench.answer(bench.book.statement(bench.readings[1:3]))
    assert outcome.reason == 0, outcome.detail
    rows = bench.journal.run(lambda journal: journal.bookings(0))
    assert [row.standalone_pico for row in rows] == [599_500 * 700_000] * 2
    assert all(row.amount_pico < 599_500 * 700_000 for row in rows)


@pytest.mark.parametrize(
    "changes",
    [
        {"accepted": None},
        {"accepted": (ISLAND[0] - 1, ISLAND[1])},
        {"ceiling": ISLAND[0] - 1},
        {"pcc": 1},
        {"sold": 500_000},
    ],
)
def test_island_prices_that_the_home_did_not_accept_for_this_slot_are_objected_to(
    tmp_path: Path, changes: dict[str, int]
) -> None:
    bench = bench_of(tmp_path, **changes)  # type: ignore[arg-type]
    outcome = bench.answer(bench.book.statement(bench.readings[1:2]))
    assert outcome.reason == TERMS
    assert "buy" in outcome.detail
