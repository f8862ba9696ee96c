"""Assets that contradict themselves are named, and repaired in order, by no more than it takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from honey_edge.market.errors import InfeasibleHome
from honey_edge.market.homes.assets import NO_LIMITS, Battery, Ev, Home, Tariff, Thermal
from honey_edge.market.homes.battery import ProximalSchedule, StandaloneSchedule
from honey_edge.market.homes.repair import (
    CAR_ENERGY,
    CAR_ENERGY_RELAXED,
    COMFORT,
    COMFORT_RELAXED,
    SLACK_KWH,
    SOC_END_RELAXED,
    SOC_START,
    SOC_START_CLAMPED,
    comfort_reasons,
    feasible_home,
    relax_comfort,
)
from honey_edge.market.homes.solver import least_violation
from honey_edge.market.rounds.central import CentralSchedule

DT_H = 0.25
FEW = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
MakeHome = Callable[..., Home]
FLAT = Tariff.of([0.2] * 8, [0.05] * 8)


def store(**changes: object) -> Thermal:
    """A store of 8 slots that keeps its band easily, with changes."""
    plain = Thermal(6.0, 3.0, 1.0, 3.0, 2.0, 1.0, 0.0025, np.full(8, 0.4))
    return replace(plain, **changes)  # type: ignore[arg-type]


def home_with(**assets: object) -> Home:
    return Home.of([1.0] * 8, [0.0] * 8, **assets)  # type: ignore[arg-type]


def test_everything_wrong_at_once_is_named_and_repaired_in_the_order_of_the_design() -> None:
    home = home_with(
        battery=Battery(10.0, 1.0, 9.0, 0.2, 9.0, 1.0, 1.0),
        thermal=store(q_max_kw=0.1),
        ev=Ev(7.4, 0.92, 20.0, np.array([0.0] * 4 + [1.0] * 4)),
    )
    with pytest.raises(InfeasibleHome) as caught:
        feasible_home(home, DT_H, may_repair=False)
    assert caught.value.reasons == (SOC_START, "soc_end_unreachable", COMFORT, CAR_ENERGY)
    for word in ("battery: start 0.2", "heat: start 3.0", "car: 20.0 kWh asked for, 6.808 kWh fit"):
        assert word in str(caught.value)
    fixed, flags = feasible_home(home, DT_H, may_repair=True)
    assert flags == (SOC_START_CLAMPED, SOC_END_RELAXED, COMFORT_RELAXED, CAR_ENERGY_RELAXED)
    assert feasible_home(fixed, DT_H, may_repair=False) == (fixed, ())
    for plan in (StandaloneSchedule(home, FLAT).solve(), ProximalSchedule(home, DT_H, 100.0).solve([0.0] * 8)):
        assert plan.repairs == flags
        assert plan.soc_kwh[-1] == pytest.approx(1.0 + 8 * DT_H * 0.95, abs=2e-3)
        assert plan.heat_kw == pytest.approx([0.1] * 8, abs=2e-3)
        assert plan.ev_kw == pytest.approx([0.0] * 4 + [7.4] * 4, abs=5e-3)


def test_oracle_11_is_refused_because_of_the_car() -> None:
    path = Path(__file__).resolve().parents[4] / "shared" / "oracles" / "11_infeasible_worker.json"
    if not path.is_file():
        pytest.skip("the reference answers are not there")
    worker = json.loads(path.read_text())["workers"][0]
    car = {name: np.array(value) if name == "avail" else value for name, value in worker["ev"].items()}
    home = Home(np.array(worker["load_kw"]), np.array(worker["pv_kw"]), ev=Ev(**car))
    with pytest.raises(InfeasibleHome, match=CAR_ENERGY) as caught:
        feasible_home(home, DT_H, may_repair=False)
    assert caught.value.reasons == (CAR_ENERGY,)


@pytest.mark.parametrize(
    "bad",
    [
        {"s0_kwh": 0.2},
        {"s0_kwh": 9.0},
        {"s_end_min_kwh": 5.9, "q_max_kw": 1.5},
        {"q_max_kw": 0.3},
        {"draw_kw": np.array([0.4] * 4 + [30.0] + [0.4] * 3)},
        {"q_max_kw": 0.0, "s0_kwh": 0.0},
    ],
)
def test_comfort_that_cannot_be_kept_is_named_and_relaxed(bad: dict[str, object]) -> None:
    heat = store(**bad)
    assert comfort_reasons(heat, DT_H) == (COMFORT,)
    relaxed, flags = relax_comfort(heat, DT_H)
    assert flags == (COMFORT_RELAXED,)
    assert comfort_reasons(relaxed, DT_H) == ()
    assert relax_comfort(relaxed, DT_H) == (relaxed, ())
    plan = StandaloneSchedule(home_with(thermal=heat), FLAT).solve()
    low, high = relaxed.band_kwh()
    assert (plan.heat_kwh >= low - 1e-3).all()
    assert (plan.heat_kwh <= high + 1e-3).all()


def test_comfort_gives_way_no_further_than_full_heating_forces_it_to() -> None:
    heat = store(s0_kwh=0.2, q_max_kw=1.0)
    relaxed, _ = relax_comfort(heat, DT_H)
    low, high = relaxed.band_kwh()
    state, reached = heat.s0_kwh, []
    for draw in heat.draw_kw:
        state = (1.0 - heat.loss_per_step) * state + DT_H * (heat.cop * heat.q_max_kw - draw)
        reached.append(state)
    wanted = np.minimum(reached, [1.0] * 7 + [3.0])
    assert np.abs(low - wanted).max() <= SLACK_KWH + 1e-12
    assert (high == heat.cap_kwh).all()
    assert (relaxed.draw_kw == heat.draw_kw).all()


def test_a_store_that_is_too_warm_may_cool_down_and_is_not_cooled() -> None:
    relaxed, _ = relax_comfort(store(s0_kwh=7.0), DT_H)
    low, high = relaxed.band_kwh()
    assert high[0] == pytest.approx(0.9975 * 7.0 - 0.1, abs=2e-4)
    assert high[-1] == pytest.approx(max(6.0, high[-2] - 0.1), abs=0.02)
    assert (np.diff(high) <= 0.0).all()
    assert low[0] == 1.0


@FEW
@given(seed=st.integers(0, 100_000))
def test_the_verdict_on_comfort_is_that_of_a_linear_program(make_any_home: MakeHome, seed: int) -> None:
    home = make_any_home(seed, assets="t", wild=seed % 2 == 0)
    program = CentralSchedule([home], Tariff.of([0.2] * 96, [0.05] * 96), NO_LIMITS, DT_H).program()
    possible = least_violation(*program[2:], 0, 0) is not None
    assert possible == (comfort_reasons(home.thermal, DT_H) == ())


def test_a_car_that_comes_late_is_charged_in_the_time_that_is_left() -> None:
    late = Ev(4.0, 1.0, 1.5, np.array([0.0] * 6 + [1.0] * 2))
    plan = StandaloneSchedule(home_with(ev=late), FLAT).solve()
    assert plan.repairs == ()
    assert plan.ev_kw[:6].tolist() == [0.0] * 6
    assert DT_H * plan.ev_kw.sum() == pytest.approx(1.5, abs=1e-3)
    never = replace(late, avail=np.zeros(8))
    plan = StandaloneSchedule(home_with(ev=never), FLAT).solve()
    assert plan.repairs == (CAR_ENERGY_RELAXED,)
    assert plan.ev_kw.tolist() == [0.0] * 8


@FEW
@given(seed=st.integers(0, 100_000), slots=st.sampled_from([1, 2, 92, 100]))
def test_a_repaired_home_needs_no_repair_and_always_has_a_plan(make_any_home: MakeHome, seed: int, slots: int) -> None:
    home = make_any_home(seed, slots=slots, wild=True)
    fixed, flags = feasible_home(home, DT_H, may_repair=True)
    assert feasible_home(fixed, DT_H, may_repair=True) == (fixed, ())
    assert ProximalSchedule(home, DT_H, 100.0).solve([0.0] * slots).repairs == flags
    if flags:
        with pytest.raises(InfeasibleHome) as caught:
            feasible_home(home, DT_H, may_repair=False)
        assert len(caught.value.reasons) == len(flags)


def test_a_battery_at_another_state_than_planned_starts_from_where_it_is() -> None:
    battery = Battery(10.0, 1.0, 9.0, 5.0, 5.0, 3.0, 3.0)
    plans = [
        StandaloneSchedule(home_with(battery=replace(battery, e0_kwh=real)), FLAT).solve() for real in (2.0, 5.0, 8.0)
    ]
    assert all(plan.repairs == () for plan in plans)
    assert [plan.soc_kwh[-1] for plan in plans] == pytest.approx([5.0] * 3, abs=1e-3)
