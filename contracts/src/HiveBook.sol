// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IMeterList} from "./interfaces/IMeterList.sol";
import {ISettlementEvents} from "./interfaces/ISettlementEvents.sol";
import {Hive, HiveInfo, PoolInfo} from "./types/Hive.sol";
import {Limits} from "./types/Limits.sol";
import {HiveTerms, Messages, Signature} from "./types/Messages.sol";
import {Money} from "./types/Money.sol";

/// @title The Hives' side of EnergySettlement: what is copied about each, its pool, and the platform's fee.
/// @notice Knows nothing of accounts. Changes the copied values by the owner's call only, so that an upgraded
/// Beekeeper cannot touch money that is already here.
abstract contract HiveBook is EIP712, ReentrancyGuardTransient, ISettlementEvents {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    /// @notice Upper limit of the platform's fee, basis points.
    uint16 public constant MAX_FEE_BPS = 100;
    /// @notice Seconds in a slot.
    uint256 public constant SLOT_SECONDS = 900;
    /// @notice Notice of a pool withdrawal and of a new Queen, seconds.
    uint256 public constant NOTICE_SECONDS = 24 hours;
    /// @notice Notice of new terms, seconds.
    uint256 public constant TERMS_NOTICE_SECONDS = 30 days;
    /// @notice Shortest and longest window of a close, seconds.
    uint32 public constant MIN_WINDOW = 6 hours;
    uint32 public constant MAX_WINDOW = 7 days;

    IMeterList private immutable _beekeeper;
    address private immutable _treasury;
    address private immutable _timelock;

    uint16 private _feeBps;
    mapping(uint32 hive => Hive) private _hives;

    constructor(IMeterList beekeeper_, address treasury, address timelock, uint16 feeBps_) {
        if (address(beekeeper_) == address(0) || treasury == address(0)) revert ZeroAddress();
        _beekeeper = beekeeper_;
        _treasury = treasury;
        _timelock = timelock;
        _storeFeeBps(feeBps_);
    }

    modifier onlyOwner(uint32 hive) {
        if (_hive(hive).owner != msg.sender) revert NotOwner(hive, msg.sender);
        _;
    }

    modifier onlyBeekeeper() {
        if (msg.sender != address(_beekeeper)) revert NotBeekeeper(msg.sender);
        _;
    }

    /// For functions that call nobody: they may not run inside another's call, but need not lock themselves.
    modifier notEntered() {
        if (_reentrancyGuardEntered()) revert ReentrancyGuardReentrantCall();
        _;
    }

    // ---- Hives: copied once, changed by the owner only

    /// @notice Copies what settlement needs to know of a Hive.
    /// @param window seconds between the start and the end of a close
    function registerHive(
        uint32 hive,
        address owner,
        IERC20Metadata coin,
        address queen,
        uint32 window,
        HiveTerms calldata terms
    ) external onlyBeekeeper {
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
        emit HiveRegistered(hive, owner, address(coin), queen, window);
        emit TermsSet(hive, terms.version, terms.fromSlot, hash);
    }

    /// @notice No more deposits; settling, closing and withdrawing go on.
    function tellFrozen(uint32 hive) external onlyBeekeeper {
        _hive(hive).frozen = true;
        emit HiveFrozen(hive);
    }

    /// @notice New terms, in force from `terms.fromSlot`, at least 30 days ahead; replaces terms not yet in force.
    function setTerms(HiveTerms calldata terms, Signature calldata sigQ) external onlyOwner(terms.hive) {
        Hive storage self = _hives[terms.hive];
        uint256 current = block.timestamp / SLOT_SECONDS;
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

    /// @notice New Queen key from a slot at least 24 h ahead. The old key stays good for Statements before it.
    /// A key that is announced but not yet in force is replaced; the one before the old key is forgotten.
    function setQueen(uint32 hive, address key, uint32 fromSlot) external onlyOwner(hive) {
        Hive storage self = _hives[hive];
        uint256 earliest = (block.timestamp + NOTICE_SECONDS + SLOT_SECONDS - 1) / SLOT_SECONDS;
        if (key == address(0)) revert ZeroAddress();
        if (fromSlot < earliest) revert NoticeTooShort(fromSlot, earliest);
        if (block.timestamp / SLOT_SECONDS >= self.queenFromSlot) self.previousQueen = self.queen;
        self.queen = key;
        self.queenFromSlot = fromSlot;
        emit QueenSet(hive, key, fromSlot);
    }

    // ---- The pool

    /// @notice Puts money into a Hive's pool; a fee still due is taken from it. Anyone may pay.
    /// @param amount in the coin's smallest unit, a whole multiple of the Hive's scale
    function fundPool(uint32 hive, uint256 amount) external nonReentrant {
        Hive storage self = _hive(hive);
        uint64 amountMicro = _pull(self, amount);
        Money memory money = self.money.unpack();
        _takeFee(money, uint256(money.pool) + amountMicro, 0);
        self.money = money.pack();
        emit PoolFunded(hive, msg.sender, amountMicro);
    }

    /// @notice Announces a withdrawal; replaces an earlier request and starts the 24 h again; 0 cancels.
    /// @param amount in the coin's smallest unit, a whole multiple of the Hive's scale
    function requestPoolWithdrawal(uint32 hive, uint256 amount) external onlyOwner(hive) {
        Hive storage self = _hives[hive];
        uint64 amountMicro = _toMicro(self, amount);
        uint64 pool = self.money.unpack().pool;
        if (amountMicro > pool) revert PoolTooSmall(pool, amountMicro);
        uint48 readyAt = uint48(block.timestamp + NOTICE_SECONDS);
        self.pending = amountMicro;
        self.withdrawableAt = readyAt;
        emit PoolWithdrawalRequested(hive, amountMicro, readyAt);
    }

    /// @notice Pays the announced amount to the owner, at most what the pool still has; refused while the Hive owes.
    function withdrawPool(uint32 hive) external nonReentrant onlyOwner(hive) {
        Hive storage self = _hives[hive];
        if (self.pending == 0) revert NothingRequested(hive);
        if (block.timestamp < self.withdrawableAt) revert TooEarly(self.withdrawableAt);
        Money memory money = self.money.unpack();
        if (money.owedAccounts != 0) revert HiveIsShort(hive);
        uint64 amountMicro = self.pending < money.pool ? self.pending : money.pool;
        money.pool -= amountMicro;
        self.money = money.pack();
        self.pending = 0;
        emit PoolWithdrawn(hive, amountMicro);
        self.coin.safeTransfer(self.owner, uint256(amountMicro) * self.scale);
    }

    /// @notice Pays a Hive's platform fees to the treasury. Anyone may call.
    function claimFees(uint32 hive) external nonReentrant {
        Hive storage self = _hive(hive);
        Money memory money = self.money.unpack();
        uint64 amountMicro = money.fees;
        if (amountMicro == 0) revert NothingToClaim(hive);
        money.fees = 0;
        self.money = money.pack();
        emit FeesClaimed(hive, amountMicro);
        self.coin.safeTransfer(_treasury, uint256(amountMicro) * self.scale);
    }

    /// @notice Changes the platform's fee, at most 100 basis points.
    function setFeeBps(uint16 bps) external {
        if (msg.sender != _timelock) revert NotTimelock(msg.sender);
        _storeFeeBps(bps);
    }

    // ---- Views

    /// @notice A Hive's pool and what is asked of it.
    function poolOf(uint32 hive) external view returns (PoolInfo memory) {
        Hive storage self = _hives[hive];
        Money memory money = self.money.unpack();
        return PoolInfo({
            pool: money.pool,
            pending: self.pending,
            feeDue: money.feeDue,
            fees: money.fees,
            withdrawableAt: self.withdrawableAt,
            owedAccounts: money.owedAccounts,
            lastSlot: money.lastSlot,
            nextBatch: money.nextBatch
        });
    }

    /// @notice What has been copied about a Hive; all zero for an unknown one.
    function hiveInfo(uint32 hive) external view returns (HiveInfo memory) {
        Hive storage self = _hives[hive];
        return HiveInfo({
            coin: address(self.coin),
            scale: self.scale,
            frozen: self.frozen,
            short: self.money.unpack().owedAccounts != 0,
            owner: self.owner,
            window: self.window,
            queen: self.queen,
            previousQueen: self.previousQueen,
            queenFromSlot: self.queenFromSlot,
            terms: self.terms,
            maxPrice: self.limits.maxPrice(),
            maxPowerW: self.limits.maxPowerW(),
            nextTerms: self.nextTerms,
            nextFromSlot: self.limits.nextFromSlot()
        });
    }

    /// @notice The key whose signature counts for a Statement of that slot.
    function queenOf(uint32 hive, uint32 slot) external view returns (address) {
        return _queenFor(_hives[hive], slot);
    }

    /// @notice EIP-712 domain separator of this contract on this chain.
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// @notice Platform fee, basis points of what Workers pay in.
    function feeBps() public view returns (uint16) {
        return _feeBps;
    }

    /// @notice Whom this contract listens to.
    function authorities() external view returns (address beekeeper, address treasury, address timelock) {
        return (address(_beekeeper), _treasury, _timelock);
    }

    // ---- For the accounts

    /// The list of meters, asked when an account opens and never else.
    function _meterList() internal view returns (IMeterList) {
        return _beekeeper;
    }

    /// Storage of a Hive, whether registered or not.
    function _bookOf(uint32 hive) internal view returns (Hive storage) {
        return _hives[hive];
    }

    /// Takes the new fee and what is still due, at most what the pool has.
    function _takeFee(Money memory money, uint256 pool, uint64 fee) internal pure {
        uint256 due = uint256(money.feeDue) + fee;
        uint256 taken = due < pool ? due : pool;
        money.pool = (pool - taken).toUint64();
        money.feeDue = (due - taken).toUint64();
        money.fees = (money.fees + taken).toUint64();
    }

    /// Pulls coins from the caller; a coin that delivers another amount is refused.
    function _pull(Hive storage self, uint256 amount) internal returns (uint64 amountMicro) {
        amountMicro = _toMicro(self, amount);
        if (amountMicro == 0) revert AmountNotWhole(amount, self.scale);
        IERC20 coin = self.coin;
        uint256 before = coin.balanceOf(address(this));
        coin.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = coin.balanceOf(address(this)) - before;
        if (received != amount) revert TransferShort(amount, received);
    }

    function _toMicro(Hive storage self, uint256 amount) internal view returns (uint64) {
        uint256 scale = self.scale;
        if (amount % scale != 0) revert AmountNotWhole(amount, scale);
        return (amount / scale).toUint64();
    }

    function _storeFeeBps(uint16 bps) private {
        if (bps > MAX_FEE_BPS) revert FeeTooHigh(bps, MAX_FEE_BPS);
        _feeBps = bps;
        emit FeeBpsSet(bps);
    }

    function _hive(uint32 hive) internal view returns (Hive storage self) {
        self = _hives[hive];
        if (self.owner == address(0)) revert UnknownHive(hive);
    }

    function _queenFor(Hive storage self, uint256 slot) internal view returns (address) {
        return slot < self.queenFromSlot ? self.previousQueen : self.queen;
    }

    function _checkedTerms(uint32 hive, HiveTerms calldata terms) internal pure returns (bytes32) {
        if (terms.hive != hive) revert WrongHive(hive, terms.hive);
        if (terms.maxPrice == 0 || terms.maxPowerW == 0) revert TermsUnbounded();
        return Messages.hash(terms);
    }

    function _checkSigner(address expected, bytes32 structHash, Signature calldata signature) internal view {
        (address signer, ECDSA.RecoverError failure,) =
            ECDSA.tryRecover(_hashTypedDataV4(structHash), signature.r, signature.vs);
        if (failure != ECDSA.RecoverError.NoError || signer != expected) revert InvalidSignature(expected);
    }
}
