// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {ISettlementForBeekeeper} from "../../src/interfaces/ISettlementForBeekeeper.sol";
import {HiveInfo} from "../../src/types/Hive.sol";
import {HiveTerms} from "../../src/types/Messages.sol";

/// @title Stands in for EnergySettlement where a test needs account states that only a long life brings about.
/// It refuses what EnergySettlement refuses at registration, and counts what it was told.
contract SettlementDouble is ISettlementForBeekeeper {
    struct Registered {
        address owner;
        address coin;
        address queen;
        uint64 minPenalty;
        bool frozen;
        bool short;
    }

    error HiveExists(uint32 hive);
    error WrongHive(uint32 expected, uint32 given);

    mapping(uint32 hive => Registered) public registered;
    mapping(uint32 hive => mapping(address worker => uint8)) private _states;
    mapping(uint32 hive => uint32) private _open;
    mapping(address meter => bool) private _banned;

    function registerHive(
        uint32 hive,
        address owner,
        IERC20Metadata coin,
        address queen,
        uint32,
        HiveTerms calldata terms,
        uint64 minPenalty
    ) external {
        if (registered[hive].owner != address(0)) revert HiveExists(hive);
        if (terms.hive != hive) revert WrongHive(hive, terms.hive);
        registered[hive] = Registered(owner, address(coin), queen, minPenalty, false, false);
    }

    function tellFrozen(uint32 hive) external {
        registered[hive].frozen = true;
    }

    function setState(uint32 hive, address worker, uint8 state) external {
        if (_isOpen(_states[hive][worker])) --_open[hive];
        if (_isOpen(state)) ++_open[hive];
        _states[hive][worker] = state;
    }

    function setShort(uint32 hive, bool short) external {
        registered[hive].short = short;
    }

    function ban(address meter) external {
        _banned[meter] = true;
    }

    function account(uint32 hive, address worker)
        external
        view
        returns (int64, int64, uint48, uint48, uint32, uint8)
    {
        return (0, 0, 0, 0, 0, _states[hive][worker]);
    }

    function hiveInfo(uint32 hive) external view returns (HiveInfo memory info) {
        Registered storage self = registered[hive];
        (info.coin, info.owner, info.queen) = (self.coin, self.owner, self.queen);
        (info.frozen, info.short, info.openAccounts) = (self.frozen, self.short, _open[hive]);
    }

    function queenOf(uint32 hive, uint32) external view returns (address) {
        return registered[hive].queen;
    }

    function isBanned(address meter) external view returns (bool) {
        return _banned[meter];
    }

    function _isOpen(uint8 state) private pure returns (bool) {
        return state == 1 || state == 2;
    }
}
