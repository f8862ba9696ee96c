// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FlexibilityPool} from "../src/FlexibilityPool.sol";
import {Reputation} from "../src/Reputation.sol";
import {IHiveReader} from "../src/interfaces/IHiveReader.sol";
import {FlexOrder} from "../src/types/FlexOrder.sol";
import {Messages, PayoutAddress, Reading, Signature} from "../src/types/Messages.sol";
import {HiveFixture} from "./HiveFixture.sol";

/// The smaller contracts read the real EnergySettlement.
contract FlexibilityPoolOnSettlementTest is HiveFixture {
    FlexibilityPool private _flex;

    function setUp() public override {
        super.setUp();
        _flex = new FlexibilityPool(IHiveReader(address(settlement)), TIMELOCK);
        coin.approve(address(_flex), type(uint256).max);
        _flex.stakeFlex(HIVE, OWNER, 50 * COIN);
        _flex.stakeFlex(HIVE, vm.addr(1), 10 * COIN);
    }

    function sign(uint256 key, bytes32 digest) private pure returns (Signature memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return Signature(r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
    }

    /// One Reading of Worker 1 for a past slot.
    function reading(uint48 imported) private pure returns (Reading memory) {
        return Reading(vm.addr(1), OPENED + 3, imported, 0, 0, bytes32(uint256(1)), bytes32(0));
    }

    function proveTwoReadings() private {
        (Reading memory a, Reading memory b) = (reading(1), reading(2));
        closing.proveEquivocation(a, signHash(1, Messages.hash(a)), b, signHash(1, Messages.hash(b)));
    }

    function test_an_order_is_paid_and_leaves_to_the_signed_payout_address() public {
        FlexOrder[] memory orders = new FlexOrder[](1);
        Signature[] memory sigs = new Signature[](2);
        orders[0] = FlexOrder(HIVE, vm.addr(1), OPENED + 96, -4500, 2_000_000, 1);
        bytes32 digest = _flex.orderDigest(orders[0]);
        (sigs[0], sigs[1]) = (sign(QUEEN_KEY, digest), sign(1, digest));
        assertEq(_flex.chargeFlex(orders, sigs), 1, "charged");
        assertEq(_flex.holderOf(HIVE, vm.addr(1)), address(0xB1), "the meter's owner");
        PayoutAddress memory payout = PayoutAddress(HIVE, vm.addr(1), address(0xCAFE), 1);
        closing.setPayout(payout, signHash(1, Messages.hash(payout)));
        vm.prank(address(0xCAFE));
        _flex.requestUnstake(HIVE, vm.addr(1), 12 * COIN);
        vm.warp(vm.getBlockTimestamp() + 7 days);
        _flex.unstake(HIVE, vm.addr(1));
        assertEq(coin.balanceOf(address(0xCAFE)), 12 * COIN, "stake and pay");
    }

    function test_a_signature_for_the_settlement_is_no_order() public {
        FlexOrder[] memory orders = new FlexOrder[](1);
        Signature[] memory sigs = new Signature[](2);
        orders[0] = FlexOrder(HIVE, vm.addr(1), OPENED + 96, -4500, 2_000_000, 1);
        bytes32 hash = keccak256(
            abi.encode(
                keccak256("FlexOrder(uint32 hive,address worker,uint32 slot,int32 watts,uint64 price,uint32 serial)"),
                orders[0]
            )
        );
        (sigs[0], sigs[1]) = (signHash(QUEEN_KEY, hash), signHash(1, hash));
        assertEq(_flex.chargeFlex(orders, sigs), 0, "another contract's domain");
    }

    function test_a_meter_banned_by_proof_is_out_and_loses_its_stake() public {
        assertTrue(_flex.isEligible(HIVE, vm.addr(1)), "takes part");
        proveTwoReadings();
        assertTrue(!_flex.isEligible(HIVE, vm.addr(1)), "banned for ever");
        _flex.slash(HIVE, vm.addr(1));
        assertEq(_flex.memberOf(HIVE, OWNER).stake, 60_000_000, "to the Hive");
    }

    function test_the_queen_in_force_stores_the_days_scores() public {
        Reputation reputation = new Reputation(IHiveReader(address(settlement)));
        uint32 day = uint32(vm.getBlockTimestamp() / 1 days);
        bytes32 root = reputation.leafOf(HIVE, day, vm.addr(1), 722);
        vm.prank(queen);
        reputation.storeRoot(HIVE, day, root);
        assertTrue(reputation.proveScore(HIVE, day, vm.addr(1), 722, new bytes32[](0)), "proven");
    }
}
