"""Every MQTT topic, built and parsed in one place, with quality of service and retain flag (ui/README section 5)."""

import re
from dataclasses import dataclass

from honey_edge.model.errors import HiveError
from honey_edge.wire.fairplay_messages import AppealMessage, AuditAskMessage, DisclosureMessage, StandingMessage
from honey_edge.wire.flex_messages import AcceptMessage, OfferMessage, OrderMessage, PowerMessage
from honey_edge.wire.grid_messages import GridMessage
from honey_edge.wire.mask_messages import MaskAskMessage, MaskKeyMessage, MaskRevealMessage, MaskRosterMessage
from honey_edge.wire.messages import (
    CertificateMessage,
    CountersignMessage,
    CursorMessage,
    DeclareMessage,
    Message,
    ReadingMessage,
    RoundMessage,
    SlotTotalsMessage,
    StatusMessage,
)
from honey_edge.wire.period_messages import PeakTotalsMessage, ReserveTotalsMessage
from honey_edge.wire.statement_message import StatementMessage

_ROOT = "hive/v1"


class TopicError(HiveError, ValueError):
    """A topic is not one of Hive's."""

    code = "E-TOPIC"


@dataclass(frozen=True, slots=True)
class TopicKind:
    """One line of the table: who publishes, what, how."""

    name: str
    message: type[Message]
    from_queen: bool
    addressed: bool
    qos: int
    retained: bool


READING = TopicKind("reading", ReadingMessage, False, True, 1, False)
DECLARE = TopicKind("declare", DeclareMessage, False, True, 1, False)
COUNTERSIGN = TopicKind("countersign", CountersignMessage, False, True, 1, False)
WORKER_STATUS = TopicKind("status", StatusMessage, False, True, 1, True)
MASK_KEY = TopicKind("maskkey", MaskKeyMessage, False, True, 1, False)
MASK_OPEN = TopicKind("maskopen", MaskRevealMessage, False, True, 1, False)
POWER = TopicKind("power", PowerMessage, False, True, 1, False)
OFFER = TopicKind("offer", OfferMessage, False, True, 1, False)
ACCEPT = TopicKind("accept", AcceptMessage, False, True, 1, False)
GRID = TopicKind("grid", GridMessage, False, True, 1, False)
DISCLOSE = TopicKind("disclose", DisclosureMessage, False, True, 1, False)
APPEAL = TopicKind("appeal", AppealMessage, False, True, 1, False)
ROUND = TopicKind("round", RoundMessage, True, False, 1, False)
OWN_ROUND = TopicKind("round", RoundMessage, True, True, 1, False)
MASK_ROSTER = TopicKind("maskroster", MaskRosterMessage, True, False, 1, False)
MASK_ASK = TopicKind("maskask", MaskAskMessage, True, False, 1, False)
ORDER = TopicKind("order", OrderMessage, True, True, 1, False)
CERTIFICATE = TopicKind("certificate", CertificateMessage, True, False, 1, True)
AUDIT = TopicKind("audit", AuditAskMessage, True, True, 1, False)
STANDING = TopicKind("standing", StandingMessage, True, True, 1, True)
SLOT = TopicKind("slot", SlotTotalsMessage, True, False, 1, True)
PEAK = TopicKind("peak", PeakTotalsMessage, True, False, 1, True)
RESERVE = TopicKind("reserve", ReserveTotalsMessage, True, False, 1, True)
STATEMENT = TopicKind("statement", StatementMessage, True, True, 1, True)
CURSOR = TopicKind("cursor", CursorMessage, True, True, 1, True)
QUEEN_STATUS = TopicKind("status", StatusMessage, True, False, 1, True)

KINDS = (
    READING, DECLARE, COUNTERSIGN, WORKER_STATUS, MASK_KEY, MASK_OPEN, POWER, OFFER, ACCEPT, GRID,
    DISCLOSE, APPEAL, AUDIT, STANDING,
    ROUND, OWN_ROUND, MASK_ROSTER, MASK_ASK, ORDER, CERTIFICATE, SLOT, PEAK, RESERVE, STATEMENT, CURSOR, QUEEN_STATUS,
)  # fmt: skip
_WORKER_KINDS = {kind.name: kind for kind in KINDS if not kind.from_queen}
_QUEEN_KINDS = {(kind.name, kind.addressed): kind for kind in KINDS if kind.from_queen}
_TOPIC = re.compile(r"hive/v1/(0|[1-9][0-9]{0,9})/(?:w/([0-9a-f]{40})/([a-z]+)|q/([a-z]+)(?:/([0-9a-f]{40}))?)")


def topic(kind: TopicKind, hive: int, worker: str = "") -> str:
    """The topic of a kind; `worker` (40 hex digits) where the kind is addressed. TopicError for any other form."""
    if kind.addressed != bool(worker):
        raise TopicError(f"topic {kind.name} {'needs' if kind.addressed else 'takes no'} worker address")
    text = f"{_ROOT}/{hive}/w/{worker}/{kind.name}"
    if kind.from_queen:
        text = f"{_ROOT}/{hive}/q/{kind.name}" + (f"/{worker}" if worker else "")
    if not _TOPIC.fullmatch(text):
        raise TopicError(f"{text[:128]!r} is not a Hive topic: a worker is 40 lower-case hex digits")
    return text


def parse(text: str) -> tuple[TopicKind, int, str]:
    """Kind, Hive and Worker address (or "") of a topic; TopicError for anything else."""
    match = _TOPIC.fullmatch(text)
    kind = None
    if match:
        hive, worker, worker_kind, queen_kind, addressee = match.groups()
        kind = _WORKER_KINDS.get(worker_kind) if worker else _QUEEN_KINDS.get((queen_kind, bool(addressee)))
    if match is None or kind is None:
        raise TopicError(f"{text[:128]!r} is not a Hive topic")
    return kind, int(hive), worker or addressee or ""


def queen_subscriptions(hive: int) -> list[str]:
    """What the Queen listens to: all messages of all Workers of her Hive."""
    return [f"{_ROOT}/{hive}/w/+/{name}" for name in _WORKER_KINDS]


def worker_subscriptions(hive: int, worker: str) -> list[str]:
    """What a Worker listens to: the Queen's broadcasts and what is addressed to it."""
    return [topic(kind, hive, worker if kind.addressed else "") for kind in KINDS if kind.from_queen]
