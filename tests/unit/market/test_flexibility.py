"""What must hold for orders inside a slot: energy paid once, never more than the stake, never more than the battery."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from honey_edge.market.errors import AssetError
from honey_edge.market.grid.flexibility import (
    Change,
    Store,
    affordable,
    change_price_micro,
    headroom_w,
    ordered_milliwh,
    ordered_w,
    payable_w,
    watt_seconds,
)
from worker_node.agent.battery import BatteryModel

WATTS = st.integers(-6_000, 6_000)
COURSES = st.lists(st.tuples(st.integers(0, 899), WATTS), max_size=14, unique_by=lambda one: one[0]).map(
    lambda found: tuple(Change(second, 900, watts) for second, watts in sorted(found))
)


@given(COURSES, st.integers(0, 900), st.integers(0, 900))
def test_energy_is_the_sum_of_every_second_of_power(course: tuple[Change, ...], a: int, b: int) -> None:
    begin, end = min(a, b), max(a, b)
    assert watt_seconds(course, begin, end) == sum(ordered_w(course, second) for second in range(begin, end))


def test_a_kilowatt_for_a_whole_slot_is_a_quarter_of_a_kilowatt_hour() -> None:
    assert ordered_milliwh([Change(0, 900, 1_000)]) == 250_000
    assert ordered_milliwh([Change(0, 900, -1_000), Change(450, 900, 1_000)]) == -125_000
    assert ordered_milliwh([]) == 0


def test_what_was_paid_for_may_be_called_back_and_asked_for_again() -> None:
    course: tuple[Change, ...] = ()
    due = []
    for second, watts in ((60, -1_000), (120, 600), (180, -500), (240, -300), (300, 1_500), (360, 200)):
        due.append(payable_w(course, watts))
        course = (*course, Change(second, 900, watts))
    assert due == [1_000, 0, 0, 200, 300, 200]


@given(COURSES, st.integers(0, 10**6))
def test_all_orders_together_cost_no_more_than_their_furthest_reach_for_the_whole_slot(
    course: tuple[Change, ...], price: int
) -> None:
    paid = sum(change_price_micro(course[:k], one, price) for k, one in enumerate(course))
    reach, reached = 0, [0]
    for one in course:
        reach += one.watts
        reached.append(reach)
    assert 0 <= paid <= (max(reached) - min(reached)) * 900 * price // 3_600_000


@given(COURSES, st.integers(0, 898), WATTS, st.integers(0, 10**6), st.integers(-5, 10**6))
def test_what_the_stake_cannot_pay_is_not_ordered_and_one_watt_more_would_cost_too_much(
    before: tuple[Change, ...], second: int, watts: int, price: int, left: int
) -> None:
    assume(watts)
    whole = Change(second, 900, watts)
    change = affordable(before, whole, price, left)
    size = abs(change.watts) if change else 0
    assert size <= abs(watts)
    if change is not None:
        assert change.watts * watts > 0
        assert change_price_micro(before, change, price) <= max(left, 0)
    if size < abs(watts):
        dearer = Change(second, 900, (size + 1) * (1 if watts > 0 else -1))
        assert change_price_micro(before, dearer, price) > max(left, 0)


@pytest.mark.parametrize(("from_s", "until_s"), [(-1, 900), (0, 901), (60, 60), (61, 60), (900, 900)])
def test_an_order_outside_a_slot_is_refused(from_s: int, until_s: int) -> None:
    with pytest.raises(AssetError):
        Change(from_s, until_s, 1)


@given(
    st.integers(640_000, 6_000_000),
    st.integers(0, 1_000),
    st.integers(-20_000, 20_000),
    st.integers(1, 1_000),
    st.lists(st.tuples(st.integers(1, 899), st.booleans()), max_size=6),
)
def test_a_battery_can_follow_every_course_within_its_offer_to_the_end(
    stored: int, plan: int, net_w: int, share: int, turns: list[tuple[int, bool]]
) -> None:
    battery = BatteryModel(6_400_000, 640_000, 6_000_000, 0, 5_000, 4_000, 930, 950, 0)
    idle = Store(stored, 640_000, 6_000_000, 5_000, 4_000, 930, 950, 0, 0, 20_000)
    most, least = headroom_w(idle, 1_000)
    plan_w = (most + least) * plan // 1_000 - least
    up, down = headroom_w(replace(idle, plan_w=plan_w, net_w=net_w), share)
    assert up >= 0
    assert down >= 0
    assert abs(net_w + up) <= 20_000 or up == 0
    assert abs(net_w - down) <= 20_000 or down == 0
    second, level, upwards = 0, stored, True
    for until, next_up in [*sorted(turns), (900, True)]:
        power = plan_w + (up if upwards else -down)
        assert -battery.discharge_w <= power <= battery.charge_w
        free = BatteryModel(10**9, -(10**9), 10**9, 0, 5_000, 4_000, 930, 950, 0)
        level = free.after(level, power, until - second)
        second, upwards = until, next_up
        assert battery.min_milliwh - 10 <= level <= battery.max_milliwh + 10


def test_an_empty_battery_offers_nothing_downwards_and_a_full_one_nothing_upwards() -> None:
    assert headroom_w(Store(0, 0, 6_400_000, 5_000, 5_000, 950, 950, 0, 0, 40_000), 1_000) == (4_999, 0)
    assert headroom_w(Store(6_400_000, 0, 6_400_000, 5_000, 5_000, 950, 950, 0, 0, 40_000), 500) == (0, 2_499)
