"""The record of a passed sign test: what allows a Worker to command this very battery.

    battery-sign.json   one JSON object, signed by the device key over keccak256(PREFIX || canonical JSON without it)

It binds inverter (serial), control profile (hash of what the profile says), the sign that was found, what automatic
meant for the device, and that the household agreed. `hive-worker battery sign-test` writes it, the daemon's start reads
it; whatever does not fit is refused by name and the Worker plans without the battery.
"""

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from drivers.modbus.sunspec_control import SignResult
from drivers.modbus.sunspec_profile import ControlProfile
from honey_edge.model.errors import HiveError
from honey_edge.model.ids import IdentityError, address_bytes, address_text
from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import Signer, signed_by

FILE = "battery-sign.json"
VERSION = 1
_PREFIX = b"hive battery sign test\n"
_MOST_BYTES = 16_384
_MOST_TEXT = 64


class SignRecordError(HiveError, ValueError):
    """There is no sign test's record that allows commands to this battery."""

    code = "E-BATTERY-SIGN"


@dataclass(frozen=True, slots=True)
class SignRecord:
    """What was found. `automatic` are the points that mean automatic; powers in W, import and charging positive.

    `invert`: commands need the other sign; `invert_look`: so does the power that the device tells of its battery.
    """

    worker: str
    serial: str
    profile: str
    profile_hash: str
    passed: bool
    invert: bool
    invert_look: bool
    automatic: tuple[tuple[str, int], ...]
    commanded_w: int
    grid_charging_w: float
    grid_discharging_w: float
    household_agrees: bool
    at_unix_s: int

    @property
    def sign(self) -> SignResult:
        """The result as the driver takes it."""
        return SignResult(self.passed, self.invert, self.serial)

    def digest(self) -> bytes:
        """What the device key signs."""
        return keccak(_PREFIX + _canonical({"v": VERSION, **asdict(self)}))


def profile_hash(profile: ControlProfile) -> str:
    """Hash of all that a profile says about commanding; its name does not count."""
    said = {key: value for key, value in profile._asdict().items() if key not in ("name", "title")}
    return keccak(_canonical(said)).hex()


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def write_record(file: Path, record: SignRecord, signer: Signer) -> None:
    """Signs the record and puts it in place of an older one, on disk when this returns. Raises OSError."""
    document = {"v": VERSION, **asdict(record), "signature": signer.sign(record.digest()).hex()}
    fresh = file.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as out:
        out.write(json.dumps(document, indent=2) + "\n")
        out.flush()
        os.fsync(out.fileno())
    os.replace(fresh, file)


def read_record(file: Path, worker: str, profile: ControlProfile) -> SignRecord:
    """The record that allows `worker` to command by `profile`. Raises SignRecordError that says what is missing."""
    record, signature = _parsed(file)
    try:
        ours = record.worker == worker and signed_by(address_bytes(worker), record.digest(), signature)
    except IdentityError as error:
        raise _refused(file, str(error)) from error
    if not ours:
        raise _refused(file, f"it is not signed by this Worker ({address_text(address_bytes(worker))})")
    if record.profile_hash != profile_hash(profile):
        raise _refused(file, f"it belongs to another control profile ({record.profile}) than {profile.name}")
    if not record.household_agrees:
        raise _refused(file, "the household's consent is missing in it")
    if not record.passed:
        raise _refused(file, "the test was not passed: the meter did not follow")
    return record


def _refused(file: Path, why: str) -> SignRecordError:
    return SignRecordError(f"{file}: {why}; the battery is not commanded", next_step="hive-worker battery sign-test")


def _parsed(file: Path) -> tuple[SignRecord, bytes]:
    """Record and signature of a file whose form is right."""
    try:
        data = file.read_bytes()
    except FileNotFoundError as error:
        raise _refused(file, "no sign test was passed yet") from error
    except OSError as error:
        raise _refused(file, f"cannot be read: {error}") from error
    if len(data) > _MOST_BYTES:
        raise _refused(file, f"{len(data)} bytes, {_MOST_BYTES} at most")
    try:
        document = json.loads(data)
        signature = bytes.fromhex(document.pop("signature"))
        if document.pop("v") != VERSION:
            raise ValueError("another version")
        points = tuple((str(name), int(raw)) for name, raw in document.pop("automatic"))
        record = SignRecord(**document, automatic=points)
        _check_types(record)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _refused(file, f"not a record of a sign test: {error!r}") from error
    return record, signature


def _check_types(record: SignRecord) -> None:
    """Every field has its type; nothing of another type may stand for true."""
    for one in fields(record):
        value = getattr(record, one.name)
        fits = type(value) is int if one.type is float else type(value) is one.type
        if not fits and type(value) is not (float if one.type is float else tuple):
            raise ValueError(f"{one.name} is {value!r}")
        if isinstance(value, str) and len(value) > _MOST_TEXT:
            raise ValueError(f"{one.name} is longer than {_MOST_TEXT} characters")
