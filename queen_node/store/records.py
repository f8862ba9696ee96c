"""What the store hands out: frozen records without SQL in them."""

from dataclasses import dataclass, field

from honey_edge.billing.account import Position
from honey_edge.billing.tally import Tally
from honey_edge.wire.structs import Reading, SlotTotals, Statement


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A Worker of this Hive and what the chain said of its account; `frozen` after an Objection.

    The baseline is the Reading of `opening_slot`, else the first after it. Money in micro-coins.
    """

    worker: str
    serial: str
    is_open: bool
    opening_slot: int
    funding_micro: int
    frozen: bool = False
    chain_slot: int = 0
    chain_net_micro: int = 0


@dataclass(frozen=True, slots=True)
class CoverRow:
    """Pool and pending withdrawals of the Hive on the chain, micro-coins, as of a block."""

    pool_micro: int
    pending_micro: int
    block: int
    at_unix_s: int


@dataclass(frozen=True, slots=True)
class StoredReading:
    """An accepted Reading, its struct hash, and the device's signature."""

    reading: Reading
    hash: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class PositionRow:
    """Where a Worker's account stands in the Queen's book, what it adds up, which Reading its billing began at."""

    worker: str
    baseline_slot: int
    position: Position
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True)
class SlotMoney:
    """The money of one closing in pico-coins.

    `hive_cost` is the rule's C_h, `metered_cost` the same on the Queen's meter (equal where nothing is missing or
    no meter is there). Conservation: pooled + alone = metered_cost + fee + change of the running reserve.
    """

    surplus: int
    deficit: int
    fee: int
    discounts: int
    hive_cost: int
    metered_cost: int
    pooled: int
    alone: int


@dataclass(frozen=True, slots=True)
class ClosedSlot:
    """A closed slot: the signed totals, the metered energy of the connection point (None without), its money."""

    totals: SlotTotals
    signature: bytes
    message: bytes
    metered_pcc: int | None
    money: SlotMoney


@dataclass(frozen=True, slots=True)
class LineRow:
    """One booked reading; `slot` is the reading's, `closed_slot` the closing that booked it.

    `path` leads to that slot's root of readings (empty when settled alone); `statement_slot` names the Statement
    that carries the line, None while it waits. `imported`, `exported` are the reading's counters.
    """

    worker: str
    slot: int
    closed_slot: int
    kind: int
    energy_milliwh: int
    reputation: int
    amount_pico: int
    net_pico: int
    imported: int
    exported: int
    funding_micro: int
    path: tuple[bytes, ...]
    statement_slot: int | None = None


@dataclass(frozen=True, slots=True)
class StatementRow:
    """A Statement and its answer: `reason` None while outstanding, 0 both-signed, 1 to 7 objected to."""

    worker: str
    slot: int
    digest: bytes
    net_micro: int
    message: bytes
    worker_signature: bytes | None = None
    reason: int | None = None
    own_net_micro: int | None = None


@dataclass(frozen=True, slots=True)
class BothSigned:
    """A Statement under both signatures, ready for the chain."""

    statement: Statement
    queen_signature: bytes
    worker_signature: bytes


@dataclass(frozen=True, slots=True)
class RoundRow:
    """One coordination: how many prices were broadcast, how it ended, the last prices (10^-7 coin per kWh).

    `sigma` is the scale it ran with. The certificate (market-design section 6) is about `homes` homes: cost of the
    plans and what no plans can cost less than, in 10^-9 coin, and their distance in millionths of what the Hive
    saves; None where it is not known.
    """

    number: int
    first_slot: int
    broadcasts: int
    iterations: int
    flexible: int
    ended: str
    mismatch_kw: float
    prices_e7: tuple[int, ...]
    sigma: int = 0
    homes: int = 0
    upper_e9_coin: int | None = None
    lower_e9_coin: int | None = None
    gap_ppm: int | None = None


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A refused message: when, of which kind, why, and its first bytes."""

    worker: str
    at_unix_s: int
    kind: str
    reason: str
    detail: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class MeterRow:
    """The connection point's counters at the end of a slot, milliwatt-hours."""

    slot: int
    imported: int
    exported: int
