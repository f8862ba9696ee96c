"""What `hive market simulate` prints: plain numbers of a run, rounded alike, without any wall time."""

from __future__ import annotations

from typing import Any

import numpy as np

from honey_edge.market.simulate.attacks import Damage
from honey_edge.market.simulate.hive import Options, Outcome
from honey_edge.market.simulate.money import HomeAccount
from honey_edge.market.simulate.world import World

Json = dict[str, Any]


def coin(pico: int) -> float:
    """Return pico-coins as coin, to a micro-coin."""
    return round(pico / 1e12, 6)


def run_document(world: World, options: Options, outcome: Outcome) -> Json:
    """Return everything about one run."""
    return {
        "homes": len(outcome.names),
        "flexible": sum(home.battery is not None for home in world.homes),
        "slots": outcome.books.slots,
        "step_minutes": world.step_minutes,
        "every_slots": options.every,
        "loss": options.loss,
        "seed": options.seed,
        "theta": options.theta,
        "coordination": _coordination(outcome),
        "money": _money(outcome),
        "homes_saving": _homes(outcome),
        "meters_named": [outcome.names[one.home] for one in outcome.meters if one.named],
    }


def _coordination(outcome: Outcome) -> Json:
    """Return how the rounds went; `certificate` is that of the last certified round."""
    rounds = outcome.rounds
    document: Json = {"rounds": len(rounds.iterations), "converged": rounds.converged}
    if rounds.iterations:
        document |= {
            "iterations_total": sum(rounds.iterations),
            "iterations_median": float(np.median(rounds.iterations)),
            "iterations_max": max(rounds.iterations),
        }
    if rounds.worst_gap is not None:
        document["certificate_gap_worst"] = round(rounds.worst_gap, 9)
    if rounds.certificates:
        certificate, alone = rounds.certificates[-1]
        document["certificate"] = {
            "upper_e9_coin": certificate.upper_e9_coin,
            "lower_e9_coin": certificate.lower_e9_coin,
            "alone_e9_coin": alone,
            "gap_ppm": certificate.gap_ppm,
        }
    return document


def _money(outcome: Outcome) -> Json:
    """Return the Hive's sums (coin); `saved` is against every home on its own with the simple battery rule."""
    books = outcome.books
    return {
        "surplus": coin(books.surplus_pico),
        "discounts": coin(sum(account.discount_pico for account in books.accounts)),
        "fee": coin(books.fee_pico),
        "reserve": coin(books.reserve_pico),
        "deficit": coin(books.deficit_pico),
        "grid": coin(books.grid_pico),
        "wear": round(float(outcome.wear.sum()), 6),
        "alone": round(float(outcome.alone.sum()), 6),
        "saved": round(float(outcome.alone.sum() - outcome.cost.sum()), 6),
        "payments_checked": books.payments,
        "above_own_tariff": sum(account.paid_pico > account.own_tariff_pico for account in books.accounts),
        "books_balance": books.whole,
        "balanced_slots": books.balanced_slots,
    }


def _homes(outcome: Outcome) -> list[Json]:
    """Return one entry per home."""
    return [
        {
            "home": name,
            "paid": coin(account.paid_pico),
            "own_tariff": coin(account.own_tariff_pico),
            "discount": coin(account.discount_pico),
            "wear": round(float(outcome.wear[k]), 6),
            "alone": round(float(outcome.alone[k]), 6),
            "saved": round(float(outcome.alone[k] - outcome.cost[k]), 6),
            **_standing(account),
        }
        for k, (name, account) in enumerate(zip(outcome.names, outcome.books.accounts, strict=True))
    ]


def _standing(account: HomeAccount) -> Json:
    """Return reputation and conduct of a home."""
    return {
        "reputation": account.reputation.rho,
        "reputation_mean": round(account.mean_rho, 1),
        "alarms": len(account.alarm_days),
        "standing": account.conduct.standing,
        "suspended_days": account.suspended_days,
        "late_slots": account.late_slots,
    }


def attack_document(damage: Damage) -> Json:
    """Return what an attack did; money in coin."""
    attack, attacked = damage.attack, damage.attacked
    attackers = [attacked.books.accounts[k] for k in attack.attacker]
    named = {one.home for one in attacked.meters if one.named}
    return {
        "attack": attack.kind,
        "attacker": [attacked.names[k] for k in attack.attacker],
        "attacker_gains": round(damage.gain, 6),
        "others_lose": round(damage.others_lose, 6),
        "others_win": round(damage.others_win, 6),
        "reserve_change": round(damage.reserve_change, 6),
        "surplus_without": coin(damage.honest.books.surplus_pico),
        "surplus_with": coin(attacked.books.surplus_pico),
        "moved_share_of_surplus": round(damage.moved_share, 6),
        "attacker_standing": [_standing(account) for account in attackers],
        "attacker_named_by_meter_test": any(k in named for k in attack.attacker),
    }
