"""What must hold in disputes: the newest state both signed wins, one transaction each, and no unsafe permit."""

import logging
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honey_edge.wire.signing import signed_by
from honey_edge.wire.structs import Objection, Statement
from honey_edge.wire.typed_data import digest
from queen_node.app.dispute_guard import DisputeGuard
from queen_node.chain import CallReverted, ChainUnreachable
from queen_node.chain.intents import Intent, IntentState
from queen_node.channels.disputes import Act, decide_contest
from queen_node.channels.permits import LONGEST_S, PermitRefused, PermitRequest, issue_permit, judge
from queen_node.store import accounts, books, chain_events, permits
from queen_node.store.chain_events import CloseRow, CursorRow, EventRow
from queen_node.store.records import BothSigned

CONTRACT = "c0" * 20
A = "01" * 20
DAY_END = 10**9


def close(slot, ends_at=1_000, worker=A, net=0, side=1):
    return CloseRow(worker, ends_at, slot, net, 0, side, "99" * 20)


def signed(slot):
    return BothSigned(Statement(7, bytes.fromhex(A), slot, 5, 6, 7, bytes(32)), b"\x0a" * 64, b"\x0b" * 64)


@given(
    st.integers(0, 50), st.one_of(st.none(), st.integers(0, 50)), st.integers(0, 2_000), st.integers(0, 2_000),
    st.sampled_from([1, 2, 3]),
)  # fmt: skip
def test_a_newer_state_is_shown_while_the_window_is_open_and_every_close_is_finished(shown, own, chain, now, side):
    newest = None if own is None else signed(own)
    verdict = decide_contest(close(shown, side=side), newest, chain, now)
    newer = own is not None and own > shown
    if chain < 1_000 and newer:
        assert verdict.act is Act.CONTEST
        assert verdict.statement is newest
    elif max(chain, now) >= 1_000:
        assert (verdict.act, verdict.missed) == (Act.FINISH, newer)
    else:
        assert verdict.act is Act.WAIT


class Rows:
    """Transactions that only keep what was planned; a key in `refuses` ends in that error."""

    def __init__(self):
        self.planned, self.steps, self.refuses = {}, [], {}

    def plan(self, key, call, expected=""):
        self.planned.setdefault(key, (Intent(key), call))
        return self.planned[key][0]

    def step(self, key):
        self.steps.append(key)
        if key in self.refuses:
            raise self.refuses[key]
        row, call = self.planned[key]
        self.planned[key] = (replace(row, state=IntentState.SIGNED), call)
        return self.planned[key][0]


@pytest.fixture
def agreed(world, first_slot):
    """A Hive whose first two Workers have Statements for two slots under both signatures."""
    for step in range(3):
        world.now_unix_s = (first_slot + step + 1) * 900.0
        for k, worker in enumerate(world.workers):
            world.send(worker, worker.read(first_slot + step, 400_000 * step * (k + 1), 0))
        if step:
            world.closer.close(first_slot + step)
            world.countersign_all()
    return world


def put(world, *closes, at_unix_s=500):
    with world.store.begin() as tx:
        chain_events.put_cursor(tx, CursorRow(9, "aa" * 32, at_unix_s, 0), {}, 8)
        chain_events.put_closes(tx, [one.worker for one in chain_events.all_closes(tx)], [])
        chain_events.put_closes(tx, [], closes)


def test_an_old_state_is_contested_once_with_both_signatures_and_a_new_one_is_left_alone(agreed, first_slot, caplog):
    a, b = agreed.workers[0].name, agreed.workers[1].name
    put(agreed, close(first_slot + 1, worker=a), close(first_slot + 2, worker=b))
    rows = Rows()
    guard = DisputeGuard(agreed.store, rows, 7, CONTRACT)
    with caplog.at_level(logging.WARNING):
        guard.act(500)
        guard.act(560)
        DisputeGuard(agreed.store, rows, 7, CONTRACT).act(600)
    assert list(rows.planned) == rows.steps == [f"contest/7/{a}/{first_slot + 2}"]
    call = rows.planned[rows.steps[0]][1]
    statement, by_worker, by_queen = call.arguments
    with agreed.store.begin() as tx:
        newest = books.both_signed(tx, a, DAY_END)
    assert (call.target, call.function, statement[2]) == (CONTRACT, "contest", first_slot + 2)
    hashed = digest(agreed.agreement.domain, newest.statement)
    assert signed_by(bytes.fromhex(a), hashed, b"".join(by_worker))
    assert signed_by(agreed.agreement.queen, hashed, b"".join(by_queen))
    assert [r.getMessage().split()[0] for r in caplog.records] == ["close_contested_by_queen"] * 2


def test_after_the_window_the_close_is_finished_and_a_missed_contest_is_told(agreed, first_slot, caplog):
    a, b = agreed.workers[0].name, agreed.workers[1].name
    put(agreed, close(first_slot + 1, worker=a), close(first_slot + 2, worker=b), at_unix_s=1_000)
    rows = Rows()
    with caplog.at_level(logging.WARNING):
        DisputeGuard(agreed.store, rows, 7, CONTRACT).act(0)
    assert set(rows.planned) == {f"finish/7/{a}/{first_slot + 1}", f"finish/7/{b}/{first_slot + 2}"}
    told = {r.getMessage().split()[0]: r.getMessage() for r in caplog.records}
    assert a in told["close_ends_on_an_old_state"]
    assert b in told["close_ends"]


def test_one_refused_dispute_stops_no_other_and_an_absent_chain_is_tried_again(agreed, first_slot, caplog):
    a, b = sorted([agreed.workers[0].name, agreed.workers[1].name])
    put(agreed, close(first_slot, worker=a), close(first_slot, worker=b))
    rows = Rows()
    keys = [f"contest/7/{worker}/{first_slot + 2}" for worker in (a, b)]
    rows.refuses[keys[0]] = CallReverted("contest", "SlotNotNewer", "")
    guard = DisputeGuard(agreed.store, rows, 7, CONTRACT)
    with caplog.at_level(logging.ERROR):
        guard.act(500)
        guard.act(560)
    assert rows.steps == [keys[0], keys[1], keys[0]]
    assert [r.getMessage().split()[0] for r in caplog.records] == ["dispute_refused"]
    rows.refuses[keys[0]] = ChainUnreachable("node", "refused")
    with pytest.raises(ChainUnreachable):
        guard.act(600)
    rows.refuses.clear()
    guard.act(660)
    assert rows.planned[keys[0]][0].state is IntentState.SIGNED


def test_with_contesting_off_the_alarm_is_told_and_nothing_is_sent(agreed, first_slot, caplog):
    put(agreed, close(first_slot, worker=agreed.workers[0].name))
    rows = Rows()
    with caplog.at_level(logging.WARNING):
        DisputeGuard(agreed.store, rows, 7, CONTRACT, contest=False).act(500)
    assert rows.planned == {}
    assert "sends=false" in caplog.text


def test_objections_are_shown_when_the_queen_closes_so_that_refused_statements_cannot_accuse_her(world, first_slot):
    a = world.workers[0]
    for step in range(4):
        slot = first_slot + step
        world.now_unix_s = (slot + 1) * 900.0
        world.send(a, a.read(slot, 400_000 * step, 0))
        if step:
            world.closer.close(slot)
            world.channels.resume(a.name)
            (row,) = [row for row in world.channels.issue_due() if row.worker == a.name]
            world.channels.receive(a.name, a.object(row.message, 4))
    rows = Rows()
    put(world, replace(close(first_slot, worker=a.name, side=2), newest_slot=first_slot + 3))
    DisputeGuard(world.store, rows, 7, CONTRACT).act(500)
    assert list(rows.planned) == [f"objection/7/{a.name}/{first_slot + k}" for k in (1, 2)]
    worker, objection, words = rows.planned[rows.steps[0]][1].arguments
    hashed = digest(world.agreement.domain, Objection(*objection))
    assert signed_by(bytes.fromhex(worker), hashed, b"".join(words))
    rows = Rows()
    put(world, close(first_slot, worker=a.name, side=1))
    DisputeGuard(world.store, rows, 7, CONTRACT).act(500)
    assert rows.planned == {}


def test_a_closing_account_gets_no_statement_until_it_is_open_again(agreed, first_slot):
    a = agreed.workers[0]
    set_open(agreed, a.name, is_open=False)
    slot = first_slot + 3
    for worker in agreed.workers:
        agreed.send(worker, worker.read(slot, 9_000_000, 0))
    agreed.now_unix_s = (slot + 1) * 900.0
    agreed.closer.close(slot)
    assert a.name not in {row.worker for row in agreed.channels.issue_due()}
    set_open(agreed, a.name, is_open=True, opening_slot=slot)
    agreed.send(a, a.read(slot + 1, 9_500_000, 0))
    agreed.now_unix_s = (slot + 2) * 900.0
    agreed.closer.close(slot + 1)
    (row,) = [row for row in agreed.channels.issue_due() if row.worker == a.name]
    assert row.slot == slot + 1
    with agreed.store.begin() as tx:
        (line,) = [line for line in books.lines_of(tx, a.name) if line.slot > first_slot + 2]
    assert line.energy_milliwh == 500_000


def test_lines_booked_before_a_close_wait_and_are_carried_after_the_re_opening(agreed, first_slot):
    a, slot = agreed.workers[0], first_slot + 3
    agreed.send(a, a.read(slot, 5_000_000, 0))
    agreed.now_unix_s = (slot + 1) * 900.0
    agreed.closer.close(slot)
    set_open(agreed, a.name, is_open=False)
    assert a.name not in {row.worker for row in agreed.channels.issue_due()}
    set_open(agreed, a.name, is_open=True)
    assert a.name in {row.worker for row in agreed.channels.issue_due()}


def set_open(world, name, **changes):
    with world.store.begin() as tx:
        accounts.put_worker(tx, replace(accounts.worker_named(tx, name), **changes))


def ask(world, amount, **changes):
    """One request of the first Worker, at a time the chain was seen."""
    request = PermitRequest(world.workers[0].name, amount, 3_600, 1_000)
    with world.store.begin() as tx:
        return issue_permit(
            tx, 7, world.agreement.domain, world.closer.signer, replace(request, **changes), locked_micro=1_000
        )


def safe_micro(world):
    with world.store.begin() as tx:
        return judge(tx, PermitRequest(world.workers[0].name, 1, 1, 0), 1_000)[1].safe


def test_permits_have_rising_serials_and_together_never_exceed_what_is_safe(agreed):
    put(agreed)
    first = safe_micro(agreed)
    assert 0 < first < 100_000_000 - 1_000
    one, two = ask(agreed, first // 2), ask(agreed, first - first // 2)
    assert (one.permit.serial, two.permit.serial) == (1, 2)
    assert one.permit.deadline == 4_600
    hashed = digest(agreed.agreement.domain, one.permit)
    assert signed_by(agreed.agreement.queen, hashed, one.signature)
    assert safe_micro(agreed) == 0
    with pytest.raises(PermitRefused, match="at most 0 are safe"):
        ask(agreed, 1)
    with agreed.store.begin() as tx:
        assert [row.amount_micro for row in permits.permits_of(tx, one.permit.worker.hex())] == [
            first // 2, first - first // 2,
        ]  # fmt: skip


def test_a_serial_the_chain_has_taken_is_never_signed_again_even_after_a_restore(agreed):
    put(agreed)
    name = agreed.workers[0].name
    with agreed.store.begin() as tx:
        told = {"payout": "77" * 20, "amountMicro": 5, "serial": 40}
        chain_events.add_events(tx, [EventRow(3, "aa" * 32, 0, "bb" * 32, "Withdrawn", name, told)])
    assert ask(agreed, 1).permit.serial == 41


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"amount_micro": 0}, "safe"),
        ({"amount_micro": 10**12}, "safe"),
        ({"valid_s": LONGEST_S + 1}, "limit"),
        ({"valid_s": 0}, "limit"),
        ({"worker": "ff" * 20}, "no open account"),
        ({"now_unix_s": 1_000_000}, "last seen"),
    ],
)
def test_an_unsafe_permit_is_refused_and_leaves_nothing(agreed, changes, word):
    put(agreed)
    with pytest.raises(PermitRefused, match=word):
        ask(agreed, 1, **changes)
    with agreed.store.begin() as tx:
        assert permits.permits_of(tx) == []


def test_a_frozen_or_closing_account_gets_no_permit(agreed):
    put(agreed)
    name = agreed.workers[0].name
    with agreed.store.begin() as tx:
        accounts.freeze(tx, name, True)
    with pytest.raises(PermitRefused, match="Objection"):
        ask(agreed, 1)
    set_open(agreed, name, is_open=False)
    with pytest.raises(PermitRefused, match="no open account"):
        ask(agreed, 1)


def test_after_a_permit_no_statement_owes_more_than_what_is_left(agreed, first_slot):
    put(agreed)
    a = agreed.workers[0]
    set_open(agreed, a.name, funding_micro=400_000)
    amount = safe_micro(agreed)
    ask(agreed, amount)
    counter = 800_000
    for step in range(3, 9):
        slot = first_slot + step
        counter += 1_000_000
        agreed.send(a, a.read(slot, counter, 0))
        agreed.now_unix_s = (slot + 1) * 900.0
        agreed.closer.close(slot)
        agreed.countersign_all()
    with agreed.store.begin() as tx:
        newest = books.newest_statement(tx, a.name)
    assert newest.slot == first_slot + 8
    assert newest.net_micro <= 400_000 - amount
