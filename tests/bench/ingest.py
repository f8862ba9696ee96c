"""What one verified and stored reading costs the Queen in CPU, against one libsecp256k1 verify call.

100 readings arrive together and are committed in one group to SQLite (WAL, synchronous=FULL) on disk; CPU is that of
the whole process, system calls included. Prints JSON lines; the reference is measured in the same run, in turns.
Bar: at most 4 times. The Receipt (one signature per Worker and group) is reported on a line of its own.
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from coincurve import PrivateKey, PublicKey

from honey_edge.wire.codec import encode
from honey_edge.wire.messages import ReadingMessage
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.structs import ZERO_HASH, Reading
from honey_edge.wire.typed_data import Domain, digest, struct_hash
from queen_node.downlink import receipt_message
from queen_node.ingest.checks import StepLimit
from queen_node.ingest.receiver import Ingest, IngestRules, Receipts
from queen_node.store import Store
from queen_node.store.refusals import Refusals

GROUP = 100
GROUPS = 20
BAR = 4.0
DOMAIN = Domain(31337, b"\x11" * 20)
FIRST_SLOT = 1_900_800


def reference_us() -> float:
    """CPU of one libsecp256k1 ECDSA verification through coincurve, microseconds."""
    key = PrivateKey(b"\x07" * 32)
    message = b"\x21" * 32
    signature = key.sign(message, hasher=None)
    public = PublicKey(key.public_key.format())
    started = time.process_time()
    for _ in range(500):
        assert public.verify(signature, message, hasher=None)
    return (time.process_time() - started) / 500 * 1e6


def messages(signers: list[KeySigner]) -> list[list[tuple[str, bytes]]]:
    """GROUPS slots of one reading of each Worker."""
    previous = {signer.address: ZERO_HASH for signer in signers}
    groups = []
    for step in range(GROUPS):
        group = []
        for signer in signers:
            worker = signer.address
            reading = Reading(worker, FIRST_SLOT + step, 1000 * step, 0, 0, b"\x01" * 32, previous[worker])
            previous[worker] = struct_hash(reading)
            message = ReadingMessage.of(reading, signer.sign(digest(DOMAIN, reading)))
            group.append((worker.hex(), encode(message)))
        groups.append(group)
    return groups


async def no_receipts(_: Receipts) -> None:
    """The group's receipts are measured apart."""


def main() -> int:
    """Prints the figures; 1 when the bar is missed, 0 otherwise."""
    signers = [KeySigner((k + 1).to_bytes(32, "big")) for k in range(GROUP)]
    queen = KeySigner(b"\x51" * 32)
    groups = messages(signers)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{Path(folder) / 'bench.sqlite'}")
        rules = IngestRules(DOMAIN, StepLimit(40_000, 10_000))
        ingest = Ingest(store, rules, Refusals(), lambda: (FIRST_SLOT + GROUPS) * 900.0, no_receipts)
        ingest.enrol([signer.address.hex() for signer in signers])
        references, stored, receipted = [], [], []
        for group in groups:
            references.append(reference_us())
            started = time.process_time()
            for worker, payload in group:
                ingest.offer(worker, payload)
            newest = ingest.commit()
            stored.append((time.process_time() - started) / GROUP * 1e6)
            assert len(newest) == GROUP
            started = time.process_time()
            for row in newest.values():
                encode(receipt_message(7, DOMAIN, queen, row))
            receipted.append((time.process_time() - started) / GROUP * 1e6)
        store.close()
    reference = statistics.median(references)
    held = report("reading verified and stored", statistics.median(stored), reference, BAR)
    return 0 if report("receipt signed and encoded", statistics.median(receipted), reference, None) and held else 1


def report(name: str, value_us: float, reference: float, bar: float | None) -> bool:
    """Prints one JSON line; whether the bar is met, True without one."""
    held = bar is None or value_us <= bar * reference
    line = {
        "bench": "queen ingest",
        "figure": name,
        "cpu_us": round(value_us, 1),
        "reference": "one libsecp256k1 verify call",
        "reference_cpu_us": round(reference, 1),
        "ratio": round(value_us / reference, 2),
        "bar": bar,
        "group": GROUP,
        "held": None if bar is None else held,
    }
    print(json.dumps(line), flush=True)
    return held


if __name__ == "__main__":
    sys.exit(main())
