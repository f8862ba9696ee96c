"""Points of the Eastron SDM meters: input registers, function 4, float32 high word first.

Source: reference/modbus-meters.csv.

A point is (name, protocol address counted from 0, type, scale); every one takes two registers. Manuals
print 30001 for address 0. Energies are kWh and kvarh. Portable: CPython and MicroPython.
"""

FLOAT32 = "float32"

SDM630_POINTS = (
    ("voltage_L1", 0, FLOAT32, 1),
    ("voltage_L2", 2, FLOAT32, 1),
    ("voltage_L3", 4, FLOAT32, 1),
    ("current_L1", 6, FLOAT32, 1),
    ("current_L2", 8, FLOAT32, 1),
    ("current_L3", 10, FLOAT32, 1),
    ("active_power_L1", 12, FLOAT32, 1),
    ("active_power_L2", 14, FLOAT32, 1),
    ("active_power_L3", 16, FLOAT32, 1),
    ("apparent_power_L1", 18, FLOAT32, 1),
    ("apparent_power_L2", 20, FLOAT32, 1),
    ("apparent_power_L3", 22, FLOAT32, 1),
    ("reactive_power_L1", 24, FLOAT32, 1),
    ("reactive_power_L2", 26, FLOAT32, 1),
    ("reactive_power_L3", 28, FLOAT32, 1),
    ("power_factor_L1", 30, FLOAT32, 1),
    ("power_factor_L2", 32, FLOAT32, 1),
    ("power_factor_L3", 34, FLOAT32, 1),
    ("phase_angle_L1", 36, FLOAT32, 1),
    ("phase_angle_L2", 38, FLOAT32, 1),
    ("phase_angle_L3", 40, FLOAT32, 1),
    ("voltage_avg", 42, FLOAT32, 1),
    ("current_avg", 46, FLOAT32, 1),
    ("current_sum", 48, FLOAT32, 1),
    ("active_power_total", 52, FLOAT32, 1),
    ("apparent_power_total", 56, FLOAT32, 1),
    ("reactive_power_total", 60, FLOAT32, 1),
    ("power_factor_total", 62, FLOAT32, 1),
    ("phase_angle_total", 66, FLOAT32, 1),
    ("frequency", 70, FLOAT32, 1),
    ("import_active_energy", 72, FLOAT32, 1),
    ("export_active_energy", 74, FLOAT32, 1),
    ("import_reactive_energy", 76, FLOAT32, 1),
    ("export_reactive_energy", 78, FLOAT32, 1),
    ("apparent_energy", 80, FLOAT32, 1),
    ("voltage_L1L2", 200, FLOAT32, 1),
    ("voltage_L2L3", 202, FLOAT32, 1),
    ("voltage_L3L1", 204, FLOAT32, 1),
    ("neutral_current", 224, FLOAT32, 1),
    ("total_active_energy", 342, FLOAT32, 1),
    ("total_reactive_energy", 344, FLOAT32, 1),
    ("import_active_energy_L1", 346, FLOAT32, 1),
    ("import_active_energy_L2", 348, FLOAT32, 1),
    ("import_active_energy_L3", 350, FLOAT32, 1),
    ("export_active_energy_L1", 352, FLOAT32, 1),
    ("export_active_energy_L2", 354, FLOAT32, 1),
    ("export_active_energy_L3", 356, FLOAT32, 1),
)

SDM120_POINTS = (
    ("voltage", 0, FLOAT32, 1),
    ("current", 6, FLOAT32, 1),
    ("active_power", 12, FLOAT32, 1),
    ("apparent_power", 18, FLOAT32, 1),
    ("reactive_power", 24, FLOAT32, 1),
    ("power_factor", 30, FLOAT32, 1),
    ("frequency", 70, FLOAT32, 1),
    ("import_active_energy", 72, FLOAT32, 1),
    ("export_active_energy", 74, FLOAT32, 1),
    ("import_reactive_energy", 76, FLOAT32, 1),
    ("export_reactive_energy", 78, FLOAT32, 1),
    ("total_active_energy", 342, FLOAT32, 1),
    ("total_reactive_energy", 344, FLOAT32, 1),
)

INPUT_FUNCTION = 4
MOST_REGISTERS = 80
IMPORT_ADDRESS = 72
EXPORT_ADDRESS = 74
FREQUENCY_ADDRESS = 70

# Blocks that one read asks for, (address, registers). The SDM630 answers over its gaps; the smaller
# meters may refuse them, so there a block never spans one. The block with 72 and 74 comes first.
SDM630_BLOCKS = ((0, 80), (346, 12))
SDM120_BLOCKS = ((70, 6), (12, 2), (0, 2), (6, 2), (24, 2), (30, 2))

NO_POINT = -1

# Addresses of the fields of a sample: (total, A, B, C) or (A, B, C).
SDM630_FIELDS: dict[str, tuple[int, ...]] = {
    "power_w": (52, 12, 14, 16),
    "reactive_power_var": (60, 24, 26, 28),
    "voltage_v": (0, 2, 4),
    "current_a": (6, 8, 10),
    "power_factor": (62, 30, 32, 34),
    "phase_import": (346, 348, 350),
    "phase_export": (352, 354, 356),
}
SDM120_FIELDS: dict[str, tuple[int, ...]] = {
    "power_w": (12, 12, NO_POINT, NO_POINT),
    "reactive_power_var": (24, 24, NO_POINT, NO_POINT),
    "voltage_v": (0, NO_POINT, NO_POINT),
    "current_a": (6, NO_POINT, NO_POINT),
    "power_factor": (30, 30, NO_POINT, NO_POINT),
    "phase_import": (),
    "phase_export": (),
}

# Model: (blocks, fields). SDM230 has the map of SDM120 and a phase angle that nobody settles on.
MODELS = {
    "SDM630": (SDM630_BLOCKS, SDM630_FIELDS),
    "SDM120": (SDM120_BLOCKS, SDM120_FIELDS),
    "SDM230": (SDM120_BLOCKS, SDM120_FIELDS),
}
