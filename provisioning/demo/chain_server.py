"""A local chain behind an Ethereum JSON-RPC address on loopback: py-evm (Prague rules), one block per request.

`python -m provisioning.demo.chain_server --port P --time UNIX` serves it until SIGTERM and prints nothing but errors.

Method names, fields and error codes follow the execution API (github.com/ethereum/execution-apis) and EIP-1474. Nothing
here reads the computer's clock: a block's time is the parent's plus one second or the time set by `hive_setTime`,
whichever is later, so the same requests give the same hashes. There is one miner, hence no reorganisation: every block
is final and its answers are formatted once, when it is made.
"""

import argparse
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import rlp  # type: ignore[import-untyped]
from eth.abc import BlockAPI, BlockHeaderAPI, ComputationAPI, ReceiptAPI, SignedTransactionAPI
from eth.chains.base import MiningChain
from eth.consensus.applier import ConsensusApplier
from eth.consensus.noproof import NoProofConsensus
from eth.db import get_db_backend
from eth.exceptions import VMError
from eth.rlp.transactions import BaseTransaction
from eth.vm.chain_context import ChainContext
from eth.vm.forks.prague import PragueVM
from eth.vm.spoof import SpoofTransaction
from eth_tester.utils.address import generate_contract_address
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException  # type: ignore[import-untyped]

CHAIN_ID = 31337
FAUCET = bytes.fromhex("7e5f4552091a69125d5dfcb7b8c2659029395bdf")
"""The address of private key 1, known to everybody: holds the native coin of a fresh chain, which is worth nothing."""
GAS_LIMIT = 60_000_000
TIP_WEI = 10**9
_INVALID, _NOT_FOUND, _BAD_PARAMS, _REFUSED, _REVERTED = -32600, -32601, -32602, -32000, 3
_NEWEST = ("latest", "safe", "finalized", "pending")
_ZERO = bytes(20)
Json = dict[str, Any]


class RpcError(Exception):
    """An answer with an error: JSON-RPC code, message and, for a revert, its bytes."""

    def __init__(self, code: int, message: str, data: bytes | None = None) -> None:
        super().__init__(message)
        self.code, self.data = code, data


class _Chain(MiningChain):
    """Mainnet rules without consensus, a constant gas limit and no clock."""

    chain_id = CHAIN_ID
    vm_configuration = ConsensusApplier(NoProofConsensus).amend_vm_configuration(((0, PragueVM),))

    def create_header_from_parent(self, parent_header: BlockHeaderAPI, **header_params: Any) -> BlockHeaderAPI:
        """The next header; py-evm would take its time from the computer's clock."""
        fixed = {"gas_limit": parent_header.gas_limit, "timestamp": parent_header.timestamp + 1}
        return super().create_header_from_parent(parent_header, **{**fixed, **header_params})


def to_json(value: Any) -> Any:
    """Bytes and integers as 0x texts, inside lists and objects too."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return hex(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Mapping):
        return {key: to_json(part) for key, part in value.items()}
    return [to_json(part) for part in value]


def _bytes(text: str | None) -> bytes:
    return bytes.fromhex(text.removeprefix("0x")) if text else b""


def _number(text: Any) -> int:
    return int(text, 16) if isinstance(text, str) else int(text or 0)


class LocalChain:
    """The chain and its finished answers; callers hold one lock, see RpcServer."""

    def __init__(self, unix_s: int) -> None:
        genesis = {
            "difficulty": 0,
            "gas_limit": GAS_LIMIT,
            "timestamp": unix_s,
            "coinbase": _ZERO,
            "extra_data": b"",
        }
        rich: Json = {"balance": 10**27, "nonce": 0, "code": b"", "storage": {}}
        state: Any = {FAUCET: rich}
        self._chain = cast(_Chain, _Chain.from_genesis(get_db_backend(), genesis, state))  # type: ignore[arg-type]
        self._time = unix_s
        self._headers: list[BlockHeaderAPI] = []
        self._blocks: list[Json] = []
        self._numbers: dict[str, int] = {}
        self._transactions: dict[str, Json] = {}
        self._receipts: dict[str, Json] = {}
        self._logs: list[Json] = []
        self._remember(self._chain.get_canonical_block_by_number(0), [])  # type: ignore[arg-type]

    # ---- Blocks and time ------------------------------------------------------------------------------------------

    def set_time(self, unix_s: Any) -> int:
        """The next blocks carry this time or a later one; never goes back. Answers the time in force."""
        self._time = max(self._time, _number(unix_s))
        return self._time

    def send(self, raw: str) -> str:
        """Mines one signed transaction in a block of its own; its hash."""
        return self.send_together([raw])[0]

    def send_together(self, raws: Sequence[str]) -> list[str]:
        """Mines signed transactions in one block, all or none; their hashes."""
        before = self._next_header()
        self._chain.header = before
        receipts, hashes = [], []
        try:
            for raw in raws:
                transaction = self._decoded(raw)
                self._check_new(transaction)
                _, receipt, _ = self._chain.apply_transaction(transaction)
                receipts.append(receipt)
                hashes.append("0x" + transaction.hash.hex())
        except ValidationError as error:
            self._chain.header = before
            raise RpcError(_REFUSED, str(error)) from error
        except RpcError:
            self._chain.header = before
            raise
        self._remember(self._chain.mine_block(), receipts)
        return hashes

    def _next_header(self) -> BlockHeaderAPI:
        header = self._chain.header
        return header.copy(timestamp=max(self._headers[-1].timestamp + 1, self._time))

    def _decoded(self, raw: str) -> SignedTransactionAPI:
        try:
            return self._chain.get_vm().get_transaction_builder().decode(_bytes(raw))
        except (RLPException, ValueError, IndexError) as error:
            raise RpcError(_REFUSED, f"not a signed transaction: {error}") from error

    def _check_new(self, transaction: SignedTransactionAPI) -> None:
        if "0x" + transaction.hash.hex() in self._transactions:
            raise RpcError(_REFUSED, "already known")
        transaction.check_signature_validity()
        chain_id = transaction.chain_id
        if chain_id is not None and chain_id != CHAIN_ID:
            raise RpcError(_REFUSED, f"invalid chain id: have {chain_id}, want {CHAIN_ID}")
        state = self._chain.get_vm(self._chain.header).state
        nonce = state.get_nonce(transaction.sender)
        if transaction.nonce != nonce:
            word = "low" if transaction.nonce < nonce else "high"
            raise RpcError(
                _REFUSED,
                f"nonce too {word}: address {to_json(transaction.sender)}, tx: {transaction.nonce} state: {nonce}",
            )

    def _remember(self, block: BlockAPI, receipts: Sequence[ReceiptAPI]) -> None:
        formatted = to_json(_block(block))
        number = len(self._blocks)
        self._headers.append(block.header)
        self._blocks.append(formatted)
        self._numbers[formatted["hash"]] = number
        gas_before, log_number = 0, 0
        for index, (transaction, receipt) in enumerate(zip(block.transactions, receipts, strict=True)):
            place = {"blockHash": block.hash, "blockNumber": number, "transactionIndex": index}
            shown = to_json({**place, **_transaction(transaction, block)})
            made = to_json({**place, **_receipt(transaction, receipt, block, gas_before)})
            made["logs"] = [
                to_json({**place, **_log(transaction, log, log_number + offset)})
                for offset, log in enumerate(receipt.logs)
            ]
            gas_before, log_number = receipt.gas_used, log_number + len(receipt.logs)
            self._transactions[shown["hash"]], self._receipts[shown["hash"]] = shown, made
            self._logs += made["logs"]

    # ---- Questions ------------------------------------------------------------------------------------------------

    def head(self) -> int:
        """The newest block's number."""
        return len(self._blocks) - 1

    def block(self, which: str, full: bool = False) -> Json | None:
        """A block by number or tag, None when there is none; `pending` is the newest block."""
        number = self._block_number(which)
        if number > self.head():
            return None
        block = self._blocks[number]
        if not full:
            return block
        return {**block, "transactions": [self._transactions[one] for one in block["transactions"]]}

    def block_by_hash(self, wanted: str, full: bool = False) -> Json | None:
        """A block by hash, None when there is none."""
        number = self._numbers.get(wanted.lower())
        return None if number is None else self.block(hex(number), full)

    def _block_number(self, which: Any) -> int:
        if which is None or which in _NEWEST:
            return self.head()
        if isinstance(which, Mapping):
            wanted = str(which.get("blockHash", "")).lower()
            return self._numbers[wanted] if wanted in self._numbers else _number(which.get("blockNumber"))
        return 0 if which == "earliest" else _number(which)

    def _header(self, which: Any) -> BlockHeaderAPI:
        """The header to compute on: that of a named block, or the one the next block would have."""
        if which is None or which in _NEWEST:
            return self._next_header()
        number = self._block_number(which)
        if number > self.head():
            raise RpcError(_REFUSED, f"block {number} not found; the newest is {self.head()}")
        return self._headers[number]

    def nonce(self, address: str, which: Any = None) -> int:
        """Transactions sent by an address."""
        return self._chain.get_vm(self._header(which)).state.get_nonce(_bytes(address))  # type: ignore[arg-type]

    def balance(self, address: str, which: Any = None) -> int:
        """Native coin of an address, wei."""
        return self._chain.get_vm(self._header(which)).state.get_balance(_bytes(address))  # type: ignore[arg-type]

    def code(self, address: str, which: Any = None) -> bytes:
        """Code at an address."""
        return self._chain.get_vm(self._header(which)).state.get_code(_bytes(address))  # type: ignore[arg-type]

    def storage(self, address: str, place: Any, which: Any = None) -> bytes:
        """One word of an address's storage, 32 bytes."""
        state = self._chain.get_vm(self._header(which)).state
        return state.get_storage(_bytes(address), _number(place)).to_bytes(32, "big")  # type: ignore[arg-type]

    def call(self, message: Json, which: Any = None) -> bytes:
        """Runs a message without keeping its effects; a revert is error 3 with its bytes."""
        header = self._header(which)
        return self._checked(self._run(message, header, _number(message.get("gas")) or GAS_LIMIT)).output

    def estimate(self, message: Json, which: Any = None) -> int:
        """Gas with which a message succeeds, by trial: what it used, plus a share until it passes."""
        header = self._header(which)
        gas = self._checked(self._run(message, header, GAS_LIMIT)).get_gas_used()
        gas += 21_000 + 16 * len(_bytes(message.get("input") or message.get("data")))
        while gas < GAS_LIMIT and not self._succeeds(message, header, gas):
            gas += gas // 16 + 2_300
        return min(gas, GAS_LIMIT)

    def _succeeds(self, message: Json, header: BlockHeaderAPI, gas: int) -> bool:
        try:
            return not self._run(message, header, gas).is_error
        except RpcError:
            return False

    def _run(self, message: Json, header: BlockHeaderAPI, gas: int) -> ComputationAPI:
        vm = self._chain.get_vm(header)
        free = header.copy(base_fee_per_gas=0)
        context, past = ChainContext(CHAIN_ID), vm.previous_hashes or ()
        state = vm.build_state(self._chain.chaindb.db, free, context, past)
        sender = _bytes(message.get("from")) or _ZERO
        unsigned = self._chain.create_unsigned_transaction(
            nonce=state.get_nonce(sender),  # type: ignore[arg-type]
            gas_price=0,
            gas=gas,
            to=_bytes(message.get("to")),  # type: ignore[arg-type]
            value=_number(message.get("value")),
            data=_bytes(message.get("input") or message.get("data")),
        )
        try:
            return state.apply_transaction(SpoofTransaction(unsigned, from_=sender))  # type: ignore[arg-type]
        except (ValidationError, VMError) as error:
            raise RpcError(_REFUSED, str(error)) from error

    @staticmethod
    def _checked(computation: ComputationAPI) -> ComputationAPI:
        if not computation.is_error:
            return computation
        if computation.should_erase_return_data:
            raise RpcError(_REFUSED, f"{type(computation.error).__name__}: {computation.error}")
        raise RpcError(_REVERTED, "execution reverted", computation.output)

    def transaction(self, wanted: str) -> Json | None:
        """A mined transaction, or None."""
        return self._transactions.get(wanted.lower())

    def receipt(self, wanted: str) -> Json | None:
        """A mined transaction's receipt, or None."""
        return self._receipts.get(wanted.lower())

    def logs(self, query: Json) -> list[Json]:
        """Logs by blocks (or block hash), addresses and topics."""
        first, last = self._block_number(query.get("fromBlock")), self._block_number(query.get("toBlock"))
        if wanted := query.get("blockHash"):
            first = last = self._numbers.get(wanted.lower(), -1)
        addresses = query.get("address") or []
        places = {one.lower() for one in ([addresses] if isinstance(addresses, str) else addresses)}
        topics = [_choices(topic) for topic in query.get("topics") or []]
        return [
            log
            for log in self._logs
            if first <= int(log["blockNumber"], 16) <= last
            and (not places or log["address"] in places)
            and len(log["topics"]) >= len(topics)
            and all(not wanted or have in wanted for wanted, have in zip(topics, log["topics"], strict=False))
        ]

    def gas_price(self) -> int:
        """Base fee of the next block and a tip, wei."""
        return (self._chain.header.base_fee_per_gas or 0) + TIP_WEI

    def fee_history(self, count: Any, newest: Any = None, percentiles: Sequence[float] | None = None) -> Json:
        """Fees of past blocks and of the next one."""
        last = min(self._block_number(newest), self.head())
        first = max(0, last + 1 - _number(count))
        chosen = self._headers[first : last + 1]
        following = self._headers[last + 1] if last < self.head() else self._chain.header
        fees = [header.base_fee_per_gas or 0 for header in (*chosen, following)]
        return {
            "oldestBlock": hex(first),
            "baseFeePerGas": [hex(fee) for fee in fees],
            "gasUsedRatio": [header.gas_used / header.gas_limit for header in chosen],
            "reward": [[hex(TIP_WEI)] * len(percentiles or []) for _ in chosen],
        }

    def methods(self) -> dict[str, Callable[..., Any]]:
        """The JSON-RPC methods by name."""
        return {
            "eth_chainId": lambda: CHAIN_ID,
            "net_version": lambda: str(CHAIN_ID),
            "web3_clientVersion": lambda: "hive-local-chain/py-evm",
            "eth_syncing": lambda: False,
            "eth_accounts": lambda: [],
            "eth_blockNumber": self.head,
            "eth_getBlockByNumber": self.block,
            "eth_getBlockByHash": self.block_by_hash,
            "eth_getTransactionCount": self.nonce,
            "eth_getBalance": self.balance,
            "eth_getCode": self.code,
            "eth_getStorageAt": self.storage,
            "eth_call": self.call,
            "eth_estimateGas": self.estimate,
            "eth_gasPrice": self.gas_price,
            "eth_maxPriorityFeePerGas": lambda: TIP_WEI,
            "eth_feeHistory": self.fee_history,
            "eth_sendRawTransaction": self.send,
            "eth_getTransactionByHash": self.transaction,
            "eth_getTransactionReceipt": self.receipt,
            "eth_getLogs": self.logs,
            "hive_setTime": self.set_time,
            "hive_sendRawTransactions": self.send_together,
        }


def _choices(topic: str | Sequence[str] | None) -> set[str]:
    """The texts that one topic position accepts; empty accepts all."""
    return {one.lower() for one in ([topic] if isinstance(topic, str) else topic or [])}


def _block(block: BlockAPI) -> Json:
    header = block.header
    return {
        "number": header.block_number,
        "hash": header.hash,
        "parentHash": header.parent_hash,
        "nonce": header.nonce,
        "sha3Uncles": header.uncles_hash,
        "logsBloom": header.bloom.to_bytes(256, "big"),
        "transactionsRoot": header.transaction_root,
        "receiptsRoot": header.receipt_root,
        "stateRoot": header.state_root,
        "miner": header.coinbase,
        "difficulty": header.difficulty,
        "mixHash": header.mix_hash,
        "extraData": header.extra_data,
        "size": len(rlp.encode(block)),
        "gasLimit": header.gas_limit,
        "gasUsed": header.gas_used,
        "timestamp": header.timestamp,
        "baseFeePerGas": header.base_fee_per_gas,
        "transactions": [transaction.hash for transaction in block.transactions],
        "uncles": [],
        "withdrawals": [],
        "withdrawalsRoot": header.withdrawals_root,
    }


def _effective_price(transaction: SignedTransactionAPI, block: BlockAPI) -> int:
    base = block.header.base_fee_per_gas or 0
    return min(transaction.max_fee_per_gas, transaction.max_priority_fee_per_gas + base)


def _type(transaction: SignedTransactionAPI) -> int:
    return transaction.type_id or 0


def _transaction(transaction: SignedTransactionAPI, block: BlockAPI) -> Json:
    shown: Json = {
        "type": _type(transaction),
        "hash": transaction.hash,
        "nonce": transaction.nonce,
        "from": transaction.sender,
        "to": transaction.to or None,
        "value": transaction.value,
        "gas": transaction.gas,
        "gasPrice": _effective_price(transaction, block),
        "input": transaction.data,
        "r": transaction.r,
        "s": transaction.s,
        "v": transaction.v if isinstance(transaction, BaseTransaction) else transaction.y_parity,
    }
    if _type(transaction):
        access = [{"address": place, "storageKeys": list(keys)} for place, keys in transaction.access_list]
        shown |= {"chainId": transaction.chain_id, "accessList": access, "yParity": transaction.y_parity}
    if _type(transaction) >= 2:
        shown["maxFeePerGas"] = transaction.max_fee_per_gas
        shown["maxPriorityFeePerGas"] = transaction.max_priority_fee_per_gas
    return shown


def _receipt(transaction: SignedTransactionAPI, receipt: ReceiptAPI, block: BlockAPI, gas_before: int) -> Json:
    made = None if transaction.to else generate_contract_address(transaction.sender, transaction.nonce)
    return {
        "transactionHash": transaction.hash,
        "type": _type(transaction),
        "from": transaction.sender,
        "to": transaction.to or None,
        "contractAddress": made,
        "cumulativeGasUsed": receipt.gas_used,
        "gasUsed": receipt.gas_used - gas_before,
        "effectiveGasPrice": _effective_price(transaction, block),
        "logsBloom": receipt.bloom.to_bytes(256, "big"),
        "status": 1 if receipt.state_root == b"\x01" else 0,
    }


def _log(transaction: SignedTransactionAPI, log: Any, number: int) -> Json:
    return {
        "transactionHash": transaction.hash,
        "logIndex": number,
        "address": log.address,
        "topics": [topic.to_bytes(32, "big") for topic in log.topics],
        "data": log.data,
        "removed": False,
    }


class RpcServer(ThreadingHTTPServer):
    """Answers JSON-RPC over HTTP on 127.0.0.1; one request is computed at a time."""

    request_queue_size = 128

    def __init__(self, port: int, chain: LocalChain) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self._methods = chain.methods()
        self._lock = threading.Lock()

    def answer(self, body: bytes) -> Any:
        """The answer to one request or to a batch of them."""
        try:
            request = json.loads(body)
        except ValueError:
            return _error(None, RpcError(-32700, "the request is not JSON"))
        if isinstance(request, list):
            return [self._answer_one(one) for one in request]
        return self._answer_one(request)

    def _answer_one(self, request: Any) -> Json:
        if not isinstance(request, dict):
            return _error(None, RpcError(_INVALID, "a request is an object"))
        number, name = request.get("id"), request.get("method", "")
        method = self._methods.get(name)
        if method is None:
            return _error(number, RpcError(_NOT_FOUND, f"the method {name} does not exist"))
        try:
            with self._lock:
                result = method(*(request.get("params") or []))
        except RpcError as error:
            return _error(number, error)
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            return _error(number, RpcError(_BAD_PARAMS, f"{name}: {error}"))
        formatted = result if name == "eth_feeHistory" else to_json(result)
        return {"jsonrpc": "2.0", "id": number, "result": formatted}


def _error(number: Any, error: RpcError) -> Json:
    shown: Json = {"code": error.code, "message": str(error)}
    if error.data is not None:
        shown["data"] = to_json(error.data)
    return {"jsonrpc": "2.0", "id": number, "error": shown}


class _Handler(BaseHTTPRequestHandler):
    """Keeps connections open and writes each answer in one packet."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: RpcServer

    def do_POST(self) -> None:
        """One request body, one answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = json.dumps(self.server.answer(body)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""


def serve(port: int, unix_s: int) -> None:
    """Serves a fresh chain whose first block has the time `unix_s`, until the process ends."""
    RpcServer(port, LocalChain(unix_s)).serve_forever()


def main() -> None:
    """Serves a local chain until SIGTERM."""
    parser = argparse.ArgumentParser(description="A local chain for the demo.")
    parser.add_argument("--port", type=int, required=True, help="TCP port on 127.0.0.1")
    parser.add_argument("--time", type=int, required=True, help="time of the first block, unix seconds")
    arguments = parser.parse_args()
    serve(arguments.port, arguments.time)


if __name__ == "__main__":
    main()
