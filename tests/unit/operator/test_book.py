"""An address book is whole or refused, and names what is wrong with it."""

import json
from dataclasses import replace

import pytest

from queen_node.operator.book import CONTRACTS, Book, complete_book, read_book, write_book
from queen_node.operator.errors import BookError


def test_a_book_comes_back_as_it_was_written(tmp_path, book):
    file = tmp_path / "book.json"
    write_book(file, book)
    assert complete_book(file) == read_book(file) == book
    assert [path.name for path in tmp_path.iterdir()] == ["book.json"]


def test_an_unfinished_book_is_good_for_going_on_only(tmp_path, book):
    file = tmp_path / "book.json"
    write_book(file, replace(book, complete=False))
    assert read_book(file).complete is False
    with pytest.raises(BookError, match="not finished"):
        complete_book(file)
    fewer = {name: place for name, place in book.contracts.items() if name != "HVT"}
    write_book(file, replace(book, contracts=fewer))
    with pytest.raises(BookError, match="HVT"):
        complete_book(file)


def changed(**values):
    contracts = {name: f"{number:040x}" for number, name in enumerate(CONTRACTS, 1)}
    return {"v": 1, "chain_id": 1, "block": 1, "complete": True, "contracts": contracts} | values


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "not JSON"),
        ("[]", '"v": 1'),
        (json.dumps(changed(v=2)), '"v": 1'),
        (json.dumps(changed(extra=1)), "only"),
        (json.dumps(changed(chain_id="1")), "whole numbers"),
        (json.dumps(changed(block=-1)), "whole numbers"),
        (json.dumps(changed(contracts=[])), "no JSON object"),
        (json.dumps(changed(contracts={"HVT": "0x12"})), "contracts.HVT"),
        (json.dumps(changed(contracts={"Bank": "12" * 20})), "Bank"),
        (json.dumps(changed(contracts={"HVT": "12" * 20, "Beekeeper": "12" * 20})), "twice"),
        (json.dumps(changed(roles=[])), "roles"),
    ],
)
def test_what_is_wrong_with_a_book_is_named(tmp_path, content, told):
    file = tmp_path / "book.json"
    file.write_text(content)
    with pytest.raises(BookError, match=told):
        complete_book(file)


def test_a_missing_book_or_entry_says_what_to_do(tmp_path):
    with pytest.raises(BookError) as missing:
        read_book(tmp_path / "none.json")
    assert "HIVE_BOOK" in missing.value.next_step
    with pytest.raises(BookError, match="no HVT"):
        Book(1, "").at("HVT")
    with pytest.raises(BookError):
        write_book(tmp_path / "no" / "book.json", Book(1, ""))
