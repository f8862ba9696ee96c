"""One transaction is priced, sent and waited for; what goes wrong on the way has a name, and nothing is sent twice."""

import asyncio
from typing import Any

import pytest

from honey_edge.wire.keccak import keccak
from tests.unit.worker_node.fake_node import FakeNode, serving
from tests.unit.worker_node.world import DOMAIN, WORKER
from worker_node.chain_eye.rpc import Node, NodeFailed, Receipt
from worker_node.rescue.sending import NotMined, Offer, Refused, TooPoor, send, simulate

TIP_WEI, BASE_WEI, GAS = 3, 7, 100_000
RECEIPT = {"status": "0x1", "blockNumber": "0x65", "gasUsed": "0x5208", "effectiveGasPrice": "0xa"}
NODE: dict[str, Any] = {
    "eth_call": "0x",
    "eth_estimateGas": hex(GAS),
    "eth_maxPriorityFeePerGas": hex(TIP_WEI),
    "eth_gasPrice": hex(TIP_WEI),
    "eth_getTransactionCount": "0x4",
    "eth_getBalance": hex(10**18),
    "eth_sendRawTransaction": "0x" + "ab" * 32,
    "eth_getTransactionReceipt": RECEIPT,
}
ERROR = {"code": -32000, "message": "no"}


def node(**changes: Any) -> FakeNode:
    answers = NODE | changes
    return FakeNode(twist=lambda method, usual: answers.get(method, usual))


def offered(fake: FakeNode) -> Offer:
    async def story() -> Offer:
        async with serving(fake) as server:
            return await simulate([Node(server.url)], 31337, WORKER.address, DOMAIN.contract, b"\x01")

    return asyncio.run(story())


def sent(offer: Offer, *fakes: FakeNode, wait_s: float = 5.0) -> tuple[bytes, Receipt]:
    async def story() -> tuple[bytes, Receipt]:
        servers = [serving(one) for one in fakes]
        for server in servers:
            await server.__aenter__()
        try:
            return await send([Node(server.url) for server in servers], offer, WORKER, wait_s)
        finally:
            for server in servers:
                await server.__aexit__()

    return asyncio.run(story())


def test_an_offer_has_room_for_gas_and_for_a_rising_base_fee() -> None:
    offer = offered(node())
    one = offer.transaction
    assert (one.nonce, one.tip_wei, one.max_fee_wei, one.gas) == (4, TIP_WEI, 2 * BASE_WEI + TIP_WEI, 120_000)
    assert offer.most_wei == 120_000 * 17
    assert offer.likely_wei == GAS * (BASE_WEI + TIP_WEI)


def test_a_node_without_a_tip_tells_its_price() -> None:
    assert offered(node(eth_maxPriorityFeePerGas=ERROR)).transaction.tip_wei == TIP_WEI


def test_a_call_that_would_fail_is_refused_before_it_costs_anything() -> None:
    data = "0x" + keccak(b"TooEarly(uint256)")[:4].hex() + "00" * 32
    with pytest.raises(Refused, match="window is not over"):
        offered(node(eth_call={"code": 3, "message": "execution reverted", "data": data}))


def test_a_key_with_a_waiting_transaction_sends_no_second() -> None:
    counts = iter(["0x4", "0x5"])

    def waiting(method: str, usual: Any) -> Any:
        return next(counts) if method == "eth_getTransactionCount" else NODE.get(method, usual)

    with pytest.raises(NotMined, match="is waiting"):
        offered(FakeNode(twist=waiting))


def test_a_poor_key_sends_nothing() -> None:
    fake = node()
    with pytest.raises(TooPoor):
        sent(offered(node(eth_getBalance="0x1")), fake)
    assert fake.asked == []


def test_the_raw_transaction_goes_to_every_node_and_its_hash_is_known_before() -> None:
    one, two = node(), node()
    offer = offered(node())
    hashed, receipt = sent(offer, one, two)
    assert hashed == keccak(offer.transaction.signed(WORKER))
    assert receipt == Receipt(True, 101, 21_000, 210_000)
    assert one.asked[0] == two.asked[0] == "eth_sendRawTransaction"


def test_one_node_that_takes_it_is_enough() -> None:
    assert sent(offered(node()), node(eth_sendRawTransaction=ERROR), node())[1].succeeded


def test_a_transaction_that_no_node_takes_is_refused() -> None:
    with pytest.raises(Refused, match="no"):
        sent(offered(node()), node(eth_sendRawTransaction=ERROR))
    with pytest.raises(NodeFailed):
        sent(offered(node()), node(eth_sendRawTransaction=7))


def test_a_mined_refusal_and_a_missing_receipt_have_names() -> None:
    offer = offered(node())
    with pytest.raises(Refused, match="mined and refused"):
        sent(offer, node(eth_getTransactionReceipt=RECEIPT | {"status": "0x0"}))
    for silent in (None, ERROR, 7):
        with pytest.raises(NotMined, match="is not mined after"):
            sent(offer, node(eth_getTransactionReceipt=silent), wait_s=0.2)
