"""Judges settlements: packed leaves against both-signed Statements, receipts, roots, and accounts before and after.

Leaf and reasons: chain-design section 4. What stands on the chain itself anyone may compare with these receipts.
"""

from dataclasses import dataclass

from honey_edge.model.slots import SLOT_S
from honey_edge.wire.merkle import merkle_root
from honey_edge.wire.structs import Statement
from honey_edge.wire.typed_data import struct_hash
from queen_node import evidence_format as form
from queen_node.evidence_format import AccountState, AppliedRecord, EvidenceError, SettlementRecord, WorkerRecord
from queen_node.verify_files import Evidence
from queen_node.verify_statements import CheckedStatement

LEAF_BYTES = 140
_OPEN = 1
_POOL_SHORT = 7
_STATED = ("net_micro", "import_milliwh", "export_milliwh", "slot")
_FEE_CAP_BPS, _BPS = 100, 10_000


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A packed Statement with the Worker's signature."""

    statement: Statement
    signature: bytes


@dataclass(frozen=True, slots=True)
class ChainState:
    """What the settlements left: each settled Worker's account, and whose newest Statement is not settled."""

    accounts: dict[str, AccountState]
    unsettled: tuple[str, ...]


def unpack_leaves(hive: int, packed: bytes) -> list[_Leaf]:
    """The leaves: worker 20, slot 4, net 8, imported 6, exported 6, readings 32, r 32, vs 32 bytes."""
    leaves = []
    for k in range(0, len(packed), LEAF_BYTES):
        leaf = packed[k : k + LEAF_BYTES]
        statement = Statement(
            hive,
            leaf[:20],
            int.from_bytes(leaf[20:24], "big"),
            int.from_bytes(leaf[24:32], "big", signed=True),
            int.from_bytes(leaf[32:38], "big"),
            int.from_bytes(leaf[38:44], "big"),
            leaf[44:76],
        )
        leaves.append(_Leaf(statement, leaf[76:]))
    return leaves


def check_settlements(evidence: Evidence, statements: dict[str, tuple[CheckedStatement, ...]]) -> ChainState:
    """Every settlement in order; the newest both-signed Statement of every Worker was brought to the chain.

    One that the contract skipped (its reason is in the receipt) is told in `unsettled`, not refused.
    """
    agreed = {worker: _agreed(rows) for worker, rows in statements.items()}
    accounts: dict[str, AccountState] = {}
    brought: set[tuple[str, int]] = set()
    order = (-1, -1)
    for row in evidence.settlements:
        if (row.slot, row.batch) <= order or (row.slot > order[0] and row.batch):
            name = "batch" if row.slot == order[0] or row.batch else "slot"
            raise _error(row, name, "does not follow the settlement before")
        order = (row.slot, row.batch)
        _check_receipt(row)
        brought |= _check_leaves(evidence, row, agreed, accounts)
    newest = {worker: max(rows) for worker, rows in agreed.items() if rows}
    unsettled = tuple(w for w, slot in sorted(newest.items()) if w not in accounts or accounts[w].slot < slot)
    for worker in unsettled if evidence.settlements else ():
        if newest[worker] <= order[0] and (worker, newest[worker]) not in brought:
            message = f"the Statement of slot {newest[worker]} carries both signatures but was not settled"
            raise EvidenceError(form.SETTLEMENT, "packed", message, slot=order[0], worker=worker)
    return ChainState(accounts, unsettled)


def _agreed(rows: tuple[CheckedStatement, ...]) -> dict[int, CheckedStatement]:
    return {row.statement.slot: row for row in rows if row.worker_signature is not None}


def _error(row: SettlementRecord, name: str, message: str, worker: str | None = None) -> EvidenceError:
    return EvidenceError(form.SETTLEMENT, name, message, slot=row.slot, worker=worker)


def _check_receipt(row: SettlementRecord) -> None:
    if row.status != 1:
        raise _error(row, "status", f"{row.status}: the transaction failed")
    if row.block_unix_s < row.slot * SLOT_S:
        raise _error(row, "block_unix_s", "lies before the settled slot")
    if not row.gas_used:
        raise _error(row, "gas_used", "is 0")
    size = len(row.packed) // 2
    if not size or size % LEAF_BYTES or size // LEAF_BYTES != len(row.accounts):
        raise _error(row, "packed", f"{size} bytes are not {len(row.accounts)} leaves of {LEAF_BYTES}")


def _check_leaves(
    evidence: Evidence,
    row: SettlementRecord,
    agreed: dict[str, dict[int, CheckedStatement]],
    accounts: dict[str, AccountState],
) -> set[tuple[str, int]]:
    """Judges every leaf; Worker and slot of each."""
    brought = set()
    applied, change, paid_in = [], 0, 0
    openings = {record.worker: _opening(record) for record in evidence.workers}
    for k, (leaf, told) in enumerate(
        zip(unpack_leaves(evidence.manifest.hive, bytes.fromhex(row.packed)), row.accounts, strict=True)
    ):
        worker = leaf.statement.worker.hex()
        brought.add((worker, leaf.statement.slot))
        known = agreed.get(worker, {}).get(leaf.statement.slot)
        if worker != told.worker:
            raise _error(row, f"accounts[{k}].worker", f"is {told.worker}, the leaf is of {worker}", told.worker)
        if known is None or known.statement != leaf.statement or known.worker_signature != leaf.signature:
            raise _error(row, "packed", f"leaf {k} is no Statement under both signatures", worker)
        _check_account(row, k, leaf, told)
        _check_before(row, k, told, accounts.get(worker, openings[worker]), agreed[worker])
        accounts[worker] = told.after
        if not told.reason:
            applied.append(struct_hash(leaf.statement))
            step = told.after.net_micro - told.before.net_micro
            change, paid_in = change + step, paid_in + max(step, 0)
    if row.root != merkle_root(applied).hex():
        raise _error(row, "root", "is not that of the applied Statements")
    _check_pool(row, change, paid_in)
    return brought


def _check_pool(row: SettlementRecord, change: int, paid_in: int) -> None:
    if not 0 <= row.fee_micro <= paid_in * _FEE_CAP_BPS // _BPS:
        raise _error(row, "fee_micro", f"{row.fee_micro} is above {_FEE_CAP_BPS} basis points of {paid_in}")
    if row.fee_taken_micro < 0:
        raise _error(row, "fee_taken_micro", "is negative")
    expected = row.pool_before_micro + change - row.fee_taken_micro
    if row.pool_after_micro != expected:
        raise _error(row, "pool_after_micro", f"is {row.pool_after_micro}, recomputed {expected}")
    if expected < 0:
        raise _error(row, "pool_after_micro", "is negative")


def _opening(record: WorkerRecord) -> AccountState:
    """An account as its first deposit leaves it."""
    return AccountState(
        funding_micro=0,
        net_micro=0,
        import_milliwh=0,
        export_milliwh=0,
        slot=record.opening_slot,
        state=_OPEN,
        owed=False,
    )


def _check_account(row: SettlementRecord, k: int, leaf: _Leaf, told: AppliedRecord) -> None:
    before, after, worker = told.before, told.after, told.worker
    expected = {"funding_micro": before.funding_micro, "state": before.state, "owed": before.owed}
    if told.reason:
        expected |= {name: getattr(before, name) for name in _STATED}
        expected["owed"] = before.owed or told.reason == _POOL_SHORT
    else:
        statement = leaf.statement
        expected |= {"net_micro": statement.net, "slot": statement.slot, "owed": False}
        expected |= {"import_milliwh": statement.imported, "export_milliwh": statement.exported}
        if before.state != _OPEN or before.slot >= statement.slot or statement.net > before.funding_micro:
            raise _error(row, f"accounts[{k}].before", "such an account takes no such Statement", worker)
    for name, value in expected.items():
        if getattr(after, name) != value:
            message = f"is {getattr(after, name)}, recomputed {value}"
            raise _error(row, f"accounts[{k}].after.{name}", message, worker)


def _check_before(
    row: SettlementRecord, k: int, told: AppliedRecord, last: AccountState, agreed: dict[int, CheckedStatement]
) -> None:
    """The account was as last seen, or as a both-signed Statement left it that somebody else brought in between."""
    between = agreed.get(told.before.slot)
    expected = {name: getattr(last, name) for name in _STATED}
    if between is not None and told.before.slot > last.slot:
        own = between.statement
        expected = dict(zip(_STATED, (own.net, own.imported, own.exported, own.slot), strict=True))
    for name, value in expected.items():
        if getattr(told.before, name) != value:
            message = f"is {getattr(told.before, name)}, what is known of it says {value}"
            raise _error(row, f"accounts[{k}].before.{name}", message, told.worker)
