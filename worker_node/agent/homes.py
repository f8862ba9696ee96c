"""From a home's numbers to the market's `Home`, and from a schedule back to whole watts, checked against physics.

Loads numpy: imported in the solver's thread only.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

from honey_edge.market.homes.assets import Battery, Ev, FloatArray, Home, Shed, Thermal, profile
from honey_edge.market.homes.physics import check_plan
from honey_edge.market.homes.plan import Schedule, feasible_home, resimulate
from honey_edge.market.rounds.queen_step import watts
from honey_edge.model.errors import HiveError
from worker_node.agent.assets import AssetState, CarModel, HomeAssets, SetPoints, ShedModel, ThermalModel
from worker_node.agent.battery import BatteryModel

DT_H = 0.25
CLIPPED = "set_point_clipped"
_MILLIWH_PER_KWH = 1e6
_MICRO_PER_COIN = 1e6


class PlanRefused(HiveError, ValueError):
    """A plan breaks the physics of the home; it must not be executed."""

    code = "E-PLAN-REFUSED"
    transient = True


@dataclass(frozen=True, slots=True)
class Profile:
    """A schedule in whole watts per slot: net at the connection, battery (charging positive), the other assets.

    `repairs` names what had to be relaxed to have a plan at all.
    """

    net_w: tuple[int, ...]
    battery_w: tuple[int, ...]
    heat_w: tuple[int, ...] = ()
    car_w: tuple[int, ...] = ()
    shed_w: tuple[int, ...] = ()
    curtail_w: tuple[int, ...] = ()
    repairs: tuple[str, ...] = ()


def home_of(assets: HomeAssets, base_kw: Sequence[float], state: AssetState, first_slot: int) -> Home:
    """The home for the market: forecast of load less sun (kW per slot), and all assets as they will be."""
    load, sun = [max(value, 0.0) for value in base_kw], [max(-value, 0.0) for value in base_kw]
    slots = range(first_slot, first_slot + len(base_kw))
    return Home(
        profile("load_kw", load),
        profile("pv_kw", sun),
        _battery(assets.battery, state) if assets.battery else None,
        assets.pv_curtailable,
        thermal=_thermal(assets.thermal, state, slots) if assets.thermal else None,
        ev=_car(assets.car, state, slots) if assets.car else None,
        shed=_shed(assets.shed, load) if assets.shed else None,
    )


def _battery(model: BatteryModel, state: AssetState) -> Battery:
    return Battery(
        cap_kwh=model.capacity_milliwh / _MILLIWH_PER_KWH,
        e_min_kwh=model.min_milliwh / _MILLIWH_PER_KWH,
        e_max_kwh=model.max_milliwh / _MILLIWH_PER_KWH,
        e0_kwh=state.stored_milliwh / _MILLIWH_PER_KWH,
        e_end_min_kwh=model.end_min_milliwh / _MILLIWH_PER_KWH,
        p_ch_max_kw=model.charge_w / 1000,
        p_dis_max_kw=model.discharge_w / 1000,
        eta_c=model.charge_permille / 1000,
        eta_d=model.discharge_permille / 1000,
        c_deg=model.wear_micro_per_kwh / _MICRO_PER_COIN,
    )


def _thermal(model: ThermalModel, state: AssetState, slots: range) -> Thermal:
    return Thermal(
        cap_kwh=model.capacity_milliwh / _MILLIWH_PER_KWH,
        s0_kwh=state.heat_milliwh / _MILLIWH_PER_KWH,
        s_min_kwh=model.min_milliwh / _MILLIWH_PER_KWH,
        s_end_min_kwh=model.end_min_milliwh / _MILLIWH_PER_KWH,
        q_max_kw=model.power_w / 1000,
        cop=model.cop_permille / 1000,
        loss_per_step=model.loss_ppm_per_slot / 1e6,
        draw_kw=profile("draw_kw", [model.drawn_w(slot) / 1000 for slot in slots]),
    )


def _car(model: CarModel, state: AssetState, slots: range) -> Ev:
    stay = model.stay(slots.start, len(slots), state.car_charged_milliwh, state.car_present)
    return Ev(
        p_max_kw=model.charge_w / 1000,
        eta=model.efficiency_permille / 1000,
        e_req_kwh=stay.needed_milliwh / _MILLIWH_PER_KWH,
        avail=profile("avail", stay.present),
    )


def _shed(model: ShedModel, load_kw: Sequence[float]) -> Shed:
    """No more than what is there to be left out."""
    most = [min(model.power_w / 1000, load) for load in load_kw]
    return Shed(max_kw=profile("max_kw", most), cost_per_kwh=model.cost_micro_per_kwh / _MICRO_PER_COIN)


def executable(home: Home, schedule: Schedule, repairs: tuple[str, ...] = ()) -> Profile:
    """The schedule as the assets can really follow it. Raises PlanRefused when it breaks a limit nevertheless."""
    real = resimulate(schedule, home, DT_H)
    refuse_unphysical(home, real)
    return Profile(
        watts(real.net_kw),
        watts(real.charge_kw - real.discharge_kw),
        watts(real.heat_kw) if home.thermal else (),
        watts(real.ev_kw) if home.ev else (),
        watts(real.shed_kw) if home.shed else (),
        watts(real.curtail_kw) if home.pv_curtailable else (),
        repairs,
    )


def refuse_unphysical(home: Home, schedule: Schedule) -> None:
    """Simulates the plan once more, independently of the solver; PlanRefused names the worst violation."""
    report = check_plan(home, schedule, DT_H)
    if not report.ok:
        worst = max(report.violations, key=lambda one: one.by_kw)
        raise PlanRefused(
            f"slot {worst.slot}: {worst.asset} is {worst.by_kw:.4f} kW beyond {worst.limit}, "
            f"{len(report.violations)} violations in all",
            next_step="the last good plan is followed; see the log for what led to this one",
        )


def allowed(
    assets: HomeAssets, points: SetPoints, base_kw: float, state: AssetState, slot: int
) -> tuple[SetPoints, tuple[str, ...]]:
    """The set-points of one slot as the assets can follow them now, and a flag where they had to be cut.

    Assets that are not as the plan expected (another charge, a car that is late) get what fits. Raises PlanRefused.
    """
    home = _for_one_slot(home_of(assets, [base_kw], state, slot), points)
    schedule = _one_slot(home, points)
    real = resimulate(schedule, home, DT_H)
    refuse_unphysical(home, real)
    now = SetPoints(
        watts(real.charge_kw - real.discharge_kw)[0],
        watts(real.heat_kw)[0],
        watts(real.ev_kw)[0],
        watts(real.shed_kw)[0],
        watts(real.curtail_kw)[0],
    )
    return now, (CLIPPED,) if _differ(now, points) else ()


def _for_one_slot(home: Home, points: SetPoints) -> Home:
    """The home over its first slot only: what a plan wants at its end belongs to later slots."""
    battery, thermal, car = home.battery, home.thermal, home.ev
    if battery is not None:
        battery = replace(battery, e_end_min_kwh=0.0)
    if thermal is not None:
        thermal = replace(thermal, s_end_min_kwh=0.0)
    if car is not None:
        power_kw = min(max(points.car_w / 1000, 0.0), car.p_max_kw * float(car.avail[0]))
        car = replace(car, e_req_kwh=power_kw * DT_H * car.eta)
    home = replace(home, battery=battery, thermal=thermal, ev=car)
    return feasible_home(home, DT_H, may_repair=True)[0]


def _one_slot(home: Home, points: SetPoints) -> Schedule:
    """The set-points as a schedule of one slot, as they stand; states of charge follow when it is simulated."""

    def kw(power_w: int) -> FloatArray:
        return profile("set point", [power_w / 1000])

    charge, discharge = kw(max(points.battery_w, 0)), kw(max(-points.battery_w, 0))
    heat, car, shed, curtail = (kw(w) for w in (points.heat_w, points.car_w, points.shed_w, points.curtail_w))
    net = home.base_kw + curtail + charge - discharge + heat + car - shed
    nothing = profile("state", [0.0])
    return Schedule(
        net, charge, discharge, nothing, curtail, 0.0, 0.0, "solved", 0, heat_kw=heat, ev_kw=car, shed_kw=shed
    )


def _differ(now: SetPoints, wanted: SetPoints) -> bool:
    """Whether anything was cut by more than a watt of rounding."""
    pairs = zip(astuple(now), astuple(wanted), strict=True)
    return any(abs(a - b) > 1 for a, b in pairs)
