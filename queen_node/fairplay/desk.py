"""The Queen's desk for audits, appeals and findings (market-design section 10).

    round -> witness -> closed slot: one answer of each Worker kept, some drawn -> AuditAsk -> Disclosure -> verdict

A verdict punishes nobody; what three passed audits end is a standing that two alarms of test C began. Everything that
was asked is in the store before it is sent, so a restart forgets no question; answers of a round that was running are
forgotten with it.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from msgspec import structs

from drivers.clock import Clock
from honey_edge.market.fairplay.audit import is_drawn
from honey_edge.market.fairplay.bias import GOOD
from honey_edge.market.fairplay.conduct import STANDINGS, restored
from honey_edge.model.slots import day_of, slot_at
from honey_edge.wire.codec import MessageError, decode
from honey_edge.wire.fairplay_messages import (
    APPEALED,
    BY_AUDIT,
    DRAWN,
    INCONSISTENT,
    AppealMessage,
    AuditAskMessage,
    DisclosureMessage,
    FairPlayMessage,
    StandingMessage,
)
from honey_edge.wire.messages import Message
from honey_edge.wire.signing import Signer, signed_by
from honey_edge.wire.topics import APPEAL, AUDIT, DISCLOSE, STANDING, TopicKind
from honey_edge.wire.typed_data import Domain, struct_hash
from queen_node.fairplay.replaying import judged
from queen_node.fairplay.witness import RoundWitness
from queen_node.store import Store, audits, fairplay
from queen_node.store.audits import FAILED, PASSED, UNDISCLOSED, AppealRow, AuditRow, KeptAnswer
from queen_node.store.fairplay import FindingRow
from queen_node.store.records import ClosedSlot, RejectedRow
from queen_node.store.refusals import Refusals

_LOG = logging.getLogger(__name__)
_DAY_S = 86_400
APPEAL_AUDITS = 3
"""So many of a Worker's last answers are audited when it appeals."""

SendTo = Callable[[TopicKind, Message, str], Awaitable[None]]
M = TypeVar("M", bound=FairPlayMessage)


@dataclass(frozen=True, slots=True)
class FairPlayRules:
    """Whose signatures count, and how much is audited (settings [fairplay])."""

    hive: int
    domain: Domain
    signer: Signer
    audits_permille: int
    audits_a_day: int
    answer_within_s: int
    appeal_every_days: int


class FairPlayDesk:
    """`send` publishes to one Worker; `note_standing` stores what a Worker is to be told of a standing."""

    def __init__(
        self,
        clock: Clock,
        store: Store,
        rules: FairPlayRules,
        refusals: Refusals,
        send: SendTo,
        note_standing: Callable[..., None],
    ) -> None:
        self._clock, self._store, self._rules, self._refusals = clock, store, rules, refusals
        self._send, self._note_standing = send, note_standing
        self._witnesses: dict[int, RoundWitness] = {}
        self._told = 0
        self._judging: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # -- rounds

    def begin(self, number: int, first_slot: int, sigma: int) -> RoundWitness:
        """The witness of a round that begins; one for the same slots before it is forgotten."""
        witness = self._witnesses[first_slot] = RoundWitness(number, first_slot, sigma)
        return witness

    def after_close(self, closed: ClosedSlot) -> None:
        """What is due once a slot is closed: answers to keep, questions to ask, disclosures that are late."""
        slot = closed.totals.slot
        witness = self._witnesses.pop(slot, None)
        for old in [one for one in self._witnesses if one < slot]:
            del self._witnesses[old]
        if witness is not None:
            self._keep(witness, struct_hash(closed.totals))
        self._expire()

    def _keep(self, witness: RoundWitness, seed: bytes) -> None:
        """Stores a round's answers and what test A found, and asks for what was drawn."""
        rows, day = witness.kept(seed), day_of(witness.first_slot)
        if not rows:
            return
        asks: list[AuditRow] = []
        now = int(self._clock.now_unix_s())
        with self._store.begin() as tx:
            audits.keep_answers(tx, rows)
            for worker, found in sorted(witness.inconsistent.items()):
                detail = f"round {witness.number}: answers {found.first} and {found.second}, {found.gap_kw2:.4f} kW^2"
                fairplay.add_finding(tx, FindingRow(worker, day, fairplay.INCONSISTENT, 0, detail))
                _LOG.warning("answers_inconsistent worker=%s round=%d", worker, witness.number)
            for row in rows:
                drawn = is_drawn(seed, row.worker, row.round, 0, self._rules.audits_permille)
                if row.worker not in witness.inconsistent and not drawn:
                    continue
                if audits.asked_since(tx, row.worker, now - _DAY_S) < self._rules.audits_a_day:
                    asks.append(AuditRow(row, INCONSISTENT if row.worker in witness.inconsistent else DRAWN, now))
                    audits.add_audit(tx, asks[-1])
        self._ask(asks)

    def _ask(self, asks: list[AuditRow]) -> None:
        for row in asks:
            self._start(self._ask_one(row.answer, row.why))

    async def _ask_one(self, answer: KeptAnswer, why: int) -> None:
        ask = AuditAskMessage(
            hive=self._rules.hive,
            worker=answer.worker,
            round=answer.round,
            iteration=answer.iteration,
            why=why,
            signature="0" * 128,
        )
        _LOG.info("audit_asked worker=%s round=%d iteration=%d why=%d", ask.worker, ask.round, ask.iteration, why)
        await self._send(AUDIT, self._signed(ask), answer.worker)

    def _expire(self) -> None:
        before = int(self._clock.now_unix_s()) - self._rules.answer_within_s
        with self._store.begin() as tx:
            late = audits.open_audits(tx, before)
            for row in late:
                audits.decide_audit(tx, row.number, UNDISCLOSED, 0, "no disclosure came in time")
        for row in late:
            _LOG.warning("audit_unanswered worker=%s round=%d", row.answer.worker, row.answer.round)
        if late:
            self._decide_appeals()

    # -- what Workers send

    def receive(self, kind: str, worker: str, payload: bytes) -> None:
        """Takes a message from a Worker's disclose or appeal topic."""
        if kind == DISCLOSE.name:
            self._disclosed(worker, payload)
        elif kind == APPEAL.name:
            self._appealed(worker, payload)

    def _disclosed(self, worker: str, payload: bytes) -> None:
        told = self._genuine(DisclosureMessage, DISCLOSE, worker, payload)
        if told is None:
            return
        with self._store.begin() as tx:
            row = audits.open_audit(tx, worker, told.round, told.iteration)
        if row is None or row.number in self._judging:
            self._refuse(worker, payload, DISCLOSE, "unasked", f"round {told.round} iteration {told.iteration}")
        elif (told.first_slot, told.sigma_kw2_per_coin) != (row.answer.first_slot, row.answer.sigma):
            self._refuse(worker, payload, DISCLOSE, "round", f"is about slot {told.first_slot} of another round")
        else:
            self._judging.add(row.number)
            self._start(self._judge(told, row))

    async def _judge(self, told: DisclosureMessage, row: AuditRow) -> None:
        try:
            found = await asyncio.to_thread(judged, told, row.answer)
        finally:
            self._judging.discard(row.number)
        with self._store.begin() as tx:
            audits.decide_audit(tx, row.number, found.verdict, found.worst_w, found.detail, found.assets)
        _LOG.info("audit_%s worker=%s round=%d worst_w=%d", found.verdict, told.worker, told.round, found.worst_w)
        self._decide_appeals()
        await self.tell_standings()

    def _appealed(self, worker: str, payload: bytes) -> None:
        """Audits the last answers of a Worker whose standing is not good: once a finding, and not too often."""
        told = self._genuine(AppealMessage, APPEAL, worker, payload)
        if told is None:
            return
        now = int(self._clock.now_unix_s())
        with self._store.begin() as tx:
            against, earlier = fairplay.newest_standing(tx, worker), audits.appeals_of(tx, worker)
            problem = self._inadmissible(against, earlier, told.serial, now)
            answers = [] if problem else audits.newest_answers(tx, worker, APPEAL_AUDITS)
            if not problem and not answers:
                problem = "no answer of this Worker is kept; the operator may restore it"
            asks = [AuditRow(answer, APPEALED, now) for answer in answers if not problem]
            for ask in asks:
                audits.add_audit(tx, ask)
            if asks:
                audits.put_appeal(tx, AppealRow(worker, told.serial, now, True, "pending"))
        if problem:
            self._refuse(worker, payload, APPEAL, "appeal", problem)
        _LOG.info("appeal worker=%s finding=%d audits=%d", worker, told.serial, len(asks))
        self._ask(asks)

    def _inadmissible(self, against: FindingRow | None, earlier: list[AppealRow], serial: int, now: int) -> str:
        if against is None or json.loads(against.detail)["standing"] == GOOD:
            return "the standing is good"
        if against.number != serial:
            return f"finding {serial} is not the newest, {against.number}"
        if any(one.serial == serial or one.pending for one in earlier):
            return f"finding {serial} was appealed against already"
        since = now - self._rules.appeal_every_days * _DAY_S
        if any(one.outcome == PASSED and one.at_unix_s > since for one in earlier):
            return f"an appeal was granted less than {self._rules.appeal_every_days} days ago"
        return ""

    def _decide_appeals(self) -> None:
        """Ends the appeals of which every audit has its verdict."""
        with self._store.begin() as tx:
            for appeal in audits.pending_appeals(tx):
                own = [row for row in audits.audits_of(tx, appeal.worker, 3 * APPEAL_AUDITS) if row.why == APPEALED]
                verdicts = [row.verdict for row in own if row.asked_unix_s == appeal.at_unix_s]
                if audits.ASKED in verdicts:
                    continue
                passed = bool(verdicts) and all(verdict == PASSED for verdict in verdicts)
                audits.put_appeal(tx, replace(appeal, pending=False, outcome=PASSED if passed else FAILED))
                _LOG.info("appeal_decided worker=%s finding=%d passed=%s", appeal.worker, appeal.serial, passed)
                watched = fairplay.watched_of(tx, appeal.worker)
                if passed and watched is not None:
                    watched = restored(watched, day_of(slot_at(self._clock.now_unix_s())))
                    fairplay.put_watched(tx, appeal.worker, watched)
                    self._note_standing(tx, appeal.worker, watched, BY_AUDIT)

    # -- standings

    async def tell_standings(self, *, again: bool = False) -> None:
        """Publishes what was found about standings since the last time, or all of it (after a new connection)."""
        with self._store.begin() as tx:
            rows = fairplay.newest_standings(tx, 0 if again else self._told)
        for row in rows:
            await self._send(STANDING, self._standing(row), row.worker)
            self._told = max(self._told, row.number)

    def _standing(self, row: FindingRow) -> StandingMessage:
        detail = json.loads(row.detail)
        runs = detail["runs"]
        message = StandingMessage(
            hive=self._rules.hive,
            worker=row.worker,
            signature="0" * 128,
            serial=row.number,
            standing=STANDINGS.index(detail["standing"]),
            since_day=row.day,
            why=row.why,
            side=tuple(run["side"] for run in runs),
            from_day=tuple(run["from_day"] for run in runs),
            to_day=tuple(run["to_day"] for run in runs),
        )
        return self._signed(message)

    async def again(self) -> None:
        """After a new connection: the newest standings, and the questions that still wait for an answer."""
        with self._store.begin() as tx:
            waiting = audits.open_audits(tx)
        await self.tell_standings(again=True)
        for row in waiting:
            await self._ask_one(row.answer, row.why)

    # -- what both need

    async def idle(self) -> None:
        """Returns when nothing is being asked or judged."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _start(self, work: Awaitable[None]) -> None:
        async def held() -> None:
            with self._clock.hold("audit"):
                await work

        task = asyncio.get_running_loop().create_task(held(), name="audit")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _signed(self, message: M) -> M:
        signature = self._rules.signer.sign(message.digest(self._rules.domain))
        return structs.replace(message, signature=signature.hex())

    def _genuine(self, form: type[M], kind: TopicKind, worker: str, payload: bytes) -> M | None:
        """A message that the Worker signed about itself; None for one that is refused."""
        try:
            told = decode(form, payload)
        except MessageError as error:
            self._refuse(worker, payload, kind, "malformed", str(error))
            return None
        if told.worker != worker or told.hive != self._rules.hive:
            self._refuse(worker, payload, kind, "foreign", f"is of {told.worker} in Hive {told.hive}")
            return None
        if not signed_by(bytes.fromhex(worker), told.digest(self._rules.domain), bytes.fromhex(told.signature)):
            self._refuse(worker, payload, kind, "forged", "is not signed by the enrolled key")
            return None
        return told

    def _refuse(self, worker: str, payload: bytes, kind: TopicKind, reason: str, detail: str) -> None:
        now = int(self._clock.now_unix_s())
        self._refusals.note(RejectedRow(worker, now, kind.name, reason, detail, payload))
