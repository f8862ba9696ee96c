"""The commissioning record: what an installer found and set, signed by the device key; every Reading carries its hash.

    commissioning.json   one JSON object, signed over keccak256(PREFIX || canonical JSON without the signature)

`[meter] commissioning_file` names it. A Reading's `configuration` is then keccak256 of the whole file as it lies there
(chain-design section 3), so an auditor who has the file can tell from any Reading under which wiring and calibration it
was made. A record of other settings than those in force is refused at the start: commission again, or take it out.
"""

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from honey_edge.model.errors import HiveError
from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import Signer, signed_by

FILE = "commissioning.json"
VERSION = 1
_PREFIX = b"hive commissioning record\n"
_MOST_BYTES = 65_536


class CommissioningError(HiveError, ValueError):
    """The commissioning record cannot be used."""

    code = "E-COMMISSION-RECORD"


@dataclass(frozen=True, slots=True)
class CommissioningRecord:
    """What was found. `measuring` is the hash of the settings that energy depends on; `steps` hold the measurements.

    `battery` is the digest of the battery's sign test, "" without one; `remarks` are what the installer left open.
    """

    worker: str
    serial: str
    meter: str
    measuring: str
    installer: str
    ambient_c: float
    steps: tuple[dict[str, Any], ...]
    battery: str
    remarks: tuple[str, ...]
    at_unix_s: int

    def digest(self) -> bytes:
        """What the device key signs."""
        return keccak(_PREFIX + _canonical({"v": VERSION, **asdict(self)}))


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def write_record(file: Path, record: CommissioningRecord, signer: Signer) -> bytes:
    """Signs the record and puts it in place of an older one, on disk when this returns; the file's keccak256."""
    document = {"v": VERSION, **asdict(record), "signature": signer.sign(record.digest()).hex()}
    data = json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"
    fresh = file.with_suffix(".new")
    with fresh.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
    return keccak(data)


def read_record(file: Path, worker: bytes, measuring: bytes) -> tuple[CommissioningRecord, bytes]:
    """The record and its file's keccak256. Raises CommissioningError: forged, foreign, or of other settings."""
    data = _bytes(file)
    record, signature = _parsed(file, data)
    if record.worker != worker.hex() or not signed_by(worker, record.digest(), signature):
        raise _refused(file, "it is not signed by this Worker")
    if record.measuring != measuring.hex():
        raise _refused(file, "meter settings were changed since")
    return record, keccak(data)


def _bytes(file: Path) -> bytes:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise _refused(file, f"cannot be read: {error}") from error
    if len(data) > _MOST_BYTES:
        raise _refused(file, f"{len(data)} bytes are more than {_MOST_BYTES}")
    return data


def _parsed(file: Path, data: bytes) -> tuple[CommissioningRecord, bytes]:
    try:
        document = json.loads(data)
        signature = bytes.fromhex(document.pop("signature"))
        version = document.pop("v")
        record = CommissioningRecord(
            **{**document, "steps": tuple(document["steps"]), "remarks": tuple(document["remarks"])}
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _refused(file, f"is no commissioning record: {error}") from error
    texts = (record.worker, record.serial, record.meter, record.measuring, record.installer, record.battery)
    if version != VERSION or not all(isinstance(text, str) for text in texts) or len(fields(record)) != len(document):
        raise _refused(file, f"is no commissioning record of version {VERSION}")
    return record, signature


def _refused(file: Path, why: str) -> CommissioningError:
    return CommissioningError(
        f"{file}: {why}", next_step="run hive-provision commission again, or take commissioning_file out of [meter]"
    )
