// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PausableUpgradeable} from "@openzeppelin/contracts-upgradeable/utils/PausableUpgradeable.sol";
import {HiveRecord, HiveStatus, MeterStatus} from "../../src/beekeeper/BeekeeperTypes.sol";
import {IBeekeeperEvents as E} from "../../src/beekeeper/IBeekeeperEvents.sol";
import {BeekeeperFixture} from "./BeekeeperFixture.sol";
import {SettlementDouble} from "./SettlementDouble.sol";

/// The Hive List: making, growing, shrinking, freezing and ending a Hive, and every refusal.
contract BeekeeperHivesTest is BeekeeperFixture {
    function create(uint256 amount, address owner, address[] memory meters, bytes32[] memory points) private {
        vm.prank(OWNER);
        beekeeper.createHive(amount, owner, address(euro), meters, points, queenAt(1), WINDOW, platformTerms(1));
    }

    function add(uint32 hive, uint256 meter) private {
        vm.prank(OWNER);
        beekeeper.addMeterToHive(hive, meterAt(meter), pointAt(meter));
    }

    function drop(uint32 hive, uint256 meter) private {
        vm.prank(OWNER);
        beekeeper.dropMeterFromHive(hive, meterAt(meter));
    }

    function status(uint32 hive) private view returns (uint256) {
        return uint256(record(hive).status);
    }

    // ---- Making

    function test_a_new_hive_burns_half_stakes_the_rest_and_is_handed_over() public {
        uint256 before = hvt.balanceOf(OWNER);
        (uint256 required, uint256 burnt) = beekeeper.priceOf(3);
        assertEq(required, uint256(HIVE_PRICE) + 3 * uint256(METER_PRICE), "price");
        assertEq(burnt, required / 2, "half, rounded down");
        uint32 hive = makeHive(1, 3);
        assertEq(hive, 1, "the first is 1");
        assertEq(beekeeper.nextHive(), 2, "then 2");
        assertEq(before - hvt.balanceOf(OWNER), required, "exactly the price");
        assertEq(hvt.totalSupply(), hvt.SUPPLY() - burnt, "burnt");
        assertEq(hvt.balanceOf(address(beekeeper)), required - burnt, "held");
        assertEq(beekeeper.totalStaked(), required - burnt, "staked");
        assertEq(beekeeper.totalBurnt(), burnt, "counted");
        (uint256 meterStake, uint256 since) = beekeeper.stakeOfMeter(meterAt(2));
        (uint256 hiveStake,) = beekeeper.stakeOfHive(hive);
        assertEq(meterStake, METER_PRICE / 2, "a meter's record");
        assertEq(since, START, "from now");
        assertEq(hiveStake + 3 * meterStake, required - burnt, "records add up, rounding included");
        assertEq(votes.stakedOf(OWNER), required - burnt, "votes");
        (address owner, address coin, address queen, uint64 penalty,,) = double.registered(hive);
        assertEq(owner, OWNER, "registered owner");
        assertEq(coin, address(euro), "registered coin");
        assertEq(queen, queenAt(1), "registered Queen");
        assertEq(penalty, MIN_PENALTY, "the coin's least penalty");
    }

    function test_the_record_of_a_hive_says_all_of_it() public {
        uint32 hive = makeHive(1, 3);
        HiveRecord memory info = record(hive);
        assertEq(info.owner, OWNER, "owner");
        assertEq(info.coin, address(euro), "coin");
        assertEq(info.settlement, address(double), "settlement");
        assertEq(uint256(info.status), uint256(HiveStatus.ACTIVE), "active");
        assertEq(info.meters, 3, "meters");
        assertEq(info.startedAt, START, "start");
        assertEq(info.endedAt, 0, "no end");
        assertEq(meterInfo(1).hive, hive, "its meter");
        assertEq(meterInfo(1).point, pointAt(1), "its connection point");
        assertEq(record(9).owner, address(0), "an unknown one is all zero");
    }

    function test_another_amount_than_required_is_refused() public {
        (uint256 required,) = beekeeper.priceOf(1);
        for (uint256 amount = required - 1; amount <= required + 1; amount += 2) {
            vm.expectRevert(abi.encodeWithSelector(E.WrongAmount.selector, amount, required));
            create(amount, OWNER, metersFrom(1, 1), pointsFrom(1, 1));
        }
        create(required, OWNER, metersFrom(1, 1), pointsFrom(1, 1));
    }

    function test_the_payer_may_make_a_hive_for_somebody_else() public {
        (uint256 required,) = beekeeper.priceOf(1);
        create(required, OTHER_OWNER, metersFrom(1, 1), pointsFrom(1, 1));
        assertEq(record(1).owner, OTHER_OWNER, "owner");
        assertEq(votes.stakedOf(OTHER_OWNER), beekeeper.totalStaked(), "his stake");
        vm.prank(OTHER_OWNER);
        beekeeper.dropMeterFromHive(1, meterAt(1));
        assertEq(hvt.balanceOf(OTHER_OWNER), METER_PRICE / 2, "his refund");
    }

    function test_bad_lists_are_refused() public {
        (uint256 required,) = beekeeper.priceOf(2);
        vm.expectRevert(abi.encodeWithSelector(E.PointsMissing.selector, 1, 2));
        create(required, OWNER, metersFrom(1, 2), pointsFrom(1, 1));
        vm.expectRevert(abi.encodeWithSelector(E.ZeroAddress.selector));
        create(required, address(0), metersFrom(1, 2), pointsFrom(1, 2));
        bytes32[] memory points = pointsFrom(1, 2);
        points[1] = points[0];
        vm.expectRevert(abi.encodeWithSelector(E.PointUsed.selector, points[0], meterAt(1)));
        create(required, OWNER, metersFrom(1, 2), points);
        address[] memory meters = metersFrom(1, 2);
        meters[1] = meters[0];
        vm.expectRevert(abi.encodeWithSelector(E.MeterInHive.selector, meters[0], 1));
        create(required, OWNER, meters, pointsFrom(1, 2));
        meters[1] = STRANGER;
        vm.expectRevert(abi.encodeWithSelector(E.UnknownMeter.selector, STRANGER));
        create(required, OWNER, meters, pointsFrom(1, 2));
        (required,) = beekeeper.priceOf(1);
        vm.expectRevert(abi.encodeWithSelector(E.TooMany.selector, 201, 200));
        create(required, OWNER, metersFrom(1, 1), new bytes32[](201));
    }

    function test_a_coin_that_is_not_listed_and_terms_of_another_number_are_refused() public {
        (uint256 required,) = beekeeper.priceOf(0);
        (address[] memory none, bytes32[] memory nowhere) = (new address[](0), new bytes32[](0));
        vm.expectRevert(abi.encodeWithSelector(E.CoinNotListed.selector, STRANGER, 0));
        vm.prank(OWNER);
        beekeeper.createHive(required, OWNER, STRANGER, none, nowhere, queenAt(1), WINDOW, platformTerms(1));
        vm.expectRevert(abi.encodeWithSelector(SettlementDouble.WrongHive.selector, 1, 2));
        vm.prank(OWNER);
        beekeeper.createHive(required, OWNER, address(euro), none, nowhere, queenAt(1), WINDOW, platformTerms(2));
    }

    // ---- Growing

    function test_a_meter_joins_at_a_listed_free_point() public {
        uint32 hive = makeHive(1, 1);
        vm.expectRevert(abi.encodeWithSelector(E.PointNotListed.selector, hive, pointAt(2)));
        add(hive, 2);
        vm.expectRevert(abi.encodeWithSelector(E.NotHiveOwner.selector, hive, STRANGER));
        vm.prank(STRANGER);
        beekeeper.setPoints(hive, pointsFrom(1, 3));
        vm.prank(OWNER);
        beekeeper.setPoints(hive, pointsFrom(1, 3));
        (bool listed, address user) = beekeeper.pointOf(hive, pointAt(1));
        assertTrue(listed && user == meterAt(1), "listing again keeps the mark");
        (listed, user) = beekeeper.pointOf(hive, pointAt(2));
        assertTrue(listed && user == address(0), "free");
        vm.expectRevert(abi.encodeWithSelector(E.PointUsed.selector, pointAt(1), meterAt(1)));
        vm.prank(OWNER);
        beekeeper.addMeterToHive(hive, meterAt(2), pointAt(1));
        vm.expectRevert(abi.encodeWithSelector(E.NotHiveOwner.selector, hive, STRANGER));
        vm.prank(STRANGER);
        beekeeper.addMeterToHive(hive, meterAt(2), pointAt(2));
        later(1 days);
        add(hive, 2);
        (uint256 amount, uint256 since) = beekeeper.stakeOfMeter(meterAt(2));
        assertEq(amount, METER_PRICE - METER_PRICE / 2, "one meter alone takes the rounding");
        assertEq(since, START + 1 days, "its own age");
        assertEq(record(hive).meters, 2, "counted");
        vm.expectRevert(abi.encodeWithSelector(E.MeterInHive.selector, meterAt(2), hive));
        vm.prank(OWNER);
        beekeeper.addMeterToHive(hive, meterAt(2), pointAt(3));
        vm.expectRevert(abi.encodeWithSelector(E.TooMany.selector, 201, 200));
        vm.prank(OWNER);
        beekeeper.setPoints(hive, new bytes32[](201));
    }

    function test_offline_hives_take_no_meters_and_open_no_accounts() public {
        uint32 hive = makeHive(1, 1);
        vm.startPrank(OWNER);
        beekeeper.setPoints(hive, pointsFrom(2, 1));
        beekeeper.setHiveStatus(hive, HiveStatus.OFFLINE);
        vm.stopPrank();
        (, bool active,) = beekeeper.placeOf(meterAt(1));
        assertTrue(!active, "no accounts");
        vm.expectRevert(abi.encodeWithSelector(E.HiveNotActive.selector, hive, HiveStatus.OFFLINE));
        add(hive, 2);
        vm.prank(OWNER);
        beekeeper.setHiveStatus(hive, HiveStatus.ACTIVE);
        add(hive, 2);
    }

    function test_status_goes_between_active_and_offline_only() public {
        uint32 hive = makeHive(1, 1);
        vm.expectRevert(abi.encodeWithSelector(E.NotHiveOwner.selector, hive, STRANGER));
        vm.prank(STRANGER);
        beekeeper.setHiveStatus(hive, HiveStatus.OFFLINE);
        HiveStatus[5] memory refused =
            [HiveStatus.NONE, HiveStatus.ACTIVE, HiveStatus.CHANGING, HiveStatus.FROZEN, HiveStatus.ENDED];
        for (uint256 i = 0; i < refused.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(E.HiveStatusNotAllowed.selector, hive, HiveStatus.ACTIVE, refused[i])
            );
            vm.prank(OWNER);
            beekeeper.setHiveStatus(hive, refused[i]);
        }
        vm.expectRevert(abi.encodeWithSelector(E.UnknownHive.selector, 9));
        vm.prank(OWNER);
        beekeeper.setHiveStatus(9, HiveStatus.OFFLINE);
    }

    // ---- Shrinking

    function test_a_dropped_meter_returns_exactly_its_record_and_its_point() public {
        uint32 hive = makeHive(1, 2);
        uint256 before = hvt.balanceOf(OWNER);
        (uint256 amount,) = beekeeper.stakeOfMeter(meterAt(1));
        later(10 days);
        drop(hive, 1);
        assertEq(hvt.balanceOf(OWNER) - before, amount, "refund");
        assertEq(beekeeper.totalRefunded(), amount, "counted");
        assertEq(record(hive).meters, 1, "one left");
        assertEq(meterInfo(1).hive, 0, "listed, in no Hive");
        assertEq(meterInfo(1).owner, meterOwner(1), "nothing deleted");
        (bool listed, address user) = beekeeper.pointOf(hive, pointAt(1));
        assertTrue(listed && user == address(0), "its point is free");
        vm.expectRevert(abi.encodeWithSelector(E.MeterNotInHive.selector, meterAt(1), hive));
        drop(hive, 1);
        add(hive, 1);
        assertEq(record(hive).meters, 2, "and back again");
    }

    function test_only_a_closed_account_lets_a_meter_go() public {
        uint32 hive = makeHive(1, 1);
        for (uint8 state = 1; state <= 2; ++state) {
            double.setState(hive, meterAt(1), state);
            vm.expectRevert(abi.encodeWithSelector(E.AccountStillOpen.selector, hive, meterAt(1)));
            drop(hive, 1);
        }
        double.setState(hive, meterAt(1), 3);
        drop(hive, 1);
    }

    function test_a_meter_leaves_by_its_own_owner_too_and_the_hives_owner_is_refunded() public {
        uint32 hive = makeHive(1, 2);
        uint256 before = hvt.balanceOf(OWNER);
        vm.expectRevert(abi.encodeWithSelector(E.NotHiveOwner.selector, hive, STRANGER));
        vm.prank(STRANGER);
        beekeeper.dropMeterFromHive(hive, meterAt(1));
        vm.expectRevert(abi.encodeWithSelector(E.NotHiveOwner.selector, hive, meterOwner(2)));
        vm.prank(meterOwner(2));
        beekeeper.dropMeterFromHive(hive, meterAt(1));
        vm.prank(meterOwner(1));
        beekeeper.dropMeterFromHive(hive, meterAt(1));
        assertEq(hvt.balanceOf(OWNER) - before, METER_PRICE / 2, "refund");
    }

    // ---- Freezing and ending

    function test_a_frozen_hive_ends_with_its_last_meter() public {
        uint32 hive = makeHive(1, 2);
        uint256 staked = beekeeper.totalStaked();
        vm.expectRevert(abi.encodeWithSelector(E.NotHiveOwner.selector, hive, STRANGER));
        vm.prank(STRANGER);
        beekeeper.freezeHive(hive);
        uint256 before = hvt.balanceOf(OWNER);
        vm.prank(OWNER);
        beekeeper.freezeHive(hive);
        assertEq(status(hive), uint256(HiveStatus.FROZEN), "frozen");
        (,,,, bool frozen,) = double.registered(hive);
        assertTrue(frozen, "told");
        (, bool active,) = beekeeper.placeOf(meterAt(1));
        assertTrue(!active, "no new accounts");
        vm.expectRevert(abi.encodeWithSelector(E.HiveNotActive.selector, hive, HiveStatus.FROZEN));
        vm.prank(OWNER);
        beekeeper.freezeHive(hive);
        vm.expectRevert(abi.encodeWithSelector(E.MetersLeft.selector, hive, 2));
        beekeeper.endHive(hive);
        drop(hive, 1);
        assertEq(record(hive).endedAt, 0, "one left");
        later(3 days);
        drop(hive, 2);
        assertEq(status(hive), uint256(HiveStatus.ENDED), "ended");
        assertEq(record(hive).endedAt, START + 3 days, "when");
        assertEq(record(hive).owner, OWNER, "kept for ever");
        assertEq(hvt.balanceOf(OWNER) - before, staked, "all stakes are back");
        assertEq(beekeeper.totalStaked(), 0, "nothing staked");
        assertEq(votes.stakedOf(OWNER), 0, "no votes");
        vm.expectRevert(abi.encodeWithSelector(E.HiveNotFrozen.selector, hive, HiveStatus.ENDED));
        beekeeper.endHive(hive);
    }

    function test_an_empty_or_offline_hive_may_be_frozen_and_an_empty_one_ends_at_once() public {
        uint32 empty = makeHive(1, 0);
        vm.startPrank(OWNER);
        beekeeper.setHiveStatus(empty, HiveStatus.OFFLINE);
        beekeeper.freezeHive(empty);
        vm.stopPrank();
        assertEq(status(empty), uint256(HiveStatus.ENDED), "ended");
        vm.expectRevert(abi.encodeWithSelector(E.HiveStatusNotAllowed.selector, empty, HiveStatus.ENDED, 1));
        vm.prank(OWNER);
        beekeeper.setHiveStatus(empty, HiveStatus.ACTIVE);
    }

    function test_a_hive_that_owes_ends_only_when_it_has_paid_but_its_meters_are_free() public {
        uint32 hive = makeHive(1, 1);
        vm.prank(OWNER);
        beekeeper.freezeHive(hive);
        double.setShort(hive, true);
        drop(hive, 1);
        assertEq(status(hive), uint256(HiveStatus.FROZEN), "not ended");
        vm.expectRevert(abi.encodeWithSelector(E.HiveIsShort.selector, hive));
        beekeeper.endHive(hive);
        double.setShort(hive, false);
        vm.prank(STRANGER);
        beekeeper.endHive(hive);
        assertEq(status(hive), uint256(HiveStatus.ENDED), "ended by anyone");
        assertEq(beekeeper.totalStaked(), 0, "refunded");
    }

    // ---- Pausing

    function test_pausing_stops_new_things_and_never_a_way_out() public {
        uint32 hive = makeHive(1, 3);
        uint32 other = makeHive(4, 1);
        vm.prank(GUARDIAN);
        beekeeper.pause();
        (uint256 required,) = beekeeper.priceOf(1);
        vm.startPrank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(PausableUpgradeable.EnforcedPause.selector));
        beekeeper.createHive(
            required, OWNER, address(euro), metersFrom(5, 1), pointsFrom(5, 1), queenAt(3), WINDOW, platformTerms(3)
        );
        vm.expectRevert(abi.encodeWithSelector(PausableUpgradeable.EnforcedPause.selector));
        beekeeper.setPoints(hive, pointsFrom(5, 1));
        vm.expectRevert(abi.encodeWithSelector(PausableUpgradeable.EnforcedPause.selector));
        beekeeper.addMeterToHive(hive, meterAt(5), pointAt(5));
        (required,) = beekeeper.priceOf(0);
        vm.expectRevert(abi.encodeWithSelector(PausableUpgradeable.EnforcedPause.selector));
        beekeeper.beginSplit(hive, required, queenAt(3), WINDOW, platformTerms(3));
        beekeeper.dropMeterFromHive(hive, meterAt(3));
        beekeeper.setHiveStatus(hive, HiveStatus.OFFLINE);
        beekeeper.setHiveStatus(hive, HiveStatus.ACTIVE);
        beekeeper.beginMerge(other, hive);
        beekeeper.moveMeters(other, hive, metersFrom(4, 1));
        beekeeper.finishMerge(other, hive);
        beekeeper.freezeHive(hive);
        beekeeper.dropMeterFromHive(hive, meterAt(1));
        beekeeper.dropMeterFromHive(hive, meterAt(2));
        beekeeper.dropMeterFromHive(hive, meterAt(4));
        vm.stopPrank();
        vm.prank(meterOwner(5));
        beekeeper.setMeterStatus(meterAt(5), MeterStatus.RETIRED);
        assertEq(beekeeper.totalStaked(), 0, "all refunded while paused");
    }
}
