"""Runs all benchmarks, or those named: `python -m tests.bench schedule ingest`. Each prints JSON lines.

What they print is also kept in `bench-out/figures.jsonl` (HIVE_BENCH_OUT names another folder), from which the
pictures beside it are drawn. Exits 1 when a bar is missed.
"""

import contextlib
import importlib
import io
import os
import sys
from pathlib import Path

BENCHES = (
    "typed_data",
    "ingest",
    "schedule",
    "chips",
    "modbus_bus",
    "lateness",
    "worker",
    "settlement",
    "coordination",
    "oracles",
    "agents",
    "masks",
    "forecast",
    "fairplay",
    "real_time",
    "simulate",
    "economics",
    "chain_settle",
    "chain_events",
    "gas",
)


class Tee(io.TextIOBase):
    """Writes to the terminal and to a file."""

    def __init__(self, *streams: io.TextIOBase) -> None:
        self._streams = streams

    def write(self, text: str) -> int:
        """Write to all."""
        for stream in self._streams:
            stream.write(text)
            stream.flush()
        return len(text)


def main() -> int:
    """Runs the benchmarks and draws what they found; 0 when every bar is met."""
    names = sys.argv[1:] or list(BENCHES)
    if unknown := [name for name in names if name not in BENCHES]:
        print(f"unknown benchmark {unknown[0]}; known: {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    folder = Path(os.environ.get("HIVE_BENCH_OUT", "bench-out"))
    folder.mkdir(parents=True, exist_ok=True)
    figures = folder / "figures.jsonl"
    worst = 0
    with figures.open("w", encoding="utf-8") as file:
        for name in names:
            with contextlib.redirect_stdout(Tee(sys.stdout, file)):  # type: ignore[arg-type, type-var]
                worst = max(worst, importlib.import_module(f"tests.bench.{name}").main())
    importlib.import_module("tests.bench.pictures").draw(figures, folder)
    return worst


if __name__ == "__main__":
    sys.exit(main())
