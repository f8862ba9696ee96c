"""Merkle trees over 32-byte hashes: sorted pairs, an odd node is carried up, an empty tree is 32 zero bytes.

Leaves are EIP-712 struct hashes, whose pre-image is never 64 bytes long, so no leaf passes for an inner node
(chain-design section 3).
"""

from collections.abc import Sequence

from honey_edge.wire.keccak import keccak


def _parent(a: bytes, b: bytes) -> bytes:
    return keccak(a + b if a <= b else b + a)


def _level_up(level: Sequence[bytes]) -> list[bytes]:
    pairs = [_parent(level[k], level[k + 1]) for k in range(0, len(level) - 1, 2)]
    return [*pairs, level[-1]] if len(level) % 2 else pairs


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Root of the tree over the leaves in the order given."""
    if not leaves:
        return bytes(32)
    level = list(leaves)
    while len(level) > 1:
        level = _level_up(level)
    return level[0]


def merkle_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The siblings from leaf `index` up to the root."""
    path, level = [], list(leaves)
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level, index = _level_up(level), index // 2
    return path


def path_root(leaf: bytes, path: Sequence[bytes]) -> bytes:
    """The root that a leaf and its path lead to."""
    for sibling in path:
        leaf = _parent(leaf, sibling)
    return leaf
