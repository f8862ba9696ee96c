"""The Queen's channel commands against Foundry's node: show, close, contest, permit, agreement, with real Statements.

Keys are small numbers, for tests only.
"""

import json
from dataclasses import asdict

import pytest

from honey_edge.billing.tariff import Tariff, tariff_document
from honey_edge.wire.codec import encode
from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.statement_message import CoverTold, statement_message
from honey_edge.wire.structs import CloseAgreement, CloseRequest, HiveTerms, Statement, WithdrawPermit
from honey_edge.wire.terms_file import TermsFile, terms_document
from honey_edge.wire.typed_data import Domain, digest
from queen_node.chain.calls import Call
from queen_node.operator.channels import overload, signature_pair, statement_values
from queen_node.store import Store, accounts, books, chain_events
from queen_node.store.chain_events import CursorRow
from queen_node.store.records import StatementRow, WorkerRow
from tests.chain_kit.anvil import running_anvil
from tests.system.operator_place import (
    DAY,
    OTHER,
    OWNER,
    QUEEN,
    START_UNIX_S,
    Place,
    address_of,
    give_coins,
)

pytestmark = pytest.mark.system

WORKER = KeySigner((31).to_bytes(32, "big"))
W = WORKER.address.hex()
FIRST_SLOT = START_UNIX_S // 900
TARIFF = tariff_document(Tariff("TEST", (270_000,) * 96, (60_000,) * 96, (), 0))
DEPOSIT_MICRO = 50_000_000


class QueenPlace(Place):
    """The same with a Queen's settings and database, and one Worker with an open account."""

    @property
    def settlement(self) -> str:
        return str(self.book["contracts"]["EnergySettlement"])

    @property
    def domain(self) -> Domain:
        return Domain(31337, bytes.fromhex(self.settlement))

    def write_settings(self) -> None:
        terms = HiveTerms(1, 1, 0, keccak(TARIFF), 250, 30, 20, 540_000, 43_000, 0, 2)
        hashed = digest(self.domain, terms)
        signed = TermsFile.of(terms, KeySigner(QUEEN).sign(hashed), KeySigner(OWNER).sign(hashed))
        (self.folder / "terms.json").write_bytes(terms_document(signed))
        (self.folder / "tariff.json").write_bytes(TARIFF)
        self.file("workers.json", [{"address": W, "serial": "HP-1"}])
        self.key(QUEEN)
        (self.folder / "queen.toml").write_text(
            f'[hive]\nhive = 1\nchain_id = 31337\ncontract = "{self.settlement}"\n'
            f'queen_address = "{address_of(QUEEN)}"\nowner_address = "{address_of(OWNER)}"\n'
            'terms_file = "terms.json"\ntariff_file = "tariff.json"\nworkers_file = "workers.json"\n'
            f'key_file = "{QUEEN[-1]}.key"\n[broker]\nhost = "localhost"\nport = 8883\nclient_id = "queen"\n'
            'ca_file = "ca.pem"\ncertificate_file = "queen.pem"\nkey_file = "queen-tls.key"\n'
            f'[chain]\nrpc_urls = ["{self.anvil.url}"]\naddress_book = "book.json"\n'
        )

    def store(self) -> Store:
        return Store(f"sqlite:///{self.folder / 'queen.sqlite'}")

    def statement(self, slot: int, net_micro: int) -> Statement:
        return Statement(1, WORKER.address, slot, net_micro, slot, 0, bytes(32))

    def both_sign(self, slot: int, net_micro: int, answered: bool = True) -> None:
        """A Statement in the Queen's book."""
        s = self.statement(slot, net_micro)
        hashed = digest(self.domain, s)
        message = statement_message(s, KeySigner(QUEEN).sign(hashed), CoverTold(0, 0, 0, 0), [])
        store = self.store()
        with store.begin() as tx:
            books.add_statement(tx, StatementRow(W, slot, hashed, net_micro, encode(message)), slot)
            if answered:
                books.answer_statement(tx, W, slot, WORKER.sign(hashed), 0, net_micro)
        store.close()

    def queen(self, *words: str, ok: bool = True):
        result = self.run(*words, "--config", str(self.folder / "queen.toml"))
        assert not ok or result.exit_code == 0, result.stderr
        return result

    def shown(self) -> dict:
        return json.loads(self.queen("channel", "show", "HP-1", "--json").stdout)

    def read(self, function: str, *arguments):
        from queen_node.chain import Nodes

        return Nodes([self.anvil.url], 31337).read(Call(self.settlement, "EnergySettlement", function, arguments))


@pytest.fixture
def place(tmp_path):
    with running_anvil(START_UNIX_S) as anvil:
        found = QueenPlace(tmp_path, anvil)
        for secret in (OWNER, OTHER, QUEEN):
            anvil.set_balance(address_of(secret), 100 * 10**18)
        assert found.deploy().exit_code == 0
        found.book = json.loads((tmp_path / "book.json").read_text())
        found.write_settings()
        words = ("--meter", W, "--owner", address_of(OTHER), "--serial", "HP-1", "--manufacturer", "A", "--model", "B")
        out = str(tmp_path / "meter.json")
        certified = found.run(
            "meter", "certify", *words, "--not-after", "2099-01-01", "--out", out, secret=(22).to_bytes(32, "big")
        )
        assert certified.exit_code == 0, certified.stderr
        create = ("create", "--coin", found.coin, "--queen", address_of(QUEEN), "--certificate", out)
        terms = ("--terms", str(tmp_path / "terms.json"), "--meter", f"{W}=CH-1")
        found.done(*create, *terms, "--confirm", "1")
        give_coins(found, 200_000_000)
        found.done("pool", "fund", "1", "50", "--confirm", "50.00")
        found.done("channel", "deposit", "1", W, "50", "--confirm", "50.00")
        store = found.store()
        with store.begin() as tx:
            accounts.put_worker(tx, WorkerRow(W, "HP-1", True, FIRST_SLOT, DEPOSIT_MICRO, chain_slot=FIRST_SLOT))
        store.close()
        found.later(DAY)
        yield found


def test_channels_are_listed_with_what_the_chain_and_the_book_say(place):
    place.both_sign(FIRST_SLOT + 5, 1_000_000)
    place.both_sign(FIRST_SLOT + 6, 1_100_000, answered=False)
    (row,) = json.loads(place.queen("channel", "list", "--json").stdout)
    assert row == place.shown()
    assert (row["state"], row["spendable_micro"], row["settled_slot"]) == ("open", DEPOSIT_MICRO, FIRST_SLOT)
    assert (row["both_signed_slot"], row["both_signed_net_micro"], row["close"]) == (FIRST_SLOT + 5, 1_000_000, None)
    assert row["payout"] == address_of(OTHER)
    assert "HP-1" in place.queen("channel", "list").stdout
    status = json.loads(place.queen("chain", "status", "--json").stdout)
    assert status["sender"] == address_of(QUEEN)


def test_a_close_starts_on_the_newest_statement_waits_and_pays(place):
    place.both_sign(FIRST_SLOT + 5, 1_000_000)
    place.both_sign(FIRST_SLOT + 6, 1_100_000, answered=False)
    dry = json.loads(place.queen("channel", "close", "HP-1", "--dry-run", "--json").stdout)
    assert (dry["sent"], dry["amount"]) == (False, "50.00 coins spendable")
    refused = place.queen("channel", "close", "HP-1", "--no-input", ok=False)
    assert (refused.exit_code, "E-NOT-CONFIRMED" in refused.stderr) == (5, True)
    place.queen("channel", "close", "HP-1", "--confirm", "HP-1")
    close = place.shown()["close"]
    assert (close["slot"], close["newest_slot"], close["started_by"]) == (FIRST_SLOT + 5, FIRST_SLOT + 6, "the Queen")
    early = place.queen("channel", "close", "HP-1", "--confirm", "HP-1", ok=False)
    assert (early.exit_code, "E-TOO-EARLY" in early.stderr) == (5, True)
    place.later(3 * DAY + 60)
    place.queen("channel", "close", "HP-1", "--confirm", "HP-1")
    assert place.shown()["state"] == "closed"
    again = place.queen("channel", "close", "HP-1", "--confirm", "HP-1", ok=False)
    assert (again.exit_code, "nothing to close" in again.stderr) == (5, True)
    place.done("drop", W, "--hive", "1", "--confirm", W[:8])


def test_without_a_newer_statement_a_close_starts_on_what_is_settled(place):
    place.queen("channel", "close", "HP-1", "--confirm", "HP-1")
    assert place.shown()["close"]["slot"] == FIRST_SLOT


def started_by_the_home(place: QueenPlace, slot: int, net_micro: int) -> None:
    """The home closes on an old Statement, which it calls the newest."""
    s = place.statement(slot, net_micro)
    hashed = digest(place.domain, s)
    now = place.anvil.now_unix_s
    request = CloseRequest(1, WORKER.address, slot, now + 3_600)
    signature = WORKER.sign(digest(place.domain, request))
    arguments = (
        (1, W, slot, request.deadline),
        signature_pair(signature),
        statement_values(s),
        signature_pair(WORKER.sign(hashed)),
        signature_pair(KeySigner(QUEEN).sign(hashed)),
    )
    place.send(Call(place.settlement, "EnergySettlement", overload(5), arguments), OTHER)


def test_an_old_state_is_contested_once_with_the_newest_statement(place):
    place.both_sign(FIRST_SLOT + 5, 1_000_000)
    place.both_sign(FIRST_SLOT + 50, 9_000_000)
    nothing = place.queen("channel", "contest", "HP-1", "--confirm", "HP-1", ok=False)
    assert (nothing.exit_code, "no close of HP-1" in nothing.stderr) == (5, True)
    started_by_the_home(place, FIRST_SLOT + 5, 1_000_000)
    place.queen("channel", "contest", "HP-1", "--confirm", "HP-1")
    close = place.shown()["close"]
    assert (close["slot"], close["net_micro"]) == (FIRST_SLOT + 50, 9_000_000)
    again = place.queen("channel", "contest", "HP-1", "--confirm", "HP-1", ok=False)
    assert (again.exit_code, "nothing newer" in again.stderr) == (5, True)


def test_a_permit_is_judged_signed_and_good_on_the_chain(place):
    store = place.store()
    with store.begin() as tx:
        now = place.anvil.now_unix_s
        chain_events.put_cursor(tx, CursorRow(1, "00" * 32, now, now), {}, 10)
    store.close()
    out = place.folder / "permit.json"
    too_much = place.queen("channel", "permit", "HP-1", "60", "--out", str(out), "--confirm", "60.00", ok=False)
    assert (too_much.exit_code, "E-PERMIT" in too_much.stderr, out.exists()) == (5, True, False)
    place.queen("channel", "permit", "HP-1", "20", "--out", str(out), "--confirm", "20.00")
    made = json.loads(out.read_text())
    signature = bytes.fromhex(made["queen_signature"])
    permit = WithdrawPermit(1, WORKER.address, made["amount"], made["slot"], made["serial"], made["deadline"])
    values = (1, W, permit.amount, permit.slot, permit.serial, permit.deadline)
    place.send(Call(place.settlement, "EnergySettlement", "withdraw", (values, signature_pair(signature))), OTHER)
    assert place.shown()["spendable_micro"] == 30_000_000


def agreement_file(place: QueenPlace, queen: KeySigner) -> str:
    s = place.statement(FIRST_SLOT + 5, 1_000_000)
    made = CloseAgreement(
        1, s.worker, s.slot, s.net, s.imported, s.exported, s.readings, 49_000_000, START_UNIX_S + 9 * DAY
    )
    hashed = digest(place.domain, made)
    plain = {name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(made).items()}
    signatures = {"queen_signature": queen.sign(hashed).hex(), "worker_signature": WORKER.sign(hashed).hex()}
    return place.file("agreement.json", plain | signatures)


def test_an_agreement_closes_at_once_and_a_forged_one_does_not(place):
    forged = agreement_file(place, KeySigner(OTHER))
    refused = place.queen("channel", "close", "HP-1", "--agreement", forged, "--confirm", "HP-1", ok=False)
    assert (refused.exit_code, "queen_signature" in refused.stderr) == (2, True)
    good = agreement_file(place, KeySigner(QUEEN))
    place.queen("channel", "close", "HP-1", "--agreement", good, "--confirm", "HP-1")
    told = place.shown()
    assert (told["state"], told["close"]) == ("closed", None)
    assert place.read("poolOf", 1)["pool"] == 50_998_000  # less the platform's 20 basis points


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("channel", "show", "HP-9"), 4, "no Worker HP-9"),
        (("channel", "close", "HP-9"), 4, "no Worker HP-9"),
        (("channel", "close", "HP-1", "--agreement", "/nowhere.json"), 4, "is not there"),
        (("channel", "permit", "HP-1", "x", "--out", "/tmp/none"), 2, "AMOUNT"),
        (("period", "show", "19000"), 4, "no settlement"),
        (("period", "show", "yesterday"), 5, "E-DAY"),
    ],
)
def test_a_mistake_in_a_queens_command_is_named(place, words, code, told):
    result = place.queen(*words, ok=False)
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    assert told in result.stderr


def test_a_settled_day_shows_every_change_of_its_rows(place):
    place.both_sign(FIRST_SLOT + 5, 1_000_000)
    day = str((FIRST_SLOT + 5) // 96)
    dry = json.loads(place.queen("period", "settle", day, "--dry-run", "--json").stdout)
    assert (dry["batches"], dry["sent"], dry["from"]) == (1, False, address_of(QUEEN))
    assert 40_000 < dry["gas"] < 120_000
    place.queen("period", "settle", day, "--confirm", day)
    told = json.loads(place.queen("period", "show", day, "--json").stdout)
    assert [one["state"] for one in told["transactions"]] in (["mined"], ["final"])
    assert [line["state"] for line in told["history"]][:4] == ["planned", "signed", "sent", "mined"]
    (settled,) = told["settlements"]
    assert (settled["applied"], settled["skipped"]) == (1, 0)
    assert place.queen("period", "show", day).stdout.count("settle/1/") >= 4
