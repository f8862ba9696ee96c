"""The operator's commands against Foundry's node: a deployment, its check, a Hive's whole life, as a person types it.

Keys are Foundry's published test keys or small numbers, for tests only.
"""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from queen_node.chain.calls import CONSTRUCTOR, Call
from queen_node.cli.commands import app
from queen_node.operator import engine
from tests.chain_kit.anvil import running_anvil
from tests.system.operator_place import (
    CERTIFIER,
    DAY,
    OTHER,
    OWNER,
    QUEEN,
    START_UNIX_S,
    TERMS,
    Place,
    address_of,
    create_words,
    give_coins,
    meter,
)

pytestmark = pytest.mark.system


@pytest.fixture
def place(tmp_path):
    with running_anvil(START_UNIX_S) as anvil:
        found = Place(tmp_path, anvil)
        for secret in (OWNER, OTHER):
            anvil.set_balance(address_of(secret), 100 * 10**18)
        yield found


@pytest.fixture
def deployed(place):
    result = place.deploy()
    assert result.exit_code == 0, result.stderr
    place.book = json.loads((place.folder / "book.json").read_text())
    return place


@pytest.fixture
def hive_of_two(deployed):
    """Hive 1 with the meters 1 and 2."""
    made = deployed.done(*create_words(deployed, 1, 2), "--confirm", "1")
    assert [one["function"] for one in made["transactions"]] == ["addMeter", "addMeter", "approve", "createHive"]
    return deployed


def stopped_after(monkeypatch, transactions: int) -> None:
    """Ends the command, as Ctrl-C does, once so many transactions are in blocks."""
    real, count = engine.EngineChain.send, 0

    def send(self, key, call):
        nonlocal count
        if count == transactions:
            raise KeyboardInterrupt
        count += 1
        return real(self, key, call)

    monkeypatch.setattr(engine.EngineChain, "send", send)


# ---- Deployment


def test_a_deployment_checks_out_and_leaves_its_deployer_without_rights(deployed):
    told = deployed.done("chain", "check")
    assert told["ok"]
    rights = {(one["place"], one["what"]): one["found"] for one in told["findings"] if one["what"].endswith("_ROLE")}
    assert rights["Beekeeper", "COIN_ROLE"] == "nobody"
    assert rights["Beekeeper", "CERTIFIER_ROLE"] == address_of(CERTIFIER)
    assert all(address_of(OWNER) not in holders for holders in rights.values())
    assert deployed.book["complete"] is True
    assert deployed.book["block"] == 1


def test_a_second_deployment_by_mistake_is_refused_under_any_name(deployed):
    before = deployed.anvil.number
    for out in ("book.json", "other.json"):
        result = deployed.deploy(out=out)
        assert (result.exit_code, result.stdout) == (5, "")
        assert "E-DEPLOYED" in result.stderr
    assert deployed.anvil.number == before
    assert deployed.deploy("--another", out="other.json").exit_code == 0


@pytest.mark.parametrize("after", [0, 1, 4, 7, 11, 15])
def test_an_interrupted_deployment_goes_on_where_it_stopped(place, monkeypatch, after):
    with monkeypatch.context() as patched:
        stopped_after(patched, after)
        assert place.deploy().exit_code == 130
    begun = json.loads((place.folder / "book.json").read_text())
    assert begun["complete"] is False
    refused = place.run("show")
    assert (refused.exit_code, "E-BOOK" in refused.stderr) == (5, True)
    result = place.deploy()
    assert result.exit_code == 0, result.stderr
    book = json.loads((place.folder / "book.json").read_text())
    assert begun["contracts"].items() <= book["contracts"].items()
    assert place.anvil.nonce(address_of(OWNER)) == 16
    assert place.done("chain", "check")["ok"]


def test_a_contract_mined_but_not_yet_written_down_is_not_made_twice(place, monkeypatch):
    from queen_node.operator import deploying

    with monkeypatch.context() as patched:
        real, count = deploying.write_book, 0

        def write(file, book):
            nonlocal count
            count += 1
            if count == 4:
                raise KeyboardInterrupt
            real(file, book)

        patched.setattr(deploying, "write_book", write)
        assert place.deploy().exit_code == 130
    assert place.anvil.nonce(address_of(OWNER)) == 3
    assert place.deploy().exit_code == 0
    assert place.anvil.nonce(address_of(OWNER)) == 16


def test_going_on_with_other_options_or_another_key_is_refused(place, monkeypatch):
    with monkeypatch.context() as patched:
        stopped_after(patched, 3)
        assert place.deploy().exit_code == 130
    other_options = place.deploy("--fee-bps", "30")
    assert (other_options.exit_code, "other options" in other_options.stderr) == (5, True)
    other_key = place.deploy(secret=OTHER)
    assert (other_key.exit_code, "was begun by" in other_key.stderr) == (5, True)


def test_a_dry_run_of_a_deployment_sends_nothing_and_names_the_cost(place):
    result = place.deploy("--dry-run", "--json", confirm="")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["sent"] is False
    assert 25_000_000 < told["gas"] < 45_000_000
    assert place.anvil.number == 0
    assert not (place.folder / "book.json").exists()


@pytest.mark.parametrize("entry", ["HVT", "StakeVotes", "Reputation", "EnergySettlement"])
def test_a_tampered_address_book_is_found(deployed, entry):
    """Somebody's own contract of the same kind, or of another, in the place of the deployed one."""
    own = {
        "HVT": Call("", "HVT", CONSTRUCTOR, (address_of(OTHER),)),
        "StakeVotes": Call("", "StakeVotes", CONSTRUCTOR, (address_of(OTHER),)),
        "Reputation": Call("", "Reputation", CONSTRUCTOR, (address_of(OTHER),)),
        "EnergySettlement": Call("", "TestCoin", CONSTRUCTOR, (address_of(OTHER), 6)),
    }[entry]
    forged = deployed.book | {"contracts": deployed.book["contracts"] | {entry: deployed.send(own, OTHER)}}
    deployed.file("forged.json", forged)
    result = deployed.run("chain", "check", secret=None, book="forged.json")
    assert result.exit_code == 5
    assert entry in result.stderr or entry in result.stdout


def test_changed_code_and_a_changed_implementation_are_found(deployed):
    contracts = deployed.book["contracts"]
    votes = "0x" + contracts["StakeVotes"]
    code = deployed.anvil.rpc("eth_getCode", votes, "latest")
    deployed.anvil.rpc("anvil_setCode", votes, code[:200] + ("0" if code[200] != "0" else "1") + code[201:])
    result = deployed.run("chain", "check")
    assert (result.exit_code, "StakeVotes" in result.stderr) == (5, True)
    deployed.anvil.rpc("anvil_setCode", votes, code)
    slot = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
    proxy = "0x" + contracts["Beekeeper"]
    deployed.anvil.rpc(
        "anvil_setStorageAt",
        proxy,
        slot,
        "0x" + "00" * 12 + deployed.send(Call("", "Beekeeper", CONSTRUCTOR, (contracts["BeekeeperHives"],)), OTHER),
    )
    result = deployed.run("chain", "check")
    assert (result.exit_code, "implementation" in result.stderr) == (5, True)


def test_where_a_node_cannot_simulate_a_row_of_calls_the_cost_is_marked_as_estimated(deployed, monkeypatch):
    monkeypatch.setattr(engine.EngineChain, "_simulated", lambda self, calls: None)
    told = deployed.done(*create_words(deployed, 1), "--dry-run")
    assert [one["exact"] for one in told["transactions"]] == [True, False, False]
    deployed.done(*create_words(deployed, 1), "--confirm", "1")


# ---- Hives and meters


def test_a_hive_is_made_shown_and_paid_for_in_hvt(hive_of_two):
    told = hive_of_two.done("show", "1")
    assert (told["state"], told["owner"], told["queen"]) == ("active", address_of(OWNER), address_of(QUEEN))
    assert [one["meter"] for one in told["meters"]] == [meter(1), meter(2)]
    assert told["staked_wei"] == 510 * 10**18
    assert hive_of_two.done("meter", "show", meter(1))["serial"] == "HP-1"
    assert [one["hive"] for one in hive_of_two.done("meter", "list")] == [1, 1]
    assert len(hive_of_two.done("show")) == 1


def test_a_dry_run_simulates_all_steps_in_a_row_and_sends_none(deployed):
    before = deployed.anvil.number
    told = deployed.done(*create_words(deployed, 1), "--dry-run")
    assert [one["function"] for one in told["transactions"]] == ["addMeter", "approve", "createHive"]
    assert all(one["exact"] for one in told["transactions"])
    assert told["amount"] == "1010 HVT (505 burnt, 505 staked)"
    assert deployed.anvil.number == before


def test_nothing_is_sent_without_the_typed_confirmation(hive_of_two):
    before = hive_of_two.anvil.number
    for words in (("freeze", "1"), ("freeze", "1", "--confirm", "2"), ("freeze", "1", "--no-input")):
        result = hive_of_two.run(*words)
        assert (result.exit_code, result.stdout) == (5, "")
        assert "E-NOT-CONFIRMED" in result.stderr
    assert hive_of_two.anvil.number == before


def test_a_meter_joins_and_leaves_with_its_stake(hive_of_two):
    place = hive_of_two
    words = ("add", meter(3), "--hive", "1", "--point", "CH-3", "--certificate", place.certificate(3))
    place.done(*words, "--confirm", meter(3)[:8])
    assert len(place.done("show", "1")["meters"]) == 3
    used = place.run("add", meter(4), "--hive", "1", "--point", "CH-3", "--certificate", place.certificate(4))
    assert (used.exit_code, "--point CH-3" in used.stderr) == (5, True)
    place.done("drop", meter(3), "--hive", "1", "--confirm", meter(3)[:8])
    assert len(place.done("show", "1")["meters"]) == 2
    gone = place.run("drop", meter(3), "--hive", "1", "--confirm", meter(3)[:8])
    assert (gone.exit_code, "E-NOT-FOUND" in gone.stderr) == (4, True)


def test_a_meter_with_an_open_account_can_neither_leave_nor_move(hive_of_two):
    place = hive_of_two
    give_coins(place, 100_000_000)
    place.done("channel", "deposit", "1", meter(1), "50", "--confirm", "50.00")
    for words in (("drop", meter(1), "--hive", "1"), ("split", "1", "--meter", meter(1))):
        result = place.run(*words)
        assert (result.exit_code, "E-CHANNEL-OPEN" in result.stderr, "50.00" in result.stderr) == (5, True, True)


def split_words(place: Place, *numbers: int) -> list[str]:
    words = ["split", "1", "--queen", address_of(QUEEN), "--terms", place.file("terms.json", TERMS)]
    for number in numbers:
        words += ["--meter", meter(number)]
    return [*words, "--confirm", "1"]


@pytest.mark.parametrize("after", [1, 2, 3])
def test_an_interrupted_split_goes_on_and_a_merge_undoes_it(hive_of_two, monkeypatch, after):
    place = hive_of_two
    with monkeypatch.context() as patched:
        stopped_after(patched, after)
        assert place.run(*split_words(place, 2)).exit_code == 130
    state = place.done("show", "1")
    assert state["state"] == ("active" if after == 1 else "changing")
    told = place.done(*split_words(place, 2))
    assert ("goes on" in told["what"]) is (after > 1)
    assert [one["meters"] for one in place.done("show")] == [1, 1]
    assert {one["state"] for one in place.done("show")} == {"active"}
    with monkeypatch.context() as patched:
        stopped_after(patched, after - 1)
        assert place.run("merge", "2", "1", "--confirm", "2").exit_code == 130
    place.done("merge", "2", "1", "--confirm", "2")
    assert [(one["state"], one["meters"]) for one in place.done("show")] == [("active", 2), ("ended", 0)]
    assert place.done("show", "1")["staked_wei"] == 510 * 10**18


def test_a_frozen_hive_ends_when_its_last_meter_is_dropped(hive_of_two):
    place = hive_of_two
    place.done("freeze", "1", "--confirm", "1")
    again = place.run("freeze", "1", "--confirm", "1")
    assert (again.exit_code, "is frozen" in again.stderr) == (5, True)
    for number in (1, 2):
        assert place.done("show", "1")["state"] == "frozen"
        place.done("drop", meter(number), "--hive", "1", "--confirm", meter(number)[:8])
    assert place.done("show", "1")["state"] == "ended"


# ---- Money


def test_a_pool_is_funded_and_paid_out_a_day_after_the_announcement(hive_of_two):
    place = hive_of_two
    give_coins(place, 300_000_000)
    told = place.done("pool", "fund", "1", "250", "--confirm", "250.00")
    assert [one["function"] for one in told["transactions"]] == ["approve", "fundPool"]
    place.done("pool", "bond", "1", "20.5", "--confirm", "20.50")
    nothing = place.run("pool", "withdraw", "1", "--confirm", "100.00")
    assert (nothing.exit_code, "no withdrawal" in nothing.stderr) == (5, True)
    place.done("pool", "withdraw", "1", "100", "--confirm", "100.00")
    early = place.run("pool", "withdraw", "1", "--confirm", "100.00")
    assert (early.exit_code, "E-TOO-EARLY" in early.stderr) == (5, True)
    place.later(DAY + 1)
    place.done("pool", "withdraw", "1", "--confirm", "100.00")
    told = place.done("pool", "show", "1")
    assert (told["pool_micro"], told["pending_micro"], told["bond_micro"]) == (150_000_000, 0, 20_500_000)


def test_the_same_payment_again_is_a_second_payment_and_an_interrupted_one_is_not(hive_of_two, monkeypatch):
    """A transaction that was signed and sent when the command died is gone on with, never made anew."""
    place = hive_of_two
    give_coins(place, 300_000_000)
    for _ in range(2):
        place.done("pool", "fund", "1", "10", "--confirm", "10.00")
    assert place.done("pool", "show", "1")["pool_micro"] == 20_000_000

    give_allowance = Call(place.coin, "TestCoin", "approve", (place.book["contracts"]["EnergySettlement"], 10**12))
    place.send(give_allowance)
    place.anvil.automine(False)
    with monkeypatch.context() as patched:
        from queen_node.chain.transactions import Transactions

        real = Transactions.step

        def step(self, key):
            row = real(self, key)
            if row.state.value == "sent":
                raise KeyboardInterrupt
            return row

        patched.setattr(Transactions, "step", step)
        assert place.run("pool", "fund", "1", "7", "--confirm", "7.00").exit_code == 130
    place.anvil.mine()
    place.anvil.automine(True)
    told = place.done("pool", "fund", "1", "7", "--confirm", "7.00")
    assert len(told["transactions"]) == 1
    assert place.done("pool", "show", "1")["pool_micro"] == 27_000_000


# ---- Votes


def test_an_upgrade_is_proposed_voted_queued_and_executed(hive_of_two):
    place = hive_of_two
    contracts = place.book["contracts"]
    new = place.send(Call("", "Beekeeper", CONSTRUCTOR, (contracts["BeekeeperHives"],)))
    place.later(30 * DAY)
    place.done("vote", "propose", "--upgrade", new, "--why", "Release 2", "--confirm", number(place, new))
    (row,) = place.done("vote", "show")
    name = row["number"][:8]
    early = place.run("vote", "cast", name, "for", "--confirm", "for")
    assert (early.exit_code, "is pending" in early.stderr) == (5, True)
    place.later(DAY + 60)
    place.done("vote", "cast", name, "for", "--reason", "tested", "--confirm", "for")
    twice = place.run("vote", "cast", name, "against", "--confirm", "against")
    assert (twice.exit_code, "has voted" in twice.stderr) == (5, True)
    place.later(7 * DAY + 60)
    assert place.done("vote", "show", name)["state"] == "succeeded"
    place.done("vote", "queue", name, "--confirm", name)
    waiting = place.run("vote", "execute", name, "--confirm", name)
    assert (waiting.exit_code, "can be executed from" in waiting.stderr) == (5, True)
    place.later(2 * DAY + 60)
    place.done("vote", "execute", name, "--confirm", name)
    assert place.done("vote", "show", name)["state"] == "executed"
    slot = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
    assert place.anvil.rpc("eth_getStorageAt", "0x" + contracts["Beekeeper"], slot, "latest")[-40:] == new
    assert place.done("chain", "check")["ok"]


def number(place: Place, implementation: str) -> str:
    words = ("vote", "propose", "--upgrade", implementation, "--why", "Release 2", "--dry-run")
    (step,) = place.done(*words)["transactions"]
    return str(step["does"]).split()[2][:8]


# ---- Mistakes


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("show", "9"), 4, "no Hive 9"),
        (("show", "0"), 2, "HIVE: 0"),
        (("meter", "show", "12"), 2, "METER"),
        (("meter", "show", "00" * 20), 2, "METER: the zero address"),
        (("meter", "show", "ab" * 20), 4, "is listed"),
        (("add", "ab" * 20, "--hive", "1", "--point", " "), 2, "--point"),
        (("add", "ab" * 20, "--hive", "1", "--point", "X"), 5, "not in the Meter List"),
        (("drop", "ab" * 20, "--hive", "9"), 4, "not in Hive 9"),
        (("split", "1"), 2, "--meter"),
        (("split", "1", "--meter", meter(1)), 2, "--queen and --terms"),
        (("split", "1", "--meter", "ab" * 20), 2, "is in no Hive"),
        (("merge", "1", "1"), 2, "INTO"),
        (("merge", "1", "7"), 4, "no Hive 7"),
        (("pool", "fund", "1", "1.2345678"), 2, "AMOUNT: 1.2345678 has 7 decimals"),
        (("pool", "fund", "1", "0"), 2, "AMOUNT: must be more than zero"),
        (("pool", "fund", "1", "many"), 2, "AMOUNT"),
        (("pool", "fund", "3", "1"), 4, "no Hive 3"),
        (("pool", "fund", "1", "5"), 5, "5.00 are needed"),
        (("pool", "withdraw", "1", "5"), 5, "the pool of Hive 1 holds 0.00"),
        (("vote", "show", "12"), 4, "no proposal 12"),
        (("vote", "show", "x"), 2, "NUMBER"),
        (("vote", "cast", "1", "maybe"), 2, "CHOICE"),
        (("vote", "propose", "--why", "nothing"), 2, "--upgrade"),
        (("vote", "propose", "--why", "x", "--call", "12"), 2, "--call"),
        (("vote", "propose", "--why", "x", "--upgrade", "ab" * 20), 2, "no code"),
        (("meter", "register", "/nowhere/file.json"), 4, "is not there"),
        (("show", "--rpc", "ws://127.0.0.1:1"), 2, "--rpc"),
        (("show", "--book", "/nowhere/book.json"), 5, "E-BOOK"),
        (("freeze", "1", "--key", "/nowhere/key"), 2, "--key: /nowhere/key is not there"),
        (("channel", "deposit", "1", "xx", "5"), 2, "WORKER"),
        (("channel", "deposit", "1", "ab" * 20, "5"), 5, "5.00 are needed"),
        (("pool", "fund", "one", "5"), 2, "valid integer"),
        (("pool", "fund", "1", "5", "--colour"), 2, "--colour"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_sent(shared_place, words, code, told):
    before = shared_place.anvil.number
    result = shared_place.run(*words)
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    assert told in result.stderr
    assert shared_place.anvil.number == before


@pytest.fixture(scope="module")
def shared_place(tmp_path_factory):
    """One Hive for all mistakes: none of them may change it."""
    with running_anvil(START_UNIX_S) as anvil:
        found = Place(tmp_path_factory.mktemp("mistakes"), anvil)
        anvil.set_balance(address_of(OWNER), 100 * 10**18)
        assert found.deploy().exit_code == 0
        found.book = json.loads((found.folder / "book.json").read_text())
        found.done(*create_words(found, 1, 2), "--confirm", "1")
        yield found


def test_a_strangers_key_is_refused_before_anything_is_simulated(shared_place):
    for words in (("freeze", "1"), ("pool", "withdraw", "1", "5"), ("merge", "1", "1")):
        result = shared_place.run(*words, secret=OTHER)
        assert result.exit_code in (2, 5)
    assert "belongs to" in shared_place.run("freeze", "1", secret=OTHER).stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--window", "5"), "a close's window is 6 hours to 7 days (window 5"),
        (("--coin", "ab" * 20), "is none in the Stablecoin List"),
    ],
)
def test_what_the_contract_would_refuse_is_told_in_words_and_not_sent(shared_place, words, told):
    before = shared_place.anvil.number
    result = shared_place.run(*create_words(shared_place, 7), *words, "--confirm", "2")
    assert (result.exit_code, result.stdout) == (5, "")
    assert told in result.stderr
    assert shared_place.anvil.number == before


def test_a_certificate_by_a_stranger_is_refused(shared_place):
    result = shared_place.run("meter", "register", shared_place.certificate(5, OTHER))
    assert (result.exit_code, "is no certifier" in result.stderr) == (5, True)


def test_terms_for_another_hive_are_refused(shared_place):
    words = create_words(shared_place, 6, terms=shared_place.file("seven.json", TERMS | {"hive": 7}))
    result = shared_place.run(*words)
    assert (result.exit_code, "the next number is 2" in result.stderr) == (2, True)


def test_a_node_that_is_away_and_one_of_another_chain_are_told_apart(shared_place):
    away = CliRunner().invoke(
        app, ["show"], env={"HIVE_RPC": "http://127.0.0.1:9", "HIVE_BOOK": str(shared_place.folder / "book.json")}
    )
    assert away.exit_code == 3
    other = shared_place.file("other.json", shared_place.book | {"chain_id": 5})
    result = shared_place.run("show", book=Path(other).name)
    assert (result.exit_code, "31337" in result.stderr) == (5, True)


def test_a_command_that_reads_leaves_nothing_beside_the_address_book(shared_place, tmp_path):
    (tmp_path / "book.json").write_text(json.dumps(shared_place.book))
    result = shared_place.run("show", "--book", str(tmp_path / "book.json"), secret=None)
    assert result.exit_code == 0, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["book.json"]


def test_a_key_file_that_others_may_read_is_refused(shared_place):
    open_key = shared_place.folder / "open.key"
    open_key.write_text(OWNER.hex())
    open_key.chmod(0o644)
    result = shared_place.run("freeze", "1", "--key", str(open_key))
    assert (result.exit_code, "chmod 600" in result.stderr) == (5, True)


def test_the_status_names_addresses_head_money_and_what_is_not_final(shared_place):
    words = ("chain", "status", "--book", str(shared_place.folder / "book.json"))
    told = shared_place.done(*words)
    assert told["addresses"][0]["fault"] == "none"
    assert told["head"] == shared_place.anvil.number
    assert told["finalized"] == told["head"] - 2
    assert told["sender"] == address_of(OWNER)
    assert 0 < told["fees_today_wei"] < told["fees_cap_wei"]
