"""`hive market settle`: the settlement rule on cases of the oracle's form (integers; README oracles)."""

import json
from pathlib import Path
from typing import Any

from honey_edge.billing.clearing import ClearingError, SlotPool, payment, share_surplus, totals_of
from honey_edge.model.errors import HiveError
from queen_node.cli.output import NotFound

Json = dict[str, Any]
_INPUT = {
    "worker_ids",
    "energy_wh",
    "buy_units_per_wh",
    "sell_units_per_wh",
    "internal_price_units_per_wh",
    "fairness_permille",
    "reputation_permille",
    "fee_permille",
    "pcc_energy_wh",
}
_LISTS = ("energy_wh", "reputation_permille")


class CaseFileError(HiveError, ValueError):
    """A file of cases is not of the agreed form."""

    code = "E-CASE-FILE"


def read_case_file(file: Path) -> Json:
    """The JSON object in a file; NotFound or CaseFileError."""
    try:
        document = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise NotFound(f"{file} is not there") from error
    except OSError as error:
        raise CaseFileError(f"{file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CaseFileError(f"{file} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise CaseFileError(f"{file} must hold one JSON object")
    return document


def settle_document(document: Json) -> Json:
    """{"cases": [...]}, each with the fields of the oracle's `expected`; CaseFileError names case and field."""
    cases = document.get("cases")
    if document.get("kind", "settlement") != "settlement" or not isinstance(cases, list):
        raise CaseFileError('a file of settlement cases has kind "settlement" and a list `cases`')
    return {"cases": [settle_case(_input(case, f"cases[{k}]")) for k, case in enumerate(cases)]}


def _input(case: object, place: str) -> Json:
    given = case.get("input") if isinstance(case, dict) else None
    if not isinstance(given, dict) or set(given) != _INPUT:
        raise CaseFileError(f"{place}.input has exactly the fields {', '.join(sorted(_INPUT))}")
    for name in sorted(_INPUT - {"worker_ids", *_LISTS}):
        if type(given[name]) is not int:
            raise CaseFileError(f"{place}.input.{name} = {given[name]!r} is not an integer")
    for name in (*_LISTS, "worker_ids"):
        if not isinstance(given[name], list) or len(given[name]) != len(given["energy_wh"]):
            raise CaseFileError(f"{place}.input.{name} must list one entry per Worker")
    for name in _LISTS:
        if any(type(value) is not int for value in given[name]):
            raise CaseFileError(f"{place}.input.{name} must hold integers")
    return given


def settle_case(given: Json) -> Json:
    """One slot settled from integers alone."""
    energies = given["energy_wh"]
    bought, sold = totals_of(energies)
    pool = SlotPool(
        bought,
        sold,
        given["pcc_energy_wh"],
        given["buy_units_per_wh"],
        given["sell_units_per_wh"],
        given["internal_price_units_per_wh"],
        given["fairness_permille"],
        given["fee_permille"],
    )
    shares = share_surplus(pool)
    paid = [payment(pool, shares, e, r) for e, r in zip(energies, given["reputation_permille"], strict=True)]
    return {
        "standalone": [one.standalone for one in paid],
        "hive_cost": shares.hive_cost,
        "surplus": shares.surplus,
        "deficit": shares.deficit,
        "fee": shares.fee,
        "entitlement": [one.entitlement for one in paid],
        "discount": [one.discount for one in paid],
        "payment": [one.amount for one in paid],
        "reserve": shares.shared - sum(one.discount for one in paid),
    }


__all__ = ["CaseFileError", "ClearingError", "read_case_file", "settle_case", "settle_document"]
