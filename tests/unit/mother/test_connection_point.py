"""The Worker at a daughter's connection point: it meters and signs, and leaves rounds to the daughter Queen."""

import asyncio

import pytest

from honey_edge.wire.recompute import TOTALS
from tests.unit.worker_node.test_account import Bench
from tests.unit.worker_node.test_agent import price
from tests.unit.worker_node.world import DOMAIN, WORKER, write_settings
from worker_node.account import Account
from worker_node.app.daemon import Daemon
from worker_node.settings import load_settings


def test_it_neither_opens_nor_answers_a_round(tmp_path):
    file = write_settings(tmp_path)
    answered = []
    for text in ("", "\n[rounds]\nanswer = false\n"):
        file.write_text(file.read_text() + text)
        daemon = Daemon(load_settings(file))

        async def agents(message, text=text):
            answered.append(text)

        daemon._agent.answer = agents
        for message in (price(0), price(1), price(2, final=True)):
            assert asyncio.run(daemon._round(message)) is None
        daemon._hardware.close()
        daemon._journal.close()
    assert answered == [""] * 3


@pytest.mark.parametrize(("reputation", "reason"), [(1_000, 0), (600, 0), (500, 0), (499, TOTALS)])
def test_it_signs_any_factor_that_there_is_because_another_declares_for_it(tmp_path, reputation, reason):
    bench = Bench(tmp_path)
    bench.account = Account(bench.account._agreement, WORKER, bench.journal, lambda: 0.0, declares=False)
    lines = [bench.book.line(one, max(500, reputation)) for one in bench.readings[1:]]
    if reputation < 500:
        values = {name: getattr(lines[-1], name) for name in lines[-1].__slots__}
        lines[-1] = type(lines[-1])(**values | {"reputation": reputation})
    outcome = bench.answer(bench.book.signed(lines))
    assert outcome.reason == reason
    assert bench.account._agreement.domain == DOMAIN
