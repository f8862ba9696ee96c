"""A Hive's pool: fund it, withdraw from it (announced, paid 24 h later), its bond, and deposits for a Worker."""

from dataclasses import dataclass
from typing import Any

from queen_node.operator.desk import Desk, hex_of, plain
from queen_node.operator.errors import NotAllowed, NotFound, TooEarlyYet
from queen_node.operator.inputs import coin_text, utc_text
from queen_node.operator.sending import Document, Offer, Step, offer

SETTLEMENT = "EnergySettlement"
NO_ADDRESS = "00" * 20


@dataclass(frozen=True, slots=True)
class HiveCoin:
    """A Hive's coin: `scale` smallest units are one micro-coin."""

    hive: int
    address: str
    scale: int
    owner: str


def hive_coin(desk: Desk, hive: int) -> HiveCoin:
    """The coin a Hive settles in; NotFound for an unknown Hive."""
    info = desk.read(SETTLEMENT, "hiveInfo", hive)
    if hex_of(info["owner"]) == NO_ADDRESS:
        raise NotFound(f"no Hive {hive} in the contract {desk.book.at(SETTLEMENT)}", next_step="hive show")
    return HiveCoin(hive, hex_of(info["coin"]), int(info["scale"]), hex_of(info["owner"]))


def _paying_in(desk: Desk, coin: HiveCoin, micro: int, kind: str, title: str, function: str, *where: Any) -> list[Step]:
    """The approval, where the allowance is too small, and the call that takes the coins."""
    units, settlement, sender = micro * coin.scale, desk.book.at(SETTLEMENT), desk.chain.sender
    held = int(desk.chain.read(desk.coin_call(coin.address, "balanceOf", sender)))
    if held < units:
        raise NotAllowed(
            f"{sender} has {coin_text(held // coin.scale)} of the coin {coin.address}, {coin_text(micro)} are needed",
            next_step="send coins to that address first",
        )
    steps = []
    if int(desk.chain.read(desk.coin_call(coin.address, "allowance", sender, settlement))) < units:
        approve = desk.coin_call(coin.address, "approve", settlement, units)
        steps.append(Step(f"{kind}/approve", f"allow EnergySettlement {coin_text(micro)} coins", approve))
    steps.append(Step(kind, title, desk.call(SETTLEMENT, function, *where, units)))
    return steps


def fund(desk: Desk, hive: int, micro: int) -> Offer:
    """Puts coins of the sender into the pool; open claims are paid from it first."""
    coin = hive_coin(desk, hive)
    title = f"put {coin_text(micro)} coins into the pool of Hive {hive}"
    steps = _paying_in(desk, coin, micro, f"fund/{hive}", title, "fundPool", hive)
    return offer(desk.chain, "pool fund", steps, coin_text(micro), "the amount", f"{coin_text(micro)} coins")


def bond(desk: Desk, hive: int, micro: int) -> Offer:
    """Posts coins of the owner as the Hive's bond, from which a lying Queen's penalties are paid."""
    coin = hive_coin(desk, hive)
    title = f"post {coin_text(micro)} coins as the bond of Hive {hive}"
    steps = _paying_in(desk, coin, micro, f"bond/{hive}", title, "postBond", hive)
    return offer(desk.chain, "pool bond", steps, coin_text(micro), "the amount", f"{coin_text(micro)} coins")


def deposit(desk: Desk, hive: int, worker: str, micro: int) -> Offer:
    """Pays in for a Worker; the first payment opens its account."""
    coin = hive_coin(desk, hive)
    title = f"deposit {coin_text(micro)} coins for {worker} in Hive {hive}"
    steps = _paying_in(desk, coin, micro, f"deposit/{hive}/{worker}", title, "deposit", hive, worker)
    return offer(desk.chain, "channel deposit", steps, coin_text(micro), "the amount", f"{coin_text(micro)} coins")


def withdraw(desk: Desk, hive: int, micro: int | None) -> Offer:
    """Announces a withdrawal (`micro` given), or pays the one whose 24 h are over (without)."""
    _owned(desk, hive_coin(desk, hive))
    pool = desk.read(SETTLEMENT, "poolOf", hive)
    if micro is not None:
        if micro > int(pool["pool"]):
            raise NotAllowed(
                f"AMOUNT: the pool of Hive {hive} holds {coin_text(int(pool['pool']))}, not {coin_text(micro)}"
            )
        return _request(desk, hive, micro, replaced=int(pool["pending"]))
    pending, ready_at = int(pool["pending"]), int(pool["withdrawableAt"])
    if pending == 0:
        raise NotAllowed(
            f"no withdrawal from the pool of Hive {hive} is announced", next_step=f"hive pool withdraw {hive} AMOUNT"
        )
    if desk.chain.head().at_unix_s < ready_at:
        raise TooEarlyYet(
            f"{coin_text(pending)} coins of Hive {hive} can be paid from {utc_text(ready_at)}",
            next_step=f"run hive pool withdraw {hive} again then",
        )
    if int(pool["owedAccounts"]) or int(pool["claimsOpen"]):
        raise NotAllowed(f"Hive {hive} owes money it could not pay", next_step=f"hive pool fund {hive} AMOUNT")
    title = f"pay {coin_text(min(pending, int(pool['pool'])))} coins from the pool of Hive {hive} to its owner"
    step = Step(f"withdraw/{hive}", title, desk.call(SETTLEMENT, "withdrawPool", hive))
    return offer(desk.chain, "pool withdraw", [step], coin_text(pending), "the amount", f"{coin_text(pending)} coins")


def _request(desk: Desk, hive: int, micro: int, replaced: int) -> Offer:
    coin = hive_coin(desk, hive)
    title = f"announce the withdrawal of {coin_text(micro)} coins from the pool of Hive {hive}; payable 24 h later"
    if replaced:
        title += f" (replaces {coin_text(replaced)})"
    step = Step(f"request/{hive}", title, desk.call(SETTLEMENT, "requestPoolWithdrawal", hive, micro * coin.scale))
    return offer(desk.chain, "pool withdraw", [step], coin_text(micro), "the amount", f"{coin_text(micro)} coins")


def _owned(desk: Desk, coin: HiveCoin) -> None:
    if coin.owner != desk.chain.sender:
        raise NotAllowed(
            f"Hive {coin.hive} belongs to {coin.owner}, the key is that of {desk.chain.sender}",
            next_step="give the owner's key file with --key",
        )


def show(desk: Desk, hive: int) -> Document:
    """The pool in coins, what is asked of it, and when an announced withdrawal can be paid."""
    coin = hive_coin(desk, hive)
    pool = plain(desk.read(SETTLEMENT, "poolOf", hive))
    money = ("pool", "pending", "feeDue", "fees", "claimsOpen", "claimsFunded", "bond")
    return {
        "hive": hive,
        "coin": coin.address,
        **{f"{name}_micro": int(pool[name]) for name in money if name in pool},
        "owed_accounts": int(pool["owedAccounts"]),
        "withdrawable_at": utc_text(int(pool["withdrawableAt"])) if int(pool["pending"]) else None,
        "last_settled_slot": int(pool["lastSlot"]),
    }
