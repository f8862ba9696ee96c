"""The faults a run may be given: `KIND@SERIAL`, `KIND@SERIAL:SLOT`, `kill-queen@SLOT`, `kill-broker@SLOT`.

SLOT counts from 0 in the run. Chip faults are the emulator's own; the others befall processes and the network.
"""

from dataclasses import dataclass

from provisioning.demo.plan import DemoError

CHIP_FAULTS = ("energy-stuck", "stuck-high", "bit-flip", "brown-out")
WORKER_FAULTS = (*CHIP_FAULTS, "late", "kill-worker")
HIVE_FAULTS = ("kill-queen", "kill-broker")
DEFAULT_SLOT = 1


class FaultError(DemoError):
    """A fault is not one the demo knows, or names no home of this run."""

    code = "E-DEMO-FAULT"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to whom at the start of which slot of the run; `serial` is empty for the Hive's own."""

    kind: str
    serial: str
    slot: int


def parse_fault(text: str, serials: list[str]) -> Fault:
    """The fault a person typed; FaultError says what would do."""
    kind, _, target = text.partition("@")
    if kind in HIVE_FAULTS:
        return Fault(kind, "", _slot(text, target or str(DEFAULT_SLOT)))
    if kind not in WORKER_FAULTS:
        raise FaultError(f"{kind!r} is no fault; known: {', '.join((*WORKER_FAULTS, *HIVE_FAULTS))}")
    serial, _, slot = target.partition(":")
    known = {name.lower(): name for name in serials}
    if serial.lower() not in known:
        raise FaultError(f"{text!r} names no home of this run; homes: {', '.join(serials)}")
    return Fault(kind, known[serial.lower()], _slot(text, slot or str(DEFAULT_SLOT)))


def _slot(text: str, number: str) -> int:
    if not number.isdigit() or int(number) > 10_000:
        raise FaultError(f"{text!r}: {number!r} is not a slot number of the run (0, 1, 2 ...)")
    return int(number)
