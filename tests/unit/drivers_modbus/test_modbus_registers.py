"""Words become the values that the vectors name; counters become integers exactly; garbage is refused."""

import ast
import csv
import struct
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import ValueOutOfRange
from drivers.modbus import registers
from drivers.modbus.registers import (
    crc16_bytes,
    decode_float32_big,
    float32_kwh_step_milliwh,
    float32_kwh_to_milliwh,
)

ROWS = [f"M0{n}" for n in range(1, 8)] + [f"M{n}" for n in range(21, 26)]
FINITE_KWH = st.floats(min_value=0, max_value=2.0**60, width=32)


def words_of(value: float) -> list[int]:
    """Two words, high word first."""
    return list(struct.unpack(">HH", struct.pack(">f", value)))


@pytest.fixture(scope="module")
def vectors(shared_dir: Path) -> dict[str, dict[str, str]]:
    """Rows of the Modbus vector file by id."""
    with (shared_dir / "reference" / "vectors-modbus.csv").open(newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize("row_id", ROWS)
def test_row_of_the_vector_file_is_met(vectors: dict[str, dict[str, str]], row_id: str) -> None:
    row = vectors[row_id]
    kind, _, given_words = row["inputs"].partition("=")
    if kind == "bytes":
        assert crc16_bytes(bytes.fromhex(given_words.replace("-", ""))) == bytes.fromhex(row["expected"])
        return
    words = [int(word, 16) for word in given_words.split("-")]
    if row["expected"].startswith("NaN"):
        with pytest.raises(ValueOutOfRange):
            decode_float32_big(words)
        return
    expected = float(row["expected"])
    assert abs(decode_float32_big(words) - expected) <= 1e-6 * max(1.0, abs(expected))


@given(FINITE_KWH)
def test_a_counter_is_the_nearest_integer_milliwh(kwh: float) -> None:
    exact = Fraction(kwh) * 1_000_000
    assert abs(float32_kwh_to_milliwh(words_of(kwh)) - exact) <= Fraction(1, 2)


@given(FINITE_KWH.filter(lambda kwh: kwh >= 1e-30))
def test_the_step_is_the_distance_to_the_next_float(kwh: float) -> None:
    bits = struct.unpack(">I", struct.pack(">f", kwh))[0]
    following = struct.unpack(">f", struct.pack(">I", bits + 1))[0]
    exact = (Fraction(following) - Fraction(kwh)) * 1_000_000
    assert exact <= float32_kwh_step_milliwh(words_of(kwh)) < exact + 1


@given(FINITE_KWH, FINITE_KWH)
def test_counters_keep_their_order(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert float32_kwh_to_milliwh(words_of(low)) <= float32_kwh_to_milliwh(words_of(high))


def test_the_step_is_2_wh_from_16384_kwh_and_16_wh_from_131072_kwh() -> None:
    assert float32_kwh_step_milliwh(words_of(16_384.0)) in (1_954, 1_953)
    assert float32_kwh_step_milliwh(words_of(131_072.0)) == 15_625


@pytest.mark.parametrize(
    "words", [[0x7FC0, 0], [0x7F80, 0], [0xFF80, 0], [0xFFFF, 0xFFFF], [0x4366], [0x10000, 0], [-1, 0]]
)
def test_what_is_no_value_is_refused(words: list[int]) -> None:
    with pytest.raises(ValueOutOfRange):
        decode_float32_big(words)
    with pytest.raises(ValueOutOfRange):
        float32_kwh_to_milliwh(words)


def test_a_negative_counter_is_refused_and_minus_zero_is_zero() -> None:
    with pytest.raises(ValueOutOfRange):
        float32_kwh_to_milliwh(words_of(-1.0))
    assert float32_kwh_to_milliwh(words_of(-0.0)) == 0


def test_no_float_arithmetic_is_on_the_counter_path() -> None:
    tree = ast.parse(Path(registers.__file__).read_text(encoding="utf-8"))
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        if function.name == "decode_float32_big":
            continue
        for node in ast.walk(function):
            assert not isinstance(node, ast.Div), function.name
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), function.name
