// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A running close in one storage word; 0 when none runs. From the lowest bit: net int64 | imported uint48 |
/// exported uint48 | slot uint24 | endsAt uint32 (unix seconds) | newestSlot uint24 | flags uint16.
/// Net, counters and slot are the state that is applied unless a newer one is brought before `endsAt`.
type Close is uint256;

/// @notice Who has shown an old state, once that is proven; its second storage word.
/// @param caller who brought the newest state; gets a tenth of the penalty
/// @param shownNet micro-coins of the state that was displaced by the proof
struct Lie {
    address caller;
    int64 shownNet;
}

/// @notice What `closeOf` answers; `endsAt` is 0 when no close runs. `starter` is whose request it was: the Worker,
/// its payout address or the Queen; zero for a stale account.
/// @param side 1 Worker or payout address, 2 Queen, 3 stale
struct CloseInfo {
    uint48 endsAt;
    uint32 slot;
    int64 net;
    uint48 imported;
    uint48 exported;
    uint32 newestSlot;
    uint8 side;
    address starter;
}

using CloseLibrary for Close global;

/// @title Reading and making the packed close.
library CloseLibrary {
    uint256 internal constant WORKER = 1;
    uint256 internal constant QUEEN = 2;
    uint256 internal constant STALE = 3;
    /// The bits of a side among the flags.
    uint256 internal constant SIDE = 3;
    /// The starter answers for the state shown: a newer one proves a lie.
    uint256 internal constant SHOWN = 4;
    /// A lie is proven.
    uint256 internal constant LIED = 8;
    /// The request was signed by the payout address, not by the device.
    uint256 internal constant BY_PAYOUT = 16;
    uint256 private constant _STATE_BITS = 184;
    uint256 private constant _FLAGS_SHIFT = 240;

    /// @notice Micro-coins.
    function net(Close self) internal pure returns (int64) {
        return int64(uint64(Close.unwrap(self)));
    }

    /// @notice Milliwatt-hours, cumulative.
    function imported(Close self) internal pure returns (uint48) {
        return uint48(Close.unwrap(self) >> 64);
    }

    /// @notice Milliwatt-hours, cumulative.
    function exported(Close self) internal pure returns (uint48) {
        return uint48(Close.unwrap(self) >> 112);
    }

    /// @notice Slot of the state shown.
    function slot(Close self) internal pure returns (uint24) {
        return uint24(Close.unwrap(self) >> 160);
    }

    /// @notice Unix seconds; contests are taken before, the close is finished from then on.
    function endsAt(Close self) internal pure returns (uint32) {
        return uint32(Close.unwrap(self) >> _STATE_BITS);
    }

    /// @notice Newest slot the starter has named.
    function newestSlot(Close self) internal pure returns (uint24) {
        return uint24(Close.unwrap(self) >> 216);
    }

    /// @notice 1 Worker or payout address, 2 Queen, 3 stale.
    function side(Close self) internal pure returns (uint256) {
        return (Close.unwrap(self) >> _FLAGS_SHIFT) & SIDE;
    }

    /// @notice Whether a flag is set.
    function has(Close self, uint256 flag) internal pure returns (bool) {
        return (Close.unwrap(self) >> _FLAGS_SHIFT) & flag != 0;
    }

    /// @notice The same close with another state shown, each value already judged to fit its place.
    function withState(Close self, int64 net_, uint48 imported_, uint48 exported_, uint256 slot_)
        internal
        pure
        returns (Close)
    {
        uint256 kept = (Close.unwrap(self) >> _STATE_BITS) << _STATE_BITS;
        return Close.wrap(
            kept | uint64(net_) | (uint256(imported_) << 64) | (uint256(exported_) << 112)
                | ((slot_ & type(uint24).max) << 160)
        );
    }

    /// @notice The same close with its end, the newest slot named, and flags.
    function begun(Close self, uint256 endsAt_, uint256 newestSlot_, uint256 flags) internal pure returns (Close) {
        return Close.wrap(
            Close.unwrap(self) | ((endsAt_ & type(uint32).max) << _STATE_BITS)
                | ((newestSlot_ & type(uint24).max) << 216) | (flags << _FLAGS_SHIFT)
        );
    }

    /// @notice The same close with a flag set.
    function withFlag(Close self, uint256 flag) internal pure returns (Close) {
        return Close.wrap(Close.unwrap(self) | (flag << _FLAGS_SHIFT));
    }
}
