"""The Queen's totals of a period, published once and retained: of its peak charges, and of the reserve shared out.

A home computes its own line of the bill from them and from its own energies (market-design section 8); the same totals
stand beside that line in its statement message.
"""

from honey_edge.wire import structs as signed_structs
from honey_edge.wire.messages import U32, U63, Hex32, Hex64, Message


class PeakTotalsMessage(Message, frozen=True, kw_only=True):
    """Queen to all, retained: the signed peak charges of the period that ends with `slot`, pico-coins.

    `charged` is what all homes would pay alone, `shared` what pooling saved of that, less the fee.
    """

    hive: U32
    slot: U32
    charged: U63
    shared: U63
    terms: Hex32
    signature: Hex64

    def signed(self) -> signed_structs.PeakTotals:
        """The structure under the signature."""
        return signed_structs.PeakTotals(self.hive, self.slot, self.charged, self.shared, bytes.fromhex(self.terms))

    @staticmethod
    def of(totals: signed_structs.PeakTotals, signature: bytes) -> "PeakTotalsMessage":
        """The message for signed PeakTotals."""
        return PeakTotalsMessage(
            hive=totals.hive,
            slot=totals.slot,
            charged=totals.charged,
            shared=totals.shared,
            terms=totals.terms.hex(),
            signature=signature.hex(),
        )


class ReserveTotalsMessage(Message, frozen=True, kw_only=True):
    """Queen to all, retained: the signed share-out of the reserve for the UTC month that ends with `slot`.

    `shared` pico-coins are shared out by `moved` milliwatt-hours, what all homes moved since the last share-out.
    """

    hive: U32
    slot: U32
    shared: U63
    moved: U63
    terms: Hex32
    signature: Hex64

    def signed(self) -> signed_structs.ReserveTotals:
        """The structure under the signature."""
        return signed_structs.ReserveTotals(self.hive, self.slot, self.shared, self.moved, bytes.fromhex(self.terms))

    @staticmethod
    def of(totals: signed_structs.ReserveTotals, signature: bytes) -> "ReserveTotalsMessage":
        """The message for signed ReserveTotals."""
        return ReserveTotalsMessage(
            hive=totals.hive,
            slot=totals.slot,
            shared=totals.shared,
            moved=totals.moved,
            terms=totals.terms.hex(),
            signature=signature.hex(),
        )
