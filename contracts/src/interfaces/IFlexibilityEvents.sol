// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What `memberOf` answers; money in micro-coins, times in unix seconds.
/// @param pending part of the stake whose withdrawal was announced
/// @param serial of the newest order charged
struct FlexMember {
    uint64 stake;
    uint64 pending;
    uint48 withdrawableAt;
    uint32 serial;
    uint48 bannedUntil;
    uint48 shieldedUntil;
}

/// @title What FlexibilityPool reports and refuses. Money is in micro-coins unless a name says otherwise.
interface IFlexibilityEvents {
    event FlexStaked(uint32 indexed hive, address indexed worker, address from, uint64 amountMicro);
    event UnstakeRequested(uint32 indexed hive, address indexed worker, uint64 amountMicro, uint48 readyAt);
    event FlexUnstaked(uint32 indexed hive, address indexed worker, address to, uint64 amountMicro);
    event FlexCharged(
        uint32 indexed hive,
        address indexed worker,
        uint32 slot,
        int32 watts,
        uint32 serial,
        address payer,
        address payee,
        uint64 amountMicro
    );
    /// An order was left out; reasons: 1 unknown Hive, 2 slot not begun, 3 serial not the next, 4 Queen's signature,
    /// 5 Worker's signature, 6 nobody could withdraw the Worker's stake, 7 the payer's stake is too small.
    event FlexSkipped(uint32 indexed hive, address indexed worker, uint32 serial, uint8 reason);
    event MinimumSet(uint32 indexed hive, uint64 amountMicro);
    event WorkerBanned(uint32 indexed hive, address indexed worker, uint48 until, bytes32 evidence, address by);
    event BanLifted(uint32 indexed hive, address indexed worker, address by);
    event StakeSlashed(uint32 indexed hive, address indexed worker, uint64 amountMicro, address caller);

    error ZeroAddress();
    error UnknownHive(uint32 hive);
    error HiveIsFrozen(uint32 hive);
    error NoAccount(uint32 hive, address worker);
    error NotOwner(uint32 hive, address caller);
    error NotHolder(uint32 hive, address worker, address caller);
    error NotOwnerOrTimelock(uint32 hive, address caller);
    error AmountNotWhole(uint256 amount, uint256 scale);
    error TransferShort(uint256 expected, uint256 received);
    error StakeTooSmall(uint64 stake, uint64 requested);
    error NothingRequested(uint32 hive, address worker);
    error TooEarly(uint256 readyAt);
    error SignaturesMissing(uint256 orders, uint256 signatures);
    error TooManyOrders(uint256 count, uint256 most);
    error NoEvidence();
    error EvidenceUsed(bytes32 evidence);
    error BanInPast(uint256 until);
    error BanTooLong(uint256 until, uint256 latest);
    error AlreadyBanned(uint32 hive, address worker, uint48 until);
    error NotBanned(uint32 hive, address worker);
    error ShieldedByVote(uint32 hive, address worker, uint48 until);
    error NothingToSlash(uint32 hive, address worker);
}
