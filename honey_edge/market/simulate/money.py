"""The money of a simulated Hive, slot by slot: the settlement rule, late readings, reputation and conduct.

Everything here is integers: milliwatt-hours, micro-coins per kWh, pico-coins. The rule itself is
`honey_edge.billing.clearing`; P9 (nobody pays more than its own tariff) is checked on every payment and P8 (the books
balance) on every slot, and a break stops the simulation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from honey_edge.billing.clearing import (
    BALANCED_PER_MILLE,
    SlotPool,
    SlotShares,
    announced_price,
    choose_price,
    clip_price,
    payment,
    share_surplus,
    tariff_cost_pico,
    totals_of,
)
from honey_edge.billing.peak import PeakPool, peak_cost_pico, peak_payment_pico
from honey_edge.market.errors import MarketError
from honey_edge.market.fairplay.bias import (
    BiasTest,
    Conduct,
    after_alarm,
    after_quiet,
    ratio_of,
    rho_in,
    watch,
)
from honey_edge.market.fairplay.reputation import FLOOR, Reputation, at_day, observe

QUARTER_MINUTES = 15


class PromiseBroken(MarketError, ArithmeticError):
    """A payment above the own tariff, or books that do not balance: never expected, never passed over."""

    code = "E-MARKET"


@dataclass(frozen=True, slots=True)
class SlotFacts:
    """One slot as it was metered and declared.

    Energies per home in milliwatt-hours, import positive: `shown` by the meters, `declared` beforehand, `reference` the
    last reading known when the declaration was due (None: not known). `connection` is what really flowed through the
    connection point; `late` the homes whose reading was not there at closing; `unobserved` those whose energy was not
    measured at all.
    """

    day: int
    shown: Sequence[int]
    declared: Sequence[int]
    reference: Sequence[int] | None
    connection: int
    buy: int
    sell: int
    announced_e7: int | None
    late: frozenset[int] = frozenset()
    unobserved: frozenset[int] = frozenset()


@dataclass
class HomeAccount:
    """What a home's run adds up to (pico-coins, owed positive), and how it stands."""

    paid_pico: int = 0
    own_tariff_pico: int = 0
    discount_pico: int = 0
    late_slots: int = 0
    rho_days: int = 0
    rho_sum: int = 0
    reputation: Reputation = field(default_factory=Reputation)
    bias: BiasTest = field(default_factory=BiasTest)
    conduct: Conduct = field(default_factory=Conduct)
    alarm_days: list[int] = field(default_factory=list)
    suspended_days: int = 0

    @property
    def mean_rho(self) -> float:
        """Mean of the daily factor (per mille)."""
        return self.rho_sum / self.rho_days if self.rho_days else 1000.0


class SimulationBooks:
    """Settles slot after slot and keeps every home's account.

    `theta` and `fee` per mille; with `choose` the settlement picks lambda as section 8 says, without it the announced
    price always counts (to show what that would cost); `enforce` whether alarms have consequences.
    """

    def __init__(
        self,
        homes: int,
        slot_minutes: int,
        *,
        theta: int = 250,
        fee: int = 0,
        choose: bool = True,
        enforce: bool = True,
    ) -> None:
        self.accounts = [HomeAccount() for _ in range(homes)]
        self._theta, self._fee, self._choose, self._enforce = theta, fee, choose, enforce
        self._day, self._slot_minutes = -1, slot_minutes
        self.surplus_pico = self.deficit_pico = self.fee_pico = self.reserve_pico = self.grid_pico = 0
        self.slots = self.payments = self.balanced_slots = 0
        self.bought = self.sold = 0

    def settle(self, facts: SlotFacts) -> None:
        """Settle one slot and observe it. Raises `PromiseBroken` where P8 or P9 does not hold."""
        self._begin_day(facts.day)
        pooled = [k for k, one in enumerate(self.accounts) if k not in facts.late and self._is_pooled(one)]
        own = [facts.shown[k] for k in pooled]
        bought, sold = totals_of(own)
        pcc = facts.connection if len(pooled) == len(self.accounts) else sum(own)
        pool = SlotPool(bought, sold, pcc, facts.buy, facts.sell, 0, self._theta, self._fee)
        pool = self._priced(pool, facts.announced_e7)
        shares = share_surplus(pool)
        collected = discounts = 0
        for k, energy in zip(pooled, own, strict=True):
            account = self.accounts[k]
            part = payment(pool, shares, energy, self._factor(account))
            self._book(account, part.amount, part.standalone)
            collected += part.amount
            discounts += part.discount
        reserve = shares.shared - discounts
        if collected != shares.hive_cost + shares.fee + reserve - shares.deficit:
            raise PromiseBroken(f"slot {self.slots}: collected {collected} does not balance")
        self._alone(facts, set(pooled))
        self._book_hive(facts, pool, shares, reserve - shares.deficit)
        self._observe(facts)

    def settle_peak(self, highest: Sequence[int], connection: int, charge_micro: int) -> None:
        """Settle a period's peak charge (`honey_edge.billing.peak`); highest imports in milliwatt-hours of a slot.

        The rule counts quarter hours; energies of longer slots are brought to one.
        """
        quarters = [energy * QUARTER_MINUTES // self._slot_minutes for energy in (*highest, connection)]
        *own, at_connection = [peak_cost_pico(energy, charge_micro) for energy in quarters]
        pool = PeakPool(sum(own), at_connection, self._fee)
        collected = 0
        for account, cost in zip(self.accounts, own, strict=True):
            amount = peak_payment_pico(cost, pool.charged, pool.shared)
            self._book(account, amount, cost)
            collected += amount
        self.surplus_pico += pool.surplus
        self.deficit_pico += pool.deficit
        self.fee_pico += pool.fee
        self.grid_pico += pool.hive_cost
        self.reserve_pico += collected - pool.hive_cost - pool.fee

    def _priced(self, pool: SlotPool, announced_e7: int | None) -> SlotPool:
        """Choose lambda."""
        told = announced_price(announced_e7, pool.buy, pool.sell)
        chosen = choose_price(told, pool.pcc, pool.bought, pool.sold, pool.buy, pool.sell)
        price = chosen if self._choose else clip_price(told, pool.buy, pool.sell)
        return SlotPool(pool.bought, pool.sold, pool.pcc, pool.buy, pool.sell, price, pool.theta, pool.fee)

    def _alone(self, facts: SlotFacts, pooled: set[int]) -> None:
        """Book late and suspended homes at their own tariff; nobody else is touched."""
        for k, account in enumerate(self.accounts):
            if k in pooled:
                continue
            amount = tariff_cost_pico(facts.shown[k], facts.buy, facts.sell)
            self._book(account, amount, amount)
            account.late_slots += k in facts.late
            self.reserve_pico += amount

    def _book(self, account: HomeAccount, amount: int, own: int) -> None:
        """Add one payment; P9."""
        if amount > own:
            raise PromiseBroken(f"slot {self.slots}: a payment of {amount} is above the own tariff {own}")
        account.paid_pico += amount
        account.own_tariff_pico += own
        account.discount_pico += own - amount
        self.payments += 1

    def _book_hive(self, facts: SlotFacts, pool: SlotPool, shares: SlotShares, to_reserve: int) -> None:
        """Add the Hive's side; what the Queen's meter is charged beyond the rule's C_h goes to the reserve."""
        metered = tariff_cost_pico(facts.connection, pool.buy, pool.sell)
        self.surplus_pico += shares.surplus
        self.deficit_pico += shares.deficit
        self.fee_pico += shares.fee
        self.reserve_pico += to_reserve + shares.hive_cost - metered
        self.grid_pico += metered
        self.balanced_slots += 1000 * abs(pool.pcc) <= BALANCED_PER_MILLE * (pool.bought + pool.sold)
        self.bought, self.sold = self.bought + pool.bought, self.sold + pool.sold
        self.slots += 1

    @property
    def whole(self) -> bool:
        """Whether all payments together are what the grid, the fee and the reserve got (exactly)."""
        paid = sum(account.paid_pico for account in self.accounts)
        return paid == self.grid_pico + self.fee_pico + self.reserve_pico

    def _is_pooled(self, account: HomeAccount) -> bool:
        return not self._enforce or account.conduct.pooled

    def _factor(self, account: HomeAccount) -> int:
        rho = account.reputation.rho
        return rho_in(account.conduct, rho, FLOOR) if self._enforce else rho

    def _begin_day(self, day: int) -> None:
        """Fix the day's factors, and let standings that time mends be mended."""
        if day == self._day:
            return
        self._day = day
        for account in self.accounts:
            account.reputation = at_day(account.reputation, day)
            account.conduct = after_quiet(account.conduct, day)
            account.rho_sum += self._factor(account)
            account.rho_days += 1
            account.suspended_days += not account.conduct.pooled

    def _observe(self, facts: SlotFacts) -> None:
        """Feed reputation and test C with what was measured and declared."""
        if facts.reference is None:
            return
        for k, account in enumerate(self.accounts):
            if k in facts.late or k in facts.unobserved:
                continue
            measured, declared = facts.shown[k], facts.declared[k]
            ratio = ratio_of(declared, measured, account.reputation.scale, self._slot_minutes)
            account.reputation = observe(
                account.reputation,
                facts.day,
                measured=measured,
                declared=declared,
                reference=facts.reference[k],
            )
            alarms = account.bias.alarms
            account.bias = watch(account.bias, facts.day, ratio)
            if account.bias.alarms != alarms and account.bias.alarms:
                self._alarm(account, account.bias.alarms[-1])

    def _alarm(self, account: HomeAccount, day: int) -> None:
        """Note an alarm once, with its consequence."""
        if day in account.alarm_days:
            return
        account.alarm_days.append(day)
        account.conduct = after_alarm(account.conduct, day)
