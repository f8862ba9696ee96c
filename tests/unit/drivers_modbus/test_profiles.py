"""Profiles are those of the reference, ask for nothing a meter lacks, and a wrong file is refused by name."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.bus import Clock
from drivers.errors import WrongChip
from drivers.linux.modbus import open_tcp
from drivers.linux.modbus_profiles import known_profiles, load_profile
from drivers.modbus.meter import ModbusMeter
from drivers.modbus.profile import KINDS, ProfileError
from drivers.sample import FLAG_QUARANTINED
from drivers.sim.modbus_image import MICROJOULE_PER_KWH, MeterTruth
from drivers.sim.modbus_line import EmulatedLine, EmulatedUnit
from drivers.sim.modbus_meter import METER_FAULTS, EmulatedMeter

CG = "EM330/EM340/ET330/ET340/EM24_E1"
EASTRON = {"sdm630": "SDM630", "sdm120": "SDM120", "sdm230": "SDM230"}
TABLES = {**EASTRON, "em24": "EM24 (RS485)", "em340": CG, "em24-e1": CG}
DECIMALS = {"1": 0, "0.1": 1, "0.001": 3}
EASTRON_MOST = 80
OWN = """
format = 1
title = "A meter nobody has heard of"
function = 3
word_order = "low-first"
type = "uint32"
blocks = [[1000, 4], [2000, 2], [2100, 3]]

[[identify]]
at = 7
low = 42
high = 43

[points]
import_active_energy = { at = 1000, unit = "Wh" }
export_active_energy = { at = 1002, unit = "Wh" }
active_power = { at = 2000, type = "int32", decimals = 1, unit = "W" }
voltage = { at = 2100, type = "uint16", decimals = 2, unit = "V" }
frequency = { at = 2102, type = "uint16", decimals = 2, unit = "Hz" }
"""
TRUTH = MeterTruth(
    (1_234_500, -200_000, 3_000),
    987 * MICROJOULE_PER_KWH + 123_456_789,
    55 * MICROJOULE_PER_KWH + 987,
    (700 * MICROJOULE_PER_KWH, 200 * MICROJOULE_PER_KWH + 1, 87 * MICROJOULE_PER_KWH),
    (5 * MICROJOULE_PER_KWH, 20 * MICROJOULE_PER_KWH, 30 * MICROJOULE_PER_KWH),
)


class Ticks(Clock):
    """A clock of a minute per look."""

    now_ms = 0

    def ticks_ms(self) -> int:
        """One minute on."""
        self.now_ms += 60_000
        return self.now_ms

    def ticks_diff(self, a: int, b: int) -> int:
        """From b to a."""
        return a - b


@pytest.mark.parametrize("name", sorted(TABLES))
def test_table_equals_the_reference(shared_dir: Path, name: str) -> None:
    with (shared_dir / "reference" / "modbus-meters.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["meter"] == TABLES[name] and row["function"] == "4"]
    profile = load_profile(name)
    expected = {
        row["quantity"]: (
            int(row["addr_dec"]),
            row["type"],
            DECIMALS[row["multiplier"]],
            row["unit"],
        )
        for row in rows
    }
    assert {key: tuple(point) for key, point in profile.points.items()} == expected
    assert profile.low_word_first == (rows[0]["word_order"] != "big")


@pytest.mark.parametrize("name", known_profiles())
def test_no_request_is_longer_than_the_meter_allows(name: str) -> None:
    assert all(count <= EASTRON_MOST for _, count in load_profile(name).blocks)


@pytest.mark.parametrize("name", [name for name in known_profiles() if name != "sdm630"])
def test_only_the_sdm630_is_asked_for_gaps(name: str) -> None:
    profile = load_profile(name)
    present = {point.address + k for point in profile.points.values() for k in range(KINDS[point.kind])}
    asked = {address + k for address, count in profile.blocks + profile.energy_blocks for k in range(count)}
    assert asked <= present


@pytest.mark.parametrize("name", known_profiles())
def test_every_known_meter_is_read_right_from_its_emulator_and_its_faults_are_quarantined(name: str) -> None:
    truth = [TRUTH]
    meter = EmulatedMeter(load_profile(name), lambda: truth[0])
    with EmulatedLine({1: EmulatedUnit(meter)}) as line, open_tcp(line.host, line.port) as device:
        driver = ModbusMeter(device, Ticks(), load_profile(name), 69_000)
        sample = driver.start()
        step = 100_000 if name.startswith("em") else 100
        assert 987_000_034 - step <= sample.import_counts <= 987_000_034 + step
        assert sample.power_w is not None
        assert sample.power_w[0] == pytest.approx(1037.5 if name not in ("sdm120", "sdm230") else 1234.5, abs=0.1)
        assert sample.flags == 0
        for fault in METER_FAULTS:
            meter.fault = fault
            spoilt = driver.read()
            assert spoilt.import_counts == sample.import_counts, fault
            assert bool(spoilt.flags & FLAG_QUARANTINED) == (fault not in ("energy-stuck", "frozen")), fault
        meter.fault = ""
        truth[0] = replace(TRUTH, import_microjoule=TRUTH.import_microjoule + MICROJOULE_PER_KWH)
        assert driver.read().import_counts == pytest.approx(sample.import_counts + 1_000_000, abs=step)


def test_a_meter_is_added_by_a_data_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "unheard-of.toml"
    file.write_text(OWN)
    profile = load_profile(str(file))
    truth = replace(TRUTH, phase_milliwatts=(-500_000, 0, 0))
    meter = EmulatedMeter(profile, lambda: truth)
    with EmulatedLine({1: EmulatedUnit(meter)}) as line, open_tcp(line.host, line.port) as device:
        sample = ModbusMeter(device, Ticks(), profile, 69_000).start()
    assert (sample.import_counts, sample.export_counts) == (987_000_000, 55_000_000)
    assert sample.power_w == (-500.0, -500.0, 0.0, 0.0)
    assert sample.voltage_v == (230.0, 0.0, 0.0)
    assert sample.frequency_hz == 50.0
    assert sample.current_a is None


def test_a_relative_of_the_meter_is_not_taken_for_it() -> None:
    profile = load_profile("em24-e1")
    other = profile._replace(identify=(profile.identify[0]._replace(low=340),))
    with (
        EmulatedLine({1: EmulatedUnit(EmulatedMeter(other, lambda: TRUTH))}) as line,
        open_tcp(line.host, line.port) as device,
        pytest.raises(WrongChip, match="register 11 holds 340"),
    ):
        ModbusMeter(device, Ticks(), profile, 69_000).start()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format = 1", "format = 2", "format"),
        ("format = 1", "format = 1\ncolour = 3", "colour"),
        ('title = "A meter nobody has heard of"', "", "title"),
        ("function = 3", "function = 6", "function"),
        ('"low-first"', '"little"', "word_order"),
        ("blocks = [[1000, 4], [2000, 2], [2100, 3]]", "", "blocks"),
        ("[1000, 4]", "[1000, 126]", "blocks"),
        ("[1000, 4]", "[1000, 3]", "export_active_energy whole"),
        ("[2100, 3]", "[65535, 2]", "blocks"),
        ("import_active_energy", "import_energy", "import_active_energy"),
        ('at = 1000, unit = "Wh"', 'at = 1000, unit = "J"', "unit"),
        ('at = 1000, unit = "Wh"', 'at = 65535, unit = "Wh"', "at"),
        ('at = 1000, unit = "Wh"', 'at = 1000, unit = "Wh", scale = 3', "scale"),
        ('"int32", decimals = 1', '"int32", decimals = 7', "decimals"),
        ('"int32", decimals = 1', '"float32", decimals = 1', "decimals"),
        ('"int32", decimals = 1', '"int33", decimals = 1', "int33"),
        ("active_power = {", "reactive_power = {", "reactive_power.unit"),
        ("low = 42", "low = 44", "identify.high"),
        ("high = 43", "", "identify"),
        ("[points]", "[points", "TOML"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_by_file_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in OWN
    file = tmp_path / "spoilt.toml"
    file.write_text(OWN.replace(old, new, 1))
    with pytest.raises(ProfileError) as caught:
        load_profile(str(file))
    assert "spoilt" in str(caught.value)
    assert said in str(caught.value)


def test_an_unknown_name_and_a_missing_file_are_refused() -> None:
    with pytest.raises(ProfileError, match="sdm630"):
        load_profile("sdm999")
    with pytest.raises(ProfileError, match="No such file"):
        load_profile("/nowhere/x.toml")
