// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {HiveGovernor} from "../src/governance/HiveGovernor.sol";
import {HiveTimelock} from "../src/governance/HiveTimelock.sol";
import {StakeVotes} from "../src/governance/StakeVotes.sol";
import {IHiveShares as H, PlatformVote, SharedCall} from "../src/interfaces/IHiveShares.sol";
import {HiveSharesFixture} from "./HiveSharesFixture.sol";

/// The Hive's weight in the platform's votes, passed on share by share.
contract HiveSharesPlatformTest is HiveSharesFixture {
    /// Three quarters of the seven days that HiveGovernor votes.
    uint256 private constant _OWN_VOTE = 126 hours;
    uint256 private constant _STAKE = 1e24 + 7;
    StakeVotes private _votes;
    HiveGovernor private _platform;
    uint256 private _proposal;
    uint256 private _opensAt;

    function platform() internal override returns (IGovernor) {
        _votes = new StakeVotes(address(this));
        HiveTimelock timelock = new HiveTimelock();
        _platform = new HiveGovernor(_votes, timelock);
        timelock.handOver(address(_platform));
        return _platform;
    }

    function setUp() public override {
        super.setUp();
        _votes.stake(address(shares), _STAKE);
        _votes.stake(address(this), 1e24);
        later(10 days);
        _proposal = proposePlatform("first");
        _opensAt = vm.getBlockTimestamp() + 1 days;
    }

    function proposePlatform(string memory text) private returns (uint256) {
        return _platform.propose(new address[](1), new uint256[](1), new bytes[](1), text);
    }

    function say(address holder, uint8 support) private {
        vm.prank(holder);
        shares.voteOnPlatform(_proposal, support);
    }

    /// What the platform gives the Hive: its stake times the age at the snapshot.
    function weight() private pure returns (uint256) {
        return _STAKE * 11 days;
    }

    function openVote() private {
        vm.warp(_opensAt + 1);
    }

    function endVote() private {
        vm.warp(_opensAt + _OWN_VOTE + 1);
    }

    function test_each_share_stands_for_its_part_of_the_weight() public {
        openVote();
        say(ANNA, 0);
        say(BERT, 1);
        say(CORA, 2);
        endVote();
        vm.prank(STRANGER);
        shares.passOn(_proposal);
        (uint256 against, uint256 inFavour, uint256 abstain) = _platform.proposalVotes(_proposal);
        assertEq(against, weight() * 60 / 100, "Anna's");
        assertEq(inFavour, weight() * 30 / 100, "Bert's");
        assertEq(abstain, weight() * 10 / 100, "Cora's");
        assertTrue(against + inFavour + abstain <= weight(), "rounded down");
        PlatformVote memory tally = shares.platformVote(_proposal);
        assertEq(tally.againstShares, 60, "shares against");
        assertEq(tally.forShares, 30, "shares for");
        assertEq(tally.abstainShares, 10, "shares abstaining");
        assertTrue(tally.passedOn, "passed on");
        refuse(abi.encodeWithSelector(H.AlreadyPassedOn.selector, _proposal));
        shares.passOn(_proposal);
        refuse(abi.encodeWithSelector(H.AlreadyPassedOn.selector, _proposal));
        say(STRANGER, 1);
    }

    function test_who_does_not_vote_is_not_counted() public {
        openVote();
        say(CORA, 1);
        endVote();
        shares.passOn(_proposal);
        (uint256 against, uint256 inFavour, uint256 abstain) = _platform.proposalVotes(_proposal);
        assertEq(inFavour, weight() / 10, "a tenth");
        assertEq(against + abstain, 0, "nothing else");
    }

    function test_a_majority_cannot_take_the_minoritys_part() public {
        bytes[4] memory tries = [
            abi.encodeCall(IGovernor.castVote, (_proposal, 0)),
            abi.encodeCall(IGovernor.castVoteWithReason, (_proposal, 0, "")),
            abi.encodeCall(IGovernor.castVoteWithReasonAndParams, (_proposal, 0, "", "")),
            bytes(hex"00")
        ];
        uint256[4] memory ids;
        for (uint256 i = 0; i < 4; ++i) {
            ids[i] = propose(ANNA, one(address(_platform), tries[i]));
            vote(ANNA, ids[i], true);
        }
        later(PERIOD + 1);
        for (uint256 i = 0; i < 4; ++i) {
            refuse(abi.encodeWithSelector(H.WholeVoteRefused.selector, bytes4(tries[i])));
            shares.execute(ids[i], one(address(_platform), tries[i]));
        }
    }

    function test_the_owners_may_propose_to_the_platform_and_take_it_back() public {
        bytes memory data =
            abi.encodeCall(IGovernor.propose, (new address[](1), new uint256[](1), new bytes[](1), "ours"));
        decide(one(address(_platform), data));
        uint256 id =
            _platform.getProposalId(new address[](1), new uint256[](1), new bytes[](1), keccak256("ours"));
        assertEq(_platform.proposalProposer(id), address(shares), "proposed");
        SharedCall[] memory calls = new SharedCall[](2);
        calls[0].target = calls[1].target = address(_platform);
        calls[0].data =
            abi.encodeCall(IGovernor.propose, (new address[](1), new uint256[](1), new bytes[](1), "brief"));
        calls[1].data = abi.encodeCall(
            IGovernor.cancel, (new address[](1), new uint256[](1), new bytes[](1), keccak256("brief"))
        );
        decide(calls);
        id = _platform.getProposalId(new address[](1), new uint256[](1), new bytes[](1), keccak256("brief"));
        assertTrue(_platform.state(id) == IGovernor.ProposalState.Canceled, "taken back");
    }

    function test_the_own_vote_ends_before_the_platforms() public {
        assertEq(shares.platformVoteEnd(_proposal), _opensAt + _OWN_VOTE, "three quarters of seven days");
        vm.warp(_opensAt);
        vm.expectRevert();
        say(ANNA, 1);
        openVote();
        refuse(abi.encodeWithSelector(H.VotingRuns.selector, _opensAt + _OWN_VOTE));
        shares.passOn(_proposal);
        vm.warp(_opensAt + _OWN_VOTE);
        say(ANNA, 1);
        refuse(abi.encodeWithSelector(H.VotingRuns.selector, _opensAt + _OWN_VOTE));
        shares.passOn(_proposal);
        endVote();
        refuse(abi.encodeWithSelector(H.VotingOver.selector, _opensAt + _OWN_VOTE));
        say(BERT, 1);
        vm.warp(_opensAt + 7 days + 1);
        vm.expectRevert();
        shares.passOn(_proposal);
    }

    function test_each_holder_votes_once_with_what_it_held_at_the_platforms_snapshot() public {
        vm.warp(_opensAt - 1);
        move(ANNA, STRANGER, 20);
        openVote();
        move(STRANGER, CORA, 20);
        refuse(abi.encodeWithSelector(H.UnknownSupport.selector, 3));
        say(STRANGER, 3);
        say(STRANGER, 1);
        refuse(abi.encodeWithSelector(H.AlreadyVoted.selector, STRANGER));
        say(STRANGER, 1);
        say(CORA, 1);
        assertEq(shares.platformVote(_proposal).forShares, 30, "twenty and ten");
        refuse(abi.encodeWithSelector(H.NoShares.selector, address(this), _opensAt));
        shares.voteOnPlatform(_proposal, 1);
    }

    function test_nothing_is_passed_on_without_votes_or_proposal() public {
        endVote();
        refuse(abi.encodeWithSelector(H.NothingToPassOn.selector, _proposal));
        shares.passOn(_proposal);
        refuse(abi.encodeWithSelector(H.VotingOver.selector, 0));
        shares.voteOnPlatform(12345, 1);
        refuse(abi.encodeWithSelector(H.NothingToPassOn.selector, 12345));
        shares.passOn(12345);
    }

    function testFuzz_the_parts_never_exceed_the_weight(uint80 more_, uint8[3] memory wishes) public {
        _votes.stake(address(shares), more_);
        openVote();
        address[3] memory holders = [ANNA, BERT, CORA];
        for (uint256 i = 0; i < 3; ++i) {
            say(holders[i], wishes[i] % 3);
        }
        endVote();
        shares.passOn(_proposal);
        (uint256 against, uint256 inFavour, uint256 abstain) = _platform.proposalVotes(_proposal);
        uint256 cast = against + inFavour + abstain;
        uint256 all = weight() + uint256(more_) * 1 days;
        assertTrue(cast <= all, "never more");
        assertTrue(all - cast < 3, "less than a unit each is not cast");
    }

    function test_without_weight_nothing_is_passed_on() public {
        _votes.unstake(address(shares), _STAKE, uint48(vm.getBlockTimestamp() - 10 days));
        openVote();
        say(ANNA, 1);
        endVote();
        refuse(abi.encodeWithSelector(H.NothingToPassOn.selector, _proposal));
        shares.passOn(_proposal);
    }
}
