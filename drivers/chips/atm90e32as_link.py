"""Single register accesses to an ATM90E32AS with the checks that the chip offers.

The chip repeats the data word of the last access in LastSPIData (0x78); reading that register changes nothing,
so an answer can be asked for again as often as needed. A line stuck at one repeats 0xFFFF in both, so all-ones
never pass the check. Source: data sheet, SPI interface; reference/atm90e32as.md, sections SPI and Energy.
"""

from drivers.bus import SpiDevice
from drivers.chips.atm90e32as_registers import ALL_ONES, LAST_SPI_DATA, read_frame, write_frame
from drivers.errors import BusFault, ChecksumFault

ATTEMPTS = 4
READ_FRAMES = tuple(read_frame(address) for address in range(0x100))
LAST_FRAME = READ_FRAMES[LAST_SPI_DATA]


class Link:
    """Word reads and writes over one SpiDevice. `faults` counts failed checks and bus errors since creation."""

    def __init__(self, bus: SpiDevice) -> None:
        """Use `bus` for every access; nothing is sent yet."""
        self.transfer = bus.transfer
        self.faults = 0

    def read(self, address: int) -> int:
        """The word of one register, unchecked. Raises BusFault."""
        rx = self.transfer(READ_FRAMES[address] if address < 0x100 else read_frame(address))
        return rx[2] << 8 | rx[3]

    def write(self, address: int, word: int) -> None:
        """Write one register, unchecked. Raises BusFault."""
        self.transfer(write_frame(address, word))

    def last(self) -> int:
        """LastSPIData: the data word of the access before. Raises BusFault."""
        rx = self.transfer(LAST_FRAME)
        return rx[2] << 8 | rx[3]

    def read_checked(self, address: int, all_ones_valid: bool = False) -> int:
        """The word of a register that reading does not clear, equal to LastSPIData. Raises ChecksumFault, BusFault.

        All-ones are refused unless the register may hold them (then a stuck line cannot be told from it here).
        """
        transfer = self.transfer
        frame = READ_FRAMES[address]
        for _ in range(ATTEMPTS):
            try:
                rx = transfer(frame)
                again = transfer(LAST_FRAME)
            except BusFault:
                self.faults += 1
                continue
            if rx[2] == again[2] and rx[3] == again[3]:
                word = rx[2] << 8 | rx[3]
                if word != ALL_ONES or all_ones_valid:
                    return word
            self.faults += 1
        raise ChecksumFault(
            f"register 0x{address:02X}: {ATTEMPTS} answers differ from LastSPIData or are all ones; "
            "check wiring and bit rate"
        )

    def read_double(self, address: int, low_offset: int) -> tuple[int, int]:
        """High and low word of one 32-bit value; asked again when a refresh fell between. Raises ChecksumFault.

        The high word is read before and after, which tells a garbled one too; the low one is in LastSPIData.
        """
        high = -1
        for _ in range(2 * ATTEMPTS):
            try:
                if high < 0:
                    high = self.read(address)
                low = self.read(address + low_offset)
                sound = self.last() == low
                after = self.read(address)
            except BusFault:
                self.faults += 1
                high = -1
                continue
            if sound and after == high:
                return high, low
            self.faults += not sound
            high = after
        raise ChecksumFault(f"register 0x{address:02X}: its two words do not stand still in {2 * ATTEMPTS} reads")

    def write_checked(self, address: int, word: int, read_back: bool = True) -> None:
        """Write, compare LastSPIData, compare the register itself. Raises ChecksumFault, BusFault."""
        for _ in range(ATTEMPTS):
            try:
                self.write(address, word)
                if self.last() == word and (not read_back or self.read(address) == word):
                    return
            except BusFault:
                self.faults += 1
                continue
            self.faults += 1
        raise ChecksumFault(
            f"register 0x{address:02X} does not keep 0x{word:04X} after {ATTEMPTS} writes; check wiring and supply"
        )
