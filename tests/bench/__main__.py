"""Runs all benchmarks, or those named: `python -m tests.bench schedule ingest`. Each prints JSON lines.

Exits 1 when a bar is missed.
"""

import importlib
import sys

BENCHES = ("typed_data", "ingest", "schedule", "worker", "chain_settle", "chain_events", "gas")


def main() -> int:
    """Runs the benchmarks; 0 when every bar is met."""
    names = sys.argv[1:] or list(BENCHES)
    if unknown := [name for name in names if name not in BENCHES]:
        print(f"unknown benchmark {unknown[0]}; known: {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    return max([importlib.import_module(f"tests.bench.{name}").main() for name in names])


if __name__ == "__main__":
    sys.exit(main())
