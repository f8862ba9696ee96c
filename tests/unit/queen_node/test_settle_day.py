"""What must hold for the daily settlement: each finished day once, whatever dies, and no Worker left out silently."""

import asyncio
import json
import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.sim.granted import GrantedClock
from queen_node.app.chain_accounts import ChainAway
from queen_node.app.daily_settlement import RETRY_S, DailySettlement, SettlementTools, due_day, due_unix_s
from queen_node.app.settle_day import keep_plan, plan_of, settle_period
from queen_node.chain import CallReverted, ChainUnreachable, OnchainAccount, SettlementReceipt, leaves, unpack_leaves
from queen_node.chain.records import AccountState, LeafOutcome
from queen_node.settings import BrokerSection, ChainSection, EnrolledWorker, HiveSection, Loaded, QueenSettings
from queen_node.store import accounts, settlement_days, settlements
from queen_node.store.settlement_days import NOTHING, PARTLY, SETTLED, WAITING

from .fake_chain import Killed

DAY = 19_800
LAST = DAY * 96 + 95
WAIT_S = 40


class FakeSettlement:
    """A chain that keeps one set of bytes for every key, as the intents do, and can refuse, die or skip."""

    def __init__(self):
        self.rows, self.mined, self.sent = {}, {}, []
        self.fail, self.skips = lambda key, sent: None, {}

    def settle_batch(self, hive, slot, batch, packed):
        key = (hive, slot, batch)
        self.sent.append(key)
        self.fail(key, False)
        packed = self.rows.setdefault(key, packed)
        if key not in self.mined:
            self.mined[key] = packed
        self.fail(key, True)
        empty = OnchainAccount(0, 0, 0, 0, 0, AccountState.OPEN, False, "00" * 20)
        outcomes = [
            LeafOutcome(leaf.worker.hex(), self.skips.get(leaf.worker.hex(), 0), empty, empty)
            for leaf in unpack_leaves(packed)
        ]
        number = len(self.mined)
        return SettlementReceipt(
            "ab" * 32, 1, 21_000, number, "cd" * 32, 0, slot, batch, "ef" * 32, 0, 0, 0, 0, packed, tuple(outcomes)
        )


def loaded_of(world):
    domain = world.agreement.domain
    hive = HiveSection(7, 31337, domain.contract.hex(), "aa" * 20, "bb" * 20, "t", "t", "w", "k")
    broker = BrokerSection("localhost", 8883, "queen", "ca", "c", "k")
    queen = QueenSettings(hive, broker, chain=ChainSection(rpc_urls=("http://127.0.0.1:1",)))
    workers = tuple(EnrolledWorker(w.name, f"HW-{k}", 0, 0) for k, w in enumerate(world.workers))
    return Loaded(queen, Path(), domain, world.terms, world.tariff, b"", workers)


def live(world, first, last, step_milliwh=400_000):
    """Slots `first`..`last` closed and countersigned; the homes use more the higher their number, the last sells."""
    for slot in range(first, last + 1):
        world.now_unix_s = (slot + 1) * 900.0
        done = slot - (DAY * 96 + 90)
        for k, worker in enumerate(world.workers):
            sells = k == len(world.workers) - 1
            counters = (0, done * step_milliwh) if sells else (done * step_milliwh * (k + 1), 0)
            world.send(worker, worker.read(slot, *counters))
        if slot > DAY * 96 + 90:
            world.closer.close(slot)
            world.countersign_all()


@pytest.fixture
def day_over(world):
    """A Hive whose day is closed and countersigned to its end."""
    live(world, DAY * 96 + 90, LAST)
    return world


def daily_of(world, chain, clock=None, refresh=lambda now: None):
    tools = SettlementTools(loaded_of(world), world.store, chain, refresh)
    return DailySettlement(clock or GrantedClock(0.0), tools, asyncio.Lock())


def outcome(world, day=DAY):
    with world.store.begin() as tx:
        row = settlement_days.day_row(tx, day)
    return None if row is None else row.outcome


def evidence(world):
    with world.store.begin() as tx:
        return [json.loads(one) for one in settlements.all_settlements(tx)]


@given(st.integers(0, 10**9), st.integers(0, 600), st.one_of(st.none(), st.integers(0, 12_000)))
def test_only_a_day_that_is_over_for_long_enough_is_due_and_none_twice(now, wait, done):
    day = due_day(now, wait, done)
    assert done is None or day > done or day == (now - wait) // 86_400 - 1
    if done is None or done < day - 1:
        assert due_unix_s(day, wait) <= now < due_unix_s(day + 1, wait)
    if done == day - 1:
        assert now < due_unix_s(day + 1, wait)


def test_a_day_is_settled_after_its_end_payers_first_with_its_evidence(day_over, caplog):
    chain = FakeSettlement()
    with caplog.at_level(logging.INFO):
        assert asyncio.run(daily_of(day_over, chain).attempt(DAY))
    (packed,) = chain.mined.values()
    nets = [leaf.net_micro for leaf in unpack_leaves(packed)]
    assert nets == sorted(nets, reverse=True)
    assert nets[0] > 0 > nets[-1]
    assert outcome(day_over) == SETTLED
    assert [(one["slot"], one["packed"]) for one in evidence(day_over)] == [(LAST, packed.hex())]
    (line,) = [r.getMessage() for r in caplog.records if "day_settled" in r.getMessage()]
    assert f"day={DAY} slot={LAST} workers=3 skipped=0" in line


def test_in_granted_time_every_day_is_settled_once_at_its_time_and_never_early(world):
    chain = FakeSettlement()
    live(world, DAY * 96 + 90, LAST - 1)

    async def run():
        clock = GrantedClock(due_unix_s(DAY, WAIT_S) - 3_600.0)
        task = asyncio.create_task(daily_of(world, chain, clock).run(), name="settlement")
        await asyncio.sleep(0)
        await clock.grant(due_unix_s(DAY, WAIT_S) + 30.0)
        assert {key[1] for key in chain.mined} == set()
        live(world, LAST, LAST)
        await clock.grant(due_unix_s(DAY, WAIT_S) + 90.0)
        assert list(chain.mined) == [(7, LAST, 0)]
        await clock.grant(due_unix_s(DAY, WAIT_S) + 40_000.0)
        assert chain.sent == [(7, LAST, 0)]
        live(world, LAST + 1, LAST + 1)
        await clock.grant(due_unix_s(DAY + 1, WAIT_S) + 4_000.0)
        assert len(chain.mined) == 1
        task.cancel()

    asyncio.run(run())
    assert outcome(world, DAY - 1) in (None, NOTHING)
    assert outcome(world, DAY + 1) is None


def test_an_absent_chain_leaves_the_day_waiting_and_an_hour_later_the_same_bytes_are_sent(
    day_over, monkeypatch, caplog
):
    monkeypatch.setattr(leaves, "MAX_LEAVES", 1)
    chain = FakeSettlement()
    away = [True]

    def fail(key, sent):
        if away[0] and key[2] == 1:
            raise ChainUnreachable("node", "refused")

    chain.fail = fail

    async def run():
        clock = GrantedClock(due_unix_s(DAY, WAIT_S))
        task = asyncio.create_task(daily_of(day_over, chain, clock).run(), name="settlement")
        await asyncio.sleep(0)
        await clock.grant(due_unix_s(DAY, WAIT_S) + 1.0)
        assert outcome(day_over) == WAITING
        assert len(evidence(day_over)) == 1
        live(day_over, LAST + 1, LAST + 2)
        away[0] = False
        await clock.grant(due_unix_s(DAY, WAIT_S) + RETRY_S + 1.0)
        task.cancel()

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    assert outcome(day_over) == SETTLED
    assert [key[2] for key in chain.sent] == [0, 1, 0, 1, 2]
    assert {leaf.slot for packed in chain.mined.values() for leaf in unpack_leaves(packed)} == {LAST}
    assert [one["batch"] for one in evidence(day_over)] == [0, 1, 2]
    assert sum("day_not_settled" in r.getMessage() for r in caplog.records) == 1


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.booleans()), max_size=5))
def test_killed_anywhere_each_batch_ends_settled_once_with_the_bytes_first_planned(make_world, deaths):
    world = make_world(3)
    live(world, DAY * 96 + 90, LAST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leaves, "MAX_LEAVES", 1)
        chain, planned = FakeSettlement(), []
        for batch, after, new_state in deaths:
            chain.fail = lambda key, sent, b=batch, a=after: dies(key[2] == b and sent is a)
            with pytest.raises(Killed):
                run_once(world, chain)
            with world.store.begin() as tx:
                planned.append(settlement_days.plan_at(tx, LAST))
            if new_state:
                with world.store.begin() as tx:
                    row = accounts.worker_named(tx, world.workers[0].name)
                    accounts.put_worker(tx, type(row)(row.worker, row.serial, False, row.opening_slot, 0))
        chain.fail = lambda key, sent: None
        run_once(world, chain)
    assert all(plan == planned[0] for plan in planned)
    assert set(chain.mined) == {(7, LAST, k) for k in range(3)}
    assert [one["packed"] for one in evidence(world)] == [chain.mined[7, LAST, k].hex() for k in range(3)]
    assert outcome(world) == SETTLED
    world.store.close()


def run_once(world, chain):
    """A Queen's process that settles the day."""
    daily_of(world, chain).settle(DAY, due_unix_s(DAY, WAIT_S))


def dies(now):
    if now:
        raise Killed


def test_a_worker_left_out_is_an_alarm_with_its_reason(day_over, caplog):
    chain = FakeSettlement()
    chain.skips = {day_over.workers[1].name: 4}
    with caplog.at_level(logging.INFO):
        assert asyncio.run(daily_of(day_over, chain).attempt(DAY))
    assert outcome(day_over) == PARTLY
    (alarm,) = [r for r in caplog.records if "settlement_skipped" in r.getMessage()]
    assert alarm.levelname == "WARNING"
    assert day_over.workers[1].name in alarm.getMessage()
    assert "more owed than was paid in" in alarm.getMessage()


def test_a_day_the_contract_refuses_is_an_error_and_the_next_day_carries_it(day_over, caplog):
    chain = FakeSettlement()

    def fail(key, sent):
        if key[1] == LAST:
            raise CallReverted("settle", "PeriodGoesBack", "")

    chain.fail = fail
    with caplog.at_level(logging.INFO):
        assert not asyncio.run(daily_of(day_over, chain).attempt(DAY))
        assert outcome(day_over) == WAITING
        live(day_over, LAST + 94, LAST + 96)
        assert asyncio.run(daily_of(day_over, chain).attempt(DAY + 1))
    assert (outcome(day_over), outcome(day_over, DAY + 1)) == (NOTHING, SETTLED)
    (packed,) = chain.mined.values()
    assert [leaf.slot for leaf in unpack_leaves(packed)] == [LAST + 96] * 3
    levels = {r.getMessage().split()[0]: r.levelname for r in caplog.records}
    assert (levels["day_not_settled"], levels["day_given_up"]) == ("ERROR", "ERROR")


def test_a_day_without_new_statements_is_done_without_a_transaction(day_over):
    with day_over.store.begin() as tx:
        for row in accounts.all_workers(tx):
            accounts.put_worker(tx, type(row)(row.worker, row.serial, True, row.opening_slot, 5, False, LAST, 0))
    chain = FakeSettlement()
    assert asyncio.run(daily_of(day_over, chain).attempt(DAY))
    assert (chain.sent, outcome(day_over)) == ([], NOTHING)


def test_accounts_are_read_again_before_money_moves_and_nothing_is_sent_when_that_fails(day_over):
    chain = FakeSettlement()

    def refresh(now):
        raise ChainAway("no answer")

    assert not asyncio.run(daily_of(day_over, chain, refresh=refresh).attempt(DAY))
    assert chain.sent == []


def test_settling_a_running_day_by_hand_leaves_the_day_to_be_settled_at_its_end(world):
    live(world, DAY * 96 + 90, LAST - 2)
    loaded, chain = loaded_of(world), FakeSettlement()
    settle_period(world.store, chain, plan_of(loaded, world.store, DAY), 0)
    assert list(chain.mined) == [(7, LAST - 2, 0)]
    assert outcome(world) is None
    live(world, LAST - 1, LAST)
    assert asyncio.run(daily_of(world, chain).attempt(DAY))
    assert outcome(world) == SETTLED


def test_a_plan_is_written_once(day_over):
    plan = plan_of(loaded_of(day_over), day_over.store, DAY)
    first = keep_plan(day_over.store, plan, 0)
    live(day_over, LAST + 1, LAST + 1)
    with day_over.store.begin() as tx:
        for row in accounts.all_workers(tx)[:1]:
            accounts.put_worker(tx, type(row)(row.worker, row.serial, False, row.opening_slot, 5))
    assert keep_plan(day_over.store, plan_of(loaded_of(day_over), day_over.store, DAY), 1) == first
