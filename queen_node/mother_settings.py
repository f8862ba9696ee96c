"""The [mother] section of a daughter Queen's settings, and the files that it names (docs/trees.md)."""

from dataclasses import dataclass
from pathlib import Path

from honey_edge.billing.tariff import parse_tariff
from honey_edge.model.ids import IdentityError, address_bytes
from honey_edge.model.options import SettingsError, option
from honey_edge.wire.recompute import Agreement
from honey_edge.wire.terms_file import Signers, parse_terms
from honey_edge.wire.typed_data import Domain


@dataclass(frozen=True, slots=True)
class MotherSection:
    """The mother Hive that this one is a Worker of; leave the section out for none."""

    hive: int = option("number of the mother Hive", low=0, high=2**32 - 1)
    host: str = option("host name in the certificate of the mother's broker")
    port: int = option("TLS port of the mother's broker", low=1, high=65535)
    ca_file: str = option("certificate of the mother Hive's authority")
    certificate_file: str = option("certificate of the connection point's Worker at the mother's broker")
    key_file: str = option("key of that certificate")
    device_key_file: str = option(
        "key of the connection point's Worker, which signs its Declarations; as [hive] key_file"
    )
    queen_address: str = option("address of the mother Queen's signing key, 40 lower-case hex digits")
    owner_address: str = option("address of the mother Hive's owner, 40 lower-case hex digits")
    terms_file: str = option("the mother's signed terms (JSON)")
    tariff_file: str = option("the tariff the mother's terms name (JSON)")
    chain_id: int = option("chain of the mother's contract; 0: as in [hive]", 0, low=0, high=2**63 - 1)
    contract: str = option("address of the mother's EnergySettlement; empty: as in [hive]", "")
    answer_within_s: float = option(
        "an answer may take this long where the mother's deadline says no more; she waits 0.25 s at least",
        0.2,
        low=0.05,
        high=60,
    )
    begin_within_s: int = option(
        "the mother's round is waited for this long after the own one is due", 20, low=1, high=600
    )
    silent_s: int = option("a mother who says nothing for so long in her round is away", 15, low=2, high=600)


def mother_agreement(section: MotherSection, folder: Path, own: Domain) -> Agreement:
    """What was agreed with the mother: whose signature counts, where, under which terms and tariff.

    SettingsError, TermsError and TariffError name the file that will not do.
    """
    queen, owner = (_address(name, getattr(section, name)) for name in ("queen_address", "owner_address"))
    contract = _address("contract", section.contract) if section.contract else own.contract
    domain = Domain(section.chain_id or own.chain_id, contract)
    tariff_data = _bytes(folder / section.tariff_file)
    terms = parse_terms(_bytes(folder / section.terms_file), domain, Signers(queen, owner), tariff_data)
    if terms.hive != section.hive:
        raise SettingsError(
            f"{section.terms_file}: the terms are those of Hive {terms.hive}, [mother] hive = {section.hive}"
        )
    return Agreement(domain, queen, section.hive, terms, parse_tariff(tariff_data))


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}", next_step="correct the path in [mother]") from error


def _address(name: str, text: str) -> bytes:
    try:
        return address_bytes(text)
    except IdentityError as error:
        raise SettingsError(f"{name} in [mother]: {error}") from error
