// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {HiveTerms, Signature} from "../types/Messages.sol";

/// @title What EnergySettlement copies about a Hive, who may change it, and how the owner gets at the pool.
/// @notice `amount` is in the coin's smallest unit and a whole multiple of the Hive's scale. Refusals are the errors of
/// ISettlementEvents.
interface ISettlementBook {
    /// @notice Copies what settlement needs to know of a Hive. Beekeeper only.
    /// @param window seconds between the start and the end of a close, 6 hours to 7 days
    /// @param minPenalty micro-coins, the least that showing an old state costs
    function registerHive(
        uint32 hive,
        address owner,
        IERC20Metadata coin,
        address queen,
        uint32 window,
        HiveTerms calldata terms,
        uint64 minPenalty
    ) external;

    /// @notice No more deposits; settling, closing and withdrawing go on. Beekeeper only.
    function tellFrozen(uint32 hive) external;

    /// @notice New terms, in force from `terms.fromSlot`, at least 30 days ahead. Owner, with the Queen's signature.
    function setTerms(HiveTerms calldata terms, Signature calldata sigQ) external;

    /// @notice New Queen key from a slot at least 24 h ahead; the old key stays good for Statements before
    /// it, for 44 days at least: no third key may be announced earlier. Owner.
    function setQueen(uint32 hive, address key, uint32 fromSlot) external;

    /// @notice Changes the platform's fee, at most 100 basis points. Timelock only.
    function setFeeBps(uint16 bps) external;

    /// @notice Announces a withdrawal; replaces an earlier request and starts the 24 h again; 0 cancels. Owner.
    function requestPoolWithdrawal(uint32 hive, uint256 amount) external;

    /// @notice Pays the announced amount to the owner, at most what the pool still has; refused while the Hive owes.
    function withdrawPool(uint32 hive) external;

    /// @notice Pays a Hive's platform fees to the treasury. Anyone may call.
    function claimFees(uint32 hive) external;

    /// @notice Puts up the Queen's bond. Owner.
    function postBond(uint32 hive, uint256 amount) external;

    /// @notice Gives the bond back to the owner 30 days after the Hive ended, when nothing is owed.
    function withdrawBond(uint32 hive) external;
}
