// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {BeekeeperBase} from "./BeekeeperBase.sol";
import {Prices} from "./BeekeeperTypes.sol";

/// @title Burn and stake: half of what is paid is burnt, the rest is staked and comes back.
/// @notice Of a payment R exactly R/2, rounded down, is burnt. A meter's stake record is half its price rounded down;
/// the Hive's record, or the single meter's, takes what rounding leaves, so that the records add up to R - R/2.
abstract contract StakeBook is BeekeeperBase {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    /// What a Hive with so many meters costs, and how much of it is burnt.
    function _priceOf(uint256 meters) internal view returns (uint256 required, uint256 burnt) {
        Prices memory now_ = _storage().prices;
        required = now_.hivePrice + meters * now_.meterPrice;
        burnt = required / 2;
    }

    /// Half the price of a meter, rounded down: what one meter's stake record holds when several join at once.
    function _meterShare() internal view returns (uint96) {
        return _storage().prices.meterPrice / 2;
    }

    /// Takes a payment from the caller, burns half and stakes the rest for an owner.
    function _burnAndStake(address owner, uint256 required) internal returns (uint256 staked, uint256 burnt) {
        BeekeeperStorage storage self = _storage();
        burnt = required / 2;
        staked = required - burnt;
        self.staked += staked.toUint128();
        self.burnt += burnt.toUint128();
        self.votes.stake(owner, staked);
        IERC20(self.hvt).safeTransferFrom(msg.sender, address(this), required);
        self.hvt.burn(burnt);
    }

    /// Gives one stake record back, with the age it had.
    function _refund(address owner, uint256 amount, uint48 since) internal {
        BeekeeperStorage storage self = _storage();
        self.staked -= amount.toUint128();
        self.refunded += amount.toUint128();
        self.votes.unstake(owner, amount, since);
        IERC20(self.hvt).safeTransfer(owner, amount);
    }
}
