"""Gains from a reference meter, by the rules of reference/conversions.md, "Gain calibration".

    ATM90E32AS   new = old * reference / shown; power: factor = 1 + word / 2^15
    ADE7878      factor = 1 + word / 2^23        ADE9000   factor = 1 + word / 2^27
                 new factor = old factor * reference / shown

One step is at most 0.5 to 2. A reference that moved more than 0.5 % while it was compared is refused. After a change
U x I x PF = P must hold within 0.5 % on every phase, else the change is taken back.
"""

from dataclasses import dataclass

from honey_edge.model.errors import HiveError
from provisioning.commission.means import PHASES, Means, Three

LEAST_STEP, MOST_STEP = 0.5, 2.0
STEADY_PERMILLE = 5
FORMULA_PERMILLE = 5
_ATM = "spi:atm90e32as"
_FRACTION_BITS = {_ATM: 15, "i2c:ade7878": 23, "spi:ade7878": 23, "spi:ade9000": 27}
_ATM_MOST = 0xFFFF
VOLTAGE, CURRENT, POWER = "voltage", "current", "power"
_ATM_KEYS = {VOLTAGE: ("meter", "u_gain"), CURRENT: ("meter", "i_gain"), POWER: ("meter", "pq_gain")}
_ADE_KEYS = {VOLTAGE: ("chip", "v_gain"), CURRENT: ("chip", "i_gain"), POWER: ("chip", "p_gain")}


class CalibrationError(HiveError, ValueError):
    """A gain cannot be set as the comparison says."""

    code = "E-COMMISSION-GAIN"


@dataclass(frozen=True, slots=True)
class Reference:
    """What the reference meter showed of one quantity and phase, at the beginning and the end of the window."""

    phase: int
    begin: float
    end: float

    @property
    def mean(self) -> float:
        """What counts."""
        return (self.begin + self.end) / 2


@dataclass(frozen=True, slots=True)
class GainChange:
    """A gain word before and after, and the comparison behind it."""

    quantity: str
    phase: int
    shown: float
    reference: float
    old_word: int
    new_word: int


def can_calibrate(kind: str) -> bool:
    """Whether the meter of a kind has gains; Modbus meters come calibrated and sealed."""
    return kind in _FRACTION_BITS


def gain_key(kind: str, quantity: str) -> tuple[str, str]:
    """Section and option that hold the gains of a quantity, one word per chip channel."""
    return (_ATM_KEYS if kind == _ATM else _ADE_KEYS)[quantity]


def new_word(kind: str, quantity: str, old_word: int, shown: float, reference: float) -> int:
    """The gain word that makes the meter show the reference. Raises CalibrationError."""
    if not can_calibrate(kind):
        raise CalibrationError(f"{kind} has no gains", next_step="a sealed meter is exchanged, not calibrated")
    step = reference / shown if shown else 0.0
    if step <= 0:
        raise CalibrationError(f"shown {shown:g} and reference {reference:g} must not be 0, and of one sign")
    if not LEAST_STEP <= step <= MOST_STEP:
        raise CalibrationError(
            f"a step of {step:.3f} is outside {LEAST_STEP:g} to {MOST_STEP:g}",
            next_step="check transformer ratio and divider in the settings; a gain does not mend those",
        )
    if kind == _ATM and quantity != POWER:
        word = round(old_word * step)
        if not 0 < word <= _ATM_MOST:
            raise CalibrationError(f"the gain word {word} does not fit 16 bits", next_step="check the meter's settings")
        return word
    one = 1 << _FRACTION_BITS[kind]
    signed = old_word - 2 * one if old_word >= one else old_word
    word = round((one + signed) * step) - one
    if not -one <= word < one:
        raise CalibrationError(f"the gain word {word} does not fit {_FRACTION_BITS[kind] + 1} bits")
    return word % (2 * one) if kind == _ATM else word


def require_steady(reference: Reference) -> None:
    """Refuses a reference that moved. Raises CalibrationError."""
    moved = 1000 * abs(reference.end - reference.begin) / max(abs(reference.mean), 1e-9)
    if moved > STEADY_PERMILLE:
        raise CalibrationError(
            f"phase {PHASES[reference.phase]}: the reference went from {reference.begin:g} to {reference.end:g} "
            f"while it was compared, {moved:.1f} per mille; at most {STEADY_PERMILLE} are allowed",
            next_step="switch off what changes, wait, and compare again",
        )


def formula_errors(means: Means, power_factor: Three) -> tuple[str, ...]:
    """Phases on which U x I x PF differs from P by more than 0.5 %; without a load there is nothing to compare."""
    wrong = []
    for place, name in enumerate(PHASES):
        product = means.voltage_v[place] * means.current_a[place] * power_factor[place]
        shown = means.power_w[place]
        if abs(shown) > 50 and abs(product - shown) * 1000 > FORMULA_PERMILLE * abs(shown):
            wrong.append(f"phase {name}: U x I x PF = {product:.1f} W, P = {shown:.1f} W")
    return tuple(wrong)
