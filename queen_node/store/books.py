"""Queries on closed slots, booked lines, statements, rounds and declarations."""

import json
from collections.abc import Iterable

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.engine import Row

from honey_edge.wire.codec import decode
from honey_edge.wire.messages import DeclareMessage, SlotTotalsMessage
from honey_edge.wire.statement_message import StatementMessage
from queen_node.store.periods import carry_charges, release_charges
from queen_node.store.records import BothSigned, ClosedSlot, LineRow, RoundRow, SlotMoney, StatementRow
from queen_node.store.schema import declarations, lines, rounds, statements, totals

_HASH_BYTES = 32
_MONEY = SlotMoney.__slots__


def add_closed_slot(tx: Connection, closed: ClosedSlot) -> None:
    """Stores a closed slot."""
    money = {f"{name}_pico": str(getattr(closed.money, name)) for name in _MONEY}
    values = {"slot": closed.totals.slot, "message": closed.message, "metered_pcc": closed.metered_pcc}
    tx.execute(insert(totals).values(values | money))


def _closed(row: Row[tuple[object, ...]]) -> ClosedSlot:
    m = row._mapping
    message = decode(SlotTotalsMessage, bytes(m["message"]))
    money = SlotMoney(**{name: int(m[f"{name}_pico"]) for name in _MONEY})
    signature = bytes.fromhex(message.signature)
    return ClosedSlot(message.signed(), signature, bytes(m["message"]), m["metered_pcc"], money)


def closed_slot(tx: Connection, slot: int) -> ClosedSlot | None:
    """A closed slot."""
    row = tx.execute(select(totals).where(totals.c.slot == slot)).one_or_none()
    return None if row is None else _closed(row)


def last_closed(tx: Connection) -> ClosedSlot | None:
    """The newest closed slot."""
    row = tx.execute(select(totals).order_by(totals.c.slot.desc()).limit(1)).one_or_none()
    return None if row is None else _closed(row)


def first_closed_slot(tx: Connection) -> int | None:
    """The oldest closed slot."""
    found = tx.execute(select(func.min(totals.c.slot))).scalar_one()
    return None if found is None else int(found)


def closed_slots(tx: Connection) -> list[ClosedSlot]:
    """All closed slots, in order."""
    return [_closed(row) for row in tx.execute(select(totals).order_by(totals.c.slot))]


def closed_between(tx: Connection, first_slot: int, last_slot: int) -> list[ClosedSlot]:
    """The closed slots of first_slot .. last_slot, in order."""
    between = select(totals).where(totals.c.slot >= first_slot, totals.c.slot <= last_slot)
    return [_closed(row) for row in tx.execute(between.order_by(totals.c.slot))]


def closed_counted(tx: Connection) -> int:
    """How many slots are closed."""
    return tx.execute(select(func.count()).select_from(totals)).scalar_one()


def add_lines(tx: Connection, rows: Iterable[LineRow]) -> None:
    """Stores booked lines, in order."""
    values = []
    for row in rows:
        line: dict[str, object] = {name: getattr(row, name) for name in row.__slots__}
        line |= {"amount_pico": str(row.amount_pico), "net_pico": str(row.net_pico), "path": b"".join(row.path)}
        values.append(line)
    if values:
        tx.execute(insert(lines), values)


def _line(row: Row[tuple[object, ...]]) -> LineRow:
    values = {name: row._mapping[name] for name in LineRow.__slots__}
    path = bytes(values["path"])
    values["path"] = tuple(path[k : k + _HASH_BYTES] for k in range(0, len(path), _HASH_BYTES))
    values["amount_pico"], values["net_pico"] = int(values["amount_pico"]), int(values["net_pico"])
    return LineRow(**values)


def pending_lines(tx: Connection, worker: str, limit: int) -> list[LineRow]:
    """The oldest lines that no Statement carries yet."""
    query = select(lines).where(lines.c.worker == worker, lines.c.statement_slot.is_(None))
    return [_line(row) for row in tx.execute(query.order_by(lines.c.slot).limit(limit))]


def lines_of_statements(tx: Connection, worker: str, first_slot: int, last_slot: int) -> list[LineRow]:
    """The lines that the Statements of first_slot .. last_slot carry, in order."""
    c = lines.c
    query = select(lines).where(c.worker == worker, c.statement_slot >= first_slot, c.statement_slot <= last_slot)
    return [_line(row) for row in tx.execute(query.order_by(c.slot))]


def lines_closed_at(tx: Connection, slot: int) -> list[LineRow]:
    """The lines that the closing of a slot booked, by Worker and slot."""
    query = select(lines).where(lines.c.closed_slot == slot).order_by(lines.c.worker, lines.c.slot)
    return [_line(row) for row in tx.execute(query)]


def lines_of(tx: Connection, worker: str) -> list[LineRow]:
    """All lines of a Worker, in order."""
    return [_line(row) for row in tx.execute(select(lines).where(lines.c.worker == worker).order_by(lines.c.slot))]


def add_statement(tx: Connection, row: StatementRow, through_slot: int) -> None:
    """Stores an issued Statement; all waiting lines and charges up to `through_slot` are now carried by it."""
    tx.execute(insert(statements).values({name: getattr(row, name) for name in row.__slots__}))
    c = lines.c
    waiting = update(lines).where(c.worker == row.worker, c.statement_slot.is_(None), c.slot <= through_slot)
    tx.execute(waiting.values(statement_slot=row.slot))
    carry_charges(tx, row.worker, through_slot, row.slot)


def answer_statement(tx: Connection, worker: str, slot: int, signature: bytes, reason: int, own_net_micro: int) -> None:
    """Stores a Worker's answer; lines and charges of an objected Statement wait again for the next one."""
    c = statements.c
    found = update(statements).where(c.worker == worker, c.slot == slot)
    tx.execute(found.values(worker_signature=signature, reason=reason, own_net_micro=own_net_micro))
    if reason:
        carried = update(lines).where(lines.c.worker == worker, lines.c.statement_slot == slot)
        tx.execute(carried.values(statement_slot=None))
        release_charges(tx, worker, slot)


def _statement(row: Row[tuple[object, ...]]) -> StatementRow:
    m = row._mapping
    answer = m["worker_signature"]
    return StatementRow(
        m["worker"],
        m["slot"],
        bytes(m["digest"]),
        m["net_micro"],
        bytes(m["message"]),
        None if answer is None else bytes(answer),
        m["reason"],
        m["own_net_micro"],
    )


def newest_statement(tx: Connection, worker: str) -> StatementRow | None:
    """A Worker's newest Statement, answered or not."""
    query = select(statements).where(statements.c.worker == worker).order_by(statements.c.slot.desc()).limit(1)
    row = tx.execute(query).one_or_none()
    return None if row is None else _statement(row)


def statement_by_digest(tx: Connection, worker: str, hashed: bytes) -> StatementRow | None:
    """The Statement with this EIP-712 digest."""
    query = select(statements).where(statements.c.worker == worker, statements.c.digest == hashed)
    row = tx.execute(query).one_or_none()
    return None if row is None else _statement(row)


def statements_of(tx: Connection, worker: str) -> list[StatementRow]:
    """All Statements of a Worker, in order."""
    query = select(statements).where(statements.c.worker == worker).order_by(statements.c.slot)
    return [_statement(row) for row in tx.execute(query)]


def both_signed_counted(tx: Connection) -> dict[str, int]:
    """How many Statements of each Worker carry both signatures."""
    query = select(statements.c.worker, func.count()).where(statements.c.reason == 0).group_by(statements.c.worker)
    return {row[0]: row[1] for row in tx.execute(query)}


def unanswered_counted(tx: Connection) -> int:
    """How many Statements are outstanding."""
    query = select(func.count()).select_from(statements).where(statements.c.reason.is_(None))
    return tx.execute(query).scalar_one()


def both_signed(tx: Connection, worker: str, up_to_slot: int) -> BothSigned | None:
    """The newest Statement under both signatures with a slot of at most `up_to_slot`."""
    c = statements.c
    query = select(statements).where(c.worker == worker, c.reason == 0, c.slot <= up_to_slot)
    row = tx.execute(query.order_by(c.slot.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    message = decode(StatementMessage, bytes(row.message))
    return BothSigned(message.signed(), bytes.fromhex(message.signature), bytes(row.worker_signature))


def next_round_number(tx: Connection) -> int:
    """One more than the newest round."""
    return int(tx.execute(select(func.coalesce(func.max(rounds.c.number), 0))).scalar_one()) + 1


def put_round(tx: Connection, row: RoundRow) -> None:
    """Stores a round as it stands."""
    values: dict[str, object] = {name: getattr(row, name) for name in row.__slots__ if name != "number"}
    values["prices_e7"] = json.dumps(row.prices_e7)
    if not tx.execute(update(rounds).where(rounds.c.number == row.number).values(values)).rowcount:
        tx.execute(insert(rounds).values(number=row.number, **values))


def _round(row: Row[tuple[object, ...]]) -> RoundRow:
    values = {name: row._mapping[name] for name in RoundRow.__slots__}
    return RoundRow(**values | {"prices_e7": tuple(json.loads(values["prices_e7"]))})


def last_round(tx: Connection, first_slot: int | None = None) -> RoundRow | None:
    """The newest round that has prices, of all or of those whose horizon begins at `first_slot`."""
    query = select(rounds).where(rounds.c.broadcasts > 0).order_by(rounds.c.number.desc()).limit(1)
    if first_slot is not None:
        query = query.where(rounds.c.first_slot == first_slot)
    row = tx.execute(query).one_or_none()
    return None if row is None else _round(row)


def last_certified(tx: Connection) -> RoundRow | None:
    """The newest round with a certificate."""
    query = select(rounds).where(rounds.c.upper_e9_coin.is_not(None)).order_by(rounds.c.number.desc()).limit(1)
    row = tx.execute(query).one_or_none()
    return None if row is None else _round(row)


def all_rounds(tx: Connection) -> list[RoundRow]:
    """All rounds that broadcast a price, in order."""
    query = select(rounds).where(rounds.c.broadcasts > 0).order_by(rounds.c.number)
    return [_round(row) for row in tx.execute(query)]


def broadcasts_counted(tx: Connection) -> int:
    """How many prices were broadcast in all rounds."""
    return int(tx.execute(select(func.coalesce(func.sum(rounds.c.broadcasts), 0))).scalar_one())


def add_declaration(tx: Connection, message: DeclareMessage, power_w: int | None) -> None:
    """Stores what a Worker promised at the end of a round; the first one stays.

    `power_w` is what it declared for the round's first slot, None where that is hidden or does not count.
    """
    c = declarations.c
    known = select(c.round).where(c.worker == message.worker, c.round == message.round)
    if tx.execute(known).one_or_none() is None:
        tx.execute(
            insert(declarations).values(
                worker=message.worker,
                round=message.round,
                first_slot=message.first_slot,
                profile=bytes.fromhex(message.profile),
                signature=bytes.fromhex(message.signature),
                power_w=power_w,
            )
        )
