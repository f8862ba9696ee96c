"""Shards of a simulated coordination in several processes; the outcome is that of one process, bit for bit.

A shard lives in the process of its number modulo the processes. Each process gets its shards' calls in one message and
answers in one, so a broadcast costs two messages per process.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import TYPE_CHECKING, Any

from honey_edge.model.errors import HiveError

if TYPE_CHECKING:
    from honey_edge.market.homes.assets import Home
    from honey_edge.market.simulate.rounds import RoundTerms

_JOIN_S = 10.0


class LaneError(HiveError):
    """A process of the simulation ended or failed."""

    code = "E-MARKET"


def _serve(pipe: Connection) -> None:
    """Answers calls until the pipe closes; what a shard refuses goes back as the error it is."""
    from honey_edge.market.simulate.rounds import LocalLanes

    lanes = LocalLanes()
    while True:
        try:
            method, arguments = pipe.recv()
        except EOFError:
            return
        try:
            if method == "open":
                lanes.open(*arguments)
                pipe.send(None)
            else:
                pipe.send(lanes.call(method, arguments))
        except HiveError as error:
            pipe.send(LaneError(str(error), next_step=error.next_step))


class ProcessLanes:
    """`Lanes` over worker processes; use as a context manager."""

    def __init__(self, processes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(processes):
            own, other = context.Pipe()
            process = context.Process(target=_serve, args=(other,), daemon=True)
            process.start()
            other.close()
            self._pipes.append(own)
            self._processes.append(process)

    def __enter__(self) -> ProcessLanes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(_JOIN_S)

    def open(self, shards: Sequence[tuple[Sequence[Home], int]], terms: RoundTerms) -> None:
        """Sets up the shards where they belong."""
        count = len(self._pipes)
        self._exchange([("open", (shards[k::count], terms)) for k in range(count)])

    def call(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Calls a method of every shard; answers in the order of the shards."""
        count = len(self._pipes)
        parts = self._exchange([(method, arguments[k::count]) for k in range(count)])
        return [parts[k % count][k // count] for k in range(len(arguments))]

    def _exchange(self, messages: Sequence[tuple[str, Any]]) -> list[Any]:
        try:
            for pipe, message in zip(self._pipes, messages, strict=True):
                pipe.send(message)
            answers = [pipe.recv() for pipe in self._pipes]
        except (EOFError, OSError) as error:
            raise LaneError("a process of the simulation ended", next_step="run it with --processes 1") from error
        for answer in answers:
            if isinstance(answer, HiveError):
                raise answer
        return answers
