// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @notice The one word of a Hive that every batch changes, in storage. From the lowest bit: pool 64 | feeDue 56 |
/// fees 56 | lastSlot 24 | nextBatch 16 | owedAccounts 16 | closings 24.
type PackedMoney is uint256;

/// @notice The same in memory; money in micro-coins. `fees` wait for the treasury, `feeDue` is what the pool could
/// not pay yet; the Hive is SHORT while an account is OWED or a claim is open. `closings` counts closed accounts.
struct Money {
    uint64 pool;
    uint64 feeDue;
    uint64 fees;
    uint24 lastSlot;
    uint16 nextBatch;
    uint16 owedAccounts;
    uint24 closings;
}

using MoneyLibrary for PackedMoney global;
using MoneyLibrary for Money global;

/// @title One read and one write of storage for a batch.
library MoneyLibrary {
    using SafeCast for uint256;

    /// @notice The word as a struct in memory.
    function unpack(PackedMoney self) internal pure returns (Money memory money) {
        uint256 word = PackedMoney.unwrap(self);
        money.pool = uint64(word);
        money.feeDue = uint56(word >> 64);
        money.fees = uint56(word >> 120);
        money.lastSlot = uint24(word >> 176);
        money.nextBatch = uint16(word >> 200);
        money.owedAccounts = uint16(word >> 216);
        money.closings = uint24(word >> 232);
    }

    /// @notice The struct as one word; fees above 72 billion coins are refused.
    function pack(Money memory self) internal pure returns (PackedMoney) {
        return PackedMoney.wrap(
            uint256(self.pool) | (uint256(uint256(self.feeDue).toUint56()) << 64)
                | (uint256(uint256(self.fees).toUint56()) << 120) | (uint256(self.lastSlot) << 176)
                | (uint256(self.nextBatch) << 200) | (uint256(self.owedAccounts) << 216)
                | (uint256(self.closings) << 232)
        );
    }
}
