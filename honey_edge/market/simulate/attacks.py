"""What a dishonest home gains and the others lose: the same run with and without the misconduct.

    declare  a meter without load declares a large import all the time, to turn the announced price against the buyers
    late     the home that sells most withholds every reading until after closing
    reverse  the home that buys most has its meter's clamp reversed: it seems to sell what it takes
    split    the home that uses most of its own roof registers load and roof as two meters
    scale    the home with the largest battery answers prices as if its private cost were 1/k times as high (k = 0.1)

Gains and losses are payments and battery wear (coin), seen from outside: with false meters the real energy counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from honey_edge.market.errors import AssetError
from honey_edge.market.homes.assets import FloatArray
from honey_edge.market.simulate.hive import Misconduct, Options, Outcome, Simulation
from honey_edge.market.simulate.rounds import Lanes
from honey_edge.market.simulate.world import SimulatedHome, World, filled

ATTACKS = ("declare", "late", "reverse", "split", "scale")
SCALE_K = 0.1
_METER = "meter-without-load"


@dataclass(frozen=True, eq=False)
class Attack:
    """An attack set up: the honest world and the attacked one, who does it, and which homes of either are the
    attacker's (places)."""

    kind: str
    honest: World
    attacked: World
    misconduct: Misconduct
    attacker_honest: tuple[int, ...]
    attacker: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Damage:
    """What an attack did (coin): `gain` of the attacker, what losing homes lose, what winning homes win, and the
    change of the Hive's reserve. `honest` and `attacked` are the two runs."""

    attack: Attack
    honest: Outcome
    attacked: Outcome
    gain: float
    others_lose: float
    others_win: float
    reserve_change: float

    @property
    def moved_share(self) -> float:
        """Share of the honest run's surplus that losing homes lose."""
        surplus = self.honest.books.surplus_pico / 1e12
        return self.others_lose / surplus if surplus > 0.0 else 0.0


def prepared(world: World, kind: str) -> Attack:
    """Set up one of `ATTACKS`; `AssetError` for another, or where no home can commit it."""
    if kind not in ATTACKS:
        raise AssetError(f"attack {kind!r} is not one of {', '.join(ATTACKS)}")
    if kind == "declare":
        return _declare(world)
    if kind == "split":
        return _split(world)
    energy = _run_energy(world)
    if kind == "late":
        home = int(np.argmin(np.minimum(energy, 0.0).sum(axis=0)))
        return _by(world, kind, Misconduct(home, late=True))
    if kind == "reverse":
        home = int(np.argmax(energy.sum(axis=0)))
        return _by(world, kind, Misconduct(home, reversed_meter=True))
    sizes = [home.battery.cap_kwh if home.battery is not None else 0.0 for home in world.homes]
    if max(sizes) <= 0.0:
        raise AssetError("attack scale needs a home with a battery")
    return _by(world, kind, Misconduct(int(np.argmax(sizes)), cost_scale=1.0 / SCALE_K))


def _run_energy(world: World) -> FloatArray:
    """Return load - PV (kWh) of the run, a column per home."""
    return np.column_stack([filled(home.load_kwh) - filled(home.pv_kwh) for home in world.homes])[world.first :]


def _by(world: World, kind: str, misconduct: Misconduct) -> Attack:
    """Return an attack by a home of the world itself."""
    return Attack(kind, world, world, misconduct, (misconduct.home,), (misconduct.home,))


def _declare(world: World) -> Attack:
    """Add the meter without load to both worlds; in one it declares more than all others can produce."""
    nothing = np.zeros(world.slots)
    more = replace(world, homes=(*world.homes, SimulatedHome(_METER, nothing, nothing)))
    own = len(world.homes)
    largest = float(np.abs(_run_energy(world)).sum(axis=1).max()) / world.dt_h
    batteries = sum(home.battery.p_dis_max_kw for home in world.homes if home.battery is not None)
    told = Misconduct(own, declared_kw=float(round(2.0 * (largest + batteries))))
    return Attack("declare", more, more, told, (own,), (own,))


def _split(world: World) -> Attack:
    """Register the load (with the battery) and the roof of one home as two meters."""
    used = [float(np.minimum(filled(home.load_kwh), filled(home.pv_kwh)).sum()) for home in world.homes]
    place = int(np.argmax(used))
    if used[place] <= 0.0:
        raise AssetError("attack split needs a home with a roof")
    home, nothing = world.homes[place], np.zeros(world.slots)
    load = SimulatedHome(home.name + "-load", home.load_kwh, nothing, home.battery)
    roof = SimulatedHome(home.name + "-roof", nothing, home.pv_kwh)
    homes = (*world.homes[:place], load, *world.homes[place + 1 :], roof)
    attacked = replace(world, homes=homes)
    return Attack("split", world, attacked, Misconduct(), (place,), (place, len(world.homes)))


def compare(attack: Attack, options: Options, lanes: Lanes | None = None) -> Damage:
    """Run the honest and the attacked world with the same options."""
    honest = Simulation(attack.honest, options, lanes=lanes).run()
    attacked = Simulation(attack.attacked, options, attack.misconduct, lanes).run()
    return damage(attack, honest, attacked)


def damage(attack: Attack, honest: Outcome, attacked: Outcome) -> Damage:
    """Return what the attack changed."""
    before = dict(zip(honest.names, honest.cost, strict=True))
    after = dict(zip(attacked.names, attacked.cost, strict=True))
    own_before = sum(float(honest.cost[k]) for k in attack.attacker_honest)
    own_after = sum(float(attacked.cost[k]) for k in attack.attacker)
    attackers = {honest.names[k] for k in attack.attacker_honest}
    change = [float(after[name] - cost) for name, cost in before.items() if name not in attackers]
    reserve = (attacked.books.reserve_pico - honest.books.reserve_pico) / 1e12
    return Damage(
        attack,
        honest,
        attacked,
        own_before - own_after,
        sum(max(0.0, one) for one in change),
        sum(max(0.0, -one) for one in change),
        reserve,
    )
