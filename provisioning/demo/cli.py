"""`hive-demo`: the command line of the demo, and of `make demo`."""

import argparse
import asyncio
import json
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

from drivers.errors import DriverError
from honey_edge.model.errors import HiveError
from provisioning.demo import plan as demo_plan
from provisioning.demo.broker import CHOICES
from provisioning.demo.outcome import CheckFailed, conclude
from provisioning.demo.plan import DemoError, RunPlan, choose_homes, demo_hive_homes, demo_secret, demo_tariff
from provisioning.demo.report import HiveReport, hive_lines, home_table
from provisioning.demo.run import HiveRun

MARK = "hive-demo.txt"
SLOTS_PER_HOUR = 4
LONGEST_HOURS = 28 * 24
TEN_MINUTES_SPEED = 144.0


def parser() -> argparse.ArgumentParser:
    """The options; the reference page is generated from them."""
    options = argparse.ArgumentParser(
        prog="hive-demo",
        description="Runs a whole Hive for a measured day: simulated wires, real drivers, daemons, broker and chain.",
    )
    options.add_argument("--homes", type=int, default=6, metavar="N", help="homes in the Hive, 1 to 10 (default 6)")
    options.add_argument("--hours", type=float, default=24.0, metavar="H", help="simulated hours; 0.5 is two slots")
    options.add_argument(
        "--speed", type=float, default=0.0, metavar="X", help="at most X times real time (default: as fast as it goes)"
    )
    options.add_argument("--seed", type=int, default=1, help="same seed, same energies, bills and evidence")
    options.add_argument(
        "--out", type=Path, default=Path("demo-out"), metavar="DIR", help="where everything is written"
    )
    options.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND@SERIAL[:SLOT]",
        help="energy-stuck, stuck-high, bit-flip, brown-out, late or kill-worker at a home; kill-queen@SLOT, "
        "kill-broker@SLOT; may be given several times",
    )
    options.add_argument("--broker", choices=CHOICES, default="", help="default: mosquitto when installed, else nats")
    options.add_argument("--serve", action="store_true", help="keep the pages up until Ctrl-C")
    options.add_argument(
        "--json", action="store_true", help="print the report as JSON, nothing else, on standard output"
    )
    options.add_argument(
        "--preset",
        choices=("demo-hive",),
        help="the white paper's testbed: a producer, a consumer, a day in ten minutes",
    )
    return options


def plan_of(options: argparse.Namespace) -> RunPlan:
    """What the options ask for; DemoError names the option that cannot be met."""
    if not 0.25 <= options.hours <= LONGEST_HOURS or (options.hours * SLOTS_PER_HOUR) % 1:
        raise DemoError(f"--hours {options.hours:g}: whole quarter-hours from 0.25 to {LONGEST_HOURS}")
    if options.speed < 0:
        raise DemoError(f"--speed {options.speed:g}: a positive factor, or 0 for as fast as it goes")
    preset = options.preset == "demo-hive"
    homes = demo_hive_homes(options.seed) if preset else choose_homes(options.homes, options.hours, options.seed)
    first_day = homes[0].profile.start_unix_s
    return RunPlan(
        homes=homes,
        slots=int(options.hours * SLOTS_PER_HOUR),
        seed=options.seed,
        folder=options.out.resolve(),
        queen_secret=demo_secret(options.seed, "queen"),
        owner_secret=demo_secret(options.seed, "owner"),
        tariff=demo_tariff(),
        day_unix_s=first_day,
        speed=options.speed or (TEN_MINUTES_SPEED if preset else 0.0),
        serve=options.serve or preset,
        faults=tuple(options.fault),
    )


def prepare_folder(folder: Path) -> None:
    """An empty folder for the run; one that the demo did not make itself is left alone."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise DemoError(f"{folder} holds something else", next_step="name another folder with --out")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).write_text("Made by hive-demo, which replaces it at the next run. Its keys are worthless.\n")


class Progress:
    """What is going on, on standard error: one line that is overwritten on a terminal, few lines elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._last = ""

    def __call__(self, text: str) -> None:
        """Shows one step; slots are shown every hour where lines cannot be overwritten."""
        if self._terminal:
            end = "\r" if text.startswith("slot ") else "\n"
            print(f"\x1b[2K{text}", end=end, file=sys.stderr, flush=True)
        elif not text.startswith("slot ") or int(text.split()[1]) % 16 == 0:
            print(text, file=sys.stderr, flush=True)


async def run_demo(plan: RunPlan, progress: Progress, broker: str) -> HiveReport:
    """The run from start to report; every child has ended when this returns or raises."""
    run = HiveRun(plan, progress, broker)
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with run.started():
        report = await conclude(run, progress)
        (plan.folder / "report.json").write_text(json.dumps(report.document(), indent=1) + "\n")
        if plan.serve:
            print_report(report, as_json=False)
            sys.stdout.flush()
            pages = ", ".join(f"{serial} {address}" for serial, address in run.pages().items())
            progress(f"pages: {pages} (Ctrl-C ends)")
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
    return report


def print_report(report: HiveReport, as_json: bool) -> None:
    """The table, or the document."""
    if as_json:
        print(json.dumps(report.document(), indent=1))
        return
    print("\n".join([*home_table(report, demo_plan.CURRENCY), "", *hive_lines(report)]))


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 done, 1 a check failed (home and check are named), 2 wrong usage, 130 interrupted."""
    options = parser().parse_args(arguments)
    progress = Progress()
    try:
        plan = plan_of(options)
        prepare_folder(plan.folder)
        report = asyncio.run(run_demo(plan, progress, options.broker))
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except CheckFailed as error:
        print("\n".join(f"FAILED {finding}" for finding in error.findings), file=sys.stderr)
        return 1
    except (HiveError, DriverError) as error:
        print(f"error: {error} ({error.code})", file=sys.stderr)
        if step := getattr(error, "next_step", ""):
            print(f"  do next: {step}", file=sys.stderr)
        return 1
    except (asyncio.CancelledError, KeyboardInterrupt):
        print("interrupted; everything has been ended", file=sys.stderr)
        return 130
    if not plan.serve:
        print_report(report, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
