// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccountInfo} from "../../src/types/Hive.sol";
import {Messages, Signature, Statement, WithdrawPermit} from "../../src/types/Messages.sol";
import {Court} from "./Court.sol";
import {Handler} from "./Handler.sol";
import {Seat} from "./World.sol";

/// @title Attacker: a Worker that keeps all it ever signed, and shows what suits it.
contract OldStates is Handler {
    constructor(Court court_) Handler(court_) {}

    function actions() external pure override returns (bytes4[] memory) {
        return _list(this.closeOnOld.selector, this.replay.selector, this.anyOrder.selector);
    }

    /// Spends, closes on the state before; the Queen brings the newer one and the Worker pays.
    function closeOnOld(uint256 seed) external {
        if (!_makeOpen(2, 5)) return;
        Statement memory old = _paperOf(2, 5, 0, seed >> 64);
        Statement memory newer = _paperOf(2, 5, int256(seed % 20e6), seed >> 72);
        uint256 left = uint256(int256(_account(2, 5).funding) - newer.net);
        court.must(court.STRANGER(), _startShownCall(old, 5, old.slot));
        court.must(_queen(2), _contestCall(newer));
        uint256 held = court.coinOf(2).balanceOf(court.ownerOf(5)) + court.coinOf(2).balanceOf(court.otherPayoutOf(5));
        if (!_finish(2, 5)) return;
        uint256 got = court.coinOf(2).balanceOf(court.ownerOf(5)) + court.coinOf(2).balanceOf(court.otherPayoutOf(5));
        uint256 most = left > court.MIN_PENALTY() ? left - court.MIN_PENALTY() : 0;
        if (got - held > most * court.scaleOf(2)) court.breach(0, "a lie cost the Worker nothing");
        _did();
    }

    /// 4: what was signed long ago changes nothing.
    function replay(uint256 seed) external {
        Seat memory seat = _seat(seed);
        uint256 count = court.papers(seat.hive, seat.key);
        if (count == 0) return;
        Statement memory s = court.paper(seat.hive, seat.key, (seed >> 16) % count);
        AccountInfo memory a = _account(seat.hive, seat.key);
        if (s.slot > a.slot) return;
        uint256 pool = _pool(seat.hive);
        bool applied = _apply(s) == 0;
        bool same = keccak256(abi.encode(_account(seat.hive, seat.key))) == keccak256(abi.encode(a));
        if (applied || !same || _pool(seat.hive) != pool) court.breach(4, "an old Statement changed something");
        _did();
    }

    /// 4: three Statements in any order leave the account as the newest alone, and the pool, too.
    function anyOrder(uint256 seed) external {
        if (!_makeOpen(2, 5)) return;
        Statement[3] memory s;
        for (uint256 i = 0; i < 3; ++i) s[i] = _paperOf(2, 5, _signed(seed >> (i * 8), 2e6), seed >> (64 + i));
        uint256 start = cheats.snapshotState();
        bool applied = _apply(s[2]) == 0;
        bytes32 alone = keccak256(abi.encode(_account(2, 5)));
        cheats.revertToState(start);
        uint256 first = seed % 3;
        uint256 second = (first + 1 + (seed >> 8) % 2) % 3;
        _apply(s[first]);
        _apply(s[second]);
        _apply(s[3 - first - second]);
        _apply(s[2]);
        if (!applied) return;
        // The mark OWED alone may tell of an earlier one that the pool could not pay; the pool was empty then.
        if (keccak256(abi.encode(_account(2, 5))) != alone && !_account(2, 5).owed) {
            court.breach(4, "the order of Statements mattered");
        }
        _did();
    }
}

/// @title Attacker: a Worker that keeps its countersignature to itself and contests with it, to have the Queen fined.
contract Withholder is Handler {
    constructor(Court court_) Handler(court_) {}

    function actions() external pure override returns (bytes4[] memory) {
        return _list(this.contestWithTheNamed.selector);
    }

    function contestWithTheNamed(uint256 seed) external {
        uint256 key = 1 + seed % 2;
        if (!_makeOpen(1, key)) return;
        _bond(1);
        Statement memory last = _paperOf(1, key, _signed(seed >> 8, 20e6), seed >> 64);
        Statement memory kept = _paperOf(1, key, _signed(seed >> 16, 20e6), seed >> 72);
        // She has the older one with both signatures, and names the newer one she has signed alone.
        court.must(_queen(1), _startShownCall(last, court.queenKey(1, court.nowSlot()), kept.slot));
        court.must(_addr(key), _contestCall(kept));
        uint64 bond = settlement.poolOf(1).bond;
        if (!_finish(1, key)) return;
        if (settlement.poolOf(1).bond != bond) court.breach(0, "an honest Queen was fined");
        _did();
    }
}

/// @title Attacker: a Worker that uses a permit just before the Queen settles; and permits in general.
contract PermitUser is Handler {
    constructor(Court court_) Handler(court_) {}

    function actions() external pure override returns (bytes4[] memory) {
        return _list(this.justBeforeSettle.selector, this.again.selector, this.forged.selector);
    }

    /// All but the least penalty leaves; the leaf that needed it is skipped, the batch goes on.
    function justBeforeSettle(uint256 seed) external {
        if (!_makeOpen(2, 5) || !_makeOpen(2, 6)) return;
        Statement memory s = _paperOf(2, 5, int256(court.MIN_PENALTY() + 1 + seed % 20e6), seed >> 64);
        Statement memory other = _paperOf(2, 6, int256(seed % 1e6), seed >> 72);
        uint256 spendable = _spendable(2, 5);
        if (spendable <= court.MIN_PENALTY() + 1) return;
        _withdraw(2, 5, uint64(spendable - court.MIN_PENALTY()));
        uint256 applied = _settle(2, bytes.concat(_leaf(s), _leaf(other)));
        bool skipped = _account(2, 5).slot < s.slot;
        if (skipped && applied != 1) court.breach(7, "a skipped leaf took another with it");
        if (skipped) _did();
    }

    function again(uint256 seed) external {
        if (!_makeOpen(2, 5)) return;
        court.must(address(court), abi.encodeCall(settlement.deposit, (2, _addr(5), 10e6 * court.scaleOf(2))));
        uint64 amount = uint64(1 + seed % (_spendable(2, 5) - court.MIN_PENALTY()));
        (WithdrawPermit memory p, Signature memory sig) = court.permit(2, 5, amount);
        bytes memory call = abi.encodeCall(closing.withdraw, (p, sig));
        court.mustNot(court.STRANGER(), call, 6, "a stranger used a permit");
        address payout = _account(2, 5).payout;
        court.must(payout, call);
        court.mustNot(payout, call, 6, "a permit served twice");
        _did();
    }

    /// A permit of anybody but the Queen, or on an account that is closing.
    function forged(uint256 seed) external {
        Seat memory seat = _seat(seed);
        if (seat.key == 11 || _account(seat.hive, seat.key).state == 0) return;
        (WithdrawPermit memory p, Signature memory sig) = court.permit(seat.hive, seat.key, uint64(1 + seed % 1e6));
        AccountInfo memory a = _account(seat.hive, seat.key);
        Signature memory own = court.sign(seat.key, Messages.hash(p));
        court.mustNot(a.payout, abi.encodeCall(closing.withdraw, (p, own)), 6, "a permit signed by the Worker");
        if (a.state != OPEN) {
            court.mustNot(a.payout, abi.encodeCall(closing.withdraw, (p, sig)), 6, "withdrawn while closing or closed");
        }
        _did();
    }

    function _withdraw(uint32 hive, uint256 key, uint64 amount) private {
        (WithdrawPermit memory p, Signature memory sig) = court.permit(hive, key, amount);
        court.must(_account(hive, key).payout, abi.encodeCall(closing.withdraw, (p, sig)));
    }
}

/// @title Attacker: who comes with a newer Statement when the window is over.
contract LateNewer is Handler {
    constructor(Court court_) Handler(court_) {}

    function actions() external pure override returns (bytes4[] memory) {
        return _list(this.inFavour.selector, this.againstTheWorker.selector, this.tooLate.selector);
    }

    /// In the Worker's favour it is a claim on pool and bond, once.
    function inFavour(uint256 seed) external {
        Statement memory newer = _closedBefore(seed, -int256(1 + seed % 5e6));
        if (newer.hive == 0) return;
        AccountInfo memory a = _account(1, 1);
        uint64 claimed = settlement.claimOf(1, _addr(1));
        (bool ok,) = court.send(court.STRANGER(), _lateCall(newer));
        if (!ok) return;
        uint256 more = settlement.claimOf(1, _addr(1)) - claimed;
        if (int256(more) != int256(a.net) - newer.net) court.breach(0, "a late claim of another amount");
        court.mustNot(court.STRANGER(), _lateCall(newer), 4, "a late Statement served twice");
        _did();
    }

    function againstTheWorker(uint256 seed) external {
        Statement memory newer = _closedBefore(seed, int256(1 + seed % 5e6));
        if (newer.hive == 0) return;
        court.mustNot(court.STRANGER(), _lateCall(newer), 0, "a late Statement took from the Worker");
        _did();
    }

    function tooLate(uint256 seed) external {
        Statement memory newer = _closedBefore(seed, -int256(1 + seed % 5e6));
        if (newer.hive == 0) return;
        court.pass(31 days);
        court.mustNot(court.STRANGER(), _lateCall(newer), 0, "a Statement was taken after thirty days");
        _did();
    }

    /// Worker 1 closes, contest-free, on the Statement before its newest.
    function _closedBefore(uint256 seed, int256 change) private returns (Statement memory newer) {
        if (!_makeOpen(1, 1)) return newer;
        Statement memory first = _paperOf(1, 1, 0, seed >> 64);
        Statement memory second = _paperOf(1, 1, change, seed >> 72);
        court.must(court.STRANGER(), _startShownCall(first, 1, first.slot));
        if (!_finish(1, 1)) return newer;
        int256 moved = int256(second.net) - _account(1, 1).net;
        // The rules may have cut the change to nothing.
        if ((moved < 0) == (change < 0) && moved != 0) newer = second;
    }

    function _lateCall(Statement memory s) private view returns (bytes memory) {
        (Signature memory w, Signature memory q) = court.both(s);
        return abi.encodeCall(closing.claimLate, (s, w, q));
    }
}
