"""The Meter List: certificates of a certifier, listing a meter with one, and what is known of a meter.

A certificate file is JSON: meter, owner, serial, manufacturer, model, not_after (unix seconds), beekeeper, chain_id,
signature. The texts are hashed in what is signed; the contract shows them in its event only.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from honey_edge.model.errors import HiveError
from honey_edge.model.ids import checked_serial
from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import Signer, recover_address
from honey_edge.wire.structs import MeterCertificate
from honey_edge.wire.typed_data import Domain, digest
from queen_node.operator.desk import Desk, hex_of, plain
from queen_node.operator.errors import InputError, NotAllowed, NotFound
from queen_node.operator.files import json_object
from queen_node.operator.inputs import address, utc_text
from queen_node.operator.sending import Document, Offer, Step, offer

BEEKEEPER = "Beekeeper"
METER_STATES = ("none", "online", "offline", "retired")
NO_ADDRESS = "00" * 20
_TEXT_BYTES_AT_MOST = 64


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certifier's word for a meter, with the owner it is to be listed for."""

    meter: str
    owner: str
    serial: str
    manufacturer: str
    model: str
    not_after: int
    beekeeper: str
    chain_id: int
    signature: str = ""

    def signed(self) -> MeterCertificate:
        """The structure that the certifier signs."""
        serial, manufacturer, model = (keccak(text.encode()) for text in (self.serial, self.manufacturer, self.model))
        return MeterCertificate(bytes.fromhex(self.meter), serial, manufacturer, model, self.not_after)

    def digest(self) -> bytes:
        """What is signed, valid for one Beekeeper on one chain."""
        return digest(Domain(self.chain_id, bytes.fromhex(self.beekeeper)), self.signed())


def certify(certificate: Certificate, signer: Signer) -> Document:
    """The certificate's document under a certifier's signature."""
    _checked(certificate, "the certificate")
    signature = signer.sign(certificate.digest()).hex()
    return asdict(certificate) | {"signature": signature, "certifier": signer.address.hex()}


def read_certificate(file: Path) -> Certificate:
    """A certificate file; NotFound or InputError names file and field."""
    document = json_object(file)
    names = {*Certificate.__slots__}
    if not names <= set(document) <= names | {"certifier"}:
        raise InputError(f"{file}: a certificate has exactly the fields {', '.join(sorted(names))}, and certifier")
    values: dict[str, Any] = {name: document[name] for name in names}
    for name, kind in (("not_after", int), ("chain_id", int)):
        if type(values[name]) is not kind:
            raise InputError(f"{file}: {name} = {values[name]!r} is not a whole number")
    return _checked(Certificate(**values), str(file))


def _checked(certificate: Certificate, place: str) -> Certificate:
    for name in ("meter", "owner", "beekeeper"):
        if address(str(getattr(certificate, name)), f"{place}: {name}") != getattr(certificate, name):
            raise InputError(f"{place}: {name} must be 40 lower-case hex digits")
    for name in ("serial", "manufacturer", "model"):
        text = getattr(certificate, name)
        if not isinstance(text, str) or not 0 < len(text.encode()) <= _TEXT_BYTES_AT_MOST:
            raise InputError(f"{place}: {name} must be a text of 1 to {_TEXT_BYTES_AT_MOST} bytes")
    checked_serial(certificate.serial)
    if not 0 < certificate.not_after < 2**48:
        raise InputError(f"{place}: not_after = {certificate.not_after} is no unix second")
    return certificate


def listing_step(desk: Desk, certificate: Certificate) -> Step | None:
    """The transaction that lists a certified meter; None when it is listed already."""
    place = f"certificate of {certificate.meter}"
    if certificate.chain_id != desk.chain.chain_id or certificate.beekeeper != desk.book.at(BEEKEEPER):
        raise InputError(f"{place}: is for the Beekeeper {certificate.beekeeper} on chain {certificate.chain_id}")
    found = desk.read(BEEKEEPER, "meter", certificate.meter)
    if hex_of(found["owner"]) != NO_ADDRESS:
        return None
    if certificate.not_after < desk.chain.head().at_unix_s:
        raise NotAllowed(
            f"{place}: could be used until {utc_text(certificate.not_after)}", next_step="hive meter certify"
        )
    try:
        signature = bytes.fromhex(certificate.signature)
        certifier = recover_address(certificate.digest(), signature).hex()
    except (ValueError, HiveError) as error:
        raise InputError(f"{place}: signature: {error}") from error
    role = desk.read(BEEKEEPER, "CERTIFIER_ROLE")
    if not desk.read(BEEKEEPER, "hasRole", role, certifier):
        raise NotAllowed(f"{place}: {certifier} is no certifier of this Beekeeper", next_step="hive chain check")
    c = certificate
    call = desk.call(
        BEEKEEPER,
        "addMeter",
        c.meter,
        c.owner,
        c.serial,
        c.manufacturer,
        c.model,
        c.not_after,
        (signature[:32], signature[32:]),
    )
    return Step(f"meter/{c.meter}", f"list the meter {c.serial} ({c.meter}) for {c.owner}", call)


def register(desk: Desk, certificate: Certificate) -> Offer:
    """Lists a certified meter; anyone may send it."""
    step = listing_step(desk, certificate)
    if step is None:
        raise NotAllowed(f"the meter {certificate.meter} is listed", next_step=f"hive meter show {certificate.meter}")
    return offer(desk.chain, "meter register", [step], certificate.serial, "the serial")


def show(desk: Desk, meter: str) -> Document:
    """One meter: owner, Hive, status, stake, and its account where it has one."""
    info = plain(desk.read(BEEKEEPER, "meter", meter))
    if info["owner"] == NO_ADDRESS:
        raise NotFound(f"no meter {meter} is listed", next_step="hive meter register CERTIFICATE")
    told = next(
        (e for e in desk.events(BEEKEEPER) if e.name == "MeterAdded" and hex_of(e.arguments["meter"]) == meter), None
    )
    return {
        "meter": meter,
        "serial": told.arguments["serial"] if told else "",
        "manufacturer": told.arguments["manufacturer"] if told else "",
        "model": told.arguments["model"] if told else "",
        "owner": info["owner"],
        "hive": info["hive"] or None,
        "status": METER_STATES[int(info["status"])],
        "stake_wei": int(info["stake"]),
        "staked_since": utc_text(int(info["stakedSince"])) if int(info["stakedSince"]) else None,
        "listed_at": utc_text(int(info["listedAt"])),
        "point": info["point"],
    }


def list_all(desk: Desk) -> list[Document]:
    """All meters ever listed, with the Hive each is in now."""
    found = []
    for event in desk.events(BEEKEEPER):
        if event.name == "MeterAdded":
            meter = hex_of(event.arguments["meter"])
            info = plain(desk.read(BEEKEEPER, "meter", meter))
            found.append(
                {
                    "meter": meter,
                    "serial": event.arguments["serial"],
                    "owner": info["owner"],
                    "hive": info["hive"] or None,
                    "status": METER_STATES[int(info["status"])],
                }
            )
    return found
