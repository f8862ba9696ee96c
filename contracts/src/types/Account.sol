// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Everything final about one Worker in one storage slot. From the lowest bit:
/// funding int64 | net int64 | imported uint48 | exported uint48 | slot uint24 | flags uint8.
/// Flags: bits 0-1 the state, bit 2 OWED, bit 3 REOPEN (a closed account's device has signed a payout address).
/// Nothing is ever reset to zero, not even by closing: an unused Statement could be played again otherwise.
type Account is uint256;

/// @notice Second word of an account, touched by none of the usual settlements. From the lowest bit:
/// payout address 160 | payout serial 32 | permit serial 32 (withdrawals) | mark 24 | 8 spare.
/// The mark is the newest slot the pool could not pay while the account is OWED, and the slot in which the account
/// was closed once it is CLOSED; the two never are needed at once, because a close ends OWED.
type AccountExtra is uint256;

/// @notice Life of an account.
enum AccountState {
    NONE,
    OPEN,
    CLOSING,
    CLOSED
}

using AccountLibrary for Account global;
using AccountExtraLibrary for AccountExtra global;

/// @title Reading and changing the packed account.
library AccountLibrary {
    uint256 internal constant OWED = 1 << 250;
    uint256 internal constant REOPEN = 1 << 251;
    uint256 internal constant SLOT_SHIFT = 224;
    uint256 internal constant STATE_SHIFT = 248;
    uint256 private constant _MONEY = type(uint64).max;
    /// Everything a Statement replaces: net, both counters and the slot.
    uint256 private constant _STATEMENT = ((1 << 184) - 1) << 64;

    /// @notice Micro-coins paid in minus paid out.
    function funding(Account self) internal pure returns (int64) {
        return int64(uint64(Account.unwrap(self)));
    }

    /// @notice Micro-coins owed by the Worker; negative when the Hive owes.
    function net(Account self) internal pure returns (int64) {
        return int64(uint64(Account.unwrap(self) >> 64));
    }

    /// @notice Milliwatt-hours, cumulative.
    function imported(Account self) internal pure returns (uint48) {
        return uint48(Account.unwrap(self) >> 128);
    }

    /// @notice Milliwatt-hours, cumulative.
    function exported(Account self) internal pure returns (uint48) {
        return uint48(Account.unwrap(self) >> 176);
    }

    /// @notice Newest slot settled.
    function slot(Account self) internal pure returns (uint24) {
        return uint24(Account.unwrap(self) >> SLOT_SHIFT);
    }

    /// @notice Where the account is in its life.
    function state(Account self) internal pure returns (AccountState) {
        return AccountState((Account.unwrap(self) >> STATE_SHIFT) & 3);
    }

    /// @notice Whether the state is OPEN; asks the bits, because an enumeration is checked again at every use.
    function isOpen(Account self) internal pure returns (bool) {
        return (Account.unwrap(self) >> STATE_SHIFT) & 3 == uint256(AccountState.OPEN);
    }

    /// @notice Whether a good Statement waits for the pool.
    function isOwed(Account self) internal pure returns (bool) {
        return Account.unwrap(self) & OWED != 0;
    }

    /// @notice Whether a closed account may be opened by somebody else than the meter's owner.
    function mayReopen(Account self) internal pure returns (bool) {
        return Account.unwrap(self) & REOPEN != 0;
    }

    /// @notice The same account with the totals of a Statement, each already judged to fit its place.
    function withStatement(Account self, int256 net_, uint256 imported_, uint256 exported_, uint256 slot_)
        internal
        pure
        returns (Account)
    {
        return Account.wrap(
            (Account.unwrap(self) & ~_STATEMENT) | ((uint256(net_) & _MONEY) << 64) | (imported_ << 128)
                | (exported_ << 176) | (slot_ << SLOT_SHIFT)
        );
    }

    /// @notice The same account with another funding, micro-coins.
    function withFunding(Account self, int64 funding_) internal pure returns (Account) {
        return Account.wrap((Account.unwrap(self) & ~_MONEY) | uint256(uint64(funding_)));
    }

    /// @notice The same totals, opened at a slot.
    function opened(Account self, uint256 slot_) internal pure returns (Account) {
        uint256 kept = Account.unwrap(self) & ((1 << 224) - 1);
        return Account.wrap(kept | ((slot_ & type(uint24).max) << 224) | (uint256(AccountState.OPEN) << STATE_SHIFT));
    }

    /// @notice The same account in another state; flags stay.
    function withState(Account self, AccountState state_) internal pure returns (Account) {
        uint256 kept = Account.unwrap(self) & ~(uint256(3) << STATE_SHIFT);
        return Account.wrap(kept | (uint256(state_) << STATE_SHIFT));
    }

    /// @notice The same account with a flag set.
    function withFlag(Account self, uint256 flag) internal pure returns (Account) {
        return Account.wrap(Account.unwrap(self) | flag);
    }

    /// @notice The same account with a flag cleared.
    function withoutFlag(Account self, uint256 flag) internal pure returns (Account) {
        return Account.wrap(Account.unwrap(self) & ~flag);
    }
}

/// @title Reading and changing the second word.
library AccountExtraLibrary {
    /// @notice Where the Worker's money goes.
    function payout(AccountExtra self) internal pure returns (address) {
        return address(uint160(AccountExtra.unwrap(self)));
    }

    /// @notice Serial of the PayoutAddress in force; 0 when it is the meter's owner.
    function payoutSerial(AccountExtra self) internal pure returns (uint32) {
        return uint32(AccountExtra.unwrap(self) >> 160);
    }

    /// @notice Serial of the last WithdrawPermit used.
    function permitSerial(AccountExtra self) internal pure returns (uint32) {
        return uint32(AccountExtra.unwrap(self) >> 192);
    }

    /// @notice Newest slot the pool could not pay, or the slot in which the account was closed.
    function mark(AccountExtra self) internal pure returns (uint24) {
        return uint24(AccountExtra.unwrap(self) >> 224);
    }

    /// @notice The same word with another payout address.
    function withPayout(AccountExtra self, address payout_, uint32 serial) internal pure returns (AccountExtra) {
        uint256 kept = AccountExtra.unwrap(self) & ~uint256((1 << 192) - 1);
        return AccountExtra.wrap(kept | (uint256(serial) << 160) | uint256(uint160(payout_)));
    }

    /// @notice The same word with another permit serial.
    function withPermitSerial(AccountExtra self, uint32 serial) internal pure returns (AccountExtra) {
        uint256 kept = AccountExtra.unwrap(self) & ~(uint256(type(uint32).max) << 192);
        return AccountExtra.wrap(kept | (uint256(serial) << 192));
    }

    /// @notice The same word with another mark.
    function withMark(AccountExtra self, uint256 slot) internal pure returns (AccountExtra) {
        uint256 kept = AccountExtra.unwrap(self) & ~(uint256(type(uint24).max) << 224);
        return AccountExtra.wrap(kept | ((slot & type(uint24).max) << 224));
    }
}
