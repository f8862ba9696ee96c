// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {IERC5805} from "@openzeppelin/contracts/interfaces/IERC5805.sol";
import {IERC6372} from "@openzeppelin/contracts/interfaces/IERC6372.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

/// @title Voting weight: stake times its age, exact at every past second, without a loop over stakes.
/// @notice An owner with stakes a_i since t_i weighs sum a_i (T - t_i) = A T - B at time T, where A = sum a_i and
/// B = sum a_i t_i. Unit of a weight: smallest unit of HVT times seconds. A and B share one checkpoint: A has 88 bits
/// (the supply needs 87), B has 120 (enough until the year 2242). Only the Beekeeper writes. There is no delegation.
contract StakeVotes is IERC5805 {
    using Checkpoints for Checkpoints.Trace208;
    using SafeCast for uint256;

    event Staked(address indexed owner, uint256 amount, uint48 since);
    event Unstaked(address indexed owner, uint256 amount, uint48 since);

    error NotBeekeeper(address caller);
    error DelegationRefused();
    error ZeroAddress();
    error NotInThePast(uint256 timepoint, uint48 clock);
    error StakeTooSmall(address owner, uint256 amount, uint256 staked);

    uint256 private constant _B_BITS = 120;
    uint256 private constant _B_MASK = (1 << _B_BITS) - 1;

    address private immutable _beekeeper;

    Checkpoints.Trace208 private _total;
    mapping(address owner => Checkpoints.Trace208) private _owners;

    /// @param beekeeper_ the proxy that holds the stakes
    constructor(address beekeeper_) {
        if (beekeeper_ == address(0)) revert ZeroAddress();
        _beekeeper = beekeeper_;
    }

    modifier onlyBeekeeper() {
        if (msg.sender != _beekeeper) revert NotBeekeeper(msg.sender);
        _;
    }

    /// @notice Adds a stake that ages from now on: it weighs nothing in this second.
    /// @param amount smallest unit of HVT
    function stake(address owner, uint256 amount) external onlyBeekeeper {
        uint48 since = clock();
        _push(_owners[owner], since, true, amount, since);
        _push(_total, since, true, amount, since);
        emit Staked(owner, amount, since);
    }

    /// @notice Takes exactly one stake record out, with the age it had.
    function unstake(address owner, uint256 amount, uint48 since) external onlyBeekeeper {
        uint256 staked = stakedOf(owner);
        if (amount > staked) revert StakeTooSmall(owner, amount, staked);
        uint48 now_ = clock();
        _push(_owners[owner], now_, false, amount, since);
        _push(_total, now_, false, amount, since);
        emit Unstaked(owner, amount, since);
    }

    // ---- Weights

    /// @notice Weight of an owner now.
    function getVotes(address account) external view returns (uint256) {
        return _weight(_owners[account].latest(), clock());
    }

    /// @notice Weight of an owner at the end of a past second.
    function getPastVotes(address account, uint256 timepoint) external view returns (uint256) {
        return _weight(_sumsAt(_owners[account], _past(timepoint)), timepoint);
    }

    /// @notice Sum of all weights at the end of a past second.
    function getPastTotalSupply(uint256 timepoint) external view returns (uint256) {
        return _weight(_sumsAt(_total, _past(timepoint)), timepoint);
    }

    /// @notice What an owner has staked now, smallest unit of HVT.
    function stakedOf(address owner) public view returns (uint256) {
        return uint256(_owners[owner].latest()) >> _B_BITS;
    }

    /// @notice What all have staked now, smallest unit of HVT.
    function totalStaked() external view returns (uint256) {
        return uint256(_total.latest()) >> _B_BITS;
    }

    /// @notice The only writer.
    function beekeeper() external view returns (address) {
        return _beekeeper;
    }

    // ---- Clock

    /// @inheritdoc IERC6372
    function clock() public view returns (uint48) {
        return uint48(block.timestamp);
    }

    /// @inheritdoc IERC6372
    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() external pure returns (string memory) {
        return "mode=timestamp";
    }

    // ---- Delegation: a stake votes for whom it belongs to

    /// @notice Everybody votes for himself.
    function delegates(address account) external pure returns (address) {
        return account;
    }

    /// @notice Refused.
    function delegate(address) external pure {
        revert DelegationRefused();
    }

    /// @inheritdoc IVotes
    function delegateBySig(address, uint256, uint256, uint8, bytes32, bytes32) external pure {
        revert DelegationRefused();
    }

    // ---- The two sums

    function _push(Checkpoints.Trace208 storage trace, uint48 now_, bool more, uint256 amount, uint48 since) private {
        uint256 sums = trace.latest();
        (uint256 a, uint256 b) = (sums >> _B_BITS, sums & _B_MASK);
        uint256 moment = amount * since;
        (a, b) = more ? (a + amount, b + moment) : (a - amount, b - moment);
        // A sum that outgrew its bits must fail here, not spill into the other one.
        trace.push(now_, ((uint256(a.toUint88()) << _B_BITS) | b.toUint120()).toUint208());
    }

    /// The newest checkpoint is mostly the one asked for: two words instead of a search.
    function _sumsAt(Checkpoints.Trace208 storage trace, uint48 timepoint) private view returns (uint256) {
        (, uint48 key, uint208 sums) = trace.latestCheckpoint();
        return key <= timepoint ? sums : trace.upperLookupRecent(timepoint);
    }

    function _weight(uint256 sums, uint256 timepoint) private pure returns (uint256) {
        return (sums >> _B_BITS) * timepoint - (sums & _B_MASK);
    }

    function _past(uint256 timepoint) private view returns (uint48) {
        uint48 now_ = clock();
        if (timepoint >= now_) revert NotInThePast(timepoint, now_);
        return uint48(timepoint);
    }
}
