"""Drivers as they have been seen in the field, each wrong in one way. Test fixtures: they must fail on the emulators.

Each has `take(chip)`, which returns what it believes has flowed since its last call, in raw counts of the total or of
three phases; a test compares that with what the emulated chip knows.
"""

from __future__ import annotations

from typing import Any

from drivers.chips import ade7878_registers as ade7878
from drivers.chips import ade9000_registers as ade9000
from drivers.chips import atm90e32as_registers as atm
from drivers.chips.ade7878_link import I2cPort
from drivers.chips.ade9000_link import Link as Ade9000Link
from drivers.chips.atm90e32as_link import Link as AtmLink


def sign_magnitude(word: int, bits: int) -> int:
    """-(x & 0x7F..) for negative words, as a widely copied library computes it."""
    top = 1 << bits - 1
    return -(word & (top - 1)) if word & top else word


class TwoRegistersUnderOneSelect:
    """Clocks 64 bits and takes the second half for the next register."""

    def atm_power_words(self, chip: Any) -> tuple[int, int]:
        """High and low word of PmeanA: the low one is at another address and cannot follow."""
        rx = chip.transfer(atm.read_frame(atm.P_MEAN[1]) + bytes(4))
        return rx[2] << 8 | rx[3], rx[6] << 8 | rx[7]

    def ade7878_energies(self, chip: Any) -> list[int]:
        """AWATTHR and BWATTHR in one read."""
        rx = chip.i2c.write_read(ade7878.i2c_read_request(ade7878.WATT_HR[0]), 8)
        return [int.from_bytes(rx[:4], "big"), int.from_bytes(rx[4:], "big")]

    def ade9000_energy(self, chip: Any) -> int:
        """AWATTHR_LO and _HI in one period without burst."""
        rx = chip.transfer(ade9000.read_frame(ade9000.WATT_HR_LO[0], 2))
        return ade9000.energy_counts(int.from_bytes(rx[6:10], "big"), int.from_bytes(rx[2:6], "big"))


class ReadsTwiceToConfirm:
    """Reads a register that reading clears again, and believes the pair only if it agrees."""

    def atm_take(self, chip: Any) -> int:
        """APenergyT, twice."""
        link = AtmLink(chip)
        first, second = link.read(0x80), link.read(0x80)
        return first if first == second else second

    def ade7878_take(self, chip: Any) -> int:
        """AWATTHR with its reset value of LCYCMODE, in which reading clears."""
        port = I2cPort(chip.i2c)
        port.write(ade7878.LCYCMODE, 0x78)
        port.read(ade7878.WATT_HR[0])
        return ade7878.signed32(port.read(ade7878.WATT_HR[0]))


class ResetsWithoutDraining:
    """Resets the chip at each start of the daemon, whatever it holds."""

    def atm_start(self, chip: Any, clock: Any) -> None:
        """SoftReset at once."""
        chip.transfer(atm.write_frame(atm.SOFT_RESET, atm.SOFT_RESET_KEY))
        clock.sleep_ms(50)

    def ade7878_start(self, chip: Any, clock: Any) -> None:
        """SWRST at once."""
        I2cPort(chip.i2c).write(ade7878.CONFIG, ade7878.SWRST)
        clock.sleep_ms(50)

    def ade9000_start(self, chip: Any, clock: Any) -> None:
        """SWRST at once."""
        link = Ade9000Link(chip)
        link.write(ade9000.WR_LOCK, ade9000.UNLOCK_KEY)
        link.write(ade9000.CONFIG1, ade9000.SWRST)
        clock.sleep_ms(50)


class PhaseAForAll:
    """Reads the energy of all phases at phase A's address."""

    def ade7878_energies(self, chip: Any) -> list[int]:
        """Three times AWATTHR."""
        port = I2cPort(chip.i2c)
        return [ade7878.signed32(port.read(ade7878.WATT_HR[0])) for _ in range(3)]

    def atm_reverse(self, chip: Any) -> list[int]:
        """Three times ANenergyA."""
        return [AtmLink(chip).read(0x85) for _ in range(3)]


class PeriodWithoutSettling:
    """Switches the phase of PERIOD and reads at once."""

    def period_of(self, chip: Any, phase: int) -> int:
        """PERIOD right after MMODE."""
        port = I2cPort(chip.i2c)
        port.write(ade7878.MMODE, 0x1C | phase)
        return port.read(ade7878.PERIOD)


class OneByteToLinecyc:
    """Sends one byte to the 16-bit register LINECYC."""

    def write(self, chip: Any, half_cycles: int) -> None:
        """An eight-bit write."""
        chip.i2c.write(bytes((0xE6, 0x0C, half_cycles & 0xFF)))


class ReadsWithReset:
    """Uses the ADE9000's read-with-reset, which its erratum forbids."""

    def set_up(self, chip: Any) -> None:
        """EP_CFG with bit 5."""
        link = Ade9000Link(chip)
        link.write(ade9000.WR_LOCK, ade9000.UNLOCK_KEY)
        link.write(ade9000.EP_CFG, ade9000.EP_ENABLE | ade9000.EP_READ_RESET)

    def take(self, chip: Any) -> int:
        """High and low word once."""
        link = Ade9000Link(chip)
        high = link.read(ade9000.WATT_HR_HI[0])
        return ade9000.energy_counts(high, link.read(ade9000.WATT_HR_LO[0]))


class HighThenLow:
    """Reads both halves of an ADE9000 counter without looking at the high one again."""

    def take(self, chip: Any, between: Any) -> int:
        """`between` is what happens in the meantime."""
        link = Ade9000Link(chip)
        high = link.read(ade9000.WATT_HR_HI[0])
        between()
        return ade9000.energy_counts(high, link.read(ade9000.WATT_HR_LO[0]))


class WritesTheMemoryOnce:
    """Writes the DSP's memory without repeating the last word."""

    def write_gain(self, chip: Any, word: int) -> None:
        """AVGAIN, once."""
        port = I2cPort(chip.i2c)
        port.write(ade7878.DSPWP_SEL, ade7878.PROTECT_KEY)
        port.write(ade7878.DSPWP_SET, 0)
        port.write(ade7878.V_GAIN[0], word)


class NeverLocksThePort:
    """Leaves the choice of the port open."""

    def start(self, chip: Any) -> None:
        """RUN only."""
        I2cPort(chip.i2c).write(ade7878.RUN, 1)


class GivesUpAtOnce:
    """Panics on the first bus error instead of asking again."""

    def take(self, chip: Any) -> int:
        """One read, no second try."""
        return I2cPort(chip.i2c).read(ade7878.WATT_HR[0])
