"""What the daemon reads, for `hive-worker show --live`: one JSON object per connection on a socket in runtime_dir.

Only the daemon's own user may connect (mode 0600); nothing is asked, nothing can be changed. That somebody answers
there is also how other commands know that the daemon runs.
"""

import asyncio
import json
import logging
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from honey_edge.model.errors import HiveError
from worker_node.settings import WorkerSettings
from worker_node.state import State

_LOG = logging.getLogger(__name__)
SOCKET = "live.sock"
_ANSWER_S = 5.0
_MOST_BYTES = 1 << 20


class NotRunning(HiveError):
    """No daemon of these settings runs, so there is nothing live to show."""

    code = "E-NOT-RUNNING"


def live_document(state: State, battery: str, kept: bool) -> dict[str, Any]:
    """The newest sample and what is known about it.

    `kept`: whether this daemon commands a real battery; `battery` says why it does not now (empty: it does).
    """
    live = asdict(state.live) if state.live is not None else None
    return {
        "now_unix_s": state.now_unix_s,
        "home": state.home.name,
        "meter": state.home.meter,
        "meter_silent_since_unix_s": state.meter_silent_since_unix_s,
        "clock_trusted": state.clock_trusted,
        "live": live,
        "readings_signed": state.readings_signed,
        "plan": state.plan.source,
        "set_point_w": state.plan.set_point_w,
        "battery": battery,
        "battery_kept": kept,
        "checks": [asdict(check) for check in state.checks],
    }


class LiveServer:
    """Tells the newest snapshot to whoever connects."""

    def __init__(self, settings: WorkerSettings, read: Callable[[], dict[str, Any]]) -> None:
        self._file = settings.path(settings.worker.runtime_dir) / SOCKET
        self._read = read

    async def run(self) -> None:
        """Answers until cancelled. A socket that cannot be made is said in the log and leaves the metering alone."""
        try:
            server = await asyncio.start_unix_server(self._answer, sock=self._bound())
        except OSError as error:
            _LOG.warning("live_socket_missing file=%s reason=%r", self._file, str(error))
            await asyncio.Event().wait()
            return
        try:
            await server.serve_forever()
        finally:
            self._file.unlink(missing_ok=True)

    def _bound(self) -> socket.socket:
        """The socket in place, for this user only before anybody can connect."""
        self._file.unlink(missing_ok=True)
        bound = socket.socket(socket.AF_UNIX)
        try:
            bound.bind(str(self._file))
            self._file.chmod(0o600)
        except OSError:
            bound.close()
            raise
        return bound

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_ANSWER_S):
                writer.write(json.dumps(self._read()).encode() + b"\n")
                await writer.drain()
        except (TimeoutError, ConnectionError):
            return
        finally:
            writer.close()


def ask_daemon(settings: WorkerSettings) -> dict[str, Any]:
    """What the running daemon reads now. Raises NotRunning."""
    file = settings.path(settings.worker.runtime_dir) / SOCKET
    try:
        data = _received(file)
        document = json.loads(data)
        if not isinstance(document, dict):
            raise ValueError("no object")
    except (OSError, ValueError) as error:
        why = "nobody answers there" if isinstance(error, OSError) else "the answer is not whole"
        raise NotRunning(f"{file}: {why}; no daemon of these settings runs", next_step="hive-worker run") from error
    return document


def daemon_runs(settings: WorkerSettings) -> bool:
    """Whether a daemon of these settings runs now."""
    try:
        ask_daemon(settings)
    except NotRunning:
        return False
    return True


def _received(file: Path) -> bytes:
    data = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_S)
        connection.connect(str(file))
        while len(data) < _MOST_BYTES and (more := connection.recv(65_536)):
            data += more
    return data


def live_lines(document: dict[str, Any]) -> list[str]:
    """The document for people: one value per line with its unit."""
    live = document.get("live")
    lines = [f"meter: {document['meter']}, home {document['home']}"]
    if live is None:
        lines.append("no sample yet")
    else:
        lines += _sample_lines(live, float(document["now_unix_s"]))
    if document["meter_silent_since_unix_s"] is not None:
        lines.append(f"meter silent since: {document['meter_silent_since_unix_s']:.0f} (Unix time)")
    lines.append(f"clock: {'disciplined' if document['clock_trusted'] else 'not disciplined'}")
    lines.append(f"readings signed: {document['readings_signed']}")
    lines.append(f"plan: {document['plan']}, set point {_number(document['set_point_w'], 'W', 0)}")
    if document["battery"]:
        lines.append(f"battery not commanded: {document['battery']}")
    for check in document["checks"]:
        lines.append(f"check {check['name']}: {'passed' if check['ok'] else 'failed: ' + check['detail']}")
    return lines


def _sample_lines(live: dict[str, Any], now_unix_s: float) -> list[str]:
    lines = [
        f"sample: {live['at_unix_s']:.0f} (Unix time), {max(0.0, now_unix_s - live['at_unix_s']):.0f} s old",
        f"power: {_number(live['power_w'], 'W')} (import positive)",
    ]
    for name, key, unit in (
        ("power of the phases", "phase_power_w", "W"),
        ("voltage", "voltage_v", "V"),
        ("current", "current_a", "A"),
    ):
        values = live[key]
        text = ", ".join(_number(value, unit) for value in values) if values else "not measured"
        lines.append(f"{name}: {text}")
    lines.append(f"frequency: {_number(live['frequency_hz'], 'Hz', 3)}")
    lines.append(f"import: {live['import_milliwh'] / 1e6:.6f} kWh, export: {live['export_milliwh'] / 1e6:.6f} kWh")
    if live["battery_w"] is not None:
        charge = live["soc_permille"]
        charged = "" if charge is None else f", {charge / 10:.1f} % charged"
        lines.append(f"battery: {_number(live['battery_w'], 'W')} (charging positive){charged}")
    return lines


def _number(value: float | None, unit: str, digits: int = 1) -> str:
    return "not measured" if value is None else f"{value:.{digits}f} {unit}"
