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

/// @notice Starts a close. Signed by the Worker, its payout address or the Queen.
/// @param newestSlot slot of the newest Statement the signer has signed
/// @param deadline unix seconds, at most the Hive's window ahead, so that a request cannot outlive the close it began
struct CloseRequest {
    uint32 hive;
    address worker;
    uint32 newestSlot;
    uint48 deadline;
}

/// @notice Lets a Worker's payout address take money out of an open account. Signed by the Queen.
/// @param amount micro-coins
/// @param slot the account must be settled up to here before the permit can be used
/// @param serial must exceed the stored one
/// @param deadline unix seconds, at most six hours ahead
struct WithdrawPermit {
    uint32 hive;
    address worker;
    uint64 amount;
    uint32 slot;
    uint32 serial;
    uint48 deadline;
}

/// @notice A Worker's refusal of a Statement. Signed by the device key.
/// @param statement EIP-712 digest refused
/// @param net micro-coins as the Worker computes them
/// @param reason 1 counters, 2 terms, 3 totals, 4 net, 5 slot, 6 funds, 7 pool
struct Objection {
    bytes32 statement;
    int64 net;
    uint8 reason;
}

/// @notice A meter's counters at the end of a slot, milliwatt-hours. Signed by the device key.
struct Reading {
    address worker;
    uint32 slot;
    uint48 imported;
    uint48 exported;
    uint32 flags;
    bytes32 configuration;
    bytes32 previous;
}

/// @notice What every Worker recomputes its payment of one slot from. Signed by the Queen.
struct SlotTotals {
    uint32 hive;
    uint32 slot;
    uint48 bought;
    uint48 sold;
    int64 pcc;
    int64 buy;
    int64 sell;
    int64 price;
    uint16 theta;
    uint16 fee;
    uint16 present;
    uint16 missing;
    int64 reserve;
    bytes32 readings;
    bytes32 terms;
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

    bytes32 internal constant CLOSE_REQUEST_TYPEHASH =
        keccak256("CloseRequest(uint32 hive,address worker,uint32 newestSlot,uint48 deadline)");
    bytes32 internal constant CLOSE_AGREEMENT_TYPEHASH = keccak256(
        "CloseAgreement(uint32 hive,address worker,uint32 slot,int64 net,uint48 imported,uint48 exported,bytes32 readings,uint64 payout,uint48 deadline)"
    );
    bytes32 internal constant WITHDRAW_PERMIT_TYPEHASH = keccak256(
        "WithdrawPermit(uint32 hive,address worker,uint64 amount,uint32 slot,uint32 serial,uint48 deadline)"
    );
    bytes32 internal constant OBJECTION_TYPEHASH = keccak256("Objection(bytes32 statement,int64 net,uint8 reason)");
    bytes32 internal constant READING_TYPEHASH = keccak256(
        "Reading(address worker,uint32 slot,uint48 imported,uint48 exported,uint32 flags,bytes32 configuration,bytes32 previous)"
    );
    bytes32 internal constant SLOT_TOTALS_TYPEHASH = keccak256(
        "SlotTotals(uint32 hive,uint32 slot,uint48 bought,uint48 sold,int64 pcc,int64 buy,int64 sell,int64 price,uint16 theta,uint16 fee,uint16 present,uint16 missing,int64 reserve,bytes32 readings,bytes32 terms)"
    );

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

    /// @notice Struct hash of a CloseRequest.
    function hash(CloseRequest memory request) internal pure returns (bytes32) {
        return keccak256(abi.encode(CLOSE_REQUEST_TYPEHASH, request));
    }

    /// @notice Struct hash of a CloseAgreement: the Statement's fields, the payout in micro-coins, the deadline.
    function hashAgreement(Statement memory statement, uint64 payout, uint48 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(CLOSE_AGREEMENT_TYPEHASH, statement, payout, deadline));
    }

    /// @notice Struct hash of a WithdrawPermit.
    function hash(WithdrawPermit memory permit) internal pure returns (bytes32) {
        return keccak256(abi.encode(WITHDRAW_PERMIT_TYPEHASH, permit));
    }

    /// @notice Struct hash of an Objection.
    function hash(Objection memory objection) internal pure returns (bytes32) {
        return keccak256(abi.encode(OBJECTION_TYPEHASH, objection));
    }

    /// @notice Struct hash of a Reading.
    function hash(Reading memory reading) internal pure returns (bytes32) {
        return keccak256(abi.encode(READING_TYPEHASH, reading));
    }

    /// @notice Struct hash of SlotTotals.
    function hash(SlotTotals memory totals) internal pure returns (bytes32) {
        return keccak256(abi.encode(SLOT_TOTALS_TYPEHASH, totals));
    }
}
