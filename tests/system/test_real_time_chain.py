"""The contract as the judge of orders inside a slot: what both daemons signed is what the FlexibilityPool pays."""

from pathlib import Path

import pytest

from honey_edge.wire.signing import KeySigner
from honey_edge.wire.typed_data import Domain
from queen_node.operator import flex
from queen_node.store import flex_orders
from tests.chain_kit.anvil import anvil_path
from tests.chain_kit.hive import HIVE, QUEEN_SECRET, SLOT, ChainHive, Deployer, anvil_hive, worker_secret
from tests.unit.queen_node.conftest import World
from tests.unit.queen_node.real_time_homes import Hive, Home

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(anvil_path() is None, reason="Foundry's node is not installed"),
]
STAKE_MICRO = 1_000_000


class StakedHive(Hive):
    """The Hive of chain_kit, whose owner has staked."""

    number, queen = HIVE, KeySigner(QUEEN_SECRET)


def staked(chain: ChainHive) -> tuple[Deployer, str]:
    """The FlexibilityPool with the owner's stake."""
    owner = Deployer(chain.anvil)
    pool = owner.create("FlexibilityPool", chain.settlement, owner.address)
    owner.send(chain.coin, "TestCoin", "mint", owner.address, STAKE_MICRO)
    owner.send(chain.coin, "TestCoin", "approve", pool, STAKE_MICRO)
    owner.send(pool, "FlexibilityPool", "stakeFlex", HIVE, owner.address, STAKE_MICRO)
    return owner, pool


def lived(pool: str, chain_id: int, folder: Path) -> StakedHive:
    """A slot in which 3 kW come and go, so that there are orders both ways."""
    world = World()
    for number, worker in enumerate(world.workers):
        worker.signer = KeySigner(worker_secret(number))
    StakedHive.pool = Domain(chain_id, bytes.fromhex(pool))
    hive = StakedHive(world, SLOT, stake_micro=STAKE_MICRO)
    for worker, load_w, plan_w in zip(world.workers, (500, 400, 600), (None, 1_000, -200), strict=True):
        hive.homes[worker.name] = Home(folder, hive, worker, load_w, plan_w)
    hive.declare()
    cause = next(iter(hive.homes.values()))

    def story(second: int) -> None:
        cause.load_w = 3_500 if second < 300 or second >= 480 else 500

    hive.run(story=story)
    return hive


def test_every_order_that_both_daemons_signed_is_paid_once_and_no_other(tmp_path: Path) -> None:
    with anvil_hive() as chain:
        owner, pool = staked(chain)
        hive = lived(pool, chain.chain_id, tmp_path)
        with hive.world.store.begin() as tx:
            rows = [row for name in hive.homes for row in flex_orders.accepted_orders(tx, name)]
        assert len({row.worker for row in rows}) == 2
        assert len(rows) >= 4

        def charge() -> None:
            call = flex.charging(HIVE, pool, rows)
            owner.send(call.target, call.contract, call.function, *call.arguments)

        def stake(member: str) -> int:
            return int(chain.read(pool, "FlexibilityPool", "memberOf", HIVE, member)["stake"])

        charge()
        charge()
        for name in hive.homes:
            own = [row for row in rows if row.worker == name]
            assert stake(name) == sum(row.price_micro for row in own)
            serial = chain.read(pool, "FlexibilityPool", "memberOf", HIVE, name)["serial"]
            assert int(serial) == len(own)
        assert stake(owner.address) == STAKE_MICRO - sum(row.price_micro for row in rows)
