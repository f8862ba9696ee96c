"""docs/topics.md is what the code speaks."""

import runpy
import sys
from pathlib import Path

import pytest

from honey_edge.wire.catalogue import page, topic_pattern
from honey_edge.wire.topics import KINDS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "topics.md"


def test_the_committed_page_is_the_generated_one() -> None:
    assert PAGE.read_text() == page(), "run python -m honey_edge.wire.catalogue and commit docs/topics.md"


def test_every_topic_and_every_field_is_on_it() -> None:
    text = page()
    for kind in KINDS:
        assert f"`{topic_pattern(kind)}`" in text
        assert all(f"| `{name}` |" in text for name in kind.message.__struct_fields__)
    assert "`hive/v1/<hive>/q/statement/<address>`" in text


def test_the_page_is_printed_by_the_module(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "honey_edge.wire.catalogue", raising=False)
    runpy.run_module("honey_edge.wire.catalogue", run_name="__main__")
    assert capsys.readouterr().out == page()
