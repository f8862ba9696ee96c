"""Test D: reversed and slow meters are named by the connection meter, right ones are not."""

from __future__ import annotations

import numpy as np
import pytest

from honey_edge.market.errors import AssetError
from honey_edge.market.fairplay.meters import examine_meters
from honey_edge.market.homes.assets import FloatArray

SLOTS, HOMES = 336, 12


def week(seed: int) -> tuple[FloatArray, FloatArray]:
    """Real energies of a week and what a good connection meter shows: 1 % losses and its own noise."""
    chance = np.random.default_rng(seed)
    hour = np.arange(SLOTS) % 48 / 2.0
    evening = np.exp(-(((hour[:, None] - chance.uniform(16.0, 22.0, HOMES)) / 2.5) ** 2))
    energy = chance.gamma(2.0, 0.1, (SLOTS, HOMES)) + chance.uniform(0.2, 1.0, HOMES) * evening
    energy -= np.maximum(0.0, np.sin((hour - 6.0) * np.pi / 12.0))[:, None] * chance.uniform(0.0, 1.0, HOMES)
    connection = energy.sum(axis=1) + 0.01 * np.abs(energy).sum(axis=1) + chance.normal(0.0, 0.02, SLOTS)
    return energy, connection


def named(energy: FloatArray, connection: FloatArray) -> list[int]:
    return [finding.home for finding in examine_meters(energy, connection) if finding.named]


@pytest.mark.parametrize("seed", range(3))
def test_right_meters_are_not_named(seed: int) -> None:
    assert named(*week(seed)) == []


@pytest.mark.parametrize(("factor", "coefficient"), [(-1.0, -2.0), (0.9, 1.0 / 9.0)])
def test_a_reversed_and_a_slow_meter_are_named_with_their_error(factor: float, coefficient: float) -> None:
    energy, connection = week(5)
    shown = energy.copy()
    shown[:, 4] *= factor
    assert named(shown, connection) == [4]
    finding = next(one for one in examine_meters(shown, connection) if one.home == 4)
    assert finding.coefficient == pytest.approx(coefficient, abs=0.05)


def test_meters_that_cannot_be_told_apart_are_not_named() -> None:
    energy, connection = week(6)
    energy[:, 3] = energy[:, 2]
    connection = connection + 0.5 * energy[:, 2]
    assert not {2, 3} & set(named(energy, connection))


def test_an_empty_home_and_missing_readings_are_left_out() -> None:
    energy, connection = week(7)
    energy[:, 0] = 0.0
    energy[5, 1] = np.nan
    assert [one.home for one in examine_meters(energy, connection)] == list(range(1, HOMES))


def test_too_few_slots_are_refused() -> None:
    energy, connection = week(8)
    with pytest.raises(AssetError, match="too few"):
        examine_meters(energy[:10], connection[:10])
    with pytest.raises(AssetError, match="do not fit"):
        examine_meters(energy, connection[:10])
