// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Limits} from "./Limits.sol";
import {PackedMoney} from "./Money.sol";

/// @notice What the contract has copied about one Hive and its pool; one line of members per storage word.
struct Hive {
    IERC20 coin;
    uint40 scale;
    bool frozen;
    //
    address owner;
    uint64 pending;
    uint32 window;
    //
    address previousQueen;
    uint48 withdrawableAt;
    uint32 termsVersion;
    //
    address queen;
    uint32 queenFromSlot;
    //
    PackedMoney money;
    //
    Limits limits;
    //
    bytes32 terms;
    bytes32 nextTerms;
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
}

/// @notice What `account` answers; money in micro-coins, energy in milliwatt-hours.
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
}
