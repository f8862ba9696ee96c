"""Several RPC addresses as one: who is believed, who is set aside, and what is told about it."""

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queen_node.chain import Call, CallReverted, ChainUnreachable, Nodes, NodesDisagree, WrongChain
from queen_node.chain.agreement import common_height, verdict
from queen_node.chain.nodes import error_data
from queen_node.chain.panel import DOWN_ASIDE_S, LIAR_ASIDE_S, Fault, Panel
from queen_node.chain.rpc import Refusal, Request
from tests.chain_kit.fake_chain import CHAIN_ID, FakeChain, FakeEndpoint

CALL = Call("0a" * 20, "EnergySettlement", "feeBps")
SENDER = "5e" * 20


def world(count: int = 3) -> tuple[FakeChain, list[FakeEndpoint], Nodes]:
    chain = FakeChain()
    for _ in range(20):
        chain.mine()
    ends = [FakeEndpoint(chain, f"n{number}") for number in range(count)]
    return chain, ends, Nodes((), CHAIN_ID, endpoints=ends)


# ---- The rules ---------------------------------------------------------------


@given(st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 2)), st.integers(1, 4))
def test_an_answer_is_believed_when_enough_give_it_and_more_than_any_other(
    answers: dict[str, int], needed: int
) -> None:
    told = verdict(answers, needed)
    voices = {one: list(answers.values()).count(one) for one in answers.values()}
    best = sorted(voices.values(), reverse=True)[:2]
    assert told.agreed == bool(best and best[0] >= needed and (len(best) == 1 or best[1] < best[0]))
    if told.agreed:
        assert voices[told.answer] == best[0]  # type: ignore[index]
        assert set(told.outvoted) == {name for name, given in answers.items() if given != told.answer}


@given(
    st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 30), min_size=1), st.integers(0, 5), st.integers(1, 3)
)
def test_the_common_block_is_one_that_all_who_are_asked_have(heads: dict[str, int], lag: int, needed: int) -> None:
    number, lagging = common_height(heads, lag, needed)
    asked = {name: head for name, head in heads.items() if name not in lagging}
    assert asked
    assert all(head >= number for head in asked.values())
    reached = sorted(heads.values(), reverse=True)[min(needed, len(heads)) - 1]
    assert reached - number <= lag
    assert all(heads[name] < reached - lag for name in lagging)


def test_one_address_cannot_make_the_others_lag_by_inventing_blocks() -> None:
    assert common_height({"a": 10, "b": 10, "liar": 10**9}, 3, 2) == (10, ())


# ---- Reading -----------------------------------------------------------------


def test_a_read_is_asked_of_all_at_one_block_named_by_its_hash() -> None:
    chain, ends, nodes = world()
    chain.result = bytes(31) + b"\x14"
    ends[1].lag = 2
    assert nodes.read(CALL) == 20
    assert nodes.head().number == 18
    assert nodes.account_state(SENDER)[2].hash == chain.hash(18)


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("eth_call", "0x" + "00" * 31 + "99"),
        ("eth_getBlockByNumber", {"number": hex(20), "timestamp": "0x1", "hash": "0x" + "ab" * 32}),
        ("eth_getTransactionCount", "0x63"),
    ],
)
def test_a_liar_is_outvoted_and_set_aside_with_one_line(
    method: str, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    _, ends, nodes = world()
    ends[2].answers[method] = answer
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            assert nodes.read(CALL) == 1
            assert nodes.account_state(SENDER)[0] == 0
    assert nodes.panel.faults() == {"n0": Fault.NONE, "n1": Fault.NONE, "n2": Fault.LIES}
    assert [record.message.split(" detail")[0] for record in caplog.records] == ["rpc_aside address=n2 fault=lies"]


def test_two_addresses_that_differ_are_both_not_believed() -> None:
    _, ends, nodes = world(2)
    ends[0].answers["eth_call"] = "0x" + "00" * 31 + "99"
    with pytest.raises(NodesDisagree, match="at most 1 equal answers, 2 are needed") as waits:
        nodes.read(CALL)
    assert waits.value.transient
    assert nodes.read(CALL, money=False) == 0x99
    assert nodes.panel.faults() == {"n0": Fault.NONE, "n1": Fault.NONE}


def test_one_address_alone_is_believed_when_the_settings_name_no_other() -> None:
    _, _, nodes = world(1)
    assert nodes.needed == 1
    assert nodes.read(CALL) == 1


def test_a_lagging_address_is_left_out_and_told_once_each_way(caplog: pytest.LogCaptureFixture) -> None:
    chain, ends, nodes = world()
    ends[0].lag = 9
    with caplog.at_level(logging.INFO):
        assert nodes.head().number == nodes.head().number == chain.head()
        ends[0].lag = 0
        nodes.head()
    assert [record.message.split()[0] for record in caplog.records] == ["rpc_aside", "rpc_back"]


def test_too_few_addresses_are_an_outage_not_a_decision() -> None:
    _, ends, nodes = world()
    ends[0].down = ends[1].down = True
    with pytest.raises(ChainUnreachable) as away:
        nodes.read(CALL)
    assert away.value.transient
    assert nodes.read(CALL, money=False) == 1
    ends[0].down = False
    assert nodes.read(CALL) == 1


def test_an_address_that_cannot_answer_is_asked_again_later_and_not_called_a_liar() -> None:
    _, ends, nodes = world()
    ends[0].answers["eth_call"] = Refusal(-32000, "header not found")
    assert nodes.read(CALL) == 1
    assert set(nodes.panel.faults().values()) == {Fault.NONE}
    for end in ends:
        end.answers["eth_call"] = Refusal(-32005, "limit exceeded")
    with pytest.raises(ChainUnreachable, match="limit exceeded"):
        nodes.read(CALL)


def test_a_refusal_is_believed_like_any_answer_whatever_its_words() -> None:
    _, ends, nodes = world()
    for number, end in enumerate(ends):
        end.answers["eth_call"] = Refusal(3, f"execution reverted ({number})", "0x")
    with pytest.raises(CallReverted, match="refused with no reason"):
        nodes.read(CALL)


def test_a_receipt_counts_when_two_show_it_in_the_same_block() -> None:
    _, ends, nodes = world()
    shown = {
        "transactionHash": "0x" + "11" * 32, "status": "0x1", "gasUsed": "0x1", "effectiveGasPrice": "0x1",
        "blockNumber": "0x5", "blockHash": "0x" + "22" * 32, "logs": [],
    }  # fmt: skip
    ends[0].answers["eth_getTransactionReceipt"] = shown
    assert nodes.receipt("11" * 32) is None
    ends[1].answers["eth_getTransactionReceipt"] = {**shown, "blockHash": "0x" + "33" * 32}
    assert nodes.receipt("11" * 32) is None
    ends[2].answers["eth_getTransactionReceipt"] = shown
    found = nodes.receipt("11" * 32)
    assert found is not None
    assert found.block_hash == "22" * 32
    assert nodes.receipts([]) == {}


def test_final_is_what_enough_addresses_call_so() -> None:
    chain, ends, nodes = world()
    assert nodes.final_number(None) == chain.head() - 3
    assert nodes.final_number(7) == chain.head() - 7
    ends[0].answers["eth_getBlockByNumber"] = {"number": hex(10**6), "timestamp": "0x1", "hash": "0x" + "ab" * 32}
    assert nodes.final_number(None) == chain.head() - 3


def test_blocks_logs_and_any_method_can_be_asked() -> None:
    chain, ends, nodes = world(2)
    assert nodes.block(7).hash == chain.hash(7)
    assert nodes.block("latest") == nodes.head()
    with pytest.raises(ChainUnreachable, match="know block 0x63"):
        nodes.block(99)
    log = {
        "address": "0x" + "0A" * 20, "topics": ["0x" + "01" * 32], "data": "0x02", "blockNumber": "0x3",
        "blockHash": "0x" + "22" * 32, "logIndex": "0x4", "transactionHash": "0x" + "11" * 32,
    }  # fmt: skip
    for end in ends:
        end.answers["eth_getLogs"] = [log]
    (entry,) = nodes.logs("0a" * 20, 0, 5)
    assert (entry.address, entry.block, entry.log_index, entry.data) == ("0a" * 20, 3, 4, b"\x02")
    assert entry.topics == (b"\x01" * 32,)
    ends[0].answers["eth_getLogs"] = []
    with pytest.raises(NodesDisagree):
        nodes.logs("0a" * 20, 0, 5)
    assert nodes.rpc("eth_chainId") == hex(CHAIN_ID)


def test_error_data_is_found_in_whatever_a_node_wraps_it() -> None:
    assert error_data("0x0102") == b"\x01\x02"
    assert error_data("Reverted 0x0102") == b"\x01\x02"
    for text in ("", "0x", "no", "0xzz", "x0x"):
        assert error_data(text) == b""


# ---- Setting aside -----------------------------------------------------------


def test_who_is_set_aside_comes_back_when_its_time_is_over() -> None:
    now = [0.0]
    chain = FakeChain()
    ends = [FakeEndpoint(chain, name) for name in ("a", "b")]
    panel = Panel(ends, CHAIN_ID, lambda: now[0])
    assert panel.usable(1) == ("a", "b")
    panel.set_aside("a", Fault.LIES, "test")
    panel.set_aside("b", Fault.DOWN, "test")
    assert panel.usable(1) == ("b",)
    now[0] = DOWN_ASIDE_S + 1
    assert panel.usable(2) == ("b",)
    now[0] = LIAR_ASIDE_S + 1
    assert panel.usable(2) == ("a", "b")
    assert panel.faults() == {"a": Fault.NONE, "b": Fault.NONE}
    assert len(panel) == 2


def test_an_address_of_another_chain_gets_no_broadcast_and_all_together_are_an_error() -> None:
    _, ends, nodes = world()
    ends[0].chain_id = 1
    assert nodes.read(CALL) == 1
    assert nodes.panel.everybody() == ("n1", "n2")
    _, ends, nodes = world(2)
    for end in ends:
        end.chain_id = 1
    with pytest.raises(WrongChain, match="chain id 1, the settings have 5"):
        nodes.read(CALL)


def test_the_same_address_twice_has_two_names_and_one_that_comes_back_is_asked_for_its_chain_again() -> None:
    chain = FakeChain()
    ends = [FakeEndpoint(chain, "same"), FakeEndpoint(chain, "same")]
    panel = Panel(ends, CHAIN_ID)
    assert panel.usable(2) == ("same", "same#2")
    ends[0].down = True
    assert list(panel.ask(("same", "same#2"), [Request("eth_chainId")])) == ["same#2"]
    ends[0].down, ends[0].chain_id = False, 1
    assert panel.usable(2) == ("same#2",)
    assert panel.faults()["same"] is Fault.OTHER_CHAIN


def test_a_broadcast_counts_as_taken_when_the_node_has_it_already() -> None:
    _, ends, nodes = world()
    ends[0].answers["eth_sendRawTransaction"] = Refusal(-32000, "already known")
    ends[1].answers["eth_sendRawTransaction"] = Refusal(-32000, "nonce too low: next 3")
    ends[2].answers["eth_sendRawTransaction"] = Refusal(-32000, "transaction underpriced")
    told = nodes.broadcast(b"\x02")
    assert told.took == ("n0", "n1")
    assert told.refusals == ("n2: transaction underpriced",)
    for end in ends:
        end.down = True
    with pytest.raises(ChainUnreachable, match="no address took"):
        nodes.broadcast(b"\x02")
