"""A key on a PKCS#11 token (secure element, HSM, SoftHSM), named by one RFC 7512 address.

    open_key(address: str, folder: Path) -> Pkcs11Key

    pkcs11:token=hive;object=device?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:pin.txt

`token` or `serial` picks the token, `object` (label) or `id` the private key. The PIN is in a file, never in the
address: `pin-value` is refused. python-pkcs11 is the extra `pkcs11`; it is imported when an address names a token.
A session that a token has lost (pulled out, reset) is opened once more at the next signature.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol
from urllib.parse import unquote

from drivers.errors import DriverError

SCHEME = "pkcs11:"
_SECP256K1 = bytes.fromhex("06052b8104000a")
"""The curve's object identifier 1.3.132.0.10 (SEC 2), as CKA_EC_PARAMS holds it."""
_PATH_NAMES = frozenset({"token", "serial", "object", "id", "type"})
_QUERY_NAMES = frozenset({"module-path", "pin-source"})
_ONCE_MORE = (
    "DeviceRemoved",
    "DeviceError",
    "SessionHandleInvalid",
    "SessionClosed",
    "TokenNotPresent",
    "UserNotLoggedIn",
    "ObjectHandleInvalid",
    "KeyHandleInvalid",
)


class TokenFault(DriverError):
    """The token, its driver or its key cannot be used."""

    code = "DRV-TOKEN"


@dataclass(frozen=True, slots=True)
class TokenAddress:
    """The parts of an RFC 7512 address that Hive uses; empty where it names none."""

    module_path: str
    pin_file: Path
    token: str = ""
    serial: str = ""
    label: str = ""
    id: bytes = b""

    @property
    def place(self) -> str:
        """Which key of which token, for messages."""
        return f"{SCHEME}token={self.token or self.serial};object={self.label or self.id.hex()}"


def parse_address(text: str, folder: Path) -> TokenAddress:
    """The parts of an address; TokenFault names the part that is missing, unknown or forbidden."""
    path, _, query = text.removeprefix(SCHEME).partition("?")
    names = _fields(path, ";", _PATH_NAMES, text)
    options = _fields(query, "&", _QUERY_NAMES, text)
    for missing in sorted({"module-path", "pin-source"} - options.keys()):
        raise TokenFault(f"{text[:200]!r}: {missing} is missing after the question mark")
    if not ({"token", "serial"} & names.keys() and {"object", "id"} & names.keys()):
        raise TokenFault(f"{text[:200]!r}: needs token= or serial=, and object= or id=")
    if names.get("type", "private") != "private":
        raise TokenFault(f"{text[:200]!r}: type= can only be private")
    return TokenAddress(
        module_path=options["module-path"],
        pin_file=folder / options["pin-source"].removeprefix("file:"),
        token=names.get("token", ""),
        serial=names.get("serial", ""),
        label=names.get("object", ""),
        id=names.get("id", "").encode("latin-1"),
    )


def _fields(text: str, separator: str, allowed: frozenset[str], whole: str) -> dict[str, str]:
    """Name and value of the parts of an address, percent signs resolved."""
    fields: dict[str, str] = {}
    for part in filter(None, text.split(separator)):
        name, equals, value = part.partition("=")
        if not equals or name in fields or name not in allowed:
            raise TokenFault(
                f"{whole.split('pin-value')[0][:200]!r}: {name!r} is not one of {', '.join(sorted(allowed))}, each once"
            )
        fields[name] = unquote(value, encoding="latin-1") if name == "id" else unquote(value)
    return fields


class _Opened(Protocol):
    """A session's key, as far as it is used."""

    def sign(self, data: bytes, *, mechanism: Any) -> bytes:
        """r and s."""


class Pkcs11Key:
    """A private key on a token. Safe to use from several threads."""

    def __init__(self, address: TokenAddress) -> None:
        """Log in and find the key; TokenFault says what is wrong and what to do."""
        self._address = address
        self._library = _library()
        self._lock = threading.Lock()
        self._key, self._point = self._open()

    @property
    def place(self) -> str:
        """Which key of which token."""
        return self._address.place

    @property
    def point(self) -> bytes:
        """CKA_EC_POINT as the token tells it."""
        return self._point

    def sign_raw(self, digest: bytes) -> bytes:
        """Plain ECDSA over a digest: r and s as the token writes them. TokenFault when it does not answer."""
        with self._lock:
            try:
                return self._sign(digest)
            except self._library.exceptions.PKCS11Error as error:
                if type(error).__name__ not in _ONCE_MORE:
                    raise self._fault("did not sign", error) from error
            self._key, point = self._open()
            if point != self._point:
                raise TokenFault(f"{self.place}: another key answers than at the start; restart with the enrolled one")
            try:
                return self._sign(digest)
            except self._library.exceptions.PKCS11Error as error:
                raise self._fault("did not sign", error) from error

    def _sign(self, digest: bytes) -> bytes:
        return bytes(self._key.sign(digest, mechanism=self._library.Mechanism.ECDSA))

    def _open(self) -> tuple[_Opened, bytes]:
        library, address = self._library, self._address
        pin = _pin(address.pin_file)
        try:
            module = library.lib(address.module_path)
            serial = address.serial.encode() or None
            token = module.get_token(token_label=address.token or None, token_serial=serial)
            key, public = self._pair(self._session(token, pin))
            curve, point = bytes(key[library.Attribute.EC_PARAMS]), bytes(public[library.Attribute.EC_POINT])
        except library.exceptions.PKCS11Error as error:
            raise self._fault("cannot be opened", error) from error
        if curve != _SECP256K1:
            raise TokenFault(f"{self.place}: the key is on another curve; Hive signs on secp256k1")
        return key, point

    def _session(self, token: Any, pin: str) -> Any:
        """A session that is logged in; a login holds for all sessions of a process (PKCS#11 v2.40, 2.6.4)."""
        try:
            return token.open(user_pin=pin)
        except self._library.exceptions.UserAlreadyLoggedIn:
            return token.open()

    def _pair(self, session: Any) -> tuple[Any, Any]:
        wanted = {"label": self._address.label or None, "id": self._address.id or None}
        kinds = self._library.ObjectClass
        try:
            private, public = (session.get_key(object_class=k, **wanted) for k in (kinds.PRIVATE_KEY, kinds.PUBLIC_KEY))
        except self._library.exceptions.PKCS11Error:
            session.close()
            raise
        return private, public

    def _fault(self, what: str, error: Exception) -> TokenFault:
        name = type(error).__name__
        return TokenFault(f"{self.place}: {what}: {name} {error}; {_HINTS.get(name, 'see the manual of the token')}")


_HINTS = {
    "NoSuchToken": "is it plugged in, and is token= its label?",
    "NoSuchKey": "is object= the label of a key pair on it, with private and public part?",
    "MultipleObjectsReturned": "several keys have this name; name one by id=",
    "MultipleTokensReturned": "several tokens have this label; name one by serial=",
    "PinIncorrect": "correct the file that pin-source names; after a few wrong tries the token locks itself",
    "PinLocked": "too many wrong PINs; unlock it with the security officer's PIN",
    "PKCS11Error": "is module-path the token's PKCS#11 library?",
    "DeviceRemoved": "plug it in again",
}


def open_key(address: str, folder: Path) -> Pkcs11Key:
    """The key that an RFC 7512 address names; a relative pin-source is relative to `folder`. Raises TokenFault."""
    return Pkcs11Key(parse_address(address, folder))


def _library() -> ModuleType:
    try:
        import pkcs11
    except ImportError as error:
        raise TokenFault("a pkcs11: key needs python-pkcs11; install Hive with the extra pkcs11") from error
    return pkcs11


def _pin(file: Path) -> str:
    """The PIN in a file that its owner alone may read."""
    try:
        text, mode = file.read_text(encoding="utf-8"), file.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise TokenFault(f"{file}: the PIN cannot be read: {error}; name its file by pin-source") from error
    if mode & 0o077:
        raise TokenFault(f"{file}: others may read this PIN; chmod 600 {file}")
    return text.strip()
