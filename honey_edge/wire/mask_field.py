"""Shamir's secret sharing over the field of 2^127 - 1 (Shamir 1979): any `threshold` shares give the secret.

A secret is the value at 0 of a polynomial whose coefficients are all secret; the share of home x (1, 2, ...) is its
value at x. One share fewer than the threshold tells nothing. Numbers are field elements, 0 <= v < PRIME.
"""

from collections.abc import Sequence

from honey_edge.wire.mask_errors import MaskFormError

PRIME = 2**127 - 1
ELEMENT_BYTES = 16


def element(data: bytes) -> int:
    """The field element that hashed bytes stand for; 32 bytes make every element equally likely but for 2^-128."""
    return int.from_bytes(data, "big") % PRIME


def share_at(coefficients: Sequence[int], x: int) -> int:
    """The share of home `x`; the first coefficient is the secret."""
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * x + coefficient) % PRIME
    return value


def weights_at_zero(places: Sequence[int]) -> tuple[int, ...]:
    """Lagrange's weights: the secret is the sum of weight times share over these places, all different and not 0."""
    if len(set(places)) != len(places) or any(not 0 < x < PRIME for x in places):
        raise MaskFormError("shares of the same home twice, or of home 0")
    weights = []
    for own in places:
        above, below = 1, 1
        for other in places:
            if other != own:
                above = above * other % PRIME
                below = below * (other - own) % PRIME
        weights.append(above * pow(below, -1, PRIME) % PRIME)
    return tuple(weights)


def secret_of_shares(weights: Sequence[int], shares: Sequence[int]) -> int:
    """The secret from shares in the order of the places of `weights_at_zero`."""
    return sum(weight * share for weight, share in zip(weights, shares, strict=True)) % PRIME
