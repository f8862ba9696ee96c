"""What must hold for published voltages: bounded before they are stored, kept 60 days, estimated once a day."""

import asyncio
import json

import numpy as np
import pytest
from sqlalchemy import insert

from honey_edge.market.grid.feeder import SlotVoltage, read_estimate
from honey_edge.model.options import SettingsError
from honey_edge.model.slots import slot_at, slot_end_unix_s
from honey_edge.wire import topics
from honey_edge.wire.codec import encode
from honey_edge.wire.grid_messages import GridMessage
from honey_edge.wire.messages import RoundMessage
from queen_node.app.dispatch import Dispatcher, Takers
from queen_node.app.feeder import build_feeder
from queen_node.app.presence import Presence
from queen_node.app.voltage_watch import DAY_S, KEPT_DAYS, VoltageWatch
from queen_node.coordinator.conductor import RoundRules
from queen_node.ingest.voltages import VoltageIntake, VoltageRules
from queen_node.settings import LimitsSection, VoltageSection, load
from queen_node.store import Store, islands, voltages
from queen_node.store.voltage_schema import voltages as table
from queen_node.store.voltages import EstimateRow
from tests.unit.queen_node.answering_homes import InstantClock
from tests.unit.queen_node.test_app import NoRounds, Wire, downlink_of
from tests.unit.queen_node.test_cli import config, hive
from tests.unit.queen_node.test_voltage_rounds import estimate, line

__all__ = ["config"]
SOURCE = "5" * 40


class Site:
    """An intake with a clock of its own."""

    def __init__(self, world, first_slot):
        self.world, self.slot = world, first_slot
        self.worker = world.workers[0].name
        self.now = float(slot_end_unix_s(first_slot)) + 1
        self.restart()

    def restart(self):
        rules = VoltageRules(230, 80_000)
        self.intake = VoltageIntake(self.world.store, rules, self.world.refusals, lambda: self.now)

    def message(self, **changes):
        fields = {"worker": self.worker, "slot": self.slot, "voltage_mv": (229_500, 230_100, 231_000)}
        return GridMessage(**(fields | {"power_w": -1_500, "reactive_var": 120} | changes))

    def send(self, **changes):
        self.intake.receive(self.worker, encode(self.message(**changes)))

    def stored(self):
        with self.world.store.begin() as tx:
            return voltages.voltages_of(tx, self.worker)

    def counted(self):
        return dict(self.world.refusals.counted)


@pytest.fixture
def site(world, first_slot):
    return Site(world, first_slot)


def test_a_plausible_slot_is_stored_as_it_came(site):
    site.send()
    assert site.stored() == [SlotVoltage(site.worker, site.slot, (229_500, 230_100, 231_000), -1_500, 120)]
    site.slot, site.now = site.slot + 1, site.now + 900
    site.send(voltage_mv=(230_000,))
    assert site.stored()[-1].voltage_mv == (230_000,)
    assert site.counted() == {}


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("foreign", {"worker": "ab" * 20}),
        ("voltage", {"voltage_mv": (114_999,)}),
        ("voltage", {"voltage_mv": (230_000, 345_001, 230_000)}),
        ("power", {"power_w": 80_001}),
        ("power", {"reactive_var": -80_001}),
    ],
)
def test_what_no_meter_of_this_home_shows_is_noted_and_not_stored(site, reason, changes):
    site.send(**changes)
    assert site.stored() == []
    assert site.counted() == {reason: 1}


@pytest.mark.parametrize("offset", [1, 2, -5, -1_000, 2**32 - 1 - 1_900_800])
def test_a_slot_that_has_not_ended_or_ended_long_ago_is_refused(site, offset):
    site.send(slot=site.slot + offset)
    assert site.stored() == []
    assert site.counted() == {"slot": 1}


def test_a_slot_counts_once_and_never_after_a_later_one_also_after_a_restart(site):
    site.slot, site.now = site.slot + 2, site.now + 1_800
    site.send()
    site.send()
    site.send(slot=site.slot - 1)
    site.restart()
    site.send()
    assert len(site.stored()) == 1
    assert site.counted() == {"replayed": 3}


@pytest.mark.parametrize(
    "change",
    [
        {"voltage_mv": []}, {"voltage_mv": [1, 2, 3, 4]}, {"voltage_mv": [float("inf")]}, {"voltage_mv": [230000.5]},
        {"power_w": 2**31}, {"power_w": None}, {"slot": -1}, {"more": 1}, {"v": 2}, {"voltage_mv": [0]},
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(site, change):
    document = json.loads(encode(site.message())) | change
    site.intake.receive(site.worker, json.dumps(document).encode())
    site.intake.receive(site.worker, b"\xff")
    site.intake.receive(site.worker, encode(site.message())[:-1] + b" " * 600 + b"}")
    assert site.stored() == []
    assert site.counted() == {"malformed": 3}


def series(days, meters=3, seed=1):
    """Voltages of a line of homes that follow the linear model, as rows by slot."""
    rng, columns = np.random.default_rng(seed), 96 * days
    power = rng.exponential(1.0, (meters, columns))
    head = 1.0 + 0.2 * np.cumsum(rng.normal(0.0, 2e-4, columns))
    seen = np.sqrt(head**2 - line(meters) @ power) * (1 + 5e-4 * rng.normal(size=power.shape))
    for slot in range(columns):
        yield SlotVoltage(SOURCE, slot, (round(head[slot] * 230_000),), 0, 0)
        for k in range(meters):
            yield SlotVoltage(f"{k:040x}", slot, (round(seen[k, slot] * 230_000),), round(1000 * power[k, slot]), 0)


def kept(world, days, first):
    rows = [
        {"worker": row.worker, "slot": first + row.slot, "phase_a_mv": row.voltage_mv[0], "power_w": row.power_w}
        for row in series(days)
    ]
    with world.store.begin() as tx:
        tx.execute(insert(table).values(reactive_var=0), rows)


def watching(world, **changes):
    clock = InstantClock()
    section = VoltageSection(**({"collect": True, "source_worker": SOURCE} | changes))
    return clock, VoltageWatch(clock, world.store, section)


def attempt(world):
    with world.store.begin() as tx:
        return voltages.newest_attempt(tx)


def test_after_21_days_there_is_an_estimate_with_interval_error_and_margin(world):
    clock, watch = watching(world, high_permille=1_150)
    kept(world, 22, slot_at(clock.now) - 22 * 96)
    asyncio.run(watch.once())
    row = attempt(world)
    assert row.refused == ""
    found = read_estimate(row.document)
    k, low, high = (np.array(one) for one in (found.k_v2_per_kw, found.low_v2_per_kw, found.high_v2_per_kw))
    assert (np.abs(k - line(3)) <= 0.1 * line(3)).all()
    assert ((low < k) & (k < high)).all()
    assert 0 < found.error_mean_pu < found.error_p99_pu < found.margin_pu


def test_too_few_days_and_a_band_that_the_margin_eats_up_are_said_and_change_nothing(world):
    clock, watch = watching(world)
    asyncio.run(watch.once())
    assert "0.0 days of the source meter" in attempt(world).refused
    kept(world, 22, slot_at(clock.now) - 22 * 96)
    _, narrow = watching(world, low_permille=999, high_permille=1_001)
    asyncio.run(narrow.once())
    assert "does not fit the band" in attempt(world).refused
    with world.store.begin() as tx:
        assert voltages.newest_estimate(tx) is None


def test_voltages_are_kept_60_days(world):
    clock, watch = watching(world)
    now = slot_at(clock.now)
    with world.store.begin() as tx:
        for age in (0, KEPT_DAYS * 96, KEPT_DAYS * 96 + 1, KEPT_DAYS * 200):
            voltages.add_voltage(tx, SlotVoltage(SOURCE, now - age, (1, 2, 3), 0, 0))
    asyncio.run(watch.once())
    with world.store.begin() as tx:
        assert [now - row.slot for row in reversed(voltages.voltages_of(tx, SOURCE))] == [0, KEPT_DAYS * 96]


def test_an_estimate_is_made_once_a_day_and_a_restart_does_not_repeat_it(world):
    clock, watch = watching(world)
    first = clock.now

    async def some():
        for _ in range(3):
            await watch.once()
            clock.now += DAY_S

    asyncio.run(some())
    clock.now -= 5
    times = []

    class Stop(Exception):
        pass

    async def stopped(at_unix_s):
        times.append(at_unix_s - first)
        raise Stop

    clock.sleep_until = stopped
    with pytest.raises(Stop):
        asyncio.run(watch.run())
    assert times == [3 * DAY_S]


def test_old_attempts_go(world):
    with world.store.begin() as tx:
        for k in range(voltages.ESTIMATES_KEPT + 5):
            voltages.add_estimate(tx, EstimateRow(k, "" if k == 3 else "too few", ""))
        assert voltages.newest_estimate(tx).at_unix_s == 3
        voltages.forget_before(tx, 0)
        assert voltages.newest_estimate(tx) is None
        assert voltages.newest_attempt(tx).at_unix_s == voltages.ESTIMATES_KEPT + 4


def test_the_command_shows_days_estimate_intervals_and_margin(config, world):
    shown = json.loads(hive("voltage", "show", "--config", str(config), "--json").stdout)
    assert (shown["on"], shown["estimated"], shown["nodes"]) == (False, None, [])
    config.write_text(config.read_text() + f'[voltage]\ncollect = true\non = true\nsource_worker = "{SOURCE}"\n')
    store = Store(f"sqlite:///{config.parent / 'queen.sqlite'}")
    found = estimate(["a" * 40, "b" * 40], line(2))
    with store.begin() as tx:
        for slot in range(96):
            voltages.add_voltage(tx, SlotVoltage(SOURCE, slot, (230_000,), 0, 0))
        voltages.add_estimate(tx, EstimateRow(900, "", found.document()))
        voltages.add_estimate(tx, EstimateRow(86_400, "the source fell silent", ""))
    store.close()
    shown = json.loads(hive("voltage", "show", "--config", str(config), "--json").stdout)
    assert shown["days"] == {SOURCE: 1.0}
    assert (shown["estimated"], shown["refused"]) == ("1970-01-01T00:15:00Z", "the source fell silent")
    assert shown["margin_pu"] == pytest.approx(0.005)
    assert (shown["kept_low_pu"], shown["kept_high_pu"]) == (0.905, 1.095)
    assert [one["v2_per_kw"] for one in shown["nodes"]] == [0.004, 0.008]
    assert "0.008" in hive("voltage", "show", "--config", str(config)).stdout


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[voltage]\non = true\n", "needs collect"),
        ("[voltage]\ncollect = true\n", "source_worker in"),
        (
            f'[voltage]\ncollect = true\non = true\nsource_worker = "{SOURCE}"\n[masks]\non = true\n',
            "exclude each other",
        ),
        (f'[voltage]\ncollect = true\nsource_worker = "{SOURCE}"\nfeeder = ["x"]\n', "feeder in"),
        (f'[voltage]\ncollect = true\nsource_worker = "{SOURCE}"\nfeeder = ["{SOURCE}", "{SOURCE}"]\n', "twice"),
    ],
)
def test_settings_that_contradict_each_other_stop_the_start(config, text, named):
    config.write_text(config.read_text() + text)
    with pytest.raises(SettingsError, match=named):
        load(config)


def test_the_queen_takes_voltages_and_sends_single_prices_only_where_her_settings_say_so(site, wire_of_queen):
    dispatcher, out, downlink = wire_of_queen
    payload, place = encode(site.message()), topics.topic(topics.GRID, 7, site.worker)
    asyncio.run(dispatcher(None).on_message(place, payload))
    assert site.stored() == []
    asyncio.run(dispatcher(site.intake).on_message(place, payload))
    assert len(site.stored()) == 1
    message = RoundMessage(
        hive=7, round=1, iteration=2, final=False, first_slot=5, price_e7_per_kwh=(5,) * 96,
        sigma_kw2_per_coin=10, deadline_unix_s=9,
    )  # fmt: skip
    asyncio.run(downlink.own_round(message, site.worker))
    assert [one.topic for one in out] == [f"hive/v1/7/q/round/{site.worker}"]


@pytest.fixture
def wire_of_queen(world):
    wire = Wire()
    downlink = downlink_of(world, wire)

    def dispatcher(intake):
        takers = Takers(world.ingest, world.channels, NoRounds(), Presence(), world.refusals, voltages=intake)
        made = Dispatcher(7, takers, LimitsSection(), lambda: world.now_unix_s, downlink.statements)
        made.enrol([worker.name for worker in world.workers])
        return made

    return dispatcher, wire.out, downlink


def built(config, world, text):
    config.write_text(config.read_text() + text)
    loaded = load(config)
    return build_feeder(loaded, InstantClock(), world.store, world.refusals, downlink_of(world, Wire()), lambda: None)


def test_without_settings_nothing_of_the_feeder_is_built(config, world):
    world.store = Store("sqlite://")
    work = built(config, world, "")
    assert (work.intake, work.desk, list(work.tasks())) == (None, None, [])


def test_with_settings_everything_of_the_feeder_is_built_and_the_rounds_use_it(config, world):
    world.store = Store("sqlite://")
    source = f'[voltage]\ncollect = true\non = true\nsource_worker = "{SOURCE}"\n'
    work = built(config, world, source + '[island]\ncontact = "file"\ncontact_file = "contact"\n')
    assert work.intake is not None
    rules = work.ruled(RoundRules(7, world.agreement.domain, world.tariff, 80_000, 2.0), 700_000)
    assert (rules.collector, rules.island_ceiling_micro) == (work.desk.collector, 700_000)
    tasks = dict(work.tasks())
    assert list(tasks) == ["feeder", "island"]
    for task in tasks.values():
        task.close()
    (config.parent / "contact").write_text("island")
    work.contact.once()
    work.contact.once()
    with world.store.begin() as tx:
        assert islands.island_now(tx).source == "file"
