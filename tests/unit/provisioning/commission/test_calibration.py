"""Gains follow the reference meter, within limits, and never from a reference that moved."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from provisioning.commission.calibration import (
    CalibrationError,
    Reference,
    can_calibrate,
    formula_errors,
    new_word,
    require_steady,
)
from provisioning.commission.means import Means

SHARED = Path(__file__).resolve().parents[5] / "shared" / "reference"


def test_a_gain_makes_the_meter_show_the_reference() -> None:
    word = new_word("spi:atm90e32as", "voltage", 0x8000, 229.0, 230.5)
    assert 229.0 * word / 0x8000 == pytest.approx(230.5, rel=2e-5)
    for kind, bits in (("i2c:ade7878", 23), ("spi:ade7878", 23), ("spi:ade9000", 27)):
        first = new_word(kind, "voltage", 0, 10.0, 9.9)
        assert 10.0 * (1 + first / 2**bits) == pytest.approx(9.9, rel=1e-6)
        second = new_word(kind, "voltage", first, 9.9, 10.05)
        assert 10.0 * (1 + second / 2**bits) == pytest.approx(10.05, rel=1e-6)


def test_the_power_gain_of_the_atm90e32as_is_the_vendors_word() -> None:
    assert new_word("spi:atm90e32as", "power", 0, 1 - 0.1378, 1.0) == 5237
    assert new_word("spi:atm90e32as", "power", 0, 1.02, 1.0) == 64893
    assert new_word("spi:atm90e32as", "power", 64893, 1.0, 1.02) in (0, 1, 65535)


@pytest.mark.parametrize(
    ("shown", "reference"), [(100.0, 49.9), (100.0, 200.1), (0.0, 230.0), (230.0, 0.0), (-5.0, 5.0)]
)
@pytest.mark.parametrize("kind", ["spi:atm90e32as", "spi:ade9000"])
def test_a_step_that_no_calibration_needs_is_refused(kind: str, shown: float, reference: float) -> None:
    with pytest.raises(CalibrationError, match=r"step|must not be 0"):
        new_word(kind, "voltage", 0x8000 if kind == "spi:atm90e32as" else 0, shown, reference)


def test_gains_beyond_the_register_are_refused() -> None:
    with pytest.raises(CalibrationError, match="16 bits"):
        new_word("spi:atm90e32as", "voltage", 0xC000, 100.0, 140.0)
    half = new_word("spi:ade7878", "current", 0, 1.0, 1.9)
    with pytest.raises(CalibrationError, match="24 bits"):
        new_word("spi:ade7878", "current", half, 1.0, 1.9)


def test_a_sealed_meter_is_not_calibrated() -> None:
    assert not can_calibrate("modbus-rtu:sdm630")
    with pytest.raises(CalibrationError, match="has no gains"):
        new_word("modbus-rtu:sdm630", "voltage", 0, 1.0, 1.0)


def test_a_reference_that_moved_is_refused() -> None:
    require_steady(Reference(0, 230.0, 231.1))
    with pytest.raises(CalibrationError, match=r"phase B: the reference went from 230 to 231\.2"):
        require_steady(Reference(1, 230.0, 231.2))


def test_the_one_formula_must_hold_on_every_phase_that_carries_a_load() -> None:
    means = Means((230.0, 230.0, 230.0), (10.0, 10.0, 0.1), (2_300.0, 2_280.0, 40.0), None, 10, 0)
    wrong = formula_errors(means, (1.0, 1.0, 1.0))
    assert len(wrong) == 1
    assert wrong[0].startswith("phase B: U x I x PF = 2300.0 W, P = 2280.0 W")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the reference vectors are not there: gains are NOT compared with them")
def test_the_reference_vectors_of_gains_agree() -> None:
    compared = 0
    for part, kind in (("ade7878", "i2c:ade7878"), ("ade9000", "spi:ade9000")):
        with (SHARED / f"vectors-{part}.csv").open() as stream:
            for row in csv.DictReader(stream):
                given = dict(pair.split("=") for pair in row["inputs"].split() if "=" in pair)
                if {"expected", "measured"} <= given.keys() and row["expected"].lstrip("-").isdigit():
                    word = new_word(kind, "voltage", 0, float(given["measured"]), float(given["expected"]))
                    assert word % 2**32 == int(row["expected"]) % 2**32, row["id"]
                    compared += 1
    assert compared
