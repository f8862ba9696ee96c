"""Vector rows of the ATM90E32AS, read through the driver's own link over a bus that holds the row's registers."""

from __future__ import annotations

import re
from collections.abc import Callable

from drivers._vectors_row import Row, SkippedRow
from drivers.bus import SpiDevice
from drivers.chips import atm90e32as_registers as reg
from drivers.chips import atm90e32as_scaling as scaling
from drivers.chips.atm90e32as_link import Link

_PHASES = {"T": 0, "A": 1, "B": 2, "C": 3}


class _RegisterBus(SpiDevice):
    """An SpiDevice over a dictionary of registers, which remembers what was sent."""

    def __init__(self, words: dict[int, int], answer: bytes | None = None) -> None:
        self._words = words
        self._answer = answer
        self._last = 0
        self.sent = b""

    def transfer(self, tx: bytes) -> bytes:
        self.sent = bytes(tx)
        if self._answer is not None:
            return self._answer
        address = (tx[0] & 3) << 8 | tx[1]
        if address != reg.LAST_SPI_DATA:
            self._last = self._words.get(address, 0)
        return bytes((0xA5, 0xA5, self._last >> 8, self._last & 0xFF))


def compute(row: Row) -> str:
    """The row's value in the notation of `expected`. Raises SkippedRow, DriverError."""
    if "bus" in row.inputs:
        return _frame(row)
    if {"PLconstH", "PLconstL"} <= row.inputs.keys():
        return str(scaling.meter_constant_of(_word(row, "PLconstH"), _word(row, "PLconstL")))
    for name in row.inputs:
        for pattern, convert in _REGISTERS:
            found = pattern.fullmatch(name)
            if found:
                return repr(float(convert(row, name, *found.groups())))
    return str(_calibration(row))


def _word(row: Row, name: str) -> int:
    word = int(row.inputs[name], 0)
    if not 0 <= word <= 0xFFFFFFFF:
        raise ValueError(f"{name}={word} is no register word")
    return word


def _frame(row: Row) -> str:
    """A frame as bytes on the wire, or the word of an answer."""
    if row.inputs["bus"] != "spi":
        raise SkippedRow(row.quantity)
    address = _word(row, "address")
    if row.quantity == "read answer":
        bus = _RegisterBus({}, bytes.fromhex(row.inputs["bytes"].replace("-", "")))
        return f"0x{Link(bus).read(address):04X}"
    bus = _RegisterBus({})
    if row.quantity == "write request":
        Link(bus).write(address, _word(row, "value"))
    elif row.quantity == "read request":
        Link(bus).read(address)
    else:
        raise SkippedRow(row.quantity)
    return bus.sent.hex(" ").upper()


def _read(row: Row, name: str, address: int) -> int:
    """The row's register through the driver's frames and answers."""
    return Link(_RegisterBus({address: _word(row, name)})).read(address)


def _rms(row: Row, name: str, kind: str, phase: str) -> float:
    base, convert = (reg.U_RMS, scaling.voltage_v) if kind == "U" else (reg.I_RMS, scaling.current_a)
    if phase == "N":
        return scaling.current_a(_read(row, name, reg.I_RMS_N))
    address = base[_PHASES[phase] - 1]
    words = {address: _word(row, name), address + reg.LOW_WORD: int(row.inputs.get(name + "LSB", "0"), 0)}
    link = Link(_RegisterBus(words))
    return convert(link.read(address), link.read(address + reg.LOW_WORD))


def _power(row: Row, name: str, kind: str, phase: str, part: str) -> float:
    base = {"P": reg.P_MEAN, "Q": reg.Q_MEAN, "S": reg.S_MEAN, "SA": reg.S_MEAN}[kind][_PHASES[phase]]
    address = base + {"": 0, "F": 0x20, "H": 0x24}[part]
    words = {address: _word(row, name), address + reg.LOW_WORD: int(row.inputs.get(name + "LSB", "0"), 0)}
    return scaling.power(*Link(_RegisterBus(words)).read_double(address, reg.LOW_WORD))


def _factor(row: Row, name: str, phase: str) -> float:
    return scaling.power_factor(_read(row, name, reg.PF_MEAN[_PHASES[phase]]))


def _angle(row: Row, name: str, kind: str, phase: str) -> float:
    address = (reg.P_ANGLE if kind == "PAngle" else reg.U_ANGLE)[_PHASES[phase] - 1]
    mapped = kind == "PAngle" or "mapped" in row.quantity
    convert = scaling.angle_mapped_degree if mapped else scaling.angle_degree
    return convert(_read(row, name, address))


def _frequency(row: Row, name: str) -> float:
    return scaling.frequency_hz(_read(row, name, reg.FREQ))


def _temperature(row: Row, name: str) -> float:
    return scaling.temperature_c(_read(row, name, reg.TEMP))


def _energy(row: Row, name: str, kind: str, phase: str, part: str) -> float:
    base = {"AP": 0x80, "AN": 0x84, "RP": 0x88, "RN": 0x8C, "SA": 0x90, "S": 0x90}[kind] + _PHASES[phase]
    address = base + {"": 0, "F": 0x20, "H": 0x28}[part]
    return scaling.energy_wh(_read(row, name, address), int(row.args.get("mc", "3200")))


def _peak(row: Row, name: str, kind: str, phase: str) -> float:
    address = (0xF1 if kind == "U" else 0xF5) + _PHASES[phase] - 1
    gain = _word(row, f"{kind}gain{phase}") if f"{kind}gain{phase}" in row.inputs else _word(row, f"{kind}gain")
    return (scaling.peak_v if kind == "U" else scaling.peak_a)(_read(row, name, address), gain)


_REGISTERS: tuple[tuple[re.Pattern[str], Callable[..., float]], ...] = (
    (re.compile("([UI])rms([ABCN])"), _rms),
    (re.compile("(P|Q|SA|S)mean([TABC])([FH]?)"), _power),
    (re.compile("PFmean([TABC])"), _factor),
    (re.compile("(PAngle|Uangle|UAngle)([ABC])"), _angle),
    (re.compile("Freq"), _frequency),
    (re.compile("Temp"), _temperature),
    (re.compile("(AP|AN|RP|RN|SA|S)energy([TABC])([FH]?)"), _energy),
    (re.compile("([UI])peak([ABC])"), _peak),
)


def _calibration(row: Row) -> int:
    """A calibration word from what the row gives; the arguments tell the formula."""
    inputs, args = row.inputs, row.args
    if {"measured", "reference"} <= args.keys():
        old = next((int(text, 0) for name, text in inputs.items() if "gain" in name.lower()), 0x8000)
        return scaling.new_gain(old, float(args["measured"]), float(args["reference"]))
    if "error" in args:
        error = float(args["error"])
        if "Phi" in row.quantity or "f_hz" in args:
            return scaling.phase_delay(error, int(args.get("f_hz", "50")))
        return scaling.energy_gain(error)
    if "volts" in args:
        gain = next((int(text, 0) for name, text in inputs.items() if "gain" in name.lower()), 0x8000)
        return scaling.voltage_threshold(float(args["volts"]), gain)
    if "watts" in args:
        return scaling.power_threshold(float(args["watts"]))
    for name, text in inputs.items():
        if re.fullmatch("[UI]rms[ABC]?32", name):
            return scaling.rms_offset(int(text, 0))
        if re.fullmatch("[PQ]mean[ABC]?32", name):
            return scaling.power_offset(int(text, 0))
    raise SkippedRow(row.quantity)
