"""What the settings of the ADE7878 and the ADE9000 have in common, and their checks. Integers only.

Both give samples in steps of STEP_NANOWH; `scale` is the exact fraction (numerator, denominator) of such steps per
count of the chip, worked out of divider, sensor and amplification.
"""

from collections import namedtuple

from drivers.chips.ade_site import Site, full_scale_milliwatt, greatest_common_divisor
from drivers.errors import ValueOutOfRange
from drivers.sample import SUM_CHIP_TOTAL, SUM_PER_PHASE, counts_bound

STEP_NANOWH = 1000
SAMPLES_PER_HOUR = 28800000
NANOWH_PER_MILLIWATT_HOUR = 1000000

AdeSettings = namedtuple(
    "AdeSettings",
    (
        "site",
        "scale",  # output steps per count of the chip, as a fraction
        "counter_bits",  # 32 or 45
        "energy_period_ms",  # how old a register may be when it is read: 0 if it counts all the time
        "sum_rule",
        "phase_map",  # phase_map[i] = chip channel that measures the home's phase i
        "reversed_phases",  # per chip channel
        "fuse_limit_w",  # of the whole connection
        "max_gap_ms",
        "line_frequency_hz",
        "configuration",  # ((address, word), ...) in the order they are written, without the DSP's memory
        "dsp_words",  # ((address, word), ...) of an ADE7878's DSP memory
        "options",  # what only one part knows; see its settings module
    ),
)


def scale_of(site: Site, peak: tuple[int, int], counts_numerator: int, counts_denominator: int) -> tuple[int, int]:
    """Output steps per count: full-scale power x counts_numerator / counts_denominator samples of full scale."""
    power = full_scale_milliwatt(site, peak)
    numerator = power[0] * counts_numerator * NANOWH_PER_MILLIWATT_HOUR
    denominator = power[1] * counts_denominator * SAMPLES_PER_HOUR * STEP_NANOWH
    shared = greatest_common_divisor(numerator, denominator)
    return numerator // shared, denominator // shared


def check_common(
    line_frequency_hz: int,
    fuse_limit_w: int,
    max_gap_ms: int,
    sum_rule: int,
    phase_map: tuple[int, int, int],
    reversed_phases: tuple[bool, bool, bool],
) -> None:
    """Raises ValueOutOfRange naming the setting and its limit."""
    require("fuse_limit_w", fuse_limit_w, 1, 1000000)
    require("max_gap_ms", max_gap_ms, 1, 3600000)
    if line_frequency_hz not in (50, 60):
        raise ValueOutOfRange(f"line_frequency_hz {line_frequency_hz} is neither 50 nor 60")
    if sum_rule == SUM_CHIP_TOTAL or not 0 <= sum_rule <= SUM_PER_PHASE:
        raise ValueOutOfRange(
            f"sum_rule {sum_rule}: this chip has no totals of its own; take 1 (signed) or 2 (per phase)"
        )
    if sorted(phase_map) != [0, 1, 2]:
        raise ValueOutOfRange(f"phase_map {phase_map} does not name each of 0, 1, 2 once")
    if len(reversed_phases) != 3:
        raise ValueOutOfRange(f"reversed_phases {reversed_phases} must tell about three channels")


def require(name: str, value: int, least: int, most: int) -> None:
    """Raises ValueOutOfRange outside least..most."""
    if not least <= value <= most:
        raise ValueOutOfRange(f"{name} {value} is outside {least}..{most}; correct the meter's settings")


def check_load(site: Site, peak: tuple[int, int], fuse_limit_w: int) -> None:
    """The chip's full scale on three phases must reach the fuse limit, or it clips. Raises ValueOutOfRange."""
    power = full_scale_milliwatt(site, peak)
    if 3 * power[0] < fuse_limit_w * 1000 * power[1]:
        raise ValueOutOfRange(
            f"fuse_limit_w {fuse_limit_w} is above the chip's full scale of {3 * power[0] // (1000 * power[1])} W; "
            "take a smaller burden, another divider or less amplification"
        )


def check_wrap(
    scale: tuple[int, int], counter_bits: int, fuse_limit_w: int, span_ms: int, name: str = "max_gap_ms"
) -> None:
    """What the fuses let through one phase in the longest time must stay below half a counter's turn.

    Raises ValueOutOfRange: beyond that a difference could be taken for one in the other direction.
    """
    steps = counts_bound(fuse_limit_w, span_ms, STEP_NANOWH)
    counts = steps * scale[1] * 12 // (scale[0] * 10) + 1
    if counts >= 1 << counter_bits - 1:
        raise ValueOutOfRange(
            f"{name} {span_ms}: at {fuse_limit_w} W a register could run over in this time; sample more often, or let "
            "a count stand for more energy"
        )
