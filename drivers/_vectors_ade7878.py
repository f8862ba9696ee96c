"""Vector rows of the ADE7878, computed by the driver's own frames, scaling and settings."""

from __future__ import annotations

from drivers import _vectors_ade as shared
from drivers._vectors_row import Row, SkippedRow
from drivers.bus import I2cDevice, SpiDevice
from drivers.chips import ade7878_registers as reg
from drivers.chips import ade7878_scaling as scaling
from drivers.chips.ade7878_link import I2cPort, SpiPort

_MOST_PGA = 16


class _Answer(SpiDevice, I2cDevice):
    """A bus that gives one prepared answer, whatever is asked."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def transfer(self, tx: bytes) -> bytes:
        return self._answer

    def write_read(self, data: bytes, n: int) -> bytes:
        return self._answer


def compute(row: Row) -> str:
    """The row's value in the notation of `expected`. Raises SkippedRow, DriverError."""
    if "bus" in row.inputs:
        return _frame(row)
    if {"previous", "now"} <= row.inputs.keys():
        return str(scaling.modular_difference(shared.word(row, "previous"), shared.word(row, "now"), 32))
    if {"measured", "expected"} <= row.inputs.keys():
        return str(scaling.gain_word(float(row.inputs["measured"]), float(row.inputs["expected"])))
    if "value" in row.inputs:
        return f"0x{reg.zpse(int(row.inputs['value'], 0)):08X}"
    if "CHECKSUM" in row.inputs:
        return scaling.part_of_checksum(shared.word(row, "CHECKSUM"))
    if {"WTHR1", "WTHR0"} <= row.inputs.keys():
        threshold = shared.word(row, "WTHR1") << 24 | shared.word(row, "WTHR0")
        return repr(scaling.wh_per_count(threshold, shared.site_of(row, _MOST_PGA)))
    return _measured(row)


def _frame(row: Row) -> str:
    address = shared.word(row, "address")
    over_i2c = row.inputs["bus"] == "i2c"
    if row.quantity == "read answer":
        bus = _Answer(shared.answer_bytes(row))
        value = (I2cPort(bus) if over_i2c else SpiPort(bus)).read(address)
        return f"0x{value:0{2 * reg.width(address)}X}"
    if over_i2c:
        return shared.request_bytes(row, reg.i2c_read_request, reg.i2c_write_request)
    return shared.request_bytes(row, reg.spi_read_request, reg.spi_write_request)


def _measured(row: Row) -> str:
    """A register's value: which conversion is told by the register's name and the quantity."""
    names = list(row.inputs)
    if not names:
        raise SkippedRow(row.quantity)
    name, first = names[0], shared.word(row, names[0])
    site = shared.site_of(row, _MOST_PGA)
    if len(names) == 2 and {names[0][1:], names[1][1:]} == {"VRMS", "IRMS"}:
        volts, amperes = sorted(names, key=lambda one: one[1] != "V")
        return str(scaling.apparent_code(shared.word(row, volts), shared.word(row, amperes)))
    if "sign extension" in row.quantity:
        return str(reg.signed24(first))
    if name.endswith("HR"):
        per_count = scaling.wh_per_count(int(row.args["wthr"]), site)
        return repr(reg.signed32(first) * per_count)
    if name.startswith("ANGLE"):
        line_hz = float(row.args.get("f_hz", "50"))
        convert = scaling.displacement_factor if "cos" in row.quantity else scaling.angle_degree
        return repr(convert(first, line_hz))
    if name == "PERIOD":
        return repr(scaling.frequency_hz(first))
    if "VRMS" in name:
        return repr(scaling.voltage_v(first, site))
    if "IRMS" in name:
        return repr(scaling.current_a(first, site))
    if name[1:] in ("WATT", "VAR", "VA"):
        return repr(scaling.power(first, site))
    raise SkippedRow(row.quantity)
