"""One EIP-1559 transaction, encoded and signed with the primitives the Worker has anyway (EIP-2718, EIP-1559, RLP).

No wallet library: forty lines against forty mebibytes. A test lets eth-account, the second opinion, decode and compare.
"""

from dataclasses import dataclass

from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import Signer

_TYPE = b"\x02"
_S_MASK = (1 << 255) - 1
_SHORT = 55

Item = int | bytes | tuple["Item", ...]


@dataclass(frozen=True, slots=True)
class Transaction:
    """A call to a contract without value; fees in wei per unit of gas."""

    chain_id: int
    nonce: int
    tip_wei: int
    max_fee_wei: int
    gas: int
    to: bytes
    data: bytes

    def _fields(self) -> tuple[Item, ...]:
        return (self.chain_id, self.nonce, self.tip_wei, self.max_fee_wei, self.gas, self.to, 0, self.data, ())

    def signed(self, signer: Signer) -> bytes:
        """The raw bytes to broadcast."""
        signature = signer.sign(keccak(_TYPE + rlp(self._fields())))
        vs = int.from_bytes(signature[32:], "big")
        r = int.from_bytes(signature[:32], "big")
        return _TYPE + rlp((*self._fields(), vs >> 255, r, vs & _S_MASK))


def transaction_hash(raw: bytes) -> bytes:
    """The hash a transaction is known by."""
    return keccak(raw)


def rlp(item: Item) -> bytes:
    """Recursive length prefix; integers without leading zeros, zero as the empty text."""
    if isinstance(item, tuple):
        body = b"".join(rlp(one) for one in item)
        return _prefix(len(body), 0xC0) + body
    text = item if isinstance(item, bytes) else item.to_bytes((item.bit_length() + 7) // 8, "big")
    if len(text) == 1 and text[0] < 0x80:
        return text
    return _prefix(len(text), 0x80) + text


def _prefix(length: int, base: int) -> bytes:
    if length <= _SHORT:
        return bytes([base + length])
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([base + _SHORT + len(size)]) + size
