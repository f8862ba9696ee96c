"""The run's broker: Mosquitto when it is installed, else the NATS server from the Python package index."""

import shutil
import socket
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from provisioning.broker_config import BrokerPlan, mosquitto_access_list, mosquitto_config, nats_config
from provisioning.demo.children import ChildPlan
from provisioning.demo.plan import DemoError

CHOICES = ("mosquitto", "nats")


@dataclass(frozen=True, slots=True)
class BrokerChoice:
    """Which broker, and its program."""

    kind: str
    program: str


def find_broker(kind: str = "") -> BrokerChoice:
    """The broker asked for, or the first there is; DemoError when there is none."""
    paths = {"mosquitto": _mosquitto(), "nats": _nats()}
    for name in [kind] if kind else CHOICES:
        if program := paths.get(name):
            return BrokerChoice(name, program)
    raise DemoError(f"no broker {kind or 'found'}; known: {', '.join(CHOICES)}", next_step="install mosquitto")


def _mosquitto() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def _nats() -> str | None:
    scripts = Path(sysconfig.get_path("scripts"))
    return shutil.which("nats-server", path=str(scripts)) or shutil.which("nats-server")


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def broker_child(choice: BrokerChoice, plan: BrokerPlan) -> ChildPlan:
    """Writes the broker's configuration and access list; the program to run."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    if choice.kind == "mosquitto":
        config = plan.folder / "mosquitto.conf"
        config.write_text(mosquitto_config(plan))
        access = plan.folder / "acl"
        access.write_text(mosquitto_access_list(plan))
        access.chmod(0o600)
        return ChildPlan("broker", (choice.program, "-c", str(config)))
    config = plan.folder / "nats.conf"
    config.write_text(nats_config(plan, free_port(plan.host)))
    return ChildPlan("broker", (choice.program, "-c", str(config)))
