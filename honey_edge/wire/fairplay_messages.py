"""The messages of fair play: an audit's question and its answer, a finding, an appeal (market-design section 10).

All four are signed (`FairPlay`): content is all fields but hive, worker and signature, in their order. Energies are
milliwatt-hours, powers milliwatts, shares millionths, costs 10^-9 coin.
"""

from typing import Annotated

from msgspec import Meta, structs

from honey_edge.wire.fairplay_structs import Content, fair_play_digest
from honey_edge.wire.messages import HORIZON_SLOTS, U16, U32, Hex20, Hex64, Message
from honey_edge.wire.typed_data import Domain

DRAWN, INCONSISTENT, APPEALED = range(3)
"""Why an answer is audited: drawn by lot, test A, the Worker's own appeal."""

BY_ALARMS, BY_QUIET, BY_AUDIT, BY_OPERATOR = range(4)
"""Why a standing is what it is."""

MOST_RUNS = 2
_Number = Annotated[int, Meta(ge=-(2**53), le=2**53)]
_Natural = Annotated[int, Meta(ge=0, le=2**53)]
Series = Annotated[tuple[_Number, ...], Meta(min_length=HORIZON_SLOTS, max_length=HORIZON_SLOTS)]
Naturals = Annotated[tuple[_Natural, ...], Meta(min_length=HORIZON_SLOTS, max_length=HORIZON_SLOTS)]
MaybeNaturals = Annotated[tuple[_Natural, ...], Meta(max_length=HORIZON_SLOTS)]
Parameters = Annotated[tuple[_Natural, ...], Meta(max_length=16)]
Sides = Annotated[tuple[Annotated[int, Meta(ge=-1, le=1)], ...], Meta(max_length=MOST_RUNS)]
Days = Annotated[tuple[U32, ...], Meta(max_length=MOST_RUNS)]


class FairPlayMessage(Message, frozen=True, kw_only=True):
    """What all messages of fair play share: whom they are about, and a signature."""

    hive: U32
    worker: Hex20
    signature: Hex64

    def content(self) -> Content:
        """The numbers under the signature."""
        named = structs.asdict(self)
        return [
            tuple(value) if isinstance(value, tuple) else int(value)
            for name, value in named.items()
            if name not in ("v", "hive", "worker", "signature")
        ]

    def digest(self, domain: Domain) -> bytes:
        """The 32 bytes that are signed."""
        return fair_play_digest(domain, self.hive, bytes.fromhex(self.worker), type(self).__name__, self.content())


class AuditAskMessage(FairPlayMessage, frozen=True, kw_only=True):
    """Queen to one Worker: disclose what the answer to this broadcast followed from.

    `why`: 0 drawn by lot (the final price of the round says whether, and the Worker checks it), 1 its answers are not
    those of one home, 2 its own appeal.
    """

    round: U32
    iteration: U16
    why: Annotated[int, Meta(ge=0, le=2)]


class DisclosureMessage(FairPlayMessage, frozen=True, kw_only=True):
    """Worker to Queen: the home that it answered for, and its private w of that iteration (milliwatts per slot).

    `load_mw`, `pv_mw` are its forecast; the assets' numbers are in the order of `market.fairplay.disclosed`, empty
    where the home has none.
    """

    round: U32
    iteration: U16
    first_slot: U32
    sigma_kw2_per_coin: U32
    state_mw: Series
    load_mw: Naturals
    pv_mw: Naturals
    curtailable: bool
    curtail_e9: _Natural
    battery: Parameters = ()
    thermal: Parameters = ()
    draw_mw: MaybeNaturals = ()
    car: Parameters = ()
    present_ppm: MaybeNaturals = ()
    shed: Parameters = ()
    shed_mw: MaybeNaturals = ()


class StandingMessage(FairPlayMessage, frozen=True, kw_only=True):
    """Queen to one Worker, retained: its standing and what it follows from.

    `standing`: 0 good, 1 the reputation is at the floor, 2 suspended too; since the UTC day `since_day`. `why`: 0 two
    alarms of test C, 1 a week without one, 2 an audit, 3 the operator. `side`, `from_day` and `to_day` name the runs of
    days that raised the two alarms: 1 more was declared than measured, -1 less. `serial` counts the findings.
    """

    serial: U32
    standing: Annotated[int, Meta(ge=0, le=2)]
    since_day: U32
    why: Annotated[int, Meta(ge=0, le=3)]
    side: Sides = ()
    from_day: Days = ()
    to_day: Days = ()


class AppealMessage(FairPlayMessage, frozen=True, kw_only=True):
    """Worker to Queen: audit my last answers; `serial` is that of the finding appealed against."""

    serial: U32
