"""Relays, heat pump contacts and boiler steps change only as often, and only on ways, that the devices endure."""

from __future__ import annotations

import itertools
import random

import pytest

from drivers.errors import BusFault, ValueOutOfRange
from drivers.loads.limit_contact import ContactRule, LimitContact
from drivers.loads.sg_ready import BLOCKED, CONTACTS, ENCOURAGED, NORMAL, ORDERED, SgReadyPump, SgReadyRule
from drivers.loads.steps import StepBoiler
from drivers.loads.switch import Switch, SwitchRule
from drivers.sim.ticks import SimClock


class Wires:
    """Lines that remember every level, and the clock that moves."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.clock = SimClock(lambda: self.now_ms)
        self.levels: dict[str, bool] = {}
        self.history: list[tuple[int, str, bool]] = []
        self.closed_now = False
        self.broken = False

    def line(self, name: str) -> Wire:
        return Wire(self, name)

    def closed(self) -> bool:
        if self.broken:
            raise BusFault("broken")
        return self.closed_now

    def live(self, seconds: int) -> None:
        self.now_ms += seconds * 1000


class Wire:
    def __init__(self, wires: Wires, name: str) -> None:
        self._wires, self._name = wires, name

    def drive(self, on: bool) -> None:
        self._wires.levels[self._name] = on
        self._wires.history.append((self._wires.now_ms, self._name, on))


@pytest.fixture
def wires() -> Wires:
    return Wires()


@pytest.mark.parametrize("seed", range(5))
def test_a_relay_never_changes_faster_than_its_least_times(wires: Wires, seed: int) -> None:
    wishes = random.Random(seed)
    rule = SwitchRule(min_on_s=300, min_off_s=200, start_to_start_s=900)
    switch = Switch("pump", wires.line("a"), rule, wires.clock)
    for _ in range(5_000):
        wires.live(wishes.randint(1, 60))
        switch.want(wishes.random() < 0.5)
        switch.step()
    changes = [(at / 1000, on) for at, _, on in wires.history]
    assert len(changes) > 50
    for (at, on), (later, _) in itertools.pairwise(changes):
        assert later - at >= (300 if on else 200)
    starts = [at for at, on in changes if on]
    assert all(later - at >= 900 for at, later in itertools.pairwise(starts))


def test_a_restart_counts_as_a_change_so_that_loops_do_not_switch(wires: Wires) -> None:
    for _ in range(100):
        switch = Switch("pump", wires.line("a"), SwitchRule(min_off_s=600), wires.clock)
        switch.want(True)
        wires.live(30)
        switch.step()
    assert [on for _, _, on in wires.history] == [False] * 100


def test_a_relay_that_nobody_is_in_charge_of_goes_to_its_safe_state(wires: Wires) -> None:
    off = Switch("heater", wires.line("a"), SwitchRule(min_on_s=600, min_off_s=0), wires.clock)
    off.want(True)
    assert off.step()
    off.let_go()
    assert wires.levels["a"] is False
    on = Switch("fridge", wires.line("b"), SwitchRule(min_off_s=600, start_on=False, safe_on=True), wires.clock)
    on.let_go()
    assert wires.levels["b"] is False
    wires.live(600)
    on.step()
    assert wires.levels["b"] is True


@pytest.mark.parametrize(
    "bad", [SwitchRule(min_on_s=-1), SwitchRule(min_off_s=86_401), SwitchRule(start_to_start_s=-5)]
)
def test_times_that_no_device_has_are_refused_by_name(wires: Wires, bad: SwitchRule) -> None:
    with pytest.raises(ValueOutOfRange, match=r"pump: .*_s = "):
        Switch("pump", wires.line("a"), bad, wires.clock)
    assert wires.history == []


def test_the_pump_never_passes_blocked_on_its_way(wires: Wires) -> None:
    names = {contacts: mode for mode, contacts in CONTACTS.items()}
    for begin, end in itertools.permutations((BLOCKED, NORMAL, ENCOURAGED, ORDERED), 2):
        pump = SgReadyPump(wires.line("1"), wires.line("2"), SgReadyRule(hold_s=1), wires.clock)
        for mode in (begin, end):
            wires.live(10)
            pump.wanted = mode
            pump.step()
            if mode == begin:
                wires.history.clear()
                levels = dict(wires.levels)
        passed = []
        for _, name, on in wires.history:
            levels[name] = on
            passed.append(names[levels["1"], levels["2"]])
        assert passed[-1] == pump.mode == end
        assert BLOCKED not in passed[:-1], (begin, end)


def test_a_block_ends_before_the_pump_ends_it_and_is_followed_by_normal_running(wires: Wires) -> None:
    rule = SgReadyRule(hold_s=600, most_blocked_s=7_000, encourage_from_w=500, order_from_w=2_000, block_at_zero=True)
    pump = SgReadyPump(wires.line("1"), wires.line("2"), rule, wires.clock)
    modes = []
    for _ in range(20_000):
        wires.live(1)
        pump.want_w(0)
        pump.step()
        modes.append(pump.mode)
    runs = [(mode, len(list(run))) for mode, run in itertools.groupby(modes)]
    assert max(seconds for mode, seconds in runs if mode == BLOCKED) <= 7_000
    assert min(seconds for mode, seconds in runs[1:-1] if mode == NORMAL) >= 600


@pytest.mark.parametrize(("power_w", "mode"), [(0, NORMAL), (400, NORMAL), (500, ENCOURAGED), (2_000, ORDERED)])
def test_a_power_becomes_the_mode_that_asks_for_about_as_much(power_w: int, mode: str) -> None:
    assert SgReadyRule(encourage_from_w=500, order_from_w=2_000).mode_for(power_w) == mode


def test_letting_go_leaves_the_pump_to_itself(wires: Wires) -> None:
    pump = SgReadyPump(wires.line("1"), wires.line("2"), SgReadyRule(hold_s=600), wires.clock)
    wires.live(600)
    pump.want_w(1)
    assert pump.step()
    pump.let_go()
    assert (pump.mode, wires.levels) == (NORMAL, {"1": False, "2": False})


def test_a_boiler_takes_the_most_that_does_not_exceed_the_wish(wires: Wires) -> None:
    rule = SwitchRule(0, 0)
    elements = [(Switch(f"e{w}", wires.line(f"e{w}"), rule, wires.clock), w) for w in (1_000, 2_000, 3_000)]
    boiler = StepBoiler(elements)
    for wish in (0, 999, 1_000, 2_500, 3_999, 4_000, 5_500, 9_000, 0):
        boiler.want_w(wish)
        boiler.step()
        assert boiler.power_w == max(p for p in (0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000) if p <= wish)


def test_a_boiler_counts_an_element_that_may_not_change_as_it_is(wires: Wires) -> None:
    slow = Switch("slow", wires.line("slow"), SwitchRule(min_on_s=600, min_off_s=0), wires.clock)
    fast = Switch("fast", wires.line("fast"), SwitchRule(0, 0), wires.clock)
    boiler = StepBoiler([(slow, 2_000), (fast, 1_000)])
    boiler.want_w(2_000)
    boiler.step()
    boiler.want_w(1_000)
    boiler.step()
    assert (slow.is_on, fast.is_on) == (True, False)
    wires.live(600)
    boiler.want_w(1_000)
    boiler.step()
    assert (slow.is_on, fast.is_on) == (False, True)


def test_a_contact_counts_only_when_it_is_steady(wires: Wires) -> None:
    contact = LimitContact(wires, ContactRule(steady_s=2, hold_s=60), wires.clock)
    for _ in range(50):
        wires.closed_now = not wires.closed_now
        wires.live(1)
        assert not contact.step()
    wires.closed_now = True
    contact.step()
    wires.live(2)
    assert contact.step()
    assert contact.limited
    wires.closed_now = False
    contact.step()
    wires.live(30)
    assert not contact.step()
    assert contact.limited
    wires.live(30)
    assert contact.step()
    assert not contact.limited


def test_a_broken_contact_limits_and_so_does_a_broken_wire_where_open_limits(wires: Wires) -> None:
    contact = LimitContact(wires, ContactRule(open_limits=True, steady_s=1), wires.clock)
    contact.step()
    wires.live(1)
    contact.step()
    assert contact.limited
    other = LimitContact(wires, ContactRule(steady_s=1), wires.clock)
    wires.broken = True
    other.step()
    wires.live(1)
    other.step()
    assert other.limited
