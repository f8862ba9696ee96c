"""What the daemon is made of, built from settings before anything runs; errors here stop the start."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from drivers.clock import Clock
from drivers.linux.key_source import find_key
from honey_edge.billing.tariff import Tariff, parse_tariff
from honey_edge.model.errors import HiveError
from honey_edge.model.ids import address_bytes, address_text
from honey_edge.model.slots import slot_at
from honey_edge.wire.mask_worker import MaskedWorker
from honey_edge.wire.recompute import Agreement
from honey_edge.wire.signing import Signer
from honey_edge.wire.terms_file import Signers, parse_terms
from honey_edge.wire.token_signer import signer_of
from honey_edge.wire.typed_data import Domain
from worker_node import state
from worker_node.agent.assets import CarModel, HomeAssets, ShedModel, ThermalModel
from worker_node.agent.battery import BatteryModel
from worker_node.agent.masked import AgentMasks
from worker_node.commissioning import read_record
from worker_node.fair_play import FairPlay, FairPlayTerms
from worker_node.journal import JournalThread
from worker_node.metering.checkpoint import Checkpoint
from worker_node.settings import WorkerSettings
from worker_node.settings_loads import ThermalSection
from worker_node.settings_sunspec import BatterySection

JOURNAL_FILE = "journal.sqlite"


class StartError(HiveError):
    """A file that the settings name cannot be used."""

    code = "E-START"


@dataclass(frozen=True, slots=True)
class Identity:
    """The device key, and what the home accepted."""

    signer: Signer
    agreement: Agreement

    @property
    def address(self) -> str:
        """The Worker's address, 40 hex digits."""
        return address_text(self.signer.address)

    @property
    def tariff(self) -> Tariff:
        """The home's own tariff."""
        return self.agreement.tariff


def read_identity(settings: WorkerSettings) -> Identity:
    """Key, tariff and terms; HiveError or DriverError names the file or token that is refused."""
    own = settings.worker
    signer = signer_of(find_key(own.key_file, settings.folder))
    domain = Domain(own.chain_id, address_bytes(own.contract))
    queen, owner = address_bytes(own.queen_address), address_bytes(own.owner_address)
    tariff_data = _read(settings.path(own.tariff_file))
    terms = parse_terms(_read(settings.path(own.terms_file)), domain, Signers(queen, owner), tariff_data)
    if terms.hive != own.hive:
        raise StartError(f"{own.terms_file}: the terms are those of Hive {terms.hive}, settings say {own.hive}")
    return Identity(signer, Agreement(domain, queen, own.hive, terms, parse_tariff(tariff_data)))


def configuration_of(settings: WorkerSettings, who: Identity) -> bytes:
    """What Readings carry as `configuration`: the hash of the commissioning record, or of the meter's settings.

    Raises CommissioningError for a record that is not this Worker's, or of other settings.
    """
    measuring = settings.measuring()
    if not settings.meter.commissioning_file:
        return measuring
    _, hashed = read_record(settings.path(settings.meter.commissioning_file), who.signer.address, measuring)
    return hashed


def home_masks(settings: WorkerSettings, who: Identity, clock: Clock) -> AgentMasks | None:
    """The home's masks, None without the section.

    A daemon that was restarted no longer knows among whom it masked the coming slots, so it sits their round out.
    """
    own = settings.masks
    if own is None:
        return None
    members = {who.signer.address, *map(address_bytes, own.homes)}
    running = slot_at(clock.now_unix_s())
    worker = MaskedWorker(who.agreement.domain, who.signer, members, newest_slot=running + 1, fewest=own.fewest)
    return AgentMasks(
        worker, settings.worker.hive, who.address, lambda: slot_at(clock.now_unix_s()), required=own.required
    )


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise StartError(f"{file}: cannot be read: {error}", next_step="correct the path in the settings") from error


def open_checkpoint(settings: WorkerSettings) -> Checkpoint:
    """The checkpoint in the folders of the settings, which are made when missing. Raises StartError."""
    folders = [settings.path(settings.worker.runtime_dir), settings.path(settings.worker.state_dir)]
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"{folder}: cannot be made: {error}", next_step="check its owner and the disk") from error
    return Checkpoint(folders[0], folders[1])


def make_clock(settings: WorkerSettings, resumed_unix_s: int) -> Clock:
    """The clock of the settings; a granted one goes on where the last sample was taken."""
    if settings.clock.kind == "granted":
        from drivers.sim.granted import GrantedClock

        return GrantedClock(float(max(settings.clock.start_unix_s, resumed_unix_s)))
    from drivers.linux.clock import SystemClock

    return SystemClock()


def battery_model(section: BatterySection | None) -> BatteryModel | None:
    """The battery of the settings, for the agent."""
    if section is None:
        return None
    capacity = section.capacity_wh * 1000
    return BatteryModel(
        capacity_milliwh=capacity,
        min_milliwh=capacity * section.min_permille // 1000,
        max_milliwh=capacity * section.max_permille // 1000,
        end_min_milliwh=capacity * section.end_min_permille // 1000,
        charge_w=section.charge_w,
        discharge_w=section.discharge_w,
        charge_permille=section.charge_permille,
        discharge_permille=section.discharge_permille,
        wear_micro_per_kwh=section.wear_micro_per_kwh,
    )


def home_assets(settings: WorkerSettings) -> HomeAssets:
    """All that the home may move, for the agent."""
    car, shed = settings.ev, settings.shed
    return HomeAssets(
        battery_model(settings.battery),
        _thermal_model(settings.thermal) if settings.thermal else None,
        CarModel(car.charge_w, car.efficiency_permille, car.needed_wh * 1000, car.arrives_minute, car.leaves_minute)
        if car
        else None,
        ShedModel(shed.power_w, shed.cost_micro_per_kwh) if shed else None,
        settings.pv.curtailable,
    )


def _thermal_model(section: ThermalSection) -> ThermalModel:
    capacity = section.capacity_wh * 1000
    return ThermalModel(
        capacity_milliwh=capacity,
        min_milliwh=capacity * section.min_permille // 1000,
        end_min_milliwh=capacity * section.end_min_permille // 1000,
        power_w=section.power_w,
        cop_permille=section.cop_permille,
        loss_ppm_per_slot=section.loss_ppm_per_slot,
        draw_w=section.draw_w,
    )


def home_fair_play(settings: WorkerSettings, who: Identity, journal: JournalThread, clock: Clock) -> FairPlay:
    """The home's side of audits and findings."""
    own = settings.fairplay
    terms = FairPlayTerms(
        settings.worker.hive,
        who.agreement.domain,
        settings.worker.queen_address,
        own.disclosures_a_day,
        own.drawn_permille,
        own.appeal_when_suspended,
    )
    return FairPlay(terms, who.signer, journal, clock.now_unix_s)


def software_version() -> str:
    """The distribution's version, "0" where the code runs without being installed."""
    try:
        return version("hive-energy")
    except PackageNotFoundError:
        return "0"


def first_state(settings: WorkerSettings, who: Identity, clock: Clock) -> state.State:
    """The snapshot before the first sample."""
    own, battery = settings.worker, settings.battery
    home = state.Home(
        name=own.name or own.serial,
        serial=own.serial,
        address=who.address,
        hive=own.hive,
        meter=settings.meter.kind,
        currency=who.tariff.currency,
        software=software_version(),
        has_battery=battery is not None,
        battery_capacity_wh=battery.capacity_wh if battery else 0,
        max_power_w=settings.meter.fuse_w,
        contract=own.contract,
        chain_id=own.chain_id,
        queen=own.queen_address,
        terms_version=who.agreement.terms.version,
    )
    now = clock.now_unix_s()
    return state.State(
        version=0,
        now_unix_s=now,
        granted=settings.clock.kind == "granted",
        clock_trusted=clock.trusted(),
        started_unix_s=now,
        home=home,
    )
