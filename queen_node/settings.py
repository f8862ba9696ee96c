"""The Queen's settings: one TOML file into frozen dataclasses; files it names are read relative to it.

Keys are files, never text in TOML. An unknown key stops the start with file, line and nearest name.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from honey_edge.billing.tariff import Tariff, parse_tariff
from honey_edge.model.ids import IdentityError, address_bytes, checked_serial
from honey_edge.model.options import SettingsError, option, read_settings
from honey_edge.wire.signing import KeyFileError, KeySigner, secret_of
from honey_edge.wire.structs import HiveTerms
from honey_edge.wire.terms_file import Signers, parse_terms
from honey_edge.wire.typed_data import Domain


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
    key_file: str = option("hex secret of the Queen's signing key, readable by her user only")


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
class MasksSection:
    """Rounds in which the Queen sees only sums of the homes' answers."""

    on: bool = option("whether answers are asked for under masks, where at least three homes can", False)
    largest_group: int = option("most homes in one sum", 48, low=3, high=128)


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
    masks: MasksSection = field(default_factory=MasksSection)
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
    workers = parse_workers(_bytes(folder / hive.workers_file), hive.workers_file)
    return Loaded(settings, folder, domain, terms, parse_tariff(tariff_data), tariff_data, workers)


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


def _address(file: Path, name: str, text: str) -> bytes:
    try:
        return address_bytes(text)
    except IdentityError as error:
        raise SettingsError(f"{file}: {name} in [hive]: {error}") from error


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


def read_secret(file: Path) -> bytes:
    """The secret in a key file; SettingsError when there is none to read, KeyFileError when it will not do."""
    return secret_of(_text(file), file.stat().st_mode, str(file))


def sender_secret(loaded: Loaded) -> bytes:
    """The secret of the account that sends: a plain key file, or an Ethereum keystore with its password file.

    SettingsError or KeyFileError say which file will not do.
    """
    chain = loaded.settings.chain
    file = loaded.path(chain.sender_key_file or loaded.settings.hive.key_file)
    if not chain.sender_password_file:
        return read_secret(file)
    from eth_account import Account

    password_file = loaded.path(chain.sender_password_file)
    password = _text(password_file).strip()
    if password_file.stat().st_mode & 0o077:
        raise KeyFileError(f"{password_file}: others may read this password", next_step=f"chmod 600 {password_file}")
    try:
        return bytes(Account.decrypt(_text(file), password))
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{file}: is no keystore, or {password_file.name} is not its password ({error})",
            next_step="correct sender_key_file and sender_password_file in [chain]",
        ) from error


def queen_signer(loaded: Loaded) -> KeySigner:
    """The Queen's signer; refused when its address is not the one that the terms name."""
    hive = loaded.settings.hive
    signer = KeySigner(read_secret(loaded.path(hive.key_file)))
    if signer.address.hex() != hive.queen_address:
        raise SettingsError(f"{hive.key_file}: its key is {signer.address.hex()}, queen_address {hive.queen_address}")
    return signer
