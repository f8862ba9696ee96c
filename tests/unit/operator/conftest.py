"""A chain in memory for the operator's functions: answers by contract and function, sends by noting down."""

from collections.abc import Callable
from typing import Any

import pytest

from queen_node.chain.calls import Call
from queen_node.operator.book import CONTRACTS, Book
from queen_node.operator.desk import Desk
from queen_node.operator.errors import TransactionFailed
from queen_node.operator.port import Cost, Event, Head, Mined

OWNER = "ee" * 20
NOW = 2_000_000_000


class FakeChain:
    """`answers` maps contract.function to a value, or to a function of the arguments; `sent` is what was sent."""

    def __init__(self) -> None:
        self.chain_id, self.sender = 31337, OWNER
        self.answers: dict[str, Any] = {}
        self.code_at: dict[str, bytes] = {}
        self.told: list[Event] = []
        self.sent: list[tuple[str, Call]] = []
        self.unfinished: dict[str, str] = {}
        self.done: dict[str, Mined] = {}
        self.fails_at = -1
        self.balance = 10**18
        self.now_unix_s = NOW
        self.costs_asked: list[Call] = []

    def read(self, call: Call) -> Any:
        assert call.data
        answer = self.answers[f"{call.contract}.{call.function}"]
        return answer(*call.arguments) if isinstance(answer, Callable) else answer

    def code(self, address: str) -> bytes:
        return self.code_at.get(address, b"")

    def codes(self, addresses):
        return [self.code(address) for address in addresses]

    def word(self, address: str, slot: int) -> bytes:
        return bytes(32)

    def balance_wei(self, address: str) -> int:
        return self.balance

    def nonce(self, address: str) -> int:
        return len(self.sent)

    def head(self) -> Head:
        return Head(100, self.now_unix_s, 98)

    def fee_per_gas_wei(self) -> int:
        return 10**9

    def events(self, contract: str, address: str, from_block: int) -> list[Event]:
        return self.told

    def cost(self, calls):
        self.costs_asked += calls
        return [Cost(100_000, 10**14) for _ in calls]

    def next_key(self, prefix: str) -> tuple[str, bool]:
        if prefix in self.unfinished:
            return self.unfinished[prefix], True
        return f"{prefix}/{sum(key.startswith(prefix + '/') for key, _ in self.sent)}", False

    def known_key(self, key: str) -> tuple[str, bool]:
        return key, any(key == one for one, _ in self.sent)

    def send(self, key: str, call: Call) -> Mined:
        if len(self.sent) == self.fails_at:
            raise TransactionFailed(f"{key}: failed")
        self.sent.append((key, call))
        number = len(self.sent)
        return Mined(
            f"{number:064x}", True, 100 + number, 90_000, 9 * 10**13, f"{number:040x}" if not call.target else ""
        )

    def send_once(self, prefix: str, call: Call) -> Mined:
        if prefix not in self.done:
            self.done[prefix] = self.send(self.next_key(prefix)[0], call)
        return self.done[prefix]

    def is_done(self, prefix: str) -> bool:
        return prefix in self.done

    @property
    def functions(self) -> list[str]:
        return [call.function for _, call in self.sent]


@pytest.fixture
def chain() -> FakeChain:
    return FakeChain()


@pytest.fixture
def book() -> Book:
    places = {name: f"{number:040x}" for number, name in enumerate(CONTRACTS, 1)}
    return Book(31337, OWNER, 1, True, contracts=places, roles={})


@pytest.fixture
def desk(chain, book) -> Desk:
    return Desk(book, chain)
