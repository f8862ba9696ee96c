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
from honey_edge.wire.signing import KeyFileError, secret_of

METER_KINDS = (
    "sim:house",
    "spi:atm90e32as",
    *(
        f"modbus-{way}:{part}"
        for way in ("tcp", "rtu")
        for part in (
            *("sdm630", "sdm120", "sdm230", "sdm72", "sdm72d-m", "em24", "em24-e1", "em340"),
            *("sunspec", "own"),
        )
    ),
)

_WIRING = ("host", "port", "serial_port", "spi_bus", "spi_device", "spi_hz")


@dataclass(frozen=True)
class WorkerSection:
    """Who this Worker is, where it keeps its state, and what its home accepted."""

    hive: int = option("number of the Hive", low=0, high=2**32 - 1)
    serial: str = option("printed serial of the device")
    state_dir: str = option("folder on the card for journal and checkpoint")
    runtime_dir: str = option("folder in memory (such as /run/hive) for the checkpoint after every sample")
    key_file: str = option("device key: 64 hex digits in a file of mode 0400 or 0600")
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
    profile: str = option(
        "own Modbus meter: path of its profile (.toml), with kind modbus-tcp:own or modbus-rtu:own", ""
    )


@dataclass(frozen=True)
class BatterySection:
    """The home's battery; leave the section out where there is none."""

    kind: str = option("how the battery is reached", choices=("sim",))
    capacity_wh: int = option("usable capacity, Wh", low=1, high=10_000_000)
    charge_w: int = option("largest charging power, W", low=1, high=1_000_000)
    discharge_w: int = option("largest discharging power, W", low=1, high=1_000_000)
    charge_permille: int = option("efficiency of charging, thousandths", 950, low=10, high=1_000)
    discharge_permille: int = option("efficiency of discharging, thousandths", 950, low=10, high=1_000)
    min_permille: int = option("lowest state of charge, thousandths of the capacity", 0, low=0, high=1_000)
    max_permille: int = option("highest state of charge, thousandths", 1_000, low=0, high=1_000)
    end_min_permille: int = option("lowest state of charge at the end of a plan, thousandths", 500, low=0, high=1_000)
    wear_micro_per_kwh: int = option("wear, micro-coins per kWh moved", 10_000, low=0)


@dataclass(frozen=True)
class PvSection:
    """The home's sun, as far as page and plan need it."""

    peak_w: int = option("peak power, W; 0: none", 0, low=0)
    curtailable: bool = option("whether plans may hold the inverter back", False)


@dataclass(frozen=True)
class ThermalSection:
    """A heat store with boiler or heat pump; leave the section out where there is none."""

    kind: str = option("how it is reached; sim: a store that is reckoned, not metered", choices=("sim",))
    capacity_wh: int = option("heat that the store can hold, Wh", low=1, high=10_000_000)
    power_w: int = option("largest electric power, W", low=1, high=1_000_000)
    draw_w: tuple[int, ...] = option("heat taken in each hour of the UTC day, W; 24 numbers")
    cop_permille: int = option(
        "heat per electricity, thousandths; boiler 1000, heat pump more", 1_000, low=10, high=100_000
    )
    loss_ppm_per_slot: int = option("heat lost in a quarter of an hour, millionths", 2_000, low=0, high=900_000)
    min_permille: int = option("lowest comfortable content, thousandths of the capacity", 200, low=0, high=1_000)
    end_min_permille: int = option("lowest content at the end of a plan, thousandths", 500, low=0, high=1_000)


@dataclass(frozen=True)
class EvSection:
    """The electric car at its charger; leave the section out where there is none."""

    kind: str = option("how the charger is reached; sim: a car that is reckoned, not metered", choices=("sim",))
    charge_w: int = option("largest charging power, W", low=1, high=1_000_000)
    needed_wh: int = option("energy that the car needs in every stay, Wh into its battery", low=0, high=10_000_000)
    arrives_minute: int = option("minute of the UTC day at which it comes", low=0, high=1_439)
    leaves_minute: int = option("minute of the UTC day at which it must be ready", low=0, high=1_439)
    efficiency_permille: int = option("efficiency of charging, thousandths", 920, low=10, high=1_000)


@dataclass(frozen=True)
class ShedSection:
    """Load that may be left out at a price; leave the section out where there is none."""

    kind: str = option("how it is switched; sim: reckoned, not metered", choices=("sim",))
    power_w: int = option("load that can be left out, W", low=1, high=1_000_000)
    cost_micro_per_kwh: int = option("what leaving it out is worth, micro-coins per kWh", low=1, high=10**9)


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
class MasksSection:
    """Answers of rounds under masks, so that the Queen sees sums only; leave the section out for none."""

    homes: tuple[str, ...] = option(
        "addresses of the Hive's homes, known from elsewhere than the Queen; none else masks"
    )
    required: bool = option("whether answers that are not masked are refused", True)
    fewest: int = option("fewest homes in one sum", 3, low=3, high=128)


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
    battery: BatterySection | None = None
    thermal: ThermalSection | None = None
    ev: EvSection | None = None
    shed: ShedSection | None = None
    pv: PvSection = field(default_factory=PvSection)
    web: WebSection | None = None
    clock: ClockSection = field(default_factory=ClockSection)
    history: HistorySection = field(default_factory=HistorySection)
    masks: MasksSection | None = None
    sim: SimSection = field(default_factory=SimSection)
    chain: ChainSection | None = None


@dataclass(frozen=True)
class WorkerSettings(WorkerFile):
    """A settings file's sections, and the folder it lies in."""

    folder: Path = Path()

    def path(self, name: str) -> Path:
        """A path of the settings, relative to their file."""
        return self.folder / name

    def configuration(self) -> bytes:
        """What Readings carry as `configuration`: keccak of what the meter's energy depends on, as JSON."""
        measuring = {key: value for key, value in asdict(self.meter).items() if key not in _WIRING}
        document = {"meter": measuring, "serial": self.worker.serial}
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
    if 900 % settings.meter.sample_every_s:
        raise SettingsError(f"{file}: [meter]: sample_every_s = {settings.meter.sample_every_s} does not divide 900")
    for name in ("phase_map", "reversed_phases", "u_gain", "i_gain", "pq_gain", "phi"):
        if len(getattr(settings.meter, name)) != 3:
            raise SettingsError(f"{file}: [meter]: {name} needs three entries, one per phase")
    _check_modbus(settings.meter, file)
    battery = settings.battery
    if battery is not None and battery.min_permille >= battery.max_permille:
        raise SettingsError(f"{file}: [battery]: min_permille must be below max_permille")
    if settings.meter.kind == "sim:house" and not settings.sim.profile:
        raise SettingsError(f"{file}: [sim]: profile is missing; kind = 'sim:house' replays one")
    if battery is not None and not settings.sim.profile:
        raise SettingsError(f"{file}: [battery]: kind = 'sim' needs a profile in [sim]")
    _check_assets(settings, file)
    _check_chain(settings.chain, file)
    clock = settings.clock
    if clock.kind == "granted" and not (clock.grant_socket and clock.start_unix_s):
        raise SettingsError(f"{file}: [clock]: a granted clock needs grant_socket and start_unix_s")


def _check_modbus(meter: MeterSection, file: Path) -> None:
    """An own meter needs its profile; a serial line's time-out must be shorter than the time until the next sample."""
    if meter.kind.endswith(":own") and not meter.profile.endswith(".toml"):
        raise SettingsError(f"{file}: [meter]: profile must name the .toml file of the meter with kind {meter.kind!r}")
    timeout_s = 0.5 if meter.baud >= 9600 else 1.0
    if meter.kind.startswith("modbus-rtu:") and timeout_s >= meter.sample_every_s:
        raise SettingsError(
            f"{file}: [meter]: sample_every_s = {meter.sample_every_s} must be longer than the time-out of "
            f"{timeout_s:g} s at {meter.baud} baud; raise it, or the baud rate"
        )


def _check_assets(settings: WorkerSettings, file: Path) -> None:
    thermal, car = settings.thermal, settings.ev
    if thermal is not None and (len(thermal.draw_w) != 24 or min(thermal.draw_w) < 0):
        raise SettingsError(f"{file}: [thermal]: draw_w needs 24 numbers of at least 0, one for each hour")
    if thermal is not None and thermal.end_min_permille < thermal.min_permille:
        raise SettingsError(f"{file}: [thermal]: end_min_permille is below min_permille")
    if car is not None and car.arrives_minute == car.leaves_minute:
        raise SettingsError(f"{file}: [ev]: the car arrives and leaves in the same minute")


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


def read_secret(file: Path) -> bytes:
    """The 32 bytes of a key file; KeyFileError when others may read it or it holds anything else."""
    try:
        return secret_of(file.read_text(encoding="ascii"), file.stat().st_mode, str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{file}: cannot be read: {error}", next_step="name the device key's file") from error


def effective(settings: WorkerSettings) -> dict[str, dict[str, Any]]:
    """All sections with their values in force, for `hive-worker check`; there are no secrets among them."""
    sections = {one.name: getattr(settings, one.name) for one in fields(WorkerFile)}
    return {name: asdict(section) for name, section in sections.items() if section is not None}
