"""The hand-written pages agree with the code: links, paths, names, commands, limits, the worked bill, the set-up."""

import ast
import json
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from honey_edge.billing.clearing import SlotPool, choose_price, payment, share_surplus, totals_of
from honey_edge.model.options import read_settings
from queen_node.settings import QueenSettings, load
from worker_node.settings import WorkerFile, load_settings

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
HAND_WRITTEN = [page for page in PAGES if not re.match(r"settings-|error-codes|commands|topics", page.name)]
FOLDERS = "worker_node|queen_node|drivers|honey_edge|contracts|provisioning|images|tests|docs"

FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")
TICKED_PATH = re.compile(rf"`((?:{FOLDERS})/[\w./-]*|[A-Z][\w.]*\.(?:md|toml)|pyproject\.toml|Makefile|LICENSE)`")
TICKED_MODULE = re.compile(r"`((?:worker_node|queen_node|drivers|honey_edge|provisioning)(?:\.\w+)+)`")
PLACE = re.compile(r"`([\w./-]+\.py)` : `([\w.]+)`")
MAKE = re.compile(r"`make ([a-z]+)")


def ids(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(REPOSITORY)) for page in pages]


def headings(page: Path) -> set[str]:
    texts = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


@cache
def tree_of(file: str) -> ast.Module:
    return ast.parse((REPOSITORY / file).read_text("utf-8"))


def members(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """Functions, classes, constants and fields of a module or class."""
    found: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            found |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


def lookup(file: str, name: str) -> ast.stmt | None:
    body, node = tree_of(file).body, None
    for part in name.split("."):
        node = members(body).get(part)
        if node is None:
            return None
        body = node.body if isinstance(node, ast.ClassDef) else []
    return node


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_every_relative_link_leads_somewhere(page: Path):
    broken = []
    for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        if not file.exists() or (anchor and anchor not in headings(file)):
            broken.append(target)
    assert not broken, f"{page.name}: {broken}"


@pytest.mark.parametrize("page", HAND_WRITTEN, ids=ids(HAND_WRITTEN))
def test_every_path_that_is_named_exists(page: Path):
    named = TICKED_PATH.findall(page.read_text("utf-8"))
    missing = sorted({path for path in named if not (REPOSITORY / path).exists()})
    assert not missing, f"{page.name} names {missing}"


@pytest.mark.parametrize("page", HAND_WRITTEN, ids=ids(HAND_WRITTEN))
def test_every_module_that_is_named_exists(page: Path):
    missing = []
    for name in TICKED_MODULE.findall(page.read_text("utf-8")):
        whole, parent = REPOSITORY / name.replace(".", "/"), REPOSITORY / name.rpartition(".")[0].replace(".", "/")
        is_module = whole.with_suffix(".py").exists() or (whole / "__init__.py").exists()
        file = parent.with_suffix(".py") if parent.with_suffix(".py").exists() else parent / "__init__.py"
        is_member = file.exists() and lookup(str(file.relative_to(REPOSITORY)), name.rpartition(".")[2]) is not None
        if not is_module and not is_member:
            missing.append(name)
    assert not missing, f"{page.name} names {missing}"


@pytest.mark.parametrize("page", HAND_WRITTEN, ids=ids(HAND_WRITTEN))
def test_every_function_that_is_named_is_in_its_file(page: Path):
    missing = []
    for file, name in PLACE.findall(page.read_text("utf-8")):
        if not (REPOSITORY / file).is_file() or lookup(file, name) is None:
            missing.append(f"{file} : {name}")
    assert not missing, f"{page.name}: {missing}"


def test_one_reading_is_followed_through_all_twelve_steps():
    text = (REPOSITORY / "docs" / "one-reading.md").read_text("utf-8")
    steps = re.split(r"^## ", text, flags=re.MULTILINE)[1:13]
    assert [step.split(".")[0] for step in steps] == [str(number) for number in range(1, 13)]
    for step in steps:
        assert PLACE.search(step), step[:60]
        for row in ("| where |", "| in, out |", "| rule |", "| on failure |"):
            assert row in step, (row, step[:60])


@pytest.mark.parametrize("page", HAND_WRITTEN, ids=ids(HAND_WRITTEN))
def test_every_make_target_that_is_named_exists(page: Path):
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(MAKE.findall(page.read_text("utf-8")))
    assert named <= targets, named - targets


@pytest.mark.parametrize("page", HAND_WRITTEN, ids=ids(HAND_WRITTEN))
def test_no_page_sends_its_reader_to_another_machine(page: Path):
    text = page.read_text("utf-8")
    assert not re.search(r"https?://(?!127\.0\.0\.1|localhost|192\.168\.)", text)
    assert not re.search(r"(?<![\w./])/(?:work|root|home|tmp)/", text)


def test_the_readme_offers_the_demo_and_the_tests_first():
    text = (REPOSITORY / "README.md").read_text("utf-8")
    first_screen = "\n".join(text.splitlines()[:40])
    assert "make demo" in first_screen
    assert "make test" in first_screen
    assert "<!-- demo output -->\n```" in text


def test_the_index_lists_every_page():
    docs = REPOSITORY / "docs"
    listed = set(LINK.findall((docs / "README.md").read_text("utf-8")))
    pages = {str(page.relative_to(docs)) for page in docs.rglob("*.md")} - {"README.md"}
    assert pages <= listed, pages - listed


# -- figures


def number(text: str) -> int:
    return int(text.strip().replace(" ", "").replace(",", "").replace("`", ""))


def rows_after(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its header."""
    text = (REPOSITORY / "docs" / page).read_text("utf-8").split(f"## {heading}\n", 1)[1]
    lines = []
    for line in text.splitlines():
        if line.startswith("|"):
            lines.append([cell.strip() for cell in line.strip("|").split("|")])
        elif lines:
            break
    return lines[2:]


def test_the_worked_bill_is_what_the_rule_computes():
    given = {row[0]: number(row[1]) for row in rows_after("money.md", "The slot")}
    homes = {row[0]: [number(cell) for cell in row[1:]] for row in rows_after("money.md", "Each home's payment")}
    told = {row[0]: number(row[2]) for row in rows_after("money.md", "The surplus and who gets it")}
    energies = {name: cells[0] for name, cells in homes.items()}
    bought, sold = totals_of(list(energies.values()))
    pcc = sum(energies.values())
    buy, sell = given["buy price"], given["sell price"]
    price = choose_price(given["announced price"], pcc, bought, sold, buy, sell)
    pool = SlotPool(bought, sold, pcc, buy, sell, price, given["theta"], given["fee"])
    shares = share_surplus(pool)
    paid = {name: payment(pool, shares, energy) for name, energy in energies.items()}
    reserve = shares.shared - sum(one.discount for one in paid.values())
    assert {name: cells[1:] for name, cells in homes.items()} == {
        name: [one.standalone, one.discount, one.amount] for name, one in paid.items()
    }
    assert told == {
        "bought": bought, "sold": sold, "from the grid": pcc, "settling price": price, "Hive's cost": shares.hive_cost,
        "surplus": shares.surplus, "fee kept": shares.fee, "shared": shares.shared, "to buyers": shares.to_buyers,
        "to sellers": shares.to_sellers, "reserve": reserve,
    }  # fmt: skip
    assert sum(one.amount for one in paid.values()) == shares.hive_cost + shares.fee + reserve - shares.deficit


def test_the_limits_that_are_told_are_those_of_the_code():
    for cells in rows_after("security.md", "Limits"):
        place = PLACE.search(cells[2])
        assert place, cells
        node = lookup(*place.groups())
        assert isinstance(node, ast.Assign | ast.AnnAssign), cells
        assert node.value is not None
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, int | float):
            assert number(cells[1].split(" ")[0]) == node.value.value, cells


def test_message_sizes_are_those_of_the_code():
    from honey_edge.wire.codec import MAX_BYTES

    told = {row[0].strip("`"): number(row[1]) for row in rows_after("security.md", "Size of messages")}
    assert told == {kind.__name__: size for kind, size in MAX_BYTES.items()}


def test_every_test_that_the_threats_page_names_is_there():
    text = (REPOSITORY / "docs" / "threats.md").read_text("utf-8")
    names = set(re.findall(r"`((?:test|testFuzz|invariant|check)_\w+|[A-Z]\w+\.\w+_?)`", text))
    sources = [*(REPOSITORY / "contracts" / "test").rglob("*.sol"), *(REPOSITORY / "tests").rglob("test_*.py")]
    written = "\n".join(source.read_text("utf-8") for source in sources)
    defined = set(re.findall(r"(?:function|def) (\w+)\(", written))
    handlers = set(re.findall(r"contract (\w+)", written))
    missing = [name for name in names if not (set(name.split(".")) <= defined | handlers)]
    assert len(names) > 100
    assert missing == []


GAS_ROWS = {
    "settle, 10 Workers, each": "settle_10_per_worker",
    "settle, 100 Workers, each": "settle_100_per_worker",
    "settle, 1000 Workers, each": "settle_1000_per_worker",
    "settle, 1000 Workers, in all": "settle_1000_total",
    "first deposit": "first_deposit",
    "later deposit": "top_up",
    "applyStatement": "apply_statement",
    "withdraw": "withdraw",
    "startClose on the stored state": "start_close_stored",
    "startClose with a statement": "start_close",
    "contest": "contest",
    "contest that proves a lie": "contest_proving_a_lie",
    "finishClose": "finish_close",
    "finishClose after a lie": "finish_close_after_a_lie",
    "closeAgreed": "close_agreed",
    "createHive, each meter": "create_hive_per_meter",
    "moveMeters, each meter": "move_meters_per_meter",
    "propose": "propose",
    "castVote, the first for a side": "cast_vote_first",
    "castVote, later ones": "cast_vote",
    "queue": "queue",
    "execute an upgrade": "execute_upgrade",
}


def test_gas_figures_are_those_of_the_snapshot():
    snapshot = json.loads((REPOSITORY / "contracts" / "gas-snapshot.json").read_text("utf-8"))["gas"]
    text = (REPOSITORY / "docs" / "contracts.md").read_text("utf-8")
    rows = re.findall(r"^\| ([^|]+) \| ([\d ]+) \| [\d -]+ \|$", text, re.M)
    found = {name: int(figure.replace(" ", "")) for name, figure in rows if name in GAS_ROWS}
    assert found == {name: snapshot[key] for name, key in GAS_ROWS.items()}


# -- the operator's set-up


def blocks(page: str, language: str) -> list[str]:
    text = (REPOSITORY / "docs" / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_set_up_script_and_the_settings_of_the_operating_page_fit_each_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (script,) = blocks("operating.md", "python")
    names: dict[str, object] = {}
    exec(compile(script, "operating.md", "exec"), names)
    known = {f"{name.upper()}_ADDRESS": names[name].address.hex() for name in ("queen", "owner")}  # type: ignore[attr-defined]
    written = tmp_path / "hive-files"
    for text in blocks("operating.md", "toml"):
        for placeholder, address in known.items():
            text = text.replace(placeholder, address)
        file = written / ("queen.toml" if "[hive]" in text else "worker.toml")
        file.write_text(text)
    assert load(written / "queen.toml").terms.hive == load_settings(written / "worker.toml").worker.hive
    assert "require_certificate true" in (written / "broker" / "mosquitto.conf").read_text()


@pytest.mark.parametrize("page", ["atm90e32as", "eastron", "carlo-gavazzi", "sunspec", "modbus-profiles"])
def test_the_settings_of_the_device_pages_are_known(page: str):
    for text in blocks(f"hardware/{page}.md", "toml"):
        given = tomllib.loads(text)
        assert given.keys() & {"meter", "battery", "serve"}
        whole = (
            text
            + ("" if "meter" in given else '[meter]\nkind = "modbus-tcp:sunspec"\n')
            + '\n[broker]\nhost="a"\nca_file="a"\ncertificate_file="a"\nkey_file="a"\n[worker]\n'
            + WORKER
        )
        assert read_settings(WorkerFile, whole, page).meter.kind


WORKER = "\n".join(
    ["hive = 7", "chain_id = 1"]
    + [
        f'{name} = "x"'
        for name in (
            "serial", "state_dir", "runtime_dir", "key_file", "terms_file", "tariff_file", "queen_address",
            "owner_address", "contract",
        )
    ]
)  # fmt: skip


def test_queen_settings_of_the_operating_page_name_only_known_keys():
    for text in blocks("operating.md", "toml"):
        if "[hive]" in text:
            assert read_settings(QueenSettings, text, "operating.md").hive.hive == 7
