"""Every error of every contract is told in words."""

from queen_node.chain.artifacts import artifact, artifact_names
from queen_node.chain.errors import CallReverted
from queen_node.operator.refusal_words import WORDS
from queen_node.operator.refusals import in_words, refused


def test_every_error_of_every_contract_has_words():
    names = {entry["name"] for name in artifact_names() for entry in artifact(name).abi if entry["type"] == "error"}
    assert len(names) > 100
    assert sorted(names - set(WORDS)) == []


def test_words_say_what_it_means_and_what_to_do():
    for meaning, next_step in WORDS.values():
        assert len(meaning) > 10
        assert next_step
        assert not meaning.endswith(".")


def test_arguments_are_filled_in_and_instants_shown_as_such():
    meaning, next_step = in_words("TooEarly", {"readyAt": 2_000_000_000})
    assert "2033-05-18T03:33:20Z" in meaning
    assert "after that instant" in next_step
    assert "ab" * 20 in in_words("UnknownMeter", {"meter": "ab" * 20})[0]


def test_an_unknown_error_is_shown_as_it_is():
    assert in_words("Strange", {"value": b"\x01"})[0] == "the contract answers Strange (value 01)"
    assert in_words("", {})[0] == "the contract answers without a reason"


def test_a_refusal_names_the_step_and_the_contracts_own_word():
    told = refused("createHive", CallReverted("x", "WrongAmount", "", {"given": 1, "required": 2}))
    assert str(told).startswith("createHive: the price in HVT has changed")
    assert "[WrongAmount]" in str(told)
    assert told.next_step == "run the command again"
