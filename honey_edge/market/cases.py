"""Case documents, the form of the reference answers: read, checked, solved, answered in the same names.

Kinds solved here: `schedule` and `infeasible` (homes with battery and PV at one connection point),
`worker_prox` and `queen_prox`. Everything else - other assets, trees, voltage - is refused by name, never
approximated. A document that breaks the schema raises `CaseError` with the path of the field.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from honey_edge.market.admm import solve_direct
from honey_edge.market.assets import Battery, FloatArray, Home, Limits, Tariff
from honey_edge.market.battery import ProximalSchedule
from honey_edge.market.errors import AssetError, CaseError, InfeasibleHive, InfeasibleHome, PlanRejected
from honey_edge.market.queen_step import queen_step

Json = dict[str, Any]

SCHEMA = "hive-oracle/1"
_MAX_SLOTS = 2976
_WORKER_FIELDS = {"id", "load_kw", "pv_kw", "pv_curtailable", "battery", "curt_c_quad"}
_BATTERY_FIELDS = {field.name for field in fields(Battery)}
_TARIFF_FIELDS = {"buy_per_kwh", "sell_per_kwh", "peak_per_kw"}
_LIMIT_FIELDS = {"pcc_min_kw", "pcc_max_kw"}
_FOREIGN_PARTS = {
    "nodes": "a tree of nodes",
    "network": "a network",
    "voltage": "voltage limits",
    "grid": "a grid model",
}


class _Refused(Exception):
    """Something this solver does not do; the text names it."""


@dataclass(frozen=True)
class _Frame:
    """What all cases of a document share: slots T, slot length, and the path for messages."""

    slots: int
    dt_h: float
    path: str


def solve_case(document: Json) -> Json:
    """Return the answer to a case document.

    A single case gives status ("optimal", "infeasible", "refused" or "failed"), reason, objective, net_kw per
    worker, pcc_kw and price_per_kwh; a document with `cases` gives {"cases": [...]}, each entry with the
    names of the oracle's `expected`, or status and reason where it was refused or has no solution.
    `CaseError` for a document that breaks the schema.
    """
    if not isinstance(document, dict):
        raise CaseError("the document is not an object", next_step="give one JSON object with schema, kind and T")
    if document.get("schema") != SCHEMA:
        raise CaseError(f"schema is {document.get('schema')!r}", next_step=f"only {SCHEMA!r} can be read")
    if "cases" not in document:
        return _answer(document, "")
    cases = document["cases"]
    if not isinstance(cases, list) or not cases:
        raise CaseError("cases is not a list with entries", next_step="give at least one case")
    shared = {key: value for key, value in document.items() if key != "cases"}
    answers = []
    for index, case in enumerate(cases):
        merged = {**shared, **_object(case, f"cases[{index}]")}
        answers.append(_answer(merged, f"cases[{index}]."))
    return {"cases": answers}


def _answer(case: Json, path: str) -> Json:
    """Solve one case; refusals, contradictions and failures become a status with a reason."""
    kind = case.get("kind")
    if not isinstance(kind, str):
        raise CaseError(f"{path}kind is {kind!r}", next_step=f"kinds solved: {', '.join(sorted(_SOLVERS))}")
    unsolved: Json = {}
    if kind not in ("worker_prox", "queen_prox"):
        unsolved = {"objective": None, "net_kw": {}, "pcc_kw": [], "price_per_kwh": []}
    try:
        if kind not in _SOLVERS:
            raise _Refused(f"kind {kind!r} is not solved here; kinds solved: {', '.join(sorted(_SOLVERS))}")
        for part, meaning in _FOREIGN_PARTS.items():
            if part in case:
                raise _Refused(f"{path}{part}: {meaning} is not solved here, only one connection point")
        return _SOLVERS[kind](case, _frame(case, path))
    except _Refused as refusal:
        return {"status": "refused", "reason": str(refusal), **unsolved}
    except (InfeasibleHome, InfeasibleHive) as error:
        return {"status": "infeasible", "reason": str(error), **unsolved}
    except PlanRejected as error:
        return {"status": "failed", "reason": str(error), **unsolved}
    except AssetError as error:
        raise CaseError(f"{path}{error}", next_step="correct the field and run again") from error


def _schedule(case: Json, frame: _Frame) -> Json:
    """Answer a `schedule`: the optimum of all its workers together."""
    workers = case.get("workers")
    if not isinstance(workers, list) or not workers:
        raise CaseError(f"{frame.path}workers is not a list with entries", next_step="give at least one worker")
    homes: dict[str, Home] = {}
    for index, entry in enumerate(workers):
        path = f"{frame.path}workers[{index}]"
        worker = _object(entry, path)
        name = worker.get("id")
        if not isinstance(name, str) or not name or name in homes:
            raise CaseError(f"{path}.id is {name!r}", next_step="give every worker a text of its own")
        homes[name] = _home(worker, path, frame)
    tariff, limits = _tariff(case, frame), _limits(case, frame)
    solution = solve_direct(list(homes.values()), tariff, limits, frame.dt_h, may_repair=False)
    plans = zip(homes, solution.schedules, strict=True)
    return {
        "status": "optimal",
        "reason": "",
        "objective": solution.objective,
        "net_kw": {name: plan.net_kw.tolist() for name, plan in plans},
        "pcc_kw": solution.pcc_kw.tolist(),
        "price_per_kwh": solution.price_per_kwh.tolist(),
    }


def _worker_prox(case: Json, frame: _Frame) -> Json:
    """Answer a `worker_prox`: one home's step of the iteration, to high accuracy."""
    home = _home(_object(case.get("worker"), f"{frame.path}worker"), f"{frame.path}worker", frame)
    scale = _number(case, "scale_kw2_per_currency", frame.path)
    target = _vector(case, "target_kw", frame.path, frame.slots)
    solver = ProximalSchedule(home, frame.dt_h, scale, 1e-6, polishing=True, may_repair=False)
    schedule = solver.solve(target)
    return {
        "objective": schedule.objective,
        "net_kw": schedule.net_kw.tolist(),
        "private_cost": schedule.private_cost,
    }


def _queen_prox(case: Json, frame: _Frame) -> Json:
    """Answer a `queen_prox`: the Queen's step in closed form."""
    aggregate = _vector(case, "aggregate_kw", frame.path, frame.slots)
    scale = _number(case, "total_scale", frame.path)
    net, price = queen_step(aggregate, scale, _tariff(case, frame), _limits(case, frame), frame.dt_h)
    return {"z_kw": net.tolist(), "price_per_kwh": price.tolist()}


_SOLVERS: Mapping[str, Callable[[Json, _Frame], Json]] = {
    "schedule": _schedule,
    "infeasible": _schedule,
    "worker_prox": _worker_prox,
    "queen_prox": _queen_prox,
}


def _frame(case: Json, path: str) -> _Frame:
    """Read T and dt_h."""
    slots = case.get("T")
    if isinstance(slots, bool) or not isinstance(slots, int) or not 1 <= slots <= _MAX_SLOTS:
        raise CaseError(f"{path}T is {slots!r}", next_step=f"give the number of slots, 1 to {_MAX_SLOTS}")
    dt_h = _number(case, "dt_h", path)
    if not 0.0 < dt_h <= 24.0:
        raise CaseError(f"{path}dt_h is {dt_h}", next_step="give the length of a slot in hours, above 0 up to 24")
    return _Frame(slots, dt_h, path)


def _home(worker: Json, path: str, frame: _Frame) -> Home:
    """Read one worker; an asset of another kind is refused by its name."""
    for name, value in worker.items():
        if name not in _WORKER_FIELDS:
            if isinstance(value, dict):
                raise _Refused(f"{path}.{name}: the asset {name!r} is not solved here, only battery and PV")
            raise CaseError(f"{path}.{name} is not a field of a worker", next_step=f"known: {sorted(_WORKER_FIELDS)}")
    curtailable = worker.get("pv_curtailable", False)
    if not isinstance(curtailable, bool):
        raise CaseError(f"{path}.pv_curtailable is {curtailable!r}", next_step="give true or false")
    battery = worker.get("battery")
    return Home(
        load_kw=_vector(worker, "load_kw", f"{path}.", frame.slots),
        pv_kw=_vector(worker, "pv_kw", f"{path}.", frame.slots),
        battery=None if battery is None else _battery(_object(battery, f"{path}.battery"), f"{path}.battery."),
        pv_curtailable=curtailable,
        curt_c_quad=_number(worker, "curt_c_quad", f"{path}.", 5e-4),
    )


def _battery(fields_given: Json, path: str) -> Battery:
    """Read a battery; every field is needed."""
    _known(fields_given, _BATTERY_FIELDS, path)
    return Battery(**{name: _number(fields_given, name, path) for name in sorted(_BATTERY_FIELDS)})


def _tariff(case: Json, frame: _Frame) -> Tariff:
    """Read the tariff."""
    path = f"{frame.path}tariff."
    tariff = _object(case.get("tariff"), f"{frame.path}tariff")
    _known(tariff, _TARIFF_FIELDS, path)
    buy = _vector(tariff, "buy_per_kwh", path, frame.slots)
    sell = _vector(tariff, "sell_per_kwh", path, frame.slots)
    return Tariff(buy, sell, _number(tariff, "peak_per_kw", path, 0.0))


def _limits(case: Json, frame: _Frame) -> Limits:
    """Read the limits of the connection point: one number for all slots, or one for each."""
    path = f"{frame.path}limits."
    limits = _object(case.get("limits", {}), f"{frame.path}limits")
    foreign = sorted(set(limits) - _LIMIT_FIELDS)
    if foreign:
        raise _Refused(f"{path}{foreign[0]}: this limit is not solved here, only {sorted(_LIMIT_FIELDS)}")
    read: dict[str, FloatArray | None] = {"pcc_min_kw": None, "pcc_max_kw": None}
    for name, value in limits.items():
        if value is None:
            continue
        spread = isinstance(value, list)
        read[name] = (
            _vector(limits, name, path, frame.slots) if spread else np.full(frame.slots, _number(limits, name, path))
        )
    return Limits(**read)


def _object(value: object, path: str) -> Json:
    """Return an object of the document, or name what is in its place."""
    if not isinstance(value, dict):
        raise CaseError(f"{path} is {type(value).__name__}, not an object", next_step="give it as a JSON object")
    return value


def _known(given: Json, known: set[str], path: str) -> None:
    """Refuse a field that nobody would read."""
    unknown = sorted(set(given) - known)
    if unknown:
        raise CaseError(f"{path}{unknown[0]} is not known", next_step=f"known: {sorted(known)}")


def _number(given: Json, name: str, path: str, default: float | None = None) -> float:
    """Return a finite number of the document."""
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise CaseError(f"{path}{name} is {value!r}", next_step="give a finite number")
    return float(value)


def _vector(given: Json, name: str, path: str, slots: int) -> FloatArray:
    """Return one finite number per slot."""
    value = given.get(name)
    if not isinstance(value, list) or len(value) != slots:
        size = len(value) if isinstance(value, list) else "no list"
        raise CaseError(f"{path}{name} has {size}", next_step=f"give one number for each of the {slots} slots")
    for slot, number in enumerate(value):
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
            raise CaseError(f"{path}{name}[{slot}] is {number!r}", next_step="give a finite number")
    return np.array(value, dtype=np.float64)
