"""All masks and shares of one home in one round, from its one secret: for the home itself, and for an audit."""

import hashlib
from collections.abc import Collection

from honey_edge.wire.mask_answer import LockedShare, MaskedAnswer, secret_check, share_check
from honey_edge.wire.mask_field import PRIME, element, share_at
from honey_edge.wire.mask_keys import SEED_BYTES, MaskSecret, Roster, own_seed, pair_seed, share_key
from honey_edge.wire.mask_vector import MaskedVector, WordSum, expand


class HomeMasks:
    """The secrets of `own` (address) in a list of homes; calculates, decides nothing."""

    def __init__(self, own: bytes, secret: MaskSecret, roster: Roster) -> None:
        self.own, self.roster = own, roster
        self._roots = secret.roots(own, roster)

    def answer(self, iteration: int, vector: MaskedVector, active: Collection[bytes]) -> MaskedAnswer:
        """The vector (as it is to be sent) under the masks with every other `active` home and the home's own."""
        coefficients = self._coefficients(iteration)
        total = WordSum()
        total.add(vector.plain_bytes())
        total.add(expand(own_seed(coefficients[0], self.own, self.roster.context, iteration)))
        for other in active:
            if other != self.own:
                mask = expand(self.pair_seed(other, iteration))
                if self.own < other:
                    total.add(mask)
                else:
                    total.subtract(mask)
        check = secret_check(self.roster.context, self.own, iteration, coefficients[0])
        shares = [self._locked(holder, iteration, coefficients) for holder in self.roster.workers]
        return MaskedAnswer(total.value(), check, tuple(shares))

    def pair_seed(self, other: bytes, iteration: int) -> bytes:
        """The seed of the mask between this home and another."""
        return pair_seed(self._roots[other], iteration)

    def share_key(self, owner: bytes, iteration: int) -> int:
        """What unlocks this home's share of `owner`'s own mask."""
        return share_key(self._roots[owner], owner, iteration)

    def _coefficients(self, iteration: int) -> list[int]:
        """The polynomial of the home's own mask: from its root, so that one secret opens all in an audit."""
        count = self.roster.threshold
        stream = hashlib.shake_256(self._roots[self.own] + iteration.to_bytes(2, "big")).digest(SEED_BYTES * count)
        return [element(stream[k : k + SEED_BYTES]) for k in range(0, len(stream), SEED_BYTES)]

    def _locked(self, holder: bytes, iteration: int, coefficients: list[int]) -> LockedShare:
        x = self.roster.positions[holder]
        share = share_at(coefficients, x)
        key = share_key(self._roots[holder], self.own, iteration)
        return LockedShare((share + key) % PRIME, share_check(self.roster.context, self.own, iteration, x, share))
