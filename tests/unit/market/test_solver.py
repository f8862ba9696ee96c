"""Solvers behind one face: optima of homes with any assets equal a program written down a second time, by hand."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import clarabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from honey_edge.market.errors import InfeasibleHive, InfeasibleHome, SolverError
from honey_edge.market.homes import solver
from honey_edge.market.homes.asset_closed import has_closed_form
from honey_edge.market.homes.asset_program import home_program
from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Home, Limits, Tariff
from honey_edge.market.homes.battery import ProximalSchedule, StandaloneSchedule
from honey_edge.market.homes.solver import INFEASIBLE, SOLVED, QpAnswer, QpSettings, least_violation, solver_named
from honey_edge.market.rounds import central
from honey_edge.market.rounds.central import CentralSchedule

DT_H = 0.25
FEW = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
MakeHome = Callable[..., Home]


class ByHand:
    """The program of one home with every power and state as a variable of its own, in the words of the design."""

    def __init__(self, home: Home) -> None:
        self.home, self.slots = home, home.slots
        names = ["charge", "discharge", "soc", "curtail", "heat", "warm", "car", "shed", "net", "bought"]
        self.at = {name: slice(index * self.slots, (index + 1) * self.slots) for index, name in enumerate(names)}
        self.size = len(names) * self.slots
        self.quadratic, self.linear = np.zeros(self.size), np.zeros(self.size)
        self.low, self.high = np.zeros(self.size), np.zeros(self.size)
        self.equal: list[tuple[FloatArray, float]] = []
        self._assets()

    def _row(self, terms: dict[tuple[str, int], float], value: float) -> None:
        row = np.zeros(self.size)
        for (name, slot), factor in terms.items():
            row[self.at[name].start + slot] = factor
        self.equal.append((row, value))

    def _bound(self, name: str, low: Any, high: Any, cost: float = 0.0, quad: float = 0.0) -> None:
        self.low[self.at[name]], self.high[self.at[name]] = low, high
        self.linear[self.at[name]], self.quadratic[self.at[name]] = DT_H * cost, 2.0 * DT_H * quad

    def _assets(self) -> None:
        home, b, heat, ev = self.home, self.home.battery, self.home.thermal, self.home.ev
        if b is not None:
            self._bound("charge", 0.0, b.p_ch_max_kw, b.c_deg, b.c_quad)
            self._bound("discharge", 0.0, b.p_dis_max_kw, b.c_deg, b.c_quad)
            self._bound("soc", b.e_min_kwh, b.e_max_kwh)
            self.low[self.at["soc"].stop - 1] = max(b.e_min_kwh, b.e_end_min_kwh)
        if home.pv_curtailable:
            self._bound("curtail", 0.0, home.pv_kw, 0.0, home.curt_c_quad)
        if heat is not None:
            self._bound("heat", 0.0, heat.q_max_kw, 0.0, heat.c_quad)
            self._bound("warm", heat.s_min_kwh, heat.cap_kwh)
            self.low[self.at["warm"].stop - 1] = max(heat.s_min_kwh, heat.s_end_min_kwh)
        if ev is not None:
            self._bound("car", 0.0, ev.p_max_kw * ev.avail, 0.0, ev.c_quad)
            self._row({("car", slot): DT_H * ev.eta for slot in range(self.slots)}, ev.e_req_kwh)
        if home.shed is not None:
            self._bound("shed", 0.0, home.shed.max_kw, home.shed.cost_per_kwh, home.shed.c_quad)
        self._bound("net", -1e3, 1e3)
        self._bound("bought", 0.0, 1e3)
        for slot in range(self.slots):
            self._dynamics(slot)

    def _dynamics(self, slot: int) -> None:
        home, b, heat = self.home, self.home.battery, self.home.thermal
        parts = {"net": 1.0, "curtail": -1.0, "charge": -1.0, "discharge": 1.0, "heat": -1.0, "car": -1.0, "shed": 1.0}
        self._row({(name, slot): factor for name, factor in parts.items()}, home.load_kw[slot] - home.pv_kw[slot])
        if b is not None:
            terms = {("soc", slot): 1.0, ("charge", slot): -DT_H * b.eta_c, ("discharge", slot): DT_H / b.eta_d}
            before = {("soc", slot - 1): -1.0} if slot else {}
            self._row({**terms, **before}, 0.0 if slot else b.e0_kwh)
        if heat is not None:
            terms, keep = {("warm", slot): 1.0, ("heat", slot): -DT_H * heat.cop}, 1.0 - heat.loss_per_step
            before = {("warm", slot - 1): -keep} if slot else {}
            self._row({**terms, **before}, -DT_H * heat.draw_kw[slot] + (0.0 if slot else keep * heat.s0_kwh))

    def _solve(self, more: sparse.csc_matrix | None = None) -> FloatArray:
        equal = sparse.csc_matrix(np.array([row for row, _ in self.equal]))
        one = sparse.identity(self.size, format="csc")
        matrix = sparse.vstack([equal, one, -one, *([] if more is None else [more])], format="csc")
        extra = np.zeros(0 if more is None else more.shape[0])
        bounds = np.concatenate([[value for _, value in self.equal], self.high, -self.low, extra])
        cones = [clarabel.ZeroConeT(len(self.equal)), clarabel.NonnegativeConeT(bounds.size - len(self.equal))]
        options = clarabel.DefaultSettings()
        options.verbose = False
        hessian = sparse.csc_matrix(sparse.diags([self.quadratic], [0], format="csc"))
        answer = clarabel.DefaultSolver(hessian, self.linear, matrix, bounds, cones, options).solve()
        assert str(answer.status) == "Solved"
        return np.array(answer.x)

    def proximal_net_kw(self, target: FloatArray, scale: float) -> FloatArray:
        self.quadratic[self.at["net"]] += 1.0 / scale
        self.linear[self.at["net"]] -= target / scale
        return self._solve()[self.at["net"]]

    def alone(self, tariff: Tariff) -> float:
        self.linear[self.at["net"]] = DT_H * tariff.sell_per_kwh
        self.linear[self.at["bought"]] = DT_H * (tariff.buy_per_kwh - tariff.sell_per_kwh)
        places = np.arange(self.slots)
        net, bought = places + self.at["net"].start, places + self.at["bought"].start
        values = np.concatenate([np.ones(self.slots), -np.ones(self.slots)])
        split = (values, (np.concatenate([places, places]), np.concatenate([net, bought])))
        x = self._solve(sparse.csc_matrix(split, shape=(self.slots, self.size)))
        return float(0.5 * self.quadratic @ (x * x) + self.linear @ x)


def target(seed: int, slots: int = 96) -> FloatArray:
    return np.random.default_rng(seed).normal(0.0, 3.0, slots).cumsum() * 0.3


@FEW
@given(seed=st.integers(0, 10_000), slots=st.sampled_from([92, 96, 100]), scale=st.sampled_from([50.0, 100.0, 400.0]))
def test_the_proximal_plan_of_any_home_is_the_optimum_of_the_program_by_hand(
    make_any_home: MakeHome, seed: int, slots: int, scale: float
) -> None:
    home, wanted = make_any_home(seed, slots=slots), target(seed, slots)
    plan = ProximalSchedule(home, DT_H, scale).solve(wanted)
    assert np.abs(plan.net_kw - ByHand(home).proximal_net_kw(wanted, scale)).max() < 4e-3


@pytest.mark.parametrize("name", ["osqp", "clarabel"])
@FEW
@given(seed=st.integers(0, 10_000), low=st.sampled_from([-0.2, 0.05]))
def test_the_plan_alone_of_any_home_is_the_optimum_of_the_program_by_hand(
    make_any_home: MakeHome, name: str, seed: int, low: float
) -> None:
    home = make_any_home(seed)
    buy = np.where(np.arange(96) // 12 % 2, 0.3, 0.1 + low)
    tariff = Tariff(buy, buy - 0.08)
    best = ByHand(home).alone(tariff)
    found = CentralSchedule([home], tariff, NO_LIMITS, DT_H, solver=name).solve().objective
    assert abs(found - best) <= 1e-4 * max(1.0, abs(best))


@pytest.mark.parametrize("assets", ["", "c", "s", "cs", "e"])
def test_closed_forms_are_the_optimum_of_the_program_by_hand(make_any_home: MakeHome, assets: str) -> None:
    for seed in range(4):
        home, wanted = make_any_home(seed, assets=assets), target(seed)
        assert has_closed_form(home)
        plan = ProximalSchedule(home, DT_H, 100.0).solve(wanted)
        assert plan.iterations == 0
        assert np.abs(plan.net_kw - ByHand(home).proximal_net_kw(wanted, 100.0)).max() < 1e-4


def test_any_homes_program_is_affine_in_its_powers(make_any_home: MakeHome) -> None:
    home = make_any_home(7, assets="bctes")
    program = home_program(home, DT_H)
    rng = np.random.default_rng(1)
    x, per_net = rng.random(program.columns), rng.random(96)
    charge, discharge, _, curtail, heat, warm, car, shed = program.split(x)
    assert np.allclose(
        program.net_at_zero_kw + program.net_rows() @ x, home.base_kw + charge - discharge + curtail + heat + car - shed
    )
    before = np.concatenate([[home.thermal.s0_kwh], warm[:-1]])
    kept = (1.0 - home.thermal.loss_per_step) * before
    assert np.allclose(warm, kept + DT_H * (home.thermal.cop * heat - home.thermal.draw_kw))
    assert np.allclose(program.pull_back(per_net), program.net_rows().T @ per_net)


def test_the_same_targets_give_the_same_bits_with_all_assets(make_any_home: MakeHome) -> None:
    def run() -> list[bytes]:
        own = ProximalSchedule(make_any_home(11, assets="bctes"), DT_H, 100.0)
        return [own.solve(target(seed)).net_kw.tobytes() for seed in range(8)]

    assert run() == run()


@pytest.mark.parametrize("name", ["osqp", "clarabel"])
def test_solvers_agree_on_point_and_multipliers_and_follow_new_vectors(name: str) -> None:
    """Minimise x^2/2 + y^2/2 - 3x with x + y = 2, 0 <= x <= 1.5, y <= 5; then with another linear term and bound."""
    own = solver_named(name)
    rows = sparse.csc_matrix(np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]))
    lower, upper = np.array([2.0, 0.0, -np.inf]), np.array([2.0, 1.5, 5.0])
    hessian = sparse.csc_matrix(np.eye(2))
    own.setup(hessian, np.array([-3.0, 0.0]), rows, lower, upper, QpSettings(eps_abs=1e-8, eps_rel=1e-8))
    first = own.solve()
    assert first.status == SOLVED
    assert first.x == pytest.approx([1.5, 0.5], abs=1e-5)
    assert first.y == pytest.approx([-0.5, 2.0, 0.0], abs=1e-4)
    own.update(linear=np.array([0.0, 0.0]), upper=np.array([2.0, 0.5, 5.0]))
    second = own.solve()
    assert second.x == pytest.approx([0.5, 1.5], abs=1e-5)
    assert second.y == pytest.approx([-1.5, 1.0, 0.0], abs=1e-4)


@pytest.mark.parametrize("name", ["osqp", "clarabel"])
def test_rows_that_contradict_each_other_are_called_infeasible_by_both(name: str) -> None:
    own = solver_named(name)
    rows = sparse.csc_matrix(np.array([[1.0], [1.0]]))
    bounds = np.array([0.0, 2.0]), np.array([1.0, 3.0])
    own.setup(sparse.csc_matrix(np.eye(1)), np.zeros(1), rows, *bounds, QpSettings())
    assert own.solve().status == INFEASIBLE
    assert least_violation(rows, *bounds, 0, 1) is not None
    above, _ = least_violation(rows, *bounds, 0, 1) or (np.zeros(1), None)
    assert above[0] == pytest.approx(1.0)


class FalseAlarm:
    """A solver that calls everything infeasible."""

    def setup(self, *program: Any) -> None:
        """Take anything."""

    def solve(self) -> QpAnswer:
        return QpAnswer(np.zeros(0), np.zeros(0), INFEASIBLE, 1)


def test_an_infeasible_of_one_solver_is_not_believed_alone(
    make_any_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, tariff = make_any_home(3, assets="bte"), Tariff.of([0.2] * 96, [0.05] * 96)
    honest = StandaloneSchedule(home, tariff).solve().objective
    real = central.solver_named
    monkeypatch.setattr(central, "solver_named", lambda name: FalseAlarm() if name == "clarabel" else real(name))
    assert StandaloneSchedule(home, tariff).solve().objective == pytest.approx(honest, abs=1e-4)


def never_asked(*_: object) -> None:
    raise AssertionError("HiGHS was asked where there is no limit to judge")


def test_a_home_that_takes_too_many_iterations_is_tried_with_care_before_anybody_else_is_asked(
    make_any_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, tariff = make_any_home(3, assets="bt"), Tariff.of([0.2] * 96, [0.05] * 96)
    honest = CentralSchedule([home], tariff, NO_LIMITS, DT_H, solver="clarabel").solve().objective
    monkeypatch.setattr(central, "_SETTINGS", replace(central._SETTINGS, max_iter=25))
    monkeypatch.setattr(central, "least_violation", never_asked)
    monkeypatch.setattr(central, "solver_order", lambda _: ("osqp",))
    monkeypatch.setattr(CentralSchedule, "_split", never_asked)
    found = CentralSchedule([home], tariff, NO_LIMITS, DT_H, solver="osqp").solve().objective
    assert found == pytest.approx(honest, abs=1e-4)


def test_without_limits_a_home_that_contradicts_itself_is_named_without_a_solver(
    make_any_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, tariff = make_any_home(3, assets="b"), Tariff.of([0.2] * 96, [0.05] * 96)
    assert home.battery is not None
    wrong = replace(home, battery=replace(home.battery, p_ch_max_kw=0.01, e_end_min_kwh=home.battery.e_max_kwh))
    monkeypatch.setattr(central, "least_violation", never_asked)
    with pytest.raises(InfeasibleHome, match="soc_end_unreachable"):
        CentralSchedule([wrong], tariff, NO_LIMITS, DT_H, solver="osqp").solve()


@pytest.mark.parametrize("name", ["osqp", "clarabel"])
def test_an_infeasible_limit_is_named_by_slot_with_every_solver(make_any_home: MakeHome, name: str) -> None:
    home, tariff = make_any_home(3, assets="bt"), Tariff.of([0.2] * 96, [0.05] * 96)
    limits = Limits.of([-99.0] * 96, [99.0] * 40 + [-50.0] + [99.0] * 55)
    with pytest.raises(InfeasibleHive, match="pcc_max_kw cannot be met: slot 40"):
        CentralSchedule([home], tariff, limits, DT_H, solver=name).solve()


def test_an_unknown_or_missing_solver_is_an_error_that_names_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SolverError, match="'simplex' is not known") as caught:
        solver_named("simplex")
    assert "clarabel, osqp" in caught.value.next_step
    find = importlib.util.find_spec
    monkeypatch.setattr(solver.importlib.util, "find_spec", lambda name: None if name == "clarabel" else find(name))
    with pytest.raises(SolverError, match="'clarabel' is not installed"):
        solver_named("clarabel")
    assert solver.solver_order("auto") == ("osqp",)
    assert isinstance(solver_named("auto"), solver.OsqpSolver)
