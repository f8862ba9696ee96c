"""A Hive in virtual time: repeatable to the byte, books that balance, nobody above the own tariff."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from honey_edge.market.errors import AssetError
from honey_edge.market.fairplay.plausible import HEADROOM, ShownRange
from honey_edge.market.homes.assets import Home
from honey_edge.market.rounds.admm import solve_hive
from honey_edge.market.rounds.iteration import round_sigma, starting_price_e7
from honey_edge.market.simulate.forecasts import RollingForecast
from honey_edge.market.simulate.hive import Options, Simulation, follow
from honey_edge.market.simulate.money import PromiseBroken, SimulationBooks, SlotFacts
from honey_edge.market.simulate.report import run_document
from honey_edge.market.simulate.rounds import LocalLanes, RoundTask, RoundTerms, coordinate
from honey_edge.market.simulate.world import World, filled, home_battery, named_prices, seeded_homes
from queen_node.cli.commands import app
from queen_node.cli.market_lanes import ProcessLanes

BUY, SELL = 200_000, 50_000


def world(homes: int = 6, days: int = 1, tariff: str = "flat", seed: int = 2) -> World:
    made = seeded_homes(homes, days, seed)
    return World(made, named_prices(tariff, made[0].load_kwh.size, 96), 15, 7 * 96)


def document(**options: float | int | bool) -> str:
    small = world()
    chosen = replace(Options(slots=48, every=24, certify=False), **options)  # type: ignore[arg-type]
    return json.dumps(run_document(small, chosen, Simulation(small, chosen).run()))


def test_two_runs_with_the_same_seed_are_the_same_bytes_and_another_seed_is_not() -> None:
    assert document(loss=0.2, seed=5) == document(loss=0.2, seed=5)
    assert document(loss=0.2, seed=5) != document(loss=0.2, seed=6)


def test_homes_follow_from_seed_and_place_alone() -> None:
    few, many = seeded_homes(3, 1, 9), seeded_homes(8, 1, 9)
    assert all(np.array_equal(a.load_kwh, b.load_kwh) for a, b in zip(few, many, strict=False))
    assert not np.array_equal(few[0].load_kwh, seeded_homes(3, 1, 10)[0].load_kwh)


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_books_balance_and_every_payment_stays_below_the_own_tariff(loss: float) -> None:
    small = world()
    run = Simulation(small, Options(slots=48, every=24, loss=loss, certify=False)).run()
    assert run.books.whole
    assert run.books.payments == 6 * 48
    assert all(account.paid_pico <= account.own_tariff_pico for account in run.books.accounts)
    assert run.books.deficit_pico == 0
    assert any(account.late_slots for account in run.books.accounts) == (loss > 0.0)


def test_a_payment_above_the_own_tariff_stops_the_simulation() -> None:
    books = SimulationBooks(1, 15)
    with pytest.raises(PromiseBroken, match="above the own tariff"):
        books._book(books.accounts[0], 11, 10)


def test_a_round_in_shards_is_the_round_of_solve_hive() -> None:
    small = world()
    places = small.horizon(small.first)
    homes = [
        Home(home.load_kwh[places] / 0.25, home.pv_kwh[places] / 0.25, home.battery)
        for home in small.homes
        if home.battery is not None
    ]
    tariff = small.prices.tariff(places)
    sigma = round_sigma(tariff, settled=False, blend=True)
    terms = RoundTerms(sigma, 0.25, starting_price_e7(tariff), 0.0, (0,))
    task = RoundTask(homes, (0,) * 96, 0.0, tariff, certify=True)
    split, whole = coordinate(task, terms, LocalLanes()), solve_hive(homes, tariff, certify=True)
    assert split.price_e7 == whole.price_e7
    assert split.iterations == whole.iterations
    assert split.certificate == whole.certificate


def test_processes_change_nothing_even_with_losses() -> None:
    small = world(5)
    options = Options(slots=8, every=8, loss=0.3, certify=False, seed=3)
    here = json.dumps(run_document(small, options, Simulation(small, options).run()))
    with ProcessLanes(2) as lanes:
        there = json.dumps(run_document(small, options, Simulation(small, options, lanes=lanes).run()))
    assert here == there


def test_coordination_saves_more_than_batteries_alone() -> None:
    small = world(8)
    run = Simulation(small, Options(slots=96, every=8, certify=False)).run()
    assert float(run.cost.sum()) < float(run.alone.sum())


def test_a_battery_follows_its_plan_only_as_far_as_it_can() -> None:
    battery = home_battery(10.0, 4.0)
    assert battery is not None
    assert follow(battery, 0.5, -3.0, 0.25)[0] == 0.0
    power, soc, wear = follow(battery, 9.4, 9.0, 0.25)
    assert soc == pytest.approx(9.5)
    assert power == pytest.approx(0.1 / (0.25 * 0.95))
    assert wear > 0.0


def test_forecasts_use_only_what_was_known() -> None:
    series = np.random.default_rng(1).random((96 * 10, 2))
    changed = series.copy()
    changed[96 * 8 + 10 :] += 5.0
    first = RollingForecast(series, 96).corrected(96 * 8 + 11, 96, 96 * 8 + 10)
    assert np.array_equal(first, RollingForecast(changed, 96).corrected(96 * 8 + 11, 96, 96 * 8 + 10))
    sun = np.tile(np.maximum(0.0, np.sin(np.arange(96) / 96 * 2 * np.pi)), 10)[:, None]
    assert (RollingForecast(sun, 96, sun=True).corrected(96 * 9 + 60, 30, 96 * 9 + 59) == 0.0).all()


def test_declarations_count_only_within_what_the_meter_has_shown() -> None:
    shown = ShownRange(2, slots=96)
    shown.see([0, 500_000])
    low, high = shown.bounds_kw(0.25)
    assert low.tolist() == [0.0, 0.0]
    assert high.tolist() == [0.0, pytest.approx(HEADROOM * 2.0)]
    for _ in range(120):
        shown.see([0, 0])
    assert shown.bounds_kw(0.25)[1].tolist() == [0.0, 0.0]


def test_gaps_are_bridged_over_four_slots_and_empty_beyond() -> None:
    gap = [1.0, *[float("nan")] * 6, 8.0, float("nan")]
    assert filled(np.array(gap)).tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0, 8.0, 0.0]


def test_a_late_home_touches_nobody_else_and_costs_only_its_own_discount() -> None:
    def payments(late: frozenset[int]) -> list[int]:
        books = SimulationBooks(3, 15)
        shown = [400_000, -300_000, 100_000]
        books.settle(SlotFacts(0, shown, shown, None, sum(shown), BUY, SELL, None, late))
        assert books.whole
        return [account.discount_pico for account in books.accounts]

    assert payments(frozenset({2}))[2] == 0
    assert payments(frozenset({2}))[1] >= payments(frozenset())[1]


def test_a_days_peak_is_charged_once_and_what_pooling_saved_is_shared() -> None:
    small = world(5, tariff="peak")
    run = Simulation(small, Options(slots=96, every=96, certify=False)).run()
    energy_only = Simulation(world(5), Options(slots=96, every=96, certify=False, coordinated=False)).run()
    assert run.books.whole
    assert run.books.payments == energy_only.books.payments + 5
    books = SimulationBooks(2, 30)
    books.settle_peak([1_000_000, 3_000_000], 3_000_000, 350_000)
    paid = [account.paid_pico for account in books.accounts]
    assert [account.own_tariff_pico / 1e12 for account in books.accounts] == [0.7, 2.1]
    assert sum(paid) - books.reserve_pico == 2_100_000_000_000
    assert books.whole


def test_worlds_that_do_not_fit_are_refused() -> None:
    with pytest.raises(AssetError, match="neither flat"):
        named_prices("other", 96, 96)
    with pytest.raises(AssetError, match="at least 1"):
        seeded_homes(0, 1, 1)
    small = world(2)
    with pytest.raises(AssetError, match="same slots"):
        World(small.homes, named_prices("flat", 96, 96), 15, 0)
    with pytest.raises(AssetError, match="do not fit"):
        World(small.homes, small.prices, 7, 0)


def test_the_command_prints_the_same_bytes_twice(tmp_path: Path) -> None:
    arguments = ["market", "simulate", "--homes", "3", "--every", "96", "--seed", "4", "--json"]
    first, second = (CliRunner().invoke(app, arguments) for _ in range(2))
    assert first.exit_code == 0
    assert first.stdout == second.stdout
    told = json.loads(first.stdout)
    assert told["money"]["books_balance"] is True
    assert len(told["homes_saving"]) == 3
    missing = CliRunner().invoke(app, ["market", "simulate", "--data", str(tmp_path)])
    assert missing.exit_code == 4
