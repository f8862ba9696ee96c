"""An ADE7878 that answers byte for byte on I2C and SPI (reference/ade7878.md, "Emulator must" 1 to 8).

    Ade7878Emulator(clock=None, *, site, faults=(), seed=1, record=False, part_a=False, reset_ms=20,
                    covers_dsp=False, reset_keeps_port=True)
        .i2c (drivers.bus.I2cDevice), .spi (drivers.bus.SpiDevice)      the two ports
        .advance(to_ms, phase_power_w, phase_reactive_var=..., voltage_v=..., frequency_hz=50.0)
        .set_fault(kind, on=True, bit=0)     see ade_bus
        .truth_counts                        signed counts metered by phase since creation, never wrapped
        .length_errors, .refused_writes, .half_full, .resets, .lost_counts, .now_ms, .transfers

What is not known of the part is an argument: whether CHECKSUM covers the DSP's memory, whether a soft reset keeps the
port. The DSP's queue: a word is visible after its third write in a row or after two further writes. Power > 0 is
import, per channel, in W. Measurements follow the inputs at once; harmonics are not emulated (fundamental = total).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence

from drivers.bus import Clock, I2cDevice, SpiDevice
from drivers.chips import ade7878_registers as reg
from drivers.chips.ade7878_settings import DEFAULT_SENSOR, PEAK, PMAX
from drivers.chips.ade_site import Site, full_scale_milliwatt, make_site
from drivers.errors import BusFault
from drivers.sim.ade7878_table import REGISTERS
from drivers.sim.ade_bus import DisturbedBus, Fault, PhaseCounter

DEFAULT_SITE = make_site((1000000, 1000), DEFAULT_SENSOR, 1, 1, 16)
RMS_FULL_SCALE = 4191910
PIN_RMS_V = 0.5 / math.sqrt(2)
UNDRIVEN = 0xFF
PERIOD_MS = 70
HALF_FULL = 1 << 30
RESET_WORDS = {0xE700: 0x1C, 0xE702: 0x78}
"""Reset values that the notes of the table give, not its column."""
STATUS = (reg.STATUS0, reg.STATUS1)
COVERED = tuple(
    one for one in REGISTERS if REGISTERS[one].access == "RW" and 0xE507 <= one <= 0xE706 and one not in STATUS
)
DSP_RAM = tuple(one for one in REGISTERS if reg.in_dsp_ram(one) and REGISTERS[one].access == "RW")


class _I2c(I2cDevice):
    def __init__(self, chip: Ade7878Emulator) -> None:
        self._chip = chip

    def write(self, data: bytes) -> None:
        self._chip.carry(data, self._chip.serve_i2c_write)

    def write_read(self, data: bytes, n: int) -> bytes:
        return self._chip.carry(data, lambda sent: self._chip.serve_i2c_read(sent, n))


class _Spi(SpiDevice):
    def __init__(self, chip: Ade7878Emulator) -> None:
        self._chip = chip

    def transfer(self, tx: bytes) -> bytes:
        rx = self._chip.carry(tx, self._chip.serve_spi)
        return (rx + bytes((UNDRIVEN,)) * len(tx))[: len(tx)]


class Ade7878Emulator(DisturbedBus):
    """One chip with both ports; see the module's docstring."""

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        site: Site = DEFAULT_SITE,
        faults: Iterable[Fault] = (),
        seed: int = 1,
        record: bool = False,
        part_a: bool = False,
        reset_ms: int = 20,
        covers_dsp: bool = False,
        reset_keeps_port: bool = True,
    ) -> None:
        """A chip just powered; `clock` is the driver's, needed for the times that a reset and PERIOD take."""
        super().__init__(faults, seed, clock, record)
        self._full_scale = full_scale_milliwatt(site, PEAK)
        self._volts = PIN_RMS_V * site.divider[0] / site.divider[1] / site.voltage_pga
        self._amperes = PIN_RMS_V * site.sensor[0] / site.sensor[1] / site.current_pga
        self._default_checksum = reg.CHECKSUM_ADE7878A if part_a else reg.CHECKSUM_ADE7878
        self._covered = COVERED + (DSP_RAM if covers_dsp else ())
        self._reset_ms = reset_ms
        self._reset_keeps_port = reset_keeps_port
        self.i2c, self.spi = _I2c(self), _Spi(self)
        self._active = [PhaseCounter() for _ in range(3)]
        self._reactive = [PhaseCounter() for _ in range(3)]
        self.length_errors = self.refused_writes = self.resets = self.now_ms = 0
        self.lost_counts = [0, 0, 0]
        self._power: Sequence[int] = (0, 0, 0)
        self._reactive_power: Sequence[int] = (0, 0, 0)
        self._input_volts: Sequence[float] = (230.0, 230.0, 230.0)
        self._frequency_hz = 50.0
        self._restore(power_up=True)
        self._ready_at: int | None = None

    # Supply and resets ------------------------------------------------------------------------------------------

    def _restore(self, power_up: bool) -> None:
        self.words = {one.address: one.reset or 0 for one in REGISTERS.values()} | RESET_WORDS
        self.words[reg.STATUS1] = reg.RSTDONE
        self._plain_digest = self._digest()
        self._digest_now: int | None = None
        self._queue: list[tuple[int, int, int]] = []
        self._key = False
        self._period_phase = 0
        self._period_at: int | None = None
        if power_up or not self._reset_keeps_port:
            self.port, self.locked, self._pulses = "i2c", False, 0
        self._rescale()

    def _reset(self, power_up: bool) -> None:
        self.resets += 1
        for phase in range(3):
            self.lost_counts[phase] += reg.signed32(self.words[reg.WATT_HR[phase]])
            self._active[phase].rest = self._reactive[phase].rest = 0
        self._restore(power_up)
        if self._clock is not None and self._reset_ms:
            self._ready_at = self._clock.ticks_ms() + self._reset_ms

    def brown_out(self) -> None:
        """Everything back to reset; the chip listens to I2C again."""
        self._reset(power_up=True)

    def disturb(self, bit: int) -> None:
        """One bit of AVGAIN changes by itself."""
        self.words[0x4381] ^= 1 << bit % 24
        self._digest_now = None
        self._rescale()

    def pulse_select(self, times: int) -> None:
        """Falls of SS/HSA: three of them turn an unlocked chip from I2C to SPI."""
        if self.port == "i2c" and not self.locked:
            self._pulses += times
            if self._pulses >= 3:
                self.port = "spi"

    def _resetting(self) -> bool:
        if self._ready_at is None or self._clock is None:
            return False
        if self._clock.ticks_diff(self._clock.ticks_ms(), self._ready_at) < 0:
            return True
        self._ready_at = None
        return False

    # Ports ------------------------------------------------------------------------------------------------------

    def serve_i2c_write(self, data: bytes) -> bytes:
        """Address and data. Raises BusFault when nobody acknowledges."""
        self._require_i2c()
        if len(data) < 2:
            self.length_errors += 1
            return b""
        self._write(data[0] << 8 | data[1], data[2:])
        return b""

    def serve_i2c_read(self, data: bytes, n: int) -> bytes:
        """`n` bytes of the register whose address was sent. Raises BusFault when nobody acknowledges."""
        self._require_i2c()
        if len(data) != 2:
            self.length_errors += 1
            return bytes((UNDRIVEN,)) * n
        return self._read(data[0] << 8 | data[1], n)

    def _require_i2c(self) -> None:
        if self.port != "i2c" or self._resetting():
            raise BusFault("address 0x38 was not acknowledged")

    def serve_spi(self, tx: bytes) -> bytes:
        """One chip-select period. A chip on I2C sees nothing but the fall of its select line."""
        if self.port != "spi":
            self.pulse_select(1)
            return bytes((UNDRIVEN,)) * len(tx)
        if self._resetting() or len(tx) < 3 or tx[0] >> 1 == reg.I2C_ADDRESS:
            return bytes((UNDRIVEN,)) * len(tx)
        address = tx[1] << 8 | tx[2]
        if tx[0] & 1:
            return bytes((UNDRIVEN,)) * 3 + self._read(address, len(tx) - 3)
        self._write(address, tx[3:])
        return bytes((UNDRIVEN,)) * len(tx)

    # Registers --------------------------------------------------------------------------------------------------

    def _read(self, address: int, n: int) -> bytes:
        register = REGISTERS.get(address)
        if register is None:
            return bytes(n)
        if n != register.wire_bytes:
            self.length_errors += 1
            word = self.words[address]
            return (word.to_bytes(register.wire_bytes, "big") + bytes((UNDRIVEN,)) * n)[:n]
        word = self._word(address)
        if 0xE400 <= address <= 0xE40E and self.words[reg.LCYCMODE] & 0x40:
            self.words[address] = 0
        return word.to_bytes(n, "big")

    def _word(self, address: int) -> int:
        if address == reg.CHECKSUM:
            if self._digest_now is None:
                self._digest_now = self._digest()
            return self._default_checksum ^ self._digest_now ^ self._plain_digest
        if 0xE50C <= address <= 0xE51B or 0x43C0 <= address <= 0x43C6 or 0xE600 <= address <= 0xE607:
            return self._measured(address)
        return self.words[address]

    def _digest(self) -> int:
        """A checksum that changes with every bit of the covered registers; the part's own rule is not known."""
        return zlib.crc32(b"".join(self.words[one].to_bytes(4, "big") for one in self._covered))

    def _write(self, address: int, data: bytes) -> None:
        register = REGISTERS.get(address)
        if register is None or register.access == "R":
            self.refused_writes += 1
            return
        if len(data) != register.wire_bytes:
            self.length_errors += 1
            return
        word = int.from_bytes(data, "big")
        self._digest_now = None
        if reg.in_dsp_ram(address):
            self._write_dsp(address, word)
        elif address in STATUS:
            self.words[address] &= ~word
        elif address == reg.DSPWP_SET:
            if self._key:
                self.words[address] = word
        elif address == reg.CONFIG and word & reg.SWRST:
            self._reset(power_up=False)
        else:
            if address == reg.MMODE and (word ^ self.words[address]) & 3:
                self._period_phase = self._followed()
                self._period_at = self._clock.ticks_ms() if self._clock is not None else None
            if address == reg.CONFIG2:
                self.locked = self.port == "spi" or bool(word & reg.I2C_LOCK)
            self.words[address] = word
        self._key = address == reg.DSPWP_SEL and word == reg.PROTECT_KEY

    def _write_dsp(self, address: int, word: int) -> None:
        if self.words[reg.DSPWP_SET] == reg.PROTECT_ON:
            self.refused_writes += 1
            return
        queue = self._queue
        if queue and queue[-1][:2] == (address, word):
            queue[-1] = (address, word, queue[-1][2] + 1)
        else:
            queue.append((address, word, 1))
        while queue and (len(queue) > 2 or queue[-1][2] >= 3):
            done = queue.pop(0)
            self.words[done[0]] = done[1]
        self._rescale()

    def reconfigured(self) -> None:
        """The words were put in from outside: take gains and checksum out of them."""
        self._ready_at = self._period_at = self._digest_now = None
        self._queue = []
        self._rescale()

    def _rescale(self) -> None:
        """Energy per count and gains out of the registers."""
        words = self.words
        wthr = max(PMAX, words[reg.W_THR1] << 24 | words[reg.W_THR0])
        varthr = max(PMAX, words[reg.VAR_THR1] << 24 | words[reg.VAR_THR0])
        power, per = self._full_scale
        self._count_uj = (power * wthr, 8 * per * PMAX)
        self._count_var_uj = (power * varthr, 8 * per * PMAX)
        one = 1 << 23
        self._v_gain = [one + reg.signed24(words[reg.V_GAIN[k]]) for k in range(3)]
        self._i_gain = [one + reg.signed24(words[reg.I_GAIN[k]]) for k in range(3)]
        self._gains = [
            (self._v_gain[k] * self._i_gain[k] * (one + reg.signed24(words[reg.W_GAIN[k]])), 1 << 69) for k in range(3)
        ]

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
        self._power = tuple(round(power * 1000) for power in phase_power_w)
        self._reactive_power = tuple(round(power * 1000) for power in phase_reactive_var)
        self._input_volts, self._frequency_hz = voltage_v, frequency_hz
        while self._by_time and (self._by_time[0].at_ms or 0) <= to_ms:
            fault = self._by_time.pop(0)
            self._run(max(self.now_ms, fault.at_ms or 0))
            self.set_fault(fault.kind, fault.length >= 0, fault.bit)
        self._run(to_ms)

    def _run(self, to_ms: int) -> None:
        span_ms, self.now_ms = to_ms - self.now_ms, to_ms
        if self.words[reg.RUN] != 1 or self.energy_stuck or not span_ms:
            return
        for phase in range(3):
            up, down = self._gains[phase]
            power = self._power[phase] * span_ms
            counts = self._active[phase].add(power * up // down if up != down else power, self._count_uj)
            self._bump((reg.WATT_HR[phase], 1), (0xE403 + phase, 2), counts)
            counts = self._reactive[phase].add(self._reactive_power[phase] * span_ms, self._count_var_uj)
            self._bump((reg.VAR_HR[phase], 4), (0xE409 + phase, 8), counts)

    def _bump(self, total: tuple[int, int], fundamental: tuple[int, int], counts: int) -> None:
        if not counts:
            return
        for address, flag in (total, fundamental):
            word = self.words[address] + counts & 0xFFFFFFFF
            self.words[address] = word
            if HALF_FULL <= word < 0x100000000 - HALF_FULL:
                self.words[reg.STATUS0] |= flag

    def _followed(self) -> int:
        """The phase that PERIOD shows: the one in MMODE, 70 ms after it was chosen."""
        since = self._period_at
        if since is not None and self._clock is not None:
            if self._clock.ticks_diff(self._clock.ticks_ms(), since) < PERIOD_MS:
                return self._period_phase
            self._period_at = None
        return self.words[reg.MMODE] & 3

    def _measured(self, address: int) -> int:
        if self.words[reg.RUN] != 1:
            return 0
        if address == reg.PERIOD:
            alive = self._followed() < 3 and self._input_volts[self._followed()] > 0
            return max(0, min(0xFFFF, round(256000 / self._frequency_hz) - 1)) if alive else 0xFFFF
        if address in reg.ANGLE:
            phase = address - reg.ANGLE[0]
            turn = math.atan2(self._reactive_power[phase], self._power[phase]) % (2 * math.pi)
            return round(turn / (2 * math.pi) * 256000 / self._frequency_hz) & 0xFFFF
        if reg.WATT[0] <= address <= reg.VA[2]:
            kind, phase = divmod(address - reg.WATT[0], 3)
            if kind == 2:
                return self._rms(phase)[0] * self._rms(phase)[1] >> 23
            up, down = self._gains[phase]
            milliwatt = (self._power, self._reactive_power)[kind][phase] * up // down
            return round(milliwatt * PMAX * self._full_scale[1] / (16 * self._full_scale[0])) & 0xFFFFFFFF
        if address in reg.I_RMS:
            return self._rms(reg.I_RMS.index(address))[1]
        return self._rms(reg.V_RMS.index(address))[0] if address in reg.V_RMS else 0

    def _rms(self, phase: int) -> tuple[int, int]:
        volts = self._input_volts[phase]
        apparent_w = math.hypot(self._power[phase], self._reactive_power[phase]) / 1000
        amperes = apparent_w / volts if volts else 0.0
        up = (self._v_gain[phase] / 8388608, self._i_gain[phase] / 8388608)
        return round(volts / self._volts * RMS_FULL_SCALE * up[0]), round(
            amperes / self._amperes * RMS_FULL_SCALE * up[1]
        )

    @property
    def truth_counts(self) -> tuple[int, ...]:
        """Signed counts of active energy by phase since creation, whatever became of the registers."""
        return tuple(one.metered for one in self._active)

    @property
    def half_full(self) -> bool:
        """Whether a total energy register has passed half its range since STATUS0 was cleared."""
        return bool(self.words[reg.STATUS0] & 1)
