"""Settings of an ATM90E32AS and the configuration words they come to. Integers only.

    make_settings(meter_constant=3200, line_frequency_hz=50, fuse_limit_w=69000, calibration=UNITY x 3, ...)

returns an `Atm90e32asSettings`; ValueOutOfRange names the setting and its limit. Source: data sheet, register
tables; application note, start-up and calibration.
"""

from collections import namedtuple

from drivers.chips import atm90e32as_registers as reg
from drivers.errors import ValueOutOfRange
from drivers.sample import SUM_CHIP_TOTAL, SUM_PER_PHASE, counts_bound

# PL constant = PL_NUMERATOR / meter constant (450e9 / MC).
PL_NUMERATOR = 450000000000
NANOWH_PER_COUNT_AT_MC_1 = 10000000000
MMODE0_50_HZ_FOUR_WIRE = 0x0087
MMODE0_60_HZ = 1 << 12
FOUR_WIRE, THREE_WIRE, SPLIT_PHASE = "four-wire", "three-wire", "split-phase"
# Three-wire: bit 8, no CF2 change; split phase: the same with phase B out of the sums (its bit 1 stays clear).
MMODE0_OF = {FOUR_WIRE: MMODE0_50_HZ_FOUR_WIRE, THREE_WIRE: 0x0185, SPLIT_PHASE: 0x0185}
REGISTER_FULL = 0xFFFF
SQUARE_ROOT_OF_TWO_NANO = 1414213562
MMODE0_ABSOLUTE_SUMS = 3 << 3

# Raw register words of one phase: gains are 2^-15 with 0x8000 = 1; pq_gain, offsets are 16-bit twos complement
# words; phi is sign and magnitude in steps of 1/2.048 MHz.
PhaseCalibration = namedtuple(
    "PhaseCalibration", ("u_gain", "i_gain", "u_offset", "i_offset", "p_offset", "q_offset", "pq_gain", "phi")
)
UNITY = PhaseCalibration(0x8000, 0x8000, 0, 0, 0, 0, 0, 0)

Atm90e32asSettings = namedtuple(
    "Atm90e32asSettings",
    (
        "meter_constant",  # pulses per kWh; 10/MC Wh per count
        "pl_constant",
        "counter_step_nanowh",  # per count, current_factor included
        "mmode0",
        "sum_rule",  # SUM_* of drivers.sample: what import_counts and export_counts are made of
        "phase_map",  # phase_map[i] = chip channel that measures the home's phase i
        "reversed_phases",  # per chip channel: the current transformer sits the wrong way round
        "fuse_limit_w",  # of the whole connection; bounds what may be lost and what is believed
        "max_gap_ms",  # a longer time between reads is flagged
        "current_factor",  # 1, 2, 4: currents stored in halves or quarters (transformers above 65 A)
        "configuration",  # ((address, word), ...) in the order they are written
    ),
)


def make_settings(
    *,
    meter_constant: int = 3200,
    line_frequency_hz: int = 50,
    fuse_limit_w: int = 69000,
    calibration: tuple = (UNITY, UNITY, UNITY),  # type: ignore[type-arg]
    sum_rule: int = SUM_CHIP_TOTAL,
    phase_map: tuple[int, int, int] = (0, 1, 2),
    reversed_phases: tuple[bool, bool, bool] = (False, False, False),
    max_gap_ms: int = 5000,
    current_factor: int = 1,
    wiring: str = FOUR_WIRE,
    mmode0: int | None = None,
    pga: int = 0,
    start_threshold_mw: int = 0,
    phase_threshold_mw: int = 0,
    sag_threshold: int = 0x1000,
    phase_loss_threshold: int = 0x0400,
    sag_centivolt: int = 0,
    phase_loss_centivolt: int = 0,
    sag_peak_windows_ms: tuple[int, int] = (0x3F, 0x14),
    over_voltage_threshold: int = 0xC000,
    over_current_threshold: int = 0xC000,
    neutral_warning_ma: int = 0xFFFF,
    channel_map_i: int = 0x0210,
) -> Atm90e32asSettings:
    """Checked settings of one chip; thresholds of power in milliwatts, `pga` and the others as register words.

    `mmode0` overrules `wiring`. A voltage in hundredths of a volt overrules the threshold word of the same name
    (usual: 78 % and 10 % of nominal). Over-voltage and -current are fractions of the converter's peak, 65535 = 1.
    """
    mmode0 = _mode_word(wiring, mmode0)
    _require("meter_constant", meter_constant, 7, 1000000)
    if NANOWH_PER_COUNT_AT_MC_1 % meter_constant or PL_NUMERATOR % meter_constant:
        raise ValueOutOfRange(
            f"meter_constant {meter_constant}: a count must be whole nano-watt-hours; take 1000, 3200 or 6400"
        )
    _require("fuse_limit_w", fuse_limit_w, 1, 1000000)
    _require("max_gap_ms", max_gap_ms, 1, 3600000)
    _check_overflow(meter_constant, current_factor, fuse_limit_w, max_gap_ms)
    _require("sum_rule", sum_rule, SUM_CHIP_TOTAL, SUM_PER_PHASE)
    _check_choices(line_frequency_hz, current_factor, mmode0, phase_map, reversed_phases, sum_rule)
    pl_constant = PL_NUMERATOR // meter_constant
    if line_frequency_hz == 60:
        mmode0 |= MMODE0_60_HZ
    words = [
        (reg.PL_CONST_H, pl_constant >> 16),
        (reg.PL_CONST_L, pl_constant & 0xFFFF),
        (reg.MMODE0, mmode0),
        (reg.MMODE1, pga),
        (reg.CHANNEL_MAP_I, channel_map_i),
        (reg.SAG_TH, _voltage_word(sag_centivolt, calibration) if sag_centivolt else sag_threshold),
        (
            reg.PHASE_LOSS_TH,
            _voltage_word(phase_loss_centivolt, calibration) if phase_loss_centivolt else phase_loss_threshold,
        ),
        (reg.SAG_PEAK_DET_CFG, sag_peak_windows_ms[1] << 8 | sag_peak_windows_ms[0]),
        (reg.OV_TH, over_voltage_threshold),
        (reg.OI_TH, over_current_threshold),
        (reg.IN_WARN_TH, neutral_warning_ma),
    ]
    words += _threshold_words(line_frequency_hz, start_threshold_mw, phase_threshold_mw)
    words += _calibration_words(calibration)
    for address, word in words:
        _require(f"register 0x{address:02X}", word, 0, 0xFFFF)
    return Atm90e32asSettings(
        meter_constant,
        pl_constant,
        NANOWH_PER_COUNT_AT_MC_1 // meter_constant * current_factor,
        mmode0,
        sum_rule,
        tuple(phase_map),
        tuple(reversed_phases),
        fuse_limit_w,
        max_gap_ms,
        current_factor,
        tuple(words),
    )


def _require(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueOutOfRange(f"{name} {value} is outside {least}..{most}; correct the meter's settings")


def _check_overflow(meter_constant: int, current_factor: int, fuse_limit_w: int, max_gap_ms: int) -> None:
    """A register must hold what the fuses let through in the longest time between reads that is not flagged."""
    if current_factor not in (1, 2, 4):
        return  # refused by its own check
    step_nanowh = NANOWH_PER_COUNT_AT_MC_1 // meter_constant * current_factor
    counts = counts_bound(fuse_limit_w, max_gap_ms, step_nanowh)
    if counts >= REGISTER_FULL:
        raise ValueOutOfRange(
            f"max_gap_ms {max_gap_ms}: at {fuse_limit_w} W a register would take {counts} counts and holds "
            f"{REGISTER_FULL - 1}; sample more often, or take a smaller meter_constant"
        )


def _check_choices(
    line_frequency_hz: int,
    current_factor: int,
    mmode0: int,
    phase_map: tuple[int, int, int],
    reversed_phases: tuple[bool, bool, bool],
    sum_rule: int,
) -> None:
    if line_frequency_hz not in (50, 60):
        raise ValueOutOfRange(f"line_frequency_hz {line_frequency_hz} is neither 50 nor 60")
    if current_factor not in (1, 2, 4):
        raise ValueOutOfRange(f"current_factor {current_factor} is none of 1, 2, 4")
    if mmode0 & MMODE0_ABSOLUTE_SUMS:
        raise ValueOutOfRange(f"mmode0 0x{mmode0:04X}: bits 3 and 4 make export look like import; clear them")
    if sorted(phase_map) != [0, 1, 2]:
        raise ValueOutOfRange(f"phase_map {phase_map} does not name each of 0, 1, 2 once")
    if sum_rule == SUM_CHIP_TOTAL and len({bool(one) for one in reversed_phases}) > 1:
        raise ValueOutOfRange(
            "reversed_phases: the chip's totals cannot turn single phases round; turn the transformer or "
            "choose a sum_rule of 1 or 2"
        )


def _mode_word(wiring: str, mmode0: int | None) -> int:
    """MMode0 without the bit of 60 Hz."""
    if wiring not in MMODE0_OF:
        raise ValueOutOfRange(f"wiring {wiring!r} is none of {sorted(MMODE0_OF)}")
    return MMODE0_OF[wiring] if mmode0 is None else mmode0


def _voltage_word(centivolt: int, calibration: tuple) -> int:  # type: ignore[type-arg]
    """SagTh or PhaseLossTh: V x 100 x sqrt 2 / (2 x Ugain / 32768), to the nearest; one word serves all phases."""
    if not calibration or not calibration[0][0]:
        raise ValueOutOfRange("calibration: a voltage threshold needs the voltage gain of phase A")
    divisor = 2 * calibration[0][0] * 1000000000
    word: int = (2 * centivolt * SQUARE_ROOT_OF_TWO_NANO * 32768 + divisor) // (2 * divisor)
    return word


def _threshold_words(line_frequency_hz: int, start_mw: int, phase_mw: int) -> list[tuple[int, int]]:
    """Frequency window and no-load thresholds; one step of power is 0.32 mW, so words are mW x 25 / 8."""
    low, high = (0x1324, 0x13EC) if line_frequency_hz == 50 else (0x1644, 0x189C)
    start, phase = start_mw * 25 // 8, phase_mw * 25 // 8
    return [
        (reg.FREQ_LO_TH, low),
        (reg.FREQ_HI_TH, high),
        (reg.P_START_TH, start),
        (reg.Q_START_TH, start),
        (reg.S_START_TH, start),
        (reg.P_PHASE_TH, phase),
        (reg.Q_PHASE_TH, phase),
        (reg.S_PHASE_TH, phase),
    ]


def _calibration_words(calibration: tuple) -> list[tuple[int, int]]:  # type: ignore[type-arg]
    if len(calibration) != 3:
        raise ValueOutOfRange(f"calibration has {len(calibration)} phases, the chip has 3")
    words = []
    for addresses, values in zip(reg.CALIBRATION, calibration):  # noqa: B905 - MicroPython's zip has no strict
        if values[0] < 8192 or values[1] < 8192:
            raise ValueOutOfRange("calibration: a gain under 8192 loses resolution; change PGA, burden or divider")
        words += list(zip(addresses, values))  # noqa: B905 - as above
    return words
