"""The certificate of a round: what the agreed plans cost, and what no plans can cost less than (section 6).

Sums in 10^-9 coin over the horizon; the Queen reckons for homes that cannot move, all others for themselves.
"""

from collections.abc import Sequence
from dataclasses import replace

from honey_edge.market.rounds.iteration import QueenIteration
from honey_edge.wire.messages import CertificateMessage
from queen_node.coordinator.answers import Proven
from queen_node.store.records import RoundRow

MOST_SHARE_PPM = 2**31 - 1
_E7_PER_MICRO = 10
_PPM = 1_000_000


def energy_cost_e9(power_w: Sequence[int], price_e7: Sequence[int]) -> int:
    """Energy of slots (W) at prices in 10^-7 coin per kWh, in 10^-9 coin, rounded down."""
    return sum(p * price for p, price in zip(power_w, price_e7, strict=True)) // 40


def tariff_cost_e9(power_w: Sequence[int], prices_micro: Sequence[tuple[int, int]]) -> int:
    """The same energy at buy or sell prices (micro-coins per kWh) of each slot, in 10^-9 coin, rounded down."""
    own = [_E7_PER_MICRO * (b if p > 0 else s) for p, (b, s) in zip(power_w, prices_micro, strict=True)]
    return energy_cost_e9(power_w, own)


def certified(row: RoundRow, queen: QueenIteration, proven: Proven | None, proof_e9_coin: int | None) -> RoundRow:
    """The round with its certificate; without the homes' word only what the plans cost.

    `proof_e9_coin` is the sum of the homes' bounds at the second price, None where it was not asked for or told.
    """
    if proven is None:
        return replace(row, upper_e9_coin=queen.certificate(0).upper_e9_coin)
    told = queen.best_certificate(proven.bound_e9_coin, proven.alone_e9_coin, proof_e9_coin)
    return replace(row, upper_e9_coin=told.upper_e9_coin, lower_e9_coin=told.lower_e9_coin, gap_ppm=told.gap_ppm)


def certificate_message(hive: int, row: RoundRow) -> CertificateMessage:
    """What is published of a certified round."""
    assert row.upper_e9_coin is not None
    return CertificateMessage(
        hive=hive,
        round=row.number,
        first_slot=row.first_slot,
        iterations=min(row.iterations, 2**16 - 1),
        upper_e9_coin=row.upper_e9_coin,
        homes=min(row.homes, 2**16 - 1),
        ended=row.ended,
        lower_e9_coin=row.lower_e9_coin,
        gap_ppm=row.gap_ppm,
    )


def shares_ppm(wanted_w: Sequence[int], room_w: Sequence[int]) -> tuple[int, ...]:
    """What part of what it opened with each home may keep, in millionths per slot, so that all fit into the room."""
    return tuple(
        min(MOST_SHARE_PPM, max(0, room) * _PPM // wanted) if wanted > 0 else MOST_SHARE_PPM
        for wanted, room in zip(wanted_w, room_w, strict=True)
    )
