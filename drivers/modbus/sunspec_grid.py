"""A sample as the points of SunSpec model 203, for whoever serves one: the Worker, a sensor head. Portable.

Power is positive while importing. What the sample lacks stays not implemented.
"""

from drivers.sample import MeterSample

_MILLIWH_PER_WH = 1000
_ACC32 = 1 << 32
_INT16_MOST = 32767


def meter_points(sample: MeterSample, import_milliwh: int, export_milliwh: int) -> "dict[str, int | str]":
    """Return the raw values of model 203, with the cumulative totals."""
    points: "dict[str, int | str]" = {
        "TotWhImp": import_milliwh // _MILLIWH_PER_WH % _ACC32,
        "TotWhExp": export_milliwh // _MILLIWH_PER_WH % _ACC32,
        "TotWh_SF": 0,
        "Evt": 0,
    }
    _scaled_in(points, "W_SF", ("W", "WphA", "WphB", "WphC"), sample.power_w, 0)
    _scaled_in(points, "VAR_SF", ("VAR", "VARphA", "VARphB", "VARphC"), sample.reactive_power_var, 0)
    if sample.current_a is not None:
        _scaled_in(
            points, "A_SF", ("A", "AphA", "AphB", "AphC"), (sum(sample.current_a),) + tuple(sample.current_a), -2
        )
    if sample.power_factor is not None:
        shares = tuple([None if factor is None else 100 * factor for factor in sample.power_factor])
        _scaled_in(points, "PF_SF", ("PF", "PFphA", "PFphB", "PFphC"), shares, -1)
    if sample.frequency_hz is not None:
        _scaled_in(points, "Hz_SF", ("Hz",), (sample.frequency_hz,), -2)
    if sample.voltage_v is not None:
        a, b, c = sample.voltage_v
        between = tuple([(x * x + y * y + x * y) ** 0.5 for x, y in ((a, b), (b, c), (c, a))])
        names = ("PhV", "PhVphA", "PhVphB", "PhVphC", "PPV", "PhVphAB", "PhVphBC", "PhVphCA")
        _scaled_in(points, "V_SF", names, ((a + b + c) / 3, a, b, c, sum(between) / 3) + between, -1)
    return points


def _scaled_in(
    points: "dict[str, int | str]",
    scale_name: str,
    names: "tuple[str, ...]",
    values: "tuple[float | None, ...] | None",
    scale: int,
) -> None:
    """Put values in with one scale factor, the finest from `scale` on at which all fit 16 bits."""
    if values is None:
        return
    known = []
    for place in range(len(names)):
        value = values[place]
        if value is not None:
            known.append((names[place], value))
    if not known:
        return
    while max([abs(value) for _, value in known]) > _INT16_MOST * 10.0**scale:
        scale += 1
    points[scale_name] = scale
    for name, value in known:
        points[name] = round(value / 10.0**scale)
