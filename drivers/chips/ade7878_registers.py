"""Register addresses, word lengths and wire frames of the ADE7878 (data sheet; reference/ade7878.md and .csv).

I2C  write: address high, low, data MSB first     read: address high, low, repeated start, data
SPI  0x00 (write) or 0x01 (read), address high, low, data MSB first
"""

# Calibration in the DSP's memory: 24-bit signed, sign-extended to 28 bits on the wire ("ZPSE").
I_GAIN = (0x4380, 0x4382, 0x4384)
V_GAIN = (0x4381, 0x4383, 0x4385)
I_RMS_OFFSET = (0x4387, 0x4389, 0x438B)
V_RMS_OFFSET = (0x4388, 0x438A, 0x438C)
VA_GAIN = (0x438E, 0x438F, 0x4390)
W_GAIN = (0x4391, 0x4393, 0x4395)
W_OFFSET = (0x4392, 0x4394, 0x4396)
VAR_GAIN = (0x4397, 0x4399, 0x439B)
VAR_OFFSET = (0x4398, 0x439A, 0x439C)
VA_THR1, VA_THR0 = 0x43A9, 0x43AA
W_THR1, W_THR0 = 0x43AB, 0x43AC
VAR_THR1, VAR_THR0 = 0x43AD, 0x43AE
VLEVEL = 0x43B3
DICOEFF = 0x43B5
DSP_RAM_FIRST, DSP_RAM_LAST = 0x4380, 0x43BE

I_RMS = (0x43C0, 0x43C2, 0x43C4)
V_RMS = (0x43C1, 0x43C3, 0x43C5)
N_I_RMS = 0x43C6
RUN = 0xE228
WATT_HR = (0xE400, 0xE401, 0xE402)
VAR_HR = (0xE406, 0xE407, 0xE408)
VA_HR = (0xE40C, 0xE40D, 0xE40E)
I_PEAK, V_PEAK = 0xE500, 0xE501
STATUS0, STATUS1 = 0xE502, 0xE503
OI_LVL, OV_LVL, SAG_LVL = 0xE507, 0xE508, 0xE509
WATT = (0xE513, 0xE514, 0xE515)
VAR = (0xE516, 0xE517, 0xE518)
VA = (0xE519, 0xE51A, 0xE51B)
CHECKSUM = 0xE51F
PH_STATUS = 0xE600
ANGLE = (0xE601, 0xE602, 0xE603)
PERIOD = 0xE607
COMPMODE = 0xE60E
GAIN = 0xE60F
PH_CAL = (0xE614, 0xE615, 0xE616)
CONFIG = 0xE618
MMODE, ACCMODE, LCYCMODE, PEAKCYC, SAGCYC = 0xE700, 0xE701, 0xE702, 0xE703, 0xE704
DSPWP_SET, DSPWP_SEL = 0xE7E3, 0xE7FE
CONFIG2 = 0xEC01
UNUSED = 0xEBFF

RSTDONE = 1 << 15
SWRST = 1 << 7
INTEGRATOR = 1 << 0
COMPMODE_60_HZ = 1 << 14
COMPMODE_RESET = 0x01FF
LCYCMODE_KEEP = 0x38  # the reset value 0x78 without bit 6: reading does not clear
I2C_LOCK = 1 << 1
PROTECT_KEY, PROTECT_ON, PROTECT_OFF = 0xAD, 0x80, 0x00
CHECKSUM_ADE7878, CHECKSUM_ADE7878A = 0x33666787, 0xEEF4CB9A
I2C_ADDRESS = 0x38


def width(address: int) -> int:
    """Bytes of a register on the wire: 1, 2 or 4."""
    page = address >> 8
    if page in (0xE7, 0xEC):
        return 1
    return 2 if page in (0xE2, 0xE6) else 4


def in_dsp_ram(address: int) -> bool:
    """Whether writes to the address go through the DSP's queue and can be protected."""
    return DSP_RAM_FIRST <= address <= DSP_RAM_LAST


def i2c_read_request(address: int) -> bytes:
    """The bytes before the repeated start."""
    return bytes((address >> 8, address & 0xFF))


def i2c_write_request(address: int, word: int) -> bytes:
    """Address and data of a write."""
    return bytes((address >> 8, address & 0xFF)) + data_bytes(word, width(address))


def spi_read_request(address: int) -> bytes:
    """One chip-select period that reads a register."""
    return bytes((1, address >> 8, address & 0xFF)) + bytes(width(address))


def spi_write_request(address: int, word: int) -> bytes:
    """One chip-select period that writes a register."""
    return bytes((0, address >> 8, address & 0xFF)) + data_bytes(word, width(address))


def data_bytes(word: int, length: int) -> bytes:
    """A word as `length` bytes, most significant first."""
    return bytes([word >> 8 * (length - 1 - place) & 0xFF for place in range(length)])


def signed24(word: int) -> int:
    """The low 24 bits as twos complement: ZP and ZPSE words alike."""
    word &= 0xFFFFFF
    return word - 0x1000000 if word & 0x800000 else word


def signed32(word: int) -> int:
    """A 32-bit word as twos complement."""
    return word - 0x100000000 if word & 0x80000000 else word


def zpse(value: int) -> int:
    """A signed 24-bit value as it is written: extended to 28 bits, the top four bits zero."""
    return value & 0x0FFFFFFF
