"""One page for every Modbus meter and inverter profile, from its file alone: registers, who lets go, how sure."""

import tomllib
from pathlib import Path

from drivers.linux.modbus_profiles import CONTROL_FOLDER, load_control_profile, load_profile
from drivers.linux.modbus_profiles import FOLDER as METER_FOLDER
from drivers.modbus.profile import FIELDS, KINDS, MeterProfile
from drivers.modbus.sunspec_profile import DEVICE, HOST, ControlProfile

FOLDER = "hardware/profiles"
_SURE = {
    "2SRC": "seen in two public drivers",
    "1SRC": "seen in one public driver",
}
_READ = {name for group in FIELDS.values() for places in group for name in places}
_WORDS = {3: "holding registers (function 3)", 4: "input registers (function 4)"}


def pages() -> dict[str, str]:
    """File name below docs/ to content."""
    found = {f"{FOLDER}/{file.stem}.md": meter_page(file) for file in sorted(METER_FOLDER.glob("*.toml"))}
    return found | {f"{FOLDER}/{file.stem}.md": control_page(file) for file in sorted(CONTROL_FOLDER.glob("*.toml"))}


def _file(path: Path) -> tuple[list[str], str]:
    """The comment lines at the top of a profile's file, and how sure it is."""
    text = path.read_text(encoding="utf-8")
    notes = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        notes.append(line.lstrip("# "))
    verified = str(tomllib.loads(text).get("verified", ""))
    return notes, _SURE.get(verified, verified or "not said")


def _head(title: str, path: Path, folder: str) -> list[str]:
    notes, sure = _file(path)
    return [
        f"# {title}",
        "",
        f"Made from `drivers/modbus/{folder}/{path.name}`.",
        "",
        *notes,
        "",
        f"How sure: {sure}. No device was at hand.",
        "",
    ]


def meter_page(path: Path) -> str:
    """A meter's page: how it is asked, and which register holds what."""
    profile: MeterProfile = load_profile(path.stem)
    order = "low word first" if profile.low_word_first else "high word first"
    blocks = ", ".join(f"{count} from {first}" for first, count in profile.blocks)
    lines = _head(profile.title, path, "profiles")
    lines += [
        f'- Settings: `kind = "modbus-rtu:{path.stem}"` or `"modbus-tcp:{path.stem}"`.',
        f"- Factory speed {profile.baud} baud.",
        f"- Read as {_WORDS[profile.function]}, {order}; requests: {blocks}.",
    ]
    lines += [
        f"- Another meter unless register {one.address} holds {one.low} to {one.high}." for one in profile.identify
    ]
    lines += ["", "| point | register | type | decimals | unit | used |", "|---|---|---|---|---|---|"]
    for name, point in sorted(profile.points.items(), key=lambda item: item[1].address):
        used = (
            "settled"
            if name in ("import_active_energy", "export_active_energy")
            else "read"
            if name in _READ or name == "frequency"
            else "no"
        )
        last = point.address + KINDS[point.kind] - 1
        where = str(point.address) if last == point.address else f"{point.address} to {last}"
        lines.append(f"| `{name}` | {where} | {point.kind} | {point.decimals} | {point.unit} | {used} |")
    maker = "carlo-gavazzi" if path.stem.startswith("em") else "eastron"
    lines += [
        "",
        f"Registers count from 0. Wiring, limits and removal: [the maker's page](../{maker}.md). The keys of the",
    ]
    lines += ["The keys of the file: [profiles](../modbus-profiles.md).", ""]
    return "\n".join(lines)


def control_page(path: Path) -> str:
    """An inverter's page: what is written, who lets go, and what it may be told."""
    profile: ControlProfile = load_control_profile(path.stem)
    lines = _head(profile.title, path, "inverters")
    lines += [
        f'- Settings: `profile = "{path.stem}"` in `[battery]`; SunSpec model {profile.model} is written.',
        f"- Who lets go when the Worker is gone: {_lets_go(profile)}.",
        f"- {'Any power may be commanded.' if profile.forced else 'Limits only: never forced to charge or discharge.'}",
    ]
    if profile.model == 124:
        lines.append(f"- The device's own revert time is {'written' if profile.write_revert else 'never written'}.")
    lines += ["", "Nothing is written without a passed sign test: [how a battery is controlled](../sunspec.md).", ""]
    return "\n".join(lines)


def _lets_go(profile: ControlProfile) -> str:
    if profile.lets_go == DEVICE:
        timer = f"a timer of {profile.revert_s} s" if profile.revert_s else "its heartbeat"
        return f"`device`: the inverter itself by {timer}, even without power at the Worker"
    if profile.lets_go == HOST:
        return "`host`: the process `hive-worker battery letgo`; without power at the Worker nobody does"
    return "`none`: nobody; the last limits stay until the Worker is back"
