"""Notices on top and block 5, "can I trust these numbers": what was checked, what waits, what is wrong."""

from honey_edge.model.slots import SLOTS_PER_DAY, slot_at
from worker_node.state import AGREED, OBJECTED, PENDING, Check, State
from worker_node.web.chain import chain_line, chain_notices
from worker_node.web.numbers import PICO_PER_MICRO
from worker_node.web.reader import Reader, silent_since_unix_s
from worker_node.web.shapes import Notice, TrustLine

_MARKS = {"ok": "✓", "wait": "…", "bad": "!"}
_KNOWN_CHECKS = {"energy-cross-check", "meter", "clock", "meter-bus", "energy-lost", "battery", "serve", "fair-play"}
_LOW_CREDIT_PART = 5


def notices(state: State, reader: Reader) -> tuple[Notice, ...]:
    """What the homeowner should know, the most serious first."""
    found = [
        _objection_notice(state, reader),
        *chain_notices(state, reader),
        _meter_notice(state, reader),
        _clock_notice(state, reader),
        _queen_notice(state, reader),
        _credit_notice(state, reader),
        _first_day_notice(state, reader),
    ]
    return tuple(notice for notice in found if notice is not None)


def _objection_notice(state: State, reader: Reader) -> Notice | None:
    account = state.account
    if not account.objection and account.objection_slot is None:
        return None
    title = reader.text("notice.objection")
    why = account.objection.rstrip(".") or reader.text("none")
    if account.objection_slot is None:
        return Notice("bad", title, reader.text("notice.objection.text", why=why))
    at = reader.slot_end(account.objection_slot)
    return Notice("bad", title, reader.text("notice.objection.slot", at=at, why=why))


def _meter_notice(state: State, reader: Reader) -> Notice | None:
    since = silent_since_unix_s(state, reader.now_unix_s)
    if since is None:
        return None
    return Notice("bad", reader.text("notice.meter"), reader.text("notice.meter.text", since=reader.precise(since)))


def _clock_notice(state: State, reader: Reader) -> Notice | None:
    if state.clock_trusted:
        return None
    return Notice("warn", reader.text("notice.clock"), reader.text("notice.clock.text"))


def _queen_notice(state: State, reader: Reader) -> Notice | None:
    link = state.link
    if link.queen_online and link.broker_online:
        return None
    kept = reader.counted("notice.kept", link.unreceipted) if link.unreceipted else reader.text("notice.kept.none")
    since = link.queen_since_unix_s if not link.queen_online else link.broker_since_unix_s
    title = reader.text("notice.queen")
    if since is None:
        return Notice("warn", title, reader.text("notice.queen.never", kept=kept))
    return Notice("warn", title, reader.text("notice.queen.since", since=reader.at(since), kept=kept))


def _credit_notice(state: State, reader: Reader) -> Notice | None:
    """Low is a fifth of what was paid in, or less; with arrears it is used up."""
    account, currency = state.account, state.home.currency
    if account.arrears_pico > 0:
        arrears = reader.numbers.money(currency, account.arrears_pico)
        return Notice("bad", reader.text("notice.arrears"), reader.text("notice.arrears.text", arrears=arrears))
    if account.credit_micro is None or account.funding_micro is None:
        return None
    if account.credit_micro * _LOW_CREDIT_PART > account.funding_micro:
        return None
    credit = reader.numbers.money(currency, account.credit_micro * PICO_PER_MICRO)
    funding = reader.numbers.money(currency, account.funding_micro * PICO_PER_MICRO)
    text = reader.text("notice.credit.text", credit=credit, funding=funding)
    return Notice("warn", reader.text("notice.credit"), text)


def _first_day_notice(state: State, reader: Reader) -> Notice | None:
    if state.slots:
        return None
    return Notice("info", reader.text("notice.first"), reader.text("notice.first.text"))


def trust_lines(state: State, reader: Reader) -> tuple[TrustLine, ...]:
    """The answers, each with a mark, a word for who does not see the mark, and its figures."""
    found = [
        _signed(state, reader),
        _agreed(state, reader),
        *_waiting(state, reader),
        _kept(state, reader),
        _clock(state, reader),
        _account(state, reader),
        _reputation(state, reader),
        _chain(state, reader),
        *(_installation(check, reader) for check in state.checks if check.name != "clock" or not check.ok),
        _refused(state, reader),
    ]
    return tuple(line for line in found if line is not None)


def _line(level: str, text: str, reader: Reader) -> TrustLine:
    return TrustLine(level, _MARKS[level], reader.text(f"trust.{level}"), text)


def _signed(state: State, reader: Reader) -> TrustLine:
    count = len(state.slots)
    if count == 0:
        at = reader.slot_end(slot_at(reader.now_unix_s))
        return _line("wait", reader.text("trust.signed.none", at=at), reader)
    of = max(count, min(SLOTS_PER_DAY, sum(row.span_slots for row in state.slots)))
    figures = {"count": reader.numbers.number(count), "of": reader.numbers.number(of)}
    if count < of:
        return _line("wait", reader.text("trust.gaps", **figures), reader)
    return _line("ok", reader.text("trust.signed", **figures), reader)


def _agreed(state: State, reader: Reader) -> TrustLine:
    answered = [row for row in state.slots if row.status != PENDING]
    agreed = sum(row.status == AGREED for row in answered)
    if any(row.status == OBJECTED for row in answered) or state.account.objection:
        return _line("bad", reader.text("trust.objected"), reader)
    if not answered:
        return _line("wait", reader.text("trust.agreed.none"), reader)
    count = reader.numbers.number(agreed)
    return _line("ok", reader.text("trust.agreed", count=count, of=count), reader)


def _waiting(state: State, reader: Reader) -> list[TrustLine]:
    pending = sum(row.status == PENDING for row in state.slots)
    return [_line("wait", reader.counted("trust.pending", pending), reader)] if pending else []


def _kept(state: State, reader: Reader) -> TrustLine | None:
    link = state.link
    if link.unreceipted:
        return _line("wait", reader.counted("trust.kept", link.unreceipted), reader)
    if link.last_receipt_slot is None:
        return None
    return _line("ok", reader.text("trust.receipt", at=reader.slot_end(link.last_receipt_slot)), reader)


def _clock(state: State, reader: Reader) -> TrustLine:
    if not state.clock_trusted:
        return _line("bad", reader.text("trust.clock.bad"), reader)
    return _line("ok", reader.text("trust.clock.simulated" if state.granted else "trust.clock"), reader)


def _account(state: State, reader: Reader) -> TrustLine | None:
    account = state.account
    if account.agreed_slot is None:
        return None
    at, slot = reader.slot_end(account.agreed_slot), str(account.agreed_slot)
    return _line("ok", reader.text("trust.account", at=at, slot=slot), reader)


def _reputation(state: State, reader: Reader) -> TrustLine | None:
    """The factor of the discount, where it is not the full one."""
    permille = state.account.reputation_permille
    if permille >= 1000:
        return None
    percent = reader.numbers.number(permille, 10, 1)
    return _line("ok", reader.text("trust.reputation", percent=percent), reader)


def _chain(state: State, reader: Reader) -> TrustLine | None:
    found = chain_line(state, reader)
    return _line(found[0], found[1], reader) if found is not None else None


def _installation(check: Check, reader: Reader) -> TrustLine:
    name = check.name if check.name in _KNOWN_CHECKS else "other"
    text = reader.text(f"check.{name}" if check.ok else f"check.{name}.bad", name=check.name)
    if check.detail:
        text = reader.text("check.detail", text=text, detail=check.detail)
    if not check.ok and check.since_unix_s is not None:
        text = reader.text("check.since", text=text, since=reader.at(check.since_unix_s))
    return _line("ok" if check.ok else "bad", text, reader)


def _refused(state: State, reader: Reader) -> TrustLine | None:
    count = state.link.refused_messages
    return _line("ok", reader.counted("trust.refused", count), reader) if count else None
