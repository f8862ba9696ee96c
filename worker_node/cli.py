"""`hive-worker`: run the daemon, check its settings, show what its journal holds.

Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drivers.errors import DriverError
from honey_edge.model.errors import HiveError
from honey_edge.model.options import SettingsError
from worker_node.settings import WorkerSettings, effective, load_settings

_LOG = logging.getLogger("worker_node.cli")
DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    options = parser().parse_args(arguments)
    try:
        settings = load_settings(Path(options.config))
        code: int = options.command(settings, options)
    except SettingsError as error:
        return _complain(error, USAGE)
    except (HiveError, DriverError) as error:
        return _complain(error, FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _complain(error: HiveError | DriverError, code: int) -> int:
    print(f"hive-worker: {error.code}: {error}", file=sys.stderr)
    if isinstance(error, HiveError) and error.next_step:
        print(f"  next: {error.next_step}", file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    """The command line of the meter daemon."""
    parser = argparse.ArgumentParser(prog="hive-worker", description="The meter daemon of one home.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("run", _run, "run the daemon until SIGTERM"),
        ("check", _check, "check settings, key, terms and folders; print the settings in force, without secrets"),
        ("show", _show, "show what the journal holds"),
    ):
        one = commands.add_parser(name, help=text, description=text)
        one.add_argument("--config", default="/etc/hive/worker.toml", help="settings file (TOML)")
        one.add_argument("--json", action="store_true", help="print JSON")
        one.set_defaults(command=command)
    return parser


def _run(settings: WorkerSettings, options: argparse.Namespace) -> int:
    from worker_node.app.daemon import Daemon
    from worker_node.app.log import set_up_log

    # The matrices are tiny; without this the numbers library keeps buffers for every core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    set_up_log()
    daemon = Daemon(settings)
    try:
        asyncio.run(daemon.run())
    except ExceptionGroup as group:
        return _explain(group)
    return DONE


def _explain(group: ExceptionGroup[Exception]) -> int:
    """One log line for each error that ended the daemon; the service manager starts it again."""
    known, unknown = group.split((HiveError, DriverError))
    for error in known.exceptions if known else ():
        _LOG.critical("worker_failed reason=%r", str(error))
    if unknown is not None:
        _LOG.critical("worker_failed", exc_info=unknown)
    return FAILED


def _check(settings: WorkerSettings, options: argparse.Namespace) -> int:
    from worker_node.app.parts import open_checkpoint, read_identity

    who = read_identity(settings)
    open_checkpoint(settings)
    sections = effective(settings)
    if options.json:
        print(json.dumps({"address": who.address, "settings": sections}, indent=2))
        return DONE
    print(f"address {who.address}, terms version {who.agreement.terms.version}: in order")
    for name, values in sections.items():
        print(f"\n[{name}]")
        for key, value in values.items():
            print(f"{key} = {json.dumps(value)}")
    return DONE


def _show(settings: WorkerSettings, options: argparse.Namespace) -> int:
    from worker_node.app.parts import JOURNAL_FILE, read_identity
    from worker_node.journal import Journal
    from worker_node.journal_schema import JournalError

    file = settings.path(settings.worker.state_dir) / JOURNAL_FILE
    if not file.exists():
        raise JournalError(f"{file}: there is no journal yet", next_step="run the daemon first")
    journal = Journal(file, read_identity(settings).signer.address)
    document = _summary(journal)
    journal.close()
    if options.json:
        print(json.dumps(document))
        return DONE
    for key, value in document.items():
        print(f"{key.replace('_', ' ')}: {value}")
    return DONE


def _summary(journal: Any) -> dict[str, Any]:
    last, ledger, answer = journal.last_reading(), journal.ledger(), journal.last_answer()
    return {
        "readings_signed": journal.reading_count(),
        "unreceipted": len(journal.unreceipted()),
        "last_slot": last.reading.slot if last else None,
        "import_milliwh": last.reading.imported if last else None,
        "export_milliwh": last.reading.exported if last else None,
        "statements_both_signed": journal.agreed_count(),
        "net_pico": ledger.position.net_pico if ledger else None,
        "last_statement": answer.slot if answer else None,
        "objection": answer.detail if answer and answer.reason else "",
    }


if __name__ == "__main__":
    sys.exit(main())
