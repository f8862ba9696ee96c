"""Builds the home's minutes inside a slot from its settings, and tells them what the other parts see."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from drivers.clock import Clock
from honey_edge.model.ids import address_bytes
from honey_edge.wire.messages import Message
from honey_edge.wire.topics import TopicKind
from honey_edge.wire.typed_data import Domain
from worker_node.app.parts import Identity
from worker_node.journal import JournalThread
from worker_node.settings import WorkerSettings

if TYPE_CHECKING:
    from worker_node.realtime.service import Mover, RealTime


def real_time(
    settings: WorkerSettings,
    who: Identity,
    clock: Clock,
    journal: JournalThread,
    mover: "Mover",
    post: Callable[[TopicKind, Message], None],
) -> "RealTime | None":
    """The home's part in real time; None without the section."""
    own = settings.realtime
    if own is None:
        return None
    from worker_node.realtime.service import RealTime, RealTimeRules

    rules = RealTimeRules(
        hive=settings.worker.hive,
        domain=Domain(settings.worker.chain_id, address_bytes(own.pool)),
        queen=who.agreement.queen,
        price_micro_per_kwh=own.price_micro_per_kwh,
        share_permille=own.share_permille,
        first_serial=own.first_serial,
        most_w=who.agreement.terms.max_power_w,
    )
    return RealTime(rules, who.signer, journal, mover, clock.now_unix_s, post)
