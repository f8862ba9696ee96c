"""Every way to wire three clamps is found by the heater test, judged by phasors that know nothing of the rules."""

from __future__ import annotations

import cmath
import itertools
import math
import random

import pytest

from provisioning.commission.means import Means
from provisioning.commission.wiring import conclude, first_look, heater_test, off_by, within_plate

HEATER_W = 2_000
ROTATION = cmath.exp(-2j * math.pi / 3)


class House:
    """Three conductors with loads; channel c has its clamp on `clamps[c]`, its voltage on `voltages[c]`."""

    def __init__(
        self,
        clamps: tuple[int, ...],
        voltages: tuple[int, ...],
        turned: tuple[bool, ...],
        phase_map: tuple[int, ...] = (0, 1, 2),
        reversed_phases: tuple[bool, ...] = (False, False, False),
        ratio: float = 1.0,
        seed: int = 0,
    ) -> None:
        chance = random.Random(seed)
        self.volts = [230 * ROTATION**k * chance.uniform(0.97, 1.03) for k in range(3)]
        self.loads = [complex(chance.uniform(0.2, 4), chance.uniform(-1, 1)) * ROTATION**k for k in range(3)]
        self.clamps, self.voltages, self.turned, self.ratio = clamps, voltages, turned, ratio
        self.phase_map, self.reversed_phases = phase_map, reversed_phases

    def means(self, heater_on: int | None = None, other_w: float = 0.0) -> Means:
        currents = list(self.loads)
        if heater_on is not None:
            currents[heater_on] += HEATER_W / 230**2 * self.volts[heater_on]
        currents[0] += other_w / abs(self.volts[0]) * self.volts[0] / abs(self.volts[0])
        rows = []
        for channel in self.phase_map:
            current = currents[self.clamps[channel]] * (-1 if self.turned[channel] else 1) * self.ratio
            voltage = self.volts[self.voltages[channel]]
            power = voltage * current.conjugate() * (-1 if self.reversed_phases[channel] else 1)
            rows.append((abs(voltage), abs(current), power.real, power.imag))
        u, i, p, q = (tuple(row[k] for row in rows) for k in range(4))
        return Means(u, i, p, q, 10, 0)  # type: ignore[arg-type]

    def tested(self, other_w: float = 0.0):
        off = self.means()
        tests = {k: heater_test(off, self.means(k, other_w), k, HEATER_W) for k in range(3)}
        return tests, conclude(tests, self.phase_map, self.reversed_phases)


WAYS = [
    (clamps, turned)
    for clamps in itertools.permutations(range(3))
    for turned in itertools.product((False, True), repeat=3)
]


@pytest.mark.parametrize(("order", "turned"), WAYS)
def test_channels_on_other_phases_and_turned_clamps_are_mended_by_settings(order, turned) -> None:
    house = House(order, order, turned, seed=7)
    _, wiring = house.tested()
    assert wiring.sound
    mended = House(order, order, turned, wiring.phase_map, wiring.reversed_phases, seed=7)
    off = mended.means()
    for k in range(3):
        test = heater_test(off, mended.means(k), k, HEATER_W)
        assert [one.verdict for one in test.seen] == ["right" if p == k else "elsewhere" for p in range(3)]
        assert within_plate(test)


@pytest.mark.parametrize(("order", "turned"), WAYS)
def test_mending_starts_from_any_settings_in_force(order, turned) -> None:
    house = House(order, order, turned, (2, 0, 1), (True, False, True), seed=3)
    _, wiring = house.tested()
    assert wiring.sound
    mended = House(order, order, turned, wiring.phase_map, wiring.reversed_phases, seed=3)
    assert [mended.clamps[channel] for channel in wiring.phase_map] == [0, 1, 2]
    assert wiring.reversed_phases == tuple(turned)


@pytest.mark.parametrize("clamps", [one for one in itertools.permutations(range(3)) if one != (0, 1, 2)])
@pytest.mark.parametrize("turned", list(itertools.product((False, True), repeat=3)))
def test_swapped_clamps_are_named_with_the_conductor_they_belong_on(clamps, turned) -> None:
    _, wiring = House(clamps, (0, 1, 2), turned, seed=5).tested()
    wrong = [place for place in range(3) if clamps[place] != place]
    assert len(wiring.moves) == len(wrong)
    for place, text in zip(wrong, wiring.moves, strict=True):
        assert text.startswith(f"clamp {'ABC'[place]} is on phase {'ABC'[clamps[place]]}")
        assert f"the conductor of phase {'ABC'[place]}" in text


def test_a_clamp_that_sees_nothing_is_named() -> None:
    house = House((0, 1, 2), (0, 1, 2), (False, False, False), ratio=0.0)
    _, wiring = house.tested()
    assert not wiring.sound
    assert [text for text in wiring.doubts if "no clamp sees the heater" in text]


def test_a_wrong_ratio_or_another_load_is_a_doubt_and_never_a_wrong_answer() -> None:
    for house, other in (
        (House((0, 1, 2), (0, 1, 2), (False, False, False), ratio=0.7), 0.0),
        (House((0, 1, 2), (0, 1, 2), (False, False, False)), 600.0),
    ):
        _, wiring = house.tested(other)
        assert wiring.doubts
        assert (wiring.phase_map, wiring.reversed_phases) == ((0, 1, 2), (False, False, False))


def test_what_the_meter_shows_of_the_heater_is_compared_with_its_plate() -> None:
    tests, _ = House((0, 1, 2), (0, 1, 2), (False, False, False), ratio=1.12).tested()
    off = off_by(tests[1])
    assert off is not None
    assert off == pytest.approx(0.12, abs=0.001)
    assert not within_plate(tests[1])


def test_what_needs_no_test_is_said_at_once() -> None:
    plain = House((0, 1, 2), (0, 1, 2), (True, True, True)).means()
    assert "every phase exports" in first_look(plain, generation=False)[0]
    assert first_look(plain, generation=True) == ()
    dead = Means((230.0, 0.0, 230.0), (1.0, 3.0, 1.0), (200.0, 0.0, 200.0), None, 5, 0)
    assert "phase B: 3.0 A without a voltage" in first_look(dead, generation=False)[0]
