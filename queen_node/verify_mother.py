"""Recomputes what a daughter Hive booked of her mother's bill: each bill once, against the own closings of its slots.

What the mother charged is taken as told: it follows from her own evidence folder, where the daughter is one account.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from queen_node import evidence_format as form
from queen_node.evidence_format import EvidenceError, MotherRecord


class Bills:
    """The bills by the closing that booked them."""

    def __init__(self, records: Sequence[MotherRecord], first_slot: int) -> None:
        """EvidenceError names a bill out of its order; `first_slot` is that of the Hive's first closing."""
        self._first, self._at = first_slot, defaultdict[int, list[MotherRecord]](list)
        before: MotherRecord | None = None
        for row in records:
            if before is not None:
                _expect(row, "from_slot", before.slot + 1)
                _expect(row, "net_pico", before.net_pico + row.charged_pico)
                if row.slot <= before.slot or row.closed_slot < before.closed_slot:
                    raise _error(row, "slot", f"or closed_slot does not follow the bill of slot {before.slot}")
            if row.closed_slot <= row.slot:
                raise _error(row, "closed_slot", f"{row.closed_slot} is no closing after the bill's slots")
            self._at[row.closed_slot].append(row)
            before = row

    def more(self, slot: int, costs: Mapping[int, int]) -> int:
        """What the bills booked at a closing charge more than `costs` (by slot, pico-coins) of the slots before."""
        more = 0
        for row in self._at.pop(slot, ()):
            own = sum(costs[one] for one in range(row.from_slot, row.slot + 1) if one in costs)
            _expect(row, "own_pico", row.charged_pico if row.from_slot < self._first else own)
            more += row.charged_pico - row.own_pico
        return more

    def finish(self) -> None:
        """After the last closing no bill may be left."""
        for rows in self._at.values():
            raise _error(rows[0], "closed_slot", f"{rows[0].closed_slot} was never closed")


def _expect(row: MotherRecord, name: str, own: int) -> None:
    if getattr(row, name) != own:
        raise _error(row, name, f"is {getattr(row, name)}, recomputed {own}")


def _error(row: MotherRecord, name: str, message: str) -> EvidenceError:
    return EvidenceError(form.MOTHER, name, message, slot=row.slot)
