"""The one way in which a command sends: simulate, show, confirm, send, report.

A step's key is made of the verb, the subject and a hash of what is sent: a command that was interrupted and is run
again finds its transaction and goes on with it; the same command after a finished one is a new transaction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from honey_edge.model.errors import HiveError
from honey_edge.wire.keccak import keccak
from queen_node.chain.calls import Call
from queen_node.operator.errors import NotAllowed, PartlyDone
from queen_node.operator.inputs import checksum, native_text
from queen_node.operator.port import Chain, Cost, Mined

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction: `kind` is verb and subject (`fund/7`), `title` says in words what it does.

    `key` is given where the Queen herself may send the same transaction (a contest); it is then sent once by either.
    """

    kind: str
    title: str
    call: Call
    key: str = ""

    @property
    def prefix(self) -> str:
        """The front of the key: equal for equal transactions."""
        told = f"{self.call.target}:{self.call.value_wei}:".encode() + self.call.data
        return f"operator/{self.kind}/{keccak(told)[:6].hex()}"


@dataclass(frozen=True, slots=True)
class Offer:
    """What would be sent, with its cost; `amount` names the money that moves, empty when only gas is paid.

    `confirm` is what must be typed, `confirm_name` says what that is.
    """

    what: str
    chain_id: int
    sender: str
    steps: tuple[Step, ...]
    costs: tuple[Cost, ...]
    keys: tuple[tuple[str, bool], ...]
    amount: str
    confirm: str
    confirm_name: str
    balance_wei: int

    @property
    def cost_wei(self) -> int:
        """What all steps cost together at today's fee."""
        return sum(cost.wei for cost in self.costs)

    def document(self) -> Document:
        """The offer for people and machines."""
        return {
            "what": self.what,
            "from": self.sender,
            "chain_id": self.chain_id,
            "amount": self.amount,
            "gas": sum(cost.gas for cost in self.costs),
            "cost_wei": self.cost_wei,
            "cost": native_text(self.cost_wei),
            "transactions": [
                {
                    "does": step.title,
                    "to": step.call.target,
                    "function": step.call.function,
                    "gas": cost.gas,
                    "cost_wei": cost.wei,
                    "exact": cost.exact,
                    "goes_on": goes_on,
                }
                for step, cost, (_, goes_on) in zip(self.steps, self.costs, self.keys, strict=True)
            ],
        }

    def remark(self) -> str:
        """From, to, amount, chain and cost, before anything is sent."""
        lines = [
            f"{self.what}: chain {self.chain_id}, from {checksum(self.sender)}"
            + (f", {self.amount}" if self.amount else "")
            + f", about {sum(cost.gas for cost in self.costs)} gas = {native_text(self.cost_wei)} of the chain's coin"
        ]
        for step, (_, goes_on) in zip(self.steps, self.keys, strict=True):
            to = checksum(step.call.target) if step.call.target else "a new contract"
            lines.append(
                f"  {step.title} -> {to}" + (" (goes on with the transaction begun before)" if goes_on else "")
            )
        return "\n".join(lines)


def offer(chain: Chain, what: str, steps: Sequence[Step], confirm: str, confirm_name: str, amount: str = "") -> Offer:
    """Simulates the steps one after the other; ContractRefuses when one would be refused now.

    A step with an unfinished transaction from before is not simulated: it may be in a block already.
    """
    keys = tuple(chain.known_key(step.key) if step.key else chain.next_key(step.prefix) for step in steps)
    fresh = [step.call for step, (_, goes_on) in zip(steps, keys, strict=True) if not goes_on]
    found = iter(chain.cost(fresh) if fresh else ())
    costs = tuple(Cost(0, 0) if goes_on else next(found) for _, goes_on in keys)
    return Offer(
        what=what,
        chain_id=chain.chain_id,
        sender=chain.sender,
        steps=tuple(steps),
        costs=costs,
        keys=keys,
        amount=amount,
        confirm=confirm,
        confirm_name=confirm_name,
        balance_wei=chain.balance_wei(chain.sender),
    )


def check_gas_money(made: Offer) -> None:
    """Refuses before the first transaction when the account cannot pay for all of them."""
    if made.balance_wei < made.cost_wei:
        raise NotAllowed(
            f"{made.sender} has {native_text(made.balance_wei)} of the chain's coin, the transactions cost about "
            f"{native_text(made.cost_wei)}",
            next_step="send that account coin for gas",
        )


def carry_out(chain: Chain, made: Offer, told: Callable[[str], None] = lambda _: None) -> Document:
    """Sends the steps in order and waits for each; `told` gets a line a step.

    PartlyDone when a later step fails after an earlier one is done: the same command then goes on.
    """
    check_gas_money(made)
    done: list[Document] = []
    for step, (key, _) in zip(made.steps, made.keys, strict=True):
        try:
            mined = chain.send(key, step.call)
        except HiveError as error:
            if not done:
                raise
            raise PartlyDone(
                f"{len(done)} of {len(made.steps)} transactions are done, then {step.title}: {error}",
                next_step=error.next_step or "run the same command again; it goes on where it stopped",
            ) from error
        told(f"{step.title}: {mined.tx_hash} in block {mined.block}")
        done.append(mined_document(step, key, mined))
    return {
        "what": made.what,
        "from": made.sender,
        "chain_id": made.chain_id,
        "amount": made.amount,
        "gas_used": sum(one["gas_used"] for one in done),
        "cost_wei": sum(one["cost_wei"] for one in done),
        "transactions": done,
    }


def mined_document(step: Step, key: str, mined: Mined) -> Document:
    """One transaction that is in a block."""
    return {
        "does": step.title,
        "to": step.call.target,
        "function": step.call.function,
        "intent": key,
        "hash": mined.tx_hash,
        "block": mined.block,
        "gas_used": mined.gas_used,
        "cost_wei": mined.cost_wei,
        "created": mined.created,
    }
