"""The tariff file: buy and sell price for each slot of the UTC day, contest addresses, limit of unsigned money.

It is JSON; its keccak-256, over the exact bytes, stands in the signed HiveTerms as `tariff`. It may name the prices of
an island, one pair for all slots (market-design section 11); the terms' `island_ceiling` bounds them. It may charge for
the highest import of a period (section 8, "peak"): `peak_micro_per_kw`, with `peak_period` "day" or "month" (UTC).
"""

import json
from dataclasses import dataclass
from typing import Any

from honey_edge.model.errors import HiveError
from honey_edge.model.slots import (
    SLOTS_PER_DAY,
    day_of,
    day_of_month,
    last_slot_of_day,
    last_slot_of_month,
    slot_of_day,
)

_FIELDS = {"v", "currency", "buy_micro_per_kwh", "sell_micro_per_kwh", "contest_addresses", "unsigned_limit_micro"}
_ISLAND_FIELDS = {"island_buy_micro_per_kwh", "island_sell_micro_per_kwh"}
_PEAK_FIELDS = {"peak_micro_per_kw", "peak_period"}
DAY, MONTH = "day", "month"
_PRICE_LIMIT = 10**12
_MAX_BYTES = 65_536


class TariffError(HiveError, ValueError):
    """A tariff file is refused; the message names field and slot."""

    code = "E-TARIFF"


@dataclass(frozen=True, slots=True)
class Tariff:
    """Prices in micro-coins per kWh, 96 each; `buy` >= `sell` in every slot.

    `island` is the pair (buy, sell) of slots without a connection to the grid; None where there are no such prices.
    `peak_micro_per_kw` is charged once per `peak_period` for its highest import; 0: no such charge.
    """

    currency: str
    buy: tuple[int, ...]
    sell: tuple[int, ...]
    contest_addresses: tuple[str, ...]
    unsigned_limit_micro: int
    island: tuple[int, int] | None = None
    peak_micro_per_kw: int = 0
    peak_period: str = DAY

    def prices(self, slot: int) -> tuple[int, int]:
        """Buy and sell price of a slot."""
        place = slot_of_day(slot)
        return self.buy[place], self.sell[place]

    def peak_slot(self, slot: int) -> int:
        """The last slot of the peak charge's period that a slot belongs to."""
        return last_slot_of_month(slot) if self.peak_period == MONTH else last_slot_of_day(day_of(slot))

    @property
    def daily_peak_micro_per_kw(self) -> int:
        """The charge for a day's highest import; 0 where there is none, or only one for the month's."""
        return self.peak_micro_per_kw if self.peak_period == DAY else 0

    def first_peak_slot(self, slot: int) -> int:
        """The first slot of the peak charge's period that a slot belongs to."""
        if self.peak_period == MONTH:
            return slot - SLOTS_PER_DAY * (day_of_month(slot) - 1) - slot_of_day(slot)
        return slot - slot_of_day(slot)

    def island_prices(self, slot: int, ceiling_micro: int) -> tuple[int, int] | None:
        """Buy and sell price of an island's slot under the ceiling of the terms; None where the tariff stays as it is.

        That is so without such prices, above the ceiling, or where they are the slot's ordinary ones.
        """
        if self.island is None or self.island[0] > ceiling_micro or self.island == self.prices(slot):
            return None
        return self.island


def parse_tariff(data: bytes) -> Tariff:
    """The tariff in the bytes of a tariff file; TariffError for anything that cannot be settled by."""
    if len(data) > _MAX_BYTES:
        raise TariffError(f"the tariff file has {len(data)} bytes, at most {_MAX_BYTES}")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise TariffError(f"the tariff file is not JSON: {error}") from error
    named = (set(document) if isinstance(document, dict) else set()) - {"peak_period"}
    if named - {"peak_micro_per_kw"} not in (_FIELDS, _FIELDS | _ISLAND_FIELDS) or document["v"] != 1:
        raise TariffError(
            f"a tariff file of version 1 has exactly the fields {', '.join(sorted(_FIELDS))}, "
            f"and may have {' and '.join(sorted(_ISLAND_FIELDS))}, {' and '.join(sorted(_PEAK_FIELDS))}"
        )
    buy, sell = _prices(document, "buy_micro_per_kwh"), _prices(document, "sell_micro_per_kwh")
    for place, (b, s) in enumerate(zip(buy, sell, strict=True)):
        if s > b:
            raise TariffError(
                f"sell_micro_per_kwh[{place}] = {s} is above buy {b}: no balanced rule can keep "
                "'never above the own tariff' there",
                next_step="write sell = buy for those slots and tell the home so",
            )
    return Tariff(
        _currency(document), buy, sell, _addresses(document), _limit(document), _island(document), *_peak(document)
    )


def _prices(document: dict[str, Any], name: str) -> tuple[int, ...]:
    values = document[name]
    if not isinstance(values, list) or len(values) != SLOTS_PER_DAY:
        raise TariffError(f"{name} must list {SLOTS_PER_DAY} prices")
    for place, value in enumerate(values):
        if type(value) is not int or abs(value) > _PRICE_LIMIT:
            raise TariffError(f"{name}[{place}] = {value!r} is not an integer of micro-coins per kWh")
    return tuple(values)


def _island(document: dict[str, Any]) -> tuple[int, int] | None:
    if "island_buy_micro_per_kwh" not in document:
        return None
    buy, sell = document["island_buy_micro_per_kwh"], document["island_sell_micro_per_kwh"]
    if type(buy) is not int or type(sell) is not int or not 0 <= sell <= buy <= _PRICE_LIMIT:
        raise TariffError(
            f"island_buy_micro_per_kwh = {buy!r} and island_sell_micro_per_kwh = {sell!r} are not integers of "
            "micro-coins per kWh with 0 <= sell <= buy"
        )
    return buy, sell


def _peak(document: dict[str, Any]) -> tuple[int, str]:
    charge, period = document.get("peak_micro_per_kw", 0), document.get("peak_period", DAY)
    if type(charge) is not int or not 0 <= charge <= _PRICE_LIMIT:
        raise TariffError(f"peak_micro_per_kw = {charge!r} is not an integer of micro-coins per kW, not negative")
    if period not in (DAY, MONTH) or ("peak_period" in document and not charge):
        raise TariffError(f'peak_period = {period!r} must be "day" or "month", beside a peak_micro_per_kw above 0')
    return charge, period


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
    document: dict[str, Any] = {
        "v": 1,
        "currency": tariff.currency,
        "buy_micro_per_kwh": list(tariff.buy),
        "sell_micro_per_kwh": list(tariff.sell),
        "contest_addresses": list(tariff.contest_addresses),
        "unsigned_limit_micro": tariff.unsigned_limit_micro,
    }
    if tariff.island is not None:
        document["island_buy_micro_per_kwh"], document["island_sell_micro_per_kwh"] = tariff.island
    if tariff.peak_micro_per_kw:
        document["peak_micro_per_kw"], document["peak_period"] = tariff.peak_micro_per_kw, tariff.peak_period
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
