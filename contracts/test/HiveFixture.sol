// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EnergySettlement} from "../src/EnergySettlement.sol";
import {MeterList} from "../src/MeterList.sol";
import {SettlementClosing} from "../src/SettlementClosing.sol";
import {TestCoin} from "../src/TestCoin.sol";
import {IMeterList} from "../src/interfaces/IMeterList.sol";
import {ISettlementBook} from "../src/interfaces/ISettlementBook.sol";
import {ISettlementClosing} from "../src/interfaces/ISettlementClosing.sol";
import {ISettlementEvents} from "../src/interfaces/ISettlementEvents.sol";
import {CloseInfo} from "../src/types/Close.sol";
import {AccountInfo, PoolInfo} from "../src/types/Hive.sol";
import {CloseRequest, HiveTerms, Messages, Signature, Statement} from "../src/types/Messages.sol";
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
    /// The same address: the functions behind the fallback.
    ISettlementClosing internal closing;
    MeterList internal list;
    TestCoin internal coin;
    address internal queen;

    function setUp() public virtual {
        vm.warp(uint256(OPENED) * 900);
        queen = vm.addr(QUEEN_KEY);
        list = new MeterList(address(this));
        settlement = deploy(list);
        closing = ISettlementClosing(address(settlement));
        list.setSettlement(ISettlementBook(address(settlement)));
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

    /// Expects the next call to be refused with that error.
    function refuse(bytes4 selector) internal {
        vm.expectRevert(abi.encodeWithSelector(selector));
    }

    function refuse(bytes4 selector, uint256 a) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, a));
    }

    function refuse(bytes4 selector, uint256 a, uint256 b) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, a, b));
    }

    /// The same for an error about one account.
    function refuse(bytes4 selector, address worker) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, HIVE, worker));
    }

    /// Both pieces of code, fee 0.
    function deploy(IMeterList meters) internal returns (EnergySettlement) {
        SettlementClosing piece = new SettlementClosing(meters, TREASURY, TIMELOCK, 0);
        return new EnergySettlement(meters, TREASURY, TIMELOCK, 0, piece);
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

    /// Both signatures over a Statement.
    function both(Statement memory state) internal view returns (Signature memory w, Signature memory q) {
        uint256 worker = state.worker == vm.addr(1) ? 1 : state.worker == vm.addr(2) ? 2 : 3;
        bytes32 hash = Messages.hash(state);
        return (signHash(worker, hash), signHash(QUEEN_KEY, hash));
    }

    function closeAgreed(uint256 key, uint32 slot, int64 net, uint64 payout) internal {
        Statement memory state = statement(key, slot, net);
        uint48 deadline = uint48(vm.getBlockTimestamp() + 1 hours);
        bytes32 hash = Messages.hashAgreement(state, payout, deadline);
        settlement.closeAgreed(state, payout, deadline, signHash(key, hash), signHash(QUEEN_KEY, hash));
    }

    function request(uint256 key, uint32 newestSlot) internal view returns (CloseRequest memory) {
        return CloseRequest(HIVE, vm.addr(key), newestSlot, uint48(vm.getBlockTimestamp() + 1 hours));
    }

    /// Starts a close of `key`'s account on what storage has, requested by `signer`.
    function startStored(uint256 key, uint256 signer, uint32 newestSlot) internal {
        CloseRequest memory r = request(key, newestSlot);
        settlement.startClose(r, signHash(signer, Messages.hash(r)));
    }

    /// Starts a close of `key`'s account on a Statement, requested by `signer`, who names `newestSlot`.
    function startShown(uint256 key, uint256 signer, Statement memory state, uint32 newestSlot) internal {
        CloseRequest memory r = request(key, newestSlot);
        Signature memory sig = signHash(signer, Messages.hash(r));
        (Signature memory w, Signature memory q) = both(state);
        settlement.startClose(r, sig, state, w, q);
    }

    function payoutOf(uint256 key) internal pure returns (address) {
        return address(uint160(0xB0 + key));
    }

    /// Coins at an address, micro-coins.
    function microOf(address holder) internal view returns (uint256) {
        return coin.balanceOf(holder) / SCALE;
    }

    function postBond(uint256 amount) internal {
        coin.mint(OWNER, amount);
        vm.prank(OWNER);
        coin.approve(address(settlement), amount);
        vm.prank(OWNER);
        closing.postBond(HIVE, amount);
    }

    function freeze() internal {
        list.freezeHive(HIVE);
    }

    function closeInfo(uint256 key) internal view returns (CloseInfo memory) {
        return settlement.closeOf(HIVE, vm.addr(key));
    }

    function claimOf(uint256 key) internal view returns (uint64) {
        return settlement.claimOf(HIVE, vm.addr(key));
    }

    function contest(Statement memory state) internal {
        (Signature memory w, Signature memory q) = both(state);
        settlement.contest(state, w, q);
    }

    function finish(uint256 key) internal {
        vm.warp(settlement.closeOf(HIVE, vm.addr(key)).endsAt);
        settlement.finishClose(HIVE, vm.addr(key));
    }

    /// Calls the settlement contract from here, so that a refusal can be expected of one call.
    function send(bytes calldata call) external {
        (bool done, bytes memory answer) = address(settlement).call(call);
        if (done) return;
        assembly ("memory-safe") {
            revert(add(answer, 0x20), mload(answer))
        }
    }

    function agreement(uint256 key, uint32 slot, int64 net, uint64 payout) internal view returns (bytes memory) {
        Statement memory state = statement(key, slot, net);
        uint48 deadline = uint48(vm.getBlockTimestamp() + 1 hours);
        bytes32 hash = Messages.hashAgreement(state, payout, deadline);
        return abi.encodeCall(
            settlement.closeAgreed, (state, payout, deadline, signHash(key, hash), signHash(QUEEN_KEY, hash))
        );
    }

    function shownCall(uint256 key, Statement memory state, uint32 newestSlot)
        internal
        view
        returns (bytes memory)
    {
        CloseRequest memory r = request(key, newestSlot);
        (Signature memory w, Signature memory q) = both(state);
        return abi.encodeWithSignature(
            "startClose((uint32,address,uint32,uint48),(bytes32,bytes32),"
            "(uint32,address,uint32,int64,uint48,uint48,bytes32),(bytes32,bytes32),(bytes32,bytes32))",
            r, signHash(key, Messages.hash(r)), state, w, q
        );
    }

    function reopen(uint256 key, uint32 slot) internal {
        vm.warp(uint256(slot) * 900);
        coin.mint(payoutOf(key), COIN);
        vm.prank(payoutOf(key));
        coin.approve(address(settlement), COIN);
        vm.prank(payoutOf(key));
        settlement.deposit(HIVE, vm.addr(key), COIN);
    }

    function contestCall(Statement memory state) internal view returns (bytes memory) {
        (Signature memory w, Signature memory q) = both(state);
        return abi.encodeCall(settlement.contest, (state, w, q));
    }

    function lateCall(Statement memory state) internal view returns (bytes memory) {
        (Signature memory w, Signature memory q) = both(state);
        return abi.encodeCall(closing.claimLate, (state, w, q));
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
        int256 total = int256(uint256(p.pool) + p.fees + p.bond + p.claimsFunded);
        for (uint256 key = 1; key <= workers; ++key) {
            AccountInfo memory a = info(key);
            int256 spendable = int256(a.funding) - a.net;
            assertTrue(spendable >= 0, "spendable is never negative");
            total += spendable;
        }
        assertEq(int256(coin.balanceOf(address(settlement)) / SCALE), total, "coins equal balances");
    }
}
