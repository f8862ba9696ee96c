// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HiveTerms} from "../types/Messages.sol";
import {HiveStatus} from "./BeekeeperTypes.sol";

/// @title Everything that changes a Hive: made, grown, shrunk, frozen, split, merged, linked.
/// @notice The Beekeeper offers it; BeekeeperHives does it.
interface IHiveKeeping {
    /// @notice Makes a Hive with its first meters. Takes exactly what `priceOf(meters.length)` says from the caller.
    /// @param amount smallest unit of HVT; another amount than required is refused
    /// @param owner holds the Hive, its stakes, refunds and votes
    /// @param points connection points; the first ones belong to the meters in their order, the rest is listed only
    /// @param window seconds between the start and the end of a close
    /// @param terms with the number that `nextHive` says
    function createHive(
        uint256 amount,
        address owner,
        address coin,
        address[] calldata meters,
        bytes32[] calldata points,
        address queen,
        uint32 window,
        HiveTerms calldata terms
    ) external returns (uint32 hive);

    /// @notice Adds a meter at a free, listed connection point; takes the price of a meter from the owner.
    function addMeterToHive(uint32 hive, address meter, bytes32 point) external;

    /// @notice Lists connection points, as hashes; those that are listed already stay as they are.
    function setPoints(uint32 hive, bytes32[] calldata points) external;

    /// @notice Takes a meter out whose account is closed or was never opened, and refunds its stake to the Hive's
    /// owner. By the Hive's owner, or by the meter's, who is nobody's prisoner.
    function dropMeterFromHive(uint32 hive, address meter) external;

    /// @notice Freezes a Hive for ever: no new meters, no new deposits; closing, withdrawing and dropping go on.
    function freezeHive(uint32 hive) external;

    /// @notice Ends a frozen Hive that owed money when its last meter was dropped. Anyone may call.
    function endHive(uint32 hive) external;

    /// @notice ACTIVE or OFFLINE: while OFFLINE no account is opened and no meter joins.
    function setHiveStatus(uint32 hive, HiveStatus status) external;

    /// @notice Makes a new Hive for meters of an existing one; takes the price of a Hive from the owner.
    /// @param amount smallest unit of HVT, exactly what `priceOf(0)` says
    /// @param terms of the new Hive, with the number that `nextHive` says
    function beginSplit(uint32 hive, uint256 amount, address queen, uint32 window, HiveTerms calldata terms)
        external
        returns (uint32 newHive);

    /// @notice Ends a split; both Hives are ACTIVE.
    function finishSplit(uint32 hive, uint32 newHive) external;

    /// @notice Starts moving all meters of `from` into another Hive of the same owner and coin.
    function beginMerge(uint32 from, uint32 into) external;

    /// @notice Ends a merge: the empty Hive is ENDED and its own stake refunded, the other is ACTIVE.
    function finishMerge(uint32 from, uint32 into) external;

    /// @notice Gives a merge up; meters that have moved stay where they are, both Hives are ACTIVE.
    function cancelMerge(uint32 from, uint32 into) external;

    /// @notice Moves up to 200 meters, whose accounts are closed or were never opened, in a split or merge.
    function moveMeters(uint32 from, uint32 to, address[] calldata meters) external;

    /// @notice Puts a Hive under another one. Its Queen must be a meter of the mother, which is the mother's consent.
    function linkMother(uint32 hive, uint32 mother) external;

    /// @notice Takes a Hive from its mother; by the owner of either.
    function unlinkMother(uint32 hive) external;
}
