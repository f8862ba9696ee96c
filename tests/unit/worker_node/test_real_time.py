"""What must hold for the home inside a slot: it moves for its own Queen only, within its own offer, and signs once."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from honey_edge.market.grid.flexibility import Store
from honey_edge.model.options import SettingsError
from honey_edge.model.slots import slot_start_unix_s
from honey_edge.wire.flex_messages import AcceptMessage, OfferMessage, OrderMessage, PowerMessage
from honey_edge.wire.flex_structs import flex_offer_digest
from honey_edge.wire.messages import Message
from honey_edge.wire.signing import KeySigner, Signer, signed_by
from honey_edge.wire.topics import TopicKind
from honey_edge.wire.typed_data import Domain, digest
from tests.unit.worker_node.test_agent import BATTERY
from tests.unit.worker_node.world import DOMAIN, FIRST_SLOT, HIVE, QUEEN, TARIFF, WORKER, write_settings
from worker_node.agent.service import HIVE as AGREED
from worker_node.agent.service import Agent, AgentTools
from worker_node.app.parts import make_clock, read_identity
from worker_node.app.realtime import real_time
from worker_node.journal import JournalThread, StoredPlan
from worker_node.realtime.checks import OrderRefused
from worker_node.realtime.minutes import MinuteMean
from worker_node.realtime.service import RealTime, RealTimeRules
from worker_node.settings import load_settings

POOL = Domain(DOMAIN.chain_id, b"\xf1" * 20)
ADDRESS = WORKER.address.hex()
BEGIN = slot_start_unix_s(FIRST_SLOT)
STORE = Store(3_200_000, 0, 6_400_000, 5_000, 5_000, 950, 950, 1_000, 1_400, 25_000)
RULES = RealTimeRules(HIVE, POOL, QUEEN.address, 200_000, 500, 0, 25_000)


class Battery:
    """Stands for the agent: knows a store and what it was told."""

    def __init__(self, store: Store | None = STORE) -> None:
        self.known, self.told = store, list[tuple[int, int]]()

    def store(self, slot: int, most_w: int) -> Store | None:
        return self.known

    async def order(self, slot: int, watts: int) -> None:
        self.told.append((slot, watts))


class House:
    """A home's minutes over a journal, and a clock that is set."""

    def __init__(self, folder: Path, rules: RealTimeRules = RULES, store: Store | None = STORE) -> None:
        self.journal = JournalThread(folder / "journal.sqlite", WORKER.address)
        self.battery, self.rules, self.now = Battery(store), rules, float(BEGIN)
        self.sent: list[Message] = []
        self.restart()

    def restart(self) -> None:
        self.minutes = RealTime(self.rules, WORKER, self.journal, self.battery, lambda: self.now, self.post)

    def post(self, kind: TopicKind, message: Message) -> None:
        assert kind.message is type(message)
        self.sent.append(message)

    def start(self, slot: int = FIRST_SLOT) -> OfferMessage | None:
        """A slot begins; the offer that leaves the house."""
        before = len(self.sent)
        asyncio.run(self.minutes.start_slot(slot))
        offers = self.sent[before:]
        assert len(offers) <= 1
        return offers[0] if offers else None  # type: ignore[return-value]

    def sample(self, second: int, power_w: float | None = 0.0) -> None:
        self.now = BEGIN + second
        asyncio.run(self.minutes.sampled(BEGIN + second, power_w))

    def take(self, message: OrderMessage, second: int = 65) -> AcceptMessage:
        self.now = BEGIN + second + 0.5
        return asyncio.run(self.minutes.order(message))

    def accepted(self) -> list[int]:
        return [one.serial for one in self.journal.run(lambda journal: journal.flex.orders_after(0))]


def order(signer: Signer = QUEEN, domain: Domain = POOL, **changes: Any) -> OrderMessage:
    """An order of the Queen that is right unless something is changed; the price follows the watts."""
    fields = {"hive": HIVE, "worker": ADDRESS, "slot": FIRST_SLOT, "watts": -1_000, "serial": 1} | changes
    times = {"from_s": fields.pop("from_s", 70), "until_s": fields.pop("until_s", 900)}
    span = times["until_s"] - times["from_s"]
    fields.setdefault("price_micro", abs(fields["watts"]) * span * 200_000 // 3_600_000)
    message = OrderMessage(**fields, **times, signature="00" * 64)
    return structs.replace(message, signature=signer.sign(digest(domain, message.signed())).hex())


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.start()
    return made


# -- what is reported


def test_a_minute_is_the_mean_of_its_samples_and_told_when_the_next_begins() -> None:
    mean = MinuteMean()
    assert [mean.add(second, power) for second, power in ((0, 100.0), (30, None), (59, 201.0), (59, 199.0))] == [
        None
    ] * 4
    done = mean.add(60, 5_000.0)
    assert done is not None
    assert (done.minute, done.power_w) == (0, 167)
    assert mean.add(119, None) is None
    assert mean.add(180, None) is not None
    assert mean.add(240, 7.0) is None
    assert mean.add(300, 7.0) is not None


def test_powers_are_told_by_slot_and_minute(house: House) -> None:
    for second in (0, 30, 60, 840, 900):
        house.sample(second, 1_000.0 + second)
    told = [one for one in house.sent if isinstance(one, PowerMessage)]
    assert [(one.slot - FIRST_SLOT, one.minute, one.power_w) for one in told] == [
        (0, 0, 1_015),
        (0, 1, 1_060),
        (0, 14, 1_840),
    ]


# -- what is offered


def test_the_offer_is_half_of_the_headroom_signed_by_the_device_and_the_same_after_a_restart(house: House) -> None:
    (offer,) = house.sent
    assert isinstance(offer, OfferMessage)
    assert (offer.up_w, offer.down_w, offer.price_micro_per_kwh, offer.minutes) == (1_999, 2_999, 200_000, 15)
    assert signed_by(WORKER.address, flex_offer_digest(POOL, offer.signed()), bytes.fromhex(offer.signature))
    house.battery.known = replace(STORE, plan_w=-2_000)
    house.restart()
    assert house.start() == offer
    later = house.start(FIRST_SLOT + 1)
    assert later is not None
    assert (later.slot, later.up_w) == (FIRST_SLOT + 1, 3_499)


@pytest.mark.parametrize("store", [None, replace(STORE, charge_w=1_000, discharge_w=-1_000)])
def test_without_an_agreed_plan_or_headroom_nothing_is_offered_and_no_order_is_taken(
    tmp_path: Path, store: Store | None
) -> None:
    house = House(tmp_path, store=store)
    assert house.start() is None
    with pytest.raises(OrderRefused, match="without an offer"):
        house.take(order())


# -- what is ordered


def test_an_order_is_countersigned_carried_out_from_its_second_and_ended_with_the_slot(house: House) -> None:
    answer = house.take(order())
    hashed = digest(POOL, order().signed())
    assert answer.order == hashed.hex()
    assert signed_by(WORKER.address, hashed, bytes.fromhex(answer.signature))
    for second in (65, 69, 70, 71, 300, 899):
        house.sample(second)
    assert house.battery.told == [(FIRST_SLOT, -1_000)]
    house.sample(900)
    assert house.battery.told == [(FIRST_SLOT, -1_000)]
    assert house.journal.run(lambda journal: journal.flex.ordered_milliwh(FIRST_SLOT)) == -1_000 * 830 * 10 // 36


def test_orders_add_up_and_what_was_called_back_is_not_paid_again(house: House) -> None:
    house.take(order())
    house.take(order(serial=2, watts=400, from_s=130, price_micro=0), 125)
    house.take(order(serial=3, watts=-900, from_s=190, price_micro=500 * 710 * 200_000 // 3_600_000), 185)
    for second in (100, 140, 200):
        house.sample(second)
    assert [watts for _, watts in house.battery.told] == [-1_000, -600, -1_500]
    assert house.accepted() == [1, 2, 3]


def test_the_same_order_gets_the_same_answer_however_late_and_moves_nothing_twice(house: House) -> None:
    first = house.take(order())
    assert house.take(order(), 600) == first
    house.restart()
    house.start()
    assert house.take(order(), 800) == first
    house.sample(801)
    assert house.battery.told == [(FIRST_SLOT, -1_000)]
    assert house.accepted() == [1]


STRANGER = KeySigner(b"\x77" * 32)
"""A key for tests only."""


@pytest.mark.parametrize(
    ("message", "second", "why"),
    [
        (order(STRANGER), 65, "not signed by the Queen"),
        (order(WORKER), 65, "not signed by the Queen"),
        (order(domain=DOMAIN), 65, "not signed by the Queen"),
        (structs.replace(order(), watts=-1_001), 65, "not signed by the Queen"),
        (structs.replace(order(), price_micro=0), 65, "not signed by the Queen"),
        (order(hive=HIVE + 1), 65, "of Hive"),
        (order(worker="cd" * 20), 65, "came here"),
        (order(slot=FIRST_SLOT - 1), 65, "came in slot"),
        (order(slot=FIRST_SLOT + 1), 65, "came in slot"),
        (order(), 101, "begins in second 70"),
        (order(), 9, "begins in second 70"),
        (order(serial=0), 65, "serial"),
        (order(serial=2), 65, "serial"),
        (order(serial=2**32 - 1), 65, "serial"),
        (order(watts=0), 65, "0 W"),
        (order(watts=-3_000), 65, "offered are"),
        (order(watts=2_000), 65, "offered are"),
        (order(watts=2**31 - 1), 65, "offered are"),
        (order(watts=-(2**31)), 65, "offered are"),
        (order(price_micro=46_110), 65, "are due"),
        (order(price_micro=46_112), 65, "are due"),
        (order(price_micro=2**63 - 1), 65, "are due"),
        (order(until_s=899), 65, "ends in second"),
        (structs.replace(order(), from_s=80), 65, "are due"),
        (structs.replace(order(), until_s=60), 65, "ends in second"),
    ],
)
def test_an_order_that_is_forged_stale_out_of_turn_or_beyond_the_offer_changes_nothing(
    house: House, message: OrderMessage, second: int, why: str
) -> None:
    assert order().price_micro == 46_111
    with pytest.raises(OrderRefused, match=why):
        house.take(message, second)
    assert house.accepted() == []
    house.sample(second + 30)
    assert house.battery.told == []
    house.take(order())


def test_a_second_order_goes_beyond_the_offer_by_no_watt_and_back_in_time_by_no_second(house: House) -> None:
    house.take(order(watts=-2_000))
    for wrong in (
        order(serial=2, watts=-1_000, from_s=130),
        order(serial=2, watts=4_000, from_s=130),
        order(serial=2, watts=-500, from_s=70),
        order(serial=1, watts=-500, from_s=130),
    ):
        with pytest.raises(OrderRefused):
            house.take(wrong, 90)
    house.take(order(serial=2, watts=-999, from_s=130), 125)
    assert house.accepted() == [1, 2]


def test_of_two_orders_that_come_at_once_under_one_serial_one_is_signed(house: House) -> None:
    async def both() -> list[Any]:
        house.now = BEGIN + 65.0
        twins = (order(), order(watts=-1_100))
        return await asyncio.gather(*map(house.minutes.order, twins), return_exceptions=True)

    kinds = [type(one) for one in asyncio.run(both())]
    assert sorted(kinds, key=str) == [AcceptMessage, OrderRefused]
    assert house.accepted() == [1]


def test_a_new_journal_goes_on_above_the_serial_that_the_settings_name(tmp_path: Path) -> None:
    house = House(tmp_path, replace(RULES, first_serial=41))
    house.start()
    with pytest.raises(OrderRefused, match="the next one is 42"):
        house.take(order())
    house.take(order(serial=42))
    assert house.accepted() == [42]


# -- what the battery does


def test_the_agent_adds_orders_to_its_plan_within_physics_and_offers_only_beside_an_agreed_plan(tmp_path: Path) -> None:
    told: list[int] = []

    async def tell(power_w: int) -> None:
        told.append(power_w)

    journal = JournalThread(tmp_path / "journal.sqlite", WORKER.address)
    agent = Agent(AgentTools(WORKER, DOMAIN, TARIFF, journal, tell), BATTERY)
    plan = StoredPlan(FIRST_SLOT, AGREED, 1, (1_400,) * 96, (1_000,) * 96, (400,) * 96, (0,) * 96)
    journal.run(lambda one: one.put_plan(plan))

    async def story() -> None:
        await agent.load()
        assert agent.store(FIRST_SLOT, 9_000) is None
        await agent.start_slot(FIRST_SLOT, 3_200_000)
        assert agent.store(FIRST_SLOT, 9_000) == Store(
            3_200_000, 0, 6_400_000, 5_000, 5_000, 950, 950, 1_000, 1_400, 9_000
        )
        assert agent.store(FIRST_SLOT + 1, 9_000) is None
        for watts in (-2_500, 60_000, 0):
            await agent.order(FIRST_SLOT, watts)
        await agent.order(FIRST_SLOT + 1, -4_000)

    asyncio.run(story())
    assert told == [1_000, -1_500, 5_000, 1_000]


def test_without_a_plan_of_the_queen_the_agent_offers_nothing(tmp_path: Path) -> None:
    from tests.unit.worker_node.test_agent import Home

    home = Home(tmp_path)

    async def story() -> None:
        await home.agent.start_slot(FIRST_SLOT, 3_200_000)
        assert home.agent.store(FIRST_SLOT, 9_000) is None

    home.run(story)


# -- settings


def test_the_section_switches_it_on_and_excludes_masks(tmp_path: Path) -> None:
    file = write_settings(tmp_path)
    journal = JournalThread(tmp_path / "journal.sqlite", WORKER.address)

    def built(text: str) -> RealTime | None:
        file.write_text(plain + text)
        settings = load_settings(file)
        clock = make_clock(settings, 0)
        return real_time(settings, read_identity(settings), clock, journal, Battery(), lambda kind, message: None)

    plain = file.read_text()
    assert built("") is None
    section = f'\n[realtime]\npool = "{"f1" * 20}"\nprice_micro_per_kwh = 200000\n'
    assert built(section) is not None
    with pytest.raises(SettingsError, match="pool"):
        built(section.replace("f1f1", "f1"))
    with pytest.raises(SettingsError, match="exclude each other"):
        built(f'{section}\n[masks]\nhomes = ["{"ab" * 20}"]\n')
