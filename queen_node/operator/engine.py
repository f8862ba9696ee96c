"""The operator's `Chain` on top of the Queen's chain module: `Nodes` for questions, `Transactions` for sending.

Each transaction gets a signer that may sign this one call and, where earlier ones of the account are unfinished, those.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from honey_edge.wire.signing import Signer
from queen_node.chain.calls import Call, decode_error, decode_event
from queen_node.chain.errors import CallReverted
from queen_node.chain.intents import Intent, IntentState, IntentStore
from queen_node.chain.nodes import Nodes, error_data
from queen_node.chain.policy import TxPolicy
from queen_node.chain.records import TxReceipt
from queen_node.chain.rpc import Request
from queen_node.chain.signer import ListedSigner
from queen_node.chain.transactions import Transactions
from queen_node.operator.errors import InputError, TransactionFailed
from queen_node.operator.port import Cost, Event, Head, Mined
from queen_node.operator.refusals import refused

#: Blocks asked for events at once; many nodes refuse longer spans.
EVENT_BLOCKS = 20_000
#: Gas shown for a call that cannot be simulated before the one in front of it is in a block.
GAS_UNKNOWN = 300_000
_DONE = (IntentState.MINED, IntentState.FINAL)
_DAY_S = 86_400


class EngineChain:
    """One chain, one account, one table of its transactions; without a key it answers questions only."""

    def __init__(
        self,
        nodes: Nodes,
        intents: IntentStore,
        key: bytes | Signer | None,
        now: Callable[[], float],
        policy: TxPolicy | None = None,
        sender: str = "",
    ) -> None:
        """`policy` gives caps and finality; its list of calls is replaced by the calls of each command."""
        self.nodes, self._intents, self._key, self._now = nodes, intents, key, now
        self._policy = policy or TxPolicy(frozenset())
        self._sender = sender
        self._events: dict[tuple[str, int], list[Event]] = {}

    @property
    def chain_id(self) -> int:
        """The chain's number."""
        return self.nodes.chain_id

    @property
    def sender(self) -> str:
        """The sending account; InputError without a key."""
        if not self._sender:
            self._sender = self._transactions(()).sender
        return self._sender

    def _transactions(self, calls: Sequence[Call]) -> Transactions:
        if self._key is None:
            raise InputError("--key: is missing", next_step="give the sender's key file with --key or HIVE_KEY")
        allowed = {(call.target, call.selector) for call in calls}
        if self._sender:
            rows = self._intents.unfinished(self._sender)
            allowed |= {(row.target, row.data[:4] if row.target else b"") for row in rows}
        p = self._policy
        policy = TxPolicy(
            frozenset(allowed),
            p.fee_cap_tx_wei,
            p.fee_cap_day_wei,
            p.replace_after_blocks,
            p.finality,
            p.max_fee_per_gas_wei,
            p.tip_wei,
        )
        sender = ListedSigner(self._key, policy.allowed)
        return Transactions(self.nodes, sender, self._intents, policy, now=self._now)

    # ---- Questions

    def read(self, call: Call) -> Any:
        """What a view function answers now."""
        with in_words(str(call)):
            return self.nodes.read(call)

    def code(self, address: str) -> bytes:
        """The code at an address."""
        return bytes.fromhex(str(self.nodes.rpc("eth_getCode", ("0x" + address, "latest"), money=True))[2:])

    def codes(self, addresses: Sequence[str]) -> Sequence[bytes]:
        """The code at many addresses, in few requests."""
        requests = [Request("eth_getCode", ("0x" + one, "latest")) for one in addresses]
        answers = self.nodes.agreed(requests, f"code of {len(requests)} addresses") if requests else []
        return [bytes.fromhex(str(one)[2:]) for one in answers]

    def word(self, address: str, slot: int) -> bytes:
        """32 bytes of a contract's storage."""
        answer = self.nodes.rpc("eth_getStorageAt", ("0x" + address, hex(slot), "latest"), money=True)
        return bytes.fromhex(str(answer)[2:].rjust(64, "0"))

    def balance_wei(self, address: str) -> int:
        """What an account can spend on gas."""
        return self.nodes.account_state(address)[1]

    def nonce(self, address: str) -> int:
        """How many transactions an account has sent."""
        return self.nodes.account_state(address)[0]

    def head(self) -> Head:
        """Where the chain stands."""
        block = self.nodes.head()
        return Head(block.number, block.at_unix_s, self.nodes.final_number(self._policy.depth))

    def fee_per_gas_wei(self) -> int:
        """What a unit of gas costs now: base fee and tip."""
        return self.nodes.head().base_fee_wei + self._policy.tip_wei

    def events(self, contract: str, address: str, from_block: int) -> Sequence[Event]:
        """The events of a contract since a block, oldest first; asked for once in a command."""
        known = self._events.get((address, from_block))
        if known is None:
            known = self._fetched(contract, address, from_block)
            self._events[address, from_block] = known
        return known

    def _fetched(self, contract: str, address: str, from_block: int) -> list[Event]:
        found, last = [], self.nodes.head().number
        for first in range(from_block, last + 1, EVENT_BLOCKS):
            for log in self.nodes.logs(address, first, min(first + EVENT_BLOCKS - 1, last)):
                told = decode_event(contract, log.topics, log.data)
                if told is not None:
                    found.append(Event(told[0], told[1], log.block))
        return found

    # ---- Simulating

    def cost(self, calls: Sequence[Call]) -> Sequence[Cost]:
        """What calls made one after the other would cost; ContractRefuses for the first that would be refused."""
        fee = self.fee_per_gas_wei()
        told = self._simulated(calls)
        if told is None:
            with in_words(str(calls[0])):
                first = self._transactions(calls).simulate(calls[0]).gas
            return [Cost(first, first * fee), *(Cost(GAS_UNKNOWN, GAS_UNKNOWN * fee, exact=False) for _ in calls[1:])]
        return [Cost(gas, gas * fee) for gas in told]

    def _simulated(self, calls: Sequence[Call]) -> list[int] | None:
        """Gas of each call by `eth_simulateV1`, which runs them in one block; None where no node has it."""
        asked = [{"from": "0x" + self.sender, "to": "0x" + one.target, "input": "0x" + one.data.hex()} for one in calls]
        try:
            what = {"blockStateCalls": [{"calls": asked}], "validation": False}
            blocks = self.nodes.rpc("eth_simulateV1", (what, "latest"))
        except CallReverted:
            return None
        found = []
        for call, one in zip(calls, blocks[0]["calls"], strict=True):
            if int(one["status"], 16) != 1:
                text = one.get("returnData") or "0x"
                data = text if text != "0x" else str((one.get("error") or {}).get("data") or "0x")
                told = decode_error([call.contract], error_data(data))
                raise refused(str(call), CallReverted(str(call), told.name, str(told), told.arguments))
            found.append(int(one["gasUsed"], 16))
        return found

    # ---- Sending

    def next_key(self, prefix: str) -> tuple[str, bool]:
        """The key for the next transaction of this kind, and whether it is one that was signed and not finished."""
        rows = self._intents.find(prefix + "/")
        for row in rows:
            if row.state not in _DONE:
                return row.key, row.state is not IntentState.PLANNED
        return f"{prefix}/{len(rows)}", False

    def known_key(self, key: str) -> tuple[str, bool]:
        """This key, and whether a signed transaction has it already."""
        row = self._intents.get(key)
        return key, row is not None and row.state is not IntentState.PLANNED

    def send(self, key: str, call: Call) -> Mined:
        """Sends once and waits for the block. Unfinished transactions of the account are gone on with first."""
        self._events.clear()
        _ = self.sender
        transactions = self._transactions([call])
        with in_words(str(call)):
            for row in self._intents.unfinished(self.sender):
                if row.state is not IntentState.MINED and row.key != key:
                    transactions.drive(row.key)
            transactions.plan(key, call)
            return self._mined(key, transactions.drive(key))

    def send_once(self, prefix: str, call: Call) -> Mined:
        """The same; a transaction of this kind that succeeded before is answered with what it did."""
        done = self._done(prefix)
        if done is not None:
            receipt = self.nodes.receipt(done.tx_hash)
            if receipt is not None:
                return self._mined(done.key, receipt)
        return self.send(self.next_key(prefix)[0], call)

    def is_done(self, prefix: str) -> bool:
        """Whether a transaction of this kind is in a block and succeeded."""
        return self._done(prefix) is not None

    def _done(self, prefix: str) -> Intent | None:
        rows = self._intents.find(prefix + "/")
        return next((row for row in rows if row.state in _DONE and row.status == 1), None)

    def _mined(self, key: str, receipt: TxReceipt) -> Mined:
        if receipt.status != 1:
            raise TransactionFailed(
                f"{key}: transaction {receipt.tx_hash} is in block {receipt.block} and failed",
                next_step="run the same command again: it simulates anew and says why, or sends a new one",
            )
        return Mined(
            tx_hash=receipt.tx_hash,
            succeeded=True,
            block=receipt.block,
            gas_used=receipt.gas_used,
            cost_wei=receipt.gas_used * receipt.gas_price_wei,
            created=receipt.contract,
        )

    # ---- For `hive chain status`

    def addresses(self) -> dict[str, str]:
        """RPC addresses by name, with what is wrong with each."""
        return {name: fault.value for name, fault in self.nodes.panel.faults().items()}

    def spent_today_wei(self) -> int:
        """The most that this sender's transactions of the UTC day may cost, or did cost."""
        today = int(self._now()) // _DAY_S * _DAY_S
        return sum(self._intents.spent_wei(self.sender, today).values())

    def cap_today_wei(self) -> int:
        """How much may be spent a day."""
        return self._policy.fee_cap_day_wei

    def unfinished(self) -> list[Intent]:
        """Transactions that are in no block which can no longer change."""
        final = self.head().finalized
        rows = self._intents.unfinished(self.sender)
        return [row for row in rows if row.state is not IntentState.MINED or row.block_number > final]


@contextmanager
def in_words(place: str) -> Iterator[None]:
    """Turns a contract's refusal into words."""
    try:
        yield
    except CallReverted as error:
        raise refused(place, error) from error
