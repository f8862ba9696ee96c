"""What must hold for Statements: a Worker that sees only its own evidence agrees to the pico-coin, always."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honey_edge.billing.account import ALONE, ARREARS, POOLED
from honey_edge.wire.codec import decode, encode
from honey_edge.wire.statement_message import StatementMessage
from queen_node.channels.statement import credit_runs_out
from queen_node.store import accounts, books

HOMES = 3


def run_day(world, first_slot, energies, delays, skips, funds, restarts):
    """Lets a day of slots pass; readings arrive `delays` slots late, None is never made.

    After a restart the Workers send again what they had sent, as they do when the Queen comes online.
    """
    counters = [[10**6, 10**6] for _ in world.workers]
    arriving: dict[int, list[tuple[int, bytes]]] = {}
    sent: list[tuple[int, bytes]] = []
    meter = [10**9, 10**9]
    world.meter(first_slot, *meter)
    for k, worker in enumerate(world.workers):
        world.send(worker, worker.read(first_slot, *counters[k]))
    for step, row in enumerate(energies, 1):
        slot = first_slot + step
        world.now_unix_s = (slot + 1) * 900.0
        net = sum(row)
        meter[net < 0] += abs(net)
        world.meter(slot, *meter)
        for k, energy in enumerate(row):
            counters[k][energy < 0] += abs(energy)
            delay = delays[step - 1][k]
            if delay is not None:
                arriving.setdefault(slot + delay, []).append((k, world.workers[k].read(slot, *counters[k])))
        for k, message in arriving.pop(slot, []):
            sent.append((k, message))
            world.send(world.workers[k], message)
        if step in funds:
            world.fund(world.workers[0], funds[step])
        if step in restarts:
            world.restart()
            for k, message in sent:
                world.send(world.workers[k], message)
        world.closer.close(slot)
        world.countersign_all(lambda w, step=step: (step, world.workers.index(w)) in skips)
    for slot in sorted(arriving):
        for k, message in arriving[slot]:
            world.send(world.workers[k], message)
    slot = first_slot + len(energies) + 1
    world.closer.close(slot)
    world.countersign_all()


def assert_agreed(world):
    with world.store.begin() as tx:
        for worker in world.workers:
            position = accounts.all_positions(tx)[worker.name].position
            assert books.pending_lines(tx, worker.name, 1000) == []
            if worker.ledger is not None:
                assert worker.ledger.position == position
        closed = books.closed_slots(tx)
        paid = sum(line.amount_pico for w in world.workers for line in books.lines_of(tx, w.name))
        owed = sum(c.money.metered_cost + c.money.fee for c in closed)
        assert paid == owed + closed[-1].totals.reserve


ROW = st.lists(st.integers(-2_000_000, 2_000_000), min_size=HOMES, max_size=HOMES)
DELAY = st.lists(st.sampled_from([0, 0, 0, 0, 1, 2, 5, None]), min_size=HOMES, max_size=HOMES)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_every_worker_recomputes_every_statement_over_random_days(make_world, data):
    world = make_world(HOMES, funding_micro=data.draw(st.sampled_from([0, 200_000, 10**9])))
    first_slot = 1_900_800 + data.draw(st.sampled_from([0, 90]))
    with world.store.begin() as tx:
        for row in accounts.all_workers(tx):
            accounts.put_worker(tx, type(row)(row.worker, row.serial, True, first_slot, row.funding_micro))
    world.now_unix_s = (first_slot + 1) * 900.0
    days = data.draw(st.lists(st.tuples(ROW, DELAY), min_size=2, max_size=14))
    steps = st.integers(1, len(days))
    skips = data.draw(st.sets(st.tuples(steps, st.integers(0, HOMES - 1)), max_size=8))
    funds = data.draw(st.dictionaries(steps, st.sampled_from([300_000, 10**9]), max_size=2))
    restarts = data.draw(st.sets(steps, max_size=3))
    run_day(world, first_slot, [d[0] for d in days], [d[1] for d in days], skips, funds, restarts)
    assert_agreed(world)


def signed_facts(world):
    """Everything the Queen signed or booked, as bytes."""
    with world.store.begin() as tx:
        closed = [c.message for c in books.closed_slots(tx)]
        statements = [s for w in world.workers for s in books.statements_of(tx, w.name)]
    return closed, statements


@settings(max_examples=10, deadline=None)
@given(st.sets(st.integers(1, 8)), st.lists(st.tuples(ROW, DELAY), min_size=8, max_size=8))
def test_a_restart_before_any_closing_ends_in_the_same_bytes(make_world, restarts, days):
    facts = []
    for where in (set(), restarts):
        world = make_world(HOMES)
        run_day(world, 1_900_800, [d[0] for d in days], [d[1] for d in days], set(), {}, where)
        facts.append(signed_facts(world))
    assert facts[0] == facts[1]


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(HOMES)), st.booleans(), st.lists(ROW, min_size=4, max_size=4))
def test_order_and_repetition_within_the_closing_time_change_nothing(make_world, order, twice, rows):
    facts = []
    for sequence, repeat in ((range(HOMES), False), (order, twice)):
        world = make_world(HOMES)
        counters = [[0, 0] for _ in range(HOMES)]
        for step in range(5):
            slot = 1_900_800 + step
            world.now_unix_s = (slot + 1) * 900.0
            messages = []
            for k in range(HOMES):
                energy = rows[step - 1][k] if step else 0
                counters[k][energy < 0] += abs(energy)
                messages.append(world.workers[k].read(slot, *counters[k]))
            for k in sequence:
                world.send(world.workers[k], *[messages[k]] * (2 if repeat else 1))
            if step:
                world.closer.close(slot)
                world.countersign_all()
        facts.append(signed_facts(world))
    assert facts[0] == facts[1]


def one_slot(world, first_slot, slots=1):
    for step in range(slots + 1):
        slot = first_slot + step
        world.now_unix_s = (slot + 1) * 900.0
        for k, worker in enumerate(world.workers):
            world.send(worker, worker.read(slot, 1_000_000 * step * (k + 1), 0))
        if step:
            world.closer.close(slot)


def test_no_second_statement_while_one_is_unanswered_and_the_next_carries_all_lines(world, first_slot):
    a = world.workers[0]
    one_slot(world, first_slot)
    (first, *_) = [row for row in world.channels.issue_due() if row.worker == a.name]
    for step in range(2, 5):
        slot = first_slot + step
        world.now_unix_s = (slot + 1) * 900.0
        world.send(a, a.read(slot, 1_000_000 * step, 0))
        world.closer.close(slot)
    assert [row for row in world.channels.issue_due() if row.worker == a.name] == []
    following = world.channels.receive(a.name, a.answer(first.message))
    assert following is not None
    assert len(decode(StatementMessage, following.message).line_slot) == 3
    assert world.channels.outstanding([a.name]) == {a.name}
    assert world.channels.receive(a.name, a.answer(following.message)) is None
    assert world.channels.outstanding([a.name]) == set()


def test_an_objection_freezes_until_resumed_and_its_lines_go_into_the_next_statement(world, first_slot):
    a = world.workers[0]
    one_slot(world, first_slot)
    (first, *_) = [row for row in world.channels.issue_due() if row.worker == a.name]
    assert world.channels.receive(a.name, a.object(first.message, 4)) is None
    slot = first_slot + 2
    world.now_unix_s = (slot + 1) * 900.0
    world.send(a, a.read(slot, 5_000_000, 0))
    world.closer.close(slot)
    assert [row for row in world.channels.issue_due() if row.worker == a.name] == []
    world.channels.resume(a.name)
    (following,) = [row for row in world.channels.issue_due() if row.worker == a.name]
    assert len(decode(StatementMessage, following.message).line_slot) == 2
    world.channels.receive(a.name, a.answer(following.message))
    with world.store.begin() as tx:
        assert books.both_signed(tx, a.name, slot).statement.slot == slot
        assert [row.reason for row in books.statements_of(tx, a.name)] == [4, 0]


def test_a_false_answer_is_refused_and_the_true_one_still_counts(world, first_slot):
    a, b = world.workers[0], world.workers[1]
    one_slot(world, first_slot)
    rows = {row.worker: row for row in world.channels.issue_due()}
    answer = a.answer(rows[a.name].message)
    world.channels.receive(b.name, answer)
    world.channels.receive(a.name, b"{}")
    world.channels.receive(a.name, answer.replace(answer[-30:-2], b"0" * 28))
    world.channels.receive(a.name, encode(_changed(a.answers[0], net_micro=1)))
    world.channels.receive(a.name, encode(_changed(a.answers[0], statement="ab" * 32)))
    assert world.reasons() == ["unknown-statement", "net", "forged", "malformed", "foreign"]
    assert world.channels.outstanding([a.name]) == {a.name}
    world.channels.receive(a.name, answer)
    world.channels.receive(a.name, answer)
    assert world.channels.outstanding([a.name]) == set()
    world.channels.receive(a.name, a.object(rows[a.name].message, 3))
    assert world.reasons()[0] == "answered"


def _changed(message, **changes):
    values = {name: getattr(message, name) for name in message.__struct_fields__}
    return type(message)(**values | changes)


def test_a_worker_that_was_away_for_long_catches_up_by_several_statements(make_world, first_slot):
    world = make_world(1)
    a = world.workers[0]
    world.send(a, a.read(first_slot, 0, 0))
    for step in range(1, 201):
        slot = first_slot + step
        world.now_unix_s = (slot + 1) * 900.0
        world.send(a, a.read(slot, 1_000 * step, 0))
        world.closer.close(slot)
    assert world.countersign_all() == 2
    with world.store.begin() as tx:
        counts = [len(decode(StatementMessage, s.message).line_slot) for s in books.statements_of(tx, a.name)]
    assert counts == [192, 8]
    assert_agreed(world)


def test_net_never_exceeds_funding_and_arrears_are_settled_after_a_deposit(make_world, first_slot):
    world = make_world(2, funding_micro=100_000)
    energies = [[2_000_000, -1_000_000]] * 4
    run_day(world, first_slot, energies, [[0, 0]] * 4, set(), {3: 10**9}, set())
    a = world.workers[0]
    with world.store.begin() as tx:
        kinds = [line.kind for line in books.lines_of(tx, a.name)]
        nets = [row.net_micro for row in books.statements_of(tx, a.name)]
    assert kinds == [POOLED, ARREARS, POOLED, POOLED]
    assert nets[:2] == [100_000, 100_000]
    assert nets[2] > 1_000_000
    assert_agreed(world)


def test_a_span_is_settled_alone_and_from_the_third_one_dearer(make_world, first_slot):
    world = make_world(1)
    delays = [[None], [0]] * 3 + [[0]]
    run_day(world, first_slot, [[500_000]] * 7, delays, set(), {}, set())
    with world.store.begin() as tx:
        lines = books.lines_of(tx, world.workers[0].name)
    assert [line.kind for line in lines] == [ALONE] * 3 + [POOLED]
    assert lines[2].amount_pico == 1_000_000 * max(world.tariff.prices(first_slot + k)[0] for k in (5, 6))
    assert_agreed(world)


@pytest.mark.parametrize(("funding", "expected"), [(0, True), (10**9, False)])
def test_low_credit_is_seen_a_day_ahead(make_world, first_slot, funding, expected):
    world = make_world(1)
    run_day(world, first_slot, [[500_000]] * 3, [[0]] * 3, set(), {}, set())
    with world.store.begin() as tx:
        assert credit_runs_out(funding, books.lines_of(tx, world.workers[0].name)) is expected
    assert not credit_runs_out(0, [])


def test_an_account_opened_before_the_first_closed_slot_begins_there(make_world, first_slot):
    world = make_world(2)
    a, b = world.workers
    with world.store.begin() as tx:
        row = accounts.worker_named(tx, b.name)
        accounts.put_worker(tx, type(row)(row.worker, row.serial, False, first_slot - 5, row.funding_micro))
    for step in range(3):
        world.now_unix_s = (first_slot + step + 1) * 900.0
        world.send(a, a.read(first_slot + step, 1_000 * step, 0))
        if step == 1:
            with world.store.begin() as tx:
                accounts.put_worker(tx, type(row)(row.worker, row.serial, True, first_slot - 5, row.funding_micro))
            world.send(b, *[b.read(first_slot + k, 500 * (k + 5), 0) for k in range(-5, 2)])
        if step == 2:
            world.send(b, b.read(first_slot + 2, 9_000, 0))
        if step:
            world.closer.close(first_slot + step)
    world.channels.issue_due()
    with world.store.begin() as tx:
        assert accounts.all_positions(tx)[b.name].baseline_slot == first_slot
        assert books.newest_statement(tx, b.name).slot == first_slot + 2
