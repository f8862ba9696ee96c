// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EnergySettlement} from "../src/EnergySettlement.sol";
import {ISettlementEvents} from "../src/interfaces/ISettlementEvents.sol";
import {AccountInfo} from "../src/types/Hive.sol";
import {Messages, Signature, Statement} from "../src/types/Messages.sol";
import {HiveFixture} from "./HiveFixture.sol";

/// What `settle`, `settleFor` and `applyStatement` do: every skip reason, order, fee, SHORT and OWED, roots.
contract SettleTest is HiveFixture {
    uint32 private constant _NOW = OPENED + 96;

    function test_a_good_statement_is_final_at_once() public {
        assertEq(settle(leaf(1, _NOW, 5_000_000)), 0, "reason");
        AccountInfo memory a = info(1);
        assertEq(a.net, 5_000_000, "net");
        assertEq(a.funding, 100_000_000, "funding");
        assertEq(a.imported, 96_000, "imported");
        assertEq(a.exported, 48_000, "exported");
        assertEq(a.slot, _NOW, "slot");
        assertEq(a.state, 1, "state");
        assertEq(pool().pool, 55_000_000, "pool");
        assertConserved(3);
    }

    function test_reason_1_no_account() public {
        assertEq(settle(leaf(4, _NOW, 1)), 1, "never opened");
        closeAgreed(1, _NOW - 1, 0, 100_000_000);
        assertEq(settle(leaf(1, _NOW, 1)), 1, "closed");
    }

    function test_reason_2_slot() public {
        assertEq(settle(leaf(1, OPENED, 0)), 2, "the slot of the opening");
        assertEq(settle(leaf(1, _NOW + 1, 0)), 2, "a future slot");
        assertEq(settle(leaf(1, _NOW, 0)), 0, "now");
        assertEq(settle(leaf(1, _NOW, 0)), 2, "the same again");
        assertEq(settle(leaf(1, _NOW - 1, 0)), 2, "an older one");
    }

    function test_reason_3_counters() public {
        settle(leaf(1, _NOW - 1, 0));
        Statement memory state = statement(1, _NOW, 0);
        state.imported = info(1).imported - 1;
        assertEq(settle(pack(state, signHash(1, Messages.hash(state)))), 3, "import went down");
        state = statement(1, _NOW, 0);
        state.exported = info(1).exported - 1;
        assertEq(settle(pack(state, signHash(1, Messages.hash(state)))), 3, "export went down");
    }

    function test_reason_4_spendable() public {
        assertEq(settle(leaf(1, _NOW, 100_000_001)), 4, "one millionth above");
        assertEq(settle(leaf(1, _NOW, 100_000_000)), 0, "to the last millionth");
        assertConserved(3);
    }

    function test_reason_5_signature() public {
        Statement memory state = statement(1, _NOW, 0);
        assertEq(settle(pack(state, signHash(2, Messages.hash(state)))), 5, "another Worker's");
        Signature memory sig = signHash(1, Messages.hash(state));
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        uint256 s = uint256(sig.vs) & (type(uint256).max >> 1);
        uint256 high = (order - s) | ((uint256(sig.vs) >> 255 ^ 1) << 255);
        // The complement of a low s does not fit 255 bits when it is large; both forms must be refused.
        assertEq(settle(pack(state, Signature(sig.r, bytes32(high)))), 5, "high s");
        assertEq(settle(pack(state, Signature(0, 0))), 5, "no signature");
        assertEq(settle(pack(state, Signature(sig.r, sig.vs ^ bytes32(uint256(1) << 255)))), 5, "wrong parity");
        state.hive = 2;
        sig = signHash(1, Messages.hash(state));
        assertEq(settle(pack(statement(1, _NOW, 0), sig)), 5, "another Hive's");
    }

    function test_reason_6_a_close_is_running() public {
        bytes memory good = leaf(1, _NOW, 1);
        startStored(1, 1, 0);
        assertEq(settle(good), 6, "closing");
        vm.expectRevert(abi.encodeWithSelector(ISettlementEvents.AccountClosing.selector, HIVE, vm.addr(1)));
        settlement.deposit(HIVE, vm.addr(1), COIN);
    }

    function test_reason_7_marks_owed_and_the_statement_stays_good() public {
        bytes memory good = leaf(1, _NOW, -60_000_000);
        assertEq(settle(good), 7, "pool has 50 coins");
        assertTrue(info(1).owed, "owed");
        assertEq(info(1).owedSlot, _NOW, "its slot");
        assertEq(info(1).net, 0, "nothing moved");
        assertEq(info(1).slot, OPENED, "slot kept");
        assertTrue(settlement.hiveInfo(HIVE).short, "short");
        assertEq(settle(leaf(1, _NOW - 90, -1)), 0, "an older one is applied");
        assertTrue(info(1).owed, "but does not end it");
        settlement.fundPool(HIVE, 10 * COIN);
        assertEq(settle(good), 0, "the same bytes, paid now");
        assertTrue(!info(1).owed && !settlement.hiveInfo(HIVE).short, "covered");
        assertEq(pool().pool, 0, "to the last millionth");
        assertConserved(3);
    }

    function test_owed_keeps_the_newest_slot() public {
        settle(leaf(1, _NOW, -60_000_000));
        settle(leaf(1, _NOW - 2, -55_000_000));
        assertEq(info(1).owedSlot, _NOW, "an older one does not lower it");
        vm.warp(uint256(_NOW + 5) * 900);
        settle(leaf(1, _NOW + 5, -61_000_000));
        assertEq(info(1).owedSlot, _NOW + 5, "a newer one raises it");
        assertEq(pool().owedAccounts, 1, "counted once");
    }

    function test_reason_8_comes_before_7() public {
        // 5 coins a slot: one slot after the opening at most 5 coins may move.
        assertEq(settle(leaf(1, OPENED + 1, 5_000_001)), 8, "too much paid");
        assertEq(settle(leaf(1, OPENED + 1, -5_000_001)), 8, "too much received");
        assertEq(settle(leaf(1, OPENED + 96, -480_000_001)), 8, "8, although the pool could not pay it either");
        assertEq(settle(leaf(1, OPENED + 1, 5_000_000)), 0, "exactly what is allowed");
    }

    function test_at_most_192_slots_count_for_reason_8() public {
        settlement.deposit(HIVE, vm.addr(1), 2_000 * COIN);
        vm.warp(uint256(OPENED + 1000) * 900);
        assertEq(settle(leaf(1, OPENED + 1000, 960_000_001)), 8, "above two days");
        assertEq(settle(leaf(1, OPENED + 1000, 960_000_000)), 0, "two days");
    }

    function test_one_bad_leaf_changes_nobody_else() public {
        bytes memory packed = bytes.concat(leaf(1, _NOW, 3_000_000), leaf(4, _NOW, 9), leaf(3, _NOW, -2_000_000));
        assertEq(settle(packed), 1, "the middle one");
        assertEq(info(1).net, 3_000_000, "first");
        assertEq(info(3).net, -2_000_000, "third");
        assertEq(pool().pool, 51_000_000, "pool");
        assertConserved(3);
    }

    function test_order_matters_for_the_pool_only() public {
        bytes memory pays = leaf(1, _NOW, 20_000_000);
        bytes memory gets = leaf(2, _NOW, -70_000_000);
        assertEq(settle(bytes.concat(gets, pays)), 7, "receiver first");
        assertEq(info(1).net, 20_000_000, "the payer is settled all the same");
        assertEq(settle(gets), 0, "then the receiver");
        assertEq(pool().pool, 0, "pool");
        assertConserved(3);
    }

    function test_old_statements_replayed_in_any_order_leave_the_newest() public {
        bytes memory first = leaf(1, _NOW - 2, 1_000_000);
        bytes memory second = leaf(1, _NOW - 1, -500_000);
        bytes memory newest = leaf(1, _NOW, 2_000_000);
        settle(bytes.concat(first, newest, second, first, newest));
        assertEq(info(1).net, 2_000_000, "net");
        assertEq(info(1).slot, _NOW, "slot");
        assertEq(pool().pool, 52_000_000, "pool moved once");
        assertConserved(3);
    }

    function test_fee_is_taken_from_what_is_paid_in() public {
        vm.prank(TIMELOCK);
        closing.setFeeBps(20);
        settle(bytes.concat(leaf(1, _NOW, 10_000_001), leaf(2, _NOW, -4_000_000)));
        assertEq(pool().fees, 20_000, "20 basis points of what was paid in, rounded down");
        assertEq(pool().pool, 50_000_000 + 6_000_001 - 20_000, "pool");
        assertConserved(3);
        closing.claimFees(HIVE);
        assertEq(coin.balanceOf(TREASURY), 20_000 * SCALE, "treasury");
        assertConserved(3);
        vm.expectRevert(abi.encodeWithSelector(ISettlementEvents.NothingToClaim.selector, HIVE));
        closing.claimFees(HIVE);
    }

    function test_a_fee_larger_than_the_pool_is_due_later() public {
        vm.prank(TIMELOCK);
        closing.setFeeBps(100);
        settle(bytes.concat(leaf(1, _NOW, 10_000_000), leaf(2, _NOW, -59_950_000)));
        assertEq(pool().pool, 0, "pool");
        assertEq(pool().fees, 50_000, "what was there");
        assertEq(pool().feeDue, 50_000, "the rest");
        settlement.fundPool(HIVE, COIN);
        assertEq(pool().feeDue, 0, "taken at the next funding");
        assertEq(pool().pool, 950_000, "pool after it");
        assertConserved(3);
    }

    function test_root_proves_what_was_applied_and_nothing_else() public {
        settle(bytes.concat(leaf(1, _NOW, 1), leaf(4, _NOW, 2), leaf(2, _NOW, 3), leaf(3, _NOW, 4)));
        (bytes32 a, bytes32 b, bytes32 c) = (
            Messages.hash(statement(1, _NOW, 1)), Messages.hash(statement(2, _NOW, 3)),
            Messages.hash(statement(3, _NOW, 4))
        );
        bytes32 ab = a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
        bytes32 root = ab < c ? keccak256(abi.encode(ab, c)) : keccak256(abi.encode(c, ab));
        assertEq(settlement.rootOf(HIVE, _NOW, 0), root, "root");
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = ab;
        assertTrue(settlement.verifyStatement(HIVE, _NOW, 0, statement(3, _NOW, 4), proof), "odd leaf");
        assertTrue(!settlement.verifyStatement(HIVE, _NOW, 0, statement(3, _NOW, 5), proof), "another net");
        assertTrue(!settlement.verifyStatement(HIVE, _NOW, 1, statement(3, _NOW, 4), proof), "another batch");
        settle(leaf(4, _NOW, 2));
        assertEq(settlement.rootOf(HIVE, _NOW, 1), bytes32(0), "an empty batch has no root");
        assertEq(pool().nextBatch, 2, "but a number");
    }

    function test_packing_and_period_are_checked() public {
        bytes memory good = leaf(1, _NOW, 1);
        vm.prank(queen);
        vm.expectRevert(abi.encodeWithSelector(ISettlementEvents.BadPacking.selector, 0));
        settlement.settle(HIVE, _NOW, "");
        vm.prank(queen);
        vm.expectRevert(abi.encodeWithSelector(ISettlementEvents.BadPacking.selector, 141));
        settlement.settle(HIVE, _NOW, bytes.concat(good, hex"00"));
        vm.prank(queen);
        vm.expectRevert(abi.encodeWithSelector(ISettlementEvents.TooManyLeaves.selector, 1001, 1000));
        settlement.settle(HIVE, _NOW, new bytes(140 * 1001));
        vm.prank(queen);
        vm.expectRevert(abi.encodeWithSelector(ISettlementEvents.PeriodInFuture.selector, _NOW + 1, _NOW));
        settlement.settle(HIVE, _NOW + 1, good);
        settle(good);
        vm.prank(queen);
        vm.expectRevert(abi.encodeWithSelector(ISettlementEvents.PeriodGoesBack.selector, _NOW - 1, _NOW));
        settlement.settle(HIVE, _NOW - 1, good);
    }

    function test_only_the_queen_settles() public {
        bytes memory good = leaf(1, _NOW, 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlementEvents.NotQueen.selector, HIVE, address(this)));
        settlement.settle(HIVE, _NOW, good);
        vm.prank(queen);
        vm.expectRevert(abi.encodeWithSelector(ISettlementEvents.NotQueen.selector, 9, queen));
        settlement.settle(9, _NOW, good);
    }

    function test_a_relayer_settles_with_the_queens_signature_once() public {
        bytes memory good = leaf(1, _NOW, 1_000);
        Signature memory sig = signHash(QUEEN_KEY, Messages.hashBatch(HIVE, _NOW, 0, keccak256(good)));
        vm.prank(STRANGER);
        settlement.settleFor(HIVE, _NOW, good, sig);
        assertEq(info(1).net, 1_000, "applied");
        vm.expectRevert(abi.encodeWithSelector(ISettlementEvents.InvalidSignature.selector, queen));
        settlement.settleFor(HIVE, _NOW, good, sig);
    }

    function test_anybody_applies_a_statement_both_signed() public {
        Statement memory state = statement(1, _NOW, 2_000_000);
        bytes32 hash = Messages.hash(state);
        (Signature memory w, Signature memory q) = (signHash(1, hash), signHash(QUEEN_KEY, hash));
        vm.expectRevert(abi.encodeWithSelector(ISettlementEvents.InvalidSignature.selector, queen));
        settlement.applyStatement(HIVE, state, w, w);
        vm.expectRevert(abi.encodeWithSelector(ISettlementEvents.WrongHive.selector, HIVE, 2));
        state.hive = 2;
        settlement.applyStatement(HIVE, state, w, q);
        state.hive = HIVE;
        vm.prank(STRANGER);
        assertEq(settlement.applyStatement(HIVE, state, w, q), 0, "applied");
        assertEq(info(1).net, 2_000_000, "net");
        assertEq(settlement.applyStatement(HIVE, state, w, q), 2, "again");
        assertEq(settlement.applyStatement(HIVE, statement(2, _NOW, 1), w, signHash(QUEEN_KEY,
            Messages.hash(statement(2, _NOW, 1)))), 5, "not the Worker's");
        assertConserved(3);
    }

    function test_the_old_key_settles_what_was_before_the_hand_over() public {
        uint32 from = _NOW + 96;
        vm.prank(OWNER);
        closing.setQueen(HIVE, vm.addr(NEXT_QUEEN_KEY), from);
        assertEq(settle(leaf(1, _NOW, 1)), 0, "the old key until then");
        bytes memory tooEarly = leaf(2, _NOW, 1);
        vm.prank(vm.addr(NEXT_QUEEN_KEY));
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementEvents.NotQueen.selector, HIVE, vm.addr(NEXT_QUEEN_KEY))
        );
        settlement.settle(HIVE, _NOW, tooEarly);
        vm.warp(uint256(from + 1) * 900);
        assertEq(settle(bytes.concat(leaf(1, from - 1, 2), leaf(2, from, 2))), 2, "only the later leaf is skipped");
        assertEq(info(1).net, 2, "before the hand-over");
        assertEq(info(2).net, 0, "after it");
        queen = vm.addr(NEXT_QUEEN_KEY);
        assertEq(settle(leaf(2, from, 2)), 0, "the new key");
        assertEq(settlement.queenOf(HIVE, from - 1), vm.addr(QUEEN_KEY), "old");
        assertEq(settlement.queenOf(HIVE, from), vm.addr(NEXT_QUEEN_KEY), "new");
    }

    function test_a_statement_of_a_fork_is_refused() public {
        bytes memory good = leaf(1, _NOW, 1);
        vm.chainId(4242);
        assertEq(settle(good), 5, "another chain id");
    }

    function testFuzz_money_is_conserved(int64[8] memory nets, uint8[8] memory who, uint16 bps) public {
        vm.prank(TIMELOCK);
        closing.setFeeBps(bps % 101);
        bytes memory packed;
        for (uint32 i = 0; i < 8; ++i) {
            packed = bytes.concat(packed, leaf(who[i] % 4 + 1, OPENED + 80 + i, nets[i] % 120_000_000));
        }
        uint256 poolBefore = pool().pool;
        int256 netBefore = netSum();
        settle(packed);
        assertConserved(3);
        int256 moved = int256(uint256(pool().pool)) - int256(poolBefore);
        assertEq(netSum() - netBefore, moved + int256(uint256(pool().fees)), "net = pool + fee - due");
        settle(packed);
        assertConserved(3);
    }

    function testFuzz_packed_fields_survive(uint48 imported, uint48 exported, int64 net, bytes32 readings) public {
        net = net % 100_000_000;
        if (net < -50_000_000) net = -50_000_000;
        Statement memory state = Statement(HIVE, vm.addr(1), _NOW, net, imported, exported, readings);
        assertEq(settle(pack(state, signHash(1, Messages.hash(state)))), 0, "reason");
        AccountInfo memory a = info(1);
        assertEq(a.net, net, "net");
        assertEq(a.imported, imported, "imported");
        assertEq(a.exported, exported, "exported");
        assertEq(a.funding, 100_000_000, "funding untouched");
        assertEq(settlement.rootOf(HIVE, _NOW, 0), Messages.hash(state), "a single leaf is the root");
    }

    function netSum() private view returns (int256) {
        return int256(info(1).net) + info(2).net + info(3).net;
    }
}
