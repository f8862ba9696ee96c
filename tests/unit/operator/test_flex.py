"""Stake and charging of orders inside a slot against a chain in memory: nothing twice, nothing beyond the stake."""

import pytest

from queen_node.operator import flex
from queen_node.operator.errors import InputError, NotAllowed, NotFound
from queen_node.operator.sending import carry_out
from queen_node.store.flex_orders import OrderRow

from .conftest import OWNER

COIN, POOL = "dd" * 20, "f1" * 20
FIRST, SECOND = "aa" * 20, "bb" * 20


@pytest.fixture
def members(chain):
    """Stake and newest charged serial of each member; the owner has staked 1,000 micro-coins."""
    known = {OWNER: {"stake": 1_000, "serial": 0}, FIRST: {"stake": 0, "serial": 0}, SECOND: {"stake": 0, "serial": 0}}
    chain.answers |= {
        "EnergySettlement.hiveInfo": {"coin": COIN, "scale": 10**12, "owner": OWNER},
        "FlexibilityPool.memberOf": lambda hive, address: known[address],
        "TestCoin.balanceOf": 10**21,
        "TestCoin.allowance": 0,
    }
    return known


def order(worker, serial, price):
    return OrderRow(
        worker, f"{serial:064x}", 77, serial, -500, price, 70, 900, 0, b"\x01" * 64, b"\x02" * 32 + b"\x03" * 32
    )


def charged(made):
    return [(row[1], row[5]) for step in made.steps for row in step.call.arguments[0]]


def test_what_is_not_paid_yet_is_paid_in_the_order_of_the_serials_with_both_signatures(desk, chain, members):
    members[FIRST]["serial"] = 2
    rows = [order(SECOND, 1, 100), *(order(FIRST, serial, 10) for serial in (4, 3, 2, 1))]
    made = flex.charge(desk, 1, POOL, rows)
    assert charged(made) == [(FIRST, 3), (FIRST, 4), (SECOND, 1)]
    assert made.amount == "0.00012 coins"
    (step,) = made.steps
    assert step.call.target == POOL
    assert step.call.arguments[1][:2] == [(b"\x01" * 32, b"\x01" * 32), (b"\x02" * 32, b"\x03" * 32)]
    carry_out(chain, made)
    assert chain.functions == ["chargeFlex"]


def test_what_the_stake_does_not_reach_waits_and_others_are_paid(desk, members):
    rows = [order(FIRST, 1, 600), order(FIRST, 2, 500), order(FIRST, 3, 1), order(SECOND, 1, 400), order(SECOND, 2, 1)]
    assert charged(flex.charge(desk, 1, POOL, rows)) == [(FIRST, 1), (SECOND, 1)]


def test_a_gap_in_the_serials_ends_what_is_charged(desk, members):
    assert charged(flex.charge(desk, 1, POOL, [order(FIRST, 1, 1), order(FIRST, 3, 1)])) == [(FIRST, 1)]


def test_more_orders_than_a_transaction_takes_are_cut_up(desk, members):
    made = flex.charge(desk, 1, POOL, [order(FIRST, serial, 1) for serial in range(1, 402)])
    assert [len(step.call.arguments[0]) for step in made.steps] == [200, 200, 1]
    assert len({step.prefix for step in made.steps}) == 3


def test_with_nothing_due_or_no_pool_nothing_is_sent(desk, members):
    members[FIRST]["serial"] = 1
    for rows in ((), (order(FIRST, 1, 5),), (order(SECOND, 1, 1_001),)):
        with pytest.raises(NotFound):
            flex.charge(desk, 1, POOL, rows)
    with pytest.raises(InputError, match=r"\[realtime\]"):
        flex.charge(desk, 1, "", [order(SECOND, 1, 1)])


def test_a_stake_is_allowed_and_paid_for_the_owner_in_the_coins_own_unit(desk, chain, members):
    made = flex.stake(desk, 1, 2_500_000)
    approve, paid = (step.call for step in made.steps)
    pool = desk.book.at("FlexibilityPool")
    assert (approve.target, approve.arguments) == (COIN, (pool, 2_500_000 * 10**12))
    assert (paid.target, paid.arguments) == (pool, (1, OWNER, 2_500_000 * 10**12))
    chain.answers["TestCoin.allowance"] = 10**30
    assert [step.call.function for step in flex.stake(desk, 1, 2_500_000).steps] == ["stakeFlex"]
    chain.answers["TestCoin.balanceOf"] = 5
    with pytest.raises(NotAllowed, match="are needed"):
        flex.stake(desk, 1, 2_500_000)
