// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {HiveGovernor} from "../../src/governance/HiveGovernor.sol";
import {HiveTimelock} from "../../src/governance/HiveTimelock.sol";
import {BeekeeperHives} from "../../src/beekeeper/BeekeeperHives.sol";
import {BeekeeperNext} from "../beekeeper/BeekeeperNext.sol";
import {PlatformFixture} from "../beekeeper/PlatformFixture.sol";

/// A vote from proposal to execution, what fails on the way, and that nothing else reaches the timelock.
contract HiveGovernorTest is PlatformFixture {
    uint8 private constant _AGAINST = 0;
    uint8 private constant _FOR = 1;
    uint8 private constant _ABSTAIN = 2;
    uint8 private constant _SPLIT = 255;
    string private constant _WHY = "add a motto";

    address private _next;

    function setUp() public override {
        super.setUp();
        makeHive(1, 6);
        fund(OTHER_OWNER, 100_000e18);
        later(300 days);
        _next = address(new BeekeeperNext(address(new BeekeeperHives())));
    }

    function upgradeCall() private view returns (address[] memory to, uint256[] memory values, bytes[] memory data) {
        (to, values, data) = (new address[](1), new uint256[](1), new bytes[](1));
        to[0] = address(beekeeper);
        data[0] = abi.encodeCall(beekeeper.upgradeToAndCall, (_next, abi.encodeCall(BeekeeperNext.setMotto, ("buzz"))));
    }

    function propose(address who) private returns (uint256) {
        (address[] memory to, uint256[] memory values, bytes[] memory data) = upgradeCall();
        vm.prank(who);
        return governor.propose(to, values, data, _WHY);
    }

    function queue() private {
        (address[] memory to, uint256[] memory values, bytes[] memory data) = upgradeCall();
        governor.queue(to, values, data, keccak256(bytes(_WHY)));
    }

    function execute() private {
        (address[] memory to, uint256[] memory values, bytes[] memory data) = upgradeCall();
        governor.execute(to, values, data, keccak256(bytes(_WHY)));
    }

    function vote(address who, uint256 id, uint8 support) private {
        vm.prank(who);
        governor.castVote(id, support);
    }

    function state(uint256 id) private view returns (uint256) {
        return uint256(governor.state(id));
    }

    function unexpected(uint256 id, IGovernor.ProposalState now_, uint256 wanted) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            IGovernor.GovernorUnexpectedProposalState.selector, id, now_, bytes32(1 << wanted)
        );
    }

    // ---- A whole life

    function test_an_upgrade_is_proposed_voted_queued_and_executed_by_anyone() public {
        uint256 id = propose(OWNER);
        assertEq(state(id), uint256(IGovernor.ProposalState.Pending), "a day to look at it");
        later(1 days + 1);
        vote(OWNER, id, _FOR);
        assertEq(state(id), uint256(IGovernor.ProposalState.Active), "still open");
        later(7 days);
        assertEq(state(id), uint256(IGovernor.ProposalState.Succeeded), "succeeded");
        vm.prank(STRANGER);
        queue();
        assertEq(state(id), uint256(IGovernor.ProposalState.Queued), "queued");
        later(2 days - 1);
        vm.expectRevert();
        execute();
        later(1);
        vm.prank(STRANGER);
        execute();
        assertEq(state(id), uint256(IGovernor.ProposalState.Executed), "executed");
        assertEq(keccak256(bytes(BeekeeperNext(address(beekeeper)).motto())), keccak256("buzz"), "upgraded");
        assertEq(record(1).meters, 6, "nothing lost");
        vm.expectRevert();
        this.executeAgain();
    }

    function executeAgain() external {
        execute();
    }

    function test_a_rejected_proposal_is_never_executed() public {
        makeHive(OTHER_OWNER, address(euro), 7, 1);
        later(1_000 days);
        uint256 id = propose(OTHER_OWNER);
        later(1 days + 1);
        vote(OTHER_OWNER, id, _FOR);
        vote(OWNER, id, _AGAINST);
        later(9 days);
        assertEq(state(id), uint256(IGovernor.ProposalState.Defeated), "defeated");
        vm.expectRevert(
            unexpected(id, IGovernor.ProposalState.Defeated, uint256(IGovernor.ProposalState.Succeeded))
        );
        this.queueOutside();
        (bool answers,) = address(beekeeper).call(abi.encodeCall(BeekeeperNext.motto, ()));
        assertTrue(!answers, "the Beekeeper is as it was");
    }

    function queueOutside() external {
        queue();
    }

    function test_without_a_fifth_of_all_weight_nothing_passes() public {
        makeHive(OTHER_OWNER, address(euro), 7, 1);
        later(50 days);
        uint256 id = propose(OTHER_OWNER);
        later(1 days + 1);
        uint256 snapshot = governor.proposalSnapshot(id);
        uint256 all = votes.getPastTotalSupply(snapshot);
        assertEq(governor.quorum(snapshot), all / 5, "a fifth");
        assertTrue(votes.getPastVotes(OTHER_OWNER, snapshot) < all / 5, "he has less");
        vote(OTHER_OWNER, id, _FOR);
        later(8 days);
        assertEq(state(id), uint256(IGovernor.ProposalState.Defeated), "no quorum");
    }

    // ---- Proposing

    function test_proposing_needs_half_a_percent_of_all_weight() public {
        makeHive(OTHER_OWNER, address(euro), 7, 1);
        later(1);
        uint256 all = votes.getPastTotalSupply(vm.getBlockTimestamp() - 1);
        assertEq(governor.proposalThreshold(), all * 50 / 10_000, "a fraction of what grows");
        vm.expectRevert(
            abi.encodeWithSelector(
                IGovernor.GovernorInsufficientProposerVotes.selector, OTHER_OWNER, 0, governor.proposalThreshold()
            )
        );
        this.proposeOutside(OTHER_OWNER);
        later(10 days);
        propose(OTHER_OWNER);
    }

    function proposeOutside(address who) external {
        propose(who);
    }

    function test_nobody_proposes_before_anybody_has_staked() public {
        vm.startPrank(OWNER);
        for (uint256 i = 1; i <= 6; ++i) {
            beekeeper.dropMeterFromHive(1, meterAt(i));
        }
        beekeeper.freezeHive(1);
        vm.stopPrank();
        later(1);
        assertEq(votes.getPastTotalSupply(vm.getBlockTimestamp() - 1), 0, "no weight at all");
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInsufficientProposerVotes.selector, STRANGER, 0, 1));
        this.proposeOutside(STRANGER);
    }

    function test_the_threshold_changes_by_vote_only_and_has_a_ceiling() public {
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorOnlyExecutor.selector, OWNER));
        vm.prank(OWNER);
        governor.setProposalThreshold(100);
        (address[] memory to, uint256[] memory values, bytes[] memory data) = upgradeCall();
        to[0] = address(governor);
        for (uint256 bps = 1_000; bps <= 1_001; ++bps) {
            data[0] = abi.encodeCall(governor.setProposalThreshold, (bps));
            vm.prank(OWNER);
            uint256 id = governor.propose(to, values, data, "threshold");
            later(1 days + 1);
            vote(OWNER, id, _FOR);
            later(7 days);
            governor.queue(to, values, data, keccak256("threshold"));
            later(2 days);
            bytes memory refusal = abi.encodeWithSelector(HiveGovernor.ThresholdTooHigh.selector, bps, 1_000);
            if (bps > 1_000) vm.expectRevert(refusal);
            governor.execute(to, values, data, keccak256("threshold"));
        }
        assertEq(governor.thresholdBps(), 1_000, "at the ceiling");
    }

    // ---- Voting

    function test_weight_is_that_of_the_end_of_the_delay_and_votes_are_cast_once() public {
        uint256 id = propose(OWNER);
        later(1 days + 1);
        uint256 snapshot = governor.proposalSnapshot(id);
        vm.prank(OWNER);
        uint256 cast = governor.castVote(id, _FOR);
        assertEq(cast, votes.getPastVotes(OWNER, snapshot), "weight at the snapshot");
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorAlreadyCastVote.selector, OWNER));
        vote(OWNER, id, _AGAINST);
        assertTrue(governor.hasVoted(id, OWNER), "voted");
    }

    function test_a_stake_made_after_the_snapshot_does_not_vote() public {
        uint256 id = propose(OWNER);
        later(1 days + 1);
        makeHive(OTHER_OWNER, address(euro), 7, 1);
        later(1 days);
        vm.expectRevert();
        vote(OTHER_OWNER, id, _AGAINST);
    }

    function test_a_vote_may_be_split_in_fractions() public {
        uint256 id = propose(OWNER);
        later(1 days + 1);
        uint256 weight = votes.getPastVotes(OWNER, governor.proposalSnapshot(id));
        (uint128 no, uint128 yes) = (uint128(weight / 4), uint128(weight / 2));
        vm.prank(OWNER);
        governor.castVoteWithReasonAndParams(id, _SPLIT, "", abi.encodePacked(no, yes, uint128(0)));
        vote(OWNER, id, _ABSTAIN);
        (uint256 against, uint256 for_, uint256 abstain) = governor.proposalVotes(id);
        assertTrue(against == no && for_ == yes, "as asked");
        assertEq(abstain, weight - no - yes, "and the rest");
    }

    function test_a_quorum_reached_late_gives_two_more_days() public {
        uint256 id = propose(OWNER);
        later(8 days);
        uint256 deadline = governor.proposalDeadline(id);
        assertEq(deadline, vm.getBlockTimestamp(), "the last second");
        vote(OWNER, id, _FOR);
        assertEq(governor.proposalDeadline(id), deadline + 2 days, "later now");
    }

    function test_a_quorum_reached_early_moves_nothing_even_when_others_vote_late() public {
        makeHive(OTHER_OWNER, address(euro), 7, 1);
        later(1 days);
        uint256 id = propose(OWNER);
        later(1 days + 1);
        uint256 deadline = governor.proposalDeadline(id);
        vote(OWNER, id, _FOR);
        later(7 days - 2);
        vote(OTHER_OWNER, id, _FOR);
        assertEq(governor.proposalDeadline(id), deadline, "as announced");
    }

    function test_the_edge_of_being_late_is_two_days_before_the_end() public {
        uint256 id = propose(OWNER);
        uint256 deadline = governor.proposalDeadline(id);
        vm.warp(deadline - 2 days);
        uint256 weight = votes.getPastVotes(OWNER, governor.proposalSnapshot(id));
        vm.prank(OWNER);
        governor.castVoteWithReasonAndParams(
            id, _SPLIT, "", abi.encodePacked(uint128(0), uint128(weight / 5 + 1), uint128(0))
        );
        assertEq(governor.proposalDeadline(id), deadline, "just in time");
        id = proposeOther();
        deadline = governor.proposalDeadline(id);
        vm.warp(deadline - 2 days + 1);
        vote(OWNER, id, _ABSTAIN);
        assertEq(governor.proposalDeadline(id), deadline + 1, "a second late");
    }

    function proposeOther() private returns (uint256) {
        (address[] memory to, uint256[] memory values, bytes[] memory data) = upgradeCall();
        vm.prank(OWNER);
        return governor.propose(to, values, data, "again");
    }

    // ---- The timelock

    function test_nobody_administers_the_timelock_and_only_the_governor_proposes() public {
        bytes32 proposer = timelock.PROPOSER_ROLE();
        assertTrue(timelock.hasRole(proposer, address(governor)), "proposes");
        assertTrue(timelock.hasRole(timelock.CANCELLER_ROLE(), address(governor)), "cancels");
        assertTrue(timelock.hasRole(timelock.EXECUTOR_ROLE(), address(0)), "anyone executes");
        assertTrue(!timelock.hasRole(0, address(this)), "the deployer has no right left");
        assertTrue(!timelock.hasRole(0, address(governor)), "nor the governor");
        assertEq(timelock.getMinDelay(), 2 days, "delay");
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, address(this), proposer)
        );
        timelock.schedule(address(beekeeper), 0, "", 0, 0, 2 days);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, address(this), bytes32(0))
        );
        timelock.handOver(address(governor));
        vm.expectRevert(abi.encodeWithSelector(TimelockController.TimelockUnauthorizedCaller.selector, address(this)));
        timelock.updateDelay(0);
    }

    function test_handing_over_needs_a_contract_and_is_not_for_votes() public {
        HiveTimelock other = new HiveTimelock();
        vm.expectRevert(abi.encodeWithSelector(HiveTimelock.GovernorIsNoContract.selector, STRANGER));
        other.handOver(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(HiveTimelock.HandedOverAlready.selector));
        vm.prank(address(timelock));
        timelock.handOver(address(governor));
    }

    function test_the_clock_counts_seconds() public view {
        assertEq(governor.clock(), vm.getBlockTimestamp(), "now");
        assertEq(keccak256(bytes(governor.CLOCK_MODE())), keccak256("mode=timestamp"), "mode");
        assertEq(governor.votingDelay(), 1 days, "delay");
        assertEq(governor.votingPeriod(), 7 days, "period");
        assertTrue(governor.proposalNeedsQueuing(0), "always through the timelock");
    }
}
