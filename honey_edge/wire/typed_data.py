"""EIP-712 hashing of the signed structures, packed by hand; equal to eth-account's encoder and the contracts.

A struct hash is keccak(type hash, one 32-byte word per field); the digest is keccak(0x1901, domain separator,
struct hash). Source: EIP-712; field lists: chain-design section 3.
"""

from dataclasses import dataclass, fields
from functools import lru_cache

from honey_edge.model.errors import RangeError
from honey_edge.wire import structs
from honey_edge.wire.keccak import keccak

_DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_NAME_HASH = keccak(b"Hive Settlement")
_VERSION_HASH = keccak(b"1")

_FIELDS: dict[type, str] = {
    structs.Reading: (
        "address worker,uint32 slot,uint48 imported,uint48 exported,uint32 flags,bytes32 configuration,bytes32 previous"
    ),
    structs.SlotTotals: (
        "uint32 hive,uint32 slot,uint48 bought,uint48 sold,int64 pcc,int64 buy,int64 sell,int64 price,"
        "uint16 theta,uint16 fee,uint16 present,uint16 missing,int64 reserve,bytes32 readings,bytes32 terms"
    ),
    structs.PeakTotals: "uint32 hive,uint32 slot,uint64 charged,uint64 shared,bytes32 terms",
    structs.ReserveTotals: "uint32 hive,uint32 slot,uint64 shared,uint64 moved,bytes32 terms",
    structs.HiveTerms: (
        "uint32 hive,uint32 version,uint32 fromSlot,bytes32 tariff,uint16 theta,uint16 fee,uint16 platformBps,"
        "uint64 maxPrice,uint32 maxPowerW,uint64 islandCeiling,uint8 coverDays"
    ),
    structs.Receipt: "uint32 hive,address worker,uint32 slot,uint48 imported,uint48 exported,bytes32 reading",
    structs.Objection: "bytes32 statement,int64 net,uint8 reason",
    structs.PayoutAddress: "uint32 hive,address worker,address payout,uint32 serial",
    structs.Statement: (
        "uint32 hive,address worker,uint32 slot,int64 net,uint48 imported,uint48 exported,bytes32 readings"
    ),
    structs.SettleBatch: "uint32 hive,uint32 slot,uint32 batch,bytes32 packed",
    structs.Declaration: "address worker,uint32 firstSlot,uint32 round,bytes32 profile",
    structs.CloseRequest: "uint32 hive,address worker,uint32 newestSlot,uint48 deadline",
    structs.CloseAgreement: (
        "uint32 hive,address worker,uint32 slot,int64 net,uint48 imported,uint48 exported,bytes32 readings,"
        "uint64 payout,uint48 deadline"
    ),
    structs.WithdrawPermit: "uint32 hive,address worker,uint64 amount,uint32 slot,uint32 serial,uint48 deadline",
    structs.MeterCertificate: "address meter,bytes32 serialHash,bytes32 manufacturer,bytes32 model,uint48 notAfter",
    structs.FlexOrder: "uint32 hive,address worker,uint32 slot,int32 watts,uint64 price,uint32 serial",
}
TYPE_STRINGS: dict[type, str] = {kind: f"{kind.__name__}({text})" for kind, text in _FIELDS.items()}


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a signature is valid: one chain, one contract (20 bytes)."""

    chain_id: int
    contract: bytes


def _word(solidity_type: str, name: str, value: int | bytes) -> bytes:
    """One field as its 32-byte word; RangeError when the value does not fit the Solidity type."""
    if isinstance(value, bytes) != (solidity_type in ("address", "bytes32")):
        raise RangeError(f"{name} is {type(value).__name__}, which is no {solidity_type}")
    if isinstance(value, bytes):
        expected = 20 if solidity_type == "address" else 32
        if len(value) != expected:
            raise RangeError(f"{name} has {len(value)} bytes, {solidity_type} needs {expected}")
        return value.rjust(32, b"\0")
    signed = solidity_type.startswith("int")
    bits = int(solidity_type.lstrip("uint"))
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if not low <= value <= high:
        raise RangeError(f"{name} = {value} does not fit {solidity_type}")
    return value.to_bytes(32, "big", signed=signed)


def _layout(kind: type) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    """Type hash and (solidity type, attribute) pairs of a structure."""
    types = [part.split(" ")[0] for part in _FIELDS[kind].split(",")]
    names = [field.name for field in fields(kind)]
    return keccak(TYPE_STRINGS[kind].encode()), tuple(zip(types, names, strict=True))


_LAYOUTS = {kind: _layout(kind) for kind in _FIELDS}


def struct_hash(value: structs.Signed) -> bytes:
    """The EIP-712 struct hash; RangeError names a field whose value does not fit."""
    type_hash, layout = _LAYOUTS[type(value)]
    return keccak(type_hash + b"".join([_word(kind, name, getattr(value, name)) for kind, name in layout]))


@lru_cache(maxsize=16)
def domain_separator(domain: Domain) -> bytes:
    """The EIP-712 domain separator of name `Hive Settlement`, version `1`."""
    words = _NAME_HASH + _VERSION_HASH + domain.chain_id.to_bytes(32, "big") + domain.contract.rjust(32, b"\0")
    return keccak(keccak(_DOMAIN_TYPE) + words)


def digest_of_hash(domain: Domain, hashed: bytes) -> bytes:
    """The digest to sign for a struct hash that is already known."""
    return keccak(b"\x19\x01" + domain_separator(domain) + hashed)


def digest(domain: Domain, value: structs.Signed) -> bytes:
    """The 32 bytes that are signed for a structure."""
    return digest_of_hash(domain, struct_hash(value))
