// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EnergySettlement} from "../../src/EnergySettlement.sol";
import {CloseInfo} from "../../src/types/Close.sol";
import {AccountInfo, PoolInfo} from "../../src/types/Hive.sol";
import {Messages, PayoutAddress, Signature, Statement, WithdrawPermit} from "../../src/types/Messages.sol";
import {Book} from "./Book.sol";
import {Seat} from "./World.sol";

/// Everything the court looks at, before and after a call; `paid` is what an account's payout addresses hold.
struct Snapshot {
    AccountInfo[] accounts;
    CloseInfo[] closes;
    uint64[] claims;
    uint256[] paid;
    PoolInfo[5] pools;
}

/// @title Judges every call to EnergySettlement by what changed: the properties of chain-design section 8 that need the
/// state before and after. A breach is kept under the property's number and never forgotten.
contract Court is Book {
    uint256 private constant _OPEN = 1;
    uint256 private constant _CLOSING = 2;
    uint256 private constant _CLOSED = 3;

    /// @notice What was done against a property of section 8; 0 stands for an attacker that has gained.
    mapping(uint256 property => string) public breaches;
    /// @notice Accounts whose device has signed a payout address while they were closed: anybody may re-open them.
    mapping(uint32 hive => mapping(address worker => bool)) public mayReopen;
    /// @notice Calls that went through, by selector.
    mapping(bytes4 => uint256) public passed;
    /// @notice Highest slot and counters ever seen, by place in `seats`.
    mapping(uint256 seat => uint256[3]) private _highest;

    constructor() {
        _build();
    }

    /// @notice Notes a breach; the first one of each property is kept.
    function breach(uint256 property, string memory what) public {
        if (bytes(breaches[property]).length == 0) breaches[property] = what;
    }

    /// @notice Sends a call to EnergySettlement as somebody and judges what came of it.
    function send(address sender, bytes memory data) public returns (bool ok, bytes memory answer) {
        Snapshot memory old = snapshot();
        vm.prank(sender);
        (ok, answer) = address(settlement).call(data);
        if (ok) _judge(old, snapshot(), data);
    }

    /// @notice The same; fails when the call does.
    function must(address sender, bytes memory data) external returns (bytes memory answer) {
        bool ok;
        (ok, answer) = send(sender, data);
        if (ok) return answer;
        assembly ("memory-safe") {
            revert(add(answer, 0x20), mload(answer))
        }
    }

    /// @notice A call that must be refused; a breach of `property` when it is not.
    function mustNot(address sender, bytes memory data, uint256 property, string memory what) external {
        (bool ok,) = send(sender, data);
        if (ok) breach(property, what);
    }

    function snapshot() public view returns (Snapshot memory s) {
        Seat[] memory all = seats();
        s.accounts = new AccountInfo[](all.length);
        s.closes = new CloseInfo[](all.length);
        s.claims = new uint64[](all.length);
        s.paid = new uint256[](all.length);
        for (uint256 i = 0; i < all.length; ++i) {
            (uint32 hive, uint256 key) = (all[i].hive, all[i].key);
            s.accounts[i] = settlement.account(hive, addr(key));
            s.closes[i] = settlement.closeOf(hive, addr(key));
            s.claims[i] = settlement.claimOf(hive, addr(key));
            s.paid[i] = (coinOf(hive).balanceOf(ownerOf(key)) + coinOf(hive).balanceOf(otherPayoutOf(key)));
        }
        for (uint32 hive = 1; hive <= 4; ++hive) s.pools[hive] = settlement.poolOf(hive);
    }

    // ---- Judging

    function _judge(Snapshot memory old, Snapshot memory now_, bytes memory data) private {
        bytes4 selector = bytes4(data);
        ++passed[selector];
        if (selector == closing.setPayout.selector) _notePayout(data);
        Seat[] memory all = seats();
        for (uint256 i = 0; i < all.length; ++i) {
            _judgeTotals(i, old.accounts[i], now_.accounts[i]);
            _judgeState(all[i], old.accounts[i], now_.accounts[i]);
            _judgeClose(all[i], old, now_, i);
            _judgeLife(old.accounts[i], now_.accounts[i], old.closes[i], selector);
            if (now_.paid[i] > old.paid[i]) {
                uint256 micro = (now_.paid[i] - old.paid[i]) / scaleOf(all[i].hive);
                _judgePayment(micro, old.closes[i].endsAt, old.claims[i], data);
            }
        }
        bool settles = selector == EnergySettlement.settle.selector || selector == EnergySettlement.settleFor.selector
            || selector == EnergySettlement.applyStatement.selector;
        if (settles) _judgeBatch(old, now_);
    }

    function _notePayout(bytes memory data) private {
        (PayoutAddress memory p,) = abi.decode(_arguments(data), (PayoutAddress, Signature));
        if (settlement.account(p.hive, p.worker).state == _CLOSED) mayReopen[p.hive][p.worker] = true;
    }

    /// 2 and 3: never below zero, never down.
    function _judgeTotals(uint256 seat, AccountInfo memory old, AccountInfo memory now_) private {
        if (now_.funding < now_.net) breach(2, "spendable below zero");
        if (now_.slot < old.slot || now_.imported < old.imported || now_.exported < old.exported) {
            breach(3, "a total went down");
        }
        uint256[3] storage most = _highest[seat];
        if (now_.slot > most[0]) most[0] = now_.slot;
        if (now_.imported > most[1]) most[1] = now_.imported;
        if (now_.exported > most[2]) most[2] = now_.exported;
    }

    /// 4: what an account holds is what it held, or a Statement both have signed.
    function _judgeState(Seat memory seat, AccountInfo memory old, AccountInfo memory now_) private {
        bool same = old.net == now_.net && old.imported == now_.imported && old.exported == now_.exported;
        // Opening moves the slot alone.
        if (same && (old.slot == now_.slot || old.state == 0 || old.state == _CLOSED)) return;
        if (!_isSigned(seat, now_.slot, now_.net, now_.imported, now_.exported)) {
            breach(4, "an account holds what nobody signed");
        }
        if (now_.slot == old.slot && old.net != now_.net) breach(4, "another net for the same slot");
    }

    /// 8: a running close changes by a newer Statement both have signed, and its end never moves.
    function _judgeClose(Seat memory seat, Snapshot memory old, Snapshot memory now_, uint256 i) private {
        CloseInfo memory close = now_.closes[i];
        if (close.endsAt == 0) return;
        AccountInfo memory stored = now_.accounts[i];
        bool asStored = close.slot == stored.slot && close.net == stored.net && close.imported == stored.imported
            && close.exported == stored.exported;
        if (!asStored && !_isSigned(seat, close.slot, close.net, close.imported, close.exported)) {
            breach(8, "a close shows what nobody signed");
        }
        CloseInfo memory before = old.closes[i];
        if (before.endsAt == 0) return;
        if (before.endsAt != close.endsAt) breach(8, "the end of a close moved");
        bool shows = before.slot == close.slot && before.net == close.net;
        if (!shows && close.slot <= before.slot) breach(8, "an older state displaced a newer one");
    }

    /// 8 and 6: the arrows of an account's life, each by its own function only.
    function _judgeLife(AccountInfo memory old, AccountInfo memory now_, CloseInfo memory close, bytes4 selector)
        private
    {
        if (old.state == now_.state) return;
        bool allowed;
        if (now_.state == _OPEN) {
            allowed = old.state != _CLOSING
                && (selector == settlement.deposit.selector || selector == settlement.depositWithPermit.selector);
        } else if (old.state == _OPEN) {
            bool starts = selector == startStored() || selector == startShown()
                || selector == closing.startCloseStale.selector;
            allowed = now_.state == _CLOSING ? starts : selector == settlement.closeAgreed.selector;
        } else if (old.state == _CLOSING) {
            allowed = selector == settlement.finishClose.selector && vm.getBlockTimestamp() >= close.endsAt;
        }
        if (!allowed) breach(8, "an account changed its state by no way of its own");
    }

    /// 6: each path to a payout address, and how much it may carry.
    function _judgePayment(uint256 micro, uint256 endsAt, uint64 claim, bytes memory data) private {
        bytes4 selector = bytes4(data);
        if (selector == settlement.finishClose.selector) {
            if (endsAt == 0 || vm.getBlockTimestamp() < endsAt) breach(6, "paid within the window");
        } else if (selector == closing.claim.selector) {
            if (micro > claim) breach(6, "paid more than was claimed");
        } else if (selector == closing.withdraw.selector) {
            (WithdrawPermit memory p,) = abi.decode(_arguments(data), (WithdrawPermit, Signature));
            bytes32 hash = Messages.hash(p);
            if (!permitted[hash] || micro != p.amount) breach(6, "withdrawn without an unused permit");
            permitted[hash] = false;
        } else if (selector == settlement.closeAgreed.selector) {
            (Statement memory s, uint64 payout, uint48 deadline,,) =
                abi.decode(_arguments(data), (Statement, uint64, uint48, Signature, Signature));
            bytes32 hash = Messages.hashAgreement(s, payout, deadline);
            if (!agreed[hash] || micro > payout) breach(6, "paid without an unused agreement");
            agreed[hash] = false;
        } else {
            breach(6, "a path that pays nobody has paid");
        }
    }

    /// 5: changes in net are what the pool and the fees have gained, and the fee is that of what was paid in.
    function _judgeBatch(Snapshot memory old, Snapshot memory now_) private {
        Seat[] memory all = seats();
        for (uint32 hive = 1; hive <= 4; ++hive) {
            (int256 sum, uint256 paidIn) = (0, 0);
            for (uint256 i = 0; i < all.length; ++i) {
                if (all[i].hive != hive) continue;
                int256 change = int256(now_.accounts[i].net) - old.accounts[i].net;
                sum += change;
                if (change > 0) paidIn += uint256(change);
            }
            PoolInfo memory a = old.pools[hive];
            PoolInfo memory b = now_.pools[hive];
            int256 fee = int256(uint256(b.fees) + b.feeDue) - int256(uint256(a.fees) + a.feeDue);
            int256 gained = int256(uint256(b.pool)) - int256(uint256(a.pool));
            if (sum != gained + fee - (int256(uint256(b.feeDue)) - int256(uint256(a.feeDue)))) {
                breach(5, "a batch made or lost money");
            }
            if (fee != int256(paidIn * settlement.feeBps() / 10_000)) breach(5, "another fee than that of the batch");
        }
    }

    // ---- Details

    /// @notice `startClose` without and with a Statement; an overload has no name of its own.
    function startStored() public pure returns (bytes4) {
        return bytes4(keccak256("startClose((uint32,address,uint32,uint48),(bytes32,bytes32))"));
    }

    function startShown() public pure returns (bytes4) {
        return bytes4(
            keccak256(
                "startClose((uint32,address,uint32,uint48),(bytes32,bytes32),(uint32,address,uint32,int64,uint48,uint48,bytes32),(bytes32,bytes32),(bytes32,bytes32))"
            )
        );
    }

    /// @notice Highest slot and counters an account ever had.
    function highest(uint256 seat) external view returns (uint256[3] memory) {
        return _highest[seat];
    }

    function _isSigned(Seat memory seat, uint256 slot, int256 net, uint256 imported, uint256 exported)
        private
        view
        returns (bool)
    {
        return bothSigned[stateKey(seat.hive, addr(seat.key), slot, net, imported, exported)];
    }

    function _arguments(bytes memory data) private pure returns (bytes memory arguments) {
        arguments = new bytes(data.length - 4);
        for (uint256 i = 4; i < data.length; ++i) arguments[i - 4] = data[i];
    }
}
