// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {SettlementBase} from "./SettlementBase.sol";
import {Account, AccountExtra, AccountState} from "./types/Account.sol";
import {Close, CloseInfo, CloseLibrary} from "./types/Close.sol";
import {AccountInfo, Cover, Hive, HiveInfo, MotherLink, PoolInfo} from "./types/Hive.sol";
import {Messages, Statement} from "./types/Messages.sol";
import {Money} from "./types/Money.sol";

/// @title What anyone may check about EnergySettlement. Money is in micro-coins, energy in milliwatt-hours.
abstract contract SettlementViews is SettlementBase {
    /// @notice One Worker's account; all zero when it never was opened.
    function account(uint32 hive, address worker) external view returns (AccountInfo memory info) {
        Account self = _accounts[hive][worker].word;
        AccountExtra extra = _extras[hive][worker];
        info.funding = self.funding();
        info.net = self.net();
        info.imported = self.imported();
        info.exported = self.exported();
        info.slot = self.slot();
        info.state = uint8(self.state());
        info.owed = self.isOwed();
        if (info.owed) info.owedSlot = extra.mark();
        info.payout = extra.payout();
        info.payoutSerial = extra.payoutSerial();
        info.permitSerial = extra.permitSerial();
        if (self.state() == AccountState.CLOSED) info.closedSlot = extra.mark();
    }

    /// @notice The running close of an account; `endsAt` is 0 when none runs.
    function closeOf(uint32 hive, address worker) external view returns (CloseInfo memory info) {
        Close self = _closes[hive][worker];
        info.endsAt = self.endsAt();
        info.slot = self.slot();
        info.net = self.net();
        info.imported = self.imported();
        info.exported = self.exported();
        info.newestSlot = self.newestSlot();
        // casting to 'uint8' is safe because a side has two bits
        info.side = uint8(self.side());
        if (info.side == CloseLibrary.QUEEN) info.starter = _queenFor(_hives[hive], _currentSlot());
        if (info.side == CloseLibrary.WORKER) {
            info.starter = self.has(CloseLibrary.BY_PAYOUT) ? _extras[hive][worker].payout() : worker;
        }
    }

    /// @notice What is recorded as owed to a closed account and was not fetched yet, micro-coins.
    function claimOf(uint32 hive, address worker) external view returns (uint64) {
        return _claims[hive][worker];
    }

    /// @notice Whether a meter has signed two different Readings for one slot and opens no account any more.
    function isBanned(address meter) external view returns (bool) {
        return _banned[meter];
    }

    /// @notice A Hive's mother; 0 when it has none.
    function motherOf(uint32 hive) external view returns (uint32) {
        return _hives[hive].mother.mother;
    }

    /// @notice A Hive's account in its mother and what has been moved there; all zero when it has no mother.
    function motherLink(uint32 hive) external view returns (MotherLink memory) {
        return _hives[hive].mother;
    }

    /// @notice A Hive's pool and what is asked of it.
    function poolOf(uint32 hive) external view returns (PoolInfo memory info) {
        Hive storage self = _hives[hive];
        Money memory money = self.money.unpack();
        Cover memory cover = self.cover;
        info.pool = money.pool;
        info.pending = self.pending;
        info.feeDue = money.feeDue;
        info.fees = money.fees;
        info.withdrawableAt = self.withdrawableAt;
        info.owedAccounts = money.owedAccounts;
        info.lastSlot = money.lastSlot;
        info.nextBatch = money.nextBatch;
        info.claimsOpen = cover.claimsOpen;
        info.claimsFunded = cover.claimsFunded;
        info.bond = cover.bond;
    }

    /// @notice What has been copied about a Hive; all zero for an unknown one.
    function hiveInfo(uint32 hive) external view returns (HiveInfo memory info) {
        Hive storage self = _hives[hive];
        Money memory money = self.money.unpack();
        info.coin = address(self.coin);
        info.scale = self.scale;
        info.frozen = self.frozen;
        info.short = _isShort(money, self.cover);
        info.owner = self.owner;
        info.window = self.window;
        info.queen = self.queen;
        info.previousQueen = self.previousQueen;
        info.queenFromSlot = self.queenFromSlot;
        info.terms = self.terms;
        info.maxPrice = self.limits.maxPrice();
        info.maxPowerW = self.limits.maxPowerW();
        info.nextTerms = self.nextTerms;
        info.nextFromSlot = self.limits.nextFromSlot();
        info.minPenalty = self.minPenalty;
        // Both counters wrap; only their difference counts.
        unchecked {
            info.openAccounts = uint24(self.openings - money.closings);
        }
        info.stayUntil = self.cover.stayUntil;
    }

    /// @notice The key whose signature counts for a Statement of that slot.
    function queenOf(uint32 hive, uint32 slot) external view returns (address) {
        return _queenFor(_hives[hive], slot);
    }

    /// @notice EIP-712 domain separator of this contract on this chain.
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// @notice Merkle root over the Statements a batch applied; 0 when it applied none.
    function rootOf(uint32 hive, uint32 slot, uint32 batch) external view returns (bytes32) {
        return _roots[_rootKey(hive, slot, batch)];
    }

    /// @notice Whether a Statement was applied in that batch.
    function verifyStatement(
        uint32 hive,
        uint32 slot,
        uint32 batch,
        Statement calldata leaf,
        bytes32[] calldata proof
    ) external view returns (bool) {
        bytes32 root = _roots[_rootKey(hive, slot, batch)];
        return root != 0 && leaf.hive == hive && MerkleProof.verifyCalldata(proof, root, Messages.hash(leaf));
    }

    function _rootKey(uint32 hive, uint32 slot, uint32 batch) internal pure returns (uint256) {
        return (uint256(hive) << 64) | (uint256(slot) << 32) | batch;
    }
}
