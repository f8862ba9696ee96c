// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Merkle root with sorted pairs; an odd node is carried up. Proofs are those of OpenZeppelin's MerkleProof.
library MerkleRoot {
    /// @notice Root over the first `count` words at `nodes` in memory, which are overwritten; 0 when there is none.
    function compute(uint256 nodes, uint256 count) internal pure returns (bytes32 root) {
        assembly ("memory-safe") {
            for {} gt(count, 1) {} {
                let pairs := shr(1, count)
                let from := nodes
                let to := nodes
                for { let end := add(nodes, shl(5, pairs)) } lt(to, end) { to := add(to, 0x20) } {
                    let a := mload(from)
                    let b := mload(add(from, 0x20))
                    switch lt(a, b)
                    case 1 {
                        mstore(0x00, a)
                        mstore(0x20, b)
                    }
                    default {
                        mstore(0x00, b)
                        mstore(0x20, a)
                    }
                    mstore(to, keccak256(0x00, 0x40))
                    from := add(from, 0x40)
                }
                if and(count, 1) { mstore(to, mload(from)) }
                count := add(pairs, and(count, 1))
            }
            if count { root := mload(nodes) }
        }
    }
}
