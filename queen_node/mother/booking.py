"""Books what the mother charges otherwise than the own rule into the reserve (market-design section 8, "daughter").

The homes of a daughter Hive are settled at once, with C_h by the rule on the connection point's energy. What the mother
really charges for it stands in her Statements for the connection point's Worker, signed, usually a slot later.
`receive` verifies each and stores what it adds to the one before; `due` is asked at every closing, within its
transaction, and books what is there: each bill once, with the closings of all its slots done before. So at every
closing payments = C_h + fee + reserve still holds with the reserve less what the mother took more than C_h.

The first Statement ever seen only says where the account stood. A bill for slots before the Hive's own first closing
belongs to nobody in it and is set down without a difference.
"""

import logging
from collections.abc import Callable

from sqlalchemy import Connection

from honey_edge.billing.clearing import ClearingError
from honey_edge.model.ids import address_bytes
from honey_edge.model.slots import slot_at
from honey_edge.wire.codec import MessageError, decode
from honey_edge.wire.mother_bill import MotherBill, read_bill
from honey_edge.wire.recompute import SLOT, Agreement, Disagreement
from honey_edge.wire.statement_message import LinesError, StatementMessage
from queen_node.store import Store, books, mothers, periods
from queen_node.store.mothers import MotherBillRow

_LOG = logging.getLogger(__name__)


class MotherBook:
    """The account of the connection point with the mother; `worker` is its address there (40 hex digits)."""

    def __init__(
        self,
        store: Store,
        agreement: Agreement,
        worker: str,
        now_unix_s: Callable[[], float],
        refuse: Callable[[str, str, bytes], None],
    ) -> None:
        self._store, self._agreement, self._worker = store, agreement, address_bytes(worker)
        self._now_unix_s, self._refuse = now_unix_s, refuse

    def receive(self, payload: bytes) -> None:
        """Takes a Statement of the mother; one that does not hold is noted and changes nothing."""
        try:
            bill = self._read(payload)
        except (MessageError, LinesError, Disagreement, ClearingError) as error:
            _LOG.warning("mother_bill_refused code=%s reason=%r", error.code, str(error))
            self._refuse("mother-bill", str(error), payload)
            return
        with self._store.begin() as tx:
            row = _next_row(mothers.last_bill(tx), bill, payload)
            if row is not None:
                mothers.add_bill(tx, row)
        if row is not None:
            _LOG.info("mother_bill from_slot=%d slot=%d charged_pico=%d", row.from_slot, row.slot, row.charged_pico)

    def _read(self, payload: bytes) -> MotherBill:
        bill = read_bill(self._agreement, self._worker, decode(StatementMessage, payload))
        running = slot_at(self._now_unix_s())
        if bill.slot > running:
            raise Disagreement(SLOT, "slot", bill.slot, f"is not over: slot {running} runs")
        return bill


def _next_row(last: MotherBillRow | None, bill: MotherBill, payload: bytes) -> MotherBillRow | None:
    """What a bill adds; None for one that is known or older."""
    if last is not None:
        if bill.slot <= last.slot:
            return None
        charged = bill.net_pico - last.net_pico
        return MotherBillRow(bill.slot, last.slot + 1, charged, bill.net_pico, payload)
    if bill.one_slot:
        return MotherBillRow(bill.slot, bill.first_slot, bill.net_pico - bill.before_pico, bill.net_pico, payload)
    # Nobody says how many slots that first line is about: the account begins here.
    return MotherBillRow(bill.slot, bill.slot + 1, 0, bill.net_pico, payload)


def due(tx: Connection, slot: int) -> int:
    """What the bills that wait charge more than the own closings of their slots took, pico-coins; they are booked now.

    `slot` is the one that is being closed.
    """
    first, more = books.first_closed_slot(tx), 0
    for bill in mothers.waiting_bills(tx, slot):
        if first is None or bill.from_slot < first:
            mothers.book_bill(tx, bill.slot, bill.charged_pico, slot)
            continue
        closed = books.closed_between(tx, bill.from_slot, bill.slot)
        own = sum(one.money.metered_cost for one in closed)
        own += sum(one.metered_cost_pico for one in periods.all_periods(tx) if bill.from_slot <= one.slot <= bill.slot)
        mothers.book_bill(tx, bill.slot, own, slot)
        more += bill.charged_pico - own
    return more
