"""The answers of a round with a voltage band, kept apart by electrical node.

Every node has its own `RoundAnswers`, because its homes answer its own prices; to the conversation in `conductor` they
look like one. Homes whose place on the feeder is not known are a node of their own.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from drivers.clock import Clock
from honey_edge.market.grid.feeder_round import FeederQueen
from honey_edge.market.grid.voltage import VoltageBand
from honey_edge.market.homes.assets import Limits, Tariff
from honey_edge.market.rounds.anderson import HeldSums, joined
from honey_edge.market.rounds.stragglers import Sums
from honey_edge.wire.messages import HORIZON_SLOTS, DeclareMessage
from queen_node.coordinator.answers import Cost, Frame, Opened, Proven, RoundAnswers, sums


@dataclass(frozen=True, slots=True)
class Feeder:
    """A band and the homes that its columns stand for; one more column is for homes elsewhere."""

    band: VoltageBand
    workers: tuple[str, ...]


class NodeAnswers:
    """Collects the answers of a round by node; `queen` makes what finds the prices."""

    masked = False

    def __init__(self, frame: Frame, feeder: Feeder, clock: Clock) -> None:
        self._band, self._clock = feeder.band, clock
        network = feeder.band.network(HORIZON_SLOTS)
        *groups, self._elsewhere = network.group_of
        self._node_of = dict(zip(feeder.workers, groups, strict=True))
        constants: list[dict[str, tuple[int, ...]]] = [{} for _ in range(network.groups)]
        for worker, power_w in frame.constants.items():
            constants[self.node(worker)][worker] = power_w
        self._parts = [RoundAnswers(replace(frame, constants=own)) for own in constants]
        self._moving: list[RoundAnswers] = []
        self._opened: tuple[Opened, ...] = ()
        self._queen: FeederQueen | None = None
        self.complete = asyncio.Event()

    def node(self, worker: str) -> int:
        """The node that a home hangs on."""
        return self._node_of.get(worker, self._elsewhere)

    def queen(
        self, tariff: Tariff, sigma: int, limits: Limits, price0_e7: tuple[int, ...], most_iterations: int
    ) -> FeederQueen:
        """The Queen's side of the round, fed by this collector; after `openings`."""
        queen = self._queen = FeederQueen(
            tariff,
            self._band.network(tariff.slots, limits),
            [told.flexible for told in self._opened],
            sigma,
            [told.constant_w for told in self._opened],
            price0_e7,
            limits=limits,
            max_iterations=most_iterations,
        )
        queen.opens([told.power_w for told in self._opened])
        return queen

    def asked_of(self, worker: str, *, final: bool) -> tuple[int, ...] | None:
        """The price (10^-7 coin per kWh) that a home is told; None before there are prices by node."""
        if self._queen is None:
            return None
        node = self.node(worker)
        return self._queen.agreed_of(node) if final else self._queen.price_of(node)

    @property
    def profiles(self) -> Mapping[str, tuple[int, ...]]:
        """What the homes opened with, W per slot."""
        return {worker: power_w for part in self._parts for worker, power_w in part.profiles.items()}

    @property
    def finals(self) -> Mapping[str, tuple[int, ...]]:
        """What homes declared to the final broadcast, W per slot."""
        return {worker: power_w for part in self._parts for worker, power_w in part.finals.items()}

    def expect(self, workers: Iterable[str]) -> None:
        """Whose answers complete what is about to be broadcast."""
        awaited = set(workers)
        self.complete.clear()
        for node, part in enumerate(self._parts):
            part.expect({worker for worker in awaited if self.node(worker) == node})
        self._look()

    def _look(self) -> None:
        if all(part.complete.is_set() for part in self._parts):
            self.complete.set()

    def take(self, worker: str, message: DeclareMessage) -> str:
        """Takes an answer; why it is refused, or "" when it counts or changes nothing."""
        part = self._parts[self.node(worker)]
        if self._opened and part not in self._moving and not message.profile:
            return "round" if message.flexible else ""
        problem = part.take(worker, message)
        self._look()
        return problem

    async def openings(self) -> Opened:
        """Ends iteration 0."""
        told = self._opened = tuple([await part.openings() for part in self._parts])
        self._moving = [part for part, one in zip(self._parts, told, strict=True) if one.flexible]
        alone = [one.alone_e9_coin for one in told if one.alone_e9_coin is not None]
        return Opened(
            sum(one.flexible for one in told),
            sum(one.homes for one in told),
            sums(one.power_w for one in told),
            sums(one.constant_w for one in told),
            sums(one.import_w for one in told),
            sums(one.export_w for one in told),
            sum(alone) if len(alone) == len(told) else None,
        )

    def movers(self) -> set[str]:
        """Who is to answer prices."""
        return set().union(*(part.movers() for part in self._moving))

    def present(self) -> set[str]:
        """Who is to answer the final broadcast."""
        return set().union(*(part.present() for part in self._parts))

    def broadcast(self, price_e7: tuple[int, ...], gamma_e9: tuple[int, ...], forget: bool) -> int:
        """Notes what goes out next, to each node its own price; the number of the iteration."""
        number = 0
        for node, part in enumerate(self._parts):
            if part in self._moving:
                own = self._queen.price_of(node) if self._queen else price_e7
                number = part.broadcast(own, gamma_e9, forget)
        return number

    async def close(self) -> Sums:
        """Ends an iteration: the sums of all nodes, which the Queen's side has taken in when this returns."""
        told = [await part.close() if part in self._moving else None for part in self._parts]
        total = self._total(told)
        queen = self._queen
        if queen is not None:
            flat = [power for one in told for power in (one.power_w if one else (0,) * HORIZON_SLOTS)]
            # A step with the band is a quadratic program: it must not hold up messages.
            with self._clock.hold("voltage"):
                await asyncio.to_thread(queen.ahead, replace(total, power_w=tuple(flat)))
        return total

    def _total(self, told: Sequence[Sums | None]) -> Sums:
        moving = [one for one in told if one is not None]
        # One Worker of older software is enough to do without acceleration.
        plain = any(not one.residual_e9_kw2 and not one.inner_e9_kw2 for one in moving)
        missing = tuple(sorted(worker for one in moving for worker in one.missing))
        columns = zip(*(one.inner_e9_kw2 for one in moving), strict=not plain)
        return Sums(
            sums(one.power_w for one in moving),
            sum(one.cost_e9_coin for one in moving),
            self._held(told),
            missing,
            0 if plain else sum(one.residual_e9_kw2 for one in moving),
            () if plain else tuple(sum(column) for column in columns),
            len(missing) / max(1, sum(one.flexible for one in self._opened)),
        )

    def _held(self, told: Sequence[Sums | None]) -> HeldSums | None:
        """What the Workers hold, node after node; None while everybody answered in time."""
        if all(one is None or one.correction_kw is None for one in told):
            return None
        return joined([part.held() if part in self._moving else None for part in self._parts], HORIZON_SLOTS)

    def finish(self, iteration: int) -> None:
        """The broadcast that goes out next is the final one."""
        for part in self._parts:
            part.finish(iteration)

    def proven(self, at_price: Cost, at_tariff: Cost) -> Proven | None:
        """None: a lower bound with a band needs more of each home than it tells."""
        return None
