// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {CloseRules} from "./CloseRules.sol";
import {ISettlementCloses} from "./interfaces/ISettlementCloses.sol";
import {Account, AccountExtra, AccountLibrary, AccountState} from "./types/Account.sol";
import {Close, CloseLibrary, Lie} from "./types/Close.sol";
import {Hive} from "./types/Hive.sol";
import {CloseRequest, Messages, Signature, Statement} from "./types/Messages.sol";
import {Money} from "./types/Money.sol";

/// @title Closes and disputes of EnergySettlement: agreed closes, starting, contesting, finishing.
/// @notice What each function does is said in ISettlementCloses.
///
/// Who pays when a newer Statement is brought during a close:
/// - The Worker's side has shown a Statement: always the Worker, because it has signed the newer one, too.
/// - The Queen has shown one: the Queen, unless it has exactly the slot she named as the newest she has signed (the
///   Worker may have kept its countersignature to itself), or the Worker has objected to it and `showObjection` came
///   first. An objection excuses the Queen only: a Worker could write itself one for every Statement.
/// - Nobody has shown one (the close runs on what storage had, and twice as long): nobody, except a Queen who has
///   signed a later slot than she named.
/// A Statement shown counts as the starter's own only when the request names its slot as the newest, or the Queen
/// sends it herself; else whoever carries a request could attach an old Statement to it and collect the penalty.
abstract contract SettlementCloses is CloseRules, ISettlementCloses {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;
    using SafeCast for int256;

    /// The last state of an account and how its money is divided, micro-coins.
    struct Ending {
        uint32 hive;
        address worker;
        uint256 slot;
        int64 net;
        uint48 imported;
        uint48 exported;
        /// From spendable, to the pool and to who proved the Worker's lie.
        uint64 toPool;
        uint64 toCaller;
        /// From the bond, to the Worker and to who proved the Queen's lie.
        uint64 fromBond;
        uint64 fromBondToCaller;
        address caller;
    }

    /// @inheritdoc ISettlementCloses
    function closeAgreed(
        Statement memory s,
        uint64 payout,
        uint48 deadline,
        Signature calldata sigW,
        Signature calldata sigQ
    ) external nonReentrant {
        Hive storage self = _hives[s.hive];
        Account account_ = _openAccount(s.hive, s.worker);
        if (block.timestamp > deadline) revert Expired(deadline);
        if (s.slot < account_.slot()) revert StatementNotNewer(s.slot, account_.slot());
        _checkState(self, account_, s);
        _checkBoth(self, s, _hashTypedDataV4(Messages.hashAgreement(s, payout, deadline)), sigW, sigQ);
        uint64 spendable = _spendable(account_, s.net);
        if (payout > spendable) revert SpendableTooSmall(spendable, payout);
        Ending memory ending;
        (ending.hive, ending.worker, ending.slot, ending.net) = (s.hive, s.worker, s.slot, s.net);
        (ending.imported, ending.exported) = (s.imported, s.exported);
        ending.toPool = spendable - payout;
        _end(self, account_, ending);
    }

    /// @inheritdoc ISettlementCloses
    function startClose(CloseRequest calldata r, Signature calldata sig) external notEntered {
        Account account_ = _openAccount(r.hive, r.worker);
        (uint256 window, uint256 flags) = _checkRequest(r, sig);
        // A request that names a newer Statement is meant to come with it; nobody may carry it without.
        if (flags & CloseLibrary.SIDE == CloseLibrary.WORKER && r.newestSlot > account_.slot()) {
            revert StatementMissing(r.newestSlot, account_.slot());
        }
        _startStored(r.hive, r.worker, account_, window, r.newestSlot, flags);
    }

    /// @inheritdoc ISettlementCloses
    function startClose(
        CloseRequest calldata r,
        Signature calldata sig,
        Statement memory s,
        Signature calldata sigW,
        Signature calldata sigQ
    ) external notEntered {
        Account account_ = _openAccount(r.hive, r.worker);
        (uint256 window, uint256 flags) = _checkRequest(r, sig);
        if (s.hive != r.hive) revert WrongHive(r.hive, s.hive);
        if (s.worker != r.worker) revert WrongWorker(r.worker, s.worker);
        Hive storage self = _hives[r.hive];
        if (s.slot != r.newestSlot) {
            bool herself = flags == CloseLibrary.QUEEN && msg.sender == _queenFor(self, _currentSlot());
            if (!herself) revert StatementNotNamed(s.slot, r.newestSlot);
        }
        _checkShown(self, account_, s);
        _checkBoth(self, s, _hashTypedDataV4(Messages.hash(s)), sigW, sigQ);
        Close close = Close.wrap(0).withState(s.net, s.imported, s.exported, s.slot);
        _start(r.hive, r.worker, account_, close, window, r.newestSlot, flags | CloseLibrary.SHOWN);
    }

    /// @inheritdoc ISettlementCloses
    function contest(Statement memory s, Signature calldata sigW, Signature calldata sigQ)
        external
        notEntered
    {
        Close close = _runningClose(s.hive, s.worker);
        if (block.timestamp >= close.endsAt()) revert WindowOver(close.endsAt());
        if (s.slot <= close.slot()) revert StatementNotNewer(s.slot, close.slot());
        Hive storage self = _hives[s.hive];
        _checkState(self, _accounts[s.hive][s.worker].word, s);
        bytes32 digest = _hashTypedDataV4(Messages.hash(s));
        _checkBoth(self, s, digest, sigW, sigQ);
        if (close.has(CloseLibrary.LIED)) {
            _lies[s.hive][s.worker].caller = msg.sender;
        } else if (_provesLie(close, s, digest)) {
            _lies[s.hive][s.worker] = Lie(msg.sender, close.net());
            close = close.withFlag(CloseLibrary.LIED);
        }
        _closes[s.hive][s.worker] = close.withState(s.net, s.imported, s.exported, s.slot);
        emit CloseContested(s.hive, s.worker, s.slot, s.net, msg.sender);
    }

    /// @inheritdoc ISettlementCloses
    function finishClose(uint32 hive, address worker) external nonReentrant {
        Close close = _runningClose(hive, worker);
        if (block.timestamp < close.endsAt()) revert TooEarly(close.endsAt());
        Hive storage self = _hives[hive];
        Account account_ = _accounts[hive][worker].word;
        Ending memory ending;
        (ending.hive, ending.worker, ending.slot, ending.net) = (hive, worker, close.slot(), close.net());
        (ending.imported, ending.exported) = (close.imported(), close.exported());
        if (close.has(CloseLibrary.LIED)) _penalise(self, account_, close, ending);
        _closes[hive][worker] = Close.wrap(0);
        _end(self, account_, ending);
    }

    // ---- Private

    /// Judges a CloseRequest; gives the Hive's window, seconds, and the side as flags.
    function _checkRequest(CloseRequest calldata r, Signature calldata sig)
        private
        view
        returns (uint256 window, uint256 flags)
    {
        Hive storage self = _hives[r.hive];
        window = self.window;
        uint256 current = _currentSlot();
        // A deadline within the window cannot outlive the close, so that no request serves twice.
        _checkDeadline(r.deadline, window);
        if (r.newestSlot > current) revert SlotInFuture(r.newestSlot, current);
        address signer = _signerOf(_hashTypedDataV4(Messages.hash(r)), sig);
        if (signer == address(0)) revert InvalidSignature(r.worker);
        if (signer == r.worker) return (window, CloseLibrary.WORKER);
        if (signer == _queenFor(self, current)) return (window, CloseLibrary.QUEEN);
        if (signer != _extras[r.hive][r.worker].payout()) revert InvalidSignature(r.worker);
        return (window, CloseLibrary.WORKER | CloseLibrary.BY_PAYOUT);
    }

    /// Whether a newer Statement shows that the starter lied; see the rules on top of this file.
    function _provesLie(Close close, Statement memory s, bytes32 digest) private view returns (bool) {
        bool shown = close.has(CloseLibrary.SHOWN);
        if (close.side() == CloseLibrary.WORKER) return shown;
        if (close.side() != CloseLibrary.QUEEN || s.slot == close.newestSlot()) return false;
        if (!shown && s.slot < close.newestSlot()) return false;
        return !_objected[_objectionKey(s.worker, digest)];
    }

    /// A Statement that starts a close may be the one settled last: then nothing may differ from it.
    function _checkShown(Hive storage self, Account account_, Statement memory s) private view {
        if (s.slot < account_.slot()) revert StatementNotNewer(s.slot, account_.slot());
        _checkState(self, account_, s);
        if (s.slot == account_.slot()) {
            bool same = s.imported == account_.imported() && s.exported == account_.exported();
            if (!same) revert StatementDiffers(s.slot);
        }
    }

    function _runningClose(uint32 hive, address worker) private view returns (Close close) {
        close = _closes[hive][worker];
        if (Close.unwrap(close) == 0) revert NoCloseRunning(hive, worker);
    }

    /// Divides what a proven lie costs: the money difference, at least the Hive's minimum, at most what is there.
    function _penalise(Hive storage self, Account account_, Close close, Ending memory ending) private {
        Lie memory lie = _lies[ending.hive][ending.worker];
        delete _lies[ending.hive][ending.worker];
        int256 difference = int256(ending.net) - lie.shownNet;
        uint256 penalty = (difference < 0 ? -difference : difference).toUint256();
        if (penalty < self.minPenalty) penalty = self.minPenalty;
        bool worker = close.side() == CloseLibrary.WORKER;
        uint64 most = worker ? _spendable(account_, ending.net) : self.cover.bond;
        // casting to 'uint64' is safe because it is at most `most`
        uint64 taken = penalty < most ? uint64(penalty) : most;
        uint64 reward = taken / _CALLER_SHARE;
        ending.caller = lie.caller;
        if (worker) {
            (ending.toPool, ending.toCaller) = (taken - reward, reward);
        } else {
            (ending.fromBond, ending.fromBondToCaller) = (taken - reward, reward);
            self.cover.bond -= taken;
            if (taken != 0) emit BondSlashed(ending.hive, taken, lie.caller);
        }
        emit Penalised(ending.hive, ending.worker, uint8(close.side()), taken, lie.caller);
    }

    /// Applies the last state, divides the money, closes, pays. The pool gives what it has, the rest is a claim.
    function _end(Hive storage self, Account account_, Ending memory ending) private {
        Money memory money = self.money.unpack();
        uint64 mine = _spendable(account_, ending.net) - ending.toPool - ending.toCaller;
        int256 change = int256(ending.net) - account_.net();
        uint64 fee = change > 0 ? ((change.toUint256() * feeBps()) / _BASIS_POINTS).toUint64() : 0;
        int256 pool = int256(uint256(money.pool)) + change + int256(uint256(ending.toPool));
        uint64 short = pool < 0 ? (-pool).toUint256().toUint64() : 0;
        _takeFee(money, pool < 0 ? 0 : pool.toUint256(), fee);
        // The Worker waits before who proved its lie does; pool, spendable and change add up to no less than zero.
        uint64 claimed = short < mine ? short : mine;
        uint64 reward = ending.toCaller - (short - claimed) + ending.fromBondToCaller;
        if (claimed != 0) _recordClaim(ending.hive, self, ending.worker, money, claimed);
        _close(self, account_, ending, money);
        _payOut(self, ending, mine - claimed + ending.fromBond, claimed, reward);
    }

    /// Stores the closed account and the Hive's money; a close ends OWED, what was owed lives on as a claim.
    function _close(Hive storage self, Account account_, Ending memory ending, Money memory money) private {
        account_ = account_.withStatement(ending.net, ending.imported, ending.exported, ending.slot)
            .withFunding(ending.net).withState(AccountState.CLOSED);
        if (account_.isOwed()) {
            account_ = account_.withoutFlag(AccountLibrary.OWED);
            --money.owedAccounts;
            if (!_isShort(money, self.cover)) emit HiveCovered(ending.hive);
        }
        _accounts[ending.hive][ending.worker].word = account_;
        AccountExtra extra = _extras[ending.hive][ending.worker];
        _extras[ending.hive][ending.worker] = extra.withMark(_currentSlot());
        // Wraps like `openings` does; only their difference counts.
        unchecked {
            ++money.closings;
        }
        self.money = money.pack();
        _noteEnd(self, money);
    }

    /// Pays the Worker and the caller. A coin that refuses the payout address leaves a funded claim, one that refuses
    /// the caller leaves his share in the pool: neither can hold up the close.
    function _payOut(Hive storage self, Ending memory ending, uint64 paid, uint64 claimed, uint64 reward) private {
        address payout = _extras[ending.hive][ending.worker].payout();
        if (paid != 0 && !_intoDaughter(ending.hive, ending.worker, payout, paid)) {
            if (!self.coin.trySafeTransfer(payout, uint256(paid) * self.scale)) {
                _claims[ending.hive][ending.worker] += paid;
                self.cover.claimsFunded += paid;
                emit ClaimRecorded(ending.hive, ending.worker, paid);
                (paid, claimed) = (0, claimed + paid);
            }
        }
        // casting to 'uint32' is safe because the slot has 24 bits in storage
        emit AccountClosed(ending.hive, ending.worker, uint32(ending.slot), paid, claimed);
        if (reward != 0 && !self.coin.trySafeTransfer(ending.caller, uint256(reward) * self.scale)) {
            _fillPool(ending.hive, self, reward);
        }
    }
}
