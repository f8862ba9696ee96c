"""The Queen's settings: one TOML file into frozen dataclasses; files it names are read relative to it.

Keys are files, never text in TOML. An unknown key stops the start with file, line and nearest name.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from drivers.errors import DriverError
from drivers.linux.key_source import find_key
from honey_edge.billing.tariff import Tariff, parse_tariff
from honey_edge.model.ids import IdentityError, address_bytes, checked_serial
from honey_edge.model.options import SettingsError, option, read_settings
from honey_edge.wire.recompute import Agreement
from honey_edge.wire.signing import KeyFileError, KeySigner, Signer
from honey_edge.wire.structs import HiveTerms
from honey_edge.wire.terms_file import Signers, parse_terms
from honey_edge.wire.token_signer import signer_of
from honey_edge.wire.typed_data import Domain
from queen_node.mother_settings import MotherSection, mother_agreement


@dataclass(frozen=True, slots=True)
class HiveSection:
    """Which Hive this is and what its homes accepted."""

    hive: int = option("number of the Hive", low=0, high=2**32 - 1)
    chain_id: int = option("chain the contract lives on", low=1, high=2**63 - 1)
    contract: str = option("address of EnergySettlement, 40 lower-case hex digits")
    queen_address: str = option("address of the Queen's signing key, 40 lower-case hex digits")
    owner_address: str = option("address of the Hive's owner, 40 lower-case hex digits")
    terms_file: str = option("the signed terms (JSON)")
    tariff_file: str = option("the tariff the terms name (JSON)")
    workers_file: str = option("enrolled Workers: JSON list of address, serial, and without a chain opening_slot")
    key_file: str = option(
        "the Queen's signing key: a file of 64 hex digits and mode 0400 or 0600, `credential:NAME` of the service "
        "manager, or a security token as `pkcs11:token=...;object=...?module-path=...&pin-source=...` (RFC 7512)"
    )


@dataclass(frozen=True, slots=True)
class StoreSection:
    """Where the Queen remembers."""

    url: str = option("database address for SQLAlchemy", "sqlite:///queen.sqlite")


@dataclass(frozen=True, slots=True)
class BrokerSection:
    """The MQTT broker."""

    host: str = option("host name in the broker's certificate")
    port: int = option("TLS port", low=1, high=65535)
    client_id: str = option("client id, of a-z, 0-9 and hyphens; also the certificate's common name")
    ca_file: str = option("certificate of the Hive's authority")
    certificate_file: str = option("the Queen's certificate")
    key_file: str = option("key of that certificate")


@dataclass(frozen=True, slots=True)
class ClockSection:
    """Where time comes from."""

    kind: str = option("the system's time, or time granted by a simulation", "system", choices=("system", "granted"))
    grant_socket: str = option("socket that grants time (granted only)", "")
    start_unix_s: int = option("instant at which granted time starts", 0, low=0, high=2**40)


@dataclass(frozen=True, slots=True)
class MeterSection:
    """The Queen's own meter at the connection point."""

    kind: str = option("none, or counters handed over with granted time", "none", choices=("none", "granted"))


@dataclass(frozen=True, slots=True)
class TimesSection:
    """Offsets after the end of a slot, seconds."""

    close_after_s: int = option("a slot closes this long after its end", 20, low=1, high=300)
    countersigned_after_s: int = option("countersignatures are awaited until then", 40, low=2, high=600)
    coordinate_after_s: int = option("coordination starts this long after a slot's start", 40, low=1, high=600)
    coordinate_until_s: int = option("no round starts or goes on later than this", 300, low=2, high=890)
    most_iterations: int = option("a round ends after so many iterations at the latest", 60, low=1, high=1_000)
    answer_within_s: float = option("how long one iteration waits for answers", 2.0, low=0.1, high=60)


@dataclass(frozen=True, slots=True)
class LimitsSection:
    """What one Worker may send."""

    messages_per_minute: int = option("sustained rate of one Worker", 600, low=10, high=100_000)
    burst_messages: int = option(
        "messages one Worker may send at once, e.g. readings kept in an outage", 5_000, low=10, high=1_000_000
    )
    step_margin_milliwh: int = option("slack of the plausible step", 10_000, low=0, high=10**9)


@dataclass(frozen=True, slots=True)
class GridSection:
    """What the connection point allows, and what its peak costs."""

    import_w: int = option("most power that the Hive may take, W; 0: no limit", 0, low=0, high=10**9)
    export_w: int = option("most power that the Hive may give, W; 0: no limit", 0, low=0, high=10**9)
    peak_micro_per_kw: int = option("charge for a day's highest import, micro-coins per kW", 0, low=0, high=10**12)


@dataclass(frozen=True, slots=True)
class IslandSection:
    """Whether the Hive is connected to the grid, beside what `hive island` says."""

    contact: str = option("what tells that the connection is away", "none", choices=("none", "file", "meter"))
    contact_file: str = option("file that says grid or island (contact = file only)", "")
    poll_every_s: int = option("how often the contact is looked at; two equal looks count", 5, low=1, high=300)


@dataclass(frozen=True, slots=True)
class VoltageSection:
    """Voltage limits of the feeder, with sensitivities estimated from what homes publish."""

    collect: bool = option("whether voltages that homes publish are kept, so that an estimate can be made", False)
    on: bool = option("whether rounds keep the band once there is an estimate; needs collect", False)
    source_worker: str = option("Worker whose meter is nearest to the transformer, 40 lower-case hex digits", "")
    nominal_v: int = option("nominal voltage of a phase", 230, low=50, high=1_000)
    low_permille: int = option("lowest allowed voltage, thousandths of nominal", 900, low=500, high=999)
    high_permille: int = option("highest allowed voltage, thousandths of nominal", 1_100, low=1_001, high=1_500)
    feeder: tuple[str, ...] = option(
        "Workers in their order along one line, from the transformer on; empty: the order is not known", ()
    )


@dataclass(frozen=True, slots=True)
class FairplaySection:
    """What is audited, and what two alarms of the test on declarations mean."""

    audits_permille: int = option(
        "rounds of each Worker of which one answer is audited by replay, thousandths", 10, low=0, high=1_000
    )
    audits_a_day: int = option("most audits of one Worker in 24 hours, appeals aside", 4, low=0, high=1_000)
    answer_within_h: int = option(
        "hours after which a disclosure that has not come counts as not given", 12, low=1, high=168
    )
    suspension: bool = option("whether two alarms in seven days have consequences, or are only counted", True)
    appeal_every_days: int = option("an appeal is granted once in so many days", 28, low=0, high=3_650)


@dataclass(frozen=True, slots=True)
class MasksSection:
    """Rounds in which the Queen sees only sums of the homes' answers."""

    on: bool = option("whether answers are asked for under masks, where at least three homes can", False)
    largest_group: int = option("most homes in one sum", 48, low=3, high=128)


@dataclass(frozen=True, slots=True)
class RealtimeSection:
    """Orders inside a slot, paid from the stake in the FlexibilityPool."""

    on: bool = option("whether homes that offer it are asked to leave their plan when the sum does", False)
    pool: str = option("address of the FlexibilityPool, 40 lower-case hex digits; needed with on", "")
    stake_micro: int = option(
        "all coins that the owner ever staked for orders, micro-coins: orders ever accepted cost no more",
        0,
        low=0,
        high=2**63 - 1,
    )
    dead_band_w: int = option("deviation of the Hive's sum that nobody is asked to mend, W", 500, low=1, high=10**8)
    worth_micro_per_kwh: int = option(
        "dearest offer that a deviation is worth, micro-coins per kWh", 200_000, low=0, high=10**8
    )
    decide_after_s: int = option("so long after the end of each minute orders are decided, s", 5, low=1, high=20)
    lead_s: int = option("so long after the decision orders begin, s", 5, low=1, high=20)


@dataclass(frozen=True, slots=True)
class ChainSection:
    """The Ethereum chain; without addresses accounts follow the workers file."""

    rpc_urls: tuple[str, ...] = option("JSON-RPC addresses, best of three operators; empty = no chain", ())
    sender_key_file: str = option("hex secret of the account that sends settlements; empty = the Queen's key", "")
    sender_password_file: str = option(
        "password of sender_key_file where that is an encrypted keystore (JSON, version 3); readable by her user only",
        "",
    )
    agreement: int = option(
        "so many addresses must agree when money depends on it, if there are so many", 2, low=1, high=9
    )
    max_lag_blocks: int = option("an address further behind than this is set aside", 3, low=0, high=1_000)
    finality: str = option("what counts as final: the chain's own rule (finalized), or depth:N blocks", "finalized")
    fee_cap_tx_wei: int = option("most that one transaction may cost, wei", 10**18, low=1, high=10**24)
    fee_cap_day_wei: int = option("most that a UTC day's transactions may cost, wei", 2 * 10**18, low=1, high=10**24)
    replace_after_blocks: int = option(
        "a transaction not mined for so many blocks gets higher fees", 3, low=1, high=10_000
    )
    poll_every_s: int = option("how often events, accounts and pool are looked at", 60, low=5, high=86_400)
    settle_daily: bool = option("whether the Queen settles each day by herself", True)
    contest: bool = option("whether the Queen contests old states by herself", True)
    start_block: int = option("block from which events are read, e.g. that of the deployment", 0, low=0, high=2**63 - 1)
    address_book: str = option("address book written by `hive chain deploy` (JSON); empty = none", "")


@dataclass(frozen=True, slots=True)
class QueenSettings:
    """The whole file."""

    hive: HiveSection
    broker: BrokerSection
    store: StoreSection = field(default_factory=StoreSection)
    clock: ClockSection = field(default_factory=ClockSection)
    meter: MeterSection = field(default_factory=MeterSection)
    times: TimesSection = field(default_factory=TimesSection)
    limits: LimitsSection = field(default_factory=LimitsSection)
    grid: GridSection = field(default_factory=GridSection)
    island: IslandSection = field(default_factory=IslandSection)
    voltage: VoltageSection = field(default_factory=VoltageSection)
    masks: MasksSection = field(default_factory=MasksSection)
    fairplay: FairplaySection = field(default_factory=FairplaySection)
    mother: MotherSection | None = None
    realtime: RealtimeSection = field(default_factory=RealtimeSection)
    chain: ChainSection = field(default_factory=ChainSection)


@dataclass(frozen=True, slots=True)
class EnrolledWorker:
    """One line of the workers file; the account's opening and funding come from the chain where there is one."""

    address: str
    serial: str
    opening_slot: int
    funding_micro: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings with the files they name, checked against each other."""

    settings: QueenSettings
    folder: Path
    domain: Domain
    terms: HiveTerms
    tariff: Tariff
    tariff_data: bytes
    workers: tuple[EnrolledWorker, ...]
    mother: Agreement | None = None

    def path(self, name: str) -> Path:
        """A file that the settings name."""
        return self.folder / name

    def store_url(self) -> str:
        """The database address; a relative SQLite path is beside the settings."""
        url, scheme = self.settings.store.url, "sqlite:///"
        if url.startswith(scheme) and not url.startswith(scheme + "/"):
            return f"{scheme}{(self.folder / url.removeprefix(scheme)).resolve()}"
        return url


def load(file: Path) -> Loaded:
    """Reads the settings and the files they name; SettingsError, TariffError, TermsError say which is wrong."""
    settings = read_settings(QueenSettings, _text(file), str(file))
    folder, hive = file.resolve().parent, settings.hive
    domain = Domain(hive.chain_id, _address(file, "contract", hive.contract))
    owner = _address(file, "owner_address", hive.owner_address)
    signers = Signers(_address(file, "queen_address", hive.queen_address), owner)
    tariff_data = _bytes(folder / hive.tariff_file)
    terms = parse_terms(_bytes(folder / hive.terms_file), domain, signers, tariff_data)
    if terms.hive != hive.hive:
        raise SettingsError(f"{hive.terms_file}: the terms are those of Hive {terms.hive}, [hive] hive = {hive.hive}")
    _check_chain(file, settings.chain)
    _check_realtime(file, settings)
    workers = parse_workers(_bytes(folder / hive.workers_file), hive.workers_file)
    tariff = parse_tariff(tariff_data)
    check_feeder(file, settings)
    if tariff.island is not None and tariff.island[0] > terms.island_ceiling:
        raise SettingsError(
            f"{hive.tariff_file}: island_buy_micro_per_kwh = {tariff.island[0]} is above island_ceiling of the terms, "
            f"{terms.island_ceiling}: every home would object",
            next_step="have terms signed with that ceiling, or lower the price",
        )
    if settings.mother is not None and settings.voltage.on:
        raise SettingsError(f"{file}: on in [voltage] and [mother] exclude each other: her prices know no band")
    mother = None if settings.mother is None else mother_agreement(settings.mother, folder, domain)
    return Loaded(settings, folder, domain, terms, tariff, tariff_data, workers, mother)


def check_feeder(file: Path, settings: QueenSettings) -> None:
    """What [voltage] and [island] say together with the other sections; SettingsError names the one to correct."""
    island, voltage = settings.island, settings.voltage
    if island.contact == "file" and not island.contact_file:
        raise SettingsError(f"{file}: contact = 'file' in [island] needs contact_file")
    if island.contact == "meter" and settings.meter.kind == "none":
        raise SettingsError(f"{file}: contact = 'meter' in [island] needs a meter in [meter]")
    if voltage.on and not voltage.collect:
        raise SettingsError(f"{file}: on in [voltage] needs collect = true, which the estimate comes from")
    if voltage.on and settings.masks.on:
        raise SettingsError(
            f"{file}: on in [voltage] and on in [masks] exclude each other: the band needs the power of every "
            "electrical node, masked answers show their sum only",
            next_step="switch one of them off",
        )
    if voltage.collect:
        for name, addresses in (("source_worker", (voltage.source_worker,)), ("feeder", voltage.feeder)):
            for one in addresses:
                _address(file, name, one, "voltage")
    if len(set(voltage.feeder)) != len(voltage.feeder):
        raise SettingsError(f"{file}: feeder in [voltage] names a Worker twice")


def _check_realtime(file: Path, settings: QueenSettings) -> None:
    """Orders need the contract that pays them, and a power each minute that masks are there to hide."""
    own = settings.realtime
    if not own.on:
        return
    try:
        address_bytes(own.pool)
    except IdentityError as error:
        raise SettingsError(f"{file}: pool in [realtime]: {error}") from error
    if settings.masks.on:
        raise SettingsError(f"{file}: on in [realtime] and on in [masks]: orders need each home's power, masks hide it")


def _check_chain(file: Path, chain: ChainSection) -> None:
    """What the options of [chain] say together; SettingsError names the one to correct."""
    for url in chain.rpc_urls:
        place = urlsplit(url)
        if place.scheme not in ("http", "https") or not place.hostname:
            raise SettingsError(f"{file}: rpc_urls in [chain]: {url!r} is no http or https address")
    if len(set(chain.rpc_urls)) != len(chain.rpc_urls):
        raise SettingsError(
            f"{file}: rpc_urls in [chain] names an address twice", next_step="two votes need two different addresses"
        )
    depth = chain.finality.removeprefix("depth:")
    if chain.finality != "finalized" and (depth == chain.finality or not (depth.isascii() and depth.isdecimal())):
        raise SettingsError(f"{file}: finality in [chain] = {chain.finality!r} is neither finalized nor depth:N")
    if chain.fee_cap_day_wei < chain.fee_cap_tx_wei:
        raise SettingsError(f"{file}: fee_cap_day_wei in [chain] is below fee_cap_tx_wei")


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}", next_step="correct the path or its permissions") from error


def _text(file: Path) -> str:
    try:
        return _bytes(file).decode()
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: is not UTF-8 text") from error


def _address(file: Path, name: str, text: str, section: str = "hive") -> bytes:
    try:
        return address_bytes(text)
    except IdentityError as error:
        raise SettingsError(f"{file}: {name} in [{section}]: {error}") from error


def parse_workers(data: bytes, name: str) -> tuple[EnrolledWorker, ...]:
    """The Workers in a workers file; SettingsError names the entry."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{name} is not JSON: {error}") from error
    if not isinstance(document, list):
        raise SettingsError(f"{name} must be a list of Workers")
    workers = tuple(_worker(entry, f"{name}: entry {place}") for place, entry in enumerate(document))
    if len({w.address for w in workers}) != len(workers) or len({w.serial for w in workers}) != len(workers):
        raise SettingsError(f"{name}: an address or serial stands there twice")
    return workers


def _worker(entry: object, place: str) -> EnrolledWorker:
    numbers = {"opening_slot": 0, "funding_micro": 0}
    if not isinstance(entry, dict) or not {"address", "serial"} <= set(entry) <= {"address", "serial", *numbers}:
        raise SettingsError(f"{place} needs address and serial, and may have opening_slot and funding_micro")
    try:
        address, serial = str(entry["address"]), checked_serial(str(entry["serial"]))
        address_bytes(address)
    except IdentityError as error:
        raise SettingsError(f"{place}: {error}") from error
    for key in numbers:
        value = entry.get(key, 0)
        if type(value) is not int or not 0 <= value < 2**63:
            raise SettingsError(f"{place}: {key} = {value!r} is not a whole number from 0")
        numbers[key] = value
    return EnrolledWorker(address, serial, numbers["opening_slot"], numbers["funding_micro"])


def sender_key(loaded: Loaded) -> Signer:
    """The key of the account that sends: as key_file names one, or in an Ethereum keystore with its password file.

    SettingsError or KeyFileError say which file will not do.
    """
    chain = loaded.settings.chain
    source = chain.sender_key_file or loaded.settings.hive.key_file
    if not chain.sender_password_file:
        return _signer_at(source, loaded.folder)
    file = loaded.path(source)
    from eth_account import Account

    password_file = loaded.path(chain.sender_password_file)
    password = _text(password_file).strip()
    if password_file.stat().st_mode & 0o077:
        raise KeyFileError(f"{password_file}: others may read this password", next_step=f"chmod 600 {password_file}")
    try:
        return KeySigner(bytes(Account.decrypt(_text(file), password)))
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{file}: is no keystore, or {password_file.name} is not its password ({error})",
            next_step="correct sender_key_file and sender_password_file in [chain]",
        ) from error


def _signer_at(source: str, folder: Path) -> Signer:
    try:
        return signer_of(find_key(source, folder))
    except DriverError as error:
        raise SettingsError(str(error), next_step="name a key that is there, as [hive] key_file says") from error


def queen_signer(loaded: Loaded) -> Signer:
    """The Queen's signer; refused when its address is not the one that the terms name."""
    hive = loaded.settings.hive
    signer = _signer_at(hive.key_file, loaded.folder)
    if signer.address.hex() != hive.queen_address:
        raise SettingsError(f"{hive.key_file}: its key is {signer.address.hex()}, queen_address {hive.queen_address}")
    return signer


def mother_signer(loaded: Loaded) -> Signer:
    """The signer of the connection point's Worker in the mother Hive. SettingsError or KeyFileError."""
    assert loaded.settings.mother is not None
    return _signer_at(loaded.settings.mother.device_key_file, loaded.folder)
