"""Case documents: refused by name, infeasible by name, wrong by field."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from honey_edge.market.cases import solve_case
from honey_edge.market.errors import CaseError

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


def test_several_homes_are_solved_together_and_add_up() -> None:
    answer = solve_case(document())
    assert list(answer) == ["status", "reason", "objective", "net_kw", "pcc_kw", "price_per_kwh"]
    assert answer["status"] == "optimal"
    for slot in range(4):
        assert answer["pcc_kw"][slot] == pytest.approx(sum(net[slot] for net in answer["net_kw"].values()))
        assert 0.05 - 1e-6 <= answer["price_per_kwh"][slot] <= 0.3 + 1e-6


@pytest.mark.parametrize("asset", ["thermal", "ev", "shed", "electrolyser"])
def test_another_asset_is_refused_by_its_name(asset: str) -> None:
    case = document()
    case["workers"][1][asset] = {"p_max_kw": 1.0}
    answer = solve_case(case)
    assert answer["status"] == "refused"
    assert repr(asset) in answer["reason"]
    assert answer["objective"] is None
    assert answer["net_kw"] == {}


@pytest.mark.parametrize("kind", ["tree", "voltage", "settlement", "sudoku"])
def test_another_kind_is_refused_by_its_name(kind: str) -> None:
    answer = solve_case({**document(), "kind": kind})
    assert answer["status"] == "refused"
    assert repr(kind) in answer["reason"]


@pytest.mark.parametrize(("part", "value"), [("nodes", []), ("voltage", {}), ("limits", {"v_min": 0.9})])
def test_parts_beyond_one_connection_point_are_refused_by_name(part: str, value: object) -> None:
    answer = solve_case({**document(), part: value})
    assert answer["status"] == "refused"
    assert part in answer["reason"]


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
    other = {**copy.deepcopy(good), "worker": {**worker, "ev": {"p_max_kw": 7.0}}}
    return {"schema": "hive-oracle/1", "kind": "worker_prox", "T": 4, "dt_h": 0.25, "cases": [good, other]}


def test_in_a_file_of_cases_only_the_foreign_one_is_refused() -> None:
    first, second = solve_case(prox_document())["cases"]
    assert set(first) == {"objective", "net_kw", "private_cost"}
    assert second["status"] == "refused"
    assert "cases[1].worker.ev" in second["reason"]


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
        (broken("workers", 0, "colour", value="red"), "colour is not a field"),
        (broken("workers", 0, "battery", "eta_c"), "battery.eta_c"),
        (broken("workers", 0, "battery", "eta_c", value=2.0), "battery.eta_c"),
        (broken("workers", 0, "battery", "colour", value=1), "battery.colour"),
        (broken("tariff"), "tariff"), (broken("tariff", "buy_per_kwh"), "buy_per_kwh"),
        (broken("tariff", "sell_per_kwh", 1, value=0.9), r"sell_per_kwh\[1\]"),
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
