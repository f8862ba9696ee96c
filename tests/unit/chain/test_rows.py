"""The rows in a database: the same rules as in memory, and the migration from schema 1 with every row kept."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from honey_edge.market.fairplay.reputation import Reputation
from queen_node.app.intent_rows import IntentRows
from queen_node.chain import Call, Intent, IntentState, Lease, SignedForm
from queen_node.chain.intents import IntentStore
from queen_node.chain.settlement import _packed
from queen_node.chain.signer import ListedSigner, Unsigned
from queen_node.store import Store, StoreError, books, reputations
from queen_node.store.records import RoundRow
from queen_node.store.reputations import Observed
from queen_node.store.schema import SCHEMA_VERSION
from tests.chain_kit.memory import MemoryIntents

SENDER, TARGET = "aa" * 20, "0a" * 20
LEASE = Lease(SENDER, "host:1:x", 60, 1)


@pytest.fixture(params=["memory", "sqlite"])
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> IntentStore:
    if request.param == "memory":
        return MemoryIntents()
    return IntentRows(Store(f"sqlite:///{tmp_path}/q.sqlite"))


def form(key: str, nonce: int, number: int, cost: int, at: int = 100) -> SignedForm:
    return SignedForm(key, f"{number:064x}", SENDER, nonce, b"raw%d" % number, 21_000, 10**19 + 5, 7, cost, at)


def signed(key: str, nonce: int, state: IntentState = IntentState.SIGNED) -> Intent:
    return Intent(
        key, TARGET, b"data", "C", "f", 10**20, "1", state, SENDER, nonce, b"raw", "11" * 32, updated_unix_s=9
    )


def test_a_key_is_planned_once_all_or_none_and_found_by_its_front(rows: IntentStore) -> None:
    first = Intent("settle/7/95/0", TARGET, b"\x01")
    rows.plan([first, Intent("settle/7/95/1", TARGET, b"\x02"), Intent("settle/7/9_/0", TARGET)])
    rows.plan([replace(first, data=b"other"), Intent("contest/7", TARGET)])
    assert rows.get("settle/7/95/0") == first
    assert rows.get("nothing") is None
    assert [row.key for row in rows.find("settle/7/95/")] == ["settle/7/95/0", "settle/7/95/1"]
    assert [row.key for row in rows.find("settle/7/9_")] == ["settle/7/9_/0"]
    assert [line.remark for line in rows.history("settle/7/95/0")] == ["planned"]


def test_only_a_planned_row_can_be_expected_otherwise(rows: IntentStore) -> None:
    rows.plan([Intent("k", TARGET)])
    rows.expect(Intent("k", TARGET, expected="5"))
    assert rows.take(None, LEASE)
    assert rows.save(signed("k", 0), LEASE, "signed", form("k", 0, 1, 5))
    rows.expect(Intent("k", TARGET, expected="6"))
    assert rows.get("k") == signed("k", 0)


def test_nothing_is_stored_without_the_lease_in_force(rows: IntentStore) -> None:
    rows.plan([Intent("k", TARGET)])
    assert not rows.save(signed("k", 0), LEASE, "signed", form("k", 0, 1, 5))
    assert rows.take(None, LEASE)
    assert not rows.take(None, replace(LEASE, holder="other"))
    other = Lease(SENDER, "host:2:y", 90, 2)
    assert rows.take(LEASE, other)
    assert rows.lease(SENDER) == other
    assert not rows.save(signed("k", 0), LEASE, "signed", form("k", 0, 1, 5))
    assert rows.get("k") == Intent("k", TARGET)
    assert list(rows.forms("k")) == []
    assert len(rows.history("k")) == 1
    assert rows.save(signed("k", 0), other, "signed", form("k", 0, 1, 5))


def test_forms_nonces_and_costs_are_kept_per_sender(rows: IntentStore) -> None:
    assert rows.take(None, LEASE)
    assert (rows.highest_nonce(SENDER), rows.held_nonces(SENDER)) == (-1, frozenset())
    for number, key in enumerate(("a", "b", "gap")):
        rows.plan([Intent(key, TARGET, nonce=9 if key == "gap" else -1, sender=SENDER if key == "gap" else "")])
        if key != "gap":
            rows.save(signed(key, number), LEASE, "signed", form(key, number, number, 5 + number))
    rows.save(signed("a", 0), LEASE, "dearer", form("a", 0, 9, 8))
    assert [one.tx_hash for one in rows.forms("a")] == [f"{0:064x}", f"{9:064x}"]
    assert rows.forms("a")[1] == form("a", 0, 9, 8)
    assert (rows.highest_nonce(SENDER), rows.held_nonces(SENDER)) == (1, {0, 1})
    assert rows.highest_nonce("bb" * 20) == -1
    assert rows.spent_wei(SENDER, 100) == {0: 8, 1: 6}
    assert rows.spent_wei(SENDER, 101) == {}
    mined = replace(signed("a", 0, IntentState.MINED), block_hash="22" * 32, cost_wei=3)
    rows.save(mined, LEASE, "mined")
    assert rows.spent_wei(SENDER, 100) == {0: 3, 1: 6}
    assert [row.key for row in rows.unfinished(SENDER)] == ["a", "b"]
    rows.save(replace(mined, state=IntentState.FINAL), LEASE, "final")
    assert [row.key for row in rows.unfinished(SENDER)] == ["b"]
    assert [line.remark for line in rows.history("a")] == ["planned", "signed", "dearer", "mined", "final"]
    assert rows.history("a")[3].block_hash == "22" * 32


OLD_TABLE = """CREATE TABLE intents (hive BIGINT NOT NULL, slot BIGINT NOT NULL, batch INTEGER NOT NULL, packed BLOB
 NOT NULL, state VARCHAR(16) NOT NULL, sender VARCHAR(40) NOT NULL, nonce BIGINT NOT NULL, raw BLOB NOT NULL,
 tx_hash VARCHAR(64) NOT NULL, block_hash VARCHAR(64) NOT NULL, PRIMARY KEY (hive, slot, batch))"""


def old_database(url: str, raw: bytes, tx_hash: str, sender: str) -> None:
    """What schema 1 left: a final batch, one that was only planned, and a row of another table."""
    rows = [
        {"b": 0, "p": b"\x01" * 140, "s": "final", "w": sender, "n": 3, "r": raw, "t": tx_hash, "k": "22" * 32},
        {"b": 1, "p": b"\x02" * 140, "s": "planned", "w": "", "n": -1, "r": b"", "t": "", "k": ""},
    ]
    store = Store(url)
    with store.begin() as tx:
        for table in ("intents", "intent_hashes", "intent_history", "writer"):
            tx.exec_driver_sql(f"DROP TABLE {table}")
        tx.exec_driver_sql(OLD_TABLE)
        for row in rows:
            tx.execute(text("INSERT INTO intents VALUES (7, 95, :b, :p, :s, :w, :n, :r, :t, :k)"), row)
        tx.execute(text("INSERT INTO meter VALUES (5, 6, 7)"))
        tx.exec_driver_sql("UPDATE schema SET version = 1")
    store.close()


def test_a_database_of_schema_1_keeps_every_row(tmp_path: Path) -> None:
    signer = ListedSigner((7).to_bytes(32, "big"), frozenset({(TARGET, b"\x01\x02\x03\x04")}))
    raw, tx_hash = signer.sign(Unsigned(5, 3, TARGET, 0, b"\x01\x02\x03\x04", 50_000, 10**10, 10**9))
    url = f"sqlite:///{tmp_path}/q.sqlite"
    old_database(url, raw, tx_hash, signer.address)
    store = Store(url, create=False)
    rows = IntentRows(store)
    done, planned = rows.find("settle/7/95/")
    assert (done.state, done.target, done.nonce, done.raw) == (IntentState.FINAL, TARGET, 3, raw)
    assert (done.tx_hash, done.block_hash, done.cost_wei) == (tx_hash, "22" * 32, 50_000 * 10**10)
    assert done.data == Call(TARGET, "EnergySettlement", "settle", (7, 95, b"\x01" * 140)).data
    assert (planned.state, planned.target, _packed(planned)) == (IntentState.PLANNED, "", b"\x02" * 140)
    (kept,) = rows.forms(done.key)
    assert (kept.raw, kept.gas, kept.max_fee_wei, kept.tip_wei) == (raw, 50_000, 10**10, 10**9)
    assert rows.highest_nonce(signer.address) == 3
    assert [line.remark for line in rows.history(done.key)] == ["taken over from schema 1"]
    with store.begin() as tx:
        assert tx.execute(text("SELECT * FROM meter")).one() == (5, 6, 7)
        assert tx.execute(text("SELECT version FROM schema")).scalar_one() == SCHEMA_VERSION
    store.close()
    Store(url, create=False).close()


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/q.sqlite"
    store = Store(url)
    with store.begin() as tx:
        tx.exec_driver_sql("UPDATE schema SET version = 4")
    store.close()
    with pytest.raises(StoreError, match=f"schema 4, this program speaks {SCHEMA_VERSION}"):
        Store(url)


def test_rounds_and_declarations_of_schema_2_are_kept_without_certificate_and_power(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/q.sqlite"
    store = Store(url)
    with store.begin() as tx:
        for column in ("sigma", "homes", "upper_e9_coin", "lower_e9_coin", "gap_ppm"):
            tx.exec_driver_sql(f"ALTER TABLE rounds DROP COLUMN {column}")
        tx.exec_driver_sql("DROP INDEX declarations_of_slot")
        tx.exec_driver_sql("ALTER TABLE declarations DROP COLUMN power_w")
        tx.exec_driver_sql("DROP TABLE reputations")
        tx.execute(text("INSERT INTO rounds VALUES (4, 95, 12, 10, 3, 'converged', 0.5, '[1, 2]')"))
        tx.execute(text("INSERT INTO declarations VALUES ('aa', 4, 95, X'01', X'02')"))
        tx.exec_driver_sql("UPDATE schema SET version = 2")
    store.close()
    store = Store(url, create=False)
    with store.begin() as tx:
        row = books.last_round(tx, 95)
        assert row is not None
        assert row == RoundRow(4, 95, 12, 10, 3, "converged", 0.5, (1, 2))
        assert books.last_certified(tx) is None
        assert tx.execute(text("SELECT worker, power_w FROM declarations")).one() == ("aa", None)
        assert (reputations.declared_w(tx, 95), reputations.all_reputations(tx)) == ({}, {})
        observed = Observed(Reputation(1, 2, 3, 4, 5, 600), 95)
        for slot in (94, 95):
            reputations.put_reputation(tx, "aa", replace(observed, slot=slot))
        assert reputations.all_reputations(tx) == {"aa": observed}
        books.put_round(tx, replace(row, upper_e9_coin=7, lower_e9_coin=5, gap_ppm=9))
        certified = books.last_certified(tx)
        assert certified is not None
        assert (certified.upper_e9_coin, certified.lower_e9_coin, certified.gap_ppm) == (7, 5, 9)
    store.close()
