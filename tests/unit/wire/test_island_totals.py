"""The island tariff in signed SlotTotals: a Worker takes it only where the terms that its home accepted allow it."""

import json
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from honey_edge.billing.clearing import is_balanced
from honey_edge.billing.tariff import Tariff, TariffError, parse_tariff, tariff_document
from honey_edge.wire.recompute import TERMS, Agreement, Disagreement, check_totals
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.structs import HiveTerms, SlotTotals
from honey_edge.wire.typed_data import Domain, digest, struct_hash

QUEEN = KeySigner(b"\1" * 32)
DOMAIN = Domain(31337, b"\5" * 20)
SLOT = 96 * 20_000 + 10
PLAIN = Tariff("EUR", (200,) * 96, (50,) * 96, (), 0)
NUMBERS = st.integers(0, 1_000)


def agreement_of(island: tuple[int, int] | None, ceiling: int) -> Agreement:
    terms = HiveTerms(7, 1, 0, b"\6" * 32, 250, 20, 0, 10**6, 10_000, ceiling, 2)
    return Agreement(DOMAIN, QUEEN.address, 7, terms, replace(PLAIN, island=island))


def totals_of(agreement: Agreement, buy: int, sell: int, pcc: int, bought: int, sold: int) -> SlotTotals:
    price = buy if pcc > 0 and not is_balanced(pcc, bought, sold) else sell
    terms = struct_hash(agreement.terms)
    return SlotTotals(7, SLOT, bought, sold, pcc, buy, sell, price, 250, 20, 2, 0, 0, bytes(32), terms)


def refusal(agreement: Agreement, totals: SlotTotals) -> Disagreement | None:
    try:
        check_totals(agreement, totals, QUEEN.sign(digest(DOMAIN, totals)))
    except Disagreement as error:
        return error
    return None


PAIRS = st.tuples(NUMBERS, NUMBERS).map(lambda pair: (max(pair), min(pair)))


@given(
    st.one_of(st.none(), PAIRS), st.integers(0, 1_200), PAIRS, st.integers(-40, 40), st.integers(0, 500),
    st.integers(0, 500), st.booleans(),
)  # fmt: skip
@example((600, 400), 600, (600, 400), 0, 100, 100, True)
@example((600, 400), 599, (600, 400), 0, 100, 100, True)
@example((600, 400), 600, (600, 400), 1, 100, 100, True)
@example((600, 400), 600, (600, 400), 0, 100, 60, True)
@example(None, 600, (600, 400), 0, 100, 100, True)
def test_other_prices_than_the_slots_own_are_only_ever_the_accepted_ones_of_an_island(
    island: tuple[int, int] | None, ceiling: int, other: tuple[int, int], pcc: int, bought: int, sold: int, same: bool
) -> None:
    agreement = agreement_of(island, ceiling)
    told = island if same and island is not None else other
    found = refusal(agreement, totals_of(agreement, *told, pcc, bought, sold))
    allowed = island is not None and told == island and island[0] <= ceiling and pcc == 0
    allowed = allowed and is_balanced(bought - sold, bought, sold)
    if told == (200, 50) or allowed:
        assert found is None
    else:
        assert found is not None
        assert found.reason == TERMS
        assert found.field in ("buy", "sell")


def test_a_tariff_file_without_island_prices_has_the_bytes_it_always_had() -> None:
    assert b"island" not in tariff_document(PLAIN)
    assert parse_tariff(tariff_document(PLAIN)) == PLAIN


def test_island_prices_survive_the_file() -> None:
    tariff = replace(PLAIN, island=(600, 400))
    assert parse_tariff(tariff_document(tariff)) == tariff
    assert tariff.island_prices(SLOT, 600) == (600, 400)
    assert tariff.island_prices(SLOT, 599) is None


@pytest.mark.parametrize("pair", [(400, 600), (600, -1), (True, 0), (10**12 + 1, 0), ("600", 0), (6.0, 0)])
def test_island_prices_that_cannot_be_settled_by_are_refused(pair: tuple[object, object]) -> None:
    data = tariff_document(replace(PLAIN, island=(1, 0)))
    document = json.loads(data) | dict(
        zip(("island_buy_micro_per_kwh", "island_sell_micro_per_kwh"), pair, strict=True)
    )
    with pytest.raises(TariffError, match="island_buy"):
        parse_tariff(json.dumps(document).encode())


def test_one_island_price_alone_is_refused() -> None:
    with pytest.raises(TariffError, match="exactly the fields"):
        parse_tariff(tariff_document(replace(PLAIN, island=(1, 0))).replace(b'"island_sell_micro_per_kwh":0,', b""))
