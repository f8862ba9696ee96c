// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {SettlementBase} from "./SettlementBase.sol";
import {Account, AccountState} from "./types/Account.sol";
import {Close, CloseLibrary} from "./types/Close.sol";
import {Hive} from "./types/Hive.sol";
import {Signature, Statement} from "./types/Messages.sol";
import {Money} from "./types/Money.sol";

/// @title What both pieces of EnergySettlement need for closing: judging a Statement, starting a close, claims.
/// @notice Has no function of its own to call.
abstract contract CloseRules is SettlementBase {
    using SafeCast for uint256;
    using SafeCast for int256;

    /// Windows of a close on the stored state.
    uint256 private constant _STORED_WINDOWS = 2;

    // ---- Starting

    function _startStored(
        uint32 hive,
        address worker,
        Account account_,
        uint256 window,
        uint32 newestSlot,
        uint256 flags
    ) internal {
        Close close = Close.wrap(0)
            .withState(account_.net(), account_.imported(), account_.exported(), account_.slot());
        _start(hive, worker, account_, close, window * _STORED_WINDOWS, newestSlot, flags);
    }

    function _start(
        uint32 hive,
        address worker,
        Account account_,
        Close close,
        uint256 window,
        uint32 newestSlot,
        uint256 flags
    ) internal {
        uint256 endsAt = block.timestamp + window;
        _closes[hive][worker] = close.begun(endsAt, newestSlot, flags);
        _accounts[hive][worker].word = account_.withState(AccountState.CLOSING);
        // casting to 'uint48' and 'uint8' is safe: unix seconds, and a side of two bits
        uint8 side = uint8(flags & CloseLibrary.SIDE);
        emit CloseStarted(hive, worker, close.slot(), close.net(), uint48(endsAt), side, newestSlot);
    }

    // ---- Judging a Statement

    /// The rules of `settle` that a Statement breaks alone, as refusals; the slot is judged by the caller.
    function _checkState(Hive storage self, Account account_, Statement memory s) internal view {
        uint256 current = _currentSlot();
        if (s.slot > current) revert SlotInFuture(s.slot, current);
        if (s.net > account_.funding()) revert NotFunded(s.net, account_.funding());
        _checkCounters(account_, s);
        _checkChange(self, account_, s.slot, s.net);
    }

    function _checkCounters(Account account_, Statement memory s) internal pure {
        if (s.imported < account_.imported() || s.exported < account_.exported()) {
            revert CounterWentDown(s.hive, s.worker);
        }
    }

    /// Rule 8: no more money than price, power and time allow; nothing at all for the slot already settled.
    function _checkChange(Hive storage self, Account account_, uint256 slot, int256 net) internal view {
        (uint256 rate, uint256 nextRate, uint256 nextFromSlot) = self.limits.rates();
        uint256 passed = slot - account_.slot();
        if (passed > _MAX_SLOTS_COUNTED) passed = _MAX_SLOTS_COUNTED;
        uint256 most = (passed * (slot < nextFromSlot ? rate : nextRate)) / _RATE_DIVISOR;
        int256 change = net - account_.net();
        if ((change < 0 ? -change : change).toUint256() > most) revert ChangeTooLarge(change, most);
    }

    function _checkBoth(
        Hive storage self,
        Statement memory s,
        bytes32 digest,
        Signature calldata sigW,
        Signature calldata sigQ
    ) internal view {
        _checkDigest(s.worker, digest, sigW);
        _checkDigest(_queenFor(self, s.slot), digest, sigQ);
    }

    function _checkDeadline(uint256 deadline, uint256 longest) internal view {
        if (block.timestamp > deadline) revert Expired(deadline);
        uint256 latest = block.timestamp + longest;
        if (deadline > latest) revert DeadlineTooFar(deadline, latest);
    }

    function _openAccount(uint32 hive, address worker) internal view returns (Account account_) {
        account_ = _accounts[hive][worker].word;
        if (account_.isOpen()) return account_;
        if (account_.state() == AccountState.CLOSING) revert AccountClosing(hive, worker);
        revert AccountNotOpen(hive, worker);
    }

    function _objectionKey(address worker, bytes32 statement) internal pure returns (bytes32) {
        return keccak256(abi.encode(worker, statement));
    }

    /// Micro-coins that are the Worker's at a net its funding covers.
    function _spendable(Account account_, int64 net) internal pure returns (uint64) {
        return (int256(account_.funding()) - net).toUint256().toUint64();
    }

    // ---- Ending

    /// A Queen's account in a mother Hive is paid into the pool of its daughter; no coin moves.
    function _intoDaughter(uint32 mother, address worker, address payout, uint64 amount) internal returns (bool) {
        if (payout != address(this)) return false;
        uint32 daughter = _daughters[mother][worker];
        if (daughter == 0) return false;
        _fillPool(daughter, _hives[daughter], amount);
        emit PoolFunded(daughter, address(this), amount);
        return true;
    }

    function _recordClaim(uint32 hive, Hive storage self, address worker, Money memory money, uint64 amount)
        internal
    {
        if (!_isShort(money, self.cover)) emit HiveFellShort(hive);
        _claims[hive][worker] += amount;
        self.cover.claimsOpen += amount;
        emit ClaimRecorded(hive, worker, amount);
    }
}
