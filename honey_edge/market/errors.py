"""Errors of the market: each names the place, the limit that is broken and what to do next.

`MarketError` is the root; every error also is the built-in error a caller would expect.
"""

from honey_edge.model.errors import HiveError


class MarketError(HiveError):
    """Root of all errors that `honey_edge.market` raises."""

    code = "E-MARKET"


class AssetError(MarketError, ValueError):
    """An asset, profile, tariff or limit that no schedule can be built from."""

    code = "E-ASSET"


class InfeasibleHome(MarketError, ValueError):
    """A home whose assets cannot obey their own limits.

    `reasons` are the names of what cannot hold, in the order of repair: `soc_start_outside_window`,
    `soc_end_unreachable`, `comfort_unreachable`, `car_energy_unreachable`.
    """

    code = "E-INFEASIBLE-HOME"

    def __init__(self, reasons: tuple[str, ...], detail: str) -> None:
        super().__init__(
            f"{', '.join(reasons)}: {detail}",
            next_step="correct the asset named, or let the schedule repair and flag it",
        )
        self.reasons = reasons


class InfeasibleHive(MarketError, ValueError):
    """A connection-point limit that no schedule of the homes can meet.

    `limit` is `pcc_max_kw` or `pcc_min_kw`, `slot` (from 0) the first slot in which it breaks, `excess_kw` by
    how much it is over there in the schedule that comes nearest.
    """

    code = "E-INFEASIBLE-HIVE"

    def __init__(self, limit: str, slot: int, excess_kw: float) -> None:
        super().__init__(
            f"{limit} cannot be met: slot {slot} is over by {excess_kw:.3f} kW at the least",
            next_step="widen the limit or lower the load that cannot move",
        )
        self.limit = limit
        self.slot = slot
        self.excess_kw = excess_kw


class PlanRejected(MarketError, ArithmeticError):
    """The solver's answer failed the check of its residuals; it must not be executed."""

    code = "E-PLAN-REJECTED"
    transient = True


class SolverError(MarketError, ValueError):
    """A solver that is asked for by name and is not known or not installed."""

    code = "E-SOLVER"


class ProtocolError(MarketError, ValueError):
    """A message of the price iteration that does not fit the round it belongs to."""

    code = "E-ROUND"


class CaseError(MarketError, ValueError):
    """A case document that does not follow the schema; the message names the field."""

    code = "E-CASE"
