"""A home closes its account without its Queen: `hive-worker close` against the real contracts on Foundry's node."""

import asyncio
import io
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from honey_edge.model.slots import slot_end_unix_s
from honey_edge.wire.codec import encode
from honey_edge.wire.keccak import keccak
from honey_edge.wire.messages import CountersignMessage
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.statement_message import CoverTold, statement_message
from honey_edge.wire.structs import CloseRequest, Statement
from honey_edge.wire.typed_data import Domain, digest
from tests.chain_kit.anvil import running_anvil
from tests.chain_kit.faulty import faulty_rpc
from tests.chain_kit.hive import HIVE, POOL_MICRO, QUEEN_SECRET, SLOT, START_UNIX_S, ChainHive, deployed, worker_secret
from tests.unit.worker_node.world import write_settings
from worker_node.both_signed import BothSigned
from worker_node.chain_eye.look import LookFailed, Subject, look
from worker_node.chain_eye.rpc import Node
from worker_node.cli import main
from worker_node.journal import Answered, HomeRecord, Journal
from worker_node.rescue import calls

pytestmark = pytest.mark.system

QUEEN = KeySigner(QUEEN_SECRET)
STRANGER = KeySigner((77).to_bytes(32, "big"))
WINDOW_S = 259_200
ETHER = 10**18


class Home:
    """One home of the Hive: its keys, its journal, and the command a person types."""

    def __init__(self, hive: ChainHive, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.hive, self.folder, self._capsys = hive, folder, capsys
        self.device = KeySigner(worker_secret(0))
        self.domain = Domain(hive.chain_id, bytes.fromhex(hive.settlement))
        self.key = self._key("device.key", worker_secret(0))
        self.stranger_key = self._key("stranger.key", (77).to_bytes(32, "big"))

    def _key(self, name: str, secret: bytes) -> str:
        file = self.folder / name
        file.write_text(secret.hex())
        file.chmod(0o600)
        return str(file)

    def both(self, slot: int, net_micro: int) -> BothSigned:
        """A Statement with both signatures; negative net is owed by the Hive."""
        energy = 1_000 * (slot - SLOT + 100)
        statement = Statement(HIVE, self.device.address, slot, net_micro, energy, energy, bytes(32))
        hashed = digest(self.domain, statement)
        return BothSigned(statement, self.device.sign(hashed), QUEEN.sign(hashed))

    def journal(self, *signed: BothSigned) -> Path:
        """A journal as the daemon leaves it, copied to another folder."""
        file = self.folder / "journal.sqlite"
        file.unlink(missing_ok=True)
        journal = Journal(file, self.device.address)
        who = (HIVE, self.device.address, self.hive.chain_id, self.domain.contract, QUEEN.address)
        journal.put_home(HomeRecord(*who, b"", b""))
        for both in signed:
            one = both.statement
            hashed = digest(self.domain, one)
            told = statement_message(one, both.queen_signature, CoverTold(50_000_000, POOL_MICRO, 0, 1), [])
            answer = CountersignMessage(
                worker=one.worker.hex(),
                slot=one.slot,
                statement=hashed.hex(),
                net_micro=one.net,
                reason=0,
                signature=both.worker_signature.hex(),
            )
            journal.put_answer(Answered(one.slot, hashed, 0, encode(told), encode(answer), "", 0), None)
        journal.close()
        copy = self.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        return Path(shutil.copy(file, copy))

    def close(self, journal: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
        """Exit code, the JSON printed, and what is said on standard error."""
        base = ["close", "--journal", str(journal), "--config", str(self.folder / "none"), "--json"]
        rpc = [] if "--offline" in arguments else ["--rpc", self.hive.anvil.url, "--wait-s", "20"]
        code = main([*base, *rpc, *arguments])
        out, err = self._capsys.readouterr()
        return code, json.loads(out) if out.strip() else {}, err

    def said(self) -> str:
        """What was printed since the last time."""
        return self._capsys.readouterr().out

    def after(self, seconds: int) -> None:
        """Lets time pass on the chain."""
        self.hive.anvil.set_time(self.hive.anvil.now_unix_s + seconds)

    def payout_micro(self) -> int:
        """Coins of the payout address, the owner."""
        return int(self.hive.read(self.hive.coin, "TestCoin", "balanceOf", self.hive.owner))

    def account(self) -> dict[str, Any]:
        """The account on the chain."""
        found = self.hive.read(self.hive.settlement, "EnergySettlement", "account", HIVE, self.hive.workers[0])
        return dict(found)

    def send(self, data: bytes, signer: KeySigner) -> None:
        """Sends a call as somebody else, whom the node lets in without a key."""
        self.hive.anvil.set_balance(signer.address.hex(), ETHER)
        self.hive.anvil.rpc("anvil_impersonateAccount", "0x" + signer.address.hex())
        target = {"from": "0x" + signer.address.hex(), "to": "0x" + self.hive.settlement, "gas": hex(2_000_000)}
        sent = self.hive.anvil.rpc("eth_sendTransaction", target | {"data": "0x" + data.hex()})
        assert int(self.hive.anvil.receipt(sent)["status"], 16) == 1


@pytest.fixture(scope="module")
def chain() -> Iterator[ChainHive]:
    with running_anvil(START_UNIX_S - 900) as anvil:
        yield deployed(anvil, 2)


@pytest.fixture
def home(chain: ChainHive, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Home]:
    """A home on a chain that goes back to where it was when the test ends."""
    before = chain.anvil.rpc("evm_snapshot")
    chain.anvil.set_balance(KeySigner(worker_secret(0)).address.hex(), ETHER)
    chain.anvil.set_balance(STRANGER.address.hex(), ETHER)
    yield Home(chain, tmp_path, capsys)
    assert chain.anvil.rpc("evm_revert", before)


def test_a_home_whose_queen_is_gone_gets_its_money_from_a_copied_journal(home: Home) -> None:
    journal = home.journal(home.both(SLOT - 50, -1_000_000), home.both(SLOT, -3_000_000))
    code, told, _ = home.close(journal, "--key", home.key, "--confirm")
    assert (code, told["step"], told["statement_slot"], told["sent"]) == (0, "startClose", SLOT, True)
    assert told["window_ends_unix_s"] == home.hive.anvil.now_unix_s + WINDOW_S
    assert "--finish" in told["next"]
    assert home.account()["state"] == 2
    code, _, said = home.close(journal, "--key", home.key, "--confirm")
    assert (code, "nothing newer lies here" in said) == (5, True)
    code, _, said = home.close(journal, "--key", home.key, "--confirm", "--finish")
    assert (code, "window is open" in said) == (5, True)
    home.after(WINDOW_S)
    before = home.payout_micro()
    code, told, _ = home.close(journal, "--key", home.key, "--confirm", "--finish")
    assert (code, told["account"], told["claim_micro"]) == (0, "closed", 0)
    assert home.payout_micro() - before == 53_000_000
    held, owed = home.hive.books()
    assert held == owed


def test_a_dry_run_shows_step_and_cost_and_changes_nothing(home: Home) -> None:
    journal = home.journal(home.both(SLOT, -3_000_000))
    code, told, _ = home.close(journal, "--key", home.key, "--dry-run")
    assert (code, told["sent"], told["step"]) == (0, False, "startClose")
    assert 0 < told["cost_likely_wei"] <= told["cost_most_wei"] < ETHER
    assert home.account()["state"] == 1
    code, _, said = home.close(journal, "--key", home.key)
    assert (code, "--confirm" in said) == (2, True)
    assert home.account()["state"] == 1


def test_the_device_needs_no_gas_when_another_key_pays(home: Home) -> None:
    home.hive.anvil.set_balance(home.device.address.hex(), 0)
    journal = home.journal(home.both(SLOT, -3_000_000))
    code, _, said = home.close(journal, "--key", home.key, "--confirm")
    assert (code, "E-RESCUE-GAS" in said) == (6, True)
    code, _, said = home.close(journal, "--key", home.stranger_key, "--confirm")
    assert (code, "neither the device" in said) == (2, True)
    code, told, _ = home.close(journal, "--key", home.stranger_key, "--request-key", home.key, "--confirm")
    assert (code, told["from"]) == (0, STRANGER.address.hex())
    assert home.account()["state"] == 2


class Typing(io.StringIO):
    """A terminal at which somebody types."""

    def isatty(self) -> bool:
        return True


def test_a_person_types_the_last_six_digits_or_nothing_is_sent(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = home.journal(home.both(SLOT, -3_000_000))
    command = ["close", "--journal", str(journal), "--config", str(home.folder / "none"), "--key", home.key]
    command += ["--rpc", home.hive.anvil.url]
    monkeypatch.setattr("sys.stdin", Typing("123456\n"))
    assert main(command) == 2
    assert home.account()["state"] == 1
    monkeypatch.setattr("sys.stdin", Typing(home.device.address.hex()[-6:] + "\n"))
    assert main(command) == 0
    assert home.account()["state"] == 2
    out = home.said()
    assert out.count("step: startClose") == 2
    assert out.count("statement gives: 53.000000 coins") == 2
    assert "sent: True" in out
    assert "window ends: 20" in out


def test_a_home_on_its_own_box_names_only_the_settings(home: Home) -> None:
    (home.folder / "settings").mkdir()
    config = write_settings(home.folder / "settings", {'state_dir = "state"': 'state_dir = ".."'})
    home.journal(home.both(SLOT, -3_000_000))
    rpc = ("--rpc", home.hive.anvil.url, "--key", home.key, "--json", "--dry-run")
    assert main(["close", "--config", str(config), *rpc]) == 0
    assert json.loads(home.said())["statement_slot"] == SLOT


def test_a_request_written_offline_is_sent_by_anybody(home: Home) -> None:
    journal, file = home.journal(home.both(SLOT, -3_000_000)), home.folder / "request.json"
    hours = (home.hive.anvil.now_unix_s + 3_600 - time.time()) / 3_600
    offline = ("--offline", str(file), "--request-key", home.key, "--valid-h", str(hours))
    assert home.close(journal, *offline)[0] == 0
    code, told, _ = home.close(journal, "--send", str(file), "--key", home.stranger_key, "--confirm")
    assert (code, told["step"], home.account()["state"]) == (0, "startClose", 2)


def test_a_request_whose_deadline_has_passed_is_refused_by_name(home: Home) -> None:
    journal, file = home.journal(home.both(SLOT, -3_000_000)), home.folder / "request.json"
    assert home.close(journal, "--offline", str(file), "--request-key", home.key)[0] == 0
    code, _, said = home.close(journal, "--send", str(file), "--key", home.stranger_key, "--confirm")
    assert (code, "Expired" in said) == (6, True)
    assert home.account()["state"] == 1


def test_a_home_without_a_statement_closes_on_what_the_contract_has(home: Home) -> None:
    code, told, _ = home.close(home.journal(), "--key", home.key, "--confirm")
    assert (code, told["statement_slot"]) == (0, None)
    assert told["window_ends_unix_s"] == home.hive.anvil.now_unix_s + 2 * WINDOW_S


def queen_closes_on(home: Home, old: BothSigned) -> None:
    """The Queen shows an old state as the newest."""
    slot = old.statement.slot
    request = CloseRequest(HIVE, home.device.address, slot, home.hive.anvil.now_unix_s + 3_600)
    signed = calls.SignedRequest(request, QUEEN.sign(digest(home.domain, request)))
    home.send(calls.start_close(signed, old), QUEEN)


def test_an_old_state_shown_by_the_queen_is_contested_with_the_journals(home: Home) -> None:
    old, newest = home.both(SLOT - 50, 1_000_000), home.both(SLOT, -3_000_000)
    queen_closes_on(home, old)
    journal = home.journal(old, newest)
    code, told, _ = home.close(journal, "--key", home.key, "--confirm")
    assert (code, told["step"], told["close_slot"]) == (0, "contest", SLOT)
    home.after(WINDOW_S)
    before = home.payout_micro()
    assert home.close(journal, "--key", home.stranger_key, "--confirm", "--finish")[0] == 0
    assert home.payout_micro() - before >= 53_000_000


def test_a_home_without_power_for_the_whole_window_gets_the_rest_as_a_claim(home: Home) -> None:
    old, newest = home.both(SLOT - 50, 1_000_000), home.both(SLOT, -3_000_000)
    queen_closes_on(home, old)
    home.after(WINDOW_S)
    journal = home.journal(old, newest)
    before = home.payout_micro()
    assert home.close(journal, "--key", home.key, "--confirm", "--finish")[0] == 0
    assert home.payout_micro() - before == 49_000_000
    code, told, _ = home.close(journal, "--key", home.key, "--confirm", "--late")
    assert (code, told["step"], told["claim_micro"]) == (0, "claimLate", 4_000_000)
    code, told, _ = home.close(journal, "--key", home.key, "--confirm", "--claim")
    assert (code, told["claim_micro"]) == (0, 0)
    assert home.payout_micro() - before == 53_000_000
    code, _, said = home.close(journal, "--key", home.key, "--confirm", "--claim")
    assert (code, "no claim is recorded" in said) == (5, True)


def test_a_node_that_lies_stops_the_close_before_anything_is_sent(home: Home) -> None:
    journal = home.journal(home.both(SLOT, -3_000_000))
    with faulty_rpc(home.hive.anvil.url) as (proxy,):
        proxy.lie_about("eth_chainId", "0x1")
        code, _, said = home.close(journal, "--rpc", proxy.url, "--key", home.key, "--confirm")
        assert (code, "is on chain 1" in said) == (3, True)
        proxy.heal()
        proxy.lie = lambda method, _, truth: truth[:-2] + "07" if method == "eth_call" and len(truth) > 300 else truth
        code, _, said = home.close(journal, "--rpc", proxy.url, "--key", home.key, "--confirm")
        assert (code, "differ about" in said) == (3, True)
    assert home.account()["state"] == 1


def test_the_daemons_look_reads_the_real_contract(home: Home) -> None:
    url, now = home.hive.anvil.url, home.hive.anvil.now_unix_s
    nodes = [Node(url), Node(url.replace("127.0.0.1", "localhost"))]
    code = bytes.fromhex(home.hive.anvil.rpc("eth_getCode", "0x" + home.hive.settlement, "latest")[2:])
    subject = Subject(HIVE, home.device.address, home.domain.contract, home.hive.chain_id, keccak(code))
    found = asyncio.run(look(nodes, subject, now))
    assert (found.state, found.funding_micro, found.net_micro) == (1, 50_000_000, 0)
    assert (found.pool_micro, found.pending_micro, found.queen) == (POOL_MICRO, 0, QUEEN.address.hex())
    assert found.payout == home.hive.owner
    assert slot_end_unix_s(found.slot) <= now
    old = home.both(SLOT - 50, 1_000_000)
    queen_closes_on(home, old)
    closing = asyncio.run(look(nodes, subject, now))
    assert (closing.state, closing.close_slot, closing.close_side) == (2, SLOT - 50, 2)
    with pytest.raises(LookFailed, match="other code"):
        asyncio.run(look(nodes, replace(subject, code_hash=bytes(32)), now))
