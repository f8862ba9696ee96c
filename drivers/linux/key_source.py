"""Where a signing key is, as one line of settings says it: a file, the service manager's credentials, or a token.

    device.key                      a file: 64 hex digits, mode 0400 or 0600, relative to the settings
    credential:device-key           a credential of the service manager, sealed on disk, unsealed at the start
    pkcs11:token=...;object=...?..  a token that signs by itself (drivers/linux/pkcs11.py)

systemd hands credentials to the one service that names them (LoadCredentialEncrypted=), as files in memory below
CREDENTIALS_DIRECTORY that only its user can read (systemd.exec(5), "Credentials").
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from drivers.errors import DriverError

if TYPE_CHECKING:
    from drivers.linux.pkcs11 import Pkcs11Key

_TOKEN = "pkcs11:"
_CREDENTIAL = "credential:"
_DIRECTORY = "CREDENTIALS_DIRECTORY"


class KeySourceError(DriverError):
    """The place that settings name holds no key that can be read."""

    code = "DRV-KEY"


class KeyText(NamedTuple):
    """What a key file or credential holds, the mode of its file, and its place for messages."""

    text: str
    mode: int
    place: str


def find_key(source: str, folder: Path) -> KeyText | Pkcs11Key:
    """What `source` names; raises KeySourceError for files and credentials, TokenFault for tokens."""
    if source.startswith(_TOKEN):
        from drivers.linux.pkcs11 import open_key

        return open_key(source, folder)
    if source.startswith(_CREDENTIAL):
        return _read(_credential(source.removeprefix(_CREDENTIAL)))
    return _read(folder / source)


def _credential(name: str) -> Path:
    directory = os.environ.get(_DIRECTORY, "")
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name) or name in {".", ".."}:
        raise KeySourceError(f"{_CREDENTIAL}{name[:64]}: a credential's name is letters, digits, dots and hyphens")
    if not directory:
        raise KeySourceError(
            f"{_CREDENTIAL}{name}: the service manager gave no credentials ({_DIRECTORY} is not set); "
            f"start as its service, with LoadCredentialEncrypted={name} in the unit"
        )
    return Path(directory) / name


def _read(file: Path) -> KeyText:
    try:
        return KeyText(file.read_text(encoding="ascii"), file.stat().st_mode, str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise KeySourceError(f"{file}: the key cannot be read: {error}; name it in key_file") from error
