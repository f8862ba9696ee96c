// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice State of one account, cumulative since its first opening. Signed by Queen, then Worker.
/// @param slot unix seconds // 900 of the newest Reading booked; also the number of the Statement
/// @param net micro-coins owed by the Worker; negative when the Hive owes
/// @param imported milliwatt-hours, cumulative; `exported` likewise
/// @param readings Merkle root over the Readings and SlotTotals booked
struct Statement {
    uint32 hive;
    address worker;
    uint32 slot;
    int64 net;
    uint48 imported;
    uint48 exported;
    bytes32 readings;
}

/// @notice Terms a home has accepted. Signed by Queen and owner.
/// @param maxPrice micro-coins per kWh; with `maxPowerW` it bounds what one Statement may move
struct HiveTerms {
    uint32 hive;
    uint32 version;
    uint32 fromSlot;
    bytes32 tariff;
    uint16 theta;
    uint16 fee;
    uint16 platformBps;
    uint64 maxPrice;
    uint32 maxPowerW;
    uint64 islandCeiling;
    uint8 coverDays;
}

/// @notice Where a Worker's money goes. Signed by the device key; `serial` must exceed the stored one.
struct PayoutAddress {
    uint32 hive;
    address worker;
    address payout;
    uint32 serial;
}

/// @notice Compact signature (ERC-2098): the highest bit of `vs` is the parity.
struct Signature {
    bytes32 r;
    bytes32 vs;
}

/// @title EIP-712 struct hashes of what this contract reads. The same vectors serve Python and Solidity.
library Messages {
    bytes32 internal constant STATEMENT_TYPEHASH = keccak256(
        "Statement(uint32 hive,address worker,uint32 slot,int64 net,uint48 imported,uint48 exported,bytes32 readings)"
    );
    bytes32 internal constant TERMS_TYPEHASH = keccak256(
        "HiveTerms(uint32 hive,uint32 version,uint32 fromSlot,bytes32 tariff,uint16 theta,uint16 fee,uint16 platformBps,uint64 maxPrice,uint32 maxPowerW,uint64 islandCeiling,uint8 coverDays)"
    );
    bytes32 internal constant PAYOUT_TYPEHASH =
        keccak256("PayoutAddress(uint32 hive,address worker,address payout,uint32 serial)");
    bytes32 internal constant BATCH_TYPEHASH =
        keccak256("SettleBatch(uint32 hive,uint32 slot,uint32 batch,bytes32 packed)");

    /// @notice Struct hash of a Statement.
    function hash(Statement memory statement) internal pure returns (bytes32) {
        return keccak256(abi.encode(STATEMENT_TYPEHASH, statement));
    }

    /// @notice Struct hash of HiveTerms; every member is static, so encoding the struct is encoding its fields.
    function hash(HiveTerms memory terms) internal pure returns (bytes32) {
        return keccak256(abi.encode(TERMS_TYPEHASH, terms));
    }

    /// @notice Struct hash of a PayoutAddress.
    function hash(PayoutAddress memory payout) internal pure returns (bytes32) {
        return keccak256(abi.encode(PAYOUT_TYPEHASH, payout));
    }

    /// @notice Struct hash of a SettleBatch; `packed` is the keccak256 of the packed Statements.
    function hashBatch(uint32 hive, uint32 slot, uint32 batch, bytes32 packed) internal pure returns (bytes32) {
        return keccak256(abi.encode(BATCH_TYPEHASH, hive, slot, batch, packed));
    }
}
