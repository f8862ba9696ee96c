"""What the home will need: load less sun per slot, from the journal's history.

The arithmetic (numpy) is loaded with the first forecast, in the solver's thread, never at the daemon's start. A fit
begins at the local midnight before the slots asked for and is kept for the day; what was measured since corrects the
first hours. The first slot is the one that the home declares and is judged by, against the last reading (market-design
section 9): it leans on that reading. All depends on the journal and the slots alone, so that a restarted daemon
forecasts the same.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from honey_edge.model.slots import SLOT_S, SLOTS_PER_DAY, slot_start_unix_s

if TYPE_CHECKING:
    from honey_edge.market.forecast import Forecast, HomeForecaster, LocalClock

FIT_DAYS = 27
"""One day less than the journal keeps: at a day's last slot its first is still fitted to the same history."""
_YOUNG_SLOTS = 7 * SLOTS_PER_DAY
"""With fewer slots before midnight every slot counts, and each forecast is fitted anew."""
_KW_PER_MILLIWH = 3600 / SLOT_S / 1e6

LEAN = 0.8
"""Share of the last reading's distance from what was expected that the next slots keep, for a reading two slots old:
the best single one over ten measured homes, which then err as little as the last reading itself or less."""
_LEAN_SLOTS = 2
_OLDEST_SLOTS = 4
"""Readings older than an hour tell nothing of the next slot that the day's correction does not."""


class BaseForecaster:
    """Forecasts load less sun; keeps the day's fit. Not for several threads at once."""

    def __init__(self) -> None:
        self._fitted: tuple[object, HomeForecaster] | None = None

    def expected_kw(self, history_milliwh: Mapping[int, int], first_slot: int, count: int) -> list[float]:
        """Mean power (kW) of `count` slots from `first_slot`: load less sun, import positive."""
        midnight = first_slot - (first_slot + _local_offset(first_slot)) % SLOTS_PER_DAY
        past = _between(history_milliwh, midnight - FIT_DAYS * SLOTS_PER_DAY, midnight)
        if len(past) < _YOUNG_SLOTS:
            midnight, past = first_slot, _between(history_milliwh, 0, first_slot)
        model = self._model(past, midnight)
        since = _between(history_milliwh, midnight, first_slot)
        whole = model.predict(midnight, first_slot + count - midnight, quantiles=False)
        corrected = whole.corrected({slot: value * _KW_PER_MILLIWH for slot, value in since.items()})
        expected = [float(kw) for kw in corrected.from_slot(first_slot).point_kw]
        return [*self._leant(history_milliwh, whole, first_slot), *expected[1:]] if expected else []

    def _leant(self, history_milliwh: Mapping[int, int], whole: "Forecast", first_slot: int) -> list[float]:
        """The first slot's power (kW): what was expected, moved by most of how far the last reading was from it.

        A reading from before the day's forecast is held against the first slot itself.
        """
        expected = float(whole.point_kw[first_slot - whole.first_slot])
        known = [slot for slot in range(first_slot - _OLDEST_SLOTS, first_slot) if slot in history_milliwh]
        if not known:
            return [expected]
        newest = known[-1]
        place = newest - whole.first_slot
        then = float(whole.point_kw[place]) if place >= 0 else expected
        share = LEAN ** ((first_slot - newest) / _LEAN_SLOTS)
        return [expected + share * (history_milliwh[newest] * _KW_PER_MILLIWH - then)]

    def _model(self, past: dict[int, int], origin: int) -> "HomeForecaster":
        key = (origin, len(past), sum(past.values()))
        if self._fitted is None or self._fitted[0] != key:
            from honey_edge.market.forecast import HomeForecaster

            model = HomeForecaster("net", SLOTS_PER_DAY, _local_clock(origin))
            model.fit(past, origin)
            self._fitted = key, model
        return self._fitted[1]


def _between(history: Mapping[int, int], first: int, end: int) -> dict[int, int]:
    return {slot: value for slot, value in history.items() if first <= slot < end}


def _local_offset(slot: int) -> int:
    """Slots that the machine's local time is ahead of UTC; its zone is the home's."""
    local = datetime.fromtimestamp(slot_start_unix_s(slot), UTC).astimezone().utcoffset()
    return int(local.total_seconds()) // SLOT_S if local else 0


def _local_clock(origin: int) -> "LocalClock":
    from honey_edge.market.forecast import LocalClock, civil_changes

    first, last = origin - (FIT_DAYS + 2) * SLOTS_PER_DAY, origin + 4 * SLOTS_PER_DAY
    return LocalClock(_local_offset(first), civil_changes(_local_offset, first, last, SLOTS_PER_DAY))
