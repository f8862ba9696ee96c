"""A Hive's life on a real node, until its Queen vanishes; after every scene every coin is counted.

Each story starts from the same remembered chain: the platform deployed by `hive chain deploy`, one Hive of four homes
with a funded pool. Nothing here sleeps: the node's time moves when a scene says so.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from web3 import Web3

from honey_edge.wire.signing import KeySigner
from honey_edge.wire.structs import PayoutAddress, Statement

from .life_platform import CERTIFIER, MODEL, OWNER, QUEEN, STRANGER, UNTIL, Platform, deployed_platform
from .life_world import (
    CLOSED,
    CLOSING,
    COIN,
    OPEN,
    SLOT_S,
    SLOTS_A_DAY,
    Home,
    WithdrawPermit,
    World,
    agreement,
    compact,
    request,
    secret,
    statement,
    terms,
    words,
)

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
DAY_S = 86_400
WINDOW_S = 3 * DAY_S


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with deployed_platform(tmp_path_factory.mktemp("platform")) as made:
        yield made


@pytest.fixture
def hive(platform: Platform) -> Iterator[Platform]:
    """The remembered chain; what a story does to it is undone."""
    name = platform.world.snapshot()
    platform.world.after(1)
    yield replace(platform, homes=list(platform.homes))
    platform.world.revert(name)


def settle_day(hive: Platform, number: int, nets: dict[int, int]) -> dict[int, Statement]:
    """A day passes and is settled; `nets` are the homes' cumulative nets. Nobody may be skipped."""
    world = hive.world
    world.after(DAY_S)
    slot = world.slot() - 1
    states = {index: statement(number, hive.homes[index], slot, net, hive.opened) for index, net in nets.items()}
    ordered = sorted(states.items(), key=lambda pair: -pair[1].net)
    packed = b"".join(world.leaf(state, hive.homes[index]) for index, state in ordered)
    receipt = world.send(QUEEN, world.settlement.functions.settle(number, slot, packed))
    assert world.events(receipt, "Skipped") == []
    for index, state in states.items():
        hive.homes[index] = replace(hive.homes[index], newest=state)
    return states


def close_alone(hive: Platform, number: int, index: int, sender: bytes = STRANGER) -> None:
    """A home starts a close with its newest Statement; whoever likes pays the gas."""
    world, home = hive.world, hive.homes[index]
    state = home.newest
    assert state is not None
    asked = request(number, home, state.slot, world.now() + DAY_S)
    call = world.settlement.get_function_by_signature(START_CLOSE)(
        words(asked),
        world.signed(home.device, asked),
        words(state),
        world.signed(home.device, state),
        world.signed(KeySigner(QUEEN), state),
    )
    world.send(sender, call)


_STATEMENT = "(uint32,address,uint32,int64,uint48,uint48,bytes32)"
_SIGNATURE = "(bytes32,bytes32)"
START_CLOSE = f"startClose((uint32,address,uint32,uint48),{_SIGNATURE},{_STATEMENT},{_SIGNATURE},{_SIGNATURE})"
START_CLOSE_STORED = f"startClose((uint32,address,uint32,uint48),{_SIGNATURE})"


def finish(hive: Platform, number: int, index: int) -> dict[str, Any]:
    """The window has passed: anybody ends the close; the event's arguments."""
    world = hive.world
    receipt = world.send(STRANGER, world.settlement.functions.finishClose(number, hive.homes[index].address))
    return world.events(receipt, "AccountClosed")[0]


def test_ten_days_of_settlements_move_exactly_what_was_signed(hive: Platform) -> None:
    world = hive.world
    before = world.pool(1)["pool"]
    for day in range(1, 11):
        settle_day(hive, 1, {0: 300_000 * day, 1: 200_000 * day, 2: -150_000 * day, 3: 10_000 * day})
        world.assert_conserved([1], hive.homes)
    moved = 10 * (300_000 + 200_000 - 150_000 + 10_000)
    pool = world.pool(1)
    assert pool["pool"] + pool["fees"] == before + moved
    assert world.account(1, hive.homes[2])["net"] == -1_500_000


def test_a_vanished_queen_keeps_nobodys_money(hive: Platform) -> None:
    """Every Worker closes alone, with its last Statement and a stranger's gas, and its owner has all of it."""
    world = hive.world
    settle_day(hive, 1, {0: 300_000, 1: 200_000, 2: -150_000, 3: 0})
    world.after(DAY_S)
    unsettled = {0: 700_000, 1: 450_000, 2: -400_000, 3: 20_000}
    for index, net in unsettled.items():
        state = statement(1, hive.homes[index], world.slot() - 1, net, hive.opened)
        hive.homes[index] = replace(hive.homes[index], newest=state)
        close_alone(hive, 1, index)
    before = {index: world.balance(home.owner) for index, home in enumerate(hive.homes)}
    early = world.settlement.functions.finishClose(1, hive.homes[0].address)
    assert world.refusal(STRANGER, early) != ""
    world.after(WINDOW_S + 1)
    for index, net in unsettled.items():
        finish(hive, 1, index)
        home = hive.homes[index]
        assert world.account(1, home)["state"] == CLOSED
        assert world.balance(home.owner) - before[index] == hive.deposit_micro - net
    world.assert_conserved([1], hive.homes)


def test_an_old_state_is_contested_and_its_sender_pays(hive: Platform) -> None:
    """A home in debt shows the Statement of a day ago; the Queen shows the newest one."""
    world, home = hive.world, hive.homes[0]
    settle_day(hive, 1, {0: 100_000, 1: 500_000, 2: 0, 3: 0})
    old = hive.homes[0].newest
    assert old is not None
    world.after(DAY_S)
    shown = statement(1, home, world.slot() - 2, 150_000, hive.opened)
    newest = statement(1, home, world.slot() - 1, 3_000_000, hive.opened)
    hive.homes[0] = replace(home, newest=shown)
    close_alone(hive, 1, 0)
    signatures = (world.signed(home.device, newest), world.signed(KeySigner(QUEEN), newest))
    world.send(QUEEN, world.settlement.functions.contest(words(newest), *signatures))
    assert world.close_of(1, home)["slot"] == newest.slot
    world.assert_conserved([1], hive.homes)
    before = world.balance(home.owner)
    world.after(WINDOW_S + 1)
    finish(hive, 1, 0)
    paid = world.balance(home.owner) - before
    assert paid < hive.deposit_micro - newest.net, "the lie cost more than the truth"
    world.assert_conserved([1], hive.homes)


def test_a_home_without_power_for_the_whole_window_still_gets_its_newer_state(hive: Platform) -> None:
    world, home = hive.world, hive.homes[2]
    settle_day(hive, 1, {0: 900_000, 1: 900_000, 2: -100_000, 3: 0})
    world.after(DAY_S)
    newer = statement(1, home, world.slot() - 1, -600_000, hive.opened)
    asked = request(1, home, newer.slot, world.now() + DAY_S)
    call = world.settlement.get_function_by_signature(START_CLOSE_STORED)(
        words(asked), world.signed(KeySigner(QUEEN), asked)
    )
    world.send(QUEEN, call)
    world.after(2 * WINDOW_S + 1)
    before = world.balance(home.owner)
    finish(hive, 1, 2)
    assert world.balance(home.owner) - before == hive.deposit_micro + 100_000
    both = (world.signed(home.device, newer), world.signed(KeySigner(QUEEN), newer))
    world.send(STRANGER, world.settlement.functions.claimLate(words(newer), *both))
    if world.settlement.functions.claimOf(1, home.address).call():
        world.send(STRANGER, world.settlement.functions.claim(1, home.address))
    assert world.balance(home.owner) - before >= hive.deposit_micro + 600_000
    world.assert_conserved([1], hive.homes)


def test_an_export_heavy_week_empties_the_pool_and_blocks_nobody(hive: Platform) -> None:
    """Exporters are owed more than the pool has; payers are settled all the same, and after funding all are paid."""
    world = hive.world
    pool = world.pool(1)["pool"]
    share = pool // 4
    for day in range(1, 8):
        world.after(DAY_S)
        slot = world.slot() - 1
        states = [
            statement(1, hive.homes[0], slot, 50_000 * day, hive.opened),
            *(statement(1, hive.homes[index], slot, -share * day, hive.opened) for index in (1, 2, 3)),
        ]
        leaves = [world.leaf(state, home) for state, home in zip(states, hive.homes, strict=True)]
        receipt = world.send(QUEEN, world.settlement.functions.settle(1, slot, b"".join(leaves)))
        assert {event["reason"] for event in world.events(receipt, "Skipped")} <= {7}
        assert world.account(1, hive.homes[0])["net"] == 50_000 * day
        world.assert_conserved([1], hive.homes)
    assert world.pool(1)["owedAccounts"] > 0
    assert world.refusal(OWNER, world.settlement.functions.withdrawPool(1)) != ""
    world.send(OWNER, world.settlement.functions.fundPool(1, 30 * share))
    receipt = world.send(QUEEN, world.settlement.functions.settle(1, slot, b"".join(leaves[1:])))
    assert world.events(receipt, "Skipped") == []
    assert [world.account(1, home)["net"] for home in hive.homes[1:]] == [-share * 7] * 3
    assert world.pool(1)["owedAccounts"] == 0
    world.assert_conserved([1], hive.homes)


def test_a_permit_pays_once_and_an_agreed_close_pays_at_once(hive: Platform) -> None:
    world, home = hive.world, hive.homes[3]
    permit = WithdrawPermit(1, home.device.address, 2 * COIN, hive.opened, 1, world.now() + 3_600)
    call = world.settlement.functions.withdraw(words(permit), world.signed(KeySigner(QUEEN), permit))
    before = world.balance(home.owner)
    assert world.refusal(STRANGER, call) != ""
    world.send(home.owner_secret, call)
    assert world.balance(home.owner) - before == 2 * COIN
    assert world.refusal(home.owner_secret, call) != ""
    world.after(SLOT_S)
    state = statement(1, home, world.slot() - 1, 100_000, hive.opened)
    payout, deadline = hive.deposit_micro - 2 * COIN - 100_000, world.now() + 3_600
    both = [world.signed(signer, agreement(state, payout, deadline)) for signer in (home.device, KeySigner(QUEEN))]
    world.send(STRANGER, world.settlement.functions.closeAgreed(words(state), payout, deadline, *both))
    assert world.account(1, home)["state"] == CLOSED
    assert world.balance(home.owner) - before == hive.deposit_micro - 100_000
    world.assert_conserved([1], hive.homes)


def close_at_once(hive: Platform, number: int, index: int) -> None:
    """Both agree to close on what the contract has, or on a Statement one slot later with the same net."""
    world, home = hive.world, hive.homes[index]
    account = world.account(number, home)
    state = statement(number, home, world.slot() - 1, account["net"], hive.opened)
    payout, deadline = account["funding"] - account["net"], world.now() + 3_600
    both = [world.signed(signer, agreement(state, payout, deadline)) for signer in (home.device, KeySigner(QUEEN))]
    world.send(STRANGER, world.settlement.functions.closeAgreed(words(state), payout, deadline, *both))


def test_a_hive_grows_shrinks_splits_and_merges_and_every_stake_comes_back(hive: Platform) -> None:
    world, keeper = hive.world, hive.world.keeper.functions
    settle_day(hive, 1, {0: 300_000, 1: 200_000, 2: -150_000, 3: 10_000})
    added = hive.list_home(25)
    world.send(OWNER, world.hvt.functions.approve(world.keeper.address, 2**256 - 1))
    point = b"\5" * 32
    assert world.refusal(OWNER, keeper.addMeterToHive(1, added.address, point)) != "", "the point is not listed"
    world.send(OWNER, keeper.setPoints(1, [point]))
    world.send(OWNER, keeper.addMeterToHive(1, added.address, point))
    hive.fund(added)
    hive.homes.append(added)
    world.after(2 * SLOT_S)
    assert world.account(1, added)["state"] == OPEN
    assert world.refusal(OWNER, keeper.dropMeterFromHive(1, hive.homes[0].address)) != "", "its account is open"
    for index in range(5):
        close_at_once(hive, 1, index)
    before = world.hvt.functions.balanceOf(hive.owner).call()
    amount, _ = keeper.stakeOfMeter(hive.homes[0].address).call()
    world.send(OWNER, keeper.dropMeterFromHive(1, hive.homes[0].address))
    assert world.hvt.functions.balanceOf(hive.owner).call() - before == amount
    since = keeper.stakeOfMeter(hive.homes[1].address).call()
    price, _ = keeper.priceOf(0).call()
    number = keeper.nextHive().call()
    world.send(OWNER, keeper.beginSplit(1, price, hive.queen, WINDOW_S, words(terms(number))))
    moved = [hive.homes[1].address, hive.homes[2].address]
    world.send(OWNER, keeper.moveMeters(1, number, moved))
    world.send(OWNER, keeper.finishSplit(1, number))
    assert keeper.stakeOfMeter(hive.homes[1].address).call() == since, "age is neither gained nor lost"
    assert keeper.placeOf(moved[0]).call()[0] == number
    hive.fund(hive.homes[1], number)
    world.after(2 * SLOT_S)
    assert world.account(number, hive.homes[1])["state"] == OPEN
    close_at_once(hive, number, 1)
    world.send(OWNER, keeper.beginMerge(number, 1))
    world.send(OWNER, keeper.moveMeters(number, 1, moved))
    world.send(OWNER, keeper.finishMerge(number, 1))
    assert keeper.placeOf(moved[0]).call()[0] == 1
    hive.fund(hive.homes[1], 1, sender=hive.homes[1].owner_secret)
    assert world.account(1, hive.homes[1])["state"] == OPEN
    world.assert_conserved([1, number], hive.homes)
    staked, burnt, refunded = (getattr(keeper, f"total{what}")().call() for what in ("Staked", "Burnt", "Refunded"))
    assert world.hvt.functions.totalSupply().call() + burnt == 100_000_000 * 10**18
    assert world.hvt.functions.balanceOf(world.keeper.address).call() == staked
    assert refunded > 0


def test_a_frozen_coin_stops_new_hives_and_nothing_else(hive: Platform) -> None:
    world, keeper = hive.world, hive.world.keeper.functions
    world.after(30 * DAY_S)
    freeze = world.keeper.encode_abi("freezeCoin", [world.coin.address])
    assert world.refusal(OWNER, keeper.freezeCoin(world.coin.address)) != ""
    hive.vote(freeze, "this coin has failed", support=1)
    number = keeper.nextHive().call()
    price, _ = keeper.priceOf(0).call()
    create = keeper.createHive(
        price, hive.owner, world.coin.address, [], [], hive.queen, WINDOW_S, words(terms(number))
    )
    world.send(OWNER, world.hvt.functions.approve(world.keeper.address, 2**256 - 1))
    assert world.refusal(OWNER, create) != ""
    settle_day(hive, 1, {0: 300_000, 1: 0, 2: -100_000, 3: 0})
    world.send(OWNER, keeper.freezeHive(1))
    deposit = world.settlement.functions.deposit(1, hive.homes[0].address, COIN)
    assert world.refusal(hive.homes[0].owner_secret, deposit) != ""
    settle_day(hive, 1, {0: 400_000, 1: 0, 2: -200_000, 3: 0})
    for index in range(4):
        close_alone(hive, 1, index)
    world.after(WINDOW_S + 1)
    for index in range(4):
        finish(hive, 1, index)
    world.assert_conserved([1], hive.homes)


def test_an_old_key_hands_over_and_a_payout_address_moves_the_money(hive: Platform) -> None:
    world, home, new_queen = hive.world, hive.homes[0], KeySigner(secret(77))
    payout = Web3.to_checksum_address("0x" + "ab" * 20)
    moved = PayoutAddress(1, home.device.address, bytes.fromhex(payout[2:]), 1)
    world.send(STRANGER, world.settlement.functions.setPayout(words(moved), world.signed(home.device, moved)))
    world.holders.append(payout)
    from_slot = world.slot() + SLOTS_A_DAY + 2
    queen = Web3.to_checksum_address(new_queen.address)
    world.send(OWNER, world.settlement.functions.setQueen(1, queen, from_slot))
    world.after(2 * DAY_S)
    state = statement(1, home, world.slot() - 1, 100_000, hive.opened)
    asked = request(1, home, state.slot, world.now() + DAY_S)
    start = world.settlement.get_function_by_signature(START_CLOSE)
    old = [world.signed(signer, state) for signer in (home.device, KeySigner(QUEEN))]
    new = [world.signed(signer, state) for signer in (home.device, new_queen)]
    assert world.refusal(STRANGER, start(words(asked), world.signed(home.device, asked), words(state), *old)) != ""
    world.send(STRANGER, start(words(asked), world.signed(home.device, asked), words(state), *new))
    assert world.account(1, home)["state"] == CLOSING
    world.after(WINDOW_S + 1)
    finish(hive, 1, 0)
    assert world.balance(payout) == hive.deposit_micro - 100_000
    world.assert_conserved([1], hive.homes)


def test_an_upgrade_is_voted_through_and_another_is_rejected(hive: Platform) -> None:
    """Only the timelock, after a vote, changes the code behind the Beekeeper's address; stakes keep their age."""
    world = hive.world
    world.after(30 * DAY_S)
    slot = int.from_bytes(bytes.fromhex("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"), "big")
    code = world.web3.eth.get_storage_at(world.keeper.address, slot)
    implementation = hive.deploy_implementation()
    upgrade = world.keeper.encode_abi("upgradeToAndCall", [implementation, b""])
    direct = world.keeper.functions.upgradeToAndCall(implementation, b"")
    assert world.refusal(OWNER, direct) != ""
    assert world.refusal(CERTIFIER, direct) != ""
    hive.vote(upgrade, "rejected", support=0)
    assert world.web3.eth.get_storage_at(world.keeper.address, slot) == code
    weight = world.votes.functions.getVotes(hive.owner).call()
    hive.vote(upgrade, "accepted", support=1)
    assert world.web3.eth.get_storage_at(world.keeper.address, slot)[12:] == bytes.fromhex(implementation[2:])
    assert world.votes.functions.getVotes(hive.owner).call() > weight
    assert world.keeper.functions.placeOf(hive.homes[0].address).call()[0] == 1
    settle_day(hive, 1, {0: 300_000, 1: 0, 2: 0, 3: 0})
    world.assert_conserved([1], hive.homes)


def test_two_totals_for_one_slot_cost_the_queens_bond(hive: Platform) -> None:
    world = hive.world
    world.send(OWNER, world.settlement.functions.postBond(1, 5 * COIN))
    a = hive.totals(1, price=100)
    b = replace(a, price=101)
    signatures = [world.signed(KeySigner(QUEEN), each) for each in (a, b)]
    function = next(
        one
        for one in world.settlement.all_functions()
        if one.fn_name == "proveEquivocation" and len(one.abi["inputs"]) == 5
    )
    before = world.balance(hive.stranger)
    world.holders.append(hive.stranger)
    world.send(STRANGER, function(1, words(a), signatures[0], words(b), signatures[1]))
    assert world.balance(hive.stranger) - before > 0
    assert world.pool(1)["bond"] < 5 * COIN
    world.assert_conserved([1], hive.homes)


__all__ = ["COIN", "MODEL", "UNTIL", "Home", "World", "compact"]
