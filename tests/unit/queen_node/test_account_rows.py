"""A frozen account is free again when its reason is over, and only then."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from queen_node.app.account_rows import SeenAccount, put_seen
from queen_node.chain import OnchainAccount
from queen_node.chain.records import AccountState
from queen_node.operator.channels import Counter, silenced
from queen_node.operator.errors import NotConfirmed
from queen_node.settings import EnrolledWorker
from queen_node.store import Store, accounts, books
from queen_node.store.records import StatementRow

WORKER = EnrolledWorker("01" * 20, "HP-1", 0, 0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path / 'queen.sqlite'}")
    see(made, 100)
    yield made
    made.close()


def see(store: Store, slot: int, state: AccountState = AccountState.OPEN) -> None:
    """A block shows the account settled up to a slot."""
    account = OnchainAccount(50_000_000, 0, 0, 0, slot, state, False, "02" * 20)
    with store.begin() as tx:
        put_seen(tx, {WORKER.address: WORKER}, {WORKER.address: SeenAccount(account, 0, None)}, 0)


def freeze(store: Store, reason: int | None) -> None:
    with store.begin() as tx:
        books.add_statement(tx, StatementRow(WORKER.address, 110, b"\1" * 32, 5, b"", b"\2" * 64, reason, 5), 110)
        accounts.freeze(tx, WORKER.address, True)


def frozen(store: Store) -> bool:
    with store.begin() as tx:
        (row,) = accounts.all_workers(tx)
    return row.frozen


def test_want_of_cover_ends_with_the_next_settlement(store: Store):
    freeze(store, 7)
    see(store, 100)
    assert frozen(store), "nothing was settled"
    see(store, 109)
    assert not frozen(store)


@pytest.mark.parametrize("reason", [1, 2, 3, 4, 5, 6])
def test_an_objection_to_figures_waits_for_the_operator(store: Store, reason: int):
    freeze(store, reason)
    see(store, 109)
    see(store, 109, AccountState.CLOSED)
    assert frozen(store)


def test_a_close_that_is_seen_takes_over_from_the_freeze(store: Store):
    freeze(store, 0)
    see(store, 109)
    assert frozen(store), "the account is still open"
    see(store, 109, AccountState.CLOSING)
    assert not frozen(store)


def test_no_statement_is_signed_while_a_close_is_sent(store: Store):
    counter = Counter(1, store)
    with silenced(counter, "HP-1"):
        assert frozen(store)
    assert frozen(store), "the close was sent"


def test_a_close_that_nobody_confirmed_leaves_the_account_as_it_was(store: Store):
    with pytest.raises(NotConfirmed), silenced(Counter(1, store), "HP-1"):
        raise NotConfirmed("no")
    assert not frozen(store)
    freeze(store, 4)
    with pytest.raises(NotConfirmed), silenced(Counter(1, store), "HP-1"):
        raise NotConfirmed("no")
    assert frozen(store), "an Objection is not forgotten"
