"""A chain in memory that mines, reorganises, dies and changes its mind in the middle of an answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from queen_node.app.chain_follow import RangeTooWide, SeenAccount
from queen_node.chain import BlockInfo, OnchainAccount, PoolState
from queen_node.chain.records import AccountState
from queen_node.store.chain_events import CloseRow, EventRow

FINAL_DEPTH = 12
BLOCK_S = 12


class Killed(BaseException):
    """The process ended here; nothing may catch it."""


@dataclass(frozen=True)
class FakeBlock:
    """A block with its events as (name, worker, arguments)."""

    number: int
    hash: str
    events: tuple[tuple[str, str, dict[str, object]], ...]

    @property
    def info(self) -> BlockInfo:
        return BlockInfo(self.number, self.number * BLOCK_S, self.hash)


@dataclass
class FakeChain:
    """`calls` counts questions; `on_call` is run before each with its number."""

    blocks: list[FakeBlock] = field(default_factory=lambda: [FakeBlock(0, "00" * 32, ())])
    most_events: int = 1_000
    calls: int = 0
    on_call: Callable[[int], None] | None = None
    _made: int = 0

    def mine(self, *events: tuple[str, str, dict[str, object]]) -> FakeBlock:
        """A block on top; its hash differs from all others ever made."""
        self._made += 1
        hashed = sha256(f"{self.blocks[-1].hash}/{self._made}".encode()).hexdigest()
        self.blocks.append(FakeBlock(len(self.blocks), hashed, events))
        return self.blocks[-1]

    def drop(self, depth: int) -> None:
        """Takes the newest blocks away; the first one stays."""
        del self.blocks[max(1, len(self.blocks) - depth) :]

    def _asked(self) -> None:
        self.calls += 1
        if self.on_call is not None:
            self.on_call(self.calls)

    def head(self) -> BlockInfo:
        self._asked()
        return self.blocks[-1].info

    def block(self, number: int) -> BlockInfo | None:
        self._asked()
        return self.blocks[number].info if number < len(self.blocks) else None

    def final_unix_s(self, head: BlockInfo) -> int:
        self._asked()
        return max(0, head.number - FINAL_DEPTH) * BLOCK_S

    def events(self, first: int, last: int) -> list[EventRow]:
        self._asked()
        found = [
            EventRow(block.number, block.hash, index, "ab" * 32, name, worker, arguments)
            for block in self.blocks[first : last + 1]
            for index, (name, worker, arguments) in enumerate(block.events)
        ]
        if len(found) > self.most_events and first < last:
            raise RangeTooWide("too many events")
        return found

    def accounts(self, workers: list[str], block: BlockInfo) -> dict[str, SeenAccount]:
        self._asked()
        return {worker: self._account(worker, block.number) for worker in workers}

    def pool(self, block: BlockInfo) -> PoolState:
        self._asked()
        events = [event for one in self.blocks[: block.number + 1] for event in one.events]
        funded = sum(given["amountMicro"] for name, _, given in events if name == "PoolFunded")
        return PoolState(funded, 0, 0, 0, 0, 0, 0)

    def _account(self, worker: str, number: int) -> SeenAccount:
        funding = net = slot = serial = 0
        state, close = AccountState.NONE, None
        for block in self.blocks[: number + 1]:
            for name, named, given in block.events:
                if name == "BatchSettled" and worker in given["nets"]:
                    net, slot = given["nets"][worker], given["slot"]
                if named != worker:
                    continue
                if name == "AccountOpened":
                    state, slot = AccountState.OPEN, given["slot"]
                elif name == "Deposited":
                    funding += given["amountMicro"]
                elif name == "StatementApplied":
                    net, slot = given["net"], given["slot"]
                elif name == "Withdrawn":
                    funding, serial = funding - given["amountMicro"], given["serial"]
                elif state is AccountState.NONE:
                    continue
                elif name in ("CloseStarted", "CloseContested"):
                    state = AccountState.CLOSING
                    close = CloseRow(worker, given["endsAt"], given["slot"], given["net"], 0, 1, "99" * 20)
                elif name == "AccountClosed":
                    state, close = AccountState.CLOSED, None
        account = OnchainAccount(funding, net, 0, 0, slot, state, False, "00" * 20)
        return SeenAccount(account, serial, close)
