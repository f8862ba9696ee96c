"""`hive standing`: how the Workers stand under test C, what was found, and the operator's pardon (docs/fair-play.md).

The daemon tells a Worker of a pardon when the next slot closes; a day has one factor, so it counts from the next UTC
day on.
"""

import json

from sqlalchemy import Connection

from honey_edge.market.fairplay.bias import GOOD, THRESHOLD
from honey_edge.market.fairplay.conduct import Watched, restored
from honey_edge.model.slots import day_of, last_slot_of_day, slot_at, slot_end_unix_s
from honey_edge.wire.fairplay_messages import BY_OPERATOR
from queen_node.operator.errors import InputError, NotAllowed, NotFound
from queen_node.operator.inputs import utc_text
from queen_node.operator.limits import now_unix_s
from queen_node.operator.sending import Document
from queen_node.settings import Loaded
from queen_node.store import accounts, audits, fairplay, reputations
from queen_node.store.fairplay import STANDING, FindingRow

_LONGEST_REASON = 200
_VERDICTS = (audits.PASSED, audits.FAILED, audits.UNDISCLOSED)
_WHY_ASKED = ("drawn", "inconsistent", "appeal")
_WHY_STANDING = ("two alarms", "a quiet week", "audit passed", "operator")


def show_all(tx: Connection) -> Document:
    """Every Worker's standing, with how many audits it passed and failed."""
    known, factors = fairplay.all_watched(tx), reputations.all_reputations(tx)
    counted = audits.audits_counted(tx)
    rows = []
    for row in accounts.all_workers(tx):
        watched = known.get(row.worker, Watched())
        rows.append(
            {
                "worker": row.worker,
                "serial": row.serial,
                "standing": watched.conduct.standing,
                "reputation": factors[row.worker].state.rho if row.worker in factors else 1000,
                "alarm_days": [run.to_day for run in watched.runs],
                **{verdict.replace(" ", "_"): counted.get((row.worker, verdict), 0) for verdict in _VERDICTS},
            }
        )
    return {"workers": rows}


def show(tx: Connection, worker: str) -> Document:
    """One Worker's standing with the running test, its findings, audits and appeals. NotFound."""
    _known(tx, worker)
    watched = fairplay.watched_of(tx, worker) or Watched()
    sums = {"above": watched.bias.above, "below": watched.bias.below}
    return {
        "worker": worker,
        "standing": watched.conduct.standing,
        "since": _day_text(watched.conduct.since_day),
        "alarms": [f"{_day_text(run.from_day)} to {_day_text(run.to_day)}" for run in watched.runs],
        **{f"{side}_percent_of_alarm": 100 * total // THRESHOLD for side, total in sums.items()},
        "findings": [_finding(row) for row in fairplay.findings_of(tx, worker)],
        "audits": [
            {
                "round": row.answer.round,
                "why": _WHY_ASKED[row.why],
                "asked": utc_text(row.asked_unix_s),
                "verdict": row.verdict,
                "worst_w": row.worst_w,
                "assets": row.assets.hex()[:8],
                "detail": row.detail,
            }
            for row in audits.audits_of(tx, worker)
        ],
        "appeals": [
            {"finding": row.serial, "at": utc_text(row.at_unix_s), "outcome": row.outcome}
            for row in audits.appeals_of(tx, worker)
        ],
    }


def restore(tx: Connection, loaded: Loaded, worker: str, reason: str) -> Document:
    """Gives a Worker its good standing back. NotAllowed where it has it, InputError without a reason."""
    reason = reason.strip()
    if not reason or len(reason) > _LONGEST_REASON:
        raise InputError(f"--reason: 1 to {_LONGEST_REASON} characters; it is kept with the finding")
    _known(tx, worker)
    watched = fairplay.watched_of(tx, worker)
    if watched is None or watched.conduct.standing == GOOD:
        raise NotAllowed(f"the standing of {worker} is good", next_step="hive standing show")
    day = day_of(slot_at(now_unix_s(tx, loaded)))
    cleared = restored(watched, day)
    fairplay.put_watched(tx, worker, cleared)
    detail = json.dumps({"standing": GOOD, "runs": [], "reason": reason})
    fairplay.add_finding(tx, FindingRow(worker, cleared.conduct.since_day, STANDING, BY_OPERATOR, detail))
    return show(tx, worker)


def _known(tx: Connection, worker: str) -> None:
    if accounts.worker_named(tx, worker) is None:
        raise NotFound(f"no Worker {worker[:48]}", next_step="hive worker list")


def _finding(row: FindingRow) -> Document:
    detail, why = row.detail, ""
    if row.kind == STANDING:
        told = json.loads(row.detail)
        why, detail = _WHY_STANDING[row.why], " ".join(filter(None, (told["standing"], told.get("reason", ""))))
    return {"number": row.number, "day": _day_text(row.day), "kind": row.kind, "why": why, "detail": detail}


def _day_text(day: int) -> str:
    """A UTC day as a date; empty for none."""
    return utc_text(slot_end_unix_s(last_slot_of_day(day - 1)))[:10] if day >= 0 else ""
