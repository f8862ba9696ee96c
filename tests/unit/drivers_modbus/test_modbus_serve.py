"""Independent clients read what the Worker serves and what the emulators offer."""

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass

import pytest
import sunspec2.modbus.client as independent

from drivers.linux.modbus import SerialLine, open_serial, open_tcp
from drivers.linux.modbus_profiles import load_profile
from drivers.linux.modbus_serve import STALE_AFTER_S, MeterRegisters, ServedIdentity, SunSpecServer
from drivers.linux.modbus_sunspec_tables import tables
from drivers.linux.ticks import MonotonicTicks
from drivers.modbus.meter import ModbusMeter
from drivers.modbus.slave import Refusal
from drivers.modbus.sunspec_grid import meter_points
from drivers.modbus.sunspec_meter import SunSpecMeter
from drivers.sample import ABSOLUTE, MeterSample
from drivers.sim.serve import known_parts, make_unit

IDENTITY = ServedIdentity("Hive", "hive-worker", "0.1", "W-7")
FAR_S = 60.0
SAMPLE = MeterSample(
    at_ticks_ms=0,
    counter_kind=ABSOLUTE,
    import_counts=0,
    export_counts=0,
    phase_import_counts=None,
    phase_export_counts=None,
    counter_step_nanowh=1_000_000,
    power_w=(-1_234.0, -2_000.0, 700.0, 66.0),
    reactive_power_var=(50.0, 20.0, 20.0, 10.0),
    voltage_v=(230.5, 231.0, 229.9),
    current_a=(8.68, 3.03, 0.29),
    power_factor=(-0.98, -1.0, 1.0, 0.99),
    frequency_hz=50.02,
    temperature_c=None,
    status=0,
    flags=0,
    lost_bound_counts=0,
)


@dataclass
class Now:
    """Time that the test moves."""

    s: float = 100.0

    def __call__(self) -> float:
        return self.s


def scanned(port: int) -> dict[str, object]:
    """What pysunspec2 reads."""
    client = independent.SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port, timeout=5)
    client.scan()
    meter = client.models[203][0]
    names = ("W", "WphA", "PhVphB", "PhVphAB", "AphA", "Hz", "PF", "TotWhImp", "TotWhExp", "VAR", "VA")
    found = {name: getattr(meter, name).cvalue for name in names}
    found["models"] = sorted(number for number in client.models if isinstance(number, int))
    found["SN"] = client.models[1][0].SN.value
    client.close()
    return found


def test_an_independent_client_scans_the_served_meter() -> None:
    async def scene() -> dict[str, object]:
        registers = MeterRegisters(IDENTITY)
        registers.update(SAMPLE, 1_234_567_890, 98_765)
        server = SunSpecServer(registers, host="127.0.0.1", port=0)
        await server.start()
        try:
            return await asyncio.to_thread(scanned, server.port)
        finally:
            await server.stop()

    found = asyncio.run(scene())
    assert (found["models"], found["SN"]) == ([1, 203], "W-7")
    assert (found["W"], found["WphA"], found["VAR"], found["VA"]) == (-1234, -2000, 50, None)
    assert (found["TotWhImp"], found["TotWhExp"]) == (1_234_567, 98)
    assert found["PhVphB"] == pytest.approx(231.0)
    assert found["PhVphAB"] == pytest.approx(399.7, abs=0.1)
    assert (found["AphA"], found["Hz"], found["PF"]) == pytest.approx((8.68, 50.02, -98.0))


def test_what_a_sample_leaves_out_stays_not_implemented() -> None:
    registers = MeterRegisters(IDENTITY)
    partly = SAMPLE._replace(reactive_power_var=(50.0, None, None, None), power_factor=(None,) * 4, voltage_v=None)
    registers.update(partly, 1_000, 0)
    points = meter_points(partly, 1_000, 0)
    assert points["VAR"] == 50
    assert not {"VARphA", "PF", "PF_SF", "PhVphA", "V_SF"} & set(points)
    assert registers.read(3, 40_000, 2) == [0x5375, 0x6E53]


def test_our_own_driver_reads_the_served_meter_and_nobody_may_write() -> None:
    async def scene() -> None:
        registers = MeterRegisters(IDENTITY)
        server = SunSpecServer(registers, host="127.0.0.1", port=0)
        await server.start()
        try:
            await asyncio.to_thread(reading, server.port, registers)
        finally:
            await server.stop()

    def reading(port: int, registers: MeterRegisters) -> None:
        with open_tcp("127.0.0.1", port) as device:
            with pytest.raises(Exception, match="exception 4"):
                device.read(3, 40_000, 2)
            registers.update(SAMPLE, 5_000_000, 1_000)
            sample = SunSpecMeter(device, MonotonicTicks(), tables(), 69_000).start()
            assert (sample.import_counts, sample.export_counts) == (5_000_000, 1_000)
            assert sample.power_w == SAMPLE.power_w
            for call in (lambda: device.write(40_072, [1]), lambda: device.read(4, 40_000, 2)):
                with pytest.raises(Exception, match="exception 1"):
                    call()
        with open_tcp("127.0.0.1", port, device_id=9) as other, pytest.raises(Exception, match="exception 11"):
            other.read(3, 40_000, 2)

    asyncio.run(scene())


def test_an_old_look_is_not_served() -> None:
    now = Now()
    registers = MeterRegisters(IDENTITY, now)
    registers.update(SAMPLE, 0, 0)
    registers.update(SAMPLE._replace(power_w=None), 5, 5)
    assert registers.read(3, 40_000, 2) == [0x5375, 0x6E53]
    now.s += STALE_AFTER_S + 1
    with pytest.raises(Refusal):
        registers.read(3, 40_000, 2)


def test_great_powers_take_a_coarser_scale_and_counters_wrap() -> None:
    points = meter_points(SAMPLE._replace(power_w=(100_000.0, 40_000.0, 30_000.0, 30_000.0)), (2**32 + 7) * 1000, 0)
    assert (points["W"], points["WphA"], points["W_SF"]) == (10_000, 4_000, 1)
    assert points["TotWhImp"] == 7


def test_a_client_that_speaks_something_else_is_cut_off() -> None:
    async def scene() -> bytes:
        server = SunSpecServer(MeterRegisters(IDENTITY), host="127.0.0.1", port=0)
        await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(FAR_S):
            answer = await reader.read()
        writer.close()
        await server.stop()
        return answer

    assert asyncio.run(scene()) == b""


def started(*words: str) -> tuple[subprocess.Popen[str], str]:
    """The emulator's command and the address that it prints."""
    command = [sys.executable, "-m", "drivers.sim", "serve", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], FAR_S)[0]
    return process, process.stdout.readline().split()[-1]


@pytest.mark.parametrize("way", ["--pty", "--modbus-tcp"])
def test_the_command_serves_a_meter_until_interrupted(way: str) -> None:
    process, where = started("em340", way, *(["0"] if way == "--modbus-tcp" else []))
    try:
        if way == "--pty":
            device = open_serial(SerialLine(where, baud=115_200), timeout_s=FAR_S)
        else:
            device = open_tcp("127.0.0.1", int(where.rpartition(":")[2]), timeout_s=FAR_S)
        with device:
            sample = ModbusMeter(device, MonotonicTicks(), load_profile("em340"), 69_000).start()
        assert 1_000_000_000 <= sample.import_counts <= 1_001_000_000
    finally:
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=FAR_S)
    assert process.returncode == 0


def test_the_command_serves_sunspec_to_an_independent_client() -> None:
    process, where = started("sunspec-704", "--modbus-tcp", "0")
    try:
        port = int(where.rpartition(":")[2])
        client = independent.SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port, timeout=FAR_S)
        client.scan()
        control = client.models[704][0]
        control.WSetRvrtTms.value, control.WSet.cvalue, control.WSetEna.value = 60, 1_500, 1
        control.write()
        control.read()
        state = client.models[701][0]
        state.read()
        assert (control.WSet.cvalue, control.WSetEna.value, state.W.cvalue) == (1_500, 1, 1_500)
        client.close()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("part", known_parts())
def test_every_part_can_be_built_and_refuses_an_unknown_fault(part: str) -> None:
    assert make_unit(part).fault == ""
    assert make_unit(part, "bad-crc").fault == "bad-crc"
    with pytest.raises(ValueError, match="fault"):
        make_unit(part, "no-such-fault")


def test_a_taken_port_and_an_unknown_part_end_with_code_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = ["serve", "sdm630", "--modbus-tcp", str(taken.getsockname()[1])]
        done = subprocess.run([sys.executable, "-m", "drivers.sim", *words], capture_output=True, timeout=FAR_S)
    assert done.returncode == 2
    done = subprocess.run(
        [sys.executable, "-m", "drivers.sim", "serve", "sdm999", "--pty"], capture_output=True, timeout=FAR_S
    )
    assert done.returncode == 2
