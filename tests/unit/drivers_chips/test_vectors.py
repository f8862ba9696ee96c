"""Every served row of the reference's vector files comes out of the driver code, and the command tells so."""

from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from chip_bench import ChipBench

from drivers import vectors
from drivers._vectors_row import parse_row

REPOSITORY = Path(__file__).resolve().parents[3]
REFERENCE = REPOSITORY.parent / "shared" / "reference"
HEADER = "id,part,quantity,inputs,args,expected,unit,note\n"
FILES = (
    "vectors-atm90e32as.csv",
    "vectors-frames.csv",
    "vectors-modbus.csv",
    "vectors-ade7878.csv",
    "vectors-ade9000.csv",
)


def served_rows() -> list[object]:
    rows: list[object] = []
    for name in FILES:
        path = REFERENCE / name
        for row in vectors.read_rows(path) if path.is_file() else []:
            rows.append(pytest.param(row, id=row.id))
    return rows


@pytest.mark.parametrize("row", served_rows())
def test_every_served_vector_is_computed_as_expected(row: vectors.Row) -> None:
    assert vectors.agrees(vectors.compute(row), row.expected)


def test_no_row_of_our_parts_is_missing(shared_dir: Path) -> None:
    assert len(served_rows()) == 71 + 49 + 25 + 50 + 51


def compute(quantity: str, inputs: str, args: str = "", part: str = "ATM90E32AS") -> str:
    return vectors.compute(parse_row({"id": "x", "part": part, "quantity": quantity, "inputs": inputs, "args": args}))


@pytest.mark.parametrize(
    ("quantity", "inputs", "args", "computed"),
    [
        ("voltage", "UrmsB=0x5A0A", "", "230.5"),
        ("active power", "PmeanC=0xFFC9 PmeanCLSB=0x29EA", "", "-1150.0"),
        ("reactive power", "QmeanT=0x0017 QmeanTLSB=0xD784", "", "500.0"),
        ("fundamental power", "PmeanAF=0x0000 PmeanAFLSB=0x0C35", "", "1.0"),
        ("total apparent power", "SAmeanT=0x0036 SAmeanTLSB=0xD616", "", "1150.0"),
        ("neutral current", "IrmsN=0x1388", "", "5.0"),
        ("power factor", "PFmeanT=0xFFFF", "", "-0.001"),
        ("voltage angle", "UangleB=0x0960", "", "240.0"),
        ("temperature", "Temp=0x0019", "", "25.0"),
        ("reverse energy since last read", "ANenergyB=0x00C8", "mc=1000", "2.0"),
        ("apparent energy", "SenergyC=0x0140", "mc=3200", "1.0"),
        ("peak voltage", "UpeakB=0x2000 UgainB=0x8000", "", "327.68"),
        ("PL constant for a meter constant", "PLconstH=0x1AD2 PLconstL=0x7480", "", "1000"),
        ("new gain = round(old*reference/measured)", "Igain_old=0x6D39", "measured=4.0 reference=5.0", "34951"),
        ("Phi from PF 0.5L energy error", "", "error=+0.0095 f_hz=60", "30"),
        ("SagTh/PhaseLossTh for a voltage", "Ugain=0x4000", "volts=23.0", "3253"),
        ("Ioffset from the 32-bit reading without current", "Irms32=0x00002200", "", "65468"),
        ("Qoffset from the 32-bit reading without current", "Qmean32=0xFFFFFEDD", "", "291"),
    ],
)
def test_other_rows_of_the_same_form_work(quantity: str, inputs: str, args: str, computed: str) -> None:
    assert vectors.agrees(compute(quantity, inputs, args), computed)


SITE = "r1_ohm=1000000 r2_ohm=1000 ct_ratio=2000 burden_ohm=5 pga=1"


@pytest.mark.parametrize(
    ("part", "quantity", "inputs", "args", "computed"),
    [
        ("ADE7878", "voltage", "CVRMS=0x003FF6A6", "r1_ohm=1000000 r2_ohm=1000 pga=1", "353.906944"),
        ("ADE7878", "current", "NIRMS=0x003FF6A6", "ct_ratio=2000 burden_ohm=5 pga=1", "141.421356"),
        ("ADE7878", "current", "BIRMS=0x003FF6A6", "mv_per_a=0.8325 pga=1", "424.688756"),
        ("ADE7878", "reactive power", "BVAR=0xFFF0BDC0", SITE, "-23892.966907674"),
        ("ADE7878", "apparent power", "CVA=0x000F4240", SITE, "23892.966907674"),
        ("ADE7878", "part from CHECKSUM after reset", "CHECKSUM=0xEEF4CB9A", "", "ADE7878A"),
        ("ADE7878", "part from CHECKSUM after reset", "CHECKSUM=0xFFFFFFFF", "", "unknown or no bus"),
        ("ADE7878", "energy delta", "CVARHR=0xFFFFFC18", SITE + " wthr=33516139", "-1.737847222"),
        ("ADE7878", "cos phi", "ANGLE2=0x0500", "f_hz=50", "0.0"),
        ("ADE7878", "gain", "measured=0 expected=1", "", "refused: ValueOutOfRange"),
        ("ADE9000", "voltage", "CVRMSONE=0x03242B8C", "r1_ohm=990000 r2_ohm=1000 pga=1", "700.742820156"),
        ("ADE9000", "total harmonic distortion", "BITHD=0x04000000", "", "0.5"),
        (
            "ADE9000",
            "active power",
            "CWATT=0xFEC43BCE",
            "r1_ohm=990000 r2_ohm=1000 ct_ratio=3000 burden_ohm=10",
            "-148650",
        ),
        ("ADE9000", "energy counts", "CVARHR_HI=0x80000000 CVARHR_LO=0x00000000", "", "-17592186044416"),
        ("ADE9000", "angle", "ANGL_VA_VB=0x1638", "f_hz=60", "119.98125"),
        ("ADE9000", "frequency", "COM_PERIOD=0x00855554", "", "60.0000026"),
        ("ADE9000", "xPHCAL0 for a phase correction", "degrees=5", "f_hz=50", "refused: ValueOutOfRange"),
    ],
)
def test_other_rows_of_the_ade_parts_work(part: str, quantity: str, inputs: str, args: str, computed: str) -> None:
    assert vectors.agrees(compute(quantity, inputs, args, part), computed)


@pytest.mark.parametrize(
    ("quantity", "inputs", "args"),
    [
        ("new gain", "Ugain_old=0x8000", "measured=100 reference=230"),
        ("new gain", "Ugain_old=0x8000", "measured=0 reference=230"),
        ("PQGain", "", "error=-1.0"),
        ("PQGain", "", "error=-0.9"),
        ("Phi", "", "error=0.2 f_hz=50"),
        ("PStartTh/PPhaseTh for a power", "", "watts=21.0"),
        ("PL constant", "PLconstH=0x0000 PLconstL=0x0000", ""),
    ],
)
def test_values_that_the_chip_cannot_take_are_refused(quantity: str, inputs: str, args: str) -> None:
    assert compute(quantity, inputs, args) == "refused: ValueOutOfRange"


def test_other_parts_and_quantities_are_skipped() -> None:
    assert compute("voltage", "AVRMS=0x1", part="ADE7953") == "skipped"
    assert compute("colour", "Hue=0x1") == "skipped"
    assert compute("colour", "Hue=0x1", part="ADE7878") == "skipped"
    assert compute("colour", "Hue=0x1", part="ADE9000") == "skipped"
    assert compute("read request", "bus=i2c address=0x1 width=16") == "skipped"
    assert compute("poll", "bus=spi address=0x1 width=16") == "skipped"
    assert compute("voltage", "words=0x4366-0x8000", "encoding=unknown", part="SDM*") == "skipped"
    assert compute("parity", "bytes=01", part="RTU") == "skipped"


def run(*names: str) -> tuple[int, list[str], str]:
    done = subprocess.run(
        [sys.executable, "-m", "drivers.vectors", *names], cwd=REPOSITORY, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_the_command_prints_each_row_and_a_closing_count(shared_dir: Path) -> None:
    code, lines, errors = run(*(str(shared_dir / "reference" / name) for name in FILES))
    assert (code, errors) == (0, "")
    assert len(lines) == 71 + 49 + 25 + 50 + 51 + 1
    assert lines[-1] == "246 rows: 246 computed, 0 skipped, 0 mismatched"
    assert "A22,-1150.0" in lines
    assert "F01r,80 D9 00 00" in lines
    assert "M07,NaN: reject" in lines


@pytest.mark.parametrize("name", FILES)
def test_expected_and_note_may_be_empty(name: str, shared_dir: Path, tmp_path: Path) -> None:
    stripped = tmp_path / "stripped.csv"
    with (shared_dir / "reference" / name).open(newline="") as source, stripped.open("w", newline="") as target:
        rows = list(csv.DictReader(source))
        writer = csv.DictWriter(target, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, "expected": "", "note": ""} for row in rows)
    code, lines, _ = run(str(stripped))
    assert code == 0
    assert len(lines) == len(rows) + 1
    assert "skipped" not in lines[3]


def test_a_wrong_expectation_is_counted_and_fails(tmp_path: Path) -> None:
    path = tmp_path / "wrong.csv"
    row = "ATM90E32AS,voltage,UrmsA=0x5A0A,,"
    path.write_text(f"{HEADER}X1,{row}230.6,V,\nX2,{row}230.5,V,\n")
    code, lines, errors = run(str(path))
    assert code == 1
    assert lines[-1] == "2 rows: 2 computed, 0 skipped, 1 mismatched"
    assert "X1: computed 230.5, expected 230.6" in errors


def test_unreadable_files_exit_2_and_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text(HEADER + "X1,ATM90E32AS,voltage,UrmsA,,1.0,V,\n")
    assert run(str(broken))[0] == 2
    assert "line 2" in run(str(broken))[2]
    assert run(str(tmp_path / "none.csv"))[0] == 2
    assert run()[0] == 2


@pytest.mark.parametrize(
    ("computed", "expected", "equal"),
    [
        ("230.5000001", "230.5", True),
        ("230.51", "230.5", False),
        ("0", "0.0", True),
        ("0x5A0A", "0x5a0a", True),
        ("5", "6", False),
        ("80 D9", "80 DA", False),
        ("refused: ValueOutOfRange", "1.0", False),
    ],
)
def test_floats_agree_within_tolerance_and_the_rest_exactly(computed: str, expected: str, equal: bool) -> None:
    assert vectors.agrees(computed, expected) is equal


def test_what_the_driver_puts_on_the_wire_is_what_the_frames_file_says(shared_dir: Path) -> None:
    rows = {row.id: row.expected for row in vectors.read_rows(shared_dir / "reference" / "vectors-frames.csv")}
    bench = ChipBench(record=True)
    assert bench.chip.transcript is not None
    bench.step((1000.0, 0.0, 0.0), full=True)
    sent = {tx.hex(" ").upper() for tx, _ in bench.chip.transcript}
    for name in ("F01r", "F02r", "F03r", "F05r", "F06w", "F07w", "F08w", "F10w", "F11w", "F12w", "F13w"):
        assert rows[name] in sent, name


def test_the_portable_script_holds_every_integer_row_of_the_ade_parts(shared_dir: Path) -> None:
    path = REPOSITORY / "tests" / "portable" / "scripts" / "ade_integers.py"
    spec = importlib.util.spec_from_file_location("ade_integers", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    wanted = {}
    for name in ("vectors-ade7878.csv", "vectors-ade9000.csv"):
        for row in vectors.read_rows(shared_dir / "reference" / name):
            floats = "." in row.expected or row.quantity in ("voltage", "energy") or row.quantity.startswith("part")
            if not floats:
                wanted[row.id] = int(row.expected, 0)
    assert {name: pair[1] for name, pair in script.ROWS.items()} == wanted
