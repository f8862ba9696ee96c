"""The one writer to the chain: carries each planned call out exactly once (chain-design section 10).

A restart at any state goes on from the row: PLANNED signs, SIGNED sends, SENT looks, REPLACED signs anew with higher
fees, MINED becomes FINAL or, when its block is gone, SENT again. Every method may be called again after any error.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from queen_node.chain.calls import Call, decode_result
from queen_node.chain.drafting import Drafter
from queen_node.chain.errors import (
    FeeCapExceeded,
    GasAccountEmpty,
    NodesDisagree,
    NonceTaken,
    NoSuchIntent,
    NotMinedYet,
    WriterBusy,
)
from queen_node.chain.intents import HistoryLine, Intent, IntentState, IntentStore, Lease, SignedForm
from queen_node.chain.nodes import Nodes
from queen_node.chain.policy import TxPolicy, first_fees, gaps
from queen_node.chain.records import BlockInfo, TxReceipt
from queen_node.chain.signer import ListedSigner, TxSigner
from queen_node.chain.simulation import Event, Message, simulate
from queen_node.chain.writer import Writer

_LOG = logging.getLogger(__name__)
#: A node may show an account's new state a moment before the receipts of the same block.
_LOOKS_BEFORE_LOST = 3
_DONE = (IntentState.MINED, IntentState.FINAL)


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a call would do now: gas asked for, its decoded answer, fee per gas and the most it may cost, wei.

    `events` are what it would emit; None where the nodes cannot tell.
    """

    gas: int
    result: Any
    fee_per_gas_wei: int
    cost_wei: int
    events: tuple[Event, ...] | None = None


class Transactions:
    """Plans, signs, sends and follows the transactions of one account."""

    def __init__(
        self,
        nodes: Nodes,
        signer: TxSigner | bytes,
        intents: IntentStore,
        policy: TxPolicy,
        pause: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
        codes: Mapping[str, str] | None = None,
        holder: str = "",
    ) -> None:
        """`signer` is one, or the 32 bytes of a key; `codes` says which contract's code must be at which address.

        `pause` is given the seconds between two looks; `holder` names this writer (the process by default).
        """
        self.nodes, self.intents, self.policy = nodes, intents, policy
        self._signer = ListedSigner(signer, policy.allowed) if isinstance(signer, bytes) else signer
        self._pause, self._now, self._holder = pause, now, holder
        self._drafter = Drafter(nodes, self._signer, intents, policy, now, codes or {})
        self._sent_at: dict[str, int] = {}
        self._suspected: dict[str, int] = {}

    @property
    def sender(self) -> str:
        """The sending account, 40 hex digits."""
        return self._signer.address

    def check(self) -> None:
        """WrongChain or CodeMismatch unless nodes and contracts are those of the settings."""
        self._drafter.check()

    def spent_today_wei(self) -> int:
        """The most that this UTC day's transactions may cost, or did cost."""
        return self._drafter.spent_today_wei()

    def simulate(self, call: Call) -> Simulation:
        """What a call would do now, without signing anything; CallReverted when the contract would refuse."""
        message = Message(str(call), self.sender, call.target, call.contract, call.data, call.value_wei)
        outcome = simulate(self.nodes, message, check_gas=False)
        fee = first_fees(self.nodes.head().base_fee_wei, self.policy).max_fee_wei
        decoded = decode_result(call, outcome.result) if call.target and call.contract else None
        return Simulation(outcome.gas, decoded, fee, outcome.gas * fee, outcome.events)

    # ---- Planning ---------------------------------------------------------------------------------------------------

    def plan(self, key: str, call: Call, expected: str = "") -> Intent:
        """The row of this key: planned now, or the one that exists. See `plan_all`."""
        return self.plan_all([(key, call, expected)])[0]

    def plan_all(self, calls: Iterable[tuple[str, Call, str]]) -> list[Intent]:
        """Rows for several (key, call, expected), all or none; a key that was planned before keeps its call.

        `expected` is compared with the simulated answer before signing; of a row still PLANNED it is renewed.
        """
        at = int(self._now())
        wanted = [_planned(key, call, expected, at) for key, call, expected in calls]
        self.intents.plan(wanted)
        found = []
        for one in wanted:
            row = self._row(one.key)
            if row.state is IntentState.PLANNED and (row.expected != one.expected or not row.target):
                row = replace(row, expected=one.expected, target=row.target or one.target)
                self.intents.expect(row)
            found.append(row)
        return found

    def history(self, key: str) -> Sequence[HistoryLine]:
        """All changes of a row, oldest first."""
        return self.intents.history(key)

    # ---- Moving -----------------------------------------------------------------------------------------------------

    def step(self, key: str) -> Intent:
        """Takes a row one arrow further, where it can go; the row as it is then."""
        with self._writer().hold() as lease:
            return self._moved(self._row(key), lease)

    def drive(self, key: str) -> TxReceipt:
        """Takes a row to MINED (FINAL when it is already); its receipt, NotMinedYet when that takes too long."""
        waited = 0.0
        while True:
            before = self._row(key)
            row = self.step(key)
            if row.state in _DONE and before.state in _DONE:
                receipt = self.nodes.receipt(row.tx_hash)
                if receipt is not None:
                    return receipt
            if row.state is before.state:
                if waited >= self.policy.mined_within_s:
                    raise NotMinedYet(row.tx_hash, waited)
                self._pause(self.policy.poll_s)
                waited += self.policy.poll_s

    def follow(self) -> list[Intent]:
        """Takes every unfinished row one arrow further and fills gaps between nonces; signs no new call.

        What concerns one row only is logged and does not stop the others; the rest is raised.
        """
        found = []
        for row in self.intents.unfinished(self.sender):
            try:
                found.append(self.step(row.key))
            except (NonceTaken, FeeCapExceeded) as error:
                _LOG.warning("intent_stuck key=%s reason=%r", row.key, str(error))
        self._fill_gaps()
        return found

    def _writer(self) -> Writer:
        return Writer(self.intents, self.sender, self.policy.lease_s, self._now, self._holder)

    def _row(self, key: str) -> Intent:
        row = self.intents.get(key)
        if row is None:
            raise NoSuchIntent(key)
        return row

    def _moved(self, row: Intent, lease: Lease) -> Intent:
        match row.state:
            case IntentState.PLANNED:
                return self._mined(row, lease) or self._first(row, lease)
            case IntentState.SIGNED:
                return self._sent(row, lease)
            case IntentState.SENT | IntentState.REPLACED:
                return self._looked(row, lease)
            case IntentState.MINED:
                return self._confirmed(row, lease)
            case IntentState.FINAL:
                return row

    def _first(self, row: Intent, lease: Lease) -> Intent:
        signed, form = self._drafter.first(row)
        return self._saved(signed, lease, "signed", form)

    def _sent(self, row: Intent, lease: Lease) -> Intent:
        """Broadcasts stored bytes. Where nobody takes them the row goes on: they are sent again, then replaced."""
        head = self.nodes.head().number
        remark = self._broadcast(row, head)
        return self._saved(replace(row, state=IntentState.SENT, sent_block=head), lease, remark)

    def _broadcast(self, row: Intent, head: int) -> str:
        told = self.nodes.broadcast(row.raw)
        self._sent_at[row.key] = head
        if told.refusals:
            _LOG.warning("broadcast_refused key=%s refusals=%r", row.key, "; ".join(told.refusals))
        return f"sent to {', '.join(told.took)}" if told.took else f"refused by all: {'; '.join(told.refusals)}"

    def _looked(self, row: Intent, lease: Lease) -> Intent:
        """SENT or REPLACED: mined in any form, nonce lost, fee too low, or still waiting."""
        mined = self._mined(row, lease)
        if mined is not None:
            self._suspected.pop(row.key, None)
            return mined
        counted, _, block = self.nodes.account_state(self.sender)
        if counted > row.nonce:
            return self._nonce_used(row, lease)
        if row.state is IntentState.REPLACED:
            return self._replaced(row, lease, block)
        if 0 < self.policy.replace_after_blocks <= block.number - row.sent_block:
            return self._saved(replace(row, state=IntentState.REPLACED), lease, "fee too low")
        if self._sent_at.get(row.key) != block.number:
            self._broadcast(row, block.number)
        return row

    def _mined(self, row: Intent, lease: Lease) -> Intent | None:
        """The row with the form that is in a block; None when none of its forms is."""
        forms = {form.tx_hash: form for form in self.intents.forms(row.key)}
        if not forms:
            return None
        receipts = self.nodes.receipts(list(forms))
        if not receipts:
            return None
        receipt = receipts.get(row.tx_hash) or next(iter(receipts.values()))
        form = forms[receipt.tx_hash]
        new = replace(
            row,
            state=IntentState.MINED,
            nonce=form.nonce,
            raw=form.raw,
            tx_hash=form.tx_hash,
            block_hash=receipt.block_hash,
            block_number=receipt.block,
            status=receipt.status,
            cost_wei=receipt.gas_used * receipt.gas_price_wei,
        )
        if new == row:
            return row
        return self._saved(new, lease, f"mined in block {receipt.block}")

    def _replaced(self, row: Intent, lease: Lease, block: BlockInfo) -> Intent:
        """Signs the same call with higher fees; where a cap or the balance forbids that the old bytes go on waiting."""
        try:
            signed, form = self._drafter.replacement(row)
        except (FeeCapExceeded, GasAccountEmpty) as error:
            _LOG.warning("replacement_capped key=%s reason=%r", row.key, str(error))
            waiting = replace(row, state=IntentState.SENT, sent_block=block.number)
            return self._saved(waiting, lease, f"not replaced: {error.limit}")
        return self._saved(signed, lease, "signed with higher fees", form)

    def _nonce_used(self, row: Intent, lease: Lease) -> Intent:
        """The nonce is used, and not by any form of this row, as seen several times: receipts come after states.

        Once the other transaction is final the row is planned anew; NonceTaken in any case. As long as one address
        alone shows a receipt of ours, nothing is decided.
        """
        looks = self._suspected.get(row.key, 0) + 1
        self._suspected[row.key] = looks
        if looks < _LOOKS_BEFORE_LOST:
            return row
        if self.nodes.anybody_shows([form.tx_hash for form in self.intents.forms(row.key)]):
            raise NodesDisagree(self.nodes.place, f"receipt of {row.key}", 1, self.nodes.needed)
        if row.target == self.sender and not row.data:
            del self._suspected[row.key]
            return self._saved(replace(row, state=IntentState.FINAL), lease, "nonce filled by another transaction")
        final = max(self.nodes.final_number(self.policy.depth), 0)
        counted = self.nodes.rpc("eth_getTransactionCount", ("0x" + self.sender, hex(final)), money=True)
        if int(counted, 16) > row.nonce:
            anew = Intent(row.key, row.target, row.data, row.contract, row.function, row.value_wei, row.expected)
            self._saved(replace(anew, planned_unix_s=row.planned_unix_s), lease, f"nonce {row.nonce} used elsewhere")
            del self._suspected[row.key]
        raise NonceTaken(row.tx_hash, row.nonce)

    def _confirmed(self, row: Intent, lease: Lease) -> Intent:
        """MINED: FINAL when old enough; SENT again, with the same bytes, when the chain no longer has the block."""
        seen = self._mined(row, lease)
        if seen is None:
            gone = replace(row, state=IntentState.SENT, block_hash="", block_number=-1, status=-1)
            head = self.nodes.head().number
            gone = self._saved(replace(gone, sent_block=head), lease, f"block {row.block_number} is gone")
            self._broadcast(gone, head)
            return gone
        if seen.block_number <= self.nodes.final_number(self.policy.depth):
            return self._saved(replace(seen, state=IntentState.FINAL), lease, "final")
        return seen

    def _fill_gaps(self) -> None:
        """A nonce that no living row holds would stop all later ones: a transaction to oneself takes it."""
        counted, _, _ = self.nodes.account_state(self.sender)
        free = gaps(counted, self.intents.highest_nonce(self.sender), self.intents.held_nonces(self.sender))
        for nonce in free:
            key = f"gap/{self.sender}/{nonce}"
            _LOG.warning("nonce_gap sender=%s nonce=%d", self.sender, nonce)
            at = int(self._now())
            self.intents.plan([Intent(key, self.sender, sender=self.sender, nonce=nonce, planned_unix_s=at)])
            self.step(key)
            self.step(key)

    def _saved(self, row: Intent, lease: Lease, remark: str, form: SignedForm | None = None) -> Intent:
        row = replace(row, updated_unix_s=int(self._now()))
        if not self.intents.save(row, lease, remark, form):
            now = self.intents.lease(self.sender)
            raise WriterBusy(self.sender, now.holder if now else "unknown", now.until_unix_s if now else 0)
        return row


def _planned(key: str, call: Call, expected: str, at_unix_s: int) -> Intent:
    return Intent(
        key=key,
        target=call.target,
        data=call.data,
        contract=call.contract,
        function=call.function,
        value_wei=call.value_wei,
        expected=expected,
        planned_unix_s=at_unix_s,
        updated_unix_s=at_unix_s,
    )
