"""Cover: does the Hive's pool hold what it owes its sellers since the last settlement? (chain-design section 4)

What is settled has left the pool. What is not is the Hive's debt: per slot s*G_p + D_p, added up from published
SlotTotals. A Worker signs only while pool less pending withdrawals covers that sum, and while the last settlement is no
older than the terms' cover days. It is a rate limit, not a proof. Pure; money in pico-coins and micro-coins.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from honey_edge.billing.clearing import SlotPool, share_surplus
from honey_edge.model.slots import SLOTS_PER_DAY, day_of
from honey_edge.model.units import micro_owed


@dataclass(frozen=True, slots=True)
class Cover:
    """What the pool holds, micro-coins, as of a block, and up to which slot the Hive was settled.

    `settled_slot` is None when only the Queen told the money (she tells no settlement): then only the running UTC day
    is added up, which can never be too much. `own_slot` is up to where this account itself was settled or opened, if
    later.
    """

    pool_micro: int
    pending_micro: int
    block: int
    settled_slot: int | None = None
    own_slot: int = 0

    @property
    def free_micro(self) -> int:
        """What is there for the sellers: the pool less what its owner has asked to take out."""
        return self.pool_micro - self.pending_micro

    @property
    def own_look(self) -> bool:
        """Whether the Worker saw it on the chain itself."""
        return self.settled_slot is not None

    @property
    def source(self) -> str:
        """Who says so, in words."""
        return "own look at the chain" if self.own_look else "as told by the Queen"


def owed_to_sellers_pico(pool: SlotPool) -> int:
    """s*G_p + D_p of one slot: what its pooled sellers are owed at full reputation, never less than they get."""
    return pool.sell * pool.sold + share_surplus(pool).to_sellers


def counted_from(cover: Cover, slot: int) -> int:
    """The first slot that counts for a Statement at `slot`: after the last settlement, else the day's first."""
    if cover.settled_slot is None:
        return day_of(slot) * SLOTS_PER_DAY
    return cover.settled_slot + 1


def cover_objection(
    cover: Cover, owed_pico: Mapping[int, int], slot: int, agreed_slot: int | None, cover_days: int
) -> str:
    """Why a Statement at `slot` is not to be signed for lack of cover; empty when nothing speaks against it.

    `owed_pico` holds s*G_p + D_p by slot, as far as known; `agreed_slot` is that of the last Statement both signed.
    Terms with 0 cover days promise no cover beyond the pending withdrawals.
    """
    if cover.free_micro < 0:
        return f"pool {cover.pool_micro} does not cover requests of {cover.pending_micro} ({cover.source})"
    if cover_days == 0:
        return ""
    if cover.settled_slot is not None and agreed_slot is not None:
        settled = max(cover.settled_slot, cover.own_slot)
        if agreed_slot > settled and slot - settled > cover_days * SLOTS_PER_DAY:
            return f"the last settlement, slot {settled}, is more than {cover_days} days old ({cover.source})"
    first = counted_from(cover, slot)
    owed_micro = micro_owed(sum(pico for one, pico in owed_pico.items() if first <= one <= slot))
    if owed_micro > cover.free_micro:
        return f"{cover.free_micro} in the pool do not cover {owed_micro} owed since slot {first} ({cover.source})"
    return ""
