"""The settlement rule of one slot in exact integers (market-design section 8).

Energy in milliwatt-hours (bought > 0), prices in micro-coins per kWh, so every product is pico-coins. With the
rule's symbols: G_c bought, G_p sold, E_pcc pcc, b buy, s sell, lambda price, f fee per mille.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from honey_edge.model.errors import HiveError

FULL_REPUTATION = 1000
BALANCED_PER_MILLE = 50


class ClearingError(HiveError, ValueError):
    """Inputs that no slot may have."""

    code = "E-CLEARING"


@dataclass(frozen=True, slots=True)
class SlotPool:
    """What a slot's payments follow from: the totals that the Queen signs, without identities."""

    bought: int
    sold: int
    pcc: int
    buy: int
    sell: int
    price: int
    theta: int
    fee: int

    def __post_init__(self) -> None:
        """Refuses what the rule has no answer for."""
        if self.sell > self.buy:
            raise ClearingError(f"sell {self.sell} above buy {self.buy}: no balanced rule keeps its promise there")
        if self.bought < 0 or self.sold < 0:
            raise ClearingError(f"bought {self.bought} and sold {self.sold} cannot be negative")
        if not 0 <= self.theta <= 1000 or not 0 <= self.fee <= 1000:
            raise ClearingError(f"theta {self.theta} and fee {self.fee} are per mille: 0 .. 1000")


@dataclass(frozen=True, slots=True)
class SlotShares:
    """A slot's surplus and who gets it, pico-coins: S, its fee, D_c for the buyers, D_p for the sellers."""

    hive_cost: int
    surplus: int
    deficit: int
    fee: int
    to_buyers: int
    to_sellers: int

    @property
    def shared(self) -> int:
        """D = S - fee, what discounts and the reserve are made of."""
        return self.surplus - self.fee


@dataclass(frozen=True, slots=True)
class Payment:
    """One Worker's part of a slot, pico-coins; `amount` > 0 is owed by the Worker."""

    standalone: int
    entitlement: int
    discount: int

    @property
    def amount(self) -> int:
        """What the Worker pays: its own tariff less its discount."""
        return self.standalone - self.discount


def tariff_cost_pico(energy_milliwh: int, buy: int, sell: int) -> int:
    """C: the energy at the utility's tariff, negative for a net seller."""
    return energy_milliwh * (buy if energy_milliwh >= 0 else sell)


def clip_price(price: int, buy: int, sell: int) -> int:
    """lambda clipped to [s, b]."""
    return min(max(price, sell), buy)


def announced_price(price_e7: int | None, buy: int, sell: int) -> int:
    """The price a round announced, from 10^-7 coin per kWh, clipped; the middle when there was no round."""
    return (buy + sell) // 2 if price_e7 is None else clip_price(price_e7 // 10, buy, sell)


def is_balanced(difference: int, bought: int, sold: int) -> bool:
    """Whether an energy is small beside what was bought and sold: at most 50 per mille of both together."""
    return 1000 * abs(difference) <= BALANCED_PER_MILLE * (bought + sold)


def choose_price(announced: int, pcc: int, bought: int, sold: int, buy: int, sell: int) -> int:
    """Which lambda settles: the announced one only while the Hive is balanced within 50 per mille."""
    if is_balanced(pcc, bought, sold):
        return clip_price(announced, buy, sell)
    return buy if pcc > 0 else sell


def share_surplus(pool: SlotPool) -> SlotShares:
    """S, deficit, fee, D_c and D_p of a slot."""
    b, s = pool.buy, pool.sell
    price = clip_price(pool.price, b, s)
    hive_cost = tariff_cost_pico(pool.pcc, b, s)
    balance = b * pool.bought - s * pool.sold - hive_cost
    surplus, deficit = max(balance, 0), max(-balance, 0)
    fee = surplus * pool.fee // 1000
    shared = surplus - fee
    if b == s or not (pool.bought or pool.sold):
        return SlotShares(hive_cost, surplus, deficit, fee, 0, 0)
    weight = 2 * (1000 - pool.theta) * (b - price) + pool.theta * (b - s)
    to_buyers = shared * weight // (2000 * (b - s))
    if not pool.sold:
        to_buyers = shared
    elif not pool.bought:
        to_buyers = 0
    to_sellers = shared - to_buyers
    return SlotShares(
        hive_cost,
        surplus,
        deficit,
        fee,
        min(to_buyers, (b - s) * pool.bought),
        min(to_sellers, (b - s) * pool.sold),
    )


def payment(pool: SlotPool, shares: SlotShares, energy_milliwh: int, reputation: int = FULL_REPUTATION) -> Payment:
    """One Worker's payment from its own energy and reputation and the slot's totals, of nobody else's."""
    if not 0 <= reputation <= FULL_REPUTATION:
        raise ClearingError(f"reputation {reputation} lies outside 0 .. {FULL_REPUTATION}")
    side, total = (shares.to_buyers, pool.bought) if energy_milliwh > 0 else (shares.to_sellers, pool.sold)
    size = abs(energy_milliwh)
    entitlement = side * size // total if size and total else 0
    discount = side * size * reputation // (1000 * total) if size and total else 0
    return Payment(tariff_cost_pico(energy_milliwh, pool.buy, pool.sell), entitlement, discount)


def totals_of(energies_milliwh: Sequence[int]) -> tuple[int, int]:
    """G_c and G_p of the pooled energies."""
    return sum(e for e in energies_milliwh if e > 0), -sum(e for e in energies_milliwh if e < 0)


def shared_locally(energy_milliwh: int, bought: int, sold: int) -> int:
    """A home's energy that came from or went to neighbours, for its page: floor(|E| min(G) / G_side)."""
    side = bought if energy_milliwh > 0 else sold
    return abs(energy_milliwh) * min(bought, sold) // side if side else 0
