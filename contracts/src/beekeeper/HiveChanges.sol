// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISettlementForBeekeeper} from "../interfaces/ISettlementForBeekeeper.sol";
import {HiveTerms} from "../types/Messages.sol";
import {HiveData, HiveStatus, MeterData} from "./BeekeeperTypes.sol";
import {HiveListing} from "./HiveListing.sol";
import {IHiveKeeping} from "./IHiveKeeping.sol";
import {Kinship} from "./Kinship.sol";

/// @title Splitting and merging Hives of one owner, and mothers with daughters.
/// @notice Both Hives are CHANGING between begin and finish: no account is opened and no meter joins. Meters move in
/// as many calls as it takes; each keeps its stake record with its age, and its place in the list of connection
/// points it joined with. A Hive is part of one change at a time.
abstract contract HiveChanges is HiveListing {
    uint256 private constant _SLOT_SECONDS = 900;

    // ---- Split

    /// @inheritdoc IHiveKeeping
    function beginSplit(uint32 hive, uint256 amount, address queen, uint32 window, HiveTerms calldata terms)
        external
        nonReentrant
        whenNotPaused
        onlyHiveOwner(hive)
        returns (uint32 newHive)
    {
        HiveData storage self = _hive(hive);
        _requireActive(hive, self);
        (uint256 required,) = _priceOf(0);
        newHive = _newHive(amount, required, self.owner, self.coin, 0);
        HiveData storage other = _hive(newHive);
        // Its first meters are asked about in the old Hive's contract, so both have to be in the same one.
        if (other.settlement != self.settlement) revert SettlementsDiffer(hive, newHive);
        other.book = self.book;
        _beginChange(hive, self, newHive, other);
        emit SplitBegun(hive, newHive);
        _handOver(newHive, queen, window, terms);
    }

    /// @inheritdoc IHiveKeeping
    function finishSplit(uint32 hive, uint32 newHive) external onlyHiveOwner(hive) {
        HiveData storage self = _changing(hive, newHive, false);
        _endChange(hive, self, newHive);
        emit SplitFinished(hive, newHive);
    }

    // ---- Merge

    /// @inheritdoc IHiveKeeping
    function beginMerge(uint32 from, uint32 into) external onlyHiveOwner(from) {
        (HiveData storage self, HiveData storage other) = (_hive(from), _hive(into));
        if (from == into) revert SameHive(from);
        if (other.owner != self.owner) revert OwnersDiffer(from, into);
        if (other.coin != self.coin) revert CoinsDiffer(from, into);
        if (other.settlement != self.settlement) revert SettlementsDiffer(from, into);
        _requireActive(from, self);
        _requireActive(into, other);
        self.merging = true;
        _beginChange(from, self, into, other);
        emit MergeBegun(from, into);
    }

    /// @inheritdoc IHiveKeeping
    function finishMerge(uint32 from, uint32 into) external nonReentrant onlyHiveOwner(from) {
        HiveData storage self = _changing(from, into, true);
        if (self.meters != 0) revert MetersLeft(from, self.meters);
        if (_isShort(from, self)) revert HiveIsShort(from);
        self.merging = false;
        _endChange(from, self, into);
        _settlementOf(self).tellFrozen(from);
        _end(from, self);
        emit MergeFinished(from, into);
    }

    /// @inheritdoc IHiveKeeping
    function cancelMerge(uint32 from, uint32 into) external onlyHiveOwner(from) {
        HiveData storage self = _changing(from, into, true);
        self.merging = false;
        _endChange(from, self, into);
        emit MergeCancelled(from, into);
    }

    // ---- Moving

    /// @inheritdoc IHiveKeeping
    function moveMeters(uint32 from, uint32 to, address[] calldata meters) external onlyHiveOwner(from) {
        HiveData storage self = _hive(from);
        if (self.status != HiveStatus.CHANGING || self.changeTo != to) revert NotChanging(from, to);
        _limit(meters.length);
        ISettlementForBeekeeper settlement = _settlementOf(self);
        // No account of this Hive is open and none opens while it is CHANGING: no need to ask for each meter.
        bool allClosed = settlement.hiveInfo(from).openAccounts == 0;
        mapping(address meter => MeterData) storage list = _storage().meters;
        for (uint256 i = 0; i < meters.length; ++i) {
            MeterData storage data = list[meters[i]];
            if (data.hive != from) revert MeterNotInHive(meters[i], from);
            if (!allClosed) _requireClosed(settlement, from, meters[i]);
            data.hive = to;
        }
        self.meters -= uint32(meters.length);
        _hive(to).meters += uint32(meters.length);
        emit MetersMoved(from, to, meters);
    }

    // ---- Mothers and daughters

    /// @inheritdoc IHiveKeeping
    function linkMother(uint32 hive, uint32 mother) external onlyHiveOwner(hive) {
        (HiveData storage self, HiveData storage other) = (_hive(hive), _hive(mother));
        if (self.status == HiveStatus.ENDED) revert HiveNotActive(hive, self.status);
        _requireActive(mother, other);
        if (self.mother != 0) revert AlreadyLinked(hive, self.mother);
        if (self.coin != other.coin) revert CoinsDiffer(hive, mother);
        if (self.settlement != other.settlement) revert SettlementsDiffer(hive, mother);
        address queen = _settlementOf(self).queenOf(hive, uint32(block.timestamp / _SLOT_SECONDS));
        if (_storage().meters[queen].hive != mother) revert QueenNotInMother(queen, mother);
        Kinship.link(_storage().hives, hive, mother);
        emit MotherLinked(hive, mother);
    }

    /// @inheritdoc IHiveKeeping
    function unlinkMother(uint32 hive) external {
        HiveData storage self = _hive(hive);
        uint32 mother = self.mother;
        if (mother == 0) revert NotLinked(hive);
        if (msg.sender != self.owner && msg.sender != _hive(mother).owner) revert NotHiveOwner(hive, msg.sender);
        Kinship.unlink(_storage().hives, hive);
        emit MotherUnlinked(hive, mother);
    }

    // ---- Details

    function _beginChange(uint32 hive, HiveData storage self, uint32 toHive, HiveData storage to) private {
        (self.changeTo, to.changeFrom) = (toHive, hive);
        _setStatus(hive, self, HiveStatus.CHANGING);
        _setStatus(toHive, to, HiveStatus.CHANGING);
    }

    function _endChange(uint32 hive, HiveData storage self, uint32 toHive) private {
        HiveData storage to = _hive(toHive);
        (self.changeTo, to.changeFrom) = (0, 0);
        _setStatus(hive, self, HiveStatus.ACTIVE);
        _setStatus(toHive, to, HiveStatus.ACTIVE);
    }

    function _changing(uint32 from, uint32 to, bool merging) private view returns (HiveData storage self) {
        self = _hive(from);
        bool fits = self.status == HiveStatus.CHANGING && self.changeTo == to && self.merging == merging;
        if (!fits) revert NotChanging(from, to);
    }
}
