// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISettlementEvents as S} from "../src/interfaces/ISettlementEvents.sol";
import {Messages, Reading, Signature, SlotTotals, Statement} from "../src/types/Messages.sol";
import {HiveFixture} from "./HiveFixture.sol";

/// The Queen's bond, the end of a Hive, and what two different signed truths for one slot cost.
contract BondTest is HiveFixture {
    uint32 private constant _NOW = OPENED + 96;
    string private constant _TOTALS =
        "(uint32,uint32,uint48,uint48,int64,int64,int64,int64,uint16,uint16,uint16,uint16,int64,bytes32,bytes32)";

    function totals(uint32 slot, int64 price) private pure returns (SlotTotals memory t) {
        (t.hive, t.slot, t.price) = (HIVE, slot, price);
    }

    function prove(SlotTotals memory a, SlotTotals memory b, uint256 keyA, uint256 keyB) private {
        Signature memory sigA = signHash(keyA, Messages.hash(a));
        Signature memory sigB = signHash(keyB, Messages.hash(b));
        vm.prank(STRANGER);
        closing.proveEquivocation(HIVE, a, sigA, b, sigB);
    }

    function proveCall(SlotTotals memory a, SlotTotals memory b, uint256 keyB) private view returns (bytes memory) {
        return abi.encodeWithSignature(
            string.concat(
                "proveEquivocation(uint32,", _TOTALS, ",(bytes32,bytes32),", _TOTALS, ",(bytes32,bytes32))"
            ),
            HIVE, a, signHash(QUEEN_KEY, Messages.hash(a)), b, signHash(keyB, Messages.hash(b))
        );
    }

    function endHive() private {
        freeze();
        for (uint256 key = 1; key <= 3; ++key) closeAgreed(key, _NOW, 0, 100_000_000);
    }

    // ---- Posting and getting back

    function test_the_owner_posts_a_bond_and_gets_it_back_thirty_days_after_the_end() public {
        vm.expectRevert(abi.encodeWithSelector(S.NotOwner.selector, HIVE, address(this)));
        closing.postBond(HIVE, COIN);
        postBond(30 * COIN);
        assertEq(pool().bond, 30_000_000, "bond");
        assertConserved(3);
        vm.startPrank(OWNER);
        refuse(S.HiveNotEnded.selector, HIVE);
        closing.withdrawBond(HIVE);
        vm.stopPrank();
        endHive();
        uint256 until = vm.getBlockTimestamp() + 30 days;
        assertEq(settlement.hiveInfo(HIVE).stayUntil, until, "thirty days from the last close");
        vm.warp(until - 1);
        vm.startPrank(OWNER);
        refuse(S.TooEarly.selector, until);
        closing.withdrawBond(HIVE);
        vm.warp(until);
        closing.withdrawBond(HIVE);
        refuse(S.NoBond.selector, HIVE);
        closing.withdrawBond(HIVE);
        vm.stopPrank();
        assertEq(microOf(OWNER), 30_000_000, "back");
        assertConserved(3);
        vm.expectRevert(abi.encodeWithSelector(S.NotOwner.selector, HIVE, address(this)));
        closing.withdrawBond(HIVE);
    }

    function test_a_frozen_hive_with_an_open_account_has_not_ended() public {
        postBond(COIN);
        freeze();
        vm.warp(vm.getBlockTimestamp() + 90 days);
        vm.prank(OWNER);
        refuse(S.HiveNotEnded.selector, HIVE);
        closing.withdrawBond(HIVE);
    }

    function test_the_pool_of_an_ended_hive_stays_thirty_days() public {
        vm.prank(OWNER);
        closing.requestPoolWithdrawal(HIVE, 10 * COIN);
        endHive();
        uint256 until = vm.getBlockTimestamp() + 30 days;
        vm.warp(until - 1);
        vm.prank(OWNER);
        refuse(S.TooEarly.selector, until);
        closing.withdrawPool(HIVE);
        vm.warp(until);
        vm.prank(OWNER);
        closing.withdrawPool(HIVE);
        assertEq(microOf(OWNER), 10_000_000, "paid");
        assertConserved(3);
    }

    function test_telling_a_frozen_hive_again_does_not_start_its_thirty_days_again() public {
        endHive();
        uint48 until = settlement.hiveInfo(HIVE).stayUntil;
        vm.warp(vm.getBlockTimestamp() + 10 days);
        vm.prank(address(list));
        closing.tellFrozen(HIVE);
        assertEq(settlement.hiveInfo(HIVE).stayUntil, until, "as before");
    }

    function test_an_ended_hive_pays_open_claims_from_its_bond() public {
        postBond(30 * COIN);
        startShown(1, 1, statement(1, _NOW, -60_000_000), _NOW);
        startStored(2, 2, 0);
        startStored(3, 3, 0);
        freeze();
        finish(1);
        assertEq(claimOf(1), 10_000_000, "claim");
        refuse(S.NothingToClaim.selector, HIVE);
        closing.claim(HIVE, vm.addr(1));
        finish(2);
        settlement.finishClose(HIVE, vm.addr(3));
        closing.claim(HIVE, vm.addr(1));
        assertEq(microOf(payoutOf(1)), 160_000_000, "all");
        assertEq(pool().bond, 20_000_000, "from the bond, once the Hive has ended");
        assertConserved(3);
    }

    // ---- Two SlotTotals for one slot

    function test_two_totals_for_one_slot_cost_the_whole_bond() public {
        postBond(100 * COIN);
        prove(totals(_NOW, 1), totals(_NOW, 2), QUEEN_KEY, QUEEN_KEY);
        assertEq(microOf(STRANGER), 10_000_000, "a tenth to the caller");
        assertEq(pool().pool, 140_000_000, "the rest to the pool");
        assertEq(pool().bond, 0, "bond");
        assertConserved(3);
        postBond(COIN);
        bytes memory call = proveCall(totals(_NOW, 1), totals(_NOW, 3), QUEEN_KEY);
        refuse(S.EvidenceUsed.selector, HIVE, _NOW);
        this.send(call);
    }

    function test_a_slashed_bond_pays_open_claims_first() public {
        postBond(100 * COIN);
        startShown(1, 1, statement(1, _NOW, -80_000_000), _NOW);
        finish(1);
        prove(totals(_NOW, 1), totals(_NOW, 2), QUEEN_KEY, QUEEN_KEY);
        assertEq(pool().claimsFunded, 30_000_000, "claims");
        assertEq(pool().pool, 60_000_000, "then the pool");
        assertTrue(!settlement.hiveInfo(HIVE).short, "covered");
        assertConserved(3);
    }

    function test_an_owner_cannot_free_the_bond_by_slashing_it() public {
        postBond(100 * COIN);
        vm.prank(OWNER);
        closing.requestPoolWithdrawal(HIVE, 50 * COIN);
        prove(totals(_NOW, 1), totals(_NOW, 2), QUEEN_KEY, QUEEN_KEY);
        uint256 until = vm.getBlockTimestamp() + 30 days;
        vm.warp(until - 1);
        vm.prank(OWNER);
        refuse(S.TooEarly.selector, until);
        closing.withdrawPool(HIVE);
    }

    function test_equivocation_needs_two_different_totals_of_the_queen_for_one_slot() public {
        bytes memory call = proveCall(totals(_NOW, 1), totals(_NOW, 2), QUEEN_KEY);
        refuse(S.NoBond.selector, HIVE);
        this.send(call);
        postBond(COIN);
        call = proveCall(totals(_NOW, 1), totals(_NOW, 1), QUEEN_KEY);
        refuse(S.NotEquivocal.selector);
        this.send(call);
        call = proveCall(totals(_NOW, 1), totals(_NOW - 1, 2), QUEEN_KEY);
        refuse(S.NotEquivocal.selector);
        this.send(call);
        SlotTotals memory elsewhere = totals(_NOW, 2);
        elsewhere.hive = 2;
        call = proveCall(totals(_NOW, 1), elsewhere, QUEEN_KEY);
        refuse(S.NotEquivocal.selector);
        this.send(call);
        call = proveCall(elsewhere, totals(_NOW, 1), QUEEN_KEY);
        refuse(S.WrongHive.selector, HIVE, 2);
        this.send(call);
        call = proveCall(totals(_NOW, 1), totals(_NOW, 2), NEXT_QUEEN_KEY);
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, queen));
        this.send(call);
    }

    // ---- Two Readings for one slot

    function reading(uint256 key, uint32 slot, uint48 imported) private pure returns (Reading memory) {
        return Reading(vm.addr(key), slot, imported, 0, 0, 0, 0);
    }

    function test_two_readings_for_one_slot_ban_the_meter_from_opening() public {
        (Reading memory a, Reading memory b) = (reading(4, _NOW, 1), reading(4, _NOW, 2));
        (Signature memory sigA, Signature memory sigB) = (signHash(4, Messages.hash(a)), signHash(4, Messages.hash(b)));
        refuse(S.NotEquivocal.selector);
        closing.proveEquivocation(a, sigA, a, sigA);
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, vm.addr(4)));
        closing.proveEquivocation(a, sigA, b, sigA);
        b.slot += 1;
        refuse(S.NotEquivocal.selector);
        closing.proveEquivocation(a, sigA, b, sigB);
        b.slot -= 1;
        assertTrue(!settlement.isBanned(vm.addr(4)), "not yet");
        closing.proveEquivocation(a, sigA, b, sigB);
        assertTrue(settlement.isBanned(vm.addr(4)), "banned");
        listMeter(vm.addr(4), payoutOf(4));
        vm.expectRevert(abi.encodeWithSelector(S.MeterIsBanned.selector, vm.addr(4)));
        settlement.deposit(HIVE, vm.addr(4), COIN);
    }

    function test_a_banned_meter_keeps_its_open_account() public {
        (Reading memory a, Reading memory b) = (reading(1, _NOW, 1), reading(1, _NOW, 2));
        closing.proveEquivocation(a, signHash(1, Messages.hash(a)), b, signHash(1, Messages.hash(b)));
        settlement.deposit(HIVE, vm.addr(1), COIN);
        assertEq(settle(leaf(1, _NOW, 1)), 0, "settles");
        startStored(1, 1, 0);
        finish(1);
        assertEq(microOf(payoutOf(1)), 100_999_999, "and gets its money");
        assertConserved(3);
    }

    function testFuzz_a_slashed_bond_is_divided_to_the_last_millionth(uint64 bond, uint64 credit) public {
        bond = bond % 1_000_000_000 + 1;
        postBond(uint256(bond) * SCALE);
        startShown(1, 1, statement(1, _NOW, -int64(credit % 200_000_000)), _NOW);
        finish(1);
        prove(totals(_NOW, 1), totals(_NOW, 2), QUEEN_KEY, QUEEN_KEY);
        assertEq(microOf(STRANGER), bond / 10, "a tenth, rounded to the pool");
        assertEq(pool().bond, 0, "all of it");
        assertConserved(3);
    }
}
