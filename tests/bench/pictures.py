"""Draws what the benchmarks found: convergence, how it grows with the number of homes, and what a measured year saves.

    python -m tests.bench.pictures FIGURES.jsonl FOLDER

Lines without a picture are left out; a picture whose lines are missing is not drawn.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

Lines = list[dict[str, Any]]


def draw(figures: Path, folder: Path) -> list[Path]:
    """Draw every picture that the figures hold; the files written."""
    lines: Lines = [json.loads(line) for line in figures.read_text("utf-8").splitlines() if line.startswith("{")]
    written = []
    for name, picture in (("convergence", _convergence), ("scaling", _scaling), ("savings", _savings)):
        figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
        if picture(axes, lines):
            written.append(folder / f"{name}.svg")
            figure.savefig(written[-1])
        plt.close(figure)
    return written


def _convergence(axes: Any, lines: Lines) -> bool:
    """Distance to the optimum after each broadcast, as a share of what coordination gains."""
    curves = next((line["curves"] for line in lines if line.get("name") == "coordination_curves"), {})
    for name, shares in curves.items():
        axes.semilogy(range(1, len(shares) + 1), [max(abs(share), 1e-6) for share in shares], label=name)
    axes.axhline(1e-3, color="grey", linewidth=0.8, linestyle="--")
    axes.set_xlabel("broadcasts")
    axes.set_ylabel("distance to the optimum, share of the gain")
    if curves:
        axes.legend(fontsize="x-small")
    return bool(curves)


def _scaling(axes: Any, lines: Lines) -> bool:
    """Broadcasts to a thousandth of the gain, by the number of homes."""
    sizes = next((line["iterations_by_homes"] for line in lines if line.get("name") == "coordination_scaling"), {})
    axes.semilogx([int(size) for size in sizes], list(sizes.values()), marker="o")
    axes.set_xlabel("homes")
    axes.set_ylabel("broadcasts to 1e-3 of the gain")
    axes.set_ylim(bottom=0)
    return bool(sizes)


def _savings(axes: Any, lines: Lines) -> bool:
    """What a measured year costs: batteries alone, pooled, coordinated."""
    hives = [line for line in lines if str(line.get("name", "")).startswith("economics_") and "homes" in line]
    kinds = ("batteries_alone_each_billed_alone", "batteries_alone_pooled", "batteries_coordinated")
    for place, kind in enumerate(kinds):
        axes.bar(
            [at + 0.27 * (place - 1) for at in range(len(hives))],
            [hive[kind] for hive in hives],
            0.25,
            label=kind.replace("_", " "),
        )
    axes.set_xticks(range(len(hives)), [hive["name"].removeprefix("economics_") for hive in hives])
    axes.set_ylabel("cost of the year")
    if hives:
        axes.legend(fontsize="x-small")
    return bool(hives)


if __name__ == "__main__":
    print("\n".join(str(file) for file in draw(Path(sys.argv[1]), Path(sys.argv[2]))))
