"""The guided steps of a commissioning, each kept on disk when it is done, so that a break costs one step at most.

    look        what each clamp sees                    expected   the heater's plate against what the meter shows
    phases      which clamp is where, which way round   calibrate  gains from a reference meter, where the meter has any
    battery     the sign test of its control            record     the signed record, named in the settings

What is found goes into the settings at once, and is looked at again with them. A finding that settings cannot mend
(a clamp to move, a broken lead) stops the step until it is mended, or the installer takes it into the record's remarks.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from drivers.bus import Clock
from honey_edge.model.errors import HiveError
from honey_edge.model.options import SettingsError
from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import Signer
from provisioning.commission import calibration, means, wiring
from provisioning.commission.calibration import CURRENT, POWER, VOLTAGE, GainChange, Reference
from provisioning.commission.means import PHASES, Means, Meter
from provisioning.commission.settings_file import change_settings
from provisioning.commission.talk import Talk
from worker_node.commissioning import FILE, CommissioningRecord, write_record
from worker_node.settings import WorkerSettings
from worker_node.settings_chips import ChipSection
from worker_node.sign_record import FILE as SIGN_FILE

STATE = "commissioning-state.json"
STEPS = ("look", "phases", "expected", "calibrate", "battery", "record")
LOOK_S = 10
_TEST_S = 5
_MOST_ROUNDS = 4
_ROTATION_TOLERANCE = 20.0
_YES, _NO, _SKIP = "yes", "no", "skip"
_LIMITS = {VOLTAGE: (20.0, 500.0), CURRENT: (0.1, 1_000.0), POWER: (20.0, 200_000.0)}


class CommissioningStopped(HiveError):
    """A finding was not mended and not taken into the record."""

    code = "E-COMMISSION"


@dataclass(frozen=True, slots=True)
class Site:
    """What a session works with; `open_meter` gives a driver for settings, `close` gives its bus back."""

    file: Path
    open_meter: Callable[[WorkerSettings], tuple[Meter, Callable[[], None]]]
    clock: Clock
    talk: Talk
    signer: Signer
    now_unix_s: Callable[[], int]
    sign_test: Callable[[Path], bool]
    look_s: int = LOOK_S
    test_s: int = _TEST_S


@dataclass(slots=True)
class Kept:
    """What a session keeps on disk: under which settings, and the steps done with what was measured."""

    measuring: str
    steps: list[dict[str, Any]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


class Session:
    """One home's commissioning."""

    def __init__(self, site: Site, settings: WorkerSettings) -> None:
        """Takes up what an earlier run kept, unless the meter's settings were changed by hand since."""
        self._site, self._settings = site, settings
        self._state = settings.path(settings.worker.state_dir) / STATE
        self._kept = self._taken_up()
        self._meter: Meter | None = None
        self._close: Callable[[], None] = lambda: None

    def run(self) -> Path:
        """All steps that are not done yet; the record's file. Raises CommissioningStopped, DriverError, TalkError."""
        try:
            for name in STEPS[len(self._kept.steps) : -1]:
                self._site.talk.tell("step", f"-- {name}", step=name)
                found = getattr(self, f"_{name}")()
                self._kept.steps.append({"step": name, **found})
                self._keep()
            return self._record()
        finally:
            self._close()

    # -- steps

    def _look(self) -> dict[str, Any]:
        talk = self._site.talk
        generation = talk.ask("generation", "does any generator run now", (_YES, _NO)) == _YES
        seen = self._seen(self._site.look_s)
        for place, name in enumerate(PHASES):
            talk.tell(
                f"phase-{name}",
                f"  {name}: {seen.voltage_v[place]:6.1f} V {seen.current_a[place]:7.2f} A {seen.power_w[place]:8.0f} W",
                voltage_v=round(seen.voltage_v[place], 2),
                current_a=round(seen.current_a[place], 3),
                power_w=round(seen.power_w[place], 1),
            )
        self._doubt(wiring.first_look(seen, generation))
        return {"generation": generation, "means": asdict(seen)}

    def _phases(self) -> dict[str, Any]:
        talk = self._site.talk
        heater_w = int(talk.number("heater_w", "power on the heater's plate, W", 300, 10_000))
        for _ in range(_MOST_ROUNDS):
            tests = self._heater_tests(heater_w)
            meter = self._settings.meter
            found = wiring.conclude(tests, meter.phase_map, meter.reversed_phases)
            left = (*found.moves, *found.doubts)
            changes = self._wiring_changes(found)
            if not left and not changes:
                break
            if changes and not found.moves and not (refused := self._tried(changes)):
                continue
            left += (refused,) if changes and not found.moves else ()
            for text in left:
                talk.tell("finding", f"  ! {text}")
            if (
                talk.ask("mended", "mend it, then say again; or take it into the record", ("again", "record"))
                == "record"
            ):
                self._kept.remarks += left
                break
        else:
            raise CommissioningStopped("the wiring is still not right", next_step="mend what was named, run it again")
        return {"heater_w": heater_w, "tests": [asdict(test) for test in tests.values()]}

    def _tried(self, changes: dict[tuple[str, str], Any]) -> str:
        """Changes the settings so that the test is repeated under them; why the meter cannot be set so, or ""."""
        try:
            self._change(changes)
        except SettingsError as error:
            return f"settings cannot mend it, so turn the clamp by hand: {error}"
        self._site.talk.tell(
            "settings", "  settings changed; the test is repeated", **{k[1]: v for k, v in changes.items()}
        )
        return ""

    def _heater_tests(self, heater_w: int) -> dict[int, wiring.HeaterTest]:
        talk, tests = self._site.talk, {}
        first = self._seen(3)
        for conductor, name in enumerate(PHASES):
            if not first.alive[conductor]:
                continue
            if talk.ask(f"off-{name}", f"heater on phase {name}: switched off", ("done", _SKIP)) == _SKIP:
                continue
            off = self._seen(self._site.test_s)
            talk.ask(f"on-{name}", f"heater on phase {name}: switched on", ("done",))
            test = wiring.heater_test(off, self._seen(self._site.test_s), conductor, heater_w)
            talk.tell(f"heater-{name}", f"  {name}: {test.shown_w:.0f} W of {test.expected_w:.0f} W", **asdict(test))
            tests[conductor] = test
        if not tests:
            raise CommissioningStopped("no phase was tested", next_step="test at least the phases in use")
        return tests

    def _wiring_changes(self, found: wiring.Wiring) -> dict[tuple[str, str], Any]:
        meter, changes = self._settings.meter, {}
        if found.phase_map != tuple(meter.phase_map):
            changes["meter", "phase_map"] = found.phase_map
        if found.reversed_phases != tuple(meter.reversed_phases):
            changes["meter", "reversed_phases"] = found.reversed_phases
        return changes

    def _expected(self) -> dict[str, Any]:
        """The last heater tests against the plate: what a gain or ratio is wrong by."""
        rows, found = [], []
        for one in self._kept.steps[STEPS.index("phases")]["tests"]:
            test = _test_of(one)
            off, name = wiring.off_by(test), PHASES[test.conductor]
            rows.append({"phase": name, "off_by": off})
            if off is not None:
                self._site.talk.tell(
                    f"plate-{name}", f"  {name}: {100 * off:+.1f} % of the plate", off_by=round(off, 4)
                )
            if off is not None and not wiring.within_plate(test):
                found.append(f"phase {name}: {100 * off:+.0f} % of the heater's plate; check ratio, divider and gains")
        found += self._rotation()
        self._doubt(tuple(found))
        return {"phases": rows}

    def _rotation(self) -> list[str]:
        """Whether the voltages follow one another as A, B, C, where the chip tells their angles."""
        self._seen(3)
        read = getattr(self._meter, "read_angles_degree", None)
        if read is None or not all(self._seen(3).alive):
            return []
        channels = self._settings.meter.phase_map
        _, angles = read()
        turn = (angles[channels[1]] - angles[channels[0]]) % 360.0
        self._site.talk.tell("rotation", f"  B follows A by {(360 - turn) % 360:.0f} degrees", degree=round(turn, 1))
        if abs(turn - 240.0) <= _ROTATION_TOLERANCE:
            return []
        return [
            "the phases follow one another as A, C, B: two voltage leads are swapped, or two phases have other names"
        ]

    def _calibrate(self) -> dict[str, Any]:
        talk, kind = self._site.talk, self._settings.meter.kind
        if not calibration.can_calibrate(kind):
            talk.tell("calibrate", "  a sealed meter: nothing to set")
            return {"changes": []}
        if talk.ask("reference", "is a reference meter at hand", (_YES, _NO)) == _NO:
            self._kept.remarks.append("not calibrated: no reference meter at hand")
            return {"changes": []}
        ambient = talk.number("ambient_c", "ambient temperature, degrees", -40, 80)
        changes = [self._compared(quantity) for quantity in (VOLTAGE, CURRENT, POWER)]
        made = [one for row in changes for one in row]
        self._formula(made)
        return {"ambient_c": ambient, "changes": [asdict(one) for one in made]}

    def _compared(self, quantity: str) -> list[GainChange]:
        """One quantity on every phase in use: compared, reckoned, set."""
        talk, made = self._site.talk, []
        alive = self._seen(3).alive
        section, option = calibration.gain_key(self._settings.meter.kind, quantity)
        words = list(getattr(self._section(section), option))
        least, most = _LIMITS[quantity]
        for place, name in enumerate(PHASES):
            if not alive[place] or talk.ask(f"{quantity}-{name}", f"compare {quantity} {name}", (_YES, _SKIP)) == _SKIP:
                continue
            begin = talk.number(f"{quantity}-{name}-begin", f"reference shows {quantity} {name}", least, most)
            seen = self._seen(self._site.look_s)
            end = talk.number(f"{quantity}-{name}-end", "and now", least, most)
            reference = Reference(place, begin, end)
            calibration.require_steady(reference)
            shown = {VOLTAGE: seen.voltage_v, CURRENT: seen.current_a, POWER: seen.power_w}[quantity][place]
            channel = self._settings.meter.phase_map[place]
            word = calibration.new_word(self._settings.meter.kind, quantity, words[channel], shown, reference.mean)
            made.append(GainChange(quantity, place, shown, reference.mean, words[channel], word))
            words[channel] = word
        if made:
            self._change({(section, option): tuple(words)})
        return made

    def _formula(self, made: list[GainChange]) -> None:
        """U x I x PF = P after the change, else all gains are as before. Raises CommissioningStopped."""
        if not made:
            return
        seen = self._seen(self._site.look_s)
        factor = seen.power_factor or self._cross_checked()
        wrong = calibration.formula_errors(seen, factor) if factor else ("the meter tells no power factor",)
        if not wrong:
            return
        before: dict[tuple[str, str], list[int]] = {}
        for one in made:
            key = calibration.gain_key(self._settings.meter.kind, one.quantity)
            words = before.setdefault(key, list(getattr(self._section(key[0]), key[1])))
            words[self._settings.meter.phase_map[one.phase]] = one.old_word
        self._change({key: tuple(words) for key, words in before.items()})
        raise CommissioningStopped(
            f"the gains were taken back: {'; '.join(wrong)}", next_step="compare again under a steady load with PF 1"
        )

    def _cross_checked(self) -> means.Three | None:
        """The power factors of the cross-check set, where the driver has one."""
        read = getattr(self._meter, "read_cross_check", None)
        found = read().power_factor if read is not None else None
        return None if found is None else (found[1], found[2], found[3])

    def _battery(self) -> dict[str, Any]:
        battery, talk = self._settings.battery, self._site.talk
        if battery is None or battery.simulated:
            return {"tested": False}
        question = "battery: does the household agree that it is charged and discharged for two minutes"
        if talk.ask("battery", question, (_YES, _NO)) == _NO:
            self._kept.remarks.append("battery: the sign test was not made, so it is not commanded")
            return {"tested": False}
        self._close()
        self._meter = None
        passed = self._site.sign_test(self._site.file)
        if not passed:
            self._kept.remarks.append("battery: the sign test was not passed, so it is not commanded")
        return {"tested": True, "passed": passed}

    def _record(self) -> Path:
        site, settings = self._site, self._settings
        folder = settings.path(settings.worker.state_dir)
        steps = self._kept.steps
        ambient = steps[STEPS.index("calibrate")].get("ambient_c")
        record = CommissioningRecord(
            worker=site.signer.address.hex(),
            serial=settings.worker.serial,
            meter=settings.meter.kind,
            measuring=settings.measuring().hex(),
            installer=site.talk.ask("installer", "name of the installer"),
            ambient_c=float(ambient if ambient is not None else site.talk.number("ambient_c", "ambient, C", -40, 80)),
            steps=tuple(steps),
            battery=_battery_hash(folder),
            remarks=tuple(self._kept.remarks),
            at_unix_s=site.now_unix_s(),
        )
        file = folder / FILE
        hashed = write_record(file, record, site.signer)
        change_settings(site.file, {("meter", "commissioning_file"): str(file)})
        self._state.unlink(missing_ok=True)
        site.talk.tell("record", f"signed: {file}", file=str(file), configuration=hashed.hex())
        return file

    # -- what steps share

    def _seen(self, seconds: int) -> Means:
        if self._meter is None:
            self._meter, self._close = self._site.open_meter(self._settings)
            self._meter.start()
        return means.look(
            self._meter, self._site.clock, seconds, lambda text: self._site.talk.tell("meter", f"  {text}")
        )

    def _change(self, changes: dict[tuple[str, str], Any]) -> None:
        """New settings, and the meter opened anew under them."""
        self._settings = change_settings(self._site.file, changes)
        self._close()
        self._meter, self._close = None, lambda: None
        self._kept.measuring = self._settings.measuring().hex()
        self._keep()

    def _section(self, name: str) -> Any:
        return getattr(self._settings, name) or ChipSection()

    def _doubt(self, found: tuple[str, ...]) -> None:
        """Findings that only a hand can mend. Raises CommissioningStopped unless they are taken into the record."""
        for text in found:
            self._site.talk.tell("finding", f"  ! {text}")
        if (
            found
            and self._site.talk.ask("go-on", "mend it and run again, or take it into the record", ("stop", "record"))
            == "stop"
        ):
            raise CommissioningStopped("stopped to mend what was found", next_step="run the command again afterwards")
        self._kept.remarks += found

    def _taken_up(self) -> Kept:
        measuring = self._settings.measuring().hex()
        try:
            document = json.loads(self._state.read_text(encoding="utf-8"))
            kept = Kept(document["measuring"], list(document["steps"]), list(document["remarks"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Kept(measuring)
        if kept.measuring != measuring or [one.get("step") for one in kept.steps] != list(STEPS[: len(kept.steps)]):
            self._site.talk.tell("resume", "the meter's settings were changed since; everything is tested anew")
            return Kept(measuring)
        if kept.steps:
            self._site.talk.tell("resume", f"goes on after {kept.steps[-1]['step']}", done=len(kept.steps))
        return kept

    def _keep(self) -> None:
        fresh = self._state.with_suffix(".new")
        self._state.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("w", encoding="utf-8") as stream:
            json.dump(asdict(self._kept), stream)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(self._state)


def _test_of(row: dict[str, Any]) -> wiring.HeaterTest:
    seen = [wiring.Seen(**one) for one in row["seen"]]
    return wiring.HeaterTest(row["conductor"], row["expected_w"], row["shown_w"], (seen[0], seen[1], seen[2]))


def _battery_hash(folder: Path) -> str:
    """The hash of the battery's sign test, "" without one."""
    file = folder / SIGN_FILE
    return keccak(file.read_bytes()).hex() if file.exists() else ""
