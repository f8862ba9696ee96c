"""A look counts only when both nodes say the same of one block; else there is a reason and no number."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from honey_edge.model.slots import slot_at
from honey_edge.wire.keccak import keccak
from tests.unit.worker_node.fake_node import CODE, NOW_UNIX_S, FakeNode, Handler, Http, serving
from tests.unit.worker_node.world import DOMAIN, HIVE, QUEEN, WORKER
from worker_node.chain_eye import http
from worker_node.chain_eye.http import HttpFailed, Limits, host_of, post_json
from worker_node.chain_eye.look import ChainLook, LookFailed, Subject, look
from worker_node.chain_eye.rpc import Node, NodeFailed, NodeRefused

SUBJECT = Subject(HIVE, WORKER.address, DOMAIN.contract, DOMAIN.chain_id)


def looked(one: FakeNode, two: FakeNode, subject: Subject = SUBJECT, now_unix_s: float = NOW_UNIX_S) -> ChainLook:
    async def story() -> ChainLook:
        async with serving(one) as first, serving(two) as second:
            return await look([Node(first.url), Node(second.url)], subject, now_unix_s)

    return asyncio.run(story())


def test_two_nodes_that_agree_make_a_look_at_one_common_block() -> None:
    ahead = FakeNode(number=103)
    found = looked(FakeNode(), ahead)
    assert found == ChainLook(
        at_unix_s=NOW_UNIX_S,
        block=100,
        block_hash=keccak(b"block" + (100).to_bytes(8, "big")).hex(),
        block_unix_s=NOW_UNIX_S - 12,
        state=1,
        funding_micro=40_000_000,
        net_micro=-5,
        slot=1_975_579,
        owed=False,
        payout="55" * 20,
        pool_micro=90_000_000,
        pending_micro=0,
        claims_micro=0,
        settled_slot=1_975_583,
        frozen=False,
        short=False,
        queen=QUEEN.address.hex(),
        close_ends_unix_s=0,
        close_slot=0,
        close_side=0,
    )
    assert ChainLook.decoded(found.encoded()) == found


def test_until_its_slot_a_new_queen_is_not_in_force() -> None:
    slot = slot_at(NOW_UNIX_S)
    for from_slot, queen in ((slot, "66" * 20), (slot + 1, "77" * 20)):
        nodes = [
            lying("hiveInfo", queen=b"\x66" * 20, previousQueen=b"\x77" * 20, queenFromSlot=from_slot) for _ in range(2)
        ]
        assert looked(*nodes).queen == queen


def test_a_mother_hive_that_the_home_never_accepted_counts_as_a_request_for_the_whole_pool() -> None:
    def pending(mother: int, accepted: int) -> int:
        nodes = [lying("motherOf", mother=mother), lying("motherOf", mother=mother)]
        return looked(*nodes, subject=replace(SUBJECT, mother=accepted)).pending_micro

    assert pending(mother=9, accepted=0) == pending(mother=9, accepted=8) == 90_000_000
    assert pending(mother=9, accepted=9) == pending(mother=0, accepted=9) == 0


def lying(view: str, **values: Any) -> FakeNode:
    node = FakeNode()
    node.answers[view] |= values
    return node


def twisted(method: str, result: Any) -> FakeNode:
    return FakeNode(twist=lambda asked, usual: result if asked == method else usual)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (lying("account", funding=41_000_000), "differ about the account"),
        (lying("account", slot=1), "differ about the account"),
        (lying("poolOf", pool=90_000_001), "differ about the pool"),
        (lying("poolOf", pending=1), "differ about the pool"),
        (lying("closeOf", endsAt=NOW_UNIX_S + 9), "differ about the close"),
        (lying("hiveInfo", frozen=1), "differ about the hive"),
        (FakeNode(chain_id=1), "is on chain 1, not 31337"),
        (FakeNode(number=30), "lags 70 blocks behind"),
        (FakeNode(number=200), "lags 100 blocks behind"),
        (twisted("eth_call", "0x"), "answers 0 bytes"),
        (twisted("eth_call", "0x" + "ff" * 32 * 12), "answers 384 bytes|does not fit"),
        (twisted("eth_call", "zz"), "answers no bytes"),
        (twisted("eth_call", 7), "answers nothing usable"),
        (twisted("eth_call", {"code": -32000, "message": "header not found"}), "header not found"),
        (twisted("eth_getBlockByNumber", None), "does not have block latest"),
        (twisted("eth_getBlockByNumber", {"number": "0x64", "hash": "0x1", "timestamp": "0x1"}), "nothing usable"),
        (twisted("eth_chainId", "0x" + "f" * 65), "nothing usable"),
    ],
)
def test_a_node_that_lies_lags_or_answers_nonsense_is_named_and_nothing_is_believed(
    other: FakeNode, reason: str
) -> None:
    for pair in ((FakeNode(), other), (other, FakeNode())):
        with pytest.raises(LookFailed, match=reason):
            looked(*pair)


def test_another_block_of_the_same_number_is_no_agreement() -> None:
    def fork(method: str, result: Any) -> Any:
        return result | {"hash": "0x" + "ab" * 32} if method == "eth_getBlockByNumber" else result

    with pytest.raises(LookFailed, match="differ about the block at block 100"):
        looked(FakeNode(), FakeNode(twist=fork))


@pytest.mark.parametrize("age_s", [-7_200, 3 * 86_400])
def test_two_nodes_that_stand_still_together_are_not_believed(age_s: int) -> None:
    one, two = (FakeNode(at_unix_s=NOW_UNIX_S - age_s) for _ in range(2))
    with pytest.raises(LookFailed, match="is not of these days"):
        looked(one, two)


def test_the_code_is_compared_where_the_settings_name_its_hash() -> None:
    named = replace(SUBJECT, code_hash=keccak(CODE))
    assert looked(FakeNode(), FakeNode(), named).block == 100
    with pytest.raises(LookFailed, match="has other code"):
        looked(FakeNode(), FakeNode(code=b"\x00"), named)


def posted(handler: Handler, limits: Limits) -> http.Answer:
    async def story() -> http.Answer:
        async with Http(handler) as server:
            return await post_json(server.url, b"{}", limits)

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (lambda body: None, "no answer within"),
        (lambda body: (200, b"x" * 2_000), "larger than 1000 bytes"),
        (lambda body: (0, b"HTTP/1.1 200 X\r\nContent-Length: 50\r\n\r\nshort"), "not HTTP"),
        (lambda body: (0, b"SSH-2.0\r\n\r\n"), "not HTTP"),
        (lambda body: (0, b"HTTP/1.1 200 X\r\nA: " + b"a" * 40_000), "not HTTP"),
        (lambda body: (0, b""), "not HTTP|too early"),
    ],
)
def test_an_answer_is_bounded_in_time_and_size(handler: Handler, reason: str) -> None:
    with pytest.raises(HttpFailed, match=reason):
        posted(handler, Limits(seconds=0.3, answer_bytes=1_000))


def test_an_answer_in_chunks_is_read_whole() -> None:
    chunked = b'HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n'
    assert posted(lambda body: (0, chunked), Limits()) == http.Answer(200, b'{"a":1}')


@pytest.mark.parametrize(
    "url", ["ftp://host", "http://", "https://u:p@host", "http://host:0", "http://h/ x", "http://h:x"]
)
def test_only_plain_addresses_are_asked(url: str) -> None:
    with pytest.raises(HttpFailed, match="is no address"):
        host_of(url)


def test_a_host_that_cannot_be_one_or_is_not_there_is_a_named_failure() -> None:
    for url in (f"http://{'a' * 70}.example", "http://127.0.0.1:1"):
        with pytest.raises(HttpFailed):
            asyncio.run(post_json(url, b"{}"))


def test_the_path_of_an_address_is_never_shown() -> None:
    assert Node("https://rpc.example/v2/secret-of-the-provider").name == "rpc.example:443"


def asked(node: FakeNode, ask: Callable[[Node], Any]) -> Any:
    async def story() -> Any:
        async with serving(node) as server:
            return await ask(Node(server.url))

    return asyncio.run(story())


def test_a_revert_keeps_its_data_at_both_depths() -> None:
    for data in ("0x12345678", {"data": "0x12345678"}):
        node = twisted("eth_call", {"code": 3, "message": "execution reverted", "data": data})
        with pytest.raises(NodeRefused, match="execution reverted") as caught:
            asked(node, lambda one: one.view(bytes(20), b""))
        assert caught.value.data == bytes.fromhex("12345678")


def test_a_server_that_is_no_node_is_told_by_its_status() -> None:
    async def story() -> None:
        async with Http(lambda body: (502, b"<html>")) as server:
            await Node(server.url).chain_id()

    with pytest.raises(NodeFailed, match="HTTP 502"):
        asyncio.run(story())


def test_a_result_under_another_status_is_no_result() -> None:
    async def story() -> None:
        async with Http(lambda body: (500, b'{"result": "0x1"}')) as server:
            await Node(server.url).chain_id()

    with pytest.raises(NodeFailed, match="answers HTTP 500"):
        asyncio.run(story())


def test_another_block_than_was_asked_for_is_refused() -> None:
    def shifted(method: str, result: Any) -> Any:
        return result | {"number": hex(int(result["number"], 16) ^ 1)} if method == "eth_getBlockByNumber" else result

    with pytest.raises(LookFailed, match="answers block"):
        looked(FakeNode(twist=shifted), FakeNode(twist=shifted))


def test_a_transaction_that_is_known_already_counts_as_sent() -> None:
    known = {"code": -32000, "message": "already known"}
    assert asked(FakeNode(twist=lambda method, _: known), lambda one: one.send(b"\x02")) is None


def test_every_request_is_small_and_says_what_it_wants() -> None:
    async def story() -> list[bytes]:
        one, two = FakeNode(), FakeNode()
        async with serving(one) as first, serving(two) as second:
            await look([Node(first.url), Node(second.url)], SUBJECT, NOW_UNIX_S)
            return first.bodies

    bodies = asyncio.run(story())
    assert [json.loads(body)["method"] for body in bodies] == [
        "eth_chainId",
        "eth_getBlockByNumber",
        "eth_getBlockByNumber",
        *["eth_call"] * 5,
    ]
    assert max(map(len, bodies)) < 400
