"""What the Queen does about a running close (chain-design section 4, Closing), as pure functions.

Whoever started it and on whatever state: the newest Statement both have signed is the truth, and while the window is
open she puts it there. After the window she finishes the close, so that nobody's money waits for somebody to do it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from queen_node.store.chain_events import CloseRow
from queen_node.store.records import BothSigned, StatementRow

SIDE_HOME, SIDE_QUEEN, SIDE_STALE = 1, 2, 3


class Act(StrEnum):
    """What is to be done now."""

    WAIT = "wait"
    CONTEST = "contest"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about a close, with which Statement; `missed` when a newer state came too late to contest with."""

    act: Act
    statement: BothSigned | None = None
    missed: bool = False


def decide_contest(
    close: CloseRow, newest: BothSigned | None, chain_unix_s: int, now_unix_s: int | None = None
) -> Verdict:
    """What to do about a close, given the newest Statement under both signatures.

    `chain_unix_s` is the time of the chain's newest block: the contract knows no other. `now_unix_s`, the Queen's
    own time, may end the window on a chain that makes no blocks without transactions. At `ends_at` the window is over.
    """
    newer = newest if newest is not None and newest.statement.slot > close.slot else None
    if newer is not None and chain_unix_s < close.ends_at_unix_s:
        return Verdict(Act.CONTEST, newer)
    if max(chain_unix_s, now_unix_s or 0) >= close.ends_at_unix_s:
        return Verdict(Act.FINISH, newer, missed=newer is not None)
    return Verdict(Act.WAIT)


def objections_to_show(close: CloseRow, statements: Sequence[StatementRow]) -> list[StatementRow]:
    """Statements a Worker has refused and could still sign to accuse the Queen of hiding them.

    Only a close the Queen started can be turned against her, and a contest with exactly the slot she named cannot.
    """
    if close.side != SIDE_QUEEN:
        return []
    return [row for row in statements if row.reason and row.slot > close.slot and row.slot != close.newest_slot]


def contest_key(hive: int, worker: str, slot: int) -> str:
    """Key of the one transaction that shows this Statement in a contest."""
    return f"contest/{hive}/{worker}/{slot}"


def objection_key(hive: int, worker: str, slot: int) -> str:
    """Key of the one transaction that shows a Worker's Objection to this Statement."""
    return f"objection/{hive}/{worker}/{slot}"


def finish_key(hive: int, worker: str, slot: int) -> str:
    """Key of the one transaction that finishes the close standing at this slot."""
    return f"finish/{hive}/{worker}/{slot}"
