"""What must hold for orders inside a slot: nobody beyond its offer, the parts are the whole, the band is respected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honey_edge.market.errors import AssetError
from honey_edge.market.grid.realtime import Minute, Offer, beyond_dead_band_w, order_price_micro, orders_w

WATTS = st.integers(-200_000, 200_000)
OFFERS = st.dictionaries(
    st.sampled_from("abcdef"), st.tuples(st.integers(0, 9_000), st.integers(0, 9_000), st.integers(0, 20))
).map(lambda homes: [Offer(name, up, down, 100_000, minutes) for name, (up, down, minutes) in homes.items()])


def minute(measured_w: int, elapsed: int = 0, agreed_w: int = 10_000) -> Minute:
    return Minute(agreed_w, measured_w, 500, 200_000, elapsed)


@given(OFFERS, WATTS, WATTS, st.integers(0, 14))
def test_parts_add_up_to_what_is_wanted_or_to_all_that_is_offered(
    offers: list[Offer], measured: int, agreed: int, elapsed: int
) -> None:
    now = minute(measured, elapsed, agreed)
    orders = orders_w(now, offers, {})
    lasting = [offer for offer in offers if offer.minutes > elapsed]
    away = beyond_dead_band_w(now)
    room = sum(offer.down_w if away > 0 else offer.up_w for offer in lasting)
    assert sum(orders.values()) == (-min(away, room) if away > 0 else min(-away, room))
    by_name = {offer.worker: offer for offer in lasting}
    for worker, watts in orders.items():
        assert -by_name[worker].down_w <= watts <= by_name[worker].up_w


@given(OFFERS, WATTS, st.randoms(use_true_random=False))
def test_the_order_of_the_homes_changes_nothing(offers: list[Offer], measured: int, dice: object) -> None:
    mixed = list(offers)
    dice.shuffle(mixed)  # type: ignore[attr-defined]
    assert orders_w(minute(measured), offers, {}) == orders_w(minute(measured), mixed, {})


@given(OFFERS, st.integers(-60_000, 60_000))
def test_a_disturbance_that_the_offers_cover_is_gone_in_one_minute_and_then_held(
    offers: list[Offer], disturbance: int
) -> None:
    offers = [Offer(o.worker, o.up_w, o.down_w, o.price_micro_per_kwh, 20) for o in offers]
    orders: dict[str, int] = {}
    for _ in range(3):
        measured = 10_000 + disturbance + sum(orders.values())
        orders = orders_w(minute(measured), offers, orders)
    left = 10_000 + disturbance + sum(orders.values())
    room = sum(o.down_w if disturbance > 0 else o.up_w for o in offers)
    assert abs(left - 10_000) <= max(500, abs(disturbance) - room)
    assert orders_w(minute(left), offers, orders) == orders or abs(left - 10_000) > 500


def test_inside_the_band_orders_stay_and_those_whose_offer_ended_do_not() -> None:
    offers = [Offer("a", 2_000, 2_000, 1, 10), Offer("b", 2_000, 2_000, 1, 3)]
    assert orders_w(minute(10_400), offers, {"a": -900, "b": -800, "c": -700}) == {"a": -900, "b": -800}
    assert orders_w(minute(10_400, elapsed=3), offers, {"a": -900, "b": -800}) == {"a": -900}


def test_shares_follow_the_headroom() -> None:
    offers = [Offer("a", 0, 3_000, 1, 15), Offer("b", 0, 1_000, 1, 15), Offer("c", 5_000, 0, 1, 15)]
    assert orders_w(minute(12_500), offers, {}) == {"a": -1_500, "b": -500}
    assert orders_w(minute(7_500), offers, {}) == {"c": 2_000}


def test_an_offer_that_is_dearer_than_the_deviation_is_not_used() -> None:
    assert orders_w(minute(15_000), [Offer("a", 5_000, 5_000, 200_001, 15)], {}) == {}


@pytest.mark.parametrize("numbers", [(-1, 0, 0, 0), (0, 2**40, 0, 0), (0, 0, -5, 0), (0, 0, 0, 10**9), (0.5, 0, 0, 0)])
def test_an_absurd_offer_is_refused(numbers: tuple[int, int, int, int]) -> None:
    with pytest.raises(AssetError):
        Offer("a", *numbers)


@given(WATTS, st.integers(0, 10**9), st.integers(0, 900), st.integers(0, 10**9))
def test_an_order_is_never_paid_more_than_its_stake_or_its_energy(
    watts: int, price: int, seconds: int, stake: int
) -> None:
    paid = order_price_micro(watts, price, seconds, stake)
    assert 0 <= paid <= stake
    assert paid * 3_600_000 <= abs(watts) * seconds * price


def test_a_quarter_of_an_hour_at_4_kw_for_02_a_kwh_costs_02() -> None:
    assert order_price_micro(-4_000, 200_000, 900, 10**9) == 200_000
