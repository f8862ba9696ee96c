// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {HiveInfo} from "../types/Hive.sol";
import {HiveTerms} from "../types/Messages.sol";

/// @title What the Beekeeper tells and asks EnergySettlement. It holds no right over money there.
interface ISettlementForBeekeeper {
    /// @notice Hands a new Hive over.
    /// @param window seconds between the start and the end of a close
    /// @param minPenalty micro-coins
    function registerHive(
        uint32 hive,
        address owner,
        IERC20Metadata coin,
        address queen,
        uint32 window,
        HiveTerms calldata terms,
        uint64 minPenalty
    ) external;

    /// @notice No more deposits in that Hive.
    function tellFrozen(uint32 hive) external;

    /// @notice The first six members of a meter's AccountInfo; whoever asks for many meters reads no more than that.
    /// @return funding micro-coins
    /// @return net micro-coins
    /// @return imported milliwatt-hours
    /// @return exported milliwatt-hours
    /// @return slot newest one settled
    /// @return state 0 none, 1 open, 2 closing, 3 closed
    function account(uint32 hive, address worker)
        external
        view
        returns (int64 funding, int64 net, uint48 imported, uint48 exported, uint32 slot, uint8 state);

    /// @notice What was copied about a Hive; `short` while it owes, `openAccounts` counts
    /// accounts that are open or closing.
    function hiveInfo(uint32 hive) external view returns (HiveInfo memory);

    /// @notice The Queen's key for Statements of a slot.
    function queenOf(uint32 hive, uint32 slot) external view returns (address);

    /// @notice Whether a meter was caught signing two Readings for one slot.
    function isBanned(address meter) external view returns (bool);
}
