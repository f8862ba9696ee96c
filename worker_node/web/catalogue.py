"""Every word of the page, in one place: a language is one `Catalogue`, and English is the first.

Texts are keyed by the place they stand in. Counted things have the keys `….one` and `….many`.
"""

from dataclasses import dataclass

from worker_node.web.numbers import ENGLISH_NUMBERS, NumberFormat

_ENGLISH = {
    "title": "{home} · Hive {hive}",
    "skip": "Skip to the numbers",
    "fresh.live": "Live, {age} ago · in your home only",
    "fresh.late": "Late: last sample {age} ago",
    "fresh.old": "Old: last sample {age} ago",
    "fresh.none": "No sample yet",
    "fresh.lost": "This page lost its meter box at {since}. The numbers are old.",
    "kind.live": "Live",
    "kind.late": "Late",
    "kind.old": "Last known",
    "kind.none": "No sample",
    "kind.estimate": "Estimate",
    "kind.settled": "Signed",
    "kinds.live": "measured a moment ago",
    "kinds.estimate": "not closed and signed by both yet, can still change",
    "kinds.settled": "closed, recomputed here, signed by your meter and by the Queen",
    "now.heading": "Right now",
    "now.waiting": "Waiting for the first sample of the meter.",
    "now.never": "The meter has not answered since {since}.",
    "now.silent": "No sample from the meter since {since}. The numbers below are from then.",
    "now.unknown": "The meter tells no power right now.",
    "now.leaving": "{power} is leaving the house.",
    "now.coming": "{power} is coming into the house.",
    "now.even": "Nothing comes in and nothing leaves.",
    "now.roof_all": "Your roof covers everything.",
    "now.roof_battery": "Roof and battery cover everything.",
    "now.battery_all": "No sun, your battery covers everything.",
    "now.no_sun": "No sun right now.",
    "now.roof_part": "Your roof gives {power}.",
    "now.no_bars": "Only the connection is measured here, so the page cannot say what the sun gives and the home uses.",
    "bar.in": "Comes in: {total}",
    "bar.out": "Goes to: {total}",
    "bar.in.aria": "Comes in, {total} in all: {parts}",
    "bar.out.aria": "Goes to, {total} in all: {parts}",
    "bar.part": "{name} {power}",
    "part.sun": "Sun",
    "part.home": "Home",
    "part.battery": "Battery",
    "part.outside": "From outside",
    "part.out": "Out",
    "tile.sun": "Sun",
    "tile.home": "Home",
    "tile.battery": "Battery",
    "tile.meter": "Meter",
    "tile.unmeasured": "not measured",
    "tile.unmeasured.note": "no sensor for it",
    "tile.sun.note": "from your roof",
    "tile.home.note": "in use",
    "tile.no_battery": "none",
    "tile.no_battery.note": "this home has no battery",
    "tile.battery.unknown": "no answer",
    "tile.battery.charging": "charging {power}",
    "tile.battery.full": "charging {power}, full about {at}",
    "tile.battery.giving": "giving {power}",
    "tile.battery.resting": "resting",
    "tile.meter.coming": "coming into the house",
    "tile.meter.leaving": "leaving the house",
    "tile.meter.even": "nothing in or out",
    "tile.meter.unknown": "no power told",
    "plan.hive": "The battery follows the plan agreed in the Hive.",
    "plan.alone": "The battery follows its own plan, made without the Queen.",
    "plan.safe rule": "The battery follows the safe rule: it stores what is left over and gives what is missing.",
    "flag.plan_refused": "A plan was not followed: the check before every slot found that your devices could not "
    "carry it out.",
    "flag.last_good_plan": "The newest plan could not be used; the last good one is followed.",
    "flag.set_point_clipped": "Something at home is not as the plan expected, a fuller battery or a car that is away; "
    "your devices do as much of the plan as they can.",
    "flag.soc_start_clamped": "The battery's charge is outside its usual range; the plan starts from the nearest "
    "charge inside it.",
    "flag.soc_end_relaxed": "The battery cannot be as full at the end of the plan as you want; it is charged as far "
    "as it can be.",
    "flag.comfort_relaxed": "Your heating cannot keep the warmth you want all the time; it comes as close as it can.",
    "flag.car_energy_relaxed": "The car cannot get all the energy you asked for before it leaves; it is charged as "
    "much as the time allows.",
    "flag.limit_share_exceeded": "Your home cannot keep to its share of what the Hive's connection carries; it stays "
    "with the plan it told the Queen.",
    "flag.other": "The plan had to give way: {name}.",
    "today.heading": "Today",
    "today.saved": "Saved so far, compared with your own tariff · {signed} counted · estimate until {end}",
    "today.nothing": "Nothing is closed and signed yet today. The first result comes soon after {at}.",
    "today.caption": "Since {since}",
    "today.what": "What",
    "today.energy": "Energy",
    "today.money": "{currency}",
    "today.kind": "Kind",
    "today.bought": "Bought",
    "today.bought.near": "of it from neighbours",
    "today.sold": "Sold",
    "today.sold.near": "of it to neighbours",
    "today.own_tariff": "At your own tariff",
    "today.hive": "In the Hive",
    "today.saved.row": "Saved",
    "today.peak": "Peak charge up to {at} ({power}); {alone} without the Hive",
    "today.reserve": "Your share of the reserve, up to {at}",
    "today.pending": "Not signed yet, at your own tariff",
    "today.running": "In the quarter-hour that runs now: bought {bought}, sold {sold}.",
    "today.credit": "Credit left: {credit}.",
    "today.negative": "A minus sign means money for you.",
    "day.heading": "Last 24 hours, one bar = 15 minutes",
    "day.none": "First day: there is no history yet. The first quarter-hour closes at {at}.",
    "day.aria": "Bars per quarter-hour from {first} to {last}: {bought} bought above the line, {sold} sold below it. "
    "The table gives the numbers.",
    "day.note": "Above the line: bought. Below: sold. Filled: closed and signed by both. Pale: not signed yet.",
    "day.table": "Show as table",
    "trust.heading": "Can I trust these numbers?",
    "trust.ok": "Checked:",
    "trust.wait": "Waiting:",
    "trust.bad": "Attention:",
    "trust.signed": "Your meter signed every quarter-hour ({count} of {of} in the last 24 hours)",
    "trust.gaps": "Your meter signed {count} of {of} quarter-hours; the energy of the others is in the next reading",
    "trust.signed.none": "The first quarter-hour is signed at {at}",
    "trust.agreed": "Bill recomputed here, matches the Queen ({count} of {of})",
    "trust.agreed.none": "No bill to compare yet",
    "trust.objected": "The Queen's account does not match what your meter computes, so your meter has not signed it",
    "trust.pending.one": "1 quarter-hour waits to be closed and signed",
    "trust.pending.many": "{count} quarter-hours wait to be closed and signed",
    "trust.receipt": "The Queen has every reading up to {at} and signed for it",
    "trust.kept.one": "1 signed quarter-hour is kept safely here until the Queen has it",
    "trust.kept.many": "{count} signed quarter-hours are kept safely here until the Queen has them",
    "trust.clock": "The clock is right",
    "trust.clock.simulated": "The clock is right (simulated time)",
    "trust.clock.bad": "The clock is not trusted",
    "trust.account": "Last account signed by both: up to {at}, statement {slot}",
    "trust.reputation": "The home's plans were off, so it gets {percent} % of its discount today; recomputed here",
    "trust.chain": "Looked up on the chain at {at}, two places said the same: your account is settled up to {slot}",
    "trust.chain.unsettled": "Looked up on the chain at {at}, two places said the same: your account is not settled "
    "yet",
    "trust.chain.bad": "Looked up on the chain at {at}, two places said the same; see the notice above",
    "trust.chain.late": "Looked up on the chain at {at}; the newest try failed: {why}",
    "trust.chain.unchecked": "Cover not checked: {why}",
    "trust.refused.one": "1 message that was not genuine was refused",
    "trust.refused.many": "{count} messages that were not genuine were refused",
    "check.energy-cross-check": "The meter's energy agrees with its power",
    "check.energy-cross-check.bad": "The meter's energy does not agree with its power",
    "check.meter": "The meter's own checks pass",
    "check.meter.bad": "The meter reports a fault",
    "check.clock": "The clock check passes",
    "check.clock.bad": "The clock check fails",
    "check.meter-bus": "The line to the meter works",
    "check.meter-bus.bad": "The line to the meter fails",
    "check.energy-lost": "No energy was lost between meter and box",
    "check.energy-lost.bad": "Some energy was lost between meter and box",
    "check.battery": "The battery follows the plan",
    "check.battery.bad": "The battery is left to itself",
    "check.serve": "Other devices can read this meter",
    "check.serve.bad": "Other devices cannot read this meter",
    "check.fair-play": "The Hive relies on what this home declares",
    "check.fair-play.bad": "The Hive does not rely on what this home declares",
    "check.other": "Check {name} passes",
    "check.other.bad": "Check {name} fails",
    "check.detail": "{text}: {detail}",
    "check.since": "{text} (since {since})",
    "notice.meter": "The meter is silent",
    "notice.meter.text": "No sample since {since}. Greyed numbers are the last known ones. The meter keeps counting by "
    "itself; look at its plug and fuse if this lasts.",
    "notice.queen": "The Queen is away",
    "notice.queen.since": "No answer from her since {since}. {kept}",
    "notice.queen.never": "She has not answered since this box started. {kept}",
    "notice.kept.none": "No signed quarter-hour waits to be sent; measuring and signing go on here.",
    "notice.kept.one": "1 quarter-hour is kept safely here and is sent when she is back.",
    "notice.kept.many": "{count} quarter-hours are kept safely here and are sent when she is back.",
    "notice.clock": "The clock is not trusted",
    "notice.clock.text": "No quarter-hour is closed until the right time is known. The counters lose nothing.",
    "notice.credit": "Credit is low",
    "notice.credit.text": "{credit} of {funding} are left. When it is used up you pay your own tariff "
    "without discount.",
    "notice.arrears": "Credit is used up",
    "notice.arrears.text": "{arrears} are open and are taken first from the next payment in. Until then you pay "
    "your own tariff without discount.",
    "notice.first": "First day",
    "notice.first.text": "There is no history yet. Savings and bars appear after the first quarter-hours are closed.",
    "notice.objection": "Your meter disagrees with the Queen",
    "notice.objection.text": "It did not sign her account: {why}. The last account signed by both still counts.",
    "notice.objection.slot": "It did not sign her account of the quarter-hour that ended at {at}: {why}. "
    "The last account signed by both still counts.",
    "notice.stale-close": "Somebody closes your account with an old statement",
    "notice.stale-close.sent": "A close runs on the state of {at}, older than the last one you and the Queen both "
    "signed. This box has sent the newer one to {count} of the contest addresses of your terms; they can put it on "
    "the chain before {until}. Look here again tomorrow.",
    "notice.stale-close.sending": "A close runs on the state of {at}, older than the last one you and the Queen both "
    "signed. This box keeps sending the newer one to the {count} contest addresses of your terms; none has taken it "
    "yet. If this stays, run hive-worker close on any computer before {until}.",
    "notice.stale-close.nowhere": "A close runs on the state of {at}, older than the last one you and the Queen both "
    "signed. Your terms name no contest address: run hive-worker close on any computer before {until}; it sends the "
    "newer statement.",
    "notice.close": "Your account is being closed",
    "notice.close.home": "You or your payout address asked for it. The money can be fetched after {until} with "
    "hive-worker close --finish.",
    "notice.close.queen": "The Queen asked for it, with the newest state both have signed. The money goes to your "
    "payout address after {until}; nothing is lost.",
    "notice.close.other": "The Hive stood still for a long time, so somebody started it. The money can be fetched "
    "after {until} with hive-worker close --finish.",
    "notice.closed": "Your account is closed",
    "notice.closed.text": "Its money went to your payout address; what the pool could not pay is noted as a claim "
    "(hive-worker close --claim). Energy is measured and signed as before. Ask the Hive's operator about a new "
    "account.",
    "notice.no-account": "You have no account on the chain yet",
    "notice.no-account.text": "It opens with the first payment in. Ask the Hive's operator.",
    "notice.other-queen": "The chain names another Queen than your box",
    "notice.other-queen.text": "The contract does not take what your box and its Queen sign now; what is settled is "
    "safe. Ask the Hive's operator which Queen is the right one, and do not change the setting before you know.",
    "notice.cover": "The Hive's pool is low",
    "notice.cover.text": "It holds {left} free. That is less than the Hive owes its sellers, or it was not settled "
    "for too long. Your meter signs no further statement until that is mended; what is settled is safe. Ask the "
    "Hive's operator.",
    "notice.owed": "The Hive's pool could not pay everybody",
    "notice.owed.text": "What it owes stays owed, and is paid when the owner fills the pool. Ask the Hive's operator.",
    "notice.unsettled": "Your account was not settled for two days",
    "notice.unsettled.text": "It is settled up to {at}. What both have signed since then is kept here and can be "
    "settled by anybody. If this lasts, ask the Hive's operator; without an answer run hive-worker close on any "
    "computer.",
    "notice.frozen": "The Hive is being wound up",
    "notice.frozen.text": "It takes no payments in any more; closing and withdrawing work. Ask the Hive's operator.",
    "notice.unchecked": "Cover not checked",
    "notice.unchecked.since": "The last answer from the chain came at {at} ({why}). Meanwhile this box goes by what "
    "the Queen tells. Measuring and signing go on; check the internet connection if this lasts.",
    "notice.unchecked.never": "This box has had no answer from the chain for two days ({why}). Meanwhile it goes by "
    "what the Queen tells. Measuring and signing go on; check the internet connection if this lasts.",
    "count.quarters.one": "1 signed quarter-hour",
    "count.quarters.many": "{count} signed quarter-hours",
    "table.heading": "The last 24 hours as a table",
    "table.back": "Back to the page",
    "table.caption": "Newest first. ✓ signed: closed and signed by both. "
    "Times are local; a minus sign in a money column means money for you.",
    "table.empty": "There is no closed quarter-hour yet.",
    "table.slot": "Quarter-hour",
    "table.bought": "Bought, kWh",
    "table.sold": "Sold, kWh",
    "table.near": "With neighbours, kWh",
    "table.price": "Hive price per kWh, {currency}",
    "table.own": "At your own tariff, {currency}",
    "table.paid": "In the Hive, {currency}",
    "table.state": "State",
    "table.state.agreed": "✓ signed",
    "table.state.objected": "! disagreed",
    "table.state.pending": "… not yet",
    "table.span.one": "{from_} to {to}",
    "table.span.many": "{from_} to {to} ({count} quarter-hours)",
    "none": "\N{EN DASH}",
    "footer.meter": "Meter {serial} · key {key} · software {software}",
    "footer.local": "Served by the box in your home; works without internet.",
    "refused.busy": "Too many pages are open. Close one and reload.",
}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One language: its code, its texts and how it writes numbers."""

    language: str
    texts: dict[str, str]
    numbers: NumberFormat

    def text(self, key: str, /, **values: str) -> str:
        """The text of a key with its places filled; KeyError for an unknown key or place (a fault of ours)."""
        return self.texts[key].format(**values)

    def counted(self, key: str, count: int) -> str:
        """The text for one or many of something."""
        form = "one" if count == 1 else "many"
        return self.text(f"{key}.{form}", count=self.numbers.number(count))


ENGLISH = Catalogue("en", _ENGLISH, ENGLISH_NUMBERS)
