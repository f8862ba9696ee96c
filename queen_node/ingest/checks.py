"""Whether a message is a Reading that may follow the last accepted one; each refusal has a short reason.

decode -> enrolled, own topic -> flags -> signature -> slot -> chain -> counters -> plausible step
"""

from dataclasses import dataclass

from honey_edge.model.slots import SLOT_S
from honey_edge.wire.codec import MessageError, OversizeError, VersionError, decode
from honey_edge.wire.messages import ReadingMessage
from honey_edge.wire.signing import signed_by
from honey_edge.wire.structs import ZERO_HASH, Reading
from honey_edge.wire.typed_data import Domain, digest_of_hash, struct_hash
from queen_node.store.records import StoredReading

KNOWN_FLAGS = 0x1FF | 0x3 << 16
_SUM_RULE_SHIFT = 16
_UNKNOWN_SUM_RULE = 3
EARLY_SLOTS = 1
PLAUSIBLE_PER_CENT = 120
_MILLIWH_PER_WATT_SECOND_DIVISOR = 36


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message was not kept."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class StepLimit:
    """The largest step a connection can make: its power in watts and a slack in milliwatt-hours."""

    max_power_w: int
    margin_milliwh: int

    def milliwh(self, slots: int) -> int:
        """The most a counter may rise over a number of slots: 1.2 x power x time, plus the slack."""
        watt_seconds = self.max_power_w * slots * SLOT_S
        return watt_seconds * PLAUSIBLE_PER_CENT // (10 * _MILLIWH_PER_WATT_SECOND_DIVISOR) + self.margin_milliwh


def read_signed(domain: Domain, topic_worker: str, worker: bytes, payload: bytes) -> StoredReading | Refusal:
    """The Reading in a message that arrived on the topic of an enrolled Worker, with its signature checked."""
    try:
        message = decode(ReadingMessage, payload)
    except MessageError as error:
        return refused_form(error)
    if message.worker != topic_worker:
        return Refusal("foreign", f"the reading is of {message.worker}, the topic of {topic_worker}")
    flags = message.flags
    if flags & ~KNOWN_FLAGS or flags >> _SUM_RULE_SHIFT == _UNKNOWN_SUM_RULE:
        return Refusal("flags", f"flags {flags:#x} are not all known")
    reading = message.signed()
    hashed = struct_hash(reading)
    signature = bytes.fromhex(message.signature)
    if not signed_by(worker, digest_of_hash(domain, hashed), signature):
        return Refusal("forged", "the signature is not that of the enrolled key")
    return StoredReading(reading, hashed, signature)


def refused_form(error: MessageError) -> Refusal:
    """The refusal for a message that cannot be read."""
    if isinstance(error, OversizeError):
        return Refusal("oversize", str(error))
    return Refusal("version" if isinstance(error, VersionError) else "malformed", str(error))


def too_early(reading: Reading, current_slot: int) -> Refusal | None:
    """A reading of a slot that cannot have ended, beyond one slot of disagreement between clocks."""
    if reading.slot > current_slot + EARLY_SLOTS:
        return Refusal("early", f"slot {reading.slot} has not ended; it is slot {current_slot} now")
    return None


def follows(last: StoredReading | None, new: Reading) -> bool:
    """Whether the reading continues the chain."""
    return new.previous == (ZERO_HASH if last is None else last.hash)


def step_refusal(last: StoredReading | None, new: Reading, limit: StepLimit) -> Refusal | None:
    """Counters never go down, slots only rise, and no connection moves more energy than it can."""
    if last is None:
        return None
    old = last.reading
    if new.slot <= old.slot:
        return Refusal("slot", f"slot {new.slot} follows slot {old.slot} in the chain")
    most = limit.milliwh(new.slot - old.slot)
    for name, before, after in (("import", old.imported, new.imported), ("export", old.exported, new.exported)):
        if after < before:
            return Refusal("counter", f"{name}_milliwh went down from {before} to {after}")
        if after - before > most:
            return Refusal("step", f"{name}_milliwh rose by {after - before}, at most {most} is plausible")
    return None
