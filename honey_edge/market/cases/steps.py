"""Cases of one step of the iteration: a home's (`worker_prox`) and the Queen's (`queen_prox`)."""

from __future__ import annotations

import numpy as np

from honey_edge.market.cases.fields import Frame, Json, entries, number, numbers, obj, read_frame, vector
from honey_edge.market.cases.reading import read_band, read_home, read_limits, read_tariff, read_tree
from honey_edge.market.errors import CaseError
from honey_edge.market.grid.tree_step import Wishes, tree_prices
from honey_edge.market.grid.voltage import queen_step_voltage
from honey_edge.market.homes.assets import FloatArray
from honey_edge.market.homes.proximal import ProximalSchedule
from honey_edge.market.rounds.queen_step import queen_step

_EPS = 1e-6


def worker_prox(case: Json, path: str) -> Json:
    """Answer one home's step, to high accuracy."""
    frame = read_frame(case, path)
    home = read_home(obj(case.get("worker"), f"{path}worker"), f"{path}worker", frame)
    scale = number(case, "scale_kw2_per_currency", path)
    target = vector(case, "target_kw", path, frame.slots)
    schedule = ProximalSchedule(home, frame.dt_h, scale, _EPS, polishing=True, may_repair=False).solve(target)
    return {
        "objective": schedule.objective,
        "net_kw": schedule.net_kw.tolist(),
        "private_cost": schedule.private_cost,
    }


def queen_prox(case: Json, path: str) -> Json:
    """Answer the Queen's step; with `nodes` or `voltage`, `aggregate_kw` and the answer are lists per node.

    `total_scale` is shared evenly by the nodes, unless it is a list with one scale per node.
    """
    frame = read_frame(case, path)
    tariff, limits = read_tariff(case, frame), read_limits(case, frame)
    if case.get("nodes") is None and case.get("voltage") is None:
        aggregate = vector(case, "aggregate_kw", path, frame.slots)
        net, price = queen_step(aggregate, number(case, "total_scale", path), tariff, limits, frame.dt_h)
        return {"z_kw": net.tolist(), "price_per_kwh": price.tolist()}
    if case.get("nodes") is not None and case.get("voltage") is not None:
        raise CaseError(f"{path}nodes and voltage together", next_step="give one of them for a queen_prox")
    aggregate, scale = _by_node(case, frame)
    if case.get("nodes") is not None:
        tree = read_tree(case, frame)
        if len(tree.nodes) != len(aggregate):
            raise CaseError(f"{path}aggregate_kw has {len(aggregate)} lists", next_step="give one list per node")
        given = [str(obj(node, f"{path}nodes")["id"]) for node in case["nodes"]]
        order = [given.index(node.id) for node in tree.nodes]
        low, high = tree.bounds(frame.slots, limits)
        scales = np.repeat(scale[:, None], frame.slots, axis=1)
        step = tree_prices(tree, Wishes(aggregate[order], scales[order], low, high), tariff, frame.dt_h)
        back = np.argsort(order)
        return {"z_kw": step.net_kw[back].tolist(), "price_per_kwh": step.price_per_kwh[back].tolist()}
    band = read_band(case, frame, len(aggregate))
    network = band.network(frame.slots, limits)
    if network.groups != len(aggregate):
        raise CaseError(f"{path}voltage has equal columns", next_step="give one column per electrical node")
    net, price = queen_step_voltage(aggregate, scale, tariff, network, limits, frame.dt_h)
    return {"z_kw": net.tolist(), "price_per_kwh": price.tolist()}


def _by_node(case: Json, frame: Frame) -> tuple[FloatArray, FloatArray]:
    """Read W (nodes x slots) and the scale of every node."""
    lists = entries(case.get("aggregate_kw"), f"{frame.path}aggregate_kw")
    rows = [numbers(row, f"{frame.path}aggregate_kw[{k}]", frame.slots, "slots") for k, row in enumerate(lists)]
    if isinstance(case.get("total_scale"), list):
        scale = numbers(case["total_scale"], f"{frame.path}total_scale", len(rows), "nodes")
    else:
        scale = np.full(len(rows), number(case, "total_scale", frame.path) / len(rows))
    if bool((scale <= 0.0).any()):
        raise CaseError(f"{frame.path}total_scale is not above 0 everywhere", next_step="give scales above 0")
    return np.array(rows), scale
