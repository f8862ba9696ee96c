"""A small world for the Worker's tests: keys, terms, settings, a house; and the Queen's side from honey_edge only."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from honey_edge.billing.account import Counters, Position, book_alone, book_pooled, statement_net_micro
from honey_edge.billing.clearing import totals_of
from honey_edge.billing.tariff import Tariff, tariff_document
from honey_edge.model.slots import day_of
from honey_edge.wire.keccak import keccak
from honey_edge.wire.merkle import merkle_root
from honey_edge.wire.recompute import line_leaves, pool_of
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.statement_message import CoverTold, StatementLine, StatementMessage, statement_message
from honey_edge.wire.structs import HiveTerms, Reading, SlotTotals, Statement
from honey_edge.wire.terms_file import TermsFile, terms_document
from honey_edge.wire.typed_data import Domain, digest, struct_hash

DAY_UNIX_S = 1_778_025_600
FIRST_SLOT = DAY_UNIX_S // 900
HIVE = 7
DOMAIN = Domain(31337, bytes.fromhex("aa" * 20))
QUEEN = KeySigner(keccak(b"queen of the tests"))
OWNER = KeySigner(keccak(b"owner of the tests"))
WORKER = KeySigner(keccak(b"worker of the tests"))
TARIFF = Tariff("CHF", (300_000,) * 48 + (200_000,) * 48, (80_000,) * 96, (), 50_000_000)
TERMS = HiveTerms(HIVE, 1, 0, keccak(tariff_document(TARIFF)), 250, 20, 0, 10**6, 25_000, 0, 2)
COVER = CoverTold(funding_micro=40_000_000, pool_micro=90_000_000, pending_micro=0, block=12)


def write_settings(folder: Path, changes: Mapping[str, str] | None = None, *, battery: bool = True) -> Path:
    """Everything a Worker reads; `changes` replace texts of the settings file."""
    hashed = digest(DOMAIN, TERMS)
    (folder / "tariff.json").write_bytes(tariff_document(TARIFF))
    (folder / "terms.json").write_bytes(terms_document(TermsFile.of(TERMS, QUEEN.sign(hashed), OWNER.sign(hashed))))
    key = folder / "device.key"
    key.write_text(keccak(b"worker of the tests").hex())
    key.chmod(0o600)
    sun = [0] * 40 + [900_000] * 20 + [0] * 36
    history = {"v": 1, "first_slot": FIRST_SLOT - 96, "load_milliwh": [400_000] * 96, "pv_milliwh": sun}
    (folder / "history.json").write_text(json.dumps(history))
    text = f"""
[worker]
hive = {HIVE}
serial = "HV-1"
state_dir = "state"
runtime_dir = "run"
key_file = "device.key"
terms_file = "terms.json"
tariff_file = "tariff.json"
queen_address = "{QUEEN.address.hex()}"
owner_address = "{OWNER.address.hex()}"
chain_id = {DOMAIN.chain_id}
contract = "{DOMAIN.contract.hex()}"

[meter]
kind = "sim:house"
sample_every_s = 5

[broker]
host = "127.0.0.1"
port = 1
ca_file = "ca.pem"
certificate_file = "worker.pem"
key_file = "worker.key"

[clock]
kind = "granted"
grant_socket = "grant"
start_unix_s = {DAY_UNIX_S - 60}

[history]
file = "history.json"

[sim]
profile = "ca01"
"""
    if battery:
        text += '\n[battery]\nkind = "sim"\ncapacity_wh = 6400\ncharge_w = 5000\ndischarge_w = 5000\n'
    for old, new in (changes or {}).items():
        text = text.replace(old, new)
    file = folder / "worker.toml"
    file.write_text(text)
    return file


def reading(slot: int, imported: int, exported: int, before: Reading | None) -> Reading:
    """The next Reading of the tests' Worker."""
    previous = struct_hash(before) if before else bytes(32)
    return Reading(WORKER.address, slot, imported, exported, 0, bytes(32), previous)


@dataclass
class QueensBook:
    """What the Queen does for one Worker, from honey_edge alone: pools its readings with a neighbour's."""

    position: Position
    statement_slot: int
    leaves: list[bytes] = field(default_factory=list)
    cover: CoverTold = COVER
    neighbour_milliwh: int = -250_000

    @staticmethod
    def opened_at(baseline: Reading) -> "QueensBook":
        """An account whose baseline is the reading."""
        return QueensBook(Position(baseline.slot, baseline.imported, baseline.exported, 0), baseline.slot)

    def totals(self, one: Reading, energy: int) -> SlotTotals:
        """The slot's totals with the neighbour, whose reading's hash is made up."""
        bought, sold = totals_of([energy, self.neighbour_milliwh])
        buy, sell = TARIFF.prices(one.slot)
        pcc = bought - sold
        price = buy if pcc > 0 else sell
        leaves = [struct_hash(one), keccak(b"neighbour" + bytes([one.slot % 256]))]
        return SlotTotals(
            HIVE,
            one.slot,
            bought,
            sold,
            pcc,
            buy,
            sell,
            price,
            TERMS.theta,
            TERMS.fee,
            2,
            0,
            0,
            merkle_root(leaves),
            struct_hash(TERMS),
        )

    def line(self, one: Reading, reputation: int = 1000) -> StatementLine:
        """Books a reading: pooled if it spans one slot, else alone."""
        counters = Counters(one.slot, one.imported, one.exported)
        energy = one.imported - self.position.imported - one.exported + self.position.exported
        totals = self.totals(one, energy)
        if one.slot == self.position.slot + 1:
            booking = book_pooled(self.position, counters, pool_of(totals), reputation, self.cover.funding_micro)
            path: tuple[bytes, ...] = (keccak(b"neighbour" + bytes([one.slot % 256])),)
        else:
            booking, path = book_alone(self.position, counters, TARIFF), ()
        self.position = booking.position
        self.leaves.extend(line_leaves(struct_hash(one), totals, booking.kind))
        return StatementLine(
            totals,
            QUEEN.sign(digest(DOMAIN, totals)),
            path,
            booking.kind,
            booking.energy_milliwh,
            reputation,
            booking.amount_pico,
            booking.position.net_pico,
        )

    def statement(self, readings: list[Reading]) -> StatementMessage:
        """The signed Statement over the readings."""
        if day_of(readings[-1].slot) != day_of(self.statement_slot):
            self.leaves = []
        lines = [self.line(one) for one in readings]
        self.statement_slot = self.position.slot
        return self.signed(lines)

    def signed(self, lines: list[StatementLine], **changes: Any) -> StatementMessage:
        """Signs the Statement for the lines; `changes` replace its fields first."""
        at = self.position
        net = statement_net_micro(at.net_pico, self.cover.funding_micro)
        statement = Statement(HIVE, WORKER.address, at.slot, net, at.imported, at.exported, merkle_root(self.leaves))
        statement = replace(statement, **changes)
        return statement_message(statement, QUEEN.sign(digest(DOMAIN, statement)), self.cover, lines)
