"""Splitting and merging Hives, in as many transactions as it takes; an interrupted one goes on where the chain stands.

    ACTIVE --beginSplit / beginMerge--> CHANGING --moveMeters (up to 200 a call)--> finish --> ACTIVE (rest: ENDED)

Nothing is remembered here: whether a change has begun, to which Hive, and which meters have moved is read from the
chain. Only meters with closed accounts move; stakes move with them and keep their age.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from honey_edge.wire.structs import HiveTerms
from queen_node.operator.desk import Desk
from queen_node.operator.errors import InputError, NotAllowed
from queen_node.operator.hive_views import meters_of
from queen_node.operator.hives import (
    BEEKEEPER,
    METERS_PER_CALL,
    approval,
    closed_accounts,
    next_hive,
    owned,
    terms_values,
)
from queen_node.operator.inputs import hvt_text
from queen_node.operator.sending import Offer, Step, offer


@dataclass(frozen=True, slots=True)
class Splitting:
    """What the new Hive begins with; not needed any more once the split has begun."""

    queen: str
    window_s: int
    terms: HiveTerms | None


def _moves(desk: Desk, origin: int, goal: int, meters: Sequence[str]) -> list[Step]:
    steps = []
    for start in range(0, len(meters), METERS_PER_CALL):
        part = list(meters[start : start + METERS_PER_CALL])
        call = desk.call(BEEKEEPER, "moveMeters", origin, goal, part)
        steps.append(Step(f"move/{origin}/{goal}", f"move {len(part)} meters from Hive {origin} to Hive {goal}", call))
    return steps


def split(desk: Desk, hive: int, meters: Sequence[str], new: Splitting) -> Offer:
    """Makes a new Hive of some meters of a Hive, or goes on with a split that was begun."""
    if not meters or len(set(meters)) != len(meters):
        raise InputError("--meter: name each meter that moves, once")
    found = owned(desk, hive)
    begun = found["state"] == "changing"
    if begun and (found["merging"] or not int(found["changeTo"])):
        raise NotAllowed(f"Hive {hive} is part of another change", next_step=f"hive show {hive}")
    goal = int(found["changeTo"]) if begun else next_hive(desk)
    left = _not_moved(desk, hive, goal, meters)
    closed_accounts(desk, hive, left)
    steps, amount = ([], "") if begun else _beginning(desk, hive, goal, new)
    steps += _moves(desk, hive, goal, left)
    steps.append(
        Step(
            f"split-end/{hive}/{goal}",
            f"finish the split of Hive {hive}",
            desk.call(BEEKEEPER, "finishSplit", hive, goal),
        )
    )
    what = f"split (goes on: {len(meters) - len(left)} of {len(meters)} meters have moved)" if begun else "split"
    return offer(desk.chain, what, steps, str(hive), "the Hive's number", amount)


def _not_moved(desk: Desk, hive: int, goal: int, meters: Sequence[str]) -> list[str]:
    left = []
    for meter in meters:
        place = int(desk.read(BEEKEEPER, "meter", meter)["hive"])
        if place == hive:
            left.append(meter)
        elif place != goal:
            raise InputError(
                f"--meter {meter}: is in Hive {place}, not in Hive {hive}"
                if place
                else f"--meter {meter}: is in no Hive"
            )
    return left


def _beginning(desk: Desk, hive: int, goal: int, new: Splitting) -> tuple[list[Step], str]:
    owned(desk, hive, "active")
    if new.terms is None or not new.queen:
        raise InputError("--queen and --terms are needed to begin a split")
    price, burnt = (int(value) for value in desk.read(BEEKEEPER, "priceOf", 0))
    call = desk.call(
        BEEKEEPER,
        "beginSplit",
        hive,
        price,
        new.queen,
        new.window_s,
        terms_values(replace(new.terms, hive=goal)),
    )
    step = Step(f"split/{hive}/{goal}", f"begin the split of Hive {hive}; the new one is Hive {goal}", call)
    amount = f"{hvt_text(price)} HVT ({hvt_text(burnt)} burnt, {hvt_text(price - burnt)} staked)"
    return [*approval(desk, price), step], amount


def merge(desk: Desk, origin: int, goal: int) -> Offer:
    """Moves all meters of one Hive into another and ends it, or goes on with a merge that was begun."""
    if origin == goal:
        raise InputError(f"INTO: Hive {goal} cannot be merged into itself")
    found, into = owned(desk, origin), owned(desk, goal)
    begun = found["state"] == "changing"
    if begun and (not found["merging"] or int(found["changeTo"]) != goal):
        other = f"into Hive {found['changeTo']}" if found["merging"] else "not merged"
        raise NotAllowed(f"Hive {origin} is changing, {other}", next_step=f"hive show {origin}")
    if not begun:
        owned(desk, origin, "active")
        owned(desk, goal, "active")
        if found["coin"] != into["coin"]:
            raise NotAllowed(f"Hive {origin} and Hive {goal} use different coins")
    left = meters_of(desk, origin)
    closed_accounts(desk, origin, left)
    steps = [] if begun else [_begin_merge(desk, origin, goal)]
    steps += _moves(desk, origin, goal, left)
    end = desk.call(BEEKEEPER, "finishMerge", origin, goal)
    steps.append(Step(f"merge-end/{origin}/{goal}", f"finish the merge; Hive {origin} ends, its stake comes back", end))
    what = f"merge (goes on: {len(left)} meters are left)" if begun else "merge"
    return offer(
        desk.chain,
        what,
        steps,
        str(origin),
        "the number of the Hive that ends",
        f"{hvt_text(int(found['stake']))} HVT come back",
    )


def _begin_merge(desk: Desk, origin: int, goal: int) -> Step:
    call = desk.call(BEEKEEPER, "beginMerge", origin, goal)
    return Step(f"merge/{origin}/{goal}", f"begin the merge of Hive {origin} into Hive {goal}", call)
