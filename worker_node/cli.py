"""`hive-worker`: run the daemon, check its settings, show what it reads, test a battery, close the account alone.

Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted; `close` also 3 not reachable, 5 refused by a
rule, 6 chain transaction failed.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from drivers.errors import DriverError
from honey_edge.model.errors import HiveError
from honey_edge.model.options import SettingsError
from honey_edge.model.slots import slot_end_unix_s
from worker_node.settings import WorkerSettings, effective, load_settings

_LOG = logging.getLogger("worker_node.cli")
SWITCH_INTERVAL_S = 0.0005
"""How long a thread may keep the interpreter when others wait: with the usual 5 ms the meter thread would be late."""
_M_ARENA_MAX = -8
"""The parameter's number in glibc's malloc.h."""
DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
UNREACHABLE, REFUSED, UNMINED = 3, 5, 6
_CLOSE_CODES = {
    "E-RESCUE-USAGE": USAGE,
    "E-NODE": UNREACHABLE,
    "E-CHAIN-LOOK": UNREACHABLE,
    "E-HTTP": UNREACHABLE,
    "E-RESCUE-STATE": REFUSED,
    "E-RESCUE-REFUSED": UNMINED,
    "E-RESCUE-GAS": UNMINED,
    "E-RESCUE-WAITING": UNMINED,
}


_CLOSE_HELP = "close this home's account on the chain without the Queen, from the journal or a copy of it"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    options = parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except SettingsError as error:
        return _complain(error, USAGE)
    except (HiveError, DriverError) as error:
        return _complain(error, _CLOSE_CODES.get(error.code, FAILED))
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
        ("appeal", _appeal, "have the running daemon appeal against the Queen's newest finding"),
        ("show", _show, "show what the journal holds, or what the running daemon reads"),
    ):
        one = commands.add_parser(name, help=text, description=text)
        one.add_argument("--config", default="/etc/hive/worker.toml", help="settings file (TOML)")
        one.add_argument("--json", action="store_true", help="print JSON")
        one.set_defaults(command=partial(_with_settings, command))
        if name == "show":
            one.add_argument("--live", action="store_true", help="show what the running daemon reads now")
    _add_battery(commands)
    _add_scan(commands)
    _add_meter(commands)
    _add_close(commands.add_parser("close", help=_CLOSE_HELP, description=_CLOSE_HELP))
    return parser


_Command = Callable[[WorkerSettings, argparse.Namespace], int]


def _with_settings(command: _Command, options: argparse.Namespace) -> int:
    return command(load_settings(Path(options.config)), options)


def _add_battery(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "test a battery before it follows plans; let it go when the daemon is gone"
    verbs = commands.add_parser("battery", help=text, description=text).add_subparsers(required=True, metavar="VERB")
    for name, text in (
        ("sign-test", "two minutes of charging and discharging while the meter is watched; writes the signed record"),
        ("letgo", "the process that writes automatic when the daemon ends or falls silent; run it as a service"),
    ):
        one = verbs.add_parser(name, help=text, description=text)
        one.add_argument("--config", default="/etc/hive/worker.toml", help="settings file (TOML)")
        one.set_defaults(command=partial(_with_settings, partial(_installer, name)))
        if name == "sign-test":
            one.add_argument("--household-agrees", action="store_true", help="the household agreed to test and plans")
            one.add_argument("--json", action="store_true", help="print JSON")


def _add_scan(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "find Modbus units on a serial line; never while a daemon uses it"
    one = commands.add_parser("scan", help=text, description=text)
    one.add_argument("port", metavar="LINE", help="serial line such as /dev/ttyUSB0")
    one.add_argument("--units", default="", metavar="N-M", help="unit numbers such as 1 (the default) or 1-10")
    one.add_argument("--config", default="/etc/hive/worker.toml", help="settings file of the daemon to keep clear of")
    one.set_defaults(command=_scan)


def _add_meter(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "say that the meter was exchanged, so that the books go on from the new one"
    verbs = commands.add_parser("meter", help=text, description=text).add_subparsers(required=True, metavar="VERB")
    text = "confirm it; counters that fall or jump stay quarantined otherwise"
    one = verbs.add_parser("exchanged", help=text, description=text)
    one.add_argument("--config", default="/etc/hive/worker.toml", help="settings file (TOML)")
    one.add_argument("--json", action="store_true", help="print JSON")
    one.add_argument("--confirm", action="store_true", help="confirm without asking")
    one.set_defaults(command=partial(_with_settings, _exchanged))


def _exchanged(settings: WorkerSettings, options: argparse.Namespace) -> int:
    from worker_node.app.exchanged import run_exchanged

    return run_exchanged(settings, options)


def _installer(name: str, settings: WorkerSettings, options: argparse.Namespace) -> int:
    from worker_node.app import installer

    return installer.run_let_go(settings, options) if name == "letgo" else installer.run_sign_test(settings, options)


def _scan(options: argparse.Namespace) -> int:
    from worker_node.app.installer import scan

    return scan(options)


def _add_close(one: argparse.ArgumentParser) -> None:
    one.add_argument("--rpc", action="append", default=[], metavar="URL", help="RPC address; give two to compare them")
    one.add_argument("--key", metavar="FILE", help="key that pays the gas, and signs the request")
    one.add_argument("--request-key", metavar="FILE", help="device or payout key that signs the request instead")
    one.add_argument("--journal", metavar="FILE", help="journal.sqlite or a copy; default: the one of the settings")
    one.add_argument("--config", default="/etc/hive/worker.toml", metavar="FILE", help="settings file (TOML)")
    verbs = one.add_mutually_exclusive_group()
    for verb, text in (
        ("finish", "after the window: end the close and pay out"),
        ("claim", "pay a recorded claim, as far as the pool was filled"),
        ("late", "record a newer Statement after a close on an older one"),
    ):
        verbs.add_argument(f"--{verb}", dest="verb", action="store_const", const=verb, default="close", help=text)
    verbs.add_argument("--offline", metavar="FILE", help="only write the signed request, for anybody to send")
    verbs.add_argument("--send", metavar="FILE", help="send a request that --offline wrote")
    hours = "hours for which a request of --offline is good; at most the Hive's window, which is 6 at least"
    one.add_argument("--valid-h", type=float, default=5.0, metavar="H", help=hours)
    one.add_argument("--dry-run", action="store_true", help="simulate, show step and cost, send nothing")
    one.add_argument("--confirm", action="store_true", help="send without asking")
    one.add_argument("--wait-s", type=float, default=300.0, metavar="S", help="how long to wait until it is mined")
    one.add_argument("--json", action="store_true", help="print JSON")
    one.set_defaults(command=_close)


def _close(options: argparse.Namespace) -> int:
    from worker_node.rescue.command import run

    return run(options)


def _share_one_heap() -> None:
    """Lets all threads take memory from one heap (mallopt(3)): each keeping its own costs 1 MiB; glibc only."""
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def _run(settings: WorkerSettings, options: argparse.Namespace) -> int:
    from worker_node.app.daemon import Daemon
    from worker_node.app.log import set_up_log

    # The matrices are tiny; without this the numbers library keeps buffers for every core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _share_one_heap()
    set_up_log()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
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
    sections, battery = effective(settings), _battery_note(settings, who.address)
    if options.json:
        print(json.dumps({"address": who.address, "battery": battery, "settings": sections}, indent=2))
        return DONE
    print(f"address {who.address}, terms version {who.agreement.terms.version}: in order")
    if battery:
        print(f"battery: {battery}")
    for name, values in sections.items():
        print(f"\n[{name}]")
        for key, value in values.items():
            print(f"{key} = {json.dumps(value)}")
    return DONE


def _battery_note(settings: WorkerSettings, address: str) -> str:
    """Whether a record of a sign test allows commands to the battery; empty without a real one."""
    if settings.battery is None or settings.battery.simulated:
        return ""
    from worker_node.settings_sunspec import control_profile
    from worker_node.sign_record import FILE, SignRecordError, read_record

    try:
        profile = control_profile(settings.battery, settings.folder)
        record = read_record(settings.path(settings.worker.state_dir) / FILE, address, profile)
    except SignRecordError as error:
        return str(error)
    return f"sign test passed by {record.serial}"


def _appeal(settings: WorkerSettings, options: argparse.Namespace) -> int:
    from worker_node.app.parts import JOURNAL_FILE, read_identity
    from worker_node.fair_play import want_appeal
    from worker_node.journal import Journal
    from worker_node.journal_schema import JournalError

    file = settings.path(settings.worker.state_dir) / JOURNAL_FILE
    if not file.exists():
        raise JournalError(f"{file}: there is no journal yet", next_step="run the daemon first")
    journal = Journal(file, read_identity(settings).signer.address)
    try:
        serial = want_appeal(journal)
    finally:
        journal.close()
    document = {"finding": serial, "appeal": "the daemon sends it at the end of the running slot"}
    print(json.dumps(document) if options.json else f"finding {serial}: {document['appeal']}")
    return DONE


def _show(settings: WorkerSettings, options: argparse.Namespace) -> int:
    if options.live:
        from worker_node.app.installer import show_live

        return show_live(settings, options)
    from worker_node.app.parts import JOURNAL_FILE, read_identity
    from worker_node.journal import Journal
    from worker_node.journal_schema import JournalError

    file = settings.path(settings.worker.state_dir) / JOURNAL_FILE
    if not file.exists():
        raise JournalError(f"{file}: there is no journal yet", next_step="run the daemon first")
    who = read_identity(settings)
    journal = Journal(file, who.signer.address)
    document = _summary(journal)
    if settings.chain is not None:
        document |= _chain_summary(journal, who.agreement, _now_unix_s(settings, journal))
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


def _now_unix_s(settings: WorkerSettings, journal: Any) -> float:
    """The time against which a look's age counts; with granted time that of the newest reading."""
    last = journal.last_reading()
    if settings.clock.kind == "granted" and last is not None:
        return float(slot_end_unix_s(last.reading.slot))
    return time.time()


def _chain_summary(journal: Any, agreement: Any, now_unix_s: float) -> dict[str, Any]:
    """The newest look at the chain on which both addresses agreed, and what it means now."""
    from worker_node.app.chain import own_of
    from worker_node.chain_eye.findings import cover_text, findings
    from worker_node.chain_eye.look import STATE_NAMES, ChainLook

    kept = journal.chain_look()
    look = ChainLook.decoded(kept) if kept else None
    if look is None:
        return {"chain_checked_unix_s": None, "chain_findings": ["unchecked"]}
    own = own_of(journal, look, agreement)
    return {
        "chain_checked_unix_s": look.at_unix_s,
        "chain_block": look.block,
        "chain_account": STATE_NAMES[look.state],
        "chain_slot": look.slot,
        "chain_credit_micro": look.funding_micro - look.net_micro,
        "chain_pool_micro": look.pool_micro,
        "chain_pending_micro": look.pending_micro,
        "chain_settled_slot": look.settled_slot,
        "chain_close_ends_unix_s": look.close_ends_unix_s,
        "chain_close_slot": look.close_slot,
        "chain_cover": cover_text(look, own),
        "chain_findings": list(findings(look, own, now_unix_s, now_unix_s)),
    }


if __name__ == "__main__":
    sys.exit(main())
