"""One run of a whole Hive: what is started, the day slot by slot, settlement, evidence, report.

Time is granted in four instants a slot: its start (the readings of the slot before are made, sent and receipted), 10 s
later to the Workers alone (a meter that failed at the boundary is read again), 30 s later (that slot is closed and
countersigned) and 60 s later (the coming slots are coordinated).
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from honey_edge.model.slots import SLOT_S, slot_start_unix_s
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.typed_data import Domain
from provisioning.broker_config import BrokerPlan
from provisioning.certificates import Authority, CertificateFiles, write_private
from provisioning.demo import chain_deploy
from provisioning.demo import plan as demo_plan
from provisioning.demo.broker import broker_child, find_broker, free_port
from provisioning.demo.children import ChildPlan, Children
from provisioning.demo.connection import ConnectionMeter
from provisioning.demo.faults import CHIP_FAULTS, Fault, parse_fault
from provisioning.demo.files import (
    Surroundings,
    agreement_section,
    broker_section,
    clock_section,
    demo_terms,
    start_unix_s,
    toml,
    write_terms,
    write_worker,
)
from provisioning.demo.grants import Answer, Grants
from provisioning.demo.plan import HomePlan, RunPlan
from provisioning.demo.proxy import Relay

RETRIED_AFTER_S, CLOSED_AFTER_S, COORDINATED_AFTER_S = 10, 30, 60
QUEEN = "queen"
Progress = Callable[[str], None]


class HiveRun:
    """A running Hive and everything around it."""

    def __init__(self, plan: RunPlan, progress: Progress, broker_kind: str = "") -> None:
        self.plan = plan
        self._progress = progress
        self._broker_kind = broker_kind
        self.faults = [parse_fault(text, [home.serial for home in plan.homes]) for text in plan.faults]
        self.children = Children(plan.folder / "logs")
        self.grants = Grants(plan.folder / "grants.sock")
        self.meter = ConnectionMeter()
        self.relays: dict[str, Relay] = {}
        self.answers: dict[str, Answer] = {}
        self.first_answers: dict[str, Answer] = {}
        self.book: chain_deploy.AddressBook | None = None
        self.rpc = ""

    @property
    def workers(self) -> dict[str, HomePlan]:
        """Homes by the name their daemons give themselves."""
        return {f"worker {home.address}": home for home in self.plan.homes}

    @property
    def queen_address(self) -> str:
        """The Queen's identity."""
        return KeySigner(self.plan.queen_secret).address.hex()

    def pages(self) -> dict[str, str]:
        """The homeowners' pages by serial, as the Workers say they serve them."""
        return {home.serial: self.answers[name].get("page", "") for name, home in self.workers.items()}

    @property
    def queen_config(self) -> Path:
        """The Queen's settings file."""
        return self.plan.folder / "queen" / "queen.toml"

    @asynccontextmanager
    async def started(self) -> AsyncIterator[None]:
        """Everything runs inside; every child has ended outside, whatever happened."""
        try:
            await self._start_chain()
            around = await self._start_broker()
            await self.grants.open()
            self._write_queen(around)
            await self._start_daemons(around)
            yield
        finally:
            await self.grants.close()
            await self.children.end_all()
            for relay in self.relays.values():
                relay.close()

    async def _start_chain(self) -> None:
        self._progress("starting a local chain and deploying the contracts")
        port = free_port()
        self.rpc = f"http://127.0.0.1:{port}"
        start = start_unix_s(self.plan)
        command = (
            sys.executable,
            "-m",
            "provisioning.demo.chain_server",
            "--port",
            str(port),
            "--time",
            str(start - SLOT_S),
        )
        await self.children.start(ChildPlan("chain", command))
        plan = self.plan
        request = chain_deploy.Deployment(
            queen=KeySigner(plan.queen_secret).address,
            owner_secret=plan.owner_secret,
            workers=tuple((home.signer.address, home.serial) for home in plan.homes),
            deposit_micro=demo_plan.DEPOSIT_MICRO,
            pool_micro=demo_plan.POOL_MICRO,
            at_unix_s=start,
            max_price=2 * max(plan.tariff.buy),
            max_power_w=demo_plan.MAX_POWER_W,
            fee_bps=demo_plan.PLATFORM_BPS,
            terms=demo_terms(plan),
        )
        self.book = await asyncio.to_thread(chain_deploy.deploy, self.rpc, request)

    async def _start_broker(self) -> Surroundings:
        plan, folder = self.plan, self.plan.folder / "broker"
        choice = find_broker(self._broker_kind)
        self._progress(f"starting the broker ({choice.kind}) with TLS and access list")
        authority = Authority(folder / "tls", f"Hive {demo_plan.HIVE}")
        queen = KeySigner(plan.queen_secret).address.hex()
        names = [queen, *(home.address for home in plan.homes)]
        certificates: dict[str, CertificateFiles] = {name: authority.issue_client(name) for name in names}
        port, server = free_port(), authority.issue_server("127.0.0.1")
        broker = BrokerPlan("127.0.0.1", port, folder, authority.file, server, demo_plan.HIVE, queen, tuple(names[1:]))
        await self.children.start(broker_child(choice, broker))
        assert self.book is not None
        return Surroundings(
            rpc=self.rpc,
            chain_id=self.book.chain_id,
            contract=self.book.settlement.hex(),
            broker_port=port,
            ca_file=authority.file,
            certificates=certificates,
            grant_socket=plan.folder / "grants.sock",
        )

    def _write_queen(self, around: Surroundings) -> None:
        plan, folder = self.plan, self.queen_config.parent
        folder.mkdir(parents=True)
        write_terms(plan, Domain(around.chain_id, bytes.fromhex(around.contract)))
        write_private(folder / "queen.key", plan.queen_secret.hex().encode())
        workers = [{"address": home.address, "serial": home.serial} for home in plan.homes]
        (folder / "workers.json").write_text(json.dumps(workers))
        address = KeySigner(plan.queen_secret).address.hex()
        hive = {"workers_file": "workers.json", "key_file": "queen.key"}
        sections: dict[str, dict[str, Any]] = {
            "hive": {**agreement_section(plan, around), **hive},
            "broker": {**broker_section(around, address, around.broker_port), "client_id": address},
            "clock": clock_section(plan, around),
            "meter": {"kind": "granted"},
            "chain": {"rpc_urls": [around.rpc], "settle_daily": False, "poll_every_s": 3_600},
        }
        self.queen_config.write_text(toml(sections))

    async def _start_daemons(self, around: Surroundings) -> None:
        self._progress(f"starting one Queen and {len(self.plan.homes)} Workers")
        await self.children.start(
            ChildPlan(QUEEN, (sys.executable, "-m", "queen_node.daemon", "run", "--config", str(self.queen_config)))
        )
        for home in self.plan.homes:
            port = await self._port_for(home, around.broker_port)
            config = write_worker(self.plan, home, around, port, self._chip_faults(home))
            command = (sys.executable, "-m", "worker_node.cli", "run", "--config", str(config))
            await self.children.start(ChildPlan(home.serial, command))
        await self.grants.wait_for([QUEEN, *self.workers])

    async def _port_for(self, home: HomePlan, broker_port: int) -> int:
        """The broker's port, or that of a relay in front of it for a home whose readings will be late."""
        if not any(fault.kind == "late" and fault.serial == home.serial for fault in self.faults):
            return broker_port
        self.relays[home.serial] = Relay("127.0.0.1", broker_port)
        return await self.relays[home.serial].open()

    def _chip_faults(self, home: HomePlan) -> list[str]:
        """This home's chip faults as its settings name them: kind@unix seconds."""
        return [
            f"{fault.kind}@{slot_start_unix_s(self.plan.first_slot + fault.slot)}"
            for fault in self.faults
            if fault.serial == home.serial and fault.kind in CHIP_FAULTS
        ]

    async def live(self) -> None:
        """Grants the whole run, slot by slot; GrantFailed or ChildEnded names what went wrong."""
        started = time.monotonic()
        await self._grant(start_unix_s(self.plan))
        self.first_answers = dict(self.answers)
        for number in range(self.plan.slots + 1):
            await self._boundary(number)
            if self.plan.speed:
                ahead_s = (number + 1) * SLOT_S / self.plan.speed - (time.monotonic() - started)
                await asyncio.sleep(max(0.0, ahead_s))
            self._progress(f"slot {number} of {self.plan.slots}")

    async def _boundary(self, number: int) -> None:
        """The end of slot `number - 1` of the run: readings, closing, coordination, and the faults of `number`."""
        self.children.check()
        at = slot_start_unix_s(self.plan.first_slot + number)
        late = [fault.serial for fault in self.faults if fault.kind == "late" and fault.slot + 1 == number]
        for serial in late:
            self.relays[serial].stand_still()
        await asyncio.to_thread(chain_deploy.set_time, self.rpc, at)
        self.answers = await self.grants.grant(list(self.workers), at)
        self.meter.read(at, [self.answers[name] for name in self.workers])
        await self.grants.grant([QUEEN], at, {"meter": self.meter.counters()})
        for fault in self.faults:
            if fault.slot == number:
                await self._break(fault)
        await self.grants.grant(list(self.workers), at + RETRIED_AFTER_S)
        await self._grant(at + CLOSED_AFTER_S)
        for serial in late:
            self.relays[serial].flow()
        await self._grant(at + COORDINATED_AFTER_S)

    async def _grant(self, unix_s: float) -> None:
        names = [QUEEN, *self.workers]
        answers = await self.grants.grant(names, unix_s)
        self.answers.update({name: answers[name] for name in names})

    async def _break(self, fault: Fault) -> None:
        """Processes that die at a slot boundary and come back."""
        if fault.kind == "kill-broker":
            self._progress("killing the broker")
            await self.children.kill_and_restart("broker")
        elif fault.kind == "kill-queen":
            self._progress("killing the Queen")
            await self._reborn(QUEEN, QUEEN)
        elif fault.kind == "kill-worker":
            self._progress(f"killing the Worker {fault.serial}")
            name = next(name for name, home in self.workers.items() if home.serial == fault.serial)
            await self._reborn(fault.serial, name)

    async def _reborn(self, child: str, name: str) -> None:
        self.grants.forget(name)
        await self.children.kill_and_restart(child)
        await self.grants.wait_for([name])

    async def command(self, *arguments: str) -> tuple[int, str]:
        """Runs the operator's `hive`; exit code and standard output."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "queen_node.cli",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=self.children.log_of("hive").open("ab"),
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()
