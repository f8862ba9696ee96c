"""The demo's comparison: homes of their own will keep to their batteries, and the report adds up."""

from pathlib import Path

import pytest

from honey_edge.model.slots import slot_at
from provisioning.demo.alone import at_tariff_micro, idle_energies_milliwh, pooled_micro
from provisioning.demo.plan import RunPlan, choose_homes, demo_secret, demo_tariff
from provisioning.demo.uncoordinated import Uncoordinated, own_way_milliwh, uncoordinated

TARIFF = demo_tariff()


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> RunPlan:
    homes = choose_homes(3, 2.0, 1)
    secrets = demo_secret(1, "queen"), demo_secret(1, "owner")
    folder: Path = tmp_path_factory.mktemp("run")
    return RunPlan(homes, 8, 1, folder, *secrets, TARIFF, day_unix_s=homes[0].profile.start_unix_s)


def test_a_home_of_its_own_will_never_moves_more_than_its_battery_can(plan: RunPlan) -> None:
    home = next(one for one in plan.homes if one.profile.battery.capacity_milliwh)
    spec = home.profile.battery
    first = slot_at(plan.day_unix_s)
    energies, stored = own_way_milliwh(home, TARIFF, first, plan.slots)
    assert 0 <= stored <= spec.capacity_milliwh
    for energy, idle in zip(energies, idle_energies_milliwh(home, plan.slots), strict=True):
        assert -spec.discharge_w * 250 - 1 <= energy - idle <= spec.charge_w * 250 + 1


def test_without_a_battery_its_own_way_is_what_was_measured(plan: RunPlan) -> None:
    home = next(one for one in plan.homes if not one.profile.battery.capacity_milliwh)
    energies, stored = own_way_milliwh(home, TARIFF, slot_at(plan.day_unix_s), plan.slots)
    assert (energies, stored) == (idle_energies_milliwh(home, plan.slots), 0)


def test_neighbours_never_pay_more_together_than_apart(plan: RunPlan) -> None:
    first = slot_at(plan.day_unix_s)
    homes = [idle_energies_milliwh(home, plan.slots) for home in plan.homes]
    together = pooled_micro(homes, TARIFF, first, 250, 30)
    assert all(a <= at_tariff_micro(own, TARIFF, first) for a, own in zip(together, homes, strict=True))


def test_charge_left_over_counts_for_the_uncoordinated_side(plan: RunPlan) -> None:
    told = uncoordinated(plan)
    assert len(told.paid_micro) == len(told.stored_milliwh) == 3
    home = next(one for one in plan.homes if one.profile.battery.capacity_milliwh)
    made_up = Uncoordinated((0, 0, 0), (2_000_000, 2_000_000, 2_000_000))
    permille = home.profile.battery.discharge_permille
    assert made_up.worth_micro(home, 0, 1_000_000, TARIFF) == permille * max(TARIFF.buy) // 1000
    assert made_up.worth_micro(home, 0, 3_000_000, TARIFF) == -permille * min(TARIFF.sell) // 1000
