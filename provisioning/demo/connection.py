"""The simulated meter at the Hive's connection point: the exact sum of the houses, handed to the Queen.

Per interval between two instants the houses' net energy goes to its import or its export counter; what is less than a
milliwatt-hour waits for the next interval, as in any meter.
"""

from collections.abc import Sequence

from honey_edge.model.units import NANOWH_PER_MILLIWH
from provisioning.demo.grants import Answer


class ConnectionMeter:
    """Ever-growing counters of the Hive's connection."""

    def __init__(self) -> None:
        self._at_unix_s = 0
        self._houses_nanowh = 0
        self._import_nanowh = 0
        self._export_nanowh = 0

    def read(self, at_unix_s: int, houses: Sequence[Answer]) -> None:
        """Takes the houses' counters as of the instant."""
        total = sum(house["house_import_nanowh"] - house["house_export_nanowh"] for house in houses)
        net, self._houses_nanowh = total - self._houses_nanowh, total
        self._at_unix_s = at_unix_s
        if net >= 0:
            self._import_nanowh += net
        else:
            self._export_nanowh -= net

    def counters(self) -> dict[str, int]:
        """What the Queen is handed with granted time."""
        return {
            "unix_s": self._at_unix_s,
            "import_milliwh": self._import_nanowh // NANOWH_PER_MILLIWH,
            "export_milliwh": self._export_nanowh // NANOWH_PER_MILLIWH,
        }
