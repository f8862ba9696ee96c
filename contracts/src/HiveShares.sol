// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Time} from "@openzeppelin/contracts/utils/types/Time.sol";
import {Decision, IHiveShares, PlatformVote, SharedCall} from "./interfaces/IHiveShares.sol";
import {ShareRevenue} from "./ShareRevenue.sol";

/// @title HiveShares: several owners of a Hive. This contract's address is the Hive's owner.
/// @notice Shares are made once and never after; whole shares, no decimals. More than half of ALL shares decide what
/// the owner does, any calls, after a voting period, by what was held before the proposal. Revenue is what lies in
/// `revenue()`, out of every majority's reach; coins on this contract itself are common and spent by decision, but
/// anyone may send a revenue coin that lies here there (`sweep`). The platform's votes are not decided by majority:
/// each share stands for its part of the Hive's weight. ETH is refused. Not upgradeable.
contract HiveShares is ERC20Votes, ReentrancyGuardTransient, IHiveShares {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    /// @notice Shortest and longest voting period, seconds.
    uint256 public constant MIN_PERIOD = 1 hours;
    uint256 public constant MAX_PERIOD = 30 days;
    /// @notice How long a carried decision may still be carried out after its voting period, seconds.
    uint256 public constant EXECUTION_SECONDS = 14 days;
    /// @notice Most calls of one decision.
    uint256 public constant MAX_CALLS = 20;
    /// @notice The last quarter of a platform vote is for passing the result on.
    uint256 public constant PASS_ON_DIVISOR = 4;
    /// @notice Most shares; checked by the library when they are made.
    uint256 public constant MAX_SHARES = type(uint128).max;

    /// Governor's way of saying that a vote is split.
    uint8 private constant _FRACTIONAL = type(uint8).max;
    uint8 private constant _AGAINST = 0;
    uint8 private constant _FOR = 1;
    uint8 private constant _ABSTAIN = 2;

    IGovernor private immutable _governor;
    ShareRevenue private immutable _revenue;
    uint48 private immutable _period;

    Decision[] private _decisions;
    mapping(uint256 id => mapping(address holder => bool)) private _hasVoted;
    mapping(uint256 proposal => PlatformVote) private _platformVotes;
    mapping(uint256 proposal => mapping(address holder => bool)) private _hasVotedOnPlatform;

    /// @param holders first holders, with `amounts` shares each; the only shares there will ever be
    /// @param period seconds of voting on a decision
    /// @param governor_ the platform's HiveGovernor; both count time in seconds
    /// @param coins whose revenue is shared from the start, at most 8
    constructor(
        string memory name_,
        string memory symbol_,
        address[] memory holders,
        uint256[] memory amounts,
        uint48 period,
        IGovernor governor_,
        IERC20[] memory coins
    ) ERC20(name_, symbol_) EIP712(name_, "1") {
        if (address(governor_) == address(0)) revert ZeroAddress();
        if (holders.length != amounts.length) revert LengthsDiffer(holders.length, amounts.length);
        if (period < MIN_PERIOD || period > MAX_PERIOD) revert PeriodOutOfRange(period, MIN_PERIOD, MAX_PERIOD);
        _governor = governor_;
        _period = period;
        _revenue = new ShareRevenue(coins);
        for (uint256 i = 0; i < holders.length; ++i) {
            _mint(holders[i], amounts[i]);
        }
        if (totalSupply() == 0) revert NoHolders();
    }

    // ---- Decisions

    /// @notice Proposes calls that this contract makes when more than half of all shares are for it. By anyone who
    /// held or was delegated a share one second ago.
    /// @param text what it is about, for the event
    /// @return id number of the decision
    function propose(SharedCall[] calldata calls, string calldata text) external returns (uint256 id) {
        if (calls.length == 0) revert NoCalls();
        if (calls.length > MAX_CALLS) revert TooManyCalls(calls.length, MAX_CALLS);
        uint48 snapshot = clock() - 1;
        if (getPastVotes(msg.sender, snapshot) == 0) revert NoShares(msg.sender, snapshot);
        uint48 endsAt = clock() + _period;
        id = _decisions.length;
        _decisions.push(
            Decision({
                calls: keccak256(abi.encode(calls)),
                snapshot: snapshot,
                endsAt: endsAt,
                executed: false,
                forShares: 0,
                againstShares: 0
            })
        );
        emit DecisionProposed(id, msg.sender, snapshot, endsAt, calls, text);
    }

    /// @notice Votes once, with all shares held or delegated at the snapshot.
    function vote(uint256 id, bool support) external {
        Decision storage decision_ = _decision(id);
        if (block.timestamp > decision_.endsAt) revert VotingOver(decision_.endsAt);
        if (_hasVoted[id][msg.sender]) revert AlreadyVoted(msg.sender);
        uint128 shares = _sharesAt(msg.sender, decision_.snapshot);
        _hasVoted[id][msg.sender] = true;
        if (support) decision_.forShares += shares;
        else decision_.againstShares += shares;
        emit DecisionVoted(id, msg.sender, support, shares);
    }

    /// @notice Carries a decision out: after its voting period and within 14 days. Anyone may call. One call that
    /// fails undoes all; it may be tried again.
    /// @param calls as proposed
    function execute(uint256 id, SharedCall[] calldata calls) external nonReentrant {
        Decision storage decision_ = _decision(id);
        _checkExecutable(id, decision_, keccak256(abi.encode(calls)));
        decision_.executed = true;
        emit DecisionExecuted(id);
        for (uint256 i = 0; i < calls.length; ++i) {
            _checkNoWholeVote(calls[i]);
            Address.functionCall(calls[i].target, calls[i].data);
        }
    }

    // ---- Revenue

    /// @notice Sends all of a revenue coin that lies on this contract to where the holders pull it. Anyone may call.
    function sweep(IERC20 coin) external nonReentrant returns (uint256 amount) {
        (bool listed,,) = _revenue.booksOf(coin);
        if (!listed) revert CoinNotListed(address(coin));
        amount = coin.balanceOf(address(this));
        emit RevenueSwept(address(coin), amount);
        coin.safeTransfer(address(_revenue), amount);
        _revenue.book(coin);
    }

    // ---- The platform's votes

    /// @notice Says how the caller's part of the Hive's weight is to be cast on a proposal of the platform, once, with
    /// the shares held or delegated at that proposal's own snapshot. Open until three quarters of its voting time.
    /// @param support 0 against, 1 for, 2 abstain
    function voteOnPlatform(uint256 proposal, uint8 support) external {
        PlatformVote storage tally = _platformVotes[proposal];
        uint256 end = platformVoteEnd(proposal);
        if (tally.passedOn) revert AlreadyPassedOn(proposal);
        if (block.timestamp > end) revert VotingOver(end);
        if (_hasVotedOnPlatform[proposal][msg.sender]) revert AlreadyVoted(msg.sender);
        uint128 shares = _sharesAt(msg.sender, _governor.proposalSnapshot(proposal));
        _hasVotedOnPlatform[proposal][msg.sender] = true;
        if (support == _AGAINST) tally.againstShares += shares;
        else if (support == _FOR) tally.forShares += shares;
        else if (support == _ABSTAIN) tally.abstainShares += shares;
        else revert UnknownSupport(support);
        emit PlatformVoted(proposal, msg.sender, support, shares);
    }

    /// @notice Casts this contract's weight in the platform's vote in the proportion of the shares, rounded down; the
    /// part of shares that did not vote is not cast. Once, after the own vote has ended. Anyone may call.
    function passOn(uint256 proposal) external {
        PlatformVote storage tally = _platformVotes[proposal];
        uint256 end = platformVoteEnd(proposal);
        if (tally.passedOn) revert AlreadyPassedOn(proposal);
        if (block.timestamp <= end) revert VotingRuns(end);
        uint256 weight = _governor.getVotes(address(this), _governor.proposalSnapshot(proposal));
        uint128 against = _part(weight, tally.againstShares);
        uint128 inFavour = _part(weight, tally.forShares);
        uint128 abstain = _part(weight, tally.abstainShares);
        if (against == 0 && inFavour == 0 && abstain == 0) revert NothingToPassOn(proposal);
        tally.passedOn = true;
        emit PlatformVotePassedOn(proposal, against, inFavour, abstain);
        _governor.castVoteWithReasonAndParams(
            proposal, _FRACTIONAL, "", abi.encodePacked(against, inFavour, abstain)
        );
    }

    // ---- Views

    /// @notice Last second of the own vote on a proposal of the platform: three quarters of its voting time.
    function platformVoteEnd(uint256 proposal) public view returns (uint256) {
        uint256 start = _governor.proposalSnapshot(proposal);
        uint256 deadline = _governor.proposalDeadline(proposal);
        return deadline - (deadline - start) / PASS_ON_DIVISOR;
    }

    /// @notice The own vote on a proposal of the platform.
    function platformVote(uint256 proposal) external view returns (PlatformVote memory) {
        return _platformVotes[proposal];
    }

    /// @notice A decision and its votes.
    function decision(uint256 id) external view returns (Decision memory) {
        return _decision(id);
    }

    /// @notice How many decisions were proposed; their numbers begin at 0.
    function decisionCount() external view returns (uint256) {
        return _decisions.length;
    }

    /// @notice Whether a holder has voted on a decision.
    function hasVoted(uint256 id, address holder) external view returns (bool) {
        return _hasVoted[id][holder];
    }

    /// @notice Where revenue is paid in and pulled.
    function revenue() external view returns (ShareRevenue) {
        return _revenue;
    }

    /// @notice The platform's governor.
    function governor() external view returns (IGovernor) {
        return _governor;
    }

    /// @notice Seconds of voting on a decision.
    function votingPeriod() external view returns (uint256) {
        return _period;
    }

    /// @notice Whole shares only.
    function decimals() public pure override returns (uint8) {
        return 0;
    }

    /// @notice Votes go by seconds, as in the platform's governor.
    function clock() public view override returns (uint48) {
        return Time.timestamp();
    }

    /// @notice Names the clock (ERC-6372).
    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    /// @notice To whom a holder's votes go: to itself unless it has named another.
    function delegates(address account) public view override returns (address) {
        address delegatee = super.delegates(account);
        return delegatee == address(0) ? account : delegatee;
    }

    // ---- Private

    /// Naming nobody takes the votes back, they are never lost.
    function _delegate(address account, address delegatee) internal override {
        super._delegate(account, delegatee == address(0) ? account : delegatee);
    }

    function _maxSupply() internal pure override returns (uint256) {
        return MAX_SHARES;
    }

    /// Revenue is settled with the balances from before the transfer. The first shares are made when nothing is booked.
    function _update(address from, address to, uint256 value) internal override {
        if (to == address(this) || to == address(_revenue)) revert SharesToThemselves();
        if (from != address(0)) _revenue.settle(from, to);
        super._update(from, to, value);
    }

    function _decision(uint256 id) private view returns (Decision storage) {
        if (id >= _decisions.length) revert UnknownDecision(id);
        return _decisions[id];
    }

    function _sharesAt(address holder, uint256 snapshot) private view returns (uint128) {
        uint256 shares = getPastVotes(holder, snapshot);
        if (shares == 0) revert NoShares(holder, snapshot);
        return shares.toUint128();
    }

    function _checkExecutable(uint256 id, Decision storage decision_, bytes32 given) private view {
        if (decision_.executed) revert AlreadyExecuted(id);
        if (decision_.calls != given) revert OtherCalls(decision_.calls, given);
        if (block.timestamp <= decision_.endsAt) revert VotingRuns(decision_.endsAt);
        uint256 last = decision_.endsAt + EXECUTION_SECONDS;
        if (block.timestamp > last) revert Expired(last);
        uint256 needed = totalSupply() / 2 + 1;
        if (decision_.forShares < needed) revert NotCarried(decision_.forShares, needed);
    }

    /// A majority may not cast the whole weight in the platform's vote: it is passed on in fractions.
    function _checkNoWholeVote(SharedCall calldata call_) private view {
        if (call_.target != address(_governor)) return;
        bytes4 selector = bytes4(call_.data);
        if (selector != IGovernor.propose.selector && selector != IGovernor.cancel.selector) {
            revert WholeVoteRefused(selector);
        }
    }

    function _part(uint256 weight, uint256 shares) private view returns (uint128) {
        return Math.mulDiv(weight, shares, totalSupply()).toUint128();
    }
}
