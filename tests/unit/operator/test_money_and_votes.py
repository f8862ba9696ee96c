"""Pool, deposits and votes against a chain in memory: the right call at the right time, refusals with a reason."""

import pytest

from honey_edge.wire.keccak import keccak
from queen_node.operator import pools, votes
from queen_node.operator.errors import InputError, NotAllowed, NotFound, TooEarlyYet
from queen_node.operator.port import Event
from queen_node.operator.sending import carry_out

from .conftest import NOW, OWNER

COIN, NOBODY = "dd" * 20, "00" * 20
NUMBER = 24_096_190_668_224


def pool(**changes):
    plain = {"pool": 150_000_000, "pending": 0, "feeDue": 0, "fees": 5, "withdrawableAt": 0, "owedAccounts": 0}
    return plain | {"lastSlot": 7, "nextBatch": 0, "claimsOpen": 0, "claimsFunded": 0, "bond": 9} | changes


@pytest.fixture(autouse=True)
def answers(chain):
    hive = {"coin": COIN, "scale": 10**12, "owner": OWNER}
    chain.answers |= {
        "EnergySettlement.hiveInfo": lambda number: hive if number == 1 else hive | {"owner": NOBODY},
        "EnergySettlement.poolOf": pool(),
        "TestCoin.balanceOf": 10**21,
        "TestCoin.allowance": 0,
        "HiveGovernor.state": 1,
        "HiveGovernor.getVotes": 5,
        "HiveGovernor.hasVoted": False,
        "HiveGovernor.hashProposal": NUMBER,
        "HiveGovernor.proposalVotes": (1, 2, 3),
        "HiveGovernor.proposalEta": NOW + 10,
        "HiveGovernor.proposalDeadline": NOW + 5,
        "HiveGovernor.quorum": 4,
    }
    chain.told = [proposed(NUMBER, "Release 2")]


def functions(made):
    return [step.call.function for step in made.steps]


# ---- Money


@pytest.mark.parametrize(
    ("offered", "function"),
    [
        (lambda desk: pools.fund(desk, 1, 2_500_000), "fundPool"),
        (lambda desk: pools.bond(desk, 1, 2_500_000), "postBond"),
        (lambda desk: pools.deposit(desk, 1, "ab" * 20, 2_500_000), "deposit"),
    ],
)
def test_coins_are_allowed_and_paid_in_the_coins_own_unit(desk, chain, offered, function):
    made = offered(desk)
    assert functions(made) == ["approve", function]
    assert made.steps[1].call.arguments[-1] == 2_500_000 * 10**12
    assert (made.confirm, made.amount) == ("2.50", "2.50 coins")
    chain.answers["TestCoin.allowance"] = 10**30
    assert functions(offered(desk)) == [function]
    chain.answers["TestCoin.balanceOf"] = 10**18
    with pytest.raises(NotAllowed, match=r"has 1\.00 of the coin"):
        offered(desk)


def test_a_withdrawal_is_announced_waits_and_is_paid(desk, chain):
    assert functions(pools.withdraw(desk, 1, 100_000_000)) == ["requestPoolWithdrawal"]
    chain.answers["EnergySettlement.poolOf"] = pool(pending=100_000_000, withdrawableAt=NOW + 1)
    with pytest.raises(TooEarlyYet, match="2033-05-18T03:33:21Z"):
        pools.withdraw(desk, 1, None)
    assert "replaces 100.00" in pools.withdraw(desk, 1, 7_000_000).steps[0].title
    chain.now_unix_s += 1
    assert functions(pools.withdraw(desk, 1, None)) == ["withdrawPool"]


@pytest.mark.parametrize(
    ("state", "micro", "told"),
    [
        ({}, 150_000_001, "holds 150.00"),
        ({}, None, "no withdrawal"),
        ({"pending": 5, "owedAccounts": 1}, None, "owes money"),
        ({"pending": 5, "claimsOpen": 1}, None, "owes money"),
    ],
)
def test_a_withdrawal_that_cannot_be_is_refused(desk, chain, state, micro, told):
    chain.answers["EnergySettlement.poolOf"] = pool(**state)
    with pytest.raises(NotAllowed, match=told):
        pools.withdraw(desk, 1, micro)


def test_only_the_owner_withdraws_and_an_unknown_hive_is_not_found(desk, chain):
    chain.sender = "77" * 20
    with pytest.raises(NotAllowed, match="belongs to"):
        pools.withdraw(desk, 1, None)
    with pytest.raises(NotFound):
        pools.fund(desk, 2, 1)


def test_the_pool_is_shown_in_micro_coins(desk, chain):
    told = pools.show(desk, 1)
    assert (told["pool_micro"], told["bond_micro"], told["withdrawable_at"]) == (150_000_000, 9, None)
    chain.answers["EnergySettlement.poolOf"] = pool(pending=1, withdrawableAt=NOW)
    assert pools.show(desk, 1)["withdrawable_at"] == "2033-05-18T03:33:20Z"


# ---- Votes


def proposed(number, description):
    told = {"proposalId": number, "proposer": OWNER, "targets": ("11" * 20,), "values": (0,), "signatures": ("",)}
    told |= {"calldatas": (b"\x01\x02\x03\x04",), "voteStart": NOW - 5, "voteEnd": NOW + 5, "description": description}
    return Event("ProposalCreated", told, 3)


def test_an_upgrade_is_proposed_through_the_proxy(desk, chain, book):
    with pytest.raises(InputError, match="no code"):
        votes.upgrade(desk, "99" * 20)
    chain.code_at["99" * 20] = b"\x01"
    action = votes.upgrade(desk, "99" * 20)
    assert action.target == book.at("Beekeeper")
    assert "99" * 20 in action.data.hex()
    made = votes.propose(desk, [action], "Release 2")
    assert (functions(made), made.confirm) == (["propose"], str(NUMBER)[:8])
    carry_out(chain, made)
    assert chain.sent[0][1].data


@pytest.mark.parametrize("text", ["", "11" * 20, f"{'11' * 20}:", f"{'11' * 20}:0102", f"{'11' * 20}:zz", "11:0102"])
def test_a_raw_call_of_another_form_is_refused(text):
    with pytest.raises(InputError, match="--call"):
        votes.raw_call(text)


def test_an_empty_proposal_is_refused(desk):
    assert votes.raw_call(f"0x{'11' * 20}:0x01020304").data == b"\x01\x02\x03\x04"
    with pytest.raises(InputError, match="nothing is proposed"):
        votes.propose(desk, [], "why")
    with pytest.raises(InputError, match="--why"):
        votes.propose(desk, [votes.raw_call(f"{'11' * 20}:01020304")], " ")


def test_a_proposal_is_named_by_its_first_digits(desk, chain):
    assert votes.proposal(desk, "2409").number == NUMBER
    chain.told.append(proposed(NUMBER + 1, "Release 3"))
    with pytest.raises(InputError, match="2 proposals"):
        votes.proposal(desk, "2409")
    with pytest.raises(NotFound):
        votes.proposal(desk, "7")
    assert [one["description"] for one in votes.show_all(desk)] == ["Release 3", "Release 2"]


def test_a_vote_is_cast_once_with_weight_while_voting_is_open(desk, chain):
    made = votes.cast(desk, "2409", "for")
    assert (functions(made), made.steps[0].call.arguments, made.confirm) == (["castVote"], (NUMBER, 1), "for")
    assert functions(votes.cast(desk, "2409", "abstain", "why not")) == ["castVoteWithReason"]
    for answer, value, told in (("state", 0, "pending"), ("getVotes", 0, "no weight"), ("hasVoted", True, "has voted")):
        before = chain.answers[f"HiveGovernor.{answer}"]
        chain.answers[f"HiveGovernor.{answer}"] = value
        with pytest.raises(NotAllowed, match=told):
            votes.cast(desk, "2409", "for")
        chain.answers[f"HiveGovernor.{answer}"] = before
    with pytest.raises(InputError, match="CHOICE"):
        votes.cast(desk, "2409", "yes")


def test_what_was_proposed_is_queued_and_executed_from_its_event(desk, chain):
    with pytest.raises(NotAllowed, match="succeeded can be queued"):
        votes.queue(desk, "2409")
    chain.answers["HiveGovernor.state"] = 4
    made = votes.queue(desk, "2409")
    expected = (["11" * 20], [0], [b"\x01\x02\x03\x04"], keccak(b"Release 2"))
    assert made.steps[0].call.arguments == expected
    chain.answers["HiveGovernor.state"] = 5
    with pytest.raises(NotAllowed, match="can be executed from"):
        votes.execute(desk, "2409")
    chain.now_unix_s += 10
    assert votes.execute(desk, "2409").steps[0].call.arguments == expected


def test_a_proposal_is_shown_with_its_votes_and_calls(desk, chain):
    told = votes.show(desk, "2409")
    assert (told["for"], told["against"], told["abstain"], told["quorum"]) == (2, 1, 3, 4)
    assert told["calls"] == [{"to": "11" * 20, "data": "01020304", "value_wei": 0}]
    chain.now_unix_s -= 100
    assert votes.show(desk, "2409")["quorum"] is None
