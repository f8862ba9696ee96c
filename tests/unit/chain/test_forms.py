"""A node that answers JSON of another form is set aside like one that does not answer; nothing else breaks."""

from typing import Any

import pytest

from queen_node.chain.forms import FORMS, fits
from queen_node.chain.panel import Fault, Panel
from queen_node.chain.rpc import Refusal, Request

WRONG: tuple[Any, ...] = ({}, "", "text", 7, True, [{}], [None], {"number": "0x1"}, "0x", "0xzz")
HASH = "0x" + "ab" * 32
RIGHT: dict[str, Any] = {
    "eth_blockNumber": "0x1",
    "eth_call": "0x",
    "eth_chainId": "0x7a69",
    "eth_estimateGas": "0x5208",
    "eth_getBalance": "0x0",
    "eth_getBlockByNumber": {"number": "0x1", "timestamp": "0x2", "hash": HASH, "extra": None},
    "eth_getCode": "0x6001",
    "eth_getLogs": [],
    "eth_getStorageAt": HASH,
    "eth_getTransactionCount": "0x0",
    "eth_getTransactionReceipt": None,
    "eth_sendRawTransaction": HASH,
    "eth_simulateV1": [{"calls": [{"status": "0x1", "gasUsed": "0x1", "returnData": "0x", "logs": []}]}],
}


class Says:
    """An address that answers everything but the chain id with one value."""

    name = "node"

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def send(self, requests: list[Request]) -> list[Any]:
        return ["0x1" if one.method == "eth_chainId" else self._answer for one in requests]


@pytest.mark.parametrize("method", sorted(FORMS))
def test_every_method_takes_its_form_and_nothing_else(method: str):
    assert fits(method, RIGHT[method])
    refused = [wrong for wrong in WRONG if not fits(method, wrong)]
    assert len(refused) >= len(WRONG) - 2


@pytest.mark.parametrize("wrong", WRONG)
def test_an_answer_of_another_form_sets_the_address_aside(wrong: Any):
    panel = Panel([Says(wrong)], 1)
    names = panel.usable(1)
    assert panel.ask(names, [Request("eth_getTransactionReceipt", (HASH,))]) == {}
    assert panel.faults()["node"] is Fault.DOWN


def test_a_refusal_is_no_wrong_form():
    panel = Panel([Says(Refusal(3, "execution reverted"))], 1)
    assert list(panel.ask(panel.usable(1), [Request("eth_call", ({},))])) == ["node"]
    assert panel.faults()["node"] is Fault.NONE


def test_a_chain_id_that_is_no_number_keeps_an_address_out():
    endpoint = Says("0x1")
    endpoint.send = lambda requests: [{} for _ in requests]  # type: ignore[method-assign]
    assert Panel([endpoint], 1).faults()["node"] is Fault.NONE
    panel = Panel([endpoint], 1)
    with pytest.raises(ConnectionError):
        panel.usable(1)
    assert panel.faults()["node"] is Fault.DOWN
