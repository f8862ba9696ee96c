// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MeterList} from "../src/MeterList.sol";
import {ISettlementBook} from "../src/interfaces/ISettlementBook.sol";
import {ISettlementClosing} from "../src/interfaces/ISettlementClosing.sol";
import {ISettlementEvents as S} from "../src/interfaces/ISettlementEvents.sol";
import {Messages, PayoutAddress, Signature, Statement} from "../src/types/Messages.sol";
import {BlockingCoin} from "./Coins.sol";
import {TestCoin} from "../src/TestCoin.sol";
import {Log} from "./Base.sol";
import {HiveFixture} from "./HiveFixture.sol";

/// The Hive's funds: SHORT and covered, recorded claims, late Statements, coins that refuse an address.
contract ClaimsTest is HiveFixture {
    uint32 private constant _NOW = OPENED + 96;

    /// Closes `key` on a net of -`credit`.
    function closeWithCredit(uint256 key, int64 credit) private {
        startShown(key, key, statement(key, _NOW, -credit), _NOW);
        finish(key);
    }

    function isShort() private view returns (bool) {
        return settlement.hiveInfo(HIVE).short;
    }

    function test_a_close_the_pool_cannot_pay_takes_what_is_there_and_records_the_rest() public {
        closeWithCredit(1, 80_000_000);
        assertEq(microOf(payoutOf(1)), 150_000_000, "own money and the whole pool");
        assertEq(claimOf(1), 30_000_000, "the rest");
        assertEq(pool().claimsOpen, 30_000_000, "open");
        assertEq(pool().pool, 0, "empty");
        assertTrue(isShort(), "short");
        assertConserved(3);
        refuse(S.NothingToClaim.selector, HIVE);
        closing.claim(HIVE, vm.addr(1));
    }

    function test_claims_come_before_anything_else_at_the_next_funding() public {
        vm.prank(TIMELOCK);
        closing.setFeeBps(100);
        settle(bytes.concat(leaf(2, _NOW, 40_000_000), leaf(3, _NOW, -90_000_000)));
        assertEq(pool().feeDue, 400_000, "a fee is due");
        closeWithCredit(1, 20_000_000);
        assertEq(claimOf(1), 20_000_000, "nothing was left");
        settlement.fundPool(HIVE, 15 * COIN);
        assertEq(pool().claimsFunded, 15_000_000, "all of it to the claim");
        assertEq(pool().feeDue, 400_000, "the fee waits");
        assertEq(pool().pool, 0, "the pool waits");
        assertConserved(3);
        vm.prank(STRANGER);
        closing.claim(HIVE, vm.addr(1));
        assertEq(microOf(payoutOf(1)), 115_000_000, "to the payout address, whoever calls");
        assertEq(claimOf(1), 5_000_000, "in parts");
        settlement.fundPool(HIVE, 6 * COIN);
        assertTrue(!isShort(), "covered, though not fetched yet");
        assertEq(pool().feeDue, 0, "then the fee");
        assertEq(pool().pool, 600_000, "then the pool");
        closing.claim(HIVE, vm.addr(1));
        assertEq(microOf(payoutOf(1)), 120_000_000, "all");
        assertEq(claimOf(1), 0, "none left");
        assertConserved(3);
    }

    function test_what_payers_settle_pays_claims_when_they_are_fetched() public {
        closeWithCredit(1, 60_000_000);
        settle(leaf(2, _NOW, 4_000_000));
        assertEq(pool().pool, 4_000_000, "settled into the pool");
        closing.claim(HIVE, vm.addr(1));
        assertEq(claimOf(1), 6_000_000, "ten less four");
        assertTrue(isShort(), "still short");
        assertConserved(3);
    }

    function test_a_short_hive_pays_its_owner_nothing() public {
        vm.prank(OWNER);
        closing.requestPoolWithdrawal(HIVE, 40 * COIN);
        closeWithCredit(1, 60_000_000);
        settle(leaf(2, _NOW, 30_000_000));
        vm.prank(OWNER);
        refuse(S.HiveIsShort.selector, HIVE);
        closing.withdrawPool(HIVE);
        settlement.fundPool(HIVE, COIN);
        assertTrue(!isShort(), "the pool's own money paid the rest");
        vm.prank(OWNER);
        closing.withdrawPool(HIVE);
        assertEq(microOf(OWNER), 21_000_000, "what is left");
        assertConserved(3);
    }

    function test_short_is_reported_once_whatever_makes_it_short() public {
        bytes memory owed = leaf(2, _NOW, -60_000_000);
        assertEq(settle(owed), 7, "owed");
        startShown(1, 1, statement(1, _NOW, -60_000_000), _NOW);
        vm.recordLogs();
        finish(1);
        assertEq(count(S.HiveFellShort.selector), 0, "it was short already");
        vm.recordLogs();
        settlement.fundPool(HIVE, 10 * COIN);
        assertEq(count(S.HiveCovered.selector), 0, "one account is still owed");
        settlement.fundPool(HIVE, 60 * COIN);
        uint32 current = uint32(vm.getBlockTimestamp() / 900);
        vm.recordLogs();
        vm.prank(queen);
        settlement.settle(HIVE, current, owed);
        assertEq(count(S.HiveCovered.selector), 1, "now");
        assertTrue(!isShort(), "covered");
    }

    function count(bytes32 topic) private returns (uint256 found) {
        Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == topic) ++found;
        }
    }

    function test_a_close_ends_owed() public {
        assertEq(settle(leaf(1, _NOW, -60_000_000)), 7, "owed");
        startShown(1, 1, statement(1, _NOW, -60_000_000), _NOW);
        assertEq(pool().owedAccounts, 1, "still owed while closing");
        finish(1);
        assertEq(pool().owedAccounts, 0, "a claim instead");
        assertEq(claimOf(1), 10_000_000, "claim");
        assertTrue(!info(1).owed, "flag");
        assertConserved(3);
    }

    function test_an_export_heavy_week_pays_everybody_in_the_end() public {
        for (uint256 key = 1; key <= 3; ++key) closeWithCredit(key, 40_000_000);
        assertEq(uint256(claimOf(1)) + claimOf(2) + claimOf(3), 70_000_000, "120 less 50");
        assertConserved(3);
        settlement.fundPool(HIVE, 70 * COIN);
        for (uint256 key = 2; key <= 3; ++key) closing.claim(HIVE, vm.addr(key));
        for (uint256 key = 1; key <= 3; ++key) assertEq(microOf(payoutOf(key)), 140_000_000, "paid");
        assertTrue(!isShort(), "covered");
        assertConserved(3);
    }

    // ---- Late Statements

    function test_a_newer_statement_in_the_workers_favour_is_a_claim_for_thirty_days() public {
        settle(leaf(1, _NOW - 90, 10_000_000));
        startStored(1, QUEEN_KEY, _NOW - 90);
        finish(1);
        assertEq(microOf(payoutOf(1)), 90_000_000, "the old state");
        bytes memory call = lateCall(statement(1, _NOW, -5_000_000));
        uint256 until = (uint256(info(1).closedSlot) + 30 * 96) * 900;
        vm.warp(until);
        refuse(S.Expired.selector, until);
        this.send(call);
        vm.warp(until - 1);
        this.send(call);
        assertEq(claimOf(1), 15_000_000, "recorded");
        assertEq(pool().claimsFunded, 15_000_000, "the pool has it");
        assertEq(info(1).net, -5_000_000, "totals go on");
        closing.claim(HIVE, vm.addr(1));
        assertEq(microOf(payoutOf(1)), 105_000_000, "as if it had been there in time");
        assertConserved(3);
        refuse(S.StatementNotNewer.selector, _NOW, _NOW);
        this.send(call);
    }

    function test_a_late_claim_reaches_for_the_bond_when_the_pool_is_empty() public {
        postBond(20 * COIN);
        settle(leaf(2, _NOW, -50_000_000));
        startStored(1, QUEEN_KEY, OPENED);
        finish(1);
        this.send(lateCall(statement(1, _NOW, -8_000_000)));
        assertEq(pool().bond, 12_000_000, "bond");
        closing.claim(HIVE, vm.addr(1));
        assertEq(microOf(payoutOf(1)), 108_000_000, "paid");
        assertTrue(!isShort(), "nothing open");
        assertConserved(3);
    }

    function test_a_late_claim_beyond_pool_and_bond_stays_open() public {
        postBond(2 * COIN);
        settle(leaf(2, _NOW, -49_000_000));
        startStored(1, QUEEN_KEY, OPENED);
        finish(1);
        this.send(lateCall(statement(1, _NOW - 1, -3_000_000)));
        assertEq(pool().claimsFunded, 3_000_000, "one from the pool, two from the bond");
        this.send(lateCall(statement(1, _NOW, -7_000_000)));
        assertEq(pool().claimsOpen, 4_000_000, "open");
        assertTrue(isShort(), "short");
        assertConserved(3);
    }

    function test_a_late_statement_is_judged() public {
        bytes memory call = lateCall(statement(1, _NOW, -1));
        refuse(S.AccountNotClosed.selector, vm.addr(1));
        this.send(call);
        startShown(1, 1, statement(1, _NOW - 50, 5_000_000), _NOW - 50);
        refuse(S.AccountNotClosed.selector, vm.addr(1));
        this.send(call);
        finish(1);
        call = lateCall(statement(1, _NOW, 5_000_000));
        vm.expectRevert(abi.encodeWithSelector(S.NotInFavour.selector, int64(5_000_000), int64(5_000_000)));
        this.send(call);
        call = lateCall(statement(1, _NOW - 49, -1));
        vm.expectRevert(abi.encodeWithSelector(S.ChangeTooLarge.selector, int256(-5_000_001), 5_000_000));
        this.send(call);
        Statement memory lower = statement(1, _NOW, 0);
        lower.imported = 0;
        call = lateCall(lower);
        refuse(S.CounterWentDown.selector, vm.addr(1));
        this.send(call);
        Statement memory state = statement(1, _NOW, 0);
        (Signature memory w, Signature memory q) = both(state);
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, vm.addr(1)));
        closing.claimLate(state, q, q);
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, queen));
        closing.claimLate(state, w, w);
        uint32 current = uint32(vm.getBlockTimestamp() / 900);
        call = lateCall(statement(1, current + 1, 0));
        refuse(S.SlotInFuture.selector, current + 1, current);
        this.send(call);
    }

    // ---- Coins that refuse an address

    function test_a_blocked_payout_address_holds_up_nobody() public {
        BlockingCoin blocking = new BlockingCoin();
        useCoin(blocking);
        blocking.setBlocked(payoutOf(1), true);
        closeAgreed(1, _NOW, 10_000_000, 90_000_000);
        assertEq(info(1).state, 3, "closed all the same");
        assertEq(claimOf(1), 90_000_000, "a claim that is funded");
        assertTrue(!isShort(), "nothing is open");
        vm.expectRevert("blocked");
        closing.claim(HIVE, vm.addr(1));
        PayoutAddress memory payout = PayoutAddress(HIVE, vm.addr(1), address(0xCAFE), 1);
        closing.setPayout(payout, signHash(1, Messages.hash(payout)));
        closing.claim(HIVE, vm.addr(1));
        assertEq(microOf(address(0xCAFE)), 90_000_000, "to the new address");
        assertConserved(1);
    }

    function test_a_blocked_contester_loses_its_reward_to_the_pool() public {
        BlockingCoin blocking = new BlockingCoin();
        useCoin(blocking);
        startShown(1, 1, statement(1, _NOW - 50, 0), _NOW - 50);
        contest(statement(1, _NOW, 30_000_000));
        blocking.setBlocked(address(this), true);
        finish(1);
        assertEq(microOf(payoutOf(1)), 40_000_000, "closed");
        assertEq(pool().pool, 60_000_000, "net and the whole penalty");
        assertConserved(1);
    }

    /// The same Hive number in a fresh contract, with one Worker and another coin.
    function useCoin(BlockingCoin blocking) private {
        list = new MeterList(address(this));
        settlement = deploy(list);
        closing = ISettlementClosing(address(settlement));
        list.setSettlement(ISettlementBook(address(settlement)));
        list.createHive(HIVE, OWNER, blocking, queen, 3 days, terms(1, 0));
        listMeter(vm.addr(1), payoutOf(1));
        blocking.approve(address(settlement), type(uint256).max);
        vm.warp(uint256(OPENED) * 900);
        settlement.deposit(HIVE, vm.addr(1), 100 * COIN);
        vm.warp(uint256(_NOW) * 900);
        coin = TestCoin(address(blocking));
    }

    function testFuzz_claims_add_up(uint64[3] memory credits, uint64[4] memory fundings) public {
        uint256 owed;
        for (uint256 key = 1; key <= 3; ++key) {
            int64 credit = int64(credits[key - 1] % 90_000_000);
            owed += 100_000_000 + uint64(credit);
            closeWithCredit(key, credit);
            assertConserved(3);
        }
        for (uint256 i = 0; i < 4; ++i) {
            uint256 amount = uint256(fundings[i]) % 100_000_000 + 1;
            settlement.fundPool(HIVE, amount * SCALE);
            uint256 key = i % 3 + 1;
            if (claimOf(key) != 0 && pool().claimsFunded != 0) closing.claim(HIVE, vm.addr(key));
            assertConserved(3);
            assertTrue(pool().claimsOpen == 0 || pool().pool == 0, "no pool while a claim is open");
        }
        uint256 paid = microOf(payoutOf(1)) + microOf(payoutOf(2)) + microOf(payoutOf(3));
        assertEq(paid + pool().claimsOpen + pool().claimsFunded, owed, "paid, open and waiting");
    }
}
