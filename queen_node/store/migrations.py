"""Older schemas of the Queen's database brought to the present one, in one transaction, with all their rows.

Version 1 knew only settlements: a row per (hive, slot, batch) with the packed leaves. Version 2 has a row per
transaction of any kind (chain-design section 10), with its call data, all signed forms and its history. Version 3
keeps scale and certificate of a coordination round, the power that was declared, reputations and the grid operator's
limits.
"""

from typing import Any

from sqlalchemy import Connection, insert, inspect, text, update
from sqlalchemy.schema import CreateColumn

from honey_edge.wire.keccak import keccak
from queen_node.store.schema import (
    declarations,
    intent_hashes,
    intent_history,
    intents,
    metadata,
    positions,
    rounds,
    schema,
)

_SETTLE = keccak(b"settle(uint32,uint32,bytes)")[:4]
_WORD = 32
_REMARK = "taken over from schema 1"


def migrated(tx: Connection, version: int) -> int:
    """Brings the database from `version` as far as this program can; the version it has then."""
    if version == 1:
        _from_1(tx)
        version = 2
    if version == 2:
        _from_2(tx)
        version = 3
        tx.execute(update(schema).values(version=version))
    return version


def _from_2(tx: Connection) -> None:
    """Adds certificates, declared powers, reputations and grid limits; rounds and Declarations of before have none."""
    for table in (rounds, declarations, positions):
        known = {column["name"] for column in inspect(tx).get_columns(table.name)}
        for column in table.columns:
            if column.name not in known:
                form = CreateColumn(column).compile(dialect=tx.dialect)
                tx.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {form}")
    for index in declarations.indexes:
        index.create(tx, checkfirst=True)
    metadata.create_all(tx)


def _from_1(tx: Connection) -> None:
    old = tx.execute(text("SELECT * FROM intents ORDER BY hive, slot, batch")).mappings().all()
    tx.exec_driver_sql("DROP TABLE intents")
    metadata.create_all(tx)
    for row in old:
        new = _intent_of_1(dict(row))
        tx.execute(insert(intents).values(new))
        line = {name: new[name] for name in ("key", "state", "nonce", "tx_hash", "block_hash")}
        tx.execute(insert(intent_history).values(**line, at_unix_s=0, remark=_REMARK))
        if new["raw"]:
            tx.execute(insert(intent_hashes).values(_form_of_1(new)))


def _intent_of_1(row: dict[str, Any]) -> dict[str, Any]:
    """A settlement's row; one that was never signed gets its target when it is planned again."""
    raw = bytes(row["raw"])
    return {
        "key": f"settle/{row['hive']}/{row['slot']}/{row['batch']}",
        "target": _fields(raw)["to"].hex() if raw else "",
        "data": settle_data(row["hive"], row["slot"], bytes(row["packed"])),
        "contract": "EnergySettlement",
        "function": "settle",
        "value_wei": "0",
        "expected": "",
        "state": row["state"],
        "sender": row["sender"],
        "nonce": row["nonce"],
        "raw": raw,
        "tx_hash": row["tx_hash"],
        "block_hash": row["block_hash"],
        "block_number": -1,
        "sent_block": -1,
        "status": 1 if row["block_hash"] else -1,
        "cost_wei": str(_cost_wei(raw)),
        "planned_unix_s": 0,
        "updated_unix_s": 0,
    }


def _form_of_1(new: dict[str, Any]) -> dict[str, Any]:
    fields = _fields(new["raw"])
    return {
        "tx_hash": new["tx_hash"],
        "number": 0,
        "key": new["key"],
        "sender": new["sender"],
        "nonce": new["nonce"],
        "raw": new["raw"],
        "gas": fields["gas"],
        "max_fee_wei": str(fields["maxFeePerGas"]),
        "tip_wei": str(fields["maxPriorityFeePerGas"]),
        "cost_wei": new["cost_wei"],
        "signed_unix_s": 0,
    }


def _cost_wei(raw: bytes) -> int:
    fields = _fields(raw) if raw else {"gas": 0, "maxFeePerGas": 0}
    return int(fields["gas"]) * int(fields["maxFeePerGas"])


def _fields(raw: bytes) -> dict[str, Any]:
    """The fields of a signed transaction of type 2, the only type that schema 1's program signed."""
    from eth_account.typed_transactions.typed_transaction import TypedTransaction
    from hexbytes import HexBytes

    return dict(TypedTransaction.from_bytes(HexBytes(raw)).as_dict())


def settle_data(hive: int, slot: int, packed: bytes) -> bytes:
    """Call data of `settle(uint32,uint32,bytes)`: two words, the offset of the bytes, their length, the bytes."""
    words = (hive, slot, 3 * _WORD, len(packed))
    padded = packed + bytes(-len(packed) % _WORD)
    return _SETTLE + b"".join(word.to_bytes(_WORD, "big") for word in words) + padded
