"""Solvers of quadratic programs behind one face, so that none of them is believed alone (market-design sections 2, 7).

    minimise x'Px/2 + q'x   within   l <= Ax <= u          multipliers y: Px + q + A'y = 0, y > 0 at an upper bound

`OsqpSolver` is the Worker's: set up once, then new vectors only, started from its last answer; everything is counted
and nothing timed, so the same inputs in the same order give the same bits. `ClarabelSolver` (interior point) is the
Queen's where it is installed. HiGHS, which comes with scipy, only judges whether rows can hold at all.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import osqp
from scipy import sparse

from honey_edge.market.errors import SolverError
from honey_edge.market.homes.assets import FloatArray

SOLVED, INFEASIBLE, UNSOLVED = "solved", "infeasible", "unsolved"
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class QpSettings:
    """How exactly and how long to solve. `eps_abs`, `eps_rel` residuals at which a first-order solver may stop.

    The others are for first-order solvers: `polishing` solves the active set exactly afterwards, `rho` the penalty,
    adapted every `adapt_every` iterations (0 = never), residuals looked at every `check_every`, the duality gap too
    if `watch_gap`; `last_try` > 0 allows so many iterations from nothing where `max_iter` were not enough.
    """

    eps_abs: float = 1e-5
    eps_rel: float = 3e-6
    polishing: bool = False
    rho: float = 0.1
    alpha: float = 1.6
    adapt_every: int = 200
    check_every: int = 25
    watch_gap: bool = True
    max_iter: int = 6_000
    last_try: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class QpAnswer:
    """Point, multipliers, "solved", "infeasible" (not yet confirmed) or "unsolved", iterations, the solver's word."""

    x: FloatArray
    y: FloatArray
    status: str
    iterations: int
    detail: str = ""


class QpSolver(Protocol):
    """What every solver does."""

    def setup(
        self,
        hessian: sparse.csc_matrix,
        linear: FloatArray,
        rows: sparse.csc_matrix,
        lower: FloatArray,
        upper: FloatArray,
        settings: QpSettings,
    ) -> None:
        """Take a program; `hessian` is an upper triangle."""

    def update(
        self, linear: FloatArray | None = None, lower: FloatArray | None = None, upper: FloatArray | None = None
    ) -> None:
        """Change vectors of the program."""

    def solve(self) -> QpAnswer:
        """Solve the program as it stands now."""


class OsqpSolver:
    """OSQP: fast again and again, first-order accuracy. The program is expected to be scaled by hand."""

    def setup(
        self,
        hessian: sparse.csc_matrix,
        linear: FloatArray,
        rows: sparse.csc_matrix,
        lower: FloatArray,
        upper: FloatArray,
        settings: QpSettings,
    ) -> None:
        """Factorise once."""
        self._settings = settings
        self._matrices = hessian, rows
        self._linear, self._lower, self._upper = linear, lower, upper
        # The solver's own scaling costs time, and stopped 2 of 16 homes from converging.
        self._solver = self._made(settings, scaling=0)

    def _made(self, settings: QpSettings, scaling: int) -> Any:
        """Return OSQP, set up with the program as it stands now."""
        solver = osqp.OSQP(algebra="builtin")
        solver.setup(
            self._matrices[0],
            self._linear,
            self._matrices[1],
            self._lower,
            self._upper,
            scaling=scaling,
            eps_abs=settings.eps_abs,
            eps_rel=settings.eps_rel,
            polishing=settings.polishing,
            polish_refine_iter=10,
            rho=settings.rho,
            alpha=settings.alpha,
            adaptive_rho=settings.adapt_every > 0,
            adaptive_rho_interval=max(1, settings.adapt_every),
            check_termination=settings.check_every,
            check_dualgap=settings.watch_gap,
            max_iter=settings.max_iter,
            verbose=False,
        )
        return solver

    def update(
        self, linear: FloatArray | None = None, lower: FloatArray | None = None, upper: FloatArray | None = None
    ) -> None:
        """Change vectors; matrices and factors stay."""
        self._linear = self._linear if linear is None else linear
        self._lower = self._lower if lower is None else lower
        self._upper = self._upper if upper is None else upper
        self._solver.update(q=linear, l=lower, u=upper)

    def solve(self) -> QpAnswer:
        """Iterate from the last answer; at need once more from nothing, with care instead of speed."""
        answer = self._solver.solve(raise_error=False)
        if int(answer.info.status_val) != _OSQP_SOLVED and self._settings.last_try > 0:
            careful = replace(self._settings, rho=0.1, adapt_every=25, max_iter=self._settings.last_try)
            answer = self._made(careful, scaling=10).solve(raise_error=False)
            self._solver = self._made(self._settings, scaling=0)
        status = _OSQP_STATUS.get(int(answer.info.status_val), UNSOLVED)
        return QpAnswer(answer.x, answer.y, status, int(answer.info.iter), str(answer.info.status))


_OSQP_SOLVED = int(osqp.SolverStatus.OSQP_SOLVED)
_OSQP_STATUS = {
    _OSQP_SOLVED: SOLVED,
    int(osqp.SolverStatus.OSQP_PRIMAL_INFEASIBLE): INFEASIBLE,
    int(osqp.SolverStatus.OSQP_PRIMAL_INFEASIBLE_INACCURATE): INFEASIBLE,
}
_CLARABEL_STATUS = {
    "Solved": SOLVED,
    "AlmostSolved": SOLVED,
    "PrimalInfeasible": INFEASIBLE,
    "AlmostPrimalInfeasible": INFEASIBLE,
}


class ClarabelSolver:
    """Clarabel: an interior-point method, 1e-8, nothing kept from one solve to the next."""

    def __init__(self) -> None:
        self._library: Any = importlib.import_module("clarabel")

    def setup(
        self,
        hessian: sparse.csc_matrix,
        linear: FloatArray,
        rows: sparse.csc_matrix,
        lower: FloatArray,
        upper: FloatArray,
        settings: QpSettings,
    ) -> None:
        """Keep the program; of `settings` nothing is used, the accuracy is always higher."""
        self._hessian, self._rows = hessian, sparse.csr_matrix(rows)
        self._linear, self._lower, self._upper = linear, lower, upper

    def update(
        self, linear: FloatArray | None = None, lower: FloatArray | None = None, upper: FloatArray | None = None
    ) -> None:
        """Change vectors of the program."""
        self._linear = self._linear if linear is None else linear
        self._lower = self._lower if lower is None else lower
        self._upper = self._upper if upper is None else upper

    def solve(self) -> QpAnswer:
        """Solve from nothing; rows with one value are equalities of their own."""
        lower, upper = self._lower, self._upper
        if (lower > upper).any():
            return QpAnswer(np.zeros(0), np.zeros(0), INFEASIBLE, 0, "crossed bounds")
        same = np.flatnonzero(lower == upper)
        above = np.flatnonzero(np.isfinite(upper) & (lower != upper))
        below = np.flatnonzero(np.isfinite(lower) & (lower != upper))
        matrix = sparse.vstack([self._rows[same], self._rows[above], -self._rows[below]], format="csc")
        bounds = np.concatenate([upper[same], upper[above], -lower[below]])
        cones = [self._library.ZeroConeT(same.size), self._library.NonnegativeConeT(above.size + below.size)]
        options = self._library.DefaultSettings()
        options.verbose = False
        answer = self._library.DefaultSolver(self._hessian, self._linear, matrix, bounds, cones, options).solve()
        dual, multipliers = np.array(answer.z), np.zeros(lower.size)
        multipliers[same] = dual[: same.size]
        multipliers[above] += dual[same.size : same.size + above.size]
        multipliers[below] -= dual[same.size + above.size :]
        word = str(answer.status)
        status = _CLARABEL_STATUS.get(word, UNSOLVED)
        return QpAnswer(np.array(answer.x), multipliers, status, int(answer.iterations), word)


_SOLVERS: dict[str, type[OsqpSolver] | type[ClarabelSolver]] = {"osqp": OsqpSolver, "clarabel": ClarabelSolver}


def installed(name: str) -> bool:
    """Whether the library of a solver is there."""
    return name in _SOLVERS and importlib.util.find_spec(name) is not None


def solver_order(name: str) -> tuple[str, ...]:
    """Return the solvers to try, the wanted one first; "auto" wants Clarabel where it is installed.

    Raises `SolverError` for a name that is not known or not installed.
    """
    if name != AUTO and name not in _SOLVERS:
        raise SolverError(f"solver {name!r} is not known", next_step=f"known: {AUTO}, {', '.join(sorted(_SOLVERS))}")
    if name != AUTO and not installed(name):
        raise SolverError(f"solver {name!r} is not installed", next_step=f"install the package {name}, or use {AUTO}")
    there = tuple(known for known in ("clarabel", "osqp") if installed(known))
    return there if name == AUTO else (name, *(other for other in there if other != name))


def solver_named(name: str) -> QpSolver:
    """Return a new solver: "osqp", "clarabel", or "auto" for the best one installed. Raises `SolverError`."""
    return _SOLVERS[solver_order(name)[0]]()


def least_violation(
    rows: sparse.csc_matrix, lower: FloatArray, upper: FloatArray, first: int, count: int
) -> tuple[FloatArray, FloatArray] | None:
    """Ask HiGHS for the point that breaks the rows first..first+count the least, and keeps all others.

    Returns by how much it is above and below their bounds (in the rows' unit), or None where not even the other rows
    can hold. This is the second opinion on an "infeasible" of any solver here.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    columns = int(rows.shape[1])
    places = (np.arange(first, first + count), np.arange(count))
    over = sparse.csc_matrix((np.ones(count), places), shape=(rows.shape[0], count))
    constraint = LinearConstraint(sparse.hstack([rows, -over, over], format="csc"), lower, upper)
    free = Bounds(np.concatenate([np.full(columns, -np.inf), np.zeros(2 * count)]), np.inf)
    answer = milp(np.concatenate([np.zeros(columns), np.ones(2 * count)]), constraints=constraint, bounds=free)
    if not answer.success:
        return None
    return answer.x[columns : columns + count], answer.x[columns + count :]
