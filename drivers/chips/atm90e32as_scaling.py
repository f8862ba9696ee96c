"""Raw words of the ATM90E32AS into physical values, and calibration formulas. Floats live here, never counters.

Source: data sheet register tables; application note, calibration; reference/conversions.md. Integers are
multiplied before they are divided, so that 3125 raw of 0.00032 W is exactly 1.0 W.
"""

from math import sqrt

from drivers.chips.atm90e32as_registers import signed16, signed32
from drivers.chips.atm90e32as_settings import PL_NUMERATOR
from drivers.errors import ValueOutOfRange


def voltage_v(high: int, low: int = 0) -> float:
    """Urms in V; of the low word only bits 15..8 are valid."""
    return ((high << 8) + (low >> 8)) / 25600


def current_a(high: int, low: int = 0) -> float:
    """Irms in A; of the low word only bits 15..8 are valid."""
    return ((high << 8) + (low >> 8)) / 256000


def power(high: int, low: int) -> float:
    """P, Q or S in W, var, VA from its two words, 0.00032 a step; the same step for totals."""
    return signed32(high, low) * 32 / 100000


def power_factor(word: int) -> float:
    """Power factor, twos complement thousandths."""
    return signed16(word) / 1000


def angle_degree(word: int) -> float:
    """Angle in degrees as the chip gives it, 0 to 360."""
    return word / 10


def angle_mapped_degree(word: int) -> float:
    """Phase angle in degrees, above 180 mapped to negative."""
    return (word - 3600 if word > 1800 else word) / 10


def frequency_hz(word: int) -> float:
    """Line frequency in Hz; 0.0 if all phases are lost."""
    return word / 100


def temperature_c(word: int) -> float:
    """Chip temperature in degrees Celsius."""
    return signed16(word) / 1


def energy_wh(counts: int, meter_constant: int) -> float:
    """Energy of `counts` hundredths of a pulse in Wh, for display; books keep the counts."""
    return counts * 10 / meter_constant


def meter_constant_of(pl_high: int, pl_low: int) -> int:
    """Pulses per kWh of a PL constant, to the nearest. Raises ValueOutOfRange for 0."""
    pl_constant = pl_high << 16 | pl_low
    if not pl_constant:
        raise ValueOutOfRange("PL constant 0 has no meter constant; the register was not read")
    return (2 * PL_NUMERATOR + pl_constant) // (2 * pl_constant)


def peak_v(word: int, gain: int) -> float:
    """Voltage peak in V from Upeak and the Ugain word in force."""
    return signed16(word) * gain / 819200


def peak_a(word: int, gain: int) -> float:
    """Current peak in A from Ipeak and the Igain word in force."""
    return signed16(word) * gain / 8192000


def new_gain(old: int, measured: float, reference: float) -> int:
    """Gain word that turns `measured` into `reference`. Raises ValueOutOfRange beyond 16 bits or without signal."""
    if measured <= 0:
        raise ValueOutOfRange(f"measured {measured}: no signal to calibrate on")
    return _word(old * reference / measured, 65535, "gain: change PGA, burden or divider")


def energy_gain(error: float) -> int:
    """PQGain word for a relative energy error at power factor 1 (-0.1378 is 13.78 % too little)."""
    if error <= -1:
        raise ValueOutOfRange(f"energy error {error}: nothing was counted")
    return _signed_word(-error / (1 + error) * 32768, "energy gain")


def phase_delay(error: float, line_frequency_hz: int) -> int:
    """Phi word for a relative energy error at power factor 0.5 lagging; sign in bit 15, magnitude 8 bits."""
    steps = error * (3763.739 if line_frequency_hz == 50 else 3136.449)
    magnitude = _word(abs(steps), 255, "phase delay: the transformer is beyond the chip's range")
    return magnitude | 0x8000 if steps < 0 and magnitude else magnitude


def voltage_threshold(volts: float, u_gain: int) -> int:
    """SagTh or PhaseLossTh word for an rms voltage."""
    return _word(volts * 100 * sqrt(2) * 32768 / (2 * u_gain), 65535, "voltage threshold")


def power_threshold(watts: float) -> int:
    """PStartTh or PPhaseTh word for a power in W (var, VA)."""
    return _word(watts * 100000 / 32, 65535, "power threshold: 20.97 W at most")


def rms_offset(raw32: int) -> int:
    """Uoffset or Ioffset word from the mean 32-bit reading without signal."""
    return -(raw32 >> 7) & 0xFFFF


def power_offset(raw32: int) -> int:
    """Poffset or Qoffset word from the mean 32-bit reading with voltage and without current."""
    return -raw32 & 0xFFFF


def _word(value: float, limit: int, what: str) -> int:
    word = int(value + 0.5)
    if value < 0 or word > limit:
        raise ValueOutOfRange(f"{what}; {value} is outside 0..{limit}")
    return word


def _signed_word(value: float, what: str) -> int:
    word = int(value + 0.5) if value >= 0 else -int(0.5 - value)
    if not -32768 <= word <= 32767:
        raise ValueOutOfRange(f"{what} {value} is outside -32768..32767")
    return word & 0xFFFF
