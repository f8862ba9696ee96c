"""The house obeys the energy balance exactly, however time is cut, and is found again as it was left."""

from array import array
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.sim.house import House, HouseSpec, split_phases
from drivers.sim.house_battery import BatterySpec
from drivers.sim.house_state import STATE_BYTES, HouseState, HouseStateError
from drivers.sim.profile_series import Series

START_MS = 1_778_025_600_000
POWERS = st.lists(st.integers(0, 12_000_000), min_size=1, max_size=6).map(lambda values: array("i", values))
SHARES = st.tuples(st.integers(0, 1000), st.integers(0, 1000)).map(
    lambda cut: (min(cut), max(cut) - min(cut), 1000 - max(cut))
)
SPECS = st.builds(
    HouseSpec,
    load=st.builds(Series, st.just(START_MS), st.sampled_from([1_000, 7_001, 60_000]), POWERS),
    pv=st.one_of(st.none(), st.builds(Series, st.just(START_MS), st.sampled_from([1_000, 3_600]), POWERS)),
    start_unix_ms=st.just(START_MS),
    battery=st.builds(
        BatterySpec,
        capacity_milliwh=st.integers(2_000, 60_000),
        charge_w=st.integers(0, 5_000),
        discharge_w=st.integers(0, 5_000),
        charge_permille=st.integers(500, 1000),
        discharge_permille=st.integers(500, 1000),
        initial_milliwh=st.integers(0, 2_000),
    ),
    load_shares=SHARES,
    inverter_shares=SHARES,
)
ORDERS = st.lists(st.tuples(st.integers(0, 40_000), st.integers(-6_000, 6_000)), min_size=1, max_size=6)


def lived(spec: HouseSpec, orders: list[tuple[int, int]], pieces: int) -> HouseState:
    """The state after set-points that hold for some ms each, every stretch cut into pieces."""
    house = House(spec, bytearray(STATE_BYTES))
    at = START_MS
    for span_ms, power_w in orders:
        house.set_battery_power_w(power_w)
        for piece in range(1, pieces + 1):
            house.advance_to(at + span_ms * piece // pieces)
        at += span_ms
    return house.state()


@given(SPECS, ORDERS, st.integers(2, 9))
def test_truth_does_not_depend_on_how_time_is_cut(spec: HouseSpec, orders: list[tuple[int, int]], cut: int) -> None:
    assert lived(spec, orders, 1) == lived(spec, orders, cut)


@given(SPECS, ORDERS)
def test_energy_balance_is_exact_in_total_and_by_phase(spec: HouseSpec, orders: list[tuple[int, int]]) -> None:
    state = lived(spec, orders, 1)
    net = state.import_microjoule - state.export_microjoule
    assert net == (state.load_microjoule - state.pv_microjoule + state.charged_microjoule - state.discharged_microjoule)
    imports = state.import_a_microjoule + state.import_b_microjoule + state.import_c_microjoule
    exports = state.export_a_microjoule + state.export_b_microjoule + state.export_c_microjoule
    assert imports - exports == net
    assert imports >= state.import_microjoule
    assert exports >= state.export_microjoule


@given(SPECS, ORDERS)
def test_the_battery_keeps_its_books_and_its_limits(spec: HouseSpec, orders: list[tuple[int, int]]) -> None:
    battery = spec.battery
    state = lived(spec, orders, 1)
    assert 0 <= state.charge <= battery.full_charge
    gained = state.charged_microjoule * battery.charge_permille * battery.discharge_permille
    assert state.charge == (
        battery.charge_of_milliwh(battery.initial_milliwh) + gained - state.discharged_microjoule * 1_000_000
    )


@given(SPECS, ORDERS)
def test_truth_is_the_sum_of_the_stretches_told_to_the_listener(spec: HouseSpec, orders: list[tuple[int, int]]) -> None:
    told: list[tuple[int, int, tuple[int, int, int]]] = []
    house = House(spec, bytearray(STATE_BYTES), lambda start, end, net: told.append((start, end, net)))
    at = START_MS
    for span_ms, power_w in orders:
        house.set_battery_power_w(power_w)
        at += span_ms
        house.advance_to(at)
    state = house.state()
    totals = [(end - start) * sum(net) for start, end, net in told]
    assert state.import_microjoule == sum(total for total in totals if total > 0)
    assert state.export_microjoule == -sum(total for total in totals if total < 0)
    assert [end for _, end, _ in told[:-1]] == [start for start, _, _ in told[1:]]


@given(SPECS, ORDERS, st.integers(0, 100_000))
def test_a_house_built_on_a_used_buffer_goes_on_as_if_nothing_had_happened(
    spec: HouseSpec, orders: list[tuple[int, int]], more_ms: int
) -> None:
    buffer = bytearray(STATE_BYTES)
    first = House(spec, buffer)
    for span_ms, power_w in orders:
        first.set_battery_power_w(power_w)
        first.advance_to(first.state().at_unix_ms + span_ms)
    second = House(spec, bytearray(buffer))
    assert second.state() == first.state()
    for house in (first, second):
        house.advance_to(first.spec.start_unix_ms + 300_000 + more_ms)
    assert second.state() == first.state()


@given(st.integers(0, STATE_BYTES - 9), st.integers(1, 255))
def test_one_damaged_byte_costs_at_most_the_newest_record(place: int, damage: int) -> None:
    spec = HouseSpec(load=Series(START_MS, 1_000, array("i", [5_000])), start_unix_ms=START_MS)
    buffer = bytearray(STATE_BYTES)
    house = House(spec, buffer)
    house.advance_to(START_MS + 10_000)
    before = house.state()
    house.advance_to(START_MS + 20_000)
    after = house.state()
    buffer[8 + place] ^= damage
    assert House(spec, buffer).state() in (before, after)


def test_a_foreign_short_or_ruined_buffer_is_refused() -> None:
    spec = HouseSpec(load=Series(START_MS, 1_000, array("i", [5_000])), start_unix_ms=START_MS)
    for foreign in (bytearray(b"x" * STATE_BYTES), bytearray(10)):
        with pytest.raises(HouseStateError):
            House(spec, foreign)
    buffer = bytearray(STATE_BYTES)
    House(spec, buffer)
    buffer[8:] = bytes(STATE_BYTES - 8 - 1) + b"\x01"
    with pytest.raises(HouseStateError):
        House(spec, buffer)


def test_a_battery_that_is_full_rests_and_one_that_is_empty_rests() -> None:
    battery = BatterySpec(1_000, 3_600, 3_600, 1000, 1000)
    spec = HouseSpec(load=Series(START_MS, 1_000, array("i", [0])), start_unix_ms=START_MS, battery=battery)
    house = House(spec, bytearray(STATE_BYTES))
    assert house.set_battery_power_w(9_999) == 3_600_000
    house.advance_to(START_MS + 500)
    assert house.power().battery_milliwatts == 3_600_000
    house.advance_to(START_MS + 5_000)
    assert house.battery_milliwh() == 1_000
    assert house.power().battery_milliwatts == 0
    assert house.state().import_microjoule == 3_600_000_000
    house.set_battery_power_w(-1.8)
    assert house.net_phase_milliwatts() == (-602, -600, -598)
    house.set_battery_power_w(-9_999)
    house.advance_to(START_MS + 10_000)
    assert house.battery_milliwh() == 0
    assert house.state().export_microjoule == 3_600_000_000


def test_time_never_runs_back() -> None:
    spec = HouseSpec(load=Series(START_MS, 1_000, array("i", [5_000])), start_unix_ms=START_MS)
    house = House(spec, bytearray(STATE_BYTES))
    house.advance_to(START_MS + 10_000)
    before = house.state()
    house.advance_to(START_MS)
    assert house.state() == before


@given(st.integers(-20_000_000, 20_000_000), SHARES)
def test_phases_sum_to_the_whole_exactly(milliwatts: int, shares: tuple[int, int, int]) -> None:
    parts = split_phases(milliwatts, shares)
    assert sum(parts) == milliwatts
    assert all(part == 0 for part, share in zip(parts, shares, strict=True) if share == 0)


@pytest.mark.parametrize("shares", [(500, 500, 1), (1001, -1, 0)])
def test_shares_that_would_lose_energy_are_refused(shares: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="1000"):
        HouseSpec(load=Series(0, 1, array("i", [0])), start_unix_ms=0, load_shares=shares)


@pytest.mark.parametrize(
    "change",
    [
        {"charge_permille": 0},
        {"discharge_permille": 1001},
        {"capacity_milliwh": -1},
        {"charge_w": -1},
        {"initial_milliwh": 11},
    ],
)
def test_an_impossible_battery_is_refused_by_name(change: dict[str, int]) -> None:
    good = BatterySpec(10, 1, 1)
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(good, **change)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=48))
def test_slot_energies_sum_to_the_series_within_one_milliwh(values: list[int]) -> None:
    series = Series(0, 3_600_000, array("i", values))
    energies = series.energies_milliwh()
    assert len(energies) == 4 * len(values)
    assert 0 <= sum(values) - sum(energies) < 1


def test_a_series_without_values_or_off_the_slots_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        Series(0, 1_000, array("i"))
    for start, step in ((1, 900_000), (0, 700_000)):
        with pytest.raises(ValueError, match="slots"):
            Series(start, step, array("i", [1, 2])).energies_milliwh()


def test_every_number_of_the_state_is_an_integer() -> None:
    spec = HouseSpec(load=Series(START_MS, 1_000, array("i", [5_000])), start_unix_ms=START_MS)
    house = House(spec, bytearray(STATE_BYTES))
    house.set_battery_power_w(12.3456)
    house.advance_to(START_MS + 3_333)
    state = house.state()
    assert all(type(getattr(state, field.name)) is int for field in fields(state))
