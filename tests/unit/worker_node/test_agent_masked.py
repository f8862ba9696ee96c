"""The agent under masks: what leaves the house, what it refuses, and that it promises what stands in the sums."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec import structs

from drivers.sim.granted import GrantedClock
from honey_edge.wire.codec import MessageError, decode, encode
from honey_edge.wire.keccak import keccak
from honey_edge.wire.mask_keys import RoundPlace
from honey_edge.wire.mask_messages import MaskAskMessage, MaskKeyMessage
from honey_edge.wire.mask_mixture import mixed_w
from honey_edge.wire.mask_queen import MaskedQueen
from honey_edge.wire.mask_vector import MaskedVector
from honey_edge.wire.mask_worker import MaskedWorker
from honey_edge.wire.messages import DeclareMessage, RoundMessage
from honey_edge.wire.signing import KeySigner
from tests.unit.worker_node.test_agent import BATTERY, SUNNY, price
from tests.unit.worker_node.world import DOMAIN, FIRST_SLOT, HIVE, TARIFF, WORKER
from worker_node.agent.masked import AgentMasks
from worker_node.agent.service import Agent, AgentTools
from worker_node.journal import JournalThread
from worker_node.uplink import Inbox, Peer, Publication, Uplink

ROUND = 3
OTHERS = [KeySigner(bytes([0x31 + k]) * 32) for k in range(3)]
MEMBERS = [WORKER.address, *(one.address for one in OTHERS)]


class Street:
    """A real agent, three neighbours that only mask, and the Queen's side of the masks."""

    def __init__(self, folder: Path, *, required: bool = True, newest_slot: int = -1) -> None:
        self.journal = JournalThread(folder / "journal.sqlite", WORKER.address)
        self.journal.run(lambda journal: journal.seed_history(SUNNY))
        own = MaskedWorker(DOMAIN, WORKER, MEMBERS, newest_slot=newest_slot)
        self.masks = AgentMasks(own, HIVE, WORKER.address.hex(), lambda: FIRST_SLOT, required=required)
        tools = AgentTools(WORKER, DOMAIN, TARIFF, self.journal, self.tell, masks=self.masks)
        self.agent = Agent(tools, BATTERY)
        self.neighbours = {one.address: MaskedWorker(DOMAIN, one, MEMBERS) for one in OTHERS}
        self.queen = MaskedQueen(DOMAIN, RoundPlace(HIVE, ROUND, FIRST_SLOT + 1), MEMBERS)

    async def tell(self, power_w: int) -> None:
        return None

    def run(self, story: Callable[[], Awaitable[None]]) -> None:
        async def whole() -> None:
            await self.agent.load()
            await self.agent.start_slot(FIRST_SLOT, 3_000_000)
            await story()

        asyncio.run(whole())

    def agree(self) -> None:
        key = self.masks.roster(encode(self.queen.call()))
        assert key is not None
        self.queen.take_key(key)
        for worker in self.neighbours.values():
            self.queen.take_key(worker.call(self.queen.call()))
        roster = self.queen.seal()
        assert self.masks.roster(encode(roster)) is None
        for worker in self.neighbours.values():
            worker.accept(roster)

    async def iterate(self, number: int, *, late: bool = False) -> DeclareMessage | None:
        """One broadcast to the agent and its neighbours, opened; `late`: the agent's answer does not count."""
        self.queen.begin(number)
        declared = await self.agent.answer(masked_price(number))
        if declared is not None and not late:
            self.queen.take_answer(WORKER.address, number, declared.masked)
        self.open(number)
        return declared

    def open(self, number: int) -> None:
        """The neighbours' answers, and the sum of all."""
        for name, worker in self.neighbours.items():
            self.queen.take_answer(name, number, worker.answer(number, MaskedVector.of((0,))))
        while (ask := self.queen.next_ask()) is not None:
            told = self.masks.ask(encode(ask))
            if told is not None:
                self.queen.take_reveal(WORKER.address, told)
            for name in sorted(self.queen.awaited & self.neighbours.keys()):
                self.queen.take_reveal(name, self.neighbours[name].reveal(ask))
        self.queen.opened()


def masked_price(iteration: int, *, final: bool = False) -> RoundMessage:
    """A broadcast whose price moves with the iteration, so that every answer is another."""
    plain = price(iteration, final=final)
    moved = tuple(one + (700_000 if k < 20 + 12 * iteration else 0) for k, one in enumerate(plain.price_e7_per_kwh))
    return structs.replace(plain, masked=True, price_e7_per_kwh=moved)


def promised_w(street: Street, declared: DeclareMessage) -> int:
    """The first slot's power that a Declaration holds: found among all that a home can have."""
    plan = street.agent.view().plan
    assert plan is not None
    for power_w in range(-20_000, 20_001):
        if keccak(plan.salt + power_w.to_bytes(4, "big", signed=True)).hex() == declared.profile:
            return power_w
    raise AssertionError("the Declaration holds no power of this home")


def test_answers_leave_the_house_masked_and_the_sum_of_the_round_is_the_plan_that_is_promised(tmp_path: Path) -> None:
    street = Street(tmp_path)

    async def story() -> None:
        street.agree()
        for number in range(3):
            declared = await street.iterate(number)
            assert declared is not None
            assert (declared.power_w, declared.cost_e9_coin, declared.inner_e9_kw2) == ((), 0, ())
            assert declared.masked
        final = await street.agent.answer(masked_price(3, final=True))
        assert final is not None
        assert (final.power_w, final.cost_e9_coin, final.bound_e9_coin, final.alone_e9_coin) == ((), 0, None, None)
        plan = street.agent.view().plan
        assert plan is not None
        assert plan.net_w[0] == street.queen.totals.power_w[0] == promised_w(street, final)

    street.run(story)


@pytest.mark.parametrize("counted", [0, 1, 2])
def test_a_home_that_was_left_out_follows_and_promises_its_last_counted_answer(tmp_path: Path, counted: int) -> None:
    street = Street(tmp_path)

    async def story() -> None:
        street.agree()
        answers = []
        for number in range(4):
            answers.append(await street.iterate(number, late=number > counted))
        assert [answer is not None for answer in answers] == [number <= counted + 1 for number in range(4)]
        final = await street.agent.answer(masked_price(4, final=True))
        assert final is not None
        if counted:
            assert promised_w(street, final) == street.queen.totals.power_w[0]
            plan = street.agent.view().plan
            assert plan is not None
            assert abs(plan.net_w[0] - street.queen.totals.power_w[0]) <= 1

    street.run(story)


def test_an_iteration_that_was_lost_at_the_queen_is_not_adopted(tmp_path: Path) -> None:
    """Her final broadcast carries the number of the lost iteration: what counts is the one before."""
    street = Street(tmp_path)

    async def story() -> None:
        street.agree()
        for number in range(3):
            await street.iterate(number)
        assert street.masks.counted(masked_price(3, final=True)) == 2
        assert street.masks.counted(masked_price(2, final=True)) == 1

    street.run(story)


def test_a_home_that_requires_masks_tells_no_price_s_answer_without_them(tmp_path: Path) -> None:
    street = Street(tmp_path)

    async def story() -> None:
        assert await street.agent.answer(price(0)) is None
        assert await street.agent.answer(price(1)) is None

    street.run(story)


def test_a_home_that_does_not_require_masks_answers_openly_but_not_beside_a_masked_plan(tmp_path: Path) -> None:
    street = Street(tmp_path, required=False)

    async def story() -> None:
        opened = await street.agent.answer(price(0))
        assert opened is not None
        assert opened.power_w
        street.agree()
        await street.iterate(0)
        assert await street.agent.answer(structs.replace(price(0), round=ROUND + 1)) is None

    street.run(story)


def test_a_masked_broadcast_without_an_accepted_list_gets_no_answer(tmp_path: Path) -> None:
    street = Street(tmp_path)

    async def story() -> None:
        assert await street.agent.answer(masked_price(0)) is None
        assert await street.agent.answer(masked_price(1, final=True)) is None

    street.run(story)


def test_calls_for_other_slots_after_a_restart_or_from_another_hive_bring_no_key(tmp_path: Path) -> None:
    street = Street(tmp_path)
    call = street.queen.call()
    assert street.masks.roster(encode(structs.replace(call, first_slot=FIRST_SLOT + 2))) is None
    with pytest.raises(MessageError):
        street.masks.roster(encode(structs.replace(call, hive=HIVE + 1)))
    with pytest.raises(MessageError):
        street.masks.roster(b"[]")
    (tmp_path / "again").mkdir()
    restarted = Street(tmp_path / "again", newest_slot=FIRST_SLOT + 1)
    assert restarted.masks.roster(encode(call)) is None
    assert street.masks.roster(encode(call)) is not None


def test_requests_of_other_groups_rounds_or_hives_reveal_nothing(tmp_path: Path) -> None:
    street = Street(tmp_path)

    async def story() -> None:
        ask = MaskAskMessage(hive=HIVE, round=ROUND, group=0, iteration=0, serial=0, open=True)
        assert street.masks.ask(encode(ask)) is None
        street.agree()
        assert street.masks.ask(encode(ask)) is None
        await street.iterate(0)
        assert street.masks.ask(encode(structs.replace(ask, group=1))) is None
        assert street.masks.ask(encode(structs.replace(ask, round=ROUND + 1))) is None
        assert street.masks.ask(encode(structs.replace(ask, serial=7))) is None
        with pytest.raises(MessageError):
            street.masks.ask(encode(structs.replace(ask, hive=HIVE + 1)))

    street.run(story)


def test_a_list_with_a_stranger_is_refused_and_the_round_goes_by(tmp_path: Path) -> None:
    street = Street(tmp_path)

    async def story() -> None:
        street.agree()
        stranger = KeySigner(b"\x66" * 32)
        queen = MaskedQueen(DOMAIN, RoundPlace(HIVE, ROUND + 1, FIRST_SLOT + 1), [*MEMBERS, stranger.address])
        key = street.masks.roster(encode(queen.call()))
        assert key is not None
        queen.take_key(key)
        for signer in (stranger, *OTHERS[:2]):
            queen.take_key(MaskedWorker(DOMAIN, signer, MEMBERS).call(queen.call()))
        street.masks.roster(encode(queen.seal()))
        assert await street.agent.answer(structs.replace(masked_price(0), round=ROUND + 1)) is None

    street.run(story)


def test_the_uplink_brings_mask_messages_in_and_their_answers_out(tmp_path: Path) -> None:
    street = Street(tmp_path)
    sent: list[Publication] = []

    class Broker:
        async def publish(self, out: Publication) -> None:
            sent.append(out)

    async def nothing(*_: object) -> None:
        return None

    name = WORKER.address.hex()
    inbox = Inbox(nothing, nothing, street.agent.answer, nothing, street.masks)
    peer = Peer(HIVE, name, "00" * 20, DOMAIN, "1")
    uplink = Uplink(peer, GrantedClock(FIRST_SLOT * 900), street.journal, Broker(), inbox)
    root = f"hive/v1/{HIVE}"

    async def story() -> None:
        await uplink.received(f"{root}/q/maskroster", encode(street.queen.call()))
        street.queen.take_key(decode(MaskKeyMessage, sent[0].payload))
        for worker in street.neighbours.values():
            street.queen.take_key(worker.call(street.queen.call()))
        roster = street.queen.seal()
        await uplink.received(f"{root}/q/maskroster", encode(roster))
        await uplink.received(f"{root}/q/round", encode(masked_price(0)))
        ask = MaskAskMessage(hive=HIVE, round=ROUND, group=0, iteration=0, serial=0, open=True)
        await uplink.received(f"{root}/q/maskask", encode(ask))
        await uplink.received(f"{root}/q/maskask", b"[]")

    street.run(story)
    assert [out.topic for out in sent] == [f"{root}/w/{name}/{kind}" for kind in ("maskkey", "declare", "maskopen")]
    assert not any(out.retained for out in sent)
    assert uplink.status.refused_messages == 1


def test_a_home_that_can_move_nothing_now_masks_its_forecast_through_the_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from honey_edge.market.homes.assets import Home
    from worker_node.agent import homes

    def bare(assets: object, base_kw: list[float], state: object, slot: int) -> Home:
        return Home([max(one, 0.0) for one in base_kw], [max(-one, 0.0) for one in base_kw])  # type: ignore[arg-type]

    monkeypatch.setattr(homes, "home_of", bare)
    street = Street(tmp_path)

    async def story() -> None:
        street.agree()
        for number in range(3):
            declared = await street.iterate(number)
            assert declared is not None
            assert (declared.flexible, declared.power_w, bool(declared.masked)) == (False, (), True)
        assert street.queen.active == set(MEMBERS)
        assert any(street.queen.totals.power_w)
        final = await street.agent.answer(masked_price(3, final=True))
        assert final is not None
        assert (final.power_w, bool(final.profile)) == ((), True)

    street.run(story)
    again = Street(tmp_path, newest_slot=FIRST_SLOT + 1)

    async def without_a_list() -> None:
        opened = await again.agent.answer(masked_price(0))
        assert opened is not None
        assert (opened.flexible, len(opened.power_w), opened.masked) == (False, 96, "")
        assert await again.agent.answer(masked_price(1)) is None

    again.run(without_a_list)


def test_a_home_promises_the_mixture_of_its_counted_answers_and_its_bounds_leave_masked(tmp_path: Path) -> None:
    street = Street(tmp_path)

    async def story() -> None:
        street.agree()
        first_w = {}
        for number in range(4):
            assert await street.iterate(number) is not None
            first_w[number] = street.queen.totals.power_w[0]
        question = structs.replace(masked_price(4), proof_e7=masked_price(3).price_e7_per_kwh)
        street.queen.begin(4)
        told = await street.agent.answer(question)
        assert told is not None
        assert (told.power_w, told.inner_e9_kw2, told.bound_e9_coin) == ((), (), None)
        street.queen.take_answer(WORKER.address, 4, told.masked)
        street.open(4)
        totals = street.queen.totals
        bound, proof, alone = totals.inner_e9_kw2[:3]
        assert totals.power_w[0] == first_w[3]
        at_price = sum(p * e7 for p, e7 in zip(totals.power_w, question.price_e7_per_kwh, strict=True)) // 40
        assert proof < bound <= totals.cost_e9_coin + at_price + 100_000
        assert alone > 0
        weights = (250_000, 0, 750_000)
        final = await street.agent.answer(structs.replace(masked_price(4, final=True), blend_e6=weights))
        assert final is not None
        assert promised_w(street, final) == mixed_w({k: (w,) for k, w in first_w.items()}, 3, weights)[0]
        plan = street.agent.view().plan
        assert plan is not None
        assert abs(plan.net_w[0] - promised_w(street, final)) <= 1

    street.run(story)
