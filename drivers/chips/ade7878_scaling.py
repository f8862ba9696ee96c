"""Raw words of the ADE7878 into physical values, and calibration words. Floats live here, never counters.

Source: data sheet; reference/conversions.md. Full scale of a site: 0.5 V peak at the pins over divider or sensor.
"""

from math import cos, radians

from drivers.chips import ade7878_registers as reg
from drivers.chips import ade_scaling
from drivers.chips.ade7878_settings import PEAK, PMAX
from drivers.chips.ade_settings import SAMPLES_PER_HOUR
from drivers.chips.ade_site import Site

RMS_FULL_SCALE = 4191910
UNITY_GAIN, GAIN_BITS = 1 << 23, 24


def voltage_v(word: int, site: Site) -> float:
    """xVRMS in V."""
    return reg.signed24(word) * ade_scaling.voltage_full_scale_v(site, PEAK) / RMS_FULL_SCALE


def current_a(word: int, site: Site) -> float:
    """xIRMS in A."""
    return reg.signed24(word) * ade_scaling.current_full_scale_a(site, PEAK) / RMS_FULL_SCALE


def power(word: int, site: Site) -> float:
    """xWATT, xVAR, xVA in W, var, VA; the registers show a sixteenth of PMAX."""
    return reg.signed24(word) * 16 * ade_scaling.power_full_scale_w(site, PEAK) / PMAX


def frequency_hz(word: int) -> float:
    """Line frequency from PERIOD, in steps of 3.90625 us."""
    return 256000 / (word + 1)


def angle_degree(word: int, line_hz: float) -> float:
    """Delay of the current behind the voltage in degrees."""
    return word * 360 * line_hz / 256000


def displacement_factor(word: int, line_hz: float) -> float:
    """Cosine of the angle: the displacement factor, not the true power factor."""
    return cos(radians(angle_degree(word, line_hz)))


def wh_per_count(wthr: int, site: Site) -> float:
    """Energy of one count of xWATTHR in Wh, for display; books use the settings' fraction."""
    return ade_scaling.power_full_scale_w(site, PEAK) * wthr / PMAX / SAMPLES_PER_HOUR


def apparent_code(v_rms: int, i_rms: int) -> int:
    """The xVA code that belongs to two rms codes: their product over 2^23, rounded down."""
    return v_rms * i_rms >> 23


def gain_word(measured: float, expected: float) -> int:
    """Signed gain value that turns `measured` into `expected`: factor 1 + raw / 2^23. Raises ValueOutOfRange."""
    return ade_scaling.gain_word(measured, expected, UNITY_GAIN, GAIN_BITS)


def part_of_checksum(word: int) -> str:
    """Which part answers after a reset; anything unknown must stop a driver."""
    if word == reg.CHECKSUM_ADE7878:
        return "ADE7878"
    if word == reg.CHECKSUM_ADE7878A:
        return "ADE7878A"
    return "unknown or no bus"


def modular_difference(previous: int, now: int, bits: int) -> int:
    """`now` less `previous` of a counter that wraps at `bits`, as twos complement."""
    half = 1 << bits - 1
    return ((now - previous + half) & ((1 << bits) - 1)) - half
