"""Simulates, prices, signs, sends and waits for one transaction through one or two RPC addresses."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from honey_edge.model.errors import HiveError
from honey_edge.wire.signing import Signer
from worker_node.chain_eye.rpc import Node, NodeFailed, NodeRefused, Receipt
from worker_node.rescue.refusals import refusal_text
from worker_node.rescue.transaction import Transaction, transaction_hash

_GAS_ROOM_PERCENT = 20
_POLL_S = 1.0


class Refused(HiveError):
    """The contract refuses the call, or the chain the transaction; nothing was changed."""

    code = "E-RESCUE-REFUSED"


class TooPoor(HiveError):
    """The paying key has not enough of the chain's own coin for the gas."""

    code = "E-RESCUE-GAS"


class NotMined(HiveError):
    """The transaction was sent and is not mined yet."""

    code = "E-RESCUE-WAITING"
    transient = True


@dataclass(frozen=True, slots=True)
class Offer:
    """A transaction that would succeed now: ready to sign, with what it costs at most and probably, wei."""

    transaction: Transaction
    most_wei: int
    likely_wei: int
    balance_wei: int


async def simulate(nodes: Sequence[Node], chain_id: int, sender: bytes, to: bytes, data: bytes) -> Offer:
    """Tries the call at the newest block and prices it. Raises Refused, TooPoor, NotMined or NodeFailed."""
    node = nodes[0]
    call = {"from": "0x" + sender.hex(), "to": "0x" + to.hex(), "data": "0x" + data.hex()}
    try:
        await node.view(to, data, sender=sender)
        gas = await node.number("eth_estimateGas", call)
    except NodeRefused as error:
        raise Refused(refusal_text(error), next_step="hive-worker close --dry-run shows the account") from error
    tip_wei, base_wei = await _tip(node), (await node.block("latest")).base_fee_wei
    mined, waiting = [
        await node.number("eth_getTransactionCount", "0x" + sender.hex(), tag) for tag in ("latest", "pending")
    ]
    if waiting > mined:
        raise NotMined("a transaction of this key is waiting to be mined", next_step="run the command again later")
    transaction = Transaction(
        chain_id, mined, tip_wei, 2 * base_wei + tip_wei, gas * (100 + _GAS_ROOM_PERCENT) // 100, to, data
    )
    most, likely = transaction.gas * transaction.max_fee_wei, gas * (base_wei + tip_wei)
    balance = await node.number("eth_getBalance", "0x" + sender.hex(), "latest")
    return Offer(transaction, most, likely, balance)


async def _tip(node: Node) -> int:
    """What miners ask on top of the base fee; nodes without that method tell the whole price instead."""
    try:
        return await node.number("eth_maxPriorityFeePerGas")
    except NodeRefused:
        return await node.number("eth_gasPrice")


async def send(nodes: Sequence[Node], offer: Offer, signer: Signer, wait_s: float) -> tuple[bytes, Receipt]:
    """Signs, hands to every node, waits: hash and receipt. Raises TooPoor, Refused, NotMined or NodeFailed."""
    if offer.balance_wei < offer.most_wei:
        raise TooPoor(
            f"{signer.address.hex()} has {offer.balance_wei} wei, the transaction may cost {offer.most_wei}",
            next_step="send it some of the chain's coin, or pay with another key: --key, --request-key",
        )
    raw = offer.transaction.signed(signer)
    hashed = transaction_hash(raw)
    outcomes = await asyncio.gather(*(node.send(raw) for node in nodes), return_exceptions=True)
    failures = [one for one in outcomes if isinstance(one, BaseException)]
    if len(failures) == len(nodes):
        first = failures[0]
        if isinstance(first, NodeRefused):
            raise Refused(str(first)) from first
        raise first
    return hashed, await _mined(nodes, hashed, wait_s)


async def _mined(nodes: Sequence[Node], hashed: bytes, wait_s: float) -> Receipt:
    try:
        async with asyncio.timeout(wait_s):
            while True:
                for node in nodes:
                    receipt = await _receipt(node, hashed)
                    if receipt is not None and receipt.succeeded:
                        return receipt
                    if receipt is not None:
                        raise Refused(f"transaction {hashed.hex()} was mined and refused by the contract")
                await asyncio.sleep(_POLL_S)
    except TimeoutError as error:
        raise NotMined(
            f"transaction {hashed.hex()} was sent and is not mined after {wait_s:g} s",
            next_step="run the command again: it shows what the chain has by then",
        ) from error


async def _receipt(node: Node, hashed: bytes) -> Receipt | None:
    """The receipt, None also while the node does not answer: another may, or it may later."""
    try:
        return await node.receipt(hashed)
    except (NodeFailed, NodeRefused):
        return None
