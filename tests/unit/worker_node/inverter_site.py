"""A home with an emulated inverter and the grid meter that sees it, on one Modbus TCP port or one serial line."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from drivers.bus import Clock
from drivers.linux.modbus_profiles import load_control_profile
from drivers.linux.modbus_sunspec_tables import table
from drivers.sim.modbus_line import EmulatedLine, EmulatedUnit
from drivers.sim.sunspec_device import EmulatedSunSpec
from drivers.sim.sunspec_hybrid import EmulatedHybrid
from honey_edge.wire.signing import KeySigner
from tests.unit.worker_node.world import WORKER, write_settings
from worker_node.sign_record import FILE, SignRecord, profile_hash, write_record

REPOSITORY = Path(__file__).resolve().parents[3]
FAR_S = 60.0
INVERTER, METER = 1, 2
SERIAL = "HYB-1"
_SCALES = {"A_SF": -2, "V_SF": -1, "Hz_SF": -2, "W_SF": 0, "TotWh_SF": 0}


class GridMeter(EmulatedSunSpec):
    """A SunSpec meter (203) at the connection of the hybrid's house; `extra_w` is what nobody told it about."""

    def __init__(self, hybrid: EmulatedHybrid) -> None:
        common: dict[str, int | str] = {"Mn": "Hive emulator", "Md": "meter", "Vr": "1.0", "SN": "EMU-1", "DA": METER}
        super().__init__([(table(1), common), (table(203), {})])
        self._hybrid = hybrid
        self.follows = True
        self.looks = 0
        self.before_read = self._follow

    def _follow(self) -> None:
        self.looks += 1
        watts = round(self._hybrid.grid_w()) if self.follows else 800
        self.set(203, W=watts, Hz=5_000, PhVphA=2_300, TotWhImp=1_000_000, TotWhExp=500_000, **_SCALES)


@dataclass
class Site:
    """What a test holds in its hand."""

    hybrid: EmulatedHybrid
    meter: GridMeter
    inverter_unit: EmulatedUnit
    meter_unit: EmulatedUnit
    line: EmulatedLine


@contextmanager
def site(
    control: int, now_s: Callable[[], float] = time.monotonic, *, over: str = "tcp", baud: int = 0
) -> Iterator[Site]:
    """Both devices served until the end of the block."""
    hybrid = EmulatedHybrid(control, now_s)
    meter = GridMeter(hybrid)
    units = {INVERTER: EmulatedUnit(hybrid.device), METER: EmulatedUnit(meter)}
    with EmulatedLine(units, over=over, baud=baud) as line:
        yield Site(hybrid, meter, units[INVERTER], units[METER], line)


def write_home(folder: Path, here: Site, profile: str, changes: Mapping[str, str] | None = None) -> Path:
    """Settings of a real Worker at the site, with enough history for a plan of its own."""
    line = here.line
    tcp = not line.serial_port
    place = f'host = "{line.host}"\nport = {line.port}' if tcp else f'serial_port = "{line.serial_port}"'
    way = "tcp" if tcp else "rtu"
    text = {
        'kind = "sim:house"\n': f'kind = "modbus-{way}:sunspec"\n{place}\nunit = {METER}\n',
        '[sim]\nprofile = "ca01"\n': "",
        "[clock]\n": "",
        'kind = "granted"\n': "",
        'grant_socket = "grant"\n': "",
        'kind = "sim"\n': f'kind = "sunspec-{way}"\nprofile = "{profile}"\n{place}\nunit = {INVERTER}\n',
    }
    file = write_settings(folder, text)
    lines = [one for one in file.read_text().splitlines() if not one.startswith("start_unix_s")]
    content = "\n".join(lines) + "\n"
    for old, new in (changes or {}).items():
        assert old in content, old
        content = content.replace(old, new)
    file.write_text(content)
    slot = int(time.time()) // 900
    history = {"v": 1, "first_slot": slot - 192, "load_milliwh": [400_000] * 192, "pv_milliwh": [0] * 192}
    (folder / "history.json").write_text(json.dumps(history))
    return file


class Time(Clock):
    """The emulators' own time, which the test's pauses move."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def sleep_ms(self, n: int) -> None:
        self.now_s += n / 1000

    def ticks_ms(self) -> int:
        return round(self.now_s * 1000)

    def ticks_diff(self, a: int, b: int) -> int:
        return a - b


def record_of(profile: str, **changes: object) -> SignRecord:
    """A passed test of the emulated inverter."""
    points = {"sunspec-802": (("SocRsvMax", 1000), ("SoCRsvMin", 50)), "sunspec-704": (("WSetEna", 0),)}
    own = load_control_profile(profile)
    passed = SignRecord(
        WORKER.address.hex(), SERIAL, profile, profile_hash(own), True, False, False,
        points.get(profile, (("StorCtl_Mod", 0),)), 500, 1300.0, 300.0, True, 1_700_000_000,
    )  # fmt: skip
    return replace(passed, **changes)  # type: ignore[arg-type]


def put_record(folder: Path, record: SignRecord, signer: KeySigner = WORKER) -> None:
    (folder / "state").mkdir(exist_ok=True)
    write_record(folder / "state" / FILE, record, signer)


def until(true: "object", why: str) -> None:
    """Waits for what the emulators show; a minute is far more than it takes."""
    event, end_s = threading.Event(), time.monotonic() + FAR_S
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end_s, why
        event.wait(0.02)


@contextmanager
def started(words: list[str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "worker_node.cli", *words]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str], text: str) -> str:
    """The first line with this text; a process that never says it is ended."""
    assert process.stdout is not None
    late, lines = threading.Timer(FAR_S, process.kill), [""]
    late.start()
    while text not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], lines
    late.cancel()
    return lines[-1]
