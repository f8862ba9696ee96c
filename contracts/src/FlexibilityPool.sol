// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {FlexMember, IFlexibilityEvents} from "./interfaces/IFlexibilityEvents.sol";
import {IHiveReader} from "./interfaces/IHiveReader.sol";
import {FlexOrder, FlexOrders} from "./types/FlexOrder.sol";
import {HiveInfo} from "./types/Hive.sol";
import {Signature} from "./types/Messages.sol";

/// @title FlexibilityPool: stakes from which changes of power inside a slot are paid, in the coin of each Hive.
/// @notice Each Worker has a stake, and each Hive has one: the stake of its owner's address. An order moves its price
/// from one of them to the other, never more than the payer's stake, and only with the signature of the side that pays:
/// the owner's stake pays the Worker for the power the Queen ordered (watts not zero); the Worker's stake pays the
/// owner's for what others delivered because of it (watts zero). Between two Workers money goes by way of the owner's
/// stake. So the Queen spends at most what the owner has staked, and a Worker what it has signed. No order moves
/// a coin: coins enter by `stakeFlex` and leave by `unstake`. Not upgradeable.
contract FlexibilityPool is EIP712, ReentrancyGuardTransient, IFlexibilityEvents {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    /// @notice Notice of taking a stake out, seconds. Orders signed before must be charged within it.
    uint256 public constant UNSTAKE_SECONDS = 7 days;
    /// @notice Longest ban, seconds; as long as the owner may not ban again after a vote lifted a ban.
    uint256 public constant MAX_BAN_SECONDS = 30 days;
    /// @notice Most orders in one call.
    uint256 public constant MAX_ORDERS = 200;
    /// @notice Seconds in a slot.
    uint256 public constant SLOT_SECONDS = 900;

    uint8 private constant _UNKNOWN_HIVE = 1;
    uint8 private constant _NOT_BEGUN = 2;
    uint8 private constant _BAD_SERIAL = 3;
    uint8 private constant _NOT_QUEEN = 4;
    uint8 private constant _NOT_WORKER = 5;
    uint8 private constant _NO_HOLDER = 6;
    uint8 private constant _STAKE_SHORT = 7;

    /// `total` is the sum of the Hive's stakes; it bounds each of them, so that no credit can overflow.
    struct HiveStakes {
        uint64 minimum;
        uint64 total;
    }

    IHiveReader private immutable _settlement;
    address private immutable _timelock;

    mapping(uint32 hive => HiveStakes) private _hives;
    mapping(uint32 hive => mapping(address worker => FlexMember)) private _members;
    mapping(bytes32 key => bool) private _evidenceUsed;

    /// @param settlement_ EnergySettlement, where Hives, Queens and payout addresses are read
    /// @param timelock_ who carries out the votes of the platform
    constructor(IHiveReader settlement_, address timelock_) EIP712("Hive Settlement", "1") {
        if (address(settlement_) == address(0) || timelock_ == address(0)) revert ZeroAddress();
        _settlement = settlement_;
        _timelock = timelock_;
    }

    // ---- Stakes

    /// @notice Adds to a Worker's stake, or to the Hive's own when `worker` is the Hive's owner. Anyone may pay; the
    /// coins come back to the holder (`holderOf`), not to the payer. A Worker needs an account in EnergySettlement.
    /// @param amount in the coin's smallest unit, a whole multiple of the Hive's scale
    function stakeFlex(uint32 hive, address worker, uint256 amount) external nonReentrant {
        HiveInfo memory info = _infoOf(hive);
        if (info.frozen) revert HiveIsFrozen(hive);
        if (_holderOf(info, hive, worker) == address(0)) revert NoAccount(hive, worker);
        uint64 amountMicro = _toMicro(info, amount);
        if (amountMicro == 0) revert AmountNotWhole(amount, info.scale);
        _pull(IERC20(info.coin), amount);
        _hives[hive].total += amountMicro;
        _members[hive][worker].stake += amountMicro;
        emit FlexStaked(hive, worker, msg.sender, amountMicro);
    }

    /// @notice Announces that part of a stake leaves in 7 days; it counts for eligibility no more, and still pays
    /// orders. Replaces an earlier request and starts the 7 days again; 0 cancels. By the holder.
    /// @param amount in the coin's smallest unit, a whole multiple of the Hive's scale
    function requestUnstake(uint32 hive, address worker, uint256 amount) external {
        HiveInfo memory info = _infoOf(hive);
        if (msg.sender != _holderOf(info, hive, worker)) revert NotHolder(hive, worker, msg.sender);
        FlexMember storage member = _members[hive][worker];
        uint64 amountMicro = _toMicro(info, amount);
        if (amountMicro > member.stake) revert StakeTooSmall(member.stake, amountMicro);
        uint48 readyAt = uint48(block.timestamp + UNSTAKE_SECONDS);
        member.pending = amountMicro;
        member.withdrawableAt = readyAt;
        emit UnstakeRequested(hive, worker, amountMicro, readyAt);
    }

    /// @notice Pays the announced amount to the holder, at most what the stake still has. Anyone may call; works in a
    /// frozen Hive too.
    function unstake(uint32 hive, address worker) external nonReentrant {
        HiveInfo memory info = _infoOf(hive);
        FlexMember storage member = _members[hive][worker];
        uint64 amountMicro = member.pending;
        if (amountMicro == 0) revert NothingRequested(hive, worker);
        if (block.timestamp < member.withdrawableAt) revert TooEarly(member.withdrawableAt);
        if (amountMicro > member.stake) amountMicro = member.stake;
        address holder = _holderOf(info, hive, worker);
        member.pending = 0;
        member.stake -= amountMicro;
        _hives[hive].total -= amountMicro;
        emit FlexUnstaked(hive, worker, holder, amountMicro);
        IERC20(info.coin).safeTransfer(holder, uint256(amountMicro) * info.scale);
    }

    /// @notice Takes the whole stake of a meter that was proven to have signed two Readings for one slot and gives it
    /// to the Hive's stake. The only fault that costs a stake without the Worker's signature. Anyone may call.
    function slash(uint32 hive, address worker) external {
        address owner = _infoOf(hive).owner;
        FlexMember storage member = _members[hive][worker];
        uint64 amountMicro = member.stake;
        if (worker == owner || amountMicro == 0 || !_settlement.isBanned(worker)) revert NothingToSlash(hive, worker);
        member.stake = 0;
        member.pending = 0;
        _members[hive][owner].stake += amountMicro;
        emit StakeSlashed(hive, worker, amountMicro, msg.sender);
    }

    // ---- Orders

    /// @notice Pays orders from stake to stake, in the order given. One that cannot be charged is skipped and reported
    /// and changes nothing; it stays good until its serial is used. Serials have no gaps, so that the side which pays
    /// cannot get rid of an order by charging a later one. Anyone may call.
    /// @param sigs two for each order: the Queen's, then the Worker's
    /// @return charged how many orders were paid
    function chargeFlex(FlexOrder[] calldata orders, Signature[] calldata sigs) external returns (uint256 charged) {
        if (_reentrancyGuardEntered()) revert ReentrancyGuardReentrantCall();
        if (orders.length > MAX_ORDERS) revert TooManyOrders(orders.length, MAX_ORDERS);
        if (sigs.length != 2 * orders.length) revert SignaturesMissing(orders.length, sigs.length);
        for (uint256 i = 0; i < orders.length; ++i) {
            FlexOrder calldata order = orders[i];
            HiveInfo memory info = _settlement.hiveInfo(order.hive);
            uint8 reason = _judge(info, order, sigs[2 * i], sigs[2 * i + 1]);
            if (reason == 0) {
                _charge(info.owner, order);
                ++charged;
            } else {
                emit FlexSkipped(order.hive, order.worker, order.serial, reason);
            }
        }
    }

    // ---- The Hive's rules

    /// @notice Least stake for taking part in a Hive's market. By its owner.
    /// @param amountMicro micro-coins; 0 lets everybody take part
    function setMinimum(uint32 hive, uint64 amountMicro) external {
        if (msg.sender != _infoOf(hive).owner) revert NotOwner(hive, msg.sender);
        _hives[hive].minimum = amountMicro;
        emit MinimumSet(hive, amountMicro);
    }

    /// @notice Keeps a Worker out of the market until a time at most 30 days ahead; its money is not touched. By the
    /// Hive's owner or the timelock. Each evidence serves once, a running ban cannot be made longer, and the owner
    /// cannot ban for 30 days what a vote has set free.
    /// @param until unix seconds, after now
    /// @param evidence hash of the published evidence; must not be zero
    function ban(uint32 hive, address worker, uint48 until, bytes32 evidence) external {
        _checkOwnerOrTimelock(hive);
        FlexMember storage member = _members[hive][worker];
        if (evidence == 0) revert NoEvidence();
        if (until <= block.timestamp) revert BanInPast(until);
        uint256 latest = block.timestamp + MAX_BAN_SECONDS;
        if (until > latest) revert BanTooLong(until, latest);
        if (member.bannedUntil > block.timestamp) revert AlreadyBanned(hive, worker, member.bannedUntil);
        if (msg.sender != _timelock && member.shieldedUntil > block.timestamp) {
            revert ShieldedByVote(hive, worker, member.shieldedUntil);
        }
        _useEvidence(hive, worker, evidence);
        member.bannedUntil = until;
        emit WorkerBanned(hive, worker, until, evidence, msg.sender);
    }

    /// @notice Ends a ban. By a vote: of the platform (timelock), or of the owners where the owner is HiveShares.
    function liftBan(uint32 hive, address worker) external {
        _checkOwnerOrTimelock(hive);
        FlexMember storage member = _members[hive][worker];
        if (member.bannedUntil <= block.timestamp) revert NotBanned(hive, worker);
        member.bannedUntil = 0;
        if (msg.sender == _timelock) member.shieldedUntil = uint48(block.timestamp + MAX_BAN_SECONDS);
        emit BanLifted(hive, worker, msg.sender);
    }

    // ---- Views

    /// @notice Whether a Worker may take part in the Hive's market: stake without what was announced to leave at least
    /// the Hive's minimum, no ban running, and not a meter banned for ever.
    function isEligible(uint32 hive, address worker) external view returns (bool) {
        FlexMember storage member = _members[hive][worker];
        (uint64 stake, uint64 pending) = (member.stake, member.pending);
        uint64 counted = pending < stake ? stake - pending : 0;
        if (counted < _hives[hive].minimum || member.bannedUntil > block.timestamp) return false;
        return _settlement.hiveInfo(hive).owner != address(0) && !_settlement.isBanned(worker);
    }

    /// @notice A Worker's stake, requests and bans; of the Hive's own stake for its owner's address.
    function memberOf(uint32 hive, address worker) external view returns (FlexMember memory) {
        return _members[hive][worker];
    }

    /// @notice The Hive's minimum and the sum of its stakes, micro-coins.
    function stakesOf(uint32 hive) external view returns (uint64 minimum, uint64 total) {
        HiveStakes storage stakes = _hives[hive];
        return (stakes.minimum, stakes.total);
    }

    /// @notice Who may take a stake out: the owner for the Hive's own; else the payout address of the Worker's account
    /// (the Worker itself where that is EnergySettlement: the Queen of a daughter Hive). Zero when there is none.
    function holderOf(uint32 hive, address worker) external view returns (address) {
        return _holderOf(_infoOf(hive), hive, worker);
    }

    /// @notice EIP-712 digest of an order: what Queen and Worker sign.
    function orderDigest(FlexOrder calldata order) external view returns (bytes32) {
        return _hashTypedDataV4(FlexOrders.hash(order));
    }

    /// @notice EIP-712 domain separator of this contract on this chain.
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// @notice Whom this contract listens to.
    function authorities() external view returns (IHiveReader settlement, address timelock) {
        return (_settlement, _timelock);
    }

    // ---- Private

    /// The rules in their order; the first that fails gives its number, 0 when all hold.
    function _judge(HiveInfo memory info, FlexOrder calldata order, Signature calldata sigQ, Signature calldata sigW)
        private
        view
        returns (uint8)
    {
        if (info.owner == address(0)) return _UNKNOWN_HIVE;
        if (order.slot > block.timestamp / SLOT_SECONDS) return _NOT_BEGUN;
        if (order.serial != uint256(_members[order.hive][order.worker].serial) + 1) return _BAD_SERIAL;
        bytes32 digest = _hashTypedDataV4(FlexOrders.hash(order));
        if (!_isSignedBy(_settlement.queenOf(order.hive, order.slot), digest, sigQ)) return _NOT_QUEEN;
        if (!_isSignedBy(order.worker, digest, sigW)) return _NOT_WORKER;
        if (_holderOf(info, order.hive, order.worker) == address(0)) return _NO_HOLDER;
        (address payer,) = _sidesOf(info.owner, order);
        return _members[order.hive][payer].stake < order.price ? _STAKE_SHORT : 0;
    }

    function _charge(address owner, FlexOrder calldata order) private {
        (address payer, address payee) = _sidesOf(owner, order);
        _members[order.hive][payer].stake -= order.price;
        _members[order.hive][payee].stake += order.price;
        _members[order.hive][order.worker].serial = order.serial;
        emit FlexCharged(
            order.hive, order.worker, order.slot, order.watts, order.serial, payer, payee, order.price
        );
    }

    function _sidesOf(address owner, FlexOrder calldata order) private pure returns (address payer, address payee) {
        return order.watts == 0 ? (order.worker, owner) : (owner, order.worker);
    }

    /// Compact signatures only; a high s and the zero signer are refused by the library.
    function _isSignedBy(address expected, bytes32 digest, Signature calldata signature) private pure returns (bool) {
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecover(digest, signature.r, signature.vs);
        return failure == ECDSA.RecoverError.NoError && signer == expected;
    }

    function _useEvidence(uint32 hive, address worker, bytes32 evidence) private {
        bytes32 key = keccak256(abi.encode(hive, worker, evidence));
        if (_evidenceUsed[key]) revert EvidenceUsed(evidence);
        _evidenceUsed[key] = true;
    }

    function _checkOwnerOrTimelock(uint32 hive) private view {
        address owner = _infoOf(hive).owner;
        if (msg.sender != owner && msg.sender != _timelock) revert NotOwnerOrTimelock(hive, msg.sender);
    }

    function _infoOf(uint32 hive) private view returns (HiveInfo memory info) {
        info = _settlement.hiveInfo(hive);
        if (info.owner == address(0)) revert UnknownHive(hive);
    }

    function _holderOf(HiveInfo memory info, uint32 hive, address worker) private view returns (address) {
        if (worker == info.owner) return worker;
        address payout = _settlement.account(hive, worker).payout;
        return payout == address(_settlement) ? worker : payout;
    }

    function _toMicro(HiveInfo memory info, uint256 amount) private pure returns (uint64) {
        if (amount % info.scale != 0) revert AmountNotWhole(amount, info.scale);
        return (amount / info.scale).toUint64();
    }

    /// Pulls coins from the caller; a coin that delivers another amount is refused.
    function _pull(IERC20 coin, uint256 amount) private {
        uint256 before = coin.balanceOf(address(this));
        coin.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = coin.balanceOf(address(this)) - before;
        if (received != amount) revert TransferShort(amount, received);
    }
}
