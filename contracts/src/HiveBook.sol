// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SettlementBase} from "./SettlementBase.sol";
import {ISettlementBook} from "./interfaces/ISettlementBook.sol";
import {Hive} from "./types/Hive.sol";
import {Limits} from "./types/Limits.sol";
import {HiveTerms, Messages, Signature} from "./types/Messages.sol";
import {Money} from "./types/Money.sol";

/// @title The Hives' side of EnergySettlement: what is copied about each, its pool, and the platform's fee.
/// @notice Changes the copied values by the owner's call only, so that an upgraded Beekeeper cannot touch money that
/// is already here. What each function does is said in ISettlementBook.
abstract contract HiveBook is SettlementBase, ISettlementBook {
    using SafeERC20 for IERC20;

    /// @notice Notice of new terms, seconds.
    uint256 public constant TERMS_NOTICE_SECONDS = 30 days;
    /// @notice How long a Queen's key stays good for the Statements before her successor's first slot, seconds: two of
    /// the longest windows and the 30 days of a late claim.
    uint256 public constant QUEEN_KEPT_SECONDS = 44 days;
    /// @notice Shortest and longest window of a close, seconds.
    uint32 public constant MIN_WINDOW = 6 hours;
    uint32 public constant MAX_WINDOW = 7 days;
    address private immutable _piece = address(this);

    modifier onlyDelegated() {
        if (address(this) == _piece) revert OnlyByDelegation();
        _;
    }

    // ---- The bond

    modifier onlyBeekeeper() {
        if (msg.sender != address(_beekeeper)) revert NotBeekeeper(msg.sender);
        _;
    }

    // ---- Hives: copied once, changed by the owner only

    /// @inheritdoc ISettlementBook
    function registerHive(
        uint32 hive,
        address owner,
        IERC20Metadata coin,
        address queen,
        uint32 window,
        HiveTerms calldata terms,
        uint64 minPenalty
    ) external onlyDelegated onlyBeekeeper {
        Hive storage self = _hives[hive];
        if (hive == 0) revert UnknownHive(hive);
        if (self.owner != address(0)) revert HiveExists(hive);
        if (owner == address(0) || queen == address(0)) revert ZeroAddress();
        if (window < MIN_WINDOW || window > MAX_WINDOW) revert WindowOutOfRange(window, MIN_WINDOW, MAX_WINDOW);
        uint8 decimals = coin.decimals();
        if (decimals < 6 || decimals > 18) revert UnsupportedDecimals(decimals);
        bytes32 hash = _checkedTerms(hive, terms);
        self.coin = coin;
        self.scale = uint40(10 ** (decimals - 6));
        self.owner = owner;
        self.window = window;
        self.queen = queen;
        self.terms = hash;
        self.limits = Limits.wrap(0).withCurrent(terms.maxPrice, terms.maxPowerW);
        self.termsVersion = terms.version;
        self.minPenalty = minPenalty;
        emit HiveRegistered(hive, owner, address(coin), queen, window);
        emit TermsSet(hive, terms.version, terms.fromSlot, hash);
    }

    /// @inheritdoc ISettlementBook
    function tellFrozen(uint32 hive) external onlyDelegated onlyBeekeeper {
        Hive storage self = _hive(hive);
        if (self.frozen) return;
        self.frozen = true;
        _noteEnd(self, self.money.unpack());
        emit HiveFrozen(hive);
    }

    /// @inheritdoc ISettlementBook
    function setTerms(HiveTerms calldata terms, Signature calldata sigQ)
        external
        onlyDelegated
        onlyOwner(terms.hive)
    {
        Hive storage self = _hives[terms.hive];
        uint256 current = _currentSlot();
        uint256 earliest = current + TERMS_NOTICE_SECONDS / SLOT_SECONDS;
        if (terms.fromSlot < earliest) revert NoticeTooShort(terms.fromSlot, earliest);
        if (terms.version <= self.termsVersion) revert TermsVersionNotNewer(terms.version, self.termsVersion);
        bytes32 hash = _checkedTerms(terms.hive, terms);
        _checkSigner(_queenFor(self, current), hash, sigQ);
        Limits limits = self.limits;
        if (limits.nextFromSlot() != 0 && limits.nextFromSlot() <= current) {
            self.terms = self.nextTerms;
            limits = limits.nextAsCurrent();
        }
        self.nextTerms = hash;
        self.limits = limits.withNext(terms.maxPrice, terms.maxPowerW, terms.fromSlot);
        self.termsVersion = terms.version;
        emit TermsSet(terms.hive, terms.version, terms.fromSlot, hash);
    }

    /// @inheritdoc ISettlementBook
    function setQueen(uint32 hive, address key, uint32 fromSlot) external onlyDelegated onlyOwner(hive) {
        // A key that is announced but not yet in force is replaced; the one before the old key is forgotten, which has
        // to wait until no close and no late claim can need its Statements.
        Hive storage self = _hives[hive];
        uint256 earliest = (block.timestamp + NOTICE_SECONDS + SLOT_SECONDS - 1) / SLOT_SECONDS;
        uint256 since = self.queenFromSlot;
        bool inForce = _currentSlot() >= since;
        uint256 forgettable = since * SLOT_SECONDS + QUEEN_KEPT_SECONDS;
        if (inForce && since != 0 && block.timestamp < forgettable) revert TooEarly(forgettable);
        if (key == address(0)) revert ZeroAddress();
        if (fromSlot < earliest) revert NoticeTooShort(fromSlot, earliest);
        if (inForce) self.previousQueen = self.queen;
        self.queen = key;
        self.queenFromSlot = fromSlot;
        emit QueenSet(hive, key, fromSlot);
    }

    /// @inheritdoc ISettlementBook
    function setFeeBps(uint16 bps) external onlyDelegated {
        if (msg.sender != _timelock) revert NotTimelock(msg.sender);
        _storeFeeBps(bps);
    }

    // ---- The pool

    /// @inheritdoc ISettlementBook
    function requestPoolWithdrawal(uint32 hive, uint256 amount) external onlyDelegated onlyOwner(hive) {
        Hive storage self = _hives[hive];
        uint64 amountMicro = _toMicro(self.scale, amount);
        uint64 pool = self.money.unpack().pool;
        if (amountMicro > pool) revert PoolTooSmall(pool, amountMicro);
        uint48 readyAt = uint48(block.timestamp + NOTICE_SECONDS);
        self.pending = amountMicro;
        self.withdrawableAt = readyAt;
        emit PoolWithdrawalRequested(hive, amountMicro, readyAt);
    }

    /// @inheritdoc ISettlementBook
    function withdrawPool(uint32 hive) external onlyDelegated nonReentrant onlyOwner(hive) {
        Hive storage self = _hives[hive];
        Money memory money = self.money.unpack();
        if (self.pending == 0) revert NothingRequested(hive);
        if (block.timestamp < self.withdrawableAt) revert TooEarly(self.withdrawableAt);
        _checkMayLeave(hive, self, money);
        uint64 amountMicro = self.pending < money.pool ? self.pending : money.pool;
        money.pool -= amountMicro;
        self.money = money.pack();
        self.pending = 0;
        emit PoolWithdrawn(hive, amountMicro);
        self.coin.safeTransfer(self.owner, uint256(amountMicro) * self.scale);
    }

    /// @inheritdoc ISettlementBook
    function claimFees(uint32 hive) external onlyDelegated nonReentrant {
        Hive storage self = _hive(hive);
        Money memory money = self.money.unpack();
        uint64 amountMicro = money.fees;
        if (amountMicro == 0) revert NothingToClaim(hive);
        money.fees = 0;
        self.money = money.pack();
        emit FeesClaimed(hive, amountMicro);
        self.coin.safeTransfer(_treasury, uint256(amountMicro) * self.scale);
    }

    // ---- The bond

    /// @inheritdoc ISettlementBook
    function postBond(uint32 hive, uint256 amount) external onlyDelegated nonReentrant onlyOwner(hive) {
        Hive storage self = _hives[hive];
        uint64 amountMicro = _pull(self.coin, self.scale, amount);
        self.cover.bond += amountMicro;
        emit BondPosted(hive, amountMicro);
    }

    /// @inheritdoc ISettlementBook
    function withdrawBond(uint32 hive) external onlyDelegated nonReentrant onlyOwner(hive) {
        Hive storage self = _hives[hive];
        Money memory money = self.money.unpack();
        if (!_hasEnded(self, money)) revert HiveNotEnded(hive);
        _checkMayLeave(hive, self, money);
        uint64 amountMicro = self.cover.bond;
        if (amountMicro == 0) revert NoBond(hive);
        self.cover.bond = 0;
        emit BondWithdrawn(hive, amountMicro);
        self.coin.safeTransfer(self.owner, uint256(amountMicro) * self.scale);
    }

    // ---- Private

    function _checkedTerms(uint32 hive, HiveTerms calldata terms) private pure returns (bytes32) {
        if (terms.hive != hive) revert WrongHive(hive, terms.hive);
        if (terms.maxPrice == 0 || terms.maxPowerW == 0) revert TermsUnbounded();
        return Messages.hash(terms);
    }
}
