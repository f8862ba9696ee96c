"""Full scales and gain words of the ADE chips: one body, the parts differ in their input peak and word lengths.

    voltage_full_scale_v(site, peak), current_full_scale_a(site, peak), power_full_scale_w(site, peak)
    gain_word(measured, expected, unity, bits) -> int

`peak` is the sine's peak at the pins that fills the converter, in volts as a fraction: (1, 2) ADE7878, (1, 1) ADE9000.
Floats live here, never counters. Source: reference/conversions.md, "From raw to physical".
"""

from math import sqrt

from drivers.chips.ade_site import Site
from drivers.errors import ValueOutOfRange


def pin_rms_v(peak: tuple[int, int]) -> float:
    """Rms volts at the pins that drive the converter to full scale."""
    rms: float = peak[0] / peak[1] / sqrt(2)
    return rms


def voltage_full_scale_v(site: Site, peak: tuple[int, int]) -> float:
    """Rms volts at the mains that drive the converter to full scale."""
    full_scale: float = pin_rms_v(peak) * site.divider[0] / site.divider[1] / site.voltage_pga
    return full_scale


def current_full_scale_a(site: Site, peak: tuple[int, int]) -> float:
    """Rms amperes that drive the converter to full scale."""
    full_scale: float = pin_rms_v(peak) * site.sensor[0] / site.sensor[1] / site.current_pga
    return full_scale


def power_full_scale_w(site: Site, peak: tuple[int, int]) -> float:
    """Watts of both at full scale: peak squared over 2, so an eighth or a half of divider times sensor."""
    numerator = peak[0] * peak[0] * site.divider[0] * site.sensor[0]
    denominator = 2 * peak[1] * peak[1] * site.divider[1] * site.sensor[1]
    full_scale: float = numerator / denominator / (site.voltage_pga * site.current_pga)
    return full_scale


def gain_word(measured: float, expected: float, unity: int, bits: int) -> int:
    """Signed gain value that turns `measured` into `expected`: factor 1 + raw / unity. Raises ValueOutOfRange."""
    if measured <= 0:
        raise ValueOutOfRange(f"measured {measured}: no signal to calibrate on")
    return signed_word((expected / measured - 1) * unity, "gain", bits)


def signed_word(value: float, what: str, bits: int) -> int:
    """A value to the nearest integer. Raises ValueOutOfRange where it does not fit into a signed word of `bits`."""
    word = int(value + 0.5) if value >= 0 else -int(0.5 - value)
    if not -(1 << bits - 1) <= word < 1 << bits - 1:
        raise ValueOutOfRange(f"{what} {value} is outside {bits} bits: change amplification, burden or divider")
    return word
