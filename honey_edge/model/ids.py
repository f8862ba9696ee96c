"""Identities: a Worker is its device key's address, 40 lower-case hex digits without 0x."""

import re

from honey_edge.model.errors import HiveError

_ADDRESS = re.compile(r"[0-9a-f]{40}")
_SERIAL = re.compile(r"[A-Za-z0-9-]{1,32}")


class IdentityError(HiveError, ValueError):
    """A text is not an address or serial of the agreed form."""

    code = "E-IDENTITY"


def address_text(raw: bytes) -> str:
    """20 bytes as the text used in topics, JSON and file names."""
    if len(raw) != 20:
        raise IdentityError(f"an address has 20 bytes, not {len(raw)}")
    return raw.hex()


def address_bytes(text: str) -> bytes:
    """The 20 bytes of an address text; IdentityError for any other form (0x, capitals, length)."""
    if not _ADDRESS.fullmatch(text):
        raise IdentityError(f"{text[:64]!r} is not an address of 40 lower-case hex digits without 0x")
    return bytes.fromhex(text)


def checked_serial(text: str) -> str:
    """A printed serial: letters, digits and hyphens, at most 32."""
    if not _SERIAL.fullmatch(text):
        raise IdentityError(f"{text[:64]!r} is not a serial (letters, digits, hyphens, at most 32)")
    return text
