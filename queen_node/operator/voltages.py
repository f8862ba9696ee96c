"""`hive voltage`: what the homes told about their feeder, and what is estimated from it (market-design section 11)."""

from sqlalchemy import Connection

from honey_edge.market.grid.feeder import FeederEstimate, read_estimate
from honey_edge.market.grid.sensitivities import FIRST_DAYS
from honey_edge.model.slots import SLOTS_PER_DAY
from queen_node.operator.inputs import utc_text
from queen_node.operator.sending import Document
from queen_node.settings import Loaded
from queen_node.store import voltages

_DIGITS = 7


def show(tx: Connection, loaded: Loaded) -> Document:
    """Settings, days of data by meter, the estimate in force with its intervals, and why the newest attempt failed."""
    section = loaded.settings.voltage
    row, attempt = voltages.newest_estimate(tx), voltages.newest_attempt(tx)
    found = None if row is None else read_estimate(row.document)
    days = {worker: round(count / SLOTS_PER_DAY, 1) for worker, count in sorted(voltages.counted(tx).items())}
    return {
        "collect": section.collect,
        "on": section.on,
        "source_worker": section.source_worker or None,
        "days_needed": FIRST_DAYS,
        "days": days,
        "last_attempt": None if attempt is None else utc_text(attempt.at_unix_s),
        "refused": attempt.refused if attempt is not None and attempt.refused else None,
        "estimated": None if row is None else utc_text(row.at_unix_s),
        **(_figures(found, section.low_permille / 1000, section.high_permille / 1000) if found else {}),
        "nodes": [] if found is None else _nodes(found),
    }


def _figures(found: FeederEstimate, low_pu: float, high_pu: float) -> Document:
    """How good the estimate is, and the band that rounds keep; per unit of the nominal voltage."""
    return {
        "days_used": round(found.days, 1),
        "error_mean_pu": round(found.error_mean_pu, _DIGITS),
        "error_p99_pu": round(found.error_p99_pu, _DIGITS),
        "offset_pu": round(found.offset_pu, _DIGITS),
        "phase_pu": round(found.phase_pu, _DIGITS),
        "source_pu": round(found.source_pu, _DIGITS),
        "margin_pu": round(found.margin_pu, _DIGITS),
        "kept_low_pu": round(low_pu + found.margin_pu, _DIGITS),
        "kept_high_pu": round(high_pu - found.margin_pu, _DIGITS),
    }


def _nodes(found: FeederEstimate) -> list[Document]:
    """Each meter's own sensitivity: by how much 1 kW there moves the squared voltage there, with its interval."""
    parts = found.k_v2_per_kw, found.low_v2_per_kw, found.high_v2_per_kw
    names = "v2_per_kw", "low", "high"
    return [
        {"worker": worker, **{name: round(part[k][k], _DIGITS) for name, part in zip(names, parts, strict=True)}}
        for k, worker in enumerate(found.workers)
    ]
