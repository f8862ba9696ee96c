"""What a driver raises: one base class, single inheritance (MicroPython refuses two built-in bases).

`transient` tells whether trying again later can help; `code` is the short word that `hive help CODE` explains.
A message names the place, the limit that was broken and what to do next.
"""


class DriverError(Exception):
    """Base of everything drivers raise."""

    transient = False
    code = "DRV"


class BusFault(DriverError):
    """The bus did not carry the transfer: no answer, a time-out, or a line stuck at one level."""

    transient = True
    code = "DRV-BUS"


class ChecksumFault(DriverError):
    """An answer failed its check: LastSPIData differs, a frame's CRC is wrong, a write did not read back."""

    transient = True
    code = "DRV-CHECK"


class WrongChip(DriverError):
    """Something answers, but it is not the part that the settings name."""

    code = "DRV-CHIP"


class ValueOutOfRange(DriverError):
    """A value that the quantity cannot have: NaN from a meter, a setting outside the chip's range."""

    code = "DRV-RANGE"


class RegistersLost(DriverError):
    """A register that the driver had configured changed by itself: brown-out, reset or tampering."""

    transient = True
    code = "DRV-LOST"
