"""Case documents, the form of the reference answers: read, checked, solved, answered in the same names.

Kinds: `schedule`, `tree`, `voltage` and `infeasible` (a Hive of homes with any assets, a peak charge, limits at the
connection point, in a tree of nodes and of voltages), `worker_prox` and `queen_prox` (one step of the iteration). A
document that breaks the schema raises `CaseError` with the path of the field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter

from honey_edge.market.cases.fields import Json, obj
from honey_edge.market.cases.reading import read_hive
from honey_edge.market.cases.solving import Clock, Outcome, solve_alone, solve_together
from honey_edge.market.cases.steps import queen_prox, worker_prox
from honey_edge.market.errors import AssetError, CaseError, InfeasibleHive, InfeasibleHome, PlanRejected
from honey_edge.market.homes.solver import AUTO, solver_order

__all__ = ["HIVES", "SCHEMA", "STEPS", "solve_case"]

SCHEMA = "hive-oracle/1"
HIVES = ("schedule", "tree", "voltage", "infeasible")
STEPS: Mapping[str, Callable[[Json, str], Json]] = {"worker_prox": worker_prox, "queen_prox": queen_prox}

_NOTHING: Json = {
    "objective": None,
    "net_kw": {},
    "pcc_kw": [],
    "price_per_kwh": [],
    "limit_overshoot": None,
    "iterations": None,
    "gap_of_gain": None,
    "certificate_gap": None,
    "messages_bytes": None,
    "wall_s": None,
}


def solve_case(document: Json, *, distributed: bool = False, solver: str = AUTO, clock: Clock = perf_counter) -> Json:
    """Return the answer to a case document.

    A Hive gives status ("optimal", "infeasible", "refused", "failed", and of a round also "iteration_limit" and
    "limits_exceeded"), reason, objective, net_kw per worker, pcc_kw, price_per_kwh, limit_overshoot (a share of the
    limit), iterations, gap_of_gain, certificate_gap, messages_bytes and wall_s. A document with `cases` gives
    {"cases": [...]}; cases of one step have the names of the oracle's `expected`. `distributed` runs the round of
    Queens and Workers, `solver` names the solver of direct solves. Raises `CaseError` for a document that breaks the
    schema and `SolverError` for a solver that is not there.
    """
    solver_order(solver)
    if not isinstance(document, dict):
        raise CaseError("the document is not an object", next_step="give one JSON object with schema, kind and T")
    if document.get("schema") != SCHEMA:
        raise CaseError(f"schema is {document.get('schema')!r}", next_step=f"only {SCHEMA!r} can be read")

    def run(case: Json, path: str) -> Json:
        return _answer(case, path, solve_together if distributed else solve_alone, solver, clock)

    if "cases" not in document:
        return run(document, "")
    cases = document["cases"]
    if not isinstance(cases, list) or not cases:
        raise CaseError("cases is not a list with entries", next_step="give at least one case")
    shared = {key: value for key, value in document.items() if key != "cases"}
    places = [f"cases[{index}]" for index in range(len(cases))]
    return {"cases": [run({**shared, **obj(case, at)}, f"{at}.") for case, at in zip(cases, places, strict=True)]}


def _answer(case: Json, path: str, solve: Callable[..., Outcome], solver: str, clock: Clock) -> Json:
    """Solve one case; refusals, contradictions and failures become a status with a reason."""
    kind = case.get("kind")
    if not isinstance(kind, str):
        raise CaseError(f"{path}kind is {kind!r}", next_step=f"kinds solved: {', '.join((*HIVES, *STEPS))}")
    unsolved = {} if kind in STEPS else _NOTHING
    if kind not in (*HIVES, *STEPS):
        reason = f"kind {kind!r} is not solved here; kinds solved: {', '.join((*HIVES, *STEPS))}"
        return {"status": "refused", "reason": reason, **unsolved}
    try:
        if kind in STEPS:
            return STEPS[kind](case, path)
        hive = read_hive(case, path)
        return _written(hive.names, solve(hive, solver, clock))
    except (InfeasibleHome, InfeasibleHive) as error:
        return {"status": "infeasible", "reason": str(error), **unsolved}
    except PlanRejected as error:
        return {"status": "failed", "reason": str(error), **unsolved}
    except AssetError as error:
        raise CaseError(f"{path}{error}", next_step="correct the field and run again") from error


def _written(names: tuple[str, ...], outcome: Outcome) -> Json:
    """Return an outcome in the names of the answer."""
    return {
        "status": outcome.status,
        "reason": outcome.reason,
        "objective": outcome.objective,
        "net_kw": {name: plan.net_kw.tolist() for name, plan in zip(names, outcome.schedules, strict=True)},
        "pcc_kw": outcome.pcc_kw.tolist(),
        "price_per_kwh": outcome.price_per_kwh.tolist(),
        "limit_overshoot": outcome.overshoot,
        "iterations": outcome.iterations,
        "gap_of_gain": outcome.gap_of_gain,
        "certificate_gap": outcome.certificate_gap,
        "messages_bytes": outcome.messages_bytes,
        "wall_s": outcome.wall_s,
    }
