"""Peak charges and the reserve shared out, over random days that cross the ends of days and of a month."""

import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from honey_edge.billing.peak import peak_cost_pico
from honey_edge.billing.tally import PEAK, SHARE
from honey_edge.billing.tariff import tariff_document
from honey_edge.model.slots import SLOTS_PER_DAY, last_slot_of_month
from honey_edge.wire.codec import decode, encode
from honey_edge.wire.recompute import Disagreement
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.statement_message import LinesError, StatementMessage
from honey_edge.wire.terms_file import TermsFile, terms_document
from honey_edge.wire.typed_data import Domain, digest
from queen_node.evidence import write_evidence
from queen_node.export import bundle_of
from queen_node.store import accounts, books, periods
from queen_node.verify import verify_evidence

DOMAIN = Domain(31337, bytes.fromhex("c0" * 20))
QUEEN, OWNER = KeySigner(b"\x51" * 32), KeySigner(b"\x61" * 32)
HOMES = 3
CHARGE = 5_000_000
MONTH_END = last_slot_of_month(1_900_800)
ROW = st.lists(st.integers(-2_000_000, 2_000_000), min_size=HOMES, max_size=HOMES)
DELAY = st.lists(st.sampled_from([0, 0, 0, 0, 0, 1, 2, 5, None]), min_size=HOMES, max_size=HOMES)


def opened(make_world, first_slot, **changes):
    world = make_world(HOMES, **{"peak_micro_per_kw": CHARGE, **changes})
    with world.store.begin() as tx:
        for row in accounts.all_workers(tx):
            accounts.put_worker(tx, replace(row, opening_slot=first_slot))
    return world


def run(world, first_slot, energies, delays=None, skips=frozenset(), restarts=frozenset(), funds=None):
    """Lets slots pass; readings arrive `delays` slots late (None: never made), at the end all that is left arrives."""
    counters, meter = [[10**6, 10**6] for _ in world.workers], [10**9, 10**9]
    if world.metered:
        world.meter(first_slot, *meter)
    world.now_unix_s = (first_slot + 1) * 900.0
    arriving: dict[int, list[tuple[int, bytes]]] = {}
    sent: list[tuple[int, bytes]] = []

    def deliver(slot):
        for k, message in arriving.pop(slot, []):
            sent.append((k, message))
            world.send(world.workers[k], message)

    for k, worker in enumerate(world.workers):
        arriving.setdefault(first_slot, []).append((k, worker.read(first_slot, *counters[k])))
    deliver(first_slot)
    for step, row in enumerate([*energies, [0] * len(world.workers)], 1):
        slot, last = first_slot + step, step > len(energies)
        world.now_unix_s = (slot + 1) * 900.0
        meter[sum(row) < 0] += abs(sum(row)) + 17
        if world.metered:
            world.meter(slot, *meter)
        for k, energy in enumerate(row):
            counters[k][energy < 0] += abs(energy)
            delay = 0 if delays is None or last else delays[step - 1][k]
            if delay is not None:
                at = min(slot + delay, first_slot + len(energies) + 1)
                arriving.setdefault(at, []).append((k, world.workers[k].read(slot, *counters[k])))
        deliver(slot)
        if funds and step in funds:
            world.fund(world.workers[0], funds[step])
        if step in restarts:
            world.restart()
            for k, message in sent:
                world.send(world.workers[k], message)
        world.closer.close(slot)
        world.countersign_all(lambda w, step=step: (step, world.workers.index(w)) in skips)
    world.countersign_all()


def booked(world):
    with world.store.begin() as tx:
        lines = {w.name: books.lines_of(tx, w.name) for w in world.workers}
        charges = {w.name: periods.charges_of(tx, w.name) for w in world.workers}
        return lines, charges, periods.all_periods(tx), books.closed_slots(tx)


def assert_agreed_and_conserved(world):
    """Every home agrees to the pico-coin; payments = cost at the meter + fees + reserve; nothing is in twice."""
    lines, charges, settled, closed = booked(world)
    with world.store.begin() as tx:
        positions = accounts.all_positions(tx)
        for worker in world.workers:
            assert books.pending_lines(tx, worker.name, 1000) == []
            assert worker.ledger is not None
            assert worker.ledger.position == positions[worker.name].position
            assert worker.ledger.tally == positions[worker.name].tally
            own = [*lines[worker.name], *charges[worker.name]]
            assert worker.ledger.position.net_pico == sum(one.amount_pico for one in own)
    paid = sum(one.amount_pico for rows in (*lines.values(), *charges.values()) for one in rows)
    owed = sum(c.money.metered_cost + c.money.fee for c in closed)
    owed += sum(one.metered_cost_pico + one.fee_pico for one in settled)
    assert paid == owed + closed[-1].totals.reserve
    for one in settled:
        rows = [row for own in charges.values() for row in own if (row.kind, row.slot) == (one.kind, one.slot)]
        assert one.paid_pico == sum(row.amount_pico for row in rows)


def assert_nobody_above_its_own_charge(world, energies, first_slot):
    """P9: with the charges of all its late lines, no home pays more for a period's peak than alone."""
    _, charges, settled, _ = booked(world)
    assert [one.slot for one in settled if one.kind == PEAK] == [
        slot for slot in range(first_slot + 1, first_slot + len(energies) + 2) if slot % SLOTS_PER_DAY == 95
    ]
    for k, worker in enumerate(world.workers):
        for one in [row for row in charges[worker.name] if row.kind == PEAK]:
            day = range(one.slot - 95, one.slot + 1)
            highest = max((row[k] for s, row in enumerate(energies, first_slot + 1) if s in day), default=0)
            assert 0 <= one.amount_pico <= peak_cost_pico(one.quantity_milliwh, CHARGE)
            assert one.quantity_milliwh <= max(highest, 0)
        assert all(row.amount_pico <= 0 for row in charges[worker.name] if row.kind == SHARE)


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_every_home_recomputes_every_charge_and_every_pico_coin_is_kept(make_world, data):
    days = data.draw(st.lists(st.tuples(ROW, DELAY), min_size=3, max_size=16))
    first_slot = MONTH_END - data.draw(st.integers(0, len(days)))
    funding = data.draw(st.sampled_from([0, 200_000, 10**9]))
    world = opened(make_world, first_slot, funding_micro=funding, metered=data.draw(st.booleans()))
    steps = st.integers(1, len(days))
    skips = data.draw(st.sets(st.tuples(steps, st.integers(0, HOMES - 1)), max_size=8))
    restarts = data.draw(st.sets(steps, max_size=3))
    funds = data.draw(st.dictionaries(steps, st.sampled_from([300_000, 10**9]), max_size=2))
    energies = [d[0] for d in days]
    run(world, first_slot, energies, [d[1] for d in days], skips, restarts, funds)
    assert_agreed_and_conserved(world)
    assert_nobody_above_its_own_charge(world, energies, first_slot)


def day_across(make_world, slots=6, **changes):
    """A few slots up to one slot after the end of a month, everybody on time; the world afterwards."""
    first_slot = MONTH_END - slots + 1
    world = opened(make_world, first_slot, **changes)
    energies = [[900_000 + 1_000 * k, 40_000 * k, -300_000 - k] for k in range(slots)]
    run(world, first_slot, energies)
    return world, energies, first_slot


def test_a_day_with_peaks_and_the_reserve_shared_out_is_agreed_and_what_pooling_saves_is_shared(make_world):
    world, energies, _ = day_across(make_world)
    assert_agreed_and_conserved(world)
    lines, charges, settled, closed = booked(world)
    assert [(one.kind, one.slot) for one in settled] == [(PEAK, MONTH_END), (SHARE, MONTH_END)]
    own = [max(row[k] for row in energies[:-1]) for k in range(HOMES)]
    peaks = {row.worker: row for rows in charges.values() for row in rows if row.kind == PEAK}
    assert {worker: row.quantity_milliwh for worker, row in peaks.items()} == {
        world.workers[k].name: own[k] for k in (0, 1)
    }
    alone = sum(peak_cost_pico(one, CHARGE) for one in own if one > 0)
    assert sum(row.amount_pico for row in peaks.values()) < alone
    shares = {row.worker: row for rows in charges.values() for row in rows if row.kind == SHARE}
    for k, worker in enumerate(world.workers):
        assert shares[worker.name].quantity_milliwh == sum(abs(row[k]) for row in energies[:-1])
        assert shares[worker.name].quantity_milliwh == sum(
            abs(line.energy_milliwh) for line in lines[worker.name] if line.slot <= MONTH_END
        )
    at_end = next(one.totals.reserve for one in closed if one.totals.slot == MONTH_END)
    assert -(10**15) < at_end < HOMES


def test_without_a_peak_charge_and_before_the_month_ends_nothing_is_booked_or_published(make_world):
    first_slot = 1_900_800 + 90
    world = opened(make_world, first_slot, peak_micro_per_kw=0)
    run(world, first_slot, [[900_000, 1, -5]] * 8)
    _, charges, settled, _ = booked(world)
    assert settled == []
    assert not any(charges.values())
    assert_agreed_and_conserved(world)


def test_a_monthly_peak_charge_is_booked_at_the_end_of_the_month_and_at_no_days_end(make_world):
    within = opened(make_world, 1_900_800 + 92, peak_period="month")
    run(within, 1_900_800 + 92, [[500_000, 3_000, 0]] * 5)
    assert booked(within)[2] == []
    first_slot = MONTH_END - 5
    world = opened(make_world, first_slot, peak_period="month")
    run(world, first_slot, [[500_000, 3_000, 0], [800_000, -5, 0], [1, 1, 1], [1, 1, 1], [1, 1, 1]])
    _, charges, settled, _ = booked(world)
    assert [one.slot for one in settled if one.kind == PEAK] == [MONTH_END]
    assert [row.quantity_milliwh for row in charges[world.workers[0].name] if row.kind == PEAK] == [800_000]
    assert_agreed_and_conserved(world)


def test_a_restart_between_closing_and_statement_books_once_and_publishes_the_same_totals(make_world):
    world, _, _ = day_across(make_world)
    before = booked(world)
    world.restart()
    world.closer.close(MONTH_END)
    world.countersign_all()
    assert booked(world) == before
    assert [row.kind for row in world.closer.periods_of(MONTH_END)] == [PEAK, SHARE]
    with world.store.begin() as tx:
        assert periods.newest_periods(tx) == periods.periods_at(tx, MONTH_END)


def test_a_failure_while_a_period_is_booked_leaves_nothing_half_done(make_world, monkeypatch):
    slots = 4
    first_slot = MONTH_END - slots
    world = opened(make_world, first_slot)
    run(world, first_slot, [[900_000, 40_000, -300_000]] * (slots - 1))
    assert world.closer.next_slot() == MONTH_END + 1
    other = opened(make_world, first_slot)
    run(other, first_slot, [[900_000, 40_000, -300_000]] * (slots - 2))
    before = booked(other)
    for k, worker in enumerate(other.workers):
        last = worker.journal[-1]
        other.now_unix_s = (MONTH_END + 1) * 900.0
        other.send(worker, worker.read(MONTH_END, last.imported + k, last.exported))

    def fails(tx, rows):
        raise OSError("disk")

    with monkeypatch.context() as patched:
        patched.setattr(periods, "add_charges", fails)
        with pytest.raises(OSError, match="disk"):
            other.closer.close(MONTH_END)
    assert booked(other) == before
    other.closer.close(MONTH_END)
    other.countersign_all()
    assert_agreed_and_conserved(other)


def test_a_home_that_was_away_at_the_end_pays_for_its_late_peak_at_the_own_tariff(make_world, tmp_path):
    """Its readings come a day later; meanwhile one charge of nothing waits, however many periods pass."""
    first_slot, slots = MONTH_END - 2, SLOTS_PER_DAY + 6
    world = opened(make_world, first_slot)
    energies = [[400_000, 100_000, 0] for _ in range(slots)]
    energies[1][1] = 700_000
    delays = [[0, slots, 0] for _ in energies]
    run(world, first_slot, energies, delays)
    assert_agreed_and_conserved(world)
    lines, charges, _, _ = booked(world)
    away = world.workers[1].name
    (row,) = [one for one in charges[away] if one.kind == PEAK]
    assert (row.quantity_milliwh, row.amount_pico, row.slot) == (0, 0, MONTH_END + SLOTS_PER_DAY)
    buy = [world.tariff.prices(line.slot)[0] for line in lines[away]]
    energy_only = sum(line.energy_milliwh * price for line, price in zip(lines[away], buy, strict=True))
    extra = sum(line.amount_pico for line in lines[away]) - energy_only
    assert extra == peak_cost_pico(700_000, CHARGE) + peak_cost_pico(100_000, CHARGE)
    assert evidence_of(world, tmp_path).conservation_pico == 0


def test_every_charge_of_a_lying_queen_is_refused(make_world):
    """One pico-coin off, another period, twice, of another statement, moved to another place: none is countersigned."""
    world, _, _ = day_across(make_world)
    worker = world.workers[0]
    with world.store.begin() as tx:
        rows = books.statements_of(tx, worker.name)
    at = next(k for k, row in enumerate(rows) if decode(StatementMessage, row.message).charge_slot)
    told = decode(StatementMessage, rows[at].message)

    def judged(message):
        worker.ledger = None
        for row in rows[:at]:
            worker.answer(row.message)
        worker.answer(encode(message))

    judged(told)
    columns = [name for name in told.__struct_fields__ if name.startswith("charge_")]
    for name in columns:
        for place in (0, 1):
            values = list(getattr(told, name))
            old = values[place]
            values[place] = old + 1 if isinstance(old, int) else ("0" if old[0] != "0" else "1") + old[1:]
            if name == "charge_kind":
                values[place] = 7 - old
            with pytest.raises(Disagreement):
                judged(structs.replace(told, **{name: tuple(values)}))
    for order in ((0, 0, 1), (0, 1, 1), (1,), (0,), ()):
        changed = {name: tuple(getattr(told, name)[k] for k in order) for name in columns}
        with pytest.raises(Disagreement):
            judged(structs.replace(told, **changed))
    with pytest.raises(LinesError):
        judged(structs.replace(told, charge_slot=told.charge_slot[:1]))


def evidence_of(world, place):
    """What a stranger finds in the folder that the Queen writes."""
    hashed = digest(DOMAIN, world.terms)
    (place / "terms.json").write_bytes(
        terms_document(TermsFile.of(world.terms, QUEEN.sign(hashed), OWNER.sign(hashed)))
    )
    hive = SimpleNamespace(
        hive=world.terms.hive,
        queen_address=QUEEN.address.hex(),
        owner_address=OWNER.address.hex(),
        terms_file="terms.json",
    )
    loaded = SimpleNamespace(
        settings=SimpleNamespace(hive=hive),
        domain=DOMAIN,
        tariff_data=tariff_document(world.tariff),
        path=place.joinpath,
    )
    with world.store.begin() as tx:
        write_evidence(place / "evidence", bundle_of(tx, loaded), QUEEN)
    return verify_evidence(place / "evidence")


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_the_evidence_of_any_such_day_is_recomputed_by_a_stranger(make_world, data):
    days = data.draw(st.lists(st.tuples(ROW, DELAY), min_size=3, max_size=12))
    first_slot = MONTH_END - data.draw(st.integers(0, len(days)))
    world = opened(make_world, first_slot, metered=data.draw(st.booleans()))
    run(world, first_slot, [d[0] for d in days], [d[1] for d in days])
    lines, charges, settled, closed = booked(world)
    with tempfile.TemporaryDirectory() as place:
        report = evidence_of(world, Path(place))
        assert report.conservation_pico == 0
        assert report.reserve_pico == closed[-1].totals.reserve
        for home in report.homes:
            own = [row.amount_pico for row in charges[home.worker] if row.kind == PEAK]
            assert home.peak_pico == sum(own)
            paid = sum(line.amount_pico for line in [*lines[home.worker], *charges[home.worker]])
            assert home.hive_micro == -(-paid // 10**6)
    assert len(settled) == (2 if first_slot < MONTH_END else 0)
