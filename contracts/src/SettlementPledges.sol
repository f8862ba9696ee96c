// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {HiveBook} from "./HiveBook.sol";
import {ISettlementClosing} from "./interfaces/ISettlementClosing.sol";
import {Account, AccountState} from "./types/Account.sol";
import {Hive, MotherLink} from "./types/Hive.sol";
import {Messages, PayoutAddress, Reading, Signature, SlotTotals} from "./types/Messages.sol";
import {Money} from "./types/Money.sol";

/// @title What a Hive answers with beyond its pool: the Queen's bond, and the way of a daughter's money to her mother.
/// @notice Runs by delegatecall only, see SettlementClosing. What each function does is said in ISettlementClosing.
abstract contract SettlementPledges is HiveBook, ISettlementClosing {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;
    using SafeCast for int256;

    /// @inheritdoc ISettlementClosing
    function proveEquivocation(
        uint32 hive,
        SlotTotals calldata a,
        Signature calldata sigA,
        SlotTotals calldata b,
        Signature calldata sigB
    ) external onlyDelegated nonReentrant {
        Hive storage self = _hive(hive);
        if (a.hive != hive) revert WrongHive(hive, a.hive);
        (bytes32 hashA, bytes32 hashB) = (Messages.hash(a), Messages.hash(b));
        if (b.hive != hive || a.slot != b.slot || hashA == hashB) revert NotEquivocal();
        address queen = _queenFor(self, a.slot);
        _checkSigner(queen, hashA, sigA);
        _checkSigner(queen, hashB, sigB);
        uint256 key = (uint256(hive) << 32) | a.slot;
        if (_slashed[key]) revert EvidenceUsed(hive, a.slot);
        _slashed[key] = true;
        uint64 bond = self.cover.bond;
        if (bond == 0) revert NoBond(hive);
        self.cover.bond = 0;
        // What falls to the pool stays there for a while: else an owner could free his bond by slashing himself.
        self.cover.stayUntil = uint48(block.timestamp + STAY_SECONDS);
        uint64 reward = bond / _CALLER_SHARE;
        emit BondSlashed(hive, bond, msg.sender);
        _fillPool(hive, self, bond - reward);
        self.coin.safeTransfer(msg.sender, uint256(reward) * self.scale);
    }

    /// @inheritdoc ISettlementClosing
    function proveEquivocation(
        Reading calldata a,
        Signature calldata sigA,
        Reading calldata b,
        Signature calldata sigB
    ) external onlyDelegated notEntered {
        (bytes32 hashA, bytes32 hashB) = (Messages.hash(a), Messages.hash(b));
        if (a.worker != b.worker || a.slot != b.slot || hashA == hashB) revert NotEquivocal();
        _checkSigner(a.worker, hashA, sigA);
        _checkSigner(a.worker, hashB, sigB);
        _banned[a.worker] = true;
        emit MeterBanned(a.worker);
    }

    // ---- Mother and daughter

    /// @inheritdoc ISettlementClosing
    function linkMother(uint32 hive, uint32 mother, PayoutAddress calldata toPool, Signature calldata sigQueen)
        external
        onlyDelegated
        notEntered
        onlyOwner(hive)
    {
        Hive storage self = _hives[hive];
        address coin = address(self.coin);
        address motherCoin = address(_hive(mother).coin);
        if (motherCoin != coin) revert CoinsDiffer(coin, motherCoin);
        if (toPool.hive != mother || hive == mother) revert WrongHive(mother, toPool.hive);
        address queen = _queenFor(self, _currentSlot());
        if (toPool.worker != queen) revert WrongWorker(queen, toPool.worker);
        if (toPool.payout != address(this)) revert PayoutNotPool(toPool.payout);
        uint32 other = _daughters[mother][queen];
        if (other != 0 && other != hive) revert PayoutFixed(mother, queen);
        _storePayout(toPool, sigQueen);
        _daughters[mother][queen] = hive;
        int64 net = _accounts[mother][queen].word.net();
        // What was settled before the link is no reason to move money now.
        self.mother = MotherLink(queen, mother, uint48(block.timestamp + NOTICE_SECONDS), net > 0 ? net : int64(0));
        emit MotherLinked(hive, mother);
    }

    /// @inheritdoc ISettlementClosing
    function moveToMother(uint32 hive, uint256 amount) external onlyDelegated notEntered {
        Hive storage self = _hive(hive);
        MotherLink memory link = self.mother;
        if (link.mother == 0) revert NoMother(hive);
        uint64 amountMicro = _toMicro(self.scale, amount);
        if (amountMicro == 0) revert AmountNotWhole(amount, self.scale);
        Account account_ = _accounts[link.mother][link.account].word;
        if (account_.state() != AccountState.OPEN) revert AccountNotOpen(link.mother, link.account);
        Money memory money = self.money.unpack();
        _checkMayLeave(hive, self, money);
        if (amountMicro > money.pool) revert PoolTooSmall(money.pool, amountMicro);
        _useNotice(hive, self, link, account_.net(), amountMicro);
        money.pool -= amountMicro;
        self.money = money.pack();
        int64 funding = (int256(account_.funding()) + int256(uint256(amountMicro))).toInt64();
        _accounts[link.mother][link.account].word = account_.withFunding(funding);
        emit MovedToMother(hive, link.mother, amountMicro);
        emit Deposited(link.mother, link.account, msg.sender, amountMicro);
    }

    /// What was settled in the mother since the last move may go at once; the owner's rest uses up a pool withdrawal
    /// whose notice is over. A fresh link has its own notice, so that no owner can empty a pool by a mother of his own.
    function _useNotice(uint32 hive, Hive storage self, MotherLink memory link, int64 net, uint64 amountMicro)
        private
    {
        bool owner = msg.sender == self.owner;
        if (!owner && msg.sender != _queenFor(self, _currentSlot())) revert NotOwner(hive, msg.sender);
        int256 due = block.timestamp < link.since ? int256(0) : int256(net) - link.settledAside;
        // Cannot be negative nor above 64 bits: the difference of two 64-bit values, cut at zero and at the amount.
        uint64 atOnce = due <= 0 ? 0 : uint256(due) < amountMicro ? uint64(uint256(due)) : amountMicro;
        if (atOnce != 0) self.mother.settledAside = link.settledAside + int64(atOnce);
        uint64 rest = amountMicro - atOnce;
        if (rest == 0) return;
        if (!owner || rest > self.pending) revert NotDue(atOnce, amountMicro);
        if (block.timestamp < self.withdrawableAt) revert TooEarly(self.withdrawableAt);
        self.pending -= rest;
    }
}
