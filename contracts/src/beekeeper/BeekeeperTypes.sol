// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Life of a meter. Whether it is in a Hive is a matter of its Hive's number (0: LISTED, else IN_HIVE).
/// RETIRED is for ever; a retired meter still in a Hive can only be dropped or moved.
enum MeterStatus {
    NONE,
    ONLINE,
    OFFLINE,
    RETIRED
}

/// @notice Life of a coin. FROZEN stops new Hives only.
enum CoinStatus {
    NONE,
    REQUESTED,
    LISTED,
    FROZEN
}

/// @notice Life of a Hive. FROZEN turns into ENDED when its last meter is dropped; ENDED is for ever.
enum HiveStatus {
    NONE,
    ACTIVE,
    OFFLINE,
    CHANGING,
    FROZEN,
    ENDED
}

/// @notice One meter in storage; one line of members per word. The first word is all that a deposit reads.
/// @param book Hive in whose list of connection points `point` is marked as used
/// @param stake smallest unit of HVT, counted for the Hive's owner from unix second `since`; zero when refunded
struct MeterData {
    address owner;
    uint32 hive;
    uint32 book;
    MeterStatus status;
    //
    uint96 stake;
    uint48 since;
    uint48 listedAt;
    uint48 notAfter;
    //
    bytes32 serialHash;
    bytes32 manufacturer;
    bytes32 model;
    bytes32 point;
}

/// @notice One coin in storage.
/// @param minPenalty micro-coins, least penalty of a lie in a close
struct CoinData {
    CoinStatus status;
    uint64 minPenalty;
    uint48 changedAt;
    string code;
}

/// @notice One Hive in storage; one line of members per word.
/// @param book Hive whose list of connection points it uses: itself, or the one it was split from
/// @param settlement index in the list of settlement contracts
/// @param stake of the Hive itself, without its meters; smallest unit of HVT
/// @param changeTo Hive its meters move to while CHANGING; `changeFrom` the Hive they come from
/// @param daughters lane h (32 bits) counts the direct daughters that have h levels below them
struct HiveData {
    address owner;
    uint32 meters;
    uint32 book;
    HiveStatus status;
    bool merging;
    //
    address coin;
    uint48 startedAt;
    uint48 endedAt;
    //
    uint96 stake;
    uint48 since;
    uint32 changeTo;
    uint32 changeFrom;
    uint32 mother;
    uint16 settlement;
    //
    uint256 daughters;
}

/// @notice What `meter` answers.
struct MeterInfo {
    address owner;
    uint32 hive;
    MeterStatus status;
    uint96 stake;
    uint48 stakedSince;
    uint48 listedAt;
    uint48 notAfter;
    bytes32 serialHash;
    bytes32 manufacturer;
    bytes32 model;
    bytes32 point;
}

/// @notice What `coin` answers.
struct CoinInfo {
    CoinStatus status;
    uint64 minPenalty;
    uint48 changedAt;
    string code;
}

/// @notice What `getHiveInfo` answers; `book`, `changeTo` and `changeFrom` as in storage.
struct HiveRecord {
    address owner;
    address coin;
    address settlement;
    HiveStatus status;
    bool merging;
    uint32 meters;
    uint32 book;
    uint32 mother;
    uint32 changeTo;
    uint32 changeFrom;
    uint48 startedAt;
    uint48 endedAt;
    uint96 stake;
    uint48 stakedSince;
}

/// @notice Prices in the smallest unit of HVT, and unix seconds of the last change.
struct Prices {
    uint96 hivePrice;
    uint96 meterPrice;
    uint48 changedAt;
}

/// @notice Floor and ceiling of both prices, smallest unit of HVT.
struct PriceBounds {
    uint96 hiveFloor;
    uint96 hiveCeiling;
    uint96 meterFloor;
    uint96 meterCeiling;
}

/// @notice Who is trusted with what from the beginning; a zero address holds nothing. Changed by vote.
struct Roles {
    address certifier;
    address coinKeeper;
    address priceKeeper;
    address guardian;
}
