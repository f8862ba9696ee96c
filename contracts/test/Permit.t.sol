// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISettlementEvents as S} from "../src/interfaces/ISettlementEvents.sol";
import {Messages, Signature, WithdrawPermit} from "../src/types/Messages.sol";
import {HiveFixture} from "./HiveFixture.sol";

/// Money out of an open account with the Queen's permit, and every refusal.
contract PermitTest is HiveFixture {
    uint32 private constant _NOW = OPENED + 96;

    function permit(uint64 amount, uint32 serial) private view returns (WithdrawPermit memory) {
        uint48 deadline = uint48(vm.getBlockTimestamp() + 6 hours);
        return WithdrawPermit(HIVE, vm.addr(1), amount, info(1).slot, serial, deadline);
    }

    function withdraw(WithdrawPermit memory p) private {
        Signature memory sig = signHash(QUEEN_KEY, Messages.hash(p));
        vm.prank(payoutOf(1));
        closing.withdraw(p, sig);
    }

    /// As `withdraw`, but the next call has to be refused: the signature is made before the expectation.
    function refused(WithdrawPermit memory p, bytes memory expected) private {
        Signature memory sig = signHash(QUEEN_KEY, Messages.hash(p));
        vm.prank(payoutOf(1));
        vm.expectRevert(expected);
        closing.withdraw(p, sig);
    }

    function test_a_permit_pays_once_and_leaves_the_least_penalty() public {
        refused(permit(99_000_001, 1), abi.encodeWithSelector(S.SpendableTooSmall.selector, 100_000_000, 100_000_001));
        WithdrawPermit memory p = permit(99_000_000, 1);
        withdraw(p);
        assertEq(microOf(payoutOf(1)), 99_000_000, "paid");
        assertEq(info(1).funding, 1_000_000, "the least penalty stays");
        assertEq(info(1).permitSerial, 1, "serial");
        assertConserved(3);
        refused(p, abi.encodeWithSelector(S.SerialNotNewer.selector, 1, 1));
    }

    function testFuzz_permits_pay_what_they_say(uint64 first, uint64 second) public {
        first %= 60_000_000;
        second %= 39_000_001;
        withdraw(permit(first, 7));
        withdraw(permit(second, 8));
        assertEq(microOf(payoutOf(1)), uint256(first) + second, "paid");
        assertConserved(3);
    }

    function test_only_the_payout_address_uses_a_permit_of_the_queen() public {
        WithdrawPermit memory p = permit(1, 1);
        Signature memory sig = signHash(QUEEN_KEY, Messages.hash(p));
        vm.expectRevert(abi.encodeWithSelector(S.NotPayout.selector, payoutOf(1), STRANGER));
        vm.prank(STRANGER);
        closing.withdraw(p, sig);
        sig = signHash(1, Messages.hash(p));
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, queen));
        vm.prank(payoutOf(1));
        closing.withdraw(p, sig);
    }

    function test_a_permit_lives_six_hours_at_most() public {
        WithdrawPermit memory p = permit(1, 1);
        p.deadline += 1;
        refused(p, abi.encodeWithSelector(S.DeadlineTooFar.selector, p.deadline, p.deadline - 1));
        p.deadline -= 1;
        vm.warp(p.deadline + 1);
        refused(p, abi.encodeWithSelector(S.Expired.selector, p.deadline));
        vm.warp(p.deadline);
        withdraw(p);
    }

    function test_a_permit_waits_until_its_slot_is_settled() public {
        WithdrawPermit memory p = permit(1, 1);
        p.slot = _NOW;
        refused(p, abi.encodeWithSelector(S.SlotNotSettled.selector, _NOW, OPENED));
        settle(leaf(1, _NOW, 3));
        withdraw(p);
        assertConserved(3);
    }

    function test_a_permit_used_just_before_settling_leaves_a_skipped_leaf_and_no_debt() public {
        bytes memory owed = leaf(1, _NOW, 2_000_000);
        withdraw(permit(99_000_000, 1));
        assertEq(settle(owed), 4, "not funded any more");
        assertEq(info(1).net, 0, "nothing moved");
        settlement.deposit(HIVE, vm.addr(1), COIN);
        assertEq(settle(owed), 0, "good again after a deposit");
        assertConserved(3);
    }

    function test_no_permit_while_closing_or_closed() public {
        WithdrawPermit memory p = permit(1, 1);
        startStored(1, 1, 0);
        refused(p, abi.encodeWithSelector(S.AccountClosing.selector, HIVE, vm.addr(1)));
        finish(1);
        p = permit(1, 1);
        refused(p, abi.encodeWithSelector(S.AccountNotOpen.selector, HIVE, vm.addr(1)));
    }

    function test_withdrawing_goes_on_while_the_hive_is_short_or_frozen() public {
        settle(leaf(2, _NOW, -60_000_000));
        assertTrue(settlement.hiveInfo(HIVE).short, "short");
        freeze();
        withdraw(permit(5_000_000, 1));
        assertEq(microOf(payoutOf(1)), 5_000_000, "paid");
        assertConserved(3);
    }
}
