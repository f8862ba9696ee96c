// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {EnergySettlement} from "../src/EnergySettlement.sol";
import {SettlementClosing} from "../src/SettlementClosing.sol";
import {ISettlementClosing} from "../src/interfaces/ISettlementClosing.sol";
import {ISettlementBook} from "../src/interfaces/ISettlementBook.sol";
import {ISettlementEvents as S} from "../src/interfaces/ISettlementEvents.sol";
import {IMeterList} from "../src/interfaces/IMeterList.sol";
import {CloseInfo} from "../src/types/Close.sol";
import {CloseRequest, HiveTerms, Messages, PayoutAddress, Signature, Statement} from "../src/types/Messages.sol";
import {HiveFixture} from "./HiveFixture.sol";

/// Every row of the account's diagram that a close walks through, without a dispute, and every refusal.
contract ClosingTest is HiveFixture {
    uint32 private constant _NOW = OPENED + 96;
    uint256 private constant _PAYOUT_KEY = 21;

    // ---- The two pieces of code

    function test_the_second_piece_refuses_direct_calls_and_the_first_takes_no_ether() public {
        ISettlementClosing piece = ISettlementClosing(settlement.closingPiece());
        refuse(S.OnlyByDelegation.selector);
        piece.claim(HIVE, vm.addr(1));
        refuse(S.OnlyByDelegation.selector);
        piece.startCloseStale(HIVE, vm.addr(1));
        refuse(S.OnlyByDelegation.selector);
        piece.moveToMother(HIVE, 1);
        vm.deal(address(this), 1);
        (bool taken,) = address(settlement).call{value: 1}(abi.encodeCall(piece.claim, (HIVE, vm.addr(1))));
        assertTrue(!taken, "no ether");
        (bool known,) = address(settlement).call(hex"01020304");
        assertTrue(!known, "unknown functions are refused");
    }

    function test_pieces_with_different_authorities_do_not_fit() public {
        SettlementClosing other = new SettlementClosing(list, STRANGER, TIMELOCK, 0);
        vm.expectRevert(abi.encodeWithSelector(S.PiecesDiffer.selector, address(other)));
        new EnergySettlement(list, TREASURY, TIMELOCK, 0, other);
    }

    // ---- closeAgreed

    function test_an_agreed_close_pays_at_once_and_leaves_the_rest_to_the_pool() public {
        vm.prank(TIMELOCK);
        closing.setFeeBps(20);
        closeAgreed(1, _NOW, 10_000_000, 80_000_000);
        assertEq(microOf(payoutOf(1)), 80_000_000, "paid");
        assertEq(pool().pool, 50_000_000 + 10_000_000 + 10_000_000 - 20_000, "pool");
        assertEq(pool().fees, 20_000, "fee of what was paid in, not of the rest");
        assertEq(info(1).state, 3, "closed");
        assertEq(info(1).closedSlot, _NOW, "when");
        assertEq(info(1).funding, 10_000_000, "nothing spendable");
        assertEq(settlement.hiveInfo(HIVE).openAccounts, 2, "two left");
        assertConserved(3);
        bytes memory call = agreement(1, _NOW, 10_000_000, 80_000_000);
        refuse(S.AccountNotOpen.selector, vm.addr(1));
        this.send(call);
    }

    function test_an_agreement_cannot_be_played_again_after_reopening() public {
        bytes memory call = agreement(1, _NOW, 1_000_000, 0);
        this.send(call);
        reopen(1, _NOW + 1);
        vm.expectRevert(abi.encodeWithSelector(S.StatementNotNewer.selector, _NOW, _NOW + 1));
        this.send(call);
    }

    function test_an_agreed_close_is_judged_like_any_statement() public {
        bytes memory call = agreement(1, _NOW, 1_000_000, 99_000_001);
        refuse(S.SpendableTooSmall.selector, 99_000_000, 99_000_001);
        this.send(call);
        call = agreement(1, OPENED - 1 + 2, 5_000_001, 0);
        vm.expectRevert(abi.encodeWithSelector(S.ChangeTooLarge.selector, int256(5_000_001), 5_000_000));
        this.send(call);
        call = agreement(1, _NOW + 1, 0, 0);
        refuse(S.SlotInFuture.selector, _NOW + 1, _NOW);
        this.send(call);
        call = agreement(1, _NOW, 100_000_001, 0);
        refuse(S.NotFunded.selector, 100_000_001, 100_000_000);
        this.send(call);
        call = agreement(1, _NOW, 1, 0);
        vm.warp(uint256(_NOW) * 900 + 1 hours + 1);
        refuse(S.Expired.selector, uint256(_NOW) * 900 + 1 hours);
        this.send(call);
    }

    function test_an_agreement_needs_both_signatures() public {
        Statement memory state = statement(1, _NOW, 0);
        uint48 deadline = uint48(vm.getBlockTimestamp());
        bytes32 hash = Messages.hashAgreement(state, 1, deadline);
        (Signature memory w, Signature memory q) = (signHash(1, hash), signHash(QUEEN_KEY, hash));
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, vm.addr(1)));
        settlement.closeAgreed(state, 1, deadline, q, q);
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, queen));
        settlement.closeAgreed(state, 1, deadline, w, w);
        (w, q) = both(state);
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, vm.addr(1)));
        settlement.closeAgreed(state, 1, deadline, w, q);
    }

    function testFuzz_agreed_closes_keep_every_coin(int64[3] memory nets, uint64[3] memory payouts) public {
        vm.prank(TIMELOCK);
        closing.setFeeBps(100);
        for (uint256 key = 1; key <= 3; ++key) {
            int64 net = nets[key - 1] % 100_000_001;
            uint64 spendable = uint64(100_000_000 - net);
            closeAgreed(key, _NOW, net, payouts[key - 1] % (spendable + 1));
            assertConserved(3);
        }
        assertEq(settlement.hiveInfo(HIVE).openAccounts, 0, "all closed");
    }

    // ---- Starting on the stored state

    function test_a_close_on_the_stored_state_takes_two_windows_and_pays_everything() public {
        settle(leaf(1, _NOW, 30_000_000));
        startStored(1, 1, _NOW);
        CloseInfo memory c = closeInfo(1);
        assertEq(c.endsAt, uint256(_NOW) * 900 + 6 days, "two windows of three days");
        assertEq(c.net, 30_000_000, "what storage had");
        assertEq(c.slot, _NOW, "slot");
        assertEq(c.side, 1, "Worker");
        assertEq(c.starter, vm.addr(1), "starter");
        assertEq(info(1).state, 2, "closing");
        refuse(S.TooEarly.selector, c.endsAt);
        settlement.finishClose(HIVE, vm.addr(1));
        finish(1);
        assertEq(microOf(payoutOf(1)), 70_000_000, "everything spendable, no penalty kept");
        assertEq(info(1).state, 3, "closed");
        assertEq(closeInfo(1).endsAt, 0, "no close any more");
        assertConserved(3);
        refuse(S.NoCloseRunning.selector, vm.addr(1));
        settlement.finishClose(HIVE, vm.addr(1));
    }

    function test_worker_payout_address_and_queen_may_start_and_nobody_else() public {
        PayoutAddress memory payout = PayoutAddress(HIVE, vm.addr(2), vm.addr(_PAYOUT_KEY), 1);
        closing.setPayout(payout, signHash(2, Messages.hash(payout)));
        startStored(1, QUEEN_KEY, _NOW);
        startStored(2, _PAYOUT_KEY, 0);
        assertEq(closeInfo(1).side, 2, "Queen");
        assertEq(closeInfo(1).starter, queen, "Queen");
        assertEq(closeInfo(1).newestSlot, _NOW, "the slot she named");
        assertEq(closeInfo(2).side, 1, "payout address");
        assertEq(closeInfo(2).starter, vm.addr(_PAYOUT_KEY), "payout address");
        CloseRequest memory r = request(3, 0);
        Signature memory sig = signHash(2, Messages.hash(r));
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, vm.addr(3)));
        settlement.startClose(r, sig);
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, vm.addr(3)));
        settlement.startClose(r, Signature(0, 0));
    }

    function test_a_request_has_a_time_and_a_slot() public {
        CloseRequest memory r = request(1, 0);
        r.deadline = uint48(vm.getBlockTimestamp() + 3 days + 1);
        Signature memory sig = signHash(1, Messages.hash(r));
        refuse(S.DeadlineTooFar.selector, r.deadline, r.deadline - 1);
        settlement.startClose(r, sig);
        vm.warp(r.deadline + 1);
        refuse(S.Expired.selector, r.deadline);
        settlement.startClose(r, sig);
        r = request(1, uint32(vm.getBlockTimestamp() / 900 + 1));
        sig = signHash(1, Messages.hash(r));
        refuse(S.SlotInFuture.selector, r.newestSlot, r.newestSlot - 1);
        settlement.startClose(r, sig);
        r = request(1, _NOW);
        sig = signHash(1, Messages.hash(r));
        refuse(S.StatementMissing.selector, _NOW, OPENED);
        settlement.startClose(r, sig);
    }

    function test_a_request_serves_one_close_only() public {
        CloseRequest memory r = request(1, 0);
        r.deadline = uint48(vm.getBlockTimestamp() + 3 days);
        Signature memory sig = signHash(1, Messages.hash(r));
        settlement.startClose(r, sig);
        refuse(S.AccountClosing.selector, vm.addr(1));
        settlement.startClose(r, sig);
        finish(1);
        refuse(S.AccountNotOpen.selector, vm.addr(1));
        settlement.startClose(r, sig);
        reopen(1, uint32(vm.getBlockTimestamp() / 900 + 1));
        refuse(S.Expired.selector, r.deadline);
        settlement.startClose(r, sig);
    }

    function test_while_closing_nothing_else_touches_the_account() public {
        bytes memory call = agreement(1, _NOW, 0, 0);
        startStored(1, 1, 0);
        refuse(S.AccountClosing.selector, vm.addr(1));
        settlement.deposit(HIVE, vm.addr(1), COIN);
        assertEq(settle(leaf(1, _NOW, 1)), 6, "settle skips it");
        refuse(S.AccountClosing.selector, vm.addr(1));
        this.send(call);
        freeze();
        refuse(S.AccountClosing.selector, vm.addr(1));
        closing.startCloseStale(HIVE, vm.addr(1));
    }

    // ---- Starting on a Statement

    function test_a_close_on_a_statement_takes_one_window() public {
        startShown(1, 1, statement(1, _NOW, 20_000_000), _NOW);
        assertEq(closeInfo(1).endsAt, uint256(_NOW) * 900 + 3 days, "one window");
        assertEq(info(1).net, 0, "nothing applied yet");
        vm.prank(TIMELOCK);
        closing.setFeeBps(100);
        finish(1);
        assertEq(microOf(payoutOf(1)), 80_000_000, "paid");
        assertEq(pool().pool, 50_000_000 + 19_800_000, "pool");
        assertEq(pool().fees, 200_000, "a close pays the fee, too");
        assertEq(info(1).imported, 96_000, "counters");
        assertEq(info(1).exported, 48_000, "counters");
        assertConserved(3);
    }

    function test_the_statement_settled_last_may_be_shown_unchanged() public {
        settle(leaf(1, _NOW, 20_000_000));
        Statement memory other = statement(1, _NOW, 20_000_000);
        other.imported += 1;
        bytes memory call = shownCall(1, other, _NOW);
        refuse(S.StatementDiffers.selector, _NOW);
        this.send(call);
        call = shownCall(1, statement(1, _NOW, 20_000_001), _NOW);
        vm.expectRevert(abi.encodeWithSelector(S.ChangeTooLarge.selector, int256(1), 0));
        this.send(call);
        startShown(1, 1, statement(1, _NOW, 20_000_000), _NOW);
        finish(1);
        assertEq(microOf(payoutOf(1)), 80_000_000, "paid");
        assertConserved(3);
    }

    function test_a_statement_that_starts_a_close_is_judged() public {
        settle(leaf(1, _NOW - 10, 1));
        bytes memory call = shownCall(1, statement(1, _NOW - 11, 0), _NOW - 11);
        refuse(S.StatementNotNewer.selector, _NOW - 11, _NOW - 10);
        this.send(call);
        call = shownCall(1, statement(1, _NOW - 9, 5_000_002), _NOW - 9);
        vm.expectRevert(abi.encodeWithSelector(S.ChangeTooLarge.selector, int256(5_000_001), 5_000_000));
        this.send(call);
        Statement memory lower = statement(1, _NOW, 1);
        lower.exported = 1;
        call = shownCall(1, lower, _NOW);
        refuse(S.CounterWentDown.selector, vm.addr(1));
        this.send(call);
        call = shownCall(1, statement(1, _NOW, 1), _NOW - 1);
        refuse(S.StatementNotNamed.selector, _NOW, _NOW - 1);
        this.send(call);
        call = shownCall(1, statement(2, _NOW, 1), _NOW);
        vm.expectRevert(abi.encodeWithSelector(S.WrongWorker.selector, vm.addr(1), vm.addr(2)));
        this.send(call);
        Statement memory elsewhere = statement(1, _NOW, 1);
        elsewhere.hive = 2;
        call = shownCall(1, elsewhere, _NOW);
        refuse(S.WrongHive.selector, HIVE, 2);
        this.send(call);
    }

    function test_a_statement_that_starts_a_close_needs_both_signatures() public {
        CloseRequest memory r = request(1, _NOW);
        Signature memory sig = signHash(1, Messages.hash(r));
        Statement memory state = statement(1, _NOW, 1);
        (Signature memory w, Signature memory q) = both(state);
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, vm.addr(1)));
        settlement.startClose(r, sig, state, q, q);
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, queen));
        settlement.startClose(r, sig, state, w, w);
    }

    // ---- Stale accounts

    function test_anyone_closes_accounts_of_a_frozen_hive() public {
        vm.expectRevert(abi.encodeWithSelector(S.NotStale.selector, HIVE, vm.addr(1), uint256(OPENED) + 30 * 96));
        closing.startCloseStale(HIVE, vm.addr(1));
        freeze();
        vm.prank(STRANGER);
        closing.startCloseStale(HIVE, vm.addr(1));
        assertEq(closeInfo(1).side, 3, "stale");
        assertEq(closeInfo(1).starter, address(0), "nobody's request");
        assertEq(closeInfo(1).endsAt, uint256(_NOW) * 900 + 6 days, "two windows");
        contest(statement(1, _NOW, 4_000_000));
        finish(1);
        assertEq(microOf(payoutOf(1)), 96_000_000, "nobody lied");
        assertConserved(3);
    }

    function test_anyone_closes_after_thirty_days_without_a_settlement() public {
        settle(leaf(2, _NOW, 1));
        uint256 from = uint256(_NOW) + 30 * 96;
        vm.warp(from * 900 - 1);
        vm.expectRevert(abi.encodeWithSelector(S.NotStale.selector, HIVE, vm.addr(1), from));
        closing.startCloseStale(HIVE, vm.addr(1));
        vm.warp(from * 900);
        closing.startCloseStale(HIVE, vm.addr(1));
        refuse(S.AccountNotOpen.selector, vm.addr(4));
        closing.startCloseStale(HIVE, vm.addr(4));
        refuse(S.UnknownHive.selector, 9);
        closing.startCloseStale(9, vm.addr(4));
    }

    // ---- Nobody can hold up a close

    function test_closing_needs_no_beekeeper() public {
        BrokenList broken = new BrokenList();
        EnergySettlement other = deploy(broken);
        broken.register(other, coin, terms(1, 0), queen);
        coin.approve(address(other), 100 * COIN);
        other.deposit(HIVE, vm.addr(1), 10 * COIN);
        broken.stop();
        settlement = other;
        closing = ISettlementClosing(address(other));
        other.deposit(HIVE, vm.addr(1), COIN);
        vm.expectRevert();
        other.deposit(HIVE, vm.addr(2), COIN);
        startStored(1, 1, 0);
        finish(1);
        assertEq(microOf(address(0xB0B)), 11_000_000, "paid");
    }

    function test_a_running_close_stops_for_nothing_but_a_newer_statement() public {
        startShown(1, 1, statement(1, _NOW, 0), _NOW);
        freeze();
        vm.prank(OWNER);
        closing.setQueen(HIVE, STRANGER, _NOW + 200);
        vm.prank(TIMELOCK);
        closing.setFeeBps(100);
        finish(1);
        assertEq(microOf(payoutOf(1)), 100_000_000, "paid");
    }
}

/// A list that answers until it is stopped, then refuses every question.
contract BrokenList is IMeterList {
    bool private _stopped;

    function register(EnergySettlement target, IERC20Metadata coin, HiveTerms calldata terms, address queen) external {
        ISettlementBook(address(target)).registerHive(1, address(1), coin, queen, 3 days, terms, 0);
    }

    function stop() external {
        _stopped = true;
    }

    function placeOf(address) external view returns (uint32, bool, address) {
        require(!_stopped, "stopped");
        return (1, true, address(0xB0B));
    }
}
