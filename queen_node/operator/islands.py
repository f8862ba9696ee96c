"""`hive island`: the connection to the grid is away, or back (market-design section 11).

The daemon reads what is noted at the start of every round and at every closing; nothing needs a restart.
"""

from sqlalchemy import Connection

from queen_node.operator.errors import NotAllowed
from queen_node.operator.inputs import coin_text, utc_text
from queen_node.operator.limits import now_unix_s
from queen_node.operator.sending import Document
from queen_node.settings import Loaded
from queen_node.store import islands
from queen_node.store.islands import IslandRow

OPERATOR = "operator"
_KEPT_SHOWN = 10


def begin(tx: Connection, loaded: Loaded) -> Document:
    """Notes an island from now on; NotAllowed where there is one already."""
    if not islands.begin_island(tx, now_unix_s(tx, loaded), OPERATOR):
        raise NotAllowed("the Hive is an island already", next_step="hive island show")
    return show(tx, loaded)


def end(tx: Connection, loaded: Loaded) -> Document:
    """Notes that the connection is back; NotAllowed without an island, or where the contact says that there is one."""
    row = islands.island_now(tx)
    if row is None:
        raise NotAllowed("the Hive is no island", next_step="hive island show")
    if row.source != OPERATOR:
        raise NotAllowed(
            f"the {row.source} of [island] says that the connection is away",
            next_step="correct the contact, or set contact = 'none' and restart the Queen first",
        )
    islands.end_island(tx, now_unix_s(tx, loaded))
    return show(tx, loaded)


def show(tx: Connection, loaded: Loaded) -> Document:
    """Whether the Hive is an island, what settles such a slot, and the newest islands ever noted."""
    row, island = islands.island_now(tx), loaded.tariff.island
    return {
        "island": row is not None,
        "since": None if row is None else utc_text(row.since_unix_s),
        "source": None if row is None else row.source,
        "contact": loaded.settings.island.contact,
        "buy_per_kwh": None if island is None else coin_text(island[0]),
        "sell_per_kwh": None if island is None else coin_text(island[1]),
        "ceiling_per_kwh": coin_text(loaded.terms.island_ceiling),
        "history": [_document(one) for one in islands.all_islands(tx, _KEPT_SHOWN)],
    }


def _document(row: IslandRow) -> Document:
    return {
        "since": utc_text(row.since_unix_s),
        "until": None if row.until_unix_s is None else utc_text(row.until_unix_s),
        "source": row.source,
    }
