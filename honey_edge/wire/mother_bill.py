"""What a mother Hive charges a daughter, from the Statements of the connection point's account (market-design 8).

To the mother the daughter is one account. Its Statement says, slot by slot and under signature, how the connection
point's energy was settled; money in it is cumulative. So what one Statement adds to the one before is exactly what the
mother charges for the slots between, whether or not every Statement between was seen, and whether lines were corrected
meanwhile.

Who reads it here does not have the connection point's readings: its Worker does, recomputes all of it, and countersigns
or objects. Here every amount must follow from signed totals, or stay within what its energy can cost.
"""

from dataclasses import dataclass

from honey_edge.billing.account import ALONE, ARREARS, statement_net_micro
from honey_edge.billing.clearing import FULL_REPUTATION, payment, share_surplus
from honey_edge.billing.peak import peak_cost_pico
from honey_edge.billing.tally import PEAK
from honey_edge.wire.charge_lines import ChargeLine
from honey_edge.wire.recompute import NET, SLOT, TOTALS, Agreement, Disagreement, check_period, check_totals, pool_of
from honey_edge.wire.signing import signed_by
from honey_edge.wire.statement_message import StatementLine, StatementMessage
from honey_edge.wire.typed_data import digest


@dataclass(frozen=True, slots=True)
class MotherBill:
    """Where the daughter's account with her mother stands after a Statement: `net_pico` cumulative, > 0 owed by her.

    `first_slot` is that of its first line, `before_pico` the cumulative before it; `one_slot` says whether that line is
    about its slot alone.
    """

    slot: int
    net_pico: int
    first_slot: int
    before_pico: int
    one_slot: bool


def read_bill(agreement: Agreement, worker: bytes, message: StatementMessage) -> MotherBill:
    """The bill in a mother's Statement for `worker`; Disagreement names the first thing that does not follow.

    LinesError for arrays that do not fit each other.
    """
    statement = message.signed()
    slot, lines = statement.slot, message.lines()
    if statement.hive != agreement.hive or statement.worker != worker:
        raise Disagreement(SLOT, "worker", slot, f"is {message.worker} of Hive {message.hive}")
    if not signed_by(agreement.queen, digest(agreement.domain, statement), bytes.fromhex(message.signature)):
        raise Disagreement(TOTALS, "signature", slot, "the Statement is not signed by the mother")
    if not lines or lines[-1].totals.slot != slot:
        raise Disagreement(SLOT, "lines", slot, "the last line is not that of the Statement's slot")
    before = net = lines[0].net_pico - lines[0].amount_pico
    charges, last = message.charges(), lines[0].totals.slot - 1
    while charges and charges[0].after_slot <= last:
        before = net = _charge(agreement, charges.pop(0), None)
    if lines[0].net_pico - lines[0].amount_pico != net:
        raise Disagreement(NET, "net_pico", slot, "charges before the first line do not lead to it")
    for line in lines:
        if line.totals.slot <= last:
            raise Disagreement(SLOT, "line_slot", line.totals.slot, f"is not after slot {last}")
        net, last = _line(agreement, line, net), line.totals.slot
        while charges and charges[0].after_slot == last:
            net = _charge(agreement, charges.pop(0), net)
    if charges:
        raise Disagreement(SLOT, "charge_after_slot", slot, "names no line of this Statement or before it")
    if statement.net != statement_net_micro(net, message.funding_micro):
        raise Disagreement(NET, "net", slot, f"is {statement.net}, its lines add up to {net} pico-coins")
    return MotherBill(slot, net, lines[0].totals.slot, before, lines[0].kind != ALONE)


def _line(agreement: Agreement, line: StatementLine, net_pico: int) -> int:
    """The cumulative after a line whose amount follows from its signed totals; one settled alone stays within its
    tariff."""
    totals, energy = line.totals, line.energy_milliwh
    check_totals(agreement, totals, line.totals_signature)
    if not 0 <= line.reputation <= FULL_REPUTATION:
        raise Disagreement(TOTALS, "reputation", totals.slot, f"is {line.reputation}")
    if line.kind == ALONE:
        dearest = max(map(abs, (*agreement.tariff.buy, *agreement.tariff.sell))) * abs(energy)
        most = dearest + peak_cost_pico(abs(energy), agreement.tariff.peak_micro_per_kw)
        fits = -dearest <= line.amount_pico <= most
    else:
        pool = pool_of(totals)
        own = payment(pool, share_surplus(pool), energy, line.reputation)
        fits = line.amount_pico == (own.standalone if line.kind == ARREARS else own.amount)
    if not fits:
        raise Disagreement(NET, "amount_pico", totals.slot, f"{line.amount_pico} does not follow from {energy} mWh")
    if line.net_pico != net_pico + line.amount_pico:
        raise Disagreement(
            NET, "net_pico", totals.slot, f"is {line.net_pico}, recomputed {net_pico + line.amount_pico}"
        )
    return line.net_pico


def _charge(agreement: Agreement, line: ChargeLine, net_pico: int | None) -> int:
    """The cumulative after a peak charge, at most its tariff, or a share of the reserve, which is never owed."""
    check_period(agreement, line.totals, line.totals_signature)
    most = peak_cost_pico(line.quantity_milliwh, agreement.tariff.peak_micro_per_kw) if line.kind == PEAK else 0
    if line.amount_pico > most or (line.kind == PEAK and line.amount_pico < 0):
        raise Disagreement(NET, "charge_amount_pico", line.totals.slot, f"{line.amount_pico} is above {most}")
    if net_pico is not None and line.net_pico != net_pico + line.amount_pico:
        raise Disagreement(NET, "charge_net_pico", line.totals.slot, f"is {line.net_pico} after {net_pico}")
    return line.net_pico
