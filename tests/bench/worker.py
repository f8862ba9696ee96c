"""What a Worker costs: resident memory in a running Hive, and the time from its start to its first sample.

Memory: one home with a chip and a battery, a real broker with TLS, eleven slots, a plan solved in each, the page and
its style served once, over the wire; then VmRSS of the daemon (proc(5)). The simulator in the same process is counted
with it, so the figure errs on the high side. As on an installed Worker the modules are compiled before (into the run's
folder, by the first start). Reference in the same run: a fresh interpreter with only osqp, which no
schedule can do without. Bar: 80 MiB.

Start: from the start of the process until the first sample is in its checkpoint; median of several starts from nothing.
Reference: a fresh interpreter that imports the daemon and ends. Bar: 2 s. Prints JSON lines.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from provisioning.demo.children import ChildPlan
from provisioning.demo.files import start_unix_s
from provisioning.demo.plan import RunPlan, choose_homes, demo_secret, demo_tariff
from provisioning.demo.run import HiveRun

SLOTS, SEED = 11, 1
MEMORY_BAR_MIB, START_BAR_S = 80.0, 2.0
STARTS = 5
LIMIT_S = 20.0
STATE = ("counters", "run/counters", "house.bin")
_KIB_PER_MIB = 1024


def resident_mib(status: str) -> float:
    """VmRSS out of a process's status file, MiB."""
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / _KIB_PER_MIB


def fresh_interpreter_mib(program: str) -> float:
    """Resident size of an interpreter that ran only this."""
    command = [sys.executable, "-c", f"{program}\nprint(open('/proc/self/status').read())"]
    return resident_mib(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def fresh_interpreter_s(program: str) -> float:
    """Wall time of an interpreter that runs only this."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.monotonic() - started


def process_of(config: Path) -> Path:
    """The /proc folder of the daemon with this settings file."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and str(config) in command_line(folder):
            return folder
    raise LookupError(f"no process was started with {config}")


def command_line(folder: Path) -> list[str]:
    """The words a process was started with; none when it has ended meanwhile."""
    try:
        return (folder / "cmdline").read_text(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def plan_of_one_home(folder: Path) -> RunPlan:
    """A Hive of one home with chip, sun and battery."""
    home = next(home for home in choose_homes(3, 3.0, SEED) if home.meter == "atm90e32as" and home.profile.pv_kwp)
    assert home.profile.battery.capacity_milliwh > 0
    secrets = demo_secret(SEED, "queen"), demo_secret(SEED, "owner")
    return RunPlan((home,), SLOTS, SEED, folder, *secrets, demo_tariff(), day_unix_s=home.profile.start_unix_s)


async def lived(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """One Hive: starts of its Worker, then its slots; the figures for memory and start."""
    run = HiveRun(plan_of_one_home(folder), lambda _: None)
    serial = run.plan.homes[0].serial
    config = folder / "workers" / serial / "worker.toml"
    async with run.started():
        starts = [await first_sample_s(run, config) for _ in range(STARTS)]
        worker = process_of(config)
        before = resident_mib((worker / "status").read_text())
        await run.live()
        page = run.pages()[serial]
        for address in (page, page + "static/page.css"):
            await asyncio.to_thread(read_page, address)
        after = resident_mib((worker / "status").read_text())
        if run.children.log_of(serial).read_text().count("event=plan_adopted") < SLOTS:
            raise LookupError(f"{serial} did not adopt a plan in each of {SLOTS} slots")
    return memory_line(before, after), start_line(starts)


async def first_sample_s(run: HiveRun, config: Path) -> float:
    """Wall seconds from the start of a Worker's process until its first sample is taken and in its checkpoint.

    The Worker starts with nothing but its settings, and is granted its first instant as soon as it asks.
    """
    (name, home), folder = next(iter(run.workers.items())), config.parent
    await run.children.end(home.serial)
    run.grants.forget(name)
    for file in (*(folder / name for name in STATE), *folder.glob("journal.sqlite*")):
        file.unlink(missing_ok=True)
    started = time.monotonic()
    command = (sys.executable, "-m", "worker_node.cli", "run", "--config", str(config))
    await run.children.start(ChildPlan(home.serial, command))
    await run.grants.wait_for([name])
    await run.grants.grant([name], start_unix_s(run.plan))
    seconds = time.monotonic() - started
    if not (folder / "run" / "counters").exists():
        raise LookupError(f"{folder}: the first instant went by without a sample")
    return seconds


def read_page(address: str) -> bytes:
    """One request, read to its end."""
    with urlopen(address, timeout=LIMIT_S) as answer:
        content: bytes = answer.read()
    return content


def memory_line(before: float, after: float) -> dict[str, Any]:
    """The memory figure."""
    reference = fresh_interpreter_mib("import osqp")
    return {
        "bench": "worker",
        "figure": f"resident memory after {SLOTS} slots",
        "mib": round(after, 1),
        "at_start_mib": round(before, 1),
        "reference": "fresh interpreter, import osqp",
        "reference_mib": round(reference, 1),
        "ratio": round(after / reference, 2),
        "bar_mib": MEMORY_BAR_MIB,
        "held": after <= MEMORY_BAR_MIB,
    }


def start_line(own: list[float]) -> dict[str, Any]:
    """The figure for the start."""
    reference = [fresh_interpreter_s("import worker_node.app.daemon") for _ in own]
    value, against = statistics.median(own), statistics.median(reference)
    return {
        "bench": "worker",
        "figure": "start of the process to first sample",
        "seconds": round(value, 3),
        "reference": "fresh interpreter, import worker_node.app.daemon",
        "reference_seconds": round(against, 3),
        "ratio": round(value / against, 2),
        "samples": len(own),
        "bar_seconds": START_BAR_S,
        "held": value <= START_BAR_S,
    }


def main() -> int:
    """Prints the figures; 1 when a bar is missed, 0 otherwise."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "compiled")
        results = asyncio.run(lived(Path(folder) / "hive"))
    for result in results:
        print(json.dumps(result), flush=True)
    return 0 if all(result["held"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
