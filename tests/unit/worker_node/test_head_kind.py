"""A sensor head is a meter kind like any other: settings ask for its key, the Worker opens its driver."""

from pathlib import Path

import pytest

from drivers.head.reader import HeadMeter
from honey_edge.model.options import SettingsError
from tests.unit.worker_node.world import write_settings
from worker_node.app.hardware import open_hardware
from worker_node.metering.meter import Remembering
from worker_node.settings import load_settings

REAL = {'profile = "ca01"': "", '"granted"\ngrant_socket = "grant"': '"system"'}


def settings_file(folder: Path, line: str) -> Path:
    return write_settings(folder, {**REAL, 'kind = "sim:house"': f'kind = "modbus-tcp:head"\n{line}'}, battery=False)


def test_a_head_needs_its_key(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="head_key_file is missing"):
        load_settings(settings_file(tmp_path, ""))
    settings = load_settings(settings_file(tmp_path, 'head_key_file = "head.key"'))
    (tmp_path / "head.key").write_text("zz")
    with pytest.raises(SettingsError, match=r"head\.key holds no 64 hex digits"):
        open_hardware(settings, lambda: 0.0, None)


def test_the_worker_opens_a_head_and_keeps_what_it_counted_from(tmp_path: Path) -> None:
    settings = load_settings(settings_file(tmp_path, 'head_key_file = "head.key"'))
    (tmp_path / "head.key").write_text("11" * 32)
    hardware = open_hardware(settings, lambda: 0.0, None)
    assert isinstance(hardware.meter, HeadMeter)
    assert isinstance(hardware.meter, Remembering)
    hardware.close()
