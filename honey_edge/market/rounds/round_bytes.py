"""The round's messages in the compact binary form of market-design section 4.4, little endian: what a round costs.

A broadcast is 10 bytes, 4 per slot and 8 per weight; an answer 26 bytes, 4 per slot and 8 per inner product. Between
Queens of a tree a message goes up per daughter: sums of w and of the scales, and a limit pair for every slot in which
one could bind.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from honey_edge.market.homes.assets import FloatArray
from honey_edge.market.homes.worker_step import WorkerAnswer

_HEAD = struct.Struct("<QH")
_COSTS = struct.Struct("<qq")
_PAIR = struct.Struct("<HHqqqq")
MILLIWATTS = 1_000_000
"""Steps of a power between Queens in one kW."""


def broadcast_record(round_id: int, iteration: int, prices_e7: Sequence[int], gamma_e9: Sequence[int]) -> bytes:
    """Return what a Queen sends to her members (and to a daughter Queen) once per iteration."""
    return _HEAD.pack(round_id, iteration) + _i32(prices_e7) + _i64(gamma_e9)


def answer_record(round_id: int, iteration: int, answer: WorkerAnswer) -> bytes:
    """Return what a Worker answers."""
    costs = _COSTS.pack(answer.cost_e9_coin, answer.residual_e9_kw2)
    return _HEAD.pack(round_id, iteration) + _i32(answer.power_w) + costs + _i64(answer.inner_e9_kw2)


def subtree_record(
    round_id: int,
    iteration: int,
    aggregate_kw: FloatArray,
    scale: FloatArray,
    pairs: Sequence[tuple[int, int, float, float, float, float]],
    inner_e9_kw2: Sequence[int],
) -> bytes:
    """Return what a daughter Queen sends up: W and S of her subtree without its pairs, the pairs (node, slot, W, S,
    low, high; kW, infinite = none), and the sums of cost, |r|^2 and inner products."""
    powers = np.rint(aggregate_kw * MILLIWATTS).astype("<i8").tobytes() + np.rint(scale).astype("<i8").tobytes()
    packed = [_PAIR.pack(node, slot, *(_milliwatts(value) for value in values)) for node, slot, *values in pairs]
    return _HEAD.pack(round_id, iteration) + powers + b"".join(packed) + _COSTS.pack(0, 0) + _i64(inner_e9_kw2)


def _milliwatts(value_kw: float) -> int:
    """Return a power in milliwatts; the end of 64 bits stands for no limit."""
    return round(value_kw * MILLIWATTS) if abs(value_kw) < 1e12 else (2**63 - 1 if value_kw > 0.0 else -(2**63))


def _i32(numbers: Sequence[int]) -> bytes:
    """Pack numbers of 32 bits."""
    return struct.pack(f"<{len(numbers)}i", *numbers)


def _i64(numbers: Sequence[int]) -> bytes:
    """Pack numbers of 64 bits."""
    return struct.pack(f"<{len(numbers)}q", *numbers)
