"""How a run is concluded: settlement of each started day, evidence, its verification, and the checks that decide.

The demo trusts nobody: counters are compared with what the simulated houses metered, bills with the tariff, the chain
with the books, all from files and processes a stranger could run.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any

from honey_edge.billing.clearing import tariff_cost_pico
from honey_edge.billing.tariff import Tariff
from honey_edge.model.errors import HiveError
from honey_edge.model.slots import SLOT_S
from honey_edge.model.units import NANOWH_PER_MILLIWH, PICO_PER_MICRO, micro_owed
from honey_edge.wire.codec import decode
from honey_edge.wire.messages import ReadingMessage
from provisioning.demo.alone import (
    alone_energies_milliwh,
    at_tariff_micro,
    idle_energies_milliwh,
)
from provisioning.demo.grants import Answer
from provisioning.demo.report import HiveReport, HomeReport
from provisioning.demo.run import HiveRun
from provisioning.demo.uncoordinated import Uncoordinated, uncoordinated

Document = dict[str, Any]


class CheckFailed(HiveError):
    """The run ended, and something does not hold; `findings` name home and check."""

    code = "E-DEMO-CHECK"

    def __init__(self, findings: list[str]) -> None:
        super().__init__("; ".join(findings))
        self.findings = findings


class CommandFailed(HiveError):
    """One of the operator's commands failed."""

    code = "E-DEMO-COMMAND"


async def conclude(run: HiveRun, progress: Callable[[str], None]) -> HiveReport:
    """Lives through the run, settles, verifies; CheckFailed when anything does not hold."""
    started = monotonic()
    alone = asyncio.create_task(asyncio.to_thread(uncoordinated, run.plan))
    await run.live()
    progress("settling on the chain and writing the evidence")
    settlements = [await _settle(run, day) for day in run.plan.days]
    evidence = run.plan.folder / "evidence"
    await _command(run, "evidence", str(evidence), "--config", str(run.queen_config))
    verified = await _verify(run, evidence)
    status: Document = json.loads(await _command(run, "status", "--json", "--config", str(run.queen_config)))
    wall_s = monotonic() - started
    report = _report(run, evidence, verified, _Ended(settlements, status, await alone), wall_s)
    findings = [*_home_findings(run, evidence), *_hive_findings(run, report)]
    if findings:
        (run.plan.folder / "report.json").write_text(json.dumps(report.document(), indent=1) + "\n")
        raise CheckFailed(findings)
    return report


async def _command(run: HiveRun, *arguments: str) -> str:
    code, output = await run.command(*arguments)
    if code:
        raise CommandFailed(
            f"hive {' '.join(arguments[:2])} ended with exit code {code}",
            next_step=f"read {run.children.log_of('hive')}",
        )
    return output


async def _settle(run: HiveRun, day: int) -> Document:
    arguments = ("period", "settle", str(day), "--json", "--no-input", "--confirm", str(day))
    document: Document = json.loads(await _command(run, *arguments, "--config", str(run.queen_config)))
    return document


async def _verify(run: HiveRun, evidence: Path) -> Document:
    assert run.book is not None
    pins = ("--queen", run.queen_address, "--contract", run.book.settlement.hex())
    document: Document = json.loads(await _command(run, "verify", str(evidence), *pins, "--json"))
    return document


def readings_of(evidence: Path, address: str) -> list[ReadingMessage]:
    """A home's signed readings, baseline first."""
    lines = (evidence / "readings" / f"{address}.jsonl").read_bytes().splitlines()
    return [decode(ReadingMessage, line) for line in lines]


def slot_energies(readings: list[ReadingMessage]) -> list[tuple[int, int]]:
    """Slot and net energy (milliwatt-hours) between consecutive readings."""
    return [
        (b.slot, b.import_milliwh - a.import_milliwh - (b.export_milliwh - a.export_milliwh))
        for a, b in pairwise(readings)
    ]


def _standalone_micro(readings: list[ReadingMessage], tariff: Tariff) -> int:
    return micro_owed(sum(tariff_cost_pico(energy, *tariff.prices(slot)) for slot, energy in slot_energies(readings)))


@dataclass(frozen=True, slots=True)
class _Ended:
    """What the report needs besides the evidence: settlements, `hive status`, the same days uncoordinated."""

    settlements: list[Document]
    status: Document
    alone: Uncoordinated


def _report(run: HiveRun, evidence: Path, verified: Document, ended: _Ended, wall_s: float) -> HiveReport:
    by_address = {home["worker"]: home for home in verified["homes"]}
    settlements = ended.settlements
    homes = tuple(
        _home_report(run, evidence, place, by_address[home.address], ended.alone)
        for place, home in enumerate(run.plan.homes)
    )
    transactions = [
        {"hash": one["hash"], "gas_used": one["gas_used"], "workers": one["workers"]}
        for settlement in settlements
        for one in settlement["transactions"]
    ]
    return HiveReport(
        homes=homes,
        slots=verified["slots"],
        conservation_pico=verified["conservation_pico"],
        surplus_micro=verified["surplus_pico"] // PICO_PER_MICRO,
        rounds=verified["rounds"],
        coordination={name: value for name, value in ended.status.items() if name.startswith("rounds")},
        settlement={
            "transactions": transactions,
            "onchain_matches": bool(transactions) and not verified["unsettled"] and _chain_agrees(settlements, homes),
        },
        simulated_s=run.plan.slots * SLOT_S,
        wall_s=round(wall_s, 3),
    )


def _chain_agrees(settlements: list[Document], homes: tuple[HomeReport, ...]) -> bool:
    """Whether the accounts read back after the last settlement hold what the homes' statements say."""
    accounts: Mapping[str, Document] = settlements[-1]["accounts"]
    return all(accounts[home.address]["net_micro"] == home.hive_micro for home in homes)


def _home_report(run: HiveRun, evidence: Path, place: int, verified: Document, alone: Uncoordinated) -> HomeReport:
    plan, home = run.plan, run.plan.homes[place]
    answer = run.answers[f"worker {home.address}"]
    charge: int | None = answer["soc_permille"]
    stored = home.profile.battery.capacity_milliwh * (charge or 0) // 1000
    readings = readings_of(evidence, home.address)
    own = alone_energies_milliwh(home, plan.tariff, plan.first_slot, plan.slots, charge)
    idle = idle_energies_milliwh(home, plan.slots)
    return HomeReport(
        address=home.address,
        serial=home.serial,
        meter=home.meter,
        import_milliwh=verified["import_milliwh"],
        export_milliwh=verified["export_milliwh"],
        standalone_micro=_standalone_micro(readings, plan.tariff),
        idle_micro=at_tariff_micro(idle, plan.tariff, plan.first_slot),
        alone_optimised_micro=at_tariff_micro(own, plan.tariff, plan.first_slot),
        uncoordinated_micro=alone.paid_micro[place],
        uncoordinated_charge_micro=alone.worth_micro(home, place, stored, plan.tariff),
        hive_micro=verified["hive_micro"],
        readings_signed=answer["readings"],
        readings_verified=verified["readings"],
        statements_both_signed=verified["statements_both_signed"],
    )


def _home_findings(run: HiveRun, evidence: Path) -> list[str]:
    found: list[str] = []
    for name, home in run.workers.items():
        answer = run.answers[name]
        found += [f"{home.serial}: {check['name']}: {check['detail']}" for check in answer["checks"]]
        found += [f"{home.serial}: {finding}" for finding in _energy_findings(run.first_answers[name], answer)]
        readings = readings_of(evidence, home.address)
        total = sum(energy for _, energy in slot_energies(readings))
        first, last = readings[0], readings[-1]
        gained = last.import_milliwh - first.import_milliwh - (last.export_milliwh - first.export_milliwh)
        if total != gained:
            found.append(f"{home.serial}: slots: energies of the slots sum to {total} mWh, counters say {gained}")
    return found


def _energy_findings(first: Answer, last: Answer) -> list[str]:
    """What the daemon counted in the run against what the simulated house metered, within one step of the meter.

    Each direction is compared with a faultless meter, the net with the house itself: a chip cancels opposite
    directions within one count, so only the net is the house's to the last step.
    """
    gained = {key: last[key] - first[key] for key in last if key.endswith(("_milliwh", "_nanowh"))}
    slack = last["meter_step_nanowh"] + NANOWH_PER_MILLIWH
    counted = {name: gained[f"{name}_milliwh"] * NANOWH_PER_MILLIWH for name in ("import", "export")}
    pairs = [(f"{name} counter", counted[name], gained[f"meter_{name}_nanowh"]) for name in counted]
    house = gained["house_import_nanowh"] - gained["house_export_nanowh"]
    pairs.append(("net of the counters", counted["import"] - counted["export"], house))
    return [
        f"energy: the {what} says {own / NANOWH_PER_MILLIWH:.3f} mWh, the house {truth / NANOWH_PER_MILLIWH:.3f} mWh"
        for what, own, truth in pairs
        if abs(own - truth) > slack
    ]


def _hive_findings(run: HiveRun, report: HiveReport) -> list[str]:
    found = []
    if report.slots != run.plan.slots:
        found.append(f"Hive: slots: {report.slots} closed, {run.plan.slots} lived")
    if report.conservation_pico:
        found.append(f"Hive: conservation: the books are off by {report.conservation_pico} pico-coins")
    if not report.settlement["onchain_matches"]:
        found.append("Hive: settlement: the chain does not hold what Queen and Workers computed")
    if len(report.settlement["transactions"]) < len(run.plan.days):
        found.append("Hive: settlement: a started day was not settled")
    for home in report.homes:
        if home.hive_micro > home.standalone_micro:
            found.append(
                f"{home.serial}: tariff: pays {home.hive_micro} micro, its own tariff asks {home.standalone_micro}"
            )
        if home.readings_verified != home.readings_signed:
            found.append(f"{home.serial}: readings: {home.readings_signed} signed, {home.readings_verified} verified")
        if not home.statements_both_signed:
            found.append(f"{home.serial}: statements: none was signed by both")
    return found
