"""One immutable snapshot of the Worker that every surface reads; it is replaced whole and never changed.

How it is read: `Board.read()` returns the newest `State` (cheap, any thread may call it);
`await Board.wait_change(seen, timeout_s)` returns the newest one as soon as its `version` differs from `seen`, or the
same one after the time-out (wall time, so that an event stream can send a sign of life). A surface gets these two
callables and nothing else. Ages are to be computed against `State.now_unix_s` when the clock is granted (simulation)
and against the real time otherwise: `State.granted` says which.

Units are in the names. Power: import and charging are positive. Energy: integer milliwatt-hours. Money: integers of
pico-coins (10^-12) or micro-coins (10^-6); positive is owed by the home, negative is earned. None means "not known" or
"not there", never zero. Times are Unix seconds, UTC.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

AGREED, OBJECTED, PENDING = "agreed", "objected", "pending"


@dataclass(frozen=True, slots=True)
class Home:
    """Who this is: fixed while the daemon runs."""

    name: str
    serial: str
    address: str
    hive: int
    meter: str
    currency: str
    software: str
    has_battery: bool
    battery_capacity_wh: int
    max_power_w: int
    contract: str
    chain_id: int
    queen: str
    terms_version: int


@dataclass(frozen=True, slots=True)
class Live:
    """The newest sample: what is happening now.

    `power_w` is the net power at the connection, import positive. `phase_power_w`, `voltage_v` and `current_a` have
    three entries (0.0 for a phase that a single-phase meter lacks). `pv_w` and `load_w` are None where nothing measures
    them. `battery_w` positive charges; `soc_permille` is the charge of the battery in thousandths.
    """

    at_unix_s: float
    power_w: float | None
    phase_power_w: tuple[float, float, float] | None
    voltage_v: tuple[float, float, float] | None
    current_a: tuple[float, float, float] | None
    frequency_hz: float | None
    temperature_c: float | None
    import_milliwh: int
    export_milliwh: int
    pv_w: float | None = None
    load_w: float | None = None
    battery_w: float | None = None
    soc_permille: int | None = None


@dataclass(frozen=True, slots=True)
class SlotRow:
    """One closed slot of this home, from its own journal.

    `net_milliwh` > 0 was bought. `span_slots` is 1 unless slot ends were missed. `kind` is 0 pooled, 1 alone,
    2 arrears, None while the Queen has not settled it. `standalone_pico` is the same energy at the home's own tariff
    (an estimate while `settled` is false), `amount_pico` what it pays in the Hive (None while unsettled).
    `local_milliwh` is the share that came from or went to neighbours, `price_micro_per_kwh` the slot's Hive price.
    `status` is AGREED, OBJECTED or PENDING.
    """

    slot: int
    span_slots: int
    import_milliwh: int
    export_milliwh: int
    net_milliwh: int
    flags: int
    buy_micro_per_kwh: int
    sell_micro_per_kwh: int
    standalone_pico: int
    amount_pico: int | None = None
    kind: int | None = None
    local_milliwh: int | None = None
    price_micro_per_kwh: int | None = None
    status: str = PENDING

    @property
    def settled(self) -> bool:
        """Whether the slot is closed and signed by both."""
        return self.status == AGREED


@dataclass(frozen=True, slots=True)
class ChargeRow:
    """A peak charge (kind 3) or share of the reserve (kind 4) of the period up to `slot`, signed by both.

    `quantity_milliwh` is the highest import of one slot, or the energy moved; `amount_pico` what is paid (a share of
    the reserve is negative), `standalone_pico` what it would be without the Hive.
    """

    kind: int
    slot: int
    quantity_milliwh: int
    amount_pico: int
    standalone_pico: int


@dataclass(frozen=True, slots=True)
class Today:
    """Sums since the start of the UTC day, over the rows of `State.slots` that belong to it.

    `saved_pico` = standalone - paid over settled slots only; `pending_standalone_pico` is the estimate for the rest.
    `running_import_milliwh`/`running_export_milliwh` belong to the slot that is not closed yet. `charges` are those of
    periods that ended today or with the last slot before; they are in none of the sums.
    """

    day: int
    import_milliwh: int
    export_milliwh: int
    slots_settled: int
    slots_pending: int
    standalone_pico: int
    paid_pico: int
    saved_pico: int
    pending_standalone_pico: int
    running_import_milliwh: int = 0
    running_export_milliwh: int = 0
    charges: tuple[ChargeRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """The account with the Hive, recomputed here.

    `net_pico` is exact and cumulative since the first opening; `net_micro` stands in the last Statement signed by both
    (its slot is `agreed_slot`). `funding_micro` and `pool_micro` are as told by the Queen at `block`; `credit_micro` =
    funding - net, None before the first Statement. `arrears_pico` is what is above funding. `saved_pico` is the
    cumulative difference to the own tariff. `objection` is empty or says what was refused, in words, since
    `objection_slot`; `objection_reason` is its number (chain-design section 3, 0: none). `reputation_permille` is the
    own reckoning of the factor of the discount, of the day of the last agreed slot (1000: full).
    """

    agreed_slot: int | None = None
    net_pico: int = 0
    net_micro: int = 0
    funding_micro: int | None = None
    pool_micro: int | None = None
    block: int | None = None
    credit_micro: int | None = None
    arrears_pico: int = 0
    saved_pico: int = 0
    statements_both_signed: int = 0
    objection: str = ""
    objection_reason: int = 0
    objection_slot: int | None = None
    reputation_permille: int = 1000


PLAN_FLAGS = frozenset(
    {
        "plan_refused",
        "last_good_plan",
        "set_point_clipped",
        "limit_share_exceeded",
        "soc_start_clamped",
        "soc_end_relaxed",
        "comfort_relaxed",
        "car_energy_relaxed",
    }
)
"""What a plan can have beside it; the page has a sentence for each."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The battery's schedule in hand.

    `source` is "hive" (agreed in a round), "alone" (own schedule without the Queen), "safe rule" (self-consumption) or
    "none" (no battery). `battery_w` and `net_w` have one entry for each slot from `first_slot`; the price is the
    announced one of `first_slot` or None. `told_w` is what the other assets were told last (heat_w, car_w, shed_w,
    curtail_w). `flags` says what is not as it should be (`PLAN_FLAGS`): refused plans, set-points that were cut, and
    what the plan had to relax (market-design section 7).
    """

    source: str = "none"
    first_slot: int | None = None
    net_w: tuple[int, ...] = ()
    battery_w: tuple[int, ...] = ()
    price_e7_per_kwh: tuple[int, ...] = ()
    round: int | None = None
    set_point_w: int | None = None
    flags: tuple[str, ...] = ()
    told_w: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """One named check of the installation: passed or not, and since when it fails.

    Names: `energy-cross-check`, `meter`, `clock`, `meter-bus`, `energy-lost`, `battery`, `serve`,
    `fair-play`. `detail` gives the figures compared.
    """

    name: str
    ok: bool
    detail: str = ""
    since_unix_s: float | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """The way to the Queen.

    `broker_since_unix_s`/`queen_since_unix_s`: since when the present state holds. `unreceipted` readings are kept
    safely here and not yet confirmed by her signature; `last_receipt_slot` is the newest that is.
    """

    broker_online: bool = False
    broker_since_unix_s: float | None = None
    queen_online: bool = False
    queen_since_unix_s: float | None = None
    unreceipted: int = 0
    last_receipt_slot: int | None = None
    refused_messages: int = 0


@dataclass(frozen=True, slots=True)
class Chain:
    """What this box saw on the chain itself, where both of its RPC addresses said the same.

    `watched` is false where the settings name no address; `trouble` says why the newest try gave no answer (empty: it
    did). `findings` names what the homeowner should know, the most serious first: stale-close, close, closed,
    no-account, other-queen, cover, owed, unsettled, frozen, unchecked. `checked_unix_s` is when the figures were seen;
    they are None or zero before the first time. `cover` says in words why the pool is too small (empty: it is not).
    `close_side`: 1 the home, 2 the Queen, 3 anyone. `contest_taken` of `contest_addresses` have our newer Statement.
    """

    watched: bool = False
    trouble: str = ""
    findings: tuple[str, ...] = ()
    checked_unix_s: float | None = None
    block: int | None = None
    account: str = ""
    funding_micro: int | None = None
    net_micro: int | None = None
    slot: int | None = None
    pool_micro: int | None = None
    pending_micro: int | None = None
    settled_slot: int | None = None
    cover: str = ""
    close_ends_unix_s: float | None = None
    close_slot: int | None = None
    close_side: int = 0
    contest_taken: int = 0
    contest_addresses: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """Everything a surface may show. `slots` are the closed slots of the last 24 hours, oldest first."""

    version: int
    now_unix_s: float
    granted: bool
    clock_trusted: bool
    started_unix_s: float
    home: Home
    live: Live | None = None
    meter_silent_since_unix_s: float | None = None
    today: Today | None = None
    slots: tuple[SlotRow, ...] = ()
    readings_signed: int = 0
    account: Account = field(default_factory=Account)
    plan: Plan = field(default_factory=Plan)
    link: Link = field(default_factory=Link)
    checks: tuple[Check, ...] = ()
    chain: Chain = field(default_factory=Chain)


class Board:
    """Holds the newest State; written in the event loop, read from anywhere."""

    def __init__(self, first: State) -> None:
        self._state = first
        self._changed = asyncio.Event()

    def read(self) -> State:
        """The newest snapshot."""
        return self._state

    def update(self, change: Callable[[State], State]) -> State:
        """Replaces the snapshot by `change(newest)` with the next version and wakes who waits."""
        self._state = replace(change(self._state), version=self._state.version + 1)
        self._changed.set()
        self._changed = asyncio.Event()
        return self._state

    async def wait_change(self, seen: int, timeout_s: float) -> State:
        """The newest snapshot once its version differs from `seen`, or after `timeout_s` seconds of wall time."""
        if self._state.version == seen:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._changed.wait()
            except TimeoutError:
                return self._state
        return self._state
