// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccountInfo, PoolInfo} from "../../src/types/Hive.sol";
import {CloseRequest, Messages, PayoutAddress, Signature, Statement} from "../../src/types/Messages.sol";
import {Court} from "./Court.sol";
import {Handler} from "./Handler.sol";
import {HostileCoin} from "./HostileCoin.sol";
import {Seat} from "./World.sol";

/// @title Attacker: a stranger that pays the first deposit, or re-opens a closed account with dust.
contract DustStranger is Handler {
    constructor(Court court_) Handler(court_) {}

    function actions() external pure override returns (bytes4[] memory) {
        return _list(this.firstDeposit.selector, this.reopenByDust.selector, this.reopenAsTold.selector);
    }

    /// Anyone may open the account; its money goes to the meter's owner all the same.
    function firstDeposit(uint256 seed) external {
        uint256 key = [3, 6, 8][seed % 3];
        uint32 hive = court.hiveOf(key);
        address stranger = court.STRANGER();
        court.supply(stranger, hive, 2);
        bytes memory elsewhere = abi.encodeCall(settlement.deposit, (4, _addr(key), court.scaleOf(4)));
        court.mustNot(stranger, elsewhere, 0, "an account in another Hive than the meter's");
        if (_account(hive, key).state != 0) return;
        court.must(stranger, abi.encodeCall(settlement.deposit, (hive, _addr(key), court.scaleOf(hive))));
        if (_account(hive, key).payout != court.ownerOf(key)) court.breach(16, "a stranger chose the payout address");
        _did();
    }

    function reopenByDust(uint256 seed) external {
        Seat memory seat = _closed(seed);
        if (seat.hive == 0 || court.mayReopen(seat.hive, _addr(seat.key))) return;
        court.supply(court.STRANGER(), seat.hive, 2);
        court.pass(900);
        court.mustNot(court.STRANGER(), _dust(seat), 8, "a stranger re-opened an account");
        _did();
    }

    /// Once the device has named a payout address, anybody may; it is paid there.
    function reopenAsTold(uint256 seed) external {
        Seat memory seat = _closed(seed);
        if (seat.hive == 0 || seat.key == 11) return;
        address payout = seed % 2 == 0 ? court.ownerOf(seat.key) : court.otherPayoutOf(seat.key);
        (PayoutAddress memory p, Signature memory sig) = court.payoutAddress(seat.hive, seat.key, payout);
        bytes memory call = abi.encodeCall(closing.setPayout, (p, sig));
        court.must(court.STRANGER(), call);
        court.mustNot(court.STRANGER(), call, 16, "a payout address served twice");
        court.supply(court.STRANGER(), seat.hive, 2);
        court.pass(900);
        (bool ok,) = court.send(court.STRANGER(), _dust(seat));
        if (!ok) return;
        if (_account(seat.hive, seat.key).payout != payout) court.breach(16, "another payout address");
        _did();
    }

    function _closed(uint256 seed) private view returns (Seat memory seat) {
        Seat[] memory all = court.seats();
        for (uint256 i = 0; i < all.length; ++i) {
            seat = all[(seed % all.length + i) % all.length];
            if (_account(seat.hive, seat.key).state == CLOSED) return seat;
        }
        seat.hive = 0;
    }

    function _dust(Seat memory seat) private view returns (bytes memory) {
        return abi.encodeCall(settlement.deposit, (seat.hive, _addr(seat.key), court.scaleOf(seat.hive)));
    }
}

/// @title Attacker: a Beekeeper that reverts on every call, after a bad upgrade.
contract RevertingBeekeeper is Handler {
    constructor(Court court_) Handler(court_) {}

    function actions() external pure override returns (bytes4[] memory) {
        return _list(this.closing_.selector, this.settling.selector, this.paying.selector);
    }

    modifier whileBroken() {
        address beekeeper = address(court.beekeeper());
        bytes memory code = beekeeper.code;
        // PUSH0 PUSH0 REVERT
        cheats.etch(beekeeper, hex"5f5ffd");
        _;
        cheats.etch(beekeeper, code);
    }

    /// 13: whoever is in gets out.
    function closing_(uint256 seed) external whileBroken {
        Seat memory seat = _seat(seed);
        AccountInfo memory a = _account(seat.hive, seat.key);
        if (a.state == OPEN) {
            (bool ok,) = court.send(court.STRANGER(), _startStoredCall(seat.hive, seat.key, seat.key, a.slot));
            if (!ok) court.breach(13, "no close without the Beekeeper");
            if (seed % 4 == 0) _finish(seat.hive, seat.key);
            _did();
        } else if (a.state == CLOSING && _finish(seat.hive, seat.key)) {
            _did();
        }
    }

    function settling(uint256 seed) external whileBroken {
        uint32 hive = uint32(1 + seed % 2);
        uint256 key = hive == 1 ? 1 : 5;
        if (_account(hive, key).state != OPEN) return;
        if (_settle(hive, _leaf(_paperOf(hive, key, _signed(seed >> 8, 10e6), seed >> 64))) != 0) _did();
    }

    /// An open account may be paid into; a new one is not opened.
    function paying(uint256 seed) external whileBroken {
        Seat memory seat = _seat(seed);
        bytes memory call = abi.encodeCall(
            settlement.deposit, (seat.hive, _addr(seat.key), (1 + seed % 1e6) * court.scaleOf(seat.hive))
        );
        bool open = _account(seat.hive, seat.key).state == OPEN;
        (bool ok,) = court.send(address(court), call);
        if (ok && !open) court.breach(0, "an account was opened without asking the Beekeeper");
        if (ok) _did();
    }
}

/// @title Attacker: a relayer that carries others' messages where they do harm.
contract Relayer is Handler {
    constructor(Court court_) Handler(court_) {}

    function actions() external pure override returns (bytes4[] memory) {
        return _list(this.relay.selector, this.attachOld.selector, this.permitFirst.selector);
    }

    /// A batch the Queen has signed is carried once, and in no other order.
    function relay(uint256 seed) external {
        if (!_makeOpen(1, 1) || !_makeOpen(1, 2)) return;
        bytes memory a = _leaf(_paperOf(1, 1, _signed(seed, 10e6), seed >> 64));
        bytes memory b = _leaf(_paperOf(1, 2, _signed(seed >> 8, 10e6), seed >> 72));
        uint32 slot = court.nowSlot();
        PoolInfo memory pool = settlement.poolOf(1);
        uint32 batch = slot == pool.lastSlot ? pool.nextBatch : 0;
        bytes32 hash = Messages.hashBatch(1, slot, batch, keccak256(bytes.concat(a, b)));
        Signature memory sig = court.sign(court.queenKey(1, slot), hash);
        address relayer = court.STRANGER();
        bytes memory turned = abi.encodeCall(settlement.settleFor, (1, slot, bytes.concat(b, a), sig));
        court.mustNot(relayer, turned, 0, "a batch in another order");
        bytes memory half = abi.encodeCall(settlement.settleFor, (1, slot, a, sig));
        court.mustNot(relayer, half, 0, "half a batch");
        bytes memory call = abi.encodeCall(settlement.settleFor, (1, slot, bytes.concat(a, b), sig));
        court.must(relayer, call);
        court.mustNot(relayer, call, 4, "a batch was carried twice");
        _did();
    }

    /// A Worker's request is carried with the Statement it names, or not at all.
    function attachOld(uint256 seed) external {
        if (!_makeOpen(2, 5)) return;
        Statement memory old = _paperOf(2, 5, 0, seed >> 64);
        Statement memory newer = _paperOf(2, 5, int256(seed % 5e6), seed >> 72);
        address relayer = court.STRANGER();
        court.mustNot(relayer, _startShownCall(old, 5, newer.slot), 0, "an old Statement was attached");
        court.mustNot(relayer, _startStoredCall(2, 5, 5, newer.slot), 0, "a request was carried without its Statement");
        if (seed % 4 == 0) court.must(relayer, _startShownCall(newer, 5, newer.slot));
        _did();
    }

    /// Somebody has used the ERC-2612 permit already: the payment goes through all the same.
    function permitFirst(uint256 seed) external {
        if (!_makeOpen(1, 1)) return;
        uint256 amount = (1 + seed % 1e6) * court.scaleOf(1);
        address payer = _addr(16);
        court.supply(payer, 1, 2e6);
        vm.prank(payer);
        court.euro().approve(address(settlement), 0);
        (uint8 v, bytes32 r, bytes32 s) = _permit(payer, amount);
        uint256 deadline = vm.getBlockTimestamp() + 1 hours;
        court.euro().permit(payer, address(settlement), amount, deadline, v, r, s);
        address worker = _addr(1);
        court.must(payer, abi.encodeCall(settlement.depositWithPermit, (1, worker, amount, deadline, v, r, s)));
        _did();
    }

    function _permit(address payer, uint256 amount) private view returns (uint8, bytes32, bytes32) {
        bytes32 typehash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        uint256 deadline = vm.getBlockTimestamp() + 1 hours;
        bytes32 hash = keccak256(
            abi.encode(typehash, payer, address(settlement), amount, court.euro().nonces(payer), deadline)
        );
        return vm.sign(16, keccak256(abi.encodePacked(hex"1901", court.euro().DOMAIN_SEPARATOR(), hash)));
    }
}

/// @title Attacker: a coin that calls back while it moves, answers false, or keeps a part.
contract HostileIssuer is Handler {
    constructor(Court court_) Handler(court_) {}

    function actions() external pure override returns (bytes4[] memory list) {
        list = new bytes4[](5);
        (list[0], list[1]) = (this.reenter.selector, this.answerFalse.selector);
        (list[2], list[3]) = (this.takeFee.selector, this.block_.selector);
        list[4] = this.unblock.selector;
    }

    /// Every door is tried from inside a transfer in and out.
    function reenter(uint256 seed) external {
        if (!_makeOpen(4, 9) || !_makeOpen(4, 10)) return;
        bytes memory inner = _door(seed);
        court.odd().arm(address(settlement), inner);
        uint256 refused = court.odd().refused();
        if (seed % 2 == 0) {
            court.send(address(court), abi.encodeCall(settlement.deposit, (4, _addr(9), 1e18)));
        } else {
            Statement memory s = _paperOf(4, 9, _signed(seed >> 8, 10e6), seed >> 64);
            court.send(court.STRANGER(), court.agreement(s, uint64(uint256(int256(_account(4, 9).funding) - s.net))));
        }
        court.odd().setVice(HostileCoin.Vice.NONE);
        if (court.odd().entered() != 0) court.breach(14, "a coin came in by the back door");
        if (court.odd().refused() != refused) _did();
    }

    function _door(uint256 seed) private returns (bytes memory) {
        uint256 kind = (seed >> 1) % 8;
        Statement memory s = _paperOf(4, 10, -1, seed >> 80);
        if (kind == 0) return abi.encodeCall(settlement.deposit, (4, _addr(10), 1e12));
        if (kind == 1) return abi.encodeCall(settlement.fundPool, (4, 1e12));
        if (kind == 2) return abi.encodeCall(closing.claim, (4, _addr(9)));
        if (kind == 3) return _applyCall(s);
        if (kind == 4) return _startShownCall(s, 10, s.slot);
        if (kind == 5) return abi.encodeCall(settlement.finishClose, (4, _addr(9)));
        if (kind == 6) return abi.encodeCall(closing.claimFees, (4));
        return court.agreement(s, 1);
    }

    /// Paying in is refused, paying out is recorded as a claim; no close is held up.
    function answerFalse(uint256 seed) external {
        if (!_makeOpen(4, 9)) return;
        _useVice(1);
        court.mustNot(
            address(court), abi.encodeCall(settlement.deposit, (4, _addr(9), 1e18)), 14, "money that never came"
        );
        uint256 owed = settlement.claimOf(4, _addr(9));
        uint256 spendable = _spendable(4, 9);
        court.must(court.STRANGER(), _startStoredCall(4, 9, 9, _account(4, 9).slot));
        bool finished = _finish(4, 9);
        court.odd().setVice(HostileCoin.Vice.NONE);
        if (!finished) return;
        if (settlement.claimOf(4, _addr(9)) != owed + spendable) court.breach(14, "money that went nowhere is lost");
        if (seed % 2 == 0) court.must(court.STRANGER(), abi.encodeCall(closing.claim, (4, _addr(9))));
        _did();
    }

    function takeFee(uint256 seed) external {
        if (!_makeOpen(4, 9)) return;
        _useVice(0);
        uint256 amount = (100 + seed % 1e6) * 1e12;
        bytes memory deposit = abi.encodeCall(settlement.deposit, (4, _addr(9), amount));
        court.mustNot(address(court), deposit, 14, "a part was booked as the whole");
        bytes memory fund = abi.encodeCall(settlement.fundPool, (4, amount));
        court.mustNot(address(court), fund, 14, "a part was booked as the whole");
        court.odd().setVice(HostileCoin.Vice.NONE);
        _did();
    }

    /// A payout address is blocked: its close ends with a claim, the neighbour is settled and paid as ever.
    function block_(uint256 seed) external {
        if (!_makeOpen(4, 9) || !_makeOpen(4, 10)) return;
        uint256 spendable = _spendable(4, 9);
        uint256 owed = settlement.claimOf(4, _addr(9));
        court.odd().setBlocked(_account(4, 9).payout, true);
        court.must(court.STRANGER(), _startStoredCall(4, 9, 9, _account(4, 9).slot));
        if (!_finish(4, 9)) return;
        if (settlement.claimOf(4, _addr(9)) != owed + spendable) court.breach(14, "a blocked payout is lost");
        court.mustNot(court.STRANGER(), abi.encodeCall(closing.claim, (4, _addr(9))), 14, "a blocked address was paid");
        Statement memory s = _paperOf(4, 10, _signed(seed, 5e6), seed >> 64);
        court.must(court.STRANGER(), court.agreement(s, uint64(uint256(int256(_account(4, 10).funding) - s.net))));
        _did();
    }

    /// The device names another address, or the issuer lifts the block: the claim is paid.
    function unblock(uint256 seed) external {
        address payout = _account(4, 9).payout;
        if (!court.odd().blocked(payout)) return;
        court.odd().setBlocked(payout, false);
        if (seed % 2 == 0) {
            address other = payout == court.ownerOf(9) ? court.otherPayoutOf(9) : court.ownerOf(9);
            (PayoutAddress memory p, Signature memory sig) = court.payoutAddress(4, 9, other);
            court.must(court.STRANGER(), abi.encodeCall(closing.setPayout, (p, sig)));
        }
        (bool ok,) = court.send(court.STRANGER(), abi.encodeCall(closing.claim, (4, _addr(9))));
        if (ok) _did();
    }

    /// Makes the coin keep a hundredth (0) or answer false (1).
    function _useVice(uint256 which) private {
        court.odd().setVice(which == 0 ? HostileCoin.Vice.FEE : HostileCoin.Vice.FALSE);
    }
}
