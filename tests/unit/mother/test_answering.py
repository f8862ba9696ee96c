"""What the mother's broadcasts are answered with, and what is refused, with homes that do what the test says."""

import asyncio
import contextlib

import pytest
from msgspec import structs

from honey_edge.market.errors import ProtocolError
from honey_edge.market.grid.toward import Adopted, Nearest, Opening, mixed_w
from honey_edge.market.homes.worker_split import WorkerSplit
from honey_edge.market.rounds.stragglers import AnswerLedger
from honey_edge.wire.codec import encode
from honey_edge.wire.keccak import keccak
from honey_edge.wire.messages import RoundMessage
from honey_edge.wire.signing import KeySigner, signed_by
from honey_edge.wire.typed_data import Domain, digest
from queen_node.app.under_mother import Patience, UnderMother
from queen_node.mother.answering import MotherRounds, MotherRules

SLOT, SLOTS = 1_975_680, 96
NOW = SLOT * 900 + 40.0
DOMAIN = Domain(31337, bytes.fromhex("d0" * 20))
KEY = KeySigner(keccak(b"connection point"))


class Clock:
    def __init__(self):
        self.now, self.waits = NOW, []

    def now_unix_s(self):
        return self.now

    def hold(self, why):
        return contextlib.nullcontext()

    async def wait_for(self, event, until_unix_s):
        for _ in range(20):
            if event.is_set():
                return True
            await asyncio.sleep(0)
        self.now = max(self.now, until_unix_s)
        return event.is_set()


class Homes:
    """A Hive that draws as much as its target says, half as fast."""

    def __init__(self, opening):
        self.opening, self.asked, self.ended, self.left, self.dues = opening, [], None, 0, []
        self.lost, self.pause = False, None

    async def open_for(self, first_slot, price_e7, sigma, due_unix_s):
        self.opened_at = (first_slot, price_e7, sigma)
        self.dues.append(due_unix_s)
        return self.opening

    async def nearest(self, target_kw, due_unix_s, newer):
        self.dues.append(due_unix_s)
        while self.pause is not None and not newer():
            await self.pause()
        if self.lost:
            return None
        self.asked.append(target_kw)
        return Nearest(tuple(round(500 * one) for one in target_kw), 7, True)

    async def adopt(self, ending, due_unix_s):
        self.ended = ending
        return None if self.lost else Adopted(ending.wanted_w or (1,) * SLOTS, -5, 9)

    def leave(self):
        self.left += 1


class World:
    def __init__(self, opening=None):
        self.clock, self.answers, self.refused = Clock(), [], []
        self.homes = Homes(opening or Opening(True, (1_000,) * SLOTS, 44))
        rules = MotherRules(1, DOMAIN, KEY, 0.2)
        self.rounds = MotherRounds(self.clock, rules, self.homes, self.declare, self.refuse)

    async def declare(self, answer):
        self.answers.append(answer)

    def refuse(self, reason, detail, payload):
        self.refused.append(detail)

    async def hear(self, *messages):
        for message in messages:
            self.rounds.receive(message if isinstance(message, bytes) else encode(message))
            await self.rounds._task
        return self.answers


def price(iteration, *, number=3, final=False, first_slot=SLOT + 1, value=1_500_000, **more):
    return RoundMessage(
        hive=1,
        round=number,
        iteration=iteration,
        final=final,
        first_slot=first_slot,
        price_e7_per_kwh=(value,) * SLOTS,
        sigma_kw2_per_coin=70,
        deadline_unix_s=int(NOW) + 3,
        **more,
    )


def run(story):
    return asyncio.run(story)


def test_a_round_is_opened_answered_and_declared_as_a_worker_would():
    world = World()
    opened, first, second, final = run(
        world.hear(price(0), price(1), price(2, value=1_400_000), price(3, final=True, blend_e6=(400_000, 600_000)))
    )
    assert (opened.iteration, opened.flexible, opened.power_w, opened.alone_e9_coin) == (0, True, (1_000,) * SLOTS, 44)
    assert world.homes.opened_at == (SLOT + 1, (1_500_000,) * SLOTS, 70)
    assert (first.iteration, first.cost_e9_coin) == (1, 7)
    ledger = AnswerLedger({"d": opened.power_w}, (1_500_000,) * SLOTS, 70)
    for answer, at in ((first, 1_500_000), (second, 1_400_000)):
        ledger.broadcast((at,) * SLOTS)
        assert ledger.take("d", answer.iteration, answer.power_w, 7, answer.residual_e9_kw2, answer.inner_e9_kw2)
        ledger.close()
    assert ledger.impossible == ()
    mixed = tuple(round(0.4 * a + 0.6 * b) for a, b in zip(first.power_w, second.power_w, strict=True))
    assert world.homes.ended.wanted_w == pytest.approx(mixed, abs=1)
    assert final.power_w == world.homes.ended.wanted_w
    assert (final.bound_e9_coin, final.alone_e9_coin) == (-5, 9)
    assert signed_by(KEY.address, digest(DOMAIN, final.signed()), bytes.fromhex(final.signature))
    assert world.refused == []


def test_the_same_broadcast_gets_the_same_answer_and_an_older_one_none():
    world = World()
    answers = run(world.hear(price(0), price(0), price(1), price(2), price(2), price(1)))
    assert answers[0] == answers[1]
    assert answers[3] == answers[4]
    assert len(answers) == 5
    assert len(world.homes.asked) == 2


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (price(0, masked=True), "masked"),
        (structs.replace(price(0), hive=2), "Hive 2"),
        (structs.replace(price(0), price_e7_per_kwh=(1,) * 95), "95 prices"),
        (structs.replace(price(0), sigma_kw2_per_coin=0), "no scale"),
        (price(0, first_slot=SLOT + 2), "while slot"),
        (price(0, first_slot=SLOT), "while slot"),
        (b"{}", ""),
        (b"\xff" * 5_000, ""),
    ],
)
def test_what_no_answer_can_be_given_to_is_refused_and_changes_nothing(message, says):
    world = World()
    assert run(world.hear(message)) == []
    assert len(world.refused) == 1
    assert says in world.refused[0]
    assert len(run(world.hear(price(0)))) == 1


def test_a_price_out_of_its_round_is_refused_and_the_round_goes_on():
    world = World()
    run(world.hear(price(0), price(1), price(2, first_slot=SLOT + 1, gamma_e9=(10**15,))))
    assert "weights" in world.refused[0]
    answers = run(world.hear(price(2)))
    assert answers[-1].iteration == 2


def test_shares_or_a_second_price_of_another_length_are_refused():
    for wrong in ({"import_share_ppm": (1, 2)}, {"proof_e7": (1, 2)}):
        world = World()
        run(world.hear(price(0), price(1), price(2, final=True, **wrong)))
        assert world.homes.ended is None
        assert len(world.refused) == 1


def test_a_share_of_limits_is_room_within_what_was_opened_with():
    world = World(Opening(True, (1_000, -400) + (0,) * 94, None))
    shares = (250_000,) * SLOTS
    run(world.hear(price(0), price(1, final=True, import_share_ppm=shares, export_share_ppm=shares)))
    assert world.homes.ended.import_room_w[:3] == (250, 0, 0)
    assert world.homes.ended.export_room_w[:3] == (0, 100, 0)
    assert world.homes.ended.shared
    assert world.homes.ended.wanted_w is None


def test_a_mixture_that_is_none_leaves_the_homes_where_they_stand():
    world = World()
    run(world.hear(price(0), price(1), price(2, final=True, blend_e6=(1, 2))))
    assert world.homes.ended.wanted_w is None
    assert world.answers[-1].profile


def test_a_hive_that_cannot_move_opens_once_and_declares():
    world = World(Opening(False, (300,) * SLOTS))
    answers = run(world.hear(price(0), price(1), price(2, final=True)))
    assert [answer.flexible for answer in answers] == [False, False]
    assert world.homes.asked == []


def test_without_homes_nothing_is_answered():
    world = World()
    world.homes.opening = None
    assert run(world.hear(price(0), price(1), price(2, final=True))) == []


def test_an_iteration_that_is_lost_moves_nothing_and_the_next_price_is_answered():
    world = World()

    async def story():
        await world.hear(price(0), price(1))
        world.homes.lost = True
        await world.hear(price(2))
        world.homes.lost = False
        await world.hear(price(3))

    run(story())
    assert [answer.iteration for answer in world.answers] == [0, 1, 3]


def test_a_round_in_the_middle_is_joined_with_an_opening_as_a_restarted_worker_does():
    world = World()
    answers = run(world.hear(price(4), price(5)))
    assert (answers[0].iteration, answers[0].profile) == (0, "")
    assert answers[1].iteration == 5
    split = WorkerSplit(SLOTS, 70)
    split.opened((1_500_000,) * SLOTS, answers[0].power_w)
    asked = split.asked((1_500_000,) * SLOTS, (), False, 5)
    assert world.homes.asked[0] == pytest.approx(asked.target_kw)


def test_a_price_that_is_overtaken_is_still_answered_and_then_the_newer_one():
    world = World()

    async def story():
        await world.hear(price(0))

        async def pause():
            await asyncio.sleep(0)

        world.homes.pause = pause
        world.rounds.receive(encode(price(1)))
        await asyncio.sleep(0)
        world.rounds.receive(encode(price(2)))
        world.rounds.receive(encode(price(3)))
        world.homes.pause = None
        await world.rounds._task

    run(story())
    assert [answer.iteration for answer in world.answers] == [0, 1, 3]


def test_an_answer_is_due_a_second_before_the_deadline_or_after_the_own_time_but_never_later_than_a_minute():
    world = World()
    run(world.hear(price(0), structs.replace(price(1), deadline_unix_s=int(NOW) + 1)))
    run(world.hear(structs.replace(price(2), deadline_unix_s=int(NOW) + 10**6)))
    assert world.homes.dues == [pytest.approx(NOW + 2), pytest.approx(NOW + 0.2), pytest.approx(NOW + 60)]


def test_a_fault_while_answering_ends_the_daemons_task():
    world = World()

    async def broken(*_):
        raise RuntimeError("a fault")

    async def story():
        lasting = asyncio.create_task(world.rounds.run())
        await asyncio.sleep(0)
        world.homes.open_for = broken
        world.rounds.receive(encode(price(0)))
        await lasting

    with pytest.raises(RuntimeError, match="a fault"):
        run(story())


class Own:
    """The daughter's own rounds."""

    def __init__(self):
        self.alone = []

    def interrupted(self, first_slot):
        return False

    async def coordinate(self, first_slot, until_unix_s):
        self.alone.append(first_slot)
        return "alone"


def under(world, there=True):
    own = Own()
    return own, UnderMother(world.clock, own, world.rounds, lambda: there, Patience(20.0, 5.0))


def test_a_mother_who_is_away_or_does_not_begin_is_done_without(caplog):
    for there, reason in ((False, "away"), (True, "silent")):
        world = World()
        own, coordination = under(world, there)
        assert run(coordination.coordinate(SLOT + 1, NOW + 200)) == "alone"
        assert own.alone == [SLOT + 1]
        assert world.homes.left == 1
        assert world.clock.now == (NOW if not there else NOW + 20)
        assert f"mother={reason}" in caplog.text
        run(world.hear(price(0)))
        assert world.answers == []
        world.clock.now += 900
        assert len(run(world.hear(price(0, first_slot=SLOT + 2, number=4)))) == 1


def test_a_round_that_the_mother_ended_is_not_coordinated_again():
    world = World()
    own, coordination = under(world)
    run(world.hear(price(0), price(1), price(2, final=True)))
    assert run(coordination.coordinate(SLOT + 1, NOW + 200)) is None
    assert own.alone == []


def test_a_mother_who_stops_in_the_middle_is_waited_for_no_longer_than_her_silence():
    world = World()
    _, coordination = under(world)
    run(world.hear(price(0), price(1)))
    assert run(coordination.coordinate(SLOT + 1, NOW + 200)) == "alone"
    assert world.clock.now == NOW + 5


def test_a_mother_who_never_ends_costs_one_slot_only():
    world = World()
    own, coordination = under(world)

    async def talking():
        await world.hear(price(0))
        for k in range(1, 400):
            world.clock.now += 4.0
            if world.clock.now >= (SLOT + 1) * 900:
                return
            await world.hear(price(k))

    async def story():
        both = asyncio.gather(coordination.coordinate(SLOT + 1, NOW + 200), talking())
        return (await both)[0]

    assert run(story()) is None
    assert own.alone == []
    assert world.clock.now >= (SLOT + 1) * 900


def test_mixtures_name_answers_by_iteration_and_the_newest_before_where_there_is_none():
    told = {0: (100,), 2: (200,), 3: (400,)}
    assert mixed_w(told, 3, (500_000, 250_000, 250_000)) == (round(0.5 * 100 + 0.25 * 200 + 0.25 * 400),)
    assert mixed_w(told, 9, ()) == (400,)
    for weights in ((1, 2), (-1, 1_000_001)):
        with pytest.raises(ProtocolError):
            mixed_w(told, 3, weights)
    with pytest.raises(ProtocolError):
        mixed_w({}, 3, ())
