"""What the journal and a look become on the page: figures as they were seen, nothing where nothing was."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.worker_node.test_account import AGREEMENT, Bench
from tests.unit.worker_node.test_chain_watch import CALM
from tests.unit.worker_node.world import FIRST_SLOT, QUEEN
from worker_node import state
from worker_node.app.chain import chain_of, own_of
from worker_node.chain_eye.findings import Own
from worker_node.chain_eye.watch import Seen


def test_before_the_first_look_the_page_knows_only_why() -> None:
    seen = Seen(None, "a:443: no answer within 10 s", (), "", 0, 2)
    assert chain_of(seen) == state.Chain(watched=True, trouble="a:443: no answer within 10 s", contest_addresses=2)


@pytest.mark.parametrize(("number", "name"), [(0, "none"), (1, "open"), (2, "closing"), (3, "closed"), (9, "unknown")])
def test_a_look_becomes_figures(number: int, name: str) -> None:
    chain = chain_of(Seen(replace(CALM, state=number, settled_slot=0), "", ("frozen",), "", 0, 0))
    assert (chain.account, chain.findings, chain.settled_slot) == (name, ("frozen",), None)
    assert (chain.close_ends_unix_s, chain.close_slot) == (None, None)
    assert (chain.pool_micro, chain.checked_unix_s) == (CALM.pool_micro, float(CALM.at_unix_s))
    closing = chain_of(Seen(replace(CALM, close_ends_unix_s=99, close_slot=7, close_side=1), "", (), "", 0, 0))
    assert (closing.close_ends_unix_s, closing.close_slot, closing.close_side) == (99.0, 7, 1)


def test_what_sellers_are_owed_is_added_up_from_the_agreed_statements(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    look = replace(CALM, settled_slot=FIRST_SLOT + 1)
    assert bench.journal.run(lambda one: own_of(one, look, AGREEMENT)) == Own(None, {}, 2, QUEEN.address.hex())
    assert bench.answer(bench.book.statement(bench.readings[1:4])).reason == 0
    own = bench.journal.run(lambda one: own_of(one, look, AGREEMENT))
    assert own.agreed_slot == FIRST_SLOT + 3
    assert own.owed_pico is not None
    assert set(own.owed_pico) == {FIRST_SLOT + 1, FIRST_SLOT + 2, FIRST_SLOT + 3}
    assert all(pico >= 250_000 * 80_000 for pico in own.owed_pico.values())
    free = replace(AGREEMENT, terms=replace(AGREEMENT.terms, cover_days=0))
    assert bench.journal.run(lambda one: own_of(one, look, free)).owed_pico == {}
    assert bench.journal.run(lambda one: own_of(one, None, AGREEMENT)).owed_pico == {}
