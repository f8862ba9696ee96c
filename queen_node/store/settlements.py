"""Queries on settled periods: the evidence record of each `settle`, as JSON (queen_node.evidence_format)."""

from sqlalchemy import Connection, insert, select, update

from queen_node.store.schema import settlements


def put_settlement(tx: Connection, slot: int, batch: int, document: bytes) -> None:
    """Stores or replaces the record of one batch."""
    c = settlements.c
    known = update(settlements).where(c.slot == slot, c.batch == batch).values(document=document)
    if not tx.execute(known).rowcount:
        tx.execute(insert(settlements).values(slot=slot, batch=batch, document=document))


def all_settlements(tx: Connection) -> list[bytes]:
    """All records, in order of slot and batch."""
    query = select(settlements.c.document).order_by(settlements.c.slot, settlements.c.batch)
    return [bytes(row[0]) for row in tx.execute(query)]
