"""Writes docs/walk.md: a walk through the operator's commands with their real output, from a fresh local chain.

    python docs/walk.py

Needs Foundry's node (npm ci in contracts). Keys are small numbers, known to everybody; times come from the local chain.
"""

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from typer.testing import CliRunner  # noqa: E402

from honey_edge.billing.tariff import Tariff, tariff_document  # noqa: E402
from honey_edge.wire.keccak import keccak  # noqa: E402
from honey_edge.wire.signing import KeySigner  # noqa: E402
from honey_edge.wire.structs import HiveTerms  # noqa: E402
from honey_edge.wire.terms_file import TermsFile, terms_document  # noqa: E402
from honey_edge.wire.typed_data import Domain, digest  # noqa: E402
from queen_node.chain.calls import CONSTRUCTOR, Call  # noqa: E402
from queen_node.cli.commands import app  # noqa: E402
from queen_node.store import Store, accounts  # noqa: E402
from queen_node.store.records import WorkerRow  # noqa: E402
from tests.chain_kit.anvil import Anvil, running_anvil  # noqa: E402

START_UNIX_S = 1_798_761_600
DAY = 86_400
KEYS = {"owner": 21, "certifier": 22, "queen": 23, "home": 24, "meter": 31, "meter2": 32, "meter3": 33}
TARIFF = tariff_document(Tariff("TEST", (270_000,) * 96, (60_000,) * 96, (), 0))


def signer(name: str) -> KeySigner:
    """A key that everybody knows."""
    return KeySigner(KEYS[name].to_bytes(32, "big"))


def address(name: str) -> str:
    """Its address."""
    return signer(name).address.hex()


class Walk:
    """Runs commands in a folder and notes what a person sees."""

    def __init__(self, anvil: Anvil) -> None:
        self.anvil, self.lines = anvil, []
        self.environment = {"NO_COLOR": "1", "COLUMNS": "200", "HIVE_RPC": anvil.url, "TZ": "UTC"}
        self.environment |= {"HIVE_BOOK": "book.json", "HIVE_KEY": "owner.key"}

    def text(self, words: str) -> None:
        """A paragraph."""
        self.lines += [*words.strip().split("\n"), ""]

    def run(self, command: str, code: int = 0, most: int = 60) -> str:
        """A command with its output; the walk ends where it does not give the exit code it should."""
        result = CliRunner().invoke(app, command.split(), env=self.environment)
        if result.exit_code != code:
            raise SystemExit(f"hive {command}: exit code {result.exit_code}, not {code}\n{result.output}")
        shown = result.output.rstrip().split("\n")
        if len(shown) > most:
            shown = [*shown[:most], f"... ({len(shown) - most} more lines)"]
        shown = [self._anonymous(line) for line in shown]
        self.lines += ["```text", f"$ hive {command}", *shown]
        self.lines += [f"$ echo $?\n{code}"] if code else []
        self.lines += ["```", ""]
        return result.stdout

    def _anonymous(self, line: str) -> str:
        return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8545", line)

    def later(self, seconds: int) -> None:
        """Time passes."""
        self.anvil.set_time(self.anvil.now_unix_s + seconds)

    def send(self, call: Call) -> str:
        """A transaction of the owner outside Hive's commands; the address it created."""
        from eth_account import Account

        sender = "0x" + address("owner")
        nonce = int(self.anvil.rpc("eth_getTransactionCount", sender, "latest"), 16)
        fields = {"nonce": nonce, "chainId": 31337, "gas": 12_000_000, "data": "0x" + call.data.hex(), "value": 0}
        fields |= {"maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9}
        fields |= {"to": bytes.fromhex(call.target)} if call.target else {}
        raw = Account.sign_transaction(fields, KEYS["owner"].to_bytes(32, "big")).raw_transaction
        receipt = self.anvil.receipt(self.anvil.rpc("eth_sendRawTransaction", "0x" + raw.hex()))
        return str(receipt.get("contractAddress") or "")[2:].lower()


def write_keys() -> None:
    """One file a key, readable by its owner only."""
    for name, number in KEYS.items():
        Path(f"{name}.key").write_text(number.to_bytes(32, "big").hex())
        Path(f"{name}.key").chmod(0o600)


def write_terms(settlement: str, hive: int) -> None:
    """Terms that Queen and owner have signed."""
    terms = HiveTerms(hive, 1, 0, keccak(TARIFF), 250, 30, 20, 540_000, 43_000, 0, 2)
    hashed = digest(Domain(31337, bytes.fromhex(settlement)), terms)
    file = TermsFile.of(terms, signer("queen").sign(hashed), signer("owner").sign(hashed))
    Path(f"terms{hive}.json").write_bytes(terms_document(file))


def write_queen(settlement: str, url: str) -> None:
    """The Queen's settings and database with one Worker."""
    Path("tariff.json").write_bytes(TARIFF)
    Path("workers.json").write_text(json.dumps([{"address": address("meter"), "serial": "HP-1"}]))
    Path("queen.toml").write_text(
        f'[hive]\nhive = 1\nchain_id = 31337\ncontract = "{settlement}"\nqueen_address = "{address("queen")}"\n'
        f'owner_address = "{address("owner")}"\nterms_file = "terms1.json"\ntariff_file = "tariff.json"\n'
        'workers_file = "workers.json"\nkey_file = "queen.key"\n[broker]\nhost = "localhost"\nport = 8883\n'
        'client_id = "queen"\nca_file = "ca.pem"\ncertificate_file = "queen.pem"\nkey_file = "queen-tls.key"\n'
        f'[chain]\nrpc_urls = ["{url}"]\naddress_book = "book.json"\n'
    )
    store = Store("sqlite:///queen.sqlite")
    with store.begin() as tx:
        accounts.put_worker(tx, WorkerRow(address("meter"), "HP-1", True, 0, 50_000_000))
    store.close()


def deployment(walk: Walk) -> dict[str, str]:
    """Deploy and check."""
    walk.text("## 1. Deploy and check\n\nA local chain, so a worthless coin is made too (`--test-coin`).")
    command = f"chain deploy --out book.json --certifier {address('certifier')} --test-coin"
    walk.run(f"{command} --dry-run")
    walk.text("The last option is what would be typed when asked: the chain's number.")
    walk.run(f"{command} --confirm 31337")
    walk.run(f"{command} --confirm 31337", code=5)
    walk.run("chain check")
    return dict(json.loads(Path("book.json").read_text())["contracts"])


def hive(walk: Walk, contracts: dict[str, str]) -> None:
    """Certify, create, add, show."""
    walk.text("## 2. Make a Hive\n\nA certifier vouches for each meter; this needs no chain.")
    for number, name in enumerate(("meter", "meter2", "meter3"), 1):
        who = f"--meter {address(name)} --owner {address('home')} --serial HP-{number}"
        rest = f"--manufacturer Acme --model M1 --not-after 2030-01-01 --out HP-{number}.json --key certifier.key"
        walk.run(f"meter certify {who} {rest}")
    write_terms(contracts["EnergySettlement"], 1)
    walk.text("Nothing is sent by `--dry-run`: all steps are simulated one after the other.")
    create = f"create --coin {contracts['TestCoin']} --queen {address('queen')} --terms terms1.json"
    create += f" --meter {address('meter')}=CH-1001 --meter {address('meter2')}=CH-1002"
    create += " --certificate HP-1.json --certificate HP-2.json"
    walk.run(f"{create} --dry-run")
    walk.run(f"{create} --confirm 1")
    name = address("meter3")
    walk.run(f"add {name} --hive 1 --point CH-1003 --certificate HP-3.json --confirm {name[:8]}")
    walk.run("show 1")


def money(walk: Walk, contracts: dict[str, str]) -> None:
    """Pool and deposits."""
    walk.send(Call(contracts["TestCoin"], "TestCoin", "mint", (address("owner"), 500_000_000)))
    walk.text("## 3. Money\n\nThe owner has 500 test coins.")
    walk.run("pool fund 1 250 --confirm 250.00")
    walk.run(f"channel deposit 1 {address('meter')} 50 --confirm 50.00")
    walk.run("pool withdraw 1 100 --confirm 100.00")
    walk.run("pool withdraw 1 --confirm 100.00", code=5)
    walk.text("A day later:")
    walk.later(DAY + 1)
    walk.run("pool withdraw 1 --confirm 100.00")
    walk.run("pool show 1")


def changes(walk: Walk, contracts: dict[str, str]) -> None:
    """Split, merge, drop, close."""
    write_terms(contracts["EnergySettlement"], 2)
    write_queen(contracts["EnergySettlement"], walk.anvil.url)
    walk.text("## 4. Split, merge, drop\n\nOnly meters with closed accounts move. Run again after an interruption.")
    split = f"split 1 --meter {address('meter3')} --queen {address('queen')} --terms terms2.json"
    walk.run(f"{split} --confirm 1")
    walk.run("show")
    walk.run("merge 2 1 --confirm 2")
    walk.run(f"drop {address('meter')} --hive 1", code=5)
    walk.text(
        "So its account is closed first, on the Queen's machine. There is no Statement yet, so the window of 72 hours\n"
        "is doubled."
    )
    walk.run("channel close HP-1 --config queen.toml --confirm HP-1")
    walk.run("channel show HP-1 --config queen.toml")
    walk.text("Six days later the same command finishes the close, and the meter can leave:")
    walk.later(6 * DAY + 60)
    walk.run("channel close HP-1 --config queen.toml --confirm HP-1")
    walk.run(f"drop {address('meter')} --hive 1 --confirm {address('meter')[:8]}")


def votes(walk: Walk, contracts: dict[str, str]) -> None:
    """An upgrade, from proposal to execution."""
    walk.later(30 * DAY)
    new = walk.send(Call("", "Beekeeper", CONSTRUCTOR, (contracts["BeekeeperHives"],)))
    walk.text(f"## 5. Vote\n\nWeight is stake times age. A new implementation was deployed at `{new}`.")
    propose = f"vote propose --upgrade {new} --why Release-2"
    told = CliRunner().invoke(app, [*propose.split(), "--dry-run", "--json"], env=walk.environment)
    number = str(json.loads(told.stdout)["transactions"][0]["does"]).split()[2][:8]
    walk.run(f"{propose} --confirm {number}")
    walk.run(f"vote cast {number} for --confirm for", code=5)
    walk.text("A day later voting is open, for seven days; then two days of waiting.")
    walk.later(DAY + 60)
    walk.run(f"vote cast {number} for --confirm for")
    walk.run(f"vote show {number}")
    walk.later(7 * DAY + 60)
    walk.run(f"vote queue {number} --confirm {number}")
    walk.later(2 * DAY + 60)
    walk.run(f"vote execute {number} --confirm {number}")
    walk.run("vote show")


def ending(walk: Walk) -> None:
    """Freeze, status, mistakes."""
    walk.text("## 6. End a Hive, and look around")
    walk.run("freeze 1 --confirm 1")
    walk.run("chain status", most=14)
    walk.text("## 7. Mistakes\n\nEach says what and where; nothing is sent.")
    walk.run("pool fund 1 1.2345678", code=2)
    walk.run("show 9", code=4)
    walk.run("freeze 1 --confirm 1", code=5)
    walk.run("help E-CHANNEL-OPEN")


def walked() -> Iterator[str]:
    """The page, line by line."""
    yield "# What do the operator's commands print?"
    yield ""
    yield "Real output, written by `python docs/walk.py` on a local chain. What the commands are for: [operating.md]"
    yield "(operating.md). `HIVE_RPC`, `HIVE_BOOK=book.json` and `HIVE_KEY=owner.key` are set; all keys are known to"
    yield "everybody. Exit codes other than 0 are shown."
    yield ""
    with tempfile.TemporaryDirectory() as folder, running_anvil(START_UNIX_S) as anvil:
        os.chdir(folder)
        write_keys()
        for name in ("owner", "queen"):
            anvil.set_balance(address(name), 10 * 10**18)
        walk = Walk(anvil)
        contracts = deployment(walk)
        hive(walk, contracts)
        money(walk, contracts)
        changes(walk, contracts)
        votes(walk, contracts)
        ending(walk)
        os.chdir(FOLDER)
    yield from walk.lines


if __name__ == "__main__":
    page = "\n".join(walked()).rstrip() + "\n"
    (FOLDER / "walk.md").write_text(page.replace("[operating.md]\n(operating.md)", "[operating.md](operating.md)"))
