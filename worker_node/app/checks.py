"""The named checks of the installation: what passed, what fails and since when, what ever failed since the start."""

import logging

from drivers.sample import FLAG_BUS_FAULTS, FLAG_CROSS_CHECK, FLAG_ENERGY_LOST
from worker_node.metering.meter import Taken
from worker_node.state import Check

_LOG = logging.getLogger(__name__)

BATTERY, SERVE, FAIR_PLAY = "battery", "serve", "fair-play"
CROSS_CHECK, METER, CLOCK, METER_BUS, ENERGY_LOST = (
    "energy-cross-check",
    "meter",
    "clock",
    "meter-bus",
    "energy-lost",
)


class Checks:
    """Keeps the checks; a change of one is one log line."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._failed: dict[str, Check] = {}

    def note(self, name: str, ok: bool, detail: str, at_unix_s: float) -> None:
        """Takes the newest outcome of a check; `detail` says what is wrong and is dropped when nothing is."""
        before = self._checks.get(name)
        if before is not None and before.ok == ok:
            return
        self._checks[name] = Check(name, ok, "" if ok else detail, None if ok else at_unix_s)
        if not ok:
            self._failed.setdefault(name, self._checks[name])
            _LOG.error("check_failed name=%s detail=%r", name, detail)
        elif before is not None:
            _LOG.info("check_passed name=%s", name)

    def sample(self, taken: Taken) -> None:
        """What one sample says."""
        at = taken.at_unix_s
        if taken.finding is not None:
            self.note(CROSS_CHECK, taken.finding.ok, str(taken.finding), at)
        if taken.sample.flags & FLAG_CROSS_CHECK:
            self.note(CROSS_CHECK, False, "the meter's counters stand still while its power does not", at)
        if taken.boundary is not None:
            flags = taken.boundary.flags
            self.note(METER_BUS, not flags & FLAG_BUS_FAULTS, "answers of the meter failed their check", at)
            self.note(ENERGY_LOST, not flags & FLAG_ENERGY_LOST, "energy within a bound was lost", at)

    def now(self) -> tuple[Check, ...]:
        """All checks that have an outcome, by name."""
        return tuple(self._checks[name] for name in sorted(self._checks))

    def failed(self) -> tuple[Check, ...]:
        """What puts the counters in doubt: energy checks that failed since the start, a meter that is silent now."""
        silent = [one for one in self.now() if one.name == METER and not one.ok]
        return (*(self._failed[name] for name in (CROSS_CHECK, ENERGY_LOST) if name in self._failed), *silent)
