"""A deployment that differs in one thing is found, and the thing is named."""

from dataclasses import replace

import pytest

from queen_node.chain.artifacts import artifact
from queen_node.operator import checking
from queen_node.operator.book import CONTRACTS, read_book, write_book
from queen_node.operator.deployment import role
from queen_node.operator.desk import Desk
from queen_node.operator.port import Event

from .conftest import OWNER

NAMES = {"Beekeeper": "ERC1967Proxy", "BeekeeperImplementation": "Beekeeper"}
CERTIFIER = "c0" * 20


def code_of(book, name):
    """The release's code with the addresses filled in that its constructor would."""
    release = artifact(NAMES.get(name, name))
    code = bytearray(release.deployed)
    goals = [goal for maker, goal in checking._BUILT_IN if maker == name]
    places = [(start, length) for start, length in release.immutables if length == 32]
    for (start, _), goal in zip(places, goals, strict=False):
        code[start : start + 32] = bytes(12) + bytes.fromhex(book.at(goal))
    return bytes(code)


@pytest.fixture
def desk(chain, book):
    at = book.at
    book = replace(book, roles={"treasury": "77" * 20, "certifiers": [CERTIFIER]})
    chain.code_at = {at(name): code_of(book, name) for name in CONTRACTS}
    chain.word = lambda address, slot: bytes(12) + bytes.fromhex(at("BeekeeperImplementation"))
    chain.answers = {
        "Beekeeper.parts": (at("HVT"), at("StakeVotes"), at("HiveTimelock"), at("EnergySettlement")),
        "Beekeeper.hivesCode": at("BeekeeperHives"),
        "StakeVotes.beekeeper": at("Beekeeper"),
        "HiveGovernor.token": at("StakeVotes"),
        "HiveGovernor.timelock": at("HiveTimelock"),
        "EnergySettlement.authorities": (at("Beekeeper"), "77" * 20, at("HiveTimelock")),
    }
    lock, governor = at("HiveTimelock"), at("HiveGovernor")
    granted = {
        at("HiveTimelock"): [
            ("DEFAULT_ADMIN_ROLE", lock),
            ("DEFAULT_ADMIN_ROLE", OWNER),
            ("PROPOSER_ROLE", governor),
            ("CANCELLER_ROLE", governor),
            ("EXECUTOR_ROLE", "00" * 20),
        ],
        at("Beekeeper"): [("DEFAULT_ADMIN_ROLE", lock), ("CERTIFIER_ROLE", CERTIFIER)],
    }
    told = {
        place: [Event("RoleGranted", {"role": role(name), "account": who}, 1) for name, who in rows]
        for place, rows in granted.items()
    }
    told[lock].append(Event("RoleRevoked", {"role": role("DEFAULT_ADMIN_ROLE"), "account": OWNER}, 2))
    chain.told_by = told
    chain.events = lambda contract, address, from_block: told.get(address, [])
    return Desk(book, chain)


def wrong(desk):
    return [(one.place, one.what) for one in checking.check(desk) if not one.ok]


def test_a_deployment_as_it_should_be_has_no_difference(desk):
    assert wrong(desk) == []
    assert len(checking.check(desk)) > 30


@pytest.mark.parametrize("name", CONTRACTS)
def test_one_other_byte_of_code_is_found(desk, chain, name):
    code = chain.code_at[desk.book.at(name)]
    chain.code_at[desk.book.at(name)] = bytes([code[0] ^ 1]) + code[1:]
    assert (name, "code") in wrong(desk)
    chain.code_at[desk.book.at(name)] = b""
    assert (name, "code") in wrong(desk)


@pytest.mark.parametrize(("name", "goal"), checking._BUILT_IN)
def test_a_contract_made_for_another_one_is_found(desk, chain, name, goal):
    plain = artifact(NAMES.get(name, name)).deployed
    chain.code_at[desk.book.at(name)] = plain
    assert (name, goal) in wrong(desk)


@pytest.mark.parametrize(
    ("answer", "value", "found"),
    [
        ("Beekeeper.parts", ("01" * 20,) * 4, ("Beekeeper", "HVT")),
        ("StakeVotes.beekeeper", "01" * 20, ("StakeVotes", "Beekeeper")),
        ("HiveGovernor.token", "01" * 20, ("HiveGovernor", "StakeVotes")),
        ("HiveGovernor.timelock", "01" * 20, ("HiveGovernor", "timelock")),
        ("EnergySettlement.authorities", ("01" * 20,) * 3, ("EnergySettlement", "treasury")),
    ],
)
def test_wrong_wiring_is_found(desk, chain, answer, value, found):
    chain.answers[answer] = value
    assert found in wrong(desk)


@pytest.mark.parametrize(
    ("contract", "name"),
    [
        ("HiveTimelock", "DEFAULT_ADMIN_ROLE"),
        ("HiveTimelock", "PROPOSER_ROLE"),
        ("HiveTimelock", "EXECUTOR_ROLE"),
        ("Beekeeper", "DEFAULT_ADMIN_ROLE"),
        ("Beekeeper", "COIN_ROLE"),
        ("Beekeeper", "CERTIFIER_ROLE"),
    ],
)
def test_a_holder_that_the_book_does_not_name_is_found(desk, chain, contract, name):
    place = desk.book.at(contract)
    chain.told_by[place].append(Event("RoleGranted", {"role": role(name), "account": "66" * 20}, 3))
    assert wrong(desk) == [(contract, name)]


def test_another_implementation_is_found_and_adopted_only_when_it_is_of_this_release(desk, chain, tmp_path):
    file, new = tmp_path / "book.json", "99" * 20
    write_book(file, desk.book)
    chain.word = lambda address, slot: bytes(12) + bytes.fromhex(new)
    assert ("Beekeeper", "implementation") in wrong(desk)
    assert checking.adopt_upgrade(desk, file) == ""
    chain.code_at[new] = code_of(desk.book, "BeekeeperImplementation")
    assert checking.adopt_upgrade(desk, file) == new
    assert read_book(file).at("BeekeeperImplementation") == new
