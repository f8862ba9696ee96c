"""Queries on audits by replay: answers kept for them, what was asked and found, appeals (market-design section 10)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from queen_node.store.fairplay_schema import appeals, audits, kept_answers

ASKED, PASSED, FAILED, UNDISCLOSED = "asked", "passed", "failed", "not disclosed"
KEPT_ROUNDS = 8
"""Rounds of which an answer of each Worker is kept, from its newest one back."""

_PROFILES = ("prices_e7", "power_w", "state_mw")
_ANSWER = ("worker", "round", "iteration", "first_slot", "sigma", *_PROFILES)


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """One answer (W) with the prices it was given to, and the private w (milliwatts) as the Queen followed it."""

    worker: str
    round: int
    iteration: int
    first_slot: int
    sigma: int
    prices_e7: tuple[int, ...]
    power_w: tuple[int, ...]
    state_mw: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An audit of one answer; `worst_w` is how far it was from the replay, `assets` a hash of what was disclosed."""

    answer: KeptAnswer
    why: int
    asked_unix_s: int
    verdict: str = ASKED
    worst_w: int = 0
    detail: str = ""
    assets: bytes = b""
    number: int = 0


@dataclass(frozen=True, slots=True)
class AppealRow:
    """A Worker's appeal against the finding `serial`."""

    worker: str
    serial: int
    at_unix_s: int
    pending: bool
    outcome: str


def keep_answers(tx: Connection, rows: Iterable[KeptAnswer]) -> None:
    """Stores a round's answers, one for each Worker, and forgets the oldest of the same Workers."""
    for row in rows:
        c = kept_answers.c
        tx.execute(delete(kept_answers).where(c.worker == row.worker, c.round == row.round))
        tx.execute(insert(kept_answers).values(_values(row)))
        old = select(c.round).where(c.worker == row.worker).order_by(c.round.desc()).offset(KEPT_ROUNDS).limit(1)
        tx.execute(delete(kept_answers).where(c.worker == row.worker, c.round <= old.scalar_subquery()))


def newest_answers(tx: Connection, worker: str, count: int) -> list[KeptAnswer]:
    """A Worker's newest answers that are kept, newest first."""
    c = kept_answers.c
    query = select(kept_answers).where(c.worker == worker).order_by(c.round.desc()).limit(count)
    return [_answer(dict(row)) for row in tx.execute(query).mappings()]


def add_audit(tx: Connection, row: AuditRow) -> None:
    """Stores an audit that was asked for."""
    own = {name: getattr(row, name) for name in ("why", "asked_unix_s", "verdict", "worst_w", "detail", "assets")}
    tx.execute(insert(audits).values(_values(row.answer) | own))


def asked_since(tx: Connection, worker: str, since_unix_s: int) -> int:
    """How many audits of a Worker were asked for since then, appeals aside."""
    c = audits.c
    query = select(func.count()).select_from(audits)
    return int(tx.execute(query.where(c.worker == worker, c.asked_unix_s > since_unix_s, c.why < 2)).scalar_one())


def open_audit(tx: Connection, worker: str, number: int, iteration: int) -> AuditRow | None:
    """The audit of an answer that waits for its disclosure."""
    c = audits.c
    query = select(audits).where(c.worker == worker, c.round == number, c.iteration == iteration, c.verdict == ASKED)
    row = tx.execute(query.order_by(c.id.desc()).limit(1)).mappings().one_or_none()
    return None if row is None else _audit(dict(row))


def open_audits(tx: Connection, asked_before_unix_s: int | None = None) -> list[AuditRow]:
    """Audits that wait for their disclosure, those asked for before an instant, or all."""
    query = select(audits).where(audits.c.verdict == ASKED).order_by(audits.c.id)
    if asked_before_unix_s is not None:
        query = query.where(audits.c.asked_unix_s < asked_before_unix_s)
    return [_audit(dict(row)) for row in tx.execute(query).mappings()]


def decide_audit(tx: Connection, number: int, verdict: str, worst_w: int, detail: str, assets: bytes = b"") -> None:
    """Stores a verdict; the first one stays."""
    c = audits.c
    found = update(audits).where(c.id == number, c.verdict == ASKED)
    tx.execute(found.values(verdict=verdict, worst_w=worst_w, detail=detail, assets=assets))


def audits_of(tx: Connection, worker: str, limit: int = 20) -> list[AuditRow]:
    """A Worker's newest audits, newest first."""
    query = select(audits).where(audits.c.worker == worker).order_by(audits.c.id.desc()).limit(limit)
    return [_audit(dict(row)) for row in tx.execute(query).mappings()]


def audits_counted(tx: Connection) -> dict[tuple[str, str], int]:
    """How many audits there were, by Worker and verdict."""
    query = select(audits.c.worker, audits.c.verdict, func.count()).group_by(audits.c.worker, audits.c.verdict)
    return {(row[0], row[1]): row[2] for row in tx.execute(query)}


def put_appeal(tx: Connection, row: AppealRow) -> None:
    """Stores an appeal in place of the one against the same finding."""
    values = {name: getattr(row, name) for name in row.__slots__}
    c = appeals.c
    tx.execute(delete(appeals).where(c.worker == row.worker, c.serial == row.serial))
    tx.execute(insert(appeals).values(values))


def appeals_of(tx: Connection, worker: str) -> list[AppealRow]:
    """A Worker's appeals, newest first."""
    query = select(appeals).where(appeals.c.worker == worker).order_by(appeals.c.serial.desc())
    return [AppealRow(**row) for row in tx.execute(query).mappings()]


def pending_appeals(tx: Connection) -> list[AppealRow]:
    """Appeals that are not decided."""
    query = select(appeals).where(appeals.c.pending).order_by(appeals.c.worker)
    return [AppealRow(**row) for row in tx.execute(query).mappings()]


def _values(row: KeptAnswer) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(row, name) for name in _ANSWER}
    return values | {name: json.dumps(getattr(row, name), separators=(",", ":")) for name in _PROFILES}


def _answer(values: dict[str, object]) -> KeptAnswer:
    own = {name: values[name] for name in _ANSWER}
    return KeptAnswer(**own | {name: tuple(json.loads(str(own[name]))) for name in _PROFILES})  # type: ignore[arg-type]


def _audit(values: dict[str, object]) -> AuditRow:
    rest = {name: values[name] for name in ("why", "asked_unix_s", "verdict", "worst_w", "detail")}
    assets = bytes(values["assets"])  # type: ignore[call-overload]
    return AuditRow(_answer(values), number=int(str(values["id"])), assets=assets, **rest)  # type: ignore[arg-type]
