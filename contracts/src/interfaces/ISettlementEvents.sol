// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What EnergySettlement reports and refuses. Money is in micro-coins unless a name says otherwise.
interface ISettlementEvents {
    event HiveRegistered(uint32 indexed hive, address indexed owner, address coin, address queen, uint32 window);
    event HiveFrozen(uint32 indexed hive);
    event TermsSet(uint32 indexed hive, uint32 version, uint32 fromSlot, bytes32 terms);
    event QueenSet(uint32 indexed hive, address queen, uint32 fromSlot);
    event AccountOpened(uint32 indexed hive, address indexed worker, uint32 slot, address payout);
    event Deposited(uint32 indexed hive, address indexed worker, address from, uint64 amountMicro);
    event PayoutSet(uint32 indexed hive, address indexed worker, address payout, uint32 serial);
    event PoolFunded(uint32 indexed hive, address from, uint64 amountMicro);
    event PoolWithdrawalRequested(uint32 indexed hive, uint64 amountMicro, uint48 readyAt);
    event PoolWithdrawn(uint32 indexed hive, uint64 amountMicro);
    event BatchSettled(
        uint32 indexed hive, uint32 indexed slot, uint32 batch, bytes32 root, uint32 applied, uint64 feeMicro
    );
    event StatementApplied(uint32 indexed hive, address indexed worker, uint32 slot, int64 net);
    /// A leaf was left out; reasons: 1 no open account, 2 slot, 3 counter, 4 spendable, 5 signature, 6 closing,
    /// 7 pool cannot pay (marked OWED), 8 more money than price, power and time allow.
    event Skipped(uint32 indexed hive, address indexed worker, uint8 reason);
    event HiveFellShort(uint32 indexed hive);
    event HiveCovered(uint32 indexed hive);
    event FeeBpsSet(uint16 bps);
    event FeesClaimed(uint32 indexed hive, uint64 amountMicro);
    event Withdrawn(
        uint32 indexed hive, address indexed worker, address payout, uint64 amountMicro, uint32 serial
    );
    /// `side`: 1 Worker or payout address, 2 Queen, 3 anyone, for a stale account.
    event CloseStarted(
        uint32 indexed hive,
        address indexed worker,
        uint32 slot,
        int64 net,
        uint48 endsAt,
        uint8 side,
        uint32 newestSlot
    );
    event CloseContested(uint32 indexed hive, address indexed worker, uint32 slot, int64 net, address by);
    event ObjectionShown(address indexed worker, bytes32 statement);
    /// `paidMicro` has left for the payout address; `claimMicro` is recorded for `claim`.
    event AccountClosed(
        uint32 indexed hive, address indexed worker, uint32 slot, uint64 paidMicro, uint64 claimMicro
    );
    event ClaimRecorded(uint32 indexed hive, address indexed worker, uint64 amountMicro);
    event ClaimPaid(uint32 indexed hive, address indexed worker, address payout, uint64 amountMicro);
    event Penalised(
        uint32 indexed hive, address indexed worker, uint8 side, uint64 amountMicro, address caller
    );
    event BondPosted(uint32 indexed hive, uint64 amountMicro);
    event BondWithdrawn(uint32 indexed hive, uint64 amountMicro);
    event BondSlashed(uint32 indexed hive, uint64 amountMicro, address caller);
    event MeterBanned(address indexed worker);
    event MotherLinked(uint32 indexed hive, uint32 mother);
    event MovedToMother(uint32 indexed hive, uint32 mother, uint64 amountMicro);

    error NotBeekeeper(address caller);
    error NotTimelock(address caller);
    error NotOwner(uint32 hive, address caller);
    error NotQueen(uint32 hive, address caller);
    error UnknownHive(uint32 hive);
    error HiveExists(uint32 hive);
    error HiveIsFrozen(uint32 hive);
    error HiveNotActive(uint32 hive);
    error HiveIsShort(uint32 hive);
    error WrongHive(uint32 expected, uint32 given);
    error ZeroAddress();
    error UnsupportedDecimals(uint8 decimals);
    error WindowOutOfRange(uint32 window, uint32 least, uint32 most);
    error TermsUnbounded();
    error TermsVersionNotNewer(uint32 version, uint32 stored);
    error NoticeTooShort(uint256 fromSlot, uint256 earliest);
    error InvalidSignature(address expected);
    error SerialNotNewer(uint32 serial, uint32 stored);
    error MeterNotInHive(address worker, uint32 hive);
    error AccountClosing(uint32 hive, address worker);
    error ReopenNeedsOwner(address worker, address owner);
    error AmountNotWhole(uint256 amount, uint256 scale);
    error TransferShort(uint256 expected, uint256 received);
    error AllowanceTooLow(uint256 allowance, uint256 needed);
    error PoolTooSmall(uint64 pool, uint64 requested);
    error NothingRequested(uint32 hive);
    error TooEarly(uint256 readyAt);
    error NothingToClaim(uint32 hive);
    error FeeTooHigh(uint16 bps, uint16 most);
    error BadPacking(uint256 length);
    error TooManyLeaves(uint256 count, uint256 most);
    error PeriodGoesBack(uint32 slot, uint32 last);
    error PeriodInFuture(uint32 slot, uint256 current);
    error OnlyByDelegation();
    error PiecesDiffer(address closing);
    error MeterIsBanned(address worker);
    error AccountNotOpen(uint32 hive, address worker);
    error AccountNotClosed(uint32 hive, address worker);
    error NoCloseRunning(uint32 hive, address worker);
    error WindowOver(uint256 endsAt);
    error NotStale(uint32 hive, address worker, uint256 staleFromSlot);
    error Expired(uint256 deadline);
    error DeadlineTooFar(uint256 deadline, uint256 latest);
    error WrongWorker(address expected, address given);
    error SlotInFuture(uint32 slot, uint256 current);
    error StatementNotNewer(uint32 slot, uint32 stored);
    error StatementNotNamed(uint32 slot, uint32 newestSlot);
    error StatementMissing(uint32 newestSlot, uint32 stored);
    error StatementDiffers(uint32 slot);
    error CounterWentDown(uint32 hive, address worker);
    error NotFunded(int64 net, int64 funding);
    error ChangeTooLarge(int256 change, uint256 most);
    error NotInFavour(int64 net, int64 stored);
    error SlotNotSettled(uint32 slot, uint32 stored);
    error NotPayout(address payout, address caller);
    error SpendableTooSmall(uint64 spendable, uint64 needed);
    error PayoutFixed(uint32 hive, address worker);
    error PayoutNotPool(address payout);
    error HiveNotEnded(uint32 hive);
    error NoBond(uint32 hive);
    error NotEquivocal();
    error EvidenceUsed(uint32 hive, uint32 slot);
    error CoinsDiffer(address coin, address motherCoin);
    error NoMother(uint32 hive);
    error NotDue(uint64 due, uint64 asked);
}
