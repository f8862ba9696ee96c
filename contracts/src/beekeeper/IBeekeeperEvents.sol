// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CoinStatus, HiveStatus, MeterStatus, PriceBounds} from "./BeekeeperTypes.sol";

/// @title What the Beekeeper reports and refuses. Amounts are in the smallest unit of HVT.
interface IBeekeeperEvents {
    event Wired(address votes, address settlement);
    event SettlementSet(address settlement, uint16 index);

    event MeterAdded(
        address indexed meter,
        address indexed owner,
        address indexed certifier,
        string serial,
        string manufacturer,
        string model,
        uint48 notAfter
    );
    event MeterStatusSet(address indexed meter, MeterStatus status);
    event MeterOwnerSet(address indexed meter, address indexed owner);

    event CoinRequested(address indexed coin, address indexed owner, string code);
    event CoinAdded(address indexed coin, string code, uint64 minPenaltyMicro);
    event CoinFrozen(address indexed coin);
    event CoinUnfrozen(address indexed coin);

    event HiveCreated(uint32 indexed hive, address indexed owner, address coin, uint256 staked, uint256 burnt);
    event HiveStatusSet(uint32 indexed hive, HiveStatus status);
    event HiveEnded(uint32 indexed hive, uint256 refunded);
    event PointsSet(uint32 indexed hive, bytes32[] points);
    event MeterJoined(uint32 indexed hive, address indexed meter, bytes32 point, uint256 staked);
    event MeterDropped(uint32 indexed hive, address indexed meter, uint256 refunded);
    event SplitBegun(uint32 indexed hive, uint32 indexed newHive);
    event SplitFinished(uint32 indexed hive, uint32 indexed newHive);
    event MergeBegun(uint32 indexed from, uint32 indexed into);
    event MergeFinished(uint32 indexed from, uint32 indexed into);
    event MergeCancelled(uint32 indexed from, uint32 indexed into);
    event MetersMoved(uint32 indexed from, uint32 indexed to, address[] meters);
    event MotherLinked(uint32 indexed hive, uint32 indexed mother);
    event MotherUnlinked(uint32 indexed hive, uint32 indexed mother);

    event PricesSet(uint256 hivePrice, uint256 meterPrice);
    event PriceBoundsSet(PriceBounds bounds);

    error ZeroAddress();
    error NotTimelock(address caller);
    error NotWirer(address caller);
    error NotWired();
    error SettlementListed(address settlement);
    error TooMany(uint256 count, uint256 most);
    error TextTooLong(uint256 length, uint256 most);

    error UnknownMeter(address meter);
    error MeterExists(address meter);
    error MeterIsRetired(address meter);
    error MeterStatusNotAllowed(MeterStatus status);
    error NotMeterKeeper(address meter, address caller);
    error CertificateExpired(uint48 notAfter);
    error NotCertified(address meter);
    error NotBanned(address meter);
    error MeterInHive(address meter, uint32 hive);
    error MeterNotInHive(address meter, uint32 hive);
    error AccountStillOpen(uint32 hive, address meter);

    error CoinExists(address coin);
    error CoinNotListed(address coin, CoinStatus status);
    error CoinNotFrozen(address coin, CoinStatus status);
    error UnsupportedDecimals(uint8 decimals);
    error NotAHiveOwner(address caller);

    error UnknownHive(uint32 hive);
    error NotHiveOwner(uint32 hive, address caller);
    error HiveNotActive(uint32 hive, HiveStatus status);
    error HiveNotFrozen(uint32 hive, HiveStatus status);
    error HiveStatusNotAllowed(uint32 hive, HiveStatus from, HiveStatus to);
    error HiveIsShort(uint32 hive);
    error MetersLeft(uint32 hive, uint32 meters);
    error PointsMissing(uint256 points, uint256 meters);
    error PointNotListed(uint32 hive, bytes32 point);
    error PointUsed(bytes32 point, address meter);
    error SameHive(uint32 hive);
    error OwnersDiffer(uint32 hive, uint32 other);
    error CoinsDiffer(uint32 hive, uint32 other);
    error SettlementsDiffer(uint32 hive, uint32 other);
    error NotChanging(uint32 from, uint32 to);

    error AlreadyLinked(uint32 hive, uint32 mother);
    error NotLinked(uint32 hive);
    error LinkIsCircle(uint32 hive, uint32 mother);
    error TooManyLevels(uint256 levels, uint256 most);
    error QueenNotInMother(address queen, uint32 mother);

    error WrongAmount(uint256 given, uint256 required);
    error PriceOutOfBounds(uint256 price, uint256 floor, uint256 ceiling);
    error PriceStepTooLarge(uint256 price, uint256 least, uint256 most);
    error TooEarly(uint256 readyAt);
    error BoundsInvalid(uint256 floor, uint256 ceiling);
}
