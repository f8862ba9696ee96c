"""Mistakes that symbolic.py plants in a copy of the contracts; the named checks must find each.

Each breaks invariant 2 or 3 (chain-design section 8) for real, or what the proof of a running close takes for granted.
Loosening one of two guards that both stand in the way breaks nothing: `_checkChange` subtracts the slots with a check
for overflow and allows no change in no time, so a slot that goes back is planted in both.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """In a file below src/: a text that stands there exactly once, and what takes its place."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake: its name, its edits, and the checks that must find it, without their `check_`."""

    name: str
    edits: tuple[Edit, ...]
    found_by: tuple[str, ...]


_SETTLE, _CLOSES, _RULES = "EnergySettlement.sol", "SettlementCloses.sol", "CloseRules.sol"
_REST, _ACCOUNT = "SettlementClosing.sol", "types/Account.sol"
_SLOT_GOES_BACK = Edit(
    _RULES,
    "uint256 passed = slot - account_.slot();",
    "uint256 passed = slot < account_.slot() ? 1 : slot - account_.slot();",
)

MUTANTS = (
    Mutant(
        "settle-funding",
        (Edit(_SETTLE, "if (change > int64(uint64(word)))", "if (change > int256(int64(uint64(word))) + 1000)"),),
        ("settle", "applyStatement"),
    ),
    Mutant("settle-slot", (Edit(_SETTLE, "if (slot <= passed || slot", "if (slot"),), ("settle", "applyStatement")),
    Mutant(
        "settle-counter",
        (Edit(_SETTLE, "if (leaf.imported < uint48(word >> 128) || leaf", "if (leaf"),),
        ("settle", "applyStatement"),
    ),
    Mutant(
        "shown-funding",
        (Edit(_RULES, "if (s.net > account_.funding())", "if (s.net > int256(account_.funding()) + 1000)"),),
        ("startClose", "contest"),
    ),
    Mutant(
        "shown-counter",
        (Edit(_RULES, "if (s.imported < account_.imported() || s", "if (s"),),
        ("contest", "closeAgreed", "claimLate"),
    ),
    Mutant(
        "contest-slot",
        (Edit(_CLOSES, "if (s.slot <= close.slot())", "if (s.slot <= _accounts[s.hive][s.worker].word.slot())"),),
        ("contest",),
    ),
    Mutant(
        "close-slot",
        (
            _SLOT_GOES_BACK,
            Edit(
                _CLOSES,
                "if (s.slot < account_.slot()) revert StatementNotNewer(s.slot, account_.slot());\n"
                "        _checkState(self, account_, s);\n        _checkBoth",
                "_checkState(self, account_, s);\n        _checkBoth",
            ),
            Edit(_REST, "if (s.slot <= account_.slot())", "if (s.slot == account_.slot())"),
        ),
        ("closeAgreed", "claimLate"),
    ),
    Mutant("late-funding", (Edit(_REST, ".withFunding(s.net)", ".withFunding(s.net - 1)"),), ("claimLate",)),
    Mutant(
        "finish-funding",
        (Edit(_CLOSES, ".withFunding(ending.net)", ".withFunding(account_.net())"),),
        ("finishClose", "closeAgreed"),
    ),
    Mutant(
        "finish-counter",
        (Edit(_CLOSES, "(close.imported(), close.exported())", "(close.exported(), close.imported())"),),
        ("finishClose", "finishCloseAfterALie"),
    ),
    Mutant(
        "stored-counter",
        (Edit(_RULES, "account_.imported(), account_.exp", "account_.exported(), account_.exp"),),
        ("startCloseStored",),
    ),
    Mutant(
        "withdraw-funding",
        (Edit(_REST, "if (needed > spendable)", "if (needed > uint256(spendable) + self.minPenalty + 1)"),),
        ("withdraw",),
    ),
    Mutant(
        "deposit-funding",
        (
            Edit(
                _SETTLE,
                "(int256(account_.funding()) + int256(uint256(amountMicro))).toInt64()",
                "int64(int256(account_.funding()) + int256(uint256(amountMicro)))",
            ),
        ),
        ("deposit",),
    ),
    Mutant(
        "reopening-counter",
        (Edit(_ACCOUNT, "& ((1 << 224) - 1)", "& ((1 << 176) - 1)"),),
        ("deposit",),
    ),
)
