"""What a home discloses and to whom, which findings it believes, and when it appeals."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec import structs

from honey_edge.market.fairplay.answers import AnswerTrace
from honey_edge.market.fairplay.conduct import Run, Watched
from honey_edge.market.fairplay.disclosed import whole
from honey_edge.model.slots import day_of
from honey_edge.wire.codec import MessageError, encode
from honey_edge.wire.fairplay_messages import (
    APPEALED,
    BY_ALARMS,
    BY_OPERATOR,
    DRAWN,
    INCONSISTENT,
    AuditAskMessage,
    DisclosureMessage,
    FairPlayMessage,
    StandingMessage,
)
from honey_edge.wire.messages import DeclareMessage
from honey_edge.wire.recompute import TOTALS
from honey_edge.wire.signing import KeySigner, signed_by
from queen_node.fairplay.replaying import judged
from queen_node.store.audits import FAILED, PASSED, KeptAnswer
from tests.unit.worker_node.test_account import Bench
from tests.unit.worker_node.test_agent import BATTERY, SUNNY, a_round, price
from tests.unit.worker_node.test_own_standing import DAY, OLD, OWN, known, told
from tests.unit.worker_node.world import DOMAIN, FIRST_SLOT, HIVE, QUEEN, TARIFF, WORKER
from worker_node.agent.service import Agent, AgentTools
from worker_node.fair_play import AuditRefused, FairPlay, FairPlayTerms, want_appeal

ADDRESS = WORKER.address.hex()
FLOOR = 500
M = TypeVar("M", bound=FairPlayMessage)


class Home(Bench):
    """A home that answered round 3 for FIRST_SLOT + 1, whose slots were settled and signed."""

    def __init__(self, folder: Path, *, a_day: int = 4, permille: int = 1000) -> None:
        super().__init__(folder)
        self.now = 1.8e9
        terms = FairPlayTerms(HIVE, DOMAIN, QUEEN.address.hex(), a_day, permille, True)
        self.fair = FairPlay(terms, WORKER, self.journal, lambda: self.now)
        self.answers: list[DeclareMessage] = []

    def live(self, *, settled: bool = True) -> "Home":
        """The round, and the Statement over its slot."""

        async def story() -> None:
            agent = Agent(AgentTools(WORKER, DOMAIN, TARIFF, self.journal, self.tell), BATTERY)
            await agent.load()
            await agent.start_slot(FIRST_SLOT, 3_000_000)
            self.answers = [one for one in await a_round(agent) if one is not None]

        self.journal.run(lambda journal: journal.seed_history(SUNNY))
        asyncio.run(story())
        if settled:
            assert self.answer(self.book.statement(self.readings[1:])).reason == 0
        return self

    async def tell(self, power_w: int) -> None:
        """The battery, which nobody looks at here."""

    def audit(self, message: FairPlayMessage) -> DisclosureMessage:
        return asyncio.run(self.fair.audit(encode(message)))

    def find(self, message: FairPlayMessage) -> None:
        asyncio.run(self.fair.standing(encode(message)))


def signed(message: M, signer: KeySigner = QUEEN) -> M:
    return structs.replace(message, signature=signer.sign(message.digest(DOMAIN)).hex())


def ask(**changes: object) -> AuditAskMessage:
    message = AuditAskMessage(hive=HIVE, worker=ADDRESS, signature="0" * 128, round=3, iteration=2, why=DRAWN)
    return signed(structs.replace(message, **changes))


def finding(serial: int = 1, standing: int = 1, runs: Sequence[Run] = (), **changes: object) -> StandingMessage:
    message = StandingMessage(
        hive=HIVE,
        worker=ADDRESS,
        signature="0" * 128,
        serial=serial,
        standing=standing,
        since_day=DAY - 1,
        why=BY_ALARMS,
        side=tuple(run.side for run in runs),
        from_day=tuple(run.from_day for run in runs),
        to_day=tuple(run.to_day for run in runs),
    )
    return signed(structs.replace(message, **changes))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path).live()


def test_what_a_real_agent_discloses_stands_the_queens_replay(home: Home) -> None:
    opened, first, second, _ = home.answers
    trace = AnswerTrace(opened.power_w, price(0).price_e7_per_kwh, 100)
    for answer, number in ((first, 1), (second, 2)):
        trace.add(answer.power_w, price(number).price_e7_per_kwh, iteration=number)
    message = home.audit(ask())
    assert signed_by(WORKER.address, message.digest(DOMAIN), bytes.fromhex(message.signature))
    state, prices = whole(trace.state_kw), price(2).price_e7_per_kwh
    kept = KeptAnswer(ADDRESS, 3, 2, FIRST_SLOT + 1, 100, prices, second.power_w, state)
    assert judged(message, kept).verdict == PASSED
    false = structs.replace(message, load_mw=tuple(one + 500_000 for one in message.load_mw))
    assert judged(false, kept).verdict == FAILED


@pytest.mark.parametrize(
    "changes", [{"round": 2}, {"iteration": 0}, {"iteration": 3}, {"why": APPEALED}], ids=lambda one: str(one)
)
def test_nothing_is_disclosed_of_what_this_home_did_not_answer_or_appeal(
    home: Home, changes: dict[str, object]
) -> None:
    with pytest.raises(AuditRefused):
        home.audit(ask(**changes))


def test_only_the_queen_may_ask_and_only_this_home(home: Home) -> None:
    forged = signed(ask(), WORKER)
    for message in (forged, ask(worker="ab" * 20), ask(hive=HIVE + 1), structs.replace(ask(), iteration=1)):
        with pytest.raises(AuditRefused):
            home.audit(message)
    with pytest.raises(MessageError):
        asyncio.run(home.fair.audit(b"x" * 1_000))


def test_the_lot_is_checked_against_the_totals_that_both_signed(tmp_path: Path) -> None:
    unsettled, undrawn = tmp_path / "unsettled", tmp_path / "undrawn"
    for folder in (unsettled, undrawn):
        folder.mkdir()
    for one in (Home(unsettled).live(settled=False), Home(undrawn, permille=0).live()):
        with pytest.raises(AuditRefused, match="not drawn"):
            one.audit(ask())
        assert one.audit(ask(why=INCONSISTENT)).round == 3


def test_no_more_is_disclosed_in_a_day_than_the_home_allows_and_a_repetition_costs_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path, a_day=1).live()
    first = home.audit(ask())
    assert home.audit(ask()) == first
    with pytest.raises(AuditRefused, match="24 hours"):
        home.audit(ask(iteration=1))
    home.now += 86_401
    assert home.audit(ask(iteration=1)).iteration == 1


def mean_days(days: int = 12, mean: int = 3_000_000) -> Watched:
    """What the own means say of a home that has declared three r too much for days."""
    return Watched(means=tuple((DAY - k, mean) for k in range(days, 0, -1)))


TRUE_RUNS = (Run(1, DAY - 4, DAY - 3), Run(1, DAY - 2, DAY - 1))


def test_a_floor_with_a_finding_that_follows_from_the_own_records_is_signed(tmp_path: Path) -> None:
    home = Home(tmp_path)
    known(home, OLD)
    home.journal.run(lambda journal: journal.fair_play.put_watched(mean_days()))
    home.find(finding(runs=TRUE_RUNS))
    assert told(home, FLOOR) == (0, "")
    assert home.fair.view.doubt == ""


@pytest.mark.parametrize(
    "runs",
    [(), TRUE_RUNS[:1], (TRUE_RUNS[1], TRUE_RUNS[1]), (Run(-1, DAY - 4, DAY - 3), TRUE_RUNS[1])],
    ids=["no alarms", "one alarm", "the same alarm twice", "the other side"],
)
def test_a_finding_that_does_not_prove_itself_is_objected_to(tmp_path: Path, runs: Sequence[Run]) -> None:
    home = Home(tmp_path)
    known(home, OLD)
    home.journal.run(lambda journal: journal.fair_play.put_watched(mean_days()))
    home.find(finding(runs=runs))
    reason, detail = told(home, FLOOR)
    assert reason == TOTALS
    assert f"recomputed {OWN - 20}" in detail


def test_a_queen_that_lies_about_an_honest_home_is_objected_to_and_the_page_says_so(tmp_path: Path) -> None:
    home = Home(tmp_path)
    known(home, OLD)
    home.journal.run(lambda journal: journal.fair_play.put_watched(mean_days(mean=40_000)))
    home.find(finding(runs=TRUE_RUNS))
    assert told(home, FLOOR)[0] == TOTALS
    assert "does not follow" in home.fair.view.sentence()


def test_a_floor_without_any_finding_is_objected_to(tmp_path: Path) -> None:
    home = Home(tmp_path)
    known(home, OLD)
    assert told(home, FLOOR)[0] == TOTALS


def test_a_finding_begins_with_the_day_after_its_last_alarm(tmp_path: Path) -> None:
    home = Home(tmp_path)
    known(home, OLD)
    home.journal.run(lambda journal: journal.fair_play.put_watched(mean_days()))
    home.find(finding(runs=TRUE_RUNS, since_day=DAY))
    assert told(home, FLOOR)[0] == TOTALS


def test_after_a_pardon_the_floor_is_objected_to_again(tmp_path: Path) -> None:
    home = Home(tmp_path)
    known(home, OLD)
    home.journal.run(lambda journal: journal.fair_play.put_watched(mean_days()))
    home.find(finding(runs=TRUE_RUNS, since_day=DAY - 3))
    home.find(finding(serial=2, standing=0, since_day=day_of(FIRST_SLOT), why=BY_OPERATOR))
    assert told(home, FLOOR)[0] == TOTALS


def test_a_forged_foreign_or_older_finding_changes_nothing(home: Home) -> None:
    home.find(finding(serial=5))
    for message in (signed(finding(serial=6), WORKER), finding(serial=6, worker="ab" * 20)):
        with pytest.raises(AuditRefused):
            home.find(message)
    home.find(finding(serial=4, standing=0))
    assert home.fair.view.standing == "floored"
    assert len(home.journal.run(lambda journal: journal.fair_play.standings())) == 1


def test_a_suspension_is_appealed_against_once_and_lets_three_answers_be_asked_for(home: Home) -> None:
    home.find(finding(serial=5, standing=2, runs=TRUE_RUNS))
    assert home.fair.suspended
    appeal = asyncio.run(home.fair.appeal())
    assert appeal is not None
    assert appeal.serial == 5
    assert signed_by(WORKER.address, appeal.digest(DOMAIN), bytes.fromhex(appeal.signature))
    assert asyncio.run(home.fair.appeal()) is None
    assert home.audit(ask(why=APPEALED)).iteration == 2
    home.now += 2 * 86_400 + 1
    with pytest.raises(AuditRefused, match="appeal"):
        home.audit(ask(why=APPEALED, iteration=1))


def test_a_floor_is_appealed_against_when_a_person_asks_and_only_then(home: Home) -> None:
    with pytest.raises(AuditRefused, match="no finding"):
        home.journal.run(want_appeal)
    home.find(finding(serial=7))
    assert asyncio.run(home.fair.appeal()) is None
    assert home.journal.run(want_appeal) == 7
    appeal = asyncio.run(home.fair.appeal())
    assert appeal is not None
    assert "an appeal was sent" in home.fair.view.sentence()
    with pytest.raises(AuditRefused, match="already"):
        home.journal.run(want_appeal)


def test_only_the_last_rounds_are_kept(home: Home) -> None:
    def keep(number: int) -> None:
        record = home.journal.run(lambda journal: journal.fair_play.round(3))
        assert record is not None or number > 11
        home.journal.run(lambda journal: journal.put_declared(number, 1, (number, b"x")))

    for number in range(4, 20):
        keep(number)
    assert home.journal.run(lambda journal: journal.fair_play.round(3)) is None
