"""The committed contract files belong to the sources, the vectors to eth-account, the gas to its goals."""

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from honey_edge.wire import structs
from honey_edge.wire.typed_data import Domain, digest, struct_hash

REPOSITORY = Path(__file__).resolve().parents[2]
CONTRACTS = REPOSITORY / "contracts"
VECTORS = REPOSITORY / "tests" / "golden" / "vectors_eip712.json"


def _script(name: str) -> ModuleType:
    sys.path.insert(0, str(CONTRACTS / "scripts"))
    spec = importlib.util.spec_from_file_location(f"contracts_{name}", CONTRACTS / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(CONTRACTS / "scripts"))
    return module


def test_abi_and_bytecode_belong_to_the_sources() -> None:
    _script("export_abi").check()


def test_a_changed_source_is_noticed(tmp_path: Path) -> None:
    export = _script("export_abi")
    for name in ("foundry.toml", "package.json"):
        (tmp_path / name).write_bytes((CONTRACTS / name).read_bytes())
    for path in (CONTRACTS / "src").rglob("*.sol"):
        copy = tmp_path / path.relative_to(CONTRACTS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    assert export.source_hash(tmp_path) == export.source_hash()
    (tmp_path / "src" / "EnergySettlement.sol").open("a").write("\n")
    assert export.source_hash(tmp_path) != export.source_hash()
    (tmp_path / "abi").mkdir()
    for name in export.NAMES:
        (tmp_path / "abi" / f"{name}.json").write_bytes((CONTRACTS / "abi" / f"{name}.json").read_bytes())
    with pytest.raises(export.ArtifactMismatch, match="make contracts"):
        export.check(tmp_path)


def test_a_fresh_build_gives_the_committed_bytecode() -> None:
    export = _script("export_abi")
    try:
        export.forge_path()
    except FileNotFoundError as error:
        pytest.skip(f"SKIPPED LOUDLY: no compiler, so only the source hash was checked ({error})")
    export.check(rebuild=True)


def test_every_contract_fits_on_a_chain() -> None:
    export = _script("export_abi")
    assert export.too_large(export.sizes()) == []
    assert export.too_large({"Big": (24_577, 30_000), "Fits": (24_576, 49_152)}) == [
        "Big: 24577 bytes of code (limit 24576), 30000 to create it (limit 49152)"
    ]


@pytest.mark.parametrize(
    ("name", "behind"), [("EnergySettlement", "SettlementClosing"), ("Beekeeper", "BeekeeperHives")]
)
def test_the_abi_of_an_address_holds_both_of_its_pieces(name: str, behind: str) -> None:
    export = _script("export_abi")
    whole, piece = (json.loads((CONTRACTS / "abi" / f"{file}.json").read_text())["abi"] for file in (name, behind))
    assert {export.key_of(entry) for entry in piece} <= {export.key_of(entry) for entry in whole}


def test_one_selector_for_two_functions_is_refused() -> None:
    export = _script("export_abi")
    burn = {"type": "function", "name": "burn", "inputs": [{"type": "uint256"}], "outputs": []}
    # A known collision: both selectors are 42966c68.
    other = {"type": "function", "name": "collate_propagate_storage", "inputs": [{"type": "bytes16"}], "outputs": []}
    assert export.key_of(burn) == export.key_of(other) == ("function", "42966c68")
    assert export.union([burn], [burn]) == [burn]
    with pytest.raises(export.ArtifactMismatch, match="collate_propagate_storage"):
        export.union([burn], [other])


def test_gas_meets_its_goals() -> None:
    snapshot, gas = json.loads((CONTRACTS / "gas-snapshot.json").read_text()), _script("gas")
    assert snapshot["sourceHash"] == _script("export_abi").source_hash(), "measure again: contracts/scripts/gas.py"
    assert gas.problems(snapshot["gas"], snapshot["gas"]) == []
    assert gas.GOALS.keys() <= snapshot["gas"].keys()


@pytest.mark.deep
@pytest.mark.timeout(900)
def test_measured_gas_is_within_two_percent_of_the_snapshot() -> None:
    gas = _script("gas")
    try:
        _script("export_abi").native_path("anvil")
    except FileNotFoundError as error:
        pytest.skip(f"SKIPPED LOUDLY: the gas snapshot was not measured again ({error})")
    assert gas.problems(gas.measure(), json.loads((CONTRACTS / "gas-snapshot.json").read_text())["gas"]) == []


def test_a_change_of_over_two_percent_and_a_missed_goal_are_problems() -> None:
    gas = _script("gas")
    stored = {"contest": 49_000, "settle_1000_per_worker": 12_990, "finish_close": 66_000, "withdraw": 70_000}
    assert gas.problems(stored, stored) == []
    dearer = {"contest": 49_000, "settle_1000_per_worker": 13_001, "finish_close": 67_500, "new": 1}
    found = gas.problems(dearer, stored)
    assert [text.split(":")[0] for text in found] == ["settle_1000_per_worker", "finish_close", "new", "withdraw"]


def test_a_goal_that_is_missed_is_explained_as_long_as_it_is_missed() -> None:
    gas = _script("gas")
    name = next(iter(gas.MISSED))
    goal = gas.GOALS[name][0]
    assert gas.problems({name: goal + 1}, {name: goal + 1}) == []
    assert gas.problems({name: goal}, {name: goal}) == [
        f"{name}: {goal} gas meets its goal of {goal}: take it out of MISSED"
    ]


def _cases() -> list[dict[str, Any]]:
    return list(json.loads(VECTORS.read_text())["vectors"])


def _value(kind: str, fields: dict[str, Any]) -> structs.Signed:
    plain = {}
    for name, value in fields.items():
        snake = re.sub(r"([A-Z])", lambda found: "_" + found.group(1).lower(), name)
        plain[snake] = bytes.fromhex(value[2:]) if isinstance(value, str) else value
    made: structs.Signed = getattr(structs, kind)(**plain)
    return made


@pytest.mark.parametrize("case", _cases(), ids=lambda case: str(case["type"]))
def test_the_product_hashes_as_the_vectors_say(case: dict[str, Any]) -> None:
    domain = json.loads(VECTORS.read_text())["domain"]
    contract = bytes.fromhex(domain["verifyingContract"][2:])
    value = _value(case["type"], case["fields"])
    assert "0x" + struct_hash(value).hex() == case["struct_hash"]
    assert "0x" + digest(Domain(domain["chainId"], contract), value).hex() == case["digest"]


def test_the_vectors_are_what_eth_account_makes() -> None:
    assert _script("vectors").document() == json.loads(VECTORS.read_text())


def test_the_lock_names_no_registry_and_pins_by_hash() -> None:
    lock = json.loads((CONTRACTS / "package-lock.json").read_text())
    assert "resolved" not in json.dumps(lock)
    unpinned = [name for name, entry in lock["packages"].items() if name and "integrity" not in entry]
    assert all(name.endswith("-linux-arm64") for name in unpinned)
