"""Bench: the EIP-712 digest packed by hand against eth-account's encoder, in the same run. Prints one JSON line.

Bar: at least 10 times faster (issue, Figures).
"""

import json
import sys
import time
from collections.abc import Callable

from eth_account.messages import encode_typed_data

from honey_edge.wire.keccak import keccak
from honey_edge.wire.structs import Reading
from honey_edge.wire.typed_data import TYPE_STRINGS, Domain, digest

BAR = 10.0
_DOMAIN = Domain(31337, bytes(range(20)))
_READING = Reading(bytes(range(1, 21)), 1_967_000, 123_456_789, 987_654, 0, b"\7" * 32, b"\11" * 32)
_FIELDS = [part.split(" ") for part in TYPE_STRINGS[Reading].removeprefix("Reading(").removesuffix(")").split(",")]
_TYPES = {
    "EIP712Domain": [
        {"name": "name", "type": "string"},
        {"name": "version", "type": "string"},
        {"name": "chainId", "type": "uint256"},
        {"name": "verifyingContract", "type": "address"},
    ],
    "Reading": [{"name": name, "type": kind} for kind, name in _FIELDS],
}


def by_hand() -> bytes:
    """The digest as the daemons compute it."""
    return digest(_DOMAIN, _READING)


def by_eth_account() -> bytes:
    """The same digest by eth-account's encoder."""
    values = ["0x" + _READING.worker.hex(), *(getattr(_READING, name) for name in Reading.__slots__[1:])]
    signable = encode_typed_data(
        full_message={
            "domain": {
                "name": "Hive Settlement",
                "version": "1",
                "chainId": _DOMAIN.chain_id,
                "verifyingContract": "0x" + _DOMAIN.contract.hex(),
            },
            "types": _TYPES,
            "primaryType": "Reading",
            "message": dict(zip((name for _, name in _FIELDS), values, strict=True)),
        }
    )
    return keccak(b"\x19\x01" + signable.header + signable.body)


def cost_us(call: Callable[[], bytes], count: int) -> float:
    """CPU microseconds of one call: the best of five groups."""
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(count):
            call()
        best = min(best, time.process_time() - start)
    return best / count * 1e6


def main() -> int:
    """Prints the figure; 1 when the bar is missed or the digests differ."""
    if by_hand() != by_eth_account():
        print(json.dumps({"bench": "typed_data", "error": "the digests differ"}))
        return 1
    own, reference = cost_us(by_hand, 2000), cost_us(by_eth_account, 100)
    ratio = reference / own
    print(
        json.dumps(
            {
                "bench": "typed_data",
                "what": "EIP-712 digest of a Reading, CPU time",
                "own_us": round(own, 2),
                "reference": "eth_account.messages.encode_typed_data",
                "reference_us": round(reference, 2),
                "ratio": round(ratio, 1),
                "bar": BAR,
                "holds": ratio >= BAR,
            }
        )
    )
    return 0 if ratio >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
