"""The row behind every transaction (chain-design section 10).

    PLANNED -> SIGNED(nonce, raw bytes stored) -> SENT -> MINED(block hash) -> FINAL

(hive, slot, batch) is unique: a restart finds the row and goes on, it never plans a second one. The raw bytes are
committed before they are first sent, so that after a crash the same bytes are sent again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class IntentState(StrEnum):
    """How far a transaction has come."""

    PLANNED = "planned"
    SIGNED = "signed"
    SENT = "sent"
    MINED = "mined"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Intent:
    """One batch of a period; `slot` is the period's last, hashes are hex without 0x, empty until known.

    `raw` is the signed transaction, `nonce` -1 until it is signed, `sender` 40 hex digits.
    """

    hive: int
    slot: int
    batch: int
    packed: bytes
    state: IntentState = IntentState.PLANNED
    sender: str = ""
    nonce: int = -1
    raw: bytes = b""
    tx_hash: str = ""
    block_hash: str = ""


class IntentStore(Protocol):
    """Where the rows are; every method has committed when it returns."""

    def intents(self, hive: int, slot: int) -> Sequence[Intent]:
        """All rows of one period, by batch."""

    def plan(self, intents: Sequence[Intent]) -> None:
        """Insert the rows of a period in one transaction; none may exist yet."""

    def save(self, intent: Intent) -> None:
        """Replace the row with the same (hive, slot, batch)."""

    def highest_nonce(self, sender: str) -> int:
        """The highest nonce any row of this sender has used; -1 when none."""
