"""What must hold for the Queen's minutes: only fresh, signed and possible numbers count, nobody is asked for more."""

import asyncio
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from honey_edge.market.grid.flexibility import Change, ordered_w
from honey_edge.market.grid.realtime import Offer
from honey_edge.model.options import SettingsError
from honey_edge.model.slots import slot_start_unix_s
from honey_edge.wire import topics
from honey_edge.wire.codec import encode
from honey_edge.wire.flex_messages import AcceptMessage, OfferMessage, OrderMessage, PowerMessage
from honey_edge.wire.flex_structs import flex_offer_digest
from honey_edge.wire.signing import signed_by
from honey_edge.wire.typed_data import digest
from queen_node.app.dispatch import Dispatcher, Takers
from queen_node.app.presence import Presence
from queen_node.app.realtime import real_time_desk
from queen_node.realtime.decide import Band, Known, decide, sums_w
from queen_node.realtime.desk import DeskRules
from queen_node.settings import LimitsSection, MasksSection, QueenSettings, RealtimeSection, _check_realtime
from queen_node.store import flex_orders
from tests.unit.queen_node.conftest import HIVE, QUEEN
from tests.unit.queen_node.real_time_homes import POOL, Hive
from tests.unit.queen_node.test_app import NoRounds

BAND = Band(100, 300_000)
NAMES = ("aa", "bb", "cc")


def known(declared, measured, offers=(), orders=None, minute=0, left=10**9):
    from_s = (minute + 1) * 60 + 10
    return Known(minute, from_s, declared, measured, {o.worker: o for o in offers}, orders or {}, left)


def offer(worker, up=5_000, down=5_000, price=200_000, minutes=15):
    return Offer(worker, up, down, price, minutes)


# -- the decision


def test_a_home_whose_meter_is_not_heard_counts_as_it_declared_and_as_it_was_ordered():
    orders = {"bb": (Change(10, 900, -500),)}
    assert sums_w(known({"aa": 1_000, "bb": 2_000}, {"aa": 4_000}, orders=orders)) == (3_000, 5_500)


def test_an_order_that_began_within_the_minute_counts_as_if_it_had_held_all_along():
    orders = {"aa": (Change(75, 900, -1_200),)}
    seen = 4_000 - 1_200 * 45 // 60
    assert sums_w(known({"aa": 1_000}, {"aa": seen}, orders=orders, minute=1)) == (1_000, 2_800)


def test_a_home_that_declared_nothing_is_neither_agreed_with_nor_measured_nor_asked():
    assert decide(BAND, known({"aa": 0}, {"aa": 0, "bb": 9_000}, [offer("bb")])) == ()
    assert {one.worker for one in decide(BAND, known({"aa": 0}, {"aa": 9_000}, [offer("aa"), offer("bb")]))} == {"aa"}


@given(
    st.fixed_dictionaries({name: st.integers(-9_000, 9_000) for name in NAMES}),
    st.fixed_dictionaries({}, optional={name: st.integers(-20_000, 20_000) for name in NAMES}),
    st.lists(
        st.builds(
            offer,
            st.sampled_from(NAMES),
            st.integers(0, 6_000),
            st.integers(0, 6_000),
            st.integers(0, 10**6),
            st.integers(1, 15),
        ),
        unique_by=lambda one: one.worker,
    ),
    st.integers(0, 12),
    st.integers(-100, 10**6),
)
def test_nobody_is_asked_beyond_its_offer_or_its_worth_and_all_of_it_is_paid_from_the_stake(
    declared, measured, offers, minute, left
):
    given_ = known(declared, measured, offers, minute=minute, left=left)
    made, by_name = decide(BAND, given_), {one.worker: one for one in offers}
    agreed, seen = sums_w(given_)
    assert sum(one.price_micro for one in made) <= max(left, 0)
    for one in made:
        own = by_name[one.worker]
        assert -own.down_w <= one.change.watts <= own.up_w
        assert one.change.watts * (agreed - seen) > 0
        assert own.price_micro_per_kwh <= BAND.worth_micro_per_kwh
        assert (one.change.from_s, one.change.until_s) == (given_.from_s, own.minutes * 60)
    moved = sum(one.change.watts for one in made)
    assert abs(seen + moved - agreed) <= max(abs(seen - agreed), BAND.dead_band_w // 2)


def test_within_the_band_nothing_is_ordered_and_beyond_it_the_sum_goes_to_half_of_it():
    for away in (0, 99, 100, -100):
        assert decide(BAND, known({"aa": 500}, {"aa": 500 + away}, [offer("bb"), offer("aa")])) == ()
    for away, watts in ((101, -51), (-101, 51), (3_000, -2_950)):
        (made,) = decide(BAND, known({"aa": 500}, {"aa": 500 + away}, [offer("aa")]))
        assert made.change.watts == watts


def test_a_battery_that_takes_some_seconds_to_follow_is_not_asked_twice():
    orders = {"aa": (Change(70, 900, -3_000),)}
    slow = 3_000 - 3_000 * 44 // 60
    given_ = known({"aa": 0}, {"aa": slow}, [offer("aa")], orders, minute=1)
    assert decide(BAND, given_) == ()
    assert decide(BAND, known({"aa": 0}, {"aa": slow}, [offer("aa")], orders, minute=2)) != ()


def test_orders_add_up_to_what_is_offered_whatever_happens_minute_by_minute():
    course: tuple[Change, ...] = ()
    for minute, load in enumerate((9_000, 9_000, -9_000, 0, 2_000, 15_000, -400)):
        standing = ordered_w(course, minute * 60 + 59)
        made = decide(
            BAND, known({"aa": 0}, {"aa": load + standing}, [offer("aa", 1_000, 4_000)], {"aa": course}, minute)
        )
        course = (*course, *(one.change for one in made))
        assert -4_000 <= ordered_w(course, (minute + 1) * 60 + 10) <= 1_000
    assert len(course) > 3


# -- what the Workers say


@pytest.fixture
def hive(world, first_slot):
    made = Hive(world, first_slot)
    made.worker = world.workers[0]
    return made


def at(hive, second):
    hive.clock._now = float(slot_start_unix_s(hive.slot) + second)


def power(hive, **changes):
    message = PowerMessage(worker=hive.worker.name, slot=hive.slot, minute=2, power_w=700)
    hive.desk.receive_power(hive.worker.name, encode(structs.replace(message, **changes)))


@pytest.mark.parametrize(
    ("second", "changes", "reason"),
    [
        (180, {}, None),
        (172, {}, None),
        (239, {}, None),
        (169, {}, "stale"),
        (241, {}, "stale"),
        (180, {"minute": 3}, "stale"),
        (180, {"minute": 1}, None),
        (180, {"minute": 0}, "stale"),
        (180, {"slot": 5}, "stale"),
        (180, {"power_w": 80_001}, "impossible"),
        (180, {"power_w": -(2**31)}, "impossible"),
        (180, {"worker": "cd" * 20}, "foreign"),
    ],
)
def test_only_the_minute_that_is_just_over_and_a_power_the_connection_allows_counts(hive, second, changes, reason):
    at(hive, second)
    power(hive, **changes)
    assert hive.world.reasons() == ([reason] if reason else [])
    assert len(hive.desk._seen) == (reason is None)


def test_a_power_comes_once_and_time_does_not_go_back(hive):
    at(hive, 180)
    power(hive)
    power(hive)
    power(hive, power_w=900)
    power(hive, minute=1)
    assert hive.world.reasons() == ["again", "again"]
    assert [seen.power_w for seen in hive.desk._seen.values()] == [700]


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"v":1}', b"[" * 200, b"\xff" * 20, b"{" * 5_000])
def test_what_is_no_message_is_refused_on_all_three_topics(hive, payload):
    for take in (hive.desk.receive_power, hive.desk.receive_offer, hive.desk.receive_accept):
        take(hive.worker.name, payload)
    assert hive.world.reasons() == ["malformed"] * 3


def offered(hive, signer=None, /, **changes):
    message = OfferMessage(
        hive=HIVE,
        worker=hive.worker.name,
        slot=hive.slot,
        up_w=1_000,
        down_w=2_000,
        price_micro_per_kwh=200_000,
        minutes=15,
        signature="00" * 64,
    )
    message = structs.replace(message, **changes)
    signature = (signer or hive.worker.signer).sign(flex_offer_digest(POOL, message.signed())).hex()
    return structs.replace(message, signature=signature)


@pytest.mark.parametrize(
    ("changes", "second", "reason"),
    [
        ({}, 0, None),
        ({}, -9, None),
        ({}, -11, "stale"),
        ({}, 900, "stale"),
        ({"slot": 3}, 0, "stale"),
        ({"hive": 8}, 0, "foreign"),
        ({"up_w": 80_001}, 0, "impossible"),
        ({"down_w": 10**8}, 0, "impossible"),
    ],
)
def test_an_offer_counts_for_the_running_slot_and_for_what_a_home_can_do(hive, changes, second, reason):
    at(hive, second)
    hive.desk.receive_offer(hive.worker.name, encode(offered(hive, **changes)))
    assert hive.world.reasons() == ([reason] if reason else [])
    with hive.world.store.begin() as tx:
        assert bool(flex_orders.offers_of(tx, changes.get("slot", hive.slot))) == (reason is None)


def test_an_offer_is_signed_by_its_worker_over_every_number_and_given_once(hive):
    other = hive.world.workers[1]
    hive.desk.receive_offer(hive.worker.name, encode(offered(hive, other.signer)))
    true = offered(hive)
    for change in ({"up_w": 1_001}, {"down_w": 1}, {"price_micro_per_kwh": 0}, {"minutes": 1}, {"slot": hive.slot + 1}):
        at(hive, 895)
        hive.desk.receive_offer(hive.worker.name, encode(structs.replace(true, **change)))
    hive.desk.receive_offer(other.name, encode(true))
    assert hive.world.reasons() == ["foreign"] + ["forged"] * 6
    hive.desk.receive_offer(hive.worker.name, encode(true))
    hive.desk.receive_offer(hive.worker.name, encode(true))
    hive.desk.receive_offer(hive.worker.name, encode(offered(hive, up_w=3)))
    assert hive.world.reasons() == ["again", "foreign"] + ["forged"] * 6
    with hive.world.store.begin() as tx:
        assert flex_orders.offers_of(tx, hive.slot) == {
            hive.worker.name: Offer(hive.worker.name, 1_000, 2_000, 200_000, 15)
        }


# -- orders and acceptances


@pytest.fixture
def ordered(hive):
    """A home that declared nothing much, offered, and draws 1.5 kW too much: its order, as it was sent."""

    async def remember(message):
        hive.orders.append(message)

    hive.orders = []
    hive.desk._send = remember
    hive.homes = {hive.worker.name: type("Declared", (), {"name": hive.worker.name, "declared_w": 400})}
    hive.declare()
    hive.desk.receive_offer(hive.worker.name, encode(offered(hive)))
    minute(hive, 0)
    return hive


def minute(hive, number, power_w=1_900):
    """A minute passes: its power is reported, and the Queen decides."""
    at(hive, (number + 1) * 60 + 5)
    message = PowerMessage(worker=hive.worker.name, slot=hive.slot, minute=number, power_w=power_w)
    hive.desk.receive_power(hive.worker.name, encode(message))
    asyncio.run(hive.desk.decide(slot_start_unix_s(hive.slot) + (number + 1) * 60))


def accept(hive, order: OrderMessage, signer=None, /, **changes):
    hashed = digest(POOL, order.signed())
    signature = (signer or hive.worker.signer).sign(hashed).hex()
    message = AcceptMessage(
        worker=order.worker, slot=order.slot, serial=order.serial, order=hashed.hex(), signature=signature
    )
    hive.desk.receive_accept(hive.worker.name, encode(structs.replace(message, **changes)))


def test_an_order_is_signed_stored_before_it_leaves_and_sent_again_until_it_is_answered(ordered):
    (order,) = ordered.orders
    assert (order.watts, order.serial, order.from_s, order.until_s) == (-1_450, 1, 70, 900)
    assert signed_by(QUEEN.address, digest(POOL, order.signed()), bytes.fromhex(order.signature))
    minute(ordered, 1)
    ordered.desk = None
    ordered.restart()

    async def remember(message):
        ordered.orders.append(message)

    ordered.desk._send = remember
    minute(ordered, 2)
    assert ordered.orders == [order] * 3
    accept(ordered, order)
    minute(ordered, 3, power_w=500)
    assert ordered.orders == [order] * 3
    assert ordered.world.reasons() == []


def test_the_next_order_has_the_next_serial_once_the_worker_signed_and_the_same_one_until_then(ordered):
    (first,) = ordered.orders
    accept(ordered, first)
    minute(ordered, 1, power_w=500)
    minute(ordered, 2, power_w=1_000)
    assert [one.serial for one in ordered.orders] == [1, 2]
    ordered.slot += 1
    ordered.declare()
    at(ordered, 0)
    ordered.desk.receive_offer(ordered.worker.name, encode(offered(ordered)))
    minute(ordered, 0)
    assert [one.serial for one in ordered.orders] == [1, 2, 2]
    accept(ordered, ordered.orders[-1])
    with ordered.world.store.begin() as tx:
        rows = flex_orders.accepted_orders(tx, ordered.worker.name)
        assert [(row.slot - ordered.slot, row.serial) for row in rows] == [(-1, 1), (0, 2)]
        assert flex_orders.promised_micro(tx, ordered.slot + 1) == sum(row.price_micro for row in rows)
        assert flex_orders.next_serial(tx, ordered.worker.name) == 3


def test_an_acceptance_counts_only_from_the_worker_and_for_an_order_of_the_queen(ordered):
    (order,) = ordered.orders
    other = ordered.world.workers[1]
    accept(ordered, order, other.signer)
    accept(ordered, order, order="ab" * 32)
    accept(ordered, structs.replace(order, watts=-2_000))
    accept(ordered, structs.replace(order, price_micro=10**9))
    accept(ordered, order, serial=2)
    accept(ordered, order, slot=order.slot + 1)
    accept(ordered, order, worker=other.name)
    assert ordered.world.reasons() == ["foreign", "unknown", "unknown", "unknown", "unknown", "forged", "forged"]
    with ordered.world.store.begin() as tx:
        assert flex_orders.accepted_orders(tx, ordered.worker.name) == []
        assert flex_orders.ordered_energies(tx, order.slot) == {}
    accept(ordered, order)
    accept(ordered, order)
    with ordered.world.store.begin() as tx:
        assert flex_orders.ordered_energies(tx, order.slot) == {ordered.worker.name: -1_450 * 830 * 10 // 36}


def test_without_a_declaration_of_the_slot_or_in_its_last_minutes_nothing_is_ordered(ordered):
    accept(ordered, ordered.orders.pop())
    minute(ordered, 13, power_w=9_000)
    minute(ordered, 14, power_w=9_000)
    ordered.slot += 1
    at(ordered, 0)
    ordered.desk.receive_offer(ordered.worker.name, encode(offered(ordered)))
    minute(ordered, 0)
    assert ordered.orders == []


# -- settings


def test_orders_need_a_pool_and_exclude_masks(tmp_path):
    def check(masks=False, **realtime):
        own = RealtimeSection(**realtime)
        _check_realtime(tmp_path, QueenSettings(None, None, realtime=own, masks=MasksSection(on=masks)))

    check()
    check(masks=True)
    check(on=True, pool="f1" * 20)
    for pool in ("", "f1" * 19, "0x" + "f1" * 20, "F1" * 20):
        with pytest.raises(SettingsError, match=r"pool in \[realtime\]"):
            check(on=True, pool=pool)
    with pytest.raises(SettingsError, match=r"\[masks\]"):
        check(masks=True, on=True, pool="f1" * 20)


def test_without_the_section_the_queen_takes_no_powers_offers_or_acceptances(hive):
    hive.desk = None
    takers = Takers(hive.world.ingest, hive.world.channels, NoRounds(), Presence(), hive.world.refusals)
    dispatcher = Dispatcher(HIVE, takers, LimitsSection(), hive.clock.now_unix_s, hive.downlink.statements)
    dispatcher.enrol([hive.worker.name])
    for kind in (topics.POWER, topics.OFFER, topics.ACCEPT):
        asyncio.run(dispatcher.on_message(topics.topic(kind, HIVE, hive.worker.name), b"{}"))
    assert hive.world.reasons() == []


@pytest.mark.parametrize("on", [True, False])
def test_the_settings_of_the_queen_switch_it_on(hive, on):
    own = RealtimeSection(on=on, pool="f1" * 20, stake_micro=5, dead_band_w=7, worth_micro_per_kwh=9, lead_s=3)
    section = SimpleNamespace(hive=SimpleNamespace(hive=HIVE), realtime=own)
    loaded = SimpleNamespace(settings=section, domain=hive.world.agreement.domain, terms=hive.world.terms)
    world = hive.world
    desk = real_time_desk(loaded, hive.clock, world.store, QUEEN, world.refusals, hive.downlink)
    assert (desk is not None) == on
    if desk is not None:
        assert desk._rules == DeskRules(HIVE, POOL, QUEEN, Band(7, 9), 5, 80_000, 5, 3)
