"""Bench: masked answers among 100 homes, 109 words, 20 iterations. Prints JSON lines.

Bars: a home's mask work in one iteration (answer and both kinds of reveal) at most 5 ms, the Queen's opening at most
50 ms. The reference of a home's work is the plain way in the same run: every mask word of every pair made and added as
a number of its own. Bytes are those of the JSON messages up to the Queen, with a dropout of ten homes in iteration 1.
"""

from __future__ import annotations

import hashlib
import json
import random
import statistics
import struct
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

from honey_edge.wire.codec import encode
from honey_edge.wire.mask_keys import RoundPlace
from honey_edge.wire.mask_queen import MaskedQueen
from honey_edge.wire.mask_vector import WORDS, MaskedVector
from honey_edge.wire.mask_worker import MaskedWorker
from honey_edge.wire.messages import DeclareMessage
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.typed_data import Domain

HOMES, ITERATIONS, GONE = 100, 20, 10
HOME_BAR_MS, QUEEN_BAR_MS = 5.0, 50.0
DOMAIN = Domain(31337, b"\xc0" * 20)
T = TypeVar("T")


class Stage:
    """A Queen and her homes; CPU milliseconds of the homes and of the Queen are kept apart."""

    def __init__(self) -> None:
        self.signers = [KeySigner((k + 1).to_bytes(32, "big")) for k in range(HOMES)]
        members = [signer.address for signer in self.signers]
        self.workers = {signer.address: MaskedWorker(DOMAIN, signer, members) for signer in self.signers}
        self.queen = MaskedQueen(DOMAIN, RoundPlace(1, 1, 1), members)
        self.stream = random.Random(1)
        self.counted: dict[bytes, MaskedVector] = {}
        self.bytes_up = 0
        self.home_ms: list[float] = []
        self.queen_ms: list[float] = []

    def agree(self) -> list[float]:
        """The keys; milliseconds per home."""
        for worker in self.workers.values():
            told = worker.call(self.queen.call())
            self.bytes_up += len(encode(told))
            self.queen.take_key(told)
        roster = self.queen.seal()
        return [timed_ms(lambda worker=worker: worker.accept(roster))[0] for worker in self.workers.values()]

    def iterate(self, iteration: int, gone: set[bytes]) -> bool:
        """One iteration; whether the opened sum is exact."""
        vectors = {name: self.vector() for name in sorted(self.queen.active - gone)}
        self.queen.begin(iteration)
        spent = dict.fromkeys(vectors, 0.0)
        for name, vector in vectors.items():
            worker = self.workers[name]
            spent[name], text = timed_ms(lambda worker=worker, vector=vector: worker.answer(iteration, vector))
            self.bytes_up += len(encode(declared(name, iteration, text)))
            self.queen.take_answer(name, iteration, text)
        while (ask := self.queen.next_ask()) is not None:
            for name in sorted(self.queen.awaited):
                worker = self.workers[name]
                took, told = timed_ms(lambda worker=worker, ask=ask: worker.reveal(ask))
                spent[name] += took
                self.bytes_up += len(encode(told))
                self.queen.take_reveal(name, told)
        took, sums = timed_ms(self.queen.opened)
        self.home_ms += spent.values()
        self.queen_ms.append(took)
        self.counted |= vectors
        return sums.words[:96] == tuple(map(sum, zip(*(one.words[:96] for one in self.counted.values()), strict=True)))

    def vector(self) -> MaskedVector:
        """A random answer."""
        power = [self.stream.randint(-9_000, 9_000) for _ in range(96)]
        return MaskedVector.of(power, self.stream.randint(0, 10**9), self.stream.randint(0, 10**9), range(11))


def declared(name: bytes, iteration: int, text: str) -> DeclareMessage:
    """The message of a masked answer."""
    return DeclareMessage(
        worker=name.hex(),
        round=1,
        iteration=iteration,
        first_slot=1,
        flexible=True,
        power_w=(),
        cost_e9_coin=0,
        masked=text,
    )


def plain_way(seeds: list[bytes]) -> tuple[int, ...]:
    """The masks of all pairs, word by word."""
    total = [0] * WORDS
    for seed in seeds:
        words = struct.unpack(f"<{WORDS}Q", hashlib.shake_256(seed).digest(8 * WORDS))
        total = [(own + word) % 2**64 for own, word in zip(total, words, strict=True)]
    return tuple(total)


def timed_ms(call: Callable[[], T]) -> tuple[float, T]:
    """CPU milliseconds of one call, and its result."""
    start = time.process_time_ns()
    result = call()
    return (time.process_time_ns() - start) / 1e6, result


def line(name: str, values: list[float], bar: float | None, **more: Any) -> dict[str, Any]:
    """One result."""
    value = statistics.median(values)
    result: dict[str, Any] = {"name": name, "value_ms": round(value, 4), "bar_ms": bar, "samples": len(values), **more}
    if bar is not None:
        result["met"] = value <= bar
    return result


def main() -> int:
    """Print one line per figure; 1 when a bar is missed, 0 otherwise."""
    stage = Stage()
    keys = stage.agree()
    gone = set(sorted(stage.workers)[:GONE])
    checks = [stage.iterate(k, gone if k else set()) for k in range(ITERATIONS)]
    exact = all(checks)
    seeds = [bytes([k]) * 32 for k in range(HOMES)]
    plain = [timed_ms(lambda: plain_way(seeds))[0] for _ in range(9)]
    results = [
        line("masks_home_iteration", stage.home_ms, HOME_BAR_MS, homes=HOMES, words=WORDS, exact=exact),
        line("masks_plain_way", plain, None, homes=HOMES, words=WORDS),
        line("masks_queen_opening", stage.queen_ms, QUEEN_BAR_MS, homes=HOMES),
        line("masks_keys_home", keys, None, homes=HOMES),
        {
            "name": "masks_bytes_up",
            "value_mb": round(stage.bytes_up / 1e6, 3),
            "homes": HOMES,
            "iterations": ITERATIONS,
        },
    ]
    for result in results:
        print(json.dumps(result))
    return 0 if exact and all(result.get("met", True) for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
