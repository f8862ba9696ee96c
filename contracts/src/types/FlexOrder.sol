// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A paid change of power in one slot. Signed by Queen, then Worker, same digest; domain of FlexibilityPool.
/// @param slot unix seconds // 900 of the delivery
/// @param watts ordered change of power, import positive; not zero: the Worker delivers and is paid. Zero: the Worker
/// delivers nothing and pays its part of what others delivered because of it
/// @param price micro-coins for the whole order
/// @param serial one above the Worker's newest charged order in this Hive; the first is 1
struct FlexOrder {
    uint32 hive;
    address worker;
    uint32 slot;
    int32 watts;
    uint64 price;
    uint32 serial;
}

/// @title EIP-712 struct hash of a FlexOrder.
library FlexOrders {
    bytes32 internal constant TYPEHASH =
        keccak256("FlexOrder(uint32 hive,address worker,uint32 slot,int32 watts,uint64 price,uint32 serial)");

    /// @notice Struct hash; every member is static, so encoding the struct is encoding its fields.
    function hash(FlexOrder memory order) internal pure returns (bytes32) {
        return keccak256(abi.encode(TYPEHASH, order));
    }
}
