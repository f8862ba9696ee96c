"""A transaction of type 2 as bytes: RLP (Ethereum yellow paper, appendix B) in an envelope (EIP-2718, EIP-1559).

Written out because importing a wallet library for twelve fields takes longer than a whole settlement.
"""

from collections.abc import Sequence

_TYPE = b"\x02"
_SHORT, _LIST = 0x80, 0xC0
_LONGEST_SHORT = 55

Item = bytes | int | Sequence["Item"]


def unsigned_1559(fields: Sequence[Item]) -> bytes:
    """What is hashed for signing: chain id, nonce, tip, max fee, gas, target, value, data, access list."""
    return _TYPE + encode(fields)


def signed_1559(fields: Sequence[Item], signature: bytes) -> bytes:
    """What is sent: the same with parity, r and s of a compact signature of 64 bytes (EIP-2098)."""
    r, vs = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    parity, s = vs >> 255, vs & (1 << 255) - 1
    return _TYPE + encode([*fields, parity, r, s])


def encode(item: Item) -> bytes:
    """RLP of bytes, a number (no leading zeros) or a list of such."""
    if isinstance(item, int):
        item = item.to_bytes((item.bit_length() + 7) // 8, "big")
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < _SHORT:
            return item
        return _length(len(item), _SHORT) + item
    content = b"".join(encode(part) for part in item)
    return _length(len(content), _LIST) + content


def _length(length: int, offset: int) -> bytes:
    if length <= _LONGEST_SHORT:
        return bytes([offset + length])
    plain = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([offset + _LONGEST_SHORT + len(plain)]) + plain
