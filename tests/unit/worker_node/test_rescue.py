"""A close without the Queen: the right next step in every state, evidence from a copy, an honest transaction."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account as Wallet
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes
from hypothesis import given
from hypothesis import strategies as st

from honey_edge.model.slots import slot_end_unix_s
from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import KeySigner, signed_by
from honey_edge.wire.typed_data import digest
from tests.unit.worker_node.test_account import Bench
from tests.unit.worker_node.test_chain_watch import CALM, SLOT, both_signed
from tests.unit.worker_node.world import DOMAIN, HIVE, QUEEN, WORKER, write_settings
from worker_node.both_signed import EvidenceBroken
from worker_node.chain_eye.look import ChainLook
from worker_node.cli import main
from worker_node.journal import HomeRecord
from worker_node.rescue import calls, evidence
from worker_node.rescue.evidence import Evidence, NoEvidence, read_evidence
from worker_node.rescue.plan import NothingToDo, age_warning, call_data, close_request, next_step
from worker_node.rescue.request_file import RequestFileError, read_request, write_request
from worker_node.rescue.transaction import Transaction, transaction_hash
from worker_node.settings import load_settings

EVIDENCE = Evidence(HIVE, WORKER.address, QUEEN.address, DOMAIN, both_signed())
BARE = replace(EVIDENCE, both=None)
NOW = CALM.block_unix_s


def at(state: int, **changes: int) -> ChainLook:
    return replace(CALM, state=state, **changes)


RUNNING = {"close_ends_unix_s": NOW + 100, "close_slot": SLOT - 5}
OVER = {"close_ends_unix_s": NOW, "close_slot": SLOT - 5}


@pytest.mark.parametrize(
    ("verb", "known", "look", "function"),
    [
        ("close", EVIDENCE, at(1), calls.START),
        ("close", EVIDENCE, at(1, slot=SLOT - 1), calls.START),
        ("close", EVIDENCE, at(1, slot=SLOT), calls.START_BARE),
        ("close", BARE, at(1), calls.START_BARE),
        ("close", EVIDENCE, at(2, **RUNNING), calls.CONTEST),
        ("finish", EVIDENCE, at(2, **OVER), calls.FINISH),
        ("finish", BARE, at(2, **OVER), calls.FINISH),
        ("late", EVIDENCE, at(3, slot=SLOT - 9), calls.CLAIM_LATE),
        ("claim", BARE, at(3), calls.CLAIM),
    ],
)
def test_the_next_step_is(verb: str, known: Evidence, look: ChainLook, function: str) -> None:
    step = next_step(verb, known, look, 7)
    assert step.function == function
    signed = None
    if step.needs_request:
        request = close_request(known, look.slot, NOW + 3_600)
        signed = calls.SignedRequest(request, bytes(64))
        named = known.both.statement.slot if known.both and step.with_statement else look.slot
        assert request.newest_slot == named
    assert call_data(step, known, signed)


@pytest.mark.parametrize(
    ("verb", "known", "look", "next_step_says"),
    [
        ("close", EVIDENCE, at(0), "--rpc"),
        ("close", EVIDENCE, at(3, slot=SLOT - 2), "--late"),
        ("close", EVIDENCE, at(3, slot=SLOT), "--claim"),
        ("close", BARE, at(2, **RUNNING), "--finish"),
        ("close", EVIDENCE, at(2, **(RUNNING | {"close_slot": SLOT - 1})), "--finish"),
        ("close", EVIDENCE, at(2, **OVER), "--finish"),
        ("finish", EVIDENCE, at(1), "hive-worker close"),
        ("finish", EVIDENCE, at(2, **RUNNING), "after that"),
        ("late", EVIDENCE, at(1), "hive-worker close"),
        ("late", EVIDENCE, at(3, slot=SLOT), "hive-worker close"),
        ("late", BARE, at(3, slot=1), "hive-worker close"),
    ],
)
def test_where_nothing_is_to_do_the_next_step_says_what_is(
    verb: str, known: Evidence, look: ChainLook, next_step_says: str
) -> None:
    with pytest.raises(NothingToDo) as caught:
        next_step(verb, known, look, 0)
    assert next_step_says in caught.value.next_step


def test_no_claim_no_call() -> None:
    with pytest.raises(NothingToDo, match="no claim"):
        next_step("claim", EVIDENCE, at(3), 0)


@given(st.integers(0, 3), st.integers(0, SLOT), st.integers(0, SLOT), st.integers(NOW - 9, NOW + 9), st.booleans())
def test_no_state_makes_it_show_a_state_older_than_the_chains_own(
    state: int, stored: int, shown: int, ends: int, known: bool
) -> None:
    look = at(state, slot=stored, close_slot=shown, close_ends_unix_s=ends if state == 2 else 0)
    try:
        step = next_step("close", EVIDENCE if known else BARE, look, 0)
    except NothingToDo:
        return
    if step.function == calls.START:
        assert stored <= SLOT - 1
    elif step.function == calls.CONTEST:
        assert shown < SLOT - 1
        assert ends > NOW
    else:
        assert step.function == calls.START_BARE
        assert not known or stored > SLOT - 1


def test_an_old_copy_is_told_as_one() -> None:
    end = slot_end_unix_s(SLOT - 1)
    assert age_warning(EVIDENCE, end + 86_400) == ""
    assert "penalty" in age_warning(EVIDENCE, end + 86_401)
    assert age_warning(BARE, end + 10**9) == ""


transactions = st.builds(
    Transaction,
    st.integers(1, 2**53),
    st.integers(0, 2**63),
    st.integers(0, 2**70),
    st.integers(0, 2**70),
    st.integers(21_000, 2**40),
    st.binary(min_size=20, max_size=20),
    st.binary(max_size=600),
)


@given(transactions, st.integers(1, 2**200))
def test_a_transaction_is_what_a_wallet_library_decodes_from_it(transaction: Transaction, secret: int) -> None:
    signer = KeySigner(secret.to_bytes(32, "big"))
    raw = transaction.signed(signer)
    assert Wallet.recover_transaction(raw).lower() == "0x" + signer.address.hex()
    told = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    assert (told["chainId"], told["nonce"], told["gas"]) == (transaction.chain_id, transaction.nonce, transaction.gas)
    assert told["maxPriorityFeePerGas"] == transaction.tip_wei
    assert told["maxFeePerGas"] == transaction.max_fee_wei
    assert (bytes(told["to"]), bytes(told["data"]), told["value"]) == (transaction.to, transaction.data, 0)
    assert transaction_hash(raw) == keccak(raw)


# -- evidence from the journal


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal with one both-signed Statement."""
    bench = Bench(tmp_path)
    assert bench.answer(bench.book.statement(bench.readings[1:4])).reason == 0
    bench.journal.run(
        lambda one: one.put_home(
            HomeRecord(HIVE, WORKER.address, DOMAIN.chain_id, DOMAIN.contract, QUEEN.address, b"", b"")
        )
    )
    bench.journal.close()
    return tmp_path / "journal.sqlite"


def first_version(journal: Path) -> None:
    with sqlite3.connect(journal) as db:
        for table in ("home", "chain_look", "declared", "reputation"):
            db.execute(f"DROP TABLE {table}")
        db.execute("ALTER TABLE plans DROP COLUMN assets")
        db.execute("UPDATE schema SET version = 1")


def test_a_copied_journal_alone_is_enough(journal: Path) -> None:
    before = journal.read_bytes()
    found = read_evidence(journal, None)
    assert (found.hive, found.worker, found.queen, found.domain) == (HIVE, WORKER.address, QUEEN.address, DOMAIN)
    assert found.both is not None
    assert signed_by(WORKER.address, digest(DOMAIN, found.both.statement), found.both.worker_signature)
    assert journal.read_bytes() == before


def test_a_journal_of_older_software_needs_the_settings(journal: Path, tmp_path: Path) -> None:
    first_version(journal)
    with pytest.raises(NoEvidence, match="does not say which contract") as caught:
        read_evidence(journal, None)
    assert "--config" in caught.value.next_step
    found = read_evidence(journal, load_settings(write_settings(tmp_path)))
    assert (found.worker, found.domain) == (WORKER.address, DOMAIN)
    other = load_settings(write_settings(tmp_path, {"chain_id = 31337": "chain_id = 5"}))
    with pytest.raises(EvidenceBroken, match="chain 5"):
        read_evidence(journal, other)


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoEvidence, match="no such file"):
        read_evidence(tmp_path / "journal.sqlite", None)
    (tmp_path / "text").write_text("not a database, but long enough to be read as one" * 40)
    with pytest.raises(NoEvidence, match="not a database"):
        read_evidence(tmp_path / "text", None)


def test_a_home_that_never_signed_closes_on_what_the_contract_has(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.journal.close()
    first_version(tmp_path / "journal.sqlite")
    with pytest.raises(NoEvidence, match="no Statement that both"):
        read_evidence(tmp_path / "journal.sqlite", load_settings(write_settings(tmp_path)))


# -- the request file and the command line


def test_a_request_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    request = close_request(EVIDENCE, 0, NOW + 3_600)
    signed = calls.SignedRequest(request, WORKER.sign(digest(DOMAIN, request)))
    for name, known in (("both", EVIDENCE), ("bare", BARE)):
        write_request(tmp_path / name, known, signed)
        found = read_request(tmp_path / name)
        assert (found.evidence(), found.signed_request()) == (known, signed)
        assert bytes.fromhex(found.data) == calls.start_close(signed, known.both)
    with pytest.raises(RequestFileError, match="exists"):
        write_request(tmp_path / "both", EVIDENCE, signed)


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"v": 2}, "version 2"), ({"kind": "other"}, "other"), ({"hive": -1}, "hive"), ({"more": 1}, "unknown field")],
)
def test_another_file_is_no_request(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    file = tmp_path / "request"
    signed = calls.SignedRequest(close_request(EVIDENCE, 0, 1), bytes(64))
    write_request(file, EVIDENCE, signed)
    file.write_text(json.dumps(json.loads(file.read_bytes()) | change))
    with pytest.raises(RequestFileError, match=reason):
        read_request(file)
    file.write_bytes(b" " * 20_000)
    with pytest.raises(RequestFileError, match="20000 bytes"):
        read_request(file)
    with pytest.raises(RequestFileError, match="No such file"):
        read_request(tmp_path / "nowhere")


def key(folder: Path, name: str, seed: bytes) -> str:
    file = folder / name
    file.write_text(seed.hex())
    file.chmod(0o600)
    return str(file)


def test_offline_writes_a_request_that_the_device_has_signed(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_settings(tmp_path)
    out = tmp_path / "request.json"
    arguments = ["close", "--journal", str(journal), "--config", str(config), "--offline", str(out), "--json"]
    assert main([*arguments, "--request-key", str(tmp_path / "device.key")]) == 0
    told = json.loads(capsys.readouterr().out)
    found = read_request(out)
    request = found.signed_request()
    assert signed_by(WORKER.address, digest(DOMAIN, request.request), request.signature)
    assert told["newest_slot"] == request.request.newest_slot == found.evidence().both.statement.slot  # type: ignore[union-attr]
    assert "penalty" in told["warning"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "no RPC address"),
        (["--rpc", "http://127.0.0.1:1"], 3, "E-CHAIN-LOOK"),
        (["--rpc", "nowhere"], 3, "is no address"),
        (["--offline", "x"], 2, "no key for the request"),
        (["--send", "/nowhere"], 1, "E-RESCUE-FILE"),
        (["--journal", "/nowhere", "--rpc", "http://127.0.0.1:1"], 1, "E-RESCUE-JOURNAL"),
    ],
)
def test_wrong_use_ends_with_a_code_and_a_reason(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    base = ["close", "--config", str(tmp_path / "none.toml")]
    own = [] if "--journal" in arguments else ["--journal", str(journal)]
    assert main([*base, *own, *arguments]) == code
    assert said in capsys.readouterr().err


def test_without_journal_and_settings_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["close", "--config", str(tmp_path / "none.toml"), "--rpc", "http://127.0.0.1:1"]) == 2
    assert "none.toml" in capsys.readouterr().err


def test_a_broken_statement_in_the_journal_is_never_shown_to_the_chain(journal: Path) -> None:
    with sqlite3.connect(journal) as db:
        (message,) = db.execute("SELECT message FROM statements").fetchone()
        told = json.loads(message)
        db.execute("UPDATE statements SET message = ?", (json.dumps(told | {"net_micro": 1}).encode(),))
    with pytest.raises(EvidenceBroken, match="is not signed by the Queen"):
        read_evidence(journal, None)


def test_a_copy_on_a_disk_that_cannot_be_written_is_read_as_it_is(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refusals = evidence._version, iter([True])

    def refused_once(db: sqlite3.Connection) -> int:
        if next(refusals, False):
            raise sqlite3.OperationalError("unable to open database file")
        return real(db)

    monkeypatch.setattr(evidence, "_version", refused_once)
    assert read_evidence(journal, None).both is not None
    refusals = iter([True])
    Path(f"{journal}-wal").write_bytes(b"")
    with pytest.raises(NoEvidence, match="unable to open"):
        read_evidence(journal, None)
