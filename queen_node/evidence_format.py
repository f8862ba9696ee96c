"""The records in the evidence folder's files: what each file holds, field by field (docs/evidence.md).

Energy in milliwatt-hours (import and export as ever-growing counters), money in micro-coins (`_micro`) or exact
pico-coins (`_pico`), positive = owed by the Worker. Hashes, keys and signatures are lower-case hex without 0x.
Readings and slots are the messages of honey_edge.wire as they were sent.
"""

from typing import Annotated

from msgspec import Meta, Struct

from honey_edge.model.errors import HiveError
from honey_edge.wire.messages import I64, U8, U16, U32, U48, U63, Hex20, Hex32, Hex64

MANIFEST, INDEX = "manifest.json", "index.json"
TARIFF, TERMS, WORKERS = "tariff.json", "terms.json", "workers.json"
SLOTS, ROUNDS, METER, SETTLEMENT = "slots.jsonl", "rounds.jsonl", "meter.jsonl", "settlement.jsonl"
PERIODS = "periods.jsonl"
MOTHER = "mother.jsonl"
FIXED_FILES = (INDEX, TARIFF, TERMS, WORKERS, SLOTS, PERIODS, MOTHER, ROUNDS, METER, SETTLEMENT)
RULE_VERSION = "hive-settlement/1"

Version = Annotated[int, Meta(ge=1, le=1)]
Text = Annotated[str, Meta(max_length=64)]
HexBytes = Annotated[str, Meta(pattern=r"^([0-9a-f]{2})*$(?!\n)")]


def readings_file(worker: str) -> str:
    """Where a Worker's readings are."""
    return f"readings/{worker}.jsonl"


def lines_file(worker: str) -> str:
    """Where a Worker's booked lines are."""
    return f"lines/{worker}.jsonl"


def charges_file(worker: str) -> str:
    """Where a Worker's peak charges and shares of the reserve are."""
    return f"charges/{worker}.jsonl"


def statements_file(worker: str) -> str:
    """Where a Worker's Statements are."""
    return f"statements/{worker}.jsonl"


class EvidenceError(HiveError, ValueError):
    """The evidence does not hold: in which file and field, and of which slot and Worker where it belongs to one."""

    code = "E-EVIDENCE"

    def __init__(
        self, file: str, field: str, message: str, *, slot: int | None = None, worker: str | None = None
    ) -> None:
        place = [f"{file}, field {field}"]
        place += [f"slot {slot}"] if slot is not None else []
        place += [f"worker {worker}"] if worker is not None else []
        super().__init__(
            f"{', '.join(place)}: {message}",
            next_step="do not trust these bills; ask for the folder again and compare what differs",
        )
        self.file = file
        self.field = field
        self.slot = slot
        self.worker = worker


class Record(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One object in a file; nothing unknown is let in."""


class Manifest(Record, frozen=True, kw_only=True):
    """What the folder is about and the SHA-256 of every other file, signed by the Queen.

    The signature is over the keccak-256 of this object without it, keys sorted, no spaces.
    """

    v: Version
    hive: U32
    chain_id: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    contract: Hex20
    queen: Hex20
    owner: Hex20
    rule_version: Text
    files: dict[str, Hex32]
    signature: Hex64


class Index(Record, frozen=True, kw_only=True):
    """For every file one text per record: whose it is, and a short hash of each field. Names what was changed."""

    v: Version
    files: dict[str, tuple[str, ...]]


class WorkerRecord(Record, frozen=True, kw_only=True):
    """An account: `opening_slot` as on the chain; closings count it from `counted_from_slot` on."""

    worker: Hex20
    serial: Text
    opening_slot: U32
    counted_from_slot: U32


class WorkersFile(Record, frozen=True, kw_only=True):
    """All accounts, by address."""

    v: Version
    workers: tuple[WorkerRecord, ...]


class LineRecord(Record, frozen=True, kw_only=True):
    """One booked reading: `slot` is the reading's, `closed_slot` the closing that booked it.

    kind 0 pooled, 1 alone, 2 arrears; `energy_milliwh` > 0 was bought; `net_pico` is the cumulative after it;
    `funding_micro` what the Queen knew; `path` leads to the slot's root of readings (none when alone).
    """

    v: Version
    slot: U32
    closed_slot: U32
    kind: Annotated[int, Meta(ge=0, le=2)]
    energy_milliwh: I64
    reputation: U16
    amount_pico: int
    net_pico: int
    funding_micro: I64
    path: tuple[Hex32, ...]


class PeriodRecord(Record, frozen=True, kw_only=True):
    """The signed totals of a period that ends with `slot`: kind 3 PeakTotals, kind 4 ReserveTotals.

    `whole` is what the homes were charged (pico-coins) or moved (milliwatt-hours), `shared` what money is shared.
    """

    v: Version
    kind: Annotated[int, Meta(ge=3, le=4)]
    hive: U32
    slot: U32
    whole: U63
    shared: U63
    terms: Hex32
    signature: Hex64


class ChargeRecord(Record, frozen=True, kw_only=True):
    """A peak charge (kind 3) or share of the reserve (kind 4), booked at the closing of `slot`, its period's last.

    It stands after the line of `after_slot`; `quantity_milliwh` is the highest import or the energy moved.
    """

    v: Version
    kind: Annotated[int, Meta(ge=3, le=4)]
    slot: U32
    after_slot: U32
    quantity_milliwh: U63
    amount_pico: int
    net_pico: int


class StatementRecord(Record, frozen=True, kw_only=True):
    """A Statement, the next `lines` booked lines and `charges`, what was told with it, and both signatures.

    `reason` -1 is not answered yet, 0 signed by the Worker too, 1 to 7 objected to (then `own_net_micro` is the
    Worker's net and `worker_signature` is under its Objection). Unanswered: signature empty, net 0.
    """

    v: Version
    hive: U32
    slot: U32
    net_micro: I64
    import_milliwh: U48
    export_milliwh: U48
    readings: Hex32
    queen_signature: Hex64
    lines: Annotated[int, Meta(ge=1, le=192)]
    charges: Annotated[int, Meta(ge=0, le=64)]
    funding_micro: I64
    pool_micro: I64
    pending_micro: I64
    block: U48
    reason: Annotated[int, Meta(ge=-1, le=7)]
    own_net_micro: I64
    worker_signature: Annotated[str, Meta(pattern=r"^([0-9a-f]{128})?$(?!\n)")]


class MotherRecord(Record, frozen=True, kw_only=True):
    """A bill of the mother Hive for the slots from_slot .. slot of the connection point, and the cumulative after it.

    `own_pico` is what the closings of these slots took for the connection point; `closed_slot` the closing whose
    reserve took the difference. Only bills that are booked.
    """

    v: Version
    slot: U32
    from_slot: U32
    charged_pico: int
    net_pico: int
    own_pico: int
    closed_slot: U32


class RoundRecord(Record, frozen=True, kw_only=True):
    """A coordination: prices broadcast, and the last one announced for `first_slot` (10^-7 coin per kWh)."""

    v: Version
    round: U32
    first_slot: U32
    broadcasts: U32
    price_e7_per_kwh: I64


class MeterRecord(Record, frozen=True, kw_only=True):
    """The Queen's own meter at the connection point: its counters at the end of a slot."""

    v: Version
    slot: U32
    import_milliwh: U48
    export_milliwh: U48


class AccountState(Record, frozen=True, kw_only=True):
    """An account as the contract's view `account` answers."""

    funding_micro: I64
    net_micro: I64
    import_milliwh: U48
    export_milliwh: U48
    slot: U32
    state: U8
    owed: bool


class AppliedRecord(Record, frozen=True, kw_only=True):
    """What a settlement did to one account: `reason` 0 applied, else why it was skipped."""

    worker: Hex20
    reason: U8
    before: AccountState
    after: AccountState


class SettlementRecord(Record, frozen=True, kw_only=True):
    """One `settle` transaction: its receipt, its packed leaves, the accounts before and after in calldata order."""

    v: Version
    slot: U32
    batch: U32
    transaction: Hex32
    status: U8
    block: U48
    block_unix_s: I64
    gas_used: U48
    packed: HexBytes
    root: Hex32
    fee_micro: I64
    fee_taken_micro: I64
    pool_before_micro: I64
    pool_after_micro: I64
    accounts: tuple[AppliedRecord, ...]
