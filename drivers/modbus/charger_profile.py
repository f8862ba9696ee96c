"""A wall box as data: which register tells what, which one sets the current. Portable: CPython and MicroPython.

    ChargerProfile(name, title, ..., see the fields below); docs/hardware/loads.md explains a file line by line.

Watchdog and fail-safe current are what ends a command when nobody refreshes it: a profile without both may not be
controlled, only read.
"""

from collections import namedtuple

from drivers.modbus.profile import FORMAT, ProfileError

ChargerProfile = namedtuple(
    "ChargerProfile",
    (
        "name", "title", "state_at", "function", "plugged", "charging", "currents", "voltages", "power_at",
        "energy_at", "watchdog_at", "standby", "lock", "set_current", "fail_safe",
    ),
)  # fmt: skip
Span = namedtuple("Span", ("at", "count", "decimals"))
Fixed = namedtuple("Fixed", ("at", "value"))
SetCurrent = namedtuple("SetCurrent", ("at", "decimals", "least_a", "most_a"))
FailSafe = namedtuple("FailSafe", ("at", "decimals"))

_HIGHEST_REGISTER, _MOST_A = 65535, 80
_FORMS = {
    "state": ("at", "function"), "currents": ("at", "count", "decimals"), "voltages": ("at", "count", "decimals"),
    "power_w": ("at",), "energy_wh": ("at",), "watchdog_ms": ("at",), "standby": ("at", "off"),
    "lock": ("at", "free"), "set_current": ("at", "decimals", "least_a", "most_a"),
    "fail_safe_current": ("at", "decimals"),
}  # fmt: skip
_KEYS = ("format", "title", "verified", "state_plugged", "state_charging") + tuple(_FORMS)
_OPTIONAL = ("standby", "lock", "verified", "watchdog_ms", "fail_safe_current")


def charger_profile_from(name: str, table: "dict[str, object]") -> ChargerProfile:
    """Return the profile that a parsed file describes. Raises ProfileError."""
    for key in table:
        if key not in _KEYS:
            raise _wrong(name, key, "is not a key of a charger profile", "use " + ", ".join(_KEYS))
    for key in _KEYS:
        if key not in table and key not in _OPTIONAL:
            raise _wrong(name, key, "is missing", "see docs/hardware/loads.md")
    if table["format"] != FORMAT:
        raise _wrong(name, "format", f"is {table['format']}", f"write format = {FORMAT}")
    title = table["title"]
    if not isinstance(title, str) or not title:
        raise _wrong(name, "title", "is missing", "write the maker's name of the wall box")
    parts = {key: _numbers(name, key, table[key]) for key in _FORMS if key in table}
    set_current = SetCurrent(**parts["set_current"])
    if not 0 < set_current.least_a <= set_current.most_a <= _MOST_A:
        raise _wrong(name, "set_current", "has no such range", f"write 0 < least_a <= most_a <= {_MOST_A}")
    if not all(1 <= parts[key]["count"] <= 3 for key in ("currents", "voltages")):
        raise _wrong(name, "currents, voltages", "need a count of 1 to 3", "write one per phase")
    return ChargerProfile(
        name=name,
        title=title,
        state_at=parts["state"]["at"],
        function=parts["state"]["function"],
        plugged=_states(name, "state_plugged", table["state_plugged"]),
        charging=_states(name, "state_charging", table["state_charging"]),
        currents=Span(**parts["currents"]),
        voltages=Span(**parts["voltages"]),
        power_at=parts["power_w"]["at"],
        energy_at=parts["energy_wh"]["at"],
        watchdog_at=parts["watchdog_ms"]["at"] if "watchdog_ms" in parts else None,
        standby=Fixed(parts["standby"]["at"], parts["standby"]["off"]) if "standby" in parts else None,
        lock=Fixed(parts["lock"]["at"], parts["lock"]["free"]) if "lock" in parts else None,
        set_current=set_current,
        fail_safe=FailSafe(**parts["fail_safe_current"]) if "fail_safe_current" in parts else None,
    )


def _numbers(name: str, key: str, given: object) -> "dict[str, int]":
    """A part's numbers: all of its form, none else."""
    if not isinstance(given, dict) or sorted(given) != sorted(_FORMS[key]):
        raise _wrong(name, key, f"is {given!r}", "write { " + ", ".join(f"{one} = .." for one in _FORMS[key]) + " }")
    for one in given:
        value = given[one]
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _HIGHEST_REGISTER:
            raise _wrong(name, key + "." + one, f"is {value!r}", f"write a whole number up to {_HIGHEST_REGISTER}")
    return given


def _states(name: str, key: str, given: object) -> "tuple[int, ...]":
    if not isinstance(given, list) or not given or not all(isinstance(one, int) for one in given):
        raise _wrong(name, key, f"is {given!r}", "write a list of numbers of states")
    return tuple(given)


def _wrong(name: str, key: str, what: str, instead: str) -> ProfileError:
    return ProfileError(f"charger profile {name}: {key} {what}; {instead}")
