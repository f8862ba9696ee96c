"""`hive evidence` and `hive verify`: bills for a stranger to recompute."""

from pathlib import Path
from typing import Annotated

import typer

from queen_node.cli import output
from queen_node.cli.common import DEFAULT_CONFIG, ConfigOption, JsonOption, opened
from queen_node.cli.output import emit, print_pairs, print_table, reported

_AS_TOLD = "reputation: taken as the Queen told it on {lines} lines, because the folder does not hold what was declared"


def evidence(
    folder: Annotated[Path, typer.Argument(help="Where to write; created.")], config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Writes everything a stranger needs to recompute the bills."""
    from queen_node.evidence import write_evidence
    from queen_node.export import bundle_of
    from queen_node.settings import queen_signer

    with reported(), opened(config) as (loaded, store):
        with store.begin() as tx:
            bundle = bundle_of(tx, loaded)
        write_evidence(folder, bundle, queen_signer(loaded))
        output.say(f"evidence written to {folder}")


def verify(
    folder: Annotated[Path, typer.Argument(help="An evidence folder.")],
    queen: Annotated[str | None, typer.Option("--queen", help="Address of the Queen to trust.")] = None,
    contract: Annotated[str | None, typer.Option("--contract", help="Address of the contract to trust.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Recomputes all bills from an evidence folder alone."""
    from dataclasses import asdict

    from queen_node.verify import verify_evidence

    with reported():
        if not folder.is_dir():
            raise output.NotFound(f"{folder} is not a folder")
        document = asdict(verify_evidence(folder, queen, contract))

        def show() -> None:
            print_pairs({key: value for key, value in document.items() if key != "homes"})
            homes = document["homes"]
            if homes:
                print_table(tuple(homes[0]), [tuple(home.values()) for home in homes])
            if document["reputation_as_told"]:
                output.say(_AS_TOLD.format(lines=document["reputation_as_told"]))

        emit(document, as_json, show)
