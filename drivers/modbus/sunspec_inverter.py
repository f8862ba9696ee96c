"""What a SunSpec inverter or battery tells: one `look()` over the models that its chain has.

Power at the AC side is positive while generating, as the models say; `battery_power_w` is positive while charging, with
the sign of the device turned by `invert` (it is not fixed in the definitions and found by the sign test). The states
of models 101 to 113 and 701, numbered differently, become the same words. What a device lacks is None. Portable.
"""

from collections import namedtuple

from drivers.bus import Clock, ModbusDevice
from drivers.errors import ValueOutOfRange
from drivers.modbus.sunspec import Found, Table, Values, find, read_model

INVERTERS = (701, 103, 102, 101, 113, 112, 111)
STATES = {
    "OFF": "off", "SLEEPING": "sleeping", "STARTING": "starting", "MPPT": "running", "RUNNING": "running",
    "THROTTLED": "throttled", "SHUTTING_DOWN": "stopping", "FAULT": "fault", "STANDBY": "standby",
}  # fmt: skip

InverterLook = namedtuple(
    "InverterLook",
    (
        "at_ticks_ms", "power_w", "generated_milliwh", "absorbed_milliwh", "frequency_hz", "state", "soc_percent",
        "battery_power_w",
    ),
)  # fmt: skip
Nameplate = namedtuple("Nameplate", ("power_w", "capacity_wh", "charge_w", "discharge_w", "soc_min", "soc_max"))
"""Most AC power, capacity, most charging and discharging (W), SoC window (per cent); None where a device is silent."""


class SunSpecInverter:
    """One inverter or battery. `chain` comes from `sunspec.scan`."""

    def __init__(
        self,
        device: ModbusDevice,
        clock: Clock,
        chain: "list[Found]",
        tables: "dict[int, Table]",
        *,
        invert: bool = False,
    ) -> None:
        """Take the bus and what was found on it; nothing is read yet."""
        self._device = device
        self._clock = clock
        self.chain = chain
        self._tables = tables
        self._invert = invert

    def model(self, *numbers: int) -> "Values | None":
        """Read the first of these models that the device has; None if it has none. Raises as `read_model`."""
        found = find(self.chain, *numbers)
        return None if found is None else read_model(self._device, found, self._tables[found.model])

    def look(self) -> InverterLook:
        """Read what changes. Raises BusFault, RegistersLost when the chain moved."""
        at_ticks_ms = self._clock.ticks_ms()
        inverter = self.model(*INVERTERS)
        battery = self.model(802)
        state_point = "InvSt" if inverter is not None and inverter.found.model == 701 else "St"
        word = "" if inverter is None else inverter.symbol(state_point)
        power = value_of(battery, "W")
        return InverterLook(
            at_ticks_ms=at_ticks_ms,
            power_w=value_of(inverter, "W"),
            generated_milliwh=_energy(inverter, "TotWhInj", "WH"),
            absorbed_milliwh=_energy(inverter, "TotWhAbs", ""),
            frequency_hz=value_of(inverter, "Hz"),
            state=STATES.get(word, word),
            soc_percent=self._soc(battery),
            battery_power_w=-power if power is not None and self._invert else power,
        )

    def soc_percent(self) -> "float | None":
        """State of charge alone, in fewer requests than a look. Raises as `look`."""
        return self._soc(self.model(802))

    def _soc(self, battery: "Values | None") -> "float | None":
        """State of charge from the first model that tells it."""
        soc = value_of(battery, "SoC")
        if soc is None:
            soc = value_of(self.model(713), "SoC")
        return value_of(self.model(124), "ChaState") if soc is None else soc

    def nameplate(self) -> Nameplate:
        """Read what does not change. Raises BusFault, RegistersLost."""
        old, new, storage, battery = self.model(120), self.model(702), self.model(124), self.model(802)
        capacity = (value_of(battery, "WHRtg"), value_of(self.model(713), "WHRtg"), value_of(old, "WHRtg"))
        charge = (value_of(battery, "WChaRteMax"), value_of(new, "WChaRteMaxRtg"), value_of(old, "MaxChaRte"))
        discharge = (
            value_of(battery, "WDisChaRteMax"),
            value_of(new, "WDisChaRteMaxRtg"),
            value_of(old, "MaxDisChaRte"),
        )
        return Nameplate(
            power_w=_first((value_of(new, "WMaxRtg"), value_of(old, "WRtg"))),
            capacity_wh=_first(capacity),
            charge_w=_least(charge + (value_of(storage, "WChaMax"),)),
            discharge_w=_least(discharge + (value_of(storage, "WChaMax"),)),
            soc_min=value_of(battery, "SoCMin"),
            soc_max=value_of(battery, "SoCMax"),
        )


def value_of(values: "Values | None", name: str) -> "float | None":
    """A point's value; None if model or point is missing or its scale factor is impossible."""
    if values is None or name not in values.points:
        return None
    try:
        return values.number(name)
    except ValueOutOfRange:
        return None


def _energy(values: "Values | None", newer: str, older: str) -> "int | None":
    """A counter in mWh, exact; None if the device has none."""
    for name in (newer, older):
        if values is not None and name in values.points and values.points[name].point.kind != "float32":
            try:
                return values.scaled(name, 3)
            except ValueOutOfRange:
                return None
    return None


def _first(values: "tuple[float | None, ...]") -> "float | None":
    for value in values:
        if value is not None:
            return value
    return None


def _least(values: "tuple[float | None, ...]") -> "float | None":
    """The strictest of several limits; zeros are devices that do not tell."""
    told = [value for value in values if value]
    return min(told) if told else None
