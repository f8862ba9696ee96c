// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CloseInfo} from "../../src/types/Close.sol";
import {PoolInfo} from "../../src/types/Hive.sol";
import {Statement} from "../../src/types/Messages.sol";
import {Court} from "./Court.sol";
import {Handler} from "./Handler.sol";
import {Seat} from "./World.sol";

/// @title Ordinary life: homes pay in, Queens settle, closes are watched and finished, time passes.
contract Life is Handler {
    constructor(Court court_) Handler(court_) {}

    function actions() external pure override returns (bytes4[] memory list) {
        list = new bytes4[](8);
        (list[0], list[1], list[2]) = (this.deposit.selector, this.settle.selector, this.fund.selector);
        (list[3], list[4], list[5]) = (this.claim.selector, this.contest.selector, this.finish.selector);
        (list[6], list[7]) = (this.agree.selector, this.fees.selector);
    }

    function deposit(uint256 seed) external {
        Seat memory seat = _seat(seed);
        if (_account(seat.hive, seat.key).state != OPEN) return;
        uint256 amount = (1 + seed % 200e6) * court.scaleOf(seat.hive);
        court.must(address(court), abi.encodeCall(settlement.deposit, (seat.hive, _addr(seat.key), amount)));
        _did();
    }

    /// All open accounts of a Hive, in an order that may leave the payers to the end.
    function settle(uint256 seed) external {
        uint32 hive = uint32(1 + seed % 4);
        Seat[] memory all = court.seats();
        bytes memory packed;
        for (uint256 i = 0; i < all.length; ++i) {
            if (all[i].hive != hive || _account(hive, all[i].key).state != OPEN) continue;
            uint256 own = uint256(keccak256(abi.encode(seed, i)));
            packed = bytes.concat(packed, _leaf(_paperOf(hive, all[i].key, _signed(own, 40e6), own >> 64)));
        }
        if (packed.length != 0 && _settle(hive, packed) != 0) _did();
    }

    function fund(uint256 seed) external {
        uint32 hive = uint32(1 + seed % 4);
        uint256 amount = (1 + (seed >> 8) % 50e6) * court.scaleOf(hive);
        court.must(address(court), abi.encodeCall(settlement.fundPool, (hive, amount)));
        _did();
    }

    function claim(uint256 seed) external {
        Seat[] memory all = court.seats();
        for (uint256 i = 0; i < all.length; ++i) {
            Seat memory seat = all[(seed % all.length + i) % all.length];
            if (settlement.claimOf(seat.hive, _addr(seat.key)) == 0) continue;
            court.must(court.STRANGER(), abi.encodeCall(closing.claim, (seat.hive, _addr(seat.key))));
            return _did();
        }
    }

    /// A newer Statement displaces the state shown, whoever has shown it.
    function contest(uint256 seed) external {
        Seat memory seat = _running(seed);
        if (seat.hive == 0) return;
        Statement memory newest = court.lastState(seat.hive, seat.key);
        if (newest.slot <= settlement.closeOf(seat.hive, _addr(seat.key)).slot) {
            newest = _paperOf(seat.hive, seat.key, _signed(seed >> 8, 10e6), seed >> 64);
        }
        court.must(court.STRANGER(), _contestCall(newest));
        _did();
    }

    function finish(uint256 seed) external {
        Seat memory seat = _running(seed);
        if (seat.hive == 0) return;
        if (seed % 3 != 0) {
            bool early = vm.getBlockTimestamp() < settlement.closeOf(seat.hive, _addr(seat.key)).endsAt;
            bytes memory call = abi.encodeCall(settlement.finishClose, (seat.hive, _addr(seat.key)));
            if (early) court.mustNot(court.STRANGER(), call, 8, "a close was finished early");
        }
        if (_finish(seat.hive, seat.key)) _did();
    }

    /// Both agree to close on the newest state, and on a part of what is left.
    function agree(uint256 seed) external {
        Seat memory seat = _seat(seed);
        if (_account(seat.hive, seat.key).state != OPEN) return;
        Statement memory s = _paperOf(seat.hive, seat.key, _signed(seed >> 8, 10e6), seed >> 64);
        uint256 left = uint256(int256(_account(seat.hive, seat.key).funding) - s.net);
        bytes memory call = court.agreement(s, uint64(left - (seed >> 16) % (left / 10 + 1)));
        court.must(court.STRANGER(), call);
        court.mustNot(court.STRANGER(), call, 6, "an agreement served twice");
        _did();
    }

    function fees(uint256 seed) external {
        uint32 hive = uint32(1 + seed % 4);
        PoolInfo memory pool = settlement.poolOf(hive);
        if (pool.fees == 0) return;
        court.must(court.STRANGER(), abi.encodeCall(closing.claimFees, (hive)));
        _did();
    }

    function wait(uint256 seed) external {
        court.pass(1 + seed % 2 days);
    }

    /// An account that is closing; a home starts a close when there is none.
    function _running(uint256 seed) private returns (Seat memory seat) {
        Seat[] memory all = court.seats();
        for (uint256 i = 0; i < all.length; ++i) {
            seat = all[(seed % all.length + i) % all.length];
            CloseInfo memory close = settlement.closeOf(seat.hive, _addr(seat.key));
            if (close.endsAt != 0) return seat;
        }
        seat = _seat(seed);
        (bool ok,) = court.send(
            court.STRANGER(), _startStoredCall(seat.hive, seat.key, seat.key, _account(seat.hive, seat.key).slot)
        );
        if (!ok) seat.hive = 0;
    }
}
