"""Questions to the chain through all RPC addresses as one (chain-design section 10): agreed reads, broadcasts to all.

An answer on which money depends is believed when `min(agreement, number of addresses)` addresses give it at one common
block. Who gives another one, lags, lies or is silent is set aside with one log line (`panel.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from queen_node.chain.agreement import common_height, verdict
from queen_node.chain.artifacts import artifact
from queen_node.chain.calls import Call, decode_error, decode_result
from queen_node.chain.errors import CallReverted, ChainUnreachable, CodeMismatch, NodesDisagree
from queen_node.chain.panel import Fault, Panel
from queen_node.chain.records import BlockInfo, LogEntry, TxReceipt
from queen_node.chain.rpc import TIMEOUT_S, Endpoint, HttpEndpoint, Refusal, Request

#: What a node says when it has the transaction, or its nonce, already; all are normal after a restart.
KNOWN_ALREADY = ("already known", "already imported", "nonce too low", "known transaction")
Json = Any


@dataclass(frozen=True, slots=True)
class Common:
    """A block that enough addresses agree on, and who they are."""

    block: BlockInfo
    members: tuple[str, ...]

    @property
    def parameter(self) -> dict[str, str]:
        """How a request names the block (EIP-1898): by hash, so that a reorganisation cannot mix two chains."""
        return {"blockHash": "0x" + self.block.hash}


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Who took signed bytes (or had them), and why others refused."""

    took: tuple[str, ...]
    refusals: tuple[str, ...]


class Nodes:
    """All addresses of one chain; raises only the errors of this package."""

    def __init__(
        self,
        urls: Sequence[str],
        chain_id: int,
        agreement: int = 2,
        max_lag_blocks: int = 3,
        timeout_s: float = TIMEOUT_S,
        endpoints: Sequence[Endpoint] = (),
    ) -> None:
        """`endpoints` (for tests) take the place of the addresses."""
        chosen = tuple(endpoints) or tuple(HttpEndpoint(url, timeout_s) for url in urls)
        self.panel = Panel(chosen, chain_id)
        self.chain_id = chain_id
        self.needed = min(agreement, len(chosen))
        self._max_lag_blocks = max_lag_blocks

    @property
    def place(self) -> str:
        """The addresses as an error names them."""
        return self.panel.place

    # ---- Blocks -----------------------------------------------------------------------------------------------------

    def common(self) -> Common:
        """The newest block that enough addresses agree on; who lags or has another one is set aside."""
        heads = self._blocks(self.panel.usable(self.needed), "latest")
        number, lagging = common_height(
            {name: one.number for name, one in heads.items()}, self._max_lag_blocks, self.needed
        )
        for name in lagging:
            self.panel.set_aside(name, Fault.LAGS, f"at block {heads[name].number}, the others at {number} or later")
        asked = tuple(name for name in heads if name not in lagging)
        for name in asked:
            if self.panel.faults()[name] is Fault.LAGS:
                self.panel.back(name)
        found = {name: heads[name] for name in asked if heads[name].number == number}
        behind = [name for name in asked if name not in found]
        if behind:
            found |= self._blocks(behind, hex(number))
        block, members = self._believed(found, f"hash of block {number}")
        return Common(block, members)

    def head(self) -> BlockInfo:
        """The newest block that enough addresses agree on."""
        return self.common().block

    def block(self, which: int | str = "latest", money: bool = True) -> BlockInfo:
        """A block by number or tag; ChainUnreachable when no address has it."""
        if which == "latest":
            return self.head()
        tag = hex(which) if isinstance(which, int) else which
        found = self._blocks(self.panel.usable(self.needed), tag)
        block: BlockInfo = self._believed(found, f"block {which}", 0 if money else 1)[0]
        return block

    def final_number(self, depth: int | None) -> int:
        """The newest block that counts as final: `depth` below the head, or what the chain itself calls finalized."""
        if depth is not None:
            return self.head().number - depth
        found = self._blocks(self.panel.usable(self.needed), "finalized")
        numbers = sorted((one.number for one in found.values()), reverse=True)
        return numbers[min(self.needed, len(numbers)) - 1]

    def _blocks(self, names: Sequence[str], tag: str) -> dict[str, BlockInfo]:
        answers = self._answers(names, [Request("eth_getBlockByNumber", (tag, False))], f"block {tag}")
        found = {name: _block(given[0]) for name, given in answers.items() if given[0] is not None}
        if len(found) < self.needed:
            raise ChainUnreachable(self.place, f"{len(found)} of the {self.needed} addresses needed know block {tag}")
        return found

    # ---- Reading ----------------------------------------------------------------------------------------------------

    def read(self, call: Call, block: int | None = None, money: bool = True) -> Any:
        """The answer of a view function at a block or at the common newest one; CallReverted when it refuses."""
        return self.read_many([call], block, money)[0]

    def read_many(self, calls: Sequence[Call], block: int | None = None, money: bool = True) -> list[Any]:
        """Answers to many view calls at one block, in few requests."""
        at = self._at(block, money)
        requests = [Request("eth_call", ({"to": "0x" + one.target, "data": _hex(one.data)}, at[1])) for one in calls]
        given = self._agreed(at[0], requests, f"{len(calls)} calls", money)
        return [self._answer(call, answer) for call, answer in zip(calls, given, strict=True)]

    def rpc(self, method: str, params: Sequence[Json] = (), money: bool = False) -> Json:
        """The result of any method: the first one given, or with `money` the one that enough addresses give."""
        names = self.panel.usable(self.needed if money else 1)
        (answer,) = self._agreed(names, [Request(method, tuple(params))], method, money)
        if isinstance(answer, Refusal):
            raise CallReverted(method, "", answer.message)
        return answer

    def logs(
        self,
        address: str | Sequence[str],
        first: int,
        last: int,
        topics: Sequence[Json] = (),
        money: bool = True,
    ) -> list[LogEntry]:
        """Log entries of contracts (40 hex digits) in blocks first..last, in order; topics as 0x texts or lists."""
        places = ["0x" + one for one in ([address] if isinstance(address, str) else address)]
        query = {"address": places, "fromBlock": hex(first), "toBlock": hex(last), "topics": list(topics)}
        found = self.rpc("eth_getLogs", (query,), money)
        return [_log(one) for one in found]

    def receipts(self, tx_hashes: Sequence[str]) -> dict[str, TxReceipt]:
        """Of these transactions (hex without 0x) those that enough addresses show in one and the same block."""
        names = self.panel.usable(self.needed)
        requests = [Request("eth_getTransactionReceipt", ("0x" + one,)) for one in tx_hashes]
        if not requests:
            return {}
        answers = self._answers(names, requests, "receipts")
        if len(answers) < self.needed:
            raise ChainUnreachable(self.place, f"{len(answers)} of the {self.needed} answers needed")
        found: dict[str, TxReceipt] = {}
        for place, tx_hash in enumerate(tx_hashes):
            shown = {name: _receipt(given[place]) for name, given in answers.items() if given[place] is not None}
            decided = verdict(shown, self.needed)
            if decided.agreed and isinstance(decided.answer, TxReceipt):
                found[tx_hash] = decided.answer
        return found

    def anybody_shows(self, tx_hashes: Sequence[str]) -> bool:
        """Whether even one address has a receipt of one of these transactions."""
        requests = [Request("eth_getTransactionReceipt", ("0x" + one,)) for one in tx_hashes]
        answers = self._answers(self.panel.usable(self.needed), requests, "receipts")
        if len(answers) < self.needed:
            raise ChainUnreachable(self.place, f"{len(answers)} of the {self.needed} answers needed")
        return any(one is not None for given in answers.values() for one in given)

    def receipt(self, tx_hash: str) -> TxReceipt | None:
        """The receipt of a mined transaction; None while enough addresses do not agree on one."""
        return self.receipts([tx_hash]).get(tx_hash)

    def account_state(self, address: str) -> tuple[int, int, BlockInfo]:
        """Transactions sent (never the pending ones), wei held, and the common block this was read at."""
        at = self.common()
        where = ("0x" + address, at.parameter)
        requests = [Request("eth_getTransactionCount", where), Request("eth_getBalance", where)]
        count, balance = self._agreed(at.members, requests, f"nonce and balance of {address}", True)
        return int(count, 16), int(balance, 16), at.block

    def check_code(self, address: str, contract: str) -> None:
        """CodeMismatch unless the code at an address is that contract's in this release."""
        code = bytes.fromhex(self.rpc("eth_getCode", ("0x" + address, "latest"), True)[2:])
        if not code:
            raise CodeMismatch(address, "there is no code")
        if not artifact(contract).matches(code):
            raise CodeMismatch(address, f"its code is not that of {contract} in this release")

    # ---- Simulating and sending -------------------------------------------------------------------------------------

    def agreed(self, requests: Sequence[Request], question: str) -> list[Json]:
        """Results (a Refusal where a contract refused) that enough addresses give; for `simulation.py`."""
        return self._agreed(self.panel.usable(self.needed), requests, question, True)

    def all_answers(self, requests: Sequence[Request], question: str) -> dict[str, list[Json]]:
        """What every address answers, for figures of which the most cautious is taken."""
        return self._answers(self.panel.usable(self.needed), requests, question)

    def broadcast(self, raw: bytes) -> Broadcast:
        """Sends signed bytes to every address, also to those set aside; ChainUnreachable when none answers."""
        given = self.panel.ask(self.panel.everybody(), [Request("eth_sendRawTransaction", (_hex(raw),))])
        if not given:
            raise ChainUnreachable(self.place, "no address took the signed transaction")
        refused = {name: one[0].message for name, one in given.items() if isinstance(one[0], Refusal)}
        refused = {name: text for name, text in refused.items() if not _known(text)}
        took = tuple(name for name in given if name not in refused)
        return Broadcast(took, tuple(f"{name}: {text}" for name, text in refused.items()))

    def _at(self, block: int | None, money: bool) -> tuple[tuple[str, ...], Json]:
        if not money:
            return self.panel.usable(1), "latest" if block is None else hex(block)
        if block is not None:
            return self.panel.usable(self.needed), hex(block)
        common = self.common()
        return common.members, common.parameter

    def _agreed(self, names: Sequence[str], requests: Sequence[Request], question: str, money: bool) -> list[Json]:
        if money:
            answers = self._answers(names, requests, question)
            believed: list[Json] = self._believed(answers, question, key=_frozen)[0]
            return believed
        for name in names:
            answers = self.panel.ask([name], requests)
            if name in answers and not any(_cannot(one) for one in answers[name]):
                return answers[name]
        raise ChainUnreachable(self.place, question)

    def _answers(self, names: Sequence[str], requests: Sequence[Request], question: str) -> dict[str, list[Json]]:
        """Complete answers only; an address that cannot answer is left out this time."""
        given = self.panel.ask(names, requests)
        complete = {name: one for name, one in given.items() if not any(_cannot(part) for part in one)}
        if not complete:
            texts = [part.message for one in given.values() for part in one if _cannot(part)]
            raise ChainUnreachable(self.place, f"{question}: {texts[0] if texts else 'nobody answered'}")
        return complete

    def _believed(
        self, answers: Mapping[str, Any], question: str, needed: int = 0, key: Callable[[Any], Any] | None = None
    ) -> tuple[Any, tuple[str, ...]]:
        """The answer of enough addresses and who gave it; the outvoted ones are set aside as liars."""
        needed = needed or self.needed
        keyed = {name: key(one) if key else one for name, one in answers.items()}
        if len(keyed) < needed:
            raise ChainUnreachable(self.place, f"{question}: {len(keyed)} of the {needed} answers needed")
        decided = verdict(keyed, needed)
        if not decided.agreed:
            raise NodesDisagree(self.place, question, decided.voices, needed)
        for name in decided.outvoted:
            self.panel.set_aside(name, Fault.LIES, f"{question}: another answer than {decided.voices} others")
        members = tuple(name for name in answers if name not in decided.outvoted)
        return answers[members[0]], members

    def _answer(self, call: Call, answer: Json) -> Any:
        if isinstance(answer, Refusal):
            raise refused(call, answer)
        return decode_result(call, bytes.fromhex(answer[2:]))


def refused(call: Call, answer: Refusal) -> CallReverted:
    """The contract's own refusal of a call, with the arguments of its error."""
    told = decode_error([call.contract] if call.contract else [], error_data(answer.data))
    detail = str(told) if told.name else answer.message
    return CallReverted(str(call), told.name, f"({detail})", told.arguments)


def error_data(text: str) -> bytes:
    """Revert data as bytes; empty when the node gave words only."""
    start = text.find("0x")
    plain = text[start + 2 :].split()[0].strip("\"',)") if start >= 0 and text[start + 2 :] else ""
    try:
        return bytes.fromhex(plain)
    except ValueError:
        return b""


def _cannot(answer: Json) -> bool:
    """Whether an address could not answer, in contrast to a contract that refused."""
    return isinstance(answer, Refusal) and not answer.reverted


def _known(message: str) -> bool:
    return any(text in message.lower() for text in KNOWN_ALREADY)


def _frozen(answer: Json) -> Any:
    """An answer as something that can be compared and counted; of a refusal only its bytes count, words differ."""
    if isinstance(answer, Refusal):
        return ("refused", answer.data)
    if isinstance(answer, Mapping):
        return tuple(sorted((key, _frozen(value)) for key, value in answer.items()))
    if isinstance(answer, list):
        return tuple(_frozen(one) for one in answer)
    return answer.lower() if isinstance(answer, str) else answer


def _block(answer: Mapping[str, Json]) -> BlockInfo:
    base_fee = int(answer.get("baseFeePerGas") or "0x0", 16)
    return BlockInfo(int(answer["number"], 16), int(answer["timestamp"], 16), answer["hash"][2:].lower(), base_fee)


def _log(one: Mapping[str, Json]) -> LogEntry:
    return LogEntry(
        one["address"][2:].lower(),
        tuple(bytes.fromhex(topic[2:]) for topic in one["topics"]),
        bytes.fromhex(one["data"][2:]),
        int(one["blockNumber"], 16),
        one["blockHash"][2:].lower(),
        int(one["logIndex"], 16),
        one["transactionHash"][2:].lower(),
    )


def _receipt(answer: Mapping[str, Json]) -> TxReceipt:
    return TxReceipt(
        tx_hash=answer["transactionHash"][2:].lower(),
        status=int(answer["status"], 16),
        gas_used=int(answer["gasUsed"], 16),
        gas_price_wei=int(answer.get("effectiveGasPrice") or "0x0", 16),
        block=int(answer["blockNumber"], 16),
        block_hash=answer["blockHash"][2:].lower(),
        contract=(answer.get("contractAddress") or "0x")[2:].lower(),
        logs=tuple(_log(one) for one in answer["logs"]),
    )


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
