// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControlUpgradeable} from "@openzeppelin/contracts-upgradeable/access/AccessControlUpgradeable.sol";
import {PausableUpgradeable} from "@openzeppelin/contracts-upgradeable/utils/PausableUpgradeable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {HVT} from "../governance/HVT.sol";
import {StakeVotes} from "../governance/StakeVotes.sol";
import {ISettlementForBeekeeper} from "../interfaces/ISettlementForBeekeeper.sol";
import {
    CoinData, CoinStatus, HiveData, HiveStatus, MeterData, PriceBounds, Prices
} from "./BeekeeperTypes.sol";
import {IBeekeeperEvents} from "./IBeekeeperEvents.sol";

/// @title What all parts of the Beekeeper share: its one place in storage, who may do what, and small look-ups.
/// @notice Storage is namespaced (ERC-7201, `hive.storage.Beekeeper`): an upgrade appends members at the end.
abstract contract BeekeeperBase is
    AccessControlUpgradeable,
    PausableUpgradeable,
    ReentrancyGuardTransient,
    IBeekeeperEvents
{
    /// @notice May sign meter certificates, set a meter's status, and its owner while it is in no Hive.
    bytes32 public constant CERTIFIER_ROLE = keccak256("CERTIFIER_ROLE");
    /// @notice May list and freeze coins.
    bytes32 public constant COIN_ROLE = keccak256("COIN_ROLE");
    /// @notice May change prices within the bounds.
    bytes32 public constant PRICE_ROLE = keccak256("PRICE_ROLE");
    /// @notice May stop new entries in the lists, and nothing else.
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");
    /// @notice Most meters or points in one call: 200 joins fit into one transaction.
    uint256 public constant MAX_PER_CALL = 200;

    /// @custom:storage-location erc7201:hive.storage.Beekeeper
    struct BeekeeperStorage {
        HVT hvt;
        uint32 lastHive;
        StakeVotes votes;
        address timelock;
        address wirer;
        uint128 staked;
        uint128 burnt;
        uint128 refunded;
        Prices prices;
        PriceBounds bounds;
        ISettlementForBeekeeper[] settlements;
        mapping(address meter => MeterData) meters;
        mapping(address coin => CoinData) coins;
        mapping(uint32 hive => HiveData) hives;
        // Zero: not listed; _FREE: listed; else the meter that uses it.
        mapping(uint32 book => mapping(bytes32 point => address)) points;
    }

    /// Marks a connection point that is listed and used by no meter.
    address internal constant _FREE = address(1);

    // keccak256(abi.encode(uint256(keccak256("hive.storage.Beekeeper")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant _STORAGE = 0xd8c6b62fdd90bd8c0a6722442c11417fd61d7145d1d7f2fb487ae029d4e7ad00;

    modifier onlyTimelock() {
        if (msg.sender != _storage().timelock) revert NotTimelock(msg.sender);
        _;
    }

    modifier onlyHiveOwner(uint32 hive) {
        if (_hive(hive).owner != msg.sender) revert NotHiveOwner(hive, msg.sender);
        _;
    }

    function _storage() internal pure returns (BeekeeperStorage storage self) {
        assembly ("memory-safe") {
            self.slot := _STORAGE
        }
    }

    function _hive(uint32 hive) internal view returns (HiveData storage self) {
        self = _storage().hives[hive];
        if (self.owner == address(0)) revert UnknownHive(hive);
    }

    function _meter(address meter) internal view returns (MeterData storage self) {
        self = _storage().meters[meter];
        if (self.owner == address(0)) revert UnknownMeter(meter);
    }

    function _listedCoin(address coin_) internal view returns (CoinData storage self) {
        self = _storage().coins[coin_];
        if (self.status != CoinStatus.LISTED) revert CoinNotListed(coin_, self.status);
    }

    /// The settlement contract that new Hives are handed to.
    function _newestSettlement() internal view returns (ISettlementForBeekeeper, uint16 index) {
        ISettlementForBeekeeper[] storage all = _storage().settlements;
        uint256 count = all.length;
        if (count == 0) revert NotWired();
        return (all[count - 1], uint16(count - 1));
    }

    /// The settlement contract a Hive was handed to; it keeps that one for life.
    function _settlementOf(HiveData storage self) internal view returns (ISettlementForBeekeeper) {
        return _storage().settlements[self.settlement];
    }

    function _requireActive(uint32 hive, HiveData storage self) internal view {
        if (self.status != HiveStatus.ACTIVE) revert HiveNotActive(hive, self.status);
    }

    function _setStatus(uint32 hive, HiveData storage self, HiveStatus status) internal {
        self.status = status;
        emit HiveStatusSet(hive, status);
    }

    function _limit(uint256 count) internal pure {
        if (count > MAX_PER_CALL) revert TooMany(count, MAX_PER_CALL);
    }

    function _limitText(string calldata text, uint256 most) internal pure {
        if (bytes(text).length > most) revert TextTooLong(bytes(text).length, most);
    }
}
