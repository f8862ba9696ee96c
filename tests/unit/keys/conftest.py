"""A SoftHSM token of this test run's own, with keys that it makes itself."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
)


@dataclass(frozen=True)
class SoftToken:
    """A token: its module, label, and the file of its PIN."""

    module: str
    label: str
    pin_file: Path

    def address(self, label: str, **more: str) -> str:
        """The RFC 7512 address of a key on it."""
        query = {"module-path": self.module, "pin-source": f"file:{self.pin_file}", **more}
        return f"pkcs11:token={self.label};object={label}?" + "&".join(f"{k}={v}" for k, v in query.items())

    def make_pair(self, label: str, curve: str) -> None:
        """A key pair made on the token."""
        import pkcs11
        from pkcs11.util.ec import encode_named_curve_parameters

        token = pkcs11.lib(self.module).get_token(token_label=self.label)
        with token.open(rw=True, user_pin=self.pin_file.read_text()) as session:
            named = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
            parameters = session.create_domain_parameters(pkcs11.KeyType.EC, named, local=True)
            parameters.generate_keypair(store=True, label=label)


@pytest.fixture(scope="session")
def soft_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftToken]:
    """One token for the run: the library reads its configuration once a process."""
    module = next((one for one in MODULES if Path(one).exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed (package softhsm2): keys on tokens are NOT tested")
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    pin, pin_file = secrets.token_hex(4), folder / "pin"
    pin_file.write_text(pin)
    pin_file.chmod(0o600)
    command = ["softhsm2-util", "--module", module, "--init-token", "--free", "--label", "hive"]
    subprocess.run([*command, "--pin", pin, "--so-pin", secrets.token_hex(4)], check=True, capture_output=True)
    token = SoftToken(module, "hive", pin_file)
    for label, curve in (("device", "secp256k1"), ("tls", "secp256r1")):
        token.make_pair(label, curve)
    yield token
    del os.environ["SOFTHSM2_CONF"]
