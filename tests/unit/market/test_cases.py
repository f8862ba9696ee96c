"""Case documents: refused by name, infeasible by name, wrong by field."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from honey_edge.market.cases import solve_case
from honey_edge.market.errors import CaseError, SolverError

BATTERY = {
    "cap_kwh": 10.0, "e_min_kwh": 1.0, "e_max_kwh": 9.5, "e0_kwh": 5.0, "e_end_min_kwh": 5.0,
    "p_ch_max_kw": 3.0, "p_dis_max_kw": 3.0, "eta_c": 0.95, "eta_d": 0.95, "c_deg": 0.01, "c_quad": 5e-4,
}  # fmt: skip


def document() -> dict[str, Any]:
    return {
        "schema": "hive-oracle/1", "kind": "schedule", "T": 4, "dt_h": 0.25,
        "workers": [
            {"id": "a", "load_kw": [1.0, 1, 1, 1], "pv_kw": [0.0] * 4, "pv_curtailable": False, "battery": BATTERY},
            {"id": "b", "load_kw": [0.5] * 4, "pv_kw": [0.0, 2.0, 2.0, 0.0], "pv_curtailable": True},
        ],
        "tariff": {"buy_per_kwh": [0.3, 0.1, 0.1, 0.3], "sell_per_kwh": [0.05] * 4, "peak_per_kw": 0.0},
    }  # fmt: skip


KEYS = [
    "status", "reason", "objective", "net_kw", "pcc_kw", "price_per_kwh", "limit_overshoot", "iterations",
    "gap_of_gain", "certificate_gap", "messages_bytes", "wall_s",
]  # fmt: skip
THERMAL = {
    "cap_kwh": 6.0, "s0_kwh": 3.0, "s_min_kwh": 1.0, "s_end_min_kwh": 3.0, "q_max_kw": 2.0, "cop": 2.5,
    "loss_per_step": 0.01, "draw_kw": [0.0, 1.0, 0.0, 0.0], "c_quad": 5e-4,
}  # fmt: skip
EV = {"p_max_kw": 7.0, "eta": 0.9, "e_req_kwh": 1.0, "avail": [0, 1, 1, 0], "c_quad": 5e-4}
SHED = {"max_kw": [0.2] * 4, "cost_per_kwh": 0.25, "c_quad": 0.01}


@pytest.mark.parametrize("distributed", [False, True])
def test_several_homes_are_solved_together_and_add_up(distributed: bool) -> None:
    answer = solve_case(document(), distributed=distributed)
    assert list(answer) == KEYS
    assert answer["status"] == "optimal"
    for slot in range(4):
        assert answer["pcc_kw"][slot] == pytest.approx(sum(net[slot] for net in answer["net_kw"].values()))
        assert 0.05 - 1e-6 <= answer["price_per_kwh"][slot] <= 0.3 + 1e-6
    assert (answer["messages_bytes"] > 0) is distributed


def test_a_worker_may_own_every_asset_at_once() -> None:
    case = document()
    case["workers"][0].update({"thermal": THERMAL, "ev": EV, "shed": SHED})
    answer = solve_case(case)
    assert answer["status"] == "optimal"
    assert answer["net_kw"]["a"] != solve_case(document())["net_kw"]["a"]


def test_an_asset_of_another_kind_is_named() -> None:
    case = document()
    case["workers"][1]["electrolyser"] = {"p_max_kw": 1.0}
    with pytest.raises(CaseError, match=r"workers\[1\].electrolyser"):
        solve_case(case)


def tree_document() -> dict[str, Any]:
    limit = {"max_kw": 0.6, "min_kw": [-1.0] * 4}
    nodes = [
        {"id": "root", "parent": None, "limit": None},
        {"id": "f", "parent": "root", "members": ["b"], "limit": limit},
    ]
    return {**document(), "kind": "tree", "nodes": nodes}


@pytest.mark.parametrize("distributed", [False, True])
def test_a_node_limit_holds(distributed: bool) -> None:
    answer = solve_case(tree_document(), distributed=distributed)
    assert answer["status"] == "optimal"
    assert min(answer["net_kw"]["b"]) >= -1.0 - 5e-3
    assert min(solve_case(document())["net_kw"]["b"]) < -1.2


def test_a_node_limit_that_cannot_hold_is_infeasible_by_name() -> None:
    case = tree_document()
    case["nodes"][1]["limit"] = {"max_kw": 0.1}
    answer = solve_case(case)
    assert (answer["status"], answer["objective"]) == ("infeasible", None)
    assert "max_kw of node f" in answer["reason"]
    assert "slot 0" in answer["reason"]


@pytest.mark.parametrize("distributed", [False, True])
def test_a_tree_and_a_voltage_band_hold_together(distributed: bool) -> None:
    band = {"v0_pu": 1.0, "v_min_pu": 0.9, "v_max_pu": 1.0002, "sensitivity_v2_per_kw": [[4e-4, 4e-4], [4e-4, 9e-4]]}
    answer = solve_case({**tree_document(), "voltage": band}, distributed=distributed)
    assert answer["status"] == "optimal"
    for slot in range(4):
        for row in band["sensitivity_v2_per_kw"]:  # type: ignore[attr-defined]
            drop = sum(k * answer["net_kw"][name][slot] for k, name in zip(row, ("a", "b"), strict=True))
            assert (1.0 - drop) ** 0.5 <= 1.0002 + 1e-5
    assert min(answer["net_kw"]["b"]) >= -1.0 - 5e-3


@pytest.mark.parametrize("kind", ["settlement", "sudoku"])
def test_another_kind_is_refused_by_its_name(kind: str) -> None:
    answer = solve_case({**document(), "kind": kind})
    assert answer["status"] == "refused"
    assert repr(kind) in answer["reason"]


def test_an_unknown_solver_is_named_and_a_known_one_agrees() -> None:
    with pytest.raises(SolverError, match="'abacus'"):
        solve_case(document(), solver="abacus")
    first, second = (solve_case(tree_document(), solver=name)["objective"] for name in ("osqp", "clarabel"))
    assert first == pytest.approx(second, abs=1e-4)


def test_the_queens_step_takes_nodes_and_voltages() -> None:
    shared = {"schema": "hive-oracle/1", "kind": "queen_prox", "T": 4, "dt_h": 0.25, "tariff": document()["tariff"]}
    sums = {"aggregate_kw": [[9.0] * 4, [-9.0] * 4], "total_scale": 100.0}
    tree = solve_case({**shared, **sums, "nodes": tree_document()["nodes"], "limits": {}})
    assert min(tree["z_kw"][1]) >= -1.0 - 1e-9
    band = {"v0_pu": 1.0, "v_min_pu": 0.9, "v_max_pu": 1.001, "sensitivity_v2_per_kw": [[4e-4, 4e-4], [4e-4, 9e-4]]}
    volts = solve_case({**shared, **sums, "voltage": band})
    assert min(4e-4 * a + 9e-4 * b for a, b in zip(*volts["z_kw"], strict=True)) >= 1.0 - 1.001**2 - 1e-7


def test_a_limit_is_read_for_all_slots_or_for_each_and_kept() -> None:
    for limit in (1.2, [1.2] * 4):
        answer = solve_case({**document(), "limits": {"pcc_max_kw": limit, "pcc_min_kw": None}})
        assert max(answer["pcc_kw"]) <= 1.2 + 1e-3


def test_infeasible_is_reported_by_the_name_of_the_limit_never_as_a_number() -> None:
    case = document()
    case["workers"][0]["battery"] = {**BATTERY, "e_end_min_kwh": 9.0, "e0_kwh": 1.0}
    answer = solve_case(case)
    assert (answer["status"], answer["objective"]) == ("infeasible", None)
    assert "soc_end_unreachable" in answer["reason"]
    answer = solve_case({**document(), "kind": "infeasible", "limits": {"pcc_max_kw": -9.0}})
    assert answer["status"] == "infeasible"
    assert "pcc_max_kw" in answer["reason"]


def prox_document() -> dict[str, Any]:
    worker = document()["workers"][0]
    good = {"worker": worker, "scale_kw2_per_currency": 100.0, "target_kw": [0.0] * 4}
    return {
        "schema": "hive-oracle/1",
        "kind": "worker_prox",
        "T": 4,
        "dt_h": 0.25,
        "cases": [good, copy.deepcopy(good)],
    }


def test_in_a_file_of_cases_every_case_is_answered_and_a_wrong_one_named() -> None:
    first, second = solve_case(prox_document())["cases"]
    assert set(first) == {"objective", "net_kw", "private_cost"}
    assert first == second
    case = copy.deepcopy(prox_document())
    case["cases"][1]["worker"]["ev"] = {"p_max_kw": 7.0}
    with pytest.raises(CaseError, match=r"cases\[1\].worker.ev.avail"):
        solve_case(case)


def broken(*path: Any, value: Any = None) -> dict[str, Any]:
    """The document with one field replaced (or removed, value None)."""
    case = copy.deepcopy(document())
    place: Any = case
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return case


NAN = float("nan")


@pytest.mark.parametrize(
    ("case", "field"),
    [
        (broken("schema"), "schema"), (broken("schema", value="hive-oracle/2"), "schema"), (broken("kind"), "kind"),
        (broken("T"), "T is None"), (broken("T", value=0), "T is 0"), (broken("T", value=True), "T is True"),
        (broken("T", value=5), r"load_kw has 4"), (broken("dt_h", value=0.0), "dt_h"), (broken("dt_h"), "dt_h"),
        (broken("workers", value=[]), "workers"), (broken("workers", 0, value=7), r"workers\[0\] is int"),
        (broken("workers", 1, "id", value="a"), r"workers\[1\].id"),
        (broken("workers", 0, "load_kw"), "load_kw has no list"),
        (broken("workers", 0, "load_kw", 2, value=NAN), r"load_kw\[2\] is nan"),
        (broken("workers", 0, "load_kw", 2, value="1"), r"load_kw\[2\] is '1'"),
        (broken("workers", 0, "load_kw", 2, value=-1.0), r"load_kw\[2\] is negative"),
        (broken("workers", 0, "pv_curtailable", value="yes"), "pv_curtailable"),
        (broken("workers", 0, "colour", value="red"), "colour is not a known field"),
        (broken("workers", 0, "battery", "eta_c"), "battery.eta_c"),
        (broken("workers", 0, "battery", "eta_c", value=2.0), "battery.eta_c"),
        (broken("workers", 0, "battery", "colour", value=1), "battery.colour"),
        (broken("tariff"), "tariff"), (broken("tariff", "buy_per_kwh"), "buy_per_kwh"),
        (broken("tariff", "sell_per_kwh", 1, value=0.9), r"sell_per_kwh\[1\]"),
        (broken("limits", value={"v_min": 0.9}), "limits.v_min"), (broken("nodes", value=[]), "nodes is not a list"),
        (broken("nodes", value=[{"id": "r", "parent": None, "members": ["x"]}]), "'x', which is no worker"),
        (broken("nodes", value=[{"id": "r", "parent": None, "colour": 1}]), r"nodes\[0\].colour"),
        (broken("voltage", value={"v0_pu": 1.0}), "sensitivity_v2_per_kw"), (broken("grid", value={}), "grid"),
        (broken("limits", value=[1]), "limits is list"), (broken("limits", value={"pcc_max_kw": NAN}), "pcc_max_kw"),
        (broken("limits", value={"pcc_max_kw": [1.0]}), "pcc_max_kw has 1"), (broken("cases", value=[]), "cases"),
    ],
)  # fmt: skip
def test_a_document_that_breaks_the_schema_is_refused_with_the_field(case: dict[str, Any], field: str) -> None:
    with pytest.raises(CaseError, match=field):
        solve_case(case)


def test_something_that_is_no_object_is_refused() -> None:
    with pytest.raises(CaseError, match="not an object"):
        solve_case([])  # type: ignore[arg-type]
