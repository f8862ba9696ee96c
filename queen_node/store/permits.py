"""Queries on withdrawal permits the Queen has signed (chain-design section 4, Permits)."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from queen_node.store.watch_schema import permits


@dataclass(frozen=True, slots=True)
class PermitRow:
    """A signed permit: micro-coins, the slot it was judged at, serial, unix seconds; `spent` once it can no longer
    be used because the chain stands at its serial or a later one."""

    worker: str
    serial: int
    amount_micro: int
    slot: int
    deadline_unix_s: int
    issued_unix_s: int
    signature: bytes
    spent: bool = False


def add_permit(tx: Connection, row: PermitRow) -> None:
    """Stores a permit before it leaves the Queen's hands; a serial is used once."""
    tx.execute(insert(permits).values({name: getattr(row, name) for name in row.__slots__}))


def permits_of(tx: Connection, worker: str | None = None) -> list[PermitRow]:
    """All permits, of one Worker or of all, by serial."""
    query = select(permits).order_by(permits.c.worker, permits.c.serial)
    if worker is not None:
        query = query.where(permits.c.worker == worker)
    names = PermitRow.__slots__
    return [PermitRow(**{name: row._mapping[name] for name in names}) for row in tx.execute(query)]


def highest_serial(tx: Connection, worker: str) -> int:
    """The highest serial ever signed for a Worker; 0 when none."""
    found = tx.execute(select(func.max(permits.c.serial)).where(permits.c.worker == worker)).scalar_one()
    return 0 if found is None else int(found)


def holders(tx: Connection) -> set[str]:
    """Workers that were ever given a permit."""
    return {row[0] for row in tx.execute(select(permits.c.worker).distinct())}


def mark_spent(tx: Connection, worker: str, up_to_serial: int) -> None:
    """The chain stands at this serial: it and all below are of no more use, all above are."""
    c = permits.c
    tx.execute(update(permits).where(c.worker == worker).values(spent=c.serial <= up_to_serial))


def held_micro(tx: Connection, worker: str, final_unix_s: int) -> int:
    """What a Worker's permits may still take out: those not spent whose deadline is not final."""
    c = permits.c
    query = select(func.coalesce(func.sum(c.amount_micro), 0)).where(
        c.worker == worker, c.spent.is_(False), c.deadline_unix_s >= final_unix_s
    )
    return int(tx.execute(query).scalar_one())


def run_out(tx: Connection, before_unix_s: int, final_unix_s: int) -> set[str]:
    """Workers with an unspent permit whose deadline has become final: at or after `before`, before `final`."""
    c = permits.c
    query = select(c.worker).where(
        c.spent.is_(False), c.deadline_unix_s >= before_unix_s, c.deadline_unix_s < final_unix_s
    )
    return {row[0] for row in tx.execute(query)}
