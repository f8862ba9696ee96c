"""Builds the snapshot that surfaces read, from the parts of the daemon and the journal; decides nothing."""

from dataclasses import dataclass, fields, replace

from honey_edge.billing.clearing import tariff_cost_pico
from honey_edge.billing.tariff import Tariff
from honey_edge.model.slots import SLOTS_PER_DAY, day_of, slot_at
from honey_edge.model.units import pico_of_micro
from worker_node import state
from worker_node.account import AccountView
from worker_node.agent.battery import BatteryModel
from worker_node.agent.service import AgentView
from worker_node.journal import Booked, Journal, SignedReading
from worker_node.metering.accumulator import Totals
from worker_node.metering.meter import Taken
from worker_node.uplink import LinkStatus

ROWS_SLOTS = SLOTS_PER_DAY


@dataclass(frozen=True, slots=True)
class Ledgered:
    """What the journal says: closed slots of the last day, charges of periods that ended in it, and counts."""

    rows: tuple[state.SlotRow, ...]
    readings_signed: int
    last: SignedReading | None
    charges: tuple[state.ChargeRow, ...] = ()


def read_rows(journal: Journal, tariff: Tariff) -> Ledgered:
    """The closed slots of the last 24 hours, each with what the account says about it."""
    last = journal.last_reading()
    if last is None:
        return Ledgered((), 0, None)
    first = last.reading.slot - ROWS_SLOTS
    readings = journal.readings_after(first)
    before = journal.last_reading_before(first + 1)
    booked = {one.slot: one for one in journal.bookings(first)}
    refused = journal.last_answer()
    objected_slot = refused.slot if refused is not None and refused.reason else None
    rows = []
    for signed in readings:
        if before is not None:
            rows.append(_row(before, signed, booked.get(signed.reading.slot), objected_slot, tariff))
        before = signed
    return Ledgered(tuple(rows), journal.reading_count(), last, _charges(journal, first))


def _charges(journal: Journal, first_slot: int) -> tuple[state.ChargeRow, ...]:
    return tuple(
        state.ChargeRow(one.kind, one.slot, one.quantity_milliwh, one.amount_pico, one.standalone_pico)
        for one in journal.charges(first_slot)
    )


def _row(
    before: SignedReading, signed: SignedReading, booked: Booked | None, objected_slot: int | None, tariff: Tariff
) -> state.SlotRow:
    one, old = signed.reading, before.reading
    imported, exported = one.imported - old.imported, one.exported - old.exported
    buy, sell = tariff.prices(one.slot)
    status = state.PENDING
    if booked is not None:
        status = state.AGREED
    elif objected_slot is not None and one.slot <= objected_slot:
        status = state.OBJECTED
    return state.SlotRow(
        slot=one.slot,
        span_slots=one.slot - old.slot,
        import_milliwh=imported,
        export_milliwh=exported,
        net_milliwh=imported - exported,
        flags=one.flags,
        buy_micro_per_kwh=buy,
        sell_micro_per_kwh=sell,
        standalone_pico=booked.standalone_pico if booked else tariff_cost_pico(imported - exported, buy, sell),
        amount_pico=booked.amount_pico if booked else None,
        kind=booked.kind if booked else None,
        local_milliwh=booked.local_milliwh if booked else None,
        price_micro_per_kwh=booked.price_micro if booked else None,
        status=status,
    )


def today_of(
    rows: tuple[state.SlotRow, ...], now_unix_s: float, charges: tuple[state.ChargeRow, ...] = ()
) -> state.Today:
    """Sums over the rows of the running UTC day, and the charges of periods that ended in it or just before it."""
    day = day_of(slot_at(now_unix_s))
    own = [row for row in rows if day_of(row.slot) == day]
    settled = [row for row in own if row.settled]
    alone = sum(row.standalone_pico for row in settled)
    paid = sum(row.amount_pico or 0 for row in settled)
    return state.Today(
        day=day,
        import_milliwh=sum(row.import_milliwh for row in own),
        export_milliwh=sum(row.export_milliwh for row in own),
        slots_settled=len(settled),
        slots_pending=len(own) - len(settled),
        standalone_pico=alone,
        paid_pico=paid,
        saved_pico=alone - paid,
        pending_standalone_pico=sum(row.standalone_pico for row in own if not row.settled),
        charges=tuple(one for one in charges if one.slot >= day * SLOTS_PER_DAY - 1),
    )


def running(today: state.Today | None, totals: Totals, last: SignedReading | None) -> state.Today | None:
    """`today` with the energy of the slot that is not closed yet."""
    if today is None or last is None:
        return today
    return replace(
        today,
        running_import_milliwh=totals.import_milliwh - last.reading.imported,
        running_export_milliwh=totals.export_milliwh - last.reading.exported,
    )


def account_of(view: AccountView) -> state.Account:
    """The account for the page."""
    agreed, told, refused, ledger = view.agreed, view.told, view.refused, view.ledger
    net_pico = ledger.position.net_pico if ledger else 0
    funding = told.funding_micro if told else None
    return state.Account(
        agreed_slot=agreed.slot if agreed else None,
        net_pico=net_pico,
        net_micro=agreed.net_micro if agreed else 0,
        funding_micro=funding,
        pool_micro=told.pool_micro if told else None,
        block=told.block if told else None,
        credit_micro=funding - agreed.net_micro if agreed and funding is not None else None,
        arrears_pico=max(0, net_pico - pico_of_micro(funding)) if funding is not None else 0,
        saved_pico=view.saved_pico,
        statements_both_signed=view.agreed_count,
        objection=refused.detail if refused else "",
        objection_reason=refused.reason if refused else 0,
        objection_slot=refused.slot if refused else None,
        reputation_permille=view.reputation,
    )


def live_of(taken: Taken, before: state.Live | None, battery: BatteryModel | None, pv_w: int) -> state.Live:
    """The newest sample; a sample of counters only keeps what was measured last."""
    sample, look = taken.sample, taken.battery
    power = sample.power_w
    battery_w = look.power_w if look else None
    soc = look.stored_milliwh * 1000 // battery.capacity_milliwh if look and battery else None
    fresh = state.Live(
        at_unix_s=taken.at_unix_s,
        power_w=power[0] if power else None,
        phase_power_w=tuple(power[1:4]) if power else None,
        voltage_v=sample.voltage_v,
        current_a=sample.current_a,
        frequency_hz=sample.frequency_hz,
        temperature_c=sample.temperature_c,
        import_milliwh=taken.totals.import_milliwh,
        export_milliwh=taken.totals.export_milliwh,
        load_w=power[0] - (battery_w or 0.0) if power and not pv_w else None,
        battery_w=battery_w,
        soc_permille=soc,
    )
    if power is not None or before is None:
        return fresh
    kept = ("power_w", "phase_power_w", "voltage_v", "current_a", "frequency_hz", "temperature_c", "load_w")
    return replace(fresh, **{name: getattr(before, name) for name in kept})


def plan_of(view: AgentView) -> state.Plan:
    """The schedule for the page."""
    plan = view.plan
    points = view.points
    told = (
        {} if points is None else {name: getattr(points, name) for name in ("heat_w", "car_w", "shed_w", "curtail_w")}
    )
    if plan is None or plan.source != view.source:
        return state.Plan(source=view.source, set_point_w=view.set_point_w, flags=view.flags, told_w=told)
    return state.Plan(
        source=view.source,
        first_slot=plan.first_slot,
        net_w=plan.net_w,
        battery_w=plan.battery_w,
        price_e7_per_kwh=plan.price_e7,
        round=plan.round or None,
        set_point_w=view.set_point_w,
        flags=view.flags,
        told_w=told,
    )


def link_of(status: LinkStatus) -> state.Link:
    """The way to the Queen for the page."""
    return state.Link(**{one.name: getattr(status, one.name) for one in fields(LinkStatus)})
