"""What the templates print: frozen values, finished texts, no decision left to take.

`kind` is "live", "estimate" or "settled": the three kinds of number that must look different. Shares and places of bars
are in thousandths of the bar's length.
"""

from dataclasses import dataclass

LIVE, ESTIMATE, SETTLED = "live", "estimate", "settled"
BAR_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the newest sample is: `level` is live, late (over 10 s), old (over 60 s) or none."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the homeowner should know; `level` is info, warn or bad."""

    level: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a bar. `label` stands inside it, empty when it is too narrow; `text` always stands below."""

    css: str
    start: int
    share: int
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One in or out bar with its total and its text for screen readers."""

    name: str
    title: str
    aria: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Tile:
    """One of the four live tiles."""

    name: str
    title: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class NowView:
    """Block 1: what is happening; `flags` say what of the plan is not as it should be."""

    headline: str
    bars: tuple[Bar, ...]
    no_bars: str
    tiles: tuple[Tile, ...]
    plan: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One line of today's table; an empty text is an empty cell."""

    title: str
    energy: str
    money: str
    kind: str
    total: bool = False
    part: bool = False


@dataclass(frozen=True, slots=True)
class TodayView:
    """Block 2: what it is worth."""

    value: str
    kind: str
    sub: str
    caption: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One quarter-hour of the chart, in the chart's own units (960 wide, 200 high)."""

    css: str
    x: int
    y: int
    height: int


@dataclass(frozen=True, slots=True)
class DayView:
    """Block 4: the last 24 hours; `empty` says why there is no chart."""

    aria: str
    columns: tuple[Column, ...]
    baseline: int
    ticks: tuple[str, ...]
    empty: str


@dataclass(frozen=True, slots=True)
class TrustLine:
    """One answer to "can I trust these numbers"; `level` is ok, wait or bad."""

    level: str
    mark: str
    word: str
    text: str


@dataclass(frozen=True, slots=True)
class TableRow:
    """One closed quarter-hour as text."""

    slot: str
    bought: str
    sold: str
    near: str
    price: str
    own: str
    paid: str
    state: str
    settled: bool


@dataclass(frozen=True, slots=True)
class PageView:
    """The whole page."""

    title: str
    freshness: Freshness
    notices: tuple[Notice, ...]
    now: NowView
    today: TodayView
    day: DayView
    trust: tuple[TrustLine, ...]
    footer: tuple[str, ...]
