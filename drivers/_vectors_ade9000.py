"""Vector rows of the ADE9000, computed by the driver's own frames, scaling and settings."""

from __future__ import annotations

import re
from collections.abc import Callable

from drivers import _vectors_ade as shared
from drivers._vectors_row import Row, SkippedRow
from drivers.chips import ade9000_registers as reg
from drivers.chips import ade9000_scaling as scaling
from drivers.chips.ade9000_link import answer_word
from drivers.chips.ade_site import Site

_MOST_PGA = 4
_BY_SITE: tuple[tuple[re.Pattern[str], Callable[[int, Site], float]], ...] = (
    (re.compile("[ABC]V(F?RMS|RMSONE|RMS1012)"), scaling.voltage_v),
    (re.compile("[ABCN]I(F?RMS|RMSONE|RMS1012)|ISUMRMS"), scaling.current_a),
    (re.compile("[ABC]F?(WATT|VAR|VA)"), scaling.power),
)
_PLAIN: tuple[tuple[re.Pattern[str], Callable[[int], float]], ...] = (
    (re.compile("[ABC](PF|VTHD|ITHD)"), scaling.fraction),
    (re.compile("([ABC]|COM_)PERIOD|USER_PERIOD"), scaling.frequency_hz),
    (re.compile(".*GAIN[0-4]?"), scaling.gain),
)


def compute(row: Row) -> str:
    """The row's value in the notation of `expected`. Raises SkippedRow, DriverError."""
    inputs = row.inputs
    if "bus" in inputs:
        if row.quantity == "read answer":
            address = shared.word(row, "address")
            return f"0x{answer_word(shared.answer_bytes(row), address):0{2 * reg.width(address)}X}"
        return shared.request_bytes(row, reg.read_frame, reg.write_frame)
    if "dynamic_range" in inputs:
        return str(scaling.vlevel(float(inputs["dynamic_range"])))
    if {"measured", "expected"} <= inputs.keys():
        return str(scaling.gain_word(float(inputs["measured"]), float(inputs["expected"])))
    if "degrees" in inputs:
        return str(scaling.phase_word(float(inputs["degrees"]), int(row.args.get("f_hz", "50"))))
    if "TEMP_RSLT" in inputs:
        parts = [shared.word(row, name) for name in ("TEMP_RSLT", "TEMP_GAIN", "TEMP_OFFSET")]
        return repr(scaling.temperature_c(*parts))
    return _measured(row)


def _measured(row: Row) -> str:
    if not row.inputs:
        raise SkippedRow(row.quantity)
    name = next(iter(row.inputs))
    first = shared.word(row, name)
    if name.endswith("HR_HI"):
        counts = reg.energy_counts(first, shared.word(row, name[:-2] + "LO"))
        return str(counts) if "counts" in row.quantity else repr(scaling.energy_wh(counts, _site(row)))
    if name.startswith("ANGL"):
        return repr(scaling.angle_degree(first, int(row.args.get("f_hz", "50"))))
    for pattern, convert in _BY_SITE:
        if pattern.fullmatch(name):
            return repr(convert(first, _site(row)))
    for plain, value_of in _PLAIN:
        if plain.fullmatch(name):
            return repr(value_of(first))
    raise SkippedRow(row.quantity)


def _site(row: Row) -> Site:
    return shared.site_of(row, _MOST_PGA)
