"""Inputs of the schedule: everything that no schedule can be built from is refused by name."""

import numpy as np
import pytest

from honey_edge.market.errors import AssetError, MarketError
from honey_edge.market.homes.assets import Battery, Ev, Home, Limits, Shed, Tariff, Thermal, profile

GOOD = {
    "cap_kwh": 10.0, "e_min_kwh": 1.0, "e_max_kwh": 9.5, "e0_kwh": 5.0, "e_end_min_kwh": 5.0,
    "p_ch_max_kw": 3.0, "p_dis_max_kw": 3.0, "eta_c": 0.95, "eta_d": 0.95, "c_deg": 0.01, "c_quad": 5e-4,
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cap_kwh", 0.0), ("e_min_kwh", -1.0), ("e_min_kwh", 11.0), ("e_max_kwh", 0.5), ("e_max_kwh", 10.5),
        ("e0_kwh", float("nan")), ("p_ch_max_kw", -0.1), ("p_dis_max_kw", float("inf")), ("eta_c", 0.0),
        ("eta_d", 1.01), ("c_deg", -0.01), ("c_quad", "much"), ("e_end_min_kwh", True),
    ],
)  # fmt: skip
def test_a_battery_outside_its_ranges_is_refused_by_field(field: str, value: object) -> None:
    with pytest.raises(AssetError, match=f"battery.{field}"):
        Battery(**{**GOOD, field: value})  # type: ignore[arg-type]


def test_a_good_battery_is_taken_as_it_is() -> None:
    assert Battery(**GOOD).e0_kwh == 5.0


@pytest.mark.parametrize("bad", [[], [[1.0]], [1.0, float("nan")], ["a"], [1.0, float("inf")]])
def test_a_profile_that_is_not_one_finite_number_per_slot_is_refused(bad: list[object]) -> None:
    with pytest.raises(AssetError, match="load_kw"):
        profile("load_kw", bad)  # type: ignore[arg-type]


def test_profiles_are_copied_and_cannot_be_changed_afterwards() -> None:
    load = np.ones(4)
    home = Home(load, np.zeros(4))
    load[0] = 9.0
    assert home.load_kw[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        home.load_kw[0] = 2.0


def test_a_home_with_unequal_or_negative_forecasts_is_refused() -> None:
    with pytest.raises(AssetError, match="pv_kw has 3 slots"):
        Home.of([1.0] * 4, [0.0] * 3)
    with pytest.raises(AssetError, match=r"load_kw\[1\] is negative"):
        Home.of([1.0, -0.1], [0.0, 0.0])
    with pytest.raises(AssetError, match=r"pv_kw\[0\] is negative"):
        Home.of([1.0, 0.1], [-1.0, 0.0])


def test_only_homes_with_something_to_decide_are_flexible() -> None:
    assert not Home.of([1.0], [0.5]).flexible
    assert Home.of([1.0], [0.5], pv_curtailable=True).flexible
    assert not Home.of([1.0], [0.0], pv_curtailable=True).flexible
    assert Home.of([1.0], [0.0], Battery(**GOOD)).flexible


def test_a_tariff_that_sells_above_its_buy_price_is_refused() -> None:
    with pytest.raises(AssetError, match=r"sell_per_kwh\[1\]"):
        Tariff.of([0.2, 0.1], [0.05, 0.11])
    with pytest.raises(AssetError, match="sell_per_kwh has 1 slots"):
        Tariff.of([0.2, 0.1], [0.05])
    with pytest.raises(AssetError, match="peak_per_kw"):
        Tariff.of([0.2], [0.05], -1.0)


def test_the_grid_cost_counts_import_export_and_the_highest_import() -> None:
    tariff = Tariff.of([0.2, 0.2], [0.05, 0.05], 0.5)
    assert tariff.cost(np.array([2.0, -4.0]), 0.25) == pytest.approx(0.1 - 0.05 + 1.0)
    assert tariff.cost(np.array([-2.0, -4.0]), 0.25) == pytest.approx(-0.075)


def test_limits_clip_and_crossed_limits_are_refused() -> None:
    limits = Limits.of([-1.0, -1.0], [1.0, 2.0])
    assert limits.clip(np.array([3.0, -3.0])).tolist() == [1.0, -1.0]
    assert limits.excess_kw(np.array([3.0, 0.0])) == 2.0
    assert Limits().excess_kw(np.array([3.0, 0.0])) == 0.0
    with pytest.raises(AssetError, match=r"pcc_min_kw\[1\]"):
        Limits.of([-1.0, 3.0], [1.0, 2.0])
    with pytest.raises(AssetError, match="differ in length"):
        Limits.of([-1.0], [1.0, 2.0])


def test_every_error_is_also_the_built_in_that_a_caller_expects() -> None:
    assert issubclass(AssetError, ValueError)
    assert issubclass(AssetError, MarketError)


HEAT = {
    "cap_kwh": 6.0, "s0_kwh": 3.0, "s_min_kwh": 1.0, "s_end_min_kwh": 3.0, "q_max_kw": 2.0, "cop": 1.0,
    "loss_per_step": 0.0025, "draw_kw": [0.1, 0.2, 0.3], "c_quad": 5e-4,
}  # fmt: skip
CAR = {"p_max_kw": 7.4, "eta": 0.92, "e_req_kwh": 1.0, "avail": [1, 1, 0], "c_quad": 5e-4}
LOAD = {"max_kw": [0.1, 0.0, 0.2], "cost_per_kwh": 2.0, "c_quad": 0.01}


@pytest.mark.parametrize(
    ("asset", "good", "field", "value"),
    [
        (Thermal, HEAT, "cap_kwh", 0.0), (Thermal, HEAT, "s_min_kwh", 7.0), (Thermal, HEAT, "s0_kwh", float("nan")),
        (Thermal, HEAT, "q_max_kw", -1.0), (Thermal, HEAT, "cop", 0.0), (Thermal, HEAT, "loss_per_step", 1.0),
        (Thermal, HEAT, "s_end_min_kwh", float("inf")), (Thermal, HEAT, "c_quad", -1e-9),
        (Ev, CAR, "p_max_kw", -1.0), (Ev, CAR, "eta", 0.0), (Ev, CAR, "e_req_kwh", "much"), (Ev, CAR, "c_quad", True),
        (Shed, LOAD, "cost_per_kwh", -0.1), (Shed, LOAD, "c_quad", float("nan")),
    ],
)  # fmt: skip
def test_every_asset_outside_its_ranges_is_refused_by_field(
    asset: type, good: dict[str, object], field: str, value: object
) -> None:
    assert asset(**good)
    with pytest.raises(AssetError, match=f"{asset.__name__.lower()}.{field}"):
        asset(**{**good, field: value})


@pytest.mark.parametrize(
    ("asset", "good", "field", "values"),
    [
        (Thermal, HEAT, "draw_kw", [0.1, -0.2, 0.3]),
        (Ev, CAR, "avail", [1, 1.5, 0]),
        (Ev, CAR, "avail", [1, float("nan"), 0]),
        (Shed, LOAD, "max_kw", [0.1, -0.1, 0.2]),
    ],
)
def test_a_profile_of_an_asset_is_refused_by_slot(
    asset: type, good: dict[str, object], field: str, values: list[float]
) -> None:
    with pytest.raises(AssetError, match=rf"{asset.__name__.lower()}.{field}\[1\]"):
        asset(**{**good, field: values})


@pytest.mark.parametrize(
    ("name", "asset", "profile_name"),
    [
        ("thermal", Thermal(**HEAT), "thermal.draw_kw"),
        ("ev", Ev(**CAR), "ev.avail"),
        ("shed", Shed(**LOAD), "shed.max_kw"),
    ],
)
def test_an_asset_of_another_horizon_is_refused_and_one_of_the_same_makes_the_home_flexible(
    name: str, asset: object, profile_name: str
) -> None:
    with pytest.raises(AssetError, match=f"{profile_name} has 3 slots and load_kw 2"):
        Home.of([1.0] * 2, [0.0] * 2, **{name: asset})
    assert Home.of([1.0] * 3, [0.0] * 3, **{name: asset}).flexible


def test_a_car_that_asks_for_nothing_and_load_that_cannot_be_left_out_decide_nothing() -> None:
    car, load = Ev(**{**CAR, "e_req_kwh": 0.0}), Shed(**{**LOAD, "max_kw": [0.0] * 3})
    assert not Home.of([1.0] * 3, [0.0] * 3, ev=car, shed=load).flexible
