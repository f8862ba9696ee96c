// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Limits} from "./Limits.sol";
import {PackedMoney} from "./Money.sol";

/// @notice What the contract has copied about one Hive and its pool; one line of members per storage word.
/// `openings` counts how often an account was opened; PackedMoney counts the closings, so that both are written
/// into words which opening and closing write anyway.
struct Hive {
    IERC20 coin;
    uint40 scale;
    bool frozen;
    uint24 openings;
    //
    address owner;
    uint64 pending;
    //
    address previousQueen;
    uint48 withdrawableAt;
    uint32 termsVersion;
    //
    address queen;
    uint32 queenFromSlot;
    uint32 window;
    //
    PackedMoney money;
    //
    Limits limits;
    //
    bytes32 terms;
    bytes32 nextTerms;
    //
    Cover cover;
    //
    MotherLink mother;
    uint64 minPenalty;
}

/// @notice Money behind the pool, micro-coins; one storage word. `claimsOpen` is owed and not there,
/// `claimsFunded` is put aside and waits to be fetched, `stayUntil` (unix seconds) is how long pool and bond stay.
struct Cover {
    uint64 claimsOpen;
    uint64 claimsFunded;
    uint64 bond;
    uint48 stayUntil;
}

/// @notice A daughter's account in her mother Hive: the Queen's address there, and since when (unix seconds).
/// `settledAside` is the part of that account's net that has been paid by `moveToMother` or lay before the link.
struct MotherLink {
    address account;
    uint32 mother;
    uint48 since;
    //
    int64 settledAside;
}

/// @notice What `hiveInfo` answers.
struct HiveInfo {
    address coin;
    uint40 scale;
    bool frozen;
    bool short;
    address owner;
    uint32 window;
    address queen;
    address previousQueen;
    uint32 queenFromSlot;
    bytes32 terms;
    uint64 maxPrice;
    uint32 maxPowerW;
    bytes32 nextTerms;
    uint32 nextFromSlot;
    uint64 minPenalty;
    uint32 openAccounts;
    uint48 stayUntil;
}

/// @notice What `account` answers; money in micro-coins, energy in milliwatt-hours. `owedSlot` is 0 unless OWED,
/// `closedSlot` is 0 unless CLOSED.
struct AccountInfo {
    int64 funding;
    int64 net;
    uint48 imported;
    uint48 exported;
    uint32 slot;
    uint8 state;
    bool owed;
    uint32 owedSlot;
    address payout;
    uint32 payoutSerial;
    uint32 permitSerial;
    uint32 closedSlot;
}

/// @notice What `poolOf` answers, in micro-coins.
struct PoolInfo {
    uint64 pool;
    uint64 pending;
    uint64 feeDue;
    uint64 fees;
    uint48 withdrawableAt;
    uint32 owedAccounts;
    uint32 lastSlot;
    uint32 nextBatch;
    uint64 claimsOpen;
    uint64 claimsFunded;
    uint64 bond;
}
