"""The Worker's driver of a sensor head: one request, one seal, increments of counters that only rise. Portable.

    HeadMeter(device, clock, key, fuse_limit_w)    resume(state, age_ms), start(), read_energy(), read(), state

Like the chips' drivers it returns INCREMENTS, and `state` is what must be kept with the counters. What is refused: a
block whose seal is wrong, an older (boot, sequence) than was booked (a replay), more energy than the fuses let through.
A head that started anew counts from zero: its counts are booked, and the time in which it did not count is flagged
with its bound.
"""

from drivers.bus import Clock, ModbusDevice
from drivers.errors import BusFault, ChecksumFault, ValueOutOfRange, WrongChip
from drivers.head.block import FLAG_BITS, KEY_BYTES, LENGTH, MEASURED, MODEL, PHASES, Block, decode_block
from drivers.modbus.sunspec import find, scan
from drivers.sample import (
    FLAG_BROWN_OUT,
    FLAG_ENERGY_LOST,
    FLAG_GAP,
    INCREMENT,
    MeterSample,
    counts_bound,
)

HOLDING = 3
STALE_MS = 10000
STATE_FORM = 21
"""Numbers in a state: boot, sequence, uptime, board, import, export, 3 + 3 phases, lost bound, 8 flag counters."""
_MARGIN_TENTHS = 12
_SLACK_MS = 5000
_FLAG_RANGE = 1 << 16


class HeadMeter:
    """One head. All methods block for one Modbus request, `start` for a scan."""

    def __init__(self, device: ModbusDevice, clock: Clock, key: bytes, fuse_limit_w: int) -> None:
        """Take the bus and the head's key. Raises ValueOutOfRange for a key of another length."""
        if len(key) != KEY_BYTES:
            raise ValueOutOfRange(f"a head's key has {KEY_BYTES} bytes, not {len(key)}; provision it again")
        self._device, self._clock, self._key, self._fuse_limit_w = device, clock, key, fuse_limit_w
        self._address = -1
        self._last: "tuple[int, ...]" = ()
        self._age_ms = 0
        self._since = clock.ticks_ms()
        self._stale_since: "int | None" = None
        self.was_configured = False

    def resume(self, state: "tuple[int, ...]", age_ms: int) -> bool:
        """Go on from a state that was kept so long ago; before `start`. False if it is none."""
        if len(state) != STATE_FORM:
            return False
        self._last, self._age_ms, self._since = tuple(state), age_ms, self._clock.ticks_ms()
        return True

    @property
    def state(self) -> "tuple[int, ...]":
        """What `resume` takes, as of the last sample; () before the first."""
        return self._last

    def start(self) -> MeterSample:
        """Find the head's model in the chain and read it. Raises WrongChip without one, and as `read`."""
        found = find(scan(self._device), MODEL)
        if found is None or found.length != LENGTH - 2:
            raise WrongChip(f"no sensor head: the device offers no model {MODEL} of {LENGTH - 2} registers")
        self._address = found.address
        self.was_configured = bool(self._last)
        return self.read()

    def read_energy(self) -> MeterSample:
        """Read everything: it is one request anyway."""
        return self.read()

    def read(self) -> MeterSample:
        """Energy since the last sample. Raises BusFault, ChecksumFault (try again), WrongChip, ValueOutOfRange."""
        if self._address < 0:
            return self.start()
        now = self._clock.ticks_ms()
        block = decode_block(self._device.read(HOLDING, self._address, LENGTH), self._key)
        return self._booked(block, now)

    def _booked(self, block: Block, now: int) -> MeterSample:
        fresh = _state_of(block)
        last = self._last
        if last and block.board != last[3]:
            raise WrongChip("sensor head: another board answers than was booked; a person must confirm an exchange")
        if last and fresh[:2] < last[:2]:
            raise ChecksumFault("sensor head: an older block than was booked already is told again; is it a replay?")
        if last and fresh[:2] == last[:2]:
            self._require_alive(now)
            return self._sample(block, now, (0,) * 8, 0, 0)
        self._stale_since = None
        flags, bound, base = 0, 0, last
        if not last:
            base, flags = fresh, FLAG_GAP | FLAG_ENERGY_LOST
        elif block.boot > last[0]:
            dark_ms = max(0, self._elapsed_ms(now) - block.uptime_s * 1000) + _SLACK_MS
            flags = FLAG_GAP | FLAG_BROWN_OUT | FLAG_ENERGY_LOST
            bound = counts_bound(self._fuse_limit_w, dark_ms, block.step_nanowh)
            base = (block.boot, 0, 0) + last[3:4] + (0,) * (STATE_FORM - 4)
        grown = tuple([new - old for new, old in zip(fresh[4:12], base[4:12])])
        self._require_possible(block, grown, base)
        bound += fresh[12] - base[12]
        for bit in range(FLAG_BITS):
            if (fresh[13 + bit] - base[13 + bit]) % _FLAG_RANGE:
                flags |= 1 << bit
        self._last, self._age_ms, self._since = fresh, 0, now
        return self._sample(block, now, grown, flags, bound)

    def _elapsed_ms(self, now: int) -> int:
        """Time since the last booked block."""
        return self._age_ms + max(0, self._clock.ticks_diff(now, self._since))

    def _require_alive(self, now: int) -> None:
        """A head that repeats itself does so for a look or two; then its chip is silent."""
        if self._stale_since is None:
            self._stale_since = now
        if self._clock.ticks_diff(now, self._stale_since) > STALE_MS:
            raise BusFault("sensor head: answers, but has not read its chip for 10 s; look at its own wiring")

    def _require_possible(self, block: Block, grown: "tuple[int, ...]", base: "tuple[int, ...]") -> None:
        """Counters only rise, and by no more than flows through the fuses in the head's own time."""
        seconds = block.uptime_s - base[2]
        most = counts_bound(self._fuse_limit_w * _MARGIN_TENTHS // 10, seconds * 1000 + _SLACK_MS, block.step_nanowh)
        if seconds < 0 or min(grown) < 0 or max(grown[:2]) > most:
            raise ValueOutOfRange(
                f"sensor head: {max(grown[:2])} counts in {seconds} s, {most} fit through the fuses; nothing was booked"
            )

    def _sample(self, block: Block, now: int, grown: "tuple[int, ...]", flags: int, bound: int) -> MeterSample:
        valid, phases = block.measured & MEASURED, block.measured & PHASES
        return MeterSample(
            now,
            INCREMENT,
            grown[0],
            grown[1],
            grown[2:5] if phases else None,
            grown[5:8] if phases else None,
            block.step_nanowh,
            _thousandths(block.power_mw) if valid else None,
            None,
            _thousandths(block.voltage_mv) if valid else None,
            _thousandths(block.current_ma) if valid else None,
            None,
            block.frequency_mhz / 1000 if valid else None,
            None,
            0,
            flags,
            bound,
        )


def _state_of(block: Block) -> "tuple[int, ...]":
    """What is compared with the next block."""
    state: "tuple[int, ...]" = (
        (block.boot, block.sequence, block.uptime_s, block.board, block.import_counts, block.export_counts)
        + block.phase_import_counts + block.phase_export_counts + (block.lost_bound_counts,) + block.flag_counts
    )  # fmt: skip
    return state


def _thousandths(numbers: "tuple[int, ...]") -> "tuple[float, ...]":
    return tuple([one / 1000 for one in numbers])
