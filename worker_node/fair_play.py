"""The home's side of fair play: what it discloses to an audit, what it makes of a finding, and its appeal.

A disclosure tells the Queen the home's assets and forecast, so it is given only for a round this Worker answered, only
when the lot really fell on it (the closed slot's totals say so), when the Queen says that its answers contradict each
other, or in its own appeal; and only so often a day. What was disclosed is on disk before it leaves.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec import structs

from honey_edge.market.fairplay import conduct
from honey_edge.market.fairplay.bias import GOOD, SUSPENDED
from honey_edge.market.fairplay.lots import is_drawn
from honey_edge.model.errors import HiveError
from honey_edge.model.ids import address_bytes, address_text
from honey_edge.wire.codec import decode
from honey_edge.wire.fairplay_messages import (
    APPEALED,
    BY_AUDIT,
    BY_OPERATOR,
    DRAWN,
    AppealMessage,
    AuditAskMessage,
    DisclosureMessage,
    FairPlayMessage,
    StandingMessage,
)
from honey_edge.wire.signing import Signer, signed_by
from honey_edge.wire.statement_message import StatementMessage
from honey_edge.wire.typed_data import Domain, struct_hash
from worker_node.fairplay_records import AnsweredRound, OwnAppeal
from worker_node.journal import Journal, JournalThread
from worker_node.standing import findings, runs_of

_LOG = logging.getLogger(__name__)
_DAY_S = 86_400
APPEAL_ANSWERS = 3
"""Answers that an own appeal lets the Queen ask for."""

APPEAL_OPEN_S = 2 * _DAY_S
"""An appeal lets her ask for so long."""

_STATEMENTS_LOOKED_AT = 4
"""A slot's totals are in the first Statement after it, or the next ones where that one was objected to."""

M = TypeVar("M", bound=FairPlayMessage)


class AuditRefused(HiveError, ValueError):
    """A question of an audit, or a finding, that this home does not take."""

    code = "E-AUDIT"


@dataclass(frozen=True, slots=True)
class FairPlayTerms:
    """Between whom, and what this home agrees to: disclosures a day, the share of rounds that may be drawn."""

    hive: int
    domain: Domain
    queen: str
    disclosures_a_day: int
    drawn_permille: int
    appeal_when_suspended: bool


@dataclass(frozen=True, slots=True)
class StandingView:
    """The newest finding for the page and the log: `standing`, since which UTC day, why the home doubts it ("": no).

    `told` is false where the Queen never told one.
    """

    told: bool = False
    standing: str = GOOD
    since_day: int = 0
    doubt: str = ""
    appealed: bool = False

    def sentence(self) -> str:
        """What the check on the page says."""
        if self.standing == GOOD:
            return ""
        text = f"the Queen finds that declarations have been off; {self.standing} since UTC day {self.since_day}"
        text += f"; by this home's own records that does not follow: {self.doubt}" if self.doubt else ""
        return text + ("; an appeal was sent" if self.appealed else "")


class FairPlay:
    """Answers audits, keeps findings, appeals."""

    def __init__(
        self, terms: FairPlayTerms, signer: Signer, journal: JournalThread, now_unix_s: Callable[[], float]
    ) -> None:
        self._terms, self._signer, self._journal, self._now_unix_s = terms, signer, journal, now_unix_s
        self.view = StandingView()

    async def load(self) -> None:
        """Takes up what the journal says."""
        self.view = await self._journal.call(_view)

    @property
    def suspended(self) -> bool:
        """Whether the Queen leaves this home out of rounds, as she told it."""
        return self.view.standing == SUSPENDED

    async def audit(self, payload: bytes) -> DisclosureMessage:
        """What is disclosed for an answer. MessageError or AuditRefused for a question that gets nothing."""
        ask = self._genuine(AuditAskMessage, payload)
        return await self._journal.call(lambda journal: self._disclosure(journal, ask))

    def _disclosure(self, journal: Journal, ask: AuditAskMessage) -> DisclosureMessage:
        known = journal.fair_play.round(ask.round)
        if known is None or ask.iteration not in known.states_mw:
            raise AuditRefused(
                f"answer {ask.iteration} of round {ask.round} is asked for, which this home did not give or keep",
                next_step="nothing to do: only the last rounds are kept",
            )
        now = int(self._now_unix_s())
        if not journal.fair_play.was_disclosed(ask.round, ask.iteration):
            self._may_ask(journal, ask, known, now)
            journal.fair_play.put_disclosed(ask.round, ask.iteration, ask.why, now)
        _LOG.info("disclosed round=%d iteration=%d why=%d", ask.round, ask.iteration, ask.why)
        home: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in known.home.items()
        }
        message = DisclosureMessage(
            hive=self._terms.hive,
            worker=address_text(self._signer.address),
            signature="0" * 128,
            round=ask.round,
            iteration=ask.iteration,
            first_slot=known.first_slot,
            sigma_kw2_per_coin=known.sigma,
            state_mw=known.states_mw[ask.iteration],
            **home,
        )
        return self._signed(message)

    def _may_ask(self, journal: Journal, ask: AuditAskMessage, known: AnsweredRound, now: int) -> None:
        """Whether a reason for an audit holds; AuditRefused."""
        if ask.why == APPEALED:
            appeal = journal.fair_play.appeal()
            since = appeal.sent_unix_s if appeal is not None else 0
            given = journal.fair_play.disclosed_since(since - 1, appealed=True)
            if not since or now > since + APPEAL_OPEN_S or given >= APPEAL_ANSWERS:
                raise AuditRefused(f"round {ask.round} is asked for in an appeal that this home does not make")
            return
        if journal.fair_play.disclosed_since(now - _DAY_S, appealed=False) >= self._terms.disclosures_a_day:
            raise AuditRefused(
                f"{self._terms.disclosures_a_day} answers were disclosed in the last 24 hours already",
                next_step="the limit is disclosures_a_day in [fairplay]",
            )
        if ask.why == DRAWN:
            seed = _seed(journal, known.first_slot)
            worker = address_text(self._signer.address)
            if seed is None or not is_drawn(seed, worker, ask.round, 0, self._terms.drawn_permille):
                raise AuditRefused(f"round {ask.round} was not drawn by the totals of slot {known.first_slot}")

    async def standing(self, payload: bytes) -> None:
        """Keeps a finding of the Queen. MessageError or AuditRefused for one that is not hers."""
        told = self._genuine(StandingMessage, payload)
        fresh = await self._journal.call(lambda journal: _keep(journal, told, payload))
        await self.load()
        if fresh:
            say = _LOG.warning if told.standing else _LOG.info
            say(
                "standing finding=%d standing=%s since_day=%d why=%d doubt=%r",
                told.serial, self.view.standing, told.since_day, told.why, self.view.doubt,
            )  # fmt: skip
            if told.standing == conduct.STANDINGS.index(SUSPENDED) and self._terms.appeal_when_suspended:
                wanted = OwnAppeal(told.serial, 0)
                await self._journal.call(lambda journal: journal.fair_play.put_appeal(wanted))

    async def appeal(self) -> AppealMessage | None:
        """The appeal that is to be sent now; None where nobody wants one, or it was sent."""

        def due(journal: Journal) -> OwnAppeal | None:
            wanted, told = journal.fair_play.appeal(), findings(journal)
            if wanted is None or wanted.sent_unix_s or not told or not told[0].standing:
                return None
            sent = OwnAppeal(told[0].serial, max(1, int(self._now_unix_s())))
            journal.fair_play.put_appeal(sent)
            return sent

        found = await self._journal.call(due)
        if found is None:
            return None
        _LOG.info("appeal_sent finding=%d", found.serial)
        await self.load()
        worker = address_text(self._signer.address)
        message = AppealMessage(hive=self._terms.hive, worker=worker, signature="0" * 128, serial=found.serial)
        return self._signed(message)

    def _signed(self, message: M) -> M:
        signature = self._signer.sign(message.digest(self._terms.domain)).hex()
        return structs.replace(message, signature=signature)

    def _genuine(self, form: type[M], payload: bytes) -> M:
        """A message about this Worker that the Queen signed."""
        told = decode(form, payload)
        own = address_text(self._signer.address)
        if told.hive != self._terms.hive or told.worker != own:
            raise AuditRefused(f"a {form.__name__} for {told.worker} of Hive {told.hive} came here")
        hashed = told.digest(self._terms.domain)
        if not signed_by(address_bytes(self._terms.queen), hashed, bytes.fromhex(told.signature)):
            raise AuditRefused(f"a {form.__name__} is not signed by the Queen")
        return told


def want_appeal(journal: Journal) -> int:
    """Has the daemon appeal against the newest finding, whose number is returned; AuditRefused where none is bad."""
    told = next(iter(findings(journal)), None)
    if told is None or not told.standing:
        raise AuditRefused("the Queen has told of no finding against this home")
    known = journal.fair_play.appeal()
    if known is not None and known.serial == told.serial and known.sent_unix_s:
        raise AuditRefused(
            f"finding {told.serial} was appealed against already", next_step="ask the operator: hive standing restore"
        )
    journal.fair_play.put_appeal(OwnAppeal(told.serial, 0))
    return told.serial


def _keep(journal: Journal, told: StandingMessage, payload: bytes) -> bool:
    """Keeps a finding that is newer than all others; what clears this home clears its own reckoning too."""
    known = findings(journal)
    if known and told.serial <= known[0].serial:
        return False
    if not told.standing and told.why in (BY_AUDIT, BY_OPERATOR):
        cleared = conduct.restored(journal.fair_play.watched(), max(0, told.since_day - 1))
        journal.fair_play.put_watched(cleared)
    journal.fair_play.put_standing(told.serial, payload)
    return True


def _view(journal: Journal) -> StandingView:
    told = next(iter(findings(journal)), None)
    if told is None:
        return StandingView()
    own, appeal = journal.fair_play.watched(), journal.fair_play.appeal()
    own = conduct.at_day(own, told.since_day + 1)
    doubt = conduct.doubt(own, runs_of(told)) if told.standing else ""
    appealed = appeal is not None and appeal.serial == told.serial and appeal.sent_unix_s > 0
    return StandingView(True, conduct.STANDINGS[told.standing], told.since_day, doubt, appealed)


def _seed(journal: Journal, slot: int) -> bytes | None:
    """The hash of a slot's totals as a countersigned Statement carries them."""
    for payload in journal.agreed_messages(slot)[:_STATEMENTS_LOOKED_AT]:
        for line in decode(StatementMessage, payload).lines():
            if line.totals.slot == slot:
                return struct_hash(line.totals)
    return None
