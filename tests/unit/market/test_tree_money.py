"""Money in a tree: exact at every node, nobody above its tariff, a daughter's difference in her reserve (P8 to P10)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honey_edge.billing.clearing import SlotPool, payment, share_surplus, tariff_cost_pico, totals_of
from honey_edge.market.errors import AssetError
from honey_edge.market.grid.tree_money import NodeSlot, NodeTerms, settle_tree

ENERGY = st.integers(-5_000_000, 5_000_000)


@st.composite
def terms(draw: st.DrawFn) -> NodeTerms:
    sell = draw(st.integers(-100_000, 300_000))
    buy = sell + draw(st.integers(0, 400_000))
    return NodeTerms(buy, sell, draw(st.integers(sell, buy)), draw(st.integers(0, 1000)), draw(st.integers(0, 1000)))


@st.composite
def trees(draw: st.DrawFn) -> dict[str, NodeSlot]:
    """Up to five nodes below each other in any shape; meters of connection points may say anything."""
    nodes: dict[str, NodeSlot] = {}
    for place in range(draw(st.integers(1, 5))):
        parent = None if place == 0 else f"n{draw(st.integers(0, place - 1))}"
        members = {f"w{place}_{k}": draw(ENERGY) for k in range(draw(st.integers(0, 4)))}
        reputation = {name: draw(st.integers(0, 1000)) for name in members}
        nodes[f"n{place}"] = NodeSlot(parent, members, draw(ENERGY), draw(terms()), reputation)
    return nodes


@settings(max_examples=300, deadline=None)
@given(trees())
def test_money_is_conserved_at_every_node_and_nobody_pays_more_than_its_tariff(nodes: dict[str, NodeSlot]) -> None:
    settled = settle_tree(nodes)
    assert set(settled) == set(nodes)
    for name, money in settled.items():
        own = nodes[name].terms
        assert money.left_over == 0
        energies = {
            **nodes[name].energy_milliwh,
            **{d: one.pcc_milliwh for d, one in nodes.items() if one.parent == name},
        }
        assert set(money.payments) == set(energies)
        for who, energy in energies.items():
            assert money.payments[who] <= tariff_cost_pico(energy, own.buy, own.sell)
            bounds = sorted((energy * own.buy, energy * own.sell))
            assert bounds[0] <= money.payments[who] <= bounds[1]
    grid = sum(money.charged for name, money in settled.items() if nodes[name].parent is None)
    homes = sum(settled[name].payments[who] for name, node in nodes.items() for who in node.energy_milliwh)
    kept = sum(money.fee + money.reserve - money.deficit for money in settled.values())
    assert homes == grid + kept


@settings(max_examples=100, deadline=None)
@given(trees())
def test_a_daughters_members_never_notice_what_her_mother_charges(nodes: dict[str, NodeSlot]) -> None:
    settled = settle_tree(nodes)
    alone = settle_tree({"n0": NodeSlot(None, nodes["n0"].energy_milliwh, 7, nodes["n0"].terms, {})})
    assert alone["n0"].left_over == 0
    for name, node in nodes.items():
        daughters = {other: one.pcc_milliwh for other, one in nodes.items() if one.parent == name}
        energies = {**node.energy_milliwh, **daughters}
        pool = SlotPool(
            *totals_of(list(energies.values())), node.pcc_milliwh, node.terms.buy, node.terms.sell, node.terms.price,
            node.terms.theta, node.terms.fee,
        )  # fmt: skip
        shares = share_surplus(pool)
        for who, energy in node.energy_milliwh.items():
            assert settled[name].payments[who] == payment(pool, shares, energy, node.reputation[who]).amount


def test_a_daughter_keeps_what_her_mother_charges_less() -> None:
    own = NodeTerms(200, 50, 100, theta=0)
    nodes = {
        "mother": NodeSlot(None, {"m": -3000}, 0, own, {}),
        "daughter": NodeSlot("mother", {"a": 4000, "b": -1000}, 3000, own, {}),
    }
    money = settle_tree(nodes)
    assert money["mother"].payments["daughter"] < money["daughter"].hive_cost == 600_000
    assert money["daughter"].charged == money["mother"].payments["daughter"]
    assert money["daughter"].reserve >= money["daughter"].hive_cost - money["daughter"].charged > 0


@pytest.mark.parametrize(
    ("parents", "message"),
    [({"a": "b", "b": "a"}, "0 nodes"), ({"a": None, "b": None}, "2 nodes"), ({"a": None, "b": "c", "c": "b"}, "hang")],
)
def test_what_is_no_tree_is_refused(parents: dict[str, str | None], message: str) -> None:
    own = NodeTerms(200, 50, 100)
    with pytest.raises(AssetError, match=message):
        settle_tree({name: NodeSlot(parent, {}, 0, own, {}) for name, parent in parents.items()})


def test_a_member_with_a_daughters_name_is_refused() -> None:
    own = NodeTerms(200, 50, 100)
    with pytest.raises(AssetError, match="member and a daughter"):
        settle_tree({"a": NodeSlot(None, {"b": 1}, 1, own, {}), "b": NodeSlot("a", {}, 0, own, {})})
