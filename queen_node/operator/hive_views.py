"""What `hive show` tells: a Hive as Beekeeper and EnergySettlement have it, its meters, and all Hives."""

from queen_node.operator.desk import Desk, hex_of, plain
from queen_node.operator.hives import ACCOUNT_STATES, BEEKEEPER, SETTLEMENT, next_hive, record
from queen_node.operator.inputs import utc_text
from queen_node.operator.sending import Document


def meters_of(desk: Desk, hive: int) -> list[str]:
    """The meters of a Hive now, by address, from the Beekeeper's events and each meter's own record."""
    touched: set[str] = set()
    for event in desk.events(BEEKEEPER):
        told = event.arguments
        if event.name == "MeterJoined" and int(told["hive"]) == hive:
            touched.add(hex_of(told["meter"]))
        if event.name == "MetersMoved" and int(told["to"]) == hive:
            touched |= {hex_of(meter) for meter in told["meters"]}
    return sorted(meter for meter in touched if int(desk.read(BEEKEEPER, "meter", meter)["hive"]) == hive)


def show(desk: Desk, hive: int) -> Document:
    """A Hive: record, terms, stake, pool, and its meters with their accounts."""
    found = record(desk, hive)
    info = plain(desk.read(SETTLEMENT, "hiveInfo", hive))
    pool = desk.read(SETTLEMENT, "poolOf", hive)
    coin = desk.read(BEEKEEPER, "coin", found["coin"])
    meters: list[Document] = []
    for meter in meters_of(desk, hive):
        account = desk.read(SETTLEMENT, "account", hive, meter)
        meters.append(
            {
                "meter": meter,
                "stake_wei": int(desk.read(BEEKEEPER, "meter", meter)["stake"]),
                "account": ACCOUNT_STATES[int(account["state"])],
                "funding_micro": int(account["funding"]),
                "net_micro": int(account["net"]),
                "settled_slot": int(account["slot"]),
            }
        )
    return {
        "hive": hive,
        "state": found["state"],
        "owner": found["owner"],
        "coin": found["coin"],
        "coin_code": str(coin["code"]),
        "queen": info["queen"],
        "window_s": int(info["window"]),
        "short": bool(info["short"]),
        "terms": info["terms"],
        "max_price_micro": int(info["maxPrice"]),
        "max_power_w": int(info["maxPowerW"]),
        "min_penalty_micro": int(info["minPenalty"]),
        "changes_to": int(found["changeTo"]) or None,
        "changes_from": int(found["changeFrom"]) or None,
        "mother": int(found["mother"]) or None,
        "started_at": utc_text(int(found["startedAt"])),
        "ended_at": utc_text(int(found["endedAt"])) if int(found["endedAt"]) else None,
        "stake_wei": int(found["stake"]),
        "staked_wei": int(found["stake"]) + sum(one["stake_wei"] for one in meters),
        "pool_micro": int(pool["pool"]),
        "pending_micro": int(pool["pending"]),
        "meters": meters,
    }


def show_all(desk: Desk) -> list[Document]:
    """All Hives ever made."""
    found = []
    for hive in range(1, next_hive(desk)):
        one = record(desk, hive)
        found.append(
            {"hive": hive, "state": one["state"], "owner": one["owner"], "coin": one["coin"], "meters": one["meters"]}
        )
    return found
