"""Judges a disclosure by solving the disclosed home's problem again (test B). Runs in a thread: it loads the solver."""

from dataclasses import dataclass, fields

from honey_edge.market.errors import MarketError
from honey_edge.market.fairplay.audit import MILLIWATTS, AuditDisclosure, audit
from honey_edge.market.fairplay.disclosed import HomeNumbers, home_of
from honey_edge.market.homes.assets import profile
from honey_edge.wire.fairplay_messages import DisclosureMessage
from honey_edge.wire.fairplay_structs import packed
from honey_edge.wire.keccak import keccak
from queen_node.store.audits import FAILED, PASSED, KeptAnswer

_FAR_W = 10**9


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict: how far (W) the answer is from the replay at worst, and in words why it failed."""

    verdict: str
    worst_w: int
    detail: str
    assets: bytes


def judged(told: DisclosureMessage, answer: KeptAnswer) -> Judged:
    """The verdict on an answer; a home that cannot be, or has no plan, fails it."""
    numbers = HomeNumbers(**{one.name: getattr(told, one.name) for one in fields(HomeNumbers)})
    assets = assets_hash(numbers)
    try:
        disclosed = AuditDisclosure(
            told.worker,
            told.round,
            told.iteration,
            told.first_slot,
            home_of(numbers),
            told.state_mw,
            answer.sigma,
        )
        followed = profile("w", [number / MILLIWATTS for number in answer.state_mw])
        found = audit(disclosed, answer.prices_e7, answer.power_w, followed)
    except (MarketError, ArithmeticError) as error:
        return Judged(FAILED, _FAR_W, f"no answer follows from what was disclosed: {error}", assets)
    worst_w = min(round(1000 * found.worst_kw), _FAR_W)
    detail = "" if found.passed else f"{found.reason} (slot {answer.first_slot + found.slot})"
    return Judged(PASSED if found.passed else FAILED, worst_w, detail, assets)


def assets_hash(numbers: HomeNumbers) -> bytes:
    """What of a disclosure should be the same the next time: the assets' sizes, efficiencies and costs."""
    battery, thermal = numbers.battery, numbers.thermal
    fixed = (battery[:1] + battery[5:], thermal[:1] + thermal[4:], numbers.car[:2], numbers.shed)
    return keccak(packed(fixed))
