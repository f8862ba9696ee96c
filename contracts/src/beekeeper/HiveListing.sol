// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {ISettlementForBeekeeper} from "../interfaces/ISettlementForBeekeeper.sol";
import {AccountState} from "../types/Account.sol";
import {HiveTerms} from "../types/Messages.sol";
import {HiveData, HiveStatus, MeterData, MeterStatus} from "./BeekeeperTypes.sol";
import {Kinship} from "./Kinship.sol";
import {StakeBook} from "./StakeBook.sol";
import {IHiveKeeping} from "./IHiveKeeping.sol";

/// @title The Hive List: making, freezing and ending Hives, their meters and their connection points.
/// @notice Entries are never deleted. A meter is in at most one Hive, at a connection point that the Hive's owner
/// has listed (as a hash) and that no other meter of that list uses.
abstract contract HiveListing is StakeBook, IHiveKeeping {
    // ---- Making a Hive

    /// @inheritdoc IHiveKeeping
    function createHive(
        uint256 amount,
        address owner,
        address coin,
        address[] calldata meters,
        bytes32[] calldata points,
        address queen,
        uint32 window,
        HiveTerms calldata terms
    ) external nonReentrant whenNotPaused returns (uint32 hive) {
        (uint256 required,) = _priceOf(meters.length);
        _limit(points.length);
        if (points.length < meters.length) revert PointsMissing(points.length, meters.length);
        hive = _newHive(amount, required, owner, coin, meters.length);
        _joinFirst(hive, meters, points);
        _handOver(hive, queen, window, terms);
    }

    /// @inheritdoc IHiveKeeping
    function addMeterToHive(uint32 hive, address meter, bytes32 point)
        external
        nonReentrant
        whenNotPaused
        onlyHiveOwner(hive)
    {
        HiveData storage self = _hive(hive);
        _requireActive(hive, self);
        address user = _storage().points[self.book][point];
        if (user == address(0)) revert PointNotListed(hive, point);
        if (user != _FREE) revert PointUsed(point, user);
        (uint256 staked,) = _burnAndStake(self.owner, _storage().prices.meterPrice);
        ++self.meters;
        _join(hive, self.book, meter, point, uint96(staked));
    }

    /// @inheritdoc IHiveKeeping
    function setPoints(uint32 hive, bytes32[] calldata points) external whenNotPaused onlyHiveOwner(hive) {
        _limit(points.length);
        _listPoints(_hive(hive).book, points, 0);
        emit PointsSet(hive, points);
    }

    // ---- Leaving a Hive

    /// @inheritdoc IHiveKeeping
    function dropMeterFromHive(uint32 hive, address meter) external nonReentrant {
        HiveData storage self = _hive(hive);
        MeterData storage data = _storage().meters[meter];
        if (data.hive != hive) revert MeterNotInHive(meter, hive);
        if (msg.sender != self.owner && msg.sender != data.owner) revert NotHiveOwner(hive, msg.sender);
        _requireClosed(_settlementOf(self), hive, meter);
        (uint96 amount, uint48 since) = (data.stake, data.since);
        _storage().points[data.book][data.point] = _FREE;
        (data.hive, data.book, data.stake, data.since, data.point) = (0, 0, 0, 0, 0);
        --self.meters;
        emit MeterDropped(hive, meter, amount);
        _refund(self.owner, amount, since);
        if (self.status == HiveStatus.FROZEN) _endIfEmpty(hive, self);
    }

    /// @inheritdoc IHiveKeeping
    function freezeHive(uint32 hive) external nonReentrant onlyHiveOwner(hive) {
        HiveData storage self = _hive(hive);
        if (self.status != HiveStatus.ACTIVE && self.status != HiveStatus.OFFLINE) {
            revert HiveNotActive(hive, self.status);
        }
        _setStatus(hive, self, HiveStatus.FROZEN);
        _settlementOf(self).tellFrozen(hive);
        _endIfEmpty(hive, self);
    }

    /// @inheritdoc IHiveKeeping
    function endHive(uint32 hive) external nonReentrant {
        HiveData storage self = _hive(hive);
        if (self.status != HiveStatus.FROZEN) revert HiveNotFrozen(hive, self.status);
        if (self.meters != 0) revert MetersLeft(hive, self.meters);
        if (_isShort(hive, self)) revert HiveIsShort(hive);
        _end(hive, self);
    }

    /// @inheritdoc IHiveKeeping
    function setHiveStatus(uint32 hive, HiveStatus status) external onlyHiveOwner(hive) {
        HiveData storage self = _hive(hive);
        bool allowed = (self.status == HiveStatus.ACTIVE && status == HiveStatus.OFFLINE)
            || (self.status == HiveStatus.OFFLINE && status == HiveStatus.ACTIVE);
        if (!allowed) revert HiveStatusNotAllowed(hive, self.status, status);
        _setStatus(hive, self, status);
    }

    // ---- For split and merge

    /// Takes the payment and writes the new Hive. Its stake is what is left beside the meters' shares.
    function _newHive(uint256 amount, uint256 required, address owner, address coin, uint256 meters)
        internal
        returns (uint32 hive)
    {
        if (amount != required) revert WrongAmount(amount, required);
        if (owner == address(0)) revert ZeroAddress();
        _listedCoin(coin);
        (, uint16 settlement) = _newestSettlement();
        (uint256 staked, uint256 burnt) = _burnAndStake(owner, required);
        hive = ++_storage().lastHive;
        HiveData storage self = _storage().hives[hive];
        (self.owner, self.meters, self.book) = (owner, uint32(meters), hive);
        self.status = HiveStatus.ACTIVE;
        (self.coin, self.startedAt, self.settlement) = (coin, uint48(block.timestamp), settlement);
        self.stake = uint96(staked - meters * _meterShare());
        self.since = uint48(block.timestamp);
        emit HiveCreated(hive, owner, coin, staked, burnt);
    }

    function _handOver(uint32 hive, address queen, uint32 window, HiveTerms calldata terms) internal {
        HiveData storage self = _storage().hives[hive];
        uint64 minPenalty = _storage().coins[self.coin].minPenalty;
        IERC20Metadata coin = IERC20Metadata(self.coin);
        _settlementOf(self).registerHive(hive, self.owner, coin, queen, window, terms, minPenalty);
    }

    function _end(uint32 hive, HiveData storage self) internal {
        (uint96 amount, uint48 since) = (self.stake, self.since);
        (self.stake, self.since, self.endedAt) = (0, 0, uint48(block.timestamp));
        if (self.mother != 0) {
            emit MotherUnlinked(hive, self.mother);
            Kinship.unlink(_storage().hives, hive);
        }
        _setStatus(hive, self, HiveStatus.ENDED);
        emit HiveEnded(hive, amount);
        _refund(self.owner, amount, since);
    }

    function _isShort(uint32 hive, HiveData storage self) internal view returns (bool) {
        return _settlementOf(self).hiveInfo(hive).short;
    }

    function _requireClosed(ISettlementForBeekeeper settlement, uint32 hive, address meter) internal view {
        (,,,,, uint8 state) = settlement.account(hive, meter);
        bool closed = state == uint8(AccountState.NONE) || state == uint8(AccountState.CLOSED);
        if (!closed) revert AccountStillOpen(hive, meter);
    }

    // ---- Details

    /// A Hive that still owes stays FROZEN until `endHive`, so that dropping its last meter never fails.
    function _endIfEmpty(uint32 hive, HiveData storage self) private {
        if (self.meters == 0 && !_isShort(hive, self)) _end(hive, self);
    }

    function _joinFirst(uint32 hive, address[] calldata meters, bytes32[] calldata points) private {
        uint96 share = _meterShare();
        for (uint256 i = 0; i < meters.length; ++i) {
            address user = _storage().points[hive][points[i]];
            if (user != address(0)) revert PointUsed(points[i], user);
            _join(hive, hive, meters[i], points[i], share);
        }
        _listPoints(hive, points, meters.length);
    }

    function _listPoints(uint32 book, bytes32[] calldata points, uint256 first) private {
        mapping(bytes32 point => address) storage list = _storage().points[book];
        for (uint256 i = first; i < points.length; ++i) {
            if (list[points[i]] == address(0)) list[points[i]] = _FREE;
        }
    }

    function _join(uint32 hive, uint32 book, address meter, bytes32 point, uint96 staked) private {
        MeterData storage self = _meter(meter);
        if (self.status == MeterStatus.RETIRED) revert MeterIsRetired(meter);
        if (self.hive != 0) revert MeterInHive(meter, self.hive);
        (self.hive, self.book) = (hive, book);
        (self.stake, self.since) = (staked, uint48(block.timestamp));
        self.point = point;
        _storage().points[book][point] = meter;
        emit MeterJoined(hive, meter, point, staked);
    }
}
