"""What is wired to an ADE chip: dividers and current transformers as exact fractions. Integers only.

    ct_with_burden(ratio, burden_milliohm)      (amperes, volts) of a ratio transformer with a burden resistor
    ct_with_voltage(nanovolt_per_ampere)        the same of a transformer or coil with a voltage output
    Site(divider, sensor, voltage_pga, current_pga)   all fractions (numerator, denominator)

The chip's full scale is a sine of `peak` volts, so full-scale power is peak^2 / 2 x divider x sensor: a fraction, no
root. Source: reference/conversions.md, "From raw to physical" and "CT data".
"""

from collections import namedtuple

from drivers.errors import ValueOutOfRange

Site = namedtuple(
    "Site",
    (
        "divider",  # volts at the mains per volt at the pin: (R1 + R2, R2)
        "sensor",  # amperes in the wire per volt at the pin
        "voltage_pga",
        "current_pga",
    ),
)


def divider(r1_ohm: int, r2_ohm: int) -> tuple[int, int]:
    """Mains volts per pin volt of a divider R1 over R2. Raises ValueOutOfRange."""
    if r1_ohm < 0 or r2_ohm <= 0:
        raise ValueOutOfRange(f"divider {r1_ohm} over {r2_ohm} ohm: R2 must be above 0, R1 not negative")
    return r1_ohm + r2_ohm, r2_ohm


def ct_with_burden(ratio: int, burden_milliohm: int) -> tuple[int, int]:
    """Amperes per volt of an N:1 transformer on its burden: N / burden. Raises ValueOutOfRange."""
    if ratio <= 0 or burden_milliohm <= 0:
        raise ValueOutOfRange(f"transformer {ratio}:1 on {burden_milliohm} milliohm: both must be above 0")
    return ratio * 1000, burden_milliohm


def ct_with_voltage(nanovolt_per_ampere: int) -> tuple[int, int]:
    """Amperes per volt of a sensor with a voltage output; 400 A : 0.333 V is 832500. Raises ValueOutOfRange."""
    if nanovolt_per_ampere <= 0:
        raise ValueOutOfRange(f"nanovolt_per_ampere {nanovolt_per_ampere} must be above 0")
    return 1000000000, nanovolt_per_ampere


def make_site(ohms: tuple[int, int], sensor: tuple[int, int], voltage_pga: int, current_pga: int, most: int) -> Site:
    """A checked site; `ohms` is (R1, R2), amplifications are powers of two up to `most`. Raises ValueOutOfRange."""
    for name, pga in (("voltage_pga", voltage_pga), ("current_pga", current_pga)):
        if pga not in (1, 2, 4, 8, 16) or pga > most:
            raise ValueOutOfRange(f"{name} {pga} is no power of two up to {most}")
    return Site(divider(ohms[0], ohms[1]), sensor, voltage_pga, current_pga)


def full_scale_milliwatt(site: Site, peak: tuple[int, int]) -> tuple[int, int]:
    """Full-scale power as a fraction in mW; `peak` is the chip's input peak in volts as a fraction."""
    numerator = 1000 * peak[0] * peak[0] * site.divider[0] * site.sensor[0]
    denominator = 2 * peak[1] * peak[1] * site.divider[1] * site.sensor[1] * site.voltage_pga * site.current_pga
    shared = greatest_common_divisor(numerator, denominator)
    return numerator // shared, denominator // shared


def greatest_common_divisor(a: int, b: int) -> int:
    """Euclid's; MicroPython's math has none."""
    while b:
        a, b = b, a % b
    return a
