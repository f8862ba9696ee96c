"""Blocks 2 and 4, "today" and the last 24 hours, from the Worker's own journal.

Signed quarter-hours are settled numbers; what waits is counted at the home's own tariff and called an estimate.
Neighbours are named here and not in the live block: only a closed slot says with whom energy was exchanged.
"""

from collections.abc import Iterable

from honey_edge.billing.peak import SLOTS_PER_HOUR
from honey_edge.billing.tally import PEAK
from honey_edge.model.slots import SLOT_S, day_of, slot_at, slot_end_unix_s, slot_start_unix_s
from worker_node.state import AGREED, OBJECTED, ChargeRow, SlotRow, State, Today
from worker_node.web.numbers import PICO_PER_MICRO
from worker_node.web.reader import Reader
from worker_node.web.shapes import ESTIMATE, SETTLED, Column, DayView, Row, TableRow, TodayView

_DAY_S = 86_400
_CHART_SLOTS, _CHART_STEP, _CHART_HEIGHT, _CHART_MARGIN = 96, 10, 200, 6
_TICKS = (0, 24, 48, 72, 96)


def today_view(state: State, reader: Reader) -> TodayView:
    """The block; before the first signed quarter-hour of the day it says when one comes."""
    today, currency = state.today, state.home.currency
    next_close = reader.slot_end(slot_at(reader.now_unix_s))
    if today is None:
        sub = reader.text("today.nothing", at=next_close)
        return TodayView(reader.text("none"), ESTIMATE, sub, "", (), _notes(state, reader))
    start = today.day * _DAY_S
    if today.slots_settled:
        value = reader.numbers.money(currency, today.saved_pico)
        signed = reader.counted("count.quarters", today.slots_settled)
        sub = reader.text("today.saved", signed=signed, end=reader.clock(start + _DAY_S))
    else:
        value, sub = reader.text("none"), reader.text("today.nothing", at=next_close)
    caption = reader.text("today.caption", since=reader.clock(start))
    return TodayView(value, ESTIMATE, sub, caption, _rows(state, today, reader), _notes(state, reader))


def _rows(state: State, today: Today, reader: Reader) -> tuple[Row, ...]:
    numbers = reader.numbers
    bought, sold = _near(row for row in state.slots if day_of(row.slot) == today.day)
    closed = SETTLED if today.slots_pending == 0 else ESTIMATE
    rows = [
        Row(reader.text("today.bought"), numbers.energy(today.import_milliwh), "", closed),
        Row(reader.text("today.bought.near"), numbers.energy(bought), "", SETTLED, part=True),
        Row(reader.text("today.sold"), numbers.energy(today.export_milliwh), "", closed),
        Row(reader.text("today.sold.near"), numbers.energy(sold), "", SETTLED, part=True),
    ]
    if today.slots_settled:
        own_pico = today.paid_pico + today.saved_pico
        rows += [
            Row(reader.text("today.own_tariff"), "", numbers.amount(own_pico), SETTLED),
            Row(reader.text("today.hive"), "", numbers.amount(today.paid_pico), SETTLED),
            Row(reader.text("today.saved.row"), "", numbers.amount(today.saved_pico), SETTLED, total=True),
        ]
    rows += [_charge(charge, reader) for charge in today.charges]
    if today.slots_pending:
        rows.append(Row(reader.text("today.pending"), "", numbers.amount(today.pending_standalone_pico), ESTIMATE))
    return tuple(rows)


def _charge(charge: ChargeRow, reader: Reader) -> Row:
    """What was booked once for a period: beside the day's sums, not in them."""
    numbers, at = reader.numbers, reader.slot_end(charge.slot)
    if charge.kind == PEAK:
        power = numbers.power(charge.quantity_milliwh * SLOTS_PER_HOUR // 1000)
        title = reader.text("today.peak", at=at, power=power, alone=numbers.amount(charge.standalone_pico))
    else:
        title = reader.text("today.reserve", at=at)
    return Row(title, "", numbers.amount(charge.amount_pico), SETTLED)


def _near(rows: Iterable[SlotRow]) -> tuple[int, int]:
    """Energy bought from and sold to neighbours in signed slots, both positive, in milliwatt-hours."""
    bought = sold = 0
    for row in rows:
        if row.settled and row.local_milliwh is not None:
            if row.net_milliwh > 0:
                bought += abs(row.local_milliwh)
            else:
                sold += abs(row.local_milliwh)
    return bought, sold


def _notes(state: State, reader: Reader) -> tuple[str, ...]:
    notes = []
    if state.today is not None:
        bought = reader.numbers.energy(state.today.running_import_milliwh)
        sold = reader.numbers.energy(state.today.running_export_milliwh)
        notes.append(reader.text("today.running", bought=bought, sold=sold))
    if state.account.credit_micro is not None:
        credit = reader.numbers.money(state.home.currency, state.account.credit_micro * PICO_PER_MICRO)
        notes.append(reader.text("today.credit", credit=credit))
    if state.today is not None:
        notes.append(reader.text("today.negative"))
    return tuple(notes)


def day_view(state: State, reader: Reader) -> DayView:
    """The chart of the last 24 hours up to the newest closed slot."""
    if not state.slots:
        empty = reader.text("day.none", at=reader.slot_end(slot_at(reader.now_unix_s)))
        return DayView("", (), 0, (), empty)
    first = state.slots[-1].slot - _CHART_SLOTS + 1
    shown = [row for row in state.slots if row.slot >= first]
    high = max(0, *(row.net_milliwh for row in shown))
    low = max(0, *(-row.net_milliwh for row in shown))
    room = _CHART_HEIGHT - 2 * _CHART_MARGIN
    baseline = _CHART_MARGIN + (room * high // (high + low) if high + low else room // 2)
    columns = tuple(_column(row, first, baseline, room, high + low) for row in shown)
    ticks = tuple(reader.clock(slot_start_unix_s(first) + place * SLOT_S) for place in _TICKS)
    return DayView(_day_aria(shown, reader), columns, baseline, ticks, "")


def _column(row: SlotRow, first: int, baseline: int, room: int, scale: int) -> Column:
    height = room * abs(row.net_milliwh) // scale if scale else 0
    css = ("bought" if row.net_milliwh > 0 else "sold") + ("" if row.settled else " open")
    y = baseline - height if row.net_milliwh > 0 else baseline
    return Column(css, (row.slot - first) * _CHART_STEP + 1, y, height)


def _day_aria(rows: list[SlotRow], reader: Reader) -> str:
    bought = sum(row.net_milliwh for row in rows if row.net_milliwh > 0)
    sold = -sum(row.net_milliwh for row in rows if row.net_milliwh < 0)
    return reader.text(
        "day.aria",
        first=reader.slot_start(rows[0].slot),
        last=reader.slot_end(rows[-1].slot),
        bought=reader.numbers.energy(bought),
        sold=reader.numbers.energy(sold),
    )


def table_rows(state: State, reader: Reader) -> tuple[TableRow, ...]:
    """The closed slots as text, newest first."""
    return tuple(_table_row(row, reader) for row in reversed(state.slots))


def _table_row(row: SlotRow, reader: Reader) -> TableRow:
    numbers, none = reader.numbers, reader.text("none")
    start = slot_end_unix_s(row.slot) - row.span_slots * SLOT_S
    form = "one" if row.span_slots == 1 else "many"
    times = {
        "from_": reader.clock(start),
        "to": reader.clock(slot_end_unix_s(row.slot)),
        "count": numbers.number(row.span_slots),
    }
    price = None if row.price_micro_per_kwh is None else row.price_micro_per_kwh * PICO_PER_MICRO
    state = {AGREED: "agreed", OBJECTED: "objected"}.get(row.status, "pending")
    return TableRow(
        slot=reader.text(f"table.span.{form}", **times),
        bought=numbers.slot_energy(row.import_milliwh),
        sold=numbers.slot_energy(row.export_milliwh),
        near=none if row.local_milliwh is None else numbers.slot_energy(abs(row.local_milliwh)),
        price=none if price is None else numbers.amount(price, 4),
        own=numbers.amount(row.standalone_pico, 4),
        paid=none if row.amount_pico is None else numbers.amount(row.amount_pico, 4),
        state=reader.text(f"table.state.{state}"),
        settled=row.settled,
    )
