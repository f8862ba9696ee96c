"""The tariff file: buy and sell price for each slot of the UTC day, contest addresses, limit of unsigned money.

It is JSON; its keccak-256, over the exact bytes, stands in the signed HiveTerms as `tariff`.
"""

import json
from dataclasses import dataclass
from typing import Any

from honey_edge.model.errors import HiveError
from honey_edge.model.slots import SLOTS_PER_DAY, slot_of_day

_FIELDS = {"v", "currency", "buy_micro_per_kwh", "sell_micro_per_kwh", "contest_addresses", "unsigned_limit_micro"}
_PRICE_LIMIT = 10**12
_MAX_BYTES = 65_536


class TariffError(HiveError, ValueError):
    """A tariff file is refused; the message names field and slot."""

    code = "E-TARIFF"


@dataclass(frozen=True, slots=True)
class Tariff:
    """Prices in micro-coins per kWh, 96 each; `buy` >= `sell` in every slot."""

    currency: str
    buy: tuple[int, ...]
    sell: tuple[int, ...]
    contest_addresses: tuple[str, ...]
    unsigned_limit_micro: int

    def prices(self, slot: int) -> tuple[int, int]:
        """Buy and sell price of a slot."""
        place = slot_of_day(slot)
        return self.buy[place], self.sell[place]


def parse_tariff(data: bytes) -> Tariff:
    """The tariff in the bytes of a tariff file; TariffError for anything that cannot be settled by."""
    if len(data) > _MAX_BYTES:
        raise TariffError(f"the tariff file has {len(data)} bytes, at most {_MAX_BYTES}")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise TariffError(f"the tariff file is not JSON: {error}") from error
    if not isinstance(document, dict) or set(document) != _FIELDS or document["v"] != 1:
        raise TariffError(f"a tariff file of version 1 has exactly the fields {', '.join(sorted(_FIELDS))}")
    buy, sell = _prices(document, "buy_micro_per_kwh"), _prices(document, "sell_micro_per_kwh")
    for place, (b, s) in enumerate(zip(buy, sell, strict=True)):
        if s > b:
            raise TariffError(
                f"sell_micro_per_kwh[{place}] = {s} is above buy {b}: no balanced rule can keep "
                "'never above the own tariff' there",
                next_step="write sell = buy for those slots and tell the home so",
            )
    return Tariff(_currency(document), buy, sell, _addresses(document), _limit(document))


def _prices(document: dict[str, Any], name: str) -> tuple[int, ...]:
    values = document[name]
    if not isinstance(values, list) or len(values) != SLOTS_PER_DAY:
        raise TariffError(f"{name} must list {SLOTS_PER_DAY} prices")
    for place, value in enumerate(values):
        if type(value) is not int or abs(value) > _PRICE_LIMIT:
            raise TariffError(f"{name}[{place}] = {value!r} is not an integer of micro-coins per kWh")
    return tuple(values)


def _currency(document: dict[str, Any]) -> str:
    currency = document["currency"]
    if not isinstance(currency, str) or not 1 <= len(currency) <= 8:
        raise TariffError("currency must be 1 to 8 characters")
    return currency


def _addresses(document: dict[str, Any]) -> tuple[str, ...]:
    addresses = document["contest_addresses"]
    if not isinstance(addresses, list) or not all(isinstance(a, str) and len(a) <= 200 for a in addresses):
        raise TariffError("contest_addresses must be a list of texts")
    return tuple(addresses)


def _limit(document: dict[str, Any]) -> int:
    limit = document["unsigned_limit_micro"]
    if type(limit) is not int or not 0 <= limit < 2**63:
        raise TariffError("unsigned_limit_micro must be an integer of micro-coins, not negative")
    return limit


def tariff_document(tariff: Tariff) -> bytes:
    """The bytes of a tariff file: sorted keys, no spaces, so that equal tariffs have one hash."""
    document = {
        "v": 1,
        "currency": tariff.currency,
        "buy_micro_per_kwh": list(tariff.buy),
        "sell_micro_per_kwh": list(tariff.sell),
        "contest_addresses": list(tariff.contest_addresses),
        "unsigned_limit_micro": tariff.unsigned_limit_micro,
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
