"""Recomputes every Statement from readings and lines, and judges both signatures under each (README Money)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from honey_edge.wire.charge_lines import ChargeLine
from honey_edge.wire.recompute import Agreement, Disagreement, Ledger, recompute_statement
from honey_edge.wire.signing import signed_by
from honey_edge.wire.statement_message import StatementLine
from honey_edge.wire.structs import Objection, SlotTotals, Statement
from honey_edge.wire.typed_data import digest
from queen_node import evidence_format as form
from queen_node.evidence_format import ChargeRecord, EvidenceError, LineRecord, PeriodRecord, StatementRecord
from queen_node.verify_files import Evidence
from queen_node.verify_periods import signed_totals
from queen_node.verify_slots import CheckedAccount

UNANSWERED, AGREED = -1, 0
_STATEMENT_FIELDS = {
    "imported": "import_milliwh",
    "exported": "export_milliwh",
    "net": "net_micro",
    "hive": "hive",
    "slot": "slot",
    "readings": "readings",
    "lines": "lines",
    "charge_after_slot": "charges",
}


@dataclass(frozen=True, slots=True)
class CheckedStatement:
    """A recomputed Statement and, when the Worker agreed, its signature (else None)."""

    statement: Statement
    worker_signature: bytes | None
    objected: bool


def check_statements(
    evidence: Evidence, agreement: Agreement, totals: dict[int, SlotTotals], account: CheckedAccount
) -> tuple[CheckedStatement, ...]:
    """One Worker's Statements; lines and charges of one that it did not sign wait for the next."""
    worker = account.record.worker
    rows = evidence.statements[worker]
    if account.baseline is None:
        if rows:
            raise _error(worker, rows[0], "slot", "is there without a baseline")
        return ()
    signatures = {row.slot: bytes.fromhex(row.signature) for row in evidence.slots}
    lines = [_line(line, totals, signatures) for line in evidence.lines[worker]]
    periods = {(row.kind, row.slot): row for row in evidence.periods}
    charges = [_charge_line(row, periods) for row in evidence.charges[worker]]
    ledger, used, charged = Ledger(account.baseline, account.baseline.slot), 0, 0
    checked: list[CheckedStatement] = []
    for k, row in enumerate(rows):
        if row.reason == UNANSWERED and k + 1 < len(rows):
            raise _error(worker, row, "reason", "is unanswered, yet another Statement followed")
        if checked and row.slot <= checked[-1].statement.slot:
            raise _error(worker, row, "slot", "is not after the Statement before")
        statement = _signed_statement(worker, row, agreement)
        own = charges[charged : charged + row.charges]
        after = _recompute(agreement, ledger, account, (lines[used:], own), used, (row, statement))
        if row.reason == AGREED:
            ledger, used, charged = after, used + row.lines, charged + row.charges
        checked.append(_answered(worker, row, statement, agreement))
    return tuple(checked)


def _error(worker: str, row: StatementRecord, name: str, message: str) -> EvidenceError:
    return EvidenceError(form.statements_file(worker), name, message, slot=row.slot, worker=worker)


def _charge_line(row: ChargeRecord, periods: Mapping[tuple[int, int], PeriodRecord]) -> ChargeLine:
    """A charge as its Statement carried it; that its period is there was checked before."""
    period = periods[row.kind, row.slot]
    return ChargeLine(
        row.kind,
        signed_totals(period),
        bytes.fromhex(period.signature),
        row.after_slot,
        row.quantity_milliwh,
        row.amount_pico,
        row.net_pico,
    )


def _line(line: LineRecord, totals: dict[int, SlotTotals], signatures: dict[int, bytes]) -> StatementLine:
    path = tuple(bytes.fromhex(text) for text in line.path)
    return StatementLine(
        totals[line.slot],
        signatures[line.slot],
        path,
        line.kind,
        line.energy_milliwh,
        line.reputation,
        line.amount_pico,
        line.net_pico,
    )


def _signed_statement(worker: str, row: StatementRecord, agreement: Agreement) -> Statement:
    statement = Statement(
        row.hive,
        bytes.fromhex(worker),
        row.slot,
        row.net_micro,
        row.import_milliwh,
        row.export_milliwh,
        bytes.fromhex(row.readings),
    )
    if row.net_micro > row.funding_micro:
        raise _error(worker, row, "funding_micro", f"{row.funding_micro} does not cover net {row.net_micro}")
    return statement


def _recompute(
    agreement: Agreement,
    ledger: Ledger,
    account: CheckedAccount,
    booked: tuple[Sequence[StatementLine], Sequence[ChargeLine]],
    used: int,
    issued: tuple[StatementRecord, Statement],
) -> Ledger:
    row, statement = issued
    lines, charges = booked
    worker = account.record.worker
    own = [checked.reading for checked in account.readings[used : used + row.lines]]
    if len(lines) < row.lines:
        raise _error(worker, row, "lines", f"is {row.lines}, {len(lines)} are booked")
    if len(charges) < row.charges:
        raise _error(worker, row, "charges", f"is {row.charges}, {len(charges)} are booked")
    try:
        told = [line.reputation for line in lines[: row.lines]]
        after, _ = recompute_statement(
            agreement, ledger, own, lines[: row.lines], statement, row.funding_micro, told, charges
        )
    except Disagreement as error:
        if error.field in _STATEMENT_FIELDS:
            raise _error(worker, row, _STATEMENT_FIELDS[error.field], str(error)) from error
        raise _error(worker, row, "funding_micro", f"with this funding {error}") from error
    return after


def _answered(worker: str, row: StatementRecord, statement: Statement, agreement: Agreement) -> CheckedStatement:
    hashed = digest(agreement.domain, statement)
    if not signed_by(agreement.queen, hashed, bytes.fromhex(row.queen_signature)):
        raise _error(worker, row, "queen_signature", "is not the Queen's under this Statement")
    answer = bytes.fromhex(row.worker_signature)
    if row.reason == UNANSWERED:
        if answer or row.own_net_micro:
            raise _error(worker, row, "worker_signature", "is there although nothing was answered")
        return CheckedStatement(statement, None, False)
    if row.reason == AGREED:
        if not signed_by(statement.worker, hashed, answer):
            raise _error(worker, row, "worker_signature", "is not the Worker's under this Statement")
        if row.own_net_micro != row.net_micro:
            raise _error(worker, row, "own_net_micro", f"is {row.own_net_micro}, agreed {row.net_micro}")
        return CheckedStatement(statement, answer, False)
    objection = Objection(hashed, row.own_net_micro, row.reason)
    if not signed_by(statement.worker, digest(agreement.domain, objection), answer):
        raise _error(worker, row, "worker_signature", "is not the Worker's under this Objection")
    return CheckedStatement(statement, None, True)
