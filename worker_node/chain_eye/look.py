"""One look at the chain: the same questions to two nodes at one common block; only what both say alike counts.

A node that lies, lags, is on another chain or does not answer makes the look fail with a reason, never with a number.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from honey_edge.model.errors import HiveError
from honey_edge.model.slots import SLOTS_PER_DAY, slot_at
from honey_edge.wire.keccak import keccak
from worker_node.chain_eye.rpc import Block, Node, NodeRefused
from worker_node.chain_eye.views import ACCOUNT, CLOSE, HIVE, MOTHER, POOL, AnswerMalformed, Value, View

T = TypeVar("T")

NONE, OPEN, CLOSING, CLOSED = range(4)
STATE_NAMES = ("none", "open", "closing", "closed")
MAX_LAG_BLOCKS = 64
MAX_AGE_S = 2 * SLOTS_PER_DAY * 900
_FUTURE_S = 3_600


class LookFailed(HiveError):
    """The two nodes do not give one answer; the message says why, for the page."""

    code = "E-CHAIN-LOOK"
    transient = True


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom the look is about: Hive, Worker and contract (20 bytes each), the chain, the code's keccak or empty.

    `mother` is the mother Hive that the home has accepted, 0 for none.
    """

    hive: int
    worker: bytes
    contract: bytes
    chain_id: int
    code_hash: bytes = b""
    mother: int = 0


@dataclass(frozen=True, slots=True)
class ChainLook:
    """What both nodes said at one block. Money in micro-coins, slots as numbers, times in Unix seconds.

    `claims_micro` are recorded claims, which the pool pays before anything else; `queen` is the key in force.
    `state` is 0 none, 1 open, 2 closing, 3 closed; `owed`: the pool could not pay this account; `settled_slot`: last
    slot of the newest settled period of the Hive; `close_ends_unix_s` is 0 without a close; `close_side` says who
    started it: 1 Worker or payout address, 2 Queen, 3 anyone because the Hive stood still.
    """

    at_unix_s: int
    block: int
    block_hash: str
    block_unix_s: int
    state: int
    funding_micro: int
    net_micro: int
    slot: int
    owed: bool
    payout: str
    pool_micro: int
    pending_micro: int
    claims_micro: int
    settled_slot: int
    frozen: bool
    short: bool
    queen: str
    close_ends_unix_s: int
    close_slot: int
    close_side: int

    def encoded(self) -> bytes:
        """As the journal keeps it."""
        return msgspec.json.encode(self)

    @staticmethod
    def decoded(data: bytes) -> "ChainLook | None":
        """From the journal; None for one that other software wrote in another form."""
        try:
            return msgspec.json.decode(data, type=ChainLook)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None


_QUESTIONS = ("account", "pool", "close", "hive", "mother")


async def look(nodes: Sequence[Node], subject: Subject, now_unix_s: float) -> ChainLook:
    """Asks all nodes alike. Raises LookFailed with the first reason that speaks against an answer."""
    heads = await _all(_head(node, subject) for node in nodes)
    lowest, highest = (choose(head.number for head in heads) for choose in (min, max))
    if highest - lowest > MAX_LAG_BLOCKS:
        behind = nodes[[head.number for head in heads].index(lowest)].name
        raise LookFailed(f"{behind} lags {highest - lowest} blocks behind")
    found = await _all(_answers(node, subject, lowest) for node in nodes)
    block, answers = found[0]
    for node, (other, told) in zip(nodes[1:], found[1:], strict=True):
        differing = (
            "block"
            if other.hash != block.hash
            else next((name for name, mine, its in zip(_QUESTIONS, answers, told, strict=True) if mine != its), "")
        )
        if differing:
            raise LookFailed(f"{nodes[0].name} and {node.name} differ about the {differing} at block {lowest}")
    if not -_FUTURE_S <= now_unix_s - block.at_unix_s <= MAX_AGE_S:
        raise LookFailed(f"the newest block, {block.number}, is not of these days (time {block.at_unix_s})")
    return _looked(answers, block, int(now_unix_s), subject.mother)


async def _all(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of all; LookFailed with the first failure, after all have ended."""
    done = await asyncio.gather(*works, return_exceptions=True)
    results = []
    for one in done:
        if isinstance(one, HiveError):
            raise LookFailed(str(one), next_step=one.next_step) from one
        if isinstance(one, BaseException):
            raise one
        results.append(one)
    return results


async def _head(node: Node, subject: Subject) -> Block:
    chain_id = await node.chain_id()
    if chain_id != subject.chain_id:
        raise LookFailed(f"{node.name} is on chain {chain_id}, not {subject.chain_id}")
    return await node.block("latest")


async def _answers(node: Node, subject: Subject, number: int) -> tuple[Block, list[dict[str, Value]]]:
    block = await node.block(number)
    if block.number != number:
        raise LookFailed(f"{node.name} answers block {block.number} for block {number}")
    if subject.code_hash and keccak(await node.code(subject.contract, number)) != subject.code_hash:
        raise LookFailed(f"{node.name} has other code at {subject.contract.hex()} than the settings name")
    questions: tuple[tuple[View, tuple[Value, ...]], ...] = (
        (ACCOUNT, (subject.hive, subject.worker)),
        (POOL, (subject.hive,)),
        (CLOSE, (subject.hive, subject.worker)),
        (HIVE, (subject.hive,)),
        (MOTHER, (subject.hive,)),
    )
    answers = []
    for view, values in questions:
        try:
            answers.append(view.answer(await node.view(subject.contract, view.call(*values), number)))
        except (AnswerMalformed, NodeRefused) as error:
            raise LookFailed(f"{node.name}: {error}") from error
    return block, answers


def _promised_away(pool: dict[str, Value], mother: int, accepted: int) -> int:
    """What of the pool its owner has asked for, micro-coins: all of it once he linked a mother nobody accepted.

    A day after the link whoever owns both Hives can move the pool there at once, so the link itself is the request.
    """
    return _number(pool["pool"]) if mother not in (0, accepted) else _number(pool["pending"])


def _looked(answers: list[dict[str, Value]], block: Block, now_unix_s: int, accepted: int) -> ChainLook:
    """The two equal answers as one look."""
    account, pool, close, hive, linked = answers
    changed = slot_at(now_unix_s) >= _number(hive["queenFromSlot"])
    payout, queen = account["payout"], hive["queen" if changed else "previousQueen"]
    assert isinstance(payout, bytes)
    assert isinstance(queen, bytes)
    return ChainLook(
        at_unix_s=now_unix_s,
        block=block.number,
        block_hash=block.hash,
        block_unix_s=block.at_unix_s,
        state=_number(account["state"]),
        funding_micro=_number(account["funding"]),
        net_micro=_number(account["net"]),
        slot=_number(account["slot"]),
        owed=bool(account["owed"]),
        payout=payout.hex(),
        pool_micro=_number(pool["pool"]),
        pending_micro=_promised_away(pool, _number(linked["mother"]), accepted),
        claims_micro=_number(pool["claimsOpen"]),
        settled_slot=_number(pool["lastSlot"]),
        frozen=bool(hive["frozen"]),
        short=bool(hive["short"]),
        queen=queen.hex(),
        close_ends_unix_s=_number(close["endsAt"]),
        close_slot=_number(close["slot"]),
        close_side=_number(close["side"]),
    )


def _number(value: Value) -> int:
    assert isinstance(value, int)
    return value
