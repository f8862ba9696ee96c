// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IMeterList} from "./interfaces/IMeterList.sol";
import {ISettlementBook} from "./interfaces/ISettlementBook.sol";
import {HiveTerms} from "./types/Messages.sol";

/// @title The smallest list of meters and Hives that EnergySettlement can work with; kept by its owner.
/// @notice Holds no money and no stakes. The Beekeeper takes its place.
contract MeterList is Ownable, IMeterList {
    struct Meter {
        address owner;
        uint32 hive;
    }

    event SettlementSet(address settlement);
    event HiveCreated(uint32 indexed hive);
    event HiveFrozen(uint32 indexed hive);
    event MeterListed(address indexed meter, address indexed owner, uint32 indexed hive);
    event MeterDropped(address indexed meter, uint32 indexed hive);

    error SettlementAlreadySet(address settlement);
    error HiveNotActive(uint32 hive);
    error MeterAlreadyInHive(address meter, uint32 hive);
    error MeterUnknown(address meter);
    error ZeroAddress();
    error LengthsDiffer(uint256 meters, uint256 owners);

    /// @notice Least that showing an old state costs in every Hive made here, micro-coins.
    uint64 public constant MIN_PENALTY = 1_000_000;

    ISettlementBook private _settlement;
    mapping(uint32 hive => bool) private _active;
    mapping(address meter => Meter) private _meters;

    constructor(address owner) Ownable(owner) {}

    /// @notice Names the settlement contract, once; it needs this list's address when it is made.
    function setSettlement(ISettlementBook settlement_) external onlyOwner {
        if (address(_settlement) != address(0)) revert SettlementAlreadySet(address(_settlement));
        if (address(settlement_) == address(0)) revert ZeroAddress();
        _settlement = settlement_;
        emit SettlementSet(address(settlement_));
    }

    /// @notice Makes a Hive and hands it to the settlement contract, which refuses a number used before.
    function createHive(
        uint32 hive,
        address owner,
        IERC20Metadata coin,
        address queen,
        uint32 window,
        HiveTerms calldata terms
    ) external onlyOwner {
        _active[hive] = true;
        emit HiveCreated(hive);
        _settlement.registerHive(hive, owner, coin, queen, window, terms, MIN_PENALTY);
    }

    /// @notice No new meters and no new deposits in that Hive.
    function freezeHive(uint32 hive) external onlyOwner {
        if (!_active[hive]) revert HiveNotActive(hive);
        _active[hive] = false;
        emit HiveFrozen(hive);
        _settlement.tellFrozen(hive);
    }

    /// @notice Lists meters with their owners in a Hive; a meter is in at most one.
    function listMeters(uint32 hive, address[] calldata meters, address[] calldata owners) external onlyOwner {
        if (!_active[hive]) revert HiveNotActive(hive);
        if (meters.length != owners.length) revert LengthsDiffer(meters.length, owners.length);
        for (uint256 i = 0; i < meters.length; ++i) {
            Meter storage meter = _meters[meters[i]];
            if (meters[i] == address(0) || owners[i] == address(0)) revert ZeroAddress();
            if (meter.hive != 0) revert MeterAlreadyInHive(meters[i], meter.hive);
            (meter.owner, meter.hive) = (owners[i], hive);
            emit MeterListed(meters[i], owners[i], hive);
        }
    }

    /// @notice Takes a meter out of its Hive; its owner stays known.
    function dropMeter(address meter) external onlyOwner {
        uint32 hive = _meters[meter].hive;
        if (hive == 0) revert MeterUnknown(meter);
        _meters[meter].hive = 0;
        emit MeterDropped(meter, hive);
    }

    /// @inheritdoc IMeterList
    function placeOf(address meter) external view returns (uint32 hive, bool active, address owner) {
        Meter storage place = _meters[meter];
        (hive, owner) = (place.hive, place.owner);
        active = _active[hive];
    }

    /// @notice The settlement contract this list serves.
    function settlement() external view returns (address) {
        return address(_settlement);
    }
}
