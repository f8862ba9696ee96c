// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FlexibilityPool} from "../src/FlexibilityPool.sol";
import {IFlexibilityEvents as F} from "../src/interfaces/IFlexibilityEvents.sol";
import {TestCoin} from "../src/TestCoin.sol";
import {FlexOrder} from "../src/types/FlexOrder.sol";
import {Signature} from "../src/types/Messages.sol";
import {Log} from "./Base.sol";
import {HiveDoubles, SettlementDouble} from "./HiveDoubles.sol";

/// @title A pool with stakes of the Hive (100 coins) and of two of three Workers (10 and 20).
abstract contract FlexibilityFixture is HiveDoubles {
    SettlementDouble internal settlement;
    FlexibilityPool internal pool;
    TestCoin internal coin;
    address internal queen;

    function setUp() public virtual {
        vm.warp(uint256(SLOT) * 900);
        queen = vm.addr(QUEEN_KEY);
        coin = new TestCoin(address(this), 18);
        settlement = new SettlementDouble();
        settlement.setHive(HIVE, address(coin), SCALE, OWNER, queen);
        for (uint256 key = 1; key <= 3; ++key) {
            settlement.setPayout(HIVE, vm.addr(key), payoutOf(key));
        }
        pool = new FlexibilityPool(settlement, TIMELOCK);
        coin.mint(address(this), 1e30);
        coin.approve(address(pool), type(uint256).max);
        pool.stakeFlex(HIVE, OWNER, 100 * COIN);
        pool.stakeFlex(HIVE, vm.addr(1), 10 * COIN);
        pool.stakeFlex(HIVE, vm.addr(2), 20 * COIN);
    }

    function payoutOf(uint256 key) internal pure returns (address) {
        return address(uint160(0xB0 + key));
    }

    function stakeOf(address worker) internal view returns (uint64) {
        return pool.memberOf(HIVE, worker).stake;
    }

    /// Coins here are the sum of the stakes, to the unit.
    function assertConserved() internal view {
        uint256 total = uint256(stakeOf(OWNER)) + stakeOf(vm.addr(1)) + stakeOf(vm.addr(2)) + stakeOf(vm.addr(3));
        (, uint64 kept) = pool.stakesOf(HIVE);
        assertEq(kept, total, "total is the sum of stakes");
        assertEq(coin.balanceOf(address(pool)), total * SCALE, "coins are the stakes");
    }

    function order(uint256 key, int32 watts, uint64 price, uint32 serial) internal pure returns (FlexOrder memory) {
        return FlexOrder(HIVE, vm.addr(key), SLOT, watts, price, serial);
    }

    /// Charges one order signed by the given keys; gives the reason of the skip, 0 when charged.
    function charge(FlexOrder memory one, uint256 queenKey, uint256 workerKey) internal returns (uint8) {
        FlexOrder[] memory orders = new FlexOrder[](1);
        Signature[] memory sigs = new Signature[](2);
        bytes32 digest = pool.orderDigest(one);
        (orders[0], sigs[0], sigs[1]) = (one, sign(queenKey, digest), sign(workerKey, digest));
        vm.recordLogs();
        uint256 charged = pool.chargeFlex(orders, sigs);
        Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 1, "one event");
        if (logs[0].topics[0] != F.FlexSkipped.selector) return 0;
        assertEq(charged, 0, "skipped is not charged");
        (, uint8 reason) = abi.decode(logs[0].data, (uint32, uint8));
        return reason;
    }

    function announce(address caller, address worker, uint256 amount) internal {
        vm.prank(caller);
        pool.requestUnstake(HIVE, worker, amount);
    }

    function later(uint256 seconds_) internal {
        vm.warp(vm.getBlockTimestamp() + seconds_);
    }
}
