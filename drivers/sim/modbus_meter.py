"""An emulated Modbus meter of any profile: its registers follow a truth, and it does wrong what real ones do.

Faults (`EmulatedMeter.fault`, "" = none): `energy-stuck` counters stop, `stuck-high` all words 0xFFFF, `frozen` the
whole frame stops, `bit-flip` one bit of the import counter, `brown-out` counters fall to 0, `jump` the import counter
is 1000 kWh too high, `nan` the import counter is no number, `swapped` words of the counter in the other order.
Faults of the wire are `drivers.sim.modbus_line`'s.
"""

from collections.abc import Callable

from drivers.modbus.profile import EXPORT, IMPORT, KINDS, MeterProfile
from drivers.modbus.slave import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Refusal, Registers
from drivers.sim.modbus_image import MICROJOULE_PER_KWH, MeterTruth, float32_words, register_image

METER_FAULTS = ("energy-stuck", "stuck-high", "frozen", "bit-flip", "brown-out", "jump", "nan", "swapped")
_SETUP = {18: 0.0, 20: 1.0, 28: 2.0}
_JUMP_KWH = 1000


class EmulatedMeter(Registers):
    """Registers of one meter; inside the profile's blocks it answers 0 for registers that have no point."""

    def __init__(self, profile: MeterProfile, truth: Callable[[], MeterTruth]) -> None:
        """Take the layout, and who tells what flows."""
        self.profile = profile
        self.fault = ""
        self._truth = truth
        self._kept: dict[int, int] = {}
        self._shown: dict[int, int] = {}
        self._shown_for: tuple[MeterTruth, str] | None = None
        self._eastron = profile.name.startswith("sdm")
        self._gaps = {first + place: 0 for first, count in profile.blocks for place in range(count)}
        self._setup: dict[int, int] = {}
        for address, value in _SETUP.items():
            self._setup[address], self._setup[address + 1] = float32_words(value)

    def read(self, function: int, address: int, count: int) -> list[int]:
        """Registers; a set-up register of an Eastron by function 3."""
        wanted = range(address, address + count)
        image = self._setup if self._eastron and function == 3 else self._present()
        if function != self.profile.function and image is not self._setup:
            raise Refusal(ILLEGAL_ADDRESS)
        if any(place not in image for place in wanted):
            raise Refusal(ILLEGAL_ADDRESS)
        return [image[place] for place in wanted]

    def write(self, address: int, words: list[int]) -> None:
        """Set up an Eastron: one parameter a message, both registers at once."""
        if not self._eastron or address not in _SETUP:
            raise Refusal(ILLEGAL_ADDRESS)
        if len(words) != 2:
            raise Refusal(ILLEGAL_VALUE if len(words) > 2 else ILLEGAL_ADDRESS)
        self._setup[address], self._setup[address + 1] = words

    def _present(self) -> dict[int, int]:
        """Every register that is answered; laid out anew only when something has changed since the last request."""
        truth = self._truth()
        if self._shown_for != (truth, self.fault):
            self._shown, self._shown_for = {**self._gaps, **self._laid_out(truth)}, (truth, self.fault)
        return self._shown

    def image(self) -> dict[int, int]:
        """Return the present registers with the fault applied."""
        return self._laid_out(self._truth())

    def _laid_out(self, truth: MeterTruth) -> dict[int, int]:
        if self.fault == "jump":
            more = truth.import_microjoule + _JUMP_KWH * MICROJOULE_PER_KWH
            truth = MeterTruth(
                truth.phase_milliwatts,
                more,
                truth.export_microjoule,
                truth.phase_import_microjoule,
                truth.phase_export_microjoule,
                truth.voltage_millivolts,
                truth.frequency_millihertz,
            )
        image = register_image(self.profile, truth)
        if self.fault == "frozen" and self._kept:
            return dict(self._kept)
        if self.fault == "energy-stuck" and self._kept:
            image.update({place: self._kept[place] for place in self._energy_places()})
        else:
            self._kept = dict(image)
        return self._spoilt(image)

    def _energy_places(self) -> list[int]:
        """Registers of every counter."""
        points = [point for name, point in self.profile.points.items() if "energy" in name]
        return [point.address + k for point in points for k in range(KINDS[point.kind])]

    def _spoilt(self, image: dict[int, int]) -> dict[int, int]:
        point, other = self.profile.points[IMPORT], self.profile.points[EXPORT]
        places = [point.address + k for k in range(KINDS[point.kind])]
        high = places[-1] if self.profile.low_word_first else places[0]
        if self.fault == "stuck-high":
            return dict.fromkeys(image, 0xFFFF)
        if self.fault == "bit-flip":
            image[high] ^= 0x0080
        elif self.fault == "nan":
            image.update(dict.fromkeys(places, 0xFFFF))
        elif self.fault == "swapped":
            image.update(zip(places, [image[place] for place in reversed(places)], strict=True))
        elif self.fault == "brown-out":
            image.update(dict.fromkeys(places + [other.address + k for k in range(KINDS[other.kind])], 0))
        return image
