"""The sign test: before any automatic control, does the grid meter move the way the battery was told?

A tenth of the nameplate is commanded for a minute one way, then the other; between the two the grid power must move by
at least half of what was commanded. Turned sign: the test is passed with `invert`. Profiles without force are held at
zero instead, and the battery's own power must come to rest. Source: reference/sunspec.md, safety rule 4.
"""

from collections.abc import Callable

from drivers.modbus.sunspec_control import TEST_SHARE_PERCENT, BatteryControl, SignResult

HOLD_MS = 60000
REFRESHES = 6
NEEDED_SHARE_PERCENT = 50
REST_SHARE_PERCENT = 2
REST_W = 50


def run_sign_test(
    control: BatteryControl,
    grid_power_w: Callable[[], float],
    wait_ms: Callable[[int], object],
    battery_power_w: Callable[[], float | None],
) -> SignResult:
    """Run the test; the three are functions: grid power (import positive), a pause, battery power (None: unknown).

    The battery is back in automatic afterwards, whatever happened. Raises what the control raises.
    """
    plate = control.nameplate
    watts = int(min(plate.charge_w, plate.discharge_w)) * TEST_SHARE_PERCENT // 100
    try:
        if not control.profile.forced:
            _hold(control, 0, wait_ms)
            rest = battery_power_w()
            limit = REST_W + watts * REST_SHARE_PERCENT // TEST_SHARE_PERCENT
            return SignResult(rest is not None and abs(rest) <= limit, False, control.serial)
        _hold(control, watts, wait_ms)
        charging = grid_power_w()
        _hold(control, -watts, wait_ms)
        discharging = grid_power_w()
    finally:
        control.release()
    moved = charging - discharging
    passed = abs(moved) * 100 >= 2 * watts * NEEDED_SHARE_PERCENT
    return SignResult(passed, passed and moved < 0, control.serial)


def _hold(control: BatteryControl, power_w: int, wait_ms: Callable[[int], object]) -> None:
    """Command a power for the test's minute, refreshed as often as the shortest revert timer needs."""
    for _ in range(REFRESHES):
        control.command_for_sign_test(power_w)
        wait_ms(HOLD_MS // REFRESHES)
