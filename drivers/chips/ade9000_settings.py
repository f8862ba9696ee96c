"""Settings of an ADE9000 and the words they come to. Integers only.

    make_settings(r1_ohm=990000, r2_ohm=1000, sensor=ct_with_burden(3000, 10000), fuse_limit_w=69000, ...)

returns an `AdeSettings`; ValueOutOfRange names the setting and its limit. `energy_mode`: ADD counts on in 45 bits and
is read late without loss (that 45 bits wrap is not verified); OVERWRITE holds the energy of one period only, and a
fetch later than that period is lost and flagged. Reading with reset is broken in the part and never used.
`pga_word` is written as it is given: its layout was not verified. Source: reference/ade9000.md.
"""

from collections import namedtuple

from drivers.chips import ade9000_registers as reg
from drivers.chips.ade_settings import AdeSettings, check_common, check_load, check_wrap, require, scale_of
from drivers.chips.ade_site import ct_with_burden, make_site
from drivers.errors import ValueOutOfRange
from drivers.sample import SUM_SIGNED_PER_POLL

POWER_FULL_SCALE = 20694066
PEAK = (1, 1)
COUNTER_BITS = 45
INNER_BITS = 42
SAMPLES_PER_MS = 8
ADD, OVERWRITE = "add", "overwrite"
DEFAULT_SENSOR = ct_with_burden(3000, 10000)

# Raw register words of one phase: gains are factor 1 + raw / 2^27 as signed 32-bit words.
PhaseCalibration = namedtuple(
    "PhaseCalibration", ("v_gain", "i_gain", "p_gain", "v_offset", "i_offset", "watt_offset", "var_offset", "phase")
)
UNITY = PhaseCalibration(0, 0, 0, 0, 0, 0, 0, 0)
Options = namedtuple("Options", ("overwrite", "lock"))


def make_settings(
    *,
    r1_ohm: int = 990000,
    r2_ohm: int = 1000,
    sensor: tuple[int, int] = DEFAULT_SENSOR,
    voltage_pga: int = 1,
    current_pga: int = 1,
    pga_word: int = 0,
    energy_mode: str = ADD,
    energy_samples: int = 0,
    line_frequency_hz: int = 50,
    wiring: int = 0,
    fuse_limit_w: int = 69000,
    calibration: tuple = (UNITY, UNITY, UNITY),  # type: ignore[type-arg]
    sum_rule: int = SUM_SIGNED_PER_POLL,
    phase_map: tuple[int, int, int] = (0, 1, 2),
    reversed_phases: tuple[bool, bool, bool] = (False, False, False),
    max_gap_ms: int = 5000,
    rogowski: bool = False,
    config0: int = 0,
    vlevel: int = 0x117514,
    no_load_timer: int = 0,
    dip_level: int = 0,
    dip_cycles: int = 0xFFFF,
    swell_level: int = 0xFFFFFF,
    swell_cycles: int = 0xFFFF,
    lock: bool = True,
) -> AdeSettings:
    """Checked settings of one chip. `energy_samples` of 0 takes 800 (0.1 s) to add and 8192 (1.024 s) to overwrite."""
    check_common(line_frequency_hz, fuse_limit_w, max_gap_ms, sum_rule, phase_map, reversed_phases)
    if energy_mode not in (ADD, OVERWRITE):
        raise ValueOutOfRange(f"energy_mode {energy_mode!r} is neither {ADD!r} nor {OVERWRITE!r}")
    samples = energy_samples or (800 if energy_mode == ADD else reg.EGY_TIME_MOST + 1)
    require("energy_samples", samples, SAMPLES_PER_MS, reg.EGY_TIME_MOST + 1)
    require("wiring", wiring, 0, 7)
    require("no_load_timer", no_load_timer, 0, 7)
    site = make_site((r1_ohm, r2_ohm), sensor, voltage_pga, current_pga, 4)
    if (voltage_pga, current_pga) != (1, 1) and not pga_word:
        raise ValueOutOfRange("pga_word 0 is amplification 1; give the word that belongs to the amplifications")
    check_load(site, PEAK, fuse_limit_w)
    scale = scale_of(site, PEAK, 1, POWER_FULL_SCALE)
    check_wrap(scale, COUNTER_BITS, fuse_limit_w, max_gap_ms)
    check_wrap(scale, INNER_BITS, fuse_limit_w, samples // SAMPLES_PER_MS, "energy_samples")
    mode = reg.EP_OVERWRITE if energy_mode == OVERWRITE else 0
    configuration = (
        (reg.PGA_GAIN, pga_word),
        (reg.CONFIG0, config0),
        (reg.ACCMODE, wiring << 4 | (reg.ACCMODE_60_HZ if line_frequency_hz == 60 else 0)),
        (reg.VLEVEL, vlevel),
        (reg.DICOEFF, reg.DICOEFF_ROGOWSKI if rogowski else 0),
        (reg.DIP_LVL, dip_level),
        (reg.DIP_CYC, dip_cycles),
        (reg.SWELL_LVL, swell_level),
        (reg.SWELL_CYC, swell_cycles),
        (reg.EGY_TIME, samples - 1),
        (reg.EP_CFG, reg.EP_ENABLE | mode | no_load_timer << 13),
    ) + _calibration_words(calibration)
    for address, word in configuration:
        require(f"register 0x{address:03X}", word, 0, (1 << 8 * reg.width(address)) - 1)
    return AdeSettings(
        site,
        scale,
        COUNTER_BITS,
        samples // SAMPLES_PER_MS,
        sum_rule,
        tuple(phase_map),
        tuple(reversed_phases),
        fuse_limit_w,
        max_gap_ms,
        line_frequency_hz,
        configuration,
        (),
        Options(energy_mode == OVERWRITE, lock),
    )


def _calibration_words(calibration: tuple) -> tuple[tuple[int, int], ...]:  # type: ignore[type-arg]
    if len(calibration) != 3:
        raise ValueOutOfRange(f"calibration has {len(calibration)} phases, the chip has 3")
    columns = (
        reg.V_GAIN, reg.I_GAIN, reg.P_GAIN, reg.V_RMS_OFFSET, reg.I_RMS_OFFSET,
        reg.WATT_OFFSET, reg.VAR_OFFSET, reg.PH_CAL0,
    )  # fmt: skip
    words = []
    for phase in range(3):
        for column in range(len(columns)):
            value = calibration[phase][column]
            require("calibration value", value, -0x80000000, 0xFFFFFFFF)
            words.append((columns[column][phase], value & 0xFFFFFFFF))
    return tuple(words)
