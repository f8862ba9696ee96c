// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HiveRecord, HiveStatus} from "../../src/beekeeper/BeekeeperTypes.sol";
import {IBeekeeperEvents as E} from "../../src/beekeeper/IBeekeeperEvents.sol";
import {TestCoin} from "../../src/TestCoin.sol";
import {BeekeeperFixture} from "./BeekeeperFixture.sol";
import {SettlementDouble} from "./SettlementDouble.sol";

/// Split and merge: what moves, what it costs, what stays, and every refusal.
contract BeekeeperChangesTest is BeekeeperFixture {
    function split(uint32 hive) private returns (uint32 newHive) {
        (uint256 required,) = beekeeper.priceOf(0);
        newHive = beekeeper.nextHive();
        vm.prank(OWNER);
        return beekeeper.beginSplit(hive, required, queenAt(newHive), WINDOW, platformTerms(newHive));
    }

    function move(uint32 from, uint32 to, uint256 first, uint256 count) private {
        vm.prank(OWNER);
        beekeeper.moveMeters(from, to, metersFrom(first, count));
    }

    function merge(uint32 from, uint32 into) private {
        vm.prank(OWNER);
        beekeeper.beginMerge(from, into);
    }

    function status(uint32 hive) private view returns (uint256) {
        return uint256(record(hive).status);
    }

    function refuse(bytes4 selector, uint256 a, uint256 b) private {
        vm.expectRevert(abi.encodeWithSelector(selector, a, b));
    }

    // ---- Split

    function test_a_split_pays_one_hive_price_and_meters_keep_stake_and_age() public {
        uint32 hive = makeHive(1, 4);
        later(100 days);
        uint256 weight = votes.getVotes(OWNER);
        uint256 before = hvt.balanceOf(OWNER);
        uint32 newHive = split(hive);
        assertEq(before - hvt.balanceOf(OWNER), HIVE_PRICE, "one Hive price");
        assertEq(votes.getVotes(OWNER), weight, "the new stake weighs nothing yet");
        (uint256 newStake, uint256 since) = beekeeper.stakeOfHive(newHive);
        assertEq(newStake, HIVE_PRICE - HIVE_PRICE / 2, "its record");
        assertEq(since, START + 100 days, "its age");
        assertTrue(status(hive) == uint256(HiveStatus.CHANGING) && status(newHive) == status(hive), "both change");
        (, bool active,) = beekeeper.placeOf(meterAt(1));
        assertTrue(!active, "no accounts while changing");
        move(hive, newHive, 1, 2);
        (uint256 amount, uint256 meterSince) = beekeeper.stakeOfMeter(meterAt(1));
        assertEq(amount, METER_PRICE / 2, "same stake");
        assertEq(meterSince, START, "same age");
        assertEq(votes.getVotes(OWNER), weight, "moving changes no weight");
        vm.prank(OWNER);
        beekeeper.finishSplit(hive, newHive);
        assertTrue(status(hive) == uint256(HiveStatus.ACTIVE) && status(newHive) == status(hive), "both active");
        assertTrue(record(hive).meters == 2 && record(newHive).meters == 2, "two each");
        (uint32 place, bool open,) = beekeeper.placeOf(meterAt(2));
        assertTrue(place == newHive && open, "accounts open in the new Hive");
        (address owner, address coin, address queen,,,) = double.registered(newHive);
        assertTrue(owner == OWNER && coin == address(euro) && queen == queenAt(newHive), "handed over");
    }

    function test_a_split_goes_on_where_it_stopped() public {
        uint32 hive = makeHive(1, 4);
        uint32 newHive = split(hive);
        move(hive, newHive, 1, 1);
        HiveRecord memory info = record(hive);
        assertTrue(info.changeTo == newHive && record(newHive).changeFrom == hive, "anyone can read how far it is");
        vm.expectRevert(abi.encodeWithSelector(E.MeterNotInHive.selector, meterAt(1), hive));
        move(hive, newHive, 1, 2);
        move(hive, newHive, 2, 1);
        assertTrue(record(hive).meters == 2 && record(newHive).meters == 2, "counted once");
    }

    function test_moved_meters_keep_their_point_and_free_it_when_dropped() public {
        uint32 hive = makeHive(1, 2);
        uint32 newHive = split(hive);
        move(hive, newHive, 1, 1);
        vm.startPrank(OWNER);
        beekeeper.finishSplit(hive, newHive);
        vm.expectRevert(abi.encodeWithSelector(E.PointUsed.selector, pointAt(1), meterAt(1)));
        beekeeper.addMeterToHive(hive, meterAt(3), pointAt(1));
        beekeeper.dropMeterFromHive(newHive, meterAt(1));
        beekeeper.addMeterToHive(newHive, meterAt(3), pointAt(1));
        vm.stopPrank();
        assertEq(meterInfo(3).hive, newHive, "both Hives share the list");
    }

    function test_refusals_of_a_split() public {
        uint32 hive = makeHive(1, 2);
        (uint256 required,) = beekeeper.priceOf(0);
        vm.expectRevert(abi.encodeWithSelector(E.NotHiveOwner.selector, hive, STRANGER));
        vm.prank(STRANGER);
        beekeeper.beginSplit(hive, required, queenAt(2), WINDOW, platformTerms(2));
        refuse(E.WrongAmount.selector, required - 1, required);
        vm.prank(OWNER);
        beekeeper.beginSplit(hive, required - 1, queenAt(2), WINDOW, platformTerms(2));
        uint32 newHive = split(hive);
        vm.expectRevert(abi.encodeWithSelector(E.HiveNotActive.selector, hive, HiveStatus.CHANGING));
        vm.prank(OWNER);
        beekeeper.beginSplit(hive, required, queenAt(3), WINDOW, platformTerms(3));
        vm.startPrank(OWNER);
        refuse(E.NotChanging.selector, newHive, hive);
        beekeeper.finishSplit(newHive, hive);
        refuse(E.NotChanging.selector, hive, newHive);
        beekeeper.finishMerge(hive, newHive);
        refuse(E.NotChanging.selector, hive, newHive);
        beekeeper.cancelMerge(hive, newHive);
        vm.expectRevert(abi.encodeWithSelector(E.HiveNotActive.selector, hive, HiveStatus.CHANGING));
        beekeeper.freezeHive(hive);
        vm.expectRevert(abi.encodeWithSelector(E.HiveNotActive.selector, hive, HiveStatus.CHANGING));
        beekeeper.addMeterToHive(hive, meterAt(3), pointAt(3));
        beekeeper.dropMeterFromHive(hive, meterAt(2));
        beekeeper.finishSplit(hive, newHive);
        refuse(E.NotChanging.selector, hive, newHive);
        beekeeper.moveMeters(hive, newHive, metersFrom(1, 1));
        refuse(E.NotChanging.selector, hive, newHive);
        beekeeper.finishSplit(hive, newHive);
        vm.stopPrank();
    }

    function test_refusals_of_moving() public {
        uint32 hive = makeHive(1, 3);
        uint32 newHive = split(hive);
        vm.expectRevert(abi.encodeWithSelector(E.NotHiveOwner.selector, hive, STRANGER));
        vm.prank(STRANGER);
        beekeeper.moveMeters(hive, newHive, metersFrom(1, 1));
        refuse(E.NotChanging.selector, newHive, hive);
        move(newHive, hive, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(E.TooMany.selector, 201, 200));
        move(hive, newHive, 1, 201);
        vm.expectRevert(abi.encodeWithSelector(E.MeterNotInHive.selector, meterAt(4), hive));
        move(hive, newHive, 4, 1);
        for (uint8 state = 1; state <= 2; ++state) {
            double.setState(hive, meterAt(2), state);
            vm.expectRevert(abi.encodeWithSelector(E.AccountStillOpen.selector, hive, meterAt(2)));
            move(hive, newHive, 1, 3);
        }
        double.setState(hive, meterAt(2), 3);
        move(hive, newHive, 1, 3);
        assertEq(record(newHive).meters, 3, "all moved");
    }

    function test_a_hive_of_an_older_settlement_contract_is_not_split() public {
        uint32 hive = makeHive(1, 1);
        SettlementDouble newer = new SettlementDouble();
        vm.prank(address(timelock));
        beekeeper.setSettlement(newer);
        (uint256 required,) = beekeeper.priceOf(0);
        refuse(E.SettlementsDiffer.selector, hive, 2);
        vm.prank(OWNER);
        beekeeper.beginSplit(hive, required, queenAt(2), WINDOW, platformTerms(2));
        uint32 other = makeHive(2, 1);
        assertEq(record(other).settlement, address(newer), "new Hives go to the new one");
        assertEq(record(hive).settlement, address(double), "old ones stay");
        refuse(E.SettlementsDiffer.selector, hive, other);
        merge(hive, other);
        newer.setState(hive, meterAt(1), 1);
        vm.prank(OWNER);
        beekeeper.dropMeterFromHive(hive, meterAt(1));
        assertEq(meterInfo(1).hive, 0, "asked in its own contract");
    }

    // ---- Merge

    function test_a_merge_ends_the_empty_hive_and_refunds_its_own_stake() public {
        uint32 into = makeHive(1, 2);
        later(10 days);
        uint32 from = makeHive(3, 2);
        later(10 days);
        uint256 before = hvt.balanceOf(OWNER);
        (uint256 hiveStake,) = beekeeper.stakeOfHive(from);
        merge(from, into);
        move(from, into, 3, 1);
        vm.expectRevert(abi.encodeWithSelector(E.MetersLeft.selector, from, 1));
        vm.prank(OWNER);
        beekeeper.finishMerge(from, into);
        move(from, into, 4, 1);
        vm.prank(OWNER);
        beekeeper.finishMerge(from, into);
        assertEq(hvt.balanceOf(OWNER) - before, hiveStake, "the Hive's own stake");
        assertEq(status(from), uint256(HiveStatus.ENDED), "ended");
        assertEq(record(from).endedAt, START + 20 days, "when");
        assertEq(status(into), uint256(HiveStatus.ACTIVE), "active");
        assertEq(record(into).meters, 4, "all meters");
        (,,,, bool frozen,) = double.registered(from);
        assertTrue(frozen, "told");
        (uint256 amount, uint256 since) = beekeeper.stakeOfMeter(meterAt(4));
        assertEq(amount, METER_PRICE / 2, "stake kept");
        assertEq(since, START + 10 days, "age kept");
        vm.prank(OWNER);
        beekeeper.dropMeterFromHive(into, meterAt(4));
        assertEq(hvt.balanceOf(OWNER) - before, hiveStake + METER_PRICE / 2, "exactly its record, from the other Hive");
    }

    function test_a_merge_may_be_given_up() public {
        uint32 into = makeHive(1, 1);
        uint32 from = makeHive(2, 2);
        merge(from, into);
        move(from, into, 2, 1);
        vm.expectRevert(abi.encodeWithSelector(E.NotHiveOwner.selector, from, STRANGER));
        vm.prank(STRANGER);
        beekeeper.cancelMerge(from, into);
        vm.startPrank(OWNER);
        refuse(E.NotChanging.selector, from, into);
        beekeeper.finishSplit(from, into);
        beekeeper.cancelMerge(from, into);
        vm.stopPrank();
        assertTrue(status(from) == uint256(HiveStatus.ACTIVE) && status(into) == status(from), "both active");
        assertTrue(record(into).meters == 2 && record(from).meters == 1, "moved meters stay");
        merge(into, from);
        assertEq(record(into).changeTo, from, "and the other way round");
    }

    function test_refusals_of_a_merge() public {
        uint32 into = makeHive(1, 1);
        uint32 from = makeHive(2, 1);
        fund(OTHER_OWNER, 10_000e18);
        uint32 foreign = makeHive(OTHER_OWNER, address(euro), 3, 1);
        TestCoin franc = new TestCoin(address(this), 6);
        vm.prank(COIN_KEEPER);
        beekeeper.addCoin(address(franc), "CHFX", 1);
        uint32 francs = makeHive(OWNER, address(franc), 4, 1);
        vm.expectRevert(abi.encodeWithSelector(E.NotHiveOwner.selector, from, STRANGER));
        vm.prank(STRANGER);
        beekeeper.beginMerge(from, into);
        vm.startPrank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(E.SameHive.selector, from));
        beekeeper.beginMerge(from, from);
        refuse(E.OwnersDiffer.selector, from, foreign);
        beekeeper.beginMerge(from, foreign);
        refuse(E.CoinsDiffer.selector, from, francs);
        beekeeper.beginMerge(from, francs);
        vm.expectRevert(abi.encodeWithSelector(E.UnknownHive.selector, 9));
        beekeeper.beginMerge(from, 9);
        beekeeper.setHiveStatus(into, HiveStatus.OFFLINE);
        vm.expectRevert(abi.encodeWithSelector(E.HiveNotActive.selector, into, HiveStatus.OFFLINE));
        beekeeper.beginMerge(from, into);
        vm.expectRevert(abi.encodeWithSelector(E.HiveNotActive.selector, into, HiveStatus.OFFLINE));
        beekeeper.beginMerge(into, from);
        beekeeper.setHiveStatus(into, HiveStatus.ACTIVE);
        beekeeper.beginMerge(from, into);
        beekeeper.moveMeters(from, into, metersFrom(2, 1));
        double.setShort(from, true);
        vm.expectRevert(abi.encodeWithSelector(E.HiveIsShort.selector, from));
        beekeeper.finishMerge(from, into);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(E.NotHiveOwner.selector, from, STRANGER));
        vm.prank(STRANGER);
        beekeeper.finishMerge(from, into);
    }

    function test_split_and_merge_again_gives_back_what_the_second_hive_staked() public {
        uint32 hive = makeHive(1, 3);
        later(50 days);
        uint256 staked = beekeeper.totalStaked();
        uint32 newHive = split(hive);
        move(hive, newHive, 2, 2);
        vm.startPrank(OWNER);
        beekeeper.finishSplit(hive, newHive);
        beekeeper.beginMerge(newHive, hive);
        beekeeper.moveMeters(newHive, hive, metersFrom(2, 2));
        beekeeper.finishMerge(newHive, hive);
        vm.stopPrank();
        assertEq(beekeeper.totalStaked(), staked, "as before");
        assertEq(record(hive).meters, 3, "all back");
        assertEq(votes.getVotes(OWNER), staked * 50 days, "age as before");
    }
}
