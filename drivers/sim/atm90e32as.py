"""An ATM90E32AS that answers byte for byte (reference/atm90e32as.md, "Emulator must" 1 to 12).

    Atm90e32asEmulator(buffer=None, clock=None, *, faults=(), seed=1, wraps=False, ideal_gains=IDEAL_GAINS,
                       reset_ms=16, record=False, source=None)
        .transfer(tx) -> bytes                 what a driver sees (drivers.bus.SpiDevice); one chip-select period
        .advance(to_ms, phase_power_w, phase_reactive_var=(0, 0, 0), voltage_v=(230, 230, 230),
                 frequency_hz=50.0, temperature_c=25.0)   physics, constant since .now_ms
        .advance_to(to_ms)                     the same, asking source(from_ms, to_ms) -> Physics
        .set_harmonics(permille)               share of active power that is harmonic
        .set_fault(kind, on=True)              "stuck-high", "stuck-low", "energy-stuck", "energy-frozen",
                                               "bit-flip", "busy", "brown-out", "poke"
        .truth_import_counts, .truth_export_counts          counts metered on the total since creation, exact
        .truth_phase_import_counts, .truth_phase_export_counts   the same by phase
        .physical_import_uj, .physical_export_uj            energy offered to the total, even while not metering
        .pending_import_counts, .pending_export_counts      what the total registers hold, not yet read
        .lost_import_counts, .lost_export_counts            wiped out of those registers by resets
        .overflows, .overflow_mask, .transfers, .resets, .now_ms, .transcript

`buffer` (bytearray or mmap of BUFFER_BYTES) holds everything the hardware would remember: a second emulator on the
same buffer goes on where the first was; an all-zero buffer is a chip just powered. `clock` is the driver's clock
(ticks_ms), needed for the time a reset takes; without one the chip is ready at once. Power is > 0 for import, per
chip channel, in W. Conservation: truth = what drivers took out + pending + lost (no fault mode but energy-*).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from mmap import mmap
from typing import NamedTuple

from drivers.bus import Clock, SpiDevice
from drivers.errors import BusFault
from drivers.sim import atm90e32as_memory as mem
from drivers.sim.atm90e32as_faults import BUSY_ONE_IN, DEFAULT_FLIP_ONE_IN, Fault, FaultPlan
from drivers.sim.atm90e32as_physics import IDEAL_GAINS, Metering

BUFFER_BYTES = mem.BUFFER_BYTES
UNDRIVEN = 0xA5
_ANSWER = struct.Struct(">HH").pack
_UNDRIVEN_FRAME = bytes((UNDRIVEN,) * 4)
_MISO_MODES = {"stuck-high": mem.MISO_ONES, "stuck-low": mem.MISO_ZEROS}
_ENERGY_MODES = {"energy-stuck": mem.ENERGY_STUCK, "energy-frozen": mem.ENERGY_FROZEN}


class Physics(NamedTuple):
    """What the chip's inputs see, constant over a span; phases A, B, C. Power > 0 is import, var > 0 inductive."""

    phase_power_w: Sequence[float]
    phase_reactive_var: Sequence[float] = (0.0, 0.0, 0.0)
    voltage_v: Sequence[float] = (230.0, 230.0, 230.0)
    frequency_hz: float = 50.0
    temperature_c: float = 25.0


class Atm90e32asEmulator(SpiDevice):
    """One chip with its bus. Satisfies drivers.bus.SpiDevice; see the module's docstring."""

    def __init__(
        self,
        buffer: bytearray | memoryview | mmap | None = None,
        clock: Clock | None = None,
        *,
        faults: Iterable[Fault] = (),
        seed: int = 1,
        wraps: bool = False,
        ideal_gains: tuple[tuple[int, int], ...] = IDEAL_GAINS,
        reset_ms: int = 16,
        record: bool = False,
        source: Callable[[int, int], Physics] | None = None,
    ) -> None:
        """Attach to `buffer` (a new one if None). Raises ValueError if it is too small or of another layout."""
        whole = memoryview(bytearray(BUFFER_BYTES) if buffer is None else buffer).cast("B")
        if len(whole) < BUFFER_BYTES:
            raise ValueError(f"buffer of {len(whole)} bytes, the chip needs {BUFFER_BYTES}")
        self._whole = whole
        self._q = whole[: mem.SLOT_BYTES].cast("q")
        self._words = whole[mem.SLOT_BYTES : BUFFER_BYTES].cast("H")
        self._clock = clock
        self._reset_ms = reset_ms
        self._source = source
        self._plan = FaultPlan(faults)
        self.transcript: list[tuple[bytes, bytes]] | None = [] if record else None
        new = self._q[mem.I_MAGIC] == 0
        if new:
            self._power_up(seed)
        elif (self._q[mem.I_MAGIC], self._q[mem.I_VERSION]) != (mem.MAGIC, mem.VERSION):
            raise ValueError("buffer holds something else than this emulator's chip; give it an empty one")
        self._metering = Metering(self._q, self._words, ideal_gains, wraps)
        if not new:
            self._plan.by_time = [one for one in self._plan.by_time if (one.at_ms or 0) > self.now_ms]
            self._q[mem.I_READY_AT_TICKS] = 0
        self._refresh_special()

    def close(self) -> None:
        """Release the buffer, so that an mmap can be closed."""
        self._q.release()
        self._words.release()
        self._whole.release()

    # Bus side -------------------------------------------------------------------------------------------------

    def transfer(self, tx: bytes) -> bytes:
        """One chip-select period of 8 x len(tx) clocks. Raises BusFault where the fault plan says so."""
        if self._special:
            return self._transfer_special(tx)
        self._q[mem.I_TRANSFERS] += 1
        return self._exchange(tx, 8 * len(tx))

    def transfer_clocks(self, tx: bytes, clocks: int) -> bytes:
        """One chip-select period that ends after `clocks` clocks, which need not be whole bytes."""
        self._q[mem.I_TRANSFERS] += 1
        return self._exchange(tx, clocks)

    def _exchange(self, tx: bytes, clocks: int) -> bytes:
        if clocks < 16 or len(tx) < 2:
            return bytes((UNDRIVEN,)) * len(tx)
        address = (tx[0] & 3) << 8 | tx[1]
        if not tx[0] & 0x80:
            if clocks == 32:
                word = tx[2] << 8 | tx[3]
                self._write(address, word)
                self._q[mem.I_LAST_SPI] = word
            return _UNDRIVEN_FRAME if len(tx) == 4 else bytes((UNDRIVEN,)) * len(tx)
        word = self._read(address, clocks)
        if len(tx) == 4:
            return _ANSWER(0xA5A5, word)
        answer = _ANSWER(0xA5A5, word) + bytes(max(0, len(tx) - 4))
        return answer[: len(tx)]

    def _read(self, address: int, clocks: int) -> int:
        q, words = self._q, self._words
        kind = mem.KINDS[address]
        if kind == mem.LAST_DATA:
            return q[mem.I_LAST_SPI]
        word = words[address]
        if kind == mem.CLEARING:
            if q[mem.I_ENERGY_MODE] != mem.ENERGY_FROZEN:
                words[address] = 0
            q[mem.I_LAST_SPI] = word
            return word
        if kind == mem.AVERAGE:
            if q[mem.I_STALE]:
                self._metering.publish()
            word = words[address]
        elif kind == mem.CHECK:
            word = self._check_word(address)
        if clocks >= 32:
            q[mem.I_LAST_SPI] = word
        return word

    def _check_word(self, address: int) -> int:
        golden = self._q[mem.I_GOLDEN_CRC]
        if golden < 0:
            return 0
        if address == 0x7A:
            return golden
        locked = self._words[0x7F] != 0x55AA
        return int(locked and mem.configuration_crc(self._words) != golden)

    def _write(self, address: int, word: int) -> None:
        words = self._words
        if address < 0x70:
            if words[0x7F] == 0x55AA and address in mem.PROTECTED:
                words[address] = word
                if address == 0 and not word & 0xFF:
                    self._wipe_energy()
                self._metering.reconfigure()
        elif address == 0x70:
            if word == 0x789A:
                self._reset()
        elif address in (0x73, 0x74):
            words[address] &= ~word & 0xFFFF
        elif address == 0x7F:
            words[address] = word
            if word != 0x55AA:
                self._q[mem.I_GOLDEN_CRC] = mem.configuration_crc(words)
        elif address in mem.INTERRUPT_ENABLE or address in mem.SENSOR_SETUP:
            words[address] = word

    def _transfer_special(self, tx: bytes) -> bytes:
        """A transfer while something is unusual: faults, a transcript, a chip not ready yet."""
        q = self._q
        number = q[mem.I_TRANSFERS]
        q[mem.I_TRANSFERS] = number + 1
        fault = self._plan.by_transfer.get(number)
        kind = fault.kind if fault else ""
        if kind == "drop":
            raise BusFault(f"transfer {number} was dropped (fault plan)")
        if fault and kind == "delay" and self._clock is not None:
            self._clock.sleep_ms(fault.bit)
        sent = tx
        if fault and kind == "flip-mosi":
            sent = (int.from_bytes(tx, "big") ^ 1 << fault.bit).to_bytes(len(tx), "big")
        contested = q[mem.I_BUSY] and self._draw() % BUSY_ONE_IN == 0
        if contested:
            sent = (int.from_bytes(tx, "big") & self._draw()).to_bytes(len(tx), "big")
        if self._is_resetting():
            rx = b"\xff" * len(tx)
        else:
            rx = self._exchange(sent, 8 * len(tx) + {"short": -1, "long": 1}.get(kind, 0))
        if kind == "drop-answer":
            raise BusFault(f"the answer to transfer {number} was dropped (fault plan)")
        rx = self._draw().to_bytes(4, "big")[: len(rx)] if contested else self._disturb(rx, fault)
        if self.transcript is not None:
            self.transcript.append((bytes(tx), rx))
        return rx

    def _disturb(self, rx: bytes, fault: Fault | None) -> bytes:
        """The answer as it arrives: stuck lines, planned and random flipped bits. LastSPIData is not touched."""
        q = self._q
        kind = fault.kind if fault else ""
        if kind == "ones" or q[mem.I_MISO_MODE] == mem.MISO_ONES:
            return b"\xff" * len(rx)
        if kind == "zeros" or q[mem.I_MISO_MODE] == mem.MISO_ZEROS:
            return bytes(len(rx))
        bits = 1 << fault.bit if fault and kind == "flip" else 0
        if q[mem.I_FLIP_ONE_IN]:
            draw = self._step_random() >> 8
            if draw // 16 % q[mem.I_FLIP_ONE_IN] == 0:
                bits ^= 1 << draw % 16
        if not bits:
            return rx
        return (int.from_bytes(rx, "big") ^ bits).to_bytes(len(rx), "big")

    def _step_random(self) -> int:
        """Numerical Recipes' linear congruential generator; its state is in the buffer, its high bits are good."""
        q = self._q
        q[mem.I_RANDOM] = (q[mem.I_RANDOM] * 1664525 + 1013904223) & 0xFFFFFFFF
        return q[mem.I_RANDOM]

    def _draw(self) -> int:
        """32 random bits."""
        return self._step_random() >> 16 << 16 | self._step_random() >> 16

    def _is_resetting(self) -> bool:
        ready_at = self._q[mem.I_READY_AT_TICKS]
        if not ready_at:
            return False
        if self._clock is not None and self._clock.ticks_diff(self._clock.ticks_ms(), ready_at) < 0:
            return True
        self._q[mem.I_READY_AT_TICKS] = 0
        self._refresh_special()
        return False

    def _refresh_special(self) -> None:
        q = self._q
        unusual = q[mem.I_MISO_MODE] or q[mem.I_FLIP_ONE_IN] or q[mem.I_READY_AT_TICKS] or q[mem.I_BUSY]
        self._special = bool(unusual or self._plan.by_transfer or self.transcript is not None)

    # Supply, resets, faults -----------------------------------------------------------------------------------

    def _power_up(self, seed: int) -> None:
        q = self._q
        q[mem.I_VERSION] = mem.VERSION
        q[mem.I_RANDOM] = seed & 0xFFFFFFFF
        self._restore_words()
        q[mem.I_MAGIC] = mem.MAGIC

    def _restore_words(self) -> None:
        words = self._words
        for address in range(mem.WORDS):
            words[address] = 0
        for address, word in mem.RESET_WORDS.items():
            words[address] = word
        self._q[mem.I_GOLDEN_CRC] = mem.NOT_LATCHED

    def _wipe_energy(self) -> None:
        q, words = self._q, self._words
        q[mem.I_LOST_IMPORT] += words[0x80]
        q[mem.I_LOST_EXPORT] += words[0x84]
        for address in mem.CLEARED_BY_READING:
            words[address] = 0
        for slot in range(12):
            q[mem.I_FRACTION + slot] = 0

    def _reset(self) -> None:
        """All registers back to their reset values; not accessible for `reset_ms` of the driver's clock."""
        q = self._q
        self._wipe_energy()
        self._restore_words()
        q[mem.I_LAST_SPI] = 0
        q[mem.I_RESETS] += 1
        q[mem.I_STALE] = 1
        if self._clock is not None and self._reset_ms:
            q[mem.I_READY_AT_TICKS] = max(1, self._clock.ticks_ms() + self._reset_ms)
        self._metering.reconfigure()
        self._refresh_special()

    def set_fault(self, kind: str, on: bool = True, bit: int = 0) -> None:
        """Start or end a fault now. Raises ValueError for an unknown kind."""
        q = self._q
        if kind in _MISO_MODES:
            q[mem.I_MISO_MODE] = _MISO_MODES[kind] if on else mem.MISO_NORMAL
        elif kind in _ENERGY_MODES:
            q[mem.I_ENERGY_MODE] = _ENERGY_MODES[kind] if on else mem.ENERGY_NORMAL
        elif kind == "bit-flip":
            q[mem.I_FLIP_ONE_IN] = (bit or DEFAULT_FLIP_ONE_IN) if on else 0
        elif kind == "busy":
            q[mem.I_BUSY] = int(on)
        elif kind == "brown-out":
            self._reset()
        elif kind == "poke":
            self.poke(0x61, self._words[0x61] ^ 1 << bit)
        else:
            raise ValueError(f"unknown fault {kind!r}")
        self._refresh_special()

    def set_harmonics(self, permille: int) -> None:
        """Thousandths of the active power that is not at the fundamental."""
        self._q[mem.I_HARMONIC_PERMILLE] = permille

    def peek(self, address: int) -> int:
        """A register's word without any side effect, for tests and pages."""
        if mem.KINDS[address] == mem.AVERAGE and self._q[mem.I_STALE]:
            self._metering.publish()
        return self._words[address]

    def poke(self, address: int, word: int) -> None:
        """Change a register behind the bus's back (a disturbed configuration)."""
        self._words[address] = word
        self._metering.reconfigure()

    # Physics --------------------------------------------------------------------------------------------------

    def advance(
        self,
        to_ms: int,
        phase_power_w: Sequence[float],
        phase_reactive_var: Sequence[float] = (0.0, 0.0, 0.0),
        voltage_v: Sequence[float] = (230.0, 230.0, 230.0),
        frequency_hz: float = 50.0,
        temperature_c: float = 25.0,
    ) -> None:
        """Let the given inputs act from `now_ms` to `to_ms`. Raises ValueError if time would run backwards."""
        if to_ms < self.now_ms:
            raise ValueError(f"time runs backwards: {to_ms} ms after {self.now_ms} ms")
        p = [round(power * 1000) for power in phase_power_w]
        q = [round(power * 1000) for power in phase_reactive_var]
        u = [round(volts * 1000) for volts in voltage_v]
        words = self._words
        words[0xF8] = round(frequency_hz * 100) if any(u) else 0
        words[0xFC] = round(temperature_c) & 0xFFFF
        while self._plan.by_time and (self._plan.by_time[0].at_ms or 0) <= to_ms:
            fault = self._plan.by_time.pop(0)
            self._run(max(self.now_ms, fault.at_ms or 0), p, q, u)
            self.set_fault(fault.kind, fault.length >= 0, fault.bit)
            words[0xF8] = round(frequency_hz * 100) if any(u) else 0
        self._run(to_ms, p, q, u)

    def advance_to(self, to_ms: int) -> None:
        """Advance by what `source` says. Raises ValueError without a source."""
        if self._source is None:
            raise ValueError("advance_to needs a source; give one to the constructor or call advance")
        self.advance(to_ms, *self._source(self.now_ms, to_ms))

    def _run(self, to_ms: int, p: list[int], q: list[int], u: list[int]) -> None:
        slots = self._q
        from_ms = slots[mem.I_NOW_MS]
        if to_ms > from_ms:
            self._metering.meter(p, q, to_ms - from_ms)
            self._metering.average(p + q + u, from_ms, to_ms)
            slots[mem.I_NOW_MS] = to_ms

    # Truth ----------------------------------------------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        """Simulated time up to which physics has acted."""
        return self._q[mem.I_NOW_MS]

    @property
    def transfers(self) -> int:
        """Chip-select periods since creation; the number of the next one in a fault plan."""
        return self._q[mem.I_TRANSFERS]

    @property
    def resets(self) -> int:
        """Soft resets and brown-outs since creation."""
        return self._q[mem.I_RESETS]

    @property
    def overflows(self) -> int:
        """Times an active energy register (0x80..0x87) ran over; a driver that polls in time keeps this 0."""
        return self._q[mem.I_OVERFLOWS]

    @property
    def overflow_mask(self) -> int:
        """Bit n: register 0x80 + n ran over since creation; registers that nobody reads do."""
        return self._q[mem.I_OVERFLOW_MASK]

    @property
    def truth_import_counts(self) -> int:
        """Counts metered forward on the total since creation, whatever became of the registers."""
        return self._q[mem.I_METERED]

    @property
    def truth_export_counts(self) -> int:
        """Counts metered in reverse on the total since creation."""
        return self._q[mem.I_METERED + 4]

    @property
    def truth_phase_import_counts(self) -> tuple[int, ...]:
        """Counts metered forward by phase since creation."""
        return tuple(self._q[mem.I_METERED + 1 : mem.I_METERED + 4])

    @property
    def truth_phase_export_counts(self) -> tuple[int, ...]:
        """Counts metered in reverse by phase since creation."""
        return tuple(self._q[mem.I_METERED + 5 : mem.I_METERED + 8])

    @property
    def physical_import_uj(self) -> int:
        """Energy imported by the phases in the total, in microjoules, metered or not."""
        return self._q[mem.I_PHYSICAL_IMPORT]

    @property
    def physical_export_uj(self) -> int:
        """Energy exported likewise."""
        return self._q[mem.I_PHYSICAL_EXPORT]

    @property
    def pending_import_counts(self) -> int:
        """Content of APenergyT, not read yet."""
        return self._words[0x80]

    @property
    def pending_export_counts(self) -> int:
        """Content of ANenergyT, not read yet."""
        return self._words[0x84]

    @property
    def lost_import_counts(self) -> int:
        """Counts that resets wiped out of APenergyT."""
        return self._q[mem.I_LOST_IMPORT]

    @property
    def lost_export_counts(self) -> int:
        """Counts that resets wiped out of ANenergyT."""
        return self._q[mem.I_LOST_EXPORT]
