"""Orders inside a slot as money: the owner's stake in the FlexibilityPool, and the charging of orders both have signed.

The contract pays a Worker's orders by serial without a gap, so each Worker's are taken from its newest charged serial
on, as far as the stake reaches; what does not fit waits.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from queen_node.chain.calls import Call
from queen_node.operator.desk import Desk
from queen_node.operator.errors import InputError, NotAllowed, NotFound
from queen_node.operator.inputs import coin_text
from queen_node.operator.pools import hive_coin
from queen_node.operator.sending import Document, Offer, Step, offer
from queen_node.store.flex_orders import OrderRow

POOL = "FlexibilityPool"
MOST_ORDERS = 200
"""Orders in one transaction (`FlexibilityPool.MAX_ORDERS`)."""

_HALF = 32


def stake(desk: Desk, hive: int, micro: int) -> Offer:
    """Adds coins of the sender to the Hive's own stake, from which its orders are paid."""
    coin, pool, sender = hive_coin(desk, hive), desk.book.at(POOL), desk.chain.sender
    units = micro * coin.scale
    held = int(desk.chain.read(desk.coin_call(coin.address, "balanceOf", sender)))
    if held < units:
        raise NotAllowed(
            f"{sender} has {coin_text(held // coin.scale)} of the coin {coin.address}, {coin_text(micro)} are needed",
            next_step="send coins to that address first",
        )
    steps = []
    if int(desk.chain.read(desk.coin_call(coin.address, "allowance", sender, pool))) < units:
        approve = desk.coin_call(coin.address, "approve", pool, units)
        steps.append(Step(f"stake/{hive}/approve", f"allow {POOL} {coin_text(micro)} coins", approve))
    title = f"add {coin_text(micro)} coins to the stake of Hive {hive}"
    steps.append(Step(f"stake/{hive}", title, desk.call(POOL, "stakeFlex", hive, coin.owner, units)))
    return offer(desk.chain, "flex stake", steps, coin_text(micro), "the amount", f"{coin_text(micro)} coins")


def charge(desk: Desk, hive: int, pool: str, accepted: Iterable[OrderRow]) -> Offer:
    """Has the FlexibilityPool at `pool` pay what is signed and not paid yet; NotFound when that is nothing.

    `accepted` are the orders with both signatures, of each Worker by serial.
    """
    if not pool:
        raise InputError("pool in [realtime] is missing", next_step="name the FlexibilityPool in the settings")
    due = _due(desk, hive, pool, accepted)
    if not due:
        raise NotFound("no order with both signatures waits that the stake can pay", next_step="hive flex list")
    steps = []
    for start in range(0, len(due), MOST_ORDERS):
        part = due[start : start + MOST_ORDERS]
        paid = sum(row.price_micro for row in part)
        title = f"pay {len(part)} orders, {coin_text(paid)} coins, from the stake of Hive {hive}"
        steps.append(Step(f"charge/{hive}", title, charging(hive, pool, part)))
    total = coin_text(sum(row.price_micro for row in due))
    return offer(desk.chain, "flex charge", steps, total, "the amount", f"{total} coins")


def _due(desk: Desk, hive: int, pool: str, accepted: Iterable[OrderRow]) -> list[OrderRow]:
    """The orders above each Worker's newest charged serial that the owner's stake pays one after the other."""

    def member(address: str) -> dict[str, int]:
        found = desk.chain.read(Call(pool, POOL, "memberOf", (hive, address)))
        return {name: int(found[name]) for name in ("stake", "serial")}

    left, due = member(hive_coin(desk, hive).owner)["stake"], []
    for worker, rows in groupby(sorted(accepted, key=lambda row: (row.worker, row.serial)), lambda row: row.worker):
        following = member(worker)["serial"] + 1
        for row in rows:
            if row.serial < following:
                continue
            if row.serial != following or row.price_micro > left:
                break
            due.append(row)
            left, following = left - row.price_micro, following + 1
    return due


def charging(hive: int, pool: str, rows: Sequence[OrderRow]) -> Call:
    """The call that pays orders with both signatures."""
    orders = [(hive, row.worker, row.slot, row.watts, row.price_micro, row.serial) for row in rows]
    signatures = [
        (raw[:_HALF], raw[_HALF:]) for row in rows for raw in (row.signature, row.worker_signature) if raw is not None
    ]
    return Call(pool, POOL, "chargeFlex", (orders, signatures))


def listed(rows: Iterable[OrderRow]) -> list[Document]:
    """Orders with both signatures, as they are shown."""
    shown = ("worker", "serial", "slot", "watts", "from_s", "until_s", "price_micro")
    return [{name: getattr(row, name) for name in shown} for row in rows]
