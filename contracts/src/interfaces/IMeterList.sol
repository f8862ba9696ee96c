// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What EnergySettlement asks the list of meters, in `deposit` and nowhere else.
/// @notice The Beekeeper implements it once it exists; until then `MeterList` does.
interface IMeterList {
    /// @notice Number of the Hive a meter is listed in; 0 when it is in none.
    function hiveOf(address meter) external view returns (uint32);

    /// @notice Whether accounts may be opened in a Hive.
    function isActive(uint32 hive) external view returns (bool);

    /// @notice The meter's owner, default payout address of its account.
    function ownerOf(address meter) external view returns (address);
}
