"""A whole commissioning as an installer is led: wrong wires found, mended, calibrated, signed; a break costs a step."""

from __future__ import annotations

import cmath
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.sample import INCREMENT, MeterSample
from drivers.sim.ticks import SimClock
from honey_edge.wire.keccak import keccak
from provisioning.commission.session import STATE, CommissioningStopped, Session, Site
from provisioning.commission.talk import Console, JsonLines, TalkError
from tests.unit.provisioning.commission.test_wiring import HEATER_W, House
from tests.unit.worker_node.world import WORKER, write_settings
from worker_node.commissioning import CommissioningError, read_record
from worker_node.settings import WorkerSettings, load_settings

UNITY = 0x8000


class Home:
    """A home with an ATM90E32AS: wires, a heater that the installer switches, a gain error, an answering installer."""

    def __init__(self, folder: Path, **house: Any) -> None:
        real = {
            'kind = "sim:house"': 'kind = "spi:atm90e32as"',
            'profile = "ca01"': "",
            '"granted"\ngrant_socket = "grant"': '"system"',
        }
        self.file = write_settings(folder, real, battery=False)
        self.house = House(**{"clamps": (0, 1, 2), "voltages": (0, 1, 2), "turned": (False,) * 3, **house})
        self.heater: int | None = None
        self.true_gain = (1.0, 1.0, 1.0)
        self.energy_gain = 1.0
        self.opened: list[WorkerSettings] = []
        self.asked: list[str] = []
        self.answers: dict[str, Callable[[], str]] = {}
        self.stop_at = ""

    # The meter under given settings -------------------------------------------------------------------------

    def open_meter(self, settings: WorkerSettings) -> tuple[Any, Callable[[], None]]:
        self.opened.append(settings)
        return self, lambda: None

    def start(self) -> None:
        return None

    def read(self) -> MeterSample:
        settings = self.opened[-1]
        self.house.phase_map = tuple(settings.meter.phase_map)
        self.house.reversed_phases = tuple(settings.meter.reversed_phases)
        seen = self.house.means(self.heater)
        gain = [settings.meter.u_gain[channel] / UNITY * self.true_gain[channel] for channel in self.house.phase_map]
        volts = tuple(u * g for u, g in zip(seen.voltage_v, gain, strict=True))
        words = [settings.meter.pq_gain[channel] for channel in self.house.phase_map]
        words = [word - 2 * UNITY if word >= UNITY else word for word in words]
        of_energy = [(1 + word / UNITY) * self.energy_gain for word in words]
        power = tuple(p * g * e for p, g, e in zip(seen.power_w, gain, of_energy, strict=True))
        apparent = [u * i for u, i in zip(seen.voltage_v, seen.current_a, strict=True)]
        factor = tuple(p / s if s else 0.0 for p, s in zip(seen.power_w, apparent, strict=True))
        return MeterSample(
            0, INCREMENT, 0, 0, None, None, 3_125_000, (sum(power), *power), (0.0, *seen.reactive_var), volts,
            seen.current_a, (0.0, *factor), 50.0, None, 0, 0, 0,
        )  # fmt: skip

    # The installer ------------------------------------------------------------------------------------------

    def ask(self, key: str, text: str, choices: tuple[str, ...] = ()) -> str:
        self.asked.append(key)
        if key == self.stop_at:
            raise TalkError("the line was cut")
        if key in self.answers:
            return self.answers[key]()
        if key.startswith("on-"):
            self.heater = "ABC".index(key[3:])
        if key.startswith("off-"):
            self.heater = None
        if key.startswith("power-"):
            return "skip"  # unless a test answers it
        usual = {"generation": "no", "reference": "no", "installer": "Ada", "battery": "no"}
        return usual.get(key, choices[0] if choices else "")

    def number(self, key: str, text: str, least: float, most: float) -> float:
        self.asked.append(key)
        if key in self.answers:
            return float(self.answers[key]())
        return {"heater_w": HEATER_W, "ambient_c": 21.0}[key]

    def tell(self, key: str, text: str, **data: Any) -> None:
        json.dumps(data)

    def site(self) -> Site:
        clock = SimClock(lambda: 0)
        return Site(self.file, self.open_meter, clock, self, WORKER, lambda: 1_790_000_000, lambda file: True, 3, 3)

    def run(self) -> Path:
        return Session(self.site(), load_settings(self.file)).run()


def test_a_right_home_is_signed_and_its_readings_carry_the_records_hash(tmp_path: Path) -> None:
    home = Home(tmp_path)
    file = home.run()
    settings = load_settings(home.file)
    assert settings.path(settings.meter.commissioning_file) == file
    record, hashed = read_record(file, WORKER.address, settings.measuring())
    assert hashed == keccak(file.read_bytes())
    assert (record.installer, record.ambient_c) == ("Ada", 21.0)
    assert [one["step"] for one in record.steps] == ["look", "phases", "expected", "calibrate", "battery"]
    assert not (tmp_path / "state" / STATE).exists()


def test_turned_and_shifted_clamps_end_in_settings_that_measure_right(tmp_path: Path) -> None:
    home = Home(tmp_path, clamps=(2, 0, 1), voltages=(2, 0, 1), turned=(True, True, True))
    home.answers["generation"] = lambda: "yes"
    home.run()
    settings = load_settings(home.file)
    assert settings.meter.phase_map == (1, 2, 0)
    assert settings.meter.reversed_phases == (True, True, True)
    assert home.asked.count("on-A") == 2


def test_a_turned_clamp_that_the_chip_cannot_turn_in_its_totals_is_turned_by_hand(tmp_path: Path) -> None:
    home = Home(tmp_path, turned=(False, True, False))
    home.answers["go-on"] = lambda: "record"

    def mended() -> str:
        home.house.turned = (False, False, False)
        return "again"

    home.answers["mended"] = mended
    home.run()
    assert load_settings(home.file).meter.reversed_phases == (False, False, False)
    assert home.asked.count("mended") == 1


def test_swapped_clamps_are_moved_by_hand_and_tested_again(tmp_path: Path) -> None:
    home = Home(tmp_path, clamps=(1, 0, 2))

    def mended() -> str:
        home.house.clamps = (0, 1, 2)
        return "again"

    home.answers["mended"] = mended
    record, _ = read_record(home.run(), WORKER.address, load_settings(home.file).measuring())
    assert record.remarks == ("not calibrated: no reference meter at hand",)
    assert home.asked.count("mended") == 1


@pytest.mark.parametrize(
    ("order", "wrong"), [((0, 1, 2), False), ((0, 2, 1), True), ((1, 0, 2), True), ((1, 2, 0), False)]
)
def test_phases_that_rotate_the_other_way_are_named(tmp_path: Path, order: tuple[int, ...], wrong: bool) -> None:
    home = Home(tmp_path)
    home.house.volts = [home.house.volts[k] for k in order]
    home.house.loads = [home.house.loads[k] for k in order]
    home.answers["go-on"] = lambda: "record"

    def angles() -> tuple[tuple[float, ...], tuple[float, ...]]:
        """As the chip tells them: of each channel's voltage to channel A's."""
        seen = [home.house.volts[home.house.voltages[channel]] for channel in range(3)]
        return (0.0, 0.0, 0.0), tuple(math.degrees(cmath.phase(one / seen[0])) % 360 for one in seen)

    home.read_angles_degree = angles  # type: ignore[attr-defined]
    record, _ = read_record(home.run(), WORKER.address, load_settings(home.file).measuring())
    assert bool([text for text in record.remarks if "A, C, B" in text]) == wrong


def test_what_is_not_mended_is_in_the_signed_remarks(tmp_path: Path) -> None:
    home = Home(tmp_path, clamps=(1, 0, 2))
    home.answers |= {"mended": lambda: "record", "go-on": lambda: "record"}
    record, _ = read_record(home.run(), WORKER.address, load_settings(home.file).measuring())
    assert [text for text in record.remarks if text.startswith("clamp A is on phase B")]


def test_a_break_costs_the_running_step_only(tmp_path: Path) -> None:
    home = Home(tmp_path, clamps=(0, 2, 1), voltages=(0, 2, 1))
    home.stop_at = "reference"
    with pytest.raises(TalkError):
        home.run()
    assert json.loads((tmp_path / "state" / STATE).read_text())["steps"][-1]["step"] == "expected"
    home.asked.clear()
    home.stop_at = ""
    home.run()
    assert home.asked[0] == "reference"
    assert "heater_w" not in home.asked


def test_settings_changed_by_hand_meanwhile_begin_it_anew(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.stop_at = "reference"
    with pytest.raises(TalkError):
        home.run()
    home.file.write_text(
        home.file.read_text().replace("sample_every_s = 5", "sample_every_s = 5\nmeter_constant = 1000")
    )
    home.stop_at = ""
    home.asked.clear()
    home.run()
    assert home.asked[0] == "generation"


def test_gains_follow_the_reference_and_keep_the_one_formula(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.true_gain = (0.99, 1.01, 1.02)
    home.answers["reference"] = lambda: "yes"
    for place, name in enumerate("ABC"):
        home.answers[f"current-{name}"] = lambda: "skip"
        volts = abs(home.house.volts[place])
        for when in ("begin", "end"):
            home.answers[f"voltage-{name}-{when}"] = lambda volts=volts: str(volts)
    home.run()
    words = load_settings(home.file).meter.u_gain
    for place in range(3):
        assert words[place] / UNITY * home.true_gain[place] == pytest.approx(1.0, abs=3e-5)
    shown = home.read().voltage_v
    assert shown[0] == pytest.approx(abs(home.house.volts[0]), rel=1e-4)


@pytest.mark.parametrize("error", [0.99, 1.01])
def test_the_energy_gain_follows_the_references_power_and_mends_the_formula(tmp_path: Path, error: float) -> None:
    home = Home(tmp_path)
    home.energy_gain = error
    home.answers["reference"] = lambda: "yes"
    home.answers |= {f"{what}-{name}": (lambda: "skip") for what in ("voltage", "current") for name in "ABC"}
    true = home.house.means(2).power_w
    for place, name in enumerate("ABC"):
        home.answers[f"power-{name}"] = lambda: "yes"
        home.answers |= {f"power-{name}-{when}": (lambda w=true[place]: str(w)) for when in ("begin", "end")}
    home.run()
    for word in load_settings(home.file).meter.pq_gain:
        signed = word - 2 * UNITY if word >= UNITY else word
        assert (1 + signed / UNITY) * error == pytest.approx(1.0, abs=3e-5)


def test_gains_that_break_the_formula_are_taken_back(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.answers["reference"] = lambda: "yes"
    home.answers |= {f"voltage-{name}": (lambda: "skip") for name in "ABC"}
    home.answers |= {f"current-{name}": (lambda: "skip") for name in "BC"}
    amperes = abs(home.house.loads[0])
    home.answers |= {f"current-A-{when}": (lambda: str(1.05 * amperes)) for when in ("begin", "end")}
    plain = home.read

    def broken() -> MeterSample:
        sample = plain()
        word = home.opened[-1].meter.i_gain[0] / UNITY
        return sample._replace(current_a=(sample.current_a[0] * word, *sample.current_a[1:]))

    home.heater = 0
    home.read = broken  # type: ignore[method-assign]
    home.answers["on-C"] = lambda: setattr(home, "heater", 2) or "done"
    with pytest.raises(CommissioningStopped, match="the gains were taken back: phase A"):
        home.run()
    assert load_settings(home.file).meter.i_gain == (UNITY, UNITY, UNITY)


def test_a_record_of_other_settings_or_another_hand_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path)
    file = home.run()
    settings = load_settings(home.file)
    with pytest.raises(CommissioningError, match="meter settings were changed since"):
        read_record(file, WORKER.address, bytes(32))
    with pytest.raises(CommissioningError, match="not signed by this Worker"):
        read_record(file, bytes(20), settings.measuring())
    document = json.loads(file.read_text())
    for change in ({"installer": "Eve"}, {"remarks": []}, {"at_unix_s": 5}):
        file.write_text(json.dumps({**document, **change}))
        with pytest.raises(CommissioningError, match="not signed by this Worker"):
            read_record(file, WORKER.address, settings.measuring())
    for text in ("", "[]", "{}", json.dumps({**document, "more": 1}), "x" * 70_000):
        file.write_text(text)
        with pytest.raises(CommissioningError):
            read_record(file, WORKER.address, settings.measuring())


def test_programs_speak_json_lines_and_people_are_asked_again() -> None:
    sink = io.StringIO()
    lines = JsonLines(io.StringIO('{"answer": "yes"}\n"no"\n7.5\n"maybe"\ntrue\n{\n'), sink)
    assert lines.ask("a", "?", ("yes", "no")) == "yes"
    assert lines.ask("b", "?", ("yes", "no")) == "no"
    assert lines.number("c", "?", 0, 10) == 7.5
    for wrong in (
        lambda: lines.ask("d", "?", ("yes", "no")),
        lambda: lines.number("e", "?", 0, 10),
        lambda: lines.ask("f", "?"),
    ):
        with pytest.raises(TalkError):
            wrong()
    assert [json.loads(line)["ask"] for line in sink.getvalue().splitlines()] == list("abcdef")
    person = Console(io.StringIO("perhaps\ny\n"), io.StringIO())
    assert person.ask("a", "?", ("yes", "no")) == "yes"
    with pytest.raises(TalkError, match="the input ended"):
        person.ask("a", "?", ("yes", "no"))
