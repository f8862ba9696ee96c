"""Packing of Statements and the order in a batch."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queen_node.chain.leaves import MAX_LEAVES, SettleLeaf, batches, pack_leaf, payers_first, unpack_leaves

LEAVES = st.builds(
    SettleLeaf,
    worker=st.binary(min_size=20, max_size=20),
    slot=st.integers(0, 2**32 - 1),
    net_micro=st.integers(-(2**63), 2**63 - 1),
    import_milliwh=st.integers(0, 2**48 - 1),
    export_milliwh=st.integers(0, 2**48 - 1),
    readings=st.binary(min_size=32, max_size=32),
    signature=st.binary(min_size=64, max_size=64),
)


@given(st.lists(LEAVES, max_size=5))
def test_what_is_packed_comes_back(leaves: list[SettleLeaf]) -> None:
    packed = b"".join(leaf.packed for leaf in leaves)
    assert len(packed) == 140 * len(leaves)
    assert list(unpack_leaves(packed)) == leaves


def test_a_leaf_lies_as_the_contract_reads_it() -> None:
    packed = pack_leaf(b"\x11" * 20, 0x01020304, -2, 0x0A, 0x0B, b"\x22" * 32, b"\x33" * 64)
    expected = "11" * 20 + "01020304" + "ff" * 7 + "fe" + "00000000000a" + "00000000000b" + "22" * 32 + "33" * 64
    assert packed.hex() == expected


@pytest.mark.parametrize("field", ["worker", "readings", "signature"])
def test_a_field_of_the_wrong_length_is_named(field: str) -> None:
    fields = {"worker": bytes(20), "readings": bytes(32), "signature": bytes(64), field: bytes(7)}
    with pytest.raises(ValueError, match=f"{field} has 7 bytes"):
        pack_leaf(fields["worker"], 1, 0, 0, 0, fields["readings"], fields["signature"])


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OverflowError):
        pack_leaf(bytes(20), 1, 0, 2**48, 0, bytes(32), bytes(64))


def test_broken_batches_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 140"):
        unpack_leaves(bytes(139))


def _leaf(worker: int, net_micro: int) -> SettleLeaf:
    return SettleLeaf(worker.to_bytes(20, "big"), 1, net_micro, 0, 0, bytes(32), bytes(64))


def test_who_pays_in_most_since_the_last_settlement_goes_first() -> None:
    leaves = [_leaf(1, -5), _leaf(2, 100), _leaf(3, 60), _leaf(4, 7), _leaf(5, 7)]
    stored = {(2).to_bytes(20, "big"): 95}
    assert [leaf.worker[-1] for leaf in payers_first(leaves, stored)] == [3, 4, 5, 2, 1]


def test_no_batch_is_larger_than_the_contract_takes() -> None:
    sizes = [len(packed) // 140 for packed in batches([_leaf(k, 0) for k in range(2 * MAX_LEAVES + 1)])]
    assert sizes == [1000, 1000, 1]
    assert list(batches([])) == []


def test_importing_the_package_loads_no_web3() -> None:
    code = "import sys, queen_node.chain; print([m for m in ('web3', 'eth_account', 'eth_tester') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
