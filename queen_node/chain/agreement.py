"""When answers of several RPC addresses are believed: pure rules, no network (chain-design section 10)."""

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the addresses agree on; `agreed` false when no answer has enough voices. `outvoted` gave another one."""

    agreed: bool
    answer: Hashable
    voices: int
    outvoted: tuple[str, ...] = ()


def verdict(answers: Mapping[str, Hashable], needed: int) -> Verdict:
    """The answer that at least `needed` addresses give and more than give any other."""
    counted = Counter(answers.values()).most_common(2)
    if not counted:
        return Verdict(False, None, 0)
    answer, voices = counted[0]
    tied = len(counted) > 1 and counted[1][1] == voices
    if voices < needed or tied:
        return Verdict(False, None, voices)
    return Verdict(True, answer, voices, tuple(name for name, given in answers.items() if given != answer))


def common_height(heads: Mapping[str, int], max_lag_blocks: int, needed: int) -> tuple[int, tuple[str, ...]]:
    """The highest block that all addresses worth asking have, and those that lag more than `max_lag_blocks`.

    How far the chain is, is what `needed` addresses have reached: one that invents blocks cannot make all others lag.
    """
    reached = sorted(heads.values(), reverse=True)[min(needed, len(heads)) - 1]
    lagging = tuple(name for name, head in heads.items() if head < reached - max_lag_blocks)
    return min(head for name, head in heads.items() if name not in lagging), lagging
