// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {FlexibilityPool} from "../src/FlexibilityPool.sol";
import {IFlexibilityEvents as F} from "../src/interfaces/IFlexibilityEvents.sol";
import {IHiveReader} from "../src/interfaces/IHiveReader.sol";
import {FlexOrder} from "../src/types/FlexOrder.sol";
import {Signature} from "../src/types/Messages.sol";
import {ReentrantCoin, SilentCoin, TollCoin} from "./HiveDoubles.sol";
import {FlexibilityFixture} from "./FlexibilityFixture.sol";

/// Stakes, bans, coins that misbehave, and every refusal among them.
contract FlexibilityPoolTest is FlexibilityFixture {
    // ---- Stakes

    function test_anyone_stakes_for_a_worker_with_an_account_or_for_the_hive() public {
        assertEq(stakeOf(vm.addr(1)), 10_000_000, "micro-coins");
        assertEq(stakeOf(OWNER), 100_000_000, "the Hive's own");
        assertConserved();
        address unknown = vm.addr(4);
        refuse(abi.encodeWithSelector(F.NoAccount.selector, HIVE, unknown));
        pool.stakeFlex(HIVE, unknown, COIN);
        refuse(abi.encodeWithSelector(F.UnknownHive.selector, 9));
        pool.stakeFlex(9, vm.addr(1), COIN);
        refuse(abi.encodeWithSelector(F.AmountNotWhole.selector, COIN + 1, SCALE));
        pool.stakeFlex(HIVE, vm.addr(1), COIN + 1);
        refuse(abi.encodeWithSelector(F.AmountNotWhole.selector, 0, SCALE));
        pool.stakeFlex(HIVE, vm.addr(1), 0);
        settlement.setFrozen(HIVE, true);
        refuse(abi.encodeWithSelector(F.HiveIsFrozen.selector, HIVE));
        pool.stakeFlex(HIVE, vm.addr(1), COIN);
    }

    function test_a_stake_leaves_after_seven_days_to_its_holder_only() public {
        address worker = vm.addr(1);
        refuse(abi.encodeWithSelector(F.NotHolder.selector, HIVE, worker, worker));
        announce(worker, worker, COIN);
        refuse(abi.encodeWithSelector(F.StakeTooSmall.selector, 10_000_000, 11_000_000));
        announce(payoutOf(1), worker, 11 * COIN);
        refuse(abi.encodeWithSelector(F.AmountNotWhole.selector, 1, SCALE));
        announce(payoutOf(1), worker, 1);
        refuse(abi.encodeWithSelector(F.NothingRequested.selector, HIVE, worker));
        pool.unstake(HIVE, worker);
        announce(payoutOf(1), worker, 4 * COIN);
        uint256 readyAt = vm.getBlockTimestamp() + 7 days;
        vm.warp(readyAt - 1);
        refuse(abi.encodeWithSelector(F.TooEarly.selector, readyAt));
        pool.unstake(HIVE, worker);
        vm.warp(readyAt);
        settlement.setFrozen(HIVE, true);
        vm.prank(STRANGER);
        pool.unstake(HIVE, worker);
        assertEq(coin.balanceOf(payoutOf(1)), 4 * COIN, "to the payout address, frozen Hive or not");
        assertEq(stakeOf(worker), 6_000_000, "the rest stays");
        assertConserved();
        refuse(abi.encodeWithSelector(F.NothingRequested.selector, HIVE, worker));
        pool.unstake(HIVE, worker);
    }

    function test_a_new_request_replaces_the_old_and_zero_cancels() public {
        announce(payoutOf(1), vm.addr(1), 4 * COIN);
        later(6 days);
        announce(payoutOf(1), vm.addr(1), 2 * COIN);
        later(1 days);
        uint256 readyAt = vm.getBlockTimestamp() + 6 days;
        refuse(abi.encodeWithSelector(F.TooEarly.selector, readyAt));
        pool.unstake(HIVE, vm.addr(1));
        announce(payoutOf(1), vm.addr(1), 0);
        vm.warp(readyAt + 7 days);
        refuse(abi.encodeWithSelector(F.NothingRequested.selector, HIVE, vm.addr(1)));
        pool.unstake(HIVE, vm.addr(1));
    }

    function test_the_owner_takes_out_the_hives_stake_and_a_daughters_queen_her_own() public {
        announce(OWNER, OWNER, 100 * COIN);
        later(7 days);
        pool.unstake(HIVE, OWNER);
        assertEq(coin.balanceOf(OWNER), 100 * COIN, "owner");
        address daughter = vm.addr(NEXT_QUEEN_KEY);
        settlement.setPayout(HIVE, daughter, address(settlement));
        assertEq(pool.holderOf(HIVE, daughter), daughter, "her payout is a pool, so she holds it herself");
        assertEq(pool.holderOf(HIVE, vm.addr(1)), payoutOf(1), "payout address");
        assertEq(pool.holderOf(HIVE, STRANGER), address(0), "no account, no holder");
        pool.stakeFlex(HIVE, daughter, COIN);
        announce(daughter, daughter, COIN);
        later(7 days);
        pool.unstake(HIVE, daughter);
        assertEq(coin.balanceOf(daughter), COIN, "daughter's Queen");
    }

    function test_an_announced_stake_still_pays_orders_and_then_less_leaves() public {
        announce(OWNER, OWNER, 100 * COIN);
        assertEq(charge(order(1, -4500, 30_000_000, 1), QUEEN_KEY, 1), 0, "paid from what is about to leave");
        later(7 days);
        pool.unstake(HIVE, OWNER);
        assertEq(coin.balanceOf(OWNER), 70 * COIN, "what is left");
        assertEq(pool.memberOf(HIVE, OWNER).pending, 0, "request used");
        assertConserved();
    }

    // ---- The market's door

    function test_below_the_minimum_or_banned_a_worker_takes_no_part() public {
        address worker = vm.addr(1);
        assertTrue(pool.isEligible(HIVE, vm.addr(3)), "no minimum, no stake needed");
        assertTrue(!pool.isEligible(9, worker), "unknown Hive");
        refuse(abi.encodeWithSelector(F.NotOwner.selector, HIVE, STRANGER));
        vm.prank(STRANGER);
        pool.setMinimum(HIVE, 1);
        vm.prank(OWNER);
        pool.setMinimum(HIVE, 10_000_000);
        (uint64 minimum,) = pool.stakesOf(HIVE);
        assertEq(minimum, 10_000_000, "set");
        assertTrue(pool.isEligible(HIVE, worker), "exactly the minimum");
        assertTrue(!pool.isEligible(HIVE, vm.addr(3)), "below");
        announce(payoutOf(1), worker, uint256(SCALE));
        assertTrue(!pool.isEligible(HIVE, worker), "what is about to leave counts no more");
        announce(payoutOf(1), worker, 0);
        charge(order(1, 0, 1, 1), QUEEN_KEY, 1);
        assertTrue(!pool.isEligible(HIVE, worker), "charged below");
        settlement.setBanned(vm.addr(2));
        assertTrue(!pool.isEligible(HIVE, vm.addr(2)), "banned for ever by proof");
    }

    function test_a_pending_request_above_a_charged_stake_counts_as_nothing() public {
        announce(payoutOf(1), vm.addr(1), 10 * COIN);
        charge(order(1, 0, 4_000_000, 1), QUEEN_KEY, 1);
        assertTrue(pool.isEligible(HIVE, vm.addr(1)), "minimum zero");
        vm.prank(OWNER);
        pool.setMinimum(HIVE, 1);
        assertTrue(!pool.isEligible(HIVE, vm.addr(1)), "nothing counts");
    }

    function ban(address caller, uint256 until, bytes32 evidence) private {
        vm.prank(caller);
        // casting to 'uint48' is safe because tests use near times
        pool.ban(HIVE, vm.addr(1), uint48(until), evidence);
    }

    function test_a_ban_is_short_shows_evidence_and_takes_no_money() public {
        uint256 now_ = vm.getBlockTimestamp();
        bytes32 evidence = keccak256("report");
        refuse(abi.encodeWithSelector(F.NotOwnerOrTimelock.selector, HIVE, queen));
        ban(queen, now_ + 1 days, evidence);
        refuse(abi.encodeWithSelector(F.NoEvidence.selector));
        ban(OWNER, now_ + 1 days, 0);
        refuse(abi.encodeWithSelector(F.BanTooLong.selector, now_ + 30 days + 1, now_ + 30 days));
        ban(OWNER, now_ + 30 days + 1, evidence);
        refuse(abi.encodeWithSelector(F.BanInPast.selector, now_));
        ban(OWNER, now_, evidence);
        vm.recordLogs();
        ban(OWNER, now_ + 30 days, evidence);
        (uint48 until, bytes32 shown, address by) =
            abi.decode(vm.getRecordedLogs()[0].data, (uint48, bytes32, address));
        assertEq(until, now_ + 30 days, "until");
        assertEq(shown, evidence, "evidence in the event");
        assertEq(by, OWNER, "by whom");
        assertTrue(!pool.isEligible(HIVE, vm.addr(1)), "out of the market");
        assertTrue(pool.isEligible(HIVE, vm.addr(2)), "the others not");
        refuse(abi.encodeWithSelector(F.AlreadyBanned.selector, HIVE, vm.addr(1), now_ + 30 days));
        ban(OWNER, now_ + 30 days, keccak256("more"));
        assertEq(stakeOf(vm.addr(1)), 10_000_000, "money untouched");
        assertEq(charge(order(1, -1, 1, 1), QUEEN_KEY, 1), 0, "signed orders are paid");
        vm.warp(now_ + 30 days);
        assertTrue(pool.isEligible(HIVE, vm.addr(1)), "over by itself");
        refuse(abi.encodeWithSelector(F.EvidenceUsed.selector, evidence));
        ban(OWNER, now_ + 31 days, evidence);
        ban(OWNER, now_ + 31 days, keccak256("new"));
    }

    function test_a_vote_ends_a_ban_and_shields_for_thirty_days() public {
        uint256 now_ = vm.getBlockTimestamp();
        address worker = vm.addr(1);
        vm.prank(TIMELOCK);
        refuse(abi.encodeWithSelector(F.NotBanned.selector, HIVE, worker));
        pool.liftBan(HIVE, worker);
        ban(OWNER, now_ + 30 days, keccak256("a"));
        vm.prank(STRANGER);
        refuse(abi.encodeWithSelector(F.NotOwnerOrTimelock.selector, HIVE, STRANGER));
        pool.liftBan(HIVE, worker);
        vm.prank(TIMELOCK);
        pool.liftBan(HIVE, worker);
        assertTrue(pool.isEligible(HIVE, worker), "free at once");
        refuse(abi.encodeWithSelector(F.ShieldedByVote.selector, HIVE, worker, now_ + 30 days));
        ban(OWNER, now_ + 1 days, keccak256("b"));
        ban(TIMELOCK, now_ + 1 days, keccak256("c"));
        assertTrue(!pool.isEligible(HIVE, worker), "a vote may ban again");
        vm.warp(now_ + 30 days);
        ban(OWNER, now_ + 31 days, keccak256("b"));
        vm.prank(OWNER);
        pool.liftBan(HIVE, worker);
        ban(OWNER, now_ + 31 days, keccak256("d"));
        assertTrue(!pool.isEligible(HIVE, worker), "the owner's own change of mind shields nobody");
        vm.prank(TIMELOCK);
        refuse(abi.encodeWithSelector(F.UnknownHive.selector, 9));
        pool.ban(9, worker, uint48(now_ + 31 days), keccak256("e"));
    }

    function test_two_readings_for_one_slot_cost_the_whole_stake() public {
        address worker = vm.addr(1);
        announce(payoutOf(1), worker, 3 * COIN);
        refuse(abi.encodeWithSelector(F.NothingToSlash.selector, HIVE, worker));
        pool.slash(HIVE, worker);
        settlement.setBanned(worker);
        vm.prank(STRANGER);
        pool.slash(HIVE, worker);
        assertEq(stakeOf(worker), 0, "gone");
        assertEq(stakeOf(OWNER), 110_000_000, "to the Hive");
        assertEq(pool.memberOf(HIVE, worker).pending, 0, "nothing leaves later");
        assertConserved();
        refuse(abi.encodeWithSelector(F.NothingToSlash.selector, HIVE, worker));
        pool.slash(HIVE, worker);
        settlement.setBanned(OWNER);
        refuse(abi.encodeWithSelector(F.NothingToSlash.selector, HIVE, OWNER));
        pool.slash(HIVE, OWNER);
    }

    // ---- Coins that misbehave

    function test_a_coin_that_takes_a_fee_is_refused() public {
        TollCoin toll = new TollCoin();
        settlement.setHive(8, address(toll), SCALE, OWNER, queen);
        toll.approve(address(pool), COIN);
        refuse(abi.encodeWithSelector(F.TransferShort.selector, COIN, COIN - COIN / 100));
        pool.stakeFlex(8, OWNER, COIN);
    }

    function test_a_coin_that_reenters_gets_nowhere() public {
        ReentrantCoin evil = new ReentrantCoin();
        settlement.setHive(8, address(evil), SCALE, address(this), queen);
        evil.approve(address(pool), type(uint256).max);
        pool.stakeFlex(8, address(this), 2 * COIN);
        pool.requestUnstake(8, address(this), COIN);
        later(7 days);
        bytes[3] memory calls = [
            abi.encodeCall(pool.stakeFlex, (8, address(this), COIN)),
            abi.encodeCall(pool.unstake, (8, address(this))),
            abi.encodeCall(pool.chargeFlex, (new FlexOrder[](0), new Signature[](0)))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            evil.arm(address(pool), calls[i]);
            pool.stakeFlex(8, address(this), COIN);
            assertEq(
                bytes32(evil.answer()),
                bytes32(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector),
                "refused while staking"
            );
        }
        evil.arm(address(pool), calls[1]);
        pool.unstake(8, address(this));
        assertTrue(!evil.succeeded(), "refused while paying");
        assertEq(evil.balanceOf(address(pool)), 4 * COIN, "paid once");
        assertEq(pool.memberOf(8, address(this)).stake, 4_000_000, "booked once");
    }

    function test_a_silent_coin_works_and_a_blocked_holder_stops_only_itself() public {
        SilentCoin silent = new SilentCoin();
        settlement.setHive(8, address(silent), 1, OWNER, queen);
        settlement.setPayout(8, vm.addr(1), payoutOf(1));
        silent.approve(address(pool), 100);
        pool.stakeFlex(8, OWNER, 40);
        pool.stakeFlex(8, vm.addr(1), 60);
        vm.prank(payoutOf(1));
        pool.requestUnstake(8, vm.addr(1), 60);
        vm.prank(OWNER);
        pool.requestUnstake(8, OWNER, 40);
        later(7 days);
        silent.setBlocked(payoutOf(1));
        refuse(abi.encodeWithSelector(SilentCoin.Blocked.selector));
        pool.unstake(8, vm.addr(1));
        pool.unstake(8, OWNER);
        assertEq(silent.balanceOf(OWNER), 40, "the others are paid");
        settlement.setPayout(8, vm.addr(1), payoutOf(2));
        pool.unstake(8, vm.addr(1));
        assertEq(silent.balanceOf(payoutOf(2)), 60, "paid at the new payout address");
    }

    function test_stakes_beyond_what_a_hive_can_count_are_refused() public {
        uint256 most = uint256(type(uint64).max) * SCALE;
        refuse(
            abi.encodeWithSelector(
                bytes4(keccak256("SafeCastOverflowedUintDowncast(uint8,uint256)")), 64, uint256(1) << 64
            )
        );
        pool.stakeFlex(HIVE, OWNER, most + SCALE);
        vm.expectRevert();
        pool.stakeFlex(HIVE, OWNER, most - 129_999_999 * uint256(SCALE));
        assertConserved();
    }

    function test_it_needs_a_settlement_and_a_timelock() public {
        refuse(abi.encodeWithSelector(F.ZeroAddress.selector));
        new FlexibilityPool(IHiveReader(address(0)), TIMELOCK);
        refuse(abi.encodeWithSelector(F.ZeroAddress.selector));
        new FlexibilityPool(settlement, address(0));
        (IHiveReader reader, address timelock) = pool.authorities();
        assertEq(address(reader), address(settlement), "settlement");
        assertEq(timelock, TIMELOCK, "timelock");
    }

    function test_coins_sent_by_mistake_change_no_stake() public {
        coin.transfer(address(pool), COIN);
        assertEq(stakeOf(OWNER), 100_000_000, "same stake");
        (, uint64 total) = pool.stakesOf(HIVE);
        assertEq(total, 130_000_000, "same total");
    }
}
