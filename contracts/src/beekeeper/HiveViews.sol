// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMeterList} from "../interfaces/IMeterList.sol";
import {BeekeeperBase} from "./BeekeeperBase.sol";
import {HiveData, HiveRecord, HiveStatus, MeterData, MeterStatus} from "./BeekeeperTypes.sol";
import {Kinship} from "./Kinship.sol";

/// @title What anyone may read of Hives.
abstract contract HiveViews is BeekeeperBase, IMeterList {
    /// @notice Number the next Hive will have; the first is 1.
    function nextHive() external view returns (uint32) {
        return _storage().lastHive + 1;
    }

    /// @notice All that is known of a Hive; all zero for an unknown one.
    function getHiveInfo(uint32 hive) external view returns (HiveRecord memory record) {
        HiveData storage self = _storage().hives[hive];
        if (self.owner == address(0)) return record;
        (record.owner, record.coin, record.settlement) = (self.owner, self.coin, address(_settlementOf(self)));
        (record.status, record.merging, record.meters) = (self.status, self.merging, self.meters);
        (record.book, record.mother) = (self.book, self.mother);
        (record.changeTo, record.changeFrom) = (self.changeTo, self.changeFrom);
        (record.startedAt, record.endedAt) = (self.startedAt, self.endedAt);
        (record.stake, record.stakedSince) = (self.stake, self.since);
    }

    /// @notice Whether a connection point is in a Hive's list, and the meter that uses it.
    function pointOf(uint32 hive, bytes32 point) external view returns (bool listed, address meter) {
        meter = _storage().points[_storage().hives[hive].book][point];
        listed = meter != address(0);
        if (meter == _FREE) meter = address(0);
    }

    /// @notice Levels below a Hive: 0 when it has no daughters.
    function levelsBelow(uint32 hive) external view returns (uint256) {
        return Kinship.levelsBelow(_hive(hive).daughters);
    }

    /// @inheritdoc IMeterList
    function placeOf(address meter_) external view returns (uint32 hive, bool active, address owner) {
        MeterData storage self = _storage().meters[meter_];
        MeterStatus status;
        (hive, owner, status) = (self.hive, self.owner, self.status);
        if (status == MeterStatus.RETIRED) hive = 0;
        active = hive != 0 && _storage().hives[hive].status == HiveStatus.ACTIVE;
    }
}
