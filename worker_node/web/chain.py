"""What the box saw on the chain, in words: notices with what to do, and one line of block 5.

Calm first: no finding here loses energy or what is settled; most need nothing of the homeowner but a look.
"""

from collections.abc import Callable

from worker_node.state import Chain, State
from worker_node.web.numbers import PICO_PER_MICRO
from worker_node.web.reader import Reader
from worker_node.web.shapes import Notice

_LEVELS = {
    "stale-close": "bad",
    "close": "warn",
    "closed": "warn",
    "no-account": "warn",
    "other-queen": "bad",
    "cover": "warn",
    "owed": "warn",
    "unsettled": "warn",
    "frozen": "warn",
    "unchecked": "warn",
}
_SIDES = ("other", "home", "queen", "other")


def chain_notices(state: State, reader: Reader) -> list[Notice]:
    """One notice for each finding, in their order; unknown names are left out, never guessed."""
    known = [name for name in state.chain.findings if name in _LEVELS] if state.chain.watched else []
    return [Notice(_LEVELS[name], reader.text(f"notice.{name}"), _text(name, state, reader)) for name in known]


def _text(name: str, state: State, reader: Reader) -> str:
    special: dict[str, Callable[[State, Reader], str]] = {
        "stale-close": _stale_close,
        "close": _close,
        "cover": _cover,
        "unsettled": _unsettled,
        "unchecked": _unchecked,
    }
    make = special.get(name)
    return make(state, reader) if make is not None else reader.text(f"notice.{name}.text")


def _stale_close(state: State, reader: Reader) -> str:
    chain = state.chain
    values = {"until": _until(chain, reader), "at": _slot(chain.close_slot, reader)}
    if not chain.contest_addresses:
        return reader.text("notice.stale-close.nowhere", **values)
    key = "sent" if chain.contest_taken else "sending"
    count = reader.numbers.number(chain.contest_taken or chain.contest_addresses)
    return reader.text(f"notice.stale-close.{key}", **values, count=count)


def _close(state: State, reader: Reader) -> str:
    side = _SIDES[state.chain.close_side] if state.chain.close_side < len(_SIDES) else "other"
    return reader.text(f"notice.close.{side}", until=_until(state.chain, reader))


def _cover(state: State, reader: Reader) -> str:
    chain = state.chain
    left = ((chain.pool_micro or 0) - (chain.pending_micro or 0)) * PICO_PER_MICRO
    return reader.text("notice.cover.text", left=reader.numbers.money(state.home.currency, left))


def _unsettled(state: State, reader: Reader) -> str:
    return reader.text("notice.unsettled.text", at=_slot(state.chain.slot, reader))


def _unchecked(state: State, reader: Reader) -> str:
    chain = state.chain
    why = chain.trouble.rstrip(".") or reader.text("none")
    if chain.checked_unix_s is None:
        return reader.text("notice.unchecked.never", why=why)
    return reader.text("notice.unchecked.since", at=reader.at(chain.checked_unix_s), why=why)


def _until(chain: Chain, reader: Reader) -> str:
    return reader.at(chain.close_ends_unix_s) if chain.close_ends_unix_s is not None else reader.text("none")


def _slot(slot: int | None, reader: Reader) -> str:
    return reader.slot_end(slot) if slot is not None else reader.text("none")


def chain_line(state: State, reader: Reader) -> tuple[str, str] | None:
    """Level and text of the line; None where the box does not look at the chain."""
    chain = state.chain
    if not chain.watched:
        return None
    why = chain.trouble.rstrip(".") or reader.text("none")
    if "unchecked" in chain.findings or chain.checked_unix_s is None:
        return "wait", reader.text("trust.chain.unchecked", why=why)
    at = reader.at(chain.checked_unix_s)
    if chain.findings:
        return "bad", reader.text("trust.chain.bad", at=at)
    if chain.trouble:
        return "wait", reader.text("trust.chain.late", at=at, why=why)
    return "ok", reader.text("trust.chain", at=at, slot=_slot(chain.slot, reader))
