"""A folder with keys, terms and an address book beside Foundry's node: the operator's place in system tests.

Keys are small numbers published here, for tests only.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from honey_edge.wire.signing import KeySigner
from queen_node.chain.calls import Call
from queen_node.cli.commands import app
from tests.chain_kit.anvil import Anvil

START_UNIX_S = 2_222_222 * 900
HOUR, DAY = 3_600, 86_400
OWNER, CERTIFIER, QUEEN, OTHER = ((number).to_bytes(32, "big") for number in (21, 22, 23, 24))
HOME = "3c44cdddb6a900fa2b585dd299e03d12fa4293bc"
TERMS = {
    "version": 1,
    "from_slot": 0,
    "tariff": "11" * 32,
    "theta": 250,
    "fee": 30,
    "platform_bps": 20,
    "max_price": 540_000,
    "max_power_w": 43_000,
    "island_ceiling": 0,
    "cover_days": 2,
}


def meter(number: int) -> str:
    """Address of a meter nobody has a key of."""
    return f"a{number}" * 20


def address_of(secret: bytes) -> str:
    return KeySigner(secret).address.hex()


@dataclass
class Place:
    """A folder with keys, terms and an address book, and the node it belongs to."""

    folder: Path
    anvil: Anvil
    book: dict[str, Any] = field(default_factory=dict)

    def key(self, secret: bytes) -> str:
        file = self.folder / f"{secret[-1]}.key"
        if not file.exists():
            file.write_text(secret.hex())
            file.chmod(0o600)
        return str(file)

    def run(self, *words: str, secret: bytes | None = OWNER, book: str = "book.json") -> Any:
        """A command of `hive` with its options from the environment."""
        environment = {
            "NO_COLOR": "1",
            "HIVE_RPC": self.anvil.url,
            "HIVE_BOOK": str(self.folder / book),
            "HIVE_KEY": self.key(secret) if secret else "",
        }
        return CliRunner().invoke(app, list(words), env=environment)

    def done(self, *words: str, secret: bytes = OWNER) -> Any:
        """The JSON of a command that must succeed."""
        result = self.run(*words, "--json", secret=secret)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    def deploy(self, *more: str, out: str = "book.json", secret: bytes = OWNER, confirm: str = "31337") -> Any:
        words = (
            "chain",
            "deploy",
            "--out",
            str(self.folder / out),
            "--test-coin",
            "--certifier",
            address_of(CERTIFIER),
        )
        return self.run(*words, *more, "--confirm", confirm, secret=secret)

    @property
    def coin(self) -> str:
        return str(self.book["contracts"]["TestCoin"])

    def file(self, name: str, content: object) -> str:
        (self.folder / name).write_text(json.dumps(content))
        return str(self.folder / name)

    def certificate(self, number: int, secret: bytes = CERTIFIER) -> str:
        out = str(self.folder / f"meter{number}-{secret[-1]}.json")
        words = ("--meter", meter(number), "--owner", HOME, "--serial", f"HP-{number}", "--manufacturer", "Acme")
        result = self.run(
            "meter", "certify", *words, "--model", "M1", "--not-after", "2099-01-01", "--out", out, secret=secret
        )
        assert result.exit_code == 0, result.stderr
        return out

    def send(self, call: Call, secret: bytes = OWNER) -> str:
        """A transaction outside Hive's commands; the address it created."""
        from eth_account import Account

        sender = "0x" + address_of(secret)
        nonce = int(self.anvil.rpc("eth_getTransactionCount", sender, "latest"), 16)
        fields = {
            "nonce": nonce,
            "chainId": 31337,
            "gas": 12_000_000,
            "maxFeePerGas": 10**11,
            "maxPriorityFeePerGas": 10**9,
        }
        fields |= {"data": "0x" + call.data.hex(), "value": 0} | (
            {"to": bytes.fromhex(call.target)} if call.target else {}
        )
        raw = Account.sign_transaction(fields, secret).raw_transaction
        receipt = self.anvil.receipt(self.anvil.rpc("eth_sendRawTransaction", "0x" + raw.hex()))
        assert receipt["status"] == "0x1"
        return str(receipt.get("contractAddress") or "")[2:].lower()

    def later(self, seconds: int) -> None:
        self.anvil.set_time(self.anvil.now_unix_s + seconds)


def create_words(place: Place, *numbers: int, terms: str = "") -> list[str]:
    words = [
        "create",
        "--coin",
        place.coin,
        "--queen",
        address_of(QUEEN),
        "--terms",
        terms or place.file("terms.json", TERMS),
    ]
    for number in numbers:
        words += ["--meter", f"{meter(number)}=CH-{number}", "--certificate", place.certificate(number)]
    return words


def give_coins(place: Place, units: int, to: str = "") -> None:
    place.send(Call(place.coin, "TestCoin", "mint", (to or address_of(OWNER), units)))
