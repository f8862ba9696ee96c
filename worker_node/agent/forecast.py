"""What the home will need: load less sun per slot, from the journal's history, without numpy.

The mean is linear, so forecasting the difference is forecasting both (market-design section 11).
"""

from collections.abc import Mapping

from honey_edge.market.forecast import forecast_day


def expected_base_kw(history_milliwh: Mapping[int, int], first_slot: int, count: int) -> list[float]:
    """Mean power (kW) of `count` slots from `first_slot`: load less sun, import positive."""
    return forecast_day(history_milliwh, first_slot, count)
