"""Tests A and B in a round, and the desk: who is asked, what is taken, and that nothing else counts."""

import asyncio
from dataclasses import asdict, replace

import pytest
from msgspec import structs

from honey_edge.market.fairplay.conduct import Run, Watched
from honey_edge.market.fairplay.disclosed import numbers_of, whole
from honey_edge.wire.codec import decode, encode
from honey_edge.wire.fairplay_messages import (
    APPEALED,
    DRAWN,
    INCONSISTENT,
    AppealMessage,
    AuditAskMessage,
    DisclosureMessage,
    StandingMessage,
)
from honey_edge.wire.signing import signed_by
from honey_edge.wire.structs import SlotTotals
from honey_edge.wire.topics import APPEAL, AUDIT, DISCLOSE, STANDING, parse
from queen_node.app.fair_play import FairPlay
from queen_node.app.timetable import Connection, Timetable
from queen_node.closing.trust import note_standing
from queen_node.connection import no_meter
from queen_node.coordinator.answers import plain_answers
from queen_node.downlink import Downlink
from queen_node.fairplay.desk import FairPlayDesk, FairPlayRules
from queen_node.settings import TimesSection
from queen_node.store import audits, fairplay, readings
from queen_node.store.fairplay import FindingRow
from queen_node.store.records import ClosedSlot, SlotMoney
from tests.unit.queen_node.answering_homes import Hive, home
from tests.unit.queen_node.conftest import DOMAIN, QUEEN

BATTERY, SUNNY, PLAIN = home(0.8, 0.0, True), home(0.5, 1.2, True), home(1.0, 0.0, False)


class Fair(Hive):
    """Homes whose answers are followed; they remember their private w and may forge what they tell."""

    def __init__(self, world, homes, forge=None, *, permille=0, a_day=4, every_days=28):
        rules = FairPlayRules(7, DOMAIN, QUEEN, permille, a_day, 3_600, every_days)
        self.told, self.states, self.forge = [], {}, forge or {}
        self.begin_clock = None
        super().__init__(world, homes)
        self.desk = FairPlayDesk(self.clock, world.store, rules, world.refusals, self.send, note_standing)
        names = [worker.name for worker in world.workers]
        self.fair = FairPlay(self.clock, world.store, self.desk, no_meter, names)
        rules = replace(self.coordinator._rules, collector=self.fair.watching(plain_answers))
        self.coordinator._rules = rules
        self.coordinator._online = self.fair.admitted(self.online)

    async def send(self, kind, message, worker):
        self.told.append((kind, message))
        assert message.worker == worker

    def answer(self, name, own, message):
        told = super().answer(name, own, message)
        if message.iteration and not message.final and own.battery is not None:
            self.states[name, message.round, message.iteration] = whole(self.iterations[name].state_kw)
            if name in self.forge:
                forged = self.forge[name](message.iteration, told.power_w)
                return structs.replace(told, power_w=forged, residual_e9_kw2=0, inner_e9_kw2=())
        return told

    def round_and_close(self, slot):
        """A round for the slot, and its closing as far as fair play sees it."""
        self.coordinate(slot)
        self.close(slot)

    def close(self, slot):
        async def closing():
            await self.fair.closed(closed(slot))
            await self.fair.stated(closed(slot))
            await self.desk.idle()

        asyncio.run(closing())

    def asks(self):
        return [message for kind, message in self.told if kind == AUDIT]

    def disclosed(self, ask, own=None, **changes):
        own = own or self.homes[ask.worker]
        message = DisclosureMessage(
            hive=7,
            worker=ask.worker,
            signature="0" * 128,
            round=ask.round,
            iteration=ask.iteration,
            first_slot=next(one.first_slot for one in self.sent if one.round == ask.round),
            sigma_kw2_per_coin=next(one.sigma_kw2_per_coin for one in self.sent if one.round == ask.round),
            state_mw=self.states[ask.worker, ask.round, ask.iteration],
            **asdict(numbers_of(own)),
        )
        return self.signed(structs.replace(message, **changes))

    def signed(self, message, signer=None):
        signer = signer or self.world.by_name(message.worker).signer
        return structs.replace(message, signature=signer.sign(message.digest(DOMAIN)).hex())

    def bring(self, kind, *messages, worker=None):
        """Messages from Workers, and all that follows from them."""

        async def whole_story():
            for one in messages:
                payload = one if isinstance(one, bytes) else encode(one)
                self.fair.receive(kind.name, worker or one.worker, payload)
                await self.desk.idle()

        asyncio.run(whole_story())

    def verdicts(self, worker):
        with self.world.store.begin() as tx:
            return [(row.why, row.verdict) for row in audits.audits_of(tx, worker.name)]

    def refused(self):
        """Why messages of fair play were refused, newest first."""
        self.world.ingest.commit()
        with self.world.store.begin() as tx:
            rows = readings.rejected_of(tx, limit=1_000)
        return [row.reason for row in rows if row.kind in (DISCLOSE.name, APPEAL.name)]

    def findings(self, worker, kind):
        with self.world.store.begin() as tx:
            return [row for row in fairplay.findings_of(tx, worker.name) if row.kind == kind]


def closed(slot):
    totals = SlotTotals(7, slot, 0, 0, 0, 2, 1, 1, 250, 25, 0, 0, 0, bytes(32), bytes(32))
    return ClosedSlot(totals, b"", b"", None, SlotMoney(0, 0, 0, 0, 0, 0, 0, 0))


def wanders(iteration, power_w):
    """Every other answer asks for 400 W more in every slot: no home's."""
    return tuple(p + (400 if iteration % 2 else -400) for p in power_w)


def test_inconsistent_answers_are_found_audited_and_fail_while_honest_ones_are_left_alone(world, first_slot):
    liar, honest, _ = world.workers
    hive = Fair(world, [BATTERY, SUNNY, PLAIN], {liar.name: wanders})
    hive.round_and_close(first_slot + 1)
    (ask,) = hive.asks()
    assert (ask.worker, ask.why) == (liar.name, INCONSISTENT)
    assert signed_by(QUEEN.address, ask.digest(DOMAIN), bytes.fromhex(ask.signature))
    assert decode(AuditAskMessage, encode(ask)) == ask
    assert len(hive.findings(liar, fairplay.INCONSISTENT)) == 1
    assert hive.findings(honest, fairplay.INCONSISTENT) == []
    hive.bring(DISCLOSE, hive.disclosed(ask))
    assert hive.verdicts(liar) == [(INCONSISTENT, audits.FAILED)]
    with world.store.begin() as tx:
        assert fairplay.standings(tx) == {}


def test_every_honest_answer_that_is_drawn_passes_its_replay(world, first_slot):
    hive = Fair(world, [BATTERY, SUNNY, PLAIN], permille=1000)
    for k in range(1, 4):
        hive.round_and_close(first_slot + k)
    asks = hive.asks()
    assert sorted({ask.worker for ask in asks}) == sorted(one.name for one in world.workers[:2])
    assert len(asks) == 6
    hive.bring(DISCLOSE, *[hive.disclosed(ask) for ask in asks])
    assert [verdict for one in world.workers[:2] for verdict in hive.verdicts(one)] == [(DRAWN, audits.PASSED)] * 6
    with world.store.begin() as tx:
        assert all(row.worst_w <= 20 for row in audits.audits_of(tx, world.workers[0].name))


def test_no_more_than_the_share_is_drawn_and_never_more_a_day_than_allowed(world, make_world, first_slot):
    hive = Fair(world, [BATTERY, SUNNY, PLAIN], permille=1000, a_day=1)
    for k in range(1, 4):
        hive.round_and_close(first_slot + k)
    assert len(hive.asks()) == 2
    none = Fair(make_world(), [BATTERY, SUNNY, PLAIN], permille=0)
    none.round_and_close(first_slot + 1)
    assert none.asks() == []


def test_an_answer_of_another_home_or_from_another_state_fails(world, first_slot):
    hive = Fair(world, [BATTERY, SUNNY, PLAIN], permille=1000)
    hive.round_and_close(first_slot + 1)
    first, second = hive.asks()
    other = next(own for own in hive.homes.values() if own is not hive.homes[first.worker])
    moved = tuple(one + 100_000 for one in hive.states[second.worker, second.round, second.iteration])
    hive.bring(DISCLOSE, hive.disclosed(first, own=other), hive.disclosed(second, state_mw=moved))
    with world.store.begin() as tx:
        rows = [audits.audits_of(tx, ask.worker)[0] for ask in (first, second)]
    assert [row.verdict for row in rows] == [audits.FAILED] * 2
    assert "disclosed w" in rows[1].detail


def test_a_home_that_cannot_be_fails_and_stops_nothing(world, first_slot):
    hive = Fair(world, [BATTERY, SUNNY, PLAIN], permille=1000)
    hive.round_and_close(first_slot + 1)
    first, second = hive.asks()
    hive.bring(DISCLOSE, hive.disclosed(first, battery=(1, 2, 3)), hive.disclosed(second))
    verdicts = [hive.verdicts(world.by_name(ask.worker))[0][1] for ask in (first, second)]
    assert verdicts == [audits.FAILED, audits.PASSED]


def test_forged_foreign_replayed_huge_and_unasked_disclosures_are_refused(world, first_slot):
    hive = Fair(world, [BATTERY, SUNNY, PLAIN], permille=1000)
    hive.round_and_close(first_slot + 1)
    first, second = hive.asks()
    good = hive.disclosed(first)
    hive.bring(DISCLOSE, hive.signed(good, world.by_name(second.worker).signer), worker=first.worker)
    hive.bring(DISCLOSE, good, worker=second.worker)
    hive.bring(DISCLOSE, b"x" * 20_000, worker=first.worker)
    hive.bring(DISCLOSE, hive.disclosed(first, iteration=first.iteration + 1))
    hive.bring(DISCLOSE, hive.disclosed(first, first_slot=good.first_slot + 1))
    hive.bring(DISCLOSE, structs.replace(good, load_mw=tuple(one + 1 for one in good.load_mw)))
    assert hive.verdicts(world.by_name(first.worker)) == [(DRAWN, audits.ASKED)]
    hive.bring(DISCLOSE, good, good)
    assert hive.verdicts(world.by_name(first.worker)) == [(DRAWN, audits.PASSED)]
    assert sorted(hive.refused()) == sorted(["forged", "foreign", "malformed", "unasked", "round", "forged", "unasked"])


def test_a_flood_of_copies_of_one_disclosure_is_judged_once(world, first_slot):
    hive = Fair(world, [BATTERY, SUNNY, PLAIN], permille=1000)
    hive.round_and_close(first_slot + 1)
    ask = hive.asks()[0]
    payload = encode(hive.disclosed(ask))

    async def flood():
        for _ in range(50):
            hive.fair.receive(DISCLOSE.name, ask.worker, payload)
        await hive.desk.idle()

    asyncio.run(flood())
    assert hive.refused() == ["unasked"] * 49
    assert hive.verdicts(world.by_name(ask.worker)) == [(DRAWN, audits.PASSED)]


def test_a_question_without_an_answer_ends_as_not_disclosed_and_is_asked_again_after_a_restart(world, first_slot):
    hive = Fair(world, [BATTERY, SUNNY, PLAIN], permille=1000)
    hive.round_and_close(first_slot + 1)
    again = Fair(world, [BATTERY, SUNNY, PLAIN])
    asyncio.run(again.fair.again())
    assert [(ask.worker, ask.round) for ask in again.asks()] == [(ask.worker, ask.round) for ask in hive.asks()]
    hive.clock.now += 3_601
    hive.close(first_slot + 2)
    assert hive.verdicts(world.workers[0]) == [(DRAWN, audits.UNDISCLOSED)]
    hive.bring(DISCLOSE, hive.disclosed(hive.asks()[0]))
    assert hive.refused() == ["unasked"]


def put_standing(world, worker, standing, day):
    """A Worker whose two alarms led to a standing."""
    watched = Watched(runs=(Run(1, day - 6, day - 4), Run(1, day - 3, day)))
    watched = replace(watched, conduct=replace(watched.conduct, standing=standing, since_day=day))
    with world.store.begin() as tx:
        fairplay.put_watched(tx, worker.name, watched)
        note_standing(tx, worker.name, watched, 0)


def appeal(hive, worker, serial, **changes):
    message = AppealMessage(hive=7, worker=worker.name, signature="0" * 128, serial=serial)
    return hive.signed(structs.replace(message, **changes))


def serial_of(hive, worker):
    (found, *_) = hive.findings(worker, fairplay.STANDING)
    return found.number


def test_a_finding_is_told_signed_and_again_after_each_connection(world, first_slot):
    hive = Fair(world, [BATTERY, SUNNY, PLAIN])
    put_standing(world, world.workers[0], "floored", 19_000)
    hive.close(first_slot)
    hive.close(first_slot + 1)
    asyncio.run(hive.fair.again())
    first, again = (message for kind, message in hive.told if kind == STANDING)
    assert first == again
    assert decode(StandingMessage, encode(first)) == first
    assert (first.standing, first.since_day, first.side) == (1, 19_000, (1, 1))
    assert (first.from_day, first.to_day) == ((18_994, 18_997), (18_996, 19_000))
    assert signed_by(QUEEN.address, first.digest(DOMAIN), bytes.fromhex(first.signature))


def test_a_suspended_home_is_left_out_of_rounds(world, first_slot):
    suspended = world.workers[0]
    hive = Fair(world, [BATTERY, SUNNY, PLAIN])
    put_standing(world, suspended, "suspended", 19_000)
    hive.close(first_slot)
    assert hive.fair.suspended == {suspended.name}
    assert hive.fair.admitted(hive.online)() == {one.name for one in world.workers[1:]}


@pytest.mark.parametrize(("honest", "standing"), [(True, "good"), (False, "suspended")])
def test_an_appeal_audits_the_last_three_answers_and_only_passing_all_restores(world, first_slot, honest, standing):
    worker = world.workers[0]
    hive = Fair(world, [BATTERY, SUNNY, PLAIN])
    for k in range(1, 5):
        hive.round_and_close(first_slot + k)
    put_standing(world, worker, "suspended", 19_000)
    hive.bring(APPEAL, appeal(hive, worker, serial_of(hive, worker)))
    asks = hive.asks()
    assert [ask.why for ask in asks] == [APPEALED] * 3
    told = [hive.disclosed(ask) for ask in asks]
    if not honest:
        told[1] = hive.disclosed(asks[1], own=home(2.0, 0.0, True))
    hive.bring(DISCLOSE, *told)
    with world.store.begin() as tx:
        assert fairplay.watched_of(tx, worker.name).conduct.standing == standing
        assert [row.outcome for row in audits.appeals_of(tx, worker.name)] == ["passed" if honest else "failed"]
    standings = [message.standing for kind, message in hive.told if kind == STANDING]
    assert standings[-1:] == ([0] if honest else [2])


def test_appeals_without_ground_or_too_often_are_refused(world, first_slot):
    worker, other, _ = world.workers
    hive = Fair(world, [BATTERY, SUNNY, PLAIN])
    hive.bring(APPEAL, appeal(hive, worker, 1))
    put_standing(world, worker, "floored", 19_000)
    number = serial_of(hive, worker)
    hive.bring(APPEAL, appeal(hive, worker, number + 1))
    hive.bring(APPEAL, appeal(hive, worker, number))
    hive.bring(APPEAL, hive.signed(appeal(hive, worker, number), other.signer), worker=worker.name)
    assert hive.refused() == ["forged", "appeal", "appeal", "appeal"]
    for k in range(1, 3):
        hive.round_and_close(first_slot + k)
    hive.bring(APPEAL, appeal(hive, worker, number))
    hive.bring(APPEAL, appeal(hive, worker, number))
    assert len(hive.asks()) == 2
    hive.bring(DISCLOSE, *[hive.disclosed(ask) for ask in hive.asks()])
    put_standing(world, worker, "floored", 19_009)
    hive.bring(APPEAL, appeal(hive, worker, serial_of(hive, worker)))
    assert len(hive.asks()) == 2
    assert hive.refused()[:2] == ["appeal", "appeal"]


def test_the_kept_answers_are_the_last_ones_of_each_worker(world, first_slot):
    hive = Fair(world, [BATTERY, SUNNY, PLAIN])
    for k in range(1, audits.KEPT_ROUNDS + 4):
        hive.round_and_close(first_slot + k)
    with world.store.begin() as tx:
        kept = audits.newest_answers(tx, world.workers[0].name, 100)
        assert audits.newest_answers(tx, world.workers[2].name, 100) == []
    numbers = [row.round for row in kept]
    assert len(numbers) == audits.KEPT_ROUNDS
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] == hive.sent[-1].round
    assert kept[0].state_mw == hive.states[kept[0].worker, kept[0].round, kept[0].iteration]


def test_what_is_kept_is_picked_by_what_came_after_the_answer(world, make_world, first_slot):
    picked = []
    for where in (world, make_world()):
        hive = Fair(where, [BATTERY, SUNNY, PLAIN])
        for k in range(1, 5):
            hive.round_and_close(first_slot + k)
        with where.store.begin() as tx:
            picked.append([row.iteration for row in audits.newest_answers(tx, where.workers[0].name, 4)])
    assert picked[0] == picked[1]
    assert len(set(picked[0])) > 1


def test_a_finding_is_kept_with_its_words(world):
    with world.store.begin() as tx:
        fairplay.add_finding(tx, FindingRow("ab" * 20, 3, fairplay.METER, 0, "words"))
        assert fairplay.findings_of(tx)[0].detail == "words"
        assert fairplay.newest_standing(tx, "ab" * 20) is None


def test_what_a_factor_follows_from_is_told_before_the_statement_that_carries_it(world, first_slot):
    worker = world.workers[0]
    hive = Fair(world, [BATTERY, SUNNY, PLAIN])
    for slot in (first_slot, first_slot + 1):
        world.now_unix_s = 900.0 * (slot + 1) + 5
        world.send(worker, worker.read(slot, 10**9 + 1_000 * (slot - first_slot), 10**9))
    put_standing(world, worker, "floored", 19_000)
    order = []

    async def publish(out):
        order.append(parse(out.topic)[0].name)

    down = Downlink(publish, 7, DOMAIN, QUEEN)
    hive.desk._send = down.addressed
    table = Timetable(
        hive.clock,
        TimesSection(),
        world.closer,
        world.channels,
        hive.coordinator,
        down,
        asyncio.Event(),
        Connection(),
        set,
        hive.fair,
    )
    hive.clock.now = 900.0 * (first_slot + 5)
    asyncio.run(table._close(first_slot + 1))
    assert order == ["slot", "standing", "statement"]
