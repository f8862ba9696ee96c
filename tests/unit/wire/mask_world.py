"""Homes and a Queen that mask together in memory, with keys and randomness that depend on the seed only."""

import hashlib
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from honey_edge.wire.mask_keys import RoundPlace
from honey_edge.wire.mask_messages import MaskAskMessage, MaskRosterMessage
from honey_edge.wire.mask_queen import MaskedQueen
from honey_edge.wire.mask_vector import INNER_WORDS, MaskedVector
from honey_edge.wire.mask_worker import MaskedWorker
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.typed_data import Domain

DOMAIN = Domain(31337, b"\xc0" * 20)
PLACE = RoundPlace(7, 12, 1_900_801)


def randomness(seed: int) -> Callable[[int], bytes]:
    """Bytes in place of the system's, the same for the same seed."""
    stream = random.Random(seed)
    return stream.randbytes


@dataclass
class Masking:
    """A Queen with `homes` homes; the keys are small published test keys."""

    homes: int
    seed: int = 1
    place: RoundPlace = PLACE
    signers: list[KeySigner] = field(init=False)
    workers: dict[bytes, MaskedWorker] = field(init=False)
    queen: MaskedQueen = field(init=False)
    roster: MaskRosterMessage | None = None

    def __post_init__(self) -> None:
        made = [KeySigner((k + 1).to_bytes(32, "big")) for k in range(self.homes)]
        self.signers = sorted(made, key=lambda signer: signer.address)
        members = [signer.address for signer in self.signers]
        self.workers = {
            signer.address: MaskedWorker(
                DOMAIN,
                signer,
                members,
                random_bytes=randomness(int(hashlib.sha256(b"%d %d" % (self.seed, k)).hexdigest(), 16)),
            )
            for k, signer in enumerate(self.signers)
        }
        self.queen = MaskedQueen(DOMAIN, self.place, members)

    @property
    def names(self) -> list[bytes]:
        return list(self.workers)

    def agree(self) -> "Masking":
        """Keys and their list."""
        for worker in self.workers.values():
            self.queen.take_key(worker.call(self.queen.call()))
        self.roster = self.queen.seal()
        for worker in self.workers.values():
            worker.accept(self.roster)
        return self

    def answer(self, iteration: int, vectors: dict[bytes, MaskedVector]) -> None:
        """The broadcast of an iteration and the answers of those who have a vector and still mask."""
        self.queen.begin(iteration)
        for name, vector in vectors.items():
            if name in self.queen.active:
                assert self.queen.take_answer(name, iteration, self.workers[name].answer(iteration, vector))

    def asked(self, ask: MaskAskMessage, silent: Collection[bytes] = ()) -> None:
        """The reveals of all awaited homes but the silent ones."""
        for name in sorted(self.queen.awaited - set(silent)):
            assert self.queen.take_reveal(name, self.workers[name].reveal(ask))

    def open(self, silent_by_ask: tuple[Collection[bytes], ...] = ()) -> MaskedVector:
        """Requests until the sum is open; `silent_by_ask[k]` do not answer the k-th request."""
        number = 0
        while (ask := self.queen.next_ask()) is not None:
            self.asked(ask, silent_by_ask[number] if number < len(silent_by_ask) else ())
            number += 1
        return self.queen.opened()


def vector(stream: random.Random) -> MaskedVector:
    """A random answer; powers and inner products of both signs."""
    return MaskedVector.of(
        [stream.randint(-80_000, 80_000) for _ in range(96)],
        stream.randint(-(10**12), 10**12),
        stream.randint(0, 10**12),
        [stream.randint(-(10**12), 10**12) for _ in range(INNER_WORDS)],
    )


def vectors(names: Collection[bytes], seed: int) -> dict[bytes, MaskedVector]:
    """One random answer for each home."""
    stream = random.Random(seed)
    return {name: vector(stream) for name in names}


def total(answers: Collection[MaskedVector]) -> MaskedVector:
    """Their sum in plain."""
    return MaskedVector(tuple(sum(column) for column in zip(*(one.words for one in answers), strict=True)))
