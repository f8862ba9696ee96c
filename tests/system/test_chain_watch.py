"""The Queen's watch on Foundry's node with the real contracts: deposits, closes, contests, reorganisations."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from drivers.sim.granted import GrantedClock
from honey_edge.billing.tariff import Tariff
from honey_edge.model.slots import last_slot_of_day
from honey_edge.wire.codec import encode
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.statement_message import CoverTold, statement_message
from honey_edge.wire.structs import CloseRequest, HiveTerms, Statement, WithdrawPermit
from honey_edge.wire.typed_data import Domain, digest
from queen_node.app.account_rows import put_seen
from queen_node.app.chain_follow import ChainFollower
from queen_node.app.chain_source import SettlementSource
from queen_node.app.chain_watch import ChainWatch
from queen_node.app.daily_settlement import DailySettlement, SettlementTools
from queen_node.app.dispute_guard import DisputeGuard
from queen_node.app.intent_rows import IntentRows
from queen_node.app.settle_day import Settlement, renew_evidence, settle_period
from queen_node.chain import SettlementChain
from queen_node.chain.calls import Call
from queen_node.chain.intents import IntentState
from queen_node.chain.panel import Fault
from queen_node.settings import BrokerSection, EnrolledWorker, HiveSection, Loaded, QueenSettings
from queen_node.store import Store, accounts, books, chain_events, permits, settlement_days, settlements
from queen_node.store.permits import PermitRow
from queen_node.store.records import StatementRow
from tests.chain_kit.faulty import faulty_rpc
from tests.chain_kit.hive import DEPOSIT_MICRO, HIVE, QUEEN_SECRET, SLOT, ChainHive, Deployer, anvil_hive, worker_secret

pytestmark = pytest.mark.system
CONTRACT = "EnergySettlement"


@dataclass
class Watched:
    """A Hive on a node, and the Queen's database and watch."""

    hive: ChainHive
    folder: Path

    def __post_init__(self) -> None:
        self.enrolled = tuple(EnrolledWorker(w, f"HW-{k}", 0, 0) for k, w in enumerate(self.hive.workers))
        self.domain = Domain(self.hive.chain_id, bytes.fromhex(self.hive.settlement))
        self.me = Deployer(self.hive.anvil)
        self.restart()

    def restart(self) -> None:
        """A Queen's process that has just started, on the database that is there."""
        self.store = Store(f"sqlite:///{self.folder / 'queen.sqlite'}")
        self.chain: SettlementChain = self.hive.chain(intents=IntentRows(self.store), finality="depth:2")
        self.watch, self.source = self.watch_on(self.store)

    def watch_on(self, store: Store) -> tuple[ChainWatch, SettlementSource]:
        source = SettlementSource(self.chain.nodes, self.hive.settlement, HIVE, 2)
        follower = ChainFollower(store, source, self.enrolled)
        sender = self.chain.transactions
        guard = DisputeGuard(store, sender, HIVE, self.hive.settlement)
        clock, turn = GrantedClock(0.0), asyncio.Lock()
        renew = partial(renew_evidence, store, self.chain, HIVE)
        return ChainWatch(clock, follower, guard, sender, 60, turn, self.chain.check, renew), source

    def look(self, times: int = 1) -> None:
        """Rounds of the watch, each at the node's time."""
        for _ in range(times):
            assert self.watch.look(self.hive.anvil.now_unix_s)

    def row(self, number: int) -> Any:
        with self.store.begin() as tx:
            return accounts.worker_named(tx, self.hive.workers[number])

    def send(self, function: str, *arguments: Any) -> Any:
        return self.me.send(self.hive.settlement, CONTRACT, function, *arguments, gas=2_000_000)

    def account(self, number: int) -> Any:
        return self.chain.nodes.read(Call(self.hive.settlement, CONTRACT, "account", (HIVE, self.hive.workers[number])))

    def close_of(self, number: int) -> Any:
        return self.chain.nodes.read(Call(self.hive.settlement, CONTRACT, "closeOf", (HIVE, self.hive.workers[number])))

    def statement(self, number: int, slot: int, net_micro: int) -> tuple[Statement, bytes, bytes]:
        """A Statement with both signatures, the Worker's first."""
        worker = KeySigner(worker_secret(number))
        made = Statement(HIVE, worker.address, slot, net_micro, slot % 10_000, 0, bytes(32))
        hashed = digest(self.domain, made)
        return made, worker.sign(hashed), KeySigner(QUEEN_SECRET).sign(hashed)

    def book(self, number: int, slot: int, net_micro: int) -> None:
        """Puts a Statement under both signatures into the Queen's book."""
        made, by_worker, by_queen = self.statement(number, slot, net_micro)
        message = encode(statement_message(made, by_queen, CoverTold(DEPOSIT_MICRO, 0, 0, 0), []))
        row = StatementRow(self.hive.workers[number], slot, digest(self.domain, made), net_micro, message)
        with self.store.begin() as tx:
            books.add_statement(tx, row, 0)
            books.answer_statement(tx, row.worker, slot, by_worker, 0, net_micro)

    def start_close(self, number: int, slot: int, net_micro: int) -> None:
        """The Worker starts a close on one of its Statements."""
        made, by_worker, by_queen = self.statement(number, slot, net_micro)
        request = CloseRequest(HIVE, made.worker, slot, self.hive.anvil.now_unix_s + 3_600)
        asked = KeySigner(worker_secret(number)).sign(digest(self.domain, request))
        types = "(uint32,address,uint32,uint48),(bytes32,bytes32)"
        types += ",(uint32,address,uint32,int64,uint48,uint48,bytes32),(bytes32,bytes32),(bytes32,bytes32)"
        fields = (words(request), halves(asked), words(made), halves(by_worker), halves(by_queen))
        self.send(f"startClose({types})", *fields)


def words(value: Any) -> tuple[Any, ...]:
    """A signed structure as a contract takes it."""
    return tuple(getattr(value, name) for name in value.__slots__)


def halves(signature: bytes) -> tuple[bytes, bytes]:
    return signature[:32], signature[32:]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with anvil_hive() as hive:
        made = Watched(hive, tmp_path)
        yield made
        made.store.close()


def state_of(store: Store) -> tuple[Any, ...]:
    with store.begin() as tx:
        return (
            chain_events.read_cursor(tx),
            chain_events.events_of(tx),
            accounts.all_workers(tx),
            chain_events.all_closes(tx),
        )


def same_as_a_fresh_read(watched: Watched) -> bool:
    store = Store("sqlite://")
    try:
        watch, _ = watched.watch_on(store)
        assert watch.look(watched.hive.anvil.now_unix_s)
        return state_of(store) == state_of(watched.store)
    finally:
        store.close()


def test_deposits_open_and_fund_accounts_and_their_reorganisation_takes_them_back(watched: Watched) -> None:
    watched.look()
    opened = [watched.row(number) for number in range(3)]
    assert all(row.is_open and row.funding_micro == DEPOSIT_MICRO for row in opened)
    assert {row.opening_slot for row in opened} == {watched.account(0)["slot"]}
    me, coin = watched.me, watched.hive.coin
    me.send(coin, "TestCoin", "mint", me.address, 9)
    me.send(coin, "TestCoin", "approve", watched.hive.settlement, 9)
    watched.send("deposit", HIVE, watched.hive.workers[0], 9)
    watched.look()
    assert watched.row(0).funding_micro == DEPOSIT_MICRO + 9
    watched.hive.anvil.reorg(1)
    watched.hive.anvil.drop_all()
    watched.look()
    assert watched.row(0).funding_micro == DEPOSIT_MICRO
    watched.hive.anvil.mine()
    watched.restart()
    watched.look()
    assert same_as_a_fresh_read(watched)


@pytest.mark.parametrize("depth", [2, 5, 10])
def test_a_reorganisation_of_many_blocks_ends_like_a_fresh_read(watched: Watched, depth: int) -> None:
    me = watched.me
    me.send(watched.hive.coin, "TestCoin", "mint", me.address, 100)
    me.send(watched.hive.coin, "TestCoin", "approve", watched.hive.settlement, 100)
    watched.look()
    for number in range(depth):
        watched.send("deposit", HIVE, watched.hive.workers[number % 3], 1)
        if number % 2:
            watched.look()
    watched.hive.anvil.reorg(depth)
    watched.hive.anvil.drop_all()
    watched.look()
    watched.send("deposit", HIVE, watched.hive.workers[2], 50)
    watched.look()
    assert same_as_a_fresh_read(watched)
    assert watched.row(2).funding_micro == watched.account(2)["funding"]


def test_an_old_state_is_contested_within_the_window_and_the_close_is_finished_after_it(watched: Watched) -> None:
    watched.book(0, SLOT - 20, 1_000_000)
    watched.book(0, SLOT - 10, 3_000_000)
    watched.look()
    watched.start_close(0, SLOT - 20, 1_000_000)
    assert watched.row(0).is_open
    watched.look()
    assert not watched.row(0).is_open
    watched.restart()
    watched.look(3)
    shown = watched.close_of(0)
    assert (shown["slot"], shown["net"]) == (SLOT - 10, 3_000_000)
    with watched.store.begin() as tx:
        (kept,) = chain_events.all_closes(tx)
    assert (kept.slot, kept.net_micro) == (SLOT - 10, 3_000_000)
    watched.hive.anvil.set_time(shown["endsAt"] - 10)
    watched.look()
    assert watched.close_of(0)["endsAt"] == shown["endsAt"]
    watched.hive.anvil.set_time(shown["endsAt"])
    watched.look(3)
    account = watched.account(0)
    assert (account["state"], account["net"], account["slot"]) == (3, 3_000_000, SLOT - 10)
    keys = [row.key for row in IntentRows(watched.store).find("")]
    worker = watched.hive.workers[0]
    assert keys == [f"contest/{HIVE}/{worker}/{SLOT - 10}", f"finish/{HIVE}/{worker}/{SLOT - 10}"]
    watched.hive.anvil.mine(5)
    watched.look(2)
    assert {row.state for row in IntentRows(watched.store).find("")} == {IntentState.FINAL}
    held, owed = watched.hive.books()
    assert held == owed


def test_a_close_on_the_newest_state_is_left_alone_until_its_window_is_over(watched: Watched) -> None:
    watched.book(1, SLOT - 10, 2_000_000)
    watched.start_close(1, SLOT - 10, 2_000_000)
    watched.look(3)
    assert IntentRows(watched.store).find("") == []


def test_a_contest_whose_block_is_reorganised_away_is_on_the_chain_again(watched: Watched) -> None:
    watched.book(0, SLOT - 20, 1_000_000)
    watched.book(0, SLOT - 10, 3_000_000)
    watched.start_close(0, SLOT - 20, 1_000_000)
    watched.hive.anvil.mine(3)
    watched.look(3)
    assert watched.close_of(0)["slot"] == SLOT - 10
    watched.hive.anvil.reorg(1)
    watched.hive.anvil.drop_all()
    assert watched.close_of(0)["slot"] == SLOT - 20
    watched.look(4)
    assert watched.close_of(0)["slot"] == SLOT - 10
    assert same_as_a_fresh_read(watched)


def test_a_re_opened_account_is_open_again_with_its_new_opening_slot(watched: Watched) -> None:
    watched.book(0, SLOT - 10, 2_000_000)
    watched.look()
    before = watched.row(0).opening_slot
    watched.start_close(0, SLOT - 10, 2_000_000)
    watched.look()
    watched.hive.anvil.set_time(watched.close_of(0)["endsAt"] + 900)
    watched.look(3)
    assert watched.account(0)["state"] == 3
    me = watched.me
    me.send(watched.hive.coin, "TestCoin", "mint", me.address, 7)
    me.send(watched.hive.coin, "TestCoin", "approve", watched.hive.settlement, 7)
    watched.send("deposit", HIVE, watched.hive.workers[0], 7)
    watched.look()
    row = watched.row(0)
    assert row.is_open
    assert row.opening_slot == watched.account(0)["slot"] > before
    assert row.chain_net_micro == 2_000_000
    assert same_as_a_fresh_read(watched)


def test_a_permit_counts_until_it_is_used_on_the_chain(watched: Watched) -> None:
    worker = watched.hive.workers[0]
    watched.look()
    now = watched.hive.anvil.now_unix_s
    permit = WithdrawPermit(HIVE, bytes.fromhex(worker), 4_000_000, watched.row(0).chain_slot, 1, now + 3_600)
    signature = KeySigner(QUEEN_SECRET).sign(digest(watched.domain, permit))
    with watched.store.begin() as tx:
        permits.add_permit(tx, PermitRow(worker, 1, permit.amount, permit.slot, permit.deadline, now, signature))
    watched.watch.look_at_all(now)
    assert watched.row(0).funding_micro == DEPOSIT_MICRO - 4_000_000
    watched.send("withdraw", words(permit), halves(signature))
    watched.look()
    assert watched.row(0).funding_micro == watched.account(0)["funding"] == DEPOSIT_MICRO - 4_000_000
    with watched.store.begin() as tx:
        assert permits.held_micro(tx, worker, 0) == 0


def test_a_settled_batch_is_seen_though_its_event_names_no_worker(watched: Watched) -> None:
    watched.look()
    leaves = tuple(watched.hive.leaf(number, net_micro=1_000_000 * (3 - number)) for number in (2, 1, 0))
    plan = Settlement(HIVE, SLOT // 96, SLOT, watched.hive.settlement, watched.hive.chain_id, leaves, {})
    (receipt,) = settle_period(watched.store, watched.chain, plan, 0)
    assert len(receipt.applied) == 3
    watched.look()
    assert evidence(watched) == [receipt.block_unix_s]
    assert [watched.row(number).chain_net_micro for number in range(3)] == [3_000_000, 2_000_000, 1_000_000]
    assert {watched.row(number).chain_slot for number in range(3)} == {SLOT}
    watched.hive.anvil.reorg(1)
    watched.hive.anvil.drop_all()
    watched.watch.catch_up(0)
    assert [watched.row(number).chain_net_micro for number in range(3)] == [0, 0, 0]
    watched.hive.anvil.set_time(watched.hive.anvil.now_unix_s + 500)
    watched.look(2)
    assert watched.row(0).chain_net_micro == 3_000_000
    (renewed,) = evidence(watched)
    assert renewed > receipt.block_unix_s + 400
    assert same_as_a_fresh_read(watched)


def evidence(watched: Watched) -> list[int]:
    """The block times in the evidence of settlements."""
    with watched.store.begin() as tx:
        return [json.loads(one)["block_unix_s"] for one in settlements.all_settlements(tx)]


def settings_of(watched: Watched) -> Loaded:
    """Settings as the daily settlement reads them."""
    hive = HiveSection(HIVE, watched.hive.chain_id, watched.hive.settlement, "aa" * 20, "bb" * 20, "t", "t", "w", "k")
    queen = QueenSettings(hive, BrokerSection("localhost", 8883, "queen", "ca", "c", "k"))
    terms = HiveTerms(HIVE, 1, 0, bytes(32), 0, 0, 20, 1_000_000, 20_000, 0, 2)
    tariff = Tariff("EUR", (1,) * 96, (1,) * 96, (), 10_000_000)
    return Loaded(queen, watched.folder, watched.domain, terms, tariff, b"", watched.enrolled)


def test_a_day_that_is_not_mined_waits_and_after_a_restart_the_same_transaction_settles_it(watched: Watched) -> None:
    day = SLOT // 96 - 1
    last = last_slot_of_day(day)
    for number in range(3):
        watched.book(number, last - number, 1_000_000 * (number + 1))

    def daily() -> DailySettlement:
        tools = SettlementTools(settings_of(watched), watched.store, watched.chain, watched.watch.look_at_all)
        return DailySettlement(GrantedClock(0.0), tools, asyncio.Lock())

    watched.look()
    watched.hive.anvil.automine(False)
    assert not asyncio.run(daily().attempt(day))
    (row,) = IntentRows(watched.store).find("settle/")
    with watched.store.begin() as tx:
        assert settlement_days.day_row(tx, day).outcome == settlement_days.WAITING
    watched.hive.anvil.automine(True)
    watched.hive.anvil.mine()
    watched.restart()
    assert asyncio.run(daily().attempt(day))
    (settled,) = IntentRows(watched.store).find("settle/")
    assert (settled.key, settled.tx_hash) == (f"settle/{HIVE}/{last}/0", row.tx_hash)
    watched.look()
    assert [watched.row(number).chain_net_micro for number in range(3)] == [1_000_000, 2_000_000, 3_000_000]
    assert len(evidence(watched)) == watched.hive.batches() == 1
    watched.hive.check_books()


def test_one_lying_address_of_three_neither_hides_a_close_nor_invents_one(watched: Watched) -> None:
    watched.book(0, SLOT - 10, 3_000_000)
    watched.start_close(0, SLOT - 20, 1_000_000)
    with faulty_rpc(watched.hive.anvil.url, 3) as proxies:
        proxies[1].lie_about("eth_getLogs", [])
        watched.chain = watched.hive.chain([one.url for one in proxies], IntentRows(watched.store), finality="depth:2")
        watched.watch, watched.source = watched.watch_on(watched.store)
        watched.look(3)
        assert watched.chain.nodes.panel.faults()[proxies[1].url.removeprefix("http://")] is Fault.LIES
    assert watched.close_of(0)["slot"] == SLOT - 10


def test_rows_of_a_look_and_of_the_watch_say_the_same(watched: Watched) -> None:
    watched.look()
    head = watched.source.head()
    seen = watched.source.accounts(watched.hive.workers, head)
    before = state_of(watched.store)
    with watched.store.begin() as tx:
        put_seen(tx, {one.address: replace(one) for one in watched.enrolled}, seen, 0)
    assert state_of(watched.store) == before
