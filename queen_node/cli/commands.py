"""The commands of `hive`, noun then verb, put together.

Each calls one function that is tested without the command line.
"""

from collections.abc import Callable
from typing import Any

import typer

from queen_node.cli import (
    bills,
    chain,
    channel,
    codes,
    flex,
    hives,
    island,
    limit,
    market,
    meter,
    period,
    pool,
    queen,
    standing,
    voltage,
    vote,
)

app = typer.Typer(
    help="The operator's command of a Hive.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_NOUNS = {
    "worker": queen.workers,
    "slot": queen.slots,
    "period": period.periods,
    "channel": channel.channels,
    "market": market.market,
    "limit": limit.limits,
    "island": island.islands,
    "voltage": voltage.voltages,
    "standing": standing.standings,
    "chain": chain.chains,
    "meter": meter.meters,
    "pool": pool.pools,
    "flex": flex.flexes,
    "vote": vote.votes,
}
for _noun, _group in _NOUNS.items():
    app.add_typer(_group, name=_noun)
_VERBS: dict[str, Callable[..., Any]] = {
    "status": queen.status,
    "create": hives.create,
    "add": hives.add,
    "drop": hives.drop,
    "split": hives.split,
    "merge": hives.merge,
    "freeze": hives.freeze,
    "show": hives.show,
    "evidence": bills.evidence,
    "verify": bills.verify,
    "help": codes.help_code,
}
for _verb, _function in _VERBS.items():
    app.command(_verb)(_function)

__all__ = ["app"]
