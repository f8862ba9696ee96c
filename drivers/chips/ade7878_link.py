"""Single register accesses to an ADE7878 over I2C or SPI, with the checks that this chip allows.

The chip repeats nothing and has no checksum on the wire, but reading clears nothing either (RSTREAD = 0): what must
be right is read again. Words that stand still must agree twice; words that move must agree within a sixteenth.
Port choice and lock: reference/ade7878.md, "Bus".
"""

from drivers.bus import I2cDevice, SpiDevice
from drivers.chips import ade7878_registers as reg
from drivers.errors import BusFault, ChecksumFault

ATTEMPTS = 4
SELECT_PULSES = 3
MOVING_SHIFT = 4
MOVING_FLOOR = 4096


class I2cPort:
    """Frames over I2C."""

    is_spi = False

    def __init__(self, bus: I2cDevice) -> None:
        """Use `bus`; nothing is sent yet."""
        self._bus = bus

    def read(self, address: int) -> int:
        """The word of one register, unchecked. Raises BusFault."""
        rx = self._bus.write_read(reg.i2c_read_request(address), reg.width(address))
        return _word(rx)

    def write(self, address: int, word: int) -> None:
        """Write one register, unchecked. Raises BusFault."""
        self._bus.write(reg.i2c_write_request(address, word))

    def select(self) -> None:
        """Nothing: after power-up the chip listens to I2C."""


class SpiPort:
    """Frames over SPI."""

    is_spi = True

    def __init__(self, bus: SpiDevice) -> None:
        """Use `bus`; nothing is sent yet."""
        self._transfer = bus.transfer
        self._frames: dict[int, bytes] = {}

    def read(self, address: int) -> int:
        """The word of one register, unchecked. Raises BusFault."""
        frame = self._frames.get(address)
        if frame is None:
            frame = self._frames[address] = reg.spi_read_request(address)
        return _word(self._transfer(frame)[3:])

    def write(self, address: int, word: int) -> None:
        """Write one register, unchecked. Raises BusFault."""
        self._transfer(reg.spi_write_request(address, word))

    def select(self) -> None:
        """Three falls of the select line, which turn a chip just powered to SPI; harmless to one that listens."""
        for _ in range(SELECT_PULSES):
            # The line is pulled all the same; a dead bus shows at the next access.
            self._pulse()

    def _pulse(self) -> bool:
        try:
            self._transfer(reg.spi_read_request(reg.UNUSED))
        except BusFault:
            return False
        return True


def _word(rx: bytes) -> int:
    if len(rx) == 4:
        return rx[0] << 24 | rx[1] << 16 | rx[2] << 8 | rx[3]
    return rx[0] << 8 | rx[1] if len(rx) == 2 else rx[0]


class Link:
    """Checked accesses over one port. `faults` counts failed checks and bus errors since creation."""

    def __init__(self, port: I2cPort | SpiPort) -> None:
        """Use `port` for every access; nothing is sent yet."""
        self.port = port
        self.read = port.read
        self.faults = 0

    def read_twice(self, address: int) -> int:
        """A register that stands still: two answers in a row that agree. Raises ChecksumFault, BusFault."""
        read = self.read
        last = -1
        for _ in range(2 * ATTEMPTS):
            try:
                word = read(address)
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
            f"register 0x{address:04X}: no two answers of {2 * ATTEMPTS} agree; check wiring and bit rate"
        )

    def read_moving(self, address: int) -> int:
        """A measurement, sign-extended from bit 23: two answers closer than a sixteenth. Raises ChecksumFault."""
        read = self.read
        last = None
        for _ in range(2 * ATTEMPTS):
            try:
                word = reg.signed24(read(address))
            except BusFault:
                self.faults += 1
                continue
            if last is not None:
                size = word if word >= 0 else -word
                if -(size >> MOVING_SHIFT) - MOVING_FLOOR <= word - last <= (size >> MOVING_SHIFT) + MOVING_FLOOR:
                    return word
                self.faults += 1
            last = word
        raise ChecksumFault(f"register 0x{address:04X}: {2 * ATTEMPTS} answers jump about; check wiring and bit rate")

    def write_checked(self, address: int, word: int) -> None:
        """Write and read back: an aborted transfer leaves the target undefined. Raises ChecksumFault, BusFault."""
        for _ in range(ATTEMPTS):
            try:
                self.port.write(address, word)
                if self.read_twice(address) == word:
                    return
            except BusFault:
                pass  # counted below
            self.faults += 1
        raise ChecksumFault(
            f"register 0x{address:04X} does not keep 0x{word:X} after {ATTEMPTS} writes; check wiring and supply"
        )

    def write_dsp(self, words: tuple[tuple[int, int], ...]) -> None:
        """Write the DSP's memory: the last word three times in a row flushes its queue, then all are read back.

        The memory must be open. Raises ChecksumFault, BusFault.
        """
        if not words:
            return
        for _ in range(ATTEMPTS):
            try:
                for address, word in words:
                    self.port.write(address, word)
                self.port.write(words[-1][0], words[-1][1])
                self.port.write(words[-1][0], words[-1][1])
                if all(self.read_twice(address) == word for address, word in words):
                    return
            except BusFault:
                pass  # counted below
            self.faults += 1
        raise ChecksumFault(f"the DSP's memory does not keep its {len(words)} words; check wiring and supply")
