"""Settings of the metering chips on a board: wiring and calibration of ADE7878, ADE9000 and ATM90E32AS.

    chip_settings(meter, chip)      the driver's own settings for the meter's kind; ValueOutOfRange names what is wrong
    check_chip(meter, chip, file)   the same when settings are read, as SettingsError

What a chip's document marks as unverified is an option here: `spi_lock`, `pga_word`, `energy_mode`, `phase`, `dicoeff`.
Calibration words are the part's own, per chip channel. Source: reference/conversions.md and the document of each part.
A part's own tables are loaded when a home has that part, so that no other home's Worker carries them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from drivers.errors import ValueOutOfRange
from drivers.sample import SUM_CHIP_TOTAL, SUM_SIGNED_PER_POLL
from honey_edge.model.options import SettingsError, option

if TYPE_CHECKING:
    from drivers.chips.ade_settings import AdeSettings
    from drivers.chips.atm90e32as_settings import Atm90e32asSettings
    from worker_node.settings import MeterSection

    ChipSettings = Atm90e32asSettings | AdeSettings

CHIP_KINDS = ("spi:atm90e32as", "i2c:ade7878", "spi:ade7878", "spi:ade9000")
ADE_KINDS = CHIP_KINDS[1:]
GRACE_MS = 4_000
"""A gap longer than a period of the samples and this is flagged."""
_NONE = (0, 0, 0)


@dataclass(frozen=True)
class ChipSection:
    """A metering chip on the board; leave the section out for the usual transformers without calibration."""

    i2c_bus: int = option("ADE7878 on I2C: number of the bus", 1, low=0, high=99)
    i2c_address: int = option("ADE7878 on I2C: address", 0x38, low=8, high=0x77)
    spi_lock: bool = option("ADE7878 on SPI: keep it there by writing CONFIG2", True)
    r1_ohm: int = option("ADE: upper resistor of the voltage divider, ohm; 0: the part's usual one", 0, low=0)
    r2_ohm: int = option("ADE: lower resistor of the voltage divider, ohm", 1_000, low=1)
    ct_ratio: int = option("ADE: turns of the transformers on a burden; 0: the part's usual one", 0, low=0)
    burden_milliohm: int = option("ADE: burden of the transformers, milliohm", 10_000, low=1)
    ct_nanovolt_per_ampere: int = option(
        "ADE: sensors with a voltage output, nV/A; 0: transformers on a burden", 0, low=0
    )
    voltage_pga: int = option("ADE: amplification of the voltages", 1, low=1, high=16)
    current_pga: int = option("ADE: amplification of the currents", 1, low=1, high=16)
    pga_word: int = option("ADE9000: register word that belongs to the amplifications", 0, low=0, high=0xFFFF)
    wthr: int = option("ADE7878: threshold words of the energy of one count; 0: the part's usual", 0, low=0)
    energy_mode: str = option(
        "ADE9000: how it keeps energy; overwrite needs samples every second", "add", choices=("add", "overwrite")
    )
    energy_samples: int = option("ADE9000: samples of an energy period; 0: the mode's usual", 0, low=0, high=8_192)
    rogowski: bool = option("ADE: the sensors are Rogowski coils", False)
    dicoeff: int = option("ADE7878 with Rogowski coils: the integrator's coefficient", 0, low=-(2**23), high=2**23 - 1)
    sum_rule: int = option(
        "what is settled: 0 the chip's total (ATM90E32AS), 1 the phases' signed sum, 2 by phase; -1 usual",
        -1,
        low=-1,
        high=2,
    )
    v_gain: tuple[int, ...] = option("ADE: voltage gain words", _NONE)
    i_gain: tuple[int, ...] = option("ADE: current gain words", _NONE)
    p_gain: tuple[int, ...] = option("ADE: power gain words", _NONE)
    var_gain: tuple[int, ...] = option("ADE7878: reactive power gain words", _NONE)
    va_gain: tuple[int, ...] = option("ADE7878: apparent power gain words", _NONE)
    v_offset: tuple[int, ...] = option("voltage offset words", _NONE)
    i_offset: tuple[int, ...] = option("current offset words", _NONE)
    p_offset: tuple[int, ...] = option("power offset words", _NONE)
    q_offset: tuple[int, ...] = option("reactive power offset words", _NONE)
    phase: tuple[int, ...] = option("ADE: phase correction words", _NONE)
    wiring: str = option(
        "ATM90E32AS: how the home is connected", "four-wire", choices=("four-wire", "three-wire", "split-phase")
    )
    pga: int = option("ATM90E32AS: word of the amplifications (MMode1)", 0, low=0, high=0xFFFF)
    current_factor: int = option("ATM90E32AS: currents stored as halves or quarters", 1, low=1, high=4)
    sag_centivolt: int = option(
        "ATM90E32AS: sag below so many hundredths of a volt; 0: the part's", 0, low=0, high=40_000
    )
    phase_loss_centivolt: int = option("ATM90E32AS: a phase is lost below; 0: the part's", 0, low=0, high=40_000)
    start_threshold_mw: int = option("ATM90E32AS: power below which nothing is counted, mW", 0, low=0, high=20_000)
    phase_threshold_mw: int = option("ATM90E32AS: the same of a phase, mW", 0, low=0, high=20_000)


def check_chip(meter: "MeterSection", chip: ChipSection | None, file: Path) -> None:
    """Raises SettingsError for a chip that cannot be set up so, or whose registers could run over between samples."""
    if meter.kind not in CHIP_KINDS:
        return
    chip = chip or ChipSection()
    for name, values in vars(chip).items():
        if isinstance(values, tuple) and len(values) != 3:
            raise SettingsError(f"{file}: [chip]: {name} needs three entries, one per channel")
    try:
        chip_settings(meter, chip)
    except ValueOutOfRange as error:
        raise SettingsError(f"{file}: [chip]: {error}") from error
    if chip.energy_mode != "overwrite" or meter.kind != "spi:ade9000":
        return
    made = _ade9000(meter, chip)
    if 1000 * meter.sample_every_s > made.energy_period_ms:
        raise SettingsError(
            f"{file}: [chip]: energy_mode = 'overwrite' keeps {made.energy_period_ms} ms only, and samples are "
            f"{meter.sample_every_s} s apart",
            next_step="set sample_every_s = 1 and energy_samples = 0, or energy_mode = 'add'",
        )


def chip_settings(meter: "MeterSection", chip: ChipSection | None = None) -> "ChipSettings":
    """The chip driver's settings for the meter's kind. Raises ValueOutOfRange."""
    chip = chip or ChipSection()
    if meter.kind == "spi:ade9000":
        return _ade9000(meter, chip)
    return _ade7878(meter, chip) if meter.kind in ADE_KINDS else atm_settings(meter, chip)


def atm_settings(meter: "MeterSection", chip: ChipSection | None = None) -> "Atm90e32asSettings":
    """An ATM90E32AS' settings. Raises ValueOutOfRange."""
    from drivers.chips import atm90e32as_settings as atm90e32as

    chip = chip or ChipSection()
    offsets = (chip.v_offset, chip.i_offset, chip.p_offset, chip.q_offset)
    columns = (meter.u_gain, meter.i_gain, *_words(offsets, 16), meter.pq_gain, meter.phi)
    return atm90e32as.make_settings(
        meter_constant=meter.meter_constant,
        line_frequency_hz=meter.line_frequency_hz,
        fuse_limit_w=meter.fuse_w,
        calibration=tuple(atm90e32as.PhaseCalibration(*row) for row in zip(*columns, strict=True)),
        sum_rule=SUM_CHIP_TOTAL if chip.sum_rule < 0 else chip.sum_rule,
        phase_map=_phase_map(meter),
        reversed_phases=_reversed(meter),
        max_gap_ms=_max_gap_ms(meter),
        current_factor=chip.current_factor,
        wiring=chip.wiring,
        pga=chip.pga,
        sag_centivolt=chip.sag_centivolt,
        phase_loss_centivolt=chip.phase_loss_centivolt,
        start_threshold_mw=chip.start_threshold_mw,
        phase_threshold_mw=chip.phase_threshold_mw,
    )


def _words(columns: Sequence[tuple[int, ...]], bits: int) -> list[tuple[int, ...]]:
    """Signed values as words of so many bits; what does not fit stays and is refused by the chip's settings."""
    return [tuple(one & (1 << bits) - 1 if -(1 << bits - 1) <= one < 0 else one for one in row) for row in columns]


def _ade7878(meter: "MeterSection", chip: ChipSection) -> "AdeSettings":
    from drivers.chips import ade7878_settings as ade7878

    columns = (
        chip.v_gain, chip.i_gain, chip.p_gain, chip.var_gain, chip.va_gain,
        chip.v_offset, chip.i_offset, chip.p_offset, chip.q_offset, chip.phase,
    )  # fmt: skip
    return ade7878.make_settings(
        r1_ohm=chip.r1_ohm or 1_000_000,
        r2_ohm=chip.r2_ohm,
        sensor=_sensor(chip, ade7878.DEFAULT_SENSOR),
        voltage_pga=chip.voltage_pga,
        current_pga=chip.current_pga,
        wthr=chip.wthr or ade7878.PMAX,
        line_frequency_hz=meter.line_frequency_hz,
        fuse_limit_w=meter.fuse_w,
        calibration=tuple(ade7878.PhaseCalibration(*row) for row in zip(*columns, strict=True)),
        sum_rule=SUM_SIGNED_PER_POLL if chip.sum_rule < 0 else chip.sum_rule,
        phase_map=_phase_map(meter),
        reversed_phases=_reversed(meter),
        max_gap_ms=_max_gap_ms(meter),
        rogowski=chip.rogowski,
        dicoeff=chip.dicoeff,
        lock_spi=chip.spi_lock,
    )


def _ade9000(meter: "MeterSection", chip: ChipSection) -> "AdeSettings":
    from drivers.chips import ade9000_settings as ade9000

    columns = (
        chip.v_gain, chip.i_gain, chip.p_gain, chip.v_offset, chip.i_offset, chip.p_offset, chip.q_offset, chip.phase,
    )  # fmt: skip
    return ade9000.make_settings(
        r1_ohm=chip.r1_ohm or 990_000,
        r2_ohm=chip.r2_ohm,
        sensor=_sensor(chip, ade9000.DEFAULT_SENSOR),
        voltage_pga=chip.voltage_pga,
        current_pga=chip.current_pga,
        pga_word=chip.pga_word,
        energy_mode=chip.energy_mode,
        energy_samples=chip.energy_samples,
        line_frequency_hz=meter.line_frequency_hz,
        fuse_limit_w=meter.fuse_w,
        calibration=tuple(ade9000.PhaseCalibration(*row) for row in zip(*columns, strict=True)),
        sum_rule=SUM_SIGNED_PER_POLL if chip.sum_rule < 0 else chip.sum_rule,
        phase_map=_phase_map(meter),
        reversed_phases=_reversed(meter),
        max_gap_ms=_max_gap_ms(meter),
        rogowski=chip.rogowski,
    )


def _sensor(chip: ChipSection, usual: tuple[int, int]) -> tuple[int, int]:
    from drivers.chips.ade_site import ct_with_burden, ct_with_voltage

    if chip.ct_nanovolt_per_ampere:
        return ct_with_voltage(chip.ct_nanovolt_per_ampere)
    return ct_with_burden(chip.ct_ratio, chip.burden_milliohm) if chip.ct_ratio else usual


def _phase_map(meter: "MeterSection") -> tuple[int, int, int]:
    return cast(tuple[int, int, int], meter.phase_map)


def _reversed(meter: "MeterSection") -> tuple[bool, bool, bool]:
    return cast(tuple[bool, bool, bool], meter.reversed_phases)


def _max_gap_ms(meter: "MeterSection") -> int:
    return 1000 * meter.sample_every_s + GRACE_MS
