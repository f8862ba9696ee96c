"""Queen and device together: even what both have signed must follow from the rules."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from honey_edge.wire.merkle import merkle_root
from honey_edge.wire.structs import Objection
from honey_edge.wire.typed_data import Domain, digest, struct_hash
from queen_node.evidence import EvidenceBundle, SignedReading, SignedTotals, documents, write_evidence
from queen_node.verify import EvidenceError, verify_evidence
from queen_node.verify_periods import signed_totals

DOMAIN = Domain(31337, b"\5" * 20)
Reseal = Callable[[str, int, Callable[[dict[str, Any]], None]], None]


@pytest.fixture
def refused(tmp_path: Path, queen: Any) -> Callable[..., EvidenceError]:
    """Writes a changed bundle and returns what verification says of it."""
    made = iter(range(100))

    def check(bundle: EvidenceBundle, **changes: Any) -> EvidenceError:
        folder = tmp_path / f"lie{next(made)}"
        write_evidence(folder, replace(bundle, **changes), queen)
        with pytest.raises(EvidenceError) as error:
            verify_evidence(folder)
        return error.value

    return check


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"slot": -1}, "slot"),
        ({"imported": -1}, "import_milliwh"),
        ({"exported": -1}, "export_milliwh"),
        ({"previous": b"\1" * 32}, "previous"),
    ],
)
def test_a_device_that_goes_back_or_forks_is_named(
    day: Any, bundle: EvidenceBundle, refused: Callable[..., EvidenceError], changes: dict[str, Any], field: str
) -> None:
    home = day.homes[0]
    rows = list(bundle.readings[home.address])
    before = rows[3].reading
    values = {
        name: getattr(before, name) + value if isinstance(value, int) else value for name, value in changes.items()
    }
    wrong = replace(rows[4].reading, **values)
    rows[4] = SignedReading(wrong, home.signer.sign(digest(DOMAIN, wrong)))
    error = refused(bundle, readings={**bundle.readings, home.address: tuple(rows)})
    assert (error.file, error.field) == (f"readings/{home.address}.jsonl", field)
    assert (error.worker, error.slot) == (home.address, wrong.slot)


@pytest.mark.parametrize(
    "field", ["bought", "sold", "pcc", "price", "present", "missing", "reserve", "readings", "terms", "fee"]
)
@pytest.mark.parametrize("place", [0, 4, 9])
def test_totals_the_queen_signed_are_recomputed(
    bundle: EvidenceBundle, refused: Callable[..., EvidenceError], queen: Any, field: str, place: int
) -> None:
    totals = list(bundle.totals)
    value = getattr(totals[place].totals, field)
    wrong = replace(totals[place].totals, **{field: value + 1 if isinstance(value, int) else b"\1" * 32})
    totals[place] = SignedTotals(wrong, queen.sign(digest(DOMAIN, wrong)))
    error = refused(bundle, totals=tuple(totals))
    assert error.slot == wrong.slot
    if field in ("missing", "reserve", "terms", "fee", "present"):
        assert (error.file, error.field) == ("slots.jsonl", field)
    else:
        assert error.file == "slots.jsonl" or error.file.startswith("lines/")


def test_a_reserve_that_forgets_one_late_reading_is_named(
    day: Any, bundle: EvidenceBundle, refused: Callable[..., EvidenceError], queen: Any
) -> None:
    alone = next(line for line in day.homes[1].lines if line.kind == 1)
    totals = []
    for signed in bundle.totals:
        own = signed.totals
        if own.slot >= alone.closed_slot:
            own = replace(own, reserve=own.reserve - alone.amount_pico)
        totals.append(SignedTotals(own, queen.sign(digest(DOMAIN, own))))
    error = refused(bundle, totals=tuple(totals))
    assert (error.file, error.field, error.slot) == ("slots.jsonl", "reserve", alone.closed_slot)


def test_lines_that_break_the_rule_of_late_readings_are_named(
    folder: Path, reseal: Reseal, day: Any, addresses: dict[str, str]
) -> None:
    name = f"lines/{addresses['b']}.jsonl"
    rows = documents(name, (folder / name).read_bytes())
    late = next(k for k, row in enumerate(rows) if row["kind"] == 1)
    cases: list[tuple[int, dict[str, Any], str]] = [
        (late, {"closed_slot": rows[late]["slot"] - 1}, "closed_slot"),
        (late, {"closed_slot": 2**32 - 1}, "closed_slot"),
        (late, {"kind": 0}, "kind"),
        (late, {"path": ["00" * 32]}, "path"),
        (0, {"kind": 1}, "kind"),
        (0, {"path": []}, "path"),
        (0, {"closed_slot": rows[0]["slot"] + 1}, "kind"),
        (0, {"funding_micro": -(2**62)}, "kind"),
        (1, {"slot": rows[0]["slot"]}, "slot"),
    ]
    for line, changes, field in cases:
        reseal(name, line, lambda document, changes=changes: document.update(changes))
        with pytest.raises(EvidenceError) as error:
            verify_evidence(folder)
        told = error.value
        assert (told.file, told.field, told.worker) == (name, field, addresses["b"]), str(told)
        reseal(name, line, lambda document, line=line: document.update(rows[line]))
    assert verify_evidence(folder).conservation_pico == 0


def test_an_account_without_a_baseline_has_no_lines_and_no_statements(
    folder: Path, reseal: Reseal, addresses: dict[str, str]
) -> None:
    worker = addresses["a"]

    def never(document: dict[str, Any]) -> None:
        document["workers"][0].update(opening_slot=2**31, counted_from_slot=2**31 + 1)

    reseal("workers.json", 0, never)
    with pytest.raises(EvidenceError) as error:
        verify_evidence(folder)
    assert (error.value.file, error.value.worker) == (f"lines/{worker}.jsonl", worker)
    for kind, named in (("lines", f"charges/{worker}.jsonl"), ("charges", "slots.jsonl")):
        (folder / f"{kind}/{worker}.jsonl").write_bytes(b"")
        reseal("meter.jsonl", 0, lambda document: None)
        with pytest.raises(EvidenceError) as error:
            verify_evidence(folder)
        assert error.value.file == named


def test_accounts_in_disorder_or_counted_before_their_opening_are_named(
    folder: Path, reseal: Reseal, addresses: dict[str, str]
) -> None:
    whole = (folder / "workers.json").read_bytes()
    reseal("workers.json", 0, lambda document: document["workers"].reverse())
    with pytest.raises(EvidenceError, match="order"):
        verify_evidence(folder)
    (folder / "workers.json").write_bytes(whole)
    reseal("workers.json", 0, lambda document: document["workers"][1].update(counted_from_slot=0))
    with pytest.raises(EvidenceError) as error:
        verify_evidence(folder)
    assert (error.value.field, error.value.worker) == ("counted_from_slot", addresses["b"])


def test_statements_that_do_not_follow_from_their_lines_are_named(
    folder: Path, reseal: Reseal, addresses: dict[str, str]
) -> None:
    name = f"statements/{addresses['c']}.jsonl"
    rows = documents(name, (folder / name).read_bytes())
    last = len(rows) - 1
    cases: list[tuple[int, dict[str, Any], str]] = [
        (last, {"lines": 100}, "lines"),
        (last, {"funding_micro": -(10**9)}, "funding_micro"),
        (0, {"funding_micro": rows[0]["net_micro"] - 1}, "funding_micro"),
        (last, {"funding_micro": 10**12}, "funding_micro"),
        (1, {"slot": rows[0]["slot"]}, "slot"),
        (last, {"own_net_micro": 1}, "own_net_micro"),
        (last, {"queen_signature": "00" * 64}, "queen_signature"),
        (last, {"worker_signature": "00" * 64}, "worker_signature"),
        (last, {"reason": 4}, "worker_signature"),
    ]
    for line, changes, field in cases:
        reseal(name, line, lambda document, changes=changes: document.update(changes))
        with pytest.raises(EvidenceError) as error:
            verify_evidence(folder)
        assert (error.value.file, error.value.field) == (name, field), str(error.value)
        assert error.value.worker == addresses["c"]
        reseal(name, line, lambda document, line=line: document.update(rows[line]))


def test_an_objection_must_be_the_workers_own(
    folder: Path, reseal: Reseal, day: Any, addresses: dict[str, str]
) -> None:
    name = f"statements/{addresses['a']}.jsonl"
    rows = documents(name, (folder / name).read_bytes())
    place = next(k for k, row in enumerate(rows) if row["reason"] > 0)
    home = day.homes[0]
    hashed = digest(DOMAIN, home.statements[place].message.signed())
    other = home.signer.sign(digest(DOMAIN, Objection(hashed, 0, 7))).hex()
    for changes in ({"own_net_micro": 0}, {"worker_signature": other}, {"reason": 6}):
        reseal(name, place, lambda document, changes=changes: document.update(changes))
        with pytest.raises(EvidenceError) as error:
            verify_evidence(folder)
        assert (error.value.file, error.value.field) == (name, "worker_signature")
        reseal(name, place, lambda document: document.update(rows[place]))


def test_rounds_and_meter_rise(folder: Path, reseal: Reseal) -> None:
    for name, changes, field in (
        ("rounds.jsonl", {"round": 0}, "round"),
        ("meter.jsonl", {"slot": 0}, "slot"),
    ):
        whole = (folder / name).read_bytes()
        reseal(name, 3, lambda document, changes=changes: document.update(changes))
        with pytest.raises(EvidenceError) as error:
            verify_evidence(folder)
        assert (error.value.file, error.value.field) == (name, field)
        (folder / name).write_bytes(whole)


def test_an_account_somebody_else_settled_in_between_is_understood(folder: Path, reseal: Reseal) -> None:
    statements = {
        path.stem: documents(path.name, path.read_bytes()) for path in (folder / "statements").glob("*.jsonl")
    }

    def between(document: dict[str, Any]) -> None:
        first = document["accounts"][0]
        row = next(r for r in statements[first["worker"]] if r["slot"] > first["before"]["slot"] and r["reason"] == 0)
        document["pool_before_micro"] += row["net_micro"] - first["before"]["net_micro"]
        first["before"].update({name: row[name] for name in ("net_micro", "import_milliwh", "export_milliwh", "slot")})

    reseal("settlement.jsonl", 1, between)
    assert verify_evidence(folder).conservation_pico == 0


def test_a_run_without_meter_rounds_or_settlement_verifies_too(
    folder: Path, tmp_path: Path, bundle: EvidenceBundle, queen: Any
) -> None:
    whole = replace(bundle, settlements=())
    path = tmp_path / "unsettled"
    write_evidence(path, whole, queen)
    report = verify_evidence(path)
    assert report.settlements == 0
    assert len(report.unsettled) == 3


def test_a_leaf_the_contract_skipped_is_told_not_refused(
    folder: Path, reseal: Reseal, bundle: EvidenceBundle, addresses: dict[str, str]
) -> None:
    def skip(document: dict[str, Any]) -> None:
        first = document["accounts"][0]
        document["pool_after_micro"] -= first["after"]["net_micro"] - first["before"]["net_micro"]
        first.update(reason=7, after=first["before"] | {"owed": True})
        leaves = [bundle.statements[a["worker"]] for a in document["accounts"][1:]]
        newest = [[s for s in own if s.answer and s.answer.reason == 0][-1].message.signed() for own in leaves]
        document["root"] = merkle_root([struct_hash(statement) for statement in newest]).hex()

    reseal("settlement.jsonl", 1, skip)
    assert verify_evidence(folder).unsettled == (addresses["a"],)


CHARGE_LIES = [
    ("quantity_milliwh", 1),
    ("amount_pico", 1),
    ("amount_pico", -1),
    ("net_pico", 1),
    ("after_slot", 1),
    ("slot", -96),
    ("kind", None),
]


@pytest.mark.parametrize(("field", "step"), CHARGE_LIES)
@pytest.mark.parametrize("place", [0, 1])
def test_every_field_of_a_charge_is_recomputed(
    bundle: EvidenceBundle,
    refused: Callable[..., EvidenceError],
    addresses: dict[str, str],
    field: str,
    step: int | None,
    place: int,
) -> None:
    rows = list(bundle.charges[addresses["a"]])
    value = getattr(rows[place], field)
    new = 7 - value if step is None else value + step
    rows[place] = msgspec.structs.replace(rows[place], **{field: new})
    error = refused(bundle, charges={**bundle.charges, addresses["a"]: tuple(rows)})
    assert (error.file, error.worker) == (f"charges/{addresses['a']}.jsonl", addresses["a"])


@pytest.mark.parametrize(("place", "field"), [(0, "whole"), (0, "shared"), (1, "whole"), (1, "shared"), (0, "hive")])
def test_totals_of_a_period_that_the_queen_signed_are_recomputed(
    bundle: EvidenceBundle, refused: Callable[..., EvidenceError], queen: Any, place: int, field: str
) -> None:
    rows = list(bundle.periods)
    changed = msgspec.structs.replace(rows[place], **{field: getattr(rows[place], field) + 1})
    signature = queen.sign(digest(DOMAIN, signed_totals(changed))).hex()
    rows[place] = msgspec.structs.replace(changed, signature=signature)
    error = refused(bundle, periods=tuple(rows))
    assert error.file == "periods.jsonl" or error.file.startswith("charges/")
    unsigned = [changed if k == place else row for k, row in enumerate(bundle.periods)]
    error = refused(bundle, periods=tuple(unsigned))
    assert (error.file, error.field) == ("periods.jsonl", "signature")


def test_charges_left_out_booked_twice_or_in_another_order_are_named(
    bundle: EvidenceBundle, refused: Callable[..., EvidenceError], addresses: dict[str, str]
) -> None:
    worker = addresses["a"]
    peak, share = bundle.charges[worker]
    for rows in ((peak, peak, share), (share, peak), (share,), (peak,), ()):
        error = refused(bundle, charges={**bundle.charges, worker: rows})
        assert error.file in (f"charges/{worker}.jsonl", f"lines/{worker}.jsonl"), str(error)
    for rows in (bundle.periods[:1], bundle.periods[1:], (), (*bundle.periods, bundle.periods[0])):
        assert refused(bundle, periods=rows).file == "periods.jsonl"
