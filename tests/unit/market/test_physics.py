"""No plan leaves the process that its assets cannot follow: good plans pass, every planted fault is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from honey_edge.market.errors import PlanRejected
from honey_edge.market.homes.assets import Battery, Ev, Home, Limits, Tariff
from honey_edge.market.homes.battery import ProximalSchedule, Schedule, StandaloneSchedule, resimulate
from honey_edge.market.homes.physics import check_plan

DT_H = 0.25
FEW = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
MakeHome = Callable[..., Home]
SLOTS = st.sampled_from([92, 96, 100])


def prices(seed: int, slots: int) -> Tariff:
    """Rough prices, negative in about a third of the slots."""
    rng = np.random.default_rng(seed)
    buy = rng.uniform(-0.15, 0.3, slots)
    return Tariff(buy, buy - rng.uniform(0.0, 0.2, slots))


@FEW
@given(seed=st.integers(0, 100_000), slots=SLOTS, wild=st.booleans())
def test_any_home_at_any_prices_gets_a_plan_that_can_be_followed(
    make_any_home: MakeHome, seed: int, slots: int, wild: bool
) -> None:
    home = make_any_home(seed, slots=slots, wild=wild)
    plan = StandaloneSchedule(home, prices(seed, slots), DT_H).solve()
    real = resimulate(plan, home, DT_H)
    assert check_plan(home, real, DT_H).violations == ()
    assert check_plan(home, real, DT_H, 1e-3).violations == ()


@FEW
@given(seed=st.integers(0, 100_000), slots=SLOTS, wild=st.booleans(), eps=st.sampled_from([1e-3, 1e-4]))
def test_any_answer_to_any_target_can_be_followed(
    make_any_home: MakeHome, seed: int, slots: int, wild: bool, eps: float
) -> None:
    home = make_any_home(seed, slots=slots, wild=wild)
    target = np.random.default_rng(seed).normal(0.0, 4.0, slots)
    solver = ProximalSchedule(home, DT_H, 100.0, eps)
    real = resimulate(solver.solve(target), home, DT_H)
    assert check_plan(home, real, DT_H).violations == ()
    assert check_plan(solver.home, real, DT_H).violations == ()


def test_a_followable_plan_stays_as_it_is(make_any_home: MakeHome) -> None:
    home = make_any_home(5, assets="bctes")
    plan = StandaloneSchedule(home, Tariff.of([0.2] * 96, [0.05] * 96)).solve()
    real = resimulate(plan, home, DT_H)
    again = resimulate(real, home, DT_H)
    assert np.abs(real.net_kw - plan.net_kw).max() < 2e-3
    assert np.abs(again.net_kw - real.net_kw).max() < 1e-9
    assert real.private_cost == pytest.approx(plan.private_cost, abs=1e-4)


def test_with_negative_prices_a_battery_never_charges_and_discharges_at_once() -> None:
    home = Home.of([0.5] * 8, [0.0] * 8, Battery(10.0, 1.0, 9.0, 5.0, 5.0, 3.0, 3.0))
    tariff = Tariff.of([-0.5] * 8, [-0.6] * 8)
    plan = StandaloneSchedule(home, tariff).solve()
    assert np.minimum(plan.charge_kw, plan.discharge_kw).max() == 0.0
    assert plan.soc_kwh[-1] > 8.9
    assert plan.objective == pytest.approx(plan.private_cost + tariff.cost(plan.net_kw, DT_H))
    assert check_plan(home, plan).ok


def test_a_limit_that_only_burning_energy_could_meet_is_refused_by_name() -> None:
    home = Home.of([0.5] * 8, [0.0] * 8, Battery(10.0, 1.0, 9.0, 8.9, 1.0, 3.0, 3.0))
    limits = Limits.of([0.6] * 8, [9.0] * 8)
    with pytest.raises(PlanRejected, match="at once"):
        StandaloneSchedule(home, Tariff.of([-0.5] * 8, [-0.6] * 8), limits=limits).solve()


@pytest.fixture(scope="module")
def good(make_any_home: MakeHome) -> tuple[Home, Schedule]:
    home = make_any_home(5, assets="bctes")
    plan = resimulate(StandaloneSchedule(home, Tariff.of([0.2] * 96, [0.05] * 96)).solve(), home, DT_H)
    assert check_plan(home, plan).ok
    return home, plan


def moved(plan: Schedule, name: str, slot: int, by: float, *, balanced: bool = True) -> Schedule:
    """The plan with one number changed, and the net power along with it."""
    values = getattr(plan, name).copy()
    values[slot] += by
    plan = replace(plan, **{name: values})
    sign = {"charge_kw": 1, "heat_kw": 1, "ev_kw": 1, "curtail_kw": 1, "discharge_kw": -1, "shed_kw": -1}.get(name, 0)
    if not balanced or not sign:
        return plan
    net = plan.net_kw.copy()
    net[slot] += sign * by
    return replace(plan, net_kw=net)


@pytest.mark.parametrize(
    ("name", "slot", "by", "asset", "limit"),
    [
        ("charge_kw", 3, 9.0, "battery", "charge_kw <="),
        ("charge_kw", 3, -9.0, "battery", "charge_kw >= 0"),
        ("discharge_kw", 3, 9.0, "battery", "discharge_kw <="),
        ("discharge_kw", 3, 9.0, "battery", "state >="),
        ("soc_kwh", 50, 0.1, "battery", "soc_kwh follows"),
        ("charge_kw", 95, -0.5, "battery", "state at the end"),
        ("curtail_kw", 0, 0.1, "pv", "curtail_kw <= 0"),
        ("curtail_kw", 48, -0.1, "pv", "curtail_kw >= 0"),
        ("heat_kw", 10, 9.0, "heat", "heat_kw <="),
        ("heat_kw", 10, -9.0, "heat", "heat_kw >= 0"),
        ("heat_kw", 0, -9.0, "heat", "state >="),
        ("heat_kw", 0, 40.0, "heat", "state <="),
        ("heat_kwh", 10, 0.2, "heat", "heat_kwh follows"),
        ("ev_kw", 0, 1.0, "car", "ev_kw <= 0"),
        ("ev_kw", 90, 9.0, "car", "ev_kw <= 7.4"),
        ("ev_kw", 95, 0.1, "car", "energy is"),
        ("shed_kw", 5, 5.0, "shed", "shed_kw <="),
        ("shed_kw", 5, -0.1, "shed", "shed_kw >= 0"),
        ("net_kw", 7, 0.05, "home", "net_kw is the sum"),
    ],
)
def test_a_planted_fault_is_found_by_asset_and_limit(
    good: tuple[Home, Schedule], name: str, slot: int, by: float, asset: str, limit: str
) -> None:
    home, plan = good
    report = check_plan(home, moved(plan, name, slot, by))
    assert not report.ok
    assert any(found.asset == asset and found.limit.startswith(limit) for found in report.violations), report
    assert all(found.by_kw > 5e-3 for found in report.violations)


@pytest.mark.parametrize("name", ["net_kw", "charge_kw", "soc_kwh", "heat_kw", "heat_kwh", "ev_kw", "shed_kw"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_none_is_refused_with_its_slot(good: tuple[Home, Schedule], name: str, bad: float) -> None:
    home, plan = good
    report = check_plan(home, moved(plan, name, 17, bad))
    assert not report.ok
    assert (report.violations[0].slot, report.violations[0].limit) == (17, f"{name} is finite") or name != "net_kw"
    assert any(found.limit == f"{name} is finite" and found.slot == 17 for found in report.violations)


def test_a_plan_of_another_horizon_is_refused(good: tuple[Home, Schedule]) -> None:
    home, plan = good
    report = check_plan(home, replace(plan, ev_kw=plan.ev_kw[:92]))
    assert [str(found) for found in report.violations] == ["home: ev_kw covers the horizon broken in slot 92 by inf kW"]


def test_charging_and_discharging_at_once_is_refused(good: tuple[Home, Schedule]) -> None:
    home, plan = good
    both = replace(plan, charge_kw=plan.charge_kw + 0.3, discharge_kw=plan.discharge_kw + 0.3)
    assert any("not both" in found.limit for found in check_plan(home, both).violations)


def test_power_of_an_asset_that_the_home_does_not_own_is_refused(good: tuple[Home, Schedule]) -> None:
    home, plan = good
    bare = Home(home.load_kw, home.pv_kw)
    assets = {found.asset for found in check_plan(bare, plan).violations}
    assert {"battery", "heat", "car"} <= assets
    assert check_plan(bare, ProximalSchedule(bare, DT_H, 100.0).solve([0.0] * 96)).ok


def test_a_flag_excuses_its_own_limit_only() -> None:
    """A car that asks for too much gets all that fits; without the flag, or with more than asked, it is a fault."""
    there = [0.0, 1.0, 1.0, 0.0]
    home = Home.of([1.0] * 4, [0.0] * 4, ev=Ev(4.0, 1.0, 3.0, np.array(there)))
    solver = ProximalSchedule(home, DT_H, 100.0)
    plan = resimulate(solver.solve([0.0] * 4), home, DT_H)
    assert plan.repairs == ("car_energy_relaxed",)
    assert check_plan(home, plan).ok
    assert [found.asset for found in check_plan(home, replace(plan, repairs=())).violations] == ["car"]
    small = replace(home, ev=Ev(4.0, 1.0, 1.0, np.array(there)))
    assert "energy is 1 kWh" in str(check_plan(small, plan).violations[0])
