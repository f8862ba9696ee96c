"""The demo's child processes: started with a log file each, ended together, dead when the demo dies."""

import asyncio
import ctypes
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from honey_edge.model.errors import HiveError

_END_S = 5.0
_PR_SET_PDEATHSIG = 1


class ChildEnded(HiveError):
    """A process that should go on has ended; its log says why."""

    code = "E-DEMO-CHILD"


def _die_with_parent() -> None:
    """Runs in the child before the program: ask the kernel to end it when the demo is gone (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class ChildPlan:
    """A program to run: its name for people, its command line, extra environment."""

    name: str
    command: tuple[str, ...]


class Children:
    """All children of one run."""

    def __init__(self, log_folder: Path) -> None:
        self._logs = log_folder
        log_folder.mkdir(parents=True, exist_ok=True)
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._plans: dict[str, ChildPlan] = {}

    async def start(self, plan: ChildPlan, *, stdout: int | None = None) -> asyncio.subprocess.Process:
        """Starts a child; its output goes to its log unless `stdout` says otherwise."""
        with self.log_of(plan.name).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *plan.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout if stdout is not None else log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self._running[plan.name], self._plans[plan.name] = process, plan
        return process

    def log_of(self, name: str) -> Path:
        """The log file of a child."""
        return self._logs / f"{name}.log"

    def check(self) -> None:
        """Raises ChildEnded for a child that has ended by itself."""
        for name, process in self._running.items():
            if process.returncode is not None:
                tail = self.log_of(name).read_text(errors="replace").strip().splitlines()[-3:]
                raise ChildEnded(
                    f"{name} ended with exit code {process.returncode}: {' | '.join(tail)}",
                    next_step=f"read {self.log_of(name)}",
                )

    async def kill_and_restart(self, name: str) -> None:
        """SIGKILL, then the same program again: what a crash looks like."""
        process = self._running[name]
        process.kill()
        await process.wait()
        await self.start(self._plans[name])

    async def end(self, name: str) -> int:
        """SIGTERM, then SIGKILL after a while; the exit code."""
        process = self._running.pop(name)
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(_END_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return process.returncode

    async def end_all(self) -> None:
        """Ends every child, newest first."""
        for name in reversed(list(self._running)):
            await self.end(name)
