"""Trees of Hives: the root's step is exact, folding changes nothing, the round ends at the direct optimum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from honey_edge.market.errors import AssetError
from honey_edge.market.grid.network_bound import network_lower_bound
from honey_edge.market.grid.network_solve import InfeasibleNetwork
from honey_edge.market.grid.tree import Tree, TreeNode
from honey_edge.market.grid.tree_round import send_up, solve_tree_direct, solve_tree_distributed
from honey_edge.market.grid.tree_step import TreeStep, Wishes, tree_prices
from honey_edge.market.homes.assets import NO_LIMITS, Home, Limits, Tariff
from honey_edge.market.rounds.queen_step import queen_step

DT_H = 0.25
SLOTS = 6
SHAPES = (
    (None,),
    (None, "0"),
    (None, "0", "0"),
    (None, "0", "1"),
    (None, "0", "0", "1", "1"),
    (None, "0", "1", "2", "0"),
)


def tree_of(parents: tuple[str | None, ...]) -> Tree:
    return Tree([TreeNode(str(place), parent) for place, parent in enumerate(parents)])


def wishes_of(tree: Tree, seed: int, tightness: float) -> Wishes:
    """Random sums and limits; every limit lets some power through in both directions, so that all fit together."""
    rng, count = np.random.default_rng(seed), len(tree.nodes)
    shape = (count, SLOTS)
    scale = np.tile(rng.uniform(20.0, 300.0, (count, 1)), SLOTS)
    low = np.where(rng.random((count, 1)) < tightness, -rng.uniform(1.0, 20.0, (count, 1)), -np.inf) * np.ones(SLOTS)
    high = np.where(rng.random((count, 1)) < tightness, rng.uniform(1.0, 20.0, (count, 1)), np.inf) * np.ones(SLOTS)
    return Wishes(rng.normal(0.0, 15.0, shape), scale, low, high)


def tariff_of(peak: float = 0.0) -> Tariff:
    return Tariff(np.linspace(0.15, 0.3, SLOTS), np.full(SLOTS, 0.05), peak)


def reference(tree: Tree, wishes: Wishes, tariff: Tariff, second_solver: Any) -> Any:
    """The step's quadratic program by Clarabel: (Z node by node, u, m)."""
    count, size = len(tree.nodes), len(tree.nodes) * SLOTS
    diagonal = np.concatenate([1.0 / wishes.scale.ravel(), np.zeros(SLOTS + 1)])
    powers = np.tile(DT_H * tariff.sell_per_kwh, count) - (wishes.aggregate_kw / wishes.scale).ravel()
    linear = np.concatenate([powers, DT_H * (tariff.buy_per_kwh - tariff.sell_per_kwh), [tariff.peak_per_kw]])
    each, rows, low, high = np.identity(SLOTS), [], [], []
    total = np.kron(np.ones((1, count)), each)
    rows += [np.hstack([np.zeros((SLOTS + 1, size)), np.identity(SLOTS + 1)])]
    rows += [np.hstack([-total, each, np.zeros((SLOTS, 1))]), np.hstack([0 * total, -each, np.ones((SLOTS, 1))])]
    low += [np.zeros(3 * SLOTS + 1)]
    high += [np.full(3 * SLOTS + 1, np.inf)]
    for place in range(count):
        rows.append(np.hstack([np.kron(tree.subtree(place)[None, :], each), np.zeros((SLOTS, SLOTS + 1))]))
        low.append(wishes.low_kw[place])
        high.append(wishes.high_kw[place])
    matrix = sparse.csr_matrix(np.vstack(rows))
    x, _ = second_solver.solve(
        sparse.csc_matrix(np.diag(diagonal)), linear, matrix, np.concatenate(low), np.concatenate(high)
    )
    return x[:size].reshape(count, SLOTS)


@pytest.mark.parametrize("parents", SHAPES)
@pytest.mark.parametrize("peak", [0.0, 0.15])
def test_the_step_is_the_exact_minimum(parents: tuple[str | None, ...], peak: float, second_solver: Any) -> None:
    tree = tree_of(parents)
    for seed in range(4):
        wishes = wishes_of(tree, seed, 0.6)
        step = tree_prices(tree, wishes, tariff_of(peak), DT_H)
        assert np.abs(step.net_kw - reference(tree, wishes, tariff_of(peak), second_solver)).max() <= 2e-3


@settings(max_examples=60, deadline=None)
@given(
    shape=st.sampled_from(SHAPES), seed=st.integers(0, 10_000), tightness=st.floats(0.0, 1.0), peak=st.floats(0.0, 0.4)
)
def test_limits_that_cannot_bind_need_not_be_sent(
    shape: tuple[str | None, ...], seed: int, tightness: float, peak: float
) -> None:
    tree, tariff = tree_of(shape), tariff_of(peak)
    wishes = wishes_of(tree, seed, tightness)
    up = send_up(tree, wishes, tariff, DT_H)
    full, folded = tree_prices(tree, wishes, tariff, DT_H), tree_prices(tree, up.wishes, tariff, DT_H)
    assert np.abs(full.price_per_kwh - folded.price_per_kwh).max() <= 1e-6
    assert up.wishes.aggregate_kw.sum() == pytest.approx(wishes.aggregate_kw.sum())


@settings(max_examples=60, deadline=None)
@given(shape=st.sampled_from(SHAPES), seed=st.integers(0, 10_000), peak=st.floats(0.0, 0.4))
def test_limits_hold_at_every_node_and_only_a_binding_one_changes_the_price(
    shape: tuple[str | None, ...], seed: int, peak: float
) -> None:
    tree = tree_of(shape)
    wishes = wishes_of(tree, seed, 0.7)
    step = tree_prices(tree, wishes, tariff_of(peak), DT_H)
    for place in range(len(tree.nodes)):
        power = tree.subtree(place) @ step.net_kw
        assert (power <= wishes.high_kw[place] + 1e-6).all()
        assert (power >= wishes.low_kw[place] - 1e-6).all()
        if place and not (np.isfinite(wishes.high_kw[place]) | np.isfinite(wishes.low_kw[place])).any():
            assert (step.price_per_kwh[place] == step.price_per_kwh[tree.parent[place]]).all()


def test_a_tree_of_one_node_is_the_plain_step() -> None:
    tree, wishes = tree_of((None,)), wishes_of(tree_of((None,)), 3, 0.0)
    limits, tariff = Limits.of([-4.0] * SLOTS, [5.0] * SLOTS), tariff_of(0.1)
    low, high = tree.bounds(SLOTS, limits)
    step: TreeStep = tree_prices(tree, Wishes(wishes.aggregate_kw, wishes.scale, low, high), tariff, DT_H)
    net, price = queen_step(wishes.aggregate_kw[0], float(wishes.scale[0, 0]), tariff, limits, DT_H)
    assert np.abs(step.pcc_kw - net).max() <= 1e-6
    assert np.abs(step.price_per_kwh[0] - price).max() <= 1e-7


def village(make_home: Callable[..., Home], depth: int) -> tuple[dict[str, Home], Tree, Tariff]:
    """Two feeders of three homes with limits that bind, under `depth` - 1 further nodes each."""
    homes = {f"h{seed}": make_home(seed, battery=seed % 3 != 2) for seed in range(6)}
    slots = homes["h0"].slots
    nodes = [TreeNode("root", None)]
    for feeder, (low, high) in enumerate(((-6.0, 1.8), (-3.0, 2.2))):
        parent = "root"
        for level in range(1, depth):
            nodes.append(TreeNode(f"street{feeder}{level}", parent))
            parent = f"street{feeder}{level}"
        members = tuple(f"h{3 * feeder + place}" for place in range(3))
        nodes.append(TreeNode(f"feeder{feeder}", parent, members, Limits(np.full(slots, low), np.full(slots, high))))
    return homes, Tree(nodes), Tariff(np.full(slots, 0.2), np.full(slots, 0.05))


@pytest.mark.parametrize("depth", [1, 3])
def test_the_round_ends_at_the_direct_optimum_whatever_the_depth(make_home: Callable[..., Home], depth: int) -> None:
    homes, tree, tariff = village(make_home, depth)
    direct = solve_tree_direct(homes, tree, tariff)
    agreed = solve_tree_distributed(homes, tree, tariff)
    assert agreed.status == "converged"
    assert agreed.overshoot <= 5e-3
    assert agreed.objective == pytest.approx(direct.objective, abs=5e-3)
    flat = solve_tree_direct(homes, Tree([TreeNode("root", None)]), tariff)
    assert direct.objective > flat.objective + 1e-2
    network = tree.network(tuple(homes), tariff.slots)
    bound = network_lower_bound(list(homes.values()), tariff, network, agreed.group_price_e7, DT_H)
    assert direct.objective - 2e-2 <= bound <= direct.objective + 1e-4


def test_depth_costs_no_iterations(make_home: Callable[..., Home]) -> None:
    counts = [solve_tree_distributed(*village(make_home, depth)).iterations for depth in (1, 3)]
    assert counts[1] <= 1.2 * counts[0]


def test_a_node_that_cannot_hold_is_named_with_its_slot(make_home: Callable[..., Home]) -> None:
    homes = {f"h{seed}": make_home(seed, battery=False, curtailable=False) for seed in range(3)}
    slots, limit = homes["h0"].slots, np.full(homes["h0"].slots, 50.0)
    limit[40] = -50.0
    nodes = [TreeNode("root", None, ("h0",)), TreeNode("barn", "root", ("h1", "h2"), Limits(None, limit))]
    with pytest.raises(InfeasibleNetwork, match=r"max_kw of node barn .* slot 40") as caught:
        solve_tree_direct(homes, Tree(nodes), Tariff(np.full(slots, 0.2), np.full(slots, 0.05)))
    assert (caught.value.place, caught.value.slot) == ("node barn", 40)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([TreeNode("a", None), TreeNode("a", "a")], "same id"),
        ([TreeNode("a", None), TreeNode("b", None)], "2 nodes have no parent"),
        ([TreeNode("a", None), TreeNode("b", "c")], "'c', which is no node"),
        ([TreeNode("a", None), TreeNode("b", "c"), TreeNode("c", "b")], "ring"),
        ([TreeNode("a", None, ("x",)), TreeNode("b", "a", ("x",))], "'x' is a member of 'a' and of 'b'"),
    ],
)
def test_what_is_no_tree_is_refused_by_name(nodes: list[TreeNode], message: str) -> None:
    with pytest.raises(AssetError, match=message):
        Tree(nodes)


def test_a_member_that_is_no_worker_is_refused_and_one_that_no_node_lists_is_at_the_root() -> None:
    tree = Tree([TreeNode("a", None), TreeNode("b", "a", ("x",), NO_LIMITS)])
    assert tree.group_of(("x", "y")) == (1, 0)
    with pytest.raises(AssetError, match="'x', which is no worker"):
        tree.group_of(("y",))
