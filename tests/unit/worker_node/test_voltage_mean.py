"""What a home publishes of its feeder: means of whole slots only, off unless the settings say so."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drivers.sample import ABSOLUTE, MeterSample
from honey_edge.wire.codec import decode, encode
from honey_edge.wire.grid_messages import GridMessage
from honey_edge.wire.messages import RoundMessage
from honey_edge.wire.topics import GRID, OWN_ROUND, ROUND, topic
from tests.unit.worker_node.test_uplink import Site
from tests.unit.worker_node.world import HIVE, WORKER, write_settings
from worker_node.app.daemon import Daemon
from worker_node.metering.accumulator import Totals
from worker_node.metering.meter import Taken
from worker_node.metering.voltage_mean import VoltageMean
from worker_node.settings import load_settings
from worker_node.uplink import Uplink

ADDRESS = WORKER.address.hex()
SLOT = 1_900_800
START = SLOT * 900


def sample(
    volts: Any = (230.0, 231.0, 229.0), power: Any = (600.0, 0.0, 0.0, 0.0), reactive: Any = (60.0, 0, 0, 0)
) -> Any:
    return MeterSample(
        0, ABSOLUTE, 0, 0, None, None, 1, power, reactive, volts, None, None, 50.0, None, 0, 0, 0
    )  # fmt: skip


def filled(mean: VoltageMean, first: int = 1, last: int = 900, **parts: Any) -> VoltageMean:
    for second in range(first, last + 1):
        mean.add(START + second, sample(**parts))
    return mean


def test_the_mean_of_a_whole_slot_is_published_with_its_last_sample_and_not_the_one_before_it() -> None:
    mean = VoltageMean(ADDRESS)
    mean.add(START, sample(volts=(100.0, 100.0, 100.0)))
    filled(mean, 1, 450)
    filled(mean, 451, 900, volts=(232.0, 231.0, 229.0), power=(-200.0, 0, 0, 0))
    told = mean.close(SLOT)
    assert told == GridMessage(
        worker=ADDRESS, slot=SLOT, voltage_mv=(231_000, 231_000, 229_000), power_w=200, reactive_var=60
    )
    assert decode(GridMessage, encode(told)) == told


@pytest.mark.parametrize("missing", ["volts", "power", "reactive"])
def test_a_slot_without_one_of_the_three_tells_nothing(missing: str) -> None:
    assert filled(VoltageMean(ADDRESS), **{missing: None}).close(SLOT) is None


def test_a_slot_with_a_hole_tells_nothing() -> None:
    mean = filled(VoltageMean(ADDRESS), 1, 400)
    assert filled(mean, 600, 900).close(SLOT) is None
    assert filled(VoltageMean(ADDRESS), 200, 900).close(SLOT) is None


def test_a_look_without_reactive_power_of_a_phase_is_no_hindrance_but_a_broken_number_is_left_out() -> None:
    mean = filled(VoltageMean(ADDRESS), reactive=(60.0, None, None, None))
    mean.add(START + 900, sample(volts=(float("nan"), 231.0, 229.0)))
    mean.add(START + 900, sample(volts=(230.0, None, 229.0)))
    told = mean.close(SLOT)
    assert told is not None
    assert told.voltage_mv == (230_000, 231_000, 229_000)


def test_phases_that_a_single_phase_meter_does_not_have_are_left_out() -> None:
    told = filled(VoltageMean(ADDRESS), volts=(230.0, 0.0, 0.0)).close(SLOT)
    assert told is not None
    assert told.voltage_mv == (230_000,)
    assert filled(VoltageMean(ADDRESS), volts=(0.0, 0.0, 0.0)).close(SLOT) is None


def test_another_slot_than_the_one_that_was_seen_tells_nothing() -> None:
    mean = filled(VoltageMean(ADDRESS))
    assert mean.close(SLOT + 1) is None
    assert mean.close(SLOT - 1) is None
    mean.add(START + 901, sample())
    assert mean.close(SLOT) is None


def published(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> list[GridMessage]:
    """What a daemon with these settings posts after a slot of samples."""
    config = write_settings(folder)
    config.write_text(config.read_text() + text)
    posted: list[GridMessage] = []

    def post(self: Uplink, kind: Any, message: Any) -> None:
        assert kind == GRID
        posted.append(message)

    monkeypatch.setattr(Uplink, "post", post)
    daemon = Daemon(load_settings(config))

    async def live() -> None:
        for second in range(5, 901, 5):
            taken = Taken(START + second, sample(), Totals(), 0, None, None, None)
            await daemon._sampled(taken)
        await daemon._slot_ended(SLOT, None)

    asyncio.run(live())
    daemon._hardware.close()
    daemon._journal.close()
    return posted


def test_a_home_publishes_nothing_unless_its_settings_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert published(tmp_path, "", monkeypatch) == []


def test_a_home_that_publishes_tells_one_message_a_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = published(tmp_path, "\n[grid]\npublish_voltage = true\n", monkeypatch)
    assert [(one.worker, one.slot, one.voltage_mv) for one in told] == [(ADDRESS, SLOT, (230_000, 231_000, 229_000))]


def test_a_price_for_this_home_alone_is_answered_as_one_for_all_and_another_homes_is_not(tmp_path: Path) -> None:
    heard: list[RoundMessage] = []

    async def story() -> None:
        site = Site(tmp_path)

        async def round_(message: RoundMessage) -> None:
            heard.append(message)

        site.uplink._inbox = replace(site.uplink._inbox, round_=round_)
        message = RoundMessage(
            hive=HIVE, round=1, iteration=2, final=False, first_slot=SLOT, price_e7_per_kwh=(5,) * 96,
            sigma_kw2_per_coin=10, deadline_unix_s=START,
        )  # fmt: skip
        for place in (topic(ROUND, HIVE), topic(OWN_ROUND, HIVE, ADDRESS), topic(OWN_ROUND, HIVE, "ab" * 20)):
            await site.uplink.received(place, encode(message))
        assert site.uplink.status.refused_messages == 1

    asyncio.run(story())
    assert len(heard) == 2
