"""Raw words of the ADE7878 into physical values, and calibration words. Floats live here, never counters.

Source: data sheet; reference/conversions.md. Full scale of a site: 0.5 V peak at the pins over divider or sensor.
"""

from math import cos, radians, sqrt

from drivers.chips import ade7878_registers as reg
from drivers.chips.ade_site import Site
from drivers.errors import ValueOutOfRange

RMS_FULL_SCALE = 4191910
PMAX = 33516139
PIN_RMS_V = 0.5 / sqrt(2)
SAMPLES_PER_HOUR = 28800000


def voltage_full_scale_v(site: Site) -> float:
    """Rms volts at the mains that drive the converter to full scale."""
    full_scale: float = PIN_RMS_V * site.divider[0] / site.divider[1] / site.voltage_pga
    return full_scale


def current_full_scale_a(site: Site) -> float:
    """Rms amperes that drive the converter to full scale."""
    full_scale: float = PIN_RMS_V * site.sensor[0] / site.sensor[1] / site.current_pga
    return full_scale


def power_full_scale_w(site: Site) -> float:
    """Watts of both at full scale."""
    full_scale: float = (
        site.divider[0]
        * site.sensor[0]
        / (8 * site.divider[1] * site.sensor[1])
        / (site.voltage_pga * site.current_pga)
    )
    return full_scale


def voltage_v(word: int, site: Site) -> float:
    """xVRMS in V."""
    return reg.signed24(word) * voltage_full_scale_v(site) / RMS_FULL_SCALE


def current_a(word: int, site: Site) -> float:
    """xIRMS in A."""
    return reg.signed24(word) * current_full_scale_a(site) / RMS_FULL_SCALE


def power(word: int, site: Site) -> float:
    """xWATT, xVAR, xVA in W, var, VA; the registers show a sixteenth of PMAX."""
    return reg.signed24(word) * 16 * power_full_scale_w(site) / PMAX


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
    return power_full_scale_w(site) * wthr / PMAX / SAMPLES_PER_HOUR


def apparent_code(v_rms: int, i_rms: int) -> int:
    """The xVA code that belongs to two rms codes: their product over 2^23, rounded down."""
    return v_rms * i_rms >> 23


def gain_word(measured: float, expected: float) -> int:
    """Signed gain value that turns `measured` into `expected`: factor 1 + raw / 2^23. Raises ValueOutOfRange."""
    if measured <= 0:
        raise ValueOutOfRange(f"measured {measured}: no signal to calibrate on")
    value = (expected / measured - 1) * 8388608
    word = int(value + 0.5) if value >= 0 else -int(0.5 - value)
    if not -8388608 <= word <= 8388607:
        raise ValueOutOfRange(f"gain {value} is outside 24 bits: change amplification, burden or divider")
    return word


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
