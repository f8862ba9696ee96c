"""Puts any emulated Modbus or SunSpec device on a port: `python -m drivers.sim serve PART --modbus-tcp PORT | --pty`.

For third-party tools. PART is a meter's profile (`sdm630`, `em340`, ...), `sunspec-203` and its relatives (a grid
meter), `sunspec-124`, `sunspec-704`, `sunspec-802` (a hybrid inverter or battery that can be commanded), or a wall box
with a car (`heidelberg-energy-control`). Prints one
line with the address when it is ready and serves until it is interrupted. `--fault` sets a fault by its name.
"""

import argparse
import math
import signal
import struct
import sys
import threading
import time

from drivers.linux.modbus_profiles import known_charger_profiles, known_profiles, load_charger_profile, load_profile
from drivers.linux.modbus_sunspec_tables import table
from drivers.modbus.slave import Registers
from drivers.sim.modbus_image import MICROJOULE_PER_KWH, MeterTruth
from drivers.sim.modbus_line import WIRE_FAULTS, EmulatedLine, EmulatedUnit
from drivers.sim.modbus_meter import METER_FAULTS, EmulatedMeter
from drivers.sim.sunspec_device import DEVICE_FAULTS, EmulatedSunSpec, Values
from drivers.sim.sunspec_hybrid import EmulatedHybrid
from drivers.sim.wall_box import WALL_BOX_FAULTS, EmulatedWallBox

GRID_METERS = (201, 202, 203, 204, 211, 212, 213, 214)
HYBRIDS = (124, 704, 802)
_COMMON: Values = {"Mn": "Hive emulator", "Md": "meter", "Vr": "1.0", "SN": "EMU-1", "DA": 1}
_START_KWH, _MEAN_W, _SWING_W, _DAY_S = 1_000, 600.0, 900.0, 600.0
_MICRO = 1_000_000
_CAR_WH = 30_000


def known_parts() -> list[str]:
    """What can be served."""
    return [*known_profiles(), *(f"sunspec-{model}" for model in (*GRID_METERS, *HYBRIDS)), *known_charger_profiles()]


class SwingingHouse:
    """A house whose power swings between export and import; its energies are the exact integral."""

    def __init__(self) -> None:
        """Begin now with some energy on the counters."""
        self._at_s = time.monotonic()
        self._import = self._export = _START_KWH * MICROJOULE_PER_KWH

    def __call__(self) -> MeterTruth:
        """The present truth: each third of the total on one phase."""
        now_s = time.monotonic()
        watts = _MEAN_W + _SWING_W * math.sin(2 * math.pi * now_s / _DAY_S)
        moved = round(watts * (now_s - self._at_s) * _MICRO)
        self._at_s = now_s
        self._import += max(moved, 0)
        self._export += max(-moved, 0)
        third = round(watts * 1000 / 3)
        shares = (self._import // 3,) * 3, (self._export // 3,) * 3
        return MeterTruth((third, third, third), self._import, self._export, *shares)


class ServedGridMeter(EmulatedSunSpec):
    """A SunSpec grid meter at the swinging house."""

    def __init__(self, model: int) -> None:
        """Models 1 and the meter's."""
        super().__init__([(table(1), _COMMON), (table(model), {})])
        self._model, self._house = model, SwingingHouse()
        self.before_read = self._follow

    def _follow(self) -> None:
        truth = self._house()
        watts = sum(truth.phase_milliwatts) / 1000
        shown = {"W": watts, "Hz": 50.0, "PhVphA": 230.0, "AphA": abs(watts) / 690}
        shown |= {"TotWhImp": _wh(truth.import_microjoule), "TotWhExp": _wh(truth.export_microjoule)}
        shown["A"] = abs(watts) / 230
        scales = {"A_SF": -2, "V_SF": -1, "Hz_SF": -2, "W_SF": 0, "TotWh_SF": 0}
        if self._model > 210:
            self.set(self._model, **{name: _bits(value) for name, value in shown.items()})
            return
        exponents = {"A": -2, "AphA": -2, "PhVphA": -1, "Hz": -2}
        raws = {name: round(value / 10.0 ** exponents.get(name, 0)) for name, value in shown.items()}
        self.set(self._model, **raws, **scales)


def _wh(microjoule: int) -> float:
    return microjoule * 1000 / MICROJOULE_PER_KWH


def _bits(value: float) -> int:
    return int(struct.unpack(">I", struct.pack(">f", value))[0])


def make_unit(part: str, fault: str = "") -> EmulatedUnit:
    """Build a part with a fault of its wire or its own. Raises ValueError for a name that is not known."""
    if part not in known_parts():
        raise ValueError(f"part {part!r} is not known; one of {', '.join(known_parts())}")
    registers: Registers
    if part.startswith("sunspec-"):
        model = int(part.partition("-")[2])
        own = ServedGridMeter(model) if model in GRID_METERS else EmulatedHybrid(model, time.monotonic).device
        own.fault = fault if fault in DEVICE_FAULTS else ""
        faults: tuple[str, ...] = DEVICE_FAULTS
        registers = own
    elif part in known_charger_profiles():
        box = EmulatedWallBox(load_charger_profile(part), time.monotonic)
        box.plug_in(_CAR_WH)
        box.fault = fault if fault in WALL_BOX_FAULTS else ""
        faults, registers = WALL_BOX_FAULTS, box
    else:
        meter = EmulatedMeter(load_profile(part), SwingingHouse())
        meter.fault = fault if fault in METER_FAULTS else ""
        faults, registers = METER_FAULTS, meter
    if fault and fault not in (*faults, *WIRE_FAULTS):
        raise ValueError(f"fault {fault!r} is not known for {part}; one of {', '.join((*faults, *WIRE_FAULTS))}")
    unit = EmulatedUnit(registers)
    unit.fault = fault if fault in WIRE_FAULTS else ""
    return unit


def serve(part: str, *, port: int | None, unit: int, fault: str, baud: int, stop: threading.Event) -> int:
    """Serve until `stop` is set; `port` None means a pseudo-terminal. Returns the exit code."""
    try:
        device = make_unit(part, fault)
        line = EmulatedLine({unit: device}, over="tcp" if port is not None else "pty", port=port or 0, baud=baud)
        with line:
            where = line.serial_port or f"{line.host}:{line.port}"
            print(f"{part} unit {unit} at {where}", flush=True)
            stop.wait()
    except (ValueError, OSError) as error:
        print(f"drivers.sim serve: {error}", file=sys.stderr)
        return 2
    return 0


def main(words: list[str] | None = None) -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m drivers.sim", description="Emulated devices for other tools.")
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="put an emulated device on a port")
    serving.add_argument("part", metavar="PART", help=", ".join(known_parts()))
    way = serving.add_mutually_exclusive_group(required=True)
    way.add_argument("--modbus-tcp", type=int, metavar="PORT", help="Modbus TCP on 127.0.0.1; 0 takes a free port")
    way.add_argument("--pty", action="store_true", help="Modbus RTU on a pseudo-terminal")
    serving.add_argument("--unit", type=int, default=1, help="unit number")
    serving.add_argument("--baud", type=int, default=0, help="keep the times of a serial line (with --pty)")
    serving.add_argument("--fault", default="", help="what the device does wrong")
    given = parser.parse_args(words)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):  # also where the shell that started us ignores SIGINT
        signal.signal(number, lambda *_: stop.set())
    return serve(
        given.part,
        port=given.modbus_tcp,
        unit=given.unit,
        fault=given.fault,
        baud=given.baud if given.pty else 0,
        stop=stop,
    )
