"""What misconduct gains and costs others, small and on the measured year (`deep`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from honey_edge.billing.clearing import SlotPool, payment, share_surplus, totals_of
from honey_edge.market.errors import AssetError
from honey_edge.market.fairplay.bias import SUSPENDED
from honey_edge.market.simulate.attacks import ATTACKS, compare, prepared
from honey_edge.market.simulate.hive import Misconduct, Options, Simulation
from honey_edge.market.simulate.world import World, named_prices, seeded_homes
from queen_node.cli.market_data import measured_world

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
measured = pytest.mark.skipif(not DATA.is_dir(), reason="the measured data is not there")


def world(days: int, batteries: bool = True, homes: int = 6) -> World:
    made = seeded_homes(homes, days, 3)
    if not batteries:
        made = tuple(replace(home, battery=None) for home in made)
    return World(made, named_prices("flat", made[0].load_kwh.size, 96), 15, 7 * 96)


def options(days: int, **more: bool) -> Options:
    return replace(Options(slots=96 * days, every=48, certify=False), **more)


@pytest.mark.parametrize("kind", ATTACKS)
def test_under_every_attack_nobody_pays_more_than_the_own_tariff(kind: str) -> None:
    damage = compare(prepared(world(1), kind), options(1))
    assert damage.attacked.books.whole
    assert all(one.paid_pico <= one.own_tariff_pico for one in damage.attacked.books.accounts)


def test_a_meter_without_load_moves_nothing_by_declaring() -> None:
    damage = compare(prepared(world(2), "declare"), options(2))
    assert damage.gain == 0.0
    assert damage.others_lose == 0.0


def test_without_the_defences_the_same_lie_moves_money() -> None:
    """What the choice of lambda and the cut of declarations are for."""
    attack = prepared(world(3, batteries=False), "declare")
    bare = compare(attack, options(3, choose=False, believable=False, enforce=False))
    ruled = compare(attack, options(3, believable=False, enforce=False))
    cut = compare(attack, options(3))
    assert bare.others_lose > 4.0 * ruled.others_lose
    assert cut.others_lose == 0.0


def test_readings_held_back_cost_the_one_who_holds_them_back() -> None:
    damage = compare(prepared(world(2), "late"), options(2))
    assert damage.gain < 0.0
    assert damage.reserve_change >= 0.0


def test_a_reversed_meter_pays_until_the_connection_meter_names_it() -> None:
    """The limit that the document states: this fraud works, and only the connection meter sees it."""
    damage = compare(prepared(world(7, batteries=False), "reverse"), options(7))
    assert damage.gain > 0.0
    assert damage.attack.misconduct.home in [one.home for one in damage.attacked.meters if one.named]
    assert not [one for one in damage.honest.meters if one.named]


def test_answering_with_a_scaled_cost_gains_nothing_to_speak_of() -> None:
    damage = compare(prepared(world(2), "scale"), options(2))
    assert damage.gain <= 0.01 * float(np.abs(damage.honest.cost).sum())


def test_two_meters_of_the_same_sign_are_worth_a_pico_coin_at_most() -> None:
    chance = np.random.default_rng(6)
    for _ in range(200):
        energies = chance.integers(-(10**7), 10**7, 8).tolist()
        bought, sold = totals_of(energies)
        pool = SlotPool(bought, sold, sum(energies), 200_000, 50_000, 120_000, 250, 0)
        shares = share_surplus(pool)
        part = int(energies[0] * chance.random())
        whole = payment(pool, shares, energies[0]).amount
        halves = payment(pool, shares, part).amount + payment(pool, shares, energies[0] - part).amount
        assert 0 <= halves - whole <= 1


def test_a_lasting_lie_about_the_own_load_is_suspended_and_an_honest_neighbour_is_not() -> None:
    small = world(26, batteries=False)
    run = Simulation(small, options(26, believable=False), Misconduct(0, declared_kw=30.0)).run()
    assert run.books.accounts[0].conduct.standing == SUSPENDED
    assert all(account.suspended_days == 0 for account in run.books.accounts[1:])


def test_attacks_that_nobody_can_commit_are_refused() -> None:
    with pytest.raises(AssetError, match="not one of"):
        prepared(world(1), "other")
    with pytest.raises(AssetError, match="battery"):
        prepared(world(1, batteries=False), "scale")
    roofless = world(1)
    homes = tuple(replace(home, pv_kwh=np.zeros(home.pv_kwh.size)) for home in roofless.homes)
    with pytest.raises(AssetError, match="roof"):
        prepared(replace(roofless, homes=homes), "split")


@measured
@pytest.mark.deep
@pytest.mark.timeout(1200)
def test_on_the_measured_year_a_false_declaration_moves_at_most_four_per_cent() -> None:
    year = measured_world(DATA / "hive_nsw", "flat", None, 365, 0, batteries=False)
    attack = prepared(year, "declare")
    every_slot = Options(slots=year.slots, coordinated=False, enforce=False, believable=False)
    damage = compare(attack, every_slot)
    assert round(damage.honest.books.surplus_pico / 1e12, 2) == 2723.04
    assert 0.0 < damage.moved_share <= 0.04
    assert compare(attack, replace(every_slot, choose=False)).moved_share > 0.3
    assert compare(attack, replace(every_slot, enforce=True, believable=True)).moved_share <= 0.001


@measured
@pytest.mark.deep
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("hive", ["hive_nsw", "hive_ca"])
def test_no_honest_home_of_the_measured_year_falls_under_900_or_is_suspended(hive: str) -> None:
    year = measured_world(DATA / hive, "flat", None, 365, 0, batteries=False)
    run = Simulation(year, Options(slots=year.slots, coordinated=False)).run()
    assert min(account.mean_rho for account in run.books.accounts) >= 900.0
    assert sum(account.suspended_days for account in run.books.accounts) == 0


@measured
@pytest.mark.deep
@pytest.mark.timeout(1200)
def test_with_batteries_coordinated_a_false_declaration_moves_nothing() -> None:
    weeks = measured_world(DATA / "hive_nsw", "flat", None, 14, None, batteries=True)
    damage = compare(prepared(weeks, "declare"), Options(slots=weeks.slots, every=8, certify=False))
    assert damage.moved_share <= 0.04
