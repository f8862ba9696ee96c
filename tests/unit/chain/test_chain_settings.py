"""The [chain] options: what is refused, and where."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from eth_account import Account

from honey_edge.model.options import SettingsError
from honey_edge.wire.signing import KeyFileError, KeySigner
from queen_node.settings import ChainSection, Loaded, _check_chain, sender_key

FILE = Path("queen.toml")
URLS = ("http://127.0.0.1:8545", "https://me:pass@node.example/v3/key")


@pytest.mark.parametrize(
    ("section", "text"),
    [
        (ChainSection(rpc_urls=("127.0.0.1:8545",)), "no http or https address"),
        (ChainSection(rpc_urls=("ftp://node",)), "no http or https address"),
        (ChainSection(rpc_urls=("http://",)), "no http or https address"),
        (ChainSection(rpc_urls=(URLS[0], URLS[0])), "names an address twice"),
        (ChainSection(finality="latest"), "neither finalized nor depth:N"),
        (ChainSection(finality="depth:x"), "neither finalized nor depth:N"),
        (ChainSection(fee_cap_tx_wei=5, fee_cap_day_wei=4), "fee_cap_day_wei in .chain. is below fee_cap_tx_wei"),
    ],
)
def test_options_that_do_not_fit_are_refused_with_file_and_name(section: ChainSection, text: str) -> None:
    with pytest.raises(SettingsError, match=text) as refused:
        _check_chain(FILE, section)
    assert str(refused.value).startswith("queen.toml")


def test_good_options_pass() -> None:
    _check_chain(FILE, ChainSection())
    _check_chain(FILE, ChainSection(rpc_urls=URLS, finality="depth:12", fee_cap_tx_wei=5, fee_cap_day_wei=5))


SECRET = (7).to_bytes(32, "big")


@dataclass
class Settings:
    chain: ChainSection


@dataclass
class Place:
    """The two things of the loaded settings that a key needs."""

    folder: Path
    settings: Settings = field(default_factory=lambda: Settings(ChainSection((), "sender.json", "password")))

    def path(self, name: str) -> Path:
        return self.folder / name


def stored(folder: Path, password: str, mode: int = 0o600) -> Loaded:
    """A keystore (cheap on purpose) and a password file."""
    keystore = Account.encrypt(SECRET, "right", kdf="pbkdf2", iterations=2)
    (folder / "sender.json").write_text(json.dumps(keystore))
    (folder / "password").write_text(password + "\n")
    (folder / "password").chmod(mode)
    return Place(folder)  # type: ignore[return-value]


def test_the_sending_key_may_lie_encrypted(tmp_path: Path) -> None:
    assert sender_key(stored(tmp_path, "right")).address == KeySigner(SECRET).address
    assert SECRET.hex() not in (tmp_path / "sender.json").read_text()


def test_a_wrong_password_or_one_that_others_may_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="password is not its password"):
        sender_key(stored(tmp_path, "wrong"))
    with pytest.raises(KeyFileError, match="others may read this password"):
        sender_key(stored(tmp_path, "right", 0o644))
    (tmp_path / "sender.json").write_text(SECRET.hex())
    (tmp_path / "password").chmod(0o600)
    with pytest.raises(SettingsError, match="is no keystore"):
        sender_key(Place(tmp_path))  # type: ignore[arg-type]
    (tmp_path / "password").unlink()
    with pytest.raises(SettingsError, match="password: No such file"):
        sender_key(Place(tmp_path))  # type: ignore[arg-type]
