"""A local chain with the contracts deployed, three Workers with published test keys, and rows kept in memory."""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from honey_edge.wire.signing import KeySigner
from honey_edge.wire.structs import Statement
from honey_edge.wire.typed_data import Domain, digest
from provisioning.demo import chain_deploy
from provisioning.demo.chain_server import LocalChain, RpcServer
from queen_node.chain import SettleLeaf, SettlementChain, queen_policy
from tests.chain_kit.memory import MemoryIntents

HIVE = 1
START_UNIX_S = 2_222_222 * 900
OWNER_SECRET = (99).to_bytes(32, "big")
QUEEN_SECRET = (11).to_bytes(32, "big")
WORKER_SECRETS = tuple(number.to_bytes(32, "big") for number in (1, 2, 3))


@dataclass
class LocalHive:
    """A running chain with one Hive on it."""

    rpc: str
    chain_id: int
    coin: bytes
    settlement: bytes
    intents: MemoryIntents = field(default_factory=MemoryIntents)

    def queen(self, **limits: Any) -> SettlementChain:
        """A Queen's process that has just started; `limits` are fields of TxPolicy."""
        contract = self.settlement.hex()
        policy = queen_policy(contract, **limits)
        return SettlementChain((self.rpc,), self.chain_id, contract, QUEEN_SECRET, self.intents, policy)

    def leaf(self, number: int, slot: int, net_micro: int, energy: int = 1000) -> SettleLeaf:
        """A Statement signed by a Worker."""
        signer = KeySigner(WORKER_SECRETS[number])
        statement = Statement(HIVE, signer.address, slot, net_micro, energy, energy // 2, bytes([number]) * 32)
        signature = signer.sign(digest(Domain(self.chain_id, self.settlement), statement))
        return SettleLeaf(signer.address, slot, net_micro, energy, energy // 2, statement.readings, signature)


@contextmanager
def _served(chain: LocalChain) -> Iterator[str]:
    with RpcServer(0, chain) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="session")
def deployed_chain() -> tuple[LocalChain, chain_deploy.AddressBook]:
    """A chain with one Hive on it, made once; tests work on copies."""
    chain = LocalChain(START_UNIX_S - 900)
    with _served(chain) as rpc:
        plan = chain_deploy.Deployment(
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
    return chain, book


@pytest.fixture
def local_hive(deployed_chain: tuple[LocalChain, chain_deploy.AddressBook]) -> Iterator[LocalHive]:
    """A chain of its own with one Hive; its time stands 96 slots after the accounts opened."""
    chain, book = deployed_chain
    with _served(copy.deepcopy(chain)) as rpc:
        yield LocalHive(rpc, book.chain_id, book.coin, book.settlement)
