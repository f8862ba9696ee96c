"""Reading what a person typed: addresses, amounts, hashes, durations. Every refusal starts with the option's name."""

import re
from datetime import UTC, date, datetime

from honey_edge.wire.keccak import keccak
from queen_node.operator.errors import InputError

MICRO = 10**6
HVT_UNIT = 10**18
#: Longest whole part of an amount, digits; more would not fit any field of a contract.
_WHOLE_DIGITS = 15
_ADDRESS = re.compile(r"(?:0x)?([0-9a-fA-F]{40})")


def address(text: str, name: str) -> str:
    """An address as 40 lower-case hex digits; `0x` and capitals are taken, since wallets show them so.

    Mixed capitals must be the checksum of EIP-55: a mistyped digit is found there.
    """
    found = _ADDRESS.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{name}: {text[:64]!r} is no address of 40 hex digits")
    plain = found.group(1)
    if plain != plain.lower() and plain != plain.upper() and plain != checksum(plain)[2:]:
        raise InputError(f"{name}: {text} fails its checksum", next_step="copy the address again; a digit is wrong")
    if int(plain, 16) == 0:
        raise InputError(f"{name}: the zero address is nobody's")
    return plain.lower()


def checksum(plain: str) -> str:
    """An address as wallets show it: 0x and the capitals of EIP-55."""
    lower = plain.lower()
    hashed = keccak(lower.encode()).hex()
    return "0x" + "".join(c.upper() if int(h, 16) > 7 else c for c, h in zip(lower, hashed, strict=False))


def decimal_units(text: str, decimals: int, name: str, *, zero: bool = False) -> int:
    """`12.5` as a whole number of the smallest unit; more digits than the unit has are refused, never rounded.

    Zero is refused unless `zero` allows it.
    """
    whole, _, part = text.strip().partition(".")
    if not whole.isascii() or not whole.isdecimal() or not (part == "" or (part.isascii() and part.isdecimal())):
        raise InputError(f"{name}: {text[:40]!r} is no amount such as 12.50")
    if len(part) > decimals:
        raise InputError(f"{name}: {text} has {len(part)} decimals, the coin has {decimals}")
    if len(whole) > _WHOLE_DIGITS:
        raise InputError(f"{name}: {text[:40]} is more than any coin has")
    units: int = int(whole) * 10**decimals + int((part or "0").ljust(decimals, "0"))
    if units == 0 and not zero:
        raise InputError(f"{name}: must be more than zero")
    return units


def micro_coins(text: str, name: str = "AMOUNT") -> int:
    """Coins as micro-coins."""
    return decimal_units(text, 6, name)


def decimal_text(units: int, decimals: int, least: int = 0) -> str:
    """A whole number of smallest units as a decimal text, at least `least` decimals."""
    sign, size = "-" if units < 0 else "", abs(units)
    part = str(size % 10**decimals).rjust(decimals, "0").rstrip("0") if decimals else ""
    part = part.ljust(least, "0")
    return f"{sign}{size // 10**decimals}" + (f".{part}" if part else "")


def coin_text(micro: int) -> str:
    """Micro-coins as coins with at least two decimals."""
    return decimal_text(micro, 6, 2)


def hvt_text(wei: int) -> str:
    """Smallest units of HVT as HVT."""
    return decimal_text(wei, 18)


def native_text(wei: int) -> str:
    """Wei as the chain's own coin, rounded up at nine decimals for the eye."""
    return decimal_text(-(-wei // 10**9), 9)


def hive_number(value: int, name: str = "HIVE") -> int:
    """The number of a Hive."""
    if not 0 < value < 2**32:
        raise InputError(f"{name}: {value} is no number of a Hive (1 to {2**32 - 1})")
    return value


def point_hash(text: str) -> bytes:
    """The hash under which a connection point stands on the chain; its text is not published."""
    if not text.strip():
        raise InputError(
            "--point: is empty", next_step="give the text that names the connection, e.g. its contract number"
        )
    return keccak(text.strip().encode())


def unix_s(text: str, name: str) -> int:
    """A date or instant in UTC, or unix seconds."""
    if text.isascii() and text.isdecimal():
        return int(text)
    try:
        if len(text) == 10:
            day = date.fromisoformat(text)
            return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{name}: {text[:40]!r} is no date such as 2027-06-30") from error
    return int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp())


def utc_text(at_unix_s: int) -> str:
    """An instant for machines."""
    return datetime.fromtimestamp(at_unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
