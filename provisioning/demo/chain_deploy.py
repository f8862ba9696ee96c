"""Puts a Hive on the local chain: the platform by `hive chain deploy`, meters, Hive, pool, deposits, the Queen's gas.

All other transactions are signed here with eth-account; the owner's key and the order of transactions fix every
address. The owner is certifier, treasury and holder of the HVT too. The deposits come last and together in blocks,
because accounts open at the time of their block.
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from eth_abi.abi import decode, encode
from eth_account import Account

from honey_edge.model.errors import HiveError
from honey_edge.model.slots import slot_at
from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.structs import HiveTerms, MeterCertificate
from honey_edge.wire.typed_data import Domain, digest

FAUCET_SECRET = (1).to_bytes(32, "big")
"""The key of the account that holds a fresh local chain's native coin; known to everybody, worth nothing."""
ANSWER_S = 60.0
START_S = 30.0
BACKOFF_S = 0.05
HIVE, CHAIN_ID = 1, 31337
"""The number of the first Hive on a fresh platform, and the local chain's id."""
WINDOW_S = 3 * 86_400
GAS_COIN_WEI = 1_000 * 10**18
MAX_FEE_WEI, TIP_WEI = 10 * 10**9, 10**9
CALL_GAS, JOIN_GAS, DEPOSIT_GAS, TRANSFER_GAS = 16_000_000, 600_000, 300_000, 21_000
MANY = 50
"""Meters that a Hive begins with, and transactions of one kind in one block."""
DEPLOY_S = 120.0
MAKER, MODEL = "Hive demo", "emulated meter"
CERTIFIED_S = 10 * 365 * 86_400


class ChainError(HiveError):
    """The local chain does not answer, or refused something."""

    code = "E-DEMO-CHAIN"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What shall be on the chain: the first Hive of a fresh platform, so its number is 1.

    `workers` are (address of 20 bytes, printed serial); money in micro-coins; `at_unix_s` is the block time at which
    all accounts open; `max_price` in micro-coins per kWh. Without `terms` the Hive gets terms that say only the limits.
    """

    queen: bytes
    owner_secret: bytes
    workers: tuple[tuple[bytes, str], ...]
    deposit_micro: int
    pool_micro: int
    at_unix_s: int
    max_price: int
    max_power_w: int
    fee_bps: int
    terms: HiveTerms | None = None


@dataclass(frozen=True, slots=True)
class AddressBook:
    """Where things are: 20-byte addresses, and the number of the newest block after deployment."""

    chain_id: int
    coin: bytes
    hvt: bytes
    beekeeper: bytes
    settlement: bytes
    blocks: int


class Rpc:
    """One kept connection to a JSON-RPC address."""

    def __init__(self, url: str, wait_s: float = 0.0) -> None:
        self._url, self._place = url, urlsplit(url)
        self._connection = self._connected(time.monotonic() + wait_s)
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def _connected(self, deadline: float) -> http.client.HTTPConnection:
        """Connects; a refused connection is tried again until the deadline, for the process may just be starting."""
        while True:
            connection = http.client.HTTPConnection(
                self._place.hostname or "", self._place.port or 80, timeout=ANSWER_S
            )
            try:
                connection.connect()
            except ConnectionRefusedError as error:
                if time.monotonic() >= deadline:
                    raise ChainError(
                        f"nothing listens at {self._url}",
                        next_step="read the chain's log in the run's logs folder",
                    ) from error
                time.sleep(BACKOFF_S)
                continue
            return connection

    def call(self, method: str, *params: Any) -> Any:
        """The result of one method; ChainError with the chain's words otherwise."""
        self._number += 1
        body = json.dumps({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        try:
            path = self._place.path or "/"
            self._connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = json.loads(self._connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ChainError(
                f"{method}: no answer from {self._url}: {error!r}",
                next_step="read the chain's log in the logs folder",
            ) from error
        if "error" in answer:
            refused = answer["error"]
            raise ChainError(
                f"{method} refused: {refused['message']} {refused.get('data', '')}".strip(),
                next_step="compare the deployment's figures with the contract's limits",
            )
        return answer["result"]


class Artifact:
    """One compiled contract: encodes its calls and reads its answers."""

    def __init__(self, name: str) -> None:
        document = json.loads((_abi_folder() / f"{name}.json").read_text("utf-8"))
        self.name = name
        self._entries = {entry["name"]: entry for entry in document["abi"] if entry["type"] == "function"}

    def data(self, function: str, *arguments: Any) -> bytes:
        """Call data."""
        types = _types(self._entries[function]["inputs"])
        return keccak(f"{function}({','.join(types)})".encode())[:4] + encode(types, arguments)

    def values(self, function: str, data: bytes) -> tuple[Any, ...]:
        """What a view answers, one value per output."""
        return decode(_types(self._entries[function]["outputs"]), data)

    def result(self, function: str, data: bytes) -> dict[str, Any]:
        """The members of the structure that a view answers, by name."""
        output = self._entries[function]["outputs"][0]
        (values,) = decode(_types([output]), data)
        return {part["name"]: value for part, value in zip(output["components"], values, strict=True)}


def _abi_folder() -> Traversable:
    """The packed folder of an installed Hive, or the checkout's."""
    packed = files("queen_node") / "abi"
    return packed if packed.is_dir() else Path(__file__).resolve().parents[2] / "contracts" / "abi"


def _types(inputs: Sequence[dict[str, Any]]) -> list[str]:
    """Canonical types; tuples are spelt out."""
    return [
        f"({','.join(_types(one['components']))}){one['type'].removeprefix('tuple')}"
        if one["type"].startswith("tuple")
        else one["type"]
        for one in inputs
    ]


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


class Sender:
    """One account that signs here and counts its own transactions."""

    def __init__(self, rpc: Rpc, secret: bytes) -> None:
        self._rpc, self._secret = rpc, secret
        self.address = bytes.fromhex(Account.from_key(secret).address[2:])
        self._chain_id = int(rpc.call("eth_chainId"), 16)
        self._nonce = int(rpc.call("eth_getTransactionCount", _hex(self.address), "latest"), 16)

    def signed(self, to: bytes, data: bytes, gas: int, value: int = 0) -> str:
        """The next signed transaction."""
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": self._chain_id,
            "nonce": self._nonce,
            "gas": gas,
            "maxFeePerGas": MAX_FEE_WEI,
            "maxPriorityFeePerGas": TIP_WEI,
            "value": value,
            "data": _hex(data),
            "to": to,
        }
        self._nonce += 1
        return _hex(bytes(Account.sign_transaction(fields, self._secret).raw_transaction))

    def send(self, what: str, to: bytes, data: bytes = b"", gas: int = CALL_GAS, value: int = 0) -> dict[str, Any]:
        """Sends one transaction; its receipt, or ChainError naming `what` when it failed."""
        sent = self._rpc.call("eth_sendRawTransaction", self.signed(to, data, gas, value))
        return self._receipt(what, sent)

    def send_together(self, what: str, transactions: Sequence[str]) -> None:
        """Sends signed transactions in one block; ChainError naming `what` when one failed."""
        for sent in self._rpc.call("hive_sendRawTransactions", list(transactions)):
            self._receipt(what, sent)

    def _receipt(self, what: str, sent: str) -> dict[str, Any]:
        receipt: dict[str, Any] = self._rpc.call("eth_getTransactionReceipt", sent)
        if int(receipt["status"], 16) != 1:
            raise ChainError(
                f"{what} failed in block {int(receipt['blockNumber'], 16)}",
                next_step="compare the deployment's figures with the contract's limits",
            )
        return receipt


def set_time(rpc: str, unix_s: int) -> None:
    """Makes an empty block at this time, or a second after the newest; ChainError when the chain does not answer.

    Without it the newest block's time, by which a node judges calls, would stand still while nobody sends anything.
    """
    with Rpc(rpc) as connection:
        connection.call("hive_setTime", unix_s)
        connection.call("hive_sendRawTransactions", [])


def deploy(url: str, request: Deployment) -> AddressBook:
    """Waits for the RPC address, deploys everything and opens the accounts; ChainError says what was refused."""
    with Rpc(url, START_S) as rpc:
        owner = KeySigner(request.owner_secret).address
        faucet = Sender(rpc, FAUCET_SECRET)
        for address in (owner, request.queen):
            faucet.send("sending native coin", address, gas=TRANSFER_GAS, value=GAS_COIN_WEI)
        book = _platform(url, request)
        sender = Sender(rpc, request.owner_secret)
        _list_meters(sender, book, request)
        _create_hive(rpc, sender, book, request)
        _fund(sender, book, request)
        rpc.call("hive_setTime", request.at_unix_s)
        _deposit(sender, book, request)
        _check_opened(rpc, book, request)
        return replace(book, blocks=int(rpc.call("eth_blockNumber"), 16))


def _platform(url: str, request: Deployment) -> AddressBook:
    """All contracts, by the command that an operator uses."""
    owner = KeySigner(request.owner_secret).address.hex()
    with tempfile.TemporaryDirectory() as folder:
        key, file = Path(folder, "owner.key"), Path(folder, "book.json")
        with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(request.owner_secret.hex())
        command = [sys.executable, "-m", "queen_node.cli", "chain", "deploy", "--rpc", url, "--key", str(key)]
        command += ["--out", str(file), "--test-coin", "--certifier", owner, "--treasury", owner]
        command += ["--fee-bps", str(request.fee_bps), "--no-input", "--confirm", str(CHAIN_ID), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEPLOY_S, check=False)
        if done.returncode:
            raise ChainError(f"hive chain deploy: {done.stderr.strip()}", next_step="read the chain's log")
        document = json.loads(file.read_text("utf-8"))
    at = {name: bytes.fromhex(place) for name, place in document["contracts"].items()}
    return AddressBook(document["chain_id"], at["TestCoin"], at["HVT"], at["Beekeeper"], at["EnergySettlement"], 0)


def _terms(request: Deployment) -> HiveTerms:
    """The terms given, or terms that say only the limits."""
    return request.terms or HiveTerms(
        hive=HIVE,
        version=1,
        from_slot=slot_at(request.at_unix_s),
        tariff=bytes(32),
        theta=0,
        fee=0,
        platform_bps=request.fee_bps,
        max_price=request.max_price,
        max_power_w=request.max_power_w,
        island_ceiling=0,
        cover_days=0,
    )


def _list_meters(owner: Sender, book: AddressBook, request: Deployment) -> None:
    """Every meter with a certificate of the owner's, who is the certifier here."""
    keeper, signer = Artifact("Beekeeper"), KeySigner(request.owner_secret)
    domain, until = Domain(book.chain_id, book.beekeeper), request.at_unix_s + CERTIFIED_S
    hashes = [keccak(text.encode()) for text in (MAKER, MODEL)]
    calls = []
    for meter, serial in request.workers:
        certificate = MeterCertificate(meter, keccak(serial.encode()), hashes[0], hashes[1], until)
        signature = signer.sign(digest(domain, certificate))
        parts = (serial, MAKER, MODEL, until, (signature[:32], signature[32:]))
        calls.append(keeper.data("addMeter", meter, owner.address, *parts))
    _send_all(owner, "listing meters", book.beekeeper, calls, JOIN_GAS)


def _create_hive(rpc: Rpc, owner: Sender, book: AddressBook, request: Deployment) -> None:
    """The Hive with its first meters at their connection points; the others join one by one."""
    keeper, meters = Artifact("Beekeeper"), [meter for meter, _ in request.workers]
    points = [keccak(b"connection point" + meter) for meter in meters]
    first, rest = meters[:MANY], meters[MANY:]
    asked = {"to": _hex(book.beekeeper), "data": _hex(keeper.data("priceOf", len(first)))}
    required = keeper.values("priceOf", bytes.fromhex(rpc.call("eth_call", asked, "latest")[2:]))[0]
    allowance = Artifact("HVT").data("approve", book.beekeeper, 2**256 - 1)
    owner.send("approving HVT", book.hvt, allowance)
    create = keeper.data(
        "createHive",
        *(required, owner.address, book.coin, first, points[: len(first)]),
        *(request.queen, WINDOW_S, astuple(_terms(request))),
    )
    owner.send("creating the Hive", book.beekeeper, create)
    for start in range(len(first), len(meters), MANY):
        data = keeper.data("setPoints", HIVE, points[start : start + MANY])
        owner.send("listing connection points", book.beekeeper, data)
    joins = [
        keeper.data("addMeterToHive", HIVE, meter, point)
        for meter, point in zip(rest, points[len(first) :], strict=True)
    ]
    _send_all(owner, "adding meters", book.beekeeper, joins, JOIN_GAS)


def _send_all(owner: Sender, what: str, to: bytes, calls: Sequence[bytes], gas: int) -> None:
    """Sends calls of one kind, MANY in a block."""
    for start in range(0, len(calls), MANY):
        owner.send_together(what, [owner.signed(to, call, gas) for call in calls[start : start + MANY]])


def _fund(owner: Sender, book: AddressBook, request: Deployment) -> None:
    coin, total = Artifact("TestCoin"), request.pool_micro + request.deposit_micro * len(request.workers)
    owner.send("making coins", book.coin, coin.data("mint", owner.address, total))
    owner.send("approving", book.coin, coin.data("approve", book.settlement, total))
    pool = Artifact("EnergySettlement").data("fundPool", HIVE, request.pool_micro)
    owner.send("funding the pool", book.settlement, pool)


def _deposit(owner: Sender, book: AddressBook, request: Deployment) -> None:
    settlement = Artifact("EnergySettlement")
    calls = [settlement.data("deposit", HIVE, meter, request.deposit_micro) for meter, _ in request.workers]
    _send_all(owner, "depositing", book.settlement, calls, DEPOSIT_GAS)


def _check_opened(rpc: Rpc, book: AddressBook, request: Deployment) -> None:
    """Every account is open since the slot asked for; a chain whose time was past it already cannot serve the run."""
    settlement, slot = Artifact("EnergySettlement"), slot_at(request.at_unix_s)
    for address, serial in request.workers:
        data = settlement.data("account", HIVE, address)
        answer = rpc.call("eth_call", {"to": _hex(book.settlement), "data": _hex(data)}, "latest")
        opened = settlement.result("account", bytes.fromhex(answer[2:]))["slot"]
        if opened != slot:
            raise ChainError(
                f"the account of {serial} opened in slot {opened} instead of {slot}",
                next_step="start the chain at an earlier --time",
            )
