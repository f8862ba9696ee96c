"""The whole daemon on a simulated home, in a process of its own, without a broker."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from honey_edge.wire.typed_data import struct_hash
from tests.unit.worker_node.fake_node import FakeNode, serving
from tests.unit.worker_node.world import DAY_UNIX_S, DOMAIN, FIRST_SLOT, WORKER, write_settings
from worker_node.cli import main
from worker_node.journal import Journal

REPOSITORY = Path(__file__).resolve().parents[3]
STEP_NANOWH = 3_125_000
UNWANTED = ("web3", "eth_account", "sqlalchemy", "pydantic", "typer", "rich", "worker_node.rescue")
OTHER_SOLVERS = ("clarabel", "scipy.optimize", "highspy")
NUMBERS = ("numpy", "scipy", "osqp", *OTHER_SOLVERS)
PAGE = {"[history]": "[web]\nport = 0\n\n[history]"}


class Running:
    """A daemon process and the socket that grants it time."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Running":
        self.connections: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    async def start(self) -> None:
        """Starts the daemon and waits for its hello."""
        socket = self.config.parent / "grant"
        socket.unlink(missing_ok=True)

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self.connections.put((reader, writer))

        self.server = await asyncio.start_unix_server(connected, str(socket))
        command = [sys.executable, "-m", "worker_node.cli", "run", "--config", str(self.config)]
        self.process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
        async with asyncio.timeout(30):
            self.reader, self.writer = await self.connections.get()
            assert json.loads(await self.reader.readline()) == {"hello": f"worker {WORKER.address.hex()}"}

    async def grant(self, offset_s: int) -> dict[str, Any]:
        """Grants an instant, seconds after midnight; the daemon's answer."""
        self.writer.write(json.dumps({"grant": DAY_UNIX_S + offset_s}).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await self.reader.readline())
        assert answer["failed"] == ""
        return answer

    def end(self, number: int) -> tuple[int, float]:
        """Sends a signal; exit code and seconds until the end."""
        assert self.process is not None
        begun = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(10), time.monotonic() - begun


def story(config: Path, tell: Callable[[Running], Awaitable[None]]) -> None:
    async def whole() -> None:
        with Running(config) as running:
            await running.start()
            await tell(running)

    asyncio.run(whole())


def missing_nanowh(before: dict[str, Any], after: dict[str, Any]) -> int:
    """What the house took between two answers and the counters do not show."""
    house, counter = (after[key] - before[key] for key in ("house_import_nanowh", "import_milliwh"))
    return int(house - counter * 10**6)


def journal(folder: Path) -> Journal:
    return Journal(folder / "state" / "journal.sqlite", WORKER.address)


def test_sigterm_ends_it_soon_with_everything_safe_even_with_a_page_open(tmp_path: Path) -> None:
    async def tell(running: Running) -> None:
        before = await running.grant(10)
        answer = await running.grant(910)
        assert answer["readings"] == answer["pending"] == 2
        assert abs(missing_nanowh(before, answer)) <= 2 * STEP_NANOWH
        assert answer["checks"] == []
        stream = await asyncio.to_thread(urlopen, answer["page"] + "events")
        code, seconds = await asyncio.to_thread(running.end, signal.SIGTERM)
        stream.close()
        assert code == 0
        assert seconds < 3.0
        kept = journal(tmp_path).readings_after(-1)
        assert [one.reading.slot for one in kept] == [FIRST_SLOT - 1, FIRST_SLOT]
        assert kept[1].reading.previous == struct_hash(kept[0].reading)

    story(write_settings(tmp_path, PAGE), tell)


def test_a_killed_daemon_goes_on_without_losing_energy(tmp_path: Path) -> None:
    config = write_settings(tmp_path)

    answers = []

    async def first(running: Running) -> None:
        answers.append(await running.grant(10))
        await running.grant(500)
        assert running.end(signal.SIGKILL)[0] == -signal.SIGKILL

    async def second(running: Running) -> None:
        answer = await running.grant(1810)
        assert abs(missing_nanowh(answers[0], answer)) <= 2 * STEP_NANOWH
        assert answer["readings"] == 3

    story(config, first)
    story(config, second)
    slots = [one.reading.slot - FIRST_SLOT for one in journal(tmp_path).readings_after(-1)]
    assert slots == [-1, 0, 1]


def test_stuck_energy_registers_are_named_in_the_granted_report(tmp_path: Path) -> None:
    fault = f'profile = "ca01"\nfaults = ["energy-stuck@{DAY_UNIX_S + 60}"]'

    async def tell(running: Running) -> None:
        await running.grant(10)
        answer = await running.grant(3610)
        assert [check["name"] for check in answer["checks"]] == ["energy-cross-check"]

    story(write_settings(tmp_path, {'profile = "ca01"': fault}), tell)


@pytest.mark.parametrize(
    "module", ["worker_node.app.daemon", "worker_node.app.page", "worker_node.app.chain", "worker_node.agent.solver"]
)
def test_a_fresh_interpreter_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {UNWANTED!r} if m in sys.modules], 'pymodbus' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"


def test_without_chain_settings_nothing_of_the_eye_is_loaded() -> None:
    code = "import sys, worker_node.app.daemon; print([m for m in sys.modules if 'chain_eye' in m or m == 'h11'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_close_loads_no_wallet_library() -> None:
    code = f"import sys, worker_node.rescue.command; print([m for m in {UNWANTED[:-1]!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_daemon_looks_at_the_chain_at_start_and_keeps_what_it_saw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = [FakeNode(at_unix_s=DAY_UNIX_S), FakeNode(at_unix_s=DAY_UNIX_S)]
    configs = []

    async def tell(running: Running) -> None:
        answer = await running.grant(10)
        page = await asyncio.to_thread(lambda: urlopen(answer["page"]).read().decode())
        assert "two places said the same" in page
        assert running.end(signal.SIGTERM)[0] == 0

    async def whole() -> None:
        async with serving(two[0]) as one, serving(two[1]) as other:
            chain = f'[chain]\nrpc_urls = ["{one.url}", "{other.url}"]\n\n'
            configs.append(write_settings(tmp_path, {"[history]": f"[web]\nport = 0\n\n{chain}[history]"}))
            with Running(configs[0]) as running:
                await running.start()
                await tell(running)

    asyncio.run(whole())
    home = journal(tmp_path).home()
    assert home is not None
    assert (home.hive, home.worker, home.chain_id, home.contract) == (7, WORKER.address, 31337, DOMAIN.contract)
    assert main(["show", "--config", str(configs[0]), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["chain_block"], shown["chain_account"], shown["chain_findings"]) == (100, "open", [])
    assert shown["chain_pool_micro"] == 90_000_000


def test_the_app_loads_no_numbers_library_before_a_plan_is_due() -> None:
    code = f"import sys, worker_node.app.daemon; print([m for m in {NUMBERS!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


A_WHOLE_ROUND = """
import sys
from worker_node.agent import homes, solver
from worker_node.agent.assets import AssetState, HomeAssets
from worker_node.agent.battery import BatteryModel
from worker_node.agent.forecast import BaseForecaster

base_kw = BaseForecaster().expected_kw({slot: 100_000 for slot in range(1_920_000 - 960, 1_920_000)}, 1_920_000, 96)
assets = HomeAssets(BatteryModel(6_400_000, 0, 6_400_000, 3_200_000, 5_000, 5_000, 950, 950, 10_000))
home = homes.home_of(assets, base_kw, AssetState(stored_milliwh=3_189_824), 1_920_000)
buy, sell, price = [210_000] * 96, [60_000] * 96, [1_200_000] * 96
solver.plan_alone(home, buy, sell)
running = solver.Round(home, 100)
running.open(price, None, ())
running.answer(price)
assert running.adopted() is not None
assert running.bound_e9_coin(price) <= running.alone_e9_coin(buy, sell)
print([m for m in %r if m in sys.modules], "osqp" in sys.modules)
"""


def test_a_whole_round_loads_no_other_solver_than_the_workers_own() -> None:
    code = A_WHOLE_ROUND % (OTHER_SOLVERS,)
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] True"


def test_a_wrong_settings_file_ends_with_code_2(tmp_path: Path) -> None:
    config = write_settings(tmp_path, {"[meter]": "[metr]"})
    command = [sys.executable, "-m", "worker_node.cli", "run", "--config", str(config)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, env=dict(os.environ), check=False)
    assert done.returncode == 2
    assert "nearest known key: meter" in done.stderr
