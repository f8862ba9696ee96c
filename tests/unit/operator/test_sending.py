"""One way to send: simulated, shown, paid for, sent in order, gone on with after a stop."""

from dataclasses import replace

import pytest

from queen_node.operator.errors import NotAllowed, PartlyDone, TransactionFailed
from queen_node.operator.sending import Step, carry_out, offer


def steps(desk, *amounts):
    return [Step("fund/1", f"pay {amount}", desk.call("HVT", "burn", amount)) for amount in amounts]


def test_an_offer_names_from_to_amount_chain_and_cost(desk, chain):
    made = offer(chain, "burn", steps(desk, 1, 2), "2", "the amount", "3 HVT")
    told = made.document()
    assert (told["from"], told["chain_id"], told["amount"]) == (chain.sender, 31337, "3 HVT")
    assert (told["gas"], told["cost_wei"]) == (200_000, 2 * 10**14)
    assert [one["to"] for one in told["transactions"]] == [desk.book.at("HVT")] * 2
    remark = made.remark()
    assert all(word in remark for word in ("31337", "3 HVT", "0.0002", "pay 1", "pay 2"))
    assert chain.sent == []


def test_equal_steps_have_equal_keys_and_others_have_others(desk):
    one, same, other = steps(desk, 1, 1, 2)
    assert one.prefix == same.prefix != other.prefix
    assert one.prefix.startswith("operator/fund/1/")


def test_steps_are_sent_in_order_and_reported(desk, chain):
    lines = []
    done = carry_out(chain, offer(chain, "burn", steps(desk, 1, 2), "2", "the amount"), lines.append)
    assert [call.arguments for _, call in chain.sent] == [(1,), (2,)]
    assert (done["gas_used"], len(done["transactions"]), len(lines)) == (180_000, 2, 2)


def test_the_same_again_after_it_is_done_is_a_new_transaction(desk, chain):
    for _ in range(2):
        carry_out(chain, offer(chain, "burn", steps(desk, 1), "1", "the amount"))
    assert len({key for key, _ in chain.sent}) == 2


def test_an_unfinished_transaction_is_gone_on_with_and_not_simulated(desk, chain):
    first, second = steps(desk, 1, 2)
    chain.unfinished[first.prefix] = first.prefix + "/0"
    made = offer(chain, "burn", [first, second], "2", "the amount")
    assert [call.arguments for call in chain.costs_asked] == [(2,)]
    assert "begun before" in made.remark()
    assert [one["goes_on"] for one in made.document()["transactions"]] == [True, False]
    carry_out(chain, made)
    assert chain.sent[0][0] == first.prefix + "/0"


def test_a_key_shared_with_the_queen_is_used_as_it_is(desk, chain):
    step = replace(steps(desk, 1)[0], key="contest/1/ab/7")
    carry_out(chain, offer(chain, "contest", [step], "x", "the serial"))
    assert chain.sent[0][0] == "contest/1/ab/7"


def test_too_little_gas_money_stops_before_the_first_transaction(desk, chain):
    chain.balance = 10**14
    with pytest.raises(NotAllowed, match=r"0\.0001"):
        carry_out(chain, offer(chain, "burn", steps(desk, 1, 2), "2", "the amount"))
    assert chain.sent == []


def test_a_failure_after_the_first_step_is_partly_done_and_says_so(desk, chain):
    chain.fails_at = 1
    with pytest.raises(PartlyDone, match="1 of 3"):
        carry_out(chain, offer(chain, "burn", steps(desk, 1, 2, 3), "2", "the amount"))
    chain.fails_at = len(chain.sent)
    with pytest.raises(TransactionFailed):
        carry_out(chain, offer(chain, "burn", steps(desk, 1), "2", "the amount"))
