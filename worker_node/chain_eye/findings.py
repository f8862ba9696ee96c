"""What a look at the chain means for this home: pure decisions, no socket, no clock (architecture section 7).

Findings are names; the page and `hive-worker show` say them in words with the figures of the look.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from honey_edge.billing.cover import Cover, cover_objection
from honey_edge.model.slots import slot_at
from worker_node.chain_eye.look import CLOSED, MAX_AGE_S, NONE, OPEN, ChainLook

UNSETTLED_AFTER_SLOTS = 192

STALE_CLOSE, CLOSE, CLOSED_ACCOUNT, NO_ACCOUNT = "stale-close", "close", "closed", "no-account"
UNSETTLED, OWED, COVER, FROZEN, UNCHECKED = "unsettled", "owed", "cover", "frozen", "unchecked"
OTHER_QUEEN = "other-queen"


@dataclass(frozen=True, slots=True)
class Own:
    """What the Worker knows itself: its last both-signed Statement's slot, what the published totals add up to.

    `queen` is the address (hex) of the Queen whose Statements it signs; empty: not compared.
    """

    agreed_slot: int | None = None
    owed_pico: Mapping[int, int] | None = None
    cover_days: int = 0
    queen: str = ""


def counts(look: ChainLook | None, now_unix_s: float) -> bool:
    """Whether a look is recent enough to decide anything by: at most two days old."""
    return look is not None and now_unix_s - look.at_unix_s <= MAX_AGE_S


def cover_of(look: ChainLook) -> Cover:
    """The look as the account needs it before it signs.

    Recorded claims are paid before anything else; a Hive never settled counts from the account's opening.
    """
    asked = look.pending_micro + look.claims_micro
    return Cover(look.pool_micro, asked, look.block, look.settled_slot or look.slot, look.slot)


def stale_close(look: ChainLook, agreed_slot: int | None) -> bool:
    """Whether a close runs on an older state than the last Statement both have signed."""
    return bool(look.close_ends_unix_s) and agreed_slot is not None and look.close_slot < agreed_slot


def findings(look: ChainLook | None, own: Own, now_unix_s: float, watching_unix_s: float) -> tuple[str, ...]:
    """What the homeowner should know, the most serious first.

    UNCHECKED alone when there was no look for two days, counted from `watching_unix_s` before the first one.
    """
    if look is None:
        return (UNCHECKED,) if now_unix_s - watching_unix_s > MAX_AGE_S else ()
    if not counts(look, now_unix_s):
        return (UNCHECKED,)
    agreed = own.agreed_slot
    closing = bool(look.close_ends_unix_s)
    waits = agreed is not None and agreed > look.slot and slot_at(now_unix_s) - look.slot > UNSETTLED_AFTER_SLOTS
    judged = {
        STALE_CLOSE: stale_close(look, agreed),
        CLOSE: closing and not stale_close(look, agreed),
        CLOSED_ACCOUNT: look.state == CLOSED,
        NO_ACCOUNT: look.state == NONE,
        OTHER_QUEEN: bool(own.queen) and look.state != NONE and look.queen != own.queen,
        COVER: bool(cover_text(look, own)),
        OWED: look.owed or look.short,
        UNSETTLED: look.state == OPEN and waits,
        FROZEN: look.frozen,
    }
    return tuple(name for name, found in judged.items() if found)


def cover_text(look: ChainLook, own: Own) -> str:
    """Why the pool does not cover what the Hive owes up to the last Statement both signed; empty when it does."""
    if own.agreed_slot is None:
        return ""
    owed = own.owed_pico or {}
    return cover_objection(cover_of(look), owed, own.agreed_slot, own.agreed_slot, own.cover_days)
