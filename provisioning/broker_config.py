"""Configuration of the two brokers Hive is tested with, TLS and access list included.

The access list follows the topic tree: a Worker publishes below its own address and reads the Queen's broadcasts and
what is addressed to it; the Queen reads all Workers of her Hive and publishes below `q`. Names are certificate common
names, so nobody can publish or read as another.
"""

import getpass
from dataclasses import dataclass
from pathlib import Path

from honey_edge.wire.topics import worker_subscriptions
from provisioning.certificates import CertificateFiles

_MAX_PAYLOAD = 524_288


@dataclass(frozen=True, slots=True)
class BrokerPlan:
    """What a broker is to serve: where, with which certificates, for whom (addresses)."""

    host: str
    port: int
    folder: Path
    ca_file: Path
    server: CertificateFiles
    hive: int
    queen: str
    workers: tuple[str, ...]


def mosquitto_config(plan: BrokerPlan) -> str:
    """mosquitto.conf; `mosquitto_access_list` goes to `acl` in the same folder."""
    return f"""listener {plan.port} {plan.host}
cafile {plan.ca_file}
certfile {plan.server.certificate}
keyfile {plan.server.key}
require_certificate true
use_identity_as_username true
allow_anonymous false
acl_file {plan.folder / "acl"}
set_tcp_nodelay true
max_queued_messages 10000
max_packet_size {_MAX_PAYLOAD}
persistence true
persistence_location {plan.folder}/
autosave_interval 60
log_dest file {plan.folder / "broker.log"}
log_type error
log_type warning
user {getpass.getuser()}
"""


def mosquitto_access_list(plan: BrokerPlan) -> str:
    """The access list: patterns for Workers, one user block for the Queen."""
    root = f"hive/v1/{plan.hive}"
    lines = [f"user {plan.queen}", f"topic read {root}/w/+/+", f"topic write {root}/q/#", ""]
    for worker in plan.workers:
        lines += [f"user {worker}", f"topic write {root}/w/{worker}/+"]
        lines += [f"topic read {name}" for name in worker_subscriptions(plan.hive, worker)]
        lines.append("")
    return "\n".join(lines)


def nats_config(plan: BrokerPlan, client_port: int) -> str:
    """nats-server configuration with its MQTT listener; topics are subjects with dots for slashes."""
    users = [_nats_user(plan.queen, [f"hive.v1.{plan.hive}.q.>"], [f"hive.v1.{plan.hive}.w.*.*"])]
    root = f"hive.v1.{plan.hive}"
    for worker in plan.workers:
        reads = [name.replace("/", ".") for name in worker_subscriptions(plan.hive, worker)]
        users.append(_nats_user(worker, [f"{root}.w.{worker}.*"], reads))
    return f"""server_name: hive-{plan.hive}
listen: "{plan.host}:{client_port}"
log_file: "{plan.folder / "broker.log"}"
max_payload: {_MAX_PAYLOAD}
jetstream {{ store_dir: "{plan.folder / "jetstream"}", max_file_store: 1GB, max_memory_store: 64MB }}
mqtt {{
  listen: "{plan.host}:{plan.port}"
  tls {{
    cert_file: "{plan.server.certificate}"
    key_file: "{plan.server.key}"
    ca_file: "{plan.ca_file}"
    verify_and_map: true
  }}
}}
authorization {{
  users = [
{chr(10).join(users)}
  ]
}}
"""


def _nats_user(name: str, publishes: list[str], subscribes: list[str]) -> str:
    """One user mapped from the certificate's subject; `$MQTT` subjects are the server's own delivery queues."""
    allow_publish = ", ".join(f'"{subject}"' for subject in publishes)
    allow_subscribe = ", ".join(f'"{subject}"' for subject in [*subscribes, "$MQTT.sub.>", "$MQTT.deliver.>"])
    return (
        f'    {{ user: "CN={name}", permissions: '
        f"{{ publish: {{ allow: [{allow_publish}] }}, subscribe: {{ allow: [{allow_subscribe}] }} }} }}"
    )
