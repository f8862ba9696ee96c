// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice One call that a decision makes. No call carries ETH.
struct SharedCall {
    address target;
    bytes data;
}

/// @notice What `decision` answers; votes in shares, times in unix seconds.
/// @param snapshot shares held at the end of this second vote
/// @param endsAt last second of voting; carried out after it
/// @param calls keccak256 of the ABI-encoded calls
struct Decision {
    bytes32 calls;
    uint48 snapshot;
    uint48 endsAt;
    bool executed;
    uint128 forShares;
    uint128 againstShares;
}

/// @notice What `platformVote` answers; votes in shares.
/// @param passedOn whether the result was cast in the platform's vote
struct PlatformVote {
    uint128 againstShares;
    uint128 forShares;
    uint128 abstainShares;
    bool passedOn;
}

/// @title What HiveShares reports and refuses.
interface IHiveShares {
    event DecisionProposed(
        uint256 indexed id, address indexed by, uint48 snapshot, uint48 endsAt, SharedCall[] calls, string text
    );
    event DecisionVoted(uint256 indexed id, address indexed holder, bool support, uint256 shares);
    event DecisionExecuted(uint256 indexed id);
    event PlatformVoted(uint256 indexed proposal, address indexed holder, uint8 support, uint256 shares);
    event PlatformVotePassedOn(
        uint256 indexed proposal, uint128 againstWeight, uint128 forWeight, uint128 abstainWeight
    );
    event RevenueSwept(address indexed coin, uint256 amount);

    error ZeroAddress();
    error NoHolders();
    error LengthsDiffer(uint256 holders, uint256 amounts);
    error PeriodOutOfRange(uint256 period, uint256 least, uint256 most);
    error SharesToThemselves();
    error NoCalls();
    error TooManyCalls(uint256 count, uint256 most);
    error NoShares(address holder, uint256 snapshot);
    error UnknownDecision(uint256 id);
    error VotingOver(uint256 endsAt);
    error VotingRuns(uint256 endsAt);
    error AlreadyVoted(address holder);
    error OtherCalls(bytes32 expected, bytes32 given);
    error AlreadyExecuted(uint256 id);
    error NotCarried(uint256 forShares, uint256 needed);
    error Expired(uint256 lastSecond);
    error WholeVoteRefused(bytes4 selector);
    error UnknownSupport(uint8 support);
    error AlreadyPassedOn(uint256 proposal);
    error NothingToPassOn(uint256 proposal);
    error CoinNotListed(address coin);
}
