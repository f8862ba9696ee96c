"""What the event bits of an ATM90E32AS mean (EMMState0/1, EMMIntState0/1; reference/atm90e32as-bits.csv).

names_of(state0, state1) -> tuple       such as ("OV_A", "sag_B"), highest bit first
"""

STATE0 = (
    "OI_A", "OI_B", "OI_C", "OV_A", "OV_B", "OV_C", "U_sequence_error", "I_sequence_error", "IN_over",
    "TQ_noload", "TP_noload", "TS_noload", "CF1_reverse", "CF2_reverse", "CF3_reverse", "CF4_reverse",
)  # fmt: skip
STATE1 = (
    "freq_high", "sag_A", "sag_B", "sag_C", "freq_low", "phase_loss_A", "phase_loss_B", "phase_loss_C",
    "Q_total_negative", "Q_A_negative", "Q_B_negative", "Q_C_negative",
    "P_total_negative", "P_A_negative", "P_B_negative", "P_C_negative",
)  # fmt: skip


def names_of(state0: int, state1: int) -> tuple[str, ...]:
    """Names of the bits that are set; STATE0[0] and STATE1[0] are bit 15."""
    found = []
    for names, word in ((STATE0, state0), (STATE1, state1)):
        for place in range(16):
            if word >> (15 - place) & 1:
                found.append(names[place])
    return tuple(found)
