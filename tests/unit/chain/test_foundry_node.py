"""The same settlement on Foundry's node, whose answers are worded differently and which simulates whole blocks."""

from dataclasses import replace

import pytest

from queen_node.chain import CallReverted, IntentState
from queen_node.chain.expectation import BAD_SIGNATURE
from tests.chain_kit.hive import HIVE, SLOT, START_UNIX_S, anvil_hive


def test_the_same_settlement_on_foundrys_node() -> None:
    with anvil_hive() as hive:
        queen, leaf = hive.chain(), hive.leaf(0)
        assert queen.account(HIVE, leaf.worker).slot == START_UNIX_S // 900 - 1
        with pytest.raises(CallReverted, match="PeriodInFuture") as refused:
            queen.simulate_settle(HIVE, SLOT + 1000, [leaf])
        assert refused.value.arguments == {"slot": SLOT + 1000, "current": SLOT + 1}
        (receipt,) = queen.settle(HIVE, SLOT, [leaf, replace(hive.leaf(1, net_micro=7), signature=bytes(64))])
        assert receipt.applied == (leaf.worker.hex(),)
        assert list(receipt.skipped.values()) == [BAD_SIGNATURE]
        assert receipt.outcomes[0].before.net_micro == 0
        assert receipt.outcomes[0].after.net_micro == 5_000_000
        (row,) = queen.rows(HIVE, SLOT)
        hive.intents.change(row.key, state=IntentState.SIGNED, block_hash="")
        assert hive.chain().settle(HIVE, SLOT, [leaf]) == (receipt,)
        assert queen.pool(HIVE).next_batch == 1
        hive.check_books()
