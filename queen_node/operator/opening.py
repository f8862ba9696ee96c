"""Opening a desk: the owner's (address book, RPC addresses, key file) or the Queen's (settings).

The owner's transactions are rows of a SQLite file beside the address book, the Queen's of her own database.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from honey_edge.wire.signing import KeySigner, secret_of
from queen_node.app.intent_rows import IntentRows
from queen_node.chain.nodes import Nodes
from queen_node.chain.policy import TxPolicy
from queen_node.chain.rpc import HttpEndpoint, Refusal, Request
from queen_node.operator.book import Book, complete_book, read_book
from queen_node.operator.channels import Counter
from queen_node.operator.desk import Desk
from queen_node.operator.engine import EngineChain
from queen_node.operator.errors import BookError, InputError
from queen_node.settings import Loaded, queen_signer, sender_key
from queen_node.store import Store


def key_secret(file: Path, name: str = "--key") -> bytes:
    """The secret in a key file; InputError when it cannot be read, KeyFileError when it will not do."""
    try:
        return secret_of(file.read_text("ascii"), file.stat().st_mode, str(file))
    except FileNotFoundError as error:
        raise InputError(f"{name}: {file} is not there") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: {file} cannot be read: {error}") from error


def certifier(key: Path | None) -> KeySigner:
    """The signer of certificates."""
    if key is None:
        raise InputError("--key: is missing", next_step="give the certifier's key file with --key or HIVE_KEY")
    return KeySigner(key_secret(key))


def checked_urls(rpc: Sequence[str]) -> tuple[str, ...]:
    """RPC addresses; each entry may hold several, separated by spaces, as an environment variable does."""
    urls = tuple(url for entry in rpc for url in entry.split())
    if not urls:
        raise InputError("--rpc: is missing", next_step="give --rpc URL or HIVE_RPC")
    for url in urls:
        if not url.startswith(("http://", "https://")):
            raise InputError(f"--rpc: {url[:60]!r} is no http or https address")
    return urls


def chain_id_of(urls: Sequence[str]) -> int:
    """The number of the chain that the first address belongs to; RpcDown when it does not answer."""
    (answer,) = HttpEndpoint(urls[0]).send([Request("eth_chainId")])
    if isinstance(answer, Refusal):
        raise InputError(f"--rpc: {urls[0]} does not say which chain it belongs to: {answer.message}")
    return int(str(answer), 16)


#: A person confirms every command, so a day may hold a whole deployment at high fees.
OWNERS_POLICY = TxPolicy(frozenset(), fee_cap_day_wei=10 * 10**18)


@contextmanager
def rows_beside(book: Path, sends: bool = True) -> Iterator[IntentRows]:
    """The table of transactions beside an address book; one in memory where nothing can be sent."""
    if not book.parent.is_dir():
        raise BookError(f"{book.parent}: is no folder")
    store = Store(f"sqlite:///{book.resolve()}.sqlite" if sends else "sqlite://")
    try:
        yield IntentRows(store)
    finally:
        store.close()


@contextmanager
def deployer_chain(rpc: Sequence[str], out: Path, key: Path) -> Iterator[EngineChain]:
    """The chain for a deployment whose address book will be `out`."""
    urls, secret = checked_urls(rpc), key_secret(key)
    with rows_beside(out) as rows:
        yield EngineChain(Nodes(urls, chain_id_of(urls)), rows, secret, time.time, OWNERS_POLICY)


@contextmanager
def owner_desk(rpc: Sequence[str], book: Path | None, key: Path | None) -> Iterator[Desk]:
    """The owner's desk; without a key it only answers questions."""
    if book is None:
        raise InputError("--book: is missing", next_step="give --book FILE or HIVE_BOOK")
    known, urls = complete_book(book), checked_urls(rpc)
    secret = None if key is None else key_secret(key)
    with rows_beside(book, secret is not None) as rows:
        yield Desk(known, EngineChain(Nodes(urls, known.chain_id), rows, secret, time.time, OWNERS_POLICY))


@dataclass(frozen=True, slots=True)
class QueenDesk:
    """The Queen's desk: her chain, her database, her settings."""

    desk: Desk
    counter: Counter
    loaded: Loaded
    chain: EngineChain


@contextmanager
def queen_desk(loaded: Loaded, store: Store, book: Path | None = None) -> Iterator[QueenDesk]:
    """The desk of the Queen that the settings describe; transactions are rows of her own database."""
    settings = loaded.settings
    if not settings.chain.rpc_urls:
        raise InputError("this Hive has no chain", next_step="name [chain] rpc_urls in the settings")
    key = sender_key(loaded)
    nodes = Nodes(
        settings.chain.rpc_urls, settings.hive.chain_id, settings.chain.agreement, settings.chain.max_lag_blocks
    )
    policy = TxPolicy(
        frozenset(),
        fee_cap_tx_wei=settings.chain.fee_cap_tx_wei,
        fee_cap_day_wei=settings.chain.fee_cap_day_wei,
        replace_after_blocks=settings.chain.replace_after_blocks,
        finality=settings.chain.finality,
    )
    chain = EngineChain(nodes, IntentRows(store), key, time.time, policy)
    desk = Desk(_queens_book(loaded, book), chain)
    yield QueenDesk(desk, Counter(settings.hive.hive, store, queen_signer(loaded)), loaded, chain)


def _queens_book(loaded: Loaded, book: Path | None) -> Book:
    """The address book that the settings name; without one the settlement contract alone."""
    settings = loaded.settings
    name = str(book) if book else settings.chain.address_book
    if not name:
        return Book(settings.hive.chain_id, "", contracts={"EnergySettlement": settings.hive.contract}, complete=True)
    found = read_book(loaded.path(name))
    if found.at("EnergySettlement") != settings.hive.contract or found.chain_id != settings.hive.chain_id:
        raise BookError(f"{name}: has another EnergySettlement or chain than [hive] in the settings")
    return found
