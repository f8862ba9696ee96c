"""The messages between Worker and Queen, flat and versioned, one JSON object each.

Integers are energy in milliwatt-hours, money in micro- or pico-coins as named, power in watts, prices in the
rounds in 10^-7 coin per kWh. Hashes, keys and signatures are lower-case hex without 0x. What is signed is the
typed-data digest of the structure that `signed()` returns, never the JSON.
"""

from typing import Annotated

from msgspec import Meta, Struct, field, structs

from honey_edge.wire import structs as signed_structs

VERSION = 1
MAX_LINES = 192
HORIZON_SLOTS = 96
MAX_PATH = 16
MAX_MIXED = 16
MAX_WEIGHTS = 10
"""Differences that the acceleration remembers (market-design 4.1)."""

MAX_MASKED = 8_192
"""Characters of a masked answer: base64 of 109 words of 64 bits, and a share for each of the other homes."""

# "$" alone also matches before a last newline, which bytes.fromhex would then skip: two texts for one value
Hex20 = Annotated[str, Meta(pattern=r"^[0-9a-f]{40}$(?!\n)")]
Hex32 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
Hex64 = Annotated[str, Meta(pattern=r"^[0-9a-f]{128}$(?!\n)")]
U8 = Annotated[int, Meta(ge=0, le=255)]
U16 = Annotated[int, Meta(ge=0, le=65535)]
U32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
U48 = Annotated[int, Meta(ge=0, le=2**48 - 1)]
U63 = Annotated[int, Meta(ge=0, le=2**63 - 1)]
I32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
I64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Prices = Annotated[tuple[I32, ...], Meta(min_length=1, max_length=HORIZON_SLOTS)]
Powers = Annotated[tuple[I32, ...], Meta(max_length=HORIZON_SLOTS)]
Shares = Annotated[tuple[Annotated[int, Meta(ge=0, le=2**31 - 1)], ...], Meta(max_length=HORIZON_SLOTS)]
Mixture = Annotated[tuple[Annotated[int, Meta(ge=0, le=1_000_000)], ...], Meta(max_length=MAX_MIXED)]
Weights = Annotated[tuple[I64, ...], Meta(max_length=MAX_WEIGHTS)]
Products = Annotated[tuple[I64, ...], Meta(max_length=MAX_WEIGHTS + 1)]


class Message(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all messages share: the version, 1.

    It is on the wire always, also in messages that leave out what has its default value.
    """

    v: Annotated[int, Meta(ge=VERSION, le=VERSION)] = field(default_factory=lambda: VERSION)


class ReadingMessage(Message, frozen=True, kw_only=True):
    """Worker to Queen: the counters at the end of a slot, signed by the device key."""

    worker: Hex20
    slot: U32
    import_milliwh: U48
    export_milliwh: U48
    flags: U32
    configuration: Hex32
    previous: Hex32
    signature: Hex64

    def signed(self) -> signed_structs.Reading:
        """The structure under the signature."""
        return signed_structs.Reading(
            bytes.fromhex(self.worker),
            self.slot,
            self.import_milliwh,
            self.export_milliwh,
            self.flags,
            bytes.fromhex(self.configuration),
            bytes.fromhex(self.previous),
        )

    @staticmethod
    def of(reading: signed_structs.Reading, signature: bytes) -> "ReadingMessage":
        """The message for a signed Reading."""
        return ReadingMessage(
            worker=reading.worker.hex(),
            slot=reading.slot,
            import_milliwh=reading.imported,
            export_milliwh=reading.exported,
            flags=reading.flags,
            configuration=reading.configuration.hex(),
            previous=reading.previous.hex(),
            signature=signature.hex(),
        )


class SlotTotalsMessage(Message, frozen=True, kw_only=True):
    """Queen to all, retained: the totals of the slot just closed, signed by the Queen."""

    hive: U32
    slot: U32
    bought: U48
    sold: U48
    pcc: I64
    buy: I64
    sell: I64
    price: I64
    theta: U16
    fee: U16
    present: U16
    missing: U16
    reserve: I64
    readings: Hex32
    terms: Hex32
    signature: Hex64

    def signed(self) -> signed_structs.SlotTotals:
        """The structure under the signature."""
        values = structs.asdict(self)
        del values["v"], values["signature"]
        values["readings"], values["terms"] = bytes.fromhex(self.readings), bytes.fromhex(self.terms)
        return signed_structs.SlotTotals(**values)

    @staticmethod
    def of(totals: signed_structs.SlotTotals, signature: bytes) -> "SlotTotalsMessage":
        """The message for signed SlotTotals."""
        values = {name: getattr(totals, name) for name in totals.__slots__}
        values["readings"], values["terms"] = totals.readings.hex(), totals.terms.hex()
        return SlotTotalsMessage(**values, signature=signature.hex())


class CursorMessage(Message, frozen=True, kw_only=True):
    """Queen to one Worker, retained: her signed Receipt for the newest reading she has stored in the chain."""

    hive: U32
    worker: Hex20
    slot: U32
    import_milliwh: U48
    export_milliwh: U48
    reading: Hex32
    signature: Hex64

    def signed(self) -> signed_structs.Receipt:
        """The structure under the signature."""
        return signed_structs.Receipt(
            self.hive,
            bytes.fromhex(self.worker),
            self.slot,
            self.import_milliwh,
            self.export_milliwh,
            bytes.fromhex(self.reading),
        )

    @staticmethod
    def of(receipt: signed_structs.Receipt, signature: bytes) -> "CursorMessage":
        """The message for a signed Receipt."""
        return CursorMessage(
            hive=receipt.hive,
            worker=receipt.worker.hex(),
            slot=receipt.slot,
            import_milliwh=receipt.imported,
            export_milliwh=receipt.exported,
            reading=receipt.reading.hex(),
            signature=signature.hex(),
        )


class StatusMessage(Message, frozen=True, kw_only=True):
    """Worker or Queen, retained, also the last will: there or not, and which software."""

    online: bool
    version: Annotated[str, Meta(max_length=64)]
    at_unix_s: I64


class RoundMessage(Message, frozen=True, kw_only=True, omit_defaults=True):
    """Queen to all: one price broadcast of the coordination (market-design section 4).

    Iteration 0 opens a round (the price is the starting price); `final` closes it: Workers adopt the plan of
    their last answer and declare it. `sigma_kw2_per_coin` is the scale; answers are due by `deadline_unix_s`.
    `gamma_e9` are the weights of the accelerated step in 10^-9, the newest difference last (none: a plain step),
    `forget` drops the differences first, `masked` asks for masked answers. A final broadcast with shares says that no
    agreement keeps the limits: each home then plans alone and keeps its import below `import_share_ppm` millionths of
    the import it opened the round with, slot by slot, its export alike.
    `blend_e6` of a final broadcast are the weights (10^-6, sum 10^6, newest last) by which each home mixes its plans of
    the last iterations. `proof_e7` of a final broadcast is a second price, at which `proof_e9_coin` is asked for.
    What has its default value is left out.
    """

    hive: U32
    round: U32
    iteration: U16
    final: bool
    first_slot: U32
    price_e7_per_kwh: Prices
    sigma_kw2_per_coin: U32
    deadline_unix_s: I64
    gamma_e9: Weights = ()
    forget: bool = False
    masked: bool = False
    import_share_ppm: Shares = ()
    export_share_ppm: Shares = ()
    blend_e6: Mixture = ()
    proof_e7: Powers = ()


class DeclareMessage(Message, frozen=True, kw_only=True, omit_defaults=True):
    """Worker to Queen: the net power for each slot in answer to a broadcast, import positive.

    `flexible` is false for a home that can only forecast. `cost_e9_coin` is its private cost in 10^-9 coin.
    `profile` and `signature` carry the signed Declaration in answer to a final broadcast, else both are empty.
    `residual_e9_kw2` is the squared length of the residual and `inner_e9_kw2` its products for the acceleration, in
    10^-9 kW^2. To a final broadcast `bound_e9_coin` answers the least private cost plus price times energy, and
    `alone_e9_coin` (also in an opening) what the home would pay without the Hive, both in 10^-9 coin over the horizon;
    `proof_e9_coin` is the bound at the broadcast's `proof_e7`.
    `masked` is the masked form of all these numbers, which are then empty. What has its default value is left out.
    """

    worker: Hex20
    round: U32
    iteration: U16
    first_slot: U32
    flexible: bool
    power_w: Powers
    cost_e9_coin: I64
    profile: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$(?!\n)")] = ""
    signature: Annotated[str, Meta(pattern=r"^([0-9a-f]{128})?$(?!\n)")] = ""
    residual_e9_kw2: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    inner_e9_kw2: Products = ()
    bound_e9_coin: I64 | None = None
    alone_e9_coin: I64 | None = None
    proof_e9_coin: I64 | None = None
    masked: Annotated[str, Meta(max_length=MAX_MASKED)] = ""

    def signed(self) -> signed_structs.Declaration:
        """The Declaration under the signature of a final answer."""
        return signed_structs.Declaration(
            bytes.fromhex(self.worker), self.first_slot, self.round, bytes.fromhex(self.profile)
        )


class CertificateMessage(Message, frozen=True, kw_only=True):
    """Queen to all, retained: how far the newest round's agreement can be from the optimum (market-design section 6).

    `upper_e9_coin` is what the agreed plans cost over the horizon, `lower_e9_coin` what no plans can cost less than;
    `gap_ppm` is their distance as a part of what the Hive saves its homes. Both are null where a home did not say
    what they follow from. `homes` took part, `ended` says how the round ended.
    """

    hive: U32
    round: U32
    first_slot: U32
    iterations: U16
    upper_e9_coin: I64
    homes: U16
    ended: Annotated[str, Meta(max_length=24)]
    lower_e9_coin: I64 | None = None
    gap_ppm: Annotated[int, Meta(ge=0, le=2**53)] | None = None


class CountersignMessage(Message, frozen=True, kw_only=True):
    """Worker to Queen: its signature under the Statement (reason 0) or under an Objection (reason 1 to 7).

    `statement` is the EIP-712 digest of the Statement answered; `net_micro` the Worker's own net.
    """

    worker: Hex20
    slot: U32
    statement: Hex32
    net_micro: I64
    reason: Annotated[int, Meta(ge=0, le=7)]
    signature: Hex64

    def objection(self) -> signed_structs.Objection:
        """The Objection under the signature when `reason` is not 0."""
        return signed_structs.Objection(bytes.fromhex(self.statement), self.net_micro, self.reason)
