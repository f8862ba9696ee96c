"""Whether the plans under the masks are the plans that were declared, and who lied (market-design section 4.5).

A Declaration is keccak(salt, power of the first slot); it is opened with the reading of that slot. The opened values
of all who counted must add up to the first slot of the round's last masked sum (`compare_openings`). Where they do
not, the homes disclose their secrets of that round, and everything they sent is recomputed from these (`audit_round`).
An audit shows the plans of that one round. It is pure: the same record and secrets give the same findings anywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from honey_edge.wire.keccak import keccak
from honey_edge.wire.mask_answer import MaskedAnswer
from honey_edge.wire.mask_home import HomeMasks
from honey_edge.wire.mask_keys import MaskSecret, Roster
from honey_edge.wire.mask_mixture import mixed_w
from honey_edge.wire.mask_queen import IterationRecord
from honey_edge.wire.mask_vector import NOTHING, MaskedVector, WordSum

WITHHELD, WRONG_SECRET = "withheld", "secret"
WRONG_SHARES, WRONG_SEED = "shares", "seed"
WRONG_POWER, WRONG_DECLARATION = "power", "declaration"


@dataclass(frozen=True, slots=True)
class Opening:
    """What a home opens its Declaration with: the salt and its power in the first slot (W, import positive)."""

    salt: bytes
    power_w: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One lie that the record proves: whose, which (one of this module's words), in which iteration, in words."""

    worker: bytes
    what: str
    iteration: int
    detail: str


@dataclass(frozen=True, slots=True)
class Openings:
    """Opened Declarations against the masked sum: who did not open or not truly, and what is left over (W).

    An audit is due when `difference_w` is not 0; it counts what could be opened only.
    """

    unopened: tuple[bytes, ...]
    false: tuple[bytes, ...]
    difference_w: int


@dataclass(frozen=True, slots=True)
class MaskAudit:
    """What an audit finds: the last counted answer of every home that disclosed, and the lies."""

    plans: dict[bytes, MaskedVector]
    findings: tuple[Finding, ...]


def declared_profile(opening: Opening) -> bytes:
    """The 32 bytes that a Declaration holds instead of the power."""
    return keccak(opening.salt + opening.power_w.to_bytes(4, "big", signed=True))


def compare_openings(
    profiles: Mapping[bytes, bytes], openings: Mapping[bytes, Opening], masked_first_slot_w: int
) -> Openings:
    """The homes' openings against their Declarations (`profiles`, by address) and the masked sum of the first slot."""
    unopened = tuple(sorted(profiles.keys() - openings.keys()))
    opened = {worker: openings[worker] for worker in profiles if worker in openings}
    false = tuple(sorted(worker for worker, one in opened.items() if declared_profile(one) != profiles[worker]))
    total = sum(one.power_w for worker, one in opened.items() if worker not in false)
    return Openings(unopened, false, masked_first_slot_w - total)


def audit_round(
    roster: Roster,
    records: Sequence[IterationRecord],
    secrets: Mapping[bytes, bytes],
    openings: Mapping[bytes, Opening],
    largest_w: int,
    last: int | None = None,
    weights_e6: Sequence[int] = (),
) -> MaskAudit:
    """Opens every answer of a round with the disclosed `secrets` and says who sent what does not hold.

    `last` is the last iteration with prices (None: the last record), `weights_e6` the mixture of the final broadcast.
    `largest_w` bounds a power. A home without a secret, or with another than the one it signed the key of, is found by
    that alone; its sums of the round are not excused by it.
    """
    plans, findings = {}, []
    for worker in roster.workers:
        secret = secrets.get(worker)
        if secret is None:
            findings.append(Finding(worker, WITHHELD, 0, "the secret of the round was not disclosed"))
            continue
        own = _secret(secret)
        if own is None or own.public_key != roster.public_keys[worker]:
            findings.append(Finding(worker, WRONG_SECRET, 0, "the secret disclosed is not that of the signed key"))
            continue
        counted = _replay(HomeMasks(worker, own, roster), records, largest_w, findings)
        if not counted:
            continue
        plans[worker] = counted[max(counted)]
        told = openings.get(worker)
        first_w = {number: plan.power_w[:1] for number, plan in counted.items()}
        due_w = mixed_w(first_w, records[-1].number if last is None else last, weights_e6)[0]
        if told is not None and told.power_w != due_w:
            detail = f"{told.power_w} W declared, {due_w} W in the masked answers"
            findings.append(Finding(worker, WRONG_DECLARATION, records[-1].number, detail))
    return MaskAudit(plans, tuple(findings))


def _secret(data: bytes) -> MaskSecret | None:
    try:
        return MaskSecret(data)
    except ValueError:
        return None


def _replay(
    masks: HomeMasks, records: Sequence[IterationRecord], largest_w: int, findings: list[Finding]
) -> dict[int, MaskedVector]:
    """The counted answers of a home in plain, by iteration; appends what does not hold."""
    counted: dict[int, MaskedVector] = {}
    plain, worker = NOTHING, masks.own
    for record in records:
        if worker not in record.texts or worker in record.missing or worker not in record.active:
            continue
        told = MaskedAnswer.of_text(record.texts[worker], len(masks.roster.workers))
        bare = masks.answer(record.number, NOTHING, record.active)
        if (told.secret_check, told.shares) != (bare.secret_check, bare.shares):
            findings.append(Finding(worker, WRONG_SHARES, record.number, "the shares are not those of the secret"))
        seeds = tuple(masks.pair_seed(missing, record.number) for missing in sorted(record.missing))
        if record.seeds.get(worker, seeds) != seeds:
            findings.append(Finding(worker, WRONG_SEED, record.number, "a revealed seed is not that of the two keys"))
        unmasked = WordSum()
        unmasked.add(told.vector)
        unmasked.subtract(bare.vector)
        plain = MaskedVector.of_bytes(unmasked.value()).onto(plain)
        counted[record.number] = plain
        largest = max(abs(power) for power in plain.power_w)
        if largest > largest_w:
            detail = f"{largest} W, no home has more than {largest_w} W"
            findings.append(Finding(worker, WRONG_POWER, record.number, detail))
    return counted
