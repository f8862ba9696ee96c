"""Write contracts/releases/<N>/: what a later version needs to know about this one.

    python contracts/scripts/release.py N          write release N; refuses to change one that exists
    python contracts/scripts/release.py N --force  write it anew (before it is deployed anywhere)

`Beekeeper.json` is the artifact with the real bytecode: the upgrade rehearsal runs on it. `build-info.json.gz` is the
compiler's request and answer, reduced to the Beekeeper and what it imports: OpenZeppelin's checker compares the storage
layout of every later version with it. `release.json` has the SHA-256 of every contract's code.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from audit_build import audit_out
from export_abi import CONTRACTS, NAMES, check, compiler_settings, source_hash

RELEASES = CONTRACTS / "releases"
UPGRADEABLE = "Beekeeper"
# Nothing else of the compiler's answer is read by the checker.
OUTPUTS = ("storageLayout",)


def newest() -> int:
    """The number of the newest release; 0 when there is none."""
    return max((int(path.name) for path in RELEASES.glob("*") if path.name.isdecimal()), default=0)


def build_info(out: Path) -> dict[str, Any]:
    """The one build-info file of an output folder."""
    (path,) = (out / "build-info").glob("*.json")
    return dict(json.loads(path.read_text("utf-8")))


def source_of(info: dict[str, Any], name: str) -> str:
    """The source file that defines a contract."""
    return next(str(file) for file, contracts in info["output"]["contracts"].items() if name in contracts)


def imported(info: dict[str, Any], start: str) -> set[str]:
    """A source file and everything it imports, directly or not."""
    found, ahead = set(), [start]
    while ahead:
        file = ahead.pop()
        if file in found:
            continue
        found.add(file)
        nodes = info["output"]["sources"][file]["ast"]["nodes"]
        ahead += [node["absolutePath"] for node in nodes if node["nodeType"] == "ImportDirective"]
    return found


def outline(node: Any) -> Any:
    """A syntax tree without the bodies of functions: storage is declared outside of them."""
    if isinstance(node, list):
        return [outline(part) for part in node]
    if not isinstance(node, dict):
        return node
    bare = {key: outline(part) for key, part in node.items()}
    if node.get("nodeType") in ("FunctionDefinition", "ModifierDefinition"):
        bare["body"] = None
    return bare


def reduced(info: dict[str, Any], name: str) -> dict[str, Any]:
    """The build info of one contract with what it imports, without the bytecode of everything else."""
    own = source_of(info, name)
    files, trees = imported(info, own), info["output"]["sources"]
    contracts: dict[str, Any] = {}
    for file in sorted(files & info["output"]["contracts"].keys()):
        contracts[file] = {}
        for contract, output in info["output"]["contracts"][file].items():
            evm = output["evm"] if contract == name else {}
            code = {
                part: {"object": evm.get(part, {}).get("object", ""), "linkReferences": {}}
                for part in ("bytecode", "deployedBytecode")
            }
            kept = {key: output[key] for key in OUTPUTS if key in output}
            contracts[file][contract] = {**kept, "abi": output["abi"] if evm else [], "evm": code}
    return {
        **{key: info[key] for key in ("id", "_format", "solcVersion", "solcLongVersion")},
        "input": {**info["input"], "sources": {file: info["input"]["sources"][file] for file in sorted(files)}},
        "output": {
            "contracts": contracts,
            "sources": {file: outline(trees[file]) for file in sorted(files)},
        },
    }


def code_hashes() -> dict[str, str]:
    """SHA-256 of the creation code of every committed contract."""
    return {name: hashlib.sha256(bytes.fromhex(artifact(name)["bytecode"][2:])).hexdigest() for name in NAMES}


def artifact(name: str) -> dict[str, Any]:
    """One committed artifact."""
    return dict(json.loads((CONTRACTS / "abi" / f"{name}.json").read_text("utf-8")))


def write(number: int) -> Path:
    """Write the folder of a release from the present sources.

    Raises:
        ArtifactMismatch: abi/ does not belong to them.
    """
    check()
    info = reduced(build_info(audit_out()), UPGRADEABLE)
    folder = RELEASES / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(info, sort_keys=True, separators=(",", ":"))
    # Where this machine keeps the sources is nobody's business and would make releases differ.
    packed = gzip.compress(text.replace(str(CONTRACTS), ".").encode(), 9, mtime=0)
    (folder / "build-info.json.gz").write_bytes(packed)
    (folder / f"{UPGRADEABLE}.json").write_bytes((CONTRACTS / "abi" / f"{UPGRADEABLE}.json").read_bytes())
    record = {
        "release": number,
        "sourceHash": source_hash(),
        "compiler": compiler_settings(),
        "source": source_of(info, UPGRADEABLE),
        "creationCodeSha256": code_hashes(),
    }
    (folder / "release.json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", "utf-8")
    return folder


def main() -> int:
    """Command line; 0 when written, 1 when the release exists."""
    parser = argparse.ArgumentParser(description="Write a release of the contracts.")
    parser.add_argument("number", type=int)
    parser.add_argument("--force", action="store_true", help="write an existing release anew")
    arguments = parser.parse_args()
    if (RELEASES / str(arguments.number)).exists() and not arguments.force:
        print(f"release {arguments.number} exists: what is deployed must not change here", file=sys.stderr)
        return 1
    print(write(arguments.number))
    return 0


if __name__ == "__main__":
    sys.exit(main())
