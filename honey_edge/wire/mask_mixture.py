"""What a home declares of a masked round that ends in a mixture: exact in whole watts, so that an audit can repeat it.

The final broadcast names weights (10^-6) of the last iterations; a home that was left out counts with its last counted
answer in every later one, as it does in the Queen's sums.
"""

from collections.abc import Mapping, Sequence

from honey_edge.wire.mask_errors import MaskFormError

WHOLE_E6 = 1_000_000


def mixed_w(counted_w: Mapping[int, Sequence[int]], last: int, weights_e6: Sequence[int]) -> tuple[int, ...]:
    """The mixture (W, rounded half up) of counted answers by iteration; () of none.

    `weights_e6` belong to the iterations up to `last`, newest last; without weights it is the newest one up to `last`.
    MaskFormError for weights that are no mixture.
    """
    weights = tuple(weights_e6) or (WHOLE_E6,)
    if sum(weights) != WHOLE_E6 or min(weights) < 0:
        raise MaskFormError(f"{len(weights)} weights with sum {sum(weights)} are no mixture")
    known = sorted(counted_w)
    if not known:
        return ()
    total = [0] * len(counted_w[known[0]])
    for number, weight in zip(range(last - len(weights) + 1, last + 1), weights, strict=True):
        named = max((one for one in known if one <= number), default=known[0])
        total = [have + weight * power for have, power in zip(total, counted_w[named], strict=True)]
    return tuple((2 * one + WHOLE_E6) // (2 * WHOLE_E6) for one in total)
