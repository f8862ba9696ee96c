"""A statement's charges: a peak charge or a share of the reserve, beside the lines of the readings.

Each carries the signed totals of its period, its place in the account (after the line of which slot), own quantity,
amount and the cumulative money after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from honey_edge.billing.tally import PEAK
from honey_edge.wire.structs import PeakTotals, ReserveTotals

COLUMNS = (
    "kind",
    "slot",
    "after_slot",
    "whole",
    "shared",
    "terms",
    "signature",
    "quantity_milliwh",
    "amount_pico",
    "net_pico",
)


@dataclass(frozen=True, slots=True)
class ChargeLine:
    """One charge; `kind` 3 is a peak charge, 4 a share of the reserve (honey_edge.billing.tally)."""

    kind: int
    totals: PeakTotals | ReserveTotals
    totals_signature: bytes
    after_slot: int
    quantity_milliwh: int
    amount_pico: int
    net_pico: int

    @property
    def sums(self) -> tuple[int, int]:
        """The period's whole (what was charged, or moved) and what of the money is shared."""
        return whole_of(self.totals), self.totals.shared


def whole_of(totals: PeakTotals | ReserveTotals) -> int:
    """What the shares are parts of: pico-coins charged, or milliwatt-hours moved."""
    return totals.charged if isinstance(totals, PeakTotals) else totals.moved


def charge_columns(charges: Sequence[ChargeLine]) -> dict[str, tuple[Any, ...]]:
    """The charges as parallel arrays `charge_*` of a statement message."""
    rows = [
        (
            one.kind,
            one.totals.slot,
            one.after_slot,
            *one.sums,
            one.totals.terms.hex(),
            one.totals_signature.hex(),
            one.quantity_milliwh,
            one.amount_pico,
            one.net_pico,
        )
        for one in charges
    ]
    return {f"charge_{name}": tuple(row[k] for row in rows) for k, name in enumerate(COLUMNS)}


def charge_line(hive: int, columns: dict[str, Any]) -> ChargeLine:
    """The charge in one row of the arrays, `columns` without the prefix."""
    terms, slot = bytes.fromhex(columns["terms"]), columns["slot"]
    totals: PeakTotals | ReserveTotals
    if columns["kind"] == PEAK:
        totals = PeakTotals(hive, slot, columns["whole"], columns["shared"], terms)
    else:
        totals = ReserveTotals(hive, slot, columns["shared"], columns["whole"], terms)
    return ChargeLine(
        columns["kind"],
        totals,
        bytes.fromhex(columns["signature"]),
        columns["after_slot"],
        columns["quantity_milliwh"],
        columns["amount_pico"],
        columns["net_pico"],
    )
