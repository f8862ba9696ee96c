"""Queries on transaction intents (chain-design section 10); rows are the fields of `queen_node.chain.intents` by name.

Wei are decimal text in the tables and integers here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from queen_node.store.schema import intent_hashes, intent_history, intents, writer

Row = Mapping[str, Any]
_WEI = ("value_wei", "cost_wei", "max_fee_wei", "tip_wei")
_UNFINISHED = ("signed", "sent", "replaced", "mined")
_LIKE_SPECIAL = "\\%_"


def intent(tx: Connection, key: str) -> dict[str, Any] | None:
    """One row."""
    found = _rows(tx, select(intents).where(intents.c.key == key))
    return found[0] if found else None


def intents_under(tx: Connection, prefix: str) -> list[dict[str, Any]]:
    """The rows whose key starts with a text, in the order they were planned."""
    pattern = "".join("\\" + sign if sign in _LIKE_SPECIAL else sign for sign in prefix) + "%"
    return _rows(tx, select(intents).where(intents.c.key.like(pattern, escape="\\")).order_by(intents.c.id))


def unfinished(tx: Connection, sender: str) -> list[dict[str, Any]]:
    """A sender's rows between signed and mined, by nonce."""
    c = intents.c
    return _rows(tx, select(intents).where(c.sender == sender, c.state.in_(_UNFINISHED)).order_by(c.nonce, c.id))


def add_intents(tx: Connection, rows: Sequence[Row]) -> None:
    """Plans rows; those whose key exists are left as they are."""
    for row in rows:
        if intent(tx, row["key"]) is None:
            tx.execute(insert(intents).values(_stored(row)))
            add_history(tx, {**row, "at_unix_s": row["planned_unix_s"], "remark": "planned"})


def replace_intent(tx: Connection, row: Row) -> None:
    """Renews one row."""
    tx.execute(update(intents).where(intents.c.key == row["key"]).values(_stored(row)))


def add_history(tx: Connection, row: Row) -> None:
    """Appends a line; there is no way to change one."""
    names = ("key", "at_unix_s", "state", "nonce", "tx_hash", "block_hash", "remark")
    tx.execute(insert(intent_history).values({name: row[name] for name in names}))


def history(tx: Connection, key: str) -> list[dict[str, Any]]:
    """A row's lines, oldest first."""
    c = intent_history.c
    return _rows(tx, select(intent_history).where(c.key == key).order_by(c.id))


def add_form(tx: Connection, row: Row) -> None:
    """Keeps signed bytes."""
    count = tx.execute(select(func.count()).where(intent_hashes.c.key == row["key"])).scalar_one()
    tx.execute(insert(intent_hashes).values(_stored(row) | {"number": count}))


def forms(tx: Connection, key: str) -> list[dict[str, Any]]:
    """All signed forms of a row, oldest first."""
    c = intent_hashes.c
    return [_without(row, "number") for row in _rows(tx, select(intent_hashes).where(c.key == key).order_by(c.number))]


def highest_nonce(tx: Connection, sender: str) -> int:
    """The highest nonce a sender's forms have used; -1 when none."""
    c = intent_hashes.c
    found = tx.execute(select(func.max(c.nonce)).where(c.sender == sender)).scalar_one()
    return -1 if found is None else int(found)


def held_nonces(tx: Connection, sender: str) -> frozenset[int]:
    """Nonces of a sender's rows that are past planned."""
    c = intents.c
    return frozenset(tx.execute(select(c.nonce).where(c.sender == sender, c.state != "planned")).scalars())


def spent_wei(tx: Connection, sender: str, since_unix_s: int) -> dict[int, int]:
    """By nonce the dearest form signed since then, or what the nonce did cost once it was mined."""
    c = intent_hashes.c
    found: dict[int, int] = {}
    for nonce, cost in tx.execute(
        select(c.nonce, c.cost_wei).where(c.sender == sender, c.signed_unix_s >= since_unix_s)
    ):
        found[nonce] = max(found.get(nonce, 0), int(cost))
    mined = select(intents.c.nonce, intents.c.cost_wei).where(intents.c.sender == sender, intents.c.block_hash != "")
    for nonce, cost in tx.execute(mined):
        if nonce in found:
            found[nonce] = int(cost)
    return found


def lease(tx: Connection, sender: str) -> dict[str, Any] | None:
    """Who writes with a sender's key; nobody else can change it until the transaction ends."""
    found = _rows(tx, select(writer).where(writer.c.sender == sender).with_for_update())
    return found[0] if found else None


def replace_lease(tx: Connection, old: Row, new: Row) -> bool:
    """Puts a lease in the place of exactly the old one; False when that is no longer there."""
    same = [writer.c[name] == value for name, value in old.items()]
    return bool(tx.execute(update(writer).where(*same).values(dict(new))).rowcount)


def add_lease(tx: Connection, row: Row) -> None:
    """The first lease of a sender; IntegrityError when there is one."""
    tx.execute(insert(writer).values(dict(row)))


def _stored(row: Row) -> dict[str, Any]:
    return {name: str(value) if name in _WEI else value for name, value in row.items()}


def _rows(tx: Connection, query: Any) -> list[dict[str, Any]]:
    return [_read(row) for row in tx.execute(query).mappings()]


def _read(row: Mapping[Any, Any]) -> dict[str, Any]:
    values = {name: int(value) if name in _WEI else value for name, value in row.items() if name != "id"}
    return {name: bytes(value) if isinstance(value, memoryview) else value for name, value in values.items()}


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}
