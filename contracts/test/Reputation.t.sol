// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHiveReader} from "../src/interfaces/IHiveReader.sol";
import {Reputation} from "../src/Reputation.sol";
import {MerkleRoot} from "../src/types/MerkleRoot.sol";
import {HiveDoubles, SettlementDouble} from "./HiveDoubles.sol";

/// One root a day by the Queen, never overwritten, and scores that prove themselves.
contract ReputationTest is HiveDoubles {
    SettlementDouble private _settlement;
    Reputation private _reputation;
    address private _queen;
    uint32 private _today;

    function setUp() public {
        vm.warp(uint256(SLOT) * 900);
        _today = uint32(uint256(SLOT) * 900 / 1 days);
        _queen = vm.addr(QUEEN_KEY);
        _settlement = new SettlementDouble();
        _settlement.setHive(HIVE, address(1), SCALE, OWNER, _queen);
        _reputation = new Reputation(_settlement);
    }

    function leaf(uint256 key, uint16 perMille) private view returns (bytes32) {
        return _reputation.leafOf(HIVE, _today, vm.addr(key), perMille);
    }

    /// Root of the given leaves by the library that settle uses.
    function rootOf(bytes32[] memory leaves) private pure returns (bytes32) {
        uint256 nodes;
        assembly ("memory-safe") {
            nodes := add(leaves, 0x20)
        }
        return MerkleRoot.compute(nodes, leaves.length);
    }

    function store(bytes32 root) private {
        vm.prank(_queen);
        _reputation.storeRoot(HIVE, _today, root);
    }

    function pair(bytes32 a, bytes32 b) private pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }

    function test_a_stored_root_proves_each_score_and_nothing_else() public {
        bytes32[] memory leaves = new bytes32[](3);
        (leaves[0], leaves[1], leaves[2]) = (leaf(1, 1000), leaf(2, 722), leaf(3, 500));
        bytes32[] memory pairProof = new bytes32[](2);
        (pairProof[0], pairProof[1]) = (leaves[1], leaves[2]);
        bytes32[] memory lastProof = new bytes32[](1);
        lastProof[0] = pair(leaves[0], leaves[1]);
        bytes32 root = rootOf(leaves);
        assertTrue(!_reputation.proveScore(HIVE, _today, vm.addr(1), 1000, pairProof), "nothing stored yet");
        store(root);
        assertEq(_reputation.rootOf(HIVE, _today), root, "stored");
        assertTrue(_reputation.proveScore(HIVE, _today, vm.addr(1), 1000, pairProof), "first of a pair");
        assertTrue(_reputation.proveScore(HIVE, _today, vm.addr(3), 500, lastProof), "odd leaf carried up");
        assertTrue(!_reputation.proveScore(HIVE, _today, vm.addr(1), 999, pairProof), "another score");
        assertTrue(!_reputation.proveScore(HIVE, _today, vm.addr(2), 1000, pairProof), "another Worker");
        assertTrue(!_reputation.proveScore(HIVE, _today - 1, vm.addr(1), 1000, pairProof), "another day");
        assertTrue(!_reputation.proveScore(HIVE + 1, _today, vm.addr(1), 1000, pairProof), "another Hive");
        assertTrue(!_reputation.proveScore(HIVE, _today, vm.addr(1), 1000, lastProof), "another proof");
    }

    function test_a_score_above_full_proves_nothing_even_when_its_leaf_is_the_root() public {
        store(leaf(1, 1001));
        assertTrue(!_reputation.proveScore(HIVE, _today, vm.addr(1), 1001, new bytes32[](0)), "above 1000");
    }

    function test_a_lone_worker_proves_its_score_without_a_proof() public {
        store(leaf(1, 1000));
        assertTrue(_reputation.proveScore(HIVE, _today, vm.addr(1), 1000, new bytes32[](0)), "leaf is the root");
    }

    function test_the_leaf_is_the_double_hash_of_its_four_words() public view {
        bytes memory words = abi.encodePacked(
            uint256(HIVE), uint256(_today), uint256(uint160(vm.addr(1))), uint256(900)
        );
        assertEq(words.length, 128, "four words");
        assertEq(leaf(1, 900), keccak256(abi.encodePacked(keccak256(words))), "double hash");
    }

    function test_a_root_is_never_overwritten() public {
        store(bytes32(uint256(1)));
        refuse(abi.encodeWithSelector(Reputation.AlreadyStored.selector, HIVE, _today, bytes32(uint256(1))));
        store(bytes32(uint256(2)));
        refuse(abi.encodeWithSelector(Reputation.AlreadyStored.selector, HIVE, _today, bytes32(uint256(1))));
        store(bytes32(uint256(1)));
        assertEq(_reputation.rootOf(HIVE, _today), bytes32(uint256(1)), "the first");
    }

    function test_only_the_queen_in_force_stores() public {
        address next = vm.addr(NEXT_QUEEN_KEY);
        _settlement.setQueen(HIVE, next, SLOT + 1);
        vm.prank(next);
        refuse(abi.encodeWithSelector(Reputation.NotQueen.selector, HIVE, next));
        _reputation.storeRoot(HIVE, _today, bytes32(uint256(1)));
        vm.prank(OWNER);
        refuse(abi.encodeWithSelector(Reputation.NotQueen.selector, HIVE, OWNER));
        _reputation.storeRoot(HIVE, _today, bytes32(uint256(1)));
        vm.warp(uint256(SLOT + 1) * 900);
        vm.prank(_queen);
        refuse(abi.encodeWithSelector(Reputation.NotQueen.selector, HIVE, _queen));
        _reputation.storeRoot(HIVE, _today, bytes32(uint256(1)));
        vm.prank(next);
        _reputation.storeRoot(HIVE, _today - 3, bytes32(uint256(1)));
        assertEq(_reputation.rootOf(HIVE, _today - 3), bytes32(uint256(1)), "an earlier day, late");
        vm.prank(next);
        refuse(abi.encodeWithSelector(Reputation.NotQueen.selector, 9, next));
        _reputation.storeRoot(9, _today, bytes32(uint256(1)));
    }

    function test_no_root_for_a_day_to_come_and_no_empty_root() public {
        refuse(abi.encodeWithSelector(Reputation.DayInFuture.selector, _today + 1, _today));
        vm.prank(_queen);
        _reputation.storeRoot(HIVE, _today + 1, bytes32(uint256(1)));
        refuse(abi.encodeWithSelector(Reputation.ZeroRoot.selector));
        store(0);
    }

    function test_it_needs_a_settlement() public {
        refuse(abi.encodeWithSelector(Reputation.ZeroAddress.selector));
        new Reputation(IHiveReader(address(0)));
        assertEq(address(_reputation.settlement()), address(_settlement), "as given");
    }

    /// Proof of one leaf in the tree of `MerkleRoot`: the neighbour of each layer, none for an odd node.
    function proofOf(bytes32[] memory nodes, uint256 index) private pure returns (bytes32[] memory proof) {
        bytes32[] memory found = new bytes32[](8);
        uint256 depth;
        uint256 count = nodes.length;
        for (; count > 1; count = (count + 1) / 2) {
            if ((index ^ 1) < count) found[depth++] = nodes[index ^ 1];
            for (uint256 i = 0; i < count; i += 2) {
                nodes[i / 2] = i + 1 < count ? pair(nodes[i], nodes[i + 1]) : nodes[i];
            }
            index /= 2;
        }
        proof = new bytes32[](depth);
        for (uint256 i = 0; i < depth; ++i) {
            proof[i] = found[i];
        }
    }

    /// The leaves of a Hive of that many Workers, with scores drawn from the seed.
    function leavesOf(uint256 seed, uint256 count) private view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            leaves[i] = _reputation.leafOf(HIVE, _today, address(uint160(i + 1)), scoreOf(seed, i));
        }
    }

    function testFuzz_every_score_of_any_hive_proves_itself_only(uint256 seed, uint8 size, uint8 which) public {
        uint256 count = uint256(size) % 40 + 1;
        uint256 index = which % count;
        bytes32[] memory proof = proofOf(leavesOf(seed, count), index);
        store(rootOf(leavesOf(seed, count)));
        uint16 score = scoreOf(seed, index);
        assertTrue(proven(index, score, proof), "its own");
        assertTrue(!proven(index, (score + 1) % 1001, proof), "another score");
        if (proof.length == 0) return;
        assembly ("memory-safe") {
            mstore(proof, sub(mload(proof), 1))
        }
        assertTrue(!proven(index, score, proof), "a shorter proof");
    }

    function proven(uint256 index, uint16 score, bytes32[] memory proof) private view returns (bool) {
        return _reputation.proveScore(HIVE, _today, address(uint160(index + 1)), score, proof);
    }

    function scoreOf(uint256 seed, uint256 index) private pure returns (uint16) {
        return uint16(uint256(keccak256(abi.encode(seed, index))) % 1001);
    }
}
