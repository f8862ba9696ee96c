// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EnergySettlement} from "../../src/EnergySettlement.sol";
import {ISettlementClosing} from "../../src/interfaces/ISettlementClosing.sol";
import {CloseInfo} from "../../src/types/Close.sol";
import {AccountInfo} from "../../src/types/Hive.sol";
import {CloseRequest, Signature, Statement} from "../../src/types/Messages.sol";
import {Base} from "../Base.sol";
import {Cheats} from "./Cheats.sol";
import {Court} from "./Court.sol";
import {Seat} from "./World.sol";

/// @title One attacker, or ordinary life: actions with one seed each, that the fuzzer calls in any order.
/// @notice What it sends to EnergySettlement goes through the court. An action that could do nothing counts nothing.
abstract contract Handler is Base {
    Cheats internal constant cheats = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 internal constant OPEN = 1;
    uint256 internal constant CLOSING = 2;
    uint256 internal constant CLOSED = 3;

    Court internal immutable court;
    EnergySettlement internal immutable settlement;
    ISettlementClosing internal immutable closing;
    /// @notice How often an action did what it is for, by selector.
    mapping(bytes4 action => uint256) public done;

    constructor(Court court_) {
        court = court_;
        settlement = court_.settlement();
        closing = court_.closing();
    }

    /// @notice The actions of this attacker; each must succeed in a long enough run.
    function actions() external pure virtual returns (bytes4[] memory);

    function _did() internal {
        ++done[msg.sig];
    }

    function _list(bytes4 a) internal pure returns (bytes4[] memory list) {
        list = new bytes4[](1);
        list[0] = a;
    }

    function _list(bytes4 a, bytes4 b) internal pure returns (bytes4[] memory list) {
        list = new bytes4[](2);
        (list[0], list[1]) = (a, b);
    }

    function _list(bytes4 a, bytes4 b, bytes4 c) internal pure returns (bytes4[] memory list) {
        list = new bytes4[](3);
        (list[0], list[1], list[2]) = (a, b, c);
    }

    // ---- Looking

    function _addr(uint256 key) internal view returns (address) {
        return court.addr(key);
    }

    function _account(uint32 hive, uint256 key) internal view returns (AccountInfo memory) {
        return settlement.account(hive, _addr(key));
    }

    function _spendable(uint32 hive, uint256 key) internal view returns (uint256) {
        AccountInfo memory a = _account(hive, key);
        return uint256(int256(a.funding) - a.net);
    }

    function _pool(uint32 hive) internal view returns (uint256) {
        return settlement.poolOf(hive).pool;
    }

    function _seat(uint256 seed) internal view returns (Seat memory) {
        Seat[] memory all = court.seats();
        return all[seed % all.length];
    }

    function _queen(uint32 hive) internal view returns (address) {
        return settlement.queenOf(hive, court.nowSlot());
    }

    /// A number from -most to +most.
    function _signed(uint256 seed, uint256 most) internal pure returns (int256) {
        return int256(seed % (2 * most + 1)) - int256(most);
    }

    // ---- Doing

    /// Makes an account OPEN when that is possible: waits for a close, pays in as its owner.
    function _makeOpen(uint32 hive, uint256 key) internal returns (bool) {
        AccountInfo memory a = _account(hive, key);
        if (a.state == OPEN) return true;
        if (a.state == CLOSING && !_finish(hive, key)) return false;
        a = _account(hive, key);
        uint256 earliest = (uint256(a.slot) + 1) * 900;
        if (a.state == CLOSED && vm.getBlockTimestamp() < earliest) vm.warp(earliest);
        address owner = court.ownerOf(key);
        court.supply(owner, hive, 500e6);
        (bool ok,) = court.send(
            owner, abi.encodeCall(settlement.deposit, (hive, _addr(key), 500e6 * court.scaleOf(hive)))
        );
        return ok;
    }

    /// Waits until a running close may be finished, and finishes it.
    function _finish(uint32 hive, uint256 key) internal returns (bool ok) {
        CloseInfo memory close = settlement.closeOf(hive, _addr(key));
        if (close.endsAt == 0) return false;
        if (vm.getBlockTimestamp() < close.endsAt) vm.warp(close.endsAt);
        (ok,) = court.send(court.STRANGER(), abi.encodeCall(settlement.finishClose, (hive, _addr(key))));
        if (!ok) court.breach(13, "a close cannot be finished");
    }

    /// Settles packed leaves as the Queen in force. 15: no settle fails.
    function _settle(uint32 hive, bytes memory packed) internal returns (uint256 applied) {
        (bool ok, bytes memory answer) =
            court.send(_queen(hive), abi.encodeCall(settlement.settle, (hive, court.nowSlot(), packed)));
        if (!ok) court.breach(15, "settle failed");
        else applied = abi.decode(answer, (uint32));
    }

    function _paperOf(uint32 hive, uint256 key, int256 change, uint256 seed) internal returns (Statement memory) {
        return court.paper(hive, key, court.writePaper(hive, key, change, seed));
    }

    function _leaf(Statement memory s) internal view returns (bytes memory) {
        return court.leaf(s, court.keyOf(s.worker));
    }

    function _startStoredCall(uint32 hive, uint256 key, uint256 signer, uint32 newest)
        internal
        view
        returns (bytes memory)
    {
        (CloseRequest memory r, Signature memory sig) = court.request(hive, key, signer, newest);
        return abi.encodeWithSelector(court.startStored(), r, sig);
    }

    function _startShownCall(Statement memory s, uint256 signer, uint32 newest) internal view returns (bytes memory) {
        (CloseRequest memory r, Signature memory sig) = court.request(s.hive, court.keyOf(s.worker), signer, newest);
        (Signature memory w, Signature memory q) = court.both(s);
        return abi.encodeWithSelector(court.startShown(), r, sig, s, w, q);
    }

    function _contestCall(Statement memory s) internal view returns (bytes memory) {
        (Signature memory w, Signature memory q) = court.both(s);
        return abi.encodeCall(settlement.contest, (s, w, q));
    }

    function _applyCall(Statement memory s) internal view returns (bytes memory) {
        (Signature memory w, Signature memory q) = court.both(s);
        return abi.encodeCall(settlement.applyStatement, (s.hive, s, w, q));
    }

    /// Applies a Statement; 0 when it was applied, else the reason; 99 when the call was refused.
    function _apply(Statement memory s) internal returns (uint8) {
        (bool ok, bytes memory answer) = court.send(court.STRANGER(), _applyCall(s));
        return ok ? abi.decode(answer, (uint8)) : 99;
    }

    /// The owner sees to it that his Queen has a bond.
    function _bond(uint32 hive) internal {
        if (settlement.poolOf(hive).bond != 0) return;
        address owner = court.hiveOwner(hive);
        court.supply(owner, hive, 50e6);
        court.must(owner, abi.encodeCall(closing.postBond, (hive, 50e6 * court.scaleOf(hive))));
    }
}
