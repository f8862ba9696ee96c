"""A Queen who signs a changed folder anew: the recomputation itself finds what she changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.typed_data import digest
from queen_node.evidence import documents, owner_of, seal
from queen_node.evidence_index import canonical
from queen_node.verify import EvidenceError, verify_evidence

Reseal = Callable[[str, int, Callable[[dict[str, Any]], None]], None]

TOLD_ONLY: dict[str, set[str]] = {
    "statements": {"pool_micro", "pending_micro", "block", "funding_micro"},
    "lines": {"funding_micro"},
    "settlement": {"transaction", "block", "block_unix_s", "gas_used", "fee_micro", "slot"},
    "slots": set(),
    "readings": set(),
}


def step(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return value[:-1] if value else ["0" * 64]
    return ("1" if value[:1] == "0" else "0") + value[1:] if value else "ab" * 64


@pytest.mark.parametrize("kind", TOLD_ONLY)
def test_every_field_that_follows_from_others_is_recomputed(folder: Path, kind: str, reseal: Reseal) -> None:
    path = sorted(folder.glob(f"{kind}*/*.jsonl") if (folder / kind).is_dir() else folder.glob(f"{kind}.jsonl"))[-1]
    name = path.relative_to(folder).as_posix()
    whole = path.read_bytes()
    found = documents(name, whole)
    for k in sorted({0, 1, len(found) // 2, len(found) - 1}):
        for field, value in found[k].items():
            if field in TOLD_ONLY[kind]:
                continue
            reseal(name, k, lambda document, field=field, value=value: document.update({field: step(value)}))
            with pytest.raises(EvidenceError) as error:
                verify_evidence(folder)
            assert error.value.file == name, (field, str(error.value))
            assert error.value.worker == (owner_of(name) or error.value.worker)
            path.write_bytes(whole)


def lie(document: dict[str, Any], **changes: Any) -> None:
    document.update(changes)


LIES: list[tuple[str, int, dict[str, Any], str, str]] = [
    ("workers.json", 0, {"workers": []}, "", "file"),
    ("rounds.jsonl", 0, {"price_e7_per_kwh": 999}, "slots.jsonl", "price"),
    ("meter.jsonl", 3, {"import_milliwh": 10**9}, "meter.jsonl", "import_milliwh"),
    ("mother.jsonl", 1, {"charged_pico": 0}, "mother.jsonl", "net_pico"),
    ("mother.jsonl", 0, {"charged_pico": 0}, "slots.jsonl", "reserve"),
    ("mother.jsonl", 1, {"own_pico": 0}, "mother.jsonl", "own_pico"),
    ("mother.jsonl", 1, {"from_slot": 0}, "mother.jsonl", "from_slot"),
    ("mother.jsonl", 1, {"closed_slot": 0}, "mother.jsonl", "slot"),
    ("mother.jsonl", 0, {"closed_slot": 0}, "mother.jsonl", "closed_slot"),
    ("settlement.jsonl", 0, {"status": 0}, "settlement.jsonl", "status"),
    ("settlement.jsonl", 0, {"gas_used": 0}, "settlement.jsonl", "gas_used"),
    ("settlement.jsonl", 0, {"block_unix_s": 0}, "settlement.jsonl", "block_unix_s"),
    ("settlement.jsonl", 0, {"batch": 1}, "settlement.jsonl", "batch"),
    ("settlement.jsonl", 1, {"slot": 0}, "settlement.jsonl", "slot"),
    ("settlement.jsonl", 0, {"packed": ""}, "settlement.jsonl", "packed"),
    ("settlement.jsonl", 0, {"fee_micro": 10**12}, "settlement.jsonl", "fee_micro"),
    ("settlement.jsonl", 0, {"fee_micro": -1}, "settlement.jsonl", "fee_micro"),
    ("settlement.jsonl", 0, {"fee_taken_micro": -1}, "settlement.jsonl", "fee_taken_micro"),
    ("settlement.jsonl", 0, {"root": "00" * 32}, "settlement.jsonl", "root"),
    ("terms.json", 0, {"hive": 8}, "terms.json", "hive"),
    ("terms.json", 0, {"fee": 21}, "terms.json", "queen_signature"),
    ("terms.json", 0, {"owner_signature": "00" * 64}, "terms.json", "owner_signature"),
    ("tariff.json", 0, {"currency": "USD"}, "tariff.json", "keccak256"),
    ("tariff.json", 0, {"currency": ""}, "tariff.json", "tariff"),
]


def test_the_meters_counters_show_in_what_the_slots_were_closed_with(folder: Path, reseal: Reseal) -> None:
    rows = documents("meter.jsonl", (folder / "meter.jsonl").read_bytes())
    whole = (folder / "meter.jsonl").read_bytes()
    for k, row in enumerate(rows):
        for field in ("import_milliwh", "export_milliwh"):
            reseal("meter.jsonl", k, lambda d, field=field, row=row: d.update({field: row[field] + 1}))
            with pytest.raises(EvidenceError) as error:
                verify_evidence(folder)
            assert error.value.file in ("meter.jsonl", "slots.jsonl")
            (folder / "meter.jsonl").write_bytes(whole)


@pytest.mark.parametrize(("name", "line", "changes", "file", "field"), LIES, ids=lambda v: str(v)[:30])
def test_a_lie_is_named_where_it_shows(
    folder: Path, reseal: Reseal, name: str, line: int, changes: dict[str, Any], file: str, field: str
) -> None:
    reseal(name, line, lambda document: lie(document, **changes))
    with pytest.raises(EvidenceError) as error:
        verify_evidence(folder)
    assert error.value.field == field
    assert error.value.file == file or not file


def test_what_a_settlement_did_to_accounts_is_recomputed(
    folder: Path, reseal: Reseal, addresses: dict[str, str]
) -> None:
    whole = (folder / "settlement.jsonl").read_bytes()
    for line in (0, 1):
        for side in ("before", "after"):
            fields = documents("x.jsonl", whole)[line]["accounts"][2][side]
            for field, value in fields.items():
                if (side, field) == ("before", "owed"):
                    continue

                def change(document: dict[str, Any], side: str = side, field: str = field, value: Any = value) -> None:
                    document["accounts"][2][side][field] = step(value)

                reseal("settlement.jsonl", line, change)
                with pytest.raises(EvidenceError) as error:
                    verify_evidence(folder)
                assert error.value.file == "settlement.jsonl"
                assert error.value.field.startswith("accounts[2]"), str(error.value)
                assert error.value.worker == addresses["c"]
                (folder / "settlement.jsonl").write_bytes(whole)


def test_a_skipped_leaf_leaves_its_account_as_it_was(folder: Path, reseal: Reseal) -> None:
    reseal("settlement.jsonl", 1, lambda document: document["accounts"][0].update(reason=4))
    with pytest.raises(EvidenceError, match="recomputed") as error:
        verify_evidence(folder)
    assert error.value.field.startswith("accounts[0].after")


def test_a_both_signed_statement_that_was_not_settled_is_missed(
    folder: Path, reseal: Reseal, addresses: dict[str, str]
) -> None:
    path = folder / "settlement.jsonl"
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(rows[0])
    reseal("meter.jsonl", 0, lambda document: None)
    report = verify_evidence(folder)
    assert set(report.unsettled) == set(addresses.values())
    reseal("settlement.jsonl", 0, lambda document: document.update(slot=document["slot"] + 96, block_unix_s=2**40))
    with pytest.raises(EvidenceError, match="was not settled") as error:
        verify_evidence(folder)
    assert error.value.worker in addresses.values()


def test_unbooked_readings_show_in_totals_or_reserve(folder: Path, reseal: Reseal, addresses: dict[str, str]) -> None:
    for home in "abc":
        for kind in ("lines", "statements"):
            path = folder / kind / f"{addresses[home]}.jsonl"
            path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[: 4 if kind == "lines" else 2]))
        (folder / "charges" / f"{addresses[home]}.jsonl").write_bytes(b"")
    reseal("meter.jsonl", 0, lambda document: None)
    with pytest.raises(EvidenceError) as error:
        verify_evidence(folder)
    assert error.value.file == "slots.jsonl"


def test_a_gap_between_slots_is_named(folder: Path, reseal: Reseal) -> None:
    path = folder / "slots.jsonl"
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(rows[:4] + rows[5:]))
    reseal("meter.jsonl", 0, lambda document: None)
    with pytest.raises(EvidenceError, match="next to close") as error:
        verify_evidence(folder)
    assert (error.value.file, error.value.field) == ("slots.jsonl", "slot")


def test_a_manifest_by_another_key_or_rule_is_refused(folder: Path, queen: KeySigner) -> None:
    header = documents("manifest.json", (folder / "manifest.json").read_bytes())[0]
    del header["signature"], header["files"]
    seal(folder, header, KeySigner(b"\x55" * 32))
    with pytest.raises(EvidenceError) as error:
        verify_evidence(folder)
    assert (error.value.file, error.value.field) == ("manifest.json", "signature")
    seal(folder, header | {"rule_version": "other/2"}, queen)
    with pytest.raises(EvidenceError) as error:
        verify_evidence(folder)
    assert error.value.field == "rule_version"
    seal(folder, header | {"chain_id": 1}, queen)
    with pytest.raises(EvidenceError) as error:
        verify_evidence(folder)
    assert error.value.file == "terms.json"


def test_an_index_that_does_not_fit_is_found_even_when_signed(folder: Path, queen: KeySigner) -> None:
    import hashlib

    path = folder / "index.json"
    (index,) = documents(path.name, path.read_bytes())
    index["files"]["meter.jsonl"][0] = "@5:00000000"
    path.write_bytes(canonical(index) + b"\n")
    (manifest,) = documents("manifest.json", (folder / "manifest.json").read_bytes())
    del manifest["signature"]
    manifest["files"]["index.json"] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest["signature"] = queen.sign(keccak(canonical(manifest))).hex()
    (folder / "manifest.json").write_bytes(canonical(manifest) + b"\n")
    with pytest.raises(EvidenceError) as error:
        verify_evidence(folder)
    assert (error.value.file, error.value.field) == ("index.json", "files")


def test_a_statement_answered_although_it_says_unanswered_is_refused(
    folder: Path, reseal: Reseal, addresses: dict[str, str]
) -> None:
    name = f"statements/{addresses['b']}.jsonl"
    rows = documents(name, (folder / name).read_bytes())
    last = len(rows) - 1
    assert rows[last]["reason"] == -1
    for changes in ({"own_net_micro": 5}, {"worker_signature": "ab" * 64}, {"reason": 0}, {"reason": 3}):
        reseal(name, last, lambda document, changes=changes: document.update(changes))
        with pytest.raises(EvidenceError) as error:
            verify_evidence(folder)
        assert (error.value.file, error.value.worker) == (name, addresses["b"])
        reseal(name, last, lambda document: document.update(rows[last]))
    reseal(name, 1, lambda document: document.update(reason=-1, worker_signature="", own_net_micro=0))
    with pytest.raises(EvidenceError, match="followed"):
        verify_evidence(folder)


def test_readings_of_somebody_else_are_refused(folder: Path, reseal: Reseal, addresses: dict[str, str]) -> None:
    name = f"readings/{addresses['a']}.jsonl"
    reseal(name, 2, lambda document: document.update(worker=addresses["b"]))
    with pytest.raises(EvidenceError) as error:
        verify_evidence(folder)
    assert (error.value.file, error.value.field) == (name, "worker")


def test_what_a_device_signed_with_unknown_flags_is_refused(
    folder: Path, reseal: Reseal, addresses: dict[str, str], day: Any
) -> None:
    from dataclasses import replace

    home = day.homes[0]
    name = f"readings/{home.address}.jsonl"
    from honey_edge.wire.typed_data import Domain

    domain = Domain(31337, b"\5" * 20)
    for flags in (1 << 9, 3 << 16):
        changed = replace(home.readings[1][1], flags=flags)
        signature = home.signer.sign(digest(domain, changed)).hex()
        reseal(name, 1, lambda d, flags=flags, signature=signature: d.update(flags=flags, signature=signature))
        with pytest.raises(EvidenceError) as error:
            verify_evidence(folder)
        assert (error.value.file, error.value.field) == (name, "flags")
