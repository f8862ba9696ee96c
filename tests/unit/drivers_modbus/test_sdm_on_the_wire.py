"""The real driver reads a simulated SDM through pymodbus, over TCP and as RTU frames on linked terminals."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from drivers.bus import Clock
from drivers.errors import BusFault, ValueOutOfRange, WrongChip
from drivers.linux.modbus import LinuxModbus, SerialLine, open_serial, open_tcp
from drivers.linux.modbus_profiles import load_profile
from drivers.modbus.meter import ModbusMeter
from drivers.sample import FLAG_QUARANTINED
from drivers.sim.modbus_image import MICROJOULE_PER_KWH, MeterTruth
from drivers.sim.sdm630 import SimulatedSdm

MICROJOULE_PER_MILLIWH = 3_600_000
START = MeterTruth(
    (1_234_500, -200_000, 3_000),
    987 * MICROJOULE_PER_KWH + 123_456_789,
    55 * MICROJOULE_PER_KWH + 987,
    (700 * MICROJOULE_PER_KWH, 200 * MICROJOULE_PER_KWH + 1, 87 * MICROJOULE_PER_KWH),
    (5 * MICROJOULE_PER_KWH, 20 * MICROJOULE_PER_KWH, 30 * MICROJOULE_PER_KWH),
)
WAYS = ["tcp", "pty"]


class Ticks(Clock):
    """A clock of a minute per look: 1.38 kWh are possible between two."""

    now_ms = 0

    def ticks_ms(self) -> int:
        """One minute on."""
        self.now_ms += 60_000
        return self.now_ms

    def ticks_diff(self, a: int, b: int) -> int:
        """From b to a."""
        return a - b


class Home:
    """The truth behind the simulated meters of this file."""

    def __init__(self) -> None:
        """Start at START."""
        self.truth = START

    def __call__(self) -> MeterTruth:
        """The present truth."""
        return self.truth


def connect(server: SimulatedSdm, timeout_s: float = 2.0) -> LinuxModbus:
    """The adapter for whichever way the server answers."""
    if server.over == "tcp":
        return open_tcp(server.host, server.port, timeout_s=timeout_s)
    return open_serial(SerialLine(server.serial_port, baud=115_200), timeout_s=timeout_s)


@pytest.fixture(params=WAYS)
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Home, SimulatedSdm]]:
    """A home and its SDM630."""
    home = Home()
    with SimulatedSdm(home, over=request.param) as server:
        yield home, server


def within_one_step(milliwh: int, microjoule: int) -> bool:
    """Whether a counter is the truth within one float32 step (2^-23 of it at most)."""
    exact = microjoule / MICROJOULE_PER_MILLIWH
    return abs(milliwh - exact) <= exact * 2**-23 + 1


def test_counters_and_powers_equal_the_truth_within_one_step(served: tuple[Home, SimulatedSdm]) -> None:
    home, server = served
    with connect(server) as device:
        driver = ModbusMeter(device, Ticks(), load_profile("sdm630"), 69_000)
        for more in (0, 1, MICROJOULE_PER_MILLIWH, 777 * MICROJOULE_PER_MILLIWH, MICROJOULE_PER_KWH):
            home.truth = replace(home.truth, import_microjoule=home.truth.import_microjoule + more)
            sample = driver.read()
            assert sample.flags == 0
            assert within_one_step(sample.import_counts, home.truth.import_microjoule)
            assert within_one_step(sample.export_counts, home.truth.export_microjoule)
            for counts, truths in (
                (sample.phase_import_counts, home.truth.phase_import_microjoule),
                (sample.phase_export_counts, home.truth.phase_export_microjoule),
            ):
                assert all(within_one_step(*pair) for pair in zip(counts, truths, strict=True))
            assert sample.power_w == pytest.approx((1037.5, 1234.5, -200.0, 3.0), abs=1e-3)
            assert sample.current_a == pytest.approx((5.367391, 0.869565, 0.013043), abs=1e-5)
            assert sample.power_factor == (1.0, 1.0, -1.0, 1.0)
            assert sample.frequency_hz == 50.0


@pytest.mark.parametrize("over", WAYS)
@pytest.mark.parametrize("model", ["SDM120", "SDM230"])
def test_a_single_phase_meter_is_read_too_and_refuses_its_gaps(model: str, over: str) -> None:
    home = Home()
    home.truth = replace(START, phase_milliwatts=(-500_000, 0, 0))
    with SimulatedSdm(home, model=model, over=over) as server, connect(server) as device:
        sample = ModbusMeter(device, Ticks(), load_profile(model.lower()), 13_800).read()
        assert within_one_step(sample.import_counts, START.import_microjoule)
        assert sample.power_w == (-500.0, -500.0, 0.0, 0.0)
        assert sample.phase_import_counts is None
        with pytest.raises(WrongChip, match="exception 2"):
            device.read(4, 0, 80)


def test_faults_of_the_counters_are_quarantined_and_pass(served: tuple[Home, SimulatedSdm]) -> None:
    _, server = served
    with connect(server) as device:
        driver = ModbusMeter(device, Ticks(), load_profile("sdm630"), 69_000)
        good = driver.read()
        for fault in ("stuck-high", "bit-flip", "brown-out"):
            server.fault = fault
            sample = driver.read()
            assert sample.flags & FLAG_QUARANTINED, fault
            assert (sample.import_counts, sample.export_counts) == (good.import_counts, good.export_counts)
            server.fault = ""
            assert not driver.read().flags & FLAG_QUARANTINED


def test_stuck_counters_stay_while_the_power_goes_on(served: tuple[Home, SimulatedSdm]) -> None:
    home, server = served
    with connect(server) as device:
        driver = ModbusMeter(device, Ticks(), load_profile("sdm630"), 69_000)
        before = driver.read().import_counts
        server.fault = "energy-stuck"
        home.truth = replace(START, import_microjoule=START.import_microjoule + MICROJOULE_PER_KWH)
        assert driver.read().import_counts == before
        server.fault = ""
        assert driver.read().import_counts > before


def test_silence_and_busy_are_transient_and_the_next_request_works(served: tuple[Home, SimulatedSdm]) -> None:
    _, server = served
    with connect(server, timeout_s=0.1) as device:
        for fault in ("silent", "busy"):
            server.fault = fault
            with pytest.raises(BusFault) as caught:
                device.read(4, 0, 2)
            assert caught.value.transient
            server.fault = ""
            assert device.read(4, 0, 2) == [0x4366, 0x0000]


def test_set_up_takes_one_parameter_a_message_and_is_read_back(served: tuple[Home, SimulatedSdm]) -> None:
    _, server = served
    with connect(server) as device:
        device.write(28, [0x4040, 0x0000])
        assert device.read(3, 28, 2) == [0x4040, 0x0000]
        with pytest.raises(WrongChip):
            device.write(28, [0x4040])
        with pytest.raises(WrongChip):
            device.read(3, 0, 2)


def test_another_unit_number_meets_the_silence_of_a_real_bus() -> None:
    with (
        SimulatedSdm(Home()) as server,
        open_tcp(server.host, server.port, device_id=9, timeout_s=0.1) as other,
        pytest.raises(BusFault),
    ):
        other.read(4, 0, 2)


def test_a_meter_that_is_not_there_is_a_bus_fault_that_names_the_place() -> None:
    with SimulatedSdm(Home()) as server:
        port = server.port
    with open_tcp("127.0.0.1", port, timeout_s=0.2) as gone, pytest.raises(BusFault, match=f":{port}"):
        gone.read(4, 0, 2)
    with open_serial(SerialLine("/dev/no-such-line")) as line, pytest.raises(BusFault, match="no-such-line"):
        line.read(4, 0, 2)


def test_a_lost_connection_is_opened_again() -> None:
    with SimulatedSdm(Home()) as server, connect(server) as device:
        assert device.read(4, 0, 2) == [0x4366, 0x0000]
        device.close()
        assert device.read(4, 0, 2) == [0x4366, 0x0000]


@pytest.mark.parametrize("ask", [(5, 0, 2), (4, 0, 0), (4, 0, 126)])
def test_what_cannot_be_asked_is_refused_before_the_wire(ask: tuple[int, int, int]) -> None:
    with open_tcp("127.0.0.1", 1) as device, pytest.raises(ValueOutOfRange):
        device.read(*ask)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueOutOfRange):
        open_tcp("127.0.0.1", 1, device_id=0)
    with open_tcp("127.0.0.1", 1) as device, pytest.raises(ValueOutOfRange):
        device.write(28, [0x10000])
    with pytest.raises(ValueError, match="SDM9"):
        SimulatedSdm(Home(), model="SDM9")


def test_time_outs_follow_the_speed_of_the_line() -> None:
    assert SerialLine("x", baud=2_400).timeout_s() == 1.0
    assert SerialLine("x", baud=9_600).timeout_s() == 0.5
