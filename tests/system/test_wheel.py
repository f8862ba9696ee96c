"""The wheel alone, in an empty environment outside the checkout, runs a Hive: everything needed is packed."""

import json
import os
import shutil
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("drivers", "honey_edge", "worker_node", "queen_node", "provisioning")
PACKED = (
    "queen_node/abi/EnergySettlement.json",
    "queen_node/abi/MeterList.json",
    "queen_node/abi/TestCoin.json",
    "drivers/sim/data/README.md",
    "drivers/sim/data/homes.csv",
    "drivers/sim/data/uci_1min.csv.gz",
    "drivers/sim/data/ca01_1h.csv.gz",
    "drivers/sim/data/licences/CityLearn-MIT.txt",
    "drivers/sim/data/licences/UCI-CC-BY-4.0.txt",
    "worker_node/web/static/page.css",
    "worker_node/web/static/page.js",
    "worker_node/web/templates/page.html",
    *(f"{package}/py.typed" for package in PACKAGES),
)

pytestmark = pytest.mark.system


def copied_tree(folder: Path) -> Path:
    """The files that are, or would be, in the repository; nothing that a build left behind."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source, target = REPOSITORY / name, folder / name
        if name.startswith("tests/") or not (source.exists() or source.is_symlink()):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target, follow_symlinks=False)
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    if shutil.which("git") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("SKIPPED LOUDLY: without git nobody knows which files belong to the tree")
    tree, out = copied_tree(tmp_path_factory.mktemp("tree")), tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(tree)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, and this one's other packages behind it.

    The other packages are added as a plain path, so this environment's editable install of the checkout stays asleep:
    its finder is started by a .pth file, and those are not read in folders that a .pth file names.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    command = [*pip, "install", "-q", "--no-index", "--no-deps", str(wheel)]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert installed.returncode == 0, installed.stderr
    own = next((folder / "lib").glob("python3*/site-packages"))
    (own / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return folder


def run_there(environment: Path, cwd: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a program of the environment from a folder outside the checkout."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    path = os.pathsep.join([str(environment / "bin"), str(Path(sys.executable).parent), variables.get("PATH", "")])
    return subprocess.run(
        [str(environment / "bin" / command[0]), *command[1:]],
        cwd=cwd,
        env={**variables, "PATH": path},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_data_templates_contracts_and_licences_are_packed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert [name for name in PACKED if name not in names] == []
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == set(PACKAGES)
    assert not [name for name in names if "__pycache__" in name or name.endswith((".key", ".pem", ".sqlite"))]


def test_nothing_comes_from_the_checkout(environment: Path, tmp_path: Path) -> None:
    program = (
        f"import importlib, json, sys; modules = [importlib.import_module(name) for name in {PACKAGES!r}]\n"
        "from queen_node.chain.artifacts import artifact; artifact('EnergySettlement')\n"
        "print(json.dumps([[module.__file__ for module in modules], sys.path]))"
    )
    told = run_there(environment, tmp_path, "python", "-c", program)
    assert told.returncode == 0, told.stderr
    files, paths = json.loads(told.stdout)
    assert all(Path(file).is_relative_to(environment) for file in files)
    assert str(REPOSITORY) not in paths


def test_two_slots_run_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = run_there(environment, tmp_path, "hive-demo", "--homes", "2", "--hours", "0.5", "--out", str(out))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert json.loads((out / "report.json").read_text())["slots"] == 2
    assert "saved" in ended.stdout
