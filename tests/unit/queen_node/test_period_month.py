"""A whole month of slots, closed by the pure rules: daily peaks, the reserve shared out, every pico-coin kept."""

import random
from dataclasses import replace

from honey_edge.billing.clearing import tariff_cost_pico
from honey_edge.billing.peak import peak_cost_pico
from honey_edge.billing.tally import PEAK, SHARE
from honey_edge.billing.tariff import MONTH
from honey_edge.model.slots import SLOTS_PER_DAY, last_slot_of_month
from honey_edge.wire.structs import Reading
from queen_node.closing.decide import AccountInput, ClosingInput, close_slot
from queen_node.closing.periods import PeriodInput, settle_periods
from queen_node.store.records import StoredReading

HOMES = 4
CHARGE = 4_000_000
FUNDING = 10**12


def test_a_month_of_random_slots_with_peaks_and_the_reserve_shared_out_keeps_every_pico_coin(make_world):
    random_source = random.Random(2_026)
    world = make_world(HOMES, peak_micro_per_kw=CHARGE)
    rules = world.closer.rules
    end = last_slot_of_month(1_900_800)
    first = replace(rules.tariff, peak_period=MONTH).first_peak_slot(end) - 1
    assert end - first == 31 * SLOTS_PER_DAY
    names = [worker.name for worker in world.workers]
    counters = {name: [0, 0] for name in names}
    accounts, waiting, net = {}, {name: [] for name in names}, dict.fromkeys(names, 0)
    reserve = cost = fee = 0
    highest_pcc, peaks, shares = 0, 0, []
    energies: dict[str, list[int]] = {name: [] for name in names}

    def reading(name, slot):
        return StoredReading(
            Reading(bytes.fromhex(name), slot, *counters[name], 0, bytes(32), bytes(32)),
            slot.to_bytes(12) + bytes.fromhex(name),
            b"",
        )

    for name in names:
        waiting[name].append(reading(name, first))
    for slot in range(first + 1, end + 1):
        for k, name in enumerate(names):
            energy = random_source.randrange(-900_000, 1_500_000) // (k + 1)
            counters[name][energy < 0] += abs(energy)
            energies[name].append(energy)
            waiting[name].append(reading(name, slot))
        here = {name: random_source.random() > 0.02 or slot == end for name in names}
        inputs = tuple(
            AccountInput(
                name, first, FUNDING, accounts.get(name), tuple(waiting[name]) if here[name] else (), 1000 - 100 * k
            )
            for k, name in enumerate(names)
        )
        result = close_slot(ClosingInput(slot, rules, inputs, 120_000, None, reserve))
        for row in result.positions:
            accounts[row.worker] = row
            waiting[row.worker] = [r for r in waiting[row.worker] if r.reading.slot > row.position.slot]
        for line in result.lines:
            net[line.worker] += line.amount_pico
        highest_pcc = result.totals.pcc if slot % SLOTS_PER_DAY == 0 else max(highest_pcc, result.totals.pcc)
        cost, fee = cost + result.money.metered_cost, fee + result.money.fee
        after = settle_periods(PeriodInput(slot, rules, accounts, highest_pcc, highest_pcc, result.totals.reserve))
        reserve, accounts = after.reserve, dict(after.positions)
        if after.peak_money is not None:
            peaks += 1
            cost, fee = cost + after.peak_money.metered_cost, fee + after.peak_money.fee
        for worker, charge in after.charges:
            net[worker] += charge.amount_pico
            shares += [charge] if charge.kind == SHARE else []
            assert charge.kind != PEAK or 0 <= charge.amount_pico <= peak_cost_pico(charge.quantity_milliwh, CHARGE)
        assert sum(net.values()) == cost + fee + reserve
    assert {name: row.position.net_pico for name, row in accounts.items()} == net
    assert peaks == (end - first) // SLOTS_PER_DAY
    assert len(shares) == HOMES
    assert sum(charge.amount_pico for charge in shares) < 0
    assert 0 <= reserve < HOMES
    for name in names:
        assert net[name] <= alone(rules.tariff, energies[name], first)


def alone(tariff, energies, first):
    """What a home pays by its own tariff: energy, and the charge for each day's highest import."""
    total = sum(tariff_cost_pico(e, *tariff.prices(first + 1 + k)) for k, e in enumerate(energies))
    days = [energies[k : k + SLOTS_PER_DAY] for k in range(0, len(energies), SLOTS_PER_DAY)]
    return total + sum(peak_cost_pico(max(day), CHARGE) for day in days)
