// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice One Statement with the Worker's signature, unpacked. Amounts are widened so that sums cannot overflow.
struct Leaf {
    address worker;
    uint256 slot;
    int256 net;
    uint256 imported;
    uint256 exported;
    bytes32 readings;
    bytes32 r;
    bytes32 vs;
}

/// @title The packed leaf, 140 bytes:
/// worker 20, slot 4, net 8, imported 6, exported 6, readings 32, r 32, vs 32.
library PackedLeaf {
    uint256 internal constant SIZE = 140;

    /// @notice Fills `leaf` from calldata. The caller has checked that 140 bytes start at `offset`.
    function read(Leaf memory leaf, uint256 offset) internal pure {
        assembly ("memory-safe") {
            let head := calldataload(offset)
            let counters := calldataload(add(offset, 32))
            mstore(leaf, shr(96, head))
            mstore(add(leaf, 0x20), and(shr(64, head), 0xffffffff))
            mstore(add(leaf, 0x40), signextend(7, head))
            mstore(add(leaf, 0x60), shr(208, counters))
            mstore(add(leaf, 0x80), and(shr(160, counters), 0xffffffffffff))
            calldatacopy(add(leaf, 0xa0), add(offset, 44), 96)
        }
    }
}
