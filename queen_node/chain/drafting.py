"""Everything that is checked before a transaction is signed, and the signing itself.

Order: chain id and code, simulation against the expectation, nonce, fees and caps, balance, the signer's list.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from queen_node.chain.calls import Call, decode_result
from queen_node.chain.errors import GasAccountEmpty, UnexpectedOutcome
from queen_node.chain.intents import Intent, IntentState, IntentStore, SignedForm
from queen_node.chain.nodes import Nodes
from queen_node.chain.policy import DAY_S, Fees, TxPolicy, check_caps, first_fees, next_nonce, replacement_fees
from queen_node.chain.signer import TxSigner, Unsigned
from queen_node.chain.simulation import Message, simulate

_LOG = logging.getLogger(__name__)
#: Gas of a payment without data.
PAYMENT_GAS = 21_000


class Drafter:
    """Turns a planned row into signed bytes; sends and stores nothing."""

    def __init__(
        self,
        nodes: Nodes,
        signer: TxSigner,
        intents: IntentStore,
        policy: TxPolicy,
        now: Callable[[], float],
        codes: Mapping[str, str],
    ) -> None:
        self._nodes, self._signer, self._intents, self._policy, self._now = nodes, signer, intents, policy, now
        self._codes = dict(codes)

    def first(self, row: Intent) -> tuple[Intent, SignedForm]:
        """The first form of a row; a nonce the row has already (a gap) is kept."""
        self.check()
        gas = PAYMENT_GAS if row.nonce >= 0 else self._simulated(row)
        counted, balance, block = self._nodes.account_state(self._signer.address)
        own = self._intents.highest_nonce(self._signer.address)
        nonce = row.nonce if row.nonce >= 0 else next_nonce(own, counted)
        return self._signed(row, nonce, gas, first_fees(block.base_fee_wei, self._policy), balance)

    def replacement(self, row: Intent) -> tuple[Intent, SignedForm]:
        """Another form with the same nonce, call and gas, and higher fees than every form before."""
        forms = [form for form in self._intents.forms(row.key) if form.nonce == row.nonce]
        old = Fees(max(form.max_fee_wei for form in forms), max(form.tip_wei for form in forms))
        _, balance, block = self._nodes.account_state(self._signer.address)
        fees = replacement_fees(old, block.base_fee_wei, self._policy)
        return self._signed(row, row.nonce, forms[-1].gas, fees, balance)

    def check(self) -> None:
        """The contracts of the settings are what they should be, on the right chain."""
        self._nodes.panel.usable(self._nodes.needed)
        for address, contract in self._codes.items():
            self._nodes.check_code(address, contract)

    def spent_today_wei(self, without_nonce: int = -1) -> int:
        """The most that this UTC day's transactions may cost, or did cost."""
        today = int(self._now()) // DAY_S * DAY_S
        spent = self._intents.spent_wei(self._signer.address, today)
        return sum(wei for nonce, wei in spent.items() if nonce != without_nonce)

    def _simulated(self, row: Intent) -> int:
        """The gas to ask for; UnexpectedOutcome when the simulation answers something else than expected."""
        message = Message(row.key, self._signer.address, row.target, row.contract, row.data, row.value_wei)
        outcome = simulate(self._nodes, message)
        if row.expected:
            found = str(decode_result(Call(row.target, row.contract, row.function), outcome.result))
            if found != row.expected:
                raise UnexpectedOutcome(row.key, row.expected, found)
        return outcome.gas

    def _signed(self, row: Intent, nonce: int, gas: int, fees: Fees, balance: int) -> tuple[Intent, SignedForm]:
        cost = gas * fees.max_fee_wei
        for cap in check_caps(row.key, cost, self.spent_today_wei(nonce), fees, self._policy):
            _LOG.warning("fee_cap_near cap=%s key=%s cost_wei=%d", cap, row.key, cost)
        if cost + row.value_wei > balance:
            raise GasAccountEmpty(self._signer.address, cost + row.value_wei, balance)
        unsigned = Unsigned(
            self._nodes.chain_id, nonce, row.target, row.value_wei, row.data, gas, fees.max_fee_wei, fees.tip_wei
        )
        raw, tx_hash = self._signer.sign(unsigned)
        at, sender = int(self._now()), self._signer.address
        form = SignedForm(row.key, tx_hash, sender, nonce, raw, gas, fees.max_fee_wei, fees.tip_wei, cost, at)
        signed = replace(row, state=IntentState.SIGNED, sender=sender, nonce=nonce, raw=raw, tx_hash=tx_hash)
        return replace(signed, block_hash="", block_number=-1, cost_wei=cost), form
