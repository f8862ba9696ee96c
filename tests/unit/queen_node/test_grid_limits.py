"""What must hold for the grid operator's limits: they end in a fail-safe value, survive a restart and bind rounds."""

import dataclasses
import json

import pytest
from sqlalchemy import inspect, text

from honey_edge.model.slots import slot_start_unix_s
from queen_node.coordinator.bounds import bounds_of
from queen_node.operator.errors import InputError
from queen_node.operator.inputs import decimal_units
from queen_node.store import Store, grid_limits
from queen_node.store.grid_limits import GridLimitRow
from queen_node.store.schema import SCHEMA_VERSION
from tests.unit.queen_node.answering_homes import SLOTS, Hive, home
from tests.unit.queen_node.test_cli import config, hive

__all__ = ["config"]
FIRST = 1_900_801
FAR = "2099-01-01T00:00"


def row(**changes):
    fields = {"import_w": 3_000, "export_w": 2_000, "until_unix_s": slot_start_unix_s(FIRST + 10)}
    return GridLimitRow(**(fields | {"failsafe_import_w": 1_000, "failsafe_export_w": None, "set_unix_s": 5} | changes))


def high(bounds):
    return list(bounds.limits.pcc_max_kw)


def low(bounds):
    return list(bounds.limits.pcc_min_kw)


def test_the_tightest_of_settings_and_operator_holds_and_the_failsafe_after_expiry():
    bounds = bounds_of(2_500, 2_500, row(), FIRST)
    assert high(bounds) == [2.5] * 10 + [1.0] * 86
    assert low(bounds) == [-2.0] * 10 + [-2.5] * 86


def test_a_side_without_a_failsafe_falls_back_to_the_settings_alone():
    given = row(failsafe_import_w=None)
    assert high(bounds_of(4_000, 0, given, FIRST)) == [3.0] * 10 + [4.0] * 86
    assert min(high(bounds_of(0, 0, given, FIRST))[10:]) >= 1e6


def test_a_limit_of_nothing_is_no_missing_limit():
    bounds = bounds_of(0, 0, row(import_w=0, export_w=None), FIRST)
    assert high(bounds)[:10] == [0.0] * 10
    assert bounds.limits.pcc_min_kw is None
    assert bounds_of(0, 0, None, FIRST).limits.pcc_max_kw is None


def test_a_slot_in_which_the_limit_ends_keeps_the_stricter_of_both():
    half = row(until_unix_s=slot_start_unix_s(FIRST + 1) + 450)
    assert high(bounds_of(0, 0, half, FIRST))[:3] == [3.0, 1.0, 1.0]
    looser = dataclasses.replace(half, failsafe_import_w=9_000)
    assert high(bounds_of(0, 0, looser, FIRST))[:3] == [3.0, 3.0, 9.0]


def test_the_newest_limit_counts_after_a_restart_too_until_it_is_cleared(tmp_path):
    url = f"sqlite:///{tmp_path}/q.sqlite"
    store = Store(url)
    with store.begin() as tx:
        grid_limits.put_limit(tx, row())
        grid_limits.put_limit(tx, row(import_w=7))
    store.close()
    store = Store(url)
    with store.begin() as tx:
        assert grid_limits.limit_in_force(tx) == row(import_w=7)
        grid_limits.clear_limit(tx, 99)
        assert grid_limits.limit_in_force(tx) is None
        assert [one.cleared_unix_s for one in grid_limits.all_limits(tx, 9)] == [99, 99]
        grid_limits.put_limit(tx, row(import_w=8))
        assert grid_limits.limit_in_force(tx) == row(import_w=8)
    store.close()


def test_a_database_of_schema_2_gets_the_table(tmp_path):
    url = f"sqlite:///{tmp_path}/q.sqlite"
    store = Store(url)
    with store.begin() as tx:
        tx.execute(text("DROP TABLE grid_limits"))
        tx.execute(text("UPDATE schema SET version = 2"))
    store.close()
    store = Store(url)
    with store.begin() as tx:
        assert inspect(tx).has_table("grid_limits")
        assert tx.execute(text("SELECT version FROM schema")).scalar_one() == SCHEMA_VERSION
        assert grid_limits.limit_in_force(tx) is None
    store.close()


@pytest.fixture
def homes():
    evening = [2.5 if 70 <= k < 78 else 0.6 for k in range(SLOTS)]
    found = [home(0.8, 0.0, True), home(0.5, 1.2, True), home(1.0, 0.0, True)]
    return [dataclasses.replace(one, load_kw=evening) for one in found]


def total_w(hive_of_homes):
    return [sum(powers) for powers in zip(*hive_of_homes.powers.values(), strict=True)]


def test_rounds_keep_the_operators_limit_where_it_holds_and_only_there(world, first_slot, homes):
    free = Hive(world, homes)
    free.coordinate(first_slot + 1)
    peak = max(total_w(free)[k] for k in range(70, 78))
    assert peak > 3_700
    given = row(
        import_w=3_500, export_w=None, until_unix_s=slot_start_unix_s(first_slot + 1 + 74), failsafe_import_w=None
    )
    with world.store.begin() as tx:
        grid_limits.put_limit(tx, given)
    bound = Hive(world, homes)
    bound.sent = list(free.sent)
    assert bound.coordinate(first_slot + 1).ended in ("converged", "limit")
    held = total_w(bound)
    assert max(held[:74]) <= 1.005 * 3_500
    assert max(held[74:78]) > 3_700


def test_an_operators_limit_that_nobody_can_keep_is_shared_out(world, first_slot, homes):
    with world.store.begin() as tx:
        grid_limits.put_limit(tx, row(import_w=500, until_unix_s=2**40))
    asked = Hive(world, homes, most_iterations=8)
    assert asked.coordinate(first_slot + 1).ended == "shared"
    final = asked.sent[-1]
    assert len(final.import_share_ppm) == len(final.export_share_ppm) == SLOTS
    opened = [asked.coordinator._known[name][1] for name in asked.homes]
    for slot, share in enumerate(final.import_share_ppm):
        assert sum(max(0, p[slot]) * share // 10**6 for p in opened) <= 500


def limit(config, verb, *options):
    result = hive("limit", verb, *options, "--config", str(config), "--json")
    return result.exit_code, json.loads(result.stdout) if result.stdout else result.stderr


def test_a_limit_is_set_shown_and_cleared_from_the_command_line(config):
    assert limit(config, "show")[1]["source"] == "settings"
    code, told = limit(config, "set", "--import-kw", "12.5", "--until", FAR, "--failsafe-import-kw", "0")
    assert (code, told["import_kw"], told["export_kw"], told["source"]) == (0, "12.5", None, "limit")
    assert told["limit"]["until"] == "2099-01-01T00:00:00Z"
    assert told["limit"]["failsafe_import_kw"] == "0"
    assert limit(config, "show")[1]["limit"] == told["limit"]
    assert limit(config, "clear")[1]["import_kw"] is None
    code, why = limit(config, "clear")
    assert code == 4
    assert "E-GRID-LIMIT" in why
    assert "12.5" in hive("limit", "show", "--config", str(config)).stdout


def test_an_expired_limit_shows_its_failsafe_and_the_settings_stay_the_ceiling(config, first_slot):
    config.write_text(
        config.read_text()
        + "[grid]\nimport_w = 9000\nexport_w = 800\n"
        + f'[clock]\nkind = "granted"\nstart_unix_s = {slot_start_unix_s(first_slot)}\n'
    )
    until = str(slot_start_unix_s(first_slot + 50))
    code, told = limit(config, "set", "--export-kw", "0.5", "--until", until, "--failsafe-export-kw", "3")
    assert (code, told["import_kw"], told["export_kw"]) == (0, "9", "0.5")
    config.write_text(
        config.read_text().replace(str(slot_start_unix_s(first_slot)), str(slot_start_unix_s(first_slot + 60)))
    )
    told = limit(config, "show")[1]
    assert (told["source"], told["import_kw"], told["export_kw"]) == ("fail-safe", "9", "0.8")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--until", FAR), "--import-kw"),
        (("--import-kw", "5", "--until", "2020-01-01"), "--until"),
        (("--import-kw", "5", "--until", "tomorrow"), "--until"),
        (("--import-kw", "-5", "--until", FAR), "--import-kw"),
        (("--import-kw", "nan", "--until", FAR), "--import-kw"),
        (("--export-kw", "1.2345", "--until", FAR), "--export-kw"),
        (("--export-kw", "1000001", "--until", FAR), "--export-kw"),
        (("--export-kw", "1", "--until", FAR, "--failsafe-export-kw", "x"), "--failsafe-export-kw"),
    ],
)
def test_what_is_typed_wrong_is_refused_by_name_and_nothing_is_stored(config, options, word):
    code, why = limit(config, "set", *options)
    assert code == 2
    assert f"E-INPUT: {word}" in why
    assert limit(config, "show")[1]["history"] == []


def test_zero_stays_refused_where_an_amount_of_money_is_wanted():
    with pytest.raises(InputError):
        decimal_units("0", 6, "AMOUNT")
