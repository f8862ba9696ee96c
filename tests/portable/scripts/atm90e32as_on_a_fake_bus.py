"""Runs the portable ATM90E32AS driver against a small fake bus; plain asserts, for MicroPython and CPython alike.

Called with the repository's root on the module path; exit code 0 and a last line "portable ok" mean success.
"""

from drivers.chips.atm90e32as import Atm90e32as
from drivers.chips.atm90e32as_settings import make_settings
from drivers.errors import BusFault, DriverError, ValueOutOfRange, WrongChip
from drivers.sample import FLAG_BROWN_OUT, FLAG_BUS_FAULTS, FLAG_ENERGY_LOST, INCREMENT
from fakes.atm90e32as import RESET, FakeChip, FakeClock, metered

def refuses(error, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except error:
        return True
    return False


def main():
    chip, clock = FakeChip(), FakeClock()
    driver = Atm90e32as(chip, clock, make_settings(meter_constant=3200))
    sample = driver.start()
    assert sample.counter_kind == INCREMENT and sample.import_counts == 0 and not driver.was_configured
    assert chip.words[0x00] == 1 and chip.words[0x7F] == 0

    clock.now += 1000
    metered(chip, 300, 20)
    sample = driver.read_energy()
    assert (sample.import_counts, sample.export_counts, sample.flags) == (300, 20, 0)
    assert sample.phase_import_counts == (300, 0, 0) and sample.counter_step_nanowh == 3125000

    clock.now += 1000
    metered(chip, 301, 0)
    chip.spoil = {0x80: 0x0400}
    sample = driver.read_energy()
    assert sample.import_counts == 301 and sample.flags == FLAG_BUS_FAULTS and sample.lost_bound_counts == 0

    clock.now += 1000
    metered(chip, 302, 0)
    chip.spoil = {0x80: None}
    assert driver.read_energy().import_counts == 302

    chip.words.update({0xB1: 0xFFC9, 0xC1: 0x29EA, 0xD9: 0x59D8, 0xDD: 0x1388, 0xBC: 0xFC18, 0xF8: 0x1386, 0xFC: 0xFFFB})
    clock.now += 1000
    sample = driver.read()
    assert abs(sample.power_w[0] + 1150) < 0.01 and abs(sample.voltage_v[0] - 230) < 0.001, sample
    assert abs(sample.current_a[0] - 5) < 0.001 and driver.read_cross_check().power_factor[0] == -1.0
    assert abs(sample.frequency_hz - 49.98) < 0.001 and driver.read().temperature_c == -5.0

    clock.now += 1000
    chip.words = dict(RESET)
    sample = driver.read_energy()
    assert sample.flags & FLAG_BROWN_OUT and sample.flags & FLAG_ENERGY_LOST and sample.lost_bound_counts > 0
    assert chip.words[0x00] == 1

    metered(chip, 77, 3)
    again = Atm90e32as(chip, clock, make_settings())
    sample = again.start()
    assert again.was_configured and (sample.import_counts, sample.export_counts) == (77, 3)

    chip.words[0x02] = 0x0655
    assert refuses(WrongChip, Atm90e32as(chip, clock).start)
    assert refuses(ValueOutOfRange, make_settings, meter_constant=3201)
    assert issubclass(BusFault, DriverError) and BusFault.transient and not WrongChip.transient
    print("portable ok")


main()
