"""Tariff files: exact round trip, and every refusal names field and slot."""

import json
from typing import Any

import pytest

from honey_edge.billing.tariff import Tariff, TariffError, parse_tariff, tariff_document

TARIFF = Tariff("EUR", tuple(200_000 + k for k in range(96)), (50_000,) * 95 + (-20_000,), ("mail@home",), 3_000_000)


def document(**changes: Any) -> bytes:
    return json.dumps({**json.loads(tariff_document(TARIFF)), **changes}).encode()


def test_a_tariff_survives_its_file_and_equal_tariffs_have_equal_bytes() -> None:
    data = tariff_document(TARIFF)
    assert parse_tariff(data) == TARIFF
    assert tariff_document(parse_tariff(data)) == data
    assert parse_tariff(document()) == TARIFF


def test_prices_follow_the_slot_of_the_utc_day() -> None:
    assert TARIFF.prices(96 * 20_000 + 95) == (200_095, -20_000)
    assert TARIFF.prices(0) == (200_000, 50_000)


def test_sell_above_buy_is_refused_with_its_slot_and_what_to_do() -> None:
    sell = [50_000] * 96
    sell[17] = 200_018
    with pytest.raises(TariffError, match=r"sell_micro_per_kwh\[17\]") as refused:
        parse_tariff(document(sell_micro_per_kwh=sell))
    assert "sell = buy" in refused.value.next_step


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "not JSON"),
        (b"[" * 60_000, "not JSON"),
        (b"\xff", "not JSON"),
        (b" " * 65_537, "65537 bytes"),
        (b"[]", "exactly the fields"),
        (document(v=2), "version 1"),
        (document(extra=1), "exactly the fields"),
        (document(buy_micro_per_kwh=[1] * 95), "buy_micro_per_kwh must list 96"),
        (document(sell_micro_per_kwh="x"), "sell_micro_per_kwh must list 96"),
        (document(buy_micro_per_kwh=[1.0] * 96), r"buy_micro_per_kwh\[0\]"),
        (document(buy_micro_per_kwh=[True] * 96), r"buy_micro_per_kwh\[0\]"),
        (document(buy_micro_per_kwh=[10**12 + 1] * 96), r"buy_micro_per_kwh\[0\]"),
        (document(currency=""), "currency"),
        (document(currency=5), "currency"),
        (document(currency="x" * 9), "currency"),
        (document(contest_addresses="a"), "contest_addresses"),
        (document(contest_addresses=[1]), "contest_addresses"),
        (document(contest_addresses=["x" * 201]), "contest_addresses"),
        (document(unsigned_limit_micro=-1), "unsigned_limit_micro"),
        (document(unsigned_limit_micro=2**63), "unsigned_limit_micro"),
        (document(unsigned_limit_micro=True), "unsigned_limit_micro"),
    ],
)
def test_every_other_file_is_refused_by_name(data: bytes, named: str) -> None:
    with pytest.raises(TariffError, match=named):
        parse_tariff(data)
