// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IMeterList} from "./interfaces/IMeterList.sol";
import {ISettlementEvents} from "./interfaces/ISettlementEvents.sol";
import {Account, AccountExtra} from "./types/Account.sol";
import {Close, Lie} from "./types/Close.sol";
import {Cover, Hive} from "./types/Hive.sol";
import {Messages, PayoutAddress, Signature} from "./types/Messages.sol";
import {Money} from "./types/Money.sol";

/// @title All storage of EnergySettlement and what both of its pieces of code do with it.
/// @notice A piece that declared storage of its own would shift or hide what the other one sees: storage is declared
/// here and nowhere else.
abstract contract SettlementBase is EIP712, ReentrancyGuardTransient, ISettlementEvents {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    /// @notice Upper limit of the platform's fee, basis points.
    uint16 public constant MAX_FEE_BPS = 100;
    /// @notice Seconds in a slot.
    uint256 public constant SLOT_SECONDS = 900;
    /// @notice Notice of a pool withdrawal, of a new Queen and of a new mother, seconds.
    uint256 public constant NOTICE_SECONDS = 24 hours;
    /// @notice How long pool and bond stay after the end of a Hive or a proven equivocation, seconds.
    uint256 public constant STAY_SECONDS = 30 days;
    /// Slots that count at most when a change of net is judged by price, power and time.
    uint256 internal constant _MAX_SLOTS_COUNTED = 192;
    /// Micro-coins per kWh times watts times slots, over this, are micro-coins: 1000 W per kW, 4 slots an hour.
    uint256 internal constant _RATE_DIVISOR = 4000;
    uint256 internal constant _BASIS_POINTS = 10_000;
    /// A tenth of what is taken from a liar goes to who proved it.
    uint64 internal constant _CALLER_SHARE = 10;

    IMeterList internal immutable _beekeeper;
    address internal immutable _treasury;
    address internal immutable _timelock;

    uint16 private _feeBps;
    mapping(uint32 hive => Hive) internal _hives;
    mapping(uint32 hive => mapping(address worker => AccountPlace)) internal _accounts;
    mapping(uint32 hive => mapping(address worker => AccountExtra)) internal _extras;
    mapping(uint256 hiveSlotBatch => bytes32) internal _roots;
    mapping(uint32 hive => mapping(address worker => Close)) internal _closes;
    mapping(uint32 hive => mapping(address worker => Lie)) internal _lies;
    mapping(uint32 hive => mapping(address worker => uint64)) internal _claims;
    /// Which Hive's pool is paid when this account of a mother Hive is.
    mapping(uint32 mother => mapping(address account => uint32 hive)) internal _daughters;
    mapping(address meter => bool) internal _banned;
    mapping(bytes32 workerAndStatement => bool) internal _objected;
    mapping(uint256 hiveAndSlot => bool) internal _slashed;

    /// The account's word, behind a pointer so that its place is computed once.
    struct AccountPlace {
        Account word;
    }

    constructor(IMeterList beekeeper, address treasury, address timelock, uint16 feeBps_)
        EIP712("Hive Settlement", "1")
    {
        if (address(beekeeper) == address(0) || treasury == address(0)) revert ZeroAddress();
        _beekeeper = beekeeper;
        _treasury = treasury;
        _timelock = timelock;
        _storeFeeBps(feeBps_);
    }

    modifier onlyOwner(uint32 hive) {
        if (_hives[hive].owner != msg.sender) revert NotOwner(hive, msg.sender);
        _;
    }

    /// For functions that call nobody: they may not run inside another's call, but need not lock themselves.
    modifier notEntered() {
        if (_reentrancyGuardEntered()) revert ReentrancyGuardReentrantCall();
        _;
    }

    /// @notice Whom this contract listens to.
    function authorities() external view returns (address beekeeper, address treasury, address timelock) {
        return (address(_beekeeper), _treasury, _timelock);
    }

    /// @notice Platform fee, basis points of what Workers pay in.
    function feeBps() public view returns (uint16) {
        return _feeBps;
    }

    function _storeFeeBps(uint16 bps) internal {
        if (bps > MAX_FEE_BPS) revert FeeTooHigh(bps, MAX_FEE_BPS);
        _feeBps = bps;
        emit FeeBpsSet(bps);
    }

    /// Storage of a registered Hive; asks the word that moving coins reads anyway.
    function _hive(uint32 hive) internal view returns (Hive storage self) {
        self = _hives[hive];
        if (address(self.coin) == address(0)) revert UnknownHive(hive);
    }

    /// The key whose signature counts for a slot.
    function _queenFor(Hive storage self, uint256 slot) internal view returns (address) {
        return slot < self.queenFromSlot ? self.previousQueen : self.queen;
    }

    function _currentSlot() internal view returns (uint256) {
        return block.timestamp / SLOT_SECONDS;
    }

    /// Refuses a signature of anybody else over a struct hash.
    function _checkSigner(address expected, bytes32 structHash, Signature calldata signature) internal view {
        _checkDigest(expected, _hashTypedDataV4(structHash), signature);
    }

    /// Refuses a signature of anybody else over a digest.
    function _checkDigest(address expected, bytes32 digest, Signature calldata signature) internal pure {
        address signer = _signerOf(digest, signature);
        if (signer != expected || signer == address(0)) revert InvalidSignature(expected);
    }

    /// Who signed a digest; zero when nobody did.
    function _signerOf(bytes32 digest, Signature calldata signature) internal pure returns (address) {
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecover(digest, signature.r, signature.vs);
        return failure == ECDSA.RecoverError.NoError ? signer : address(0);
    }

    // ---- Money

    /// Whether somebody is owed money that is not there.
    function _isShort(Money memory money, Cover storage cover) internal view returns (bool) {
        return money.owedAccounts != 0 || cover.claimsOpen != 0;
    }

    /// Adds money to a pool: open claims come first, then a fee that is still due.
    function _fillPool(uint32 hive, Hive storage self, uint64 amountMicro) internal {
        Money memory money = self.money.unpack();
        uint256 pool = _fundClaims(hive, self, money, uint256(money.pool) + amountMicro);
        _takeFee(money, pool, 0);
        self.money = money.pack();
    }

    /// Puts money aside for open claims; gives what is left of `available`, micro-coins.
    function _fundClaims(uint32 hive, Hive storage self, Money memory money, uint256 available)
        internal
        returns (uint256)
    {
        uint64 open = self.cover.claimsOpen;
        if (open == 0 || available == 0) return available;
        // casting to 'uint64' is safe because it is at most `open`
        uint64 taken = available < open ? uint64(available) : open;
        self.cover.claimsOpen = open - taken;
        self.cover.claimsFunded += taken;
        if (taken == open && money.owedAccounts == 0) emit HiveCovered(hive);
        return available - taken;
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
    function _pull(IERC20 coin, uint256 scale, uint256 amount) internal returns (uint64 amountMicro) {
        amountMicro = _toMicro(scale, amount);
        if (amountMicro == 0) revert AmountNotWhole(amount, scale);
        uint256 received = coin.balanceOf(address(this));
        coin.safeTransferFrom(msg.sender, address(this), amount);
        // A balance that has sunk wraps to a number that is no amount either.
        unchecked {
            received = coin.balanceOf(address(this)) - received;
        }
        if (received != amount) revert TransferShort(amount, received);
    }

    function _toMicro(uint256 scale, uint256 amount) internal pure returns (uint64) {
        uint256 micro = amount / scale;
        // Cannot overflow: what was divided comes back at most.
        unchecked {
            if (micro * scale != amount) revert AmountNotWhole(amount, scale);
        }
        return micro.toUint64();
    }

    /// Money may leave pool and bond only while nobody is owed and nothing has to stay.
    function _checkMayLeave(uint32 hive, Hive storage self, Money memory money) internal view {
        if (_isShort(money, self.cover)) revert HiveIsShort(hive);
        if (block.timestamp < self.cover.stayUntil) revert TooEarly(self.cover.stayUntil);
    }

    /// Whether a Hive is frozen and has no open account; it never has one again.
    function _hasEnded(Hive storage self, Money memory money) internal view returns (bool) {
        return self.frozen && self.openings == money.closings;
    }

    /// Starts the time that pool and bond of an ended Hive stay, so that late Statements still find them.
    function _noteEnd(Hive storage self, Money memory money) internal {
        if (_hasEnded(self, money)) self.cover.stayUntil = uint48(block.timestamp + STAY_SECONDS);
    }

    /// Stores a payout address its device has signed with a newer serial.
    function _storePayout(PayoutAddress calldata payout, Signature calldata sig) internal {
        AccountExtra extra = _extras[payout.hive][payout.worker];
        if (payout.serial <= extra.payoutSerial()) revert SerialNotNewer(payout.serial, extra.payoutSerial());
        _checkSigner(payout.worker, Messages.hash(payout), sig);
        _extras[payout.hive][payout.worker] = extra.withPayout(payout.payout, payout.serial);
        emit PayoutSet(payout.hive, payout.worker, payout.payout, payout.serial);
    }
}
