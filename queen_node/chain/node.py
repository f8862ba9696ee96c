"""One EnergySettlement contract behind one or more JSON-RPC addresses; every web3 exception ends here.

web3 is imported by the first call, not by the import of this module, so that the operator's command starts fast.
Reads go to the first address that answers, signed transactions to all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from queen_node.chain.artifacts import artifact
from queen_node.chain.errors import CallReverted, ChainUnreachable, CodeMismatch, WrongChain
from queen_node.chain.records import BlockInfo

if TYPE_CHECKING:
    from web3 import Web3

CONTRACT = "EnergySettlement"
CALL_TIMEOUT_S = 20.0
#: What a node says when it has the transaction, or its nonce, already; both are normal after a restart.
KNOWN_ALREADY = ("already known", "already imported", "nonce too low", "known transaction")
_Answer = TypeVar("_Answer")


class ContractNode:
    """Reads, simulates and broadcasts; raises only the errors of this package."""

    def __init__(self, rpc_urls: Sequence[str], chain_id: int, contract: str, connections: Sequence[Web3] = ()) -> None:
        """`contract` is 40 hex digits; `connections` (for tests) take the place of the addresses."""
        self._urls = tuple(rpc_urls)
        self._given = tuple(connections)
        self.chain_id = chain_id
        self.contract = contract.removeprefix("0x").lower()
        self._connections: tuple[Web3, ...] = ()
        self._checked = False

    @property
    def place(self) -> str:
        """The addresses as an error names them."""
        return ", ".join(self._urls) or "chain"

    def _web3s(self) -> tuple[Web3, ...]:
        if not self._connections:
            self._connections = self._given or tuple(_connect(url) for url in self._urls)
        if not self._connections:
            raise ChainUnreachable("chain", "no RPC address in the settings")
        return self._connections

    def check(self) -> None:
        """Refuse a node of another chain and a contract with other code; asked once per process."""
        if self._checked:
            return
        found = self.ask(lambda web3: web3.eth.chain_id)
        if found != self.chain_id:
            raise WrongChain(self.place, self.chain_id, found)
        code = bytes(self.ask(lambda web3: web3.eth.get_code(_address(web3, self.contract))))
        if not code:
            raise CodeMismatch(self.contract, "there is no code")
        if not artifact(CONTRACT).matches(code):
            raise CodeMismatch(self.contract, f"its code is not that of {CONTRACT} in this release")
        self._checked = True

    def ask(self, question: Callable[[Web3], _Answer]) -> _Answer:
        """The first answer any address gives; ChainUnreachable when none does, CallReverted when refused."""
        from requests.exceptions import RequestException
        from web3.exceptions import ContractLogicError, ProviderConnectionError

        failure = ""
        for web3 in self._web3s():
            try:
                return question(web3)
            except ContractLogicError as error:
                raise self._refused(error) from error
            except (RequestException, ProviderConnectionError, ConnectionError, TimeoutError) as error:
                failure = f"{type(error).__name__}: {error}"
        raise ChainUnreachable(self.place, failure)

    def view(self, name: str, *arguments: Any, block: int | None = None) -> Any:
        """The answer of a view function, at a block or at the newest."""
        at: Any = "latest" if block is None else block
        return self.ask(lambda web3: self._function(web3, name, arguments).call(block_identifier=at))

    def simulate(self, sender: str, name: str, *arguments: Any) -> Any:
        """What a call would answer now, without sending it; CallReverted when it would be refused."""
        return self.ask(lambda web3: self._function(web3, name, arguments).call({"from": _address(web3, sender)}))

    def build(self, sender: str, nonce: int, gas_price: tuple[int, int], name: str, *arguments: Any) -> dict[str, Any]:
        """An unsigned transaction; `gas_price` is (max fee, tip) in wei. Gas is the node's estimate plus a fifth."""
        fee, tip = gas_price

        def made(web3: Web3) -> dict[str, Any]:
            function = self._function(web3, name, arguments)
            estimate = function.estimate_gas({"from": _address(web3, sender)})
            call = {"nonce": nonce, "chainId": self.chain_id, "gas": estimate + estimate // 5}
            return dict(function.build_transaction({**call, "maxFeePerGas": fee, "maxPriorityFeePerGas": tip}))

        return self.ask(made)

    def base_fee_wei(self) -> int:
        """Base fee of the newest block, wei per gas."""
        return self.ask(lambda web3: int(web3.eth.get_block("latest").get("baseFeePerGas", 0)))

    def balance_wei(self, address: str) -> int:
        """What an address can spend on gas."""
        return self.ask(lambda web3: int(web3.eth.get_balance(_address(web3, address))))

    def nonce(self, address: str) -> int:
        """The node's count at the newest block, never the pending one."""
        return self.ask(lambda web3: int(web3.eth.get_transaction_count(_address(web3, address), "latest")))

    def block(self, number: int | None = None) -> BlockInfo:
        """A block, or the newest."""
        found = self.ask(lambda web3: web3.eth.get_block("latest" if number is None else number))
        return BlockInfo(int(found["number"]), int(found["timestamp"]), found["hash"].hex())

    def receipt(self, tx_hash: str) -> dict[str, Any] | None:
        """The receipt of a mined transaction; None while it is in no block."""
        from web3.exceptions import TransactionNotFound

        def found(web3: Web3) -> dict[str, Any] | None:
            try:
                return dict(web3.eth.get_transaction_receipt(_hash(tx_hash)))
            except TransactionNotFound:
                return None

        return self.ask(found)

    def broadcast(self, raw: bytes) -> None:
        """Send signed bytes to every address; one that took them, or had them, is enough."""
        from requests.exceptions import RequestException
        from web3.exceptions import Web3RPCError

        failures = []
        for web3 in self._web3s():
            try:
                web3.eth.send_raw_transaction(raw)
                return
            except Web3RPCError as error:
                if any(text in str(error).lower() for text in KNOWN_ALREADY):
                    return
                failures.append(str(error))
            except (RequestException, ConnectionError, TimeoutError) as error:
                failures.append(f"{type(error).__name__}: {error}")
        raise ChainUnreachable(self.place, "; ".join(failures))

    def events(self, receipt: dict[str, Any], name: str) -> list[dict[str, Any]]:
        """The arguments of one kind of event of this contract in a receipt, in order."""
        from web3.logs import DISCARD

        web3 = self._web3s()[0]
        contract = web3.eth.contract(address=_address(web3, self.contract), abi=artifact(CONTRACT).abi)
        found = contract.events[name]().process_receipt(receipt, errors=DISCARD)
        return [dict(event["args"]) for event in found if event["address"].lower()[2:] == self.contract]

    def _function(self, web3: Web3, name: str, arguments: tuple[Any, ...]) -> Any:
        contract = web3.eth.contract(address=_address(web3, self.contract), abi=artifact(CONTRACT).abi)
        return contract.functions[name](*arguments)

    def _refused(self, error: Exception) -> CallReverted:
        data = str(getattr(error, "data", "") or "")
        return CallReverted(f"contract {self.contract}", error_name(data), f"({error})")


def error_name(data: str) -> str:
    """The contract's own error whose selector stands at the front of revert data; empty when unknown."""
    from eth_utils.crypto import keccak

    for entry in artifact(CONTRACT).abi:
        if entry["type"] == "error":
            types = ",".join(item["type"] for item in entry["inputs"])
            if data.removeprefix("0x").startswith(keccak(text=f"{entry['name']}({types})")[:4].hex()):
                return str(entry["name"])
    return ""


def _connect(url: str) -> Web3:
    from web3 import HTTPProvider, Web3

    return Web3(HTTPProvider(url, request_kwargs={"timeout": CALL_TIMEOUT_S}))


def _address(web3: Web3, plain: str) -> Any:
    return web3.to_checksum_address("0x" + plain)


def _hash(plain: str) -> Any:
    return "0x" + plain
