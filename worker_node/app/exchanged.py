"""`hive-worker meter exchanged`: a person confirms it, and the daemon takes the new meter's register up."""

import argparse
import json
import time

from honey_edge.model.errors import HiveError
from worker_node.app.parts import JOURNAL_FILE, read_identity
from worker_node.journal import Journal
from worker_node.journal_schema import JournalError
from worker_node.settings import WorkerSettings

_QUESTION = "The meter was exchanged, and the old one's last reading was noted? [yes/no] "


class ExchangeError(HiveError):
    """An exchange cannot be confirmed."""

    code = "E-METER-EXCHANGE"


def run_exchanged(settings: WorkerSettings, options: argparse.Namespace) -> int:
    """Asks, unless --confirm is given, and writes the confirmation into the journal. Raises HiveError, DriverError."""
    kind = settings.meter.kind
    if not kind.startswith("modbus-"):
        raise ExchangeError(
            f"a meter of kind {kind} keeps no counter of its own that the books follow",
            next_step="nothing: a new chip is noticed by itself and flagged",
        )
    file = settings.path(settings.worker.state_dir) / JOURNAL_FILE
    if not file.exists():
        raise JournalError(f"{file}: there is no journal yet", next_step="run the daemon first")
    if not options.confirm and input(_QUESTION).strip().lower() != "yes":
        raise ExchangeError("not confirmed", next_step="confirm it when the new meter is in its place")
    journal = Journal(file, read_identity(settings).signer.address)
    try:
        number = journal.exchanges.confirm(_now_unix_s(settings))
    finally:
        journal.close()
    if options.json:
        print(json.dumps({"exchange": number}))
    else:
        print(f"exchange {number} confirmed: the daemon goes on from the new meter's counters within a day")
    return 0


def _now_unix_s(settings: WorkerSettings) -> int:
    """The daemon's time: under a granted clock that of its newest record."""
    if settings.clock.kind != "granted":
        return int(time.time())
    from worker_node.app.parts import open_checkpoint

    found = open_checkpoint(settings).find()
    return found.record.at_unix_s if found else settings.clock.start_unix_s
