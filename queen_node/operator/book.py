"""The address book of a deployment: which contract is where, written after every step so that a stop loses nothing.

    {"v": 1, "chain_id": 1, "block": 123, "complete": true, "deployer": "40 hex", "source_hash": "...",
     "contracts": {"HVT": "40 hex", ...}, "roles": {"certifiers": [...], ...}, "coins": {"40 hex": "CHF"}}

`Beekeeper` is the proxy, `BeekeeperImplementation` the code behind it; `block` is the first block of the deployment,
from which events are read.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from honey_edge.model.ids import IdentityError, address_bytes
from queen_node.operator.errors import BookError

CONTRACTS = (
    "HVT",
    "HiveTimelock",
    "BeekeeperHives",
    "BeekeeperImplementation",
    "Beekeeper",
    "StakeVotes",
    "HiveGovernor",
    "SettlementClosing",
    "EnergySettlement",
    "FlexibilityPool",
    "Reputation",
)
OPTIONAL = ("TestCoin",)
_KEYS = {"v", "chain_id", "block", "complete", "deployer", "source_hash", "contracts", "roles", "coins"}


@dataclass(frozen=True, slots=True)
class Book:
    """Addresses are 40 lower-case hex digits."""

    chain_id: int
    deployer: str
    block: int = 0
    complete: bool = False
    source_hash: str = ""
    contracts: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, Any] = field(default_factory=dict)
    coins: Mapping[str, str] = field(default_factory=dict)

    def at(self, name: str) -> str:
        """The address of a contract; BookError when the book does not have it."""
        if name not in self.contracts:
            raise BookError(f"the address book has no {name}", next_step="finish the deployment: hive chain deploy")
        return self.contracts[name]

    def with_contract(self, name: str, address: str, block: int) -> "Book":
        """The same book with one more contract; the first sets the block."""
        return replace(self, contracts={**self.contracts, name: address}, block=self.block or block)

    def document(self) -> dict[str, Any]:
        """The book as JSON values, in the order a reader expects."""
        return {
            "v": 1,
            "chain_id": self.chain_id,
            "block": self.block,
            "complete": self.complete,
            "deployer": self.deployer,
            "source_hash": self.source_hash,
            "contracts": {name: self.contracts[name] for name in (*CONTRACTS, *OPTIONAL) if name in self.contracts},
            "roles": dict(self.roles),
            "coins": dict(self.coins),
        }


def write_book(file: Path, book: Book) -> None:
    """Replaces the file in one step: a reader sees the old book or the new one, never half of one."""
    beside = file.with_name(f"{file.name}.new")
    try:
        with beside.open("w", encoding="utf-8") as out:
            out.write(json.dumps(book.document(), indent=1) + "\n")
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)
    except OSError as error:
        raise BookError(f"{file}: {error.strerror}", next_step="choose a folder that can be written") from error


def read_book(file: Path) -> Book:
    """The book in a file, complete or not; BookError names what is wrong with it."""
    try:
        document = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise BookError(f"{file} is not there", next_step="give --book or HIVE_BOOK, or deploy first") from error
    except OSError as error:
        raise BookError(f"{file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BookError(f"{file} is not JSON: {error}") from error
    return parse_book(document, str(file))


def parse_book(document: object, place: str) -> Book:
    """The book that a JSON document stands for."""
    if not isinstance(document, dict) or document.get("v") != 1:
        raise BookError(f'{place}: an address book is a JSON object with "v": 1')
    if set(document) - _KEYS or not {"chain_id", "contracts"} <= set(document):
        raise BookError(f"{place}: an address book has chain_id and contracts, and only {', '.join(sorted(_KEYS))}")
    numbers = {name: document.get(name, 0) for name in ("chain_id", "block")}
    if any(type(value) is not int or value < 0 for value in numbers.values()):
        raise BookError(f"{place}: chain_id and block are whole numbers")
    contracts = _addresses(document["contracts"], f"{place}: contracts")
    unknown = sorted(set(contracts) - set(CONTRACTS) - set(OPTIONAL))
    if unknown:
        raise BookError(f"{place}: contracts.{unknown[0]} is no contract of this release")
    roles, coins = document.get("roles", {}), document.get("coins", {})
    if not isinstance(roles, dict) or not isinstance(coins, dict):
        raise BookError(f"{place}: roles and coins are JSON objects")
    return Book(
        chain_id=numbers["chain_id"],
        deployer=str(document.get("deployer", "")),
        block=numbers["block"],
        complete=document.get("complete", False) is True,
        source_hash=str(document.get("source_hash", "")),
        contracts=contracts,
        roles=roles,
        coins={str(key): str(value) for key, value in coins.items()},
    )


def _addresses(values: object, place: str) -> dict[str, str]:
    if not isinstance(values, dict):
        raise BookError(f"{place} is no JSON object")
    for name, value in values.items():
        try:
            address_bytes(str(value))
        except IdentityError as error:
            raise BookError(f"{place}.{name}: {error}") from error
    if len(set(values.values())) != len(values):
        raise BookError(f"{place}: one address stands there twice")
    return {str(name): str(value) for name, value in values.items()}


def complete_book(file: Path) -> Book:
    """A book that a whole deployment has written; an interrupted one is refused."""
    book = read_book(file)
    missing = [name for name in CONTRACTS if name not in book.contracts]
    if missing or not book.complete:
        raise BookError(
            f"{file}: the deployment is not finished ({', '.join(missing) or 'roles are not handed over'})",
            next_step="run the same hive chain deploy again; it goes on where it stopped",
        )
    return book
