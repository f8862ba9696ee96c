"""A small Hive's life in memory, from honey_edge alone, as an evidence bundle: two UTC days touched, three homes.

Late readings, a reading that waits several closings, a span, arrears, an Objection, an unanswered Statement, a
Queen's meter that sees more than the readings that are there, two settlements; a day's peak charge and the reserve
shared out at the end of a month; a mother Hive whose bills differ from the own rule, one of them for several slots.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from honey_edge.billing.account import (
    Booking,
    Counters,
    Position,
    book_alone,
    book_pooled,
    statement_net_micro,
)
from honey_edge.billing.clearing import announced_price, choose_price, share_surplus, tariff_cost_pico, totals_of
from honey_edge.billing.tariff import Tariff, tariff_document
from honey_edge.model.slots import last_slot_of_month
from honey_edge.wire.charge_lines import ChargeLine
from honey_edge.wire.keccak import keccak
from honey_edge.wire.merkle import merkle_path, merkle_root
from honey_edge.wire.messages import CountersignMessage
from honey_edge.wire.recompute import line_leaves, pool_of
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.statement_message import CoverTold, StatementLine, statement_message
from honey_edge.wire.structs import HiveTerms, Objection, PeakTotals, Reading, ReserveTotals, SlotTotals, Statement
from honey_edge.wire.terms_file import TermsFile, terms_document
from honey_edge.wire.typed_data import Domain, digest, struct_hash
from queen_node.evidence import (
    AnsweredStatement,
    EvidenceBundle,
    SignedReading,
    SignedTotals,
    documents,
    seal,
    write_evidence,
)
from queen_node.evidence_format import (
    AccountState,
    AppliedRecord,
    ChargeRecord,
    LineRecord,
    MeterRecord,
    MotherRecord,
    PeriodRecord,
    RoundRecord,
    SettlementRecord,
    WorkerRecord,
)
from queen_node.evidence_index import canonical

HIVE = 7
PERIOD_END = last_slot_of_month(96 * 20_000)
START = PERIOD_END - 5
PEAK_CHARGE = 3_000_000
CLOSINGS = 10
DOMAIN = Domain(31337, b"\5" * 20)
QUEEN, OWNER = KeySigner(b"\1" * 32), KeySigner(b"\2" * 32)
TARIFF = Tariff(
    "EUR", tuple(200_000 + 100 * k for k in range(96)), tuple(50_000 - 10 * k for k in range(96)), ("mail@home",), 10**6
)
TARIFF = replace(TARIFF, peak_micro_per_kw=PEAK_CHARGE)
ENERGY = {"a": 215_000, "b": -250_000, "c": 40_000}
FUNDING = {"a": 10**9, "b": 10**9, "c": 20_000}
NEVER = 10**9
ARRIVES = {("b", 3): 5, ("c", 6): 8, ("c", 7): 8, ("a", 7): NEVER}
OBJECTED, UNANSWERED = ("a", 4), ("b", 10)


@dataclass
class Home:
    """One simulated home: its key, its readings, and the Queen's book about it."""

    name: str
    signer: KeySigner
    readings: list[tuple[int, Reading]] = field(default_factory=list)
    position: Position | None = None
    lines: list[LineRecord] = field(default_factory=list)
    parts: list[tuple[Reading, StatementLine]] = field(default_factory=list)
    carried: int = 0
    charges: list[ChargeRecord] = field(default_factory=list)
    charged: int = 0
    leaves: dict[int, list[bytes]] = field(default_factory=dict)
    statements: list[AnsweredStatement] = field(default_factory=list)
    settled: AccountState | None = None

    @property
    def address(self) -> str:
        return self.signer.address.hex()

    def measure(self) -> None:
        imported = exported = 5_000
        previous = bytes(32)
        for k in range(CLOSINGS + 1):
            if k:
                energy = ENERGY[self.name] + 1_111 * k * (1 if self.name != "b" else -3)
                imported, exported = imported + max(energy, 0), exported + max(-energy, 0)
            arrives = ARRIVES.get((self.name, k), k)
            if arrives == NEVER:
                continue
            own = Reading(self.signer.address, START + k, imported, exported, 0, b"\7" * 32, previous)
            self.readings.append((START + arrives, own))
            previous = struct_hash(own)

    def waiting(self, slot: int) -> list[Reading]:
        """Accepted at the closing: arrived, in an unbroken chain, not booked yet."""
        assert self.position is not None
        ready = []
        for arrived, own in self.readings:
            if own.slot > self.position.slot:
                if arrived > slot:
                    break
                ready.append(own)
        return ready


class Day:
    """The reference Queen of the test: closes slots, states accounts, settles."""

    def __init__(self) -> None:
        tariff_file = tariff_document(TARIFF)
        self.terms = HiveTerms(HIVE, 1, 0, keccak(tariff_file), 250, 20, 0, 10**6, 10_000, 0, 2)
        hashed = digest(DOMAIN, self.terms)
        self.tariff_file = tariff_file
        self.terms_file = terms_document(TermsFile.of(self.terms, QUEEN.sign(hashed), OWNER.sign(hashed)))
        self.homes = [Home(n, KeySigner(bytes([k + 3]) * 32)) for k, n in enumerate("abc")]
        self.totals: dict[int, SignedTotals] = {}
        self.reserve = 0
        self.rounds = [
            RoundRecord(v=1, round=k, first_slot=START + k, broadcasts=9 + k, price_e7_per_kwh=1_234_567 + k)
            for k in range(1, CLOSINGS + 1)
            if k != 2
        ]
        self.meter: list[MeterRecord] = []
        self.settlements: list[SettlementRecord] = []
        self.periods: dict[int, tuple[PeakTotals | ReserveTotals, bytes]] = {}
        self.costs: dict[int, int] = {}
        self.bills: list[MotherRecord] = []
        self.pool = 10**8
        self._measure()

    def _measure(self) -> None:
        for home in self.homes:
            home.measure()
            first = home.readings[0][1]
            home.position = Position(first.slot, first.imported, first.exported, 0)
        imported = exported = 0
        for k in range(CLOSINGS + 1):
            if k:
                total = sum(ENERGY.values()) + 1_111 * k * (1 + 1 - 3)
                imported, exported = imported + max(total, 0), exported + max(-total, 0)
            self.meter.append(MeterRecord(v=1, slot=START + k, import_milliwh=imported, export_milliwh=exported))

    def metered(self, slot: int) -> int:
        before, now = self.meter[slot - START - 1], self.meter[slot - START]
        return now.import_milliwh - before.import_milliwh - (now.export_milliwh - before.export_milliwh)

    def run(self) -> EvidenceBundle:
        for slot in range(START + 1, START + CLOSINGS + 1):
            self.close(slot)
            for home in self.homes:
                self.state(home)
            if slot % 96 == 95 or slot == START + CLOSINGS:
                self.settle(slot // 96 * 96 + 95)
        return self.bundle()

    def close(self, slot: int) -> None:
        pooled: list[tuple[Home, Reading]] = []
        alone = 0
        for home in sorted(self.homes, key=lambda h: h.address):
            for own in home.waiting(slot):
                counters = Counters(own.slot, own.imported, own.exported)
                assert home.position is not None
                if own.slot == slot and home.position.slot == slot - 1:
                    pooled.append((home, own))
                    continue
                booking = book_alone(home.position, counters, TARIFF)
                alone += booking.amount_pico
                self._add(home, own, booking, slot, ())
        totals = self._totals(slot, pooled)
        shares = share_surplus(pool_of(totals))
        booked = []
        for home, own in pooled:
            assert home.position is not None
            counters = Counters(own.slot, own.imported, own.exported)
            booked.append(book_pooled(home.position, counters, pool_of(totals), 1000, FUNDING[home.name]))
        metered = tariff_cost_pico(self.metered(slot), totals.buy, totals.sell)
        self.reserve += shares.shared - sum(b.discount_pico for b in booked) - shares.deficit + alone
        self.reserve += shares.hive_cost - metered
        leaves = [struct_hash(own) for _, own in pooled]
        for k, ((home, own), booking) in enumerate(zip(pooled, booked, strict=True)):
            self._add(home, own, booking, slot, tuple(merkle_path(leaves, k)))
        self.costs[slot] = metered
        if (slot - START) % 4:
            self._billed(slot)
        if slot == PERIOD_END:
            self._charge(totals)
        totals = replace(totals, reserve=self.reserve)
        self.totals[slot] = SignedTotals(totals, QUEEN.sign(digest(DOMAIN, totals)))

    def _billed(self, slot: int) -> None:
        """Books what a mother took for the slots before, a little more or less than the own rule."""
        before = self.bills[-1] if self.bills else None
        first, net = (before.slot + 1, before.net_pico) if before else (START + 1, 5 * 10**9)
        if first >= slot:
            return
        own = sum(self.costs[one] for one in range(first, slot))
        charged = own + 1_234_567 * (slot - START - 4)
        self.reserve -= charged - own
        row = {"slot": slot - 1, "from_slot": first, "charged_pico": charged, "net_pico": net + charged}
        self.bills.append(MotherRecord(v=1, **row, own_pico=own, closed_slot=slot))

    def _charge(self, last: SlotTotals) -> None:
        """The day's peak and the month's reserve, all readings of the period being there."""
        slots = [*(one.totals for one in self.totals.values()), last]
        highest = {h.name: max(0, *(line.energy_milliwh for line in h.lines)) for h in self.homes}
        alone = {name: 4 * PEAK_CHARGE * energy for name, energy in highest.items()}
        charged, by_rule = sum(alone.values()), 4 * PEAK_CHARGE * max(0, *(one.pcc for one in slots))
        surplus = max(charged - by_rule, 0)
        fee = surplus * 20 // 1000
        cost = 4 * PEAK_CHARGE * max(0, *(self.metered(one.slot) for one in slots))
        self.costs[PERIOD_END] += cost
        self.reserve -= fee + cost
        self._sign(3, PeakTotals(HIVE, PERIOD_END, charged, surplus - fee, struct_hash(self.terms)))
        for home in self.homes:
            own = alone[home.name]
            if own:
                self._book(home, 3, highest[home.name], own - (surplus - fee) * own // charged)
        shared, moved = max(self.reserve, 0), {h.name: sum(abs(n.energy_milliwh) for n in h.lines) for h in self.homes}
        self._sign(4, ReserveTotals(HIVE, PERIOD_END, shared, sum(moved.values()), struct_hash(self.terms)))
        for home in self.homes:
            self._book(home, 4, moved[home.name], -(shared * moved[home.name] // sum(moved.values())))

    def _sign(self, kind: int, totals: PeakTotals | ReserveTotals) -> None:
        self.periods[kind] = (totals, QUEEN.sign(digest(DOMAIN, totals)))

    def _book(self, home: Home, kind: int, quantity: int, amount: int) -> None:
        assert home.position is not None
        self.reserve += amount
        home.position = replace(home.position, net_pico=home.position.net_pico + amount)
        home.charges.append(
            ChargeRecord(
                v=1,
                kind=kind,
                slot=PERIOD_END,
                after_slot=home.position.slot,
                quantity_milliwh=quantity,
                amount_pico=amount,
                net_pico=home.position.net_pico,
            )
        )

    def _totals(self, slot: int, pooled: list[tuple[Home, Reading]]) -> SlotTotals:
        energies = []
        for home, own in pooled:
            assert home.position is not None
            energies.append(own.imported - home.position.imported - (own.exported - home.position.exported))
        bought, sold = totals_of(energies)
        missing = len(self.homes) - len(pooled)
        pcc = sum(energies) if missing else self.metered(slot)
        buy, sell = TARIFF.prices(slot)
        told = next((r.price_e7_per_kwh for r in self.rounds if r.first_slot == slot), None)
        price = choose_price(announced_price(told, buy, sell), pcc, bought, sold, buy, sell)
        root = merkle_root([struct_hash(own) for _, own in pooled])
        counts = (len(pooled), missing, 0)
        return SlotTotals(
            HIVE, slot, bought, sold, pcc, buy, sell, price, 250, 20, *counts, root, struct_hash(self.terms)
        )

    def _add(self, home: Home, own: Reading, booking: Booking, slot: int, path: tuple[bytes, ...]) -> None:
        home.position = booking.position
        home.lines.append(
            LineRecord(
                v=1,
                slot=own.slot,
                closed_slot=slot,
                kind=booking.kind,
                energy_milliwh=booking.energy_milliwh,
                reputation=1000,
                amount_pico=booking.amount_pico,
                net_pico=booking.position.net_pico,
                funding_micro=FUNDING[home.name],
                path=tuple(p.hex() for p in path),
            )
        )

    def _line(self, own: Reading, line: LineRecord) -> StatementLine:
        signed = self.totals[own.slot]
        path = tuple(bytes.fromhex(p) for p in line.path)
        numbers = (line.kind, line.energy_milliwh, line.reputation, line.amount_pico, line.net_pico)
        return StatementLine(signed.totals, signed.signature, path, *numbers)

    def state(self, home: Home) -> None:
        """Issues the next Statement over the waiting lines and lets the home answer."""
        by_slot = {own.slot: own for _, own in home.readings}
        waiting = home.lines[home.carried :]
        if not waiting:
            return
        readings = [by_slot[line.slot] for line in waiting]
        lines = [self._line(own, line) for own, line in zip(readings, waiting, strict=True)]
        last = readings[-1]
        leaves = list(home.leaves.get(last.slot // 96, []))
        charges = [self._charge_line(row) for row in home.charges[home.charged :]]
        for own, line in zip(readings, lines, strict=True):
            leaves += line_leaves(struct_hash(own), line.totals, line.kind)
            leaves += [struct_hash(one.totals) for one in charges if one.after_slot == own.slot]
        assert home.position is not None
        net = statement_net_micro(home.position.net_pico, FUNDING[home.name])
        statement = Statement(
            HIVE, home.signer.address, last.slot, net, last.imported, last.exported, merkle_root(leaves)
        )
        message = statement_message(
            statement,
            QUEEN.sign(digest(DOMAIN, statement)),
            CoverTold(FUNDING[home.name], self.pool, 0, 12),
            lines,
            charges,
        )
        answer = self._answer(home, statement, last.slot - START)
        home.statements.append(AnsweredStatement(message, answer))
        if answer is not None and answer.reason == 0:
            home.carried, home.charged = len(home.lines), len(home.charges)
            home.leaves[last.slot // 96] = leaves

    def _charge_line(self, row: ChargeRecord) -> ChargeLine:
        numbers = (row.after_slot, row.quantity_milliwh, row.amount_pico, row.net_pico)
        return ChargeLine(row.kind, *self.periods[row.kind], *numbers)

    def _period(self, kind: int) -> PeriodRecord:
        totals, signature = self.periods[kind]
        return PeriodRecord(
            v=1,
            kind=kind,
            hive=HIVE,
            slot=totals.slot,
            whole=totals.charged if isinstance(totals, PeakTotals) else totals.moved,
            shared=totals.shared,
            terms=totals.terms.hex(),
            signature=signature.hex(),
        )

    def _answer(self, home: Home, statement: Statement, place: int) -> CountersignMessage | None:
        if (home.name, place) == UNANSWERED:
            return None
        hashed = digest(DOMAIN, statement)
        objects = (home.name, place) == OBJECTED
        reason, net = (7, statement.net - 5) if objects else (0, statement.net)
        under = digest(DOMAIN, Objection(hashed, net, reason)) if objects else hashed
        return CountersignMessage(
            worker=home.address,
            slot=statement.slot,
            statement=hashed.hex(),
            net_micro=net,
            reason=reason,
            signature=home.signer.sign(under).hex(),
        )

    def settle(self, slot: int) -> None:
        packed, accounts, hashes, change = b"", [], [], 0
        for home in self.homes:
            agreed = [s for s in home.statements if s.answer is not None and s.answer.reason == 0]
            statement, answer = agreed[-1].message.signed(), agreed[-1].answer
            assert answer is not None
            packed += statement.worker + statement.slot.to_bytes(4, "big")
            packed += statement.net.to_bytes(8, "big", signed=True) + statement.imported.to_bytes(6, "big")
            packed += statement.exported.to_bytes(6, "big") + statement.readings + bytes.fromhex(answer.signature)
            funding = FUNDING[home.name]
            fresh = AccountState(
                funding_micro=funding,
                net_micro=0,
                import_milliwh=0,
                export_milliwh=0,
                slot=START,
                state=1,
                owed=False,
            )
            before = home.settled or fresh
            after = msgspec.structs.replace(
                before,
                net_micro=statement.net,
                import_milliwh=statement.imported,
                export_milliwh=statement.exported,
                slot=statement.slot,
            )
            accounts.append(AppliedRecord(worker=home.address, reason=0, before=before, after=after))
            hashes.append(struct_hash(statement))
            change += after.net_micro - before.net_micro
            home.settled = after
        pool, self.pool = self.pool, self.pool + change
        self.settlements.append(
            SettlementRecord(
                v=1,
                slot=slot,
                batch=0,
                transaction=keccak(packed).hex(),
                status=1,
                block=20 + len(self.settlements),
                block_unix_s=(slot + 1) * 900 + 60,
                gas_used=123_456,
                packed=packed.hex(),
                root=merkle_root(hashes).hex(),
                fee_micro=0,
                fee_taken_micro=0,
                pool_before_micro=pool,
                pool_after_micro=self.pool,
                accounts=tuple(accounts),
            )
        )

    def bundle(self) -> EvidenceBundle:
        homes = self.homes
        return EvidenceBundle(
            hive=HIVE,
            domain=DOMAIN,
            queen=QUEEN.address,
            owner=OWNER.address,
            tariff_file=self.tariff_file,
            terms_file=self.terms_file,
            workers=tuple(
                WorkerRecord(worker=h.address, serial=f"HW-{h.name}", opening_slot=START, counted_from_slot=START + 1)
                for h in homes
            ),
            readings={
                h.address: tuple(SignedReading(r, h.signer.sign(digest(DOMAIN, r))) for _, r in h.readings)
                for h in homes
            },
            totals=tuple(self.totals.values()),
            lines={h.address: tuple(h.lines) for h in homes},
            statements={h.address: tuple(h.statements) for h in homes},
            meter=tuple(self.meter),
            rounds=tuple(self.rounds),
            settlements=tuple(self.settlements),
            periods=tuple(self._period(kind) for kind in self.periods),
            charges={h.address: tuple(h.charges) for h in homes},
            mother=tuple(self.bills),
        )


@pytest.fixture(scope="session")
def day() -> Day:
    """The reference Queen after her run."""
    made = Day()
    made.run()
    return made


@pytest.fixture(scope="session")
def bundle(day: Day) -> EvidenceBundle:
    """What she would export."""
    return day.bundle()


@pytest.fixture
def folder(bundle: EvidenceBundle, tmp_path: Path) -> Path:
    """The evidence folder, whole and signed."""
    path = tmp_path / "evidence"
    write_evidence(path, bundle, QUEEN)
    return path


@pytest.fixture
def addresses(day: Day) -> dict[str, str]:
    """The homes' addresses by name."""
    return {home.name: home.address for home in day.homes}


@pytest.fixture
def reseal(folder: Path) -> Callable[..., None]:
    """A dishonest Queen: changes fields of a file's document and signs index and manifest anew."""

    def change(name: str, line: int, edit: Callable[[dict[str, Any]], None]) -> None:
        found = documents(name, (folder / name).read_bytes())
        edit(found[line])
        (folder / name).write_bytes(b"".join(canonical(d) + b"\n" for d in found))
        header = documents("manifest.json", (folder / "manifest.json").read_bytes())[0]
        del header["signature"], header["files"]
        seal(folder, header, QUEEN)

    return change


@pytest.fixture
def queen() -> KeySigner:
    """The Queen's key."""
    return QUEEN


@pytest.fixture
def tariff() -> Tariff:
    """What the homes pay on their own."""
    return TARIFF


@pytest.fixture
def funding() -> dict[str, int]:
    """Micro-coins paid in, by name of the home."""
    return FUNDING
