"""A Worker's recomputation: right statements pass, every field changed by one unit is refused for the right reason."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from honey_edge.billing.account import ALONE, ARREARS, POOLED, Counters, Position, book_alone, book_pooled
from honey_edge.billing.tariff import Tariff
from honey_edge.wire import recompute
from honey_edge.wire.merkle import merkle_path, merkle_root
from honey_edge.wire.recompute import (
    COUNTERS,
    NET,
    SLOT,
    TERMS,
    TOTALS,
    Agreement,
    Disagreement,
    Ledger,
    check_totals,
    line_leaves,
    pool_of,
    recompute_statement,
)
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.statement_message import StatementLine
from honey_edge.wire.structs import HiveTerms, Reading, SlotTotals, Statement
from honey_edge.wire.typed_data import Domain, digest, struct_hash

QUEEN, STRANGER = KeySigner(b"\1" * 32), KeySigner(b"\2" * 32)
DOMAIN = Domain(31337, b"\5" * 20)
WORKER, OTHER = b"\x0a" * 20, b"\x0b" * 20
TARIFF = Tariff("EUR", (200,) * 96, (50,) * 96, (), 0)
TERMS_ = HiveTerms(7, 1, 0, b"\6" * 32, 250, 20, 0, 10**6, 10_000, 0, 2)
AGREEMENT = Agreement(DOMAIN, QUEEN.address, 7, TERMS_, TARIFF)
FUNDING, FIRST = 10_000, 96 * 20_000 + 10


@dataclass(frozen=True)
class Case:
    """Everything recompute_statement takes."""

    ledger: Ledger
    readings: list[Reading]
    lines: list[StatementLine]
    statement: Statement
    funding: int = FUNDING
    lowest: int = 1000

    def run(self) -> tuple[Ledger, list[Any]]:
        lowest = [self.lowest] * len(self.lines)
        return recompute_statement(
            AGREEMENT, self.ledger, self.readings, self.lines, self.statement, self.funding, lowest
        )


def sealed(totals: SlotTotals, signer: KeySigner = QUEEN) -> bytes:
    return signer.sign(digest(DOMAIN, totals))


def reading(slot: int, imported: int, exported: int, previous: bytes) -> Reading:
    return Reading(WORKER, slot, imported, exported, 0, b"\7" * 32, previous)


def totals_for(slot: int, own: Reading | None, pcc: int = 20, price: int = 200) -> tuple[SlotTotals, list[bytes]]:
    """Totals of a slot with 120 bought and 100 sold; the leaves hold another home's reading, then the own one."""
    leaves = [struct_hash(Reading(OTHER, slot, 0, 100, 0, b"\7" * 32, bytes(32)))]
    if own is not None:
        leaves.insert(0, struct_hash(own))
    terms = struct_hash(TERMS_)
    return (
        SlotTotals(7, slot, 120, 100, pcc, 200, 50, price, 250, 20, len(leaves), 0, 5, merkle_root(leaves), terms),
        leaves,
    )


def statement_for(ledger: Ledger, readings: list[Reading], lines: list[StatementLine], funding: int) -> Statement:
    leaves = list(ledger.leaves_for(readings[-1].slot))
    for own, line in zip(readings, lines, strict=True):
        leaves += line_leaves(struct_hash(own), line.totals, line.kind)
    last = readings[-1]
    net = min(-(-lines[-1].net_pico // 10**6), funding)
    return Statement(7, WORKER, last.slot, net, last.imported, last.exported, merkle_root(leaves))


def right_case(net_pico: int = 0, funding: int = FUNDING) -> Case:
    """Three readings: one pooled, one alone over two slots, one pooled again."""
    start = Position(FIRST, 1000, 500, net_pico)
    ledger = Ledger(start, FIRST, (b"\3" * 32,))
    one = reading(FIRST + 1, 1120, 500, b"\4" * 32)
    two = reading(FIRST + 3, 1300, 500, struct_hash(one))
    three = reading(FIRST + 4, 1420, 500, struct_hash(two))
    lines, position = [], start
    for own in (one, two, three):
        alone = own.slot > position.slot + 1
        totals, leaves = totals_for(own.slot, None if alone else own)
        counters = Counters(own.slot, own.imported, own.exported)
        if alone:
            booking = book_alone(position, counters, TARIFF)
        else:
            booking = book_pooled(position, counters, pool_of(totals), 1000, funding)
        position = booking.position
        lines.append(
            StatementLine(
                totals,
                sealed(totals),
                () if alone else tuple(merkle_path(leaves, 0)),
                booking.kind,
                booking.energy_milliwh,
                1000,
                booking.amount_pico,
                position.net_pico,
            )
        )
    readings = [one, two, three]
    return Case(ledger, readings, lines, statement_for(ledger, readings, lines, funding), funding)


def test_a_right_statement_passes_and_moves_the_ledger() -> None:
    case = right_case()
    ledger, bookings = case.run()
    assert [b.kind for b in bookings] == [POOLED, ALONE, POOLED]
    assert bookings[0].discount_pico > 0
    assert ledger.position.net_pico == case.lines[-1].net_pico == sum(b.amount_pico for b in bookings)
    assert ledger.statement_slot == FIRST + 4
    assert len(ledger.leaves) == 1 + 2 + 1 + 2
    assert merkle_root(ledger.leaves) == case.statement.readings


def test_more_own_readings_than_lines_are_the_next_statements_business() -> None:
    case = right_case()
    more = [*case.readings, reading(FIRST + 5, 1500, 500, struct_hash(case.readings[-1]))]
    assert replace(case, readings=more).run()[0] == case.run()[0]


def test_a_new_day_starts_new_leaves() -> None:
    case = right_case()
    yesterday = replace(case.ledger, statement_slot=FIRST - 96)
    assert yesterday.leaves_for(FIRST) == ()
    statement = statement_for(yesterday, case.readings, case.lines, FUNDING)
    ledger, _ = replace(case, ledger=yesterday, statement=statement).run()
    assert len(ledger.leaves) == 5


def test_arrears_are_settled_at_the_own_tariff_and_net_stops_at_funding() -> None:
    case = right_case(net_pico=10**6, funding=0)
    ledger, bookings = case.run()
    assert [b.kind for b in bookings] == [ARREARS, ALONE, ARREARS]
    assert case.statement.net == 0
    assert ledger.position.net_pico == 10**6 + (120 + 180 + 120) * 200


def refused(case: Case, reason: int, field: str, slot: int | None = None) -> None:
    with pytest.raises(Disagreement) as found:
        case.run()
    assert (found.value.reason, found.value.field) == (reason, field), str(found.value)
    if slot is not None:
        assert found.value.slot == slot


STATEMENT_FIELDS = [
    ("hive", SLOT),
    ("worker", SLOT),
    ("slot", SLOT),
    ("net", NET),
    ("imported", COUNTERS),
    ("exported", COUNTERS),
    ("readings", TOTALS),
]


@pytest.mark.parametrize(("field", "reason"), STATEMENT_FIELDS)
def test_every_field_of_a_statement_is_judged(field: str, reason: int) -> None:
    assert {name for name, _ in STATEMENT_FIELDS} == set(Statement.__slots__)
    case = right_case()
    value = getattr(case.statement, field)
    other = value + 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]
    refused(replace(case, statement=replace(case.statement, **{field: other})), reason, field)


def with_line(case: Case, index: int, **changes: Any) -> Case:
    lines = list(case.lines)
    lines[index] = replace(lines[index], **changes)
    return replace(case, lines=lines)


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize(
    ("field", "reason"),
    [("energy_milliwh", COUNTERS), ("reputation", TOTALS), ("amount_pico", NET), ("net_pico", NET)],
)
def test_every_number_of_a_line_is_judged(index: int, field: str, reason: int) -> None:
    case = right_case()
    for step in (1, -1):
        changed = with_line(case, index, **{field: getattr(case.lines[index], field) + step})
        refused(changed, reason, field, case.readings[index].slot)


def test_the_kind_of_a_line_is_judged() -> None:
    case = right_case()
    refused(with_line(case, 0, kind=ARREARS), NET, "kind")
    refused(with_line(case, 0, kind=ALONE), TOTALS, "path")
    refused(with_line(case, 0, kind=ALONE, path=()), NET, "amount_pico")
    refused(with_line(case, 1, kind=POOLED), TOTALS, "path")
    owing = right_case(net_pico=10**6, funding=0)
    refused(with_line(owing, 0, kind=POOLED), NET, "kind")


def test_the_path_of_a_line_is_judged() -> None:
    case = right_case()
    refused(with_line(case, 0, path=()), TOTALS, "path", FIRST + 1)
    refused(with_line(case, 0, path=(bytes(32),)), TOTALS, "path")
    refused(with_line(case, 1, path=(bytes(32),)), TOTALS, "path")


def test_the_signature_under_the_totals_is_judged() -> None:
    case = right_case()
    totals = case.lines[0].totals
    for signature in (sealed(totals, STRANGER), bytes(64), b"", sealed(case.lines[2].totals)):
        refused(with_line(case, 0, totals_signature=signature), TOTALS, "signature")


@pytest.mark.parametrize("field", SlotTotals.__slots__)
def test_every_field_of_totals_changed_after_signing_is_refused(field: str) -> None:
    case = right_case()
    totals = case.lines[0].totals
    value = getattr(totals, field)
    other = value + 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]
    changed = with_line(case, 0, totals=replace(totals, **{field: other}))
    refused(changed, *((SLOT, "line slot") if field == "slot" else (TOTALS, "signature")))


SIGNED_LIES = [
    ({"hive": 8}, TOTALS, "hive"),
    ({"slot": FIRST + 2}, SLOT, "line slot"),
    ({"buy": 201}, TERMS, "buy"),
    ({"sell": 49}, TERMS, "sell"),
    ({"theta": 251}, TERMS, "theta"),
    ({"fee": 21}, TERMS, "fee"),
    ({"terms": bytes(32)}, TERMS, "terms"),
    ({"price": 199}, TOTALS, "price"),
    ({"pcc": -20}, TOTALS, "price"),
    ({"pcc": 1}, NET, "amount_pico"),
    ({"pcc": 1, "price": 201}, TOTALS, "price"),
    ({"pcc": 1, "price": 49}, TOTALS, "price"),
    ({"bought": 121}, NET, "amount_pico"),
    ({"sold": 99}, NET, "amount_pico"),
    ({"bought": 0, "sold": 0}, NET, "amount_pico"),
    ({"readings": bytes(32)}, TOTALS, "path"),
    ({"present": 9, "missing": 9, "reserve": -1}, TOTALS, "readings"),
]


@pytest.mark.parametrize(("changes", "reason", "field"), SIGNED_LIES, ids=lambda value: str(value)[:40])
def test_totals_that_lie_under_a_good_signature_are_refused(changes: dict[str, Any], reason: int, field: str) -> None:
    case = right_case()
    totals = replace(case.lines[0].totals, **changes)
    refused(with_line(case, 0, totals=totals, totals_signature=sealed(totals)), reason, field)


def test_a_rule_without_an_answer_is_a_disagreement_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    case = right_case()
    totals = replace(case.lines[0].totals, buy=10, sell=20, price=10)
    upside_down = replace(AGREEMENT, tariff=replace(TARIFF, buy=(10,) * 96, sell=(20,) * 96))
    monkeypatch.setitem(globals(), "AGREEMENT", upside_down)
    refused(with_line(case, 0, totals=totals, totals_signature=sealed(totals)), COUNTERS, "reading")


@pytest.mark.parametrize("field", ["imported", "exported", "flags", "slot", "worker", "configuration", "previous"])
def test_every_field_of_an_own_reading_decides(field: str) -> None:
    case = right_case()
    own = case.readings[0]
    value = getattr(own, field)
    changed = value + 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]
    readings = [replace(own, **{field: changed}), *case.readings[1:]]
    expected = (SLOT, "line slot") if field == "slot" else (TOTALS, "path")
    refused(replace(case, readings=readings), *expected)


def test_counters_and_slots_that_go_back_are_refused() -> None:
    case = right_case()
    ahead = replace(case.ledger, position=replace(case.ledger.position, imported=5000))
    refused(replace(case, ledger=ahead), COUNTERS, "reading", FIRST + 1)
    later = replace(case.ledger, position=replace(case.ledger.position, slot=FIRST + 1))
    refused(replace(case, ledger=later), COUNTERS, "reading")
    settled = replace(case.ledger, statement_slot=FIRST + 4)
    refused(replace(case, ledger=settled), SLOT, "slot")


def test_a_statement_needs_lines_and_a_reading_for_each() -> None:
    case = right_case()
    refused(replace(case, lines=[]), SLOT, "lines")
    refused(replace(case, readings=case.readings[:2]), SLOT, "lines")
    refused(replace(case, lines=[case.lines[1], case.lines[0], case.lines[2]]), SLOT, "line slot")


def test_funding_below_what_was_told_is_seen_in_net() -> None:
    case = right_case(net_pico=8_930_000)
    assert case.statement.net == 10
    refused(replace(case, funding=9), NET, "net")


def test_totals_stand_alone_too() -> None:
    totals, _ = totals_for(FIRST, None, pcc=0, price=120)
    check_totals(AGREEMENT, totals, sealed(totals))
    export, _ = totals_for(FIRST, None, pcc=-20, price=50)
    check_totals(AGREEMENT, export, sealed(export))
    assert recompute.FUNDS == 6
    assert recompute.POOL == 7
