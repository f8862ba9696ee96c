// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {HiveData, MeterData, PriceBounds, Prices} from "./BeekeeperTypes.sol";
import {StakeBook} from "./StakeBook.sol";

/// @title Prices of Hives and meters in HVT, kept by the price role within what a vote has set.
/// @notice The cost of a Hive should stay stable in money: prices follow slowly, at most 10 % a week.
abstract contract Pricing is StakeBook {
    using SafeCast for uint256;

    /// @notice Least time between two changes of prices, and the largest step of one, basis points.
    uint256 public constant PRICE_PERIOD_SECONDS = 7 days;
    uint256 public constant PRICE_STEP_BPS = 1_000;

    uint256 private constant _ALL_BPS = 10_000;

    // ---- Prices

    /// @notice New prices, each at most 10 % from the last, at most once a week, within the bounds.
    function setPrices(uint256 hivePrice, uint256 meterPrice) external onlyRole(PRICE_ROLE) {
        Prices memory old = _storage().prices;
        PriceBounds memory limits = _storage().bounds;
        uint256 readyAt = old.changedAt + PRICE_PERIOD_SECONDS;
        if (block.timestamp < readyAt) revert TooEarly(readyAt);
        _checkStep(hivePrice, old.hivePrice);
        _checkStep(meterPrice, old.meterPrice);
        _checkBounds(hivePrice, limits.hiveFloor, limits.hiveCeiling);
        _checkBounds(meterPrice, limits.meterFloor, limits.meterCeiling);
        _writePrices(hivePrice, meterPrice);
    }

    /// @notice New floors and ceilings, by vote; a price outside them moves to the nearer one at once.
    function setPriceBounds(PriceBounds calldata limits) external onlyTimelock {
        Prices memory old = _storage().prices;
        _writeBounds(limits);
        uint256 hivePrice = _clamped(old.hivePrice, limits.hiveFloor, limits.hiveCeiling);
        uint256 meterPrice = _clamped(old.meterPrice, limits.meterFloor, limits.meterCeiling);
        if (hivePrice != old.hivePrice || meterPrice != old.meterPrice) _writePrices(hivePrice, meterPrice);
    }

    /// @notice What a Hive with so many meters costs, and how much of it is burnt.
    function priceOf(uint256 meters) external view returns (uint256 required, uint256 burnt) {
        return _priceOf(meters);
    }

    /// @notice Prices in force and when they were last changed.
    function prices() external view returns (Prices memory) {
        return _storage().prices;
    }

    /// @notice What the price role must stay within.
    function priceBounds() external view returns (PriceBounds memory) {
        return _storage().bounds;
    }

    // ---- Stakes

    /// @notice Stake record of a meter; `since` in unix seconds.
    function stakeOfMeter(address meter) external view returns (uint256 amount, uint256 since) {
        MeterData storage self = _storage().meters[meter];
        return (self.stake, self.since);
    }

    /// @notice Stake record of a Hive itself, without its meters.
    function stakeOfHive(uint32 hive) external view returns (uint256 amount, uint256 since) {
        HiveData storage self = _storage().hives[hive];
        return (self.stake, self.since);
    }

    /// @notice Sum of all stake records.
    function totalStaked() external view returns (uint256) {
        return _storage().staked;
    }

    /// @notice All that was ever burnt here.
    function totalBurnt() external view returns (uint256) {
        return _storage().burnt;
    }

    /// @notice All that was ever refunded.
    function totalRefunded() external view returns (uint256) {
        return _storage().refunded;
    }

    function _writePrices(uint256 hivePrice, uint256 meterPrice) internal {
        _storage().prices = Prices(hivePrice.toUint96(), meterPrice.toUint96(), uint48(block.timestamp));
        emit PricesSet(hivePrice, meterPrice);
    }

    function _writeBounds(PriceBounds calldata limits) internal {
        if (limits.hiveFloor > limits.hiveCeiling) revert BoundsInvalid(limits.hiveFloor, limits.hiveCeiling);
        if (limits.meterFloor > limits.meterCeiling) revert BoundsInvalid(limits.meterFloor, limits.meterCeiling);
        _storage().bounds = limits;
        emit PriceBoundsSet(limits);
    }

    function _checkBounds(uint256 price, uint256 floor, uint256 ceiling) internal pure {
        if (price < floor || price > ceiling) revert PriceOutOfBounds(price, floor, ceiling);
    }

    function _checkStep(uint256 price, uint256 old) private pure {
        uint256 step = old * PRICE_STEP_BPS / _ALL_BPS;
        if (price < old - step || price > old + step) revert PriceStepTooLarge(price, old - step, old + step);
    }

    function _clamped(uint256 price, uint256 floor, uint256 ceiling) private pure returns (uint256) {
        if (price < floor) return floor;
        return price > ceiling ? ceiling : price;
    }
}
