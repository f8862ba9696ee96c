"""Writes what the daemons of a run read: keys, terms, tariff, history, settings."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from honey_edge.billing.tariff import tariff_document
from honey_edge.model.slots import slot_start_unix_s
from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.structs import HiveTerms
from honey_edge.wire.terms_file import TermsFile, terms_document
from honey_edge.wire.typed_data import Domain, digest
from provisioning.certificates import CertificateFiles, write_private
from provisioning.demo import plan as demo_plan
from provisioning.demo.plan import HomePlan, RunPlan

LEAD_S = 60
BATTERY_END_PERMILLE = 500


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What exists before the daemons start: chain, contract (40 hex digits), broker, certificates, grant socket."""

    rpc: str
    chain_id: int
    contract: str
    broker_port: int
    ca_file: Path
    certificates: Mapping[str, CertificateFiles]
    grant_socket: Path


def start_unix_s(plan: RunPlan) -> int:
    """When the daemons' clocks start: a little before the first billed slot, so that its baseline is read."""
    return slot_start_unix_s(plan.first_slot) - LEAD_S


def toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Sections of plain values as TOML; JSON notation is TOML's for texts, numbers, booleans and lists of them."""
    lines: list[str] = []
    for name, section in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in section.items()]
        lines.append("")
    return "\n".join(lines)


def demo_terms(plan: RunPlan) -> HiveTerms:
    """What the homes of the run accept."""
    return HiveTerms(
        hive=demo_plan.HIVE,
        version=1,
        from_slot=plan.first_slot,
        tariff=keccak(tariff_document(plan.tariff)),
        theta=demo_plan.THETA,
        fee=demo_plan.FEE_PER_MILLE,
        platform_bps=demo_plan.PLATFORM_BPS,
        max_price=2 * max(plan.tariff.buy),
        max_power_w=demo_plan.MAX_POWER_W,
        island_ceiling=0,
        cover_days=2,
    )


def write_terms(plan: RunPlan, domain: Domain) -> None:
    """Writes tariff.json and terms.json, signed by Queen and owner, into the run's folder."""
    terms = demo_terms(plan)
    hashed = digest(domain, terms)
    signatures = [KeySigner(secret).sign(hashed) for secret in (plan.queen_secret, plan.owner_secret)]
    (plan.folder / "tariff.json").write_bytes(tariff_document(plan.tariff))
    (plan.folder / "terms.json").write_bytes(terms_document(TermsFile.of(terms, *signatures)))


def agreement_section(plan: RunPlan, around: Surroundings) -> dict[str, Any]:
    """What both daemons' settings say about the Hive."""
    return {
        "hive": demo_plan.HIVE,
        "chain_id": around.chain_id,
        "contract": around.contract,
        "queen_address": KeySigner(plan.queen_secret).address.hex(),
        "owner_address": KeySigner(plan.owner_secret).address.hex(),
        "terms_file": str(plan.folder / "terms.json"),
        "tariff_file": str(plan.folder / "tariff.json"),
    }


def broker_section(around: Surroundings, address: str, port: int) -> dict[str, Any]:
    """Where the broker is, and the own certificate."""
    files = around.certificates[address]
    return {
        "host": "127.0.0.1",
        "port": port,
        "ca_file": str(around.ca_file),
        "certificate_file": str(files.certificate),
        "key_file": str(files.key),
    }


def clock_section(plan: RunPlan, around: Surroundings) -> dict[str, Any]:
    """Granted time."""
    return {"kind": "granted", "grant_socket": str(around.grant_socket), "start_unix_s": start_unix_s(plan)}


def write_worker(plan: RunPlan, home: HomePlan, around: Surroundings, port: int, faults: list[str]) -> Path:
    """Writes one Worker's key, history and settings; the settings file."""
    folder = plan.folder / "workers" / home.serial
    (folder / "run").mkdir(parents=True)
    write_private(folder / "device.key", home.secret.hex().encode())
    past = home.profile.history()
    history = {
        "v": 1,
        "first_slot": past.first_slot,
        "load_milliwh": past.load_milliwh,
        "pv_milliwh": past.pv_milliwh,
    }
    (folder / "history.json").write_text(json.dumps(history))
    sections: dict[str, dict[str, Any]] = {
        "worker": {
            **agreement_section(plan, around),
            "serial": home.serial,
            "name": f"Home {home.profile.name}",
            "state_dir": str(folder),
            "runtime_dir": str(folder / "run"),
            "key_file": str(folder / "device.key"),
            "opening_slot": plan.first_slot - 1,
        },
        "meter": _meter(home),
        "broker": broker_section(around, home.address, port),
        "pv": {"peak_w": int(home.profile.pv_kwp * 1000)},
        "web": {"host": "127.0.0.1", "port": 0},
        "clock": clock_section(plan, around),
        "history": {"file": str(folder / "history.json")},
        "sim": {
            "profile": home.profile.name,
            "day_unix_s": home.profile.day_unix_s,
            "days": home.profile.days,
            "seed": plan.seed,
            "faults": faults,
            "house_file": str(folder / "house.bin"),
        },
    }
    if battery := _battery(home):
        sections["battery"] = battery
    path = folder / "worker.toml"
    path.write_text(toml(sections))
    return path


def _meter(home: HomePlan) -> dict[str, Any]:
    kind = "sim:house" if home.meter == "atm90e32as" else f"modbus-tcp:{home.meter}"
    return {
        "kind": kind,
        "sample_every_s": 5,
        "full_every": 1,
        "fuse_w": demo_plan.MAX_POWER_W,
    }


def _battery(home: HomePlan) -> dict[str, Any]:
    spec = home.profile.battery
    if not spec.capacity_milliwh:
        return {}
    return {
        "kind": "sim",
        "capacity_wh": spec.capacity_milliwh // 1000,
        "charge_w": spec.charge_w,
        "discharge_w": spec.discharge_w,
        "end_min_permille": BATTERY_END_PERMILLE,
    }
