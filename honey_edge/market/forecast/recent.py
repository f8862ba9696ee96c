"""The plainest forecast: the mean of the same slot of the day over the last 28 days (market-design section 11).

Takes what a journal holds, milliwatt-hours per slot number (unix seconds // 900), and returns mean power. It needs no
numpy and is what `HomeForecaster` is measured against. A missing slot is skipped, never counted as 0.
"""

from __future__ import annotations

from collections.abc import Mapping

from honey_edge.market.errors import AssetError
from honey_edge.model.slots import SLOT_S, SLOTS_PER_DAY

_MILLIWH_PER_KWH = 1_000_000
_SLOTS_PER_HOUR = 3600 // SLOT_S


def forecast_day(
    history_milliwh_by_slot: Mapping[int, int], first_slot: int, count: int = SLOTS_PER_DAY, days: int = 28
) -> list[float]:
    """Return the expected mean power (kW) of `count` slots from `first_slot`, import or production as in the history.

    Per slot: the mean over those of the last `days` days before `first_slot` that have this slot of the day;
    else its newest value, however old; else 0. Only slots before `first_slot` are used. `AssetError` for a
    count or a number of days below 1.
    """
    if count < 1 or days < 1:
        raise AssetError(f"count {count} and days {days} must be at least 1")
    newest = _newest_by_time_of_day(history_milliwh_by_slot, first_slot)
    return [
        _expected_kw(history_milliwh_by_slot, newest, slot, first_slot, days)
        for slot in range(first_slot, first_slot + count)
    ]


def _newest_by_time_of_day(history: Mapping[int, int], before_slot: int) -> dict[int, int]:
    """Return, per slot of the day, the newest slot number in the history before `before_slot`."""
    newest: dict[int, int] = {}
    for slot in history:
        time_of_day = slot % SLOTS_PER_DAY
        if slot < before_slot and slot > newest.get(time_of_day, -1):
            newest[time_of_day] = slot
    return newest


def _expected_kw(history: Mapping[int, int], newest: Mapping[int, int], slot: int, first_slot: int, days: int) -> float:
    """Return the forecast of one slot (kW)."""
    latest = first_slot - 1 - (first_slot - 1 - slot) % SLOTS_PER_DAY
    seen = [history[past] for past in range(latest, latest - days * SLOTS_PER_DAY, -SLOTS_PER_DAY) if past in history]
    if not seen:
        last = newest.get(slot % SLOTS_PER_DAY)
        seen = [] if last is None else [history[last]]
    return sum(seen) * _SLOTS_PER_HOUR / (_MILLIWH_PER_KWH * len(seen)) if seen else 0.0
