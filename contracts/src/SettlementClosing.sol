// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {CloseRules} from "./CloseRules.sol";
import {SettlementBase} from "./SettlementBase.sol";
import {SettlementPledges} from "./SettlementPledges.sol";
import {IMeterList} from "./interfaces/IMeterList.sol";
import {ISettlementClosing} from "./interfaces/ISettlementClosing.sol";
import {Account, AccountExtra, AccountLibrary, AccountState} from "./types/Account.sol";
import {CloseLibrary} from "./types/Close.sol";
import {Hive} from "./types/Hive.sol";
import {Messages, Objection, PayoutAddress, Signature} from "./types/Messages.sol";
import {Statement, WithdrawPermit} from "./types/Messages.sol";
import {Money} from "./types/Money.sol";

/// @title The rarely used half of EnergySettlement: withdrawals, claims, bonds, mothers, and the Hives' book.
/// @notice One contract address, two pieces of code, because one contract may have 24,576 bytes only. EnergySettlement
/// holds all money and all storage and has the functions whose gas somebody watches: paying in, settling, closing, and
/// the views. What it does not know itself, its fallback runs from here by delegatecall. The address of this piece is
/// fixed when EnergySettlement is made, so nothing can be exchanged later. Both inherit SettlementBase, the only place
/// where storage is declared, and are made with the same arguments; EnergySettlement checks that. A call straight to
/// this piece's own address is refused (OnlyByDelegation).
///
/// SettlementBase (storage) <- CloseRules (judging) <- SettlementCloses, SettlementViews <- EnergySettlement
/// SettlementBase (storage) <- CloseRules, HiveBook <- SettlementPledges (bond, mother)  <- SettlementClosing
contract SettlementClosing is CloseRules, SettlementPledges {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;
    using SafeCast for int256;

    /// @notice How far ahead the deadline of a WithdrawPermit may be, seconds.
    uint256 public constant MAX_PERMIT_SECONDS = 6 hours;
    /// @notice A Hive without a settlement for that long counts as abandoned, seconds.
    uint256 public constant STALE_SECONDS = 30 days;
    /// @notice How long after a close a newer Statement is still accepted, seconds.
    uint256 public constant LATE_SECONDS = 30 days;
    /// @param beekeeper list of meters and Hives; the only caller of `registerHive` and `tellFrozen`
    /// @param treasury where platform fees go
    /// @param timelock the only caller of `setFeeBps`
    /// @param feeBps_ same as EnergySettlement's; its own is the one that counts
    constructor(IMeterList beekeeper, address treasury, address timelock, uint16 feeBps_)
        SettlementBase(beekeeper, treasury, timelock, feeBps_)
    {}

    // ---- Accounts

    /// @inheritdoc ISettlementClosing
    function setPayout(PayoutAddress calldata payout, Signature calldata sig) external onlyDelegated notEntered {
        _hive(payout.hive);
        if (payout.payout == address(0)) revert ZeroAddress();
        if (payout.payout == address(this) || _daughters[payout.hive][payout.worker] != 0) {
            revert PayoutFixed(payout.hive, payout.worker);
        }
        _storePayout(payout, sig);
        Account account_ = _accounts[payout.hive][payout.worker].word;
        if (account_.state() == AccountState.CLOSED) {
            _accounts[payout.hive][payout.worker].word = account_.withFlag(AccountLibrary.REOPEN);
        }
    }

    /// @inheritdoc ISettlementClosing
    function withdraw(WithdrawPermit calldata permit, Signature calldata sigQ) external onlyDelegated nonReentrant {
        Hive storage self = _hive(permit.hive);
        Account account_ = _openAccount(permit.hive, permit.worker);
        AccountExtra extra = _extras[permit.hive][permit.worker];
        if (msg.sender != extra.payout()) revert NotPayout(extra.payout(), msg.sender);
        if (permit.serial <= extra.permitSerial()) revert SerialNotNewer(permit.serial, extra.permitSerial());
        if (permit.slot > account_.slot()) revert SlotNotSettled(permit.slot, account_.slot());
        _checkDeadline(permit.deadline, MAX_PERMIT_SECONDS);
        _checkSigner(_queenFor(self, _currentSlot()), Messages.hash(permit), sigQ);
        uint64 spendable = _spendable(account_, account_.net());
        uint256 needed = uint256(permit.amount) + self.minPenalty;
        if (needed > spendable) revert SpendableTooSmall(spendable, needed.toUint64());
        int64 funding = (int256(account_.funding()) - int256(uint256(permit.amount))).toInt64();
        _accounts[permit.hive][permit.worker].word = account_.withFunding(funding);
        _extras[permit.hive][permit.worker] = extra.withPermitSerial(permit.serial);
        emit Withdrawn(permit.hive, permit.worker, msg.sender, permit.amount, permit.serial);
        self.coin.safeTransfer(msg.sender, uint256(permit.amount) * self.scale);
    }

    /// @inheritdoc ISettlementClosing
    function startCloseStale(uint32 hive, address worker) external onlyDelegated notEntered {
        Hive storage self = _hive(hive);
        Account account_ = _openAccount(hive, worker);
        uint256 last = self.money.unpack().lastSlot;
        if (account_.slot() > last) last = account_.slot();
        uint256 staleFrom = last + STALE_SECONDS / SLOT_SECONDS;
        if (!self.frozen && _currentSlot() < staleFrom) revert NotStale(hive, worker, staleFrom);
        _startStored(hive, worker, account_, self.window, account_.slot(), CloseLibrary.STALE);
    }

    /// @inheritdoc ISettlementClosing
    function showObjection(address worker, Objection calldata objection, Signature calldata sig)
        external
        onlyDelegated
        notEntered
    {
        _checkSigner(worker, Messages.hash(objection), sig);
        _objected[_objectionKey(worker, objection.statement)] = true;
        emit ObjectionShown(worker, objection.statement);
    }

    /// @inheritdoc ISettlementClosing
    function claimLate(Statement memory s, Signature calldata sigW, Signature calldata sigQ)
        external
        onlyDelegated
        notEntered
    {
        Account account_ = _accounts[s.hive][s.worker].word;
        if (account_.state() != AccountState.CLOSED) revert AccountNotClosed(s.hive, s.worker);
        uint256 until = _extras[s.hive][s.worker].mark() + LATE_SECONDS / SLOT_SECONDS;
        if (_currentSlot() >= until) revert Expired(until * SLOT_SECONDS);
        if (s.slot <= account_.slot()) revert StatementNotNewer(s.slot, account_.slot());
        if (s.net >= account_.net()) revert NotInFavour(s.net, account_.net());
        Hive storage self = _hives[s.hive];
        _checkState(self, account_, s);
        _checkBoth(self, s, _hashTypedDataV4(Messages.hash(s)), sigW, sigQ);
        // Cannot be above 64 bits: rule 8 bounds the change, and funding follows net, so that nothing is spendable.
        uint64 amount = (int256(account_.net()) - s.net).toUint256().toUint64();
        _accounts[s.hive][s.worker].word =
            account_.withStatement(s.net, s.imported, s.exported, s.slot).withFunding(s.net);
        Money memory money = self.money.unpack();
        _recordClaim(s.hive, self, s.worker, money, amount);
        money.pool = _fundClaims(s.hive, self, money, money.pool).toUint64();
        self.money = money.pack();
        _fundFromBond(s.hive, self, money, amount);
    }

    /// @inheritdoc ISettlementClosing
    function claim(uint32 hive, address worker) external onlyDelegated nonReentrant {
        Hive storage self = _hive(hive);
        Money memory money = self.money.unpack();
        money.pool = _fundClaims(hive, self, money, money.pool).toUint64();
        self.money = money.pack();
        if (_hasEnded(self, money)) _fundFromBond(hive, self, money, self.cover.claimsOpen);
        uint64 owed = _claims[hive][worker];
        uint64 funded = self.cover.claimsFunded;
        uint64 amount = owed < funded ? owed : funded;
        if (amount == 0) revert NothingToClaim(hive);
        _claims[hive][worker] = owed - amount;
        self.cover.claimsFunded = funded - amount;
        address payout = _extras[hive][worker].payout();
        emit ClaimPaid(hive, worker, payout, amount);
        if (!_intoDaughter(hive, worker, payout, amount)) {
            self.coin.safeTransfer(payout, uint256(amount) * self.scale);
        }
    }

    // ---- Private

    /// Puts bond aside for open claims, at most `most` micro-coins.
    function _fundFromBond(uint32 hive, Hive storage self, Money memory money, uint64 most) private {
        uint64 bond = self.cover.bond;
        if (bond < most) most = bond;
        uint64 used = most - _fundClaims(hive, self, money, most).toUint64();
        if (used == 0) return;
        self.cover.bond -= used;
        emit BondSlashed(hive, used, msg.sender);
    }
}
