"""Which clamp is on which conductor, and which way round: from a resistive load that is switched on, phase by phase.

A heater on conductor X adds a current in phase with the voltage of X. What that does to a channel's power says all
(reference/conversions.md, "Wiring detection"), as a share of the heater's power:

    +1    the channel's clamp is on X, and so is its voltage          right
    -1    the same, with the clamp turned round                       reversed
    -1/2  the clamp is on X, its voltage is of another conductor       swapped clamps (the reactive change tells which)
    +1/2  the same, with the clamp turned round
     0    the clamp is not on X

Powers add up linearly whatever else runs in the home, so the change between off and on is looked at, not the power
factor of the whole. Positions are the home's phases A, B, C as the present settings sort and turn the channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from provisioning.commission.means import PHASES, Means, Three

RIGHT, REVERSED, SWAPPED, SWAPPED_REVERSED, ELSEWHERE, UNCLEAR = (
    "right", "reversed", "swapped", "swapped and reversed", "elsewhere", "unclear",
)  # fmt: skip
_SHARES = {RIGHT: 1.0, REVERSED: -1.0, SWAPPED: -0.5, SWAPPED_REVERSED: 0.5, ELSEWHERE: 0.0}
_TOLERANCE = 0.17
_NOMINAL_V = 230.0
_LEAST_HEATER_W = 300
_MOST_OFF = 0.1


@dataclass(frozen=True, slots=True)
class Seen:
    """What one position did when the heater on one conductor was switched on; `share` of the heater's power."""

    position: int
    verdict: str
    share: float
    voltage_of: int | None


@dataclass(frozen=True, slots=True)
class HeaterTest:
    """A heater on a conductor (0 to 2): what every position did, and the power that the meter showed of it."""

    conductor: int
    expected_w: float
    shown_w: float
    seen: tuple[Seen, Seen, Seen]


@dataclass(frozen=True, slots=True)
class Wiring:
    """What follows: settings to change, clamps to move by hand, and what is still not clear (for people)."""

    phase_map: tuple[int, int, int]
    reversed_phases: tuple[bool, bool, bool]
    moves: tuple[str, ...]
    doubts: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether settings alone make it right."""
        return not self.moves and not self.doubts


def heater_test(off: Means, on: Means, conductor: int, heater_w: int) -> HeaterTest:
    """What the change from off to on says; `heater_w` is the heater's power at 230 V."""
    voltage = on.voltage_v[conductor] or max(on.voltage_v)
    expected = heater_w * (voltage / _NOMINAL_V) ** 2
    change = _minus(on.power_w, off.power_w)
    reactive = _minus(on.reactive_var, off.reactive_var) if on.reactive_var and off.reactive_var else None
    seen = tuple(_seen(place, conductor, change, reactive, expected) for place in range(3))
    return HeaterTest(conductor, expected, sum(change), (seen[0], seen[1], seen[2]))


def _seen(place: int, conductor: int, change_w: Three, change_var: Three | None, expected_w: float) -> Seen:
    share = change_w[place] / expected_w
    verdict = min(_SHARES, key=lambda name: abs(_SHARES[name] - share))
    if abs(_SHARES[verdict] - share) > _TOLERANCE:
        return Seen(place, UNCLEAR, share, None)
    voltage_of: int | None = conductor if verdict in (RIGHT, REVERSED) else None
    if verdict in (SWAPPED, SWAPPED_REVERSED) and change_var is not None:
        sign = 1 if verdict == SWAPPED else -1
        voltage_of = (conductor + (2 if sign * change_var[place] > 0 else 1)) % 3
    return Seen(place, verdict, share, voltage_of)


def conclude(tests: Mapping[int, HeaterTest], phase_map: tuple[int, ...], turned: tuple[bool, ...]) -> Wiring:
    """What all heater tests together mean for the settings; `phase_map` and `turned` are those in force."""
    clamp: dict[int, tuple[int, Seen]] = {}
    doubts: list[str] = []
    for conductor, test in sorted(tests.items()):
        doubts += _doubts(conductor, test)
        on_it = [one for one in test.seen if one.verdict not in (ELSEWHERE, UNCLEAR)]
        if len(on_it) == 1 and on_it[0].position not in clamp:
            clamp[on_it[0].position] = conductor, on_it[0]
        elif on_it:
            names = ", ".join(PHASES[one.position] for one in on_it)
            doubts.append(
                f"phase {PHASES[conductor]}: several clamps see its heater ({names}); is one around two wires?"
            )
    moves = [_move(place, conductor, seen) for place, (conductor, seen) in sorted(clamp.items()) if _mixed(seen)]
    new_map, new_turned = list(phase_map), list(turned)
    for place, (conductor, seen) in clamp.items():
        if not _mixed(seen):
            new_map[conductor] = phase_map[place]
        channel = phase_map[place]
        new_turned[channel] = turned[channel] != (seen.verdict in (REVERSED, SWAPPED_REVERSED))
    if sorted(new_map) != [0, 1, 2]:
        doubts.append("the phases cannot be sorted by settings alone; test every phase")
        new_map = list(phase_map)
    return Wiring(
        (new_map[0], new_map[1], new_map[2]), (new_turned[0], new_turned[1], new_turned[2]), tuple(moves), tuple(doubts)
    )


def _mixed(seen: Seen) -> bool:
    """Whether clamp and voltage of a position are on different conductors: a hand must move it."""
    return seen.verdict in (SWAPPED, SWAPPED_REVERSED)


def _move(place: int, conductor: int, seen: Seen) -> str:
    where = f"the conductor of phase {PHASES[seen.voltage_of]}" if seen.voltage_of is not None else "its own conductor"
    return f"clamp {PHASES[place]} is on phase {PHASES[conductor]}: move it to {where}, then test again"


def _doubts(conductor: int, test: HeaterTest) -> list[str]:
    found, name = [], PHASES[conductor]
    if test.expected_w < _LEAST_HEATER_W:
        found.append(f"phase {name}: {test.expected_w:.0f} W is too little to see; take a heater of 1000 W or more")
    unclear = [PHASES[one.position] for one in test.seen if one.verdict == UNCLEAR]
    if unclear:
        found.append(
            f"phase {name}: what {', '.join(unclear)} saw fits no wiring; another load changed, or a ratio is wrong "
            f"({test.shown_w:.0f} W shown of {test.expected_w:.0f} W): test again"
        )
    elif all(one.verdict == ELSEWHERE for one in test.seen):
        found.append(f"phase {name}: no clamp sees the heater; is one open, around neutral, or around both wires?")
    return found


def off_by(test: HeaterTest) -> float | None:
    """By how much the meter shows more or less than the heater's power, as a share; None where wiring is not right."""
    right = [one for one in test.seen if one.verdict == RIGHT]
    return right[0].share - 1.0 if len(right) == 1 else None


def within_plate(test: HeaterTest) -> bool:
    """Whether the meter shows the heater's power as well as a name plate is true (a tenth)."""
    off = off_by(test)
    return off is not None and abs(off) <= _MOST_OFF


def first_look(means: Means, generation: bool) -> tuple[str, ...]:
    """What is wrong without any test: dead phases, current without voltage, export without a generator."""
    found = []
    for place, name in enumerate(PHASES):
        if means.current_a[place] > 0.1 and not means.alive[place]:
            found.append(f"phase {name}: {means.current_a[place]:.1f} A without a voltage; a lead or fuse is broken")
        apparent = means.voltage_v[place] * means.current_a[place]
        if means.alive[place] and abs(means.power_w[place]) > 1.02 * apparent + 5:
            found.append(
                f"phase {name}: {means.power_w[place]:.0f} W of {apparent:.0f} VA; settings do not fit the chip"
            )
    flowing = [place for place in range(3) if means.alive[place] and abs(means.power_w[place]) > 20]
    if not generation and flowing and all(means.power_w[place] < 0 for place in flowing):
        found.append("every phase exports, and no generator is configured: all clamps turned, or mains side swapped")
    return tuple(found)


def _minus(first: Three, second: Three) -> Three:
    return first[0] - second[0], first[1] - second[1], first[2] - second[2]
