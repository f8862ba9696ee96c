"""What couples the homes of a Hive besides their sum: limits of nodes and voltages (market-design 3, 5, 11).

Homes belong to groups (a node of a tree, an electrical node of a feeder); everything that couples them is linear in
the groups' powers Z (kW, import positive):

    low_t <= weights . Z_t <= high_t

A limit keeps the names of the fields it was read from, so that whoever breaks it can be told by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from honey_edge.market.errors import AssetError
from honey_edge.market.homes.assets import FloatArray, Limits

CONNECTION = "connection point"
"""Place of the limits of the whole Hive."""


@dataclass(frozen=True, eq=False)
class NetworkLimit:
    """One linear limit in every slot: `low` <= weights . Z <= `high`, infinite where there is none.

    `low_name` and `high_name` are the fields that are broken below and above; `low_span` and `high_span` (per slot,
    > 0) are the sizes that an overshoot is measured against on either side.
    """

    place: str
    low_name: str
    high_name: str
    weights: FloatArray
    low: FloatArray
    high: FloatArray
    low_span: FloatArray
    high_span: FloatArray

    def value(self, group_kw: FloatArray) -> FloatArray:
        """Return weights . Z per slot for the groups' powers (groups x slots, kW)."""
        return np.asarray(self.weights @ group_kw, dtype=np.float64)

    def over(self, group_kw: FloatArray) -> FloatArray:
        """Return by what share of its span the limit is broken per slot (0 inside)."""
        value = self.value(group_kw)
        sides = np.maximum((value - self.high) / self.high_span, (self.low - value) / self.low_span)
        return np.asarray(np.maximum(sides, 0.0))


@dataclass(frozen=True, eq=False)
class Network:
    """Groups of homes and the limits over their powers; `group_of` gives each home's group, by its place."""

    group_of: tuple[int, ...]
    groups: int
    limits: tuple[NetworkLimit, ...]

    def __post_init__(self) -> None:
        """Refuse a home in a group that does not exist and weights for another number of groups."""
        if any(not 0 <= group < self.groups for group in self.group_of):
            raise AssetError(f"a home belongs to a group outside 0 .. {self.groups - 1}")
        for limit in self.limits:
            if limit.weights.shape != (self.groups,):
                raise AssetError(f"{limit.place} has {limit.weights.size} weights for {self.groups} groups")

    def group_kw(self, net_kw: Sequence[FloatArray]) -> FloatArray:
        """Return the groups' powers (groups x slots) of the homes' powers, in the order of the homes."""
        total = np.zeros((self.groups, net_kw[0].size))
        for group, own in zip(self.group_of, net_kw, strict=True):
            total[group] += own
        return total

    def overshoot(self, group_kw: FloatArray) -> float:
        """Return the worst share by which any limit is broken (0 inside all)."""
        return max((float(limit.over(group_kw).max()) for limit in self.limits), default=0.0)


def power_limit(place: str, weights: FloatArray, limits: Limits, slots: int, names: tuple[str, str]) -> NetworkLimit:
    """Return the limit of a sum of groups; an overshoot counts against the limit, but at least against 1 kW."""
    low = np.full(slots, -np.inf) if limits.pcc_min_kw is None else limits.pcc_min_kw
    high = np.full(slots, np.inf) if limits.pcc_max_kw is None else limits.pcc_max_kw
    spans = [np.maximum(1.0, np.where(np.isfinite(bound), np.abs(bound), 0.0)) for bound in (low, high)]
    return NetworkLimit(place, names[0], names[1], weights, low, high, *spans)


def connection_limit(groups: int, limits: Limits, slots: int) -> NetworkLimit:
    """Return the limit of the whole Hive at its connection point."""
    return power_limit(CONNECTION, np.ones(groups), limits, slots, ("pcc_min_kw", "pcc_max_kw"))


def one_group(homes: int, limits: Limits, slots: int) -> Network:
    """Return the network of a Hive whose only coupling is its connection point."""
    return Network((0,) * homes, 1, (connection_limit(1, limits, slots),))


def joined(first: Network, second: Network) -> Network:
    """Return the network with the limits of both: its groups are the homes that both put together."""
    pairs = list(dict.fromkeys(zip(first.group_of, second.group_of, strict=True)))
    group_of = tuple(pairs.index(pair) for pair in zip(first.group_of, second.group_of, strict=True))
    limits = []
    for side, network in enumerate((first, second)):
        picked = [pair[side] for pair in pairs]
        for limit in network.limits:
            if limit.place != CONNECTION or side == 0:
                limits.append(replace(limit, weights=limit.weights[picked]))
    return Network(group_of, len(pairs), tuple(limits))
