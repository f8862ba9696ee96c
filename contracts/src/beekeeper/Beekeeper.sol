// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {HVT} from "../governance/HVT.sol";
import {StakeVotes} from "../governance/StakeVotes.sol";
import {ISettlementForBeekeeper} from "../interfaces/ISettlementForBeekeeper.sol";
import {PriceBounds, Roles} from "./BeekeeperTypes.sol";
import {CoinListing} from "./CoinListing.sol";
import {HiveDoor} from "./HiveDoor.sol";
import {HiveViews} from "./HiveViews.sol";
import {MeterListing} from "./MeterListing.sol";
import {Pricing} from "./Pricing.sol";

/// @title Beekeeper: the lists of meters, coins and Hives, and the HVT staked for them.
/// @notice Upgradeable behind an ERC-1967 proxy, by the timelock only, that is by vote only. Holds HVT stakes and no
/// other money. EnergySettlement asks it `placeOf` when an account opens, and never depends on it otherwise.
///
/// Deployment, in this order (`d` deploys; every step is one transaction; no step needs a predicted address):
///  1. HVT(holder)
///  2. HiveTimelock()                                            d is its admin until step 7
///  3. BeekeeperHives(), then the implementation Beekeeper(BeekeeperHives), which nobody can initialise
///  4. ERC1967Proxy(3, abi.encodeCall(initialize, (1, 2, wirer = d, roles, prices, bounds)))    "the Beekeeper"
///  5. StakeVotes(4)
///  6. HiveGovernor(5, 2)
///  7. HiveTimelock(2).handOver(6)                               d has no right in the timelock any more
///  8. SettlementClosing(4, treasury, 2, feeBps)
///  9. EnergySettlement(4, treasury, 2, feeBps, 8)
/// 10. Beekeeper(4).wire(5, 9)                                   once, by d, who has no right left afterwards
/// Then by the roles: addCoin, addMeter. Contracts without a place in this order (FlexibilityPool, Reputation,
/// HiveShares) come after step 10. No library is linked. All functions are in this contract's ABI.
/// An upgrade: deploy both halves, then a proposal that calls upgradeToAndCall(new implementation, data) on 4.
contract Beekeeper is MeterListing, CoinListing, Pricing, HiveViews, HiveDoor, UUPSUpgradeable {
    /// @param hives_ BeekeeperHives, the other half of the code
    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor(address hives_) HiveDoor(hives_) {
        _disableInitializers();
    }

    /// @notice Once, in the proxy's constructor.
    /// @param hvt the token of stakes and prices
    /// @param timelock the only one that may upgrade, and admin of every role
    /// @param wirer may call `wire` once
    /// @param roles first holders; a zero address holds nothing
    /// @param hivePrice smallest unit of HVT; `meterPrice` likewise; both within `limits`
    function initialize(
        HVT hvt,
        address timelock,
        address wirer,
        Roles calldata roles,
        uint256 hivePrice,
        uint256 meterPrice,
        PriceBounds calldata limits
    ) external initializer {
        if (address(hvt) == address(0) || timelock == address(0) || wirer == address(0)) revert ZeroAddress();
        __EIP712_init("Hive Settlement", "1");
        BeekeeperStorage storage self = _storage();
        (self.hvt, self.timelock, self.wirer) = (hvt, timelock, wirer);
        _grantRole(DEFAULT_ADMIN_ROLE, timelock);
        _grantUnlessZero(CERTIFIER_ROLE, roles.certifier);
        _grantUnlessZero(COIN_ROLE, roles.coinKeeper);
        _grantUnlessZero(PRICE_ROLE, roles.priceKeeper);
        _grantUnlessZero(GUARDIAN_ROLE, roles.guardian);
        _writeBounds(limits);
        _checkBounds(hivePrice, limits.hiveFloor, limits.hiveCeiling);
        _checkBounds(meterPrice, limits.meterFloor, limits.meterCeiling);
        _writePrices(hivePrice, meterPrice);
    }

    /// @notice Names the two contracts that need this one's address to be made. Once; ends the wirer's right.
    function wire(StakeVotes votes_, ISettlementForBeekeeper settlement_) external {
        BeekeeperStorage storage self = _storage();
        if (msg.sender != self.wirer) revert NotWirer(msg.sender);
        if (address(votes_) == address(0)) revert ZeroAddress();
        self.wirer = address(0);
        self.votes = votes_;
        emit Wired(address(votes_), address(settlement_));
        _addSettlement(settlement_);
    }

    /// @notice Names a new EnergySettlement for Hives made from now on; the others keep theirs.
    function setSettlement(ISettlementForBeekeeper settlement_) external onlyTimelock {
        _addSettlement(settlement_);
    }

    /// @notice Stops new entries: meters, coins, Hives, points, joins. Dropping, freezing, moving, refunds and
    /// everything in EnergySettlement go on.
    function pause() external onlyRole(GUARDIAN_ROLE) {
        _pause();
    }

    /// @notice Ends a pause; the guardian, or a vote against the guardian's will.
    function unpause() external {
        if (msg.sender != _storage().timelock) _checkRole(GUARDIAN_ROLE);
        _unpause();
    }

    // ---- Whom this contract listens to and talks to

    /// @notice The contracts this one works with; `settlement` is the newest.
    function parts() external view returns (address hvt, address votes, address timelock, address settlement) {
        BeekeeperStorage storage self = _storage();
        (hvt, votes, timelock) = (address(self.hvt), address(self.votes), self.timelock);
        uint256 count = self.settlements.length;
        if (count != 0) settlement = address(self.settlements[count - 1]);
    }

    function _authorizeUpgrade(address) internal override onlyTimelock {}

    function _addSettlement(ISettlementForBeekeeper settlement_) private {
        ISettlementForBeekeeper[] storage all = _storage().settlements;
        if (address(settlement_) == address(0)) revert ZeroAddress();
        for (uint256 i = 0; i < all.length; ++i) {
            if (address(all[i]) == address(settlement_)) revert SettlementListed(address(settlement_));
        }
        all.push(settlement_);
        emit SettlementSet(address(settlement_), uint16(all.length - 1));
    }

    function _grantUnlessZero(bytes32 role, address holder) private {
        if (holder != address(0)) _grantRole(role, holder);
    }
}
