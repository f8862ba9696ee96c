"""The row behind every transaction (chain-design section 10).

    PLANNED -> SIGNED(nonce, raw bytes stored) -> SENT -> MINED(block hash) -> FINAL
                        ^            | fee too low, k blocks        | block hash no longer on the chain
                        |            v                              v
                        +------- REPLACED (same nonce, +12.5 %) <- SENT again (same raw bytes)

`key` is unique: a restart finds the row and goes on, it never plans a second one. The raw bytes are committed before
they are first sent. Every signed form of a row is kept, for any of them may be the one that is mined.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from queen_node.chain.policy import Fees


class IntentState(StrEnum):
    """How far a transaction has come."""

    PLANNED = "planned"
    SIGNED = "signed"
    SENT = "sent"
    REPLACED = "replaced"
    MINED = "mined"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Intent:
    """One transaction to be carried out once; hashes and addresses are hex without 0x, empty until known.

    `target`, `contract`, `data`, `value_wei` are the call; `expected` is what its simulation must answer (empty: not
    compared). `nonce` is -1 until it is signed; `raw` and `tx_hash` are the newest form, after MINED the mined one.
    `sent_block` is the head when the newest form was first sent, `cost_wei` the most it may cost and once mined what it
    did cost; `status` is the receipt's, -1 before.
    """

    key: str
    target: str = ""
    data: bytes = b""
    contract: str = ""
    function: str = ""
    value_wei: int = 0
    expected: str = ""
    state: IntentState = IntentState.PLANNED
    sender: str = ""
    nonce: int = -1
    raw: bytes = b""
    tx_hash: str = ""
    block_hash: str = ""
    block_number: int = -1
    sent_block: int = -1
    status: int = -1
    cost_wei: int = 0
    planned_unix_s: int = 0
    updated_unix_s: int = 0


@dataclass(frozen=True, slots=True)
class SignedForm:
    """One set of signed bytes of an intent; `cost_wei` is the most it may cost."""

    key: str
    tx_hash: str
    sender: str
    nonce: int
    raw: bytes
    gas: int
    max_fee_wei: int
    tip_wei: int
    cost_wei: int
    signed_unix_s: int

    @property
    def fees(self) -> Fees:
        """Its two fee fields."""
        return Fees(self.max_fee_wei, self.tip_wei)


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One change of a row, never changed itself."""

    key: str
    at_unix_s: int
    state: IntentState
    nonce: int
    tx_hash: str
    block_hash: str
    remark: str


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write with a sender's key until `until_unix_s`; `fence` grows with every change of holder."""

    sender: str
    holder: str
    until_unix_s: int
    fence: int


class IntentStore(Protocol):
    """Where the rows are; every method has committed when it returns."""

    def get(self, key: str) -> Intent | None:
        """One row."""

    def find(self, prefix: str) -> Sequence[Intent]:
        """The rows whose key starts with `prefix`, in the order they were planned."""

    def unfinished(self, sender: str) -> Sequence[Intent]:
        """Rows of a sender between SIGNED and MINED, by nonce."""

    def plan(self, intents: Sequence[Intent]) -> None:
        """Inserts rows in one transaction; a key that exists is left as it is."""

    def expect(self, intent: Intent) -> None:
        """Renews call and expectation of a row that is still PLANNED."""

    def save(self, intent: Intent, lease: Lease, remark: str, form: SignedForm | None = None) -> bool:
        """Replaces a row, appends to its history and keeps a new signed form, all in one transaction.

        False, and nothing changed, when the lease is no longer the one in force.
        """

    def forms(self, key: str) -> Sequence[SignedForm]:
        """All signed forms of a row, oldest first."""

    def highest_nonce(self, sender: str) -> int:
        """The highest nonce any form of this sender has used; -1 when none."""

    def held_nonces(self, sender: str) -> frozenset[int]:
        """Nonces of rows that are past PLANNED."""

    def spent_wei(self, sender: str, since_unix_s: int) -> Mapping[int, int]:
        """By nonce the most that forms signed since then may cost; once mined what the nonce did cost."""

    def history(self, key: str) -> Sequence[HistoryLine]:
        """All changes of a row, oldest first."""

    def lease(self, sender: str) -> Lease | None:
        """Who writes, or wrote last, with a sender's key."""

    def take(self, old: Lease | None, new: Lease) -> bool:
        """Puts `new` in the place of `old`; False when `old` is no longer what is stored."""
