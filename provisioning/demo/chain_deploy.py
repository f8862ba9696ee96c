"""Puts a Hive on the local chain: coin, meter list, settlement, Workers' deposits, pool, the Queen's gas.

All transactions are signed here with eth-account; the owner's key and the order of transactions fix every address.
The deposits come last and together in blocks, because accounts open at the time of their block.
"""

import http.client
import json
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
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
from honey_edge.wire.structs import HiveTerms

FAUCET_SECRET = (1).to_bytes(32, "big")
"""The key of the account that holds a fresh local chain's native coin; known to everybody, worth nothing."""
ANSWER_S = 60.0
START_S = 30.0
BACKOFF_S = 0.05
COIN_DECIMALS = 6
WINDOW_S = 3 * 86_400
GAS_COIN_WEI = 1_000 * 10**18
MAX_FEE_WEI, TIP_WEI = 10 * 10**9, 10**9
DEPLOY_GAS, CALL_GAS, DEPOSIT_GAS, TRANSFER_GAS = 8_000_000, 16_000_000, 300_000, 21_000
MANY = 100
"""Meters listed in one transaction, and deposits in one block."""


class ChainError(HiveError):
    """The local chain does not answer, or refused something."""

    code = "E-DEMO-CHAIN"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What shall be on the chain.

    `workers` are (address of 20 bytes, printed serial); money in micro-coins; `at_unix_s` is the block time at which
    all accounts open; `max_price` in micro-coins per kWh. Without `terms` the Hive gets terms that say only the limits.
    """

    hive: int
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
    meter_list: bytes
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
    """One compiled contract: encodes its calls."""

    def __init__(self, name: str) -> None:
        document = json.loads((_abi_folder() / f"{name}.json").read_text("utf-8"))
        self.name = name
        self.bytecode = bytes.fromhex(document["bytecode"].removeprefix("0x"))
        self._entries = {entry["name"]: entry for entry in document["abi"] if entry["type"] == "function"}
        made = [entry for entry in document["abi"] if entry["type"] == "constructor"]
        self._constructor = made[0] if made else {"inputs": []}

    def creation(self, *arguments: Any) -> bytes:
        """Creation code with the constructor's arguments."""
        return self.bytecode + encode(_types(self._constructor["inputs"]), arguments)

    def data(self, function: str, *arguments: Any) -> bytes:
        """Call data."""
        types = _types(self._entries[function]["inputs"])
        return keccak(f"{function}({','.join(types)})".encode())[:4] + encode(types, arguments)

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
        """The next signed transaction; without `to` it creates a contract."""
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": self._chain_id,
            "nonce": self._nonce,
            "gas": gas,
            "maxFeePerGas": MAX_FEE_WEI,
            "maxPriorityFeePerGas": TIP_WEI,
            "value": value,
            "data": _hex(data),
        }
        if to:
            fields["to"] = to
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

    def create(self, artifact: Artifact, *arguments: Any) -> bytes:
        """Deploys a contract; its address."""
        receipt = self.send(f"deploying {artifact.name}", b"", artifact.creation(*arguments), DEPLOY_GAS)
        return bytes.fromhex(receipt["contractAddress"][2:])

    def _receipt(self, what: str, sent: str) -> dict[str, Any]:
        receipt: dict[str, Any] = self._rpc.call("eth_getTransactionReceipt", sent)
        if int(receipt["status"], 16) != 1:
            raise ChainError(
                f"{what} failed in block {int(receipt['blockNumber'], 16)}",
                next_step="compare the deployment's figures with the contract's limits",
            )
        return receipt


def set_time(rpc: str, unix_s: int) -> None:
    """The chain's next blocks carry this time or a later one; ChainError when the chain does not answer."""
    with Rpc(rpc) as connection:
        connection.call("hive_setTime", unix_s)


def deploy(url: str, request: Deployment) -> AddressBook:
    """Waits for the RPC address, deploys everything and opens the accounts; ChainError says what was refused."""
    with Rpc(url, START_S) as rpc:
        faucet, owner = Sender(rpc, FAUCET_SECRET), Sender(rpc, request.owner_secret)
        for address in (owner.address, request.queen):
            faucet.send("sending native coin", address, gas=TRANSFER_GAS, value=GAS_COIN_WEI)
        book = _contracts(rpc, owner, request)
        _list_meters(owner, book, request)
        _fund(owner, book, request)
        rpc.call("hive_setTime", request.at_unix_s)
        _deposit(owner, book, request)
        _check_opened(rpc, book, request)
        head = int(rpc.call("eth_blockNumber"), 16)
    return AddressBook(book.chain_id, book.coin, book.meter_list, book.settlement, head)


def _contracts(rpc: Rpc, owner: Sender, request: Deployment) -> AddressBook:
    """The three contracts; the owner is treasury and time lock too."""
    coin = owner.create(Artifact("TestCoin"), owner.address, COIN_DECIMALS)
    meter_list = owner.create(Artifact("MeterList"), owner.address)
    settlement = owner.create(Artifact("EnergySettlement"), meter_list, owner.address, owner.address, request.fee_bps)
    owner.send("naming the settlement", meter_list, Artifact("MeterList").data("setSettlement", settlement))
    return AddressBook(int(rpc.call("eth_chainId"), 16), coin, meter_list, settlement, 0)


def _terms(request: Deployment) -> HiveTerms:
    """The terms given, or terms that say only the limits."""
    return request.terms or HiveTerms(
        hive=request.hive,
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
    meters, terms = Artifact("MeterList"), astuple(_terms(request))
    hive = meters.data("createHive", request.hive, owner.address, book.coin, request.queen, WINDOW_S, terms)
    owner.send("registering the Hive", book.meter_list, hive)
    for start in range(0, len(request.workers), MANY):
        part = [address for address, _ in request.workers[start : start + MANY]]
        data = meters.data("listMeters", request.hive, part, [owner.address] * len(part))
        owner.send("listing meters", book.meter_list, data)


def _fund(owner: Sender, book: AddressBook, request: Deployment) -> None:
    coin, total = Artifact("TestCoin"), request.pool_micro + request.deposit_micro * len(request.workers)
    owner.send("making coins", book.coin, coin.data("mint", owner.address, total))
    owner.send("approving", book.coin, coin.data("approve", book.settlement, total))
    pool = Artifact("EnergySettlement").data("fundPool", request.hive, request.pool_micro)
    owner.send("funding the pool", book.settlement, pool)


def _deposit(owner: Sender, book: AddressBook, request: Deployment) -> None:
    settlement = Artifact("EnergySettlement")
    for start in range(0, len(request.workers), MANY):
        calls = [
            settlement.data("deposit", request.hive, address, request.deposit_micro)
            for address, _ in request.workers[start : start + MANY]
        ]
        transactions = [owner.signed(book.settlement, call, DEPOSIT_GAS) for call in calls]
        owner.send_together("depositing", transactions)


def _check_opened(rpc: Rpc, book: AddressBook, request: Deployment) -> None:
    """Every account is open since the slot asked for; a chain whose time was past it already cannot serve the run."""
    settlement, slot = Artifact("EnergySettlement"), slot_at(request.at_unix_s)
    for address, serial in request.workers:
        data = settlement.data("account", request.hive, address)
        answer = rpc.call("eth_call", {"to": _hex(book.settlement), "data": _hex(data)}, "latest")
        opened = settlement.result("account", bytes.fromhex(answer[2:]))["slot"]
        if opened != slot:
            raise ChainError(
                f"the account of {serial} opened in slot {opened} instead of {slot}",
                next_step="start the chain at an earlier --time",
            )
