"""From a case document of the oracles' form to homes, tariff, limits, tree and voltage band."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from honey_edge.market.cases.fields import (
    Frame,
    Json,
    bound,
    entries,
    known,
    number,
    numbers,
    obj,
    read_frame,
    text,
    vector,
)
from honey_edge.market.errors import AssetError, CaseError
from honey_edge.market.grid.network import Network, joined, one_group
from honey_edge.market.grid.tree import Tree, TreeNode
from honey_edge.market.grid.voltage import VoltageBand
from honey_edge.market.homes.assets import NO_LIMITS, Battery, Ev, Home, Limits, Shed, Tariff, Thermal

_PLAIN = ("id", "load_kw", "pv_kw", "pv_curtailable", "curt_c_quad")
_ASSETS: dict[str, type[Battery] | type[Thermal] | type[Ev] | type[Shed]] = {
    "battery": Battery,
    "thermal": Thermal,
    "ev": Ev,
    "shed": Shed,
}
_PROFILES = {"draw_kw", "avail", "max_kw"}
_TARIFF_FIELDS = ("buy_per_kwh", "sell_per_kwh", "peak_per_kw")
_LIMIT_FIELDS = ("pcc_min_kw", "pcc_max_kw")
_NODE_FIELDS = ("id", "parent", "members", "limit")
_VOLTAGE_FIELDS = ("v0_pu", "v_min_pu", "v_max_pu", "sensitivity_v2_per_kw")
_FOREIGN = ("network", "grid")


@dataclass(frozen=True, eq=False)
class HiveCase:
    """A Hive to be solved: homes by name, what the grid charges and allows, and what limits it inside."""

    frame: Frame
    homes: dict[str, Home]
    tariff: Tariff
    limits: Limits
    tree: Tree | None
    band: VoltageBand | None

    @property
    def names(self) -> tuple[str, ...]:
        """The homes' names in their order."""
        return tuple(self.homes)

    def network(self) -> Network:
        """Return all couplings between the homes."""
        slots = self.frame.slots
        parts = []
        if self.tree is not None:
            parts.append(self.tree.network(self.names, slots, self.limits))
        if self.band is not None:
            parts.append(self.band.network(slots, self.limits))
        if not parts:
            return one_group(len(self.homes), self.limits, slots)
        return parts[0] if len(parts) == 1 else joined(parts[0], parts[1])


def read_hive(case: Json, path: str) -> HiveCase:
    """Read a `schedule`, `tree`, `voltage` or `infeasible` case; `CaseError` names the field that is wrong."""
    frame = read_frame(case, path)
    for name in _FOREIGN:
        if name in case:
            raise CaseError(f"{path}{name} is not a field of a case", next_step="give `nodes` or `voltage`")
    homes: dict[str, Home] = {}
    for index, entry in enumerate(entries(case.get("workers"), f"{path}workers")):
        place = f"{path}workers[{index}]"
        worker = obj(entry, place)
        name = text(worker, "id", f"{place}.")
        if name in homes:
            raise CaseError(f"{place}.id is {name!r} a second time", next_step="give every worker a name of its own")
        homes[name] = read_home(worker, place, frame)
    tariff, limits = read_tariff(case, frame), read_limits(case, frame)
    tree = read_tree(case, frame) if case.get("nodes") is not None or case["kind"] == "tree" else None
    band = None
    if case.get("voltage") is not None or case["kind"] == "voltage":
        band = read_band(case, frame, len(homes))
    hive = HiveCase(frame, homes, tariff, limits, tree, band)
    hive.network()
    return hive


def read_home(worker: Json, path: str, frame: Frame) -> Home:
    """Read one worker with any of the assets."""
    known(worker, {*_PLAIN, *_ASSETS}, f"{path}.")
    curtailable = worker.get("pv_curtailable", False)
    if not isinstance(curtailable, bool):
        raise CaseError(f"{path}.pv_curtailable is {curtailable!r}", next_step="give true or false")
    given = {name: worker[name] for name in _ASSETS if worker.get(name) is not None}
    assets: dict[str, Any] = {
        name: _asset(name, obj(entry, f"{path}.{name}"), f"{path}.{name}.", frame) for name, entry in given.items()
    }
    load, pv = vector(worker, "load_kw", f"{path}.", frame.slots), vector(worker, "pv_kw", f"{path}.", frame.slots)
    return Home(
        load, pv, pv_curtailable=curtailable, curt_c_quad=number(worker, "curt_c_quad", f"{path}.", 5e-4), **assets
    )


def _asset(kind: str, given: Json, path: str, frame: Frame) -> Battery | Thermal | Ev | Shed:
    """Read one asset; every field is needed."""
    form = _ASSETS[kind]
    names = sorted(field.name for field in fields(form))
    known(given, names, path)
    values: dict[str, Any] = {
        name: vector(given, name, path, frame.slots) if name in _PROFILES else number(given, name, path)
        for name in names
    }
    return form(**values)


def read_tariff(case: Json, frame: Frame) -> Tariff:
    """Read the tariff."""
    path = f"{frame.path}tariff."
    tariff = obj(case.get("tariff"), f"{frame.path}tariff")
    known(tariff, _TARIFF_FIELDS, path)
    buy = vector(tariff, "buy_per_kwh", path, frame.slots)
    sell = vector(tariff, "sell_per_kwh", path, frame.slots)
    return Tariff(buy, sell, number(tariff, "peak_per_kw", path, 0.0))


def read_limits(case: Json, frame: Frame) -> Limits:
    """Read the limits of the connection point."""
    path = f"{frame.path}limits."
    limits = obj(case.get("limits") or {}, f"{frame.path}limits")
    known(limits, _LIMIT_FIELDS, path)
    low, high = (bound(limits, name, path, frame.slots) for name in _LIMIT_FIELDS)
    return Limits(low, high)


def read_tree(case: Json, frame: Frame) -> Tree:
    """Read the nodes of a tree: `parent` null for the root, `members` by worker id, `limit` with min_kw and max_kw."""
    nodes = []
    for index, entry in enumerate(entries(case.get("nodes"), f"{frame.path}nodes")):
        path = f"{frame.path}nodes[{index}]."
        node = obj(entry, path[:-1])
        known(node, _NODE_FIELDS, path)
        members = node.get("members") or []
        if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
            raise CaseError(f"{path}members is {members!r}", next_step="give a list of worker ids")
        parent = None if node.get("parent") is None else text(node, "parent", path)
        limit = NO_LIMITS
        if node.get("limit") is not None:
            given = obj(node["limit"], f"{path}limit")
            known(given, ("min_kw", "max_kw"), f"{path}limit.")
            low, high = (bound(given, name, f"{path}limit.", frame.slots) for name in ("min_kw", "max_kw"))
            try:
                limit = Limits(low, high)
            except AssetError as error:
                raise AssetError(f"{path}limit: min_kw is above max_kw in a slot") from error
        nodes.append(TreeNode(text(node, "id", path), parent, tuple(members), limit))
    return Tree(nodes)


def read_band(case: Json, frame: Frame, homes: int) -> VoltageBand:
    """Read the voltage band and the sensitivities, one row per electrical node and one column per worker."""
    path = f"{frame.path}voltage."
    given = obj(case.get("voltage"), f"{frame.path}voltage")
    known(given, _VOLTAGE_FIELDS, path)
    rows = entries(given.get("sensitivity_v2_per_kw"), f"{path}sensitivity_v2_per_kw")
    matrix = [numbers(row, f"{path}sensitivity_v2_per_kw[{k}]", homes, "workers") for k, row in enumerate(rows)]
    v0, low, high = (number(given, name, path) for name in _VOLTAGE_FIELDS[:3])
    try:
        return VoltageBand(v0, low, high, np.array(matrix))
    except AssetError as error:
        raise AssetError(f"voltage: {error}") from error
