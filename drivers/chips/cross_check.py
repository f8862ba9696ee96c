"""Whether what a chip says about one instant fits together (reference/conversions.md, "Integer accounting").

    CrossCheckSet(power_w, reactive_power_var, apparent_power_va, voltage_v, current_a, power_factor, angle_degree,
                  temperature_c, findings)

Tuples are (total, A, B, C) for powers and factors, (A, B, C) otherwise; what a part lacks is None. `findings` names
each check that failed; a finding marks a reading, it does not stop metering.
"""

from collections import namedtuple

CrossCheckSet = namedtuple(
    "CrossCheckSet",
    (
        "power_w",
        "reactive_power_var",
        "apparent_power_va",
        "voltage_v",
        "current_a",
        "power_factor",
        "angle_degree",
        "temperature_c",
        "findings",
    ),
)
FLOOR_VA = 50.0
TRIANGLE, PRODUCT, FACTOR, SUM = "triangle", "product", "factor", "sum"


def findings(
    power_w: tuple[float, ...],
    reactive_var: tuple | None,  # type: ignore[type-arg]
    apparent_va: tuple[float, ...],
    volts: tuple[float, ...],
    amperes: tuple[float, ...],
    factors: tuple | None,  # type: ignore[type-arg]
) -> tuple[str, ...]:
    """Names of the failed checks with their phase, such as "product:B"; below 50 VA nothing is checked."""
    found = []
    for phase in range(3):
        name = "ABC"[phase]
        p, s = power_w[1 + phase], apparent_va[1 + phase]
        q = 0.0 if reactive_var is None else reactive_var[1 + phase]
        if s < FLOOR_VA:
            continue
        if s * s * 1.01 < p * p + q * q:
            found.append(TRIANGLE + ":" + name)
        if abs(s - volts[phase] * amperes[phase]) > 0.02 * s:
            found.append(PRODUCT + ":" + name)
        if factors is not None and abs(factors[1 + phase] - p / s) > 0.02:
            found.append(FACTOR + ":" + name)
    if abs(power_w[0] - power_w[1] - power_w[2] - power_w[3]) > 0.02 * abs(power_w[0]) + FLOOR_VA:
        found.append(SUM)
    return tuple(found)
