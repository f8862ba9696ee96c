"""Numbers and instants as people read them: every figure on the page passes through `NumberFormat.number`.

Amounts arrive as integers (watts, milliwatt-hours, pico-coins) and leave as text with the separators of the
reader's language; nothing is converted to a float on the way, so the page shows what was signed.
"""

from dataclasses import dataclass
from datetime import datetime, tzinfo

NO_BREAK = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
PICO_PER_COIN = 10**12
PICO_PER_MICRO = 10**6
_MILLIWH_PER_KWH = 10**6
_HALF_DAY_S = 43_200


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """How a language writes numbers."""

    decimal_mark: str
    thousands_mark: str

    def number(self, value: int, divisor: int = 1, decimals: int = 0) -> str:
        """`value` / `divisor`, rounded half away from zero; a true minus sign, never a negative zero."""
        steps = (2 * abs(value) * 10**decimals + divisor) // (2 * divisor)
        whole, part = divmod(steps, 10**decimals)
        text = f"{whole:,}".replace(",", self.thousands_mark)
        if decimals:
            text += f"{self.decimal_mark}{part:0{decimals}d}"
        return f"{MINUS}{text}" if value < 0 and steps else text

    def kilowatts(self, power_w: int) -> str:
        """A power for tiles and bars, such as "3.10 kW"."""
        return f"{self.number(power_w, 1000, 2)}{NO_BREAK}kW"

    def power(self, power_w: int) -> str:
        """A power inside a sentence: "720 W" below one kilowatt, "3.10 kW" from there."""
        return f"{self.number(power_w)}{NO_BREAK}W" if abs(power_w) < 1000 else self.kilowatts(power_w)

    def energy(self, milliwh: int) -> str:
        """An energy such as "14.2 kWh"; two places below one kilowatt-hour, for a first morning."""
        decimals = 2 if abs(milliwh) < _MILLIWH_PER_KWH else 1
        return f"{self.number(milliwh, _MILLIWH_PER_KWH, decimals)}{NO_BREAK}kWh"

    def slot_energy(self, milliwh: int) -> str:
        """The energy of one quarter-hour in kWh without its unit, three places."""
        return self.number(milliwh, _MILLIWH_PER_KWH, 3)

    def amount(self, pico: int, decimals: int = 2) -> str:
        """Money of pico-coins without its currency; single quarter-hours need four places."""
        return self.number(pico, PICO_PER_COIN, decimals)

    def money(self, currency: str, pico: int) -> str:
        """Money of pico-coins with its currency, such as "CHF 1.84"."""
        return f"{currency}{NO_BREAK}{self.amount(pico)}"

    def percent(self, permille: int) -> str:
        """Thousandths as per cent, such as "63 %"."""
        return f"{self.number(permille, 10)}{NO_BREAK}%"

    def age(self, age_s: int) -> str:
        """How long ago, in the largest unit that says enough: "12 s", "5 min", "3 h"."""
        if age_s < 120:
            return f"{self.number(age_s)}{NO_BREAK}s"
        if age_s < 7200:
            return f"{self.number(age_s // 60)}{NO_BREAK}min"
        return f"{self.number(age_s // 3600)}{NO_BREAK}h"


ENGLISH_NUMBERS = NumberFormat(".", NO_BREAK)


def clock_time(at_unix_s: float, zone: tzinfo | None, with_seconds: bool = False) -> str:
    """An instant as clock time, such as "15:40", in `zone`; None is the system's own zone."""
    return datetime.fromtimestamp(at_unix_s, zone).strftime("%H:%M:%S" if with_seconds else "%H:%M")


def instant(at_unix_s: float, now_unix_s: float, zone: tzinfo | None) -> str:
    """An instant as clock time, with its date when it is half a day or more from now."""
    near = abs(now_unix_s - at_unix_s) < _HALF_DAY_S
    return datetime.fromtimestamp(at_unix_s, zone).strftime("%H:%M" if near else "%Y-%m-%d %H:%M")


def shortened(hexadecimal: str) -> str:
    """First and last four digits of an address or hash, such as "0x9c1f…a04e"."""
    bare = hexadecimal.removeprefix("0x")
    return f"0x{bare[:4]}…{bare[-4:]}" if len(bare) > 10 else f"0x{bare}"
