"""SunSpec chains: the table is the reference's, an independent client agrees, and a broken chain is refused."""

import csv
import struct
from pathlib import Path

import pytest
import sunspec2.modbus.client as independent
from hypothesis import given
from hypothesis import strategies as st

from drivers.bus import Clock
from drivers.errors import DriverError, RegistersLost, ValueOutOfRange, WrongChip
from drivers.linux.modbus import open_tcp
from drivers.linux.modbus_sunspec_models import MODELS, all_rows
from drivers.linux.modbus_sunspec_tables import FILE, table, tables
from drivers.modbus.registers import scaled_by_ten
from drivers.modbus.sunspec import read_model, scan
from drivers.modbus.sunspec_meter import SunSpecMeter
from drivers.modbus.sunspec_values import raw_for, raw_of, text_of, words_for, words_of_text
from drivers.sample import FLAG_QUARANTINED
from drivers.sim.modbus_line import EmulatedLine, EmulatedUnit
from drivers.sim.sunspec_device import EmulatedSunSpec

COMMON = {"Mn": "Hive", "Md": "test", "Vr": "1.2", "SN": "SN-7", "DA": 1}
METER = {
    "W": -1234, "WphA": -1000, "WphB": -300, "WphC": 66, "W_SF": 0, "PhVphA": 2305, "PhVphB": 2310, "PhVphC": 2299,
    "V_SF": -1, "AphA": 45, "AphB": 13, "AphC": 3, "A": 61, "A_SF": -1, "Hz": 5002, "Hz_SF": -2, "PF": -985,
    "PF_SF": -1,    "TotWhImp": 1234567, "TotWhExp": 7654, "TotWh_SF": 1, "Evt": 0,
}  # fmt: skip


class Ticks(Clock):
    """Ten seconds a look."""

    now_ms = 0

    def ticks_ms(self) -> int:
        """Ten seconds on."""
        self.now_ms += 10_000
        return self.now_ms

    def ticks_diff(self, a: int, b: int) -> int:
        """From b to a."""
        return a - b


def meter_device(model: int = 203, base: int = 40_000, **more: int) -> EmulatedSunSpec:
    """A device with a meter behind a model nobody asked for."""
    chain = [(table(1), COMMON), (table(120), {"DERTyp": 4}), (table(model), {**METER, **more})]
    return EmulatedSunSpec(chain, base=base)  # type: ignore[arg-type]


def test_the_table_holds_every_row_of_the_reference(shared_dir: Path) -> None:
    with (shared_dir / "reference" / "sunspec-points.csv").open(newline="") as file:
        expected = {tuple(cell.strip() for cell in row) for row in csv.reader(file)}
    with FILE.open(newline="") as file:
        ours = {tuple(cell.strip() for cell in row) for row in csv.reader(file)}
    assert expected <= ours


def test_the_table_is_what_the_script_writes() -> None:
    with FILE.open(newline="") as file:
        assert list(csv.reader(file))[1:] == list(all_rows())
    assert set(tables()) == set(MODELS)


@pytest.mark.parametrize("base", [40_000, 0, 50_000])
def test_our_scan_and_an_independent_client_find_the_same(base: int) -> None:
    with EmulatedLine({1: EmulatedUnit(meter_device(base=base))}) as line:
        client = independent.SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr=line.host, ipport=line.port, timeout=2)
        client.scan()
        theirs = {
            number: (models[0].model_addr, models[0].model_len)
            for number, models in client.models.items()
            if isinstance(number, int)
        }
        watts = client.models[203][0].W.cvalue
        client.close()
        with open_tcp(line.host, line.port) as device:
            chain = scan(device)
            values = read_model(device, chain[2], table(203))
    assert {found.model: (found.address, found.length) for found in chain} == theirs
    assert (watts, values.number("W")) == (-1234, -1234.0)
    assert values.number("PhVphA") == 230.5
    assert values.number("WphA") == -1000.0
    assert values.number("VAR") is None


@pytest.mark.parametrize("fault", ["no-marker", "empty-chain", "no-end", "starts-wrong", "stuck-high"])
def test_a_broken_chain_is_refused(fault: str) -> None:
    unit = meter_device()
    unit.fault = fault
    with (
        EmulatedLine({1: EmulatedUnit(unit)}) as line,
        open_tcp(line.host, line.port) as device,
        pytest.raises(WrongChip),
    ):
        scan(device)


def test_a_meter_is_read_in_one_request_and_again_after_its_chain_moved() -> None:
    unit = meter_device()
    emulated = EmulatedUnit(unit)
    with EmulatedLine({1: emulated}) as line, open_tcp(line.host, line.port) as device:
        driver = SunSpecMeter(device, Ticks(), tables(), 69_000)
        driver.start()
        asked = emulated.asked
        sample = driver.read()
        assert emulated.asked == asked + 1
        assert (sample.import_counts, sample.export_counts) == (12_345_670_000, 76_540_000)
        assert sample.power_w == (-1234.0, -1000.0, -300.0, 66.0)
        assert sample.voltage_v == (230.5, 231.0, 229.9)
        assert sample.power_factor[0] == pytest.approx(-0.985)
        assert sample.frequency_hz == 50.02
        assert driver.identity == ("Hive", "test", "1.2", "SN-7")
        unit.fault = "moved"
        with pytest.raises(RegistersLost):
            driver.read()


def test_a_reversed_meter_and_a_wrapping_counter_and_a_drop_to_zero() -> None:
    unit = meter_device(TotWhExp=2**32 - 5, TotWh_SF=0)
    with EmulatedLine({1: EmulatedUnit(unit)}) as line, open_tcp(line.host, line.port) as device:
        driver = SunSpecMeter(device, Ticks(), tables(), 69_000, invert=True)
        sample = driver.start()
        assert (sample.import_counts, sample.power_w[0]) == ((2**32 - 5) * 1000, 1234.0)
        unit.set(203, TotWhExp=20, W=-1233)
        wrapped = driver.read()
        assert (wrapped.flags, wrapped.import_counts) == (0, (2**32 + 20) * 1000)
        unit.set(203, TotWhExp=25, W=-1232)
        assert driver.read().import_counts == (2**32 + 25) * 1000
        unit.set(203, TotWhImp=0)
        dropped = driver.read()
        assert dropped.flags & FLAG_QUARANTINED
        assert dropped.export_counts == 1_234_567_000
        restarted = SunSpecMeter(
            device, Ticks(), tables(), 69_000, invert=True, last_valid=((2**32 + 25) * 1000, 1_234_567_000, 10_000)
        )
        unit.set(203, TotWhImp=1_234_568)
        assert restarted.start().import_counts == (2**32 + 25) * 1000


def test_a_float_meter_counts_in_integers() -> None:
    def bits(value: float) -> int:
        return int(struct.unpack(">I", struct.pack(">f", value))[0])

    values = {"W": bits(500.5), "WphA": bits(500.5), "TotWhImp": bits(12345.5), "TotWhExp": bits(0.0), "Hz": bits(50.0)}
    unit = EmulatedSunSpec([(table(1), dict(COMMON)), (table(213), dict(values))])
    with EmulatedLine({1: EmulatedUnit(unit)}) as line, open_tcp(line.host, line.port) as device:
        sample = SunSpecMeter(device, Ticks(), tables(), 69_000).start()
    assert (sample.import_counts, sample.export_counts) == (12_345_500, 0)
    assert sample.power_w == (500.5, 500.5, 0.0, 0.0)
    assert sample.voltage_v is None


def test_an_impossible_scale_factor_is_never_used() -> None:
    unit = meter_device()
    with EmulatedLine({1: EmulatedUnit(unit)}) as line, open_tcp(line.host, line.port) as device:
        driver = SunSpecMeter(device, Ticks(), tables(), 69_000)
        good = driver.start()
        unit.fault = "bad-scale"
        bad = driver.read()
    assert bad.import_counts == good.import_counts
    assert bad.flags & FLAG_QUARANTINED
    assert bad.power_w is None


def test_repeating_groups_are_read_as_often_as_the_device_says() -> None:
    ports = {"NPrt": 2, "DCW_SF": 1, "Prt[0].DCW": 12, "Prt[0].IDStr": "roof", "Prt[1].DCW": -34, "Prt[1].PrtTyp": 1}
    modules = {"N": 3, "DCW_SF": 0, **{f"module[{k}].DCW": 100 + k for k in range(3)}}
    curve = {"NPt": 2, "NCrv": 1, "V_SF": -2, "Crv[0].ActPt": 2, "Crv[0].Pt[0].V": 9700, "Crv[0].Pt[1].V": 10300}
    trip = {"NPt": 1, "NCrvSet": 1, "V_SF": -1, "Crv[0].MustTrip.Pt[0].V": 1200, "Crv[0].MayTrip.Pt[0].V": 1100}
    given = {714: ports, 160: modules, 705: curve, 707: trip}
    unit = EmulatedSunSpec([(table(1), dict(COMMON)), *((table(n), dict(v)) for n, v in given.items())])  # type: ignore[arg-type]
    with EmulatedLine({1: EmulatedUnit(unit)}) as line, open_tcp(line.host, line.port) as device:
        read = {found.model: read_model(device, found, table(found.model)) for found in scan(device)}
        client = independent.SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr=line.host, ipport=line.port, timeout=2)
        client.scan()
        theirs = client.models[707][0].Crv[0].MayTrip.Pt[0].V.value
        client.close()
    assert (read[714].number("Prt[0].DCW"), read[714].number("Prt[1].DCW")) == (120.0, -340.0)
    assert (read[714].text("Prt[0].IDStr"), read[714].symbol("Prt[1].PrtTyp")) == ("roof", "ESS")
    assert [read[160].raw(f"module[{k}].DCW") for k in range(3)] == [100, 101, 102]
    assert read[705].number("Crv[0].Pt[1].V") == 103.0
    assert (theirs, read[707].raw("Crv[0].MayTrip.Pt[0].V")) == (1100, 1100)


@given(st.integers(-(2**31) + 1, 2**31 - 1), st.integers(-10, 10))
def test_what_is_written_at_a_scale_reads_back_as_the_same_value(raw: int, scale: int) -> None:
    value_micro = raw * 10 ** (scale + 6) if scale >= -6 else None
    if value_micro is not None:
        assert raw_for(value_micro, scale, "int32") == raw
    assert raw_of(words_for(raw, "int32"), "int32") == raw


def test_a_value_that_overflows_its_type_is_refused_not_cut() -> None:
    assert raw_for(-40_000_000, -2, "int16") == -4000
    for value_micro, scale in ((400_000_000, -2), (-327_680_000, -2), (1 << 60, 0)):
        with pytest.raises(ValueOutOfRange):
            raw_for(value_micro, scale, "int16")
    with pytest.raises(DriverError):
        raw_for(655_350_000, -2, "uint16")


@given(st.integers(-(10**12), 10**12), st.integers(-9, 9))
def test_scaling_is_to_the_nearest(raw: int, exponent: int) -> None:
    exact = raw * 10**exponent if exponent >= 0 else None
    if exact is not None:
        assert scaled_by_ten(raw, exponent) == exact
    else:
        assert abs(scaled_by_ten(raw, exponent) * 10**-exponent - raw) * 2 <= 10**-exponent


def test_text_is_cut_at_nul_and_never_carries_control_characters() -> None:
    assert text_of(words_of_text("Hive 7", 8)) == "Hive 7"
    assert text_of([0x4101, 0x4200]) == "A?B"
