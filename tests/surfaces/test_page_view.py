"""What the homeowner reads in every situation, sentence by sentence; no server, no template."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from types import ModuleType

import pytest

from worker_node.state import PLAN_FLAGS, State
from worker_node.web.catalogue import ENGLISH
from worker_node.web.numbers import ENGLISH_NUMBERS, MINUS
from worker_node.web.reader import Reader
from worker_node.web.shapes import PageView
from worker_node.web.today import table_rows
from worker_node.web.view import page_view

See = Callable[..., PageView]


@pytest.fixture
def see(states: ModuleType) -> See:
    def at(state: State, later_s: float = 0.0) -> PageView:
        return page_view(state, Reader(ENGLISH, UTC, states.NOW_UNIX_S + later_s))

    return at


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def notice(page: PageView) -> tuple[str, str, str]:
    assert len(page.notices) == 1
    return page.notices[0].level, page.notices[0].title, plain(page.notices[0].text)


def trust(page: PageView) -> list[tuple[str, str]]:
    return [(line.level, plain(line.text)) for line in page.trust]


def test_a_sunny_home_reads_what_happens_and_never_who_gets_it(states: ModuleType, see: See) -> None:
    page = see(states.usual())
    assert plain(page.now.headline) == "Your roof covers everything. 720 W is leaving the house."
    assert plain(page.freshness.text) == "Live, 2 s ago · in your home only"
    assert page.notices == ()
    assert [(plain(t.value), plain(t.note)) for t in page.now.tiles] == [
        ("3.10 kW", "from your roof"),
        ("1.40 kW", "in use"),
        ("63 %", "charging 0.98 kW, full about 16:26"),
        (f"{MINUS}0.72 kW", "leaving the house"),
    ]
    assert plain(page.now.plan) == "The battery follows the plan agreed in the Hive."


def test_bars_balance_and_every_part_has_a_text(states: ModuleType, see: See) -> None:
    come, go = see(states.usual()).now.bars
    assert plain(come.title) == "Comes in: 3.10 kW"
    assert plain(come.aria) == "Comes in, 3.10 kW in all: Sun 3.10 kW, Battery 0.00 kW, From outside 0.00 kW"
    assert plain(go.title) == "Goes to: 3.10 kW"
    assert [plain(part.text) for part in go.segments] == ["Home 1.40 kW", "Battery 0.98 kW", "Out 0.72 kW"]
    assert sum(part.share for part in go.segments) == 1000


@pytest.mark.parametrize(("name"), ["usual", "no-sun", "no-battery", "only-the-connection"])
def test_live_block_names_no_neighbour(states: ModuleType, see: See, name: str) -> None:
    assert "neighbour" not in repr(see(states.ALL[name]()).now)


def test_no_sun_importing(states: ModuleType, see: See) -> None:
    page = see(states.no_sun())
    assert plain(page.now.headline) == "No sun right now. 850 W is coming into the house."
    assert plain(page.now.tiles[3].note) == "coming into the house"


def test_battery_absent_is_said_and_not_shown_as_zero(states: ModuleType, see: See) -> None:
    page = see(states.no_battery())
    assert plain(page.now.headline) == "Your roof covers everything. 1.70 kW is leaving the house."
    assert (page.now.tiles[2].value, page.now.tiles[2].note) == ("none", "this home has no battery")
    assert page.now.plan == ""


@pytest.mark.parametrize(("age_s", "level"), [(10, "live"), (11, "late"), (60, "late"), (61, "old")])
def test_old_data_is_shown_as_old(states: ModuleType, see: See, age_s: int, level: str) -> None:
    assert see(states.meter_silent(age_s)).freshness.level == level


def test_meter_silent_says_what_is_missing_and_since_when(states: ModuleType, see: See) -> None:
    page = see(states.meter_silent(300))
    assert page.now.headline == "No sample from the meter since 13:57:00. The numbers below are from then."
    assert plain(page.freshness.text) == "Old: last sample 5 min ago"
    assert notice(page)[:2] == ("bad", "The meter is silent")
    assert ("bad", "The line to the meter fails: no answer in 5 tries (since 13:57)") in trust(page)


def test_queen_away_counts_what_is_kept(states: ModuleType, see: See) -> None:
    page = see(states.queen_away())
    assert notice(page) == (
        "warn",
        "The Queen is away",
        "No answer from her since 13:13. 3 quarter-hours are kept safely here and are sent when she is back.",
    )
    assert ("wait", "3 signed quarter-hours are kept safely here until the Queen has them") in trust(page)
    assert page.now.plan == "The battery follows its own plan, made without the Queen."


def test_what_a_plan_had_to_give_up_is_told_in_words(states: ModuleType, see: See) -> None:
    page = see(states.plan_relaxed())
    assert page.now.plan == "The battery follows the plan agreed in the Hive."
    assert page.now.flags == (
        "Something at home is not as the plan expected, a fuller battery or a car that is away; "
        "your devices do as much of the plan as they can.",
        "The car cannot get all the energy you asked for before it leaves; it is charged as much as the time allows.",
    )
    assert page.notices == ()


def test_a_refused_plan_and_what_is_followed_instead_are_told(states: ModuleType, see: See) -> None:
    page = see(states.plan_refused())
    assert page.now.plan == "The battery follows its own plan, made without the Queen."
    assert page.now.flags == (
        "A plan was not followed: the check before every slot found that your devices could not carry it out.",
        "The newest plan could not be used; the last good one is followed.",
    )


def test_a_plan_without_flags_says_nothing_of_them(states: ModuleType, see: See) -> None:
    assert see(states.usual()).now.flags == ()


def test_every_flag_of_a_plan_has_its_own_sentence(states: ModuleType, see: See) -> None:
    state = states.usual()
    told = see(replace(state, plan=replace(state.plan, flags=tuple(sorted(PLAN_FLAGS))))).now.flags
    assert len(set(told)) == len(PLAN_FLAGS)
    assert not any("_" in text for text in told)


def test_a_flag_that_the_page_does_not_know_is_shown_by_its_name(states: ModuleType, see: See) -> None:
    state = states.usual()
    page = see(replace(state, plan=replace(state.plan, flags=("roof_on_loan",))))
    assert page.now.flags == ("The plan had to give way: roof_on_loan.",)


def test_clock_not_trusted(states: ModuleType, see: See) -> None:
    page = see(states.clock_not_trusted())
    assert notice(page) == (
        "warn",
        "The clock is not trusted",
        "No quarter-hour is closed until the right time is known. The counters lose nothing.",
    )
    assert ("bad", "The clock is not trusted") in trust(page)


def test_credit_low_and_used_up(states: ModuleType, see: See) -> None:
    assert notice(see(states.credit_low())) == (
        "warn",
        "Credit is low",
        "CHF 4.00 of CHF 40.00 are left. When it is used up you pay your own tariff without discount.",
    )
    level, title, text = notice(see(states.credit_used_up()))
    assert (level, title) == ("bad", "Credit is used up")
    assert text.startswith("CHF 1.23 are open and are taken first from the next payment in.")


def test_first_day_without_history(states: ModuleType, see: See) -> None:
    page = see(states.first_day())
    assert notice(page)[:2] == ("info", "First day")
    assert page.today.sub == "Nothing is closed and signed yet today. The first result comes soon after 14:15."
    assert page.day.empty == "First day: there is no history yet. The first quarter-hour closes at 14:15."
    assert trust(page)[0] == ("wait", "The first quarter-hour is signed at 14:15")


def test_disagreement_is_told_with_its_reason(states: ModuleType, see: See) -> None:
    page = see(states.disagreement())
    assert notice(page) == (
        "bad",
        "Your meter disagrees with the Queen",
        "It did not sign her account of the quarter-hour that ended at 14:00: the amount of the slot differs by "
        "1 pico-coin. The last account signed by both still counts.",
    )
    assert trust(page)[1][0] == "bad"


def test_before_the_first_sample_nothing_is_invented(states: ModuleType, see: See) -> None:
    page = see(states.before_first_sample())
    assert page.now.headline == "Waiting for the first sample of the meter."
    assert page.freshness.level == "none"
    assert page.now.bars == ()
    silent = replace(states.before_first_sample(), meter_silent_since_unix_s=states.NOW_UNIX_S - 120)
    assert see(silent).now.headline == "The meter has not answered since 14:00."


def test_unmeasured_sun_and_home_are_not_drawn(states: ModuleType, see: See) -> None:
    page = see(states.only_the_connection())
    assert plain(page.now.headline) == "720 W is leaving the house."
    assert page.now.bars == ()
    assert page.now.no_bars.startswith("Only the connection is measured here")
    assert page.now.tiles[0].value == "not measured"


def test_home_follows_from_the_balance_when_only_sun_is_measured(states: ModuleType, see: See) -> None:
    state = states.usual()
    assert plain(see(replace(state, live=replace(state.live, load_w=None))).now.tiles[1].value) == "1.40 kW"


@pytest.mark.parametrize(
    ("net_w", "sun_w", "battery_w", "sentence"),
    [
        (500.0, 400.0, 0.0, "Your roof gives 400 W. 500 W is coming into the house."),
        (0.0, 0.0, -800.0, "No sun, your battery covers everything. Nothing comes in and nothing leaves."),
        (-100.0, 400.0, -800.0, "Roof and battery cover everything. 100 W is leaving the house."),
    ],
)
def test_sentence_for(
    states: ModuleType, see: See, net_w: float, sun_w: float, battery_w: float, sentence: str
) -> None:
    live = replace(states.SUNNY, power_w=net_w, pv_w=sun_w, battery_w=battery_w, load_w=None)
    assert plain(see(replace(states.usual(), live=live)).now.headline) == sentence


def test_todays_money_is_an_estimate_made_of_signed_numbers(states: ModuleType, see: See) -> None:
    state = states.usual()
    page = see(state)
    assert page.today.kind == "estimate"
    assert plain(page.today.value) == f"CHF {ENGLISH_NUMBERS.amount(state.today.saved_pico)}"
    kinds = {row.title: row.kind for row in page.today.rows}
    assert kinds["In the Hive"] == "settled"
    assert kinds["Not signed yet, at your own tariff"] == "estimate"
    assert "Credit left: CHF 27.53." in [plain(note) for note in page.today.notes]


def test_a_reduced_discount_is_told_with_its_share(states: ModuleType, see: See) -> None:
    usual = states.usual()
    page = see(replace(usual, account=replace(usual.account, reputation_permille=873)))
    told = ("ok", "The home's plans were off, so it gets 87.3 % of its discount today; recomputed here")
    assert told in trust(page)
    assert told not in trust(see(usual))


def test_trust_block_counts(states: ModuleType, see: See) -> None:
    assert trust(see(states.usual())) == [
        ("ok", "Your meter signed every quarter-hour (96 of 96 in the last 24 hours)"),
        ("ok", "Bill recomputed here, matches the Queen (95 of 95)"),
        ("wait", "1 quarter-hour waits to be closed and signed"),
        ("ok", "The Queen has every reading up to 14:00 and signed for it"),
        ("ok", "The clock is right (simulated time)"),
        ("ok", "Last account signed by both: up to 13:45, statement 1994838"),
        ("ok", "The meter's energy agrees with its power"),
        ("ok", "The line to the meter works"),
    ]


def test_table_has_a_row_for_each_closed_slot_newest_first(states: ModuleType) -> None:
    rows = table_rows(states.usual(), Reader(ENGLISH, UTC, states.NOW_UNIX_S))
    assert len(rows) == 96
    assert (rows[0].slot, rows[0].state, rows[0].paid) == ("13:45 to 14:00", "… not yet", "\N{EN DASH}")
    assert (rows[1].slot, rows[1].state, rows[1].price) == ("13:30 to 13:45", "✓ signed", "0.1600")


@pytest.mark.parametrize(
    ("value", "divisor", "decimals", "text"),
    [(1_234_567, 1000, 2, "1 234.57"), (-4, 1000, 2, "0.00"), (-5, 1000, 2, f"{MINUS}0.01"), (0, 1, 0, "0")],
)
def test_numbers_round_once_and_have_no_negative_zero(value: int, divisor: int, decimals: int, text: str) -> None:
    assert plain(ENGLISH_NUMBERS.number(value, divisor, decimals)) == text


@pytest.mark.parametrize(
    ("battery_w", "permille", "note"),
    [
        (0.0, 500, "resting"),
        (-800.0, 500, "giving 0.80 kW"),
        (30.0, 10, "charging 0.03 kW"),
        (None, None, "no answer"),
    ],
)
def test_battery_tile_says(
    states: ModuleType, see: See, battery_w: float | None, permille: int | None, note: str
) -> None:
    live = replace(states.SUNNY, battery_w=battery_w, soc_permille=permille)
    assert plain(see(replace(states.usual(), live=live)).now.tiles[2].note) == note


def test_meter_that_tells_no_power_is_not_shown_as_zero(states: ModuleType, see: See) -> None:
    page = see(replace(states.usual(), live=replace(states.SUNNY, power_w=None)))
    assert page.now.headline == "The meter tells no power right now."
    assert (page.now.tiles[3].value, page.now.tiles[3].note) == ("\N{EN DASH}", "no power told")


def test_queen_never_seen_and_nothing_kept(states: ModuleType, see: See) -> None:
    state = states.usual()
    page = see(replace(state, link=replace(state.link, queen_online=False, queen_since_unix_s=None)))
    assert notice(page)[2] == (
        "She has not answered since this box started. No signed quarter-hour waits to be sent; measuring and "
        "signing go on here."
    )


def test_missed_slot_ends_are_told(states: ModuleType, see: See) -> None:
    state = states.usual()
    rows = (*state.slots[:-4], replace(state.slots[-1], span_slots=4))
    page = see(replace(state, slots=rows))
    assert trust(page)[0] == (
        "wait",
        "Your meter signed 93 of 96 quarter-hours; the energy of the others is in the next reading",
    )
    shown = table_rows(replace(state, slots=rows), Reader(ENGLISH, UTC, states.NOW_UNIX_S))
    assert shown[0].slot == "13:00 to 14:00 (4 quarter-hours)"


def test_day_whose_slots_all_wait_promises_the_next_result(states: ModuleType, see: See) -> None:
    rows = states.measured_day(count=4, pending=4)
    page = see(replace(states.usual(), slots=rows, today=states.today_of(rows)))
    assert page.today.sub.startswith("Nothing is closed and signed yet today.")
    assert {row.kind for row in page.today.rows if row.money} == {"estimate"}
    assert trust(page)[1] == ("wait", "No bill to compare yet")


def test_unknown_check_and_refused_messages_are_shown(states: ModuleType, see: See) -> None:
    state = states.usual()
    checks = (replace(state.checks[0], name="new-check", ok=False, detail="7 of 8"),)
    page = see(replace(state, checks=checks, link=replace(state.link, refused_messages=2)))
    assert trust(page)[-2:] == [
        ("bad", "Check new-check fails: 7 of 8"),
        ("ok", "2 messages that were not genuine were refused"),
    ]


def test_real_time_ages_count_on_after_the_last_snapshot(states: ModuleType, see: See) -> None:
    assert plain(see(states.usual(), later_s=33).freshness.text) == "Late: last sample 35 s ago"
    assert plain(see(states.usual(), later_s=9000).freshness.text) == "Old: last sample 2 h ago"


def test_a_look_at_the_chain_without_findings_is_one_checked_line(states: ModuleType, see: See) -> None:
    page = see(states.chain_checked())
    assert page.notices == ()
    assert (
        "ok",
        "Looked up on the chain at 13:00, two places said the same: your account is settled up to 2026-11-22 00:00",
    ) in trust(page)
    assert not any("chain" in text for _, text in trust(see(states.usual())))


def test_an_old_state_shown_tells_what_the_box_did_and_until_when(states: ModuleType, see: See) -> None:
    state = states.chain_stale_close()
    level, title, text = notice(see(state))
    assert (level, title) == ("bad", "Somebody closes your account with an old statement")
    assert "sent the newer one to 1 of the contest addresses" in text
    assert "before 2026-11-25 02:02" in text
    none = replace(state, chain=replace(state.chain, contest_taken=0))
    assert "keeps sending the newer one to the 2 contest addresses" in notice(see(none))[2]
    nowhere = replace(state, chain=replace(state.chain, contest_taken=0, contest_addresses=0))
    assert "run hive-worker close on any computer before" in notice(see(nowhere))[2]
    assert ("bad", "Looked up on the chain at 13:00, two places said the same; see the notice above") in trust(
        see(state)
    )


@pytest.mark.parametrize(
    ("side", "begins"),
    [(1, "You or your payout"), (2, "The Queen asked"), (3, "The Hive stood"), (9, "The Hive stood")],
)
def test_a_close_is_told_by_who_asked_for_it(states: ModuleType, see: See, side: int, begins: str) -> None:
    state = states.chain_close()
    level, title, text = notice(see(replace(state, chain=replace(state.chain, close_side=side))))
    assert (level, title) == ("warn", "Your account is being closed")
    assert text.startswith(begins)


def test_a_low_pool_is_told_with_what_is_left_of_it(states: ModuleType, see: See) -> None:
    level, title, text = notice(see(states.chain_cover()))
    assert (level, title) == ("warn", "The Hive's pool is low")
    assert text.startswith("It holds CHF 3.00 free.")


def test_no_settlement_for_two_days_says_what_to_do(states: ModuleType, see: See) -> None:
    _, title, text = notice(see(states.chain_unsettled()))
    assert title == "Your account was not settled for two days"
    assert "hive-worker close" in text


def test_without_the_chain_for_two_days_the_page_says_cover_not_checked(states: ModuleType, see: See) -> None:
    state = states.chain_unchecked()
    level, title, text = notice(see(state))
    assert (level, title) == ("warn", "Cover not checked")
    assert "rpc.example:443: no answer within 10 s" in text
    assert ("wait", "Cover not checked: rpc.example:443: no answer within 10 s") in trust(see(state))
    never = replace(state, chain=replace(state.chain, checked_unix_s=None))
    assert notice(see(never))[2].startswith("This box has had no answer from the chain for two days")


def test_a_failed_try_is_told_beside_the_look_that_still_counts(states: ModuleType, see: See) -> None:
    state = states.chain_checked()
    page = see(replace(state, chain=replace(state.chain, trouble="b.example:443 lags 70 blocks behind.")))
    assert page.notices == ()
    assert (
        "wait",
        "Looked up on the chain at 13:00; the newest try failed: b.example:443 lags 70 blocks behind",
    ) in trust(page)
    first = replace(state, chain=replace(state.chain, trouble="not looked yet", checked_unix_s=None))
    assert ("wait", "Cover not checked: not looked yet") in trust(see(first))


@pytest.mark.parametrize("name", ["closed", "no-account", "other-queen", "owed", "frozen"])
def test_every_other_finding_has_its_words(states: ModuleType, see: See, name: str) -> None:
    state = states.chain_checked()
    level, title, text = notice(see(replace(state, chain=replace(state.chain, findings=(name,)))))
    assert (level, bool(title), text.endswith(".")) == ("bad" if name == "other-queen" else "warn", True, True)


def test_a_finding_that_the_page_does_not_know_is_not_guessed(states: ModuleType, see: See) -> None:
    state = states.chain_checked()
    assert see(replace(state, chain=replace(state.chain, findings=("new",)))).notices == ()
    assert see(replace(state, chain=replace(state.chain, watched=False, findings=("close",)))).notices == ()
