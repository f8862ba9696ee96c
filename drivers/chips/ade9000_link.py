"""Single register accesses to an ADE9000 with the checks that the chip offers.

The chip repeats the data of the last access in LAST_DATA_16 and LAST_DATA_32; reading clears nothing, so an answer
can be asked for again. LAST_DATA does not tell a flipped address: what must be right is read twice.
"""

from drivers.bus import SpiDevice
from drivers.chips import ade9000_registers as reg
from drivers.errors import BusFault, ChecksumFault

ATTEMPTS = 4
ALL_ONES = {2: 0xFFFF, 4: 0xFFFFFFFF}


def answer_word(rx: bytes, address: int) -> int:
    """The data word of an answer; the first two bytes are undriven and ignored."""
    if reg.width(address) == 2:
        return rx[2] << 8 | rx[3]
    return rx[2] << 24 | rx[3] << 16 | rx[4] << 8 | rx[5]


class Link:
    """Word reads and writes over one SpiDevice. `faults` counts failed checks and bus errors since creation."""

    def __init__(self, bus: SpiDevice) -> None:
        """Use `bus` for every access; nothing is sent yet."""
        self.transfer = bus.transfer
        self.faults = 0
        self._frames: dict[int, bytes] = {}

    def read(self, address: int) -> int:
        """The word of one register, unchecked. Raises BusFault."""
        frame = self._frames.get(address)
        if frame is None:
            frame = self._frames[address] = reg.read_frame(address)
        return int.from_bytes(self.transfer(frame)[2:], "big")

    def write(self, address: int, word: int) -> None:
        """Write one register, unchecked. Raises BusFault."""
        self.transfer(reg.write_frame(address, word))

    def read_checked(self, address: int) -> int:
        """A word equal to LAST_DATA; all-ones are refused unless they come again. Raises ChecksumFault, BusFault."""
        read = self.read
        last = reg.LAST_DATA_16 if reg.width(address) == 2 else reg.LAST_DATA_32
        ones = ALL_ONES[reg.width(address)]
        for _ in range(ATTEMPTS):
            try:
                word = read(address)
                if word == read(last) and word != ones:
                    return word
                alive = word == ones and read(reg.VERSION) & reg.VERSION_MASK == reg.VERSION_VALUE
                if alive and read(address) == ones:
                    return word
            except BusFault:
                pass  # counted below
            self.faults += 1
        raise ChecksumFault(
            f"register 0x{address:03X}: {ATTEMPTS} answers differ from LAST_DATA; check wiring and bit rate"
        )

    def read_twice(self, address: int) -> int:
        """A register that stands still: two answers in a row that agree. Raises ChecksumFault, BusFault."""
        last = -1
        for _ in range(2 * ATTEMPTS):
            try:
                word = self.read(address)
            except BusFault:
                self.faults += 1
                last = -1
                continue
            if word == last:
                return word
            if last >= 0:
                self.faults += 1
            last = word
        raise ChecksumFault(
            f"register 0x{address:03X}: no two answers of {2 * ATTEMPTS} agree; check wiring and bit rate"
        )

    def shows(self, address: int, bit: int) -> bool:
        """Whether a bit that is clear as a rule is set; only then the register is read again. As `read_twice`."""
        try:
            if not self.read(address) & bit:
                return False
        except BusFault:
            self.faults += 1
        return self.shows_twice(address, bit)

    def shows_twice(self, address: int, bit: int) -> bool:
        """Whether two answers agree that a bit is set. As `read_twice`."""
        return self.read_twice(address) & bit != 0

    def write_checked(self, address: int, word: int) -> None:
        """Write and read back. Raises ChecksumFault, BusFault."""
        for _ in range(ATTEMPTS):
            try:
                self.write(address, word)
                if self.read_twice(address) == word:
                    return
            except BusFault:
                pass  # counted below
            self.faults += 1
        raise ChecksumFault(
            f"register 0x{address:03X} does not keep 0x{word:X} after {ATTEMPTS} writes; check wiring and supply"
        )
