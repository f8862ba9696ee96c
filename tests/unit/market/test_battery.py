"""One home's schedule: equal to a second solver, deterministic, physically possible, repaired by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from honey_edge.market.errors import AssetError, InfeasibleHive, InfeasibleHome, PlanRejected
from honey_edge.market.homes import proximal
from honey_edge.market.homes.assets import NO_LIMITS, Battery, Home, Limits, Tariff
from honey_edge.market.homes.banded import BandedHome
from honey_edge.market.homes.battery import ProximalSchedule, StandaloneSchedule, infeasible_reasons, repair, resimulate
from honey_edge.market.homes.plan import SOC_END, SOC_END_RELAXED, SOC_START, SOC_START_CLAMPED, checked_schedule
from honey_edge.market.rounds import central
from honey_edge.market.rounds.central import CentralSchedule

DT_H = 0.25
FEW = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
FLAT = Tariff.of([0.2] * 96, [0.05] * 96)
MakeHome = Callable[..., Home]


def target(seed: int, slots: int = 96) -> np.ndarray:
    """A target as the iteration asks for: rough, and far from what the home can do."""
    return np.random.default_rng(seed).normal(0.0, 3.0, slots).cumsum() * 0.3


@FEW
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([50.0, 100.0, 400.0]), curtailable=st.booleans())
def test_the_proximal_schedule_equals_a_second_solver(
    make_home: MakeHome, second_solver: Any, seed: int, scale: float, curtailable: bool
) -> None:
    home = make_home(seed, curtailable=curtailable)
    program = BandedHome(home, home.battery, DT_H)
    linear = program.private_gradient() * scale + program.pull_back(program.net_at_zero_kw - target(seed))
    x, _ = second_solver.solve(program.hessian(1.0, scale), linear, program.rows(), *program.bounds())
    charge, discharge, _, curtail = program.split(x)[:4]
    schedule = ProximalSchedule(home, DT_H, scale).solve(target(seed))
    assert np.abs(schedule.net_kw - (home.base_kw + charge - discharge + curtail)).max() < 3e-3


@FEW
@given(seed=st.integers(0, 10_000))
def test_no_feasible_direction_improves_the_proximal_schedule(make_home: MakeHome, seed: int) -> None:
    """First-order optimality: the gradient in net power has no negative product with any feasible move."""
    home, scale, wanted = make_home(seed), 100.0, target(seed)
    best = ProximalSchedule(home, DT_H, scale, 1e-6, polishing=True).solve(wanted)
    for other_seed in range(5):
        other = ProximalSchedule(home, DT_H, scale, 1e-6).solve(target(other_seed + 50_000))
        b = home.battery
        slope = float((best.net_kw - wanted) @ (other.net_kw - best.net_kw)) / scale
        for name in ("charge_kw", "discharge_kw"):
            here, move = getattr(best, name), getattr(other, name) - getattr(best, name)
            slope += DT_H * float((b.c_deg + 2.0 * b.c_quad * here) @ move)
        slope += DT_H * 2.0 * home.curt_c_quad * float(best.curtail_kw @ (other.curtail_kw - best.curtail_kw))
        assert slope > -2e-4


def test_the_band_matrices_are_the_formulas_of_the_design(make_home: MakeHome) -> None:
    home = make_home(3)
    program = BandedHome(home, home.battery, DT_H)
    rng = np.random.default_rng(1)
    x, gradient = rng.random(program.columns), rng.random(96)
    charge, discharge, soc, curtail = program.split(x)[:4]
    before = np.concatenate([[home.battery.e0_kwh], soc[:-1]])
    b = home.battery
    assert np.allclose(soc, before + DT_H * (b.eta_c * charge - discharge / b.eta_d))
    net = home.base_kw + charge - discharge + curtail
    assert np.allclose(program.net_at_zero_kw + program.net_rows() @ x, net)
    assert np.allclose(program.rows()[:96] @ x + program.discharge_at_zero_kw, discharge)
    assert np.allclose(program.pull_back(gradient), program.net_rows().T @ gradient)
    upper = program.hessian(0.7, 3.0)
    full = upper + upper.T - np.diag(upper.diagonal())
    own = b.c_quad * (charge @ charge + discharge @ discharge) + b.c_deg * (charge.sum() + discharge.sum())
    cost = 3.0 * DT_H * (own + home.curt_c_quad * curtail @ curtail)
    moved = program.net_rows() @ x
    fixed = 3.0 * DT_H * (b.c_quad * program.discharge_at_zero_kw**2 + b.c_deg * program.discharge_at_zero_kw).sum()
    quadratic = 0.5 * float(x @ np.asarray(full @ x).ravel()) + 3.0 * program.private_gradient() @ x
    assert quadratic == pytest.approx(cost + 0.35 * moved @ moved - fixed)


def test_the_same_inputs_in_the_same_order_give_the_same_bits(make_home: MakeHome) -> None:
    def run() -> list[bytes]:
        solver = ProximalSchedule(make_home(11), DT_H, 100.0)
        return [solver.solve(target(seed)).net_kw.tobytes() for seed in range(20)]

    assert run() == run()


def test_a_warm_start_needs_fewer_iterations_and_ends_at_the_same_plan(make_home: MakeHome) -> None:
    solver, wanted = ProximalSchedule(make_home(5), DT_H, 100.0), target(5)
    cold = solver.solve(wanted)
    warm = solver.solve(wanted + 0.01)
    fresh = ProximalSchedule(make_home(5), DT_H, 100.0).solve(wanted + 0.01)
    assert warm.iterations < cold.iterations
    assert np.abs(warm.net_kw - fresh.net_kw).max() < 3e-3


@pytest.mark.parametrize("slots", [1, 2, 96])
def test_any_horizon_can_be_solved(make_home: MakeHome, slots: int) -> None:
    home = make_home(8, slots=slots)
    assert ProximalSchedule(home, DT_H, 100.0).solve(np.zeros(slots)).net_kw.size == slots


def test_a_home_without_assets_has_nothing_to_decide() -> None:
    home = Home.of([1.0, 2.0], [0.5, 0.0])
    schedule = ProximalSchedule(home, DT_H, 100.0).solve([5.0, -5.0])
    assert schedule.net_kw.tolist() == [0.5, 2.0]
    assert schedule.private_cost == 0.0
    assert schedule.objective == pytest.approx((4.5**2 + 7.0**2) / 200.0)


def test_a_home_with_pv_only_curtails_towards_the_target() -> None:
    home = Home.of([1.0, 1.0], [3.0, 3.0], pv_curtailable=True)
    schedule = ProximalSchedule(home, DT_H, 100.0).solve([-1.0, 50.0])
    assert schedule.curtail_kw[0] == pytest.approx(1.0 / 1.025)
    assert schedule.curtail_kw[1] == 3.0
    assert ProximalSchedule(Home.of([1.0], [3.0]), DT_H, 100.0).solve([9.0]).net_kw[0] == -2.0


def test_a_target_or_scale_that_makes_no_sense_is_refused(make_home: MakeHome) -> None:
    home = make_home(1)
    with pytest.raises(AssetError, match="95 slots"):
        ProximalSchedule(home, DT_H, 100.0).solve(np.zeros(95))
    with pytest.raises(AssetError, match=r"target_kw\[0\]"):
        ProximalSchedule(home, DT_H, 100.0).solve([float("nan")] * 96)
    with pytest.raises(AssetError, match="positive"):
        ProximalSchedule(home, DT_H, 0.0)


@FEW
@given(seed=st.integers(0, 10_000), peak=st.sampled_from([0.0, 0.35]), spread=st.sampled_from([0.0, 0.1]))
def test_the_standalone_optimum_equals_a_second_solver(
    make_home: MakeHome, second_solver: Any, seed: int, peak: float, spread: float
) -> None:
    home = make_home(seed)
    buy = np.where(np.arange(96) // 16 % 2, 0.3, 0.15)
    tariff = Tariff(buy, buy - spread, peak)
    x, _ = second_solver.solve(*CentralSchedule([home], tariff, NO_LIMITS, DT_H).program())
    charge, discharge, _, curtail = BandedHome(home, home.battery, DT_H).split(x[: x.size - 97])[:4]
    net = home.base_kw + charge - discharge + curtail
    private = home.battery.c_deg * (charge + discharge).sum() + home.curt_c_quad * curtail @ curtail
    private += home.battery.c_quad * (charge @ charge + discharge @ discharge)
    best = DT_H * private + tariff.cost(net, DT_H)
    assert abs(StandaloneSchedule(home, tariff).solve().objective - best) <= 1e-4 * max(1.0, abs(best))


def test_alone_with_a_flat_tariff_a_battery_shifts_the_sun_into_the_evening(make_home: MakeHome) -> None:
    home = make_home(2, curtailable=False)
    schedule = StandaloneSchedule(home, FLAT).solve()
    assert schedule.objective < FLAT.cost(home.base_kw, DT_H)
    assert np.minimum(schedule.charge_kw, schedule.discharge_kw).max() < 1e-3


def test_where_one_large_program_fails_the_iteration_finds_the_same_optimum(
    make_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, tariff = make_home(6), Tariff.of([0.2] * 96, [0.05] * 96, 0.35)
    limits = Limits.of([-20.0] * 96, [20.0] * 96)
    direct = StandaloneSchedule(home, tariff, limits=limits).solve().objective
    monkeypatch.setattr(central, "_SETTINGS", replace(central._SETTINGS, max_iter=50))
    monkeypatch.setattr(central, "solver_order", lambda name: ("osqp",))
    assert StandaloneSchedule(home, tariff, limits=limits).solve().objective == pytest.approx(direct, abs=1e-4)


def test_a_loose_answer_of_the_large_program_is_solved_again(
    make_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct = StandaloneSchedule(make_home(6), FLAT).solve().objective
    loose = replace(central._SETTINGS, eps_abs=0.1, eps_rel=0.1, polishing=False)
    monkeypatch.setattr(central, "_SETTINGS", loose)
    monkeypatch.setattr(central, "solver_order", lambda name: ("osqp",))
    assert StandaloneSchedule(make_home(6), FLAT).solve().objective == pytest.approx(direct, abs=1e-4)


def test_another_horizon_than_the_tariffs_is_refused(make_home: MakeHome) -> None:
    with pytest.raises(AssetError, match="forecast of 96 slots"):
        StandaloneSchedule(make_home(1, slots=4), FLAT)
    with pytest.raises(AssetError, match="pcc_max_kw has 1 slots"):
        StandaloneSchedule(make_home(1), FLAT, limits=Limits.of(None, [1.0]))


def test_limits_bind_alone_and_impossible_limits_are_named_with_slot() -> None:
    home = Home.of([1.0, 3.0, 1.0], [0.0] * 3)
    tariff = Tariff.of([0.2] * 3, [0.05] * 3)
    with pytest.raises(InfeasibleHive, match="pcc_max_kw cannot be met: slot 1") as caught:
        StandaloneSchedule(home, tariff, limits=Limits.of(None, [2.0] * 3)).solve()
    assert caught.value.excess_kw == pytest.approx(1.0)
    battery = Battery(10.0, 0.0, 10.0, 5.0, 0.0, 2.0, 2.0)
    limited = StandaloneSchedule(replace(home, battery=battery), tariff, limits=Limits.of(None, [2.0] * 3)).solve()
    assert limited.net_kw.max() <= 2.0 + 1e-3
    with pytest.raises(InfeasibleHive, match="pcc_min_kw"):
        StandaloneSchedule(replace(home, battery=battery), tariff, limits=Limits.of([9.0] * 3, None)).solve()


@FEW
@given(seed=st.integers(0, 10_000))
def test_a_resimulated_plan_meets_every_limit_exactly(make_home: MakeHome, seed: int) -> None:
    home = make_home(seed)
    b = home.battery
    plan = ProximalSchedule(home, DT_H, 100.0, eps=1e-3).solve(target(seed))
    real = resimulate(plan, b, DT_H)
    level = b.e0_kwh
    for charge, discharge, soc in zip(real.charge_kw, real.discharge_kw, real.soc_kwh, strict=True):
        level += DT_H * (b.eta_c * charge - discharge / b.eta_d)
        assert abs(level - soc) < 1e-9
        assert b.e_min_kwh <= soc <= b.e_max_kwh
        assert 0.0 <= charge <= b.p_ch_max_kw
        assert 0.0 <= discharge <= b.p_dis_max_kw
        assert charge == 0.0 or discharge == 0.0
    assert np.allclose(real.net_kw, home.base_kw + real.charge_kw - real.discharge_kw + real.curtail_kw)


def test_charging_and_discharging_at_once_is_netted(make_home: MakeHome) -> None:
    plan = ProximalSchedule(make_home(1), DT_H, 100.0).solve(np.zeros(96))
    both = replace(plan, charge_kw=plan.charge_kw * 0 + 0.7, discharge_kw=plan.discharge_kw * 0 + 0.5)
    real = resimulate(both, make_home(1).battery, DT_H)
    assert real.charge_kw[0] == pytest.approx(0.2)
    assert real.discharge_kw[0] == 0.0


BAD_START = Battery(10.0, 1.0, 9.0, 9.7, 5.0, 2.0, 2.0)
BAD_END = Battery(10.0, 1.0, 9.0, 2.0, 8.0, 1.0, 1.0)
BOTH = Battery(10.0, 1.0, 9.0, 0.2, 9.5, 1.0, 1.0)


@pytest.mark.parametrize(
    ("battery", "reasons", "flags"),
    [
        (BAD_START, (SOC_START,), (SOC_START_CLAMPED,)),
        (BAD_END, (SOC_END,), (SOC_END_RELAXED,)),
        (BOTH, (SOC_START, SOC_END), (SOC_START_CLAMPED, SOC_END_RELAXED)),
    ],
)
def test_contradicting_limits_are_named_and_repaired_in_order(
    battery: Battery, reasons: tuple[str, ...], flags: tuple[str, ...]
) -> None:
    home = Home.of([1.0] * 4, [0.0] * 4, battery)
    assert infeasible_reasons(battery, 4, DT_H) == reasons
    with pytest.raises(InfeasibleHome, match=reasons[0]) as caught:
        ProximalSchedule(home, DT_H, 100.0, may_repair=False)
    assert caught.value.reasons == reasons
    fixed, done = repair(battery, 4, DT_H)
    assert done == flags
    assert infeasible_reasons(fixed, 4, DT_H) == ()
    assert ProximalSchedule(home, DT_H, 100.0).solve([0.0] * 4).repairs == flags
    assert StandaloneSchedule(home, Tariff.of([0.2] * 4, [0.1] * 4)).solve().repairs == flags


def test_a_plan_that_breaks_a_limit_is_refused_not_clipped() -> None:
    home = Home.of([1.0] * 2, [0.0] * 2, Battery(10.0, 1.0, 9.0, 5.0, 1.0, 2.0, 2.0))
    zeros, soc = np.zeros(2), np.array([5.0, 5.0])
    for charge, level in ((np.array([0.0, 2.1]), soc), (zeros, np.array([5.0, 0.9])), (np.array([np.nan, 0.0]), soc)):
        with pytest.raises(PlanRejected, match="breaks a limit"):
            checked_schedule(home, (charge, zeros, level, zeros), DT_H, 1)


def test_a_solver_that_does_not_converge_yields_no_plan(make_home: MakeHome, monkeypatch: pytest.MonkeyPatch) -> None:
    other = ProximalSchedule(make_home(4), DT_H, 100.0, eps=1e-14).solve(target(4) * 50.0)
    exact = ProximalSchedule(make_home(4), DT_H, 100.0, solver="clarabel").solve(target(4) * 50.0)
    assert np.abs(other.net_kw - exact.net_kw).max() < 1e-6
    monkeypatch.setattr(proximal, "solver_order", lambda name: ("osqp",))
    solver = ProximalSchedule(make_home(4), DT_H, 100.0, eps=1e-14)
    with pytest.raises(PlanRejected, match="did not converge"):
        solver.solve(target(4) * 50.0)
