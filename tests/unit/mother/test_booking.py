"""The mother's bill: verified, booked once, and every pico-coin of both Hives accounted for (P10 at every node)."""

import random

import pytest
from msgspec import structs

from honey_edge.market.grid.tree_money import NodeSlot, NodeTerms, settle_tree
from honey_edge.wire.codec import decode, encode
from honey_edge.wire.mother_bill import read_bill
from honey_edge.wire.recompute import Disagreement
from honey_edge.wire.statement_message import StatementMessage
from honey_edge.wire.typed_data import digest
from queen_node.closing.runner import Closer
from queen_node.mother.booking import MotherBook, due
from queen_node.store import books, mothers
from tests.unit.queen_node.conftest import DOMAIN, FIRST_SLOT, QUEEN, World


class Tree:
    """A mother with two homes and a daughter; the daughter with three homes. The last Worker of the mother is hers."""

    def __init__(self, seed=1, fees=(25, 10)):
        self.mother, self.daughter = World(3, fee=fees[0], metered=False), World(3, fee=fees[1])
        self.point, self.refused, self.chance = self.mother.workers[2], [], random.Random(seed)
        self.slots, self.energies, self.counters = [], {}, {}
        self.restart()

    def restart(self):
        """The daughter's daemon anew from her store."""
        self.book = MotherBook(
            self.daughter.store,
            self.mother.agreement,
            self.point.name,
            lambda: self.mother.now_unix_s,
            lambda *told: self.refused.append(told[0]),
        )
        closer = self.daughter.closer
        self.closer = Closer(closer.store, closer.rules, closer.domain, closer.signer, closer.metered, mother_due=due)

    def live(self, slot, *, told=True, late=()):
        """One slot at both Hives: readings, closings, the mother's Statement to the daughter."""
        own = [self.chance.randrange(-600_000, 900_000) for _ in range(3)]
        hers = [self.chance.randrange(-600_000, 900_000) for _ in range(2)]
        if slot == FIRST_SLOT:
            own, hers = [0] * 3, [0] * 2
        pcc = sum(own)
        for world, energies in ((self.daughter, own), (self.mother, [*hers, pcc])):
            world.now_unix_s = (slot + 1) * 900.0
            for worker, energy in zip(world.workers, energies, strict=True):
                counted = self.counters.setdefault((id(world), worker.name), [0, 0])
                counted[energy < 0] += abs(energy)
                if worker.name not in late:
                    world.send(worker, worker.read(slot, *counted))
        counted = self.counters.setdefault("pcc", [0, 0])
        counted[pcc < 0] += abs(pcc)
        self.daughter.meter(slot, *counted)
        if slot == FIRST_SLOT:
            return
        self.slots.append(slot)
        self.energies[slot] = (own, hers)
        self.mother.closer.close(slot)
        self.closer.close(slot)
        self.mother.countersign_all()
        if told:
            self.tell()

    def tell(self):
        with self.mother.store.begin() as tx:
            statement = books.newest_statement(tx, self.point.name)
        if statement is not None:
            self.book.receive(statement.message)

    def bills(self):
        with self.daughter.store.begin() as tx:
            return mothers.all_bills(tx)

    def conserved(self):
        """What the homes paid so far is what the mother took or will take, the fee and the reserve."""
        with self.daughter.store.begin() as tx:
            closed = books.closed_slots(tx)
            bills = mothers.all_bills(tx)
        booked = [bill for bill in bills if bill.closed_slot is not None]
        paid = sum(one.money.pooled + one.money.alone for one in closed)
        taken = sum(one.money.metered_cost for one in closed)
        taken += sum(bill.charged_pico - (bill.own_pico or 0) for bill in booked)
        fees = sum(one.money.fee for one in closed)
        return paid - (taken + fees + closed[-1].totals.reserve)


def run(tree, slots, **options):
    for slot in range(FIRST_SLOT, FIRST_SLOT + slots + 1):
        tree.live(slot, **options)
    return tree


def test_both_levels_settle_as_the_tree_does_and_every_pico_coin_is_accounted_for():
    tree = run(Tree(), 20)
    assert tree.conserved() == 0
    bills = {bill.slot: bill for bill in tree.bills()}
    assert [bill.closed_slot for bill in bills.values()] == [*tree.slots[1:], None]
    with tree.mother.store.begin() as tx:
        mothers_totals = {slot: books.closed_slot(tx, slot).totals for slot in tree.slots}
    with tree.daughter.store.begin() as tx:
        own_totals = {slot: books.closed_slot(tx, slot) for slot in tree.slots}
    reserve = 0
    for slot in tree.slots[:-1]:
        own, hers = tree.energies[slot]
        root, her = mothers_totals[slot], own_totals[slot].totals
        nodes = {
            "mother": NodeSlot(None, {"a": hers[0], "b": hers[1]}, root.pcc, terms_of(root), {}),
            "her": NodeSlot("mother", dict(zip("cde", own, strict=True)), sum(own), terms_of(her), {}),
        }
        settled = settle_tree(nodes)
        assert all(money.left_over == 0 for money in settled.values())
        assert bills[slot].charged_pico == settled["mother"].payments["her"] == settled["her"].charged
        assert bills[slot].own_pico == settled["her"].hive_cost
        assert own_totals[slot].money.pooled == sum(settled["her"].payments.values())
        reserve += settled["her"].reserve - settled["her"].deficit
    last = own_totals[tree.slots[-1]].money
    reserve += last.surplus - last.fee - last.discounts - last.deficit
    assert own_totals[tree.slots[-1]].totals.reserve == reserve


def terms_of(totals):
    return NodeTerms(totals.buy, totals.sell, totals.price, totals.theta, totals.fee)


@pytest.mark.parametrize("seed", range(2))
def test_statements_that_were_never_seen_are_booked_with_the_next_one(seed):
    tree, chance = Tree(seed), random.Random(seed)
    for slot in range(FIRST_SLOT, FIRST_SLOT + 25):
        tree.live(slot, told=chance.random() < 0.4)
        if tree.slots:
            assert tree.conserved() == 0
    tree.live(FIRST_SLOT + 25)
    tree.live(FIRST_SLOT + 26, told=False)
    bills = tree.bills()
    assert [bill.from_slot for bill in bills[1:]] == [bill.slot + 1 for bill in bills[:-1]]
    assert bills[-1].slot == FIRST_SLOT + 25
    with tree.mother.store.begin() as tx:
        lines = books.lines_of(tx, tree.point.name)
    known = [line for line in lines if bills[0].from_slot <= line.slot <= bills[-1].slot]
    assert sum(bill.charged_pico for bill in bills) == sum(line.amount_pico for line in known)
    assert tree.conserved() == 0


def test_a_bill_is_booked_once_however_often_it_comes_and_whatever_restarts():
    tree = Tree()
    for slot in range(FIRST_SLOT, FIRST_SLOT + 6):
        tree.live(slot)
        tree.tell()
        tree.restart()
        tree.tell()
    assert [bill.slot for bill in tree.bills()] == tree.slots
    assert tree.conserved() == 0
    again = tree.closer.close(tree.slots[-1])
    assert again.totals.reserve == tree.closer.close(tree.slots[-1]).totals.reserve


def test_a_reading_that_was_late_at_the_mother_is_charged_as_she_charged_it():
    tree = Tree()
    for slot in range(FIRST_SLOT, FIRST_SLOT + 4):
        tree.live(slot)
    tree.live(FIRST_SLOT + 4, late=(tree.point.name,))
    for slot in range(FIRST_SLOT + 5, FIRST_SLOT + 9):
        tree.live(slot)
    bills = {bill.slot: bill for bill in tree.bills()}
    assert FIRST_SLOT + 4 not in bills
    assert bills[FIRST_SLOT + 5].from_slot == FIRST_SLOT + 4
    assert tree.conserved() == 0


def test_slots_before_the_hives_own_first_closing_are_nobodys_money():
    tree = Tree()
    closer, tree.closer = tree.closer, None

    class NotYet:
        def close(self, slot):
            return None

    tree.closer = NotYet()
    for slot in range(FIRST_SLOT, FIRST_SLOT + 3):
        tree.live(slot)
    tree.closer = closer
    for slot in range(FIRST_SLOT + 3, FIRST_SLOT + 8):
        tree.live(slot)
    early = [bill for bill in tree.bills() if bill.slot < FIRST_SLOT + 3]
    assert early
    assert all(bill.own_pico == bill.charged_pico for bill in early)
    assert tree.conserved() == 0


def newest(tree):
    with tree.mother.store.begin() as tx:
        return decode(StatementMessage, books.newest_statement(tx, tree.point.name).message)


def signed(message, key=QUEEN):
    return structs.replace(message, signature=key.sign(digest(DOMAIN, message.signed())).hex())


def first(values, value):
    return (value, *values[1:])


CHANGES = {
    "signature": lambda m, other: structs.replace(m, signature=other.sign(digest(DOMAIN, m.signed())).hex()),
    "net": lambda m, other: signed(structs.replace(m, net_micro=m.net_micro + 1)),
    "worker": lambda m, other: signed(structs.replace(m, worker="ab" * 20)),
    "hive": lambda m, other: signed(structs.replace(m, hive=8)),
    "amount": lambda m, other: structs.replace(
        m, line_amount_pico=first(m.line_amount_pico, m.line_amount_pico[0] + 1)
    ),
    "energy": lambda m, other: structs.replace(m, line_energy_milliwh=first(m.line_energy_milliwh, 5)),
    "totals": lambda m, other: structs.replace(m, line_bought=first(m.line_bought, m.line_bought[0] + 1)),
    "totals signature": lambda m, other: structs.replace(m, line_signature=first(m.line_signature, "00" * 64)),
    "reputation": lambda m, other: structs.replace(m, line_reputation=first(m.line_reputation, 1_001)),
    "cumulative": lambda m, other: structs.replace(m, line_net_pico=first(m.line_net_pico, m.line_net_pico[0] + 10**7)),
    "slot": lambda m, other: signed(structs.replace(m, slot=m.slot + 1)),
    "lines": lambda m, other: structs.replace(m, line_slot=()),
    "too dear alone": lambda m, other: structs.replace(
        m,
        line_kind=first(m.line_kind, 1),
        line_amount_pico=first(m.line_amount_pico, 10**18),
        line_net_pico=first(m.line_net_pico, m.line_net_pico[0] - m.line_amount_pico[0] + 10**18),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_bill_that_does_not_follow_is_refused_and_changes_nothing(change):
    tree = run(Tree(), 3, told=False)
    message = newest(tree)
    assert read_bill(tree.mother.agreement, tree.point.signer.address, message).slot == message.slot
    wrong = CHANGES[change](message, tree.point.signer)
    if change != "lines":
        with pytest.raises(Disagreement):
            read_bill(tree.mother.agreement, tree.point.signer.address, wrong)
    tree.book.receive(encode(wrong))
    assert tree.refused == ["mother-bill"]
    assert tree.bills() == []
    tree.mother.now_unix_s = FIRST_SLOT * 900.0
    tree.tell()
    assert tree.refused == ["mother-bill"] * 2
    tree.mother.now_unix_s = (FIRST_SLOT + 4) * 900.0
    tree.book.receive(b"{}")
    assert tree.refused == ["mother-bill"] * 3
    tree.tell()
    assert len(tree.bills()) == 1
