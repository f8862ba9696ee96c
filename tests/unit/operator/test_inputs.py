"""What a person types is taken as it is meant or refused by name; nothing is rounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queen_node.operator import inputs
from queen_node.operator.errors import InputError

CHECKSUMMED = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def test_addresses_are_taken_as_wallets_show_them():
    plain = CHECKSUMMED[2:].lower()
    assert {inputs.address(text, "A") for text in (CHECKSUMMED, plain, "0x" + plain, plain.upper())} == {plain}
    assert inputs.checksum(plain) == CHECKSUMMED


@pytest.mark.parametrize(
    "text", ["", "0x", "5aAe", CHECKSUMMED + "0", "g" * 40, "0" * 40, CHECKSUMMED.replace("B", "b")]
)
def test_a_mistyped_address_is_refused_by_name(text):
    with pytest.raises(InputError, match="--owner"):
        inputs.address(text, "--owner")


@given(st.integers(1, 10**15), st.integers(6, 18))
def test_an_amount_comes_back_as_it_was_typed(units, decimals):
    assert inputs.decimal_units(inputs.decimal_text(units, decimals), decimals, "A") == units


@pytest.mark.parametrize(
    "text", ["", ".", ".5", "1e3", "-1", "+1", "1,5", "0", "0.0", "1.0000001", "²", "1.²", "9" * 16]
)
def test_an_amount_of_another_form_is_refused(text):
    with pytest.raises(InputError):
        inputs.micro_coins(text)


def test_amounts_are_shown_with_two_decimals_at_least_and_cost_never_too_low():
    assert [inputs.coin_text(micro) for micro in (0, 1, 1_500_000, -2_000_000)] == ["0.00", "0.000001", "1.50", "-2.00"]
    assert inputs.hvt_text(1_010 * 10**18) == "1010"
    assert inputs.native_text(1) == "0.000000001"


def test_a_connection_points_text_is_hashed_without_the_blanks_around_it():
    assert inputs.point_hash(" CH-1 ") == inputs.point_hash("CH-1") != inputs.point_hash("CH-2")
    with pytest.raises(InputError, match="--point"):
        inputs.point_hash("  ")


def test_dates_are_read_in_utc():
    assert inputs.unix_s("1970-01-02", "--not-after") == 86_400
    assert inputs.unix_s("1970-01-01T01:00", "--not-after") == inputs.unix_s("3600", "--not-after") == 3_600
    assert inputs.utc_text(86_400) == "1970-01-02T00:00:00Z"
    with pytest.raises(InputError, match="--not-after"):
        inputs.unix_s("tomorrow", "--not-after")


@pytest.mark.parametrize("value", [0, -1, 2**32])
def test_a_hive_has_a_number_from_1(value):
    with pytest.raises(InputError, match="HIVE"):
        inputs.hive_number(value)
