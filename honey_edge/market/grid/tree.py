"""A tree of Hives: who belongs to which node, and what each node may draw (market-design section 5).

Every node has a Queen, its own members and its daughters; its limit holds for its whole subtree. The root is the
connection point: the tariff applies to its power. `tree_step` finds the prices, `tree_round` runs the protocol,
`tree_money` settles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from honey_edge.market.errors import AssetError
from honey_edge.market.grid.network import Network, connection_limit, power_limit
from honey_edge.market.homes.assets import NO_LIMITS, FloatArray, Limits


@dataclass(frozen=True, eq=False)
class TreeNode:
    """One node: its name, its parent's (None for the root), the homes at it, and the limit of its subtree (kW)."""

    id: str
    parent: str | None
    members: tuple[str, ...] = ()
    limit: Limits = NO_LIMITS


class Tree:
    """Nodes in an order in which every parent stands before its daughters; index 0 is the root.

    `levels` lists the indices of each depth, `parent` each node's parent (-1 for the root). `AssetError` names a
    node that is there twice, has no parent in the tree or is its own ancestor, and a member at two nodes.
    """

    def __init__(self, nodes: Sequence[TreeNode]) -> None:
        by_name = {node.id: node for node in nodes}
        if len(by_name) != len(nodes):
            raise AssetError("two nodes have the same id; give every node a name of its own")
        roots = [node for node in nodes if node.parent is None]
        if len(roots) != 1:
            raise AssetError(f"{len(roots)} nodes have no parent; a tree has exactly one root")
        for node in nodes:
            if node.parent is not None and node.parent not in by_name:
                raise AssetError(f"node {node.id!r} has the parent {node.parent!r}, which is no node")
        self.nodes: tuple[TreeNode, ...] = _parents_first(roots[0], nodes)
        self.index: Mapping[str, int] = {node.id: place for place, node in enumerate(self.nodes)}
        self.parent = tuple(-1 if node.parent is None else self.index[node.parent] for node in self.nodes)
        depth = [0] * len(self.nodes)
        for place in range(1, len(self.nodes)):
            depth[place] = depth[self.parent[place]] + 1
        self.levels = tuple(
            np.array([place for place, at in enumerate(depth) if at == level], dtype=np.intp)
            for level in range(max(depth) + 1)
        )
        self._members = _members(self.nodes)

    @property
    def depth(self) -> int:
        """Levels of Queens below the root's."""
        return len(self.levels) - 1

    def group_of(self, names: Sequence[str]) -> tuple[int, ...]:
        """Return the node of every home by name; one that no node lists is at the root.

        `AssetError` for a member that is not among the homes.
        """
        unknown = sorted(set(self._members) - set(names))
        if unknown:
            node = self.nodes[self._members[unknown[0]]].id
            raise AssetError(f"node {node!r} has the member {unknown[0]!r}, which is no worker")
        return tuple(self._members.get(name, 0) for name in names)

    def subtree(self, top: int) -> FloatArray:
        """Return 1 for every node of the subtree below (and with) `top`, 0 for the others."""
        inside = np.zeros(len(self.nodes))
        inside[top] = 1.0
        for place in range(top + 1, len(self.nodes)):
            if self.parent[place] >= 0 and inside[self.parent[place]] > 0.0:
                inside[place] = 1.0
        return inside

    def bounds(self, slots: int, limits: Limits = NO_LIMITS) -> tuple[FloatArray, FloatArray]:
        """Return lower and upper limit (nodes x slots, kW, infinite where none), the Hive's own at the root."""
        low, high = np.full((len(self.nodes), slots), -np.inf), np.full((len(self.nodes), slots), np.inf)
        for place, limit in [*enumerate(node.limit for node in self.nodes), (0, limits)]:
            if limit.pcc_min_kw is not None:
                low[place] = np.maximum(low[place], limit.pcc_min_kw)
            if limit.pcc_max_kw is not None:
                high[place] = np.minimum(high[place], limit.pcc_max_kw)
        return low, high

    def network(self, names: Sequence[str], slots: int, limits: Limits = NO_LIMITS) -> Network:
        """Return the couplings of homes with these names: every node's limit, and the Hive's."""
        rows = [
            power_limit(f"node {node.id}", self.subtree(place), node.limit, slots, ("min_kw", "max_kw"))
            for place, node in enumerate(self.nodes)
            if node.limit is not NO_LIMITS
        ]
        count = len(self.nodes)
        return Network(self.group_of(names), count, (*rows, connection_limit(count, limits, slots)))


def _parents_first(root: TreeNode, nodes: Sequence[TreeNode]) -> tuple[TreeNode, ...]:
    """Return the nodes ordered by depth; `AssetError` when some hang in a ring that the root does not reach."""
    daughters: dict[str, list[TreeNode]] = {node.id: [] for node in nodes}
    for node in nodes:
        if node.parent is not None:
            daughters[node.parent].append(node)
    ordered = [root]
    for node in ordered:
        ordered.extend(daughters[node.id])
    if len(ordered) != len(nodes):
        lost = sorted({node.id for node in nodes} - {node.id for node in ordered})
        raise AssetError(f"node {lost[0]!r} does not hang on the root: its parents form a ring")
    return tuple(ordered)


def _members(nodes: Sequence[TreeNode]) -> dict[str, int]:
    """Return the node of every listed member; `AssetError` for one that is listed twice."""
    found: dict[str, int] = {}
    for place, node in enumerate(nodes):
        for member in node.members:
            if member in found:
                raise AssetError(f"{member!r} is a member of {nodes[found[member]].id!r} and of {node.id!r}")
            found[member] = place
    return found
