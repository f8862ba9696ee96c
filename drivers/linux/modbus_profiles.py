"""Profiles of meters and inverters as files: the ones that come with the package, and an installer's own.

A name is looked up in the folder `drivers/modbus/profiles` (meters) or `inverters` (control); a text that ends in
`.toml` is the path of a file.
"""

import tomllib
from pathlib import Path
from typing import Any

from drivers.modbus.charger_profile import ChargerProfile, charger_profile_from
from drivers.modbus.profile import MeterProfile, ProfileError, profile_from
from drivers.modbus.sunspec_profile import ControlProfile, control_profile_from

FOLDER = Path(__file__).resolve().parent.parent / "modbus" / "profiles"
CONTROL_FOLDER = FOLDER.with_name("inverters")
CHARGER_FOLDER = FOLDER.with_name("chargers")


def known_profiles() -> list[str]:
    """Names of the meters that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def known_control_profiles() -> list[str]:
    """Names of the families of inverters that come with the package."""
    return sorted(path.stem for path in CONTROL_FOLDER.glob("*.toml"))


def known_charger_profiles() -> list[str]:
    """Names of the wall boxes that come with the package."""
    return sorted(path.stem for path in CHARGER_FOLDER.glob("*.toml"))


def load_profile(name: str) -> MeterProfile:
    """The meter profile of a name or of a path that ends in `.toml`. Raises ProfileError."""
    path, table = _read(name, FOLDER, known_profiles())
    return profile_from(path.stem, table)


def load_control_profile(name: str) -> ControlProfile:
    """The control profile of a name or of a path that ends in `.toml`. Raises ProfileError."""
    path, table = _read(name, CONTROL_FOLDER, known_control_profiles())
    return control_profile_from(path.stem, table)


def load_charger_profile(name: str) -> ChargerProfile:
    """The charger profile of a name or of a path that ends in `.toml`. Raises ProfileError."""
    path, table = _read(name, CHARGER_FOLDER, known_charger_profiles())
    return charger_profile_from(path.stem, table)


def _read(name: str, folder: Path, known: list[str]) -> tuple[Path, dict[str, Any]]:
    path = Path(name) if name.endswith(".toml") else folder / f"{name}.toml"
    if not name.endswith(".toml") and name not in known:
        raise ProfileError(f"profile {name!r} is not known; use {', '.join(known)}, or the path of a .toml file")
    try:
        return path, tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileError(f"profile {path}: {error.strerror}; correct the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"profile {path}: {error}; correct the file, it must be TOML") from error
