"""The row history of one day's settlement, and what the chain did: what an auditor asks for first."""

import json

from honey_edge.model.slots import SLOTS_PER_DAY, last_slot_of_day
from queen_node.app.intent_rows import IntentRows
from queen_node.app.settle_day import Settlement
from queen_node.chain.leaves import batches
from queen_node.operator.desk import Desk
from queen_node.operator.errors import NotFound
from queen_node.operator.inputs import native_text, utc_text
from queen_node.operator.sending import Document
from queen_node.operator.status import intent_document, line_document
from queen_node.store import Store, settlements


def cost(desk: Desk, plan: Settlement) -> Document:
    """What a planned settlement would take now, all batches; ContractRefuses when the contract would not have it."""
    calls = [desk.call("EnergySettlement", "settle", plan.hive, plan.slot, packed) for packed in batches(plan.leaves)]
    costs = desk.chain.cost(calls)
    wei = sum(one.wei for one in costs)
    return {
        "batches": len(calls),
        "gas": sum(one.gas for one in costs),
        "cost_wei": wei,
        "cost": native_text(wei),
        "from": desk.chain.sender,
        "sent": False,
    }


def show(store: Store, hive: int, day: int) -> Document:
    """All transactions of the periods that end on a UTC day; NotFound when there is none."""
    rows, last = IntentRows(store), last_slot_of_day(day)
    first = last - SLOTS_PER_DAY + 1
    wanted = [row for row in rows.find(f"settle/{hive}/") if first <= int(row.key.split("/")[2]) <= last]
    if not wanted:
        raise NotFound(
            f"no settlement of day {day} ({utc_text(day * 86_400)[:10]}) was planned", next_step="hive period settle"
        )
    with store.begin() as tx:
        records = [json.loads(data) for data in settlements.all_settlements(tx)]
    return {
        "hive": hive,
        "day": day,
        "date": utc_text(day * 86_400)[:10],
        "transactions": [intent_document(row) for row in wanted],
        "history": [line_document(line) for row in wanted for line in rows.history(row.key)],
        "settlements": [
            {
                "slot": one["slot"],
                "batch": one["batch"],
                "hash": one["transaction"],
                "block": one["block"],
                "applied": sum(not account["reason"] for account in one["accounts"]),
                "skipped": sum(bool(account["reason"]) for account in one["accounts"]),
                "fee_micro": one["fee_micro"],
                "pool_before_micro": one["pool_before_micro"],
                "pool_after_micro": one["pool_after_micro"],
            }
            for one in records
            if first <= one["slot"] <= last
        ],
    }
