"""The journal: what was written survives, what is written twice changes nothing, what does not fit is refused."""

import sqlite3
from pathlib import Path

import pytest

from honey_edge.billing.account import Position
from honey_edge.wire.recompute import Ledger
from honey_edge.wire.typed_data import digest, struct_hash
from tests.unit.worker_node.world import DOMAIN, FIRST_SLOT, WORKER, reading
from worker_node.journal import Answered, Booked, HomeRecord, Journal, SignedReading, SlotState, StoredPlan
from worker_node.journal_schema import JournalError

FAIR_PLAY = ("fair_play", "standings", "answered_rounds", "disclosed")


def signed(slot: int, imported: int, before: SignedReading | None) -> SignedReading:
    one = reading(slot, imported, 0, before.reading if before else None)
    return SignedReading(one, WORKER.sign(digest(DOMAIN, one)), struct_hash(one))


def open_journal(folder: Path) -> Journal:
    return Journal(folder / "journal.sqlite", WORKER.address)


def test_readings_survive_reopening_and_a_second_write_changes_nothing(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    first = signed(FIRST_SLOT, 10, None)
    second = signed(FIRST_SLOT + 1, 30, first)
    for one in (first, second, second, first):
        journal.add_reading(one, SlotState(one.reading.slot, 5, 6), 20)
    journal.close()
    again = open_journal(tmp_path)
    assert again.readings_after(-1) == [first, second]
    assert again.unreceipted() == [first, second]
    assert again.tip_hash() == second.hash
    assert again.history(0) == {FIRST_SLOT: 20, FIRST_SLOT + 1: 20}
    assert again.slot_state(FIRST_SLOT) == SlotState(FIRST_SLOT, 5, 6)


def test_a_reading_that_forks_or_does_not_follow_is_refused(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    first = signed(FIRST_SLOT, 10, None)
    journal.add_reading(first)
    with pytest.raises(JournalError, match="another reading"):
        journal.add_reading(signed(FIRST_SLOT, 11, None))
    with pytest.raises(JournalError, match="does not follow"):
        journal.add_reading(signed(FIRST_SLOT + 1, 30, None))


def test_receipts_only_rise(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    first = signed(FIRST_SLOT, 10, None)
    second = signed(FIRST_SLOT + 1, 30, first)
    journal.add_reading(first)
    journal.add_reading(second)
    journal.put_receipt(FIRST_SLOT + 1, b"new")
    journal.put_receipt(FIRST_SLOT, b"old")
    assert journal.receipt_slot() == FIRST_SLOT + 1
    assert journal.unreceipted() == []


def test_answers_ledger_and_lines_are_written_together(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    ledger = Ledger(Position(9, 1, 2, 10**20, (4, 5)), 9, (b"a" * 32, b"b" * 32))
    answer = Answered(9, b"d" * 32, 0, b"message", b"answer", "", 77)
    booked = Booked(9, 0, 50, -(10**19), 10**19, 3, 100_000, 9)
    journal.put_answer(answer, ledger, [booked])
    journal.close()
    again = open_journal(tmp_path)
    assert again.ledger() == ledger
    assert again.last_answer() == again.answer_of(9) == answer
    assert again.bookings(0) == [booked]
    assert again.saved_pico() == 2 * 10**19


def test_history_from_a_file_never_replaces_own_slots(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.add_reading(signed(FIRST_SLOT, 10, None), None, 123)
    journal.seed_history([(FIRST_SLOT - 1, 7), (FIRST_SLOT, 999)])
    assert journal.history(0) == {FIRST_SLOT - 1: 7, FIRST_SLOT: 123}


def test_a_plan_comes_back_as_it_was(tmp_path: Path) -> None:
    plan = StoredPlan(FIRST_SLOT, "hive", 4, (1, -2), (3, 4), (5, 6), (7, 8), b"salt")
    journal = open_journal(tmp_path)
    journal.put_plan(plan)
    assert open_journal(tmp_path).last_plan() == plan


def test_another_device_or_a_newer_schema_is_refused_by_name(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.add_reading(signed(FIRST_SLOT, 10, None))
    journal.close()
    with pytest.raises(JournalError, match="another device"):
        Journal(tmp_path / "journal.sqlite", bytes(20))
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:
        db.execute("UPDATE schema SET version = 99")
    with pytest.raises(JournalError, match="schema version 99"):
        open_journal(tmp_path)


def test_a_journal_of_the_first_version_gets_what_a_close_needs_and_keeps_its_readings(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    first = signed(FIRST_SLOT, 10, None)
    journal.add_reading(first)
    journal.close()
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:
        tables = (
            "home",
            "chain_look",
            "declared",
            "reputation",
            "charges",
            "flex_offers",
            "flex_orders",
            "meter_exchanges",
        )
        for table in (*tables, *FAIR_PLAY):
            db.execute(f"DROP TABLE {table}")
        db.execute("ALTER TABLE plans DROP COLUMN assets")
        db.execute("ALTER TABLE ledger DROP COLUMN tally")
        db.execute("UPDATE schema SET version = 1")
    again = open_journal(tmp_path)
    assert again.readings_after(-1) == [first]
    assert (again.home(), again.chain_look(), again.both_signed()) == (None, None, None)
    home = HomeRecord(7, WORKER.address, 31337, bytes(20), b"q" * 20, b"terms", b"tariff")
    again.put_home(home)
    again.put_chain_look(5, b"old")
    again.put_chain_look(6, b"new")
    again.close()
    last = open_journal(tmp_path)
    assert (last.home(), last.chain_look()) == (home, b"new")
