"""Block 1, "right now": sentence, in and out bars, four tiles, from the newest sample.

What no sensor tells follows from the balance at the connection: sun + import + discharge = home + charge + export.
Live numbers never claim who got the energy: it leaves or comes in, and a closed slot says later with whom.
"""

from dataclasses import dataclass

from worker_node.state import PLAN_FLAGS, Live, State
from worker_node.web.reader import OLD_AFTER_S, Reader, sample_age_s, silent_since_unix_s
from worker_node.web.shapes import BAR_LENGTH, Bar, Freshness, NowView, Segment, Tile

_EVEN_W = 10
_DARK_W = 20
_RESTING_W = 20
_LABEL_SHARE_PER_LETTER = 23
_FULL_PERMILLE = 1000
_FULL_WITHIN_S = 43_200


@dataclass(frozen=True, slots=True)
class Flows:
    """Watts of one sample. `net_w` import positive, `battery_w` charging positive; None: neither measured nor known."""

    net_w: int | None
    sun_w: int | None
    home_w: int | None
    battery_w: int | None

    @property
    def complete(self) -> bool:
        """Whether in and out can be drawn."""
        return None not in (self.net_w, self.sun_w, self.home_w, self.battery_w)


def freshness(state: State, reader: Reader) -> Freshness:
    """How old the newest sample is, in words and as a level."""
    age_s = sample_age_s(state, reader.now_unix_s)
    if age_s is None:
        return Freshness("none", reader.text("fresh.none"))
    level = "live"
    if silent_since_unix_s(state, reader.now_unix_s) is not None:
        level = "old" if age_s > OLD_AFTER_S else "late"
    return Freshness(level, reader.text(f"fresh.{level}", age=reader.numbers.age(age_s)))


def now_view(state: State, reader: Reader) -> NowView:
    """The block; a home without a sample yet has a sentence and tiles without numbers."""
    flows = _flows(state)
    bars = (_in_bar(flows, reader), _out_bar(flows, reader)) if flows.complete else ()
    no_bars = reader.text("now.no_bars") if flows.net_w is not None and not bars else ""
    plan = reader.text(f"plan.{state.plan.source}") if state.plan.source != "none" and state.home.has_battery else ""
    return NowView(headline(state, reader), bars, no_bars, _tiles(state, flows, reader), plan, _flags(state, reader))


def _flags(state: State, reader: Reader) -> tuple[str, ...]:
    """What of the plan is not as it should be, one sentence each; a name without one is shown as it is."""
    return tuple(
        reader.text(f"flag.{name}" if name in PLAN_FLAGS else "flag.other", name=name) for name in state.plan.flags
    )


def headline(state: State, reader: Reader) -> str:
    """The one sentence: what happens, or what is missing and since when."""
    since = silent_since_unix_s(state, reader.now_unix_s)
    if state.live is None:
        return reader.text("now.never", since=reader.at(since)) if since is not None else reader.text("now.waiting")
    if since is not None:
        return reader.text("now.silent", since=reader.precise(since))
    flows = _flows(state)
    if flows.net_w is None:
        return reader.text("now.unknown")
    return f"{_source_sentence(flows, reader)} {_net_sentence(flows.net_w, reader)}".strip()


def _net_sentence(net_w: int, reader: Reader) -> str:
    if abs(net_w) < _EVEN_W:
        return reader.text("now.even")
    return reader.text("now.coming" if net_w > 0 else "now.leaving", power=reader.numbers.power(abs(net_w)))


def _source_sentence(flows: Flows, reader: Reader) -> str:
    """Where the home's energy comes from, as far as it is measured."""
    if flows.sun_w is None or flows.net_w is None:
        return ""
    giving = flows.battery_w is not None and flows.battery_w < -_RESTING_W
    if flows.net_w >= _EVEN_W:
        if flows.sun_w < _DARK_W:
            return reader.text("now.no_sun")
        return reader.text("now.roof_part", power=reader.numbers.power(flows.sun_w))
    if flows.sun_w < _DARK_W:
        return reader.text("now.battery_all") if giving else reader.text("now.no_sun")
    return reader.text("now.roof_battery" if giving else "now.roof_all")


def _flows(state: State) -> Flows:
    live = state.live
    if live is None:
        return Flows(None, None, None, None)
    battery_w = _whole(live.battery_w) if state.home.has_battery else 0
    return _balanced(live, _whole(live.power_w), battery_w)


def _balanced(live: Live, net_w: int | None, battery_w: int | None) -> Flows:
    """One of sun and home may follow from the rest; a small negative remainder is measuring noise."""
    sun_w, home_w = _whole(live.pv_w), _whole(live.load_w)
    if net_w is not None and battery_w is not None:
        if sun_w is not None:
            home_w = max(0, sun_w + net_w - battery_w)
        elif home_w is not None:
            sun_w = max(0, home_w + battery_w - net_w)
    return Flows(net_w, sun_w, home_w, battery_w)


def _whole(power_w: float | None) -> int | None:
    return None if power_w is None else round(power_w)


def _in_bar(flows: Flows, reader: Reader) -> Bar:
    parts = [("sun", flows.sun_w or 0), ("battery", -(flows.battery_w or 0)), ("outside", flows.net_w or 0)]
    return _bar("in", parts, reader)


def _out_bar(flows: Flows, reader: Reader) -> Bar:
    parts = [("home", flows.home_w or 0), ("battery", flows.battery_w or 0), ("out", -(flows.net_w or 0))]
    return _bar("out", parts, reader)


def _bar(name: str, parts: list[tuple[str, int]], reader: Reader) -> Bar:
    """A bar of the parts that flow; its text for screen readers names the others too, with zero."""
    shown = [(part, max(0, power_w)) for part, power_w in parts]
    total_w = sum(power_w for _, power_w in shown)
    segments, start_w = [], 0
    for part, power_w in shown:
        segments.append(_segment(part, power_w, start_w, total_w, reader))
        start_w += power_w
    total = reader.numbers.kilowatts(total_w)
    flowing = [segment for segment in segments if segment.share] or segments
    aria = reader.text(f"bar.{name}.aria", total=total, parts=", ".join(segment.text for segment in segments))
    return Bar(name, reader.text(f"bar.{name}", total=total), aria, tuple(flowing))


def _segment(part: str, power_w: int, start_w: int, total_w: int, reader: Reader) -> Segment:
    title = reader.text(f"part.{part}")
    text = reader.text("bar.part", name=title, power=reader.numbers.kilowatts(power_w))
    if total_w == 0:
        return Segment(part, 0, 0, "", text)
    start = start_w * BAR_LENGTH // total_w
    share = (start_w + power_w) * BAR_LENGTH // total_w - start
    label = reader.text("bar.part", name=title, power=reader.numbers.number(power_w, 1000, 2))
    return Segment(part, start, share, label if share >= _LABEL_SHARE_PER_LETTER * len(label) else "", text)


def _tiles(state: State, flows: Flows, reader: Reader) -> tuple[Tile, ...]:
    sun, home = (_flow_tile(name, power_w, reader) for name, power_w in (("sun", flows.sun_w), ("home", flows.home_w)))
    return sun, home, _battery_tile(state, flows, reader), _meter_tile(flows, reader)


def _flow_tile(name: str, power_w: int | None, reader: Reader) -> Tile:
    title = reader.text(f"tile.{name}")
    if power_w is None:
        return Tile(name, title, reader.text("tile.unmeasured"), reader.text("tile.unmeasured.note"))
    return Tile(name, title, reader.numbers.kilowatts(power_w), reader.text(f"tile.{name}.note"))


def _battery_tile(state: State, flows: Flows, reader: Reader) -> Tile:
    title = reader.text("tile.battery")
    if not state.home.has_battery:
        return Tile("battery", title, reader.text("tile.no_battery"), reader.text("tile.no_battery.note"))
    permille = None if state.live is None else state.live.soc_permille
    value = reader.text("none") if permille is None else reader.numbers.percent(permille)
    return Tile("battery", title, value, _battery_note(state, flows, permille, reader))


def _battery_note(state: State, flows: Flows, permille: int | None, reader: Reader) -> str:
    if flows.battery_w is None:
        return reader.text("tile.battery.unknown")
    power = reader.numbers.kilowatts(abs(flows.battery_w))
    if abs(flows.battery_w) < _RESTING_W:
        return reader.text("tile.battery.resting")
    if flows.battery_w < 0:
        return reader.text("tile.battery.giving", power=power)
    missing_wh = state.home.battery_capacity_wh * (_FULL_PERMILLE - (permille or 0)) // _FULL_PERMILLE
    full_in_s = missing_wh * 3600 // flows.battery_w
    if permille is None or state.live is None or full_in_s > _FULL_WITHIN_S:
        return reader.text("tile.battery.charging", power=power)
    return reader.text("tile.battery.full", power=power, at=reader.at(state.live.at_unix_s + full_in_s))


def _meter_tile(flows: Flows, reader: Reader) -> Tile:
    title = reader.text("tile.meter")
    if flows.net_w is None:
        return Tile("meter", title, reader.text("none"), reader.text("tile.meter.unknown"))
    note = "even" if abs(flows.net_w) < _EVEN_W else "coming" if flows.net_w > 0 else "leaving"
    return Tile("meter", title, reader.numbers.kilowatts(flows.net_w), reader.text(f"tile.meter.{note}"))
