"""The signed structure of an offer to leave the plan inside a slot: a Worker's word for power and price (EIP-712).

    FlexOffer(uint32 hive,address worker,uint32 slot,uint32 upW,uint32 downW,uint64 price,uint8 minutes)

No contract reads it: what is paid is a FlexOrder (chain-design section 3), signed by both, that keeps within the offer.
Domain (the FlexibilityPool's, like that of the order) and packing as in `typed_data`.
"""

from dataclasses import dataclass

from honey_edge.model.errors import RangeError
from honey_edge.wire.keccak import keccak
from honey_edge.wire.typed_data import Domain, digest_of_hash

FLEX_OFFER_TYPE = "FlexOffer(uint32 hive,address worker,uint32 slot,uint32 upW,uint32 downW,uint64 price,uint8 minutes)"
_TYPE_HASH = keccak(FLEX_OFFER_TYPE.encode())
_BITS = (("hive", 32), ("slot", 32), ("up_w", 32), ("down_w", 32), ("price_micro_per_kwh", 64), ("minutes", 8))


@dataclass(frozen=True, slots=True)
class FlexOffer:
    """By how much a home (20 bytes) may be moved in a slot: W up or down, micro-coins per kWh, its first minutes."""

    hive: int
    worker: bytes
    slot: int
    up_w: int
    down_w: int
    price_micro_per_kwh: int
    minutes: int


def flex_offer_digest(domain: Domain, offer: FlexOffer) -> bytes:
    """The 32 bytes that the device key signs; RangeError for a field that does not fit."""
    if len(offer.worker) != 20:
        raise RangeError(f"worker has {len(offer.worker)} bytes, an address has 20")
    hive, *rest = (_word(name, getattr(offer, name), bits) for name, bits in _BITS)
    return digest_of_hash(domain, keccak(_TYPE_HASH + hive + offer.worker.rjust(32, b"\0") + b"".join(rest)))


def _word(name: str, value: int, bits: int) -> bytes:
    if not 0 <= value < 1 << bits:
        raise RangeError(f"{name} = {value} does not fit uint{bits}")
    return value.to_bytes(32, "big")
