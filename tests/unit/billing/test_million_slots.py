"""P8 to P10 and P12 over many seeded random slots, against the rule written down a second time in fractions.

20,000 slots in the short run, a million in the deep one (issue: one million without a violation).
"""

import random
from fractions import Fraction
from math import floor

import pytest

from honey_edge.billing.clearing import Payment, SlotPool, SlotShares, payment, share_surplus, totals_of

SHORT, LONG = 20_000, 1_000_000


def random_slot(draw: random.Random) -> tuple[SlotPool, list[int], list[int]]:
    """A slot as a bad day may bring it: any connection meter, prices of both signs, equal prices, single homes."""
    size = 10 ** draw.randint(0, 10)
    energies = [draw.randint(-size, size) for _ in range(draw.randint(0, 9))]
    reputations = [draw.choice((1000, draw.randint(0, 1000))) for _ in energies]
    sell = draw.randint(-400_000, 400_000)
    buy = sell + draw.choice((0, 1, draw.randint(0, 600_000)))
    bought, sold = totals_of(energies)
    pcc = draw.choice((sum(energies), draw.randint(-2 * size, 2 * size), 0))
    price = draw.randint(sell - 1000, buy + 1000)
    theta, fee = draw.choice((0, 250, 1000, draw.randint(0, 1000))), draw.randint(0, 1000)
    return SlotPool(bought, sold, pcc, buy, sell, price, theta, fee), energies, reputations


def discounts_in_fractions(pool: SlotPool, energies: list[int], reputations: list[int]) -> list[int]:
    """The discounts of section 8, written from the text with exact fractions and nothing of the product's code."""
    b, s, price = pool.buy, pool.sell, min(max(pool.price, pool.sell), pool.buy)
    grid = pool.pcc * (b if pool.pcc >= 0 else s)
    surplus = max(b * pool.bought - s * pool.sold - grid, 0)
    shared = surplus - floor(Fraction(surplus * pool.fee, 1000))
    if b == s:
        return [0] * len(energies)
    part = (Fraction(2 * (1000 - pool.theta) * (b - price)) + pool.theta * (b - s)) / (2000 * (b - s))
    to_buyers = floor(shared * part) if pool.bought and pool.sold else (shared if pool.bought else 0)
    to_sellers = min(shared - to_buyers, (b - s) * pool.sold)
    to_buyers = min(to_buyers, (b - s) * pool.bought)
    return [
        0
        if e == 0
        else floor(
            Fraction((to_buyers if e > 0 else to_sellers) * abs(e) * r, 1000 * (pool.bought if e > 0 else pool.sold))
        )
        for e, r in zip(energies, reputations, strict=True)
    ]


def violations(
    pool: SlotPool, shares: SlotShares, energies: list[int], reputations: list[int], paid: list[Payment]
) -> list[str]:
    """The properties that one settled slot breaks, by name."""
    reserve = shares.shared - sum(one.discount for one in paid)
    found = []
    if sum(one.amount for one in paid) != shares.hive_cost + shares.fee + reserve - shares.deficit or reserve < 0:
        found.append("P8")
    for energy, one in zip(energies, paid, strict=True):
        if one.amount > one.standalone or one.standalone != energy * (pool.buy if energy >= 0 else pool.sell):
            found.append("P9")
        if not min(pool.sell * energy, pool.buy * energy) <= one.amount <= max(pool.sell * energy, pool.buy * energy):
            found.append("P10")
    if energies:
        half, whole = energies[0] // 2, payment(pool, shares, energies[0], reputations[0]).amount
        if (half > 0) == (energies[0] - half > 0) and half and energies[0] - half:
            split = sum(payment(pool, shares, e, reputations[0]).amount for e in (half, energies[0] - half))
            found += [] if abs(split - whole) <= 1 else ["P12"]
    return found


def settle_many(count: int, seed: int) -> None:
    """Settle seeded slots; fails with the first slot that breaks a property."""
    draw = random.Random(seed)
    for number in range(count):
        pool, energies, reputations = random_slot(draw)
        shares = share_surplus(pool)
        paid = [payment(pool, shares, e, r) for e, r in zip(energies, reputations, strict=True)]
        broken = violations(pool, shares, energies, reputations, paid)
        assert not broken, (number, broken, pool, energies, reputations)
        if number % 10 == 0:
            assert [one.discount for one in paid] == discounts_in_fractions(pool, energies, reputations), (number, pool)


def test_twenty_thousand_random_slots_break_no_property() -> None:
    settle_many(SHORT, seed=1)


@pytest.mark.deep
def test_a_million_random_slots_break_no_property() -> None:
    settle_many(LONG, seed=2)


def test_the_check_finds_a_home_that_pays_above_its_tariff() -> None:
    pool = SlotPool(1000, 0, 1000, 200_000, 50_000, 200_000, 250, 0)
    bad = [Payment(standalone=200_000_000, entitlement=0, discount=-1)]
    assert "P9" in violations(pool, share_surplus(pool), [1000], [1000], bad)
