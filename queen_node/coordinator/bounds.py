"""What a round must keep at the connection point: [grid] of the settings and the grid operator's limit, slot by slot.

The tightest wins. The operator's limit ends at its expiry and its fail-safe value holds from then on, also within one
horizon. An island's limits are 0 in both directions (market-design section 11).
"""

from collections.abc import Sequence

from honey_edge.market.grid.island import GridLimit, island_limits, tightest
from honey_edge.market.homes.assets import FloatArray, Limits
from honey_edge.market.rounds.queen_step import kilowatts
from honey_edge.model.slots import slot_start_unix_s
from honey_edge.wire.messages import HORIZON_SLOTS
from queen_node.coordinator.answers import Opened
from queen_node.coordinator.certify import shares_ppm
from queen_node.store.grid_limits import GridLimitRow

_NEVER = 2**62
_BROKEN = 5e-3
_W_PER_KW = 1000
_WHOLE_PPM = 1_000_000


class GridBounds:
    """The limits of one horizon; `island` when there is no connection at all."""

    def __init__(self, limits: Limits, *, island: bool = False) -> None:
        self.limits, self.island = limits, island

    def tightened(self, permille: int) -> Limits:
        """The limits at so many thousandths."""
        low, high, share = self.limits.pcc_min_kw, self.limits.pcc_max_kw, permille / 1000
        return Limits(None if low is None else low * share, None if high is None else high * share)

    def beyond_kw(self, power_w: Sequence[int], constant_w: Sequence[int]) -> float:
        """By how much the plans leave the limits, beyond what counts as met (kW)."""
        total_kw = kilowatts([own + fixed for own, fixed in zip(power_w, constant_w, strict=True)])
        excess = self.limits.excess_kw(total_kw)
        return excess if excess > _BROKEN * max(1.0, float(abs(total_kw).max())) else 0.0

    def within(self, room_w: tuple[Sequence[int], Sequence[int]]) -> "GridBounds":
        """These limits and, slot by slot, a largest import and export (W; empty: none) from elsewhere."""
        imports, exports = room_w
        more = Limits.of(
            [-watts / _W_PER_KW for watts in exports] if exports else None,
            [watts / _W_PER_KW for watts in imports] if imports else None,
        )
        return GridBounds(tightest([self.limits, more], HORIZON_SLOTS), island=self.island)

    def shares(self, opened: Opened) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The limits shared in proportion to what the homes opened with (import, export), millionths per slot.

        Empty where a side has no limit at all. On an island homes import what others export.
        """
        if self.island:
            pairs = list(zip(opened.import_w, opened.export_w, opened.constant_w, strict=True))
            return (
                _at_most_whole(shares_ppm(opened.import_w, [given - fixed for _, given, fixed in pairs])),
                _at_most_whole(shares_ppm(opened.export_w, [taken + fixed for taken, _, fixed in pairs])),
            )
        low, high = self.limits.pcc_min_kw, self.limits.pcc_max_kw
        given = tuple(-w for w in opened.constant_w)
        return (
            () if high is None else shares_ppm(opened.import_w, _room_w(high, opened.constant_w)),
            () if low is None else shares_ppm(opened.export_w, _room_w(-low, given)),
        )


def _at_most_whole(shares: Sequence[int]) -> tuple[int, ...]:
    return tuple(min(share, _WHOLE_PPM) for share in shares)


def _room_w(limit_kw: FloatArray, used_w: Sequence[int]) -> tuple[int, ...]:
    return tuple(round(limit) - used for limit, used in zip(limit_kw * _W_PER_KW, used_w, strict=True))


def bounds_of(
    import_w: int, export_w: int, given: GridLimitRow | None, first_slot: int, *, island: bool = False
) -> GridBounds:
    """The limits of first_slot .. first_slot + 95 from the settings (W, 0: none) and what the operator gave."""
    settings = GridLimit(_kw(import_w or None), _kw(-export_w or None), _NEVER)
    start = slot_start_unix_s(first_slot)
    held = [settings.limits(start, HORIZON_SLOTS)]
    if given is not None:
        held.append(operators_limit(given).limits(start, HORIZON_SLOTS))
    if island:
        held.append(island_limits(HORIZON_SLOTS))
    return GridBounds(tightest(held, HORIZON_SLOTS), island=island)


def operators_limit(row: GridLimitRow) -> GridLimit:
    """A stored limit in kW, import positive."""
    return GridLimit(
        max_kw=_kw(row.import_w),
        min_kw=_kw(None if row.export_w is None else -row.export_w),
        until_unix_s=row.until_unix_s,
        fail_safe_max_kw=_kw(row.failsafe_import_w),
        fail_safe_min_kw=_kw(None if row.failsafe_export_w is None else -row.failsafe_export_w),
    )


def _kw(power_w: int | None) -> float | None:
    return None if power_w is None else power_w / _W_PER_KW
