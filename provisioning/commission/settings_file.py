"""Settings changed in place: comments, order and everything else stay as the installer wrote them.

The new text is read by the Worker's own reader before it takes the old one's place, so a change can never leave a file
that the daemon refuses.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from honey_edge.model.options import SettingsError
from worker_node.settings import WorkerSettings, load_settings

Changes = Mapping[tuple[str, str], Any]
"""(section, option) -> new value."""


def change_settings(file: Path, changes: Changes) -> WorkerSettings:
    """Writes changes and returns the settings as they are read back. Raises SettingsError; then nothing changed."""
    try:
        document = tomlkit.parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        raise SettingsError(f"{file}: cannot be changed: {error}") from error
    for (section, option), value in changes.items():
        if section not in document:
            document[section] = tomlkit.table()
        document[section][option] = list(value) if isinstance(value, tuple) else value
    fresh = file.with_name(f".{file.name}.new")
    with fresh.open("w", encoding="utf-8") as stream:
        stream.write(tomlkit.dumps(document))
        stream.flush()
        os.fsync(stream.fileno())
    try:
        fresh.chmod(file.stat().st_mode)
        settings = load_settings(fresh)
    except SettingsError:
        fresh.unlink()
        raise
    fresh.replace(file)
    return settings
