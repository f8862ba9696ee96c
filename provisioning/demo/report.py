"""What a run ends with: the table for people and report.json for programs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from honey_edge.model.units import MILLIWH_PER_KWH

_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class HomeReport:
    """One home's day: energy through its meter, what it would have paid, what it pays.

    At its tariff for the same energy (`standalone`), with an idle battery (`idle`), alone with its own optimum
    and perfect foresight (`alone_optimised`), and in the Hive with every home following its own optimum by the same
    forecasts (`uncoordinated`; its battery's charge at the end beyond the real one's is worth `uncoordinated_charge`).
    """

    address: str
    serial: str
    meter: str
    import_milliwh: int
    export_milliwh: int
    standalone_micro: int
    idle_micro: int
    alone_optimised_micro: int
    uncoordinated_micro: int
    uncoordinated_charge_micro: int
    hive_micro: int
    readings_signed: int
    readings_verified: int
    statements_both_signed: int


@dataclass(frozen=True, slots=True)
class HiveReport:
    """The whole run; `conservation_pico` is what the books fail to add up by, `coordination` as `hive status` says."""

    homes: tuple[HomeReport, ...]
    slots: int
    conservation_pico: int
    surplus_micro: int
    rounds: int
    coordination: Mapping[str, Any]
    settlement: Mapping[str, Any]
    simulated_s: int
    wall_s: float

    @property
    def saved_coordinated_micro(self) -> int:
        """What the homes save against idle batteries at their own tariff."""
        return sum(home.idle_micro - home.hive_micro for home in self.homes)

    @property
    def saved_uncoordinated_micro(self) -> int:
        """The same, had every battery followed its home's own optimum and the Hive only settled."""
        return sum(home.idle_micro - home.uncoordinated_micro + home.uncoordinated_charge_micro for home in self.homes)

    def document(self) -> dict[str, Any]:
        """The content of report.json."""
        saved = ("saved_coordinated_micro", "saved_uncoordinated_micro")
        return asdict(self) | {name: getattr(self, name) for name in saved}


def home_table(report: HiveReport, currency: str) -> list[str]:
    """The table per home and its sum, one text line each; money with four decimals, paid is positive."""
    head = ("home", "meter", "bought kWh", "sold kWh", "own tariff", "alone, opt.", "in the Hive", "saved")
    rows = [_row(home) for home in report.homes]
    rows.append(("all", "", *(_sum(rows, column) for column in range(2, 8))))
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]
    lines = [_aligned(head, widths), "-" * (sum(widths) + 2 * len(widths) - 2)]
    lines += [_aligned(row, widths) for row in rows[:-1]] + [lines[1], _aligned(rows[-1], widths)]
    return [f"Bills in {currency}; a minus is money earned", "", *lines]


def _row(home: HomeReport) -> tuple[str, ...]:
    energies = (home.import_milliwh / MILLIWH_PER_KWH, home.export_milliwh / MILLIWH_PER_KWH)
    saved = home.standalone_micro - home.hive_micro
    money = (home.standalone_micro, home.alone_optimised_micro, home.hive_micro, saved)
    return (
        home.serial,
        home.meter,
        *(f"{energy:.3f}" for energy in energies),
        *(f"{amount / _MICRO:.4f}" for amount in money),
    )


def _sum(rows: list[tuple[str, ...]], column: int) -> str:
    decimals = 3 if column < 4 else 4
    return f"{sum(float(row[column]) for row in rows):.{decimals}f}"


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [
        cell.ljust(width) if k < 2 else cell.rjust(width)
        for k, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def coordination_lines(report: HiveReport) -> list[str]:
    """How the rounds ended, how good they provably were, and what coordination was worth."""
    told = report.coordination
    middle, worst = told["rounds_gap_ppm_median"], told["rounds_gap_ppm_worst"]
    gap = "" if middle is None else f", at most {middle / 1e4:.3f} % of the gain missed (worst {worst / 1e4:.3f} %)"
    return [
        f"rounds {told['rounds']}, converged {told['rounds_converged']}, in the middle "
        f"{told['rounds_iterations_median']} iterations; certified {told['rounds_certified']}{gap}",
        f"saved against idle batteries {report.saved_coordinated_micro / _MICRO:.4f}; had each home in the Hive "
        f"followed its own optimum, uncoordinated, {report.saved_uncoordinated_micro / _MICRO:.4f}",
    ]


def hive_lines(report: HiveReport) -> list[str]:
    """What the Hive did, one text line each."""
    signed = sum(home.readings_signed for home in report.homes)
    verified = sum(home.readings_verified for home in report.homes)
    both = sum(home.statements_both_signed for home in report.homes)
    lines = [
        f"slots closed {report.slots}, readings signed {signed} and verified {verified}, "
        f"statements signed by both {both}, price broadcasts {report.rounds}",
        f"surplus {report.surplus_micro / _MICRO:.4f}, books add up to {report.conservation_pico} pico-coins",
    ]
    lines += coordination_lines(report)
    for transaction in report.settlement["transactions"]:
        gas = transaction["gas_used"] / max(1, transaction["workers"])
        lines.append(
            f"settled {transaction['workers']} accounts in 0x{transaction['hash'][:8]}..., "
            f"{transaction['gas_used']} gas, {gas:.0f} per Worker; "
            f"the chain holds the same: {'yes' if report.settlement['onchain_matches'] else 'NO'}"
        )
    lines.append(f"{report.simulated_s / 3600:.1f} h in {report.wall_s:.1f} s")
    return lines
