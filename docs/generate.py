"""Writes the reference pages that follow from the code: settings, error codes, commands, topics, Modbus profiles.

    python docs/generate.py           write them
    python docs/generate.py --check   exit 1 and name the pages that are not up to date

A test runs the check, so an option, code or command without documentation is noticed.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import profile_pages
import typer.main

from honey_edge.model.options import describe_options

FOLDER = Path(__file__).resolve().parent


def settings_page(title: str, daemon: str, kind: type) -> str:
    """One table per section of a settings file."""
    lines = [
        f"# {title}",
        "",
        f"All options of `{daemon}`'s TOML file. An unknown key stops the start with file, line, key and",
    ]
    lines += ["the nearest known key. Paths are relative to the file. Keys are files, never text in TOML.", ""]
    section = None
    for option in describe_options(kind):
        if option.section != section:
            section = option.section
            lines += [
                "",
                f"## [{section}]",
                "",
                "| option | type | default | range or choices | meaning |",
                "|---|---|---|---|---|",
            ]
        cells = (f"`{option.name}`", option.kind, f"`{option.default}`", option.limits, option.meaning)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def error_codes_page() -> str:
    """Every code with its explanation, as `hive help CODE` prints it."""
    help_codes = importlib.import_module("queen_node.help_codes")
    lines = ["# Error codes", "", "What `hive help CODE` says.", ""]
    for code in sorted(help_codes.codes()):
        lines += [f"## {code}", "", *(str(text) for text in help_codes.explain(code).values() if text != code), ""]
    return "\n".join(lines).rstrip() + "\n"


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for child in sorted(command.commands):
            yield from _commands(command.commands[child], f"{name} {child}")
    else:
        yield name, command


def _parameter_line(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (parameter.opts + parameter.secondary_opts))
    if parameter.param_type_name == "argument":
        return f"- `{(parameter.metavar or parameter.name or '').upper()}` (argument)"
    return f"- {names}: {' '.join((getattr(parameter, 'help', '') or '').split())}"


def commands_page() -> str:
    """The operator's commands, then the daemons' and the demo's own help."""
    cli = importlib.import_module("queen_node.cli.commands")
    lines = [
        "# Commands",
        "",
        "Exit codes of all commands: 0 done, 1 unexpected or a check failed, 2 wrong usage, 3 not reachable,",
    ]
    lines += ["4 not found, 5 refused by a rule, 6 chain transaction failed, 7 partly done, 130 interrupted.", ""]
    for name, command in _commands(typer.main.get_command(cli.app), "hive"):
        lines += [f"## `{name}`", "", (command.help or "").strip(), ""]
        lines += [line for p in command.params if (line := _parameter_line(p))] + [""]
    os.environ["COLUMNS"] = "100"
    for module in ("worker_node.cli", "queen_node.daemon", "provisioning.cli", "provisioning.demo.cli"):
        parser = importlib.import_module(module).parser()
        lines += [f"## `{parser.prog}`", "", "```", _help_of(parser), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def _help_of(parser: argparse.ArgumentParser) -> str:
    texts = [parser.format_help()]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            texts += [_help_of(child) for child in action.choices.values()]
    return "\n".join(text.rstrip() + "\n" for text in texts).rstrip()


def pages() -> dict[str, str]:
    """File name to content of every generated page."""
    worker = importlib.import_module("worker_node.settings").WorkerFile
    queen = importlib.import_module("queen_node.settings").QueenSettings
    return {
        "settings-worker.md": settings_page("Settings of a Worker", "hive-worker", worker),
        "settings-queen.md": settings_page("Settings of a Queen", "hive-queen", queen),
        "error-codes.md": error_codes_page(),
        "commands.md": commands_page(),
        "topics.md": importlib.import_module("honey_edge.wire.catalogue").page(),
        **profile_pages.pages(),
    }


def stale_profile_pages(written: dict[str, str]) -> list[Path]:
    """Pages of Modbus profiles that are no more."""
    return [
        file
        for file in (FOLDER / profile_pages.FOLDER).glob("*.md")
        if f"{profile_pages.FOLDER}/{file.name}" not in written
    ]


def main() -> int:
    """Writes or checks the pages."""
    stale = []
    for file in stale_profile_pages(pages()):
        stale.append(file.name)
        if "--check" not in sys.argv:
            file.unlink()
    for name, content in pages().items():
        file = FOLDER / name
        if file.is_file() and file.read_text() == content:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
    if stale and "--check" in sys.argv:
        print(f"not up to date: {', '.join(stale)}; run python docs/generate.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
