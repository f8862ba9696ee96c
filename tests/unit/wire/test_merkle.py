"""Merkle trees against a reference written the slow way, and every leaf's path."""

from hypothesis import given
from hypothesis import strategies as st
from sha3 import keccak_256

from honey_edge.wire.merkle import merkle_path, merkle_root, path_root

LEAVES = st.lists(st.binary(min_size=32, max_size=32), max_size=70)


def naive_root(level: list[bytes]) -> bytes:
    if not level:
        return b"\0" * 32
    if len(level) == 1:
        return level[0]
    up = []
    while level:
        pair, level = level[:2], level[2:]
        up.append(keccak_256(b"".join(sorted(pair))).digest() if len(pair) == 2 else pair[0])
    return naive_root(up)


@given(LEAVES)
def test_root_equals_the_naive_reference(leaves: list[bytes]) -> None:
    assert merkle_root(leaves) == naive_root(leaves)


@given(LEAVES)
def test_every_path_leads_to_the_root_and_no_other_leaf_passes(leaves: list[bytes]) -> None:
    root = merkle_root(leaves)
    for index, leaf in enumerate(leaves):
        path = merkle_path(leaves, index)
        assert path_root(leaf, path) == root
        assert path_root(bytes(a ^ 1 for a in leaf), path) != root


def test_no_leaves_are_32_zero_bytes_and_one_leaf_is_its_own_root() -> None:
    assert merkle_root([]) == bytes(32)
    assert merkle_root([b"\1" * 32]) == b"\1" * 32
    assert merkle_path([b"\1" * 32], 0) == []
