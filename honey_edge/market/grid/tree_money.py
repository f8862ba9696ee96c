"""Money in a tree of Hives: every node settles its own slot by the rule of section 8, exactly (P8, P10 at each node).

A daughter Hive is settled with C_h = the rule on its own connection-point energy; for its mother it is one more member
with that energy. What the mother charges the daughter, less C_h, goes to the daughter's reserve (section 8, "Tariff,
daughter, peak, reserve"). Integers: energy in milliwatt-hours (bought > 0), money in pico-coins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from honey_edge.billing.clearing import FULL_REPUTATION, SlotPool, payment, share_surplus, totals_of
from honey_edge.market.errors import AssetError


@dataclass(frozen=True, slots=True)
class NodeTerms:
    """What a node settles with: prices in pico-coins per milliwatt-hour, fairness and fee per mille."""

    buy: int
    sell: int
    price: int
    theta: int = 250
    fee: int = 0


@dataclass(frozen=True, slots=True)
class NodeSlot:
    """One node's slot: its parent (None for the root), its members' energies by name, its own connection-point
    energy, its terms, and reputations per mille (1000 where a member has none)."""

    parent: str | None
    energy_milliwh: Mapping[str, int]
    pcc_milliwh: int
    terms: NodeTerms
    reputation: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class NodeMoney:
    """How a node's slot came out, pico-coins.

    `payments` of members and daughters by name; `hive_cost` C_h, `charged` what the mother (for the root: the grid)
    really takes; `reserve` the undistributed rest after that difference, `fee` and `deficit` as in section 8.
    """

    payments: Mapping[str, int]
    hive_cost: int
    charged: int
    fee: int
    reserve: int
    deficit: int

    @property
    def left_over(self) -> int:
        """What came in less what went out: 0 to the last unit in every slot."""
        return sum(self.payments.values()) - (self.charged + self.fee + self.reserve - self.deficit)


def settle_tree(nodes: Mapping[str, NodeSlot]) -> dict[str, NodeMoney]:
    """Settle every node of one slot; `AssetError` for nodes that form no tree, or a name that is there twice.

    Mothers are settled before their daughters, because a daughter's reserve takes what her mother's charge differs.
    """
    settled: dict[str, NodeMoney] = {}
    for name in _mothers_first(nodes):
        node = nodes[name]
        daughters = [other for other, one in nodes.items() if one.parent == name]
        shared = sorted(set(daughters) & set(node.energy_milliwh))
        if shared:
            raise AssetError(f"{shared[0]!r} is a member and a daughter of {name!r}")
        charged = None if node.parent is None else settled[node.parent].payments[name]
        settled[name] = _settle(node, {other: nodes[other].pcc_milliwh for other in daughters}, charged)
    return settled


def _settle(node: NodeSlot, daughters: Mapping[str, int], charged: int | None) -> NodeMoney:
    """Settle one node whose daughters draw these energies; `charged` None for the root, which pays C_h itself."""
    energies = {**node.energy_milliwh, **daughters}
    bought, sold = totals_of(list(energies.values()))
    terms = node.terms
    pool = SlotPool(bought, sold, node.pcc_milliwh, terms.buy, terms.sell, terms.price, terms.theta, terms.fee)
    shares = share_surplus(pool)
    paid = {
        name: payment(pool, shares, energy, node.reputation.get(name, FULL_REPUTATION))
        for name, energy in energies.items()
    }
    discounts = sum(one.discount for one in paid.values())
    taken = shares.hive_cost if charged is None else charged
    return NodeMoney(
        {name: one.amount for name, one in paid.items()},
        shares.hive_cost,
        taken,
        shares.fee,
        shares.shared - discounts + (shares.hive_cost - taken),
        shares.deficit,
    )


def _mothers_first(nodes: Mapping[str, NodeSlot]) -> Sequence[str]:
    """Return the names so that every mother stands before her daughters."""
    ordered = [name for name, node in nodes.items() if node.parent is None]
    if len(ordered) != 1:
        raise AssetError(f"{len(ordered)} nodes have no parent; a tree has exactly one root")
    for name in ordered:
        ordered.extend(other for other, node in nodes.items() if node.parent == name)
    if len(ordered) != len(nodes):
        raise AssetError("some nodes do not hang on the root")
    return ordered
