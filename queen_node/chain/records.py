"""What the chain answers, in the words of the rest of the Queen. Money in micro-coins, energy in milliwatt-hours."""

from dataclasses import dataclass
from enum import IntEnum


class AccountState(IntEnum):
    """Life of an account in the contract."""

    NONE = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3


@dataclass(frozen=True, slots=True)
class OnchainAccount:
    """One Worker's account; all zero when it never was opened. `net_micro` is what the Worker owes."""

    funding_micro: int
    net_micro: int
    import_milliwh: int
    export_milliwh: int
    slot: int
    state: AccountState
    owed: bool
    payout: str

    @property
    def spendable_micro(self) -> int:
        """What the Worker may still spend."""
        return self.funding_micro - self.net_micro


@dataclass(frozen=True, slots=True)
class PoolState:
    """A Hive's pool: what it holds, what its owner has asked to withdraw, fees still due and already put aside."""

    pool_micro: int
    pending_micro: int
    fee_due_micro: int
    fees_micro: int
    owed_accounts: int
    last_slot: int
    next_batch: int

    @property
    def short(self) -> bool:
        """Whether a good Statement waits because the pool could not pay it."""
        return self.owed_accounts > 0


@dataclass(frozen=True, slots=True)
class BlockInfo:
    """A block: its height, its time, its hash in hex without 0x, its base fee per gas."""

    number: int
    at_unix_s: int
    hash: str
    base_fee_wei: int = 0


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One event as the chain has it: `address`, `block_hash` and `tx_hash` in hex without 0x."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    block_hash: str
    log_index: int
    tx_hash: str


@dataclass(frozen=True, slots=True)
class TxReceipt:
    """What a mined transaction did; `status` 1 when it was carried out, `contract` the address it created."""

    tx_hash: str
    status: int
    gas_used: int
    gas_price_wei: int
    block: int
    block_hash: str
    contract: str
    logs: tuple[LogEntry, ...]


@dataclass(frozen=True, slots=True)
class LeafOutcome:
    """What a batch did to one account: `reason` 0 applied, else the number of `Skipped`; worker is 40 hex digits."""

    worker: str
    reason: int
    before: OnchainAccount
    after: OnchainAccount


@dataclass(frozen=True, slots=True)
class SettlementReceipt:
    """One mined `settle`; hashes are hex without 0x, outcomes in calldata order."""

    tx_hash: str
    status: int
    gas_used: int
    block: int
    block_hash: str
    block_unix_s: int
    slot: int
    batch: int
    root: str
    fee_micro: int
    fee_taken_micro: int
    pool_before_micro: int
    pool_after_micro: int
    packed: bytes
    outcomes: tuple[LeafOutcome, ...]

    @property
    def applied(self) -> tuple[str, ...]:
        """Workers settled."""
        return tuple(leaf.worker for leaf in self.outcomes if not leaf.reason)

    @property
    def skipped(self) -> dict[str, int]:
        """Workers left out, with the reason's number."""
        return {leaf.worker: leaf.reason for leaf in self.outcomes if leaf.reason}
