"""How punctual a shared line is: eight meters on one pseudo-terminal at the times of 9600 baud, two of them dead.

Each living device is asked every 5 s for the two blocks of an SDM630; 20 s on top let the dead ones be found out.
Bar: at the 99th percentile begun within 20 ms of the planned time, and no living device ever without an answer. The
reference in the same run is how late the machine itself wakes a thread. Prints one JSON line.
"""

import json
import sys
import threading
import time

from drivers.errors import DriverError
from drivers.linux.modbus import SerialLine
from drivers.linux.modbus_pace import PacedDevice, Pacer, Poll
from drivers.linux.modbus_profiles import load_profile
from drivers.linux.modbus_rtu import RtuPort, RtuUnit
from drivers.sim.modbus_image import MICROJOULE_PER_KWH, MeterTruth
from drivers.sim.modbus_line import EmulatedLine, EmulatedUnit
from drivers.sim.modbus_meter import EmulatedMeter

DEVICES, DEAD, PERIOD_S, BAUD = 8, (3, 6), 5.0, 9_600
RUN_S = 65.0
THINK_S = 0.05
BAR_MS = 20.0
TRUTH = MeterTruth((500_000, 0, 0), MICROJOULE_PER_KWH, 0, (MICROJOULE_PER_KWH, 0, 0), (0, 0, 0))


def percentile_ms(lateness_s: list[float], share: float) -> float:
    """A percentile of lateness, ms."""
    ordered = sorted(lateness_s)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine_lateness_s(count: int, every_s: float) -> list[float]:
    """How late waits of the machine end."""
    stop, late = threading.Event(), []
    at_s = time.monotonic()
    for _ in range(count):
        at_s += every_s
        stop.wait(max(0.0, at_s - time.monotonic()))
        late.append(time.monotonic() - at_s)
    return late


def polls_of_a_run() -> list[Poll]:
    """All polls of the run."""
    profile = load_profile("sdm630")
    registers = tuple(count for _, count in profile.blocks)
    alive = {
        unit: EmulatedUnit(EmulatedMeter(profile, lambda: TRUTH), think_s=THINK_S) for unit in range(1, DEVICES + 1)
    }
    for unit in DEAD:
        alive[unit].fault = "silent"
    polls: list[Poll] = []
    with EmulatedLine(alive, over="pty", baud=BAUD) as line, RtuPort(SerialLine(line.serial_port, baud=BAUD)) as port:

        def reader(unit: int) -> PacedDevice:
            device = RtuUnit(port, unit)
            return PacedDevice(str(unit), lambda: [device.read(4, *block) for block in profile.blocks], registers)

        devices = [reader(unit) for unit in alive]
        pacer = Pacer(port, devices, polls.append, period_s=PERIOD_S, timeout_s=port.timeout_s, baud=BAUD)
        pacer.run(time.monotonic() + RUN_S)
    return polls


def main() -> int:
    """Print the figure; 1 when the bar is missed."""
    polls = polls_of_a_run()
    dead = {str(unit) for unit in DEAD}
    living = [poll for poll in polls if poll.name not in dead]
    late = [poll.begun_s - poll.planned_s for poll in living]
    failed: list[DriverError] = [poll.error for poll in living if poll.error is not None]
    machine = machine_lateness_s(len(late), 0.05)
    probes = sum(poll.probe for poll in polls)
    value_ms = percentile_ms(late, 0.99)
    held = value_ms <= BAR_MS and not failed and probes > 0
    line = {
        "bench": "modbus_bus",
        "figure": f"lateness of {DEVICES - len(DEAD)} devices beside {len(DEAD)} dead ones at {BAUD} baud, p99",
        "ms": round(value_ms, 2),
        "median_ms": round(percentile_ms(late, 0.5), 2),
        "reference": "lateness of the machine's own waits, p99",
        "reference_ms": round(percentile_ms(machine, 0.99), 2),
        "polls": len(living),
        "probes_of_dead_devices": probes,
        "unanswered": len(failed),
        "bar_ms": BAR_MS,
        "held": held,
    }
    print(json.dumps(line), flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
