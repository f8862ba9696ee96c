"""What every meter's `read()` returns: one look at a meter.

MeterSample(at_ticks_ms, counter_kind, import_counts, export_counts, phase_import_counts, phase_export_counts,
            counter_step_nanowh, power_w, reactive_power_var, voltage_v, current_a, power_factor, frequency_hz,
            temperature_c, status, flags, lost_bound_counts)

    at_ticks_ms          int   the driver clock's ticks when the energy was read (epoch unknown)
    counter_kind         str   INCREMENT: the counts are what this read took out of a chip that forgets; add each
                               sample exactly once. ABSOLUTE: the meter's own ever-growing counters
    import_counts        int   energy from the grid, in steps; the figure that is settled
    export_counts        int   energy to the grid, in steps
    phase_import_counts  tuple three ints (phase A, B, C), or None if the meter has no such registers
    phase_export_counts  tuple the same for export
    counter_step_nanowh  int   nano-watt-hours per count (meter constant 3200: 3_125_000). Milliwatt-hours of
                               counts n: n * counter_step_nanowh // 1_000_000, on the CUMULATIVE n only
    power_w              tuple (total, A, B, C) in W, > 0 is import. None if not measured by this read
    reactive_power_var   tuple (total, A, B, C) in var, > 0 is inductive. None likewise; a phase is None where a
                         sample reads the total only
    voltage_v            tuple (A, B, C) in V, None likewise
    current_a            tuple (A, B, C) in A, never negative, None likewise
    power_factor         tuple (total, A, B, C), sign of the power, None likewise or where the cross-check set has it
    frequency_hz         float, 0.0 if no phase is alive; None likewise
    temperature_c        float of the chip, None if not measured or not known
    status               int   the part's own status bits (EMMState0 << 16 | EMMState1), 0 if the part has none
    flags                int   FLAG_* below, the bits of a Reading's `flags` (chain-design section 3)
    lost_bound_counts    int   at most so many counts, import and export together, may be missing from (or,
                               with FLAG_CROSS_CHECK, wrong in) the books since the last sample; 0 without a flag

A single-phase meter repeats nothing: its B and C are 0 (or 0.0). Measured values are floats and stay off the
counter path: counts, step, flags and bound are integers everywhere.
"""

from collections import namedtuple

INCREMENT = "increment"
ABSOLUTE = "absolute"

FLAG_GAP = 1 << 0
FLAG_QUARANTINED = 1 << 1
FLAG_CROSS_CHECK = 1 << 2
FLAG_BROWN_OUT = 1 << 4
FLAG_BUS_FAULTS = 1 << 5
FLAG_TAMPER = 1 << 6
FLAG_ENERGY_LOST = 1 << 7
SUM_RULE_SHIFT = 16

SUM_CHIP_TOTAL = 0
SUM_SIGNED_PER_POLL = 1
SUM_PER_PHASE = 2

MeterSample = namedtuple(
    "MeterSample",
    (
        "at_ticks_ms",
        "counter_kind",
        "import_counts",
        "export_counts",
        "phase_import_counts",
        "phase_export_counts",
        "counter_step_nanowh",
        "power_w",
        "reactive_power_var",
        "voltage_v",
        "current_a",
        "power_factor",
        "frequency_hz",
        "temperature_c",
        "status",
        "flags",
        "lost_bound_counts",
    ),
)


def counts_bound(limit_w: int, duration_ms: int, counter_step_nanowh: int) -> int:
    """Most counts that a connection fused for `limit_w` watts can turn over in `duration_ms`, rounded up.

    W x ms is 1_000_000/3600 nano-watt-hours.
    """
    return limit_w * duration_ms * 1000000 // (3600 * counter_step_nanowh) + 1
