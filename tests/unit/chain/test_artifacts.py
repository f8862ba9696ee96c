"""Where the contracts' ABI is found, and what counts as the same code."""

from pathlib import Path

import pytest

from queen_node.chain import artifacts
from queen_node.chain.artifacts import ArtifactMissing, artifact
from queen_node.chain.calls import decode_error


def test_every_contract_is_found_with_abi_and_bytecode() -> None:
    for name in ("EnergySettlement", "MeterList", "TestCoin"):
        found = artifact(name)
        assert bytes.fromhex(found.bytecode[2:])
        assert found.abi
        assert len(found.source_hash) == 64


def test_the_installed_package_comes_before_the_checkout() -> None:
    package, checkout = artifacts.FOLDERS
    assert package.parts[-2:] == ("queen_node", "abi")
    assert checkout.parts[-2:] == ("contracts", "abi")


def test_a_missing_contract_says_where_it_was_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(artifacts, "FOLDERS", (tmp_path / "a", tmp_path / "b"))
    with pytest.raises(ArtifactMissing, match="make contracts"):
        artifact("Nothing")


def test_code_matches_apart_from_what_the_constructor_filled_in() -> None:
    found = artifact("EnergySettlement")
    assert found.immutables
    start, length = found.immutables[0]
    filled = found.deployed[:start] + b"\x07" * length + found.deployed[start + length :]
    assert found.matches(filled)
    assert not found.matches(filled[:-1])
    assert not found.matches(bytes([found.deployed[0] ^ 1]) + found.deployed[1:])


def test_an_unknown_error_has_no_name() -> None:
    assert decode_error(["EnergySettlement"], bytes.fromhex("12345678")).name == ""
    assert decode_error(["EnergySettlement"], b"").name == ""
