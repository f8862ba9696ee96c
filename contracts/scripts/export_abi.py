"""Write or check contracts/abi: what the Queen, the demo and the Python tests need instead of a compiler.

    python contracts/scripts/export_abi.py            compile and write the files
    python contracts/scripts/export_abi.py --check    no compiler: the files belong to these sources and settings
    python contracts/scripts/export_abi.py --rebuild  compile again and compare the bytecode byte by byte
    python contracts/scripts/export_abi.py --sizes    bytes of code of each contract (limits: EIP-170, EIP-3860)

Each file holds abi, bytecode, deployedBytecode, immutableReferences (byte ranges the constructor fills in, zero in
deployedBytecode), compiler (version and settings) and sourceHash. The source hash is the SHA-256 over the sorted
sources below src/, the settings that change code, and the versions of compiler and library.

EnergySettlement and the Beekeeper each answer for two pieces of code at one address (a contract may have 24,576 bytes
of code only), so their files hold the ABI of both; one selector that stands for two different things is refused.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from eth_utils.abi import abi_to_signature
from eth_utils.crypto import keccak

CONTRACTS = Path(__file__).resolve().parents[1]
NAMES = (
    "EnergySettlement",
    "SettlementClosing",
    "Beekeeper",
    "BeekeeperHives",
    "ERC1967Proxy",
    "HVT",
    "StakeVotes",
    "HiveGovernor",
    "HiveTimelock",
    "HiveShares",
    "FlexibilityPool",
    "Reputation",
    "TestCoin",
    "MeterList",
)
BEHIND = {"EnergySettlement": "SettlementClosing", "Beekeeper": "BeekeeperHives"}
# The Beekeeper stands behind the library's proxy, which no source of ours imports.
PROXY = "node_modules/@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol"
CODE_LIMIT = 24_576
CREATION_LIMIT = 49_152
CODE_SETTINGS = (
    "evm_version",
    "optimizer",
    "optimizer_runs",
    "via_ir",
    "bytecode_hash",
    "cbor_metadata",
    "remappings",
)


class ArtifactMismatch(Exception):
    """A committed file does not belong to the sources, or cannot be made; the message says which and what to run."""


def compiler_settings(root: Path = CONTRACTS) -> dict[str, Any]:
    """Versions and settings that change the bytecode, from package.json and foundry.toml."""
    profile = tomllib.loads((root / "foundry.toml").read_text("utf-8"))["profile"]["default"]
    versions = json.loads((root / "package.json").read_text("utf-8"))["devDependencies"]
    return {
        "solc": versions["solc"],
        "openzeppelin": versions["@openzeppelin/contracts"],
        "openzeppelinUpgradeable": versions["@openzeppelin/contracts-upgradeable"],
        "settings": {name: profile[name] for name in CODE_SETTINGS},
    }


def source_hash(root: Path = CONTRACTS) -> str:
    """SHA-256, 64 hex digits, over settings, then each source's path and content in sorted order."""
    digest = hashlib.sha256(json.dumps(compiler_settings(root), sort_keys=True).encode())
    sources = root / "src"
    for path in sorted(sources.rglob("*.sol"), key=lambda file: file.relative_to(root).as_posix()):
        content = path.read_bytes()
        digest.update(f"\n{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def native_path(tool: str, root: Path = CONTRACTS) -> Path:
    """Foundry's native `forge` or `anvil` from npm for this machine; FileNotFoundError says to run npm ci."""
    machine = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), platform.machine())
    path = root / "node_modules" / "@foundry-rs" / f"{tool}-{platform.system().lower()}-{machine}" / "bin" / tool
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run `npm ci` in {root}")
    return path


def forge_path(root: Path = CONTRACTS) -> Path:
    """The native forge from npm for this machine; FileNotFoundError says to run npm ci."""
    return native_path("forge", root)


def build(root: Path = CONTRACTS) -> None:
    """Compile with forge; raises CalledProcessError when the sources do not compile."""
    command = [str(forge_path(root)), "build", "--root", str(root), "--quiet", "--skip", "test", "--", "src", PROXY]
    subprocess.run(command, check=True, cwd=root)


def output_of(name: str, root: Path = CONTRACTS) -> dict[str, Any]:
    """Forge's output for one contract, wherever below src/ its file lies.

    Raises:
        ArtifactMismatch: no source makes a contract of this name.
    """
    path = root / "out" / f"{name}.sol" / f"{name}.json"
    if not path.exists():
        raise ArtifactMismatch(f"the build made no {name}: is contracts/src complete?")
    return dict(json.loads(path.read_text("utf-8")))


def key_of(entry: dict[str, Any]) -> tuple[str, str] | None:
    """What must be unique in one ABI: kind and selector or topic; None for constructor, fallback and receive."""
    if entry["type"] not in ("function", "event", "error"):
        return None
    digest = keccak(text=abi_to_signature(entry)).hex()  # type: ignore[arg-type]
    return entry["type"], digest if entry["type"] == "event" else digest[:8]


def union(own: list[dict[str, Any]], behind: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The ABI of a contract and of the one its fallback passes to; the constructor is the first one's.

    Raises:
        ArtifactMismatch: one selector (or topic) stands for two different things.
    """
    joined = list(own)
    known = {key: entry for entry in own if (key := key_of(entry)) is not None}
    for entry in behind:
        key = key_of(entry)
        if key is None:
            continue
        if key not in known:
            known[key] = entry
            joined.append(entry)
        elif plain(known[key]) != plain(entry):
            raise ArtifactMismatch(f"{key[0]} {abi_to_signature(entry)} means two things")  # type: ignore[arg-type]
    order = {"constructor": "0", "error": "1", "event": "2", "fallback": "3", "function": "4", "receive": "5"}
    return sorted(joined, key=lambda entry: (order[entry["type"]], entry.get("name", "")))


def plain(entry: dict[str, Any]) -> dict[str, Any]:
    """An ABI entry without the names of Solidity types, which differ between two views of one function."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: bare(part) for name, part in value.items() if name != "internalType"}
        return [bare(part) for part in value] if isinstance(value, list) else value

    return dict(bare(entry))


def compiled(name: str, root: Path = CONTRACTS) -> dict[str, Any]:
    """The file to commit for one contract, from forge's output folder."""
    output = output_of(name, root)
    ranges = [
        [place["start"], place["length"]]
        for places in output["deployedBytecode"].get("immutableReferences", {}).values()
        for place in places
    ]
    abi = output["abi"]
    return {
        "abi": union(abi, output_of(BEHIND[name], root)["abi"]) if name in BEHIND else abi,
        "bytecode": output["bytecode"]["object"],
        "compiler": compiler_settings(root),
        "contractName": name,
        "deployedBytecode": output["deployedBytecode"]["object"],
        "immutableReferences": sorted(ranges),
        "sourceHash": source_hash(root),
    }


def sizes(root: Path = CONTRACTS) -> dict[str, tuple[int, int]]:
    """Bytes of code and of creation code of each committed contract."""
    found = {}
    for name in NAMES:
        artifact = json.loads((root / "abi" / f"{name}.json").read_text("utf-8"))
        found[name] = (len(artifact["deployedBytecode"]) // 2 - 1, len(artifact["bytecode"]) // 2 - 1)
    return found


def too_large(found: dict[str, tuple[int, int]]) -> list[str]:
    """The contracts that no chain would accept, in words."""
    return [
        f"{name}: {code} bytes of code (limit {CODE_LIMIT}), {creation} to create it (limit {CREATION_LIMIT})"
        for name, (code, creation) in found.items()
        if code > CODE_LIMIT or creation > CREATION_LIMIT
    ]


def write(root: Path = CONTRACTS) -> None:
    """Compile and write abi/<name>.json for every contract; the folder holds nothing else."""
    build(root)
    files = {f"{name}.json": json.dumps(compiled(name, root), indent=1, sort_keys=True) + "\n" for name in NAMES}
    folder = root / "abi"
    folder.mkdir(exist_ok=True)
    for stale in folder.glob("*.json"):
        if stale.name not in files:
            stale.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")


def check(root: Path = CONTRACTS, rebuild: bool = False) -> None:
    """Raise ArtifactMismatch unless the committed files belong to the sources (and, rebuilt, to the bytecode)."""
    expected = source_hash(root)
    if rebuild:
        build(root)
    for name in NAMES:
        path = root / "abi" / f"{name}.json"
        stored = json.loads(path.read_text("utf-8"))
        if stored["sourceHash"] != expected:
            raise ArtifactMismatch(
                f"{path}: sourceHash {stored['sourceHash']} but the sources have {expected}: run `make contracts`"
            )
        if rebuild and stored != compiled(name, root):
            raise ArtifactMismatch(f"{path}: not what the compiler makes of these sources: run `make contracts`")


def main() -> int:
    """Command line; 0 when written or equal, 1 when a file does not match or a contract is too large."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare the source hash, without a compiler")
    parser.add_argument("--rebuild", action="store_true", help="compile again and compare everything")
    parser.add_argument("--sizes", action="store_true", help="only show the sizes of the committed contracts")
    arguments = parser.parse_args()
    try:
        if arguments.check or arguments.rebuild:
            check(rebuild=arguments.rebuild)
        elif not arguments.sizes:
            write()
    except ArtifactMismatch as error:
        print(error, file=sys.stderr)
        return 1
    found = sizes()
    for name, (code, creation) in found.items():
        print(f"{name:18} {code:6} bytes of code, {creation:6} to create it")
    print("\n".join(too_large(found)), end="", file=sys.stderr)
    return 1 if too_large(found) else 0


if __name__ == "__main__":
    sys.exit(main())
