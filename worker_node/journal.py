"""The Worker's only durable state: readings, receipts, statements and their answers, plans, history (SQLite).

Every public method that writes is one transaction, on disk when it returns (WAL, synchronous=FULL). All methods are
synchronous; `JournalThread` gives them a thread of their own. Writing the same thing twice changes nothing.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, TypeVar

from honey_edge.billing.account import Position
from honey_edge.billing.tally import Tally
from honey_edge.market.fairplay.conduct import Watched
from honey_edge.market.fairplay.reputation import Reputation
from honey_edge.wire.recompute import Ledger
from honey_edge.wire.structs import ZERO_HASH, Reading
from honey_edge.wire.typed_data import struct_hash
from worker_node.both_signed import BothSigned
from worker_node.exchange_records import ExchangeRecords
from worker_node.fairplay_records import FairPlayRecords
from worker_node.flex_records import FlexRecords
from worker_node.journal_schema import JournalError, prepare

T = TypeVar("T")

KEPT_PLANS_SLOTS = 96
HISTORY_SLOTS = 28 * 96
_ASSET_PROFILES = ("heat_w", "car_w", "shed_w", "curtail_w", "repairs")


@dataclass(frozen=True, slots=True)
class SignedReading:
    """A Reading with its signature and struct hash."""

    reading: Reading
    signature: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """A Statement that was answered: reason 0 is a countersignature, 1 to 7 an objection; messages as sent."""

    slot: int
    digest: bytes
    reason: int
    message: bytes
    answer: bytes
    detail: str
    at_unix_s: int


@dataclass(frozen=True, slots=True)
class Booked:
    """One line of the account as recomputed here; amounts in pico-coins."""

    slot: int
    kind: int
    energy_milliwh: int
    amount_pico: int
    standalone_pico: int
    local_milliwh: int
    price_micro: int
    statement_slot: int


@dataclass(frozen=True, slots=True)
class BookedCharge:
    """A peak charge (kind 3) or share of the reserve (kind 4) of the period up to `slot`; amounts in pico-coins.

    `quantity_milliwh` is the highest import or the energy moved; `standalone_pico` what it costs without the Hive.
    """

    kind: int
    slot: int
    quantity_milliwh: int
    amount_pico: int
    standalone_pico: int
    statement_slot: int


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A schedule from `first_slot` on, W per slot; `salt` opens its Declaration (empty: none was sent).

    Assets that the home does not own have empty profiles; `repairs` names what had to be relaxed.
    """

    first_slot: int
    source: str
    round: int
    net_w: tuple[int, ...]
    battery_w: tuple[int, ...]
    base_w: tuple[int, ...]
    price_e7: tuple[int, ...]
    salt: bytes = b""
    heat_w: tuple[int, ...] = ()
    car_w: tuple[int, ...] = ()
    shed_w: tuple[int, ...] = ()
    curtail_w: tuple[int, ...] = ()
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HomeRecord:
    """Whose journal it is and where its signatures count; `terms` and `tariff` are the bytes of the two files."""

    hive: int
    worker: bytes
    chain_id: int
    contract: bytes
    queen: bytes
    terms: bytes
    tariff: bytes


@dataclass(frozen=True, slots=True)
class SlotState:
    """The battery at the start of a slot: energy stored, and charged less discharged since ever (mWh)."""

    slot: int
    stored_milliwh: int
    moved_milliwh: int


class Journal:
    """One open journal; to be used by one thread."""

    def __init__(self, file: Path, address: bytes) -> None:
        self._address = address
        try:
            self._db = sqlite3.connect(file)
            prepare(self._db, str(file))
        except sqlite3.Error as error:
            raise JournalError(f"{file}: {error}", next_step="check the folder, its owner, the space left") from error
        self.flex = FlexRecords(self._db)
        self.exchanges = ExchangeRecords(self._db)
        self.fair_play = FairPlayRecords(self._db)
        last = self.last_reading()
        if last is not None and struct_hash(last.reading) != last.hash:
            raise JournalError(
                f"{file} belongs to another device than {address.hex()}", next_step="use the key it was begun with"
            )

    def close(self) -> None:
        """Closes the file; everything written is on disk already."""
        self._db.close()

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        with closing(self._db.execute(sql, values)) as cursor:
            return cursor.fetchall()

    # -- readings and receipts

    def add_reading(
        self, signed: SignedReading, state: SlotState | None = None, base_milliwh: int | None = None
    ) -> None:
        """Adds a reading, the battery at that instant and the slot's load less sun; JournalError for a second,
        different reading of its slot or one that does not follow the last.
        """
        known = self.reading(signed.reading.slot)
        if known is not None:
            if known.hash != signed.hash:
                raise JournalError(f"slot {signed.reading.slot} has another reading already")
            return
        if signed.reading.previous != self.tip_hash():
            raise JournalError(f"the reading of slot {signed.reading.slot} does not follow the last one")
        with self._db:
            self._insert_reading(signed)
            if state is not None:
                self._insert_state(state)
            if base_milliwh is not None:
                self._insert_history([(signed.reading.slot, base_milliwh)], signed=True)
                self._db.execute("DELETE FROM history WHERE slot <= ?", (signed.reading.slot - HISTORY_SLOTS,))

    def _insert_reading(self, signed: SignedReading) -> None:
        one = signed.reading
        self._db.execute(
            "INSERT INTO readings VALUES (?,?,?,?,?,?,?,?)",
            (
                one.slot,
                one.imported,
                one.exported,
                one.flags,
                one.configuration,
                one.previous,
                signed.signature,
                signed.hash,
            ),
        )

    def _insert_state(self, state: SlotState) -> None:
        row = (state.slot, state.stored_milliwh, state.moved_milliwh)
        self._db.execute("INSERT OR REPLACE INTO slot_states VALUES (?,?,?)", row)
        self._db.execute("DELETE FROM slot_states WHERE slot < ?", (state.slot - KEPT_PLANS_SLOTS,))

    def tip_hash(self) -> bytes:
        """The hash that the next reading must carry as `previous`."""
        rows = self._rows("SELECT hash FROM readings ORDER BY slot DESC LIMIT 1")
        return bytes(rows[0][0]) if rows else ZERO_HASH

    def reading(self, slot: int) -> SignedReading | None:
        """The reading of a slot."""
        return next(iter(self._readings("WHERE slot = ?", slot)), None)

    def last_reading(self) -> SignedReading | None:
        """The newest reading."""
        return next(iter(self._readings("ORDER BY slot DESC LIMIT 1")), None)

    def first_reading_from(self, slot: int) -> SignedReading | None:
        """The reading of the slot, else the first after it."""
        return next(iter(self._readings("WHERE slot >= ? ORDER BY slot LIMIT 1", slot)), None)

    def last_reading_before(self, slot: int) -> SignedReading | None:
        """The newest reading of a slot below `slot`."""
        return next(iter(self._readings("WHERE slot < ? ORDER BY slot DESC LIMIT 1", slot)), None)

    def readings_after(self, slot: int, limit: int = -1) -> list[SignedReading]:
        """Readings of slots above `slot`, in order."""
        return self._readings("WHERE slot > ? ORDER BY slot LIMIT ?", slot, limit)

    def reading_count(self) -> int:
        """How many readings were ever signed."""
        return int(self._rows("SELECT count(*) FROM readings")[0][0])

    def _readings(self, where: str, *values: Any) -> list[SignedReading]:
        names = "slot, imported, exported, flags, configuration, previous, signature, hash"
        return [
            SignedReading(Reading(self._address, r[0], r[1], r[2], r[3], r[4], r[5]), r[6], r[7])
            for r in self._rows(f"SELECT {names} FROM readings {where}", *values)
        ]

    def put_receipt(self, slot: int, message: bytes) -> None:
        """Keeps the newest Receipt."""
        with self._db:
            self._db.execute(
                "INSERT INTO receipts VALUES (1,?,?) ON CONFLICT (one) DO UPDATE SET slot=excluded.slot,"
                " message=excluded.message WHERE excluded.slot > receipts.slot",
                (slot, message),
            )

    def receipt_slot(self) -> int | None:
        """The slot of the newest Receipt."""
        rows = self._rows("SELECT slot FROM receipts")
        return rows[0][0] if rows else None

    def unreceipted(self) -> list[SignedReading]:
        """Readings that the Queen has not confirmed, in order."""
        slot = self.receipt_slot()
        return self.readings_after(-1 if slot is None else slot)

    # -- account

    def ledger(self) -> Ledger | None:
        """The account up to the last Statement signed by both."""
        names = "slot, imported, exported, net_pico, spans, statement_slot, leaves, tally"
        rows = self._rows(f"SELECT {names} FROM ledger")
        if not rows:
            return None
        slot, imported, exported, net, spans, statement_slot, leaves, kept = rows[0]
        position = Position(slot, imported, exported, int(net), tuple(json.loads(spans)))
        tally = Tally.of_text(kept) if kept else self._first_tally()
        hashes = tuple(leaves[i : i + 32] for i in range(0, len(leaves), 32))
        return Ledger(position, statement_slot, hashes, tally)

    def _first_tally(self) -> Tally:
        """The tally of an account that was begun before tallies were kept: nothing was charged or shared out yet."""
        return Tally(self._rows("SELECT coalesce(sum(abs(energy_milliwh)), 0) FROM bookings")[0][0])

    def put_answer(
        self,
        answered: Answered,
        ledger: Ledger | None,
        booked: Sequence[Booked] = (),
        reputation: Reputation | None = None,
        charges: Sequence[BookedCharge] = (),
        watched: Watched | None = None,
    ) -> None:
        """Keeps an answer to a Statement; with a countersignature also the new ledger, lines, charges, reputation."""
        with self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO statements VALUES (?,?,?,?,?,?,?)",
                (
                    answered.slot,
                    answered.digest,
                    answered.reason,
                    answered.message,
                    answered.answer,
                    answered.detail,
                    answered.at_unix_s,
                ),
            )
            if ledger is not None:
                self._put_ledger(ledger)
            if reputation is not None:
                self._db.execute("INSERT OR REPLACE INTO reputation VALUES (1,?,?,?,?,?,?)", astuple(reputation))
            if watched is not None:
                self.fair_play.write_watched(watched)
            for one in booked:
                self._db.execute(
                    "INSERT OR REPLACE INTO bookings VALUES (?,?,?,?,?,?,?,?)",
                    (
                        one.slot,
                        one.kind,
                        one.energy_milliwh,
                        str(one.amount_pico),
                        str(one.standalone_pico),
                        one.local_milliwh,
                        one.price_micro,
                        one.statement_slot,
                    ),
                )

            for charge in charges:
                kind, slot, quantity, amount, alone, statement_slot = astuple(charge)
                row = (kind, slot, quantity, str(amount), str(alone), statement_slot)
                self._db.execute("INSERT OR REPLACE INTO charges VALUES (?,?,?,?,?,?)", row)

    def _put_ledger(self, ledger: Ledger) -> None:
        at = ledger.position
        self._db.execute(
            "INSERT OR REPLACE INTO ledger VALUES (1,?,?,?,?,?,?,?,?)",
            (
                at.slot,
                at.imported,
                at.exported,
                str(at.net_pico),
                json.dumps(at.spans),
                ledger.statement_slot,
                b"".join(ledger.leaves),
                ledger.tally.text(),
            ),
        )

    def answer_of(self, slot: int) -> Answered | None:
        """The answer given to the Statement of a slot."""
        rows = self._rows("SELECT * FROM statements WHERE slot = ?", slot)
        return Answered(*rows[0]) if rows else None

    def last_answer(self, agreed_only: bool = False) -> Answered | None:
        """The answer to the newest Statement (that was countersigned)."""
        where = "WHERE reason = 0" if agreed_only else ""
        rows = self._rows(f"SELECT * FROM statements {where} ORDER BY slot DESC LIMIT 1")
        return Answered(*rows[0]) if rows else None

    def both_signed(self) -> BothSigned | None:
        """The newest Statement with both signatures, as a close needs it."""
        agreed = self.last_answer(agreed_only=True)
        return BothSigned.of(agreed.message, agreed.answer) if agreed else None

    def agreed_messages(self, from_slot: int) -> list[bytes]:
        """The statement messages countersigned for Statements of slots from `from_slot` on, in order."""
        rows = self._rows("SELECT message FROM statements WHERE reason = 0 AND slot >= ? ORDER BY slot", from_slot)
        return [bytes(row[0]) for row in rows]

    def agreed_count(self) -> int:
        """How many Statements both have signed."""
        return int(self._rows("SELECT count(*) FROM statements WHERE reason = 0")[0][0])

    def bookings(self, from_slot: int) -> list[Booked]:
        """The lines of the account from a slot on, in order."""
        rows = self._rows("SELECT * FROM bookings WHERE slot >= ? ORDER BY slot", from_slot)
        return [Booked(r[0], r[1], r[2], int(r[3]), int(r[4]), r[5], r[6], r[7]) for r in rows]

    def saved_pico(self) -> int:
        """Own tariff less what is paid, over all lines and charges ever."""
        amounts = "SELECT standalone_pico, amount_pico FROM"
        rows = self._rows(f"{amounts} bookings UNION ALL {amounts} charges")
        return sum(int(alone) - int(paid) for alone, paid in rows)

    def charges(self, from_slot: int) -> list[BookedCharge]:
        """Peak charges and shares of the reserve of periods that end with `from_slot` or later, in order."""
        rows = self._rows("SELECT * FROM charges WHERE slot >= ? ORDER BY slot, kind", from_slot)
        return [BookedCharge(r[0], r[1], r[2], int(r[3]), int(r[4]), r[5]) for r in rows]

    def reputation(self) -> Reputation:
        """The own reckoning of the reputation up to the ledger's position."""
        rows = self._rows("SELECT error_mean, reference_mean, size_mean, first_day, day, rho FROM reputation")
        return Reputation(*rows[0]) if rows else Reputation()

    def put_declared(self, slot: int, power_w: int | None, answered: tuple[int, bytes] | None = None) -> None:
        """Keeps what was declared for a slot (None: hidden by masks); the newest wins, those of old slots go.

        `answered` is the round with what an audit may ask for of it.
        """
        with self._db:
            if answered is not None:
                self.fair_play.write_round(answered[0], slot, answered[1])
            self._db.execute("INSERT OR REPLACE INTO declared VALUES (?,?)", (slot, power_w))
            self._db.execute("DELETE FROM declared WHERE slot <= ?", (slot - HISTORY_SLOTS,))

    def declared_w(self, slot: int) -> int | None:
        """The power (W) that was declared last for a slot; None where none was, or under masks."""
        rows = self._rows("SELECT power_w FROM declared WHERE slot = ?", slot)
        return rows[0][0] if rows else None

    # -- the home and the chain

    def put_home(self, home: HomeRecord) -> None:
        """Keeps what a close needs besides the Statement, so that a copy of the journal is enough for it."""
        row = tuple(getattr(home, name) for name in HomeRecord.__slots__)
        with self._db:
            self._db.execute("INSERT OR REPLACE INTO home VALUES (1,?,?,?,?,?,?,?)", row)

    def home(self) -> HomeRecord | None:
        """What was kept of the home; None before the first start of software that keeps it."""
        rows = self._rows(f"SELECT {', '.join(HomeRecord.__slots__)} FROM home")
        return HomeRecord(*rows[0]) if rows else None

    def put_chain_look(self, at_unix_s: int, look: bytes) -> None:
        """Keeps the newest look at the chain on which both addresses agreed."""
        with self._db:
            self._db.execute("INSERT OR REPLACE INTO chain_look VALUES (1,?,?)", (at_unix_s, look))

    def chain_look(self) -> bytes | None:
        """The newest look at the chain, as it was kept."""
        rows = self._rows("SELECT look FROM chain_look")
        return bytes(rows[0][0]) if rows else None

    # -- plans and history

    def put_plan(self, plan: StoredPlan) -> None:
        """Keeps a plan; one per first slot, the newest wins, old ones go."""
        row = (
            plan.first_slot,
            plan.source,
            plan.round,
            *(json.dumps(v) for v in (plan.net_w, plan.battery_w, plan.base_w, plan.price_e7)),
            plan.salt,
            json.dumps({name: getattr(plan, name) for name in _ASSET_PROFILES}),
        )
        with self._db:
            self._db.execute("INSERT OR REPLACE INTO plans VALUES (?,?,?,?,?,?,?,?,?)", row)
            self._db.execute("DELETE FROM plans WHERE first_slot < ?", (plan.first_slot - KEPT_PLANS_SLOTS,))

    def last_plan(self) -> StoredPlan | None:
        """The plan with the newest first slot."""
        return next(iter(self.plans(1)), None)

    def plans(self, count: int) -> list[StoredPlan]:
        """The plans with the newest first slots, newest first."""
        return [_plan(row) for row in self._rows("SELECT * FROM plans ORDER BY first_slot DESC LIMIT ?", count)]

    def slot_state(self, slot: int) -> SlotState | None:
        """The battery at the end of a slot, as kept with its reading."""
        rows = self._rows("SELECT * FROM slot_states WHERE slot = ?", slot)
        return SlotState(*rows[0]) if rows else None

    def seed_history(self, rows: Iterable[tuple[int, int]]) -> None:
        """Adds (slot, base in mWh) from before the first own reading, marked unsigned; own slots stay."""
        with self._db:
            self._insert_history(rows, signed=False)

    def _insert_history(self, rows: Iterable[tuple[int, int]], *, signed: bool) -> None:
        verb = "INSERT OR REPLACE" if signed else "INSERT OR IGNORE"
        self._db.executemany(f"{verb} INTO history VALUES (?,?,{int(signed)})", rows)

    def history(self, from_slot: int) -> dict[int, int]:
        """Load less sun per slot (mWh) from a slot on."""
        wanted = "SELECT slot, base_milliwh FROM history WHERE slot >= ? ORDER BY slot"
        with closing(self._db.execute(wanted, (from_slot,))) as rows:
            return dict(rows)


def _plan(row: Any) -> StoredPlan:
    first, source, number, *lists, salt, others = row
    net, battery, base, price = (tuple(json.loads(text)) for text in lists)
    own = {name: tuple(values) for name, values in json.loads(others).items()}
    return StoredPlan(first, source, number, net, battery, base, price, salt, **own)


class JournalThread:
    """A Journal in a thread of its own; `call` runs a function with it there, one after the other."""

    def __init__(self, file: Path, address: bytes) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._journal = self._thread.submit(Journal, file, address).result()

    def run(self, work: Callable[[Journal], T]) -> T:
        """The result of `work(journal)`, blocking: before the event loop runs."""
        return self._thread.submit(work, self._journal).result()

    async def call(self, work: Callable[[Journal], T]) -> T:
        """The result of `work(journal)`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._journal)

    def close(self) -> None:
        """Ends the thread after what was already asked of it."""
        self._thread.submit(self._journal.close).result()
        self._thread.shutdown()
