"""A deployment's plan, its continuation after every stop, and its refusals, without a node."""

from dataclasses import replace

import pytest

from queen_node.chain.artifacts import artifact
from queen_node.chain.calls import CONSTRUCTOR
from queen_node.operator import deploying
from queen_node.operator.book import CONTRACTS, read_book
from queen_node.operator.deployment import ListedCoin, Wishes, check_wishes, parse_coin, role, stages
from queen_node.operator.errors import AlreadyDeployed, BookError, InputError, NotAllowed

from .conftest import OWNER

COIN = ListedCoin("cc" * 20, "EURX", 1_000_000)
PLAIN = Wishes(OWNER)


@pytest.fixture(autouse=True)
def codes_as_sent(chain):
    """Whatever is created has the code of what was sent; immutables are zero."""
    real = chain.send

    def send(key, call):
        mined = real(key, call)
        if mined.created:
            chain.code_at[mined.created] = artifact(call.contract).deployed
        return mined

    chain.send = send


def test_every_contract_of_the_book_is_made_once_before_anything_speaks_to_it():
    at = {}
    for number, stage in enumerate(stages(replace(PLAIN, coins=(COIN,), test_coin=True)), 1):
        call = stage.made(at)
        assert call.data
        if stage.contract:
            assert (call.target, call.function) == ("", CONSTRUCTOR)
            assert stage.contract not in at
            at[stage.contract] = f"{number:040x}"
        else:
            assert call.target in at.values()
    assert set(CONTRACTS) <= set(at)


def test_the_deployer_gives_all_rights_away_in_the_plan():
    names = [stage.name for stage in stages(replace(PLAIN, coins=(COIN,)))]
    assert names.index("hand-over") > names.index("HiveGovernor")
    assert names.index("wire") > names.index("EnergySettlement")
    assert names[-1] == "renounce-coins"
    assert "renounce-coins" not in [stage.name for stage in stages(PLAIN)]
    kept = replace(PLAIN, coins=(COIN,), coin_keeper=OWNER)
    assert "renounce-coins" not in [stage.name for stage in stages(kept)]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"fee_bps": 101}, "--fee-bps"),
        ({"fee_bps": -1}, "--fee-bps"),
        ({"coins": (COIN, COIN)}, "twice"),
        ({"coins": (COIN,), "coin_keeper": "dd" * 20}, "coin keeper"),
    ],
)
def test_wishes_that_would_fail_half_way_are_refused_first(changed, told):
    with pytest.raises(InputError, match=told):
        check_wishes(replace(PLAIN, **changed))


@pytest.mark.parametrize(
    "text", ["", "cc" * 20, f"{'cc' * 20}:EURX", f"{'cc' * 20}:EU RX:1", f"{'cc' * 20}:EURX:0", "x:EURX:1"]
)
def test_a_coin_of_another_form_is_refused(text):
    with pytest.raises(InputError, match="--coin"):
        parse_coin(text)


def test_a_coin_is_read_with_its_penalty_in_coins():
    assert parse_coin(f"{'cc' * 20}:EURX:1.5") == ListedCoin("cc" * 20, "EURX", 1_500_000)


def test_roles_are_those_of_the_contracts():
    assert role("DEFAULT_ADMIN_ROLE") == bytes(32)
    assert role("PROPOSER_ROLE").hex().startswith("b09aa5aeb3702cfd")


def test_a_deployment_writes_the_book_and_refuses_a_second(chain, tmp_path):
    file = tmp_path / "book.json"
    plan = deploying.prepare(chain, file, PLAIN)
    assert (plan.done, len(plan.left)) == (0, len(stages(PLAIN)))
    assert str(plan.gas) in plan.remark()
    told = deploying.carry_out(chain, plan)
    assert told["complete"] is True
    assert set(read_book(file).contracts) == set(CONTRACTS)
    with pytest.raises(AlreadyDeployed, match="finished"):
        deploying.prepare(chain, file, PLAIN)


@pytest.mark.parametrize("after", range(14))
def test_a_deployment_stopped_after_any_transaction_goes_on_and_sends_none_twice(chain, tmp_path, after):
    file, wishes = tmp_path / "book.json", replace(PLAIN, coins=(COIN,))
    chain.fails_at = after
    with pytest.raises(Exception, match="failed"):
        deploying.carry_out(chain, deploying.prepare(chain, file, wishes))
    chain.fails_at = -1
    plan = deploying.prepare(chain, file, wishes)
    assert plan.done == after
    deploying.carry_out(chain, plan)
    assert len(chain.sent) == len(stages(wishes))
    assert len({key for key, _ in chain.sent}) == len(chain.sent)


def test_going_on_elsewhere_is_refused(chain, tmp_path):
    file = tmp_path / "book.json"
    chain.fails_at = 2
    with pytest.raises(Exception, match="failed"):
        deploying.carry_out(chain, deploying.prepare(chain, file, PLAIN))
    with pytest.raises(BookError, match="other options"):
        deploying.prepare(chain, file, replace(PLAIN, fee_bps=30))
    with pytest.raises(BookError, match="was begun by"):
        deploying.prepare(chain, file, Wishes("dd" * 20))
    chain.chain_id = 5
    with pytest.raises(BookError, match="chain 31337"):
        deploying.prepare(chain, file, PLAIN)


def test_an_earlier_deployment_by_the_same_key_is_found_on_the_chain(chain, tmp_path):
    chain.sent = [("x", None)] * 3
    chain.code_at[deploying.created_address(OWNER, 1)] = artifact("HVT").deployed
    with pytest.raises(AlreadyDeployed, match="has made HVT"):
        deploying.prepare(chain, tmp_path / "other.json", PLAIN)
    assert deploying.prepare(chain, tmp_path / "other.json", PLAIN, another=True).done == 0


def test_created_addresses_are_those_of_the_protocol():
    sender = "f39fd6e51aad88f6f4ce6ab8827279cfffb92266"
    assert deploying.created_address(sender, 0) == "5fbdb2315678afecb367f032d93f642f64180aa3"
    assert deploying.created_address(sender, 1) == "e7f1725e7734ce288f8367e1bb143e90bb3f0512"
    many = {deploying.created_address(sender, nonce) for nonce in (0, 1, 127, 128, 255, 256, 65_536)}
    assert len(many) == 7


def test_an_account_that_cannot_pay_for_all_of_it_sends_nothing(chain, tmp_path):
    chain.balance = 10**12
    with pytest.raises(NotAllowed, match="deployment costs"):
        deploying.carry_out(chain, deploying.prepare(chain, tmp_path / "book.json", PLAIN))
    assert (chain.sent, list(tmp_path.iterdir())) == ([], [])


def test_other_code_than_was_sent_stops_a_deployment(chain, tmp_path):
    chain.send = type(chain).send.__get__(chain)
    with pytest.raises(NotAllowed, match="not what was sent"):
        deploying.carry_out(chain, deploying.prepare(chain, tmp_path / "book.json", PLAIN))
