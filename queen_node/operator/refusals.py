"""What a contract's own error means and what to do, in words: from a reverted call to a ContractRefuses.

The table is in `refusal_words`; a test finds errors of the exported contracts that are missing there.
"""

from collections.abc import Mapping
from typing import Any

from queen_node.chain.errors import CallReverted
from queen_node.operator.desk import plain
from queen_node.operator.errors import ContractRefuses
from queen_node.operator.inputs import utc_text
from queen_node.operator.refusal_words import WORDS

#: Arguments that are unix seconds, shown as instants.
_TIMES = {"readyAt", "endsAt", "deadline", "latest", "until", "notAfter", "lastSecond"}
_SECONDS_FROM = 10**9


def in_words(name: str, arguments: Mapping[str, Any]) -> tuple[str, str]:
    """Meaning and next step of a contract's error, its arguments filled in."""
    shown = {key: _shown(key, value) for key, value in arguments.items()}
    meaning, next_step = WORDS.get(name, ("", ""))
    told = ", ".join(f"{key} {value}" for key, value in shown.items())
    if not meaning:
        return f"the contract answers {name or 'without a reason'}" + (f" ({told})" if told else ""), ""
    return meaning + (f" ({told})" if told else ""), next_step


def _shown(key: str, value: Any) -> str:
    if key in _TIMES and isinstance(value, int) and _SECONDS_FROM < value < 2**40:
        return utc_text(value)
    return str(plain(value))


def refused(place: str, error: CallReverted) -> ContractRefuses:
    """The refusal of one step, in words, with the contract's own name for it."""
    meaning, next_step = in_words(error.name, error.arguments)
    named = f" [{error.name}]" if error.name in WORDS else ""
    return ContractRefuses(f"{place}: {meaning}{named}; nothing was sent", next_step=next_step)
