// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {SettlementBase} from "./SettlementBase.sol";
import {SettlementCloses} from "./SettlementCloses.sol";
import {SettlementViews} from "./SettlementViews.sol";
import {IMeterList} from "./interfaces/IMeterList.sol";
import {Account, AccountExtra, AccountLibrary, AccountState} from "./types/Account.sol";
import {Hive} from "./types/Hive.sol";
import {MerkleRoot} from "./types/MerkleRoot.sol";
import {Money} from "./types/Money.sol";
import {Messages, Signature, Statement} from "./types/Messages.sol";
import {Leaf, PackedLeaf} from "./types/PackedLeaf.sol";

/// @title Holds the money of all Hives and settles Statements that Queen and Worker have both signed.
/// @notice Not upgradeable. What is settled is final at once. Money is in micro-coins (10^-6 of one coin) inside,
/// amounts that move coins are in the coin's smallest unit. Slot = unix seconds // 900.
/// What must always hold: coins x scale cover every balance; funding - net is never negative; slot and counters
/// of an account never go down; one bad leaf changes nobody else's account.
/// Withdrawals, claims, bonds, mothers and the Hives' book are the functions of ISettlementClosing; they run in this
/// contract's storage from a second, fixed piece of code, see SettlementClosing.
contract EnergySettlement is SettlementCloses, SettlementViews {
    using SafeCast for uint256;
    using SafeCast for int256;

    /// @notice Most leaves in one batch; keeps the largest transaction below the cap of 2^24 gas.
    uint256 public constant MAX_LEAVES = 1000;
    /// Half the order of secp256k1; a larger s is the second form of a signature and refused.
    uint256 private constant _HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    uint256 private constant _NO_ACCOUNT = 1;
    uint256 private constant _BAD_SLOT = 2;
    uint256 private constant _COUNTER_DOWN = 3;
    uint256 private constant _NOT_FUNDED = 4;
    uint256 private constant _BAD_SIGNATURE = 5;
    uint256 private constant _CLOSE_RUNNING = 6;
    uint256 private constant _POOL_SHORT = 7;
    uint256 private constant _TOO_MUCH = 8;

    address private immutable _closing;

    /// Running figures of one batch, in memory.
    struct Batch {
        uint32 hive;
        uint256 maxSlot;
        uint256 rate;
        uint256 nextRate;
        uint256 nextFromSlot;
        bytes32 domain;
        int256 pool;
        uint256 paidIn;
        uint256 owed;
        uint256 owedBefore;
    }

    /// @param beekeeper list of meters and Hives; the only caller of `registerHive` and `tellFrozen`
    /// @param treasury where platform fees go
    /// @param timelock the only caller of `setFeeBps`
    /// @param feeBps_ platform fee at the start, basis points
    /// @param closing the SettlementClosing made with the same authorities; can never be changed
    constructor(IMeterList beekeeper, address treasury, address timelock, uint16 feeBps_, SettlementBase closing)
        SettlementBase(beekeeper, treasury, timelock, feeBps_)
    {
        (address beekeeper_, address treasury_, address timelock_) = closing.authorities();
        bool same = beekeeper_ == address(beekeeper) && treasury_ == treasury && timelock_ == timelock;
        if (!same) revert PiecesDiffer(address(closing));
        _closing = address(closing);
    }

    /// @notice Runs the functions of ISettlementClosing in this contract's storage; takes no ether.
    fallback(bytes calldata input) external returns (bytes memory) {
        return Address.functionDelegateCall(_closing, input);
    }

    /// @notice The piece of code behind the functions of ISettlementClosing.
    function closingPiece() external view returns (address) {
        return _closing;
    }

    // ---- Money in -----------------------------------------------------------------------------------------

    /// @notice Pays in for a Worker; the first payment opens its account. Anyone may pay.
    /// @param amount in the coin's smallest unit, a whole multiple of the Hive's scale
    function deposit(uint32 hive, address worker, uint256 amount) external nonReentrant {
        _deposit(hive, worker, amount);
    }

    /// @notice `deposit` with an ERC-2612 permit. A permit that fails (somebody else has used it first) is ignored
    /// when the allowance is there anyway.
    function depositWithPermit(
        uint32 hive,
        address worker,
        uint256 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant {
        IERC20 coin = _hive(hive).coin;
        try IERC20Permit(address(coin)).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        uint256 allowance = coin.allowance(msg.sender, address(this));
        if (allowance < amount) revert AllowanceTooLow(allowance, amount);
        _deposit(hive, worker, amount);
    }

    /// @notice Puts money into a Hive's pool. Open claims and a fee still due are taken from it first. Anyone may pay.
    /// @param amount in the coin's smallest unit, a whole multiple of the Hive's scale
    function fundPool(uint32 hive, uint256 amount) external nonReentrant {
        Hive storage self = _hive(hive);
        uint64 amountMicro = _pull(self.coin, self.scale, amount);
        _fillPool(hive, self, amountMicro);
        emit PoolFunded(hive, msg.sender, amountMicro);
    }

    // ---- Settlement ---------------------------------------------------------------------------------------

    /// @notice Applies packed Statements in calldata order; a leaf that breaks a rule is skipped and reported.
    /// The old Queen's key may still bring leaves from before the hand-over; later ones are skipped with reason 2.
    /// @param slot the period's last slot; batches count from 0 per (hive, slot)
    /// @param packed 140 bytes per leaf, see PackedLeaf
    /// @return applied how many leaves were applied; a simulated call compares it with what it expects
    function settle(uint32 hive, uint32 slot, bytes calldata packed) external notEntered returns (uint32 applied) {
        Hive storage self = _hives[hive];
        uint256 current = _currentSlot();
        uint256 fromSlot = self.queenFromSlot;
        uint256 maxSlot = current;
        if (msg.sender != self.queen || current < fromSlot) {
            if (fromSlot == 0 || msg.sender != self.previousQueen) revert NotQueen(hive, msg.sender);
            if (maxSlot >= fromSlot) maxSlot = fromSlot - 1;
        }
        return _settle(hive, slot, maxSlot, packed);
    }

    /// @notice `settle` brought by anyone; the Queen in force has signed SettleBatch for the next batch number.
    function settleFor(uint32 hive, uint32 slot, bytes calldata packed, Signature calldata queenSignature)
        external
        notEntered
        returns (uint32 applied)
    {
        Hive storage self = _hive(hive);
        uint256 current = _currentSlot();
        Money memory money = self.money.unpack();
        uint32 batch = slot == money.lastSlot ? money.nextBatch : 0;
        _checkSigner(
            _queenFor(self, current), Messages.hashBatch(hive, slot, batch, keccak256(packed)), queenSignature
        );
        return _settle(hive, slot, current, packed);
    }

    /// @notice Applies one Statement both have signed, brought by anyone: nobody can be left out.
    /// @return reason 0 when applied, else the number that `Skipped` reports
    function applyStatement(
        uint32 hive,
        Statement calldata statement,
        Signature calldata sigW,
        Signature calldata sigQ
    ) external notEntered returns (uint8 reason) {
        Hive storage self = _hive(hive);
        if (statement.hive != hive) revert WrongHive(hive, statement.hive);
        Money memory money = self.money.unpack();
        Batch memory batch = _openBatch(hive, self, money, _currentSlot());
        Leaf memory leaf = _newLeaf(hive);
        leaf.worker = statement.worker;
        leaf.slot = statement.slot;
        leaf.net = statement.net;
        leaf.imported = statement.imported;
        leaf.exported = statement.exported;
        leaf.readings = statement.readings;
        leaf.r = sigW.r;
        leaf.vs = sigW.vs;
        _checkSigner(_queenFor(self, statement.slot), _structHash(leaf), sigQ);
        (uint256 number,) = _apply(batch, leaf, _accounts[hive]);
        if (number == 0) emit StatementApplied(hive, statement.worker, statement.slot, statement.net);
        _closeBatch(batch, money);
        self.money = money.pack();
        // casting to 'uint8' is safe because reasons end at 8
        reason = uint8(number);
    }

    // ---- Private ------------------------------------------------------------------------------------------

    function _settle(uint32 hive, uint32 slot, uint256 maxSlot, bytes calldata packed) private returns (uint32) {
        Hive storage self = _hives[hive];
        _checkPacking(packed.length);
        Money memory money = self.money.unpack();
        uint32 number = _nextBatch(money, slot);
        Batch memory batch = _openBatch(hive, self, money, maxSlot);
        (bytes32 root, uint256 applied) = _applyAll(batch, packed);
        uint64 fee = _closeBatch(batch, money);
        self.money = money.pack();
        if (applied != 0) _roots[_rootKey(hive, slot, number)] = root;
        // casting to 'uint32' is safe because at most MAX_LEAVES are applied
        emit BatchSettled(hive, slot, number, root, uint32(applied), fee);
        return uint32(applied);
    }

    function _checkPacking(uint256 length) private pure {
        if (length == 0 || length % PackedLeaf.SIZE != 0) revert BadPacking(length);
        uint256 count = length / PackedLeaf.SIZE;
        if (count > MAX_LEAVES) revert TooManyLeaves(count, MAX_LEAVES);
    }

    function _applyAll(Batch memory batch, bytes calldata packed)
        private
        returns (bytes32 root, uint256 applied)
    {
        mapping(address => AccountPlace) storage accounts = _accounts[batch.hive];
        Leaf memory leaf = _newLeaf(batch.hive);
        uint256 nodes;
        uint256 offset;
        assembly ("memory-safe") {
            nodes := mload(0x40)
            mstore(0x40, add(nodes, shl(5, div(packed.length, 140))))
            offset := packed.offset
        }
        // Cannot overflow: at most MAX_LEAVES turns over an array that lies in calldata and memory.
        unchecked {
            for (uint256 end = offset + packed.length; offset < end; offset += PackedLeaf.SIZE) {
                PackedLeaf.read(leaf, offset);
                (uint256 reason, bytes32 hash) = _apply(batch, leaf, accounts);
                if (reason == 0) {
                    assembly ("memory-safe") {
                        mstore(add(nodes, shl(5, applied)), hash)
                    }
                    ++applied;
                }
            }
        }
        root = MerkleRoot.compute(nodes, applied);
    }

    /// Judges one leaf and stores the outcome: the new totals, or the mark OWED, or nothing.
    function _apply(Batch memory batch, Leaf memory leaf, mapping(address => AccountPlace) storage accounts)
        private
        returns (uint256 reason, bytes32 hash)
    {
        AccountPlace storage place = accounts[leaf.worker];
        Account account_ = place.word;
        int256 change;
        (reason, hash, change) = _judge(batch, leaf, Account.unwrap(account_));
        if (reason != 0) {
            if (reason == _POOL_SHORT) place.word = _markOwed(batch, leaf, account_);
            // casting to 'uint8' is safe because reasons end at 8
            emit Skipped(batch.hive, leaf.worker, uint8(reason));
            return (reason, hash);
        }
        // Cannot overflow: changes have 65 bits, at most MAX_LEAVES of them are summed in 256 bits.
        unchecked {
            batch.pool += change;
            if (change > 0) batch.paidIn += uint256(change);
        }
        if (account_.isOwed()) account_ = _endOwed(batch, leaf, account_);
        place.word = account_.withStatement(leaf.net, leaf.imported, leaf.exported, leaf.slot);
    }

    /// The rules in their order; the first that fails gives its number. Reads the account's word by hand, because
    /// this is the loop whose gas every Worker pays for; the layout is that of the Account library.
    function _judge(Batch memory batch, Leaf memory leaf, uint256 word)
        private
        view
        returns (uint256 reason, bytes32 hash, int256 change)
    {
        // Cannot overflow: nets are 64-bit values, the rate has 96 bits, slots passed are at most 192, and the
        // slot is above the stored one when it is subtracted.
        unchecked {
            uint256 state = (word >> AccountLibrary.STATE_SHIFT) & 3;
            if (state == uint256(AccountState.NONE) || state == uint256(AccountState.CLOSED)) {
                return (_NO_ACCOUNT, 0, 0);
            }
            uint256 slot = leaf.slot;
            uint256 passed = (word >> AccountLibrary.SLOT_SHIFT) & type(uint24).max;
            if (slot <= passed || slot > batch.maxSlot) return (_BAD_SLOT, 0, 0);
            passed = slot - passed;
            if (leaf.imported < uint48(word >> 128) || leaf.exported < uint48(word >> 176)) {
                return (_COUNTER_DOWN, 0, 0);
            }
            change = leaf.net;
            if (change > int64(uint64(word))) return (_NOT_FUNDED, 0, 0);
            hash = _structHash(leaf);
            if (!_isSignedBy(leaf, batch.domain, hash)) return (_BAD_SIGNATURE, 0, 0);
            if (state == uint256(AccountState.CLOSING)) return (_CLOSE_RUNNING, 0, 0);
            change -= int64(uint64(word >> 64));
            if (passed > _MAX_SLOTS_COUNTED) passed = _MAX_SLOTS_COUNTED;
            passed *= slot < batch.nextFromSlot ? batch.rate : batch.nextRate;
            if (uint256(change < 0 ? -change : change) * _RATE_DIVISOR > passed) return (_TOO_MUCH, 0, 0);
            if (batch.pool + change < 0) return (_POOL_SHORT, 0, 0);
        }
    }

    /// Whether the compact signature in a leaf is its Worker's. Does what the library's recover does (a high s and
    /// the zero signer are refused) without its copies, for about 250 gas less in the loop all Workers pay for.
    function _isSignedBy(Leaf memory leaf, bytes32 domain, bytes32 hash) private view returns (bool signed) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, hex"1901")
            mstore(add(free, 0x02), domain)
            mstore(add(free, 0x22), hash)
            mstore(free, keccak256(free, 0x42))
            let vs := mload(add(leaf, 0xe0))
            let s := shr(1, shl(1, vs))
            mstore(add(free, 0x20), add(27, shr(255, vs)))
            mstore(add(free, 0x40), mload(add(leaf, 0xc0)))
            mstore(add(free, 0x60), s)
            mstore(0x00, 0)
            let called := staticcall(gas(), 1, free, 0x80, 0x00, 0x20)
            let signer := mload(0x00)
            signed := and(
                and(called, iszero(gt(s, _HALF_ORDER))),
                and(iszero(iszero(signer)), eq(signer, mload(leaf)))
            )
        }
    }

    function _markOwed(Batch memory batch, Leaf memory leaf, Account account_) private returns (Account) {
        AccountExtra extra = _extras[batch.hive][leaf.worker];
        if (!account_.isOwed()) {
            ++batch.owed;
            _extras[batch.hive][leaf.worker] = extra.withMark(leaf.slot);
        } else if (leaf.slot > extra.mark()) {
            _extras[batch.hive][leaf.worker] = extra.withMark(leaf.slot);
        }
        return account_.withFlag(AccountLibrary.OWED);
    }

    function _endOwed(Batch memory batch, Leaf memory leaf, Account account_) private view returns (Account) {
        if (leaf.slot < _extras[batch.hive][leaf.worker].mark()) return account_;
        --batch.owed;
        return account_.withoutFlag(AccountLibrary.OWED);
    }

    /// The words before a leaf in memory hold type hash and Hive, so that hashing needs no copy.
    function _newLeaf(uint32 hive) private pure returns (Leaf memory leaf) {
        bytes32 typeHash = Messages.STATEMENT_TYPEHASH;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, typeHash)
            mstore(add(start, 0x20), hive)
            leaf := add(start, 0x40)
            mstore(0x40, add(start, 0x140))
        }
    }

    /// Struct hash of the Statement in a leaf made by `_newLeaf`.
    function _structHash(Leaf memory leaf) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(sub(leaf, 0x40), 0x100)
        }
    }

    function _openBatch(uint32 hive, Hive storage self, Money memory money, uint256 maxSlot)
        private
        view
        returns (Batch memory batch)
    {
        batch.hive = hive;
        batch.maxSlot = maxSlot;
        (batch.rate, batch.nextRate, batch.nextFromSlot) = self.limits.rates();
        batch.domain = _domainSeparatorV4();
        batch.pool = int256(uint256(money.pool));
        batch.owed = batch.owedBefore = money.owedAccounts;
    }

    function _closeBatch(Batch memory batch, Money memory money) private returns (uint64 fee) {
        if (batch.owedBefore != batch.owed) {
            money.owedAccounts = batch.owed.toUint16();
            if (_hives[batch.hive].cover.claimsOpen == 0) {
                if (batch.owedBefore == 0) emit HiveFellShort(batch.hive);
                if (batch.owed == 0) emit HiveCovered(batch.hive);
            }
        }
        fee = ((batch.paidIn * feeBps()) / _BASIS_POINTS).toUint64();
        _takeFee(money, batch.pool.toUint256(), fee);
    }

    /// Number of this batch; the period's last slot may not go back, nor lie in the future.
    function _nextBatch(Money memory money, uint32 slot) private view returns (uint16 number) {
        uint256 current = _currentSlot();
        if (slot > current) revert PeriodInFuture(slot, current);
        if (slot < money.lastSlot) revert PeriodGoesBack(slot, money.lastSlot);
        if (slot == money.lastSlot) number = money.nextBatch;
        // casting to 'uint24' is safe because the current slot is below 2^24 until the year 2448
        money.lastSlot = uint24(slot);
        money.nextBatch = number + 1;
    }

    function _deposit(uint32 hive, address worker, uint256 amount) private {
        Hive storage self = _hives[hive];
        // One storage word.
        (IERC20 coin, uint256 scale, bool frozen) = (self.coin, self.scale, self.frozen);
        if (address(coin) == address(0)) revert UnknownHive(hive);
        if (frozen) revert HiveIsFrozen(hive);
        AccountPlace storage place = _accounts[hive][worker];
        Account account_ = place.word;
        if (!account_.isOpen()) account_ = _open(hive, self, worker, account_);
        uint64 amountMicro = _pull(coin, scale, amount);
        // Cannot overflow: two numbers of 64 bits.
        unchecked {
            place.word = account_.withFunding((int256(account_.funding()) + int256(uint256(amountMicro))).toInt64());
        }
        emit Deposited(hive, worker, msg.sender, amountMicro);
    }

    function _open(uint32 hive, Hive storage self, address worker, Account account_) private returns (Account) {
        AccountState state = account_.state();
        if (state == AccountState.CLOSING) revert AccountClosing(hive, worker);
        if (_banned[worker]) revert MeterIsBanned(worker);
        (uint32 place, bool active, address owner) = _beekeeper.placeOf(worker);
        if (place != hive || worker == address(0)) revert MeterNotInHive(worker, hive);
        if (!active) revert HiveNotActive(hive);
        if (state == AccountState.CLOSED) _checkReopening(worker, account_, owner);
        AccountExtra extra = _extras[hive][worker];
        address payout = extra.payout();
        if (payout == address(0)) {
            if (owner == address(0) || owner == address(this)) revert ZeroAddress();
            payout = owner;
            _extras[hive][worker] = extra.withPayout(owner, 0);
        }
        // Wraps like the count of closings does; only their difference counts.
        unchecked {
            ++self.openings;
        }
        uint256 slot = _currentSlot();
        // casting to 'uint32' is safe because the current slot is below 2^24 until the year 2448
        emit AccountOpened(hive, worker, uint32(slot), payout);
        return account_.opened(slot);
    }

    /// A closed account is opened again by its owner or after a new PayoutAddress, and not in the slot it ended in: a
    /// CloseAgreement over that slot could be played a second time.
    function _checkReopening(address worker, Account account_, address owner) private view {
        if (msg.sender != owner && !account_.mayReopen()) revert ReopenNeedsOwner(worker, owner);
        uint256 next = (uint256(account_.slot()) + 1) * SLOT_SECONDS;
        if (block.timestamp < next) revert TooEarly(next);
    }
}
