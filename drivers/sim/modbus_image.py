"""What the registers of a meter hold for a given truth, laid out by the meter's profile.

Floats are rounded as the meter would, integers to its decimals; points without a truth hold 0. A simulated meter
sits at power factor 1 at every phase; its voltage and frequency are what the truth says.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.modbus.profile import KINDS, MeterProfile, Point
from drivers.modbus.registers import words_of

FAULTS = ("energy-stuck", "stuck-high", "bit-flip", "brown-out", "silent", "busy")
"""What a simulated Modbus meter in the demo can be told to do wrong."""

MICROJOULE_PER_KWH = 3_600_000_000_000
Three = tuple[int, int, int]


@dataclass(frozen=True)
class MeterTruth:
    """What flows through a meter and has flowed: mW (import positive) and microjoules (exact, only grow)."""

    phase_milliwatts: Three
    import_microjoule: int
    export_microjoule: int
    phase_import_microjoule: Three
    phase_export_microjoule: Three
    voltage_millivolts: Three = (230_000, 230_000, 230_000)
    frequency_millihertz: int = 50_000


def float32_words(value: float) -> list[int]:
    """Return a value as two words, high word first."""
    return list(struct.unpack(">HH", struct.pack(">f", value)))


def _kwh(microjoule: int) -> float:
    return microjoule / MICROJOULE_PER_KWH


def _phase_values(truth: MeterTruth, phase: int, suffix: str) -> Iterator[tuple[str, float]]:
    """Yield the points of one phase; `suffix` is what the point's name ends with."""
    power_w = truth.phase_milliwatts[phase] / 1000
    volts = truth.voltage_millivolts[phase] / 1000
    yield "voltage" + suffix, volts
    yield "current" + suffix, abs(power_w) / volts
    yield "active_power" + suffix, power_w
    yield "apparent_power" + suffix, abs(power_w)
    yield "reactive_power" + suffix, 0.0
    yield "power_factor" + suffix, -1.0 if power_w < 0 else 1.0
    yield "phase_angle" + suffix, 180.0 if power_w < 0 else 0.0


def _total_values(truth: MeterTruth) -> Iterator[tuple[str, float]]:
    """Yield the points that belong to no phase."""
    power_w = sum(truth.phase_milliwatts) / 1000
    volts = [millivolts / 1000 for millivolts in truth.voltage_millivolts]
    amperes = [abs(milliwatts) / 1000 / v for milliwatts, v in zip(truth.phase_milliwatts, volts, strict=True)]
    yield "voltage_avg", sum(volts) / 3
    yield "current_avg", sum(amperes) / 3
    yield "current_sum", sum(amperes)
    yield "active_power_total", power_w
    yield "import_power_total", max(power_w, 0.0)
    yield "export_power_total", max(-power_w, 0.0)
    yield "apparent_power_total", sum(abs(milliwatts) for milliwatts in truth.phase_milliwatts) / 1000
    yield "power_factor_total", -1.0 if power_w < 0 else 1.0
    yield "frequency", truth.frequency_millihertz / 1000
    yield "import_active_energy", _kwh(truth.import_microjoule)
    yield "export_active_energy", _kwh(truth.export_microjoule)
    yield "total_active_energy", _kwh(truth.import_microjoule + truth.export_microjoule)
    yield "apparent_energy", _kwh(truth.import_microjoule + truth.export_microjoule)
    for pair, (first, second) in (("L1L2", (0, 1)), ("L2L3", (1, 2)), ("L3L1", (2, 0))):
        yield (
            "voltage_" + pair,
            (volts[first] ** 2 + volts[second] ** 2 + volts[first] * volts[second]) ** 0.5,
        )
    for phase in range(3):
        yield f"import_active_energy_L{phase + 1}", _kwh(truth.phase_import_microjoule[phase])
        yield f"export_active_energy_L{phase + 1}", _kwh(truth.phase_export_microjoule[phase])


def _point_words(profile: MeterProfile, point: Point, name: str, value: float) -> list[int]:
    """Return the registers of one point; energies are truncated as counters are, the rest is rounded."""
    if point.unit == "Wh":
        value *= 1000
    if point.kind == "float32":
        words = float32_words(value)
        return words[::-1] if profile.low_word_first else words
    scaled = value * 10**point.decimals
    raw = int(scaled) if name.startswith(("import_active", "export_active")) else round(scaled)
    return words_of(raw, KINDS[point.kind], profile.low_word_first)


def register_image(profile: MeterProfile, truth: MeterTruth) -> dict[int, int]:
    """Return address -> word of every register that the profile names; points without a truth hold 0."""
    values = dict(_total_values(truth))
    if "voltage" in profile.points or "active_power" in profile.points:
        values.update(_phase_values(truth, 0, ""))
    for phase in range(3):
        values.update(_phase_values(truth, phase, f"_L{phase + 1}"))
    image: dict[int, int] = {identity.address: identity.low for identity in profile.identify}
    for name, point in profile.points.items():
        words = _point_words(profile, point, name, values.get(name, 0.0))
        image.update(zip(range(point.address, point.address + len(words)), words, strict=True))
    return image
