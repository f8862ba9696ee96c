// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What EnergySettlement asks the list of meters: when an account opens, in one call, and nowhere else.
/// @notice The Beekeeper implements it; `MeterList` is the smallest stand-in.
interface IMeterList {
    /// @notice Where a meter stands.
    /// @return hive number of the Hive the meter is listed in; 0 when it is in none
    /// @return active whether accounts may be opened in that Hive
    /// @return owner the meter's owner, default payout address of its account
    function placeOf(address meter) external view returns (uint32 hive, bool active, address owner);
}
