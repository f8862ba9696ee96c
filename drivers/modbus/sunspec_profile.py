"""How one family of inverters may be commanded, as data: a file per family (TOML), checked here. Portable.

    ControlProfile(name, title, model, lets_go, revert_s, forced, write_revert, heartbeat_s)

`lets_go` says what ends a command when nobody refreshes it: `device` (revert timer or heartbeat: the device itself),
`host` (the process `drivers.linux.modbus_letgo`), `none` (nothing: then only limits, never forced power).
"""

from collections import namedtuple

from drivers.modbus.profile import FORMAT, ProfileError

MODELS = (704, 124, 802)
DEVICE, HOST, NONE = "device", "host", "none"
SHORTEST_REVERT_S, LONGEST_REVERT_S = 30, 3600

ControlProfile = namedtuple(
    "ControlProfile", ("name", "title", "model", "lets_go", "revert_s", "forced", "write_revert", "heartbeat_s")
)
_KEYS = ("format", "title", "model", "lets_go", "revert_s", "forced", "write_revert", "heartbeat_s", "verified")


def control_profile_from(name: str, table: "dict[str, object]") -> ControlProfile:
    """Return the profile that a parsed file describes. Raises ProfileError."""
    for key in table:
        if key not in _KEYS:
            raise _wrong(name, key, "is not a key of a control profile", "use " + ", ".join(_KEYS))
    if table.get("format") != FORMAT:
        raise _wrong(name, "format", f"is {table.get('format')}", f"write format = {FORMAT}")
    title, model, lets_go = table.get("title"), table.get("model"), table.get("lets_go")
    if not isinstance(title, str) or not title:
        raise _wrong(name, "title", "is missing", "write the maker's name of the family")
    if model not in MODELS:
        raise _wrong(name, "model", f"is {model!r}", "write 704, 124 or 802")
    if lets_go not in (DEVICE, HOST, NONE):
        raise _wrong(name, "lets_go", f"is {lets_go!r}", 'write "device", "host" or "none"')
    flags = {key: _flag(name, table, key) for key in ("forced", "write_revert")}
    heartbeat_s = _whole(name, table, "heartbeat_s", 0, 60)
    revert_s = _whole(name, table, "revert_s", 0, LONGEST_REVERT_S)
    profile = ControlProfile(name, title, model, lets_go, revert_s, flags["forced"], flags["write_revert"], heartbeat_s)
    _check_who_lets_go(profile)
    return profile


def _check_who_lets_go(profile: ControlProfile) -> None:
    """Forced power needs somebody who ends it; a device that does needs its timer or heartbeat."""
    if profile.lets_go == NONE and profile.forced:
        raise _wrong(
            profile.name, "forced", "is true though nobody lets go", 'write lets_go = "host", or forced = false'
        )
    if profile.model == 802 and profile.forced:
        raise _wrong(profile.name, "forced", "is true", "model 802 has limits only; write forced = false")
    timer = profile.model == 704 or (profile.model == 124 and profile.write_revert)
    if profile.lets_go == DEVICE and not (timer or profile.heartbeat_s):
        raise _wrong(profile.name, "lets_go", "is device without a timer or heartbeat", "write host or none")
    if profile.lets_go == DEVICE and timer and profile.revert_s < SHORTEST_REVERT_S:
        raise _wrong(profile.name, "revert_s", f"is {profile.revert_s}", f"write {SHORTEST_REVERT_S} or more")
    if profile.heartbeat_s and profile.model != 802:
        raise _wrong(profile.name, "heartbeat_s", "is set", "only model 802 has a heartbeat")


def _wrong(name: str, key: str, what: str, instead: str) -> ProfileError:
    return ProfileError(f"control profile {name}: {key} {what}; {instead}")


def _flag(name: str, table: "dict[str, object]", key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise _wrong(name, key, f"is {value!r}", "write true or false")
    return value


def _whole(name: str, table: "dict[str, object]", key: str, low: int, high: int) -> int:
    value = table.get(key, low)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _wrong(name, key, f"is {value!r}", f"write a whole number from {low} to {high}")
    return value
