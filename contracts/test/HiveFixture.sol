// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EnergySettlement} from "../src/EnergySettlement.sol";
import {MeterList} from "../src/MeterList.sol";
import {TestCoin} from "../src/TestCoin.sol";
import {ISettlementEvents} from "../src/interfaces/ISettlementEvents.sol";
import {AccountInfo, PoolInfo} from "../src/types/Hive.sol";
import {HiveTerms, Messages, Signature, Statement} from "../src/types/Messages.sol";
import {Base, Log} from "./Base.sol";

/// @title A Hive with a funded pool and three Workers, and helpers that sign, pack and settle.
/// Keys 1, 2, 3 (Workers), 11 (Queen), 12 (next Queen) are published test keys and worth nothing.
abstract contract HiveFixture is Base {
    uint32 internal constant HIVE = 1;
    uint256 internal constant QUEEN_KEY = 11;
    uint256 internal constant NEXT_QUEEN_KEY = 12;
    uint32 internal constant OPENED = 2_222_222;
    address internal constant TREASURY = address(0x7EA);
    address internal constant TIMELOCK = address(0x71E);
    address internal constant OWNER = address(0x0E);
    address internal constant STRANGER = address(0x57A);
    uint256 internal constant SCALE = 1e12;
    uint256 internal constant COIN = 1e18;

    EnergySettlement internal settlement;
    MeterList internal list;
    TestCoin internal coin;
    address internal queen;

    function setUp() public virtual {
        vm.warp(uint256(OPENED) * 900);
        queen = vm.addr(QUEEN_KEY);
        list = new MeterList(address(this));
        settlement = new EnergySettlement(list, TREASURY, TIMELOCK, 0);
        list.setSettlement(settlement);
        coin = new TestCoin(address(this), 18);
        list.createHive(HIVE, OWNER, coin, queen, 3 days, terms(1, 0));
        coin.mint(address(this), 1e30);
        coin.approve(address(settlement), type(uint256).max);
        for (uint256 key = 1; key <= 3; ++key) {
            listMeter(vm.addr(key), address(uint160(0xB0 + key)));
            settlement.deposit(HIVE, vm.addr(key), 100 * COIN);
        }
        settlement.fundPool(HIVE, 50 * COIN);
        vm.warp(uint256(OPENED + 96) * 900);
    }

    function listMeter(address meter, address owner) internal {
        address[] memory meters = new address[](1);
        address[] memory owners = new address[](1);
        (meters[0], owners[0]) = (meter, owner);
        list.listMeters(HIVE, meters, owners);
    }

    /// 1 coin per kWh and 20 kW: 5 coins a slot.
    function terms(uint32 version, uint32 fromSlot) internal pure returns (HiveTerms memory) {
        return HiveTerms(HIVE, version, fromSlot, bytes32(uint256(1)), 500, 20, 20, 1_000_000, 20_000, 1_000_000, 2);
    }

    function statement(uint256 key, uint32 slot, int64 net) internal pure returns (Statement memory) {
        uint48 energy = uint48(slot - OPENED) * 1000;
        return Statement(HIVE, vm.addr(key), slot, net, energy, energy / 2, keccak256(abi.encode(key, slot)));
    }

    function signHash(uint256 key, bytes32 structHash) internal view returns (Signature memory) {
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", settlement.domainSeparator(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return Signature(r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
    }

    function pack(Statement memory state, Signature memory sig) internal pure returns (bytes memory) {
        return abi.encodePacked(
            state.worker, state.slot, state.net, state.imported, state.exported, state.readings, sig.r, sig.vs
        );
    }

    function leaf(uint256 key, uint32 slot, int64 net) internal view returns (bytes memory) {
        Statement memory state = statement(key, slot, net);
        return pack(state, signHash(key, Messages.hash(state)));
    }

    /// Settles as the Queen for the current slot; gives the reason of the first skipped leaf, 0 when none.
    function settle(bytes memory packed) internal returns (uint8) {
        uint32 slot = uint32(vm.getBlockTimestamp() / 900);
        vm.recordLogs();
        vm.prank(queen);
        settlement.settle(HIVE, slot, packed);
        return firstReason(vm.getRecordedLogs());
    }

    function firstReason(Log[] memory logs) internal pure returns (uint8) {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == ISettlementEvents.Skipped.selector) return abi.decode(logs[i].data, (uint8));
        }
        return 0;
    }

    function info(uint256 key) internal view returns (AccountInfo memory) {
        return settlement.account(HIVE, vm.addr(key));
    }

    function pool() internal view returns (PoolInfo memory) {
        return settlement.poolOf(HIVE);
    }

    /// Invariant 1 and 2: coins equal all balances, and no account is below zero.
    function assertConserved(uint256 workers) internal view {
        PoolInfo memory p = pool();
        int256 total = int256(uint256(p.pool) + p.fees);
        for (uint256 key = 1; key <= workers; ++key) {
            AccountInfo memory a = info(key);
            int256 spendable = int256(a.funding) - a.net;
            assertTrue(spendable >= 0, "spendable is never negative");
            total += spendable;
        }
        assertEq(int256(coin.balanceOf(address(settlement)) / SCALE), total, "coins equal balances");
    }

    /// Puts an account into a state that only the closing functions reach, by writing its storage.
    function setFlags(uint256 key, uint8 flags) internal {
        for (uint256 base = 0; base < 8; ++base) {
            bytes32 slot = keccak256(abi.encode(vm.addr(key), keccak256(abi.encode(HIVE, base))));
            uint256 word = uint256(vm.load(address(settlement), slot));
            if (word == 0 || (word >> 224) & type(uint24).max != info(key).slot) continue;
            word = (word & (type(uint256).max >> 8)) | (uint256(flags) << 248);
            vm.store(address(settlement), slot, bytes32(word));
            assertEq(info(key).state, flags & 3, "storage place found");
            return;
        }
        revert("storage place not found");
    }
}
