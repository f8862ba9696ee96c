"""One line of settings names where a key is; a wrong line says what is wrong with it and shows no secret."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from drivers.errors import DriverError
from drivers.linux.key_source import KeySourceError, KeyText, find_key
from drivers.linux.pkcs11 import Pkcs11Key, TokenFault, parse_address

TAIL = "?module-path=/m.so&pin-source=pin"


def test_a_file_is_found_relative_to_the_settings(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("11" * 32)
    (tmp_path / "k").chmod(0o640)
    found = find_key("k", tmp_path)
    assert isinstance(found, KeyText)
    assert (found.text, found.mode & 0o777, found.place) == ("11" * 32, 0o640, str(tmp_path / "k"))
    with pytest.raises(KeySourceError, match="nothing: the key cannot be read"):
        find_key("nothing", tmp_path)


def test_a_credential_is_found_only_where_the_service_manager_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(KeySourceError, match="LoadCredentialEncrypted=device-key"):
        find_key("credential:device-key", tmp_path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for name in ("../passwd", "", ".", "..", "a/b", "x" * 65):
        with pytest.raises(KeySourceError, match="a credential's name"):
            find_key(f"credential:{name}", tmp_path)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("pkcs11:token=t;object=o", "module-path is missing"),
        ("pkcs11:token=t;object=o?module-path=/m.so", "pin-source is missing"),
        (f"pkcs11:object=o{TAIL}", "needs token= or serial="),
        (f"pkcs11:token=t{TAIL}", "object= or id="),
        (f"pkcs11:token=t;token=u;object=o{TAIL}", "'token' is not one of"),
        (f"pkcs11:token=t;object=o;colour=red{TAIL}", "'colour' is not one of"),
        (f"pkcs11:token=t;object=o;type=cert{TAIL}", "type= can only be private"),
        (f"pkcs11:token{TAIL}", "'token' is not one of"),
    ],
)
def test_an_address_that_names_no_key_is_refused(text: str, wanted: str, tmp_path: Path) -> None:
    with pytest.raises(TokenFault, match=wanted):
        find_key(text, tmp_path)


def test_a_pin_in_the_address_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(TokenFault, match="pin-value") as refused:
        find_key("pkcs11:token=t;object=o?module-path=/m.so&pin-value=73913", tmp_path)
    assert "73913" not in str(refused.value)


def test_percent_signs_and_bytes_of_an_id_are_resolved(tmp_path: Path) -> None:
    found = parse_address(f"pkcs11:token=my%20hive;id=%01%ff{TAIL}", tmp_path)
    assert (found.token, found.id, found.pin_file) == ("my hive", b"\x01\xff", tmp_path / "pin")


def test_a_token_is_refused_by_what_is_wrong_with_it(soft_token, tmp_path: Path) -> None:
    good = soft_token.address("device")
    wrong_pin = tmp_path / "pin"
    wrong_pin.write_text("wrong")
    wrong_pin.chmod(0o600)
    cases = {
        good.replace(soft_token.module, "/nowhere.so"): "module-path",
        good.replace("token=hive", "token=other"): "is it plugged in",
        good.replace("object=device", "object=none"): "is object= the label",
        soft_token.address("tls"): "another curve",
        good.replace(str(soft_token.pin_file), str(tmp_path / "none")): "PIN cannot be read",
    }
    for address, wanted in cases.items():
        with pytest.raises(DriverError, match=wanted):
            find_key(address, tmp_path)
    wrong_pin.chmod(0o644)
    with pytest.raises(TokenFault, match="others may read this PIN"):
        find_key(good.replace(str(soft_token.pin_file), str(wrong_pin)), tmp_path)


def test_a_wrong_pin_is_named_by_its_file(soft_token, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("wrong")
    (tmp_path / "pin").chmod(0o600)
    address = soft_token.address("device").replace(str(soft_token.pin_file), "pin")
    program = (
        "import sys, pathlib; from drivers.linux.key_source import find_key; find_key(sys.argv[1], pathlib.Path('.'))"
    )
    command = [sys.executable, "-c", program, address]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "PinIncorrect" in ended.stderr
    assert "correct the file that pin-source names" in ended.stderr


def test_a_token_that_lost_its_session_signs_after_opening_it_once_more(soft_token, tmp_path: Path) -> None:
    key = find_key(soft_token.address("device"), tmp_path)
    assert isinstance(key, Pkcs11Key)
    key._key.session.close()
    assert len(key.sign_raw(b"\x01" * 32)) == 64
