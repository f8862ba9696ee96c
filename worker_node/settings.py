"""The Worker's settings: one TOML file into frozen dataclasses (architecture section 11).

Every option has its unit in its name, a range and a meaning. Keys and certificates are files, never text in here.
Paths are taken relative to the folder of the settings file.
"""

import json
import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from honey_edge.model.ids import IdentityError, address_bytes, checked_serial
from honey_edge.model.options import SettingsError, option, read_settings
from honey_edge.wire.keccak import keccak
from worker_node.settings_chips import CHIP_KINDS, ChipSection, check_chip
from worker_node.settings_loads import EvSection, LimitContactSection, ShedSection, ThermalSection, check_loads
from worker_node.settings_sunspec import BatterySection, ServeSection, check_battery, check_line, check_serve

METER_KINDS = (
    "sim:house",
    *CHIP_KINDS,
    *(
        f"modbus-{way}:{part}"
        for way in ("tcp", "rtu")
        for part in (
            *("sdm630", "sdm120", "sdm230", "sdm72", "sdm72d-m", "em24", "em24-e1", "em340"),
            *("sunspec", "own", "head"),
        )
    ),
)

_WIRING = (
    "commissioning_file", "host", "port", "serial_port", "spi_bus", "spi_device", "spi_hz", "i2c_bus", "i2c_address",
)  # fmt: skip


@dataclass(frozen=True)
class WorkerSection:
    """Who this Worker is, where it keeps its state, and what its home accepted."""

    hive: int = option("number of the Hive", low=0, high=2**32 - 1)
    serial: str = option("printed serial of the device")
    state_dir: str = option("folder on the card for journal and checkpoint")
    runtime_dir: str = option("folder in memory (such as /run/hive) for the checkpoint after every sample")
    key_file: str = option(
        "device key: a file of 64 hex digits and mode 0400 or 0600, `credential:NAME` of the service manager, or a "
        "security token as `pkcs11:token=...;object=...?module-path=...&pin-source=...` (RFC 7512)"
    )
    terms_file: str = option("signed HiveTerms that the home accepted")
    tariff_file: str = option("tariff file that the terms name")
    queen_address: str = option("address of the Queen, 40 lower-case hex digits")
    owner_address: str = option("address of the Hive's owner, who signs the terms too")
    chain_id: int = option("number of the chain that the settlement contract lives on", low=1, high=2**53)
    contract: str = option("address of the EnergySettlement contract, 40 lower-case hex digits")
    name: str = option("name of the home on its own page", "")
    opening_slot: int = option("slot at the account's opening on the chain; 0: as first told by the Queen", 0, low=0)


@dataclass(frozen=True)
class MeterSection:
    """The meter at the home's connection."""

    kind: str = option("bus and part of the meter", choices=METER_KINDS)
    sample_every_s: int = option("seconds between samples; must divide 900", 1, low=1, high=5)
    full_every: int = option("every how many samples voltage, current and power are measured too", 1, low=1, high=60)
    fuse_w: int = option("most that the connection's fuses let through, W", 69_000, low=1, high=1_000_000)
    cross_check_permille: int = option("tolerance of the energy cross-check, thousandths", 20, low=1, high=200)
    commissioning_file: str = option("signed record of the commissioning, once there is one; empty: none", "")
    close_within_s: int = option("only a sample so soon after a slot's end closes it", 5, low=1, high=15)
    meter_constant: int = option("pulses per kWh of the chip", 3_200, low=7, high=1_000_000)
    line_frequency_hz: int = option("nominal frequency", 50, low=50, high=60)
    phase_map: tuple[int, ...] = option("chip channel that measures phase A, B, C", (0, 1, 2))
    reversed_phases: tuple[bool, ...] = option("channels with their transformer turned round", (False, False, False))
    u_gain: tuple[int, ...] = option("voltage gain register words", (0x8000, 0x8000, 0x8000))
    i_gain: tuple[int, ...] = option("current gain register words", (0x8000, 0x8000, 0x8000))
    pq_gain: tuple[int, ...] = option("power gain register words", (0, 0, 0))
    phi: tuple[int, ...] = option("phase angle register words", (0, 0, 0))
    spi_bus: int = option("number of the SPI bus", 0, low=0, high=9)
    spi_device: int = option("chip select of the chip", 0, low=0, high=9)
    spi_hz: int = option("clock of the SPI bus", 200_000, low=1_000, high=1_100_000)
    host: str = option("Modbus TCP: host of the meter or gateway", "127.0.0.1")
    port: int = option("Modbus TCP: port", 502, low=1, high=65_535)
    serial_port: str = option("Modbus RTU: device such as /dev/ttyUSB0", "")
    baud: int = option("Modbus RTU: speed", 9_600, low=1_200, high=115_200)
    parity: str = option("Modbus RTU: parity", "N", choices=("N", "E", "O"))
    unit: int = option("Modbus unit (slave) number", 1, low=1, high=247)
    head_key_file: str = option("sensor head: file of its key, made by hive-provision head flash", "")
    profile: str = option(
        "own Modbus meter: path of its profile (.toml), with kind modbus-tcp:own or modbus-rtu:own", ""
    )


@dataclass(frozen=True)
class PvSection:
    """The home's sun, as far as page and plan need it."""

    peak_w: int = option("peak power, W; 0: none", 0, low=0)
    curtailable: bool = option("whether plans may hold the inverter back", False)


@dataclass(frozen=True)
class BrokerSection:
    """The Hive's broker; TLS with a client certificate whose common name is the Worker's address."""

    host: str = option("host name or address")
    ca_file: str = option("certificate of the Hive's authority")
    certificate_file: str = option("own certificate")
    key_file: str = option("key of the certificate")
    port: int = option("port", 8_883, low=1, high=65_535)


@dataclass(frozen=True)
class WebSection:
    """The homeowner's page; leave the section out for none."""

    host: str = option("address to serve on", "127.0.0.1")
    port: int = option("port", 8_080, low=0, high=65_535)


@dataclass(frozen=True)
class ClockSection:
    """The system's time, or time granted by a simulation."""

    kind: str = option("which clock", "system", choices=("system", "granted"))
    grant_socket: str = option("granted: socket of the granting process", "")
    start_unix_s: int = option("granted: the first instant", 0, low=0)


@dataclass(frozen=True)
class HistorySection:
    """Slots before the first own reading, for the forecast; unsigned, and marked so in the journal."""

    file: str = option("JSON with v, first_slot, load_milliwh, pv_milliwh; empty: none", "")


@dataclass(frozen=True)
class RoundsSection:
    """Coordination rounds of the Queen."""

    answer: bool = option(
        "whether rounds are opened and answered; false at the connection point of a daughter Hive, whose Queen does it",
        True,
    )


@dataclass(frozen=True)
class FairPlaySection:
    """What the home discloses of itself when the Queen audits one of its answers."""

    disclosures_a_day: int = option(
        "most answers in 24 hours whose assets and forecast are disclosed, appeals aside; 0: none", 4, low=0, high=100
    )
    drawn_permille: int = option(
        "largest share of rounds that may be drawn for an audit, thousandths", 20, low=0, high=1_000
    )
    appeal_when_suspended: bool = option("whether a suspension is appealed against at once", True)


@dataclass(frozen=True)
class MasksSection:
    """Answers of rounds under masks, so that the Queen sees sums only; leave the section out for none."""

    homes: tuple[str, ...] = option(
        "addresses of the Hive's homes, known from elsewhere than the Queen; none else masks"
    )
    required: bool = option("whether answers that are not masked are refused", True)
    fewest: int = option("fewest homes in one sum", 3, low=3, high=128)


@dataclass(frozen=True)
class RealtimeSection:
    """Paid changes of the battery's power inside a slot; leave the section out for none."""

    pool: str = option("address of the FlexibilityPool that pays for them, 40 lower-case hex digits")
    price_micro_per_kwh: int = option(
        "what each kWh moved beside the plan must bring, micro-coins; wear included", low=0, high=10**8
    )
    share_permille: int = option("share of the battery's headroom that is offered, thousandths", 500, low=1, high=1_000)
    first_serial: int = option(
        "serial of the newest order charged before this journal was begun; 0: none", 0, low=0, high=2**32 - 2
    )


@dataclass(frozen=True)
class GridSection:
    """What this home tells about the feeder it hangs on."""

    publish_voltage: bool = option(
        "whether mean voltage, power and reactive power of every slot go to the Queen, for her voltage limits; "
        "reactive power and voltage also say a little of which appliances run",
        False,
    )


@dataclass(frozen=True)
class SimSection:
    """The simulated house; with a profile meter and battery are simulated, `sim:house` being one with a chip."""

    profile: str = option("measured home that is replayed; empty: everything is real", "")
    day_unix_s: int = option("midnight UTC of the simulated day; 0: the profile's own", 0, low=0)
    days: int = option("days that are replayed, up to and including the simulated one", 1, low=1, high=28)
    seed: int = option("seed of everything random in the simulation", 0, low=0)
    faults: tuple[str, ...] = option("faults to play: kind@unix_s, kinds as the simulated meter names them", ())
    house_file: str = option("file that holds house and chip, so that they outlive the daemon; empty: in state_dir", "")


@dataclass(frozen=True)
class ChainSection:
    """The Worker's own look at the chain; leave the section out for none."""

    rpc_urls: tuple[str, ...] = option(
        "two RPC addresses of different providers, such as https://host/path; both must say the same"
    )
    poll_every_s: int = option("seconds between looks", 21_600, low=60, high=86_400)
    code_hash: str = option("keccak-256 of the contract's code, 64 hex digits; empty: not compared", "")
    mother_hive: int = option(
        "the mother Hive that this home accepts; under any other the pool counts as asked for", 0, low=0, high=2**32 - 1
    )


@dataclass(frozen=True)
class WorkerFile:
    """The sections that a settings file may have."""

    worker: WorkerSection
    meter: MeterSection
    broker: BrokerSection
    chip: ChipSection | None = None
    battery: BatterySection | None = None
    thermal: ThermalSection | None = None
    ev: EvSection | None = None
    shed: ShedSection | None = None
    limit_contact: LimitContactSection | None = None
    pv: PvSection = field(default_factory=PvSection)
    web: WebSection | None = None
    clock: ClockSection = field(default_factory=ClockSection)
    history: HistorySection = field(default_factory=HistorySection)
    rounds: RoundsSection = field(default_factory=RoundsSection)
    masks: MasksSection | None = None
    fairplay: FairPlaySection = field(default_factory=FairPlaySection)
    realtime: RealtimeSection | None = None
    grid: GridSection = field(default_factory=GridSection)
    sim: SimSection = field(default_factory=SimSection)
    chain: ChainSection | None = None
    serve: ServeSection | None = None


@dataclass(frozen=True)
class WorkerSettings(WorkerFile):
    """A settings file's sections, and the folder it lies in."""

    folder: Path = Path()

    def path(self, name: str) -> Path:
        """A path of the settings, relative to their file."""
        return self.folder / name

    def measuring(self) -> bytes:
        """Keccak of what the meter's energy depends on, as JSON; in Readings until there is a commissioning record."""
        measuring = {key: value for key, value in asdict(self.meter).items() if key not in _WIRING}
        document = {"meter": measuring, "serial": self.worker.serial}
        if self.chip is not None:
            document["chip"] = {key: value for key, value in asdict(self.chip).items() if key not in _WIRING}
        return keccak(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


def load_settings(file: Path) -> WorkerSettings:
    """The settings in a file; SettingsError names file, line, key and the nearest known key."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: cannot be read: {error}", next_step="name one with --config") from error
    found = read_settings(WorkerFile, text, str(file))
    settings = WorkerSettings(**{one.name: getattr(found, one.name) for one in fields(WorkerFile)}, folder=file.parent)
    _check(settings, file)
    return settings


def _check(settings: WorkerSettings, file: Path) -> None:
    """What ranges alone cannot say."""
    try:
        checked_serial(settings.worker.serial)
        for name in ("queen_address", "owner_address", "contract"):
            address_bytes(getattr(settings.worker, name))
    except IdentityError as error:
        raise SettingsError(f"{file}: [worker]: {error}") from error
    try:
        for home in settings.masks.homes if settings.masks is not None else ():
            address_bytes(home)
    except IdentityError as error:
        raise SettingsError(f"{file}: [masks]: homes: {error}") from error
    _check_realtime(settings, file)
    if 900 % settings.meter.sample_every_s:
        raise SettingsError(f"{file}: [meter]: sample_every_s = {settings.meter.sample_every_s} does not divide 900")
    for name in ("phase_map", "reversed_phases", "u_gain", "i_gain", "pq_gain", "phi"):
        if len(getattr(settings.meter, name)) != 3:
            raise SettingsError(f"{file}: [meter]: {name} needs three entries, one per phase")
    _check_modbus(settings.meter, file)
    check_chip(settings.meter, settings.chip, file)
    if settings.meter.kind == "sim:house" and not settings.sim.profile:
        raise SettingsError(f"{file}: [sim]: profile is missing; kind = 'sim:house' replays one")
    check_battery(settings.battery, bool(settings.sim.profile), settings.clock.kind == "granted", file)
    check_line(settings.meter, settings.battery, file)
    check_serve(settings.serve, file)
    check_loads(
        settings.thermal,
        settings.ev,
        settings.shed,
        settings.limit_contact,
        settings.clock.kind == "granted",
        file,
    )
    _check_chain(settings.chain, file)
    clock = settings.clock
    if clock.kind == "granted" and not (clock.grant_socket and clock.start_unix_s):
        raise SettingsError(f"{file}: [clock]: a granted clock needs grant_socket and start_unix_s")


def _check_realtime(settings: WorkerSettings, file: Path) -> None:
    if settings.realtime is None:
        return
    try:
        address_bytes(settings.realtime.pool)
    except IdentityError as error:
        raise SettingsError(f"{file}: [realtime]: pool: {error}") from error
    if settings.masks is not None:
        raise SettingsError(
            f"{file}: [realtime] and [masks] exclude each other: the power of each minute tells what masks hide",
            next_step="leave one of the sections out",
        )


def _check_modbus(meter: MeterSection, file: Path) -> None:
    """An own meter needs its profile, a sensor head its key, and a time-out ends before the next sample is due."""
    if meter.kind.endswith(":own") and not meter.profile.endswith(".toml"):
        raise SettingsError(f"{file}: [meter]: profile must name the .toml file of the meter with kind {meter.kind!r}")
    if meter.kind.endswith(":head") and not meter.head_key_file:
        raise SettingsError(f"{file}: [meter]: head_key_file is missing; kind = {meter.kind!r} needs the head's key")
    timeout_s = 0.5 if meter.baud >= 9600 else 1.0
    if meter.kind.startswith("modbus-rtu:") and timeout_s >= meter.sample_every_s:
        raise SettingsError(
            f"{file}: [meter]: sample_every_s = {meter.sample_every_s} must be longer than the time-out of "
            f"{timeout_s:g} s at {meter.baud} baud; raise it, or the baud rate"
        )


def _check_chain(chain: ChainSection | None, file: Path) -> None:
    if chain is None:
        return
    if len(chain.rpc_urls) != 2 or len(set(chain.rpc_urls)) != 2:
        raise SettingsError(
            f"{file}: [chain]: rpc_urls needs two different addresses, so that no single one is believed",
            next_step="name two, or leave the section out",
        )
    for url in chain.rpc_urls:
        if not re.fullmatch(r"https?://[!-?A-~]+", url):
            raise SettingsError(f"{file}: [chain]: {url[:80]!r} is no address such as https://host:8545")
    if chain.code_hash and not re.fullmatch(r"[0-9a-f]{64}", chain.code_hash):
        raise SettingsError(f"{file}: [chain]: code_hash is not 64 lower-case hex digits")


def effective(settings: WorkerSettings) -> dict[str, dict[str, Any]]:
    """All sections with their values in force, for `hive-worker check`; there are no secrets among them."""
    sections = {one.name: getattr(settings, one.name) for one in fields(WorkerFile)}
    return {name: asdict(section) for name, section in sections.items() if section is not None}
