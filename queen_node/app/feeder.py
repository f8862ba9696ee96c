"""What the Queen knows of her grid, wired: the contact that says island, voltages that homes publish, the band."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace

from drivers.clock import Clock
from honey_edge.wire.messages import RoundMessage
from queen_node.app.island_watch import IslandWatch, file_says, meter_says
from queen_node.app.voltage_watch import VoltageWatch
from queen_node.coordinator.conductor import RoundRules
from queen_node.coordinator.feeder_desk import BandRules, FeederDesk
from queen_node.downlink import Downlink
from queen_node.ingest.voltages import VoltageIntake, VoltageRules
from queen_node.settings import Loaded
from queen_node.store import Store
from queen_node.store.refusals import Refusals


@dataclass(frozen=True, slots=True)
class FeederWork:
    """The parts that the settings ask for; None for the others."""

    intake: VoltageIntake | None
    desk: FeederDesk | None
    voltages: VoltageWatch | None
    contact: IslandWatch | None

    def ruled(self, rules: RoundRules, island_ceiling_micro: int) -> RoundRules:
        """The rules of rounds with what follows from the grid."""
        rules = replace(rules, island_ceiling_micro=island_ceiling_micro)
        return rules if self.desk is None else replace(rules, collector=self.desk.collector)

    def tasks(self) -> Iterator[tuple[str, Awaitable[None]]]:
        """What is to run beside the rest, by name."""
        if self.voltages is not None:
            yield "feeder", self.voltages.run()
        if self.contact is not None:
            yield "island", self.contact.run()


def build_feeder(
    loaded: Loaded,
    clock: Clock,
    store: Store,
    refusals: Refusals,
    down: Downlink,
    highest_mv: Callable[[], int | None],
) -> FeederWork:
    """Everything from the settings; `highest_mv` is the highest phase voltage of the Queen's own meter."""
    section = loaded.settings.voltage
    largest_w = 2 * loaded.terms.max_power_w
    intake = desk = watch = None
    if section.collect:
        rules = VoltageRules(section.nominal_v, largest_w)
        intake = VoltageIntake(store, rules, refusals, clock.now_unix_s)
        watch = VoltageWatch(clock, store, section)
    if section.on:
        band = BandRules(section.low_permille, section.high_permille)
        members = [worker.address for worker in loaded.workers]
        desk = FeederDesk(clock, store, band, down.round, down.own_round, lambda: members)
    return FeederWork(intake, desk, watch, _contact(loaded, clock, store, highest_mv))


def _contact(loaded: Loaded, clock: Clock, store: Store, highest_mv: Callable[[], int | None]) -> IslandWatch | None:
    section = loaded.settings.island
    if section.contact == "none":
        return None
    file, nominal_v = loaded.path(section.contact_file), loaded.settings.voltage.nominal_v

    def look() -> bool | None:
        return file_says(file) if section.contact == "file" else meter_says(highest_mv(), nominal_v)

    return IslandWatch(clock, store, look, section.contact, section.poll_every_s)


def told_by(desk: FeederDesk | None, down: Downlink) -> Callable[[RoundMessage], Awaitable[None]]:
    """How the broadcasts of a round go out."""
    return down.round if desk is None else desk.publish
