// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccountInfo, HiveInfo} from "../types/Hive.sol";

/// @title What the smaller contracts read of EnergySettlement, and nothing else of it.
/// @notice EnergySettlement is not upgradeable and copies these values, so an upgraded Beekeeper changes none of them.
interface IHiveReader {
    /// @notice Coin, scale, owner and the rest of a Hive; all zero when it is unknown.
    function hiveInfo(uint32 hive) external view returns (HiveInfo memory);

    /// @notice The key whose signature counts for a slot (unix seconds // 900); zero when there is none.
    function queenOf(uint32 hive, uint32 slot) external view returns (address);

    /// @notice One Worker's account; all zero when it never was opened.
    function account(uint32 hive, address worker) external view returns (AccountInfo memory);

    /// @notice Whether a meter was proven to have signed two different Readings for one slot.
    function isBanned(address meter) external view returns (bool);
}
