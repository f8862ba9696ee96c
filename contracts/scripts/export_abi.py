"""Write or check contracts/abi: what the Queen, the demo and the Python tests need instead of a compiler.

    python contracts/scripts/export_abi.py            after `forge build`: write the files
    python contracts/scripts/export_abi.py --check    no compiler: the files belong to these sources and settings
    python contracts/scripts/export_abi.py --rebuild  compile again and compare the bytecode byte by byte

Each file holds abi, bytecode, deployedBytecode, immutableReferences (byte ranges the constructor fills in, zero in
deployedBytecode), compiler (version and settings) and sourceHash. The source hash is the SHA-256 over the sorted
sources below src/, the settings that change code, and the versions of compiler and library.
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

CONTRACTS = Path(__file__).resolve().parents[1]
NAMES = ("EnergySettlement", "MeterList", "TestCoin")
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
    """A committed file does not belong to the sources; the message says which and what to run."""


def compiler_settings(root: Path = CONTRACTS) -> dict[str, Any]:
    """Versions and settings that change the bytecode, from package.json and foundry.toml."""
    profile = tomllib.loads((root / "foundry.toml").read_text("utf-8"))["profile"]["default"]
    versions = json.loads((root / "package.json").read_text("utf-8"))["devDependencies"]
    settings = {name: profile[name] for name in CODE_SETTINGS}
    return {"solc": versions["solc"], "openzeppelin": versions["@openzeppelin/contracts"], "settings": settings}


def source_hash(root: Path = CONTRACTS) -> str:
    """SHA-256, 64 hex digits, over settings, then each source's path and content in sorted order."""
    digest = hashlib.sha256(json.dumps(compiler_settings(root), sort_keys=True).encode())
    sources = root / "src"
    for path in sorted(sources.rglob("*.sol"), key=lambda file: file.relative_to(root).as_posix()):
        content = path.read_bytes()
        digest.update(f"\n{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def forge_path(root: Path = CONTRACTS) -> Path:
    """The native forge from npm for this machine; FileNotFoundError says to run npm ci."""
    machine = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), platform.machine())
    path = root / "node_modules" / "@foundry-rs" / f"forge-{platform.system().lower()}-{machine}" / "bin" / "forge"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run `npm ci` in {root}")
    return path


def build(root: Path = CONTRACTS) -> None:
    """Compile with forge; raises CalledProcessError when the sources do not compile."""
    subprocess.run(
        [str(forge_path(root)), "build", "--root", str(root), "--quiet", "--skip", "test"], check=True, cwd=root
    )


def compiled(name: str, root: Path = CONTRACTS) -> dict[str, Any]:
    """The file to commit for one contract, from forge's output folder."""
    output = json.loads((root / "out" / f"{name}.sol" / f"{name}.json").read_text("utf-8"))
    ranges = [
        [place["start"], place["length"]]
        for places in output["deployedBytecode"].get("immutableReferences", {}).values()
        for place in places
    ]
    return {
        "abi": output["abi"],
        "bytecode": output["bytecode"]["object"],
        "compiler": compiler_settings(root),
        "contractName": name,
        "deployedBytecode": output["deployedBytecode"]["object"],
        "immutableReferences": sorted(ranges),
        "sourceHash": source_hash(root),
    }


def write(root: Path = CONTRACTS) -> None:
    """Compile and write abi/<name>.json for every contract."""
    build(root)
    (root / "abi").mkdir(exist_ok=True)
    for name in NAMES:
        text = json.dumps(compiled(name, root), indent=1, sort_keys=True)
        (root / "abi" / f"{name}.json").write_text(text + "\n", "utf-8")


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
    """Command line; 0 when written or equal, 1 when a file does not match."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare the source hash, without a compiler")
    parser.add_argument("--rebuild", action="store_true", help="compile again and compare everything")
    arguments = parser.parse_args()
    try:
        if arguments.check or arguments.rebuild:
            check(rebuild=arguments.rebuild)
        else:
            write()
    except ArtifactMismatch as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
