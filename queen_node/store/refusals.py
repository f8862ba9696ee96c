"""Refused messages on their way to the store: bounded in memory, written in groups, counted when too many."""

from collections import Counter, deque

from sqlalchemy import Connection

from queen_node.store.readings import add_rejected
from queen_node.store.records import RejectedRow

WAITING_KEPT = 1_000


class Refusals:
    """What was refused since the last `flush`; `counted` by reason since the start."""

    def __init__(self) -> None:
        self._waiting: deque[RejectedRow] = deque(maxlen=WAITING_KEPT)
        self.counted: Counter[str] = Counter()

    def note(self, row: RejectedRow, *, keep: bool = True) -> None:
        """Counts a refusal and, unless it is one of a flood, keeps it for the store."""
        self.counted[row.reason] += 1
        if keep:
            self._waiting.append(row)

    @property
    def waiting(self) -> bool:
        """Whether `flush` has something to write."""
        return bool(self._waiting)

    def flush(self, tx: Connection) -> None:
        """Writes what waits."""
        rows = list(self._waiting)
        self._waiting.clear()
        add_rejected(tx, rows)
