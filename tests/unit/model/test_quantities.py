"""Units, slots and identities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honey_edge.model.errors import HiveError, RangeError
from honey_edge.model.ids import IdentityError, address_bytes, address_text, checked_serial
from honey_edge.model.slots import (
    SLOT_S,
    day_of,
    last_slot_of_day,
    slot_at,
    slot_end_unix_s,
    slot_of_day,
    slot_start_unix_s,
)
from honey_edge.model.units import checked, micro_owed, pico_of_micro


@given(st.integers(0, 2**32 - 1))
def test_slots_tile_time_and_days(slot: int) -> None:
    start, end = slot_start_unix_s(slot), slot_end_unix_s(slot)
    assert end - start == SLOT_S
    assert slot_at(start) == slot_at(end - 1) == slot_at(end - 0.01) == slot
    assert slot_at(end) == slot + 1
    assert day_of(slot) * 96 + slot_of_day(slot) == slot
    assert day_of(slot) == start // 86_400
    assert last_slot_of_day(day_of(slot)) >= slot
    assert day_of(last_slot_of_day(day_of(slot)) + 1) == day_of(slot) + 1


@given(st.integers(-(10**30), 10**30))
def test_money_is_rounded_towards_the_pool_by_less_than_a_micro_coin(pico: int) -> None:
    assert 0 <= pico_of_micro(micro_owed(pico)) - pico < 10**6


def test_a_checked_number_names_field_and_limits() -> None:
    assert checked("power_w", 5, 0, 5) == 5
    with pytest.raises(RangeError, match=r"power_w = 6 lies outside 0 \.\. 5"):
        checked("power_w", 6, 0, 5)
    with pytest.raises(RangeError):
        checked("power_w", -1, 0, 5)


@given(st.binary(min_size=20, max_size=20))
def test_addresses_survive_their_text(raw: bytes) -> None:
    assert address_bytes(address_text(raw)) == raw


@pytest.mark.parametrize(
    "text", ["", "0x" + "a" * 40, "A" * 40, "a" * 39, "a" * 41, "a" * 40 + "\n", "g" * 40, "é" * 40]
)
def test_any_other_form_of_an_address_is_refused(text: str) -> None:
    with pytest.raises(IdentityError):
        address_bytes(text)


@pytest.mark.parametrize("raw", [b"", bytes(19), bytes(21), bytes(32)])
def test_bytes_of_another_length_are_no_address(raw: bytes) -> None:
    with pytest.raises(IdentityError, match="20 bytes"):
        address_text(raw)


def test_serials_are_letters_digits_and_hyphens() -> None:
    assert checked_serial("HW-0001") == "HW-0001"
    for text in ("", "a b", "a/b", "x" * 33, "a\n", "+", "#"):
        with pytest.raises(IdentityError):
            checked_serial(text)


def test_errors_carry_a_code_and_what_to_do_next() -> None:
    error = HiveError("broken", next_step="mend it")
    assert (str(error), error.next_step, error.code, error.transient) == ("broken", "mend it", "E-HIVE", False)
