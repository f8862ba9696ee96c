"""Fills the evidence bundle from the Queen's store: what `hive evidence DIR` writes (docs/evidence.md)."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from honey_edge.wire.charge_lines import whole_of
from honey_edge.wire.codec import decode
from honey_edge.wire.messages import CountersignMessage
from honey_edge.wire.statement_message import StatementMessage
from queen_node.evidence import AnsweredStatement, EvidenceBundle, SignedReading, SignedTotals
from queen_node.evidence_format import (
    ChargeRecord,
    LineRecord,
    MeterRecord,
    MotherRecord,
    PeriodRecord,
    RoundRecord,
    SettlementRecord,
    WorkerRecord,
)
from queen_node.settings import Loaded
from queen_node.store import accounts, books, mothers, periods, readings, settlements
from queen_node.store.mothers import MotherBillRow
from queen_node.store.periods import PeriodRow
from queen_node.store.records import LineRow, StatementRow, WorkerRow

_ALL_SLOTS = 2**32 - 1


def bundle_of(tx: Connection, loaded: Loaded) -> EvidenceBundle:
    """Everything the folder holds, as of this transaction."""
    hive = loaded.settings.hive
    workers = [row for row in accounts.all_workers(tx) if row.opening_slot]
    return EvidenceBundle(
        hive=hive.hive,
        domain=loaded.domain,
        queen=bytes.fromhex(hive.queen_address),
        owner=bytes.fromhex(hive.owner_address),
        tariff_file=loaded.tariff_data,
        terms_file=loaded.path(hive.terms_file).read_bytes(),
        workers=tuple(_worker(row) for row in workers),
        readings={row.worker: _readings(tx, row) for row in workers},
        totals=tuple(SignedTotals(closed.totals, closed.signature) for closed in books.closed_slots(tx)),
        lines={row.worker: tuple(_line(line) for line in books.lines_of(tx, row.worker)) for row in workers},
        statements={row.worker: _statements(books.statements_of(tx, row.worker)) for row in workers},
        meter=tuple(
            MeterRecord(v=1, slot=row.slot, import_milliwh=row.imported, export_milliwh=row.exported)
            for row in readings.all_meter(tx)
        ),
        rounds=tuple(
            RoundRecord(
                v=1,
                round=row.number,
                first_slot=row.first_slot,
                broadcasts=row.broadcasts,
                price_e7_per_kwh=row.prices_e7[0],
            )
            for row in books.all_rounds(tx)
        ),
        settlements=tuple(
            msgspec.json.decode(document, type=SettlementRecord) for document in settlements.all_settlements(tx)
        ),
        periods=tuple(_period(row) for row in periods.all_periods(tx)),
        mother=tuple(_bill(row) for row in mothers.all_bills(tx) if row.closed_slot is not None),
        charges={row.worker: _charges(tx, row.worker) for row in workers},
    )


def _bill(row: MotherBillRow) -> MotherRecord:
    values = {name: getattr(row, name) for name in ("slot", "from_slot", "charged_pico", "net_pico")}
    return MotherRecord(v=1, **values, own_pico=row.own_pico or 0, closed_slot=row.closed_slot or 0)


def _period(row: PeriodRow) -> PeriodRecord:
    totals, signature = row.signed
    return PeriodRecord(
        v=1,
        kind=row.kind,
        hive=totals.hive,
        slot=totals.slot,
        whole=whole_of(totals),
        shared=totals.shared,
        terms=totals.terms.hex(),
        signature=signature.hex(),
    )


def _charges(tx: Connection, worker: str) -> tuple[ChargeRecord, ...]:
    return tuple(
        ChargeRecord(
            v=1,
            kind=row.kind,
            slot=row.slot,
            after_slot=row.after_slot,
            quantity_milliwh=row.quantity_milliwh,
            amount_pico=row.amount_pico,
            net_pico=row.net_pico,
        )
        for row in periods.charges_of(tx, worker)
    )


def _worker(row: WorkerRow) -> WorkerRecord:
    return WorkerRecord(
        worker=row.worker, serial=row.serial, opening_slot=row.opening_slot, counted_from_slot=row.opening_slot + 1
    )


def _readings(tx: Connection, row: WorkerRow) -> tuple[SignedReading, ...]:
    stored = readings.readings_of(tx, row.worker, 0, _ALL_SLOTS)
    return tuple(SignedReading(one.reading, one.signature) for one in stored)


def _line(row: LineRow) -> LineRecord:
    return LineRecord(
        v=1,
        slot=row.slot,
        closed_slot=row.closed_slot,
        kind=row.kind,
        energy_milliwh=row.energy_milliwh,
        reputation=row.reputation,
        amount_pico=row.amount_pico,
        net_pico=row.net_pico,
        funding_micro=row.funding_micro,
        path=tuple(sibling.hex() for sibling in row.path),
    )


def _statements(rows: Sequence[StatementRow]) -> tuple[AnsweredStatement, ...]:
    return tuple(AnsweredStatement(decode(StatementMessage, row.message), _answer(row)) for row in rows)


def _answer(row: StatementRow) -> CountersignMessage | None:
    if row.reason is None or row.worker_signature is None:
        return None
    return CountersignMessage(
        worker=row.worker,
        slot=row.slot,
        statement=row.digest.hex(),
        net_micro=row.net_micro if row.own_net_micro is None else row.own_net_micro,
        reason=row.reason,
        signature=row.worker_signature.hex(),
    )
