// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISettlementBook} from "./ISettlementBook.sol";
import {
    Objection,
    PayoutAddress,
    Reading,
    Signature,
    SlotTotals,
    Statement,
    WithdrawPermit
} from "../types/Messages.sol";

/// @title The rarely used half of EnergySettlement: withdrawals, claims, bonds, mothers, and the Hives' book.
/// @dev Called at the address of EnergySettlement, whose fallback runs it.
/// @notice Slots are unix seconds // 900. `amount` is in the coin's smallest unit and a whole multiple of the Hive's
/// scale, unless its name or message says micro-coins. Refusals are the errors of ISettlementEvents.
interface ISettlementClosing is ISettlementBook {
    // ---- Bond, mother

    /// @notice Two different SlotTotals of one Queen for one slot: the bond goes to open claims, then to the pool,
    /// a tenth to the caller. Anyone.
    function proveEquivocation(
        uint32 hive,
        SlotTotals calldata a,
        Signature calldata sigA,
        SlotTotals calldata b,
        Signature calldata sigB
    ) external;

    /// @notice Two different Readings of one meter for one slot: it opens no account any more. Anyone.
    function proveEquivocation(
        Reading calldata a,
        Signature calldata sigA,
        Reading calldata b,
        Signature calldata sigB
    ) external;

    /// @notice Ties a daughter to her mother Hive: the payout of her Queen's account there becomes her pool. Owner.
    /// @param toPool PayoutAddress of that account naming this contract, signed by the daughter's Queen
    function linkMother(uint32 hive, uint32 mother, PayoutAddress calldata toPool, Signature calldata sigQueen)
        external;

    /// @notice Moves money of a daughter's pool into her account in the mother Hive. Queen or owner up to what was
    /// settled there since; the owner more, out of a pool withdrawal whose 24 h are over.
    function moveToMother(uint32 hive, uint256 amount) external;

    // ---- Accounts

    /// @notice Stores where a Worker's money goes, signed by the device key. Anyone may bring it.
    function setPayout(PayoutAddress calldata payout, Signature calldata sig) external;

    /// @notice Pays part of an open account to its payout address, which calls, with the Queen's permit.
    function withdraw(WithdrawPermit calldata permit, Signature calldata sigQ) external;

    /// @notice Starts a close of a frozen Hive's account, or of one without a settlement for 30 days. Anyone.
    function startCloseStale(uint32 hive, address worker) external;

    /// @notice Keeps a Statement the Worker has refused from costing the Queen a penalty. Anyone.
    function showObjection(address worker, Objection calldata objection, Signature calldata sig) external;

    /// @notice Within 30 days of a close: a newer Statement in the Worker's favour becomes a claim. Anyone.
    function claimLate(Statement calldata s, Signature calldata sigW, Signature calldata sigQ) external;

    /// @notice Pays a recorded claim, as far as there is money for it, to the payout address. Anyone.
    function claim(uint32 hive, address worker) external;
}
