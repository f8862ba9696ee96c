"""Permits to take money out of an open account: whether an amount is safe, and the signature (chain-design section 4).

A permit counts as taken out from the moment it is signed until its deadline is final or the chain shows its serial:
the account's funding in the Queen's book is lower by it, so that no Statement can be signed that the account could
not bear if the permit were used just before it is settled.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from honey_edge.model.errors import HiveError
from honey_edge.wire.signing import Signer
from honey_edge.wire.structs import WithdrawPermit
from honey_edge.wire.typed_data import Domain, digest
from queen_node.store import accounts, books, chain_events, permits
from queen_node.store.permits import PermitRow
from queen_node.store.records import LineRow, WorkerRow

LONGEST_S = 6 * 3_600
_DAY_LINES = 96
_PICO_PER_MICRO = 10**6


class PermitRefused(HiveError, ValueError):
    """A permit of this amount, or for so long, is not safe to sign."""

    code = "E-PERMIT"


@dataclass(frozen=True, slots=True)
class Credit:
    """What an account can bear, micro-coins: funding less open permits, the most that may be owed, what must stay.

    `owed` is the highest of what the chain has settled, what was signed and what is booked; `kept` is the cost of the
    last 96 lines, so that the home is not cut off the day after; `locked` cannot leave an open account at all.
    """

    funding: int
    owed: int
    kept: int
    locked: int

    @property
    def safe(self) -> int:
        """The largest amount a permit may name; 0 when none is safe."""
        return max(0, self.funding - self.owed - self.kept - self.locked)


@dataclass(frozen=True, slots=True)
class PermitRequest:
    """Who wants how much (micro-coins), valid for how many seconds from now (unix seconds)."""

    worker: str
    amount_micro: int
    valid_s: int
    now_unix_s: int


@dataclass(frozen=True, slots=True)
class SignedPermit:
    """A permit and the Queen's signature, ready for `withdraw`."""

    permit: WithdrawPermit
    signature: bytes


def credit_of(row: WorkerRow, booked_pico: int, signed_micro: int, recent: list[LineRow], locked_micro: int) -> Credit:
    """What an account can bear, from its row, its book and its last lines."""
    booked_micro = -(-booked_pico // _PICO_PER_MICRO)
    cost_pico = max(0, sum(line.amount_pico for line in recent[-_DAY_LINES:]))
    owed = max(row.chain_net_micro, signed_micro, booked_micro)
    return Credit(row.funding_micro, owed, -(-cost_pico // _PICO_PER_MICRO), locked_micro)


def refusal(request: PermitRequest, row: WorkerRow | None, credit: Credit, known_unix_s: int) -> PermitRefused | None:
    """Why a permit must not be signed; None when it is safe. `known_unix_s` is the time of the chain's cursor."""
    if row is None or not row.is_open:
        return PermitRefused(f"{request.worker}: no open account", next_step="hive channel list")
    if row.frozen:
        return PermitRefused(f"{request.worker}: frozen by an Objection", next_step="hive channel resume")
    if not 0 < request.valid_s <= LONGEST_S:
        return PermitRefused(
            f"{request.worker}: valid for {request.valid_s} s, the limit is {LONGEST_S} s", next_step="ask for less"
        )
    if request.now_unix_s - known_unix_s > LONGEST_S:
        return PermitRefused(
            f"{request.worker}: the chain was last seen {request.now_unix_s - known_unix_s} s ago, "
            f"the limit is {LONGEST_S} s",
            next_step="start hive-queen with a chain that answers",
        )
    if not 0 < request.amount_micro <= credit.safe:
        return PermitRefused(
            f"{request.worker}: {request.amount_micro} micro-coins, at most {credit.safe} are safe (funding "
            f"{credit.funding}, owed {credit.owed}, a day's use {credit.kept}, locked {credit.locked})",
            next_step="ask for less, or close the account",
        )
    return None


def judge(tx: Connection, request: PermitRequest, locked_micro: int) -> tuple[WorkerRow | None, Credit]:
    """The account a request is about and what it can bear now; nothing is written."""
    row = accounts.worker_named(tx, request.worker)
    if row is None:
        return None, Credit(0, 0, 0, 0)
    position = accounts.all_positions(tx).get(row.worker)
    newest = books.newest_statement(tx, row.worker)
    booked = 0 if position is None else position.position.net_pico
    signed = row.chain_net_micro if newest is None else newest.net_micro
    return row, credit_of(row, booked, signed, books.lines_of(tx, row.worker), locked_micro)


def issue_permit(
    tx: Connection, hive: int, domain: Domain, signer: Signer, request: PermitRequest, locked_micro: int
) -> SignedPermit:
    """Judges, signs and stores a permit, and lowers the account's funding, all in the caller's transaction.

    `locked_micro` is what an open account must keep whatever happens (the coin's least penalty). PermitRefused says
    what is missing. The permit may leave the Queen's hands only after the transaction has committed.
    """
    cursor = chain_events.read_cursor(tx)
    row, credit = judge(tx, request, locked_micro)
    known_unix_s = 0 if cursor is None else cursor.at_unix_s
    refused = refusal(request, row, credit, known_unix_s)
    if refused is not None:
        raise refused
    assert row is not None
    serial = _next_serial(tx, row.worker)
    permit = WithdrawPermit(
        hive,
        bytes.fromhex(row.worker),
        request.amount_micro,
        row.chain_slot,
        serial,
        request.now_unix_s + request.valid_s,
    )
    signature = signer.sign(digest(domain, permit))
    permits.add_permit(
        tx,
        PermitRow(row.worker, serial, permit.amount, permit.slot, permit.deadline, request.now_unix_s, signature),
    )
    accounts.put_funding(tx, row.worker, row.funding_micro - permit.amount)
    return SignedPermit(permit, signature)


def _next_serial(tx: Connection, worker: str) -> int:
    """Above every serial signed here and every one the chain has taken, whatever became of this table."""
    taken = chain_events.events_of(tx, worker, "Withdrawn", 1)
    on_chain = int(taken[0].arguments["serial"]) if taken else 0
    return max(permits.highest_serial(tx, worker), on_chain) + 1
