"""An ADE9000 that answers byte for byte on SPI (reference/ade9000.md, "Emulator must").

    Ade9000Emulator(clock=None, *, site, faults=(), seed=1, record=False, sticks=False, reset_ms=20)
        .transfer(tx) -> bytes               one chip-select period (drivers.bus.SpiDevice)
        .advance(to_ms, phase_power_w, phase_reactive_var=..., voltage_v=..., frequency_hz=50.0)
        .set_fault(kind, on=True, bit=0)     see ade_bus
        .truth_counts                        signed counts that flowed by phase since creation, never wrapped
        .renewed_counts                      the part of them that has reached the energy registers
        .length_errors, .refused_writes, .resets, .overflows, .now_ms, .transfers

Energy runs in an inner 42-bit stage, which is moved to the 45-bit registers each period (EGY_TIME + 1 samples of
1/8 ms, or half line cycles): added to them, or put in their place (EP_CFG bit 4). Whether 45 bits wrap is not known:
`sticks` makes them stop at their end. Reading with reset (bit 5) drops counts, as in the part's erratum. The waveform
buffer, harmonics and the temperature sensor are not emulated. Power > 0 is import, per channel, in W.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from drivers.bus import Clock, SpiDevice
from drivers.chips import ade9000_registers as reg
from drivers.chips.ade9000_settings import DEFAULT_SENSOR, PEAK, POWER_FULL_SCALE
from drivers.chips.ade_site import Site, full_scale_milliwatt, make_site
from drivers.sim.ade9000_table import REGISTERS
from drivers.sim.ade_bus import DisturbedBus, Fault, PhaseCounter

DEFAULT_SITE = make_site((990000, 1000), DEFAULT_SENSOR, 1, 1, 4)
RMS_FULL_SCALE = 52702092
PIN_RMS_V = 1 / math.sqrt(2)
UNDRIVEN = 0xFF
WORDS = 0x800
SAMPLES_PER_MS = 8
HALF_45, HALF_42 = 1 << 44, 1 << 41
LOCKED = frozenset((*range(0x074), *range(0x400, 0x4FF))) - {reg.WR_LOCK}
WRITE_ONE_TO_CLEAR = (reg.STATUS0, reg.STATUS1)
ENERGY = tuple(zip(reg.WATT_HR_HI + reg.VAR_HR_HI, reg.WATT_HR_LO + reg.VAR_HR_LO, strict=True))
ENERGY_BY_ADDRESS = {address: place for place, pair in enumerate(ENERGY) for address in pair}
LAST = (reg.LAST_DATA_32, reg.LAST_DATA_16, reg.LAST_CMD)
COMPUTED = (range(0x20A, 0x25E), range(0x600, 0x6B9), range(0x418, 0x41B), range(0x485, 0x488))
BURST = (range(0x500, 0x63D), range(0x680, 0x6BD))


def plain(address: int) -> bool:
    """Whether a register shows the word or counter that is stored."""
    return address in REGISTERS and not any(address in part for part in COMPUTED)


class Ade9000Emulator(DisturbedBus, SpiDevice):
    """One chip with its bus; see the module's docstring."""

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        site: Site = DEFAULT_SITE,
        faults: Iterable[Fault] = (),
        seed: int = 1,
        record: bool = False,
        sticks: bool = False,
        reset_ms: int = 20,
    ) -> None:
        """A chip just powered; `clock` is the driver's, needed for the time that a reset takes."""
        super().__init__(faults, seed, clock, record)
        power, per = full_scale_milliwatt(site, PEAK)
        self._full_scale = (power, per)
        self._count_uj = (power, 8 * per * POWER_FULL_SCALE)
        self._volts = PIN_RMS_V * site.divider[0] / site.divider[1] / site.voltage_pga
        self._amperes = PIN_RMS_V * site.sensor[0] / site.sensor[1] / site.current_pga
        self._sticks, self._reset_ms = sticks, reset_ms
        self._counters = [PhaseCounter() for _ in range(6)]
        self.renewed_counts = [0] * 6
        self._plain_reads: dict[bytes, tuple[int, int, int, int]] = {}
        self.length_errors = self.refused_writes = self.resets = self.overflows = self.now_ms = 0
        self._inputs: list[int] = [0] * 6
        self._input_volts: Sequence[float] = (230.0, 230.0, 230.0)
        self._frequency_hz = 50.0
        self._ready_at: int | None = None
        self._restore()

    # Supply and resets ------------------------------------------------------------------------------------------

    def _restore(self) -> None:
        self.words = [0] * WORDS
        for one in REGISTERS.values():
            self.words[one.address] = one.reset or 0
        self.words[reg.PART_ID] = reg.PART_ID_ADE9000
        self.words[reg.STATUS1] = reg.RSTDONE
        self._registers = [0] * 6
        self._inner = [0] * 6
        self._period_start = self.now_ms * SAMPLES_PER_MS
        self._configured()

    def brown_out(self) -> None:
        """Everything back to reset; not accessible for `reset_ms` of the driver's clock."""
        self.resets += 1
        for counter in self._counters:
            counter.rest = 0
        self._restore()
        if self._clock is not None and self._reset_ms:
            self._ready_at = self._clock.ticks_ms() + self._reset_ms

    def disturb(self, bit: int) -> None:
        """One bit of AVGAIN changes by itself."""
        self.words[0x00B] ^= 1 << bit % 32
        self._configured()

    def _resetting(self) -> bool:
        if self._ready_at is None or self._clock is None:
            return False
        if self._clock.ticks_diff(self._clock.ticks_ms(), self._ready_at) < 0:
            return True
        self._ready_at = None
        return False

    def reconfigured(self) -> None:
        """The words were put in from outside: take gains and period out of them."""
        self._ready_at = None
        self._configured()

    def _configured(self) -> None:
        """Gains and the energy period out of the registers."""
        words, one = self.words, 1 << 27
        self._v_gain = [one + reg.signed32(words[reg.V_GAIN[k]]) for k in range(3)]
        self._i_gain = [one + reg.signed32(words[reg.I_GAIN[k]]) for k in range(3)]
        self._gains = [
            (self._v_gain[k] * self._i_gain[k] * (one + reg.signed32(words[reg.P_GAIN[k]])), 1 << 81) for k in range(3)
        ]
        mode = words[reg.EP_CFG]
        unit = (80 if not words[reg.ACCMODE] & reg.ACCMODE_60_HZ else 67) if mode & reg.EP_HALF_CYCLES else 1
        self._period = ((words[reg.EGY_TIME] & 0x1FFF) + 1) * unit
        self._counting = words[reg.RUN] == 1 and bool(mode & reg.EP_ENABLE)

    # Bus --------------------------------------------------------------------------------------------------------

    def transfer(self, tx: bytes) -> bytes:
        """One chip-select period. Raises BusFault where the fault plan says so."""
        if not self._special and self._ready_at is None:
            known = self._plain_reads.get(tx)
            if known is not None:
                return self._read_plainly(known)
        rx = self.carry(tx, self._serve)
        return rx if len(rx) == len(tx) else (rx + bytes(len(tx)))[: len(tx)]

    def _read_plainly(self, known: tuple[int, int, int, int]) -> bytes:
        """A request that was seen before, of a register that holds a plain word, on a sound bus."""
        address, header, width, last = known
        self.transfers += 1
        words = self.words
        place = ENERGY_BY_ADDRESS.get(address)
        if place is None:
            word = words[address]
        elif words[reg.EP_CFG] & reg.EP_READ_RESET:
            word = self._read(address, header, width)
        else:
            value = self._registers[place]
            word = value >> 13 & 0xFFFFFFFF if address == ENERGY[place][0] else value & 0x1FFF
        if last:
            words[reg.LAST_CMD] = header
            words[last] = word
        return b"\xff\xff" + word.to_bytes(width, "big")

    def _serve(self, tx: bytes) -> bytes:
        if self._ready_at is not None and self._resetting():
            return bytes((UNDRIVEN,)) * len(tx)
        if len(tx) < 2:
            self.length_errors += 1
            return bytes((UNDRIVEN,)) * len(tx)
        header = tx[0] << 8 | tx[1]
        address, n = header >> 4, len(tx) - 2
        width = 2 if 0x480 <= address <= 0x4FE else 4
        if address >= WORDS or (address not in REGISTERS and not 0x500 <= address <= 0x6BC):
            return bytes(len(tx))
        if header & 8:
            if n != width and not self._bursting(address, n):
                self.length_errors += 1
            elif n > width:
                return b"\xff\xff" + b"".join(self._word(address + k).to_bytes(4, "big") for k in range(n // 4))
            word = self._read(address, header, width)
            if n == width and plain(address):
                last = 0 if address in LAST else reg.LAST_DATA_16 if width == 2 else reg.LAST_DATA_32
                self._plain_reads[bytes(tx)] = (address, header, width, last)
            return (b"\xff\xff" + word.to_bytes(width, "big") + bytes(max(0, n - width)))[: len(tx)]
        if n != width:
            self.length_errors += 1
        else:
            self._write(address, int.from_bytes(tx[2:], "big"), header, width)
        return b"\xff" * len(tx)

    def _bursting(self, address: int, n: int) -> bool:
        if not self.words[reg.CONFIG1] & reg.BURST_ENABLE or n % 4:
            return False
        return any(address in part and address + n // 4 - 1 in part for part in BURST)

    def _read(self, address: int, header: int, width: int) -> int:
        word = self._word(address)
        if address in ENERGY_BY_ADDRESS and self.words[reg.EP_CFG] & reg.EP_READ_RESET:
            place = ENERGY_BY_ADDRESS[address]
            self._registers[place] = self._inner[place] = 0
        self._remember(address, word, header, width)
        return word

    def _remember(self, address: int, word: int, header: int, width: int) -> None:
        if address not in LAST:
            self.words[reg.LAST_CMD] = header
            self.words[reg.LAST_DATA_16 if width == 2 else reg.LAST_DATA_32] = word

    def _write(self, address: int, word: int, header: int, width: int) -> None:
        words = self.words
        register = REGISTERS.get(address)
        if register is None or register.access == "R" or (words[reg.WR_LOCK] and address in LOCKED):
            self.refused_writes += 1
            return
        self._remember(address, word, header, width)
        if address == reg.WR_LOCK:
            if word in (reg.LOCK_KEY, reg.UNLOCK_KEY):
                words[address] = int(word == reg.LOCK_KEY)
            return
        if address in WRITE_ONE_TO_CLEAR:
            words[address] &= ~word
            return
        if address == reg.CONFIG1 and word & reg.SWRST:
            self.brown_out()
            return
        starts = address in (reg.RUN, reg.EP_CFG) and not self._counting
        words[address] = word
        self._configured()
        if starts and self._counting:
            self._period_start = self.now_ms * SAMPLES_PER_MS

    def _word(self, address: int) -> int:
        place = ENERGY_BY_ADDRESS.get(address)
        if place is not None:
            value = self._registers[place]
            return value >> 13 & 0xFFFFFFFF if address == ENERGY[place][0] else value & 0x1FFF
        if 0x20A <= address <= 0x25D:
            return self._measured((address - 0x20A) >> 5, address - 0x20A & 0x1F) & 0xFFFFFFFF
        if 0x600 <= address <= 0x6B8:
            return self._copied(address)
        if reg.PERIOD[0] <= address <= reg.PERIOD[2]:
            return self._period_word(self._input_volts[address - reg.PERIOD[0]])
        if reg.ANGLE_VI[0] <= address <= reg.ANGLE_VI[2]:
            phase = address - reg.ANGLE_VI[0]
            turn = math.degrees(math.atan2(self._inputs[3 + phase], self._inputs[phase])) % 360
            return round(turn / (0.017578125 if self._frequency_hz < 55 else 0.02109375)) & 0xFFFF
        return self.words[address]

    def _period_word(self, volts: float) -> int:
        """Out of 40 to 70 Hz, or without voltage, the nominal period."""
        nominal = 60.0 if self.words[reg.ACCMODE] & reg.ACCMODE_60_HZ else 50.0
        line_hz = self._frequency_hz if volts and 40 <= self._frequency_hz <= 70 else nominal
        return round(8000 * 65536 / line_hz) - 1

    def _copied(self, address: int) -> int:
        """The 0x600 and 0x680 blocks show the registers of the phases again, by function and by phase."""
        name = REGISTERS[address].name[:-2] if address in REGISTERS else ""
        for original in REGISTERS.values():
            if original.name == name:
                return self._word(original.address)
        return self.words[address]

    def _measured(self, phase: int, offset: int) -> int:
        """xIRMS .. xPF by their distance from 0x20A; fundamental equals total."""
        if self.words[reg.RUN] != 1:
            return 0
        volts = self._input_volts[phase]
        up, down = self._gains[phase]
        p, q = (self._inputs[k] * up // down for k in (phase, 3 + phase))
        apparent = math.hypot(p, q)
        if offset in (3, 5, 16, 18):
            return round(float(volts / self._volts * RMS_FULL_SCALE * self._v_gain[phase] / (1 << 27)))
        if offset in (2, 4, 15, 17):
            amperes = math.hypot(self._inputs[phase], self._inputs[3 + phase]) / 1000 / volts if volts else 0.0
            return round(float(amperes / self._amperes * RMS_FULL_SCALE * self._i_gain[phase] / (1 << 27)))
        if 6 <= offset <= 11:
            milliwatt = (p, q, apparent)[(offset - 6) % 3]
            return round(milliwatt * POWER_FULL_SCALE * self._full_scale[1] / self._full_scale[0])
        return round(p / apparent * (1 << 27)) if offset == 12 and apparent else 0

    # Physics ----------------------------------------------------------------------------------------------------

    def advance(
        self,
        to_ms: int,
        phase_power_w: Sequence[float],
        phase_reactive_var: Sequence[float] = (0.0, 0.0, 0.0),
        voltage_v: Sequence[float] = (230.0, 230.0, 230.0),
        frequency_hz: float = 50.0,
    ) -> None:
        """Let the given inputs act from `now_ms` to `to_ms`. Raises ValueError if time would run backwards."""
        if to_ms < self.now_ms:
            raise ValueError(f"time runs backwards: {to_ms} ms after {self.now_ms} ms")
        self._inputs = [round(power * 1000) for power in (*phase_power_w, *phase_reactive_var)]
        self._input_volts, self._frequency_hz = voltage_v, frequency_hz
        while self._by_time and (self._by_time[0].at_ms or 0) <= to_ms:
            fault = self._by_time.pop(0)
            self._run(max(self.now_ms, fault.at_ms or 0))
            self.set_fault(fault.kind, fault.length >= 0, fault.bit)
        self._run(to_ms)

    def _run(self, to_ms: int) -> None:
        """Flow up to `to_ms`, with a renewal at each period's end."""
        start, end = self.now_ms * SAMPLES_PER_MS, to_ms * SAMPLES_PER_MS
        self.now_ms = to_ms
        if not self._counting or self.energy_stuck:
            self._period_start = end
            return
        renewals = (end - self._period_start) // self._period
        if renewals:
            first = self._period_start + self._period
            last = self._period_start + renewals * self._period
            self._flow(first - start)
            self._renew()
            if renewals > 2:
                self._flow(last - self._period - first, renewals - 2)
                self._renew()
            if renewals > 1:
                self._flow(self._period)
                self._renew()
            self.words[reg.STATUS0] |= reg.EGYRDY
            self._period_start, start = last, last
        self._flow(end - start)

    def _flow(self, samples: int, periods: int = 1) -> None:
        if samples <= 0:
            return
        for place in range(6):
            if self._inputs[place]:
                up, down = self._gains[place % 3]
                energy = self._inputs[place] * samples
                counts = self._counters[place].add(
                    energy * up // down if up != down else energy, (self._count_uj[0] * 8, self._count_uj[1])
                )
                inner = self._inner[place] + counts
                if abs(inner) >= HALF_42 * periods:
                    self.overflows += 1
                    inner = ((inner + HALF_42) & (2 * HALF_42 - 1)) - HALF_42
                self._inner[place] = inner

    def _renew(self) -> None:
        overwrite = self.words[reg.EP_CFG] & reg.EP_OVERWRITE
        for place in range(6):
            counts, self._inner[place] = self._inner[place], 0
            self.renewed_counts[place] += counts
            value = counts if overwrite else self._registers[place] + counts
            if not -HALF_45 <= value < HALF_45:
                self.overflows += 1
                if self._sticks:
                    value = HALF_45 - 1 if value > 0 else -HALF_45
                else:
                    value = ((value + HALF_45) & (2 * HALF_45 - 1)) - HALF_45
            self._registers[place] = value

    @property
    def truth_counts(self) -> tuple[int, ...]:
        """Signed counts of active energy by phase since creation, whatever became of the registers."""
        return tuple(one.metered for one in self._counters[:3])
