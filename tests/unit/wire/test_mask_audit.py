"""The audit: what was declared is what was masked, or the one who lied is named."""

from dataclasses import replace

from honey_edge.wire.mask_answer import MaskedAnswer
from honey_edge.wire.mask_audit import (
    WITHHELD,
    WRONG_DECLARATION,
    WRONG_POWER,
    WRONG_SECRET,
    WRONG_SEED,
    WRONG_SHARES,
    MaskAudit,
    Opening,
    audit_round,
    compare_openings,
    declared_profile,
)
from honey_edge.wire.mask_vector import MaskedVector
from tests.unit.wire.mask_world import PLACE, Masking, vectors

LARGEST_W = 80_000


class Ended:
    """A finished round of five homes with a dropout in iteration 1."""

    def __init__(self) -> None:
        self.hive = Masking(5).agree()
        self.gone = self.hive.names[3]
        self.plain = {}
        for iteration in range(3):
            told = vectors([n for n in self.hive.names if iteration == 0 or n != self.gone], iteration)
            self.hive.answer(iteration, told)
            self.hive.open()
            self.plain |= told
        self.openings = {n: Opening(bytes([k]) * 32, v.power_w[0]) for k, (n, v) in enumerate(self.plain.items())}
        self.profiles = {name: declared_profile(one) for name, one in self.openings.items()}
        self.masked_w = self.hive.queen.totals.power_w[0]
        for worker in self.hive.workers.values():
            worker.close()
        self.secrets = {name: worker.disclose(PLACE.round) for name, worker in self.hive.workers.items()}

    def audit(self) -> MaskAudit:
        queen = self.hive.queen
        return audit_round(queen.roster, queen.records, self.secrets, self.openings, LARGEST_W)

    def found(self) -> set[tuple[bytes, str]]:
        return {(finding.worker, finding.what) for finding in self.audit().findings}


def test_honest_openings_add_up_and_an_audit_finds_the_plans_and_no_lie() -> None:
    ended = Ended()
    compared = compare_openings(ended.profiles, ended.openings, ended.masked_w)
    assert (compared.unopened, compared.false, compared.difference_w) == ((), (), 0)
    audit = ended.audit()
    assert audit.findings == ()
    assert {name: plan.power_w for name, plan in audit.plans.items()} == {n: v.power_w for n, v in ended.plain.items()}
    assert ended.audit() == audit


def test_a_home_that_declares_another_value_than_it_masked_is_named() -> None:
    ended = Ended()
    liar = ended.hive.names[1]
    ended.openings[liar] = replace(ended.openings[liar], power_w=ended.openings[liar].power_w + 500)
    ended.profiles[liar] = declared_profile(ended.openings[liar])
    assert compare_openings(ended.profiles, ended.openings, ended.masked_w).difference_w == -500
    assert ended.found() == {(liar, WRONG_DECLARATION)}


def test_an_opening_that_is_not_the_declaration_s_or_does_not_come_is_named_without_an_audit() -> None:
    ended = Ended()
    false, silent = ended.hive.names[:2]
    left = ended.openings[false].power_w + ended.openings[silent].power_w
    ended.openings[false] = replace(ended.openings[false], power_w=1)
    del ended.openings[silent]
    compared = compare_openings(ended.profiles, ended.openings, ended.masked_w)
    assert (compared.unopened, compared.false, compared.difference_w) == ((silent,), (false,), left)


def test_a_secret_withheld_or_of_another_key_is_named() -> None:
    ended = Ended()
    withheld, wrong, none = ended.hive.names[:3]
    del ended.secrets[withheld]
    ended.secrets[wrong] = b"\x09" * 32
    ended.secrets[none] = bytes(32)
    assert ended.found() == {(withheld, WITHHELD), (wrong, WRONG_SECRET), (none, WRONG_SECRET)}


def test_shares_seeds_and_powers_that_cannot_be_are_named() -> None:
    ended = Ended()
    shares, seed, loud = ended.hive.names[:3]
    first, second, last = ended.hive.queen.records
    told = MaskedAnswer.of_text(last.texts[shares], 5)
    last.texts[shares] = MaskedAnswer(told.vector, told.secret_check, told.shares[::-1]).text()
    second.seeds[seed] = (bytes(32),)
    text = MaskedAnswer.of_text(first.texts[loud], 5)
    moved = MaskedVector.of_bytes(text.vector)
    louder = MaskedVector((moved.words[0] + 10**6 if moved.words[0] < 0 else moved.words[0] - 10**6, *moved.words[1:]))
    first.texts[loud] = MaskedAnswer(louder.plain_bytes(), text.secret_check, text.shares).text()
    assert {(shares, WRONG_SHARES), (seed, WRONG_SEED), (loud, WRONG_POWER)} <= ended.found()
    assert {worker for worker, _ in ended.found()} == {shares, seed, loud}


def test_a_home_that_never_counted_has_no_plan_and_is_not_accused() -> None:
    hive = Masking(4).agree()
    absent = hive.names[0]
    hive.answer(0, vectors(hive.names[1:], 1))
    hive.open()
    for worker in hive.workers.values():
        worker.close()
    secrets = {name: worker.disclose(PLACE.round) for name, worker in hive.workers.items()}
    audit = audit_round(hive.queen.roster, hive.queen.records, secrets, {}, LARGEST_W)
    assert audit.findings == ()
    assert set(audit.plans) == set(hive.names) - {absent}
