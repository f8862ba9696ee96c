"""Writes the evidence folder: everything a stranger needs to recompute a Hive's bills (docs/evidence.md).

The bundle holds plain structures of honey_edge, so it can be filled from any store. What is written begins at the
accounts' openings: money is cumulative, so a bill is only as good as everything before it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from honey_edge.wire.keccak import keccak
from honey_edge.wire.messages import CountersignMessage, Message, ReadingMessage, SlotTotalsMessage
from honey_edge.wire.signing import Signer
from honey_edge.wire.statement_message import StatementMessage
from honey_edge.wire.structs import Reading, SlotTotals
from honey_edge.wire.typed_data import Domain
from queen_node import evidence_format as form
from queen_node.evidence_format import (
    ChargeRecord,
    LineRecord,
    Manifest,
    MeterRecord,
    MotherRecord,
    PeriodRecord,
    Record,
    RoundRecord,
    SettlementRecord,
    StatementRecord,
    WorkerRecord,
    WorkersFile,
)
from queen_node.evidence_index import canonical, index_of, index_text


@dataclass(frozen=True, slots=True)
class SignedReading:
    """A Reading and the device's signature."""

    reading: Reading
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedTotals:
    """SlotTotals and the Queen's signature."""

    totals: SlotTotals
    signature: bytes


@dataclass(frozen=True, slots=True)
class AnsweredStatement:
    """A Statement as it was sent and the Worker's answer, None while there is none."""

    message: StatementMessage
    answer: CountersignMessage | None


@dataclass(frozen=True, slots=True)
class EvidenceBundle:
    """All that goes into the folder. Mappings are by address (40 hex digits), their values in order of slots.

    `domain` is the chain and contract, `queen` and `owner` their 20-byte addresses; `tariff_file` and `terms_file`
    the bytes of those files; `lines` all booked lines, whether a Statement carries them yet or not; `meter` the
    connection point's counters at slot ends (empty without a meter); `rounds` in order of their numbers; `periods` by
    slot and kind, `charges` in the order they were booked; `mother` the booked bills of a mother Hive, in order.
    """

    hive: int
    domain: Domain
    queen: bytes
    owner: bytes
    tariff_file: bytes
    terms_file: bytes
    workers: tuple[WorkerRecord, ...]
    readings: Mapping[str, tuple[SignedReading, ...]]
    totals: tuple[SignedTotals, ...]
    lines: Mapping[str, tuple[LineRecord, ...]]
    statements: Mapping[str, tuple[AnsweredStatement, ...]]
    meter: tuple[MeterRecord, ...]
    rounds: tuple[RoundRecord, ...]
    settlements: tuple[SettlementRecord, ...]
    periods: tuple[PeriodRecord, ...] = ()
    mother: tuple[MotherRecord, ...] = ()
    charges: Mapping[str, tuple[ChargeRecord, ...]] = field(default_factory=dict)


def write_evidence(folder: Path, bundle: EvidenceBundle, signer: Signer) -> None:
    """Writes the folder; it must be empty or absent (FileExistsError), and `signer` is the Queen."""
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    for name, data in _contents(bundle).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    header = {
        "v": 1,
        "hive": bundle.hive,
        "chain_id": bundle.domain.chain_id,
        "contract": bundle.domain.contract.hex(),
        "queen": bundle.queen.hex(),
        "owner": bundle.owner.hex(),
        "rule_version": form.RULE_VERSION,
    }
    seal(folder, header, signer)


def seal(folder: Path, header: dict[str, Any], signer: Signer) -> None:
    """Writes index and signed manifest over the files that lie in the folder."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    names = [name for name in names if name not in (form.MANIFEST, form.INDEX)]
    files = {name: (folder / name).read_bytes() for name in names}
    hashes = {name: sha256(data) for name, data in files.items()}
    index = {name: _index_texts(name, data) for name, data in files.items()}
    index[form.MANIFEST] = [index_text(index_of(header | {"files": hashes}))]
    index_data = canonical({"v": 1, "files": index}) + b"\n"
    (folder / form.INDEX).write_bytes(index_data)
    manifest = header | {"files": hashes | {form.INDEX: sha256(index_data)}}
    signed = manifest | {"signature": signer.sign(keccak(canonical(manifest))).hex()}
    msgspec.convert(signed, Manifest)
    (folder / form.MANIFEST).write_bytes(canonical(signed) + b"\n")


def _index_texts(name: str, data: bytes) -> list[str]:
    return [index_text(index_of(document, owner_of(name))) for document in documents(name, data)]


def sha256(data: bytes) -> str:
    """Hex SHA-256, as it stands in the manifest."""
    return hashlib.sha256(data).hexdigest()


def owner_of(name: str) -> str:
    """The Worker whose file it is, "" for a file of the whole Hive."""
    folder, _, rest = name.rpartition("/")
    return rest.removesuffix(".jsonl") if folder else ""


def documents(name: str, data: bytes) -> list[dict[str, Any]]:
    """The JSON objects of a file: one, or one a line."""
    texts = data.splitlines() if name.endswith(".jsonl") else [data]
    return [msgspec.json.decode(text) for text in texts]


def _rows(records: Iterable[Record | Message]) -> bytes:
    return b"".join(canonical(msgspec.to_builtins(record)) + b"\n" for record in records)


def _contents(bundle: EvidenceBundle) -> dict[str, bytes]:
    workers = WorkersFile(v=1, workers=tuple(sorted(bundle.workers, key=lambda w: w.worker)))
    files = {
        form.TARIFF: bundle.tariff_file,
        form.TERMS: bundle.terms_file,
        form.WORKERS: canonical(msgspec.to_builtins(workers)) + b"\n",
        form.SLOTS: _rows(SlotTotalsMessage.of(t.totals, t.signature) for t in bundle.totals),
        form.PERIODS: _rows(bundle.periods),
        form.MOTHER: _rows(bundle.mother),
        form.ROUNDS: _rows(bundle.rounds),
        form.METER: _rows(bundle.meter),
        form.SETTLEMENT: _rows(bundle.settlements),
    }
    for record in workers.workers:
        worker = record.worker
        own = bundle.readings.get(worker, ())
        files[form.readings_file(worker)] = _rows(ReadingMessage.of(r.reading, r.signature) for r in own)
        files[form.lines_file(worker)] = _rows(bundle.lines.get(worker, ()))
        files[form.charges_file(worker)] = _rows(bundle.charges.get(worker, ()))
        files[form.statements_file(worker)] = _rows(map(_statement, bundle.statements.get(worker, ())))
    return files


def _statement(answered: AnsweredStatement) -> StatementRecord:
    told, answer = answered.message, answered.answer
    return StatementRecord(
        v=1,
        hive=told.hive,
        slot=told.slot,
        net_micro=told.net_micro,
        import_milliwh=told.import_milliwh,
        export_milliwh=told.export_milliwh,
        readings=told.readings,
        queen_signature=told.signature,
        lines=len(told.line_slot),
        charges=len(told.charge_slot),
        funding_micro=told.funding_micro,
        pool_micro=told.pool_micro,
        pending_micro=told.pending_micro,
        block=told.block,
        reason=answer.reason if answer else -1,
        own_net_micro=answer.net_micro if answer else 0,
        worker_signature=answer.signature if answer else "",
    )
