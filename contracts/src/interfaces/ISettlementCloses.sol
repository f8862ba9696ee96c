// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CloseRequest, Signature, Statement} from "../types/Messages.sol";

/// @title Closing an account of EnergySettlement.
/// @notice Money is in micro-coins. Refusals are the errors of ISettlementEvents.
interface ISettlementCloses {
    /// @notice Closes at once on a state and a payout (micro-coins) both have signed; the rest goes to the pool.
    function closeAgreed(
        Statement calldata s,
        uint64 payout,
        uint48 deadline,
        Signature calldata sigW,
        Signature calldata sigQ
    ) external;

    /// @notice Starts a close on what storage has; costs nobody anything, but doubles the window. Anyone may bring
    /// the request.
    function startClose(CloseRequest calldata r, Signature calldata sig) external;

    /// @notice Starts a close on a Statement both have signed.
    function startClose(
        CloseRequest calldata r,
        Signature calldata sig,
        Statement calldata s,
        Signature calldata sigW,
        Signature calldata sigQ
    ) external;

    /// @notice A newer Statement both have signed replaces the one shown. Anyone.
    function contest(Statement calldata s, Signature calldata sigW, Signature calldata sigQ) external;

    /// @notice After the window: applies the newest state shown, pays, closes. Anyone.
    function finishClose(uint32 hive, address worker) external;
}
