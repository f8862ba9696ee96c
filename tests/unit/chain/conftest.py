"""A local chain with the contracts deployed, three Workers with published test keys, and rows kept in memory."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from honey_edge.wire.signing import KeySigner
from honey_edge.wire.structs import Statement
from honey_edge.wire.typed_data import Domain, digest
from provisioning.demo import chain_deploy
from provisioning.demo.chain_server import LocalChain, RpcServer
from queen_node.chain import Intent, SettleLeaf, SettlementChain

HIVE = 1
START_UNIX_S = 2_222_222 * 900
OWNER_SECRET = (99).to_bytes(32, "big")
QUEEN_SECRET = (11).to_bytes(32, "big")
WORKER_SECRETS = tuple(number.to_bytes(32, "big") for number in (1, 2, 3))


def foundry_node() -> Path | None:
    """Foundry's node from npm for this machine; None where it is not installed."""
    modules = Path(__file__).resolve().parents[3] / "contracts" / "node_modules"
    found = sorted(modules.glob("@foundry-rs/anvil-*/bin/anvil"))
    return found[0] if found else None


class Killed(BaseException):
    """The process ended here; nothing may catch it."""


class MemoryIntents:
    """An IntentStore in a dictionary; it can end the process before or after a save."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int, int], Intent] = {}
        self.kill_before: str = ""
        self.kill_after: str = ""

    def intents(self, hive: int, slot: int) -> Sequence[Intent]:
        return [row for key, row in sorted(self.rows.items()) if key[:2] == (hive, slot)]

    def plan(self, intents: Sequence[Intent]) -> None:
        for row in intents:
            assert (row.hive, row.slot, row.batch) not in self.rows
            self.rows[row.hive, row.slot, row.batch] = row
        if self.kill_after == "planned":
            raise Killed

    def save(self, intent: Intent) -> None:
        if self.kill_before == intent.state:
            raise Killed
        self.rows[intent.hive, intent.slot, intent.batch] = intent
        if self.kill_after == intent.state:
            raise Killed

    def highest_nonce(self, sender: str) -> int:
        return max((row.nonce for row in self.rows.values() if row.sender == sender), default=-1)


@dataclass
class LocalHive:
    """A running chain with one Hive on it."""

    rpc: str
    chain_id: int
    coin: bytes
    settlement: bytes
    intents: MemoryIntents = field(default_factory=MemoryIntents)

    def queen(self, **options: object) -> SettlementChain:
        """A Queen's process that has just started."""
        return SettlementChain(
            (self.rpc,),
            self.chain_id,
            self.settlement.hex(),
            QUEEN_SECRET,
            self.intents,
            **options,  # type: ignore[arg-type]
        )

    def leaf(self, number: int, slot: int, net_micro: int, energy: int = 1000) -> SettleLeaf:
        """A Statement signed by a Worker."""
        signer = KeySigner(WORKER_SECRETS[number])
        statement = Statement(HIVE, signer.address, slot, net_micro, energy, energy // 2, bytes([number]) * 32)
        signature = signer.sign(digest(Domain(self.chain_id, self.settlement), statement))
        return SettleLeaf(signer.address, slot, net_micro, energy, energy // 2, statement.readings, signature)


@pytest.fixture
def local_hive() -> Iterator[LocalHive]:
    """A fresh chain with one Hive; its time stands 96 slots after the accounts opened."""
    with RpcServer(0, LocalChain(START_UNIX_S - 900)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        rpc = f"http://127.0.0.1:{server.server_address[1]}"
        plan = chain_deploy.Deployment(
            hive=HIVE,
            queen=KeySigner(QUEEN_SECRET).address,
            owner_secret=OWNER_SECRET,
            workers=tuple((KeySigner(secret).address, f"serial-{k}") for k, secret in enumerate(WORKER_SECRETS)),
            deposit_micro=50_000_000,
            pool_micro=10_000_000,
            at_unix_s=START_UNIX_S - 60,
            max_price=1_000_000,
            max_power_w=20_000,
            fee_bps=20,
        )
        book = chain_deploy.deploy(rpc, plan)
        chain_deploy.set_time(rpc, START_UNIX_S + 96 * 900)
        yield LocalHive(rpc, book.chain_id, book.coin, book.settlement)
        server.shutdown()
