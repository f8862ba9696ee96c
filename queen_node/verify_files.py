"""Reads the evidence folder: which files there are, whether each is well-formed, and what differs from its index.

A change is looked for where it can be named best: first in the form of the file, then field by field against the
index, then by hash. Who can sign as the Queen passes all of that; the recomputation is for her.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec
from msgspec import Struct

from honey_edge.model.ids import IdentityError, address_bytes
from honey_edge.wire.keccak import keccak
from honey_edge.wire.messages import ReadingMessage, SlotTotalsMessage
from honey_edge.wire.signing import signed_by
from honey_edge.wire.terms_file import TermsFile
from queen_node import evidence_format as form
from queen_node.evidence import documents, owner_of, sha256
from queen_node.evidence_format import (
    ChargeRecord,
    EvidenceError,
    Index,
    LineRecord,
    Manifest,
    MeterRecord,
    MotherRecord,
    PeriodRecord,
    RoundRecord,
    SettlementRecord,
    StatementRecord,
    WorkerRecord,
    WorkersFile,
)
from queen_node.evidence_index import (
    Difference,
    canonical,
    first_difference,
    index_of,
    owner_told,
)

MAX_FILES = 4_200
MAX_BYTES = 64 * 2**20
_KINDS: dict[str, type[Struct]] = {
    form.MANIFEST: Manifest,
    form.INDEX: Index,
    form.TERMS: TermsFile,
    form.WORKERS: WorkersFile,
    form.SLOTS: SlotTotalsMessage,
    form.PERIODS: PeriodRecord,
    form.MOTHER: MotherRecord,
    form.ROUNDS: RoundRecord,
    form.METER: MeterRecord,
    form.SETTLEMENT: SettlementRecord,
    "readings": ReadingMessage,
    "lines": LineRecord,
    "charges": ChargeRecord,
    "statements": StatementRecord,
}
_AS_SIGNED = (form.TARIFF, form.TERMS)
R = TypeVar("R", bound=Struct)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The folder's content, well-formed and as its index says; not yet recomputed.

    `manifest_signed` tells whether the Queen's signature stands under the manifest, `index_agrees` whether the
    index fits the files.
    """

    manifest: Manifest
    manifest_signed: bool
    index_agrees: bool
    tariff_file: bytes
    terms: TermsFile
    workers: tuple[WorkerRecord, ...]
    readings: dict[str, list[ReadingMessage]]
    lines: dict[str, list[LineRecord]]
    statements: dict[str, list[StatementRecord]]
    slots: list[SlotTotalsMessage]
    rounds: list[RoundRecord]
    meter: list[MeterRecord]
    settlements: list[SettlementRecord]
    periods: list[PeriodRecord]
    charges: dict[str, list[ChargeRecord]]
    mother: list[MotherRecord]


def read_evidence(folder: Path) -> Evidence:
    """The folder's content; EvidenceError names the first file that is missing, added, malformed or changed."""
    files = _read_files(folder)
    if form.MANIFEST not in files:
        raise EvidenceError(form.MANIFEST, "file", "is missing")
    manifest = _one(Manifest, form.MANIFEST, files[form.MANIFEST], ())
    signed = _manifest_signed(manifest)
    _check_names(manifest, set(files), signed)
    told = _told_index(files[form.INDEX])
    parsed = {name: _records(name, data, told.get(name, ())) for name, data in files.items()}
    agrees = _compare(manifest, files, told)
    _check_form(files)
    return _evidence(manifest, (signed, agrees), files, parsed)


def _read_files(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        raise EvidenceError(str(folder), "file", "is no folder")
    files: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise EvidenceError(name, "file", "is neither a plain file nor a folder")
        if path.is_dir():
            continue
        if len(files) == MAX_FILES or path.stat().st_size > MAX_BYTES:
            raise EvidenceError(name, "file", f"is beyond {MAX_FILES} files or {MAX_BYTES} bytes")
        files[name] = path.read_bytes()
    return files


def _check_names(manifest: Manifest, found: set[str], signed: bool) -> None:
    """No file missing, none added, and the manifest names exactly those a folder has.

    Names that differ under a signature that does not hold were changed in the manifest, not in the folder.
    """
    told = set(manifest.files) | {form.MANIFEST}
    for name in sorted(told ^ found) if not signed else ():
        raise EvidenceError(form.MANIFEST, f"files.{name}", "does not fit the folder, and the signature does not hold")
    for name in sorted(found - told):
        raise EvidenceError(name, "file", "was added: the manifest does not name it", worker=_worker_of(name))
    for name in sorted(told - found):
        raise EvidenceError(name, "file", "is missing", worker=_worker_of(name))
    for name in form.FIXED_FILES:
        if name not in told:
            raise EvidenceError(form.MANIFEST, f"files.{name}", "is not named")
    for name in sorted(told - {form.MANIFEST, *form.FIXED_FILES}):
        if name.partition("/")[0] not in _KINDS or _worker_of(name) is None:
            raise EvidenceError(form.MANIFEST, f"files.{name}", "is no file of an evidence folder")


def _worker_of(name: str) -> str | None:
    worker = owner_of(name)
    try:
        address_bytes(worker)
    except IdentityError:
        return None
    return worker


def _told_index(data: bytes) -> dict[str, tuple[str, ...]]:
    return _one(Index, form.INDEX, data, ()).files


def _decode(kind: type[R], name: str, number: int, text: bytes, told: tuple[str, ...]) -> R:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _refuse_form(name, number, str(error), told)


def _refuse_form(name: str, number: int, problem: str, told: tuple[str, ...]) -> NoReturn:
    """Names file, line and field of a malformed record, and whose it is when the index knows it."""
    place = Difference("", _worker_of(name), None)
    if number <= len(told):
        place = owner_told(told[number - 1])
    place = Difference(_field_of(problem, number), place.worker, place.slot)
    message = f"line {number} is malformed: {problem}"
    raise EvidenceError(name, place.field, message, slot=place.slot, worker=place.worker)


def _field_of(problem: str, number: int) -> str:
    """The field in a decoder's message (`$.field`, or a field missing or unknown), else the line."""
    if "required field" in problem or "unknown field" in problem:
        return problem.split("`")[1]
    _, found, rest = problem.partition("`$.")
    return rest.partition("`")[0] if found else f"line {number}"


def _one(kind: type[R], name: str, data: bytes, told: tuple[str, ...]) -> R:
    return _decode(kind, name, 1, data, told)


def _records(name: str, data: bytes, told: tuple[str, ...]) -> list[Struct]:
    if name == form.TARIFF:
        return []
    kind = _KINDS.get(name) or _KINDS[name.partition("/")[0]]
    if not name.endswith(".jsonl"):
        return [_one(kind, name, data, told)]
    return [_decode(kind, name, k, text, told) for k, text in enumerate(data.splitlines(), 1)]


def _manifest_signed(manifest: Manifest) -> bool:
    values = msgspec.to_builtins(manifest)
    del values["signature"]
    return signed_by(bytes.fromhex(manifest.queen), keccak(canonical(values)), bytes.fromhex(manifest.signature))


def _compare(manifest: Manifest, files: dict[str, bytes], told: dict[str, tuple[str, ...]]) -> bool:
    """Every file against index and hash; whether the index fits all of them."""
    index_whole = sha256(files[form.INDEX]) == manifest.files[form.INDEX]
    suspects: list[EvidenceError] = []
    for name in sorted(set(files) - {form.INDEX, form.MANIFEST}):
        same_hash = sha256(files[name]) == manifest.files[name]
        difference = _difference(name, files[name], told.get(name, ()))
        if difference is None and same_hash:
            continue
        if difference is not None and not same_hash:
            raise EvidenceError(
                name,
                difference.field,
                "is not what the index says: the file was changed",
                slot=difference.slot,
                worker=difference.worker,
            )
        if difference is not None:
            suspects.append(EvidenceError(form.INDEX, f"files.{name}", "does not fit the file"))
    header = msgspec.to_builtins(manifest)
    del header["signature"]
    header["files"] = {name: value for name, value in header["files"].items() if name != form.INDEX}
    changed = first_difference([index_of(header)], told.get(form.MANIFEST, ()))
    if changed is not None and not suspects and index_whole:
        raise EvidenceError(form.MANIFEST, changed.field, "is not what the index says: it was changed")
    if not index_whole:
        if suspects or changed is not None or set(told) != set(files) - {form.INDEX}:
            raise suspects[0] if suspects else EvidenceError(form.INDEX, "files", "does not fit the files")
        _check_index_form(files[form.INDEX])
        raise EvidenceError(form.MANIFEST, f"files.{form.INDEX}", "is not the hash of the index")
    return not suspects and set(told) == set(files) - {form.INDEX}


def _check_index_form(data: bytes) -> None:
    if canonical(msgspec.json.decode(data)) + b"\n" != data:
        raise EvidenceError(form.INDEX, "form", "is not canonical JSON (sorted keys, no spaces)")


def _difference(name: str, data: bytes, told: tuple[str, ...]) -> Difference | None:
    try:
        found = documents(name, data)
        if not all(isinstance(document, dict) for document in found):
            raise EvidenceError(name, "line 1", "is no JSON object")
        return first_difference([index_of(document, owner_of(name)) for document in found], told)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EvidenceError(name, "line 1", f"is malformed: {error}") from error


def _check_form(files: dict[str, bytes]) -> None:
    """What no field shows (spaces, order of keys, a field twice): all but the files signed as bytes are canonical."""
    for name, data in sorted(files.items()):
        if name in _AS_SIGNED:
            continue
        lines = data.splitlines(keepends=True) if name.endswith(".jsonl") else [data]
        for number, line in enumerate(lines, 1):
            if canonical(msgspec.json.decode(line)) + b"\n" != line:
                raise EvidenceError(name, "form", f"line {number} is not canonical JSON", worker=_worker_of(name))


def check_hashes(folder: Path, manifest: Manifest) -> None:
    """Every file's bytes are those the manifest names."""
    for name, told in sorted(manifest.files.items()):
        if sha256((folder / name).read_bytes()) != told:
            raise EvidenceError(name, "sha256", "is not that of the manifest", worker=_worker_of(name))


def _evidence(
    manifest: Manifest, verdicts: tuple[bool, bool], files: dict[str, bytes], parsed: dict[str, list[Any]]
) -> Evidence:
    workers = parsed[form.WORKERS][0].workers
    _check_workers(manifest, workers)
    addresses = [record.worker for record in workers]
    return Evidence(
        manifest,
        *verdicts,
        files[form.TARIFF],
        parsed[form.TERMS][0],
        workers,
        {w: parsed[form.readings_file(w)] for w in addresses},
        {w: parsed[form.lines_file(w)] for w in addresses},
        {w: parsed[form.statements_file(w)] for w in addresses},
        parsed[form.SLOTS],
        parsed[form.ROUNDS],
        parsed[form.METER],
        parsed[form.SETTLEMENT],
        parsed[form.PERIODS],
        {w: parsed[form.charges_file(w)] for w in addresses},
        parsed[form.MOTHER],
    )


def _check_workers(manifest: Manifest, workers: tuple[WorkerRecord, ...]) -> None:
    """Workers are in order, each once, and exactly theirs are the files."""
    addresses = [record.worker for record in workers]
    if addresses != sorted(set(addresses)):
        raise EvidenceError(form.WORKERS, "workers", "are not in order of their addresses, each once")
    makers = (form.readings_file, form.lines_file, form.charges_file, form.statements_file)
    wanted = {make(worker) for worker in addresses for make in makers}
    for name in sorted(wanted ^ (set(manifest.files) - set(form.FIXED_FILES))):
        raise EvidenceError(name, "file", "belongs to no Worker or is missing", worker=_worker_of(name))
    for record in workers:
        if record.counted_from_slot <= record.opening_slot:
            raise EvidenceError(
                form.WORKERS,
                "counted_from_slot",
                f"must be above opening_slot {record.opening_slot}",
                slot=record.counted_from_slot,
                worker=record.worker,
            )
