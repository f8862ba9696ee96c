// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The one word of a Hive that every batch changes, in storage. From the lowest bit: pool 64 | feeDue 64 |
/// fees 64 | lastSlot 24 | nextBatch 16 | owedAccounts 16 | 8 spare.
type PackedMoney is uint256;

/// @notice The same in memory; money in micro-coins. `fees` wait for the treasury, `feeDue` is what the pool could
/// not pay yet; the Hive is SHORT while an account is OWED.
struct Money {
    uint64 pool;
    uint64 feeDue;
    uint64 fees;
    uint24 lastSlot;
    uint16 nextBatch;
    uint16 owedAccounts;
}

using MoneyLibrary for PackedMoney global;
using MoneyLibrary for Money global;

/// @title One read and one write of storage for a batch.
library MoneyLibrary {
    /// @notice The word as a struct in memory.
    function unpack(PackedMoney self) internal pure returns (Money memory money) {
        uint256 word = PackedMoney.unwrap(self);
        money.pool = uint64(word);
        money.feeDue = uint64(word >> 64);
        money.fees = uint64(word >> 128);
        money.lastSlot = uint24(word >> 192);
        money.nextBatch = uint16(word >> 216);
        money.owedAccounts = uint16(word >> 232);
    }

    /// @notice The struct as one word.
    function pack(Money memory self) internal pure returns (PackedMoney) {
        return PackedMoney.wrap(
            uint256(self.pool) | (uint256(self.feeDue) << 64) | (uint256(self.fees) << 128)
                | (uint256(self.lastSlot) << 192) | (uint256(self.nextBatch) << 216)
                | (uint256(self.owedAccounts) << 232)
        );
    }
}
