"""Register addresses, word lengths and wire frames of the ADE9000 (data sheet revision B; reference/ade9000.md).

Frame: 16-bit header (address << 4 | read << 3), then 16 or 32 data bits, most significant first; SPI mode 3.
"""

I_GAIN = (0x000, 0x020, 0x040)
PH_CAL0 = (0x006, 0x026, 0x046)
V_GAIN = (0x00B, 0x02B, 0x04B)
I_RMS_OFFSET = (0x00C, 0x02C, 0x04C)
V_RMS_OFFSET = (0x00D, 0x02D, 0x04D)
P_GAIN = (0x00E, 0x02E, 0x04E)
WATT_OFFSET = (0x00F, 0x02F, 0x04F)
VAR_OFFSET = (0x010, 0x030, 0x050)
CONFIG0 = 0x060
DICOEFF = 0x072

I_RMS = (0x20C, 0x22C, 0x24C)
V_RMS = (0x20D, 0x22D, 0x24D)
WATT = (0x210, 0x230, 0x250)
VAR = (0x211, 0x231, 0x251)
VA = (0x212, 0x232, 0x252)
PF = (0x216, 0x236, 0x256)
V_THD = (0x217, 0x237, 0x257)
I_THD = (0x218, 0x238, 0x258)
N_I_RMS = 0x266
# Energy bits 44..13 and 12..0.
WATT_HR_HI = (0x2E7, 0x323, 0x35F)
WATT_HR_LO = (0x2E6, 0x322, 0x35E)
VAR_HR_HI = (0x2F1, 0x32D, 0x369)
VAR_HR_LO = (0x2F0, 0x32C, 0x368)

I_PEAK, V_PEAK = 0x400, 0x401
STATUS0, STATUS1, EVENT_STATUS = 0x402, 0x403, 0x404
EVENT_MASK = 0x407
VLEVEL = 0x40F
DIP_LVL, SWELL_LVL = 0x410, 0x414
PERIOD = (0x418, 0x419, 0x41A)
ACT_NL_LVL, REACT_NL_LVL, APP_NL_LVL = 0x41C, 0x41D, 0x41E
LAST_DATA_32 = 0x423
PART_ID = 0x472
TEMP_TRIM = 0x474
RUN, CONFIG1 = 0x480, 0x481
ANGLE_V = (0x482, 0x483, 0x484)
ANGLE_VI = (0x485, 0x486, 0x487)
DIP_CYC, SWELL_CYC = 0x48B, 0x48C
ACCMODE = 0x492
PH_SIGN = 0x49D
WFB_CFG = 0x4A0
CRC_SPI = 0x4A9
LAST_DATA_16, LAST_CMD = 0x4AC, 0x4AE
EP_CFG, EGY_TIME = 0x4B0, 0x4B2
TEMP_CFG, TEMP_RSLT = 0x4B6, 0x4B7
PGA_GAIN = 0x4B9
WR_LOCK = 0x4BF
VAR_DIS = 0x4E0
VERSION = 0x4FE
BURST_FUNCTION_FIRST, BURST_FUNCTION_LAST = 0x600, 0x63C
BURST_FIRST, BURST_PHASE_LAST = 0x500, 0x6BC

SWRST = 1 << 0
BURST_ENABLE = 1 << 11
RSTDONE = 1 << 16
EGYRDY = 1 << 0
PAGE_FULL = 1 << 17
LOCK_KEY, UNLOCK_KEY = 0x3C64, 0x4AD1
VERSION_MASK, VERSION_VALUE = 0xFFC0, 0x00C0
PART_ID_ADE9000 = 1 << 20
ACCMODE_60_HZ = 1 << 8
EP_ENABLE, EP_HALF_CYCLES, EP_OVERWRITE, EP_READ_RESET = 1 << 0, 1 << 1, 1 << 4, 1 << 5
DICOEFF_ROGOWSKI = 0xFFFFE000
NL_OFF_TIMER = 7 << 13
EGY_TIME_MOST = 8191


def width(address: int) -> int:
    """Bytes of a register on the wire: 2 for 0x480..0x4FE, 4 elsewhere."""
    return 2 if 0x480 <= address <= 0x4FE else 4


def read_frame(address: int, words: int = 1) -> bytes:
    """One chip-select period that reads a register, or `words` of them in a burst."""
    header = address << 4 | 8
    return bytes((header >> 8, header & 0xFF)) + bytes(width(address) * words)


def write_frame(address: int, word: int) -> bytes:
    """One chip-select period that writes a register."""
    header = address << 4
    length = width(address)
    return bytes((header >> 8, header & 0xFF)) + bytes([word >> 8 * (length - 1 - k) & 0xFF for k in range(length)])


def signed32(word: int) -> int:
    """A 32-bit word as twos complement."""
    return word - 0x100000000 if word & 0x80000000 else word


def energy_counts(high: int, low: int) -> int:
    """The 45-bit signed count: bits 44..13 in the high register, 12..0 in the low one."""
    return signed32(high) * 8192 + (low & 0x1FFF)
