"""Flashing sends what the board needs and believes only what it reads back; a check says when a head stands still."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from provisioning import head
from provisioning.cli import main
from provisioning.head_files import files_of

SETTINGS = """
part = "atm90e32as"
unit = 7
serial = "HEAD-1"
chip = { meter_constant = 3200 }
bus = { number = 0, clock = 2, out = 3, in = 4, select = 5, hz = 200000 }
port = { kind = "usb" }
"""


class Board:
    """A board behind mpremote; `spoil` changes one file on its way."""

    def __init__(self, spoil: str = "") -> None:
        self.files: dict[str, bytes] = {"boot.txt": b"41"}
        self.spoil = spoil
        self.started = 0

    def run(self, arguments: Sequence[str]) -> str:
        assert arguments[:2] == ["connect", "/dev/ttyACM0"]
        words = list(arguments[3 if arguments[2] == "resume" else 2 :])
        if words[:3] == ["fs", "cp", "-r"]:
            folder = Path(words[3])
            for path in folder.rglob("*"):
                if path.is_file():
                    name = path.relative_to(folder).as_posix()
                    self.files[name] = path.read_bytes() + (b"!" if name == self.spoil else b"")
        elif words[:2] == ["fs", "sha256sum"]:
            return f"sha256sum {words[2]}\n{hashlib.sha256(self.files[words[2][1:]]).hexdigest()}\n"
        elif words == ["soft-reset"]:
            self.started += 1
        else:
            raise AssertionError(words)
        return ""


def settings_file(folder: Path, text: str = SETTINGS) -> Path:
    file = folder / "head.toml"
    file.write_text(text)
    return file


def test_a_board_gets_program_settings_and_key_and_keeps_its_boots(tmp_path: Path) -> None:
    board, key = Board(), head.make_key(tmp_path / "head.key", anew=False)
    count = head.flash("/dev/ttyACM0", head.head_settings(settings_file(tmp_path)), key, board.run)
    assert count == len(board.files) - 1
    assert board.files["head.key"] == key.hex().encode()
    assert json.loads(board.files["head.json"])["serial"] == "HEAD-1"
    assert board.files["main.py"] == (Path(head.__file__).parent.parent / "drivers/head/main.py").read_bytes()
    assert board.files["drivers/chips/atm90e32as.mpy"][:1] == b"M"
    assert "drivers/chips/ade9000.mpy" not in board.files
    assert board.files["boot.txt"] == b"41"
    assert board.started == 1


@pytest.mark.parametrize("spoil", ["main.py", "head.key", "drivers/head/server.mpy"])
def test_a_file_that_arrived_otherwise_is_named_and_the_board_not_started(tmp_path: Path, spoil: str) -> None:
    board = Board(spoil)
    with pytest.raises(head.HeadError, match=f"{spoil} on the board differs"):
        head.flash("/dev/ttyACM0", head.head_settings(settings_file(tmp_path)), bytes(32), board.run)
    assert board.started == 0


def test_a_key_is_made_once_and_replaced_only_on_demand(tmp_path: Path) -> None:
    file = tmp_path / "head.key"
    first = head.make_key(file, anew=False)
    assert file.stat().st_mode & 0o777 == 0o600
    assert head.make_key(file, anew=False) == first
    assert head.make_key(file, anew=True) != first
    file.write_text("zz")
    with pytest.raises(head.HeadError, match="holds no key"):
        head.make_key(file, anew=False)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (SETTINGS.replace("atm90e32as", "m90e26"), "part m90e26 is not one of"),
        (SETTINGS.replace("usb", "wifi"), "port.kind"),
        (SETTINGS.replace("unit = 7", "unit = 700"), "unit 700 is outside"),
        (SETTINGS.replace('serial = "HEAD-1"', ""), "serial is missing"),
        ("part =", "head.toml"),
    ],
)
def test_settings_of_no_head_are_refused_by_name_before_anything_is_sent(
    tmp_path: Path, text: str, wanted: str
) -> None:
    with pytest.raises(head.HeadError, match=wanted):
        head.head_settings(settings_file(tmp_path, text))


def test_only_the_boards_own_modules_and_one_chips_driver_are_sent() -> None:
    sent = files_of("ade9000")
    assert "drivers/chips/ade9000.py" in sent
    assert "main.py" in sent
    assert not [name for name in sent if "atm90e32as" in name or "ade7878" in name or "linux" in name]


def test_the_command_says_what_is_wrong_and_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = ["head", "check", "--port", str(tmp_path / "tty"), "--key-file", str(tmp_path / "head.key")]
    assert main(missing) == 1
    told = capsys.readouterr().err
    assert "E-HEAD" in told
    assert "flash the head first" in told
    head.make_key(tmp_path / "head.key", anew=False)
    assert main(missing) == 1
    assert "DRV-BUS" in capsys.readouterr().err
    assert main(["head", "flash", "--settings", "none", "--port", "x", "--key-file", str(tmp_path / "k")]) == 1
    assert "E-HEAD" in capsys.readouterr().err
    assert not (tmp_path / "k").exists()
    assert main(["commission", "--config", str(tmp_path / "worker.toml")]) == 2
    assert "E-SETTINGS" in capsys.readouterr().err
    with pytest.raises(SystemExit) as usage:
        main(["head"])
    assert usage.value.code == 2
