"""Raw words of the ADE9000 into physical values, and calibration words. Floats live here, never counters.

Source: data sheet revision B; reference/ade9000.md, conversions.md. Full scale of a site: 1 V peak at the pins.
"""

from math import radians, sin

from drivers.chips import ade9000_registers as reg
from drivers.chips import ade_scaling
from drivers.chips.ade9000_settings import PEAK, POWER_FULL_SCALE
from drivers.chips.ade_settings import SAMPLES_PER_HOUR
from drivers.chips.ade_site import Site
from drivers.errors import ValueOutOfRange

RMS_FULL_SCALE = 52702092
SAMPLE_HZ = 8000
UNITY_GAIN, GAIN_BITS = 1 << 27, 32
VLEVEL_STEP = 1144084


def voltage_v(word: int, site: Site) -> float:
    """xVRMS (also the fundamental, one-cycle and ten-cycle ones) in V."""
    return word * ade_scaling.voltage_full_scale_v(site, PEAK) / RMS_FULL_SCALE


def current_a(word: int, site: Site) -> float:
    """xIRMS likewise in A."""
    return word * ade_scaling.current_full_scale_a(site, PEAK) / RMS_FULL_SCALE


def power(word: int, site: Site) -> float:
    """xWATT, xVAR, xVA in W, var, VA."""
    return reg.signed32(word) * ade_scaling.power_full_scale_w(site, PEAK) / POWER_FULL_SCALE


def fraction(word: int) -> float:
    """Power factor and harmonic distortion: 5.27 format, 1.0 = 0x08000000."""
    return reg.signed32(word) / UNITY_GAIN


def gain(word: int) -> float:
    """Factor of a gain register: 1 + raw / 2^27."""
    return 1 + reg.signed32(word) / UNITY_GAIN


def frequency_hz(word: int) -> float:
    """Line frequency from xPERIOD. Outside 40..70 Hz the chip shows its nominal value: no islanding signal."""
    return SAMPLE_HZ * 65536 / (word + 1)


def angle_degree(word: int, line_hz: int) -> float:
    """Angle in degrees; a step is 360 x f / 1 024 000 degrees."""
    return word * (0.017578125 if line_hz == 50 else 0.02109375)


def temperature_c(result: int, trim_gain: int, trim_offset: int) -> float:
    """Degrees Celsius of TEMP_RSLT with the two halves of TEMP_TRIM."""
    return trim_offset / 32 - result * trim_gain / 65536


def energy_wh(counts: int, site: Site) -> float:
    """Energy of a 45-bit count in Wh, for display; books use the settings' fraction."""
    return counts * ade_scaling.power_full_scale_w(site, PEAK) / POWER_FULL_SCALE / SAMPLES_PER_HOUR


def vlevel(dynamic_range: float) -> int:
    """VLEVEL for a full scale of `dynamic_range` times nominal voltage."""
    return int(dynamic_range * VLEVEL_STEP + 0.5)


def gain_word(measured: float, expected: float) -> int:
    """Gain register word that turns `measured` into `expected`. Raises ValueOutOfRange."""
    return ade_scaling.gain_word(measured, expected, UNITY_GAIN, GAIN_BITS) & 0xFFFFFFFF


def phase_word(degrees: float, line_hz: int) -> int:
    """xPHCAL0 for a phase correction, positive when the current lags; -15 to +2.25 degrees at 50 Hz."""
    if not -15 <= degrees * 50 / line_hz <= 2.25:
        raise ValueOutOfRange(f"phase correction {degrees} degrees is outside -15..+2.25 at 50 Hz")
    omega = radians(360 * line_hz / SAMPLE_HZ)
    phi = radians(degrees)
    value = (sin(phi - omega) + sin(omega)) / sin(2 * omega - phi) * UNITY_GAIN
    return ade_scaling.signed_word(value, "phase", GAIN_BITS) & 0xFFFFFFFF
