"""Settings of an ADE7878 and the words they come to. Integers only.

    make_settings(r1_ohm=1000000, r2_ohm=1000, sensor=ct_with_burden(2000, 5000), fuse_limit_w=43000, ...)

returns an `AdeSettings`; ValueOutOfRange names the setting and its limit. What no data sheet page was seen for is a
setting: `lock_spi` (a write to CONFIG2 that locks SPI) and a calibration's `phase` (the raw 10-bit word; what sign and
size a step has is not known). The integrator's coefficient is `dicoeff`. Source: reference/ade7878.md.
"""

from collections import namedtuple

from drivers.chips import ade7878_registers as reg
from drivers.chips.ade_settings import AdeSettings, check_common, check_load, check_wrap, require, scale_of
from drivers.chips.ade_site import ct_with_burden, make_site
from drivers.errors import ValueOutOfRange
from drivers.sample import SUM_SIGNED_PER_POLL

PMAX = 33516139
PEAK = (1, 2)
COUNTER_BITS = 32
PGA_CODES = {1: 0, 2: 1, 4: 2, 8: 3, 16: 4}
WTHR_MOST = (1 << 48) - 1
MMODE_PHASE_A = 0x1C

# Signed values of one phase: gains are factor 1 + raw / 2^23, offsets 24 bits, phase_steps the raw 10-bit word.
PhaseCalibration = namedtuple(
    "PhaseCalibration",
    ("v_gain", "i_gain", "w_gain", "var_gain", "va_gain", "v_offset", "i_offset", "w_offset", "var_offset", "phase"),
)
UNITY = PhaseCalibration(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
Options = namedtuple("Options", ("wthr", "lock_spi", "rogowski"))
DEFAULT_SENSOR = ct_with_burden(2000, 5000)


def make_settings(
    *,
    r1_ohm: int = 1000000,
    r2_ohm: int = 1000,
    sensor: tuple[int, int] = DEFAULT_SENSOR,
    voltage_pga: int = 1,
    current_pga: int = 1,
    wthr: int = PMAX,
    line_frequency_hz: int = 50,
    fuse_limit_w: int = 69000,
    calibration: tuple = (UNITY, UNITY, UNITY),  # type: ignore[type-arg]
    sum_rule: int = SUM_SIGNED_PER_POLL,
    phase_map: tuple[int, int, int] = (0, 1, 2),
    reversed_phases: tuple[bool, bool, bool] = (False, False, False),
    max_gap_ms: int = 5000,
    rogowski: bool = False,
    dicoeff: int = 0,
    lock_spi: bool = True,
    vlevel: int = 0,
    sag_level: int = 0,
    sag_half_cycles: int = 0,
    over_voltage_level: int = 0xFFFFFF,
    over_current_level: int = 0xFFFFFF,
) -> AdeSettings:
    """Checked settings of one chip; levels are rms-like register words, `wthr` the energy of one count."""
    check_common(line_frequency_hz, fuse_limit_w, max_gap_ms, sum_rule, phase_map, reversed_phases)
    require("wthr", wthr, PMAX, WTHR_MOST)
    if rogowski and not dicoeff:
        raise ValueOutOfRange("rogowski: the integrator needs its coefficient dicoeff from the data sheet of the part")
    require("sag_half_cycles", sag_half_cycles, 0, 255)
    for name, word in (
        ("dicoeff", dicoeff & 0xFFFFFF),
        ("vlevel", vlevel),
        ("sag_level", sag_level),
        ("over_voltage_level", over_voltage_level),
        ("over_current_level", over_current_level),
    ):
        require(name, word, 0, 0xFFFFFF)
    site = make_site((r1_ohm, r2_ohm), sensor, voltage_pga, current_pga, 16)
    check_load(site, PEAK, fuse_limit_w)
    scale = scale_of(site, PEAK, wthr, PMAX)
    check_wrap(scale, COUNTER_BITS, fuse_limit_w, max_gap_ms)
    configuration = (
        (reg.GAIN, PGA_CODES[current_pga] | PGA_CODES[voltage_pga] << 6),
        (reg.CONFIG, reg.INTEGRATOR if rogowski else 0),
        (reg.COMPMODE, reg.COMPMODE_RESET | (reg.COMPMODE_60_HZ if line_frequency_hz == 60 else 0)),
        (reg.ACCMODE, 0),
        (reg.LCYCMODE, reg.LCYCMODE_KEEP),
        (reg.MMODE, MMODE_PHASE_A),
        (reg.SAGCYC, sag_half_cycles),
        (reg.SAG_LVL, sag_level),
        (reg.OV_LVL, over_voltage_level),
        (reg.OI_LVL, over_current_level),
    ) + _phase_words(calibration)
    return AdeSettings(
        site,
        scale,
        COUNTER_BITS,
        0,
        sum_rule,
        tuple(phase_map),
        tuple(reversed_phases),
        fuse_limit_w,
        max_gap_ms,
        line_frequency_hz,
        configuration,
        _dsp_words(calibration, wthr, vlevel, dicoeff),
        Options(wthr, lock_spi, rogowski),
    )


def _phase_words(calibration: tuple) -> tuple[tuple[int, int], ...]:  # type: ignore[type-arg]
    if len(calibration) != 3:
        raise ValueOutOfRange(f"calibration has {len(calibration)} phases, the chip has 3")
    for values in calibration:
        require("phase", values.phase, 0, 0x3FF)
    return tuple([(reg.PH_CAL[phase], calibration[phase].phase) for phase in range(3)])


def _dsp_words(calibration: tuple, wthr: int, vlevel: int, dicoeff: int) -> tuple[tuple[int, int], ...]:  # type: ignore[type-arg]
    """The DSP's memory: calibration, thresholds, no-load level; ZPSE words are masked to 28 bits."""
    words = []
    columns = (
        reg.V_GAIN, reg.I_GAIN, reg.W_GAIN, reg.VAR_GAIN, reg.VA_GAIN,
        reg.V_RMS_OFFSET, reg.I_RMS_OFFSET, reg.W_OFFSET, reg.VAR_OFFSET,
    )  # fmt: skip
    for phase in range(3):
        for column in range(len(columns)):
            value = calibration[phase][column]
            require("calibration value", value, -8388608, 8388607)
            words.append((columns[column][phase], reg.zpse(value)))
    words.append((reg.DICOEFF, reg.zpse(dicoeff)))
    for high, low in ((reg.W_THR1, reg.W_THR0), (reg.VAR_THR1, reg.VAR_THR0), (reg.VA_THR1, reg.VA_THR0)):
        words.append((high, wthr >> 24))
        words.append((low, wthr & 0xFFFFFF))
    words.append((reg.VLEVEL, vlevel))
    return tuple(words)
