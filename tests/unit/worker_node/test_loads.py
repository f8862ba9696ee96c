"""Real loads do what the agent wants, each on its own, and end in their safe states; the grid's contact limits all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drivers.clock import Clock
from drivers.errors import BusFault
from drivers.linux.modbus import open_tcp
from drivers.linux.modbus_profiles import load_charger_profile
from drivers.loads.limit_contact import ContactRule, LimitContact
from drivers.loads.wall_box import WallBox
from drivers.sim.modbus_line import EmulatedLine, EmulatedUnit
from drivers.sim.ticks import SimClock
from drivers.sim.wall_box import EmulatedWallBox
from honey_edge.model.options import SettingsError
from tests.unit.worker_node.world import write_settings
from worker_node.agent.assets import Actuators, AssetLook, SetPoints, capped
from worker_node.app.loads import CarLoad, HomeLoads
from worker_node.settings import load_settings

SLOT_BEGIN_UNIX_S = 900_000_000


class Now(Clock):
    """Time that the test sets."""

    def __init__(self) -> None:
        self.unix_s = float(SLOT_BEGIN_UNIX_S)

    def now_unix_s(self) -> float:
        return self.unix_s


@dataclass
class Named:
    """A load that counts its steps and fails when it is told to."""

    name: str
    watts: int = 0
    broken: bool = False
    steps: int = 0
    gone: int = 0
    points: list[SetPoints] = field(default_factory=list)

    def want(self, points: SetPoints) -> None:
        self.points.append(points)

    def step(self) -> None:
        self.steps += 1
        if self.broken:
            raise BusFault(f"{self.name} is silent")

    def let_go(self) -> None:
        self.gone += 1
        if self.broken:
            raise BusFault(f"{self.name} is silent")

    def look(self) -> AssetLook:
        return AssetLook()

    def power_w(self) -> int:
        return self.watts


def seconds(loads: HomeLoads, now: Now, count: int) -> None:
    async def live() -> None:
        for _ in range(count):
            now.unix_s += 1.0
            await loads.step()

    asyncio.run(live())


def test_a_silent_load_is_asked_less_and_less_and_delays_no_other() -> None:
    now, silent, other = Now(), Named("car", broken=True), Named("heat")
    loads = HomeLoads([silent, other], now)
    seconds(loads, now, 600)
    assert other.steps == 600
    assert 600 / 60 <= silent.steps <= 20
    silent.broken = False
    seconds(loads, now, 120)
    assert silent.steps >= 60


def test_every_load_is_let_go_even_when_one_does_not_answer() -> None:
    loads = [Named("car", broken=True), Named("heat"), Named("shed")]
    HomeLoads(list(loads), Now()).close()
    assert [one.gone for one in loads] == [1, 1, 1]


def test_wishes_reach_every_load() -> None:
    loads, points = [Named("a"), Named("b")], SetPoints(heat_w=700)
    asyncio.run(HomeLoads(list(loads), Now()).set_points(points))
    assert [one.points for one in loads] == [[points], [points]]


def test_what_loads_took_in_a_slot_is_known_when_it_closes() -> None:
    now = Now()
    heat, shed = Named("heat", watts=2_000), Named("shed", watts=-500)
    loads = HomeLoads([heat, shed], now)
    seconds(loads, now, 900)
    slot = SLOT_BEGIN_UNIX_S // 900
    assert loads.moved_milliwh(slot) == 1_500 * 1_000 // 4
    heat.watts = shed.watts = 0
    seconds(loads, now, 900)
    assert (loads.moved_milliwh(slot), loads.moved_milliwh(slot + 1)) == (375_000, 0)
    now.unix_s += 86_400
    seconds(loads, now, 1)
    assert loads.moved_milliwh(slot) == 0


def test_a_car_at_a_real_wall_box_charges_what_was_planned_and_reports_its_stay() -> None:
    now_ms, now = 0, Now()
    box = EmulatedWallBox(load_charger_profile("heidelberg-energy-control"), lambda: now_ms / 1000, energy_wh=70_000)
    with EmulatedLine({1: EmulatedUnit(box)}) as line, open_tcp(line.host, line.port, device_id=1) as device:
        driver = WallBox(device, SimClock(lambda: now_ms), load_charger_profile("heidelberg-energy-control"))
        car = CarLoad(driver, efficiency_permille=900)
        assert car.look() == AssetLook()
        car.step()
        assert car.look() == AssetLook(None, False, 0)
        box.plug_in(4_000)
        car.want(SetPoints(car_w=6_900))
        for _ in range(1_800):
            now_ms += 1_000
            car.step()
        assert car.power_w() == 6_900
        now_ms += 1_000
        car.step()
        seen = car.look()
        assert seen.car_present is True
        assert seen.car_charged_milliwh is not None
        assert abs(seen.car_charged_milliwh - 6_900 * 500 * 900 // 1_000) <= 20_000
        car.let_go()
        assert box.power_w() == 0.0
    assert now.unix_s == SLOT_BEGIN_UNIX_S


@pytest.mark.parametrize("limit_w", [0, 1, 4_200, 10_000, None])
def test_nothing_beyond_the_grid_operators_limit_is_told(limit_w: int | None) -> None:
    wanted = SetPoints(battery_w=3_000, heat_w=2_000, car_w=7_400, shed_w=300, curtail_w=100)
    told = capped(wanted, limit_w)
    taken = told.battery_w + told.heat_w + told.car_w
    assert taken <= (12_400 if limit_w is None else limit_w)
    assert taken >= min(12_400, (12_400 if limit_w is None else limit_w)) - 3
    assert (told.shed_w, told.curtail_w) == (300, 100)
    giving = capped(SetPoints(battery_w=-3_000, heat_w=2_000), limit_w)
    assert giving.battery_w == -3_000


class Contact:
    """A contact that a test closes."""

    def __init__(self) -> None:
        self.is_closed = False

    def closed(self) -> bool:
        return self.is_closed


def test_the_contact_cuts_what_was_told_already_and_gives_it_back() -> None:
    now, line, told = Now(), Contact(), []
    contact = LimitContact(line, ContactRule(steady_s=2, hold_s=10), SimClock(lambda: int(now.unix_s * 1000)))
    heat = Named("heat")
    loads = HomeLoads([heat], now, contact, limit_w=4_200)

    async def battery(power_w: int) -> None:
        told.append(power_w)

    actuators = Actuators(battery, loads, limit_w=loads.limit_w)
    loads.limit_changed = _calling(actuators)
    asyncio.run(actuators.act(SetPoints(battery_w=5_000, heat_w=3_400), battery=True))
    seconds(loads, now, 5)
    line.is_closed = True
    seconds(loads, now, 5)
    assert told == [5_000, 2_500]
    assert heat.points[-1].heat_w == 1_700
    line.is_closed = False
    seconds(loads, now, 15)
    assert told == [5_000, 2_500, 5_000]
    assert heat.points[-1].heat_w == 3_400


def _calling(actuators: Actuators) -> Callable[[], Awaitable[None]]:
    return actuators.retell


HEAT = f"capacity_wh = 8000\npower_w = 3000\ndraw_w = {[300] * 24}\n"
CAR = "charge_w = 11000\nneeded_wh = 8000\narrives_minute = 1080\nleaves_minute = 420\n"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f'[thermal]\nkind = "sg-ready"\n{HEAT}lines = [17]\n', r"\[thermal\]: lines needs two numbers"),
        (f'[thermal]\nkind = "boiler"\n{HEAT}lines = [17]\n', r"lines and element_w need one number"),
        (f'[thermal]\nkind = "boiler"\n{HEAT}lines = [17]\nelement_w = [4000]\n', "together at most power_w"),
        (f'[thermal]\nkind = "sg-ready"\n{HEAT}lines = [17, 17]\n', "line 17 of /dev/gpiochip0 is no line, or used by"),
        (f'[ev]\nkind = "wallbox-tcp"\n{CAR}', r"\[ev\]: host is missing"),
        (f'[ev]\nkind = "wallbox-rtu"\n{CAR}', r"\[ev\]: serial_port is missing"),
        (f'[ev]\nkind = "wallbox-tcp"\n{CAR}host = "box"\nprofile = "none"\n', "'none' is not known"),
        ("[limit_contact]\nlimit_w = 4200\nline = 17\n" + f'[thermal]\nkind = "sg-ready"\n{HEAT}lines = [17, 27]\n',
         r"\[limit_contact\]: line 17"),
    ],
)  # fmt: skip
def test_settings_that_no_home_can_have_are_refused_by_section_and_key(tmp_path: Path, text: str, wanted: str) -> None:
    real = {'kind = "granted"\ngrant_socket = "grant"': 'kind = "system"'}
    file = write_settings(tmp_path, real)
    file.write_text(file.read_text() + "\n" + text)
    with pytest.raises(SettingsError, match=wanted):
        load_settings(file)


def test_real_loads_need_real_time(tmp_path: Path) -> None:
    file = write_settings(tmp_path)
    file.write_text(file.read_text() + f'\n[thermal]\nkind = "sg-ready"\n{HEAT}lines = [17, 27]\n')
    with pytest.raises(SettingsError, match="granted time cannot drive real loads"):
        load_settings(file)
