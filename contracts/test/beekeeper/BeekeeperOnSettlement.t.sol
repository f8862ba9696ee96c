// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HiveStatus, MeterStatus} from "../../src/beekeeper/BeekeeperTypes.sol";
import {IBeekeeperEvents as E} from "../../src/beekeeper/IBeekeeperEvents.sol";
import {ISettlementClosing} from "../../src/interfaces/ISettlementClosing.sol";
import {ISettlementEvents as S} from "../../src/interfaces/ISettlementEvents.sol";
import {HiveInfo} from "../../src/types/Hive.sol";
import {Messages, Reading, Signature, Statement} from "../../src/types/Messages.sol";
import {PlatformFixture} from "./PlatformFixture.sol";

/// The Beekeeper with the real EnergySettlement: who is listed opens an account, who has closed it may leave.
contract BeekeeperOnSettlementTest is PlatformFixture {
    uint256 private constant _COIN = 1e18;
    uint32 private _hive;

    function setUp() public override {
        super.setUp();
        _hive = makeHive(1, 3);
        euro.mint(address(this), 1_000 * _COIN);
        euro.approve(address(platformMoney), type(uint256).max);
    }

    function deposit(uint256 i) private {
        platformMoney.deposit(_hive, meterAt(i), 10 * _COIN);
    }

    function sign(uint256 key, bytes32 hash) private view returns (Signature memory) {
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", platformMoney.domainSeparator(), hash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return Signature(r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
    }

    function closeAgreed(uint256 i) private {
        later(15 minutes);
        uint32 slot = uint32(vm.getBlockTimestamp() / 900);
        Statement memory state = Statement(_hive, meterAt(i), slot, 0, 1, 0, bytes32(uint256(1)));
        uint48 deadline = uint48(vm.getBlockTimestamp() + 1 hours);
        bytes32 hash = Messages.hashAgreement(state, 10_000_000, deadline);
        Signature memory sigW = sign(METER_KEYS + i, hash);
        Signature memory sigQ = sign(QUEEN_KEYS + _hive, hash);
        platformMoney.closeAgreed(state, 10_000_000, deadline, sigW, sigQ);
    }

    function drop(uint256 i) private {
        vm.prank(OWNER);
        beekeeper.dropMeterFromHive(_hive, meterAt(i));
    }

    function test_creating_registers_everything_at_settlement() public view {
        HiveInfo memory info = platformSettlement.hiveInfo(_hive);
        assertTrue(info.owner == OWNER && info.coin == address(euro) && info.queen == queenAt(_hive), "copied");
        assertEq(info.minPenalty, MIN_PENALTY, "the coin's least penalty");
        assertTrue(!info.frozen && !info.short, "fresh");
    }

    function test_only_a_meter_of_an_active_hive_opens_an_account_and_its_owner_is_paid() public {
        deposit(1);
        assertEq(platformMoney.account(_hive, meterAt(1)).payout, meterOwner(1), "payout");
        vm.expectRevert(abi.encodeWithSelector(S.MeterNotInHive.selector, meterAt(4), _hive));
        platformMoney.deposit(_hive, meterAt(4), _COIN);
        vm.prank(OWNER);
        beekeeper.setHiveStatus(_hive, HiveStatus.OFFLINE);
        vm.expectRevert(abi.encodeWithSelector(S.HiveNotActive.selector, _hive));
        platformMoney.deposit(_hive, meterAt(2), _COIN);
        deposit(1);
    }

    function test_a_meter_leaves_or_moves_after_its_account_is_closed() public {
        deposit(1);
        deposit(2);
        vm.expectRevert(abi.encodeWithSelector(E.AccountStillOpen.selector, _hive, meterAt(1)));
        drop(1);
        drop(3);
        closeAgreed(1);
        (uint256 price,) = beekeeper.priceOf(0);
        vm.startPrank(OWNER);
        uint32 newHive = beekeeper.beginSplit(_hive, price, queenAt(2), WINDOW, platformTerms(2));
        vm.expectRevert(abi.encodeWithSelector(E.AccountStillOpen.selector, _hive, meterAt(2)));
        beekeeper.moveMeters(_hive, newHive, metersFrom(1, 2));
        beekeeper.moveMeters(_hive, newHive, metersFrom(1, 1));
        vm.stopPrank();
        closeAgreed(2);
        vm.startPrank(OWNER);
        beekeeper.moveMeters(_hive, newHive, metersFrom(2, 1));
        beekeeper.finishSplit(_hive, newHive);
        vm.stopPrank();
        platformMoney.deposit(newHive, meterAt(2), _COIN);
        assertEq(euro.balanceOf(meterOwner(1)), 10 * _COIN, "and its money came back");
    }

    function test_freezing_stops_deposits_and_never_closing() public {
        deposit(1);
        vm.prank(OWNER);
        beekeeper.freezeHive(_hive);
        vm.expectRevert(abi.encodeWithSelector(S.HiveIsFrozen.selector, _hive));
        platformMoney.deposit(_hive, meterAt(2), _COIN);
        vm.prank(GUARDIAN);
        beekeeper.pause();
        closeAgreed(1);
        for (uint256 i = 1; i <= 3; ++i) {
            drop(i);
        }
        assertEq(uint256(record(_hive).status), uint256(HiveStatus.ENDED), "ended while paused");
    }

    function test_a_meter_caught_lying_is_banned_there_and_retired_here() public {
        Reading memory a = Reading(meterAt(1), 7, 1, 1, 0, 0, bytes32(uint256(1)));
        Reading memory b = Reading(meterAt(1), 7, 2, 1, 0, 0, bytes32(uint256(1)));
        Signature memory sigA = sign(METER_KEYS + 1, Messages.hash(a));
        Signature memory sigB = sign(METER_KEYS + 1, Messages.hash(b));
        ISettlementClosing(address(platformMoney)).proveEquivocation(a, sigA, b, sigB);
        beekeeper.retireBanned(meterAt(1));
        assertEq(uint256(meterInfo(1).status), uint256(MeterStatus.RETIRED), "retired");
        drop(1);
    }
}
