// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IHiveReader} from "./interfaces/IHiveReader.sol";

/// @title Reputation: one Merkle root per Hive and UTC day, against which anybody proves a Worker's score.
/// @notice Scores are computed off-chain from Declarations and Readings by a published formula, in per mille. They
/// change prices, never stakes: this contract holds no money and no other contract asks it. Not upgradeable.
contract Reputation {
    /// @notice Full reputation, per mille.
    uint16 public constant MAX_SCORE = 1000;
    /// @notice Seconds in a slot.
    uint256 public constant SLOT_SECONDS = 900;

    IHiveReader private immutable _settlement;
    mapping(uint32 hive => mapping(uint32 day => bytes32)) private _roots;

    /// @param day unix seconds // 86400
    event ScoresStored(uint32 indexed hive, uint32 indexed day, bytes32 root, address queen);

    error ZeroAddress();
    error ZeroRoot();
    error NotQueen(uint32 hive, address caller);
    error DayInFuture(uint32 day, uint256 current);
    error AlreadyStored(uint32 hive, uint32 day, bytes32 root);

    /// @param settlement_ EnergySettlement, which knows every Hive's Queen
    constructor(IHiveReader settlement_) {
        if (address(settlement_) == address(0)) revert ZeroAddress();
        _settlement = settlement_;
    }

    /// @notice Stores the root of a day's scores, once and for ever. By the Queen whose key is in force now.
    /// @param day unix seconds // 86400, at most today's
    /// @param root Merkle root with sorted pairs over `leafOf` of every Worker; must not be zero
    function storeRoot(uint32 hive, uint32 day, bytes32 root) external {
        // casting to 'uint32' is safe because slots of 900 seconds fit for more than 100,000 years
        if (msg.sender != _settlement.queenOf(hive, uint32(block.timestamp / SLOT_SECONDS))) {
            revert NotQueen(hive, msg.sender);
        }
        uint256 current = block.timestamp / 1 days;
        if (day > current) revert DayInFuture(day, current);
        if (root == 0) revert ZeroRoot();
        bytes32 stored = _roots[hive][day];
        if (stored != 0) revert AlreadyStored(hive, day, stored);
        _roots[hive][day] = root;
        emit ScoresStored(hive, day, root, msg.sender);
    }

    /// @notice Whether a Worker's score of that day is what the Queen stored. False for a day without a root and for a
    /// score above `MAX_SCORE`.
    /// @param score per mille
    function proveScore(uint32 hive, uint32 day, address worker, uint16 score, bytes32[] calldata proof)
        external
        view
        returns (bool)
    {
        bytes32 root = _roots[hive][day];
        if (root == 0 || score > MAX_SCORE) return false;
        return MerkleProof.verifyCalldata(proof, root, leafOf(hive, day, worker, score));
    }

    /// @notice The stored root; zero when there is none.
    function rootOf(uint32 hive, uint32 day) external view returns (bytes32) {
        return _roots[hive][day];
    }

    /// @notice EnergySettlement, where the Queens are read.
    function settlement() external view returns (IHiveReader) {
        return _settlement;
    }

    /// @notice Leaf of one score: keccak256 of keccak256 of the four words. Its pre-image has 32 bytes and that of an
    /// inner node 64, so neither can be shown as the other.
    function leafOf(uint32 hive, uint32 day, address worker, uint16 score) public pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(hive, day, worker, score))));
    }
}
