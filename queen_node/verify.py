"""`hive verify`: recomputes a Hive's bills from the evidence folder alone (docs/evidence.md).

Nothing of closing, store or ingest is used, only honey_edge and the files. Whom to trust is pinned by the caller:
without `queen` and `contract` the folder itself says whose it is.
"""

from dataclasses import dataclass
from pathlib import Path

from honey_edge.billing.account import ALONE
from honey_edge.billing.clearing import tariff_cost_pico
from honey_edge.billing.peak import peak_cost_pico
from honey_edge.billing.tally import PEAK
from honey_edge.billing.tariff import Tariff, TariffError, parse_tariff
from honey_edge.model.units import micro_owed
from honey_edge.wire.keccak import keccak
from honey_edge.wire.recompute import Agreement
from honey_edge.wire.signing import signed_by
from honey_edge.wire.structs import SlotTotals
from honey_edge.wire.typed_data import Domain, digest
from queen_node import evidence_format as form
from queen_node.evidence_format import EvidenceError
from queen_node.verify_chain import check_settlements
from queen_node.verify_files import Evidence, check_hashes, read_evidence
from queen_node.verify_periods import check_periods
from queen_node.verify_reputation import check_factors
from queen_node.verify_slots import (
    CheckedAccount,
    CheckedReading,
    check_accounts,
    check_closings,
    check_readings,
    check_slots,
)
from queen_node.verify_statements import CheckedStatement, check_statements

__all__ = ["EvidenceError", "HomeReport", "VerifyReport", "verify_evidence"]


@dataclass(frozen=True, slots=True)
class HomeReport:
    """One Worker's bill as recomputed: energy since its baseline, and what the same costs at its own tariff.

    `standalone_micro` and `hive_micro` are rounded up once; positive is owed by the Worker. Both hold the peak charges,
    `hive_micro` also the shares of the reserve; `peak_pico` and `reserve_share_pico` say what these come to.
    """

    worker: str
    serial: str
    import_milliwh: int
    export_milliwh: int
    standalone_micro: int
    hive_micro: int
    readings: int
    statements_both_signed: int
    objections: int
    peak_pico: int
    reserve_share_pico: int


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was recomputed. `conservation_pico` is 0 when all money adds up, exactly.

    `unsettled` names Workers whose newest both-signed Statement no settlement in the folder has applied yet.
    `reputation_as_told` counts the lines whose factor of the discount was taken from the Queen, because the folder does
    not say what was declared; on `reputation_below_full` of them it is not the full one.
    """

    hive: int
    chain_id: int
    contract: str
    queen: str
    homes: tuple[HomeReport, ...]
    slots: int
    readings: int
    rounds: int
    surplus_pico: int
    fee_pico: int
    reserve_pico: int
    conservation_pico: int
    settlements: int
    gas_used: int
    unsettled: tuple[str, ...]
    reputation_as_told: int
    reputation_below_full: int


def verify_evidence(folder: Path, queen: str | None = None, contract: str | None = None) -> VerifyReport:
    """Recomputes everything; EvidenceError names file and field, and slot and Worker where it belongs to one.

    `queen` and `contract` (40 lower-case hex digits) are whom to trust.
    """
    evidence = read_evidence(folder)
    manifest = evidence.manifest
    for name, told, pinned in (("queen", manifest.queen, queen), ("contract", manifest.contract, contract)):
        if pinned is not None and told != pinned:
            raise EvidenceError(form.MANIFEST, name, f"is {told}, not the {pinned} you trust")
    if manifest.rule_version != form.RULE_VERSION:
        raise EvidenceError(form.MANIFEST, "rule_version", f"is {manifest.rule_version}, known is {form.RULE_VERSION}")
    report = _recompute(evidence)
    check_hashes(folder, manifest)
    if not evidence.index_agrees:
        raise EvidenceError(form.INDEX, "files", "does not fit the files")
    if not evidence.manifest_signed:
        raise EvidenceError(form.MANIFEST, "signature", "is not the Queen's under this manifest")
    return report


def _recompute(evidence: Evidence) -> VerifyReport:
    agreement = _agreement(evidence)
    readings = check_readings(evidence, agreement)
    totals = check_slots(evidence, agreement)
    periods = check_periods(evidence.periods, agreement, totals)
    accounts = check_accounts(evidence, agreement, totals, readings, periods)
    money = check_closings(evidence, agreement, totals, accounts, periods)
    statements = {a.record.worker: check_statements(evidence, agreement, totals, a) for a in accounts}
    chain = check_settlements(evidence, statements)
    told = [check_factors(worker, lines) for worker, lines in evidence.lines.items()]
    manifest = evidence.manifest
    return VerifyReport(
        hive=manifest.hive,
        chain_id=manifest.chain_id,
        contract=manifest.contract,
        queen=manifest.queen,
        homes=tuple(_home(a, statements[a.record.worker], readings, totals, agreement.tariff) for a in accounts),
        slots=len(totals),
        readings=sum(len(own) for own in readings.values()),
        rounds=sum(row.broadcasts for row in evidence.rounds),
        surplus_pico=money.surplus,
        fee_pico=money.fee,
        reserve_pico=money.reserve,
        conservation_pico=money.gap,
        settlements=len(evidence.settlements),
        gas_used=sum(row.gas_used for row in evidence.settlements),
        unsettled=chain.unsettled,
        reputation_as_told=sum(one.as_told for one in told),
        reputation_below_full=sum(one.below_full for one in told),
    )


def _agreement(evidence: Evidence) -> Agreement:
    """Terms under both signatures and the tariff file they name."""
    manifest, file = evidence.manifest, evidence.terms
    domain = Domain(manifest.chain_id, bytes.fromhex(manifest.contract))
    terms = file.signed()
    if terms.hive != manifest.hive:
        raise EvidenceError(form.TERMS, "hive", f"is {terms.hive}, this is Hive {manifest.hive}")
    hashed = digest(domain, terms)
    for name, address in (("queen_signature", manifest.queen), ("owner_signature", manifest.owner)):
        if not signed_by(bytes.fromhex(address), hashed, bytes.fromhex(getattr(file, name))):
            raise EvidenceError(form.TERMS, name, f"is not that of {address} under these terms")
    tariff = _tariff(evidence)
    return Agreement(domain, bytes.fromhex(manifest.queen), manifest.hive, terms, tariff)


def _tariff(evidence: Evidence) -> Tariff:
    try:
        tariff = parse_tariff(evidence.tariff_file)
    except TariffError as error:
        raise EvidenceError(form.TARIFF, "tariff", str(error)) from error
    if keccak(evidence.tariff_file).hex() != evidence.terms.tariff:
        raise EvidenceError(form.TARIFF, "keccak256", "is not the tariff that the terms name")
    return tariff


def _home(
    account: CheckedAccount,
    statements: tuple[CheckedStatement, ...],
    readings: dict[str, tuple[CheckedReading, ...]],
    totals: dict[int, SlotTotals],
    tariff: Tariff,
) -> HomeReport:
    last = account.walked.position if account.walked else None
    first = account.baseline
    charges = account.walked.charges if account.walked else []
    peaks = [charge for charge in charges if charge.kind == PEAK]
    standalone = sum(peak_cost_pico(charge.quantity_milliwh, tariff.peak_micro_per_kw) for charge in peaks)
    for booking in account.bookings:
        signed = totals[booking.position.slot]
        own = tariff_cost_pico(booking.energy_milliwh, signed.buy, signed.sell)
        standalone += booking.amount_pico if booking.kind == ALONE else own
    worker = account.record.worker
    return HomeReport(
        worker=worker,
        serial=account.record.serial,
        import_milliwh=last.imported - first.imported if last and first else 0,
        export_milliwh=last.exported - first.exported if last and first else 0,
        standalone_micro=micro_owed(standalone),
        hive_micro=micro_owed(last.net_pico) if last else 0,
        readings=len(readings[worker]),
        statements_both_signed=sum(1 for s in statements if s.worker_signature is not None),
        objections=sum(1 for s in statements if s.objected),
        peak_pico=sum(charge.amount_pico for charge in peaks),
        reserve_share_pico=-sum(charge.amount_pico for charge in charges if charge.kind != PEAK),
    )
