// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {HiveShares} from "../src/HiveShares.sol";
import {ShareRevenue} from "../src/ShareRevenue.sol";
import {Decision, IHiveShares as H, SharedCall} from "../src/interfaces/IHiveShares.sol";
import {HiveSharesFixture, Lever} from "./HiveSharesFixture.sol";

/// Shares, decisions by their majority, and every refusal among them.
contract HiveSharesTest is HiveSharesFixture {
    function pulling(uint256 value) private view returns (SharedCall[] memory) {
        return one(address(lever), abi.encodeCall(Lever.pull, (value)));
    }

    // ---- Shares

    function test_shares_are_made_once_and_vote_without_delegation() public {
        assertEq(shares.totalSupply(), 100, "all there will ever be");
        assertEq(uint256(shares.decimals()), 0, "whole shares");
        assertEq(shares.getVotes(BERT), 30, "own votes");
        assertEq(shares.delegates(BERT), BERT, "to itself");
        assertEq(shares.votingPeriod(), PERIOD, "period");
        assertEq(address(shares.governor()), address(0x60), "governor");
        assertEq(shares.clock(), vm.getBlockTimestamp(), "seconds");
        assertEq(keccak256(bytes(shares.CLOCK_MODE())), keccak256("mode=timestamp"), "mode");
        move(ANNA, BERT, 20);
        assertEq(shares.getVotes(ANNA), 40, "votes go with the shares");
        assertEq(shares.getVotes(BERT), 50, "to the new holder");
    }

    function test_votes_named_to_another_come_back_and_are_never_lost() public {
        vm.prank(CORA);
        shares.delegate(BERT);
        assertEq(shares.getVotes(BERT), 40, "Bert votes for Cora");
        assertEq(shares.getVotes(CORA), 0, "she does not");
        move(CORA, ANNA, 4);
        assertEq(shares.getVotes(BERT), 36, "what she sold is gone");
        vm.prank(CORA);
        shares.delegate(address(0));
        assertEq(shares.getVotes(CORA), 6, "naming nobody takes them back");
        assertEq(shares.delegates(CORA), CORA, "herself");
        move(CORA, ANNA, 6);
        assertEq(shares.getVotes(CORA), 0, "all sold");
        assertEq(shares.getVotes(ANNA) + shares.getVotes(BERT), 100, "no vote is lost");
    }

    function test_shares_are_not_sent_where_nobody_could_use_them() public {
        refuse(abi.encodeWithSelector(H.SharesToThemselves.selector));
        move(ANNA, address(shares), 1);
        refuse(abi.encodeWithSelector(H.SharesToThemselves.selector));
        move(ANNA, address(revenue), 1);
    }

    function test_what_cannot_work_is_refused_when_it_is_made() public {
        IERC20[] memory coins = coinsOf(coin);
        IGovernor governor = IGovernor(address(0x60));
        refuse(abi.encodeWithSelector(H.ZeroAddress.selector));
        newShares(coins, IGovernor(address(0)));
        refuse(abi.encodeWithSelector(H.LengthsDiffer.selector, 3, 2));
        new HiveShares("H", "H", threeHolders(), new uint256[](2), PERIOD, governor, coins);
        refuse(abi.encodeWithSelector(H.NoHolders.selector));
        new HiveShares("H", "H", threeHolders(), new uint256[](3), PERIOD, governor, coins);
        refuse(abi.encodeWithSelector(H.PeriodOutOfRange.selector, 1 hours - 1, 1 hours, 30 days));
        new HiveShares("H", "H", threeHolders(), threeAmounts(), 1 hours - 1, governor, coins);
        refuse(abi.encodeWithSelector(H.PeriodOutOfRange.selector, 30 days + 1, 1 hours, 30 days));
        new HiveShares("H", "H", threeHolders(), threeAmounts(), 30 days + 1, governor, coins);
        uint256[] memory huge = threeAmounts();
        huge[0] = type(uint128).max;
        vm.expectRevert();
        new HiveShares("H", "H", threeHolders(), huge, PERIOD, governor, coins);
    }

    function test_eth_is_refused() public {
        assertTrue(address(this).balance > 1, "there is some to send");
        (bool taken,) = address(shares).call{value: 1}("");
        assertTrue(!taken, "by the shares");
        (taken,) = address(revenue).call{value: 1}("");
        assertTrue(!taken, "by the revenue");
    }

    // ---- Decisions

    function test_more_than_half_of_all_shares_decide() public {
        move(ANNA, CORA, 10);
        later(1);
        SharedCall[] memory calls = pulling(5);
        uint256 id = propose(CORA, calls);
        vote(ANNA, id, true);
        later(PERIOD + 1);
        refuse(abi.encodeWithSelector(H.NotCarried.selector, 50, 51));
        shares.execute(id, calls);
        id = propose(CORA, calls);
        vote(BERT, id, true);
        vote(CORA, id, true);
        vote(ANNA, id, false);
        later(PERIOD + 1);
        refuse(abi.encodeWithSelector(H.NotCarried.selector, 50, 51));
        shares.execute(id, calls);
        move(ANNA, CORA, 1);
        later(1);
        id = propose(CORA, calls);
        vote(BERT, id, true);
        vote(CORA, id, true);
        later(PERIOD + 1);
        vm.prank(STRANGER);
        shares.execute(id, calls);
        assertEq(lever.puller(), address(shares), "as the owner");
        assertEq(lever.value(), 5, "what was decided");
        Decision memory made = shares.decision(id);
        assertTrue(made.executed, "done");
        assertEq(made.forShares, 51, "for");
        assertEq(shares.decisionCount(), 3, "numbers");
        assertEq(shares.decision(1).againstShares, 50, "against");
    }

    function test_it_is_carried_out_once_after_its_period_and_not_too_late() public {
        SharedCall[] memory calls = pulling(5);
        uint256 id = propose(ANNA, calls);
        uint256 endsAt = vm.getBlockTimestamp() + PERIOD;
        vote(ANNA, id, true);
        vm.warp(endsAt);
        refuse(abi.encodeWithSelector(H.VotingRuns.selector, endsAt));
        shares.execute(id, calls);
        vm.warp(endsAt + 1);
        refuse(
            abi.encodeWithSelector(
                H.OtherCalls.selector, keccak256(abi.encode(calls)), keccak256(abi.encode(pulling(6)))
            )
        );
        shares.execute(id, pulling(6));
        shares.execute(id, calls);
        refuse(abi.encodeWithSelector(H.AlreadyExecuted.selector, id));
        shares.execute(id, calls);
        id = propose(ANNA, calls);
        vote(ANNA, id, true);
        uint256 last = vm.getBlockTimestamp() + PERIOD + 14 days;
        vm.warp(last + 1);
        refuse(abi.encodeWithSelector(H.Expired.selector, last));
        shares.execute(id, calls);
        vm.warp(last);
        shares.execute(id, calls);
    }

    function test_each_holder_votes_once_in_time_with_what_it_held_before() public {
        SharedCall[] memory calls = pulling(5);
        vm.prank(STRANGER);
        refuse(abi.encodeWithSelector(H.NoShares.selector, STRANGER, vm.getBlockTimestamp() - 1));
        shares.propose(calls, "why");
        move(ANNA, STRANGER, 60);
        uint256 id = propose(ANNA, calls);
        uint256 snapshot = vm.getBlockTimestamp() - 1;
        assertEq(shares.decision(id).snapshot, snapshot, "before the proposal");
        refuse(abi.encodeWithSelector(H.NoShares.selector, STRANGER, snapshot));
        vote(STRANGER, id, true);
        vote(ANNA, id, false);
        assertTrue(shares.hasVoted(id, ANNA), "has voted");
        refuse(abi.encodeWithSelector(H.AlreadyVoted.selector, ANNA));
        vote(ANNA, id, true);
        assertEq(shares.decision(id).againstShares, 60, "what she held");
        refuse(abi.encodeWithSelector(H.UnknownDecision.selector, 1));
        vote(BERT, 1, true);
        later(PERIOD);
        vote(BERT, id, true);
        later(1);
        refuse(abi.encodeWithSelector(H.VotingOver.selector, vm.getBlockTimestamp() - 1));
        vote(CORA, id, true);
        refuse(abi.encodeWithSelector(H.UnknownDecision.selector, 1));
        shares.decision(1);
    }

    function test_a_decision_makes_one_to_twenty_calls() public {
        refuse(abi.encodeWithSelector(H.NoCalls.selector));
        propose(ANNA, new SharedCall[](0));
        refuse(abi.encodeWithSelector(H.TooManyCalls.selector, 21, 20));
        propose(ANNA, new SharedCall[](21));
    }

    function test_one_call_that_fails_undoes_all_and_may_be_tried_again() public {
        SharedCall[] memory calls = new SharedCall[](2);
        calls[0] = pulling(5)[0];
        calls[1] = SharedCall(address(coin), abi.encodeCall(coin.transfer, (BERT, 7)));
        uint256 id = propose(ANNA, calls);
        vote(ANNA, id, true);
        later(PERIOD + 1);
        vm.expectRevert();
        shares.execute(id, calls);
        assertEq(lever.value(), 0, "the first was undone");
        coin.transfer(address(shares), 7);
        shares.execute(id, calls);
        assertEq(lever.value(), 5, "first");
        assertEq(coin.balanceOf(BERT), 7, "second");
    }

    function test_a_targets_refusal_is_passed_on_and_an_empty_target_refused() public {
        SharedCall[] memory calls = one(address(lever), abi.encodeCall(Lever.jam, ()));
        uint256 id = propose(ANNA, calls);
        SharedCall[] memory nowhere = one(address(0xDEAD), "");
        uint256 other = propose(ANNA, nowhere);
        vote(ANNA, id, true);
        vote(ANNA, other, true);
        later(PERIOD + 1);
        refuse(abi.encodeWithSelector(Lever.Stuck.selector));
        shares.execute(id, calls);
        refuse(abi.encodeWithSelector(Address.AddressEmptyCode.selector, address(0xDEAD)));
        shares.execute(other, nowhere);
    }

    function test_a_decision_cannot_carry_out_another_from_inside() public {
        SharedCall[] memory inner = pulling(5);
        uint256 first = propose(ANNA, inner);
        SharedCall[] memory outer = one(address(shares), abi.encodeCall(shares.execute, (first, inner)));
        uint256 second = propose(ANNA, outer);
        vote(ANNA, first, true);
        vote(ANNA, second, true);
        later(PERIOD + 1);
        refuse(abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector));
        shares.execute(second, outer);
        shares.execute(first, inner);
    }

    function test_no_decision_reaches_the_holders_revenue() public {
        coin.transfer(address(revenue), 1000);
        revenue.book(coin);
        SharedCall[3] memory tries = [
            SharedCall(address(coin), abi.encodeCall(coin.transferFrom, (address(revenue), ANNA, 1000))),
            SharedCall(address(revenue), abi.encodeCall(ShareRevenue.pull, (coin, ANNA))),
            SharedCall(address(coin), abi.encodeCall(coin.transfer, (ANNA, 1)))
        ];
        for (uint256 i = 0; i < tries.length; ++i) {
            SharedCall[] memory calls = new SharedCall[](1);
            calls[0] = tries[i];
            uint256 id = propose(ANNA, calls);
            vote(ANNA, id, true);
            later(PERIOD + 1);
            vm.expectRevert();
            shares.execute(id, calls);
        }
        decide(one(address(coin), abi.encodeCall(coin.approve, (ANNA, 1000))));
        decide(one(address(revenue), abi.encodeCall(ShareRevenue.settle, (ANNA, BERT))));
        assertEq(revenue.due(coin, CORA), 100, "Cora's part is hers");
        assertEq(pull(CORA), 100, "and is paid");
    }
}
