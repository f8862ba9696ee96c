"""The statement message: the signed Statement and, as parallel arrays, all it is recomputed from.

One line for every slot or late reading added since the Worker's last countersignature: the SlotTotals of the
reading's slot with the Queen's signature and the Merkle path of the reading, how it was settled (`kind`), own
energy and reputation, the amount and the cumulative money after it. Peak charges and shares of the reserve stand
beside them in arrays of their own (`charge_*`, honey_edge.wire.charge_lines).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from honey_edge.model.errors import HiveError
from honey_edge.wire import structs as signed_structs
from honey_edge.wire.charge_lines import COLUMNS, ChargeLine, charge_columns, charge_line
from honey_edge.wire.messages import I64, MAX_LINES, MAX_PATH, U16, U32, U48, U63, Hex20, Hex32, Hex64, Message

MAX_CHARGES = 64
Wide = int  # cumulative pico-coins leave 64 bits at nine million coins; Python integers do not

U16s = Annotated[tuple[U16, ...], Meta(max_length=MAX_LINES)]
U32s = Annotated[tuple[U32, ...], Meta(max_length=MAX_LINES)]
U48s = Annotated[tuple[U48, ...], Meta(max_length=MAX_LINES)]
I64s = Annotated[tuple[I64, ...], Meta(max_length=MAX_LINES)]
Wides = Annotated[tuple[Wide, ...], Meta(max_length=MAX_LINES)]
Kinds = Annotated[tuple[Annotated[int, Meta(ge=0, le=2)], ...], Meta(max_length=MAX_LINES)]
Hashes = Annotated[tuple[Hex32, ...], Meta(max_length=MAX_LINES)]
Signatures = Annotated[tuple[Hex64, ...], Meta(max_length=MAX_LINES)]
Path = Annotated[str, Meta(pattern=r"^([0-9a-f]{64})*$(?!\n)", max_length=64 * MAX_PATH)]
Paths = Annotated[tuple[Path, ...], Meta(max_length=MAX_LINES)]

_C = Meta(max_length=MAX_CHARGES)
ChargeKinds = Annotated[tuple[Annotated[int, Meta(ge=3, le=4)], ...], _C]
ChargeSlots = Annotated[tuple[U32, ...], _C]
ChargeSums = Annotated[tuple[U63, ...], _C]
ChargeHashes = Annotated[tuple[Hex32, ...], _C]
ChargeSignatures = Annotated[tuple[Hex64, ...], _C]
ChargeWides = Annotated[tuple[Wide, ...], _C]

_TOTALS_FIELDS = tuple(signed_structs.SlotTotals.__slots__)


class LinesError(HiveError, ValueError):
    """The parallel arrays of a statement message do not have one length."""

    code = "E-STATEMENT-LINES"


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One slot or late reading in an account.

    `energy_milliwh` > 0 was bought; `amount_pico` > 0 is owed by the Worker; `net_pico` is the cumulative
    after this line; `path` leads from the reading's hash to `totals.readings` (empty unless pooled).
    """

    totals: signed_structs.SlotTotals
    totals_signature: bytes
    path: tuple[bytes, ...]
    kind: int
    energy_milliwh: int
    reputation: int
    amount_pico: int
    net_pico: int


class StatementMessage(Message, frozen=True, kw_only=True, omit_defaults=True):
    """Queen to one Worker, retained: the latest Statement with its lines.

    `charge_*` are peak charges (kind 3) and shares of the reserve (kind 4): the period's last slot, the slot of the
    line after which it stands, the period's signed totals (`whole`: pico-coins charged or milliwatt-hours moved), own
    highest import or energy moved, the amount and the cumulative after it. They are left out where there are none.
    """

    hive: U32
    worker: Hex20
    slot: U32
    net_micro: I64
    import_milliwh: U48
    export_milliwh: U48
    readings: Hex32
    signature: Hex64
    funding_micro: I64
    pool_micro: I64
    pending_micro: I64
    block: U48
    line_hive: U32s
    line_slot: U32s
    line_bought: U48s
    line_sold: U48s
    line_pcc: I64s
    line_buy: I64s
    line_sell: I64s
    line_price: I64s
    line_theta: U16s
    line_fee: U16s
    line_present: U16s
    line_missing: U16s
    line_reserve: I64s
    line_readings: Hashes
    line_terms: Hashes
    line_signature: Signatures
    line_path: Paths
    line_kind: Kinds
    line_energy_milliwh: I64s
    line_reputation: U16s
    line_amount_pico: Wides
    line_net_pico: Wides
    charge_kind: ChargeKinds = ()
    charge_slot: ChargeSlots = ()
    charge_after_slot: ChargeSlots = ()
    charge_whole: ChargeSums = ()
    charge_shared: ChargeSums = ()
    charge_terms: ChargeHashes = ()
    charge_signature: ChargeSignatures = ()
    charge_quantity_milliwh: ChargeSums = ()
    charge_amount_pico: ChargeWides = ()
    charge_net_pico: ChargeWides = ()

    def signed(self) -> signed_structs.Statement:
        """The structure under the signature."""
        return signed_structs.Statement(
            self.hive,
            bytes.fromhex(self.worker),
            self.slot,
            self.net_micro,
            self.import_milliwh,
            self.export_milliwh,
            bytes.fromhex(self.readings),
        )

    def lines(self) -> list[StatementLine]:
        """The lines; LinesError when the arrays differ in length."""
        count = len(self.line_slot)
        names = [name for name in self.__struct_fields__ if name.startswith("line_")]
        for name in names:
            if len(getattr(self, name)) != count:
                raise LinesError(f"{name} has {len(getattr(self, name))} entries, line_slot has {count}")
        return [self._line(k) for k in range(count)]

    def charges(self) -> list[ChargeLine]:
        """The peak charges and shares of the reserve; LinesError when their arrays differ in length."""
        columns = {name: getattr(self, f"charge_{name}") for name in COLUMNS}
        if len({len(values) for values in columns.values()}) > 1:
            raise LinesError("the arrays charge_* differ in length")
        return [
            charge_line(self.hive, {name: values[k] for name, values in columns.items()})
            for k in range(len(self.charge_slot))
        ]

    def _line(self, k: int) -> StatementLine:
        values = {name: getattr(self, f"line_{name}")[k] for name in _TOTALS_FIELDS}
        values["readings"], values["terms"] = bytes.fromhex(values["readings"]), bytes.fromhex(values["terms"])
        path = bytes.fromhex(self.line_path[k])
        return StatementLine(
            totals=signed_structs.SlotTotals(**values),
            totals_signature=bytes.fromhex(self.line_signature[k]),
            path=tuple(path[i : i + 32] for i in range(0, len(path), 32)),
            kind=self.line_kind[k],
            energy_milliwh=self.line_energy_milliwh[k],
            reputation=self.line_reputation[k],
            amount_pico=self.line_amount_pico[k],
            net_pico=self.line_net_pico[k],
        )


@dataclass(frozen=True, slots=True)
class CoverTold:
    """What the Queen tells with a Statement about the chain: funding, pool and pending requests, as of a block."""

    funding_micro: int
    pool_micro: int
    pending_micro: int
    block: int


def statement_message(
    statement: signed_structs.Statement,
    signature: bytes,
    cover: CoverTold,
    lines: list[StatementLine],
    charges: Sequence[ChargeLine] = (),
) -> StatementMessage:
    """The message for a signed Statement with its lines, at most 192, and its charges, at most 64."""
    if len(lines) > MAX_LINES or len(charges) > MAX_CHARGES:
        raise LinesError(
            f"{len(lines)} lines and {len(charges)} charges, at most {MAX_LINES} and {MAX_CHARGES} fit one statement"
        )
    columns: dict[str, Any] = {
        f"line_{name}": tuple(getattr(line.totals, name) for line in lines) for name in _TOTALS_FIELDS
    }
    columns["line_readings"] = tuple(line.totals.readings.hex() for line in lines)
    columns["line_terms"] = tuple(line.totals.terms.hex() for line in lines)
    columns["line_signature"] = tuple(line.totals_signature.hex() for line in lines)
    columns["line_path"] = tuple(b"".join(line.path).hex() for line in lines)
    for name in ("kind", "energy_milliwh", "reputation", "amount_pico", "net_pico"):
        columns[f"line_{name}"] = tuple(getattr(line, name) for line in lines)
    columns |= charge_columns(charges)
    return StatementMessage(
        hive=statement.hive,
        worker=statement.worker.hex(),
        slot=statement.slot,
        net_micro=statement.net,
        import_milliwh=statement.imported,
        export_milliwh=statement.exported,
        readings=statement.readings.hex(),
        signature=signature.hex(),
        funding_micro=cover.funding_micro,
        pool_micro=cover.pool_micro,
        pending_micro=cover.pending_micro,
        block=cover.block,
        **columns,
    )
