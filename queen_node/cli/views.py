"""What the reading commands tell: plain documents from the store, without a screen."""

from statistics import median
from typing import Any

from sqlalchemy import Connection

from honey_edge.model.slots import SLOTS_PER_DAY
from honey_edge.wire.structs import SlotTotals
from queen_node.cli.output import NotFound, slot_end_utc
from queen_node.settings import Loaded
from queen_node.store import accounts, books, periods, readings
from queen_node.store.periods import ChargeRow
from queen_node.store.records import LineRow, RoundRow, WorkerRow

Document = dict[str, Any]
_CHARGES_SHOWN = 12
KINDS = ("pooled", "alone", "arrears", "peak", "share of the reserve")


def status(tx: Connection, loaded: Loaded) -> Document:
    """The Hive at a glance; money in pico- or micro-coins as named, times in UTC."""
    hive = loaded.settings.hive
    rows = accounts.all_workers(tx)
    last, last_round, cover = books.last_closed(tx), books.last_round(tx), accounts.read_cover(tx)
    return {
        "hive": hive.hive,
        "chain_id": hive.chain_id,
        "contract": hive.contract,
        "queen": hive.queen_address,
        "workers": len(rows),
        "open": sum(row.is_open for row in rows),
        "frozen": [row.worker for row in rows if row.frozen],
        "slots_closed": books.closed_counted(tx),
        "last_slot": last.totals.slot if last else None,
        "last_slot_end": slot_end_utc(last.totals.slot) if last else None,
        "missing": last.totals.missing if last else 0,
        "reserve_pico": last.totals.reserve if last else 0,
        "readings": sum(readings.readings_counted(tx).values()),
        "refused": sum(readings.rejected_counted(tx).values()),
        "unanswered": books.unanswered_counted(tx),
        "broadcasts": books.broadcasts_counted(tx),
        "last_round": None if last_round is None else last_round.ended,
        **(_round(last_round) if last_round else {}),
        **_rounds(books.all_rounds(tx)),
        "pool_micro": cover.pool_micro,
        "pending_micro": cover.pending_micro,
        "block": cover.block,
    }


def _rounds(rows: list[RoundRow]) -> Document:
    """All rounds at a glance: how they ended and what their certificates say (gaps in millionths of the gain)."""
    moving = [row for row in rows if row.flexible]
    gaps = sorted(row.gap_ppm for row in moving if row.gap_ppm is not None)
    return {
        "rounds": len(rows),
        "rounds_converged": sum(row.ended == "converged" for row in moving),
        "rounds_iterations_median": round(median([row.iterations for row in moving])) if moving else 0,
        "rounds_certified": len(gaps),
        "rounds_gap_ppm_median": round(median(gaps)) if gaps else None,
        "rounds_gap_ppm_worst": gaps[-1] if gaps else None,
    }


def _round(row: RoundRow) -> Document:
    """How a coordination ended, and its certificate; money in 10^-9 coin over the horizon of a day."""
    return {
        "round": row.number,
        "round_first_slot": row.first_slot,
        "round_iterations": row.iterations,
        "round_homes": row.homes,
        "round_upper_e9_coin": row.upper_e9_coin,
        "round_lower_e9_coin": row.lower_e9_coin,
        "round_gap_ppm": row.gap_ppm,
    }


def worker_list(tx: Connection) -> list[Document]:
    """All Workers, by address."""
    counted, signed = readings.readings_counted(tx), books.both_signed_counted(tx)
    positions, newest = accounts.all_positions(tx), readings.newest_readings(tx)
    found = []
    for row in accounts.all_workers(tx):
        position = positions[row.worker].position if row.worker in positions else None
        found.append(
            {
                "worker": row.worker,
                "serial": row.serial,
                "state": _state(row),
                "last_slot": newest[row.worker].reading.slot if row.worker in newest else None,
                "readings": counted.get(row.worker, 0),
                "both_signed": signed.get(row.worker, 0),
                "net_pico": position.net_pico if position else 0,
                "funding_micro": row.funding_micro,
            }
        )
    return found


def _state(row: WorkerRow) -> str:
    return "frozen" if row.frozen else "open" if row.is_open else "closed"


def worker_show(tx: Connection, name: str) -> Document:
    """One Worker by address or serial, with its newest lines and refused messages; NotFound otherwise."""
    row = accounts.worker_named(tx, name)
    if row is None:
        raise NotFound(f"no Worker {name} in this Hive", next_step="hive worker list")
    (document,) = [one for one in worker_list(tx) if one["worker"] == row.worker]
    newest = books.newest_statement(tx, row.worker)
    return document | {
        "opening_slot": row.opening_slot,
        "settled_slot": row.chain_slot,
        "settled_net_micro": row.chain_net_micro,
        "statement": None
        if newest is None
        else {"slot": newest.slot, "net_micro": newest.net_micro, "answer": _answer(newest.reason)},
        "lines": [_line(line) for line in books.lines_of(tx, row.worker)[-SLOTS_PER_DAY:]],
        "charges": [_charge(one) for one in periods.charges_of(tx, row.worker)[-_CHARGES_SHOWN:]],
        "refused": [
            {"at_unix_s": one.at_unix_s, "kind": one.kind, "reason": one.reason, "detail": one.detail}
            for one in readings.rejected_of(tx, row.worker)
        ],
    }


def _answer(reason: int | None) -> str:
    return "outstanding" if reason is None else f"objected ({reason})" if reason else "countersigned"


def _line(line: LineRow) -> Document:
    return {
        "slot": line.slot,
        "end": slot_end_utc(line.slot),
        "kind": KINDS[line.kind],
        "energy_milliwh": line.energy_milliwh,
        "amount_pico": line.amount_pico,
        "net_pico": line.net_pico,
    }


def _charge(row: ChargeRow) -> Document:
    """A peak charge or a share of the reserve, which is money for the home and so below 0."""
    return {
        "period_end": slot_end_utc(row.slot),
        "kind": KINDS[row.kind],
        "quantity_milliwh": row.quantity_milliwh,
        "amount_pico": row.amount_pico,
        "net_pico": row.net_pico,
    }


def slot_show(tx: Connection, slot: int | None) -> Document:
    """A closed slot (the newest without a number): totals, money, and who paid what; NotFound otherwise."""
    closed = books.last_closed(tx) if slot is None else books.closed_slot(tx, slot)
    if closed is None:
        raise NotFound(f"slot {'' if slot is None else slot} is not closed".replace("  ", " "), next_step="hive status")
    totals, money = closed.totals, closed.money
    agreed = books.last_round(tx, totals.slot)
    names = [name for name in SlotTotals.__slots__ if name not in ("readings", "terms")]
    return {
        **{name: getattr(totals, name) for name in names},
        "end": slot_end_utc(totals.slot),
        "metered_pcc": closed.metered_pcc,
        **{f"{name}_pico": getattr(money, name) for name in type(money).__slots__},
        **({"round_ended": agreed.ended, **_round(agreed)} if agreed else {}),
        "lines": [{"worker": line.worker, **_line(line)} for line in books.lines_closed_at(tx, totals.slot)],
    }
