// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What the terms allow one Statement to move, now and from a coming slot on. From the lowest bit:
/// maxPrice 64 (micro-coins per kWh) | maxPowerW 32 | next maxPrice 64 | next maxPowerW 32 | nextFromSlot 32 | 32 spare.
type Limits is uint256;

using LimitsLibrary for Limits global;

/// @title Reading and changing the packed limits.
library LimitsLibrary {
    uint256 private constant _CURRENT = (1 << 96) - 1;

    /// @notice Micro-coins per kWh in the terms in force first.
    function maxPrice(Limits self) internal pure returns (uint64) {
        return uint64(Limits.unwrap(self));
    }

    /// @notice Watts in the terms in force first.
    function maxPowerW(Limits self) internal pure returns (uint32) {
        return uint32(Limits.unwrap(self) >> 64);
    }

    /// @notice Slot from which the next terms are in force; 0 when there are none.
    function nextFromSlot(Limits self) internal pure returns (uint32) {
        return uint32(Limits.unwrap(self) >> 192);
    }

    /// @notice Price times power now and next, and the slot where next begins (never, when there are none).
    function rates(Limits self) internal pure returns (uint256 rate, uint256 nextRate, uint256 fromSlot) {
        uint256 word = Limits.unwrap(self);
        // Cannot overflow: 64 and 32 bits make 96.
        unchecked {
            rate = uint256(uint64(word)) * uint32(word >> 64);
            nextRate = uint256(uint64(word >> 96)) * uint32(word >> 160);
        }
        fromSlot = uint32(word >> 192);
        if (fromSlot == 0) fromSlot = type(uint256).max;
    }

    /// @notice The same with other limits in force.
    function withCurrent(Limits self, uint64 price, uint32 power) internal pure returns (Limits) {
        return Limits.wrap((Limits.unwrap(self) & ~_CURRENT) | price | (uint256(power) << 64));
    }

    /// @notice The next limits become those in force.
    function nextAsCurrent(Limits self) internal pure returns (Limits) {
        return Limits.wrap((Limits.unwrap(self) >> 96) & _CURRENT);
    }

    /// @notice The same with other next limits.
    function withNext(Limits self, uint64 price, uint32 power, uint32 fromSlot) internal pure returns (Limits) {
        uint256 next = uint256(price) | (uint256(power) << 64) | (uint256(fromSlot) << 96);
        return Limits.wrap((Limits.unwrap(self) & _CURRENT) | (next << 96));
    }
}
