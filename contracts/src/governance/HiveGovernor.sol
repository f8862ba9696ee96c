// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {GovernorCountingFractional} from
    "@openzeppelin/contracts/governance/extensions/GovernorCountingFractional.sol";
import {GovernorPreventLateQuorum} from "@openzeppelin/contracts/governance/extensions/GovernorPreventLateQuorum.sol";
import {GovernorSettings} from "@openzeppelin/contracts/governance/extensions/GovernorSettings.sol";
import {GovernorTimelockControl} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {GovernorVotes} from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import {GovernorVotesQuorumFraction} from
    "@openzeppelin/contracts/governance/extensions/GovernorVotesQuorumFraction.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Votes of the Hive owners: weight by age of stake, executed by the timelock only.
/// @notice Delay 1 day, voting 7 days, quorum 20 % of all weight, a quorum reached late gives the others 2 more days.
/// Proposing needs a fraction of all weight (0.5 %), since the weight itself grows every second. A vote may be split
/// (support 255), so that a Hive with several owners passes on what each of them wants.
contract HiveGovernor is
    Governor,
    GovernorSettings,
    GovernorCountingFractional,
    GovernorVotes,
    GovernorVotesQuorumFraction,
    GovernorPreventLateQuorum,
    GovernorTimelockControl
{
    /// @notice Upper limit of the proposal threshold, basis points of all weight: nobody may vote the votes away.
    uint256 public constant MAX_THRESHOLD_BPS = 1_000;

    error ThresholdTooHigh(uint256 bps, uint256 most);

    uint48 private constant _DELAY = 1 days;
    uint32 private constant _PERIOD = 7 days;
    uint48 private constant _LATE_QUORUM_EXTENSION = 2 days;
    uint256 private constant _THRESHOLD_BPS = 50;
    uint256 private constant _QUORUM_PERCENT = 20;
    uint256 private constant _ALL_BPS = 10_000;

    /// @param votes StakeVotes
    /// @param timelock_ HiveTimelock, which must then hand over to this contract
    constructor(IVotes votes, TimelockController timelock_)
        Governor("HiveGovernor")
        GovernorSettings(_DELAY, _PERIOD, _THRESHOLD_BPS)
        GovernorVotes(votes)
        GovernorVotesQuorumFraction(_QUORUM_PERCENT)
        GovernorPreventLateQuorum(_LATE_QUORUM_EXTENSION)
        GovernorTimelockControl(timelock_)
    {}

    /// @notice Weight needed to propose now: a fraction of all weight a second ago, never zero.
    function proposalThreshold() public view override(Governor, GovernorSettings) returns (uint256) {
        uint256 all = token().getPastTotalSupply(clock() - 1);
        return Math.max(1, Math.mulDiv(all, thresholdBps(), _ALL_BPS));
    }

    /// @notice The same fraction in basis points; changed by vote with `setProposalThreshold`.
    function thresholdBps() public view returns (uint256) {
        return GovernorSettings.proposalThreshold();
    }

    /// @notice Seconds, as in StakeVotes; without asking it, which would cost every voter a call.
    function clock() public view override(Governor, GovernorVotes) returns (uint48) {
        return uint48(block.timestamp);
    }

    /// @notice Says that `clock` counts seconds.
    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override(Governor, GovernorVotes) returns (string memory) {
        return "mode=timestamp";
    }

    // ---- Where two parents have an answer, OpenZeppelin's order of inheritance decides

    /// @notice State of a proposal, as the timelock knows it once queued.
    function state(uint256 proposalId) public view override(Governor, GovernorTimelockControl) returns (ProposalState) {
        return super.state(proposalId);
    }

    /// @notice Always: everything goes through the timelock.
    function proposalNeedsQueuing(uint256 proposalId)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (bool)
    {
        return super.proposalNeedsQueuing(proposalId);
    }

    /// @notice End of voting, unix seconds; later than first announced when the quorum came late.
    function proposalDeadline(uint256 proposalId)
        public
        view
        override(Governor, GovernorPreventLateQuorum)
        returns (uint256)
    {
        return super.proposalDeadline(proposalId);
    }

    function _setProposalThreshold(uint256 bps) internal override {
        if (bps > MAX_THRESHOLD_BPS) revert ThresholdTooHigh(bps, MAX_THRESHOLD_BPS);
        super._setProposalThreshold(bps);
    }

    /// Whether a vote brings the quorum about matters only near the end, when that would move the deadline; asking
    /// then and not at every vote saves each voter about 12,000 gas. The outcome is that of GovernorPreventLateQuorum.
    function _castVote(uint256 proposalId, address account, uint8 support, string memory reason, bytes memory params)
        internal
        override
        returns (uint256 weight)
    {
        bool late = clock() + lateQuorumVoteExtension() > proposalDeadline(proposalId);
        bool mayExtend = late && !_quorumReached(proposalId);
        weight = super._castVote(proposalId, account, support, reason, params);
        if (mayExtend) super._tallyUpdated(proposalId);
    }

    /// Done in `_castVote`.
    function _tallyUpdated(uint256) internal override(Governor, GovernorPreventLateQuorum) {}

    function _queueOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint48) {
        return super._queueOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    function _executeOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) {
        super._executeOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    function _cancel(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint256) {
        return super._cancel(targets, values, calldatas, descriptionHash);
    }

    function _executor() internal view override(Governor, GovernorTimelockControl) returns (address) {
        return super._executor();
    }
}
