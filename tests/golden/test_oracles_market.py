"""The market against the stored reference answers 01 to 13: the direct solve, and the round of Queens and Workers."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from honey_edge.market.cases import solve_case

GAIN_SHARE = 1e-3
OVERSHOOT = 5e-3
HIVES = ("01", "02", "03", "04", "05", "06", "07", "08", "09")
KEYS = [
    "status", "reason", "objective", "net_kw", "pcc_kw", "price_per_kwh", "limit_overshoot", "iterations",
    "gap_of_gain", "certificate_gap", "messages_bytes", "wall_s",
]  # fmt: skip


@functools.cache
def read(folder: Path, number: str) -> Any:
    (path,) = (folder / "oracles").glob(f"{number}_*.json")
    return json.loads(path.read_text())


@functools.cache
def solved(folder: Path, number: str, distributed: bool) -> Any:
    return solve_case(read(folder, number), distributed=distributed)


def within_limits(document: dict[str, Any], answer: dict[str, Any]) -> float:
    """The worst share by which a limit of the document is broken, calculated here from the powers alone."""
    net = np.array([answer["net_kw"][worker["id"]] for worker in document["workers"]])
    total, worst = net.sum(axis=0), 0.0
    assert np.abs(total - answer["pcc_kw"]).max() <= 1e-6
    limits = document.get("limits", {})
    rows = [(total, limits.get("pcc_min_kw"), limits.get("pcc_max_kw"))]
    names = [worker["id"] for worker in document["workers"]]
    for node in document.get("nodes", []):
        if node["limit"] is not None:
            inside = net[[names.index(member) for member in node["members"]]].sum(axis=0)
            rows.append((inside, node["limit"]["min_kw"], node["limit"]["max_kw"]))
    for power, low, high in rows:
        if high is not None:
            worst = max(worst, float(((power - high) / np.maximum(np.abs(high), 1.0)).max()))
        if low is not None:
            worst = max(worst, float(((low - power) / np.maximum(np.abs(low), 1.0)).max()))
    if "voltage" in document:
        band = document["voltage"]
        squared = band["v0_pu"] ** 2 - np.array(band["sensitivity_v2_per_kw"]) @ net
        low, high = band["v_min_pu"] ** 2, band["v_max_pu"] ** 2
        worst = max(
            worst, float(((squared - high) / (high - low)).max()), float(((low - squared) / (high - low)).max())
        )
    return worst


@pytest.mark.parametrize("number", HIVES)
def test_the_direct_solve_is_the_optimum(shared_dir: Path, number: str) -> None:
    document, answer = read(shared_dir, number), solved(shared_dir, number, False)
    expected = document["expected"]
    assert list(answer) == KEYS
    assert answer["status"] == "optimal"
    assert abs(answer["objective"] - expected["objective"]) <= 1e-4 * max(1.0, abs(expected["objective"]))
    assert np.abs(np.array(answer["pcc_kw"]) - expected["pcc_kw"]).max() <= 0.05
    for worker, net in zip(document["workers"], expected["worker_net_kw"], strict=True):
        assert np.abs(np.array(answer["net_kw"][worker["id"]]) - net).max() <= 0.05
    assert within_limits(document, answer) <= 1e-4
    assert answer["limit_overshoot"] <= 1e-4


@pytest.mark.parametrize("number", HIVES)
def test_prices_stay_within_the_tariff_where_no_limit_binds(shared_dir: Path, number: str) -> None:
    document, answer = read(shared_dir, number), solved(shared_dir, number, False)
    if "limits" in document or document["tariff"]["peak_per_kw"]:
        document = {**document, "limits": {}}
        document["tariff"] = {**document["tariff"], "peak_per_kw": 0.0}
        answer = solve_case({**document, "kind": "schedule"})
    price, tariff = np.array(answer["price_per_kwh"]), document["tariff"]
    assert (price >= np.array(tariff["sell_per_kwh"]) - 1e-5).all()
    assert (price <= np.array(tariff["buy_per_kwh"]) + 1e-5).all()


@pytest.mark.parametrize("number", HIVES)
def test_the_round_comes_as_near_as_it_must(shared_dir: Path, number: str) -> None:
    document, answer = read(shared_dir, number), solved(shared_dir, number, True)
    expected = document["expected"]
    gain = expected.get("coordination_gain", 0.0)
    assert list(answer) == KEYS
    assert answer["status"] == "optimal"
    away = answer["objective"] - expected["objective"]
    if gain > 1e-3:
        assert abs(away) <= GAIN_SHARE * gain
        assert answer["gap_of_gain"] == pytest.approx(away / gain, abs=1e-5)
        assert -1e-6 <= answer["certificate_gap"] <= 3.0 * GAIN_SHARE
        assert answer["certificate_gap"] >= answer["gap_of_gain"] - 1e-4
    else:
        assert abs(away) <= 3e-3 * max(1.0, abs(expected["objective"]))
        assert answer["gap_of_gain"] is None
    assert within_limits(document, answer) <= OVERSHOOT
    assert answer["limit_overshoot"] <= OVERSHOOT
    assert 1 <= answer["iterations"] <= 60
    assert answer["messages_bytes"] > 400 * answer["iterations"]


@pytest.mark.parametrize("distributed", [False, True])
def test_10_a_limit_below_the_load_is_infeasible_by_name(shared_dir: Path, distributed: bool) -> None:
    answer = solved(shared_dir, "10", distributed)
    assert answer["status"] == "infeasible"
    assert "pcc_max_kw" in answer["reason"]
    assert "slot" in answer["reason"]
    assert (answer["objective"], answer["net_kw"]) == (None, {})


@pytest.mark.parametrize("distributed", [False, True])
def test_11_a_car_that_cannot_be_charged_is_infeasible_by_name(shared_dir: Path, distributed: bool) -> None:
    answer = solved(shared_dir, "11", distributed)
    assert answer["status"] == "infeasible"
    assert "w0000" in answer["reason"]
    assert "car_energy_unreachable" in answer["reason"]
    assert answer["objective"] is None


@pytest.mark.parametrize("index", range(6))
def test_12_the_workers_step(shared_dir: Path, index: int) -> None:
    expected = read(shared_dir, "12")["cases"][index]["expected"]
    answer = solved(shared_dir, "12", False)["cases"][index]
    assert set(answer) == set(expected)
    assert np.abs(np.array(answer["net_kw"]) - expected["net_kw"]).max() <= 2e-3
    assert abs(answer["objective"] - expected["objective"]) <= 1e-4
    assert abs(answer["private_cost"] - expected["private_cost"]) <= 1e-4


@pytest.mark.parametrize("index", range(6))
def test_13_the_queens_step(shared_dir: Path, index: int) -> None:
    expected = read(shared_dir, "13")["cases"][index]["expected"]
    answer = solved(shared_dir, "13", False)["cases"][index]
    assert set(answer) == set(expected)
    assert np.abs(np.array(answer["z_kw"]) - expected["z_kw"]).max() <= 1e-4
    assert np.abs(np.array(answer["price_per_kwh"]) - expected["price_per_kwh"]).max() <= 1e-5


def test_03_nobody_pays_more_than_alone_and_no_coalition_does_better(shared_dir: Path) -> None:
    document, answer = read(shared_dir, "03"), solved(shared_dir, "03", False)
    price, dt_h = np.array(answer["price_per_kwh"]), document["dt_h"]
    expected = document["expected"]
    paid = [
        private + dt_h * float(price @ np.array(answer["net_kw"][worker["id"]]))
        for worker, private in zip(document["workers"], expected["worker_private_cost"], strict=True)
    ]
    assert sum(paid) == pytest.approx(expected["objective"], abs=1e-4)
    for members, cost in expected["coalition_cost"].items():
        assert sum(one for one, bit in zip(paid, members, strict=True) if bit == "1") <= cost + 1e-4


@pytest.mark.parametrize("number", ["03", "07"])
def test_the_same_document_gives_the_same_bytes(shared_dir: Path, number: str) -> None:
    document, first = read(shared_dir, number), solved(shared_dir, number, True)
    again = solve_case(document, distributed=True)
    assert json.dumps({**first, "wall_s": 0}) == json.dumps({**again, "wall_s": 0})
