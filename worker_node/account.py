"""Recomputes each Statement from SlotTotals, the journal, the terms and the funding told; countersigns or objects.

Nothing else goes in (chain-design section 3, "What a Worker checks before signing"). An answer is in the journal
before anybody may send it, and a repeated Statement gets the stored answer.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from honey_edge.billing.account import ALONE, Booking, Position, statement_net_micro
from honey_edge.billing.clearing import ClearingError, shared_locally, tariff_cost_pico
from honey_edge.billing.cover import Cover, counted_from, cover_objection, owed_to_sellers_pico
from honey_edge.billing.peak import peak_cost_pico
from honey_edge.billing.tally import PEAK
from honey_edge.market.fairplay.reputation import FLOOR
from honey_edge.model.ids import address_text
from honey_edge.model.slots import SLOTS_PER_DAY
from honey_edge.wire.charge_lines import ChargeLine
from honey_edge.wire.codec import decode, encode
from honey_edge.wire.messages import CountersignMessage
from honey_edge.wire.recompute import (
    FUNDS,
    POOL,
    SLOT,
    Agreement,
    Disagreement,
    Ledger,
    pool_of,
    recompute_statement,
)
from honey_edge.wire.signing import Signer, signed_by
from honey_edge.wire.statement_message import LinesError, StatementLine, StatementMessage
from honey_edge.wire.structs import Objection, Statement
from honey_edge.wire.typed_data import digest
from worker_node.journal import Answered, Booked, BookedCharge, Journal, JournalThread, SignedReading
from worker_node.standing import Walk, walk

_LOG = logging.getLogger(__name__)
OWED_LIMIT_SLOTS = 14 * SLOTS_PER_DAY


class CoverSource(Protocol):
    """The Worker's own eye on the chain, as far as cover needs it."""

    def newest(self) -> Cover | None:
        """The newest look; None while there is none that still counts."""

    async def again(self) -> Cover | None:
        """A new look, if one can be had in a few seconds; else the newest."""


class ForeignStatement(LinesError):
    """A statement message that is not for this Worker or not from the Queen; it gets no answer."""

    code = "E-STATEMENT-FOREIGN"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to send for a Statement: the encoded countersignature or objection, or None for one that is ignored."""

    payload: bytes | None
    reason: int
    detail: str
    fresh: bool


@dataclass(frozen=True, slots=True)
class AccountView:
    """The account for the page: the newest told figures and the newest refusal."""

    ledger: Ledger | None
    agreed: StatementMessage | None
    told: StatementMessage | None
    refused: Answered | None
    agreed_count: int
    saved_pico: int
    reputation: int


class Account:
    """Answers Statements of one Worker."""

    def __init__(
        self,
        agreement: Agreement,
        signer: Signer,
        journal: JournalThread,
        now_unix_s: Callable[[], float],
        opening_slot: int = 0,
        cover: CoverSource | None = None,
        *,
        declares: bool = True,
    ) -> None:
        """`declares` false: another declares in this Worker's name, so that no factor can be reckoned here."""
        self._agreement = agreement
        self._signer = signer
        self._journal = journal
        self._now_unix_s = now_unix_s
        self._opening_slot = opening_slot
        self._cover_source = cover
        self._declares = declares

    async def answer(self, payload: bytes) -> Outcome:
        """The answer to a statement message, persisted; MessageError or ForeignStatement for one to refuse."""
        message = decode(StatementMessage, payload)
        statement = message.signed()
        hashed = self._genuine(message, statement)
        cover = await self._cover(message)
        return await self._journal.call(
            lambda journal: self._answer(journal, message, statement, hashed, payload, cover)
        )

    async def _cover(self, message: StatementMessage) -> Cover:
        """What the pool holds: by the own look at the chain, else as told.

        A look that is older than what the Queen tells and finds the pool short is taken again before anybody objects.
        """
        told = Cover(message.pool_micro, message.pending_micro, message.block)
        own = self._cover_source.newest() if self._cover_source else None
        if self._cover_source is None or own is None:
            return told
        look = own
        if look.block < message.block and await self._journal.call(lambda one: self._doubted(one, look, message)):
            own = await self._cover_source.again()
        return own or told

    def _doubted(self, journal: Journal, cover: Cover, message: StatementMessage) -> bool:
        """Whether a look finds the pool short; a malformed message is not judged here but by the recomputation."""
        try:
            return bool(self._short(journal, cover, message))
        except (LinesError, ClearingError):
            return False

    def _short(self, journal: Journal, cover: Cover, message: StatementMessage) -> str:
        """Why the cover is not enough for this Statement; empty when it is."""
        ledger = journal.ledger()
        agreed = ledger.statement_slot if ledger else None
        days = self._agreement.terms.cover_days
        owed = owed_by_slot(journal, cover, message.slot) | _owed_in(message) if days else {}
        return cover_objection(cover, owed, message.slot, agreed, days)

    def _genuine(self, message: StatementMessage, statement: Statement) -> bytes:
        """The Statement's digest; ForeignStatement unless the Queen signed it for this Worker."""
        hashed = digest(self._agreement.domain, statement)
        if statement.worker != self._signer.address:
            raise ForeignStatement(f"a statement for {address_text(statement.worker)} came here")
        if not signed_by(self._agreement.queen, hashed, bytes.fromhex(message.signature)):
            raise ForeignStatement(f"the statement of slot {statement.slot} is not signed by the Queen")
        return hashed

    def _answer(
        self,
        journal: Journal,
        message: StatementMessage,
        statement: Statement,
        hashed: bytes,
        payload: bytes,
        cover: Cover,
    ) -> Outcome:
        known = journal.answer_of(statement.slot)
        if known is not None and known.digest == hashed:
            return Outcome(known.answer, known.reason, known.detail, fresh=False)
        ledger = journal.ledger()
        if ledger is not None and statement.slot < ledger.statement_slot:
            return Outcome(None, SLOT, f"slot {statement.slot} is older than the last agreed one", fresh=False)
        try:
            if known is not None:
                raise Disagreement(SLOT, "slot", statement.slot, "was answered already for another Statement")
            agreed, booked, own = self._recompute(journal, ledger, message, statement)
            charges = [self._charged(one, statement.slot) for one in message.charges()]
            short = self._short(journal, cover, message)
            if short:
                raise Disagreement(POOL, "pool", statement.slot, short)
        except (Disagreement, LinesError) as error:
            reason = error.reason if isinstance(error, Disagreement) else SLOT
            return self._object(journal, statement, hashed, payload, reason, str(error))
        answer = self._signed(statement, hashed, statement.net, 0, hashed)
        kept = Answered(statement.slot, hashed, 0, payload, answer, "", int(self._now_unix_s()))
        journal.put_answer(kept, agreed, booked, own.after, charges, own.watched)
        _LOG.info("statement_countersigned slot=%d net_micro=%d lines=%d", statement.slot, statement.net, len(booked))
        return Outcome(answer, 0, "", fresh=True)

    def _recompute(
        self, journal: Journal, ledger: Ledger | None, message: StatementMessage, statement: Statement
    ) -> tuple[Ledger, list[Booked], Walk]:
        lines = message.lines()
        if statement.net > message.funding_micro:
            raise Disagreement(
                FUNDS, "net", statement.slot, f"{statement.net} is above the funding told, {message.funding_micro}"
            )
        if message.pool_micro < message.pending_micro:
            raise Disagreement(
                POOL, "pool", statement.slot, f"{message.pool_micro} does not cover requests of {message.pending_micro}"
            )
        before = ledger or self._baseline(journal, statement, lines)
        readings = [one.reading for one in journal.readings_after(before.position.slot, len(lines))]
        own = walk(journal, before.position, readings, lines)
        agreed, bookings = recompute_statement(
            self._agreement,
            before,
            readings,
            lines,
            statement,
            message.funding_micro,
            own.lowest if self._declares else (FLOOR,) * len(lines),
            message.charges(),
        )
        return agreed, _booked(bookings, lines, statement.slot), own

    def _baseline(self, journal: Journal, statement: Statement, lines: Sequence[StatementLine]) -> Ledger:
        """Where the account begins: the reading at its opening, else the first after it (chain-design section 3).

        Without a told opening slot the first line's reading is the first to be paid, the one before it the baseline.
        """
        first: SignedReading | None = None
        if self._opening_slot:
            first = journal.first_reading_from(self._opening_slot)
        elif lines:
            first = journal.last_reading_before(lines[0].totals.slot)
        if first is None:
            raise Disagreement(SLOT, "lines", statement.slot, "no reading of this Worker comes before the first line")
        at = first.reading
        return Ledger(Position(at.slot, at.imported, at.exported, 0), at.slot)

    def _charged(self, line: ChargeLine, statement_slot: int) -> BookedCharge:
        """A charge that was recomputed; alone the home would pay its peak in full and have no reserve to share."""
        alone = 0
        if line.kind == PEAK:
            alone = peak_cost_pico(line.quantity_milliwh, self._agreement.tariff.peak_micro_per_kw)
        return BookedCharge(line.kind, line.totals.slot, line.quantity_milliwh, line.amount_pico, alone, statement_slot)

    def _object(
        self, journal: Journal, statement: Statement, hashed: bytes, payload: bytes, reason: int, detail: str
    ) -> Outcome:
        ledger = journal.ledger()
        net = 0
        if ledger is not None:
            net = statement_net_micro(ledger.position.net_pico, decode(StatementMessage, payload).funding_micro)
        objection = Objection(hashed, net, reason)
        answer = self._signed(statement, hashed, net, reason, digest(self._agreement.domain, objection))
        kept = Answered(statement.slot, hashed, reason, payload, answer, detail, int(self._now_unix_s()))
        if journal.answer_of(statement.slot) is None:
            journal.put_answer(kept, None)
        _LOG.error("statement_refused slot=%d reason=%d detail=%r", statement.slot, reason, detail)
        return Outcome(answer, reason, detail, fresh=True)

    def _signed(self, statement: Statement, hashed: bytes, net: int, reason: int, to_sign: bytes) -> bytes:
        return encode(
            CountersignMessage(
                worker=address_text(self._signer.address),
                slot=statement.slot,
                statement=hashed.hex(),
                net_micro=net,
                reason=reason,
                signature=self._signer.sign(to_sign).hex(),
            )
        )

    async def newest_answer(self) -> bytes | None:
        """The answer to the newest Statement, to be sent again after a reconnect."""
        last = await self._journal.call(lambda journal: journal.last_answer())
        return last.answer if last else None

    async def view(self) -> AccountView:
        """The account for the page."""
        return await self._journal.call(_view)


def _booked(bookings: Sequence[Booking], lines: Sequence[StatementLine], slot: int) -> list[Booked]:
    """The recomputed lines for the journal; what settles alone costs what it would without the Hive."""
    rows = []
    for booking, line in zip(bookings, lines, strict=True):
        totals, energy, own, local = line.totals, booking.energy_milliwh, booking.amount_pico, 0
        if line.kind != ALONE:
            own = tariff_cost_pico(energy, totals.buy, totals.sell)
            local = shared_locally(energy, totals.bought, totals.sold)
        at = booking.position.slot
        rows.append(Booked(at, booking.kind, energy, booking.amount_pico, own, local, totals.price, slot))
    return rows


def owed_by_slot(journal: Journal, cover: Cover, slot: int) -> dict[int, int]:
    """What the Hive's published totals say it owes its sellers since its last settlement, pico-coins by slot.

    Read from the agreed statement messages of at most two weeks before `slot`, so that one look stays short; a Hive not
    settled for longer is refused by its age.
    """
    owed: dict[int, int] = {}
    for message in journal.agreed_messages(max(counted_from(cover, slot), slot - OWED_LIMIT_SLOTS)):
        owed.update(_owed_in(decode(StatementMessage, message)))
    return owed


def _owed_in(message: StatementMessage) -> dict[int, int]:
    return {line.totals.slot: owed_to_sellers_pico(pool_of(line.totals)) for line in message.lines()}


def _view(journal: Journal) -> AccountView:
    agreed, last = journal.last_answer(agreed_only=True), journal.last_answer()
    return AccountView(
        ledger=journal.ledger(),
        agreed=decode(StatementMessage, agreed.message) if agreed else None,
        told=decode(StatementMessage, last.message) if last else None,
        refused=last if last is not None and last.reason else None,
        agreed_count=journal.agreed_count(),
        saved_pico=journal.saved_pico(),
        reputation=journal.reputation().rho,
    )
