"""Closing a channel at once: a CloseAgreement that Queen and Worker have both signed, from a JSON file.

Fields: those of the Statement, payout (micro-coins to the home), deadline (unix seconds), queen_signature,
worker_signature; addresses and hashes in hex.
"""

from pathlib import Path

from honey_edge.model.ids import IdentityError, address_bytes
from honey_edge.wire.signing import signed_by
from honey_edge.wire.structs import CloseAgreement, Statement
from honey_edge.wire.typed_data import digest
from queen_node.operator.channels import SETTLEMENT, Counter, domain_of, signature_pair, statement_values, worker_row
from queen_node.operator.desk import Desk, hex_of
from queen_node.operator.errors import InputError
from queen_node.operator.files import hex_field, json_object
from queen_node.operator.inputs import coin_text
from queen_node.operator.sending import Offer, Step, offer

_AGREEMENT_NUMBERS = ("hive", "slot", "net", "imported", "exported", "payout", "deadline")
_AGREEMENT_KEYS = {*_AGREEMENT_NUMBERS, "worker", "readings", "queen_signature", "worker_signature"}


def close_agreed(desk: Desk, counter: Counter, name: str, file: Path) -> Offer:
    """Closes at once with a CloseAgreement that carries both signatures."""
    made, queen, worker = read_agreement(file)
    row = worker_row(counter, name)
    if (made.hive, made.worker.hex()) != (counter.hive, row.worker):
        raise InputError(f"{file}: is for {made.worker.hex()} in Hive {made.hive}, not for {row.serial}")
    hashed = digest(domain_of(desk), made)
    queen_now = hex_of(desk.read(SETTLEMENT, "queenOf", made.hive, made.slot))
    for who, key, signature in (("Queen", bytes.fromhex(queen_now), queen), ("Worker", made.worker, worker)):
        if not signed_by(key, hashed, signature):
            raise InputError(f"{file}: {who.lower()}_signature is not the {who}'s ({key.hex()}) over these values")
    values = Statement(made.hive, made.worker, made.slot, made.net, made.imported, made.exported, made.readings)
    call = desk.call(
        SETTLEMENT,
        "closeAgreed",
        statement_values(values),
        made.payout,
        made.deadline,
        signature_pair(worker),
        signature_pair(queen),
    )
    title = f"close {row.serial} as agreed: {coin_text(made.payout)} coins to the home"
    step = Step(f"close/{made.hive}/{row.worker}", title, call)
    return offer(desk.chain, "channel close", [step], row.serial, "the serial", f"{coin_text(made.payout)} coins")


def read_agreement(file: Path) -> tuple[CloseAgreement, bytes, bytes]:
    """A CloseAgreement with the Queen's and the Worker's signature; InputError names the field."""
    document = json_object(file)
    if set(document) != _AGREEMENT_KEYS:
        wrong = sorted(set(document) ^ _AGREEMENT_KEYS)
        raise InputError(
            f"{file}: {wrong[0]} is missing or unknown", next_step=f"fields: {', '.join(sorted(_AGREEMENT_KEYS))}"
        )
    for name in _AGREEMENT_NUMBERS:
        if type(document[name]) is not int:
            raise InputError(f"{file}: {name} is not a whole number")
    try:
        made = CloseAgreement(
            **{name: document[name] for name in _AGREEMENT_NUMBERS},
            worker=address_bytes(str(document["worker"])),
            readings=hex_field(document, "readings", 32, file),
        )
    except IdentityError as error:
        raise InputError(f"{file}: worker: {error}") from error
    return made, hex_field(document, "queen_signature", 64, file), hex_field(document, "worker_signature", 64, file)
