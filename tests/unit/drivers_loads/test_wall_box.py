"""A wall box charges what was asked for, and stops by itself when nobody asks any more."""

from __future__ import annotations

import pytest

from drivers.errors import BusFault, DriverError, ValueOutOfRange, WrongChip
from drivers.linux.modbus import open_tcp
from drivers.linux.modbus_profiles import load_charger_profile
from drivers.loads.wall_box import WallBox
from drivers.modbus.charger_profile import charger_profile_from
from drivers.modbus.profile import ProfileError
from drivers.modbus.slave import Refusal
from drivers.sim.modbus_line import EmulatedLine, EmulatedUnit
from drivers.sim.ticks import SimClock
from drivers.sim.wall_box import EmulatedWallBox

PROFILE = load_charger_profile("heidelberg-energy-control")
LEAST_W = 6 * 3 * 230


class Direct:
    """The box's registers without a wire."""

    def __init__(self, box: EmulatedWallBox) -> None:
        self.box = box
        self.writes: list[tuple[int, list[int]]] = []

    def read(self, function: int, address: int, count: int) -> list[int]:
        try:
            return self.box.read(function, address, count)
        except Refusal as refusal:
            raise BusFault(f"exception {refusal.code}") from refusal

    def write(self, address: int, words: list[int]) -> None:
        self.writes.append((address, words))
        try:
            self.box.write(address, words)
        except Refusal as refusal:
            raise BusFault(f"exception {refusal.code}") from refusal


class Place:
    """A box with a car, its driver, and the time."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.box = EmulatedWallBox(PROFILE, lambda: self.now_ms / 1000)
        self.device = Direct(self.box)
        self.driver = WallBox(self.device, SimClock(lambda: self.now_ms), PROFILE, watchdog_s=60)

    def live(self, seconds: int, *, stepping: bool = True) -> None:
        for _ in range(seconds):
            self.now_ms += 1000
            if stepping:
                self.driver.step()


@pytest.fixture
def place() -> Place:
    one = Place()
    one.box.plug_in(50_000)
    one.driver.start()
    return one


def test_an_hour_of_charging_gives_the_energy_that_was_asked_for(place: Place) -> None:
    place.driver.want_w(11_000)
    place.live(3_600)
    assert place.driver.told_w == 10_971  # 15.9 A on three phases at 230 V
    assert abs(place.box.energy_wh - 10_971) <= 20
    look = place.driver.look()
    assert (look.plugged, look.charging, look.energy_wh) == (True, True, place.box.energy_wh)


def test_less_than_six_amperes_is_nothing_and_more_than_the_box_can_is_its_most(place: Place) -> None:
    place.driver.want_w(LEAST_W - 1)
    place.live(10)
    assert place.driver.told_w == 0
    place.driver.want_w(LEAST_W)
    place.live(10)
    assert place.driver.told_w == LEAST_W
    place.driver.want_w(10**9)
    place.live(10)
    assert place.driver.told_w == 16 * 3 * 230


def test_a_box_that_nobody_feeds_stops_within_its_watchdog(place: Place) -> None:
    place.driver.want_w(11_000)
    place.live(30)
    before = place.box.energy_wh
    place.live(3_600, stepping=False)
    assert place.box.power_w() == 0.0
    assert place.box.energy_wh - before <= 11_000 * 60 / 3_600 + 1


def test_the_current_is_written_when_it_changes_and_to_keep_the_watchdog_only(place: Place) -> None:
    place.driver.want_w(7_000)
    place.live(5)
    place.device.writes.clear()
    for second in range(600):
        place.driver.want_w(7_000 + second % 2 * 700)
        place.live(1)
    assert 600 / 20 <= len(place.device.writes) <= 600 / 5 + 1


def test_letting_go_stops_at_once(place: Place) -> None:
    place.driver.want_w(7_000)
    place.live(10)
    place.driver.let_go()
    assert place.box.power_w() == 0.0


def test_nothing_is_written_before_the_start() -> None:
    place = Place()
    place.driver.want_w(7_000)
    place.live(60)
    place.driver.let_go()
    assert place.device.writes == []


def test_a_box_that_keeps_another_value_is_not_controlled() -> None:
    place = Place()
    place.box.fault = "other-box"
    with pytest.raises(WrongChip, match="register 257 holds 15000, not 60000"):
        place.driver.start()
    place.driver.want_w(7_000)
    assert not place.driver.step()


def test_a_box_without_a_watchdog_can_only_be_read() -> None:
    profile = PROFILE._replace(watchdog_at=None)
    driver = WallBox(Direct(EmulatedWallBox(profile, lambda: 0.0)), SimClock(lambda: 0), profile)
    assert not driver.controllable
    assert driver.look().plugged is False
    with pytest.raises(ValueOutOfRange, match="it can only be read"):
        driver.start()


def test_another_device_on_the_address_is_refused() -> None:
    class Elsewhere(Direct):
        def read(self, function: int, address: int, count: int) -> list[int]:
            return [0xFFFF] * count

    driver = WallBox(Elsewhere(EmulatedWallBox(PROFILE, lambda: 0.0)), SimClock(lambda: 0), PROFILE)
    with pytest.raises(WrongChip, match="another device"):
        driver.start()


def test_it_works_over_a_wire_and_says_when_the_wire_is_gone() -> None:
    box = EmulatedWallBox(PROFILE, lambda: 0.0)
    box.plug_in(1_000)
    unit = EmulatedUnit(box)
    with EmulatedLine({1: unit}) as line, open_tcp(line.host, line.port, device_id=1) as device:
        driver = WallBox(device, SimClock(lambda: 10_000), PROFILE)
        driver.start()
        driver.want_w(7_000)
        assert driver.step()
        assert driver.look().charging
        unit.fault = "busy"
        with pytest.raises(DriverError):
            driver.look()


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"colour": 1}, "colour is not a key"),
        ({"title": ""}, "title is missing"),
        ({"format": 2}, "format is 2"),
        ({"state": {"at": 5}}, "state is"),
        ({"set_current": {"at": 261, "decimals": 1, "least_a": 20, "most_a": 16}}, "no such range"),
        ({"set_current": {"at": -1, "decimals": 1, "least_a": 6, "most_a": 16}}, r"set_current\.at is -1"),
        ({"currents": {"at": 6, "count": 9, "decimals": 1}}, "count of 1 to 3"),
        ({"state_plugged": []}, "state_plugged is"),
    ],
)
def test_a_profile_that_cannot_be_used_is_refused_by_name(change: dict[str, object], wanted: str) -> None:
    table: dict[str, object] = {
        "format": 1, "title": "box", "state": {"at": 5, "function": 4}, "state_plugged": [4], "state_charging": [6],
        "currents": {"at": 6, "count": 3, "decimals": 1}, "voltages": {"at": 10, "count": 3, "decimals": 0},
        "power_w": {"at": 14}, "energy_wh": {"at": 17},
        "set_current": {"at": 261, "decimals": 1, "least_a": 6, "most_a": 16},
    }  # fmt: skip
    assert charger_profile_from("own", table).title == "box"
    with pytest.raises(ProfileError, match=wanted):
        charger_profile_from("own", {**table, **change})
