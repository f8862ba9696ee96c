"""Builds what makes a Queen a daughter from her settings: the mother's broker, her rounds, her bill (docs/trees.md)."""

from dataclasses import dataclass

from drivers.clock import Clock
from drivers.linux.broker import BrokerAddress, BrokerSession
from queen_node.app.under_mother import Patience, UnderMother
from queen_node.coordinator.guided import GuidedCoordinator
from queen_node.mother.answering import MotherRounds, MotherRules
from queen_node.mother.booking import MotherBook
from queen_node.mother.link import MotherInbox, MotherLink, mother_subscriptions
from queen_node.settings import Loaded, mother_signer
from queen_node.store import Store
from queen_node.store.records import RejectedRow
from queen_node.store.refusals import Refusals


@dataclass(frozen=True, slots=True)
class Motherhood:
    """The parts that run beside the daughter's own; `rounds` stands in the coordinator's place for the timetable."""

    session: BrokerSession
    answering: MotherRounds
    rounds: UnderMother


def motherhood(loaded: Loaded, clock: Clock, store: Store, own: GuidedCoordinator, refusals: Refusals) -> Motherhood:
    """The parts, nothing running yet. SettingsError or KeyFileError name the file that will not do."""
    section, agreement = loaded.settings.mother, loaded.mother
    assert section is not None
    assert agreement is not None
    signer = mother_signer(loaded)
    worker = signer.address.hex()

    def refuse(reason: str, detail: str, payload: bytes) -> None:
        refusals.note(RejectedRow(worker, int(clock.now_unix_s()), "mother", reason, detail, payload))

    book = MotherBook(store, agreement, worker, clock.now_unix_s, refuse)
    rules = MotherRules(section.hive, agreement.domain, signer, section.answer_within_s)
    answering = MotherRounds(clock, rules, own, lambda answer: link.declare(answer), refuse)
    address = BrokerAddress(
        section.host,
        section.port,
        f"daughter-{worker}",
        loaded.path(section.ca_file),
        loaded.path(section.certificate_file),
        loaded.path(section.key_file),
    )
    session = BrokerSession(
        address,
        mother_subscriptions(section.hive, worker),
        None,
        lambda name, payload: link.on_message(name, payload),
        lambda: link.on_connected(),
    )
    inbox = MotherInbox(answering.receive, book.receive, refuse)
    link = MotherLink(section.hive, worker, inbox, session.publish, session.connected.is_set)
    patience = Patience(section.begin_within_s, section.silent_s)
    return Motherhood(session, answering, UnderMother(clock, own, answering, link.there, patience))
