"""Follows the open answers of one round: test A, and which answer of each Worker is kept for an audit.

Of every Worker one answer is kept, picked by hashes of what nobody knew when it was given: the next price, and for the
last one the seed that comes with the closed slot. So memory does not grow with the number of iterations, and no Worker
can tell which of its answers matters.
"""

import hashlib
from dataclasses import dataclass

from honey_edge.market.fairplay.answers import Expansion, firm_gap_kw2
from honey_edge.market.fairplay.disclosed import whole
from honey_edge.market.homes.assets import FloatArray
from honey_edge.market.rounds.queen_step import kilowatts
from queen_node.store.audits import KeptAnswer


@dataclass(frozen=True, eq=False)
class _Seen:
    """One answer: price and power as transmitted, p, w and v in kW."""

    iteration: int
    price_e7: tuple[int, ...]
    power_w: tuple[int, ...]
    power_kw: FloatArray
    state_kw: FloatArray
    target_kw: FloatArray


class RoundWitness:
    """One round's `Witness`; `inconsistent` names the Workers that failed test A."""

    def __init__(self, number: int, first_slot: int, sigma: int) -> None:
        self.number, self.first_slot, self._sigma = number, first_slot, sigma
        self.inconsistent: dict[str, Expansion] = {}
        self._newest: dict[str, _Seen] = {}
        self._picked: dict[str, tuple[int, _Seen]] = {}

    def answered(
        self,
        worker: str,
        iteration: int,
        price_e7: tuple[int, ...],
        power_w: tuple[int, ...],
        state_kw: FloatArray,
        target_kw: FloatArray,
    ) -> None:
        """An answer to the running broadcast was taken."""
        seen = _Seen(iteration, price_e7, power_w, kilowatts(power_w), state_kw, target_kw)
        before = self._newest.get(worker)
        self._newest[worker] = seen
        if before is None:
            return
        self._pick(worker, before, b"".join(price.to_bytes(4, "big", signed=True) for price in price_e7))
        gap = firm_gap_kw2(seen.power_kw - before.power_kw, target_kw - before.target_kw)
        if gap < 0.0 and worker not in self.inconsistent:
            self.inconsistent[worker] = Expansion(before.iteration, iteration, gap)
            self._picked[worker] = -1, seen

    def reopened(self, worker: str) -> None:
        """What was answered before was another problem: it is not compared with what follows."""
        self._newest.pop(worker, None)
        if worker not in self.inconsistent:
            self._picked.pop(worker, None)

    def kept(self, seed: bytes) -> list[KeptAnswer]:
        """One answer of every Worker that answered a price; `seed` came with the closed slot."""
        for worker, seen in self._newest.items():
            self._pick(worker, seen, seed)
        return [self._kept(worker, seen) for worker, (_, seen) in sorted(self._picked.items())]

    def _pick(self, worker: str, seen: _Seen, seed: bytes) -> None:
        text = f"{worker}/{self.number}/{seen.iteration}/".encode()
        rank = int.from_bytes(hashlib.sha256(text + seed).digest()[:8], "big")
        if worker not in self._picked or rank < self._picked[worker][0]:
            self._picked[worker] = rank, seen

    def _kept(self, worker: str, seen: _Seen) -> KeptAnswer:
        return KeptAnswer(
            worker,
            self.number,
            seen.iteration,
            self.first_slot,
            self._sigma,
            seen.price_e7,
            seen.power_w,
            whole(seen.state_kw),
        )
