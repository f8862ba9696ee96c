"""Queries on reputations (market-design section 9) and on the Declarations that they are observed against."""

from dataclasses import asdict, dataclass, fields

from sqlalchemy import Connection, insert, select, update

from honey_edge.market.fairplay.reputation import Reputation
from queen_node.store.schema import declarations, reputations

_STATE = tuple(one.name for one in fields(Reputation))


@dataclass(frozen=True, slots=True)
class Observed:
    """A Worker's reputation and the last slot that was observed for it."""

    state: Reputation
    slot: int


def all_reputations(tx: Connection) -> dict[str, Observed]:
    """Every Worker's reputation; Workers of whom nothing was observed are not in it."""
    rows = tx.execute(select(reputations)).mappings()
    return {row["worker"]: Observed(Reputation(**{name: row[name] for name in _STATE}), row["slot"]) for row in rows}


def put_reputation(tx: Connection, worker: str, observed: Observed) -> None:
    """Stores a Worker's reputation in place of the one before."""
    values = asdict(observed.state) | {"slot": observed.slot}
    if not tx.execute(update(reputations).where(reputations.c.worker == worker).values(values)).rowcount:
        tx.execute(insert(reputations).values(worker=worker, **values))


def declared_w(tx: Connection, slot: int) -> dict[str, int]:
    """The power (W) that each Worker declared last for a slot; none where that is hidden or came too late to count."""
    c = declarations.c
    query = select(c.worker, c.power_w).where(c.first_slot == slot).order_by(c.round)
    last = {row.worker: row.power_w for row in tx.execute(query)}
    return {worker: power_w for worker, power_w in last.items() if power_w is not None}
