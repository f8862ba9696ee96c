// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccountInfo, PoolInfo} from "../../src/types/Hive.sol";
import {Messages, Signature, SlotTotals, Statement} from "../../src/types/Messages.sol";
import {Court} from "./Court.sol";
import {Handler} from "./Handler.sol";
import {Seat} from "./World.sol";

/// @title Attacker: a Queen that lies: bad leaves in batches, closes on old states, two totals for a slot.
contract LyingQueen is Handler {
    bytes4 private constant _PROVE_TOTALS = bytes4(
        keccak256(
            "proveEquivocation(uint32,(uint32,uint32,uint48,uint48,int64,int64,int64,int64,uint16,uint16,uint16,uint16,int64,bytes32,bytes32),(bytes32,bytes32),(uint32,uint32,uint48,uint48,int64,int64,int64,int64,uint16,uint16,uint16,uint16,int64,bytes32,bytes32),(bytes32,bytes32))"
        )
    );

    constructor(Court court_) Handler(court_) {}

    function actions() external pure override returns (bytes4[] memory) {
        return _list(this.settleWithLies.selector, this.showOldState.selector, this.equivocate.selector);
    }

    /// 7: a batch full of bad leaves, one for each rule, leaves everybody as the batch without them does.
    function settleWithLies(uint256 seed) external {
        if (!_makeOpen(1, 1) || !_makeOpen(1, 2)) return;
        _settle(1, _leaf(_paperOf(1, 2, 0, seed | 1)));
        Statement memory good = _paperOf(1, 1, _signed(seed >> 8, 20e6), seed >> 64);
        AccountInfo memory victim = _account(1, 2);
        if (victim.slot >= court.nowSlot()) court.pass(900);
        uint256 start = cheats.snapshotState();
        _settle(1, _leaf(good));
        bytes32 honest = keccak256(abi.encode(_account(1, 1), settlement.poolOf(1)));
        cheats.revertToState(start);
        bytes memory packed = _leaf(good);
        for (uint256 kind = 0; kind < 7; ++kind) {
            (Statement memory lie, uint256 signer) = _lie(kind, victim);
            bytes memory bad = court.leaf(lie, signer);
            packed = (seed >> kind) % 2 == 0 ? bytes.concat(bad, packed) : bytes.concat(packed, bad);
        }
        uint256 applied = _settle(1, packed);
        if (keccak256(abi.encode(_account(1, 1), settlement.poolOf(1))) != honest) {
            court.breach(7, "a bad leaf changed another's account or the pool");
        }
        if (keccak256(abi.encode(_account(1, 2))) != keccak256(abi.encode(victim))) {
            court.breach(7, "a bad leaf changed its account");
        }
        if (applied != 0) _did();
    }

    /// A Statement of Worker 2 that breaks one rule, and who signs it.
    function _lie(uint256 kind, AccountInfo memory a) private view returns (Statement memory s, uint256 signer) {
        s = Statement(1, _addr(2), a.slot + 1, a.net, a.imported, a.exported, 0);
        signer = 2;
        if (kind == 0) (s.worker, signer) = (_addr(16), 16);
        else if (kind == 1) s.slot = court.nowSlot() + 1;
        else if (kind == 2) s.slot = a.slot;
        else if (kind == 3) s.imported = a.imported - 1;
        else if (kind == 4) s.net = a.funding + 1;
        else if (kind == 5) s.net = a.net - int64(uint64(court.SLOT_CAP() + 1));
        else signer = 11;
    }

    /// Starts a close on a state that she knows to be old. Her bond pays when the newer one is brought.
    function showOldState(uint256 seed) external {
        uint256 key = 1 + seed % 2;
        if (!_makeOpen(1, key)) return;
        _bond(1);
        Statement memory old = _paperOf(1, key, _signed(seed >> 8, 20e6), seed >> 64);
        Statement memory newer = _paperOf(1, key, _signed(seed >> 16, 20e6), seed >> 72);
        court.must(_queen(1), _startShownCall(old, court.queenKey(1, court.nowSlot()), old.slot));
        court.must(court.STRANGER(), _contestCall(newer));
        court.mustNot(court.STRANGER(), _contestCall(old), 8, "an older state was taken in a contest");
        uint64 bond = settlement.poolOf(1).bond;
        if (!_finish(1, key)) return;
        if (settlement.poolOf(1).bond >= bond) court.breach(0, "a lie cost the Queen nothing");
        _did();
    }

    function equivocate(uint256 seed) external {
        if (seed % 2 != 0) return;
        _bond(1);
        uint32 slot = court.nowSlot();
        uint256 key = court.queenKey(1, slot);
        SlotTotals memory a;
        (a.hive, a.slot, a.price) = (1, slot, int64(uint64(seed >> 192)));
        SlotTotals memory b = abi.decode(abi.encode(a), (SlotTotals));
        b.bought = 1;
        Signature memory sigA = court.sign(key, Messages.hash(a));
        court.mustNot(
            court.STRANGER(), abi.encodeWithSelector(_PROVE_TOTALS, 1, a, sigA, a, sigA), 0, "one paper is no two"
        );
        Signature memory sigB = court.sign(key, Messages.hash(b));
        (bool ok,) = court.send(court.STRANGER(), abi.encodeWithSelector(_PROVE_TOTALS, 1, a, sigA, b, sigB));
        if (!ok) return;
        if (settlement.poolOf(1).bond != 0) court.breach(0, "equivocation left a bond");
        _did();
    }
}

/// @title Attacker: a Queen that falls silent. Homes get out alone.
contract SilentQueen is Handler {
    constructor(Court court_) Handler(court_) {}

    function actions() external pure override returns (bytes4[] memory) {
        return _list(this.closeAlone.selector, this.closeStale.selector);
    }

    /// Any home with its own key and its newest Statement. 16: nobody else is needed.
    function closeAlone(uint256 seed) external {
        Seat memory seat = _seat(seed);
        if (_account(seat.hive, seat.key).state != OPEN) return;
        Statement memory s = _paperOf(seat.hive, seat.key, _signed(seed >> 8, 30e6), seed >> 64);
        (bool ok,) = court.send(court.STRANGER(), _startShownCall(s, seat.key, s.slot));
        if (!ok) court.breach(16, "a home cannot close alone");
        else _did();
    }

    function closeStale(uint256 seed) external {
        Seat memory seat = _seat(seed);
        if (!_makeOpen(seat.hive, seat.key)) return;
        bytes memory call = abi.encodeCall(closing.startCloseStale, (seat.hive, _addr(seat.key)));
        uint256 last = settlement.poolOf(seat.hive).lastSlot;
        bool fresh = last + 30 * 96 > court.nowSlot() && !settlement.hiveInfo(seat.hive).frozen;
        if (fresh) court.mustNot(court.STRANGER(), call, 8, "a live account was closed as stale");
        court.pass(30 days);
        (bool ok,) = court.send(court.STRANGER(), call);
        if (!ok) court.breach(13, "an abandoned account cannot be closed");
        else _did();
    }
}

/// @title Attacker: a Queen with a meter of her own, which signs whatever she likes.
contract ShillQueen is Handler {
    uint256 private constant _SHILL = 4;

    constructor(Court court_) Handler(court_) {}

    function actions() external pure override returns (bytes4[] memory) {
        return _list(this.drain.selector, this.overdraw.selector);
    }

    /// As much credit as the terms allow: price x power x time, and not a millionth more.
    function drain(uint256 seed) external {
        if (!_makeOpen(1, _SHILL)) return;
        AccountInfo memory a = _account(1, _SHILL);
        uint256 before = _pool(1);
        Statement memory s = _paperOf(1, _SHILL, -1e15, seed);
        if (_settle(1, _leaf(s)) == 0) return;
        uint256 slots = s.slot - a.slot > 192 ? 192 : s.slot - a.slot;
        if (before > _pool(1) + slots * court.SLOT_CAP()) court.breach(0, "a shill drew more than its terms allow");
        _did();
    }

    function overdraw(uint256 seed) external {
        if (!_makeOpen(1, _SHILL)) return;
        AccountInfo memory a = _account(1, _SHILL);
        uint32 current = court.nowSlot();
        if (current <= a.slot) return;
        uint256 slots = current - a.slot > 192 ? 192 : current - a.slot;
        int256 net = a.net - int256(slots * court.SLOT_CAP() + 1 + seed % 1e12);
        Statement memory s = Statement(1, _addr(_SHILL), current, int64(net), a.imported, a.exported, 0);
        if (_apply(s) == 0) court.breach(0, "a Statement beyond the terms was applied");
        court.mustNot(court.STRANGER(), _startShownCall(s, _SHILL, s.slot), 0, "a close beyond the terms was started");
        _did();
    }
}

/// @title Attacker: a Hive that exports all day while nothing is in its pool.
contract ExportHeavy is Handler {
    constructor(Court court_) Handler(court_) {}

    function actions() external pure override returns (bytes4[] memory) {
        return _list(this.export_.selector, this.closeShort.selector, this.cover.selector);
    }

    function export_(uint256 seed) external {
        if (!_makeOpen(3, 7) || !_makeOpen(3, 8)) return;
        Statement memory a = _paperOf(3, 7, -int256(_pool(3)) - 1 - int256(seed % 40e6), seed >> 64);
        Statement memory b = _paperOf(3, 8, -int256(seed % 40e6), seed >> 72);
        _settle(3, bytes.concat(_leaf(a), _leaf(b)));
        if (_account(3, 7).owed) _did();
    }

    /// An account that is owed closes: it takes what is there, the rest is a claim.
    function closeShort(uint256 seed) external {
        if (!_makeOpen(3, 7)) return;
        Statement memory s = _paperOf(3, 7, -int256(_pool(3)) - 1 - int256(seed % 40e6), seed >> 64);
        court.must(court.STRANGER(), _startShownCall(s, 7, s.slot));
        if (!_finish(3, 7)) return;
        if (_account(3, 7).owed) court.breach(13, "a closed account is owed");
        if (settlement.claimOf(3, _addr(7)) != 0) _did();
    }

    /// Open claims come before everything else at the next funding, with what was in the pool besides.
    function cover(uint256 seed) external {
        uint64 open = settlement.poolOf(3).claimsOpen;
        if (open == 0) return;
        uint256 there = _pool(3) + 1 + seed % open;
        court.must(address(court), abi.encodeCall(settlement.fundPool, (3, there - _pool(3))));
        uint256 left = there < open ? open - there : 0;
        bool first = settlement.poolOf(3).claimsOpen == left && (left == 0 || _pool(3) == 0);
        if (!first) court.breach(0, "something came before an open claim");
        _did();
    }
}

/// @title Attacker: a fee larger than what the pool has left.
contract BigFee is Handler {
    constructor(Court court_) Handler(court_) {}

    function actions() external pure override returns (bytes4[] memory) {
        return _list(this.setFee.selector, this.feeBeyondPool.selector);
    }

    function setFee(uint256 seed) external {
        uint16 bps = uint16(seed % 101);
        court.must(court.TIMELOCK(), abi.encodeCall(closing.setFeeBps, (bps)));
        court.mustNot(court.TIMELOCK(), abi.encodeCall(closing.setFeeBps, (uint16(101))), 0, "a fee above the cap");
        court.mustNot(court.STRANGER(), abi.encodeCall(closing.setFeeBps, (bps)), 0, "a fee by a stranger");
        _did();
    }

    /// One pays in, the other takes all that is there: nothing is left for the fee, which waits.
    function feeBeyondPool(uint256 seed) external {
        if (!_makeOpen(3, 7) || !_makeOpen(3, 8)) return;
        court.must(court.TIMELOCK(), abi.encodeCall(closing.setFeeBps, (uint16(100))));
        Statement memory a = _paperOf(3, 8, int256(1e6 + seed % 20e6), seed >> 64);
        int256 in_ = int256(a.net) - _account(3, 8).net;
        Statement memory b = _paperOf(3, 7, 0, seed >> 72);
        b.net = int64(court.clamp(_account(3, 7).net - in_ - int256(_pool(3)), _account(3, 7), b.slot));
        court.keepPaper(b);
        PoolInfo memory before = settlement.poolOf(3);
        _settle(3, bytes.concat(_leaf(a), _leaf(b)));
        if (settlement.poolOf(3).feeDue > before.feeDue) _did();
    }
}

/// @title Attacker: the old key of a Queen, after the hand-over.
contract QueenChanged is Handler {
    constructor(Court court_) Handler(court_) {}

    function actions() external pure override returns (bytes4[] memory) {
        return _list(this.change.selector, this.oldKeySettles.selector);
    }

    function change(uint256 seed) external {
        uint32 from = settlement.hiveInfo(3).queenFromSlot;
        uint32 slot = court.nowSlot();
        uint256 next = court.queenKey(3, slot) == 13 ? 15 : 13;
        bytes memory call = abi.encodeCall(closing.setQueen, (3, _addr(next), slot + 98));
        if (from != 0 && slot >= from && slot < from + 44 * 96) {
            // The key before is still needed by closes and late claims.
            court.mustNot(court.EXPORT_OWNER(), call, 0, "a key was forgotten too early");
            court.pass(44 days);
            slot = court.nowSlot();
            call = abi.encodeCall(closing.setQueen, (3, _addr(next), slot + 98));
        }
        bytes memory soon = abi.encodeCall(closing.setQueen, (3, _addr(next), slot + uint32(seed % 96)));
        court.mustNot(court.EXPORT_OWNER(), soon, 0, "a new Queen without notice");
        court.mustNot(court.STRANGER(), call, 0, "a new Queen by a stranger");
        court.must(court.EXPORT_OWNER(), call);
        _did();
    }

    /// The old key settles what was before, and nothing after; it starts no close any more.
    function oldKeySettles(uint256 seed) external {
        if (!_makeOpen(3, 7)) return;
        uint32 from = settlement.hiveInfo(3).queenFromSlot;
        if (from == 0) return;
        if (court.nowSlot() < from) vm.warp(uint256(from) * 900);
        address old = settlement.hiveInfo(3).previousQueen;
        if (old == _queen(3)) return;
        Statement memory s = _paperOf(3, 7, _signed(seed, 10e6), seed >> 64);
        AccountInfo memory a = _account(3, 7);
        (bool ok, bytes memory answer) =
            court.send(old, abi.encodeCall(settlement.settle, (3, court.nowSlot(), _leaf(s))));
        if (!ok) court.breach(15, "settle failed");
        else if (s.slot >= from && abi.decode(answer, (uint32)) != 0) court.breach(0, "the old key settled a new slot");
        if (_account(3, 7).slot == a.slot) {
            uint256 oldKey = court.keyOf(old);
            court.mustNot(old, _startStoredCall(3, 7, oldKey, a.slot), 8, "the old key started a close");
        }
        _did();
    }
}
