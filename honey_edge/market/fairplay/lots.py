"""The lot that picks what is audited (market-design section 10, test B). No numbers library: Workers check it too."""

from __future__ import annotations

import hashlib

DRAWN_PER_MILLE = 10


def is_drawn(seed: bytes, worker: str, round_id: int, iteration: int, per_mille: int = DRAWN_PER_MILLE) -> bool:
    """Whether this answer is audited. `seed` is published only after the round, so it cannot be played for."""
    text = f"{worker}/{round_id}/{iteration}".encode()
    return int.from_bytes(hashlib.sha256(seed + b"/" + text).digest()[:8], "big") % 1000 < per_mille
