"""Made-up but consistent states of one home, one for every situation that the homeowner's page must explain."""

import math
from dataclasses import replace

from honey_edge.model.slots import SLOTS_PER_DAY, day_of, slot_at, slot_end_unix_s
from worker_node.state import (
    AGREED,
    OBJECTED,
    PENDING,
    Account,
    Chain,
    Check,
    Home,
    Link,
    Live,
    Plan,
    SlotRow,
    State,
    Today,
)

NOW_UNIX_S = 1_795_356_000.0 + 120
"""2026-11-22 14:02 UTC."""

HOME = Home(
    name="Flat 3",
    serial="HP-000123",
    address="71c7" + "0" * 32 + "976f",
    hive=7,
    meter="sim-chip",
    currency="CHF",
    software="1.4.0",
    has_battery=True,
    battery_capacity_wh=6400,
    max_power_w=11_000,
    contract="00" * 20,
    chain_id=31337,
    queen="11" * 20,
    terms_version=1,
)

SUNNY = Live(
    at_unix_s=NOW_UNIX_S - 2,
    power_w=-720.0,
    phase_power_w=(-240.0, -240.0, -240.0),
    voltage_v=(230.0, 230.0, 230.0),
    current_a=(1.0, 1.0, 1.0),
    frequency_hz=50.0,
    temperature_c=31.0,
    import_milliwh=70_900_000,
    export_milliwh=88_000_000,
    pv_w=3100.0,
    load_w=1400.0,
    battery_w=980.0,
    soc_permille=630,
)


def row(slot: int, net_milliwh: int, status: str = AGREED) -> SlotRow:
    """A closed slot; signed ones were settled at 0.16 instead of 0.20 (bought) or 0.08 (sold) a kWh."""
    standalone = net_milliwh * (200_000 if net_milliwh > 0 else 80_000)
    signed = status == AGREED
    return SlotRow(
        slot=slot,
        span_slots=1,
        import_milliwh=max(0, net_milliwh),
        export_milliwh=max(0, -net_milliwh),
        net_milliwh=net_milliwh,
        flags=0,
        buy_micro_per_kwh=200_000,
        sell_micro_per_kwh=80_000,
        standalone_pico=standalone,
        amount_pico=net_milliwh * 160_000 if signed else None,
        kind=0 if signed else None,
        local_milliwh=net_milliwh // 2 if signed else None,
        price_micro_per_kwh=160_000 if signed else None,
        status=status,
    )


def measured_day(count: int = SLOTS_PER_DAY, pending: int = 1) -> tuple[SlotRow, ...]:
    """`count` closed slots that end at the newest full quarter-hour, the last `pending` not signed."""
    newest = slot_at(NOW_UNIX_S) - 1
    rows = []
    for back in reversed(range(count)):
        slot = newest - back
        hour = (slot % SLOTS_PER_DAY) / 4
        sun = max(0.0, math.sin((hour - 6) / 13 * math.pi)) * 600
        use = 120 + 220 * math.exp(-((hour - 19.5) ** 2) / 4) + 60 * math.exp(-((hour - 7.5) ** 2) / 3)
        rows.append(row(slot, round((use - sun) * 1000), PENDING if back < pending else AGREED))
    return tuple(rows)


def today_of(rows: tuple[SlotRow, ...]) -> Today:
    """The sums of a state's rows, as `Today` defines them."""
    day = day_of(slot_at(NOW_UNIX_S))
    mine = [one for one in rows if day_of(one.slot) == day]
    signed = [one for one in mine if one.settled]
    standalone = sum(one.standalone_pico for one in signed)
    paid = sum(one.amount_pico or 0 for one in signed)
    return Today(
        day=day,
        import_milliwh=sum(one.import_milliwh for one in mine),
        export_milliwh=sum(one.export_milliwh for one in mine),
        slots_settled=len(signed),
        slots_pending=len(mine) - len(signed),
        standalone_pico=standalone,
        paid_pico=paid,
        saved_pico=standalone - paid,
        pending_standalone_pico=sum(one.standalone_pico for one in mine if not one.settled),
        running_import_milliwh=0,
        running_export_milliwh=24_000,
    )


def usual() -> State:
    """A sunny afternoon with everything in order; ages count against the granted time."""
    rows = measured_day()
    agreed = rows[-2].slot
    return State(
        version=1,
        now_unix_s=NOW_UNIX_S,
        granted=True,
        clock_trusted=True,
        started_unix_s=NOW_UNIX_S - 90_000,
        home=HOME,
        live=SUNNY,
        today=today_of(rows),
        slots=rows,
        readings_signed=97,
        account=Account(
            agreed_slot=agreed,
            net_pico=12_470_000_000_000,
            net_micro=12_470_000,
            funding_micro=40_000_000,
            pool_micro=200_000_000,
            block=812,
            credit_micro=27_530_000,
            statements_both_signed=96,
        ),
        plan=Plan(source="hive", first_slot=agreed + 2, net_w=(0,) * 96, battery_w=(0,) * 96, round=3),
        link=Link(True, NOW_UNIX_S - 9000, True, NOW_UNIX_S - 9000, 0, rows[-1].slot),
        checks=(Check("energy-cross-check", True), Check("meter-bus", True)),
    )


def no_sun() -> State:
    """Evening: the home imports."""
    state = usual()
    return replace(state, live=replace(SUNNY, power_w=850.0, pv_w=0.0, load_w=850.0, battery_w=0.0, soc_permille=100))


def no_battery() -> State:
    """The same home without a battery."""
    home = replace(HOME, has_battery=False, battery_capacity_wh=0)
    live = replace(SUNNY, power_w=-1700.0, battery_w=None, soc_permille=None)
    return replace(usual(), home=home, live=live, plan=Plan())


def meter_silent(age_s: int = 300) -> State:
    """The last sample is `age_s` seconds old."""
    at = NOW_UNIX_S - age_s
    check = Check("meter-bus", False, "no answer in 5 tries", at)
    return replace(
        usual(), live=replace(SUNNY, at_unix_s=at), meter_silent_since_unix_s=at, checks=(check,), version=age_s
    )


def queen_away() -> State:
    """Three readings wait for her."""
    rows = measured_day(pending=3)
    link = Link(True, NOW_UNIX_S - 9000, False, NOW_UNIX_S - 2900, 3, rows[-4].slot)
    plan = Plan(source="alone", first_slot=rows[-1].slot)
    return replace(usual(), slots=rows, today=today_of(rows), link=link, plan=plan)


def plan_relaxed() -> State:
    """The car leaves too early for its energy, and the battery is not as the plan expected."""
    state = usual()
    flags = ("set_point_clipped", "car_energy_relaxed")
    return replace(state, plan=replace(state.plan, flags=flags))


def plan_refused() -> State:
    """No plan can be carried out: the last good one is followed."""
    state = usual()
    return replace(state, plan=replace(state.plan, source="alone", flags=("plan_refused", "last_good_plan")))


def clock_not_trusted() -> State:
    """The time is not disciplined."""
    return replace(usual(), clock_trusted=False)


def credit_low() -> State:
    """A tenth of the money paid in is left."""
    state = usual()
    return replace(state, account=replace(state.account, net_micro=36_000_000, credit_micro=4_000_000))


def credit_used_up() -> State:
    """Arrears."""
    state = usual()
    return replace(state, account=replace(state.account, credit_micro=0, arrears_pico=1_230_000_000_000))


def first_day() -> State:
    """Started four minutes ago: no slot closed yet."""
    link = Link(True, NOW_UNIX_S - 240, True, NOW_UNIX_S - 240, 0, None)
    return replace(
        usual(),
        slots=(),
        today=None,
        readings_signed=0,
        account=Account(),
        link=link,
        checks=(),
        plan=Plan("safe rule"),
    )


def disagreement() -> State:
    """The Queen's account does not match the Worker's."""
    rows = measured_day(pending=0)
    rows = (*rows[:-1], replace(row(rows[-1].slot, rows[-1].net_milliwh, OBJECTED)))
    state = usual()
    account = replace(
        state.account,
        objection="the amount of the slot differs by 1 pico-coin",
        objection_reason=4,
        objection_slot=rows[-1].slot,
    )
    return replace(state, slots=rows, today=today_of(rows), account=account)


def before_first_sample() -> State:
    """The page is up, the meter has not answered yet."""
    return replace(first_day(), live=None)


def only_the_connection() -> State:
    """A meter at the connection and nothing else."""
    home = replace(HOME, has_battery=False, battery_capacity_wh=0)
    live = replace(SUNNY, pv_w=None, load_w=None, battery_w=None, soc_permille=None)
    return replace(usual(), home=home, live=live, plan=Plan())


CHAIN = Chain(
    watched=True,
    checked_unix_s=NOW_UNIX_S - 3_720,
    block=8_412_907,
    account="open",
    funding_micro=40_000_000,
    net_micro=12_000_000,
    slot=slot_at(NOW_UNIX_S) - 57,
    pool_micro=90_000_000,
    pending_micro=0,
    settled_slot=slot_at(NOW_UNIX_S) - 57,
    contest_addresses=2,
)
"""A box that looked at the chain an hour ago and found everything in order."""

CLOSE = {
    "close_ends_unix_s": NOW_UNIX_S + 2.5 * 86_400,
    "close_slot": slot_at(NOW_UNIX_S) - 57,
    "close_side": 2,
}


def chain_checked() -> State:
    """The look found nothing to say."""
    return replace(usual(), chain=CHAIN)


def chain_stale_close() -> State:
    """Somebody closes with an old statement; one of two contest addresses has the newer one."""
    return replace(usual(), chain=replace(CHAIN, findings=("stale-close",), contest_taken=1, **CLOSE))


def chain_close() -> State:
    """The Queen closes the account with the newest statement."""
    return replace(usual(), chain=replace(CHAIN, findings=("close",), **CLOSE))


def chain_cover() -> State:
    """The pool does not cover what the Hive owes."""
    short = replace(CHAIN, findings=("cover",), pool_micro=5_000_000, pending_micro=2_000_000, cover="too little")
    return replace(usual(), chain=short)


def chain_unsettled() -> State:
    """Nobody settled for more than two days."""
    slot = slot_at(NOW_UNIX_S) - 250
    return replace(usual(), chain=replace(CHAIN, findings=("unsettled",), slot=slot))


def chain_unchecked() -> State:
    """No answer from the chain for more than two days."""
    away = replace(
        CHAIN,
        findings=("unchecked",),
        checked_unix_s=NOW_UNIX_S - 3 * 86_400,
        trouble="rpc.example:443: no answer within 10 s",
    )
    return replace(usual(), chain=away)


ALL = {
    "usual": usual,
    "no-sun": no_sun,
    "no-battery": no_battery,
    "meter-silent": meter_silent,
    "queen-away": queen_away,
    "plan-relaxed": plan_relaxed,
    "plan-refused": plan_refused,
    "clock": clock_not_trusted,
    "credit-low": credit_low,
    "credit-used-up": credit_used_up,
    "first-day": first_day,
    "disagreement": disagreement,
    "before-first-sample": before_first_sample,
    "only-the-connection": only_the_connection,
    "chain-checked": chain_checked,
    "chain-stale-close": chain_stale_close,
    "chain-close": chain_close,
    "chain-cover": chain_cover,
    "chain-unsettled": chain_unsettled,
    "chain-unchecked": chain_unchecked,
}

LAST_SLOT_END_UNIX_S = slot_end_unix_s(slot_at(NOW_UNIX_S) - 1)
