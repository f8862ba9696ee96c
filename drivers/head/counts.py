"""What a head has counted since its boot: samples of a chip that forgets, added up exactly once. Portable."""

from drivers.errors import ValueOutOfRange
from drivers.head.block import FLAG_BITS, MEASURED, PHASES, Block
from drivers.sample import INCREMENT, MeterSample

_FLAG_RANGE = 1 << 16


class HeadCounts:
    """The sums of one boot; `block` puts them into a block."""

    def __init__(self, part: int, boot: int, board: int) -> None:
        """Begin at zero: `part` is the chip's number, `board` the controller's own."""
        self._part, self._boot, self._board = part, boot, board
        self.sequence = 0
        self._energy = [0, 0]
        self._phases = [[0, 0, 0], [0, 0, 0]]
        self._lost = 0
        self._flags = [0] * FLAG_BITS
        self._step = 0
        self._by_phase = 0
        self._measured: tuple = ((0,) * 4, (0,) * 3, (0,) * 3, 0, 0)  # type: ignore[type-arg]

    def add(self, sample: MeterSample) -> None:
        """Take one sample. Raises ValueOutOfRange for a meter that keeps counters itself, or whose step changed."""
        if sample.counter_kind != INCREMENT:
            raise ValueOutOfRange("a sensor head reads chips that forget; connect a Modbus meter to the Worker itself")
        if self._step not in (0, sample.counter_step_nanowh):
            raise ValueOutOfRange("the chip's step changed within a boot; restart the head")
        self._step = sample.counter_step_nanowh
        self._energy[0] += sample.import_counts
        self._energy[1] += sample.export_counts
        for kept, given in zip(self._phases, (sample.phase_import_counts, sample.phase_export_counts)):
            if given is not None:
                self._by_phase = PHASES
                for place in range(3):
                    kept[place] += given[place]
        self._lost += sample.lost_bound_counts
        for bit in range(FLAG_BITS):
            if sample.flags >> bit & 1:
                self._flags[bit] = (self._flags[bit] + 1) % _FLAG_RANGE
        if sample.power_w is not None:
            self._measured = _measured(sample)
        self.sequence += 1

    def block(self, uptime_s: int) -> Block:
        """Return what is known now."""
        power, voltage, current, frequency, valid = self._measured
        return Block(
            self._part, self._boot, self.sequence, self._board, uptime_s, self._step, self._energy[0], self._energy[1],
            tuple(self._phases[0]), tuple(self._phases[1]), self._lost, tuple(self._flags), power, voltage, current,
            frequency, valid | self._by_phase,
        )  # fmt: skip


def _measured(sample: MeterSample) -> tuple:  # type: ignore[type-arg]
    """Measurements in thousandths; what a chip does not measure is 0."""
    voltage = sample.voltage_v or (0.0,) * 3
    current = sample.current_a or (0.0,) * 3
    return (
        tuple([round(one * 1000) for one in sample.power_w]),
        tuple([round(one * 1000) for one in voltage]),
        tuple([round(one * 1000) for one in current]),
        round((sample.frequency_hz or 0.0) * 1000),
        MEASURED,
    )
