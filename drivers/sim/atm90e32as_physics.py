"""The metering core of the emulated ATM90E32AS: what the analogue side and the DSP of the chip do.

Energy is integrated in integers (1/25 uJ, see atm90e32as_memory), so what was metered is known exactly. Power,
rms, power factor and angles are means over 16 line cycles. Source: data sheet, metering and measurement chapters;
reference/atm90e32as.md, "Emulator must" 7 to 10.
Harmonics are a share of active power that a test sets. Not emulated: the phase delay registers, neutral sensing.
"""

from __future__ import annotations

import math

from drivers.sim.atm90e32as_memory import (
    ENERGY_NORMAL,
    I_BOUNDARY_MS,
    I_ENERGY_MODE,
    I_FRACTION,
    I_HARMONIC_PERMILLE,
    I_HARMONIC_REST,
    I_METERED,
    I_OVERFLOW_MASK,
    I_OVERFLOWS,
    I_PHYSICAL_EXPORT,
    I_PHYSICAL_IMPORT,
    I_PUBLISHED,
    I_STALE,
    I_WINDOW,
)

IDEAL_GAINS = ((0x8000, 0x8000), (0x8000, 0x8000), (0x8000, 0x8000))
WINDOW_MS = {50: 320, 60: 267}
# Peaks that drive the converters of the emulated board to full scale: what its thresholds are fractions of.
FULL_SCALE_PEAK_MV, FULL_SCALE_PEAK_MA = 600_000, 120_000


class Metering:
    """Energy and measurement of one chip over its memory; `ideal_gains` are the gain words that read true."""

    def __init__(
        self,
        slots: memoryview,
        words: memoryview,
        ideal_gains: tuple[tuple[int, int], ...] = IDEAL_GAINS,
        wraps: bool = False,
    ) -> None:
        """Work on the given slots and register words; `wraps`: a full energy register wraps instead of saturating."""
        self._q = slots
        self._words = words
        self._ideal_gains = ideal_gains
        self._wraps = wraps
        self.reconfigure()

    def reconfigure(self) -> None:
        """Take over configuration words; call after any of them changed."""
        words = self._words
        self._count = 2 * (words[0x31] << 16 | words[0x32])
        mode = words[0x33]
        self._in_total = (bool(mode & 4), bool(mode & 2), bool(mode & 1))
        self._absolute = (bool(mode & 8), bool(mode & 16))
        self._window_ms = WINDOW_MS[60 if mode & 0x1000 else 50]
        self._thresholds = tuple(words[address] * 8 for address in (0x35, 0x36, 0x38, 0x39))
        self._no_load = any(self._thresholds)
        self._ratios = [self._ratio(phase) for phase in range(3)]
        self._true = all(up == down and not p and not q for up, down, p, q in self._ratios)
        self._metering = bool(words[0x00] & 0xFF) and self._count > 0

    def _ratio(self, phase: int) -> tuple[int, int, int, int]:
        """Numerator and denominator of the power gain, offsets of P and Q in hundredths of a milliwatt."""
        words, (ideal_u, ideal_i) = self._words, self._ideal_gains[phase]
        base, energy = 0x61 + 4 * phase, 0x41 + 2 * phase
        gain = 32768 + _signed(words[0x47 + 2 * phase])
        return (
            words[base] * words[base + 1] * gain,
            ideal_u * ideal_i * 32768,
            32 * _signed(words[energy]),
            32 * _signed(words[energy + 1]),
        )

    def calibrated(self, p_mw: list[int], q_mvar: list[int]) -> tuple[list[int], list[int]]:
        """Physical powers as the chip's gains and offsets make it see them, in mW and mvar."""
        if self._true:
            return p_mw, q_mvar
        seen_p, seen_q = [], []
        for phase, (up, down, p_offset, q_offset) in enumerate(self._ratios):
            seen_p.append(p_mw[phase] * up // down + p_offset // 100)
            seen_q.append(q_mvar[phase] * up // down + q_offset // 100)
        return seen_p, seen_q

    def meter(self, p_mw: list[int], q_mvar: list[int], duration_ms: int) -> None:
        """Accumulate energy of constant powers over `duration_ms`: forward, reverse, reactive, apparent."""
        in_total = self._in_total
        physical = sum(power for power, counted in zip(p_mw, in_total, strict=True) if counted) * duration_ms
        self._q[I_PHYSICAL_IMPORT if physical > 0 else I_PHYSICAL_EXPORT] += abs(physical)
        if not self._metering:
            return
        p, q = self.calibrated(p_mw, q_mvar)
        s = [abs(a) if not b else math.isqrt(a * a + b * b) for a, b in zip(p, q, strict=True)]
        if self._no_load:
            p, q = self._above_no_load(p, q)
        scale = 25 * duration_ms
        self._accumulate(0, 0x80, 0x84, self._total(p, self._absolute[0]) * scale, p, scale)
        if any(q):
            self._accumulate(4, 0x88, 0x8C, self._total(q, self._absolute[1]) * scale, q, scale)
        self._accumulate(8, 0x90, 0x90, (s[0] + s[1] + s[2]) * scale, s, scale)

    def _total(self, powers: list[int], absolute: bool) -> int:
        total = 0
        for power, counted in zip(powers, self._in_total, strict=True):
            if counted:
                total += abs(power) if absolute else power
        return total

    def _above_no_load(self, p: list[int], q: list[int]) -> tuple[list[int], list[int]]:
        """Powers that count: phases under their thresholds are zero, a sum under the start threshold stops all."""
        p_start, q_start, p_phase, q_phase = self._thresholds
        both = [25 * (abs(a) + abs(b)) for a, b in zip(p, q, strict=True)]
        p = [a if size >= p_phase else 0 for a, size in zip(p, both, strict=True)]
        q = [b if size >= q_phase else 0 for b, size in zip(q, both, strict=True)]
        if 25 * sum(map(abs, p)) < p_start:
            p = [0, 0, 0]
        if 25 * sum(map(abs, q)) < q_start:
            q = [0, 0, 0]
        return p, q

    def _accumulate(self, slot: int, forward: int, reverse: int, total: int, phases: list[int], scale: int) -> None:
        """Add signed energies; within one count opposite directions cancel, whole counts go to their register."""
        q, count = self._q, self._count
        energies = (total, phases[0] * scale, phases[1] * scale, phases[2] * scale)
        for index, energy in enumerate(energies):
            if energy:
                fraction = q[I_FRACTION + slot + index] + energy
                if fraction >= count:
                    counts, fraction = divmod(fraction, count)
                    self._book(forward + index, counts)
                elif fraction <= -count:
                    counts = -fraction // count
                    fraction += counts * count
                    self._book(reverse + index, counts)
                q[I_FRACTION + slot + index] = fraction

    def _book(self, address: int, counts: int) -> None:
        q, words = self._q, self._words
        q[I_METERED + address - 0x80] += counts
        if q[I_ENERGY_MODE] != ENERGY_NORMAL:
            return
        value = words[address] + counts
        if value > 0xFFFF:
            q[I_OVERFLOWS] += address < 0x88
            q[I_OVERFLOW_MASK] |= 1 << address - 0x80
            value = value & 0xFFFF if self._wraps else 0xFFFF
        words[address] = value
        if address < 0x88:
            rest = I_HARMONIC_REST + address - 0x80
            harmonic, q[rest] = divmod(q[rest] + counts * q[I_HARMONIC_PERMILLE], 1000)
            words[address + 0x20] = min(0xFFFF, words[address + 0x20] + counts - harmonic)
            words[address + 0x28] = min(0xFFFF, words[address + 0x28] + harmonic)

    def average(self, values: list[int], from_ms: int, to_ms: int) -> bool:
        """Feed constant P, Q (mW, mvar) and U (mV) into the running window; True when a window was completed."""
        q, window = self._q, self._window_ms
        boundary = q[I_BOUNDARY_MS]
        if boundary <= from_ms:
            boundary = from_ms - from_ms % window + window
        if to_ms < boundary:
            q[I_BOUNDARY_MS] = boundary
            for index, value in enumerate(values, I_WINDOW):
                q[index] += value * (to_ms - from_ms)
            return False
        last = boundary + (to_ms - boundary) // window * window
        if last - window >= from_ms:
            for index, value in enumerate(values, I_PUBLISHED):
                q[index] = value
        else:
            for index, value in enumerate(values):
                q[I_PUBLISHED + index] = (q[I_WINDOW + index] + value * (last - from_ms)) // window
        for index, value in enumerate(values, I_WINDOW):
            q[index] = value * (to_ms - last)
        q[I_BOUNDARY_MS] = last + window
        q[I_STALE] = 1
        self._update_states()
        return True

    def _update_states(self) -> None:
        """EMMState0/1 are live; a bit that rises is latched in EMMIntState0/1."""
        q, words = self._q, self._words
        p, r, u = ([q[I_PUBLISHED + 3 * kind + phase] for phase in range(3)] for kind in range(3))
        state0 = (0x20 if not any(p) else 0) | (0x40 if not any(r) else 0) | (0x10 if not any(p + r) else 0)
        state1 = 8 * (self._total(p, False) < 0) | 128 * (self._total(r, False) < 0)
        for phase in range(3):
            # Over-voltage and -current: the sine's peak against a fraction of the converter's full scale.
            peak_mv = u[phase] * math.sqrt(2)
            peak_ma = math.hypot(p[phase], r[phase]) * 1000 / u[phase] * math.sqrt(2) if u[phase] else 0.0
            state0 |= (peak_mv * 65535 > words[0x06] * FULL_SCALE_PEAK_MV) << (12 - phase)
            state0 |= (peak_ma * 65535 > words[0x0B] * FULL_SCALE_PEAK_MA) << (15 - phase)
            state1 |= (p[phase] < 0) << (2 - phase) | (r[phase] < 0) << (6 - phase)
            # Threshold word -> mV: V = th x 2 x (Ugain / 32768) / (100 x sqrt 2).
            millivolts_per_step = words[0x61 + 4 * phase] * 1000 / (32768 * 50 * math.sqrt(2))
            sag, loss = words[0x08] * millivolts_per_step, words[0x09] * millivolts_per_step
            state1 |= (u[phase] < sag) << (14 - phase) | (u[phase] < loss) << (10 - phase)
        if words[0xF8]:
            state1 |= (words[0xF8] > words[0x0D]) << 15 | (words[0xF8] < words[0x0C]) << 11
        words[0x73] |= state0 & ~words[0x71]
        words[0x74] |= state1 & ~words[0x72]
        words[0x71], words[0x72] = state0, state1

    def publish(self) -> None:
        """Turn the last whole window's means into register words; called when one of them is read."""
        q, words = self._q, self._words
        q[I_STALE] = 0
        true_p, true_q, volts = ([q[I_PUBLISHED + 3 * kind + phase] for phase in range(3)] for kind in range(3))
        p, r = self.calibrated(true_p, true_q)
        s = [math.isqrt(a * a + b * b) for a, b in zip(p, r, strict=True)]
        for base, total, phases in (
            (0xB0, self._total(p, self._absolute[0]), p),
            (0xB4, self._total(r, self._absolute[1]), r),
            (0xB8, sum(s), s),
        ):
            for index, milli in enumerate((total, *phases)):
                raw = (milli * 25 + 4) // 8 & 0xFFFFFFFF
                words[base + index], words[base + 0x10 + index] = raw >> 16, raw & 0xFFFF
        self._publish_harmonics((self._total(p, self._absolute[0]), *p))
        for index, (milli, apparent) in enumerate(zip((words_total(p), *p), (sum(s), *s), strict=True)):
            words[0xBC + index] = (round(1000 * milli / apparent) if apparent else 0) & 0xFFFF
        self._publish_rms(true_p, true_q, volts)

    def _publish_harmonics(self, powers: tuple[int, ...]) -> None:
        """Active power split into its fundamental (0xD0..) and the rest (0xD4..)."""
        words, share = self._words, self._q[I_HARMONIC_PERMILLE]
        for index, milli in enumerate(powers):
            harmonic = milli * share // 1000
            for base, part in ((0xD0, milli - harmonic), (0xD4, harmonic)):
                raw = (part * 25 + 4) // 8 & 0xFFFFFFFF
                words[base + index], words[base + 0x10 + index] = raw >> 16, raw & 0xFFFF

    def _publish_rms(self, p: list[int], r: list[int], volts: list[int]) -> None:
        words = self._words
        neutral = 0j
        for phase in range(3):
            ideal_u, ideal_i = self._ideal_gains[phase]
            angle = math.degrees(math.atan2(r[phase], p[phase])) if p[phase] or r[phase] else 0.0
            milliamps = 1000 * math.hypot(p[phase], r[phase]) / volts[phase] if volts[phase] else 0.0
            seen_v = volts[phase] * words[0x61 + 4 * phase] / ideal_u / 10
            seen_i = milliamps * words[0x62 + 4 * phase] / ideal_i
            for address, value in ((0xD9, seen_v), (0xDD, seen_i)):
                fine = min(0xFFFF00, round(value * 256) if value < 0x10000 else 0xFFFF00)
                words[address + phase], words[address + 0x10 + phase] = fine >> 8, (fine & 0xFF) << 8
            words[0xF9 + phase] = round(angle * 10) % 3600
            words[0xFD + phase] = (0, 2400, 1200)[phase] if volts[phase] else 0
            turned = math.radians(-120 * phase - angle)
            neutral += seen_i * complex(math.cos(turned), math.sin(turned))
            words[0xF1 + phase] = min(0x7FFF, round(seen_v * math.sqrt(2) * 8192 / words[0x61 + 4 * phase]))
            words[0xF5 + phase] = min(0x7FFF, round(seen_i * math.sqrt(2) * 8192 / words[0x62 + 4 * phase]))
        words[0xDC] = min(0xFFFF, round(abs(neutral)))


def words_total(values: list[int]) -> int:
    """Signed sum of the three phases, for the total power factor."""
    return values[0] + values[1] + values[2]


def _signed(word: int) -> int:
    return word - 0x10000 if word & 0x8000 else word
