"""The untouched evidence passes, and its figures are those of the reference Queen."""

from pathlib import Path
from typing import Any

import pytest

from queen_node.evidence import EvidenceBundle, write_evidence
from queen_node.verify import EvidenceError, verify_evidence


def test_the_untouched_folder_passes_and_all_money_adds_up(folder: Path, day: Any, addresses: dict[str, str]) -> None:
    report = verify_evidence(folder)
    assert report.conservation_pico == 0
    assert report.reserve_pico == day.reserve
    assert report.slots == 10
    assert report.readings == 11 + 11 + 10
    assert report.rounds == sum(r.broadcasts for r in day.rounds)
    assert report.settlements == 2
    assert report.unsettled == ()
    homes = {home.worker: home for home in report.homes}
    for home in day.homes:
        told = homes[home.address]
        assert told.hive_micro == -(-home.position.net_pico // 10**6)
        assert told.peak_pico == sum(row.amount_pico for row in home.charges if row.kind == 3)
        assert told.reserve_share_pico == -sum(row.amount_pico for row in home.charges if row.kind == 4)
        assert told.hive_micro <= told.standalone_micro
        assert told.import_milliwh - told.export_milliwh == sum(line.energy_milliwh for line in home.lines)
    assert homes[addresses["a"]].objections == 1


def test_the_day_holds_what_it_is_meant_to_test(day: Any) -> None:
    kinds = {home.name: [line.kind for line in home.lines] for home in day.homes}
    assert 1 in kinds["a"]
    assert 1 in kinds["b"]
    assert 2 in kinds["c"]
    assert {s.totals.missing for s in day.totals.values()} >= {0, 1}
    assert len({slot // 96 for slot in day.totals}) == 2
    assert any(len(answered.message.line_slot) > 1 for home in day.homes for answered in home.statements)
    assert [[row.kind for row in home.charges] for home in day.homes] == [[3, 4], [4], [3, 4]]
    assert all(row.amount_pico for home in day.homes for row in home.charges)
    assert any(s.totals.price not in (s.totals.buy, s.totals.sell) for s in day.totals.values())


def test_pins_name_whom_to_trust(folder: Path) -> None:
    report = verify_evidence(folder)
    assert verify_evidence(folder, report.queen, report.contract) == report
    for pins, field in (({"queen": "00" * 20}, "queen"), ({"contract": "00" * 20}, "contract")):
        with pytest.raises(EvidenceError) as found:
            verify_evidence(folder, **pins)
        assert (found.value.file, found.value.field, found.value.code) == ("manifest.json", field, "E-EVIDENCE")


def test_a_folder_is_written_once_and_always_the_same(
    folder: Path, bundle: EvidenceBundle, tmp_path: Path, queen: Any
) -> None:
    with pytest.raises(FileExistsError):
        write_evidence(folder, bundle, queen)
    again = tmp_path / "again"
    write_evidence(again, bundle, queen)
    names = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    assert all((folder / n).read_bytes() == (again / n).read_bytes() for n in names)
