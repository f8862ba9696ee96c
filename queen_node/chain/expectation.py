"""Which leaves of a batch the contract will skip, from the accounts as they are: the rules of chain-design section 4.

Compared with the simulation before a settlement is signed. If the two differ, somebody does not see the same chain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from honey_edge.wire.signing import signed_by
from honey_edge.wire.structs import Statement
from honey_edge.wire.typed_data import Domain, digest
from queen_node.chain.leaves import SettleLeaf
from queen_node.chain.records import AccountState, OnchainAccount

NO_ACCOUNT, BAD_SLOT, COUNTER_DOWN, NOT_FUNDED, BAD_SIGNATURE, CLOSE_RUNNING, POOL_SHORT, TOO_MUCH = range(1, 9)
_MOST_SLOTS = 192
_RATE_DIVISOR = 4000


@dataclass(frozen=True, slots=True)
class Rules:
    """What the contract judges a batch by; `newest_slot` is the newest it takes, `rate` is maxPrice x maxPowerW.

    From `next_from_slot` on other limits are in force, which no view tells; there the simulation's word is taken.
    """

    domain: Domain
    hive: int
    newest_slot: int
    rate: int
    next_from_slot: int
    pool_micro: int


def rules_of(info: Mapping[str, Any], domain: Domain, hive: int, sender: str, now_slot: int, pool_micro: int) -> Rules:
    """The rules for a batch that `sender` brings, from the contract's `hiveInfo`."""
    newest = now_slot
    if sender != info["queen"] or now_slot < info["queenFromSlot"]:
        newest = min(now_slot, info["queenFromSlot"] - 1)
    rate = info["maxPrice"] * info["maxPowerW"]
    return Rules(domain, hive, newest, rate, info["nextFromSlot"], pool_micro)


def expected_skips(
    leaves: Sequence[SettleLeaf],
    accounts: Mapping[bytes, OnchainAccount],
    rules: Rules,
    told: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Reason by Worker (40 hex digits) for every leaf that will be skipped, judged in calldata order.

    `told` are the simulation's reasons, used only where the limits in force are not known here.
    """
    skipped, pool = {}, rules.pool_micro
    for leaf in leaves:
        account, worker = accounts[leaf.worker], leaf.worker.hex()
        reason = _judged(leaf, account, rules, pool, (told or {}).get(worker, 0))
        if reason:
            skipped[worker] = reason
        else:
            pool += leaf.net_micro - account.net_micro
    return skipped


def _judged(leaf: SettleLeaf, account: OnchainAccount, rules: Rules, pool: int, told: int) -> int:
    if account.state in (AccountState.NONE, AccountState.CLOSED):
        return NO_ACCOUNT
    if not account.slot < leaf.slot <= rules.newest_slot:
        return BAD_SLOT
    if leaf.import_milliwh < account.import_milliwh or leaf.export_milliwh < account.export_milliwh:
        return COUNTER_DOWN
    if leaf.net_micro > account.funding_micro:
        return NOT_FUNDED
    if not _signed(leaf, rules):
        return BAD_SIGNATURE
    if account.state is AccountState.CLOSING:
        return CLOSE_RUNNING
    return _money(leaf, account, rules, pool, told)


def _money(leaf: SettleLeaf, account: OnchainAccount, rules: Rules, pool: int, told: int) -> int:
    change = leaf.net_micro - account.net_micro
    passed = min(leaf.slot - account.slot, _MOST_SLOTS)
    if rules.next_from_slot and leaf.slot >= rules.next_from_slot:
        if told == TOO_MUCH:
            return TOO_MUCH
    elif abs(change) * _RATE_DIVISOR > passed * rules.rate:
        return TOO_MUCH
    return POOL_SHORT if pool + change < 0 else 0


def _signed(leaf: SettleLeaf, rules: Rules) -> bool:
    statement = Statement(
        rules.hive,
        leaf.worker,
        leaf.slot,
        leaf.net_micro,
        leaf.import_milliwh,
        leaf.export_milliwh,
        leaf.readings,
    )
    return signed_by(leaf.worker, digest(rules.domain, statement), leaf.signature)
