"""What a transaction would do, asked before it is signed.

`eth_simulateV1` (execution-apis) gives result, events and gas in one answer; where a node does not have it, `eth_call`
and `eth_estimateGas` are asked. Result and events must be agreed on; of the gas figures the highest is taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from queen_node.chain.agreement import verdict
from queen_node.chain.calls import decode_error
from queen_node.chain.errors import CallReverted, NodesDisagree
from queen_node.chain.nodes import Nodes, error_data
from queen_node.chain.policy import MOST_GAS, gas_limit
from queen_node.chain.rpc import Refusal, Request


@dataclass(frozen=True, slots=True)
class Message:
    """What would be sent: addresses are 40 hex digits, `target` empty for a creation."""

    place: str
    sender: str
    target: str
    contract: str
    data: bytes
    value_wei: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a simulated call."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """Answer and gas limit of a simulated call; `events` is None where the nodes cannot tell them."""

    result: bytes
    gas: int
    events: tuple[Event, ...] | None


def simulate(nodes: Nodes, message: Message, check_gas: bool = True) -> Outcome:
    """The outcome at the newest block; CallReverted when the contract would refuse.

    `check_gas` simulates once more with the gas limit found, as is due before signing.
    """
    told = _simulated(nodes, message, 0)
    if told is None:
        return _called(nodes, message)
    (_, result, events), used = told
    limit = gas_limit(used)
    if not check_gas:
        return Outcome(result, limit, events)
    again = _simulated(nodes, message, limit)
    if again is None or again[0][:2] != (True, result):
        limit = MOST_GAS
    return Outcome(result, limit, events)


def _simulated(nodes: Nodes, message: Message, gas: int) -> tuple[tuple[bool, bytes, tuple[Event, ...]], int] | None:
    """What enough addresses say of the next block, and the most gas any of them counts; None without such a method."""
    call = _parameter(message) | ({"gas": hex(gas)} if gas else {})
    common = nodes.common()
    what = ({"blockStateCalls": [{"calls": [call]}], "validation": False}, hex(common.block.number))
    given = nodes.panel.ask(common.members, [Request("eth_simulateV1", what)])
    known = {name: one[0] for name, one in given.items() if not isinstance(one[0], Refusal)}
    if len(known) < nodes.needed:
        return None
    calls: dict[str, Mapping[str, Any]] = {name: answer[0]["calls"][0] for name, answer in known.items()}
    decided = verdict({name: _shape(one) for name, one in calls.items()}, nodes.needed)
    if not decided.agreed or not isinstance(decided.answer, tuple):
        raise NodesDisagree(nodes.place, f"simulation of {message.place}", decided.voices, nodes.needed)
    done, result, _ = decided.answer
    if not done and not gas:
        raise _refused(message, result, "reverted")
    return decided.answer, max(int(one["gasUsed"], 16) for name, one in calls.items() if name not in decided.outvoted)


def _shape(call: Mapping[str, Any]) -> tuple[bool, bytes, tuple[Event, ...]]:
    """One simulated call as something that can be compared: done, answer or revert data, events."""
    done = int(call["status"], 16) == 1
    error = call.get("error") or {}
    text = call.get("returnData") or "0x"
    told = text if done or text != "0x" else str(error.get("data") or "0x")
    events = tuple(
        Event(
            log["address"][2:].lower(), tuple(bytes.fromhex(one[2:]) for one in log["topics"]), error_data(log["data"])
        )
        for log in call.get("logs") or ()
    )
    return done, error_data(told), events


def _called(nodes: Nodes, message: Message) -> Outcome:
    """The same by the older methods, which tell no events."""
    call = _parameter(message)
    (answer,) = nodes.agreed([Request("eth_call", (call, "latest"))], f"call of {message.place}")
    if isinstance(answer, Refusal):
        raise _refused(message, error_data(answer.data), answer.message)
    estimates = nodes.all_answers([Request("eth_estimateGas", (call,))], f"gas of {message.place}")
    refusal = next((one[0] for one in estimates.values() if isinstance(one[0], Refusal)), None)
    if refusal is not None:
        raise _refused(message, error_data(refusal.data), refusal.message)
    most = max(int(one[0], 16) for one in estimates.values())
    return Outcome(error_data(answer), gas_limit(most), None)


def _parameter(message: Message) -> dict[str, str]:
    call = {"from": "0x" + message.sender, "data": "0x" + message.data.hex(), "value": hex(message.value_wei)}
    return call | ({"to": "0x" + message.target} if message.target else {})


def _refused(message: Message, data: bytes, words: str) -> CallReverted:
    told = decode_error([message.contract] if message.contract else [], data)
    return CallReverted(message.place, told.name, f"({told if told.name else words})", told.arguments)
