"""Builds the Queen's minutes inside a slot from her settings (docs/real-time.md)."""

from drivers.clock import Clock
from honey_edge.model.ids import address_bytes
from honey_edge.wire.signing import Signer
from honey_edge.wire.typed_data import Domain
from queen_node.downlink import Downlink
from queen_node.realtime.decide import Band
from queen_node.realtime.desk import DeskRules, RealTimeDesk
from queen_node.settings import Loaded
from queen_node.store import Store
from queen_node.store.refusals import Refusals


def real_time_desk(
    loaded: Loaded, clock: Clock, store: Store, signer: Signer, refusals: Refusals, downlink: Downlink
) -> RealTimeDesk | None:
    """The desk that gives orders; None where the settings do not ask for it."""
    own = loaded.settings.realtime
    if not own.on:
        return None
    rules = DeskRules(
        hive=loaded.settings.hive.hive,
        domain=Domain(loaded.domain.chain_id, address_bytes(own.pool)),
        signer=signer,
        band=Band(own.dead_band_w, own.worth_micro_per_kwh),
        stake_micro=own.stake_micro,
        largest_w=2 * loaded.terms.max_power_w,
        decide_after_s=own.decide_after_s,
        lead_s=own.lead_s,
    )
    return RealTimeDesk(clock, store, rules, refusals, downlink.order)
