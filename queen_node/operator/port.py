"""What the operator's functions need of a chain: `engine.EngineChain` in truth, a fake in unit tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from queen_node.chain.calls import Call


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call takes: gas, and wei at today's fee; `exact` is false where it could only be estimated."""

    gas: int
    wei: int
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction in a block; hashes and addresses are hex without 0x, `created` empty for a call."""

    tx_hash: str
    succeeded: bool
    block: int
    gas_used: int
    cost_wei: int
    created: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block and the newest one that can no longer change."""

    number: int
    at_unix_s: int
    finalized: int


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a contract, decoded; `block` is its block's number."""

    name: str
    arguments: Mapping[str, Any]
    block: int


class Chain(Protocol):
    """One chain with one sending account; errors are Hive's own."""

    @property
    def chain_id(self) -> int:
        """The chain's number."""

    @property
    def sender(self) -> str:
        """The sending account, 40 hex digits."""

    def read(self, call: Call) -> Any:
        """What a view function answers now: one value or a tuple.

        Structures are dictionaries by member, addresses 40 hex digits.
        """

    def code(self, address: str) -> bytes:
        """The code at an address; empty when there is none."""

    def codes(self, addresses: Sequence[str]) -> Sequence[bytes]:
        """The code at many addresses, in few requests."""

    def word(self, address: str, slot: int) -> bytes:
        """32 bytes of a contract's storage."""

    def balance_wei(self, address: str) -> int:
        """What an account can spend on gas."""

    def nonce(self, address: str) -> int:
        """How many transactions an account has sent."""

    def head(self) -> Head:
        """Where the chain stands."""

    def fee_per_gas_wei(self) -> int:
        """What a unit of gas costs now."""

    def events(self, contract: str, address: str, from_block: int) -> Sequence[Event]:
        """The events of a contract since a block, oldest first; `contract` names the ABI."""

    def cost(self, calls: Sequence[Call]) -> Sequence[Cost]:
        """What calls made one after the other would cost; ContractRefuses for the first that would be refused."""

    def next_key(self, prefix: str) -> tuple[str, bool]:
        """The key for a transaction of this kind, and whether it is an unfinished one from before."""

    def known_key(self, key: str) -> tuple[str, bool]:
        """This key, and whether a transaction has it already."""

    def send(self, key: str, call: Call) -> Mined:
        """Sends once, whatever happened before, and waits for the block; TransactionFailed when it failed there."""

    def send_once(self, prefix: str, call: Call) -> Mined:
        """The same, and for ever: a transaction of this kind that succeeded before is answered with what it did."""

    def is_done(self, prefix: str) -> bool:
        """Whether a transaction of this kind is in a block and succeeded."""
