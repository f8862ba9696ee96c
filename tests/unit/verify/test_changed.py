"""Any change of any file by somebody without the Queen's key: always an EvidenceError that names where."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from queen_node.evidence import documents, owner_of
from queen_node.evidence_index import canonical
from queen_node.verify import EvidenceError, verify_evidence

FIXED = ["index", "manifest", "meter", "periods", "rounds", "settlement", "slots", "tariff", "terms", "workers"]
OWN = ["readings", "lines", "statements", "charges"]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document that holds a plain value, and every list."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        yield path
        for k, inner in enumerate(value):
            yield from leaves(inner, (*path, k))
    else:
        yield path


def named(path: tuple[Any, ...]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def other(value: Any) -> Any:
    """Another value of the same kind, still well-formed where that is possible."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [*value, value[-1]] if value else [0]
    if value and all(c in "0123456789abcdef" for c in value):
        return ("1" if value[0] == "0" else "0") + value[1:]
    return value + "x"


def changed(document: Any, path: tuple[Any, ...]) -> Any:
    copied = copy.deepcopy(document)
    place = copied
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = other(place[path[-1]])
    return copied


def owner(document: Any, path: tuple[Any, ...], file_worker: str) -> tuple[str | None, int | None]:
    """Whom and which slot a field belongs to: what the nearest enclosing list element or document says."""
    worker, slot, place = file_worker or None, None, document
    for part in (None, *path):
        place = place if part is None else place[part]
        if isinstance(place, dict) and (part is None or isinstance(part, int)):
            worker = place.get("worker", worker)
            slot = place.get("slot", place.get("first_slot", slot))
    return worker, slot


def some(paths: list[tuple[Any, ...]], limit: int) -> list[tuple[Any, ...]]:
    return paths if len(paths) <= limit else paths[: limit // 2] + paths[-limit // 2 :]


def write(path: Path, found: list[Any]) -> None:
    path.write_bytes(b"".join(canonical(d) + b"\n" for d in found))


def check_file(folder: Path, name: str, limit: int) -> int:
    """Changes the fields of one file, one after another; how many were tried."""
    path = folder / name
    whole = path.read_bytes()
    found = documents(name, whole)
    tried = 0
    for k, document in enumerate(found):
        for place in some(list(leaves(document)), limit):
            write(path, [*found[:k], changed(document, place), *found[k + 1 :]])
            with pytest.raises(EvidenceError) as error:
                verify_evidence(folder)
            worker, slot = owner(document, place, owner_of(name))
            told = error.value
            assert told.file == name, (place, str(told))
            assert (told.worker, told.slot) == (worker, slot), (place, str(told))
            assert named(place) in told.field or told.field in (named(place[:1]), "list", "line 1"), (place, str(told))
            assert told.code == "E-EVIDENCE"
            tried += 1
    path.write_bytes(whole)
    return tried


@pytest.mark.parametrize(
    "kind", ["meter", "mother", "periods", "rounds", "settlement", "slots", "tariff", "terms", "workers"]
)
def test_every_field_of_a_file_of_the_hive_is_named_when_it_changes(folder: Path, kind: str) -> None:
    name = next(p.name for p in folder.glob(f"{kind}.json*"))
    assert check_file(folder, name, limit=60) > 8
    verify_evidence(folder)


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("home", "abc")
def test_every_field_of_a_file_of_a_worker_is_named_with_its_slot(
    folder: Path, kind: str, home: str, addresses: dict[str, str]
) -> None:
    assert check_file(folder, f"{kind}/{addresses[home]}.jsonl", limit=60) > (5 if kind == "charges" else 50)
    verify_evidence(folder)


def test_every_field_of_the_manifest_is_named_when_it_changes(folder: Path) -> None:
    path = folder / "manifest.json"
    (document,) = documents(path.name, path.read_bytes())
    for place in leaves(document):
        write(path, [changed(document, place)])
        with pytest.raises(EvidenceError) as error:
            verify_evidence(folder)
        assert (error.value.file, error.value.field) == (path.name, named(place)), str(error.value)


def test_a_name_changed_in_the_manifest_is_the_manifests_fault(folder: Path) -> None:
    path = folder / "manifest.json"
    whole = path.read_bytes()
    for name in ("slots.jsonl", "index.json"):
        path.write_bytes(whole.replace(f'"{name}"'.encode(), b'"other.jsonl"'))
        with pytest.raises(EvidenceError) as error:
            verify_evidence(folder)
        assert error.value.file == "manifest.json"
        assert error.value.field.startswith("files.")


def test_every_entry_of_the_index_is_named_when_it_changes(folder: Path) -> None:
    path = folder / "index.json"
    (document,) = documents(path.name, path.read_bytes())
    for place in leaves(document):
        write(path, [changed(document, place)])
        with pytest.raises(EvidenceError) as error:
            verify_evidence(folder)
        assert error.value.file == path.name, (place, str(error.value))
        assert named(place[:2]).startswith(error.value.field), (place, str(error.value))


def test_a_missing_or_added_field_is_named(folder: Path) -> None:
    for name in [str(p.relative_to(folder)) for p in sorted(folder.rglob("*.json*"))]:
        path = folder / name
        whole = path.read_bytes()
        first, *rest = documents(name, whole)
        for key in first:
            write(path, [{k: v for k, v in first.items() if k != key}, *rest])
            with pytest.raises(EvidenceError) as error:
                verify_evidence(folder)
            assert error.value.file == name, str(error.value)
            assert name == "tariff.json" or key == "v" or error.value.field == key, str(error.value)
        write(path, [first | {"zzz": 1}, *rest])
        with pytest.raises(EvidenceError) as error:
            verify_evidence(folder)
        assert error.value.file == name
        path.write_bytes(whole)


def test_lines_dropped_added_doubled_or_swapped_are_named_by_file(folder: Path) -> None:
    for name in [str(p.relative_to(folder)) for p in sorted(folder.rglob("*.jsonl"))]:
        path = folder / name
        whole = path.read_bytes()
        rows = whole.splitlines(keepends=True)
        swapped = [[rows[1], rows[0], *rows[2:]]] if len(rows) > 1 else []
        for damaged in (rows[1:], rows[:-1], [*rows, rows[-1]], *swapped, []):
            path.write_bytes(b"".join(damaged))
            with pytest.raises(EvidenceError) as error:
                verify_evidence(folder)
            assert error.value.file == name, str(error.value)
            assert error.value.worker == (owner_of(name) or error.value.worker)
        path.write_bytes(whole)


def test_every_kind_of_damage_to_bytes_is_noticed_in_its_file(folder: Path) -> None:
    for name in [str(p.relative_to(folder)) for p in sorted(folder.rglob("*.json*"))]:
        path = folder / name
        whole = path.read_bytes()
        middle = len(whole) // 2
        spaced = whole.replace(b":", b": ", 1)
        damages = [
            b"",
            whole[:-1],
            whole[:middle],
            whole + b"\n",
            whole + b" ",
            b"\xff" + whole,
            spaced,
            whole.replace(b"\n", b"\r\n", 1),
            whole[:middle] + bytes([whole[middle] ^ 0x80]) + whole[middle + 1 :],
            b"[]\n",
            b"[" * 5_000,
            whole.replace(b"{", b'{"v":1,', 1),
        ]
        for damaged in damages:
            if damaged == whole:
                continue
            path.write_bytes(damaged)
            with pytest.raises(EvidenceError) as error:
                verify_evidence(folder)
            assert error.value.file == name, (damaged[:40], str(error.value))
        path.write_bytes(whole)
    verify_evidence(folder)


def test_malformed_json_names_file_line_slot_and_worker(folder: Path, addresses: dict[str, str]) -> None:
    name = f"readings/{addresses['b']}.jsonl"
    rows = (folder / name).read_bytes().splitlines(keepends=True)
    slot = json.loads(rows[4])["slot"]
    rows[4] = rows[4][:20] + b"\n"
    (folder / name).write_bytes(b"".join(rows))
    with pytest.raises(EvidenceError, match="line 5") as error:
        verify_evidence(folder)
    assert (error.value.file, error.value.slot, error.value.worker) == (name, slot, addresses["b"])


def test_dropped_and_added_files_are_named(folder: Path) -> None:
    for name in [str(p.relative_to(folder)) for p in sorted(folder.rglob("*.json*"))]:
        whole = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(EvidenceError, match="missing") as error:
            verify_evidence(folder)
        assert (error.value.file, error.value.field) == (name, "file")
        (folder / name).write_bytes(whole)
    for name in ("more.txt", "readings/" + "0" * 40 + ".jsonl", ".hidden"):
        (folder / name).write_bytes(b"")
        with pytest.raises(EvidenceError, match="added") as error:
            verify_evidence(folder)
        assert (error.value.file, error.value.field) == (name, "file")
        (folder / name).unlink()
    (folder / "link").symlink_to(folder / "slots.jsonl")
    with pytest.raises(EvidenceError, match="neither"):
        verify_evidence(folder)


def test_no_folder_and_an_oversized_file_are_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EvidenceError, match="no folder"):
        verify_evidence(tmp_path / "nothing")
    monkeypatch.setattr("queen_node.verify_files.MAX_BYTES", 100)
    with pytest.raises(EvidenceError, match="beyond"):
        verify_evidence(folder)
