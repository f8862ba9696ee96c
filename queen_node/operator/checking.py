"""Comparing a deployment with this release: code byte by byte, who is wired to whom, and who holds which right.

Code is compared with what constructors filled in masked; the proxy is compared as a proxy and its implementation slot
(EIP-1967) is read. Holders of roles are counted from the contracts' own events, so that an unknown one is found.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from queen_node.chain.artifacts import artifact
from queen_node.operator.book import CONTRACTS, OPTIONAL, write_book
from queen_node.operator.deployment import role
from queen_node.operator.desk import Desk, hex_of
from queen_node.operator.sending import Document

#: EIP-1967: keccak256("eip1967.proxy.implementation") - 1.
IMPLEMENTATION_SLOT = 0x360894A13BA1A3210667C828492DB98DCA3E2076CC3735A920A3CA505D382BBC
NO_ADDRESS = "00" * 20
_ARTIFACT = {"Beekeeper": "ERC1967Proxy", "BeekeeperImplementation": "Beekeeper"}
#: Contracts that were made with the address of another one.
_BUILT_IN = (
    ("BeekeeperImplementation", "BeekeeperHives"),
    ("SettlementClosing", "Beekeeper"),
    ("SettlementClosing", "HiveTimelock"),
    ("EnergySettlement", "SettlementClosing"),
    ("FlexibilityPool", "EnergySettlement"),
    ("FlexibilityPool", "HiveTimelock"),
    ("Reputation", "EnergySettlement"),
)
_BEEKEEPER_ROLES = {
    "CERTIFIER_ROLE": "certifiers",
    "COIN_ROLE": "coin_keepers",
    "PRICE_ROLE": "price_keepers",
    "GUARDIAN_ROLE": "guardians",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `ok`, and what was found where something else was expected."""

    place: str
    what: str
    ok: bool
    found: str = ""
    expected: str = ""

    def document(self) -> Document:
        """As JSON values."""
        return {"place": self.place, "what": self.what, "ok": self.ok, "found": self.found, "expected": self.expected}


def check(desk: Desk) -> list[Finding]:
    """Everything, in the order code, wiring, rights."""
    return [*check_code(desk), *check_wiring(desk), *check_rights(desk)]


def _same(place: str, what: str, found: Any, expected: str) -> Finding:
    plain = hex_of(found)
    return Finding(place, what, plain == expected, "" if plain == expected else plain, expected)


def check_code(desk: Desk) -> list[Finding]:
    """Every entry's code against this release, and the code behind the proxy."""
    found = []
    for name in (*CONTRACTS, *OPTIONAL):
        if name not in desk.book.contracts:
            continue
        code = desk.chain.code(desk.book.at(name))
        release = artifact(_ARTIFACT.get(name, name))
        told = "" if release.matches(code) else f"{len(code)} other bytes" if code else "no code"
        found.append(Finding(name, "code", not told, told, f"{len(release.deployed)} bytes of this release"))
    word = desk.chain.word(desk.book.at("Beekeeper"), IMPLEMENTATION_SLOT)
    found.append(_same("Beekeeper", "implementation", word[-20:], desk.book.at("BeekeeperImplementation")))
    return found


def adopt_upgrade(desk: Desk, file: Path) -> str:
    """Writes the implementation that a vote has put behind the proxy into the address book; empty when none was.

    Only code of this release is adopted: anything else stays a difference that `check` reports.
    """
    found = desk.chain.word(desk.book.at("Beekeeper"), IMPLEMENTATION_SLOT)[-20:].hex()
    if found == desk.book.at("BeekeeperImplementation") or not artifact("Beekeeper").matches(desk.chain.code(found)):
        return ""
    half = hex_of(desk.read("Beekeeper", "hivesCode"))
    contracts = {**desk.book.contracts, "BeekeeperImplementation": found, "BeekeeperHives": half}
    write_book(file, replace(desk.book, contracts=contracts))
    return found


def check_wiring(desk: Desk) -> list[Finding]:
    """Whether each contract speaks to the others of this book."""
    at = desk.book.at
    hvt, votes, timelock, settlement = desk.read("Beekeeper", "parts")
    keeper, treasury, settlement_timelock = desk.read("EnergySettlement", "authorities")
    treasury_wanted = str(desk.book.roles.get("treasury", hex_of(treasury)))
    found = [
        _same("Beekeeper", "HVT", hvt, at("HVT")),
        _same("Beekeeper", "StakeVotes", votes, at("StakeVotes")),
        _same("Beekeeper", "timelock", timelock, at("HiveTimelock")),
        _same("Beekeeper", "EnergySettlement", settlement, at("EnergySettlement")),
        _same("StakeVotes", "Beekeeper", desk.read("StakeVotes", "beekeeper"), at("Beekeeper")),
        _same("HiveGovernor", "StakeVotes", desk.read("HiveGovernor", "token"), at("StakeVotes")),
        _same("HiveGovernor", "timelock", desk.read("HiveGovernor", "timelock"), at("HiveTimelock")),
        _same("EnergySettlement", "Beekeeper", keeper, at("Beekeeper")),
        _same("EnergySettlement", "treasury", treasury, treasury_wanted),
        _same("EnergySettlement", "timelock", settlement_timelock, at("HiveTimelock")),
    ]
    return [*found, *(_built_in(desk, name, goal) for name, goal in _BUILT_IN)]


def _built_in(desk: Desk, name: str, goal: str) -> Finding:
    """Whether a contract without a view for it was made with another one's address: it stands in its immutables."""
    code, release = desk.chain.code(desk.book.at(name)), artifact(_ARTIFACT.get(name, name))
    words = {code[start : start + length][-20:].hex() for start, length in release.immutables}
    ok = release.matches(code) and desk.book.at(goal) in words
    return Finding(name, goal, ok, "" if ok else "another address", desk.book.at(goal))


def holders(desk: Desk, contract: str) -> dict[str, set[str]]:
    """Who holds each role (hex) of a contract now, from all its events."""
    found: dict[str, set[str]] = {}
    for event in desk.events(contract):
        if event.name in ("RoleGranted", "RoleRevoked"):
            who, held = hex_of(event.arguments["account"]), found.setdefault(hex_of(event.arguments["role"]), set())
            (held.add if event.name == "RoleGranted" else held.discard)(who)
    return found


def _rights(place: str, what: str, held: set[str], expected: set[str]) -> Finding:
    return Finding(
        place, what, held == expected, ", ".join(sorted(held)) or "nobody", ", ".join(sorted(expected)) or "nobody"
    )


def check_rights(desk: Desk) -> list[Finding]:
    """Nobody has more rights than the book says, and the deployer none that it does not name."""
    timelock, governor = desk.book.at("HiveTimelock"), desk.book.at("HiveGovernor")
    lock = holders(desk, "HiveTimelock")
    found = [
        _rights("HiveTimelock", "DEFAULT_ADMIN_ROLE", lock.get("00" * 32, set()), {timelock}),
        _rights("HiveTimelock", "PROPOSER_ROLE", lock.get(role("PROPOSER_ROLE").hex(), set()), {governor}),
        _rights("HiveTimelock", "CANCELLER_ROLE", lock.get(role("CANCELLER_ROLE").hex(), set()), {governor}),
        _rights("HiveTimelock", "EXECUTOR_ROLE", lock.get(role("EXECUTOR_ROLE").hex(), set()), {NO_ADDRESS}),
    ]
    keeper = holders(desk, "Beekeeper")
    found.append(_rights("Beekeeper", "DEFAULT_ADMIN_ROLE", keeper.get("00" * 32, set()), {timelock}))
    for name, entry in _BEEKEEPER_ROLES.items():
        expected = {str(one) for one in desk.book.roles.get(entry, [])}
        found.append(_rights("Beekeeper", name, keeper.get(role(name).hex(), set()), expected))
    return found
