"""Power limits from the grid operator: given with an expiry and a fail-safe value (market-design section 11).

The daemon reads what is in force at the start of every round, so a command takes effect with the next one.
"""

import time

from sqlalchemy import Connection

from honey_edge.model.slots import slot_end_unix_s
from queen_node.operator.errors import InputError, NoGridLimit
from queen_node.operator.inputs import decimal_text, decimal_units, unix_s, utc_text
from queen_node.operator.sending import Document
from queen_node.settings import GridSection, Loaded
from queen_node.store import books, grid_limits
from queen_node.store.grid_limits import GridLimitRow

LARGEST_W = 10**9
_LARGEST_UNIX_S = 2**40
_KEPT_SHOWN = 10


def now_unix_s(tx: Connection, loaded: Loaded) -> int:
    """The Queen's time: where it is granted, the end of the newest closed slot."""
    clock = loaded.settings.clock
    if clock.kind != "granted":
        return int(time.time())
    closed = books.last_closed(tx)
    return clock.start_unix_s if closed is None else max(clock.start_unix_s, slot_end_unix_s(closed.totals.slot))


def power_w(text: str, name: str) -> int | None:
    """`12.5` kW as W, at least 0; None for no text. InputError starts with the option's name."""
    if not text.strip():
        return None
    watts = decimal_units(text, 3, name, zero=True)
    if watts > LARGEST_W:
        raise InputError(f"{name}: {text[:40]} kW is more than a connection point carries ({LARGEST_W // 1000} kW)")
    return watts


def limit_of(now: int, import_kw: str, export_kw: str, until: str, failsafe: tuple[str, str]) -> GridLimitRow:
    """What a person typed as a limit; InputError for no power at all, or an instant that is over."""
    given = power_w(import_kw, "--import-kw"), power_w(export_kw, "--export-kw")
    later = power_w(failsafe[0], "--failsafe-import-kw"), power_w(failsafe[1], "--failsafe-export-kw")
    if given == (None, None):
        raise InputError("--import-kw: is missing, and --export-kw as well", next_step="give at least one of them")
    end = unix_s(until, "--until")
    if not now < end < _LARGEST_UNIX_S:
        raise InputError(
            f"--until: {until[:40]} is not after {utc_text(now)}, or never",
            next_step="give an instant that is still to come, in UTC",
        )
    return GridLimitRow(*given, end, *later, set_unix_s=now)


def give(tx: Connection, loaded: Loaded, row: GridLimitRow) -> Document:
    """Stores a limit in place of the one before; what holds now."""
    grid_limits.put_limit(tx, row)
    return show(tx, loaded)


def clear(tx: Connection, loaded: Loaded) -> Document:
    """Takes back what is in force, its fail-safe value too; NoGridLimit where there is none."""
    if grid_limits.limit_in_force(tx) is None:
        raise NoGridLimit("no limit of the grid operator is in force", next_step="hive limit show")
    grid_limits.clear_limit(tx, now_unix_s(tx, loaded))
    return show(tx, loaded)


def show(tx: Connection, loaded: Loaded) -> Document:
    """What holds now and why, the limit in force, and the newest ones ever given."""
    now, row = now_unix_s(tx, loaded), grid_limits.limit_in_force(tx)
    expired = row is not None and row.until_unix_s <= now
    grid = loaded.settings.grid
    return {
        **_held(row, expired, grid),
        "source": "settings" if row is None else "fail-safe" if expired else "limit",
        "now": utc_text(now),
        "limit": None if row is None else _document(row),
        "history": [_document(one) for one in grid_limits.all_limits(tx, _KEPT_SHOWN)],
    }


def _held(row: GridLimitRow | None, expired: bool, grid: GridSection) -> Document:
    """The tightest of the settings and what the operator's limit says now; None where nothing limits a side."""
    given: tuple[int | None, int | None] = (None, None)
    if row is not None:
        given = (row.failsafe_import_w, row.failsafe_export_w) if expired else (row.import_w, row.export_w)
    held = {}
    for name, own, told in (("import_kw", grid.import_w, given[0]), ("export_kw", grid.export_w, given[1])):
        known = [one for one in (own or None, told) if one is not None]
        held[name] = _kw(min(known)) if known else None
    return held


def _document(row: GridLimitRow) -> Document:
    return {
        "import_kw": _kw(row.import_w),
        "export_kw": _kw(row.export_w),
        "until": utc_text(row.until_unix_s),
        "failsafe_import_kw": _kw(row.failsafe_import_w),
        "failsafe_export_kw": _kw(row.failsafe_export_w),
        "set_at": utc_text(row.set_unix_s),
        "cleared_at": None if row.cleared_unix_s is None else utc_text(row.cleared_unix_s),
    }


def _kw(power: int | None) -> str | None:
    return None if power is None else decimal_text(power, 3)
