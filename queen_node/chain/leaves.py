"""Packed Statements for `settle` (chain-design section 4), 140 bytes each:

    worker 20 | slot 4 | net 8 | imported 6 | exported 6 | readings 32 | r 32 | vs 32

Numbers are big-endian, `net` is signed. The order in a batch decides what the pool can pay: payers go first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

LEAF_BYTES = 140
MAX_LEAVES = 1000


@dataclass(frozen=True, slots=True)
class SettleLeaf:
    """A Statement of one Worker with its signature; money in micro-coins, energy in milliwatt-hours."""

    worker: bytes
    slot: int
    net_micro: int
    import_milliwh: int
    export_milliwh: int
    readings: bytes
    signature: bytes

    @property
    def packed(self) -> bytes:
        """The 140 bytes."""
        return pack_leaf(
            self.worker,
            self.slot,
            self.net_micro,
            self.import_milliwh,
            self.export_milliwh,
            self.readings,
            self.signature,
        )


def pack_leaf(
    worker: bytes,
    slot: int,
    net_micro: int,
    import_milliwh: int,
    export_milliwh: int,
    readings: bytes,
    signature: bytes,
) -> bytes:
    """One packed leaf; ValueError when a byte field has the wrong length, OverflowError when a number does not fit."""
    for name, value, length in (("worker", worker, 20), ("readings", readings, 32), ("signature", signature, 64)):
        if len(value) != length:
            raise ValueError(f"leaf of {worker.hex()}: {name} has {len(value)} bytes, it must have {length}")
    return b"".join(
        (
            worker,
            slot.to_bytes(4, "big"),
            net_micro.to_bytes(8, "big", signed=True),
            import_milliwh.to_bytes(6, "big"),
            export_milliwh.to_bytes(6, "big"),
            readings,
            signature,
        )
    )


def unpack_leaves(packed: bytes) -> tuple[SettleLeaf, ...]:
    """The leaves of a batch; ValueError when the length is not a whole number of leaves."""
    if len(packed) % LEAF_BYTES:
        raise ValueError(f"packed leaves: {len(packed)} bytes are no multiple of {LEAF_BYTES}")
    return tuple(_unpack(packed[start : start + LEAF_BYTES]) for start in range(0, len(packed), LEAF_BYTES))


def _unpack(leaf: bytes) -> SettleLeaf:
    return SettleLeaf(
        worker=leaf[:20],
        slot=int.from_bytes(leaf[20:24], "big"),
        net_micro=int.from_bytes(leaf[24:32], "big", signed=True),
        import_milliwh=int.from_bytes(leaf[32:38], "big"),
        export_milliwh=int.from_bytes(leaf[38:44], "big"),
        readings=leaf[44:76],
        signature=leaf[76:],
    )


def payers_first(leaves: Sequence[SettleLeaf], stored_net_micro: Mapping[bytes, int]) -> list[SettleLeaf]:
    """Sorted by what each leaf pays in (its net minus the stored one), most first; equal ones by address."""
    return sorted(leaves, key=lambda leaf: (stored_net_micro.get(leaf.worker, 0) - leaf.net_micro, leaf.worker))


def batches(leaves: Sequence[SettleLeaf]) -> Iterator[bytes]:
    """Packed batches of at most MAX_LEAVES leaves, in the given order."""
    for start in range(0, len(leaves), MAX_LEAVES):
        yield b"".join(leaf.packed for leaf in leaves[start : start + MAX_LEAVES])
