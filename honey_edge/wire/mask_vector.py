"""What is masked: a vector of signed 64-bit words, added modulo 2^64, and the masks that are added to it.

Layout: power_w * 96, cost_e9_coin, residual_e9_kw2, inner * 11, as little-endian words; unused places are 0. The first
98 words, all but the inner products, are sent as differences to the last answer that was counted (`CARRIED_WORDS`): a
home that does not answer keeps its last plan in the sum, as in market-design 4.3.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from honey_edge.wire.mask_errors import MaskFormError

POWER_WORDS = 96
INNER_WORDS = 11
CARRIED_WORDS = POWER_WORDS + 2
WORDS = CARRIED_WORDS + INNER_WORDS
VECTOR_BYTES = 8 * WORDS
_UNSIGNED, _SIGNED = struct.Struct(f"<{WORDS}Q"), struct.Struct(f"<{WORDS}q")
_MODULUS = 1 << 64
_LANES = (WORDS + 1) // 2
_EVEN = int.from_bytes((b"\xff" * 8 + b"\0" * 8) * _LANES, "little")


@dataclass(frozen=True, slots=True)
class MaskedVector:
    """One answer, or a sum of answers, in plain: `WORDS` signed 64-bit numbers."""

    words: tuple[int, ...]

    @staticmethod
    def of(
        power_w: Sequence[int], cost_e9_coin: int = 0, residual_e9_kw2: int = 0, inner_e9_kw2: Sequence[int] = ()
    ) -> "MaskedVector":
        """The vector of an answer; MaskFormError when it has too many slots or inner products."""
        if len(power_w) > POWER_WORDS or len(inner_e9_kw2) > INNER_WORDS:
            raise MaskFormError(f"an answer of {len(power_w)} slots and {len(inner_e9_kw2)} inner products")
        power = (*power_w, *(0,) * (POWER_WORDS - len(power_w)))
        inner = (*inner_e9_kw2, *(0,) * (INNER_WORDS - len(inner_e9_kw2)))
        return MaskedVector((*power, cost_e9_coin, residual_e9_kw2, *inner))

    @property
    def power_w(self) -> tuple[int, ...]:
        """Net power per slot (W), import positive."""
        return self.words[:POWER_WORDS]

    @property
    def cost_e9_coin(self) -> int:
        """Private cost in 10^-9 coin."""
        return self.words[POWER_WORDS]

    @property
    def residual_e9_kw2(self) -> int:
        """Squared residual in 10^-9 kW^2."""
        return self.words[POWER_WORDS + 1]

    @property
    def inner_e9_kw2(self) -> tuple[int, ...]:
        """Inner products of residual differences in 10^-9 kW^2, `INNER_WORDS` numbers."""
        return self.words[CARRIED_WORDS:]

    def after(self, before: "MaskedVector") -> "MaskedVector":
        """This answer as it is sent: power, cost and residual as differences to `before`."""
        carried = (wrapped(own - old) for own, old in zip(self.words[:CARRIED_WORDS], before.words, strict=False))
        return MaskedVector((*carried, *self.words[CARRIED_WORDS:]))

    def onto(self, before: "MaskedVector") -> "MaskedVector":
        """What was sent, added to the plain values before: the inverse of `after`."""
        carried = (wrapped(own + old) for own, old in zip(self.words[:CARRIED_WORDS], before.words, strict=False))
        return MaskedVector((*carried, *self.words[CARRIED_WORDS:]))

    def plain_bytes(self) -> bytes:
        """The words as little-endian bytes, unmasked; MaskFormError for a number beyond 64 bits."""
        try:
            return _SIGNED.pack(*self.words)
        except struct.error as error:
            raise MaskFormError(f"{len(self.words)} words, or one beyond 64 bits") from error

    @staticmethod
    def of_bytes(data: bytes) -> "MaskedVector":
        """The signed words of bytes that hold no mask any more."""
        if len(data) != VECTOR_BYTES:
            raise MaskFormError(f"a masked vector has {VECTOR_BYTES} bytes, not {len(data)}")
        return MaskedVector(_SIGNED.unpack(data))


NOTHING = MaskedVector((0,) * WORDS)


def wrapped(value: int) -> int:
    """The value modulo 2^64, read as a signed number."""
    return (value + (1 << 63)) % _MODULUS - (1 << 63)


def expand(seed: bytes) -> bytes:
    """The mask of a seed: `VECTOR_BYTES` bytes of SHAKE-256."""
    return hashlib.shake_256(seed).digest(VECTOR_BYTES)


class WordSum:
    """Adds and subtracts vectors word by word modulo 2^64.

    Even and odd words lie in numbers of their own, 128 bits apart, so that one addition of long integers adds all
    words and no carry reaches the next word before 2^64 vectors.
    """

    def __init__(self) -> None:
        self._plus_even = self._plus_odd = self._minus_even = self._minus_odd = 0

    def add(self, vector: bytes) -> None:
        """Adds a vector of `VECTOR_BYTES` bytes."""
        number = int.from_bytes(vector, "little")
        self._plus_even += number & _EVEN
        self._plus_odd += (number >> 64) & _EVEN

    def subtract(self, vector: bytes) -> None:
        """Subtracts a vector of `VECTOR_BYTES` bytes."""
        number = int.from_bytes(vector, "little")
        self._minus_even += number & _EVEN
        self._minus_odd += (number >> 64) & _EVEN

    def value(self) -> bytes:
        """The sum as `VECTOR_BYTES` bytes."""
        plus = _words(self._plus_even, self._plus_odd)
        minus = _words(self._minus_even, self._minus_odd)
        return _UNSIGNED.pack(*((a - b) % _MODULUS for a, b in zip(plus, minus, strict=True)))


def _words(even: int, odd: int) -> tuple[int, ...]:
    low, high = even & _EVEN, odd & _EVEN
    return _UNSIGNED.unpack((low | high << 64).to_bytes(16 * _LANES, "little")[:VECTOR_BYTES])
