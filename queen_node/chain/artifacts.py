"""ABI and bytecode of the contracts, from the checkout (contracts/abi) or from the installed package (queen_node/abi).

The files are written by contracts/scripts/export_abi.py. No compiler and no web3 is needed to read them.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parents[1]
FOLDERS = (_PACKAGE / "abi", _PACKAGE.parent / "contracts" / "abi")


class ArtifactMissing(FileNotFoundError):
    """Neither the package nor the checkout has the contract's file."""

    def __init__(self, name: str) -> None:
        places = " nor ".join(str(folder) for folder in FOLDERS)
        super().__init__(f"{name}.json: neither in {places}; install the package again or run `make contracts`")


@dataclass(frozen=True, slots=True)
class Artifact:
    """One contract: what to call and what its code must look like."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str
    deployed: bytes
    immutables: tuple[tuple[int, int], ...]
    source_hash: str

    def matches(self, code: bytes) -> bool:
        """Whether deployed code is this contract's, apart from the values its constructor has filled in."""
        if len(code) != len(self.deployed):
            return False
        plain = bytearray(code)
        for start, length in self.immutables:
            plain[start : start + length] = bytes(length)
        return bytes(plain) == self.deployed


@cache
def artifact(name: str) -> Artifact:
    """The contract `name`; ArtifactMissing when there is no file."""
    for folder in FOLDERS:
        path = folder / f"{name}.json"
        if path.is_file():
            raw = json.loads(path.read_text("utf-8"))
            return Artifact(
                name=name,
                abi=raw["abi"],
                bytecode=raw["bytecode"],
                deployed=bytes.fromhex(raw["deployedBytecode"][2:]),
                immutables=tuple((start, length) for start, length in raw["immutableReferences"]),
                source_hash=raw["sourceHash"],
            )
    raise ArtifactMissing(name)


@cache
def artifact_names() -> tuple[str, ...]:
    """All contracts of this release, by name."""
    return tuple(sorted({path.stem for folder in FOLDERS for path in folder.glob("*.json")}))
