"""The signed structures of chain-design section 3, in field order. What is signed is their EIP-712 digest.

Addresses are 20 bytes, hashes 32; energy in milliwatt-hours; money in micro-coins except `SlotTotals.reserve`
and the sums of periods (pico-coins); prices in micro-coins per kWh.
"""

from dataclasses import dataclass

ZERO_HASH = bytes(32)


@dataclass(frozen=True, slots=True)
class Reading:
    """The meter's counters at the END of a slot, signed by the device key; `previous` chains the readings."""

    worker: bytes
    slot: int
    imported: int
    exported: int
    flags: int
    configuration: bytes
    previous: bytes


@dataclass(frozen=True, slots=True)
class SlotTotals:
    """What every Worker recomputes its payment from, signed by the Queen once per slot."""

    hive: int
    slot: int
    bought: int
    sold: int
    pcc: int
    buy: int
    sell: int
    price: int
    theta: int
    fee: int
    present: int
    missing: int
    reserve: int
    readings: bytes
    terms: bytes


@dataclass(frozen=True, slots=True)
class PeakTotals:
    """A period's peak charges up to `slot`, pico-coins: the homes' own added up, and what pooling saved of them."""

    hive: int
    slot: int
    charged: int
    shared: int
    terms: bytes


@dataclass(frozen=True, slots=True)
class ReserveTotals:
    """The reserve that is shared out for the UTC month up to `slot`, by the milliwatt-hours that all homes moved."""

    hive: int
    slot: int
    shared: int
    moved: int
    terms: bytes


@dataclass(frozen=True, slots=True)
class HiveTerms:
    """What the home accepted, signed by Queen and owner; `tariff` is the keccak-256 of the tariff file."""

    hive: int
    version: int
    from_slot: int
    tariff: bytes
    theta: int
    fee: int
    platform_bps: int
    max_price: int
    max_power_w: int
    island_ceiling: int
    cover_days: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """The newest reading the Queen has stored in an unbroken chain; the Worker may then forget."""

    hive: int
    worker: bytes
    slot: int
    imported: int
    exported: int
    reading: bytes


@dataclass(frozen=True, slots=True)
class Objection:
    """A Worker refuses a Statement: its digest, the Worker's own net, and a reason number."""

    statement: bytes
    net: int
    reason: int


@dataclass(frozen=True, slots=True)
class PayoutAddress:
    """Where a Worker's money goes, signed by its device key; `serial` only rises."""

    hive: int
    worker: bytes
    payout: bytes
    serial: int


@dataclass(frozen=True, slots=True)
class Statement:
    """The cumulative account of one Worker up to a slot: Queen signs first, Worker second, same digest."""

    hive: int
    worker: bytes
    slot: int
    net: int
    imported: int
    exported: int
    readings: bytes


@dataclass(frozen=True, slots=True)
class SettleBatch:
    """A relayed settlement: the Queen signs the keccak-256 of the packed leaves."""

    hive: int
    slot: int
    batch: int
    packed: bytes


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a Worker promised for the first slot of a round; `profile` hides it until its reading."""

    worker: bytes
    first_slot: int
    round: int
    profile: bytes


@dataclass(frozen=True, slots=True)
class CloseRequest:
    """Asks for a close; signed by Worker, payout address or Queen.

    `newest_slot` is the newest Statement the Queen has signed when she asks; `deadline` is unix seconds.
    """

    hive: int
    worker: bytes
    newest_slot: int
    deadline: int


@dataclass(frozen=True, slots=True)
class CloseAgreement:
    """A Statement both close on at once; `payout` micro-coins go to the home, the rest to the pool."""

    hive: int
    worker: bytes
    slot: int
    net: int
    imported: int
    exported: int
    readings: bytes
    payout: int
    deadline: int


@dataclass(frozen=True, slots=True)
class WithdrawPermit:
    """The Queen lets a Worker take `amount` micro-coins out while the account stays open; `serial` only rises."""

    hive: int
    worker: bytes
    amount: int
    slot: int
    serial: int
    deadline: int


@dataclass(frozen=True, slots=True)
class MeterCertificate:
    """A certifier's word for a meter, valid for the Beekeeper; the texts are keccak-256 hashes."""

    meter: bytes
    serial_hash: bytes
    manufacturer: bytes
    model: bytes
    not_after: int


@dataclass(frozen=True, slots=True)
class FlexOrder:
    """A paid change of power in one slot, valid for the FlexibilityPool; Queen signs first, Worker second.

    `watts` is signed as everywhere (import positive), `price` is micro-coins for the order.
    """

    hive: int
    worker: bytes
    slot: int
    watts: int
    price: int
    serial: int


Signed = (
    Reading
    | SlotTotals
    | PeakTotals
    | ReserveTotals
    | HiveTerms
    | Receipt
    | Objection
    | PayoutAddress
    | Statement
    | SettleBatch
    | Declaration
    | CloseRequest
    | CloseAgreement
    | WithdrawPermit
    | MeterCertificate
    | FlexOrder
)
