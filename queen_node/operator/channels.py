"""Payment channels from the Queen's side: what stands in her book and on the chain, closing, contesting, permits.

A close is agreed (both signatures over a CloseAgreement), or started with a CloseRequest that the Queen signs, which
names the newest slot she has signed; then a window runs in which a newer Statement wins.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from honey_edge.wire.signing import Signer
from honey_edge.wire.structs import CloseRequest, Statement
from honey_edge.wire.typed_data import Domain, digest
from queen_node.channels.disputes import contest_key, finish_key
from queen_node.channels.permits import LONGEST_S, PermitRequest, issue_permit
from queen_node.operator.desk import Desk, hex_of
from queen_node.operator.errors import ContractRefuses, NotAllowed, NotConfirmed, NotFound, TooEarlyYet
from queen_node.operator.inputs import coin_text, utc_text
from queen_node.operator.sending import Document, Offer, Step, offer
from queen_node.store import Store, accounts, books
from queen_node.store.records import BothSigned, WorkerRow

SETTLEMENT = "EnergySettlement"
ACCOUNT_STATES = ("none", "open", "closing", "closed")
SIDES = {0: "", 1: "the home", 2: "the Queen", 3: "anyone (stale)"}
REQUEST_LASTS_S = 3_600
_NEWEST = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Counter:
    """The Queen's own side: her database, and her key where something is to be signed."""

    hive: int
    store: Store
    signer: Signer | None = None


def signature_pair(signature: bytes) -> tuple[bytes, bytes]:
    """r and vs, as the contracts want them."""
    return signature[:32], signature[32:]


def statement_values(s: Statement) -> tuple[Any, ...]:
    """A Statement's fields in the contracts' order."""
    return (s.hive, s.worker.hex(), s.slot, s.net, s.imported, s.exported, s.readings)


def worker_row(counter: Counter, name: str) -> WorkerRow:
    """A Worker of the Hive by serial or address; NotFound otherwise."""
    with counter.store.begin() as tx:
        row = accounts.worker_named(tx, name)
    if row is None:
        raise NotFound(f"no Worker {name} in this Hive", next_step="hive worker list")
    return row


def _newest(counter: Counter, worker: str) -> BothSigned | None:
    with counter.store.begin() as tx:
        return books.both_signed(tx, worker, _NEWEST)


def _newest_slot_signed(counter: Counter, worker: str) -> int:
    """The newest slot the Queen has put her name to, answered or not."""
    with counter.store.begin() as tx:
        row = books.newest_statement(tx, worker)
    return 0 if row is None else row.slot


def show(desk: Desk, counter: Counter, name: str) -> Document:
    """One channel: the account on the chain, a close that runs, claims, and what both have signed since."""
    row = worker_row(counter, name)
    account = desk.read(SETTLEMENT, "account", counter.hive, row.worker)
    close = desk.read(SETTLEMENT, "closeOf", counter.hive, row.worker)
    signed = _newest(counter, row.worker)
    return {
        "serial": row.serial,
        "worker": row.worker,
        "state": ACCOUNT_STATES[int(account["state"])],
        "owed": bool(account["owed"]),
        "funding_micro": int(account["funding"]),
        "net_micro": int(account["net"]),
        "spendable_micro": int(account["funding"]) - int(account["net"]),
        "settled_slot": int(account["slot"]),
        "payout": hex_of(account["payout"]),
        "claim_micro": int(desk.read(SETTLEMENT, "claimOf", counter.hive, row.worker)),
        "frozen": row.frozen,
        "both_signed_slot": signed.statement.slot if signed else None,
        "both_signed_net_micro": signed.statement.net if signed else None,
        "close": _close_document(close),
    }


def _close_document(close: Any) -> Document | None:
    if not int(close["endsAt"]):
        return None
    return {
        "ends_at": utc_text(int(close["endsAt"])),
        "slot": int(close["slot"]),
        "net_micro": int(close["net"]),
        "newest_slot": int(close["newestSlot"]),
        "started_by": SIDES.get(int(close["side"]), str(close["side"])),
        "starter": hex_of(close["starter"]),
    }


def list_all(desk: Desk, counter: Counter) -> list[Document]:
    """All channels of the Hive, by address."""
    with counter.store.begin() as tx:
        rows = accounts.all_workers(tx)
    return [show(desk, counter, row.worker) for row in rows]


@contextmanager
def silenced(counter: Counter, name: str) -> Iterator[None]:
    """No Statement is issued for a Worker while its close is being started; a newer one would make the Queen a liar.

    When nothing was sent (a refusal, or nobody confirmed) the account is free again; else the watch frees it once it
    sees the close.
    """
    row = worker_row(counter, name)
    silence = row.is_open and not row.frozen
    if silence:
        _freeze(counter, row.worker, True)
    try:
        yield
    except (NotAllowed, NotConfirmed, ContractRefuses):
        if silence:
            _freeze(counter, row.worker, False)
        raise


def _freeze(counter: Counter, worker: str, frozen: bool) -> None:
    with counter.store.begin() as tx:
        accounts.freeze(tx, worker, frozen)


def close(desk: Desk, counter: Counter, name: str) -> Offer:
    """Starts a close on the newest Statement both have signed, or finishes one whose window is over."""
    row = worker_row(counter, name)
    account = desk.read(SETTLEMENT, "account", counter.hive, row.worker)
    state = ACCOUNT_STATES[int(account["state"])]
    if state == "closing":
        return _finish(desk, counter, row)
    if state != "open":
        raise NotAllowed(f"the account of {row.serial} is {state}; there is nothing to close")
    request = CloseRequest(
        counter.hive,
        bytes.fromhex(row.worker),
        _newest_slot_signed(counter, row.worker),
        desk.chain.head().at_unix_s // REQUEST_LASTS_S * REQUEST_LASTS_S + 2 * REQUEST_LASTS_S,
    )
    values: list[Any] = [
        (request.hive, row.worker, request.newest_slot, request.deadline),
        signature_pair(_signed(desk, counter, request)),
    ]
    signed = _newest(counter, row.worker)
    if signed is not None and signed.statement.slot > int(account["slot"]):
        values += [
            statement_values(signed.statement),
            signature_pair(signed.worker_signature),
            signature_pair(signed.queen_signature),
        ]
        on = f"on slot {signed.statement.slot}, owed {coin_text(signed.statement.net)}"
    else:
        on = f"on what is settled, owed {coin_text(int(account['net']))} (twice the usual window)"
    call = desk.call(SETTLEMENT, overload(len(values)), *values)
    step = Step(f"close/{counter.hive}/{row.worker}", f"start the close of {row.serial} {on}", call)
    amount = f"{coin_text(int(account['funding']) - int(account['net']))} coins spendable"
    return offer(desk.chain, "channel close", [step], row.serial, "the serial", amount)


def overload(values: int) -> str:
    """The signature of `startClose` with or without a Statement."""
    request, signature = "(uint32,address,uint32,uint48)", "(bytes32,bytes32)"
    statement = "(uint32,address,uint32,int64,uint48,uint48,bytes32)"
    parts = [request, signature] if values == 2 else [request, signature, statement, signature, signature]
    return f"startClose({','.join(parts)})"


def _signed(desk: Desk, counter: Counter, message: CloseRequest) -> bytes:
    if counter.signer is None:
        raise NotAllowed("the Queen's key is needed to sign this", next_step="run it where queen.toml and its key are")
    return counter.signer.sign(digest(domain_of(desk), message))


def domain_of(desk: Desk) -> Domain:
    """Where signatures for the settlement are valid."""
    return Domain(desk.chain.chain_id, bytes.fromhex(desk.book.at(SETTLEMENT)))


def _finish(desk: Desk, counter: Counter, row: WorkerRow) -> Offer:
    close_now = desk.read(SETTLEMENT, "closeOf", counter.hive, row.worker)
    ends_at = int(close_now["endsAt"])
    if desk.chain.head().at_unix_s < ends_at:
        raise TooEarlyYet(
            f"the close of {row.serial} runs until {utc_text(ends_at)}",
            next_step=f"run hive channel close {row.serial} again then, or hive channel contest {row.serial}",
        )
    call = desk.call(SETTLEMENT, "finishClose", counter.hive, row.worker)
    title = f"finish the close of {row.serial}, owed {coin_text(int(close_now['net']))}"
    key = finish_key(counter.hive, row.worker, int(close_now["slot"]))
    step = Step("finish", title, call, key)
    return offer(desk.chain, "channel close", [step], row.serial, "the serial")


def contest(desk: Desk, counter: Counter, name: str) -> Offer:
    """Brings the newest Statement both have signed against a close that shows an older one."""
    row = worker_row(counter, name)
    close_now = desk.read(SETTLEMENT, "closeOf", counter.hive, row.worker)
    if not int(close_now["endsAt"]):
        raise NotAllowed(f"no close of {row.serial} is running", next_step=f"hive channel show {row.serial}")
    signed = _newest(counter, row.worker)
    if signed is None or signed.statement.slot <= int(close_now["slot"]):
        raise NotAllowed(
            f"the close of {row.serial} shows slot {int(close_now['slot'])}; both have signed nothing newer",
        )
    call = desk.call(
        SETTLEMENT,
        "contest",
        statement_values(signed.statement),
        signature_pair(signed.worker_signature),
        signature_pair(signed.queen_signature),
    )
    title = f"contest {row.serial}: slot {signed.statement.slot} in place of {int(close_now['slot'])}"
    step = Step("contest", title, call, contest_key(counter.hive, row.worker, signed.statement.slot))
    return offer(desk.chain, "channel contest", [step], row.serial, "the serial")


def permit(desk: Desk, counter: Counter, name: str, micro: int, valid_s: int = LONGEST_S) -> Document:
    """A WithdrawPermit under the Queen's signature: the home takes `micro` out while its account stays open.

    Judged and stored by the Queen's own rules before it leaves her hands (channels.permits); PermitRefused otherwise.
    """
    row = worker_row(counter, name)
    if counter.signer is None:
        raise NotAllowed("the Queen's key is needed to sign this", next_step="run it where queen.toml and its key are")
    locked = int(desk.read(SETTLEMENT, "hiveInfo", counter.hive)["minPenalty"])
    request = PermitRequest(row.worker, micro, valid_s, desk.chain.head().at_unix_s)
    with counter.store.begin() as tx:
        made = issue_permit(tx, counter.hive, domain_of(desk), counter.signer, request, locked)
    return {
        "hive": made.permit.hive,
        "worker": row.worker,
        "amount": made.permit.amount,
        "slot": made.permit.slot,
        "serial": made.permit.serial,
        "deadline": made.permit.deadline,
        "queen_signature": made.signature.hex(),
    }
