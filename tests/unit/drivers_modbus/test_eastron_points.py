"""The tables are those of the reference, and a read asks for nothing that a meter lacks."""

import csv
from pathlib import Path

import pytest

from drivers.modbus.eastron_points import (
    EXPORT_ADDRESS,
    IMPORT_ADDRESS,
    MODELS,
    MOST_REGISTERS,
    NO_POINT,
    SDM120_POINTS,
    SDM630_POINTS,
)

TABLES = {"SDM630": SDM630_POINTS, "SDM120": SDM120_POINTS}


@pytest.mark.parametrize("model", sorted(TABLES))
def test_table_equals_the_reference(shared_dir: Path, model: str) -> None:
    with (shared_dir / "reference" / "modbus-meters.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["meter"] == model and row["function"] == "4"]
    expected = [(row["quantity"], int(row["addr_dec"]), row["type"], int(row["multiplier"])) for row in rows]
    assert list(TABLES[model]) == expected


@pytest.mark.parametrize("model", sorted(MODELS))
def test_a_block_has_at_most_80_registers_and_every_field_is_in_one(model: str) -> None:
    blocks, fields = MODELS[model]
    covered = {address + k for address, count in blocks for k in range(count)}
    assert all(count <= MOST_REGISTERS for _, count in blocks)
    wanted = {address for group in fields.values() for address in group if address != NO_POINT}
    assert wanted | {IMPORT_ADDRESS, EXPORT_ADDRESS} <= covered


@pytest.mark.parametrize("model", ["SDM120", "SDM230"])
def test_a_small_meter_is_never_asked_for_a_gap(model: str) -> None:
    present = {address + k for _, address, _, _ in SDM120_POINTS for k in (0, 1)}
    blocks, _ = MODELS[model]
    assert {address + k for address, count in blocks for k in range(count)} <= present
