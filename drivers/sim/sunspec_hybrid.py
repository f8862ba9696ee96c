"""An emulated hybrid inverter with battery behind SunSpec models, and the house around it.

The battery follows models 124 or 704 as far as the device is built to (`honours_force`), reverts by itself when its
timer runs out or its heartbeat stops, and otherwise serves the house: it covers the load as far as it can.
`wired_wrong` turns the sign of commands, as some devices do. Time is what `now_s` says; the state of charge moves.
"""

from collections.abc import Callable

from drivers.linux.modbus_sunspec_tables import table
from drivers.sim.sunspec_device import EmulatedSunSpec, Values

COMMON: Values = {"Mn": "Hive emulator", "Md": "hybrid", "Vr": "1.0", "SN": "HYB-1", "DA": 1}
CHARGE_W, DISCHARGE_W, CAPACITY_WH = 5_000, 5_000, 10_000
HEARTBEAT_LIMIT_S = 10
_RATE_SCALE = -2
_DISCHARGING, _CHARGING, _HOLDING = 3, 4, 6


def hybrid_models(control: int) -> list[int]:
    """Models of a device that is commanded by 124, 704 or 802."""
    return {124: [1, 103, 120, 124, 802], 704: [1, 701, 702, 704, 713], 802: [1, 802]}[control]


class EmulatedHybrid:
    """The device; `device` holds the registers, `grid_w()` is what a meter at the connection shows."""

    def __init__(self, control: int, now_s: Callable[[], float], *, base: int = 40_000) -> None:
        """Build a half-full battery in a house that takes 800 W."""
        self.control = control
        self.load_w = 800.0
        self.soc_percent = 50.0
        self.honours_force = True
        self.wired_wrong = False
        self.generated_wh = 1000.0
        self._now_s = now_s
        self._at_s = self._commanded_s = self._beat_s = now_s()
        self.device = EmulatedSunSpec([(table(m), self._given(m)) for m in hybrid_models(control)], base=base)
        self.device.before_read = self.advance
        self.device.on_write = self._on_write
        self._show()

    def _given(self, model: int) -> Values:
        given: dict[int, Values] = {
            1: COMMON,
            103: {"W_SF": 0, "WH_SF": 0, "Hz": 5000, "Hz_SF": -2, "St": 4, "A_SF": -1, "V_SF": -1, "Tmp_SF": 0},
            120: {"DERTyp": 82, "WRtg": 6000, "WRtg_SF": 0, "WHRtg": 1000, "WHRtg_SF": 1, "MaxChaRte": CHARGE_W,
                  "MaxChaRte_SF": 0, "MaxDisChaRte": DISCHARGE_W, "MaxDisChaRte_SF": 0},
            124: {"WChaMax": CHARGE_W, "WChaMax_SF": 0, "WChaGra": 100, "WDisChaGra": 100, "WChaDisChaGra_SF": 0,
                  "StorCtl_Mod": 0, "ChaState_SF": -1, "InWRte": 10000, "OutWRte": 10000, "InOutWRte_SF": _RATE_SCALE,
                  "InOutWRte_RvrtTms": 0, "ChaGriSet": 1},
            701: {"ACType": 2, "InvSt": 3, "W_SF": 0, "TotWh_SF": 0, "TotWhAbs": 0, "Hz": 50_000, "Hz_SF": -3},
            702: {"WMaxRtg": 600, "WChaRteMaxRtg": CHARGE_W // 10, "WDisChaRteMaxRtg": DISCHARGE_W // 10, "W_SF": 1},
            704: {"WSetEna": 0, "WSetMod": 1, "WSet": 0, "WSet_SF": 1, "WSetRvrtTms": 0, "WSetEnaRvrt": 0},
            713: {"WHRtg": CAPACITY_WH // 10, "WH_SF": 1, "Pct_SF": -1},
            802: {"WHRtg": CAPACITY_WH // 10, "WHRtg_SF": 1, "WChaRteMax": CHARGE_W // 10,
                  "WDisChaRteMax": DISCHARGE_W // 10, "WChaDisChaMax_SF": 1, "SoCMax": 1000, "SoCMin": 50,
                  "SocRsvMax": 1000, "SoCRsvMin": 50, "SoC_SF": -1, "W_SF": 0, "CtrlHb": 0, "V_SF": 0, "A_SF": 0,
                  "AHRtg_SF": 0, "CellV_SF": 0, "AMax_SF": 0},
        }  # fmt: skip
        return given[model]

    def grid_w(self) -> float:
        """Power at the connection, import positive."""
        self.advance()
        return self.load_w + self.battery_w()

    def battery_w(self) -> float:
        """The battery's power, charging positive."""
        most = 0.0 if self.soc_percent >= 100 else float(CHARGE_W)
        least = 0.0 if self.soc_percent <= 0 else -float(DISCHARGE_W)
        automatic = max(least, min(most, -self.load_w))
        wished = {124: self._wish_124, 704: self._wish_704, 802: self._wish_802}[self.control](automatic)
        return max(least, min(most, wished))

    def _wish_124(self, automatic: float) -> float:
        modes = self.device.raw(124, "StorCtl_Mod")
        unit = CHARGE_W * 10**_RATE_SCALE / 100
        charge, discharge = (self.device.raw(124, name) * unit for name in ("InWRte", "OutWRte"))
        if not self.honours_force:
            charge, discharge = max(charge, 0.0), max(discharge, 0.0)
        if self.wired_wrong:
            charge, discharge = discharge, charge
        if modes & 1:
            automatic = min(automatic, charge)
        return max(automatic, -discharge) if modes & 2 else automatic

    def _wish_704(self, automatic: float) -> float:
        if not self.device.raw(704, "WSetEna"):
            return automatic
        watts = -10.0 * self.device.raw(704, "WSet")
        return -watts if self.wired_wrong else watts

    def _wish_802(self, automatic: float) -> float:
        soc = round(self.soc_percent * 10)
        if automatic > 0 and soc >= self.device.raw(802, "SocRsvMax"):
            return 0.0
        return 0.0 if automatic < 0 and soc <= self.device.raw(802, "SoCRsvMin") else automatic

    def advance(self) -> None:
        """Live up to now: timers run out, the battery fills or empties, registers show it."""
        now_s = self._now_s()
        if self.control != 802 and self._reverted(now_s):
            self.device.set(self.control, **({"WSetEna": 0} if self.control == 704 else {"StorCtl_Mod": 0}))
        if self.control == 802 and now_s - self._beat_s > HEARTBEAT_LIMIT_S:
            self.device.set(802, SocRsvMax=1000, SoCRsvMin=50)
        power_w = self.battery_w()
        hours = (now_s - self._at_s) / 3600
        self.soc_percent = max(0.0, min(100.0, self.soc_percent + 100 * power_w * hours / CAPACITY_WH))
        self.generated_wh += max(0.0, -power_w) * hours
        self._at_s = now_s
        self._show()

    def _reverted(self, now_s: float) -> bool:
        name = "WSetRvrtTms" if self.control == 704 else "InOutWRte_RvrtTms"
        timer_s = self.device.raw(self.control, name)
        return timer_s > 0 and now_s - self._commanded_s >= timer_s

    def _on_write(self, model: int, name: str, raw: int) -> None:
        if name == "CtrlHb":
            self._beat_s = self._now_s()
        else:
            self._commanded_s = self._now_s()

    def _show(self) -> None:
        """Put what is measured into the registers."""
        battery = round(self.battery_w())
        shown: dict[int, dict[str, int]] = {
            103: {"W": -battery, "WH": int(self.generated_wh)},
            124: {"ChaState": round(self.soc_percent * 10)},
            701: {"W": -battery, "TotWhInj": int(self.generated_wh)},
            713: {"SoC": round(self.soc_percent * 10)},
            802: {"SoC": round(self.soc_percent * 10), "W": battery,
                  "ChaSt": _HOLDING if not battery else _CHARGING if battery > 0 else _DISCHARGING},
        }  # fmt: skip
        for model in hybrid_models(self.control):
            self.device.set(model, **shown.get(model, {}))
