// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {PriceBounds, Prices} from "../../src/beekeeper/BeekeeperTypes.sol";
import {IBeekeeperEvents as E} from "../../src/beekeeper/IBeekeeperEvents.sol";
import {BeekeeperFixture} from "./BeekeeperFixture.sol";

/// Prices follow slowly, within what a vote has set.
contract BeekeeperPricesTest is BeekeeperFixture {
    function set(uint256 hivePrice, uint256 meterPrice) private {
        vm.prank(PRICE_KEEPER);
        beekeeper.setPrices(hivePrice, meterPrice);
    }

    function test_a_change_a_week_of_at_most_a_tenth() public {
        vm.expectRevert(abi.encodeWithSelector(E.TooEarly.selector, START + 7 days));
        set(HIVE_PRICE, METER_PRICE);
        later(7 days);
        (uint256 least, uint256 most) = (HIVE_PRICE - HIVE_PRICE / 10, HIVE_PRICE + HIVE_PRICE / 10);
        vm.expectRevert(abi.encodeWithSelector(E.PriceStepTooLarge.selector, most + 1, least, most));
        set(most + 1, METER_PRICE);
        vm.expectRevert(abi.encodeWithSelector(E.PriceStepTooLarge.selector, least - 1, least, most));
        set(least - 1, METER_PRICE);
        uint256 meterMost = METER_PRICE + METER_PRICE / 10;
        vm.expectRevert(
            abi.encodeWithSelector(
                E.PriceStepTooLarge.selector, meterMost + 1, METER_PRICE - METER_PRICE / 10, meterMost
            )
        );
        set(HIVE_PRICE, meterMost + 1);
        set(most, METER_PRICE - METER_PRICE / 10);
        (uint256 required,) = beekeeper.priceOf(2);
        assertEq(required, most + 2 * (METER_PRICE - METER_PRICE / 10), "in force");
        vm.expectRevert(abi.encodeWithSelector(E.TooEarly.selector, START + 14 days));
        set(most, METER_PRICE);
    }

    function test_floor_and_ceiling_are_hard() public {
        for (uint256 i = 0; i < 30; ++i) {
            later(7 days);
            Prices memory now_ = beekeeper.prices();
            (uint256 up, uint256 down) = (now_.hivePrice + now_.hivePrice / 10, now_.meterPrice - now_.meterPrice / 10);
            if (up > 2_000e18) {
                vm.expectRevert(abi.encodeWithSelector(E.PriceOutOfBounds.selector, up, 500e18, 2_000e18));
                set(up, now_.meterPrice);
                up = 2_000e18;
            }
            if (down < 5e18) {
                vm.expectRevert(abi.encodeWithSelector(E.PriceOutOfBounds.selector, down, 5e18, 20e18));
                set(up, down);
                down = 5e18;
            }
            set(up, down);
        }
        assertEq(beekeeper.prices().hivePrice, 2_000e18, "ceiling");
        assertEq(beekeeper.prices().meterPrice, 5e18, "floor");
    }

    function test_only_the_price_role_within_and_only_a_vote_beyond() public {
        later(7 days);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessControl.AccessControlUnauthorizedAccount.selector, STRANGER, beekeeper.PRICE_ROLE()
            )
        );
        vm.prank(STRANGER);
        beekeeper.setPrices(HIVE_PRICE, METER_PRICE);
        PriceBounds memory limits = PriceBounds(3_000e18, 4_000e18, 1e18, 2e18);
        vm.expectRevert(abi.encodeWithSelector(E.NotTimelock.selector, PRICE_KEEPER));
        vm.prank(PRICE_KEEPER);
        beekeeper.setPriceBounds(limits);
        vm.prank(address(timelock));
        beekeeper.setPriceBounds(limits);
        assertEq(beekeeper.prices().hivePrice, 3_000e18, "up to the new floor at once");
        assertEq(beekeeper.prices().meterPrice, 2e18, "down to the new ceiling at once");
        assertEq(beekeeper.priceBounds().hiveCeiling, 4_000e18, "bounds");
        limits = PriceBounds(3_000e18, 3_500e18, 1e18, 3e18);
        later(1 days);
        vm.prank(address(timelock));
        beekeeper.setPriceBounds(limits);
        assertEq(beekeeper.prices().changedAt, START + 7 days, "prices within new bounds are left alone");
    }

    function test_bounds_in_the_wrong_order_are_refused() public {
        vm.expectRevert(abi.encodeWithSelector(E.BoundsInvalid.selector, 2, 1));
        vm.prank(address(timelock));
        beekeeper.setPriceBounds(PriceBounds(2, 1, 1, 2));
        vm.expectRevert(abi.encodeWithSelector(E.BoundsInvalid.selector, 2, 1));
        vm.prank(address(timelock));
        beekeeper.setPriceBounds(PriceBounds(1, 2, 2, 1));
    }

    function testFuzz_any_price_burns_half_rounded_down_and_records_add_up(uint96 hive, uint96 meter, uint8 count)
        public
    {
        uint256 meters = count % (METERS + 1);
        uint96 hivePrice = uint96(hive % 1_000_000e18);
        uint96 meterPrice = uint96(meter % 10_000e18);
        vm.prank(address(timelock));
        beekeeper.setPriceBounds(PriceBounds(hivePrice, hivePrice, meterPrice, meterPrice));
        fund(OWNER, 2_000_000e18);
        uint256 before = hvt.totalSupply();
        makeHive(1, meters);
        uint256 required = hivePrice + meters * meterPrice;
        assertEq(before - hvt.totalSupply(), required / 2, "burnt");
        (uint256 sum,) = beekeeper.stakeOfHive(1);
        for (uint256 i = 1; i <= meters; ++i) {
            (uint256 amount,) = beekeeper.stakeOfMeter(meterAt(i));
            sum += amount;
        }
        assertEq(sum, required - required / 2, "records");
        assertEq(beekeeper.totalStaked(), sum, "total");
    }
}
