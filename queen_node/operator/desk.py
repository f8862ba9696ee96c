"""The operator's desk: the address book, the chain, and calls of the contracts by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from queen_node.chain.calls import Call
from queen_node.operator.book import Book
from queen_node.operator.port import Chain, Event

#: Artifact whose ABI is spoken at an entry of the book.
ABI_OF = {"BeekeeperImplementation": "Beekeeper"}


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything a command needs; no key and no network of its own."""

    book: Book
    chain: Chain

    def call(self, contract: str, function: str, *arguments: Any) -> Call:
        """A call of the contract that the book has under this name."""
        return Call(self.book.at(contract), ABI_OF.get(contract, contract), function, arguments)

    def read(self, contract: str, function: str, *arguments: Any) -> Any:
        """What a view function answers now."""
        return self.chain.read(self.call(contract, function, *arguments))

    def events(self, contract: str) -> list[Event]:
        """All events of a contract since the deployment."""
        return list(self.chain.events(ABI_OF.get(contract, contract), self.book.at(contract), self.book.block))

    def coin_call(self, coin: str, function: str, *arguments: Any) -> Call:
        """A call of any ERC-20 coin."""
        return Call(coin, "TestCoin", function, arguments)


def hex_of(value: Any) -> str:
    """An address or hash from the chain as hex without 0x, lower case."""
    text = value.hex() if isinstance(value, (bytes, bytearray)) else str(value)
    return text.removeprefix("0x").lower()


def plain(value: Any) -> Any:
    """A chain's answer as JSON values: bytes and addresses as hex without 0x."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (bytes, bytearray)) or (isinstance(value, str) and value.startswith("0x")):
        return hex_of(value)
    return value
