// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FlexibilityPool} from "../src/FlexibilityPool.sol";
import {IFlexibilityEvents as F} from "../src/interfaces/IFlexibilityEvents.sol";
import {FlexOrder} from "../src/types/FlexOrder.sol";
import {Signature} from "../src/types/Messages.sol";
import {FlexibilityFixture} from "./FlexibilityFixture.sol";

/// Orders: who pays whom, what is skipped, and the digest that both sides sign.
contract FlexibilityPoolOrdersTest is FlexibilityFixture {
    function test_ordered_power_is_paid_by_the_hive_and_caused_power_by_the_worker() public {
        assertEq(charge(order(1, -4500, 3_000_000, 1), QUEEN_KEY, 1), 0, "less import");
        assertEq(charge(order(1, 2000, 1_000_000, 2), QUEEN_KEY, 1), 0, "more import is a service too");
        assertEq(stakeOf(vm.addr(1)), 14_000_000, "the Worker was paid");
        assertEq(stakeOf(OWNER), 96_000_000, "by the Hive");
        assertEq(charge(order(2, 0, 5_000_000, 1), QUEEN_KEY, 2), 0, "its part of what others delivered");
        assertEq(stakeOf(vm.addr(2)), 15_000_000, "the Worker paid");
        assertEq(stakeOf(OWNER), 101_000_000, "to the Hive");
        assertEq(pool.memberOf(HIVE, vm.addr(1)).serial, 2, "newest serial");
        assertConserved();
    }

    function test_both_must_have_signed() public {
        FlexOrder memory one = order(1, -4500, 1_000_000, 1);
        assertEq(charge(one, 1, 1), 4, "Queen's missing");
        assertEq(charge(one, QUEEN_KEY, QUEEN_KEY), 5, "Worker's missing");
        assertEq(charge(one, QUEEN_KEY, 2), 5, "another Worker's");
        assertEq(charge(one, 1, QUEEN_KEY), 4, "the wrong way round");
        Signature[] memory sigs = new Signature[](2);
        FlexOrder[] memory orders = new FlexOrder[](1);
        orders[0] = one;
        assertEq(pool.chargeFlex(orders, sigs), 0, "empty signatures");
        bytes32 digest = pool.orderDigest(one);
        one.price += 1;
        (orders[0], sigs[0], sigs[1]) = (one, sign(QUEEN_KEY, digest), sign(1, digest));
        assertEq(pool.chargeFlex(orders, sigs), 0, "another price");
        assertEq(stakeOf(vm.addr(1)), 10_000_000, "nothing moved");
    }

    function test_a_zero_signer_opens_no_door_when_a_hive_has_no_queen_for_a_slot() public {
        settlement.setHive(8, address(coin), SCALE, OWNER, address(0));
        FlexOrder memory one = order(1, -1, 1, 1);
        one.hive = 8;
        settlement.setPayout(8, vm.addr(1), payoutOf(1));
        FlexOrder[] memory orders = new FlexOrder[](1);
        orders[0] = one;
        assertEq(pool.chargeFlex(orders, new Signature[](2)), 0, "zero signatures recover nobody");
    }

    function test_the_queen_of_the_orders_slot_signs() public {
        settlement.setQueen(HIVE, vm.addr(NEXT_QUEEN_KEY), SLOT);
        assertEq(charge(order(1, -1, 1, 1), QUEEN_KEY, 1), 4, "the old key, from its last slot on");
        FlexOrder memory one = order(1, -1, 1, 1);
        one.slot = SLOT - 1;
        assertEq(charge(one, NEXT_QUEEN_KEY, 1), 4, "the new key, before its slot");
        assertEq(charge(one, QUEEN_KEY, 1), 0, "the old key, before");
        assertEq(charge(order(1, -1, 1, 2), NEXT_QUEEN_KEY, 1), 0, "the new key, after");
    }

    function test_serials_go_one_by_one_so_no_order_is_lost_and_none_paid_twice() public {
        assertEq(charge(order(1, -1, 1, 0), QUEEN_KEY, 1), 3, "the first is 1");
        assertEq(charge(order(1, -1, 1, 2), QUEEN_KEY, 1), 3, "none is left out");
        assertEq(charge(order(1, -1, 1, 1), QUEEN_KEY, 1), 0, "first");
        assertEq(charge(order(1, -1, 1, 1), QUEEN_KEY, 1), 3, "played again");
        assertEq(charge(order(1, 5, 1, 1), QUEEN_KEY, 1), 3, "another of the same serial");
        assertEq(charge(order(2, -1, 1, 1), QUEEN_KEY, 2), 0, "each Worker has its own");
        assertEq(charge(order(1, -1, 1, 2), QUEEN_KEY, 1), 0, "next");
        assertConserved();
    }

    function test_an_order_is_paid_within_the_stake_or_waits() public {
        FlexOrder memory dear = order(1, -1, 100_000_001, 1);
        assertEq(charge(dear, QUEEN_KEY, 1), 7, "more than the Hive's stake");
        pool.stakeFlex(HIVE, OWNER, COIN);
        assertEq(charge(dear, QUEEN_KEY, 1), 0, "good again once it is there");
        assertEq(charge(order(2, 0, 20_000_001, 1), QUEEN_KEY, 2), 7, "more than the Worker's stake");
        assertEq(charge(order(2, 0, 20_000_000, 1), QUEEN_KEY, 2), 0, "to the last unit");
        assertEq(stakeOf(vm.addr(2)), 0, "never below zero");
        assertConserved();
    }

    function test_orders_before_their_slot_of_unknown_hives_or_without_a_holder_are_skipped() public {
        FlexOrder memory one = order(1, -1, 1, 1);
        one.slot = SLOT + 1;
        assertEq(charge(one, QUEEN_KEY, 1), 2, "not begun");
        one = order(1, -1, 1, 1);
        one.hive = 9;
        assertEq(charge(one, QUEEN_KEY, 1), 1, "unknown Hive");
        assertEq(charge(order(4, -1, 1, 1), QUEEN_KEY, 4), 6, "nobody could take its stake out");
    }

    function test_one_bad_order_changes_nothing_for_the_others() public {
        FlexOrder[] memory orders = new FlexOrder[](3);
        Signature[] memory sigs = new Signature[](6);
        for (uint256 i = 0; i < 3; ++i) {
            orders[i] = order(i + 1, -1, 1_000_000, i == 1 ? 5 : 1);
            bytes32 digest = pool.orderDigest(orders[i]);
            (sigs[2 * i], sigs[2 * i + 1]) = (sign(QUEEN_KEY, digest), sign(i + 1, digest));
        }
        assertEq(pool.chargeFlex(orders, sigs), 2, "two charged");
        assertEq(stakeOf(vm.addr(1)), 11_000_000, "before it");
        assertEq(stakeOf(vm.addr(2)), 20_000_000, "itself");
        assertEq(stakeOf(vm.addr(3)), 1_000_000, "after it");
        assertConserved();
    }

    function test_an_owner_that_is_a_worker_of_its_own_hive_gains_nothing() public {
        settlement.setHive(HIVE, address(coin), SCALE, vm.addr(1), queen);
        assertEq(charge(order(1, -1, 5_000_000, 1), QUEEN_KEY, 1), 0, "from itself to itself");
        assertEq(stakeOf(vm.addr(1)), 10_000_000, "same stake");
        assertEq(pool.memberOf(HIVE, vm.addr(1)).serial, 1, "serial used");
    }

    function test_calls_are_bounded_and_each_order_has_two_signatures() public {
        refuse(abi.encodeWithSelector(F.SignaturesMissing.selector, 1, 1));
        pool.chargeFlex(new FlexOrder[](1), new Signature[](1));
        refuse(abi.encodeWithSelector(F.TooManyOrders.selector, 201, 200));
        pool.chargeFlex(new FlexOrder[](201), new Signature[](402));
    }

    function testFuzz_orders_conserve_every_unit(
        uint64[6] memory prices,
        uint8[6] memory who,
        bool[6] memory caused
    ) public {
        uint32[4] memory serials;
        for (uint256 i = 0; i < 6; ++i) {
            uint256 key = who[i] % 3 + 1;
            uint64 price = prices[i] % 40_000_000;
            FlexOrder memory one = order(key, caused[i] ? int32(0) : int32(-100), price, serials[key] + 1);
            uint64 purse = stakeOf(caused[i] ? vm.addr(key) : OWNER);
            uint8 reason = charge(one, QUEEN_KEY, key);
            assertEq(reason, purse < price ? 7 : 0, "paid exactly when the stake covers it");
            if (reason == 0) ++serials[key];
            assertConserved();
        }
    }

    // ---- Golden vector

    function test_an_orders_digest_is_that_of_the_vector() public {
        string memory json = vm.readFile("../tests/golden/vectors_eip712.json");
        string memory path = vectorOf(json, "FlexOrder");
        string memory f = string.concat(path, ".fields.");
        FlexOrder memory one = FlexOrder({
            hive: uint32(vm.parseJsonUint(json, string.concat(f, "hive"))),
            worker: vm.parseJsonAddress(json, string.concat(f, "worker")),
            slot: uint32(vm.parseJsonUint(json, string.concat(f, "slot"))),
            watts: int32(vm.parseJsonInt(json, string.concat(f, "watts"))),
            price: uint64(vm.parseJsonUint(json, string.concat(f, "price"))),
            serial: uint32(vm.parseJsonUint(json, string.concat(f, "serial")))
        });
        address contract_ = vm.parseJsonAddress(json, ".domain.verifyingContract");
        more.etch(contract_, address(pool).code);
        vm.chainId(vm.parseJsonUint(json, ".domain.chainId"));
        FlexibilityPool there = FlexibilityPool(contract_);
        assertEq(
            there.domainSeparator(), vm.parseJsonBytes32(json, string.concat(path, ".domain_separator")), "domain"
        );
        assertEq(there.orderDigest(one), vm.parseJsonBytes32(json, string.concat(path, ".digest")), "digest");
    }

    function vectorOf(string memory json, string memory name) private pure returns (string memory path) {
        for (uint256 i = 0; i < 100; ++i) {
            path = string.concat(".vectors[", decimal(i), "]");
            string memory found = more.parseJsonString(json, string.concat(path, ".type"));
            if (keccak256(bytes(found)) == keccak256(bytes(name))) return path;
        }
        revert("no such vector");
    }

    function decimal(uint256 number) private pure returns (string memory) {
        if (number < 10) return string(abi.encodePacked(bytes1(uint8(48 + number))));
        return string.concat(decimal(number / 10), decimal(number % 10));
    }

    function test_a_signature_of_another_chain_or_pool_is_worth_nothing() public {
        bytes32 before = pool.domainSeparator();
        FlexibilityPool other = new FlexibilityPool(settlement, TIMELOCK);
        assertTrue(other.domainSeparator() != before, "another contract");
        vm.chainId(5);
        assertTrue(pool.domainSeparator() != before, "another chain");
    }
}
