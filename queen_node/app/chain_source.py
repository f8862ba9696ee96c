"""The settlement contract as `chain_follow` asks for it, over the Queen's RPC addresses.

Logs are read with the agreement that money needs: a lying address can neither hide a close nor invent a deposit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from queen_node.app.account_rows import SeenAccount
from queen_node.app.chain_follow import OF_DEVICES, RangeTooWide
from queen_node.chain import BlockInfo, ChainUnreachable, OnchainAccount, PoolState
from queen_node.chain.calls import Call, decode_event, event_topic
from queen_node.chain.nodes import Nodes
from queen_node.chain.records import AccountState, LogEntry
from queen_node.store.chain_events import CloseRow, EventRow

CONTRACT = "EnergySettlement"
#: Words by which nodes say that a range holds too many blocks or logs; there is no common code for it.
_TOO_WIDE = ("too many", "too large", "block range", "more than", "limit exceeded", "query exceeds", "response size")


class SettlementSource:
    """A `WatchSource` of one Hive."""

    def __init__(self, nodes: Nodes, contract: str, hive: int, finality_depth: int | None) -> None:
        """`finality_depth` is the number of blocks on top until one is final; None: the chain's own rule."""
        self._nodes, self._contract, self._hive = nodes, contract, hive
        self._depth = finality_depth
        self._hive_topic = f"0x{hive:064x}"

    def head(self) -> BlockInfo:
        """The newest block that enough addresses agree on."""
        return self._nodes.head()

    def block(self, number: int) -> BlockInfo | None:
        """The block of this number; ChainUnreachable when too few addresses have it."""
        return self._nodes.block(number)

    def final_unix_s(self, head: BlockInfo) -> int:
        """The time of the newest block that can no longer be reorganised; 0 while there is none."""
        number = head.number - self._depth if self._depth is not None else self._nodes.final_number(None)
        return self._nodes.block(min(number, head.number)).at_unix_s if number >= 0 else 0

    def events(self, first: int, last: int) -> list[EventRow]:
        """The Hive's events, and those about devices, which name no Hive."""
        found = self._logs(first, last, (None, self._hive_topic))
        if topics := [topic for topic in map(_topic, OF_DEVICES) if topic]:
            found += self._logs(first, last, (topics,))
        rows = [row for row in map(event_row, found) if row is not None]
        return sorted(rows, key=lambda row: (row.number, row.log_index))

    def accounts(self, workers: Sequence[str], block: BlockInfo) -> Mapping[str, SeenAccount]:
        """Accounts after the block in one round, and in a second one the closes of those that are closing."""
        given = self._nodes.read_many([self._about("account", worker) for worker in workers], block.number)
        told = dict(zip(workers, given, strict=True))
        closing = [worker for worker, one in told.items() if one["state"] == AccountState.CLOSING]
        asked = self._nodes.read_many([self._about("closeOf", worker) for worker in closing], block.number)
        closes = {worker: _close(worker, one) for worker, one in zip(closing, asked, strict=True)}
        return {
            worker: SeenAccount(_account(one), int(one.get("permitSerial", 0)), closes.get(worker))
            for worker, one in told.items()
        }

    def pool(self, block: BlockInfo) -> PoolState:
        """The Hive's pool after the block."""
        told = self._nodes.read(Call(self._contract, CONTRACT, "poolOf", (self._hive,)), block.number)
        names = ("pool", "pending", "feeDue", "fees", "owedAccounts", "lastSlot", "nextBatch")
        return PoolState(*(int(told[name]) for name in names))

    def _about(self, function: str, worker: str) -> Call:
        return Call(self._contract, CONTRACT, function, (self._hive, worker))

    def _logs(self, first: int, last: int, topics: Sequence[Any]) -> list[LogEntry]:
        try:
            return self._nodes.logs(self._contract, first, last, topics)
        except ChainUnreachable as error:
            if first < last and any(words in str(error).lower() for words in _TOO_WIDE):
                raise RangeTooWide(str(error)) from error
            raise


def event_row(entry: LogEntry) -> EventRow | None:
    """A log entry as it is stored; None for an event that this release does not know."""
    decoded = decode_event(CONTRACT, entry.topics, entry.data)
    if decoded is None:
        return None
    name, arguments = decoded
    plain = {key: _plain(value) for key, value in arguments.items() if key not in ("hive", "worker")}
    worker = str(arguments.get("worker", ""))
    return EventRow(entry.block, entry.block_hash, entry.log_index, entry.tx_hash, name, worker, plain)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value


def _topic(event: str) -> str:
    """The topic of an event; empty where the contract of this release has none of the name."""
    try:
        return "0x" + event_topic(CONTRACT, event).hex()
    except ValueError:
        return ""


def _account(told: Mapping[str, Any]) -> OnchainAccount:
    return OnchainAccount(
        told["funding"],
        told["net"],
        told["imported"],
        told["exported"],
        told["slot"],
        AccountState(told["state"]),
        told["owed"],
        told["payout"],
    )


def _close(worker: str, told: Mapping[str, Any]) -> CloseRow:
    return CloseRow(
        worker, told["endsAt"], told["slot"], told["net"], told["newestSlot"], told["side"], told["starter"]
    )
