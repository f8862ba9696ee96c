"""The only place that signs transactions: it refuses every target and function that is not on its list.

EIP-1559 transactions (type 2); the key may be on a security token.
"""

from dataclasses import dataclass
from typing import Protocol

from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import KeySigner, Signer
from queen_node.chain.envelope import signed_1559, unsigned_1559
from queen_node.chain.errors import NotAllowed


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A transaction to be signed; `target` is 40 hex digits, empty for a creation; wei and gas as integers."""

    chain_id: int
    nonce: int
    target: str
    value_wei: int
    data: bytes
    gas: int
    max_fee_wei: int
    tip_wei: int


class TxSigner(Protocol):
    """Holds a key."""

    @property
    def address(self) -> str:
        """The account, 40 hex digits."""

    def sign(self, transaction: Unsigned) -> tuple[bytes, str]:
        """Raw bytes and their hash (hex without 0x); NotAllowed when the list has no such call."""


class ListedSigner:
    """A key with the list of what it may call; to itself it may send nothing (which fills a nonce)."""

    def __init__(self, key: bytes | Signer, allowed: frozenset[tuple[str, bytes]]) -> None:
        """`key` is a Signer, wherever its key is, or the 32 bytes of one."""
        self._key, self._allowed = KeySigner(key) if isinstance(key, bytes) else key, allowed

    @property
    def address(self) -> str:
        """The account, 40 hex digits."""
        return self._key.address.hex()

    def sign(self, transaction: Unsigned) -> tuple[bytes, str]:
        """Raw bytes and their hash; NotAllowed when the list has no such call."""
        self._check(transaction)
        fields = (
            transaction.chain_id,
            transaction.nonce,
            transaction.tip_wei,
            transaction.max_fee_wei,
            transaction.gas,
            bytes.fromhex(transaction.target),
            transaction.value_wei,
            transaction.data,
            (),
        )
        raw = signed_1559(fields, self._key.sign(keccak(unsigned_1559(fields))))
        return raw, keccak(raw).hex()

    def _check(self, transaction: Unsigned) -> None:
        nothing = not transaction.data and transaction.value_wei == 0
        if transaction.target == self.address and nothing:
            return
        selector = transaction.data[:4] if transaction.target else b""
        if (transaction.target, selector) not in self._allowed:
            raise NotAllowed(transaction.target, selector)
