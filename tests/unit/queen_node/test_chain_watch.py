"""What must hold for the watcher: whatever the chain does meanwhile, the store ends as if read once, from the start."""

import asyncio
import logging
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.sim.granted import GrantedClock
from queen_node.app.accounts_view import FileAccounts, build_chain_work, pause_until
from queen_node.app.chain_accounts import ChainAway
from queen_node.app.chain_follow import ChainFollower, RangeTooWide
from queen_node.app.chain_watch import FULL_LOOK_S, ChainWatch, tell_step
from queen_node.chain import ChainUnreachable, CodeMismatch
from queen_node.settings import BrokerSection, ChainSection, EnrolledWorker, HiveSection, Loaded, QueenSettings
from queen_node.store import Store, accounts, chain_events, permits
from queen_node.store.permits import PermitRow
from queen_node.store.records import WorkerRow

from .fake_chain import BLOCK_S, FINAL_DEPTH, FakeChain, Killed

WORKERS = tuple(EnrolledWorker(f"{k:02x}" * 20, f"HW-{k}", 0, 0) for k in (1, 2, 3))
A, B = WORKERS[0].address, WORKERS[1].address
STRANGER = "ee" * 20


def opened(worker, slot):
    return ("AccountOpened", worker, {"slot": slot, "payout": "77" * 20})


def deposited(worker, amount):
    return ("Deposited", worker, {"from": "66" * 20, "amountMicro": amount})


def applied(worker, slot, net):
    return ("StatementApplied", worker, {"slot": slot, "net": net})


def close_started(worker, slot, net, ends_at):
    return ("CloseStarted", worker, {"slot": slot, "net": net, "endsAt": ends_at, "side": 1, "newestSlot": 0})


def closed(worker, slot):
    return ("AccountClosed", worker, {"slot": slot, "paidMicro": 0, "claimMicro": 0})


def follow(store, chain, **options):
    """Steps until the head, as often as it takes."""
    follower = ChainFollower(store, chain, WORKERS, **options)
    for _ in range(1_000):
        step = follower.step(0)
        if step.at_head:
            return follower
    raise AssertionError("never at the head")


def stored(store):
    """Everything the watcher keeps but the block hashes, of which a fresh read knows fewer.

    A row of an account that was never opened says the same as no row.
    """
    with store.begin() as tx:
        cover = accounts.read_cover(tx)
        return (
            chain_events.read_cursor(tx),
            chain_events.events_of(tx),
            [row for row in accounts.all_workers(tx) if row != WorkerRow(row.worker, row.serial, False, 0, 0)],
            chain_events.all_closes(tx),
            (cover.pool_micro, cover.block),
            chain_events.touched(tx),
        )


def fresh(chain):
    store = Store("sqlite://")
    try:
        follow(store, chain)
        return stored(store)
    finally:
        store.close()


@pytest.fixture
def store():
    made = Store("sqlite://")
    yield made
    made.close()


EVENT = st.one_of(
    st.builds(opened, st.sampled_from([A, B, STRANGER]), st.integers(1, 500)),
    st.builds(deposited, st.sampled_from([A, B, STRANGER]), st.integers(1, 10**6)),
    st.builds(applied, st.sampled_from([A, B]), st.integers(1, 500), st.integers(-1000, 1000)),
    st.builds(close_started, st.sampled_from([A, B]), st.integers(1, 500), st.integers(-9, 9), st.integers(1, 10**6)),
    st.builds(closed, st.sampled_from([A, B]), st.integers(1, 500)),
    st.builds(lambda amount: ("PoolFunded", "", {"amountMicro": amount}), st.integers(1, 10**6)),
)
BATCH = st.dictionaries(st.sampled_from([A, B]), st.integers(-1000, 1000), min_size=1)
EVENT |= st.builds(lambda slot, nets: ("BatchSettled", "", {"slot": slot, "nets": nets}), st.integers(1, 500), BATCH)
BLOCK = st.lists(EVENT, max_size=4)
ACTION = st.one_of(
    st.tuples(st.just("mine"), st.lists(BLOCK, min_size=1, max_size=6)),
    st.tuples(st.just("reorganise"), st.integers(1, 10), st.lists(BLOCK, min_size=1, max_size=12)),
    st.tuples(st.just("step")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("kill"), st.integers(1, 9)),
    st.tuples(st.just("race"), st.integers(1, 9), st.integers(1, 10), st.lists(BLOCK, min_size=1, max_size=3)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTION, max_size=25), st.integers(1, 7), st.integers(1, 6))
def test_any_order_of_blocks_reorganisations_and_restarts_ends_like_a_fresh_read(actions, span, most_events):
    chain, store, height = FakeChain(most_events=most_events), Store("sqlite://"), 0
    follower = ChainFollower(store, chain, WORKERS, largest_span=span)
    for name, *given_ in actions:
        chain.calls, chain.on_call = 0, None
        if name == "mine":
            mine(chain, given_[0])
        elif name == "reorganise":
            reorganise(chain, *given_)
        elif name == "step":
            follower.step(0)
        elif name == "kill":
            chain.on_call = lambda number, at=given_[0]: dies(number, at)
            try:
                follower.step(0)
            except Killed:
                follower = ChainFollower(store, chain, WORKERS, largest_span=span)
        elif name == "race":
            chain.on_call = lambda number, g=given_: reorganise(chain, *g[1:]) if number == g[0] else None
            follower.step(0)
        else:
            follower = ChainFollower(store, chain, WORKERS, largest_span=span)
        height = max(height, len(chain.blocks))
    chain.on_call = None
    mine(chain, [[]] * (height + 1 - len(chain.blocks)))
    follow(store, chain, largest_span=span)
    try:
        assert stored(store) == fresh(chain)
    finally:
        store.close()


def mine(chain, blocks):
    for events in blocks:
        chain.mine(*events)


def reorganise(chain, depth, blocks):
    chain.drop(depth)
    mine(chain, blocks)


def dies(number, at):
    if number == at:
        raise Killed


def test_a_deposit_opens_an_account_and_its_reorganisation_takes_it_back(store):
    chain = FakeChain()
    chain.mine(opened(A, 100), deposited(A, 5))
    follow(store, chain)
    with store.begin() as tx:
        row = accounts.worker_named(tx, A)
        assert (row.is_open, row.opening_slot, row.funding_micro) == (True, 100, 5)
        assert accounts.worker_named(tx, B) is None
    reorganise(chain, 1, [[], [deposited(B, 1)]])
    follow(store, chain)
    with store.begin() as tx:
        assert not accounts.worker_named(tx, A).is_open
        assert [event.worker for event in chain_events.events_of(tx)] == [B]


def test_a_re_opened_account_has_the_new_opening_slot_even_when_both_happened_between_two_looks(store):
    chain = FakeChain()
    chain.mine(opened(A, 100), deposited(A, 5))
    follow(store, chain)
    chain.mine(close_started(A, 150, 0, 9), closed(A, 150), opened(A, 180), deposited(A, 7))
    follow(store, chain)
    with store.begin() as tx:
        row = accounts.worker_named(tx, A)
    assert (row.is_open, row.opening_slot, row.funding_micro) == (True, 180, 12)


def test_a_running_close_is_kept_until_it_ends_and_closes_the_account_for_statements(store):
    chain = FakeChain()
    chain.mine(opened(A, 100), deposited(A, 5))
    chain.mine(close_started(A, 120, -3, 777))
    follow(store, chain)
    with store.begin() as tx:
        (close,) = chain_events.all_closes(tx)
        assert (close.worker, close.slot, close.net_micro, close.ends_at_unix_s) == (A, 120, -3, 777)
        assert not accounts.worker_named(tx, A).is_open
    chain.mine(closed(A, 120))
    follow(store, chain)
    with store.begin() as tx:
        assert chain_events.all_closes(tx) == []


def test_a_node_that_lags_on_the_same_chain_takes_nothing_back(store):
    chain = FakeChain()
    mine(chain, [[opened(A, 1)], [deposited(A, 5)], []])
    follow(store, chain)
    before = stored(store)
    ahead = chain.blocks[:]
    chain.drop(2)
    follow(store, chain)
    assert stored(store) == before
    chain.blocks = ahead
    follow(store, chain)
    assert stored(store) == before


@pytest.mark.parametrize("call", range(1, 9))
def test_two_queens_on_one_database_store_every_event_once(store, call):
    chain = FakeChain()
    mine(chain, [[opened(A, 1)], [deposited(A, 5)], [deposited(B, 2)]])
    chain.on_call = lambda number: number == call and follow(store, chain)
    follow(store, chain)
    reorganise(chain, 2, [[], [deposited(A, 9)], []])
    chain.calls = 0
    follow(store, chain)
    assert stored(store) == fresh(chain)


def test_another_chain_altogether_is_read_from_the_start(store):
    chain = FakeChain()
    mine(chain, [[opened(A, 1)], [deposited(A, 5)]] * 3)
    follow(store, chain)
    other = FakeChain(_made=1_000)
    other.blocks = []
    other.blocks.append(type(chain.blocks[0])(0, "11" * 32, ()))
    mine(other, [[]] * 8 + [[opened(B, 9)]])
    follow(store, other)
    assert stored(store)[1] == fresh(other)[1]


def test_a_ban_of_an_enrolled_meter_is_kept_and_one_of_another_hive_is_not(store):
    chain = FakeChain()
    chain.mine(("MeterBanned", A, {}), ("MeterBanned", STRANGER, {}), deposited(STRANGER, 4))
    follow(store, chain)
    with store.begin() as tx:
        kept = [(event.name, event.worker) for event in chain_events.events_of(tx)]
    assert kept == [("MeterBanned", A), ("Deposited", STRANGER)]


def test_a_range_the_node_refuses_is_halved_and_a_refused_block_is_an_error(store):
    chain = FakeChain(most_events=2)
    mine(chain, [[deposited(A, k + 1), deposited(B, k + 1)] for k in range(9)])
    follow(store, chain)
    with store.begin() as tx:
        assert chain_events.events_counted(tx) == {"Deposited": 18}

    class Refusing(FakeChain):
        def events(self, first, last):
            raise RangeTooWide("never")

    follower = ChainFollower(Store("sqlite://"), Refusing(blocks=chain.blocks), WORKERS, largest_span=8)
    for _ in range(3):
        follower.step(0)
    with pytest.raises(RangeTooWide):
        follower.step(0)


def test_an_open_permit_lowers_the_funding_until_it_is_used_or_its_deadline_is_final(store):
    chain = FakeChain()
    chain.mine(opened(A, 100), deposited(A, 50))
    follow(store, chain)
    deadline = 2 * BLOCK_S
    with store.begin() as tx:
        permits.add_permit(tx, PermitRow(A, 1, 20, 100, deadline, 0, bytes(64)))
        permits.add_permit(tx, PermitRow(A, 2, 5, 100, 10**6, 0, bytes(64)))
    chain.mine(deposited(A, 1))
    follow(store, chain)
    assert funding(store) == 51 - 25
    mine(chain, [[]] * FINAL_DEPTH)
    follow(store, chain)
    assert funding(store) == 51 - 25
    mine(chain, [[]])
    follow(store, chain)
    assert funding(store) == 51 - 5
    chain.mine(("Withdrawn", A, {"payout": "77" * 20, "amountMicro": 5, "serial": 2}))
    follow(store, chain)
    assert funding(store) == 46
    reorganise(chain, 1, [[], []])
    follow(store, chain)
    assert funding(store) == 46


def funding(store):
    with store.begin() as tx:
        return accounts.worker_named(tx, A).funding_micro


class Quiet:
    """Guard and transactions that only count."""

    def __init__(self):
        self.acted, self.followed = 0, 0

    def act(self, now_unix_s):
        self.acted += 1

    def follow(self):
        self.followed += 1


def watch_of(store, chain, quiet, clock, check=lambda: None):
    follower = ChainFollower(store, chain, WORKERS)
    return ChainWatch(clock, follower, quiet, quiet, 60, asyncio.Lock(), check)


def test_a_chain_that_is_away_is_one_line_and_everything_goes_on(store, caplog):
    chain, quiet = FakeChain(), Quiet()
    chain.mine(opened(A, 1), deposited(A, 5))
    away = [True]

    def check():
        if away[0]:
            raise ChainUnreachable("node", "refused")

    async def live():
        clock = GrantedClock(0.0)
        watch = watch_of(store, chain, quiet, clock, check)
        await watch.refresh()
        task = asyncio.create_task(watch.run(), name="accounts")
        await asyncio.sleep(0)
        await clock.grant(200.0)
        assert quiet.acted == 0
        away[0] = False
        await clock.grant(400.0)
        task.cancel()

    with caplog.at_level(logging.INFO):
        asyncio.run(live())
    lines = [record.getMessage().split()[0] for record in caplog.records]
    assert lines.count("chain_away") == 1
    assert lines.count("chain_back") == 1
    assert quiet.acted == quiet.followed == 3
    assert funding(store) == 5


def test_a_wrong_contract_is_an_error_line_and_nothing_is_read(store, caplog):
    def check():
        raise CodeMismatch("c0" * 20, "there is no code")

    chain = FakeChain()
    with caplog.at_level(logging.INFO):
        asyncio.run(watch_of(store, chain, Quiet(), GrantedClock(0.0), check).refresh())
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert chain.calls == 0


def test_every_account_is_read_again_once_an_hour(store):
    chain, quiet = FakeChain(), Quiet()
    chain.mine(opened(A, 1), deposited(A, 5))
    reads = []
    plain = chain.accounts
    chain.accounts = lambda workers, block: reads.append(list(workers)) or plain(workers, block)

    async def live():
        clock = GrantedClock(0.0)
        watch = watch_of(store, chain, quiet, clock)
        await watch.refresh()
        task = asyncio.create_task(watch.run(), name="accounts")
        await asyncio.sleep(0)
        await clock.grant(FULL_LOOK_S - 1.0)
        assert len(reads) == 1
        await clock.grant(FULL_LOOK_S + 60.0)
        task.cancel()

    asyncio.run(live())
    assert reads == [[w.address for w in WORKERS]] * 2


def test_what_an_operator_must_see_is_told_key_by_key(store, caplog):
    chain = FakeChain()
    chain.mine(opened(A, 1), ("PayoutSet", A, {"payout": "77" * 20, "serial": 4}), applied(A, 3, 9))
    chain.mine(("PoolWithdrawalRequested", "", {"amountMicro": 5, "readyAt": 99}), ("HiveFrozen", "", {}))
    follower = ChainFollower(store, chain, WORKERS)
    with caplog.at_level(logging.INFO):
        tell_step(follower.step(0))
        reorganise(chain, 1, [[]])
        tell_step(follower.step(0))
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert ("WARNING", f"chain_event name=PayoutSet worker={A} block=1 payout={'77' * 20} serial=4") in lines
    assert ("WARNING", "chain_event name=PoolWithdrawalRequested block=2 amountMicro=5 readyAt=99") in lines
    assert ("WARNING", "chain_reorganised back_to=1 events=2 workers=") in lines
    assert ("INFO", f"chain_event name=StatementApplied worker={A} block=1 slot=3 net=9") in lines


def test_the_watchers_thread_and_the_daemons_take_turns_at_the_store(store):
    chain, done = FakeChain(), []
    mine(chain, [[deposited(A, 1), deposited(B, 1)]] * 40)

    def other():
        for _ in range(300):
            with store.begin() as tx:
                done.append(len(accounts.all_workers(tx)))

    thread = threading.Thread(target=other)
    thread.start()
    follow(store, chain, largest_span=1)
    thread.join()
    assert len(done) == 300
    assert stored(store) == fresh(chain)


def loaded_of(world, folder, **chain):
    """Settings of a Queen with a chain that nobody serves."""
    (folder / "queen.key").write_text("51" * 32)
    (folder / "queen.key").chmod(0o600)
    contract = world.agreement.domain.contract.hex()
    hive = HiveSection(7, 31337, contract, "aa" * 20, "bb" * 20, "t", "t", "w", "queen.key")
    broker = BrokerSection("localhost", 8883, "queen", "ca", "c", "k")
    queen = QueenSettings(hive, broker, chain=ChainSection(**chain))
    return Loaded(queen, folder, world.agreement.domain, world.terms, world.tariff, b"", WORKERS)


def test_the_parts_follow_the_settings_and_a_chain_nobody_serves_stops_nothing(world, tmp_path, caplog):
    clock, nobody = GrantedClock(0.0), ("http://127.0.0.1:9",)
    plain = build_chain_work(loaded_of(world, tmp_path), world.store, clock)
    assert (type(plain.view), plain.settlement) == (FileAccounts, None)
    by_hand = build_chain_work(loaded_of(world, tmp_path, rpc_urls=nobody, settle_daily=False), world.store, clock)
    assert by_hand.settlement is None
    daily = build_chain_work(loaded_of(world, tmp_path, rpc_urls=nobody), world.store, clock)
    assert daily.settlement is not None
    with caplog.at_level(logging.INFO):
        asyncio.run(daily.view.refresh())
        asyncio.run(daily.view.refresh())
    assert sum("chain_away" in record.getMessage() for record in caplog.records) == 1


def test_a_queen_that_stops_does_not_wait_for_a_transaction():
    stopping = threading.Event()
    pause = pause_until(stopping)
    pause(0.0)
    stopping.set()
    with pytest.raises(ChainAway, match="stops"):
        pause(600.0)
