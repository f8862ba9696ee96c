"""Register addresses and wire frames of the ATM90E32AS (Microchip M90E32AS data sheet, register tables).

Frame, 32 clocks in one chip-select period, most significant bit first:

    byte 0            byte 1      byte 2, 3
    rw 00000 a9 a8    a7 .. a0    data word; rw = 1 reads. Undriven for the first two bytes of an answer.
"""

METER_EN = 0x00
CHANNEL_MAP_I = 0x01
CHANNEL_MAP_U = 0x02
SAG_PEAK_DET_CFG = 0x05
OV_TH = 0x06
SAG_TH = 0x08
PHASE_LOSS_TH = 0x09
IN_WARN_TH = 0x0A
OI_TH = 0x0B
FREQ_LO_TH = 0x0C
FREQ_HI_TH = 0x0D
PL_CONST_H = 0x31
PL_CONST_L = 0x32
MMODE0 = 0x33
MMODE1 = 0x34
P_START_TH = 0x35
Q_START_TH = 0x36
S_START_TH = 0x37
P_PHASE_TH = 0x38
Q_PHASE_TH = 0x39
S_PHASE_TH = 0x3A
SOFT_RESET = 0x70
EMM_STATE0 = 0x71
EMM_STATE1 = 0x72
EMM_INT_STATE0 = 0x73
EMM_INT_STATE1 = 0x74
LAST_SPI_DATA = 0x78
CRC_ERR_STATUS = 0x79
CRC_DIGEST = 0x7A
CFG_REG_ACC_EN = 0x7F

# Active energy, forward then reverse, total then phases A, B, C; cleared by reading.
ENERGY_FORWARD = (0x80, 0x81, 0x82, 0x83)
ENERGY_REVERSE = (0x84, 0x85, 0x86, 0x87)
REACTIVE_FORWARD = (0x88, 0x89, 0x8A, 0x8B)
REACTIVE_REVERSE = (0x8C, 0x8D, 0x8E, 0x8F)

# High words in the order total, A, B, C; the low word of each lies LOW_WORD further on.
P_MEAN = (0xB0, 0xB1, 0xB2, 0xB3)
Q_MEAN = (0xB4, 0xB5, 0xB6, 0xB7)
S_MEAN = (0xB8, 0xB9, 0xBA, 0xBB)
PF_MEAN = (0xBC, 0xBD, 0xBE, 0xBF)
LOW_WORD = 0x10
U_RMS = (0xD9, 0xDA, 0xDB)
I_RMS = (0xDD, 0xDE, 0xDF)
I_RMS_N = 0xDC
# Fundamental and harmonic active power, total then phases; high words, low words LOW_WORD further on.
P_FUNDAMENTAL = (0xD0, 0xD1, 0xD2, 0xD3)
P_HARMONIC = (0xD4, 0xD5, 0xD6, 0xD7)
U_PEAK = (0xF1, 0xF2, 0xF3)
I_PEAK = (0xF5, 0xF6, 0xF7)
FREQ = 0xF8
P_ANGLE = (0xF9, 0xFA, 0xFB)
TEMP = 0xFC
U_ANGLE = (0xFD, 0xFE, 0xFF)

# Per phase, in the order of PhaseCalibration's fields.
CALIBRATION = (
    (0x61, 0x62, 0x63, 0x64, 0x41, 0x42, 0x47, 0x48),
    (0x65, 0x66, 0x67, 0x68, 0x43, 0x44, 0x49, 0x4A),
    (0x69, 0x6A, 0x6B, 0x6C, 0x45, 0x46, 0x4B, 0x4C),
)

SOFT_RESET_KEY = 0x789A
UNLOCK_KEY = 0x55AA
CHANNEL_MAP_U_RESET = 0x0654
ALL_ONES = 0xFFFF

# Four writes after which the temperature may be trusted (application note, temperature sensor set-up).
TEMPERATURE_SETUP = ((0x2FF, 0x55AA), (0x216, 0x5183), (0x219, 0x01C1), (0x2FF, 0x0000))


def read_frame(address: int) -> bytes:
    """The four bytes that ask for one register."""
    return bytes((0x80 | address >> 8 & 3, address & 0xFF, 0, 0))


def write_frame(address: int, word: int) -> bytes:
    """The four bytes that write one register."""
    return bytes((address >> 8 & 3, address & 0xFF, word >> 8 & 0xFF, word & 0xFF))


def answer_word(rx: bytes) -> int:
    """The data word of an answer; the first two bytes are undriven and ignored."""
    return rx[2] << 8 | rx[3]


def signed16(word: int) -> int:
    """A 16-bit word as twos complement."""
    return word - 0x10000 if word & 0x8000 else word


def signed32(high: int, low: int) -> int:
    """Two 16-bit words as one twos complement number."""
    value = high << 16 | low
    return value - 0x100000000 if high & 0x8000 else value
