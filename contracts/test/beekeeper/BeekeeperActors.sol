// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Beekeeper} from "../../src/beekeeper/Beekeeper.sol";
import {HiveRecord, HiveStatus, MeterInfo} from "../../src/beekeeper/BeekeeperTypes.sol";
import {HVT} from "../../src/governance/HVT.sol";
import {HiveTerms} from "../../src/types/Messages.sol";
import {Vm} from "../Base.sol";
import {SettlementDouble} from "./SettlementDouble.sol";

/// @title What owners, Workers and the price role may do to the Beekeeper in any order, some of it refused.
/// @notice Each action picks what mostly makes sense, so that long sequences get somewhere; it counts what it paid.
contract BeekeeperActors {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 private constant _MOST_HIVES = 8;

    Beekeeper private immutable _beekeeper;
    SettlementDouble private immutable _settlement;
    address private immutable _priceKeeper;
    address private immutable _coin;
    address[] private _meters;
    address[2] private _owners;

    /// @notice Sum of R over all payments, and of R/2 over each of them.
    uint256 public paid;
    uint256 public burnt;
    /// @notice Actions that went through, by name.
    mapping(string action => uint256) public done;

    constructor(
        Beekeeper beekeeper_,
        SettlementDouble settlement_,
        address coin,
        address priceKeeper,
        address[] memory meters,
        address[2] memory owners
    ) {
        (_beekeeper, _settlement, _coin, _priceKeeper) = (beekeeper_, settlement_, coin, priceKeeper);
        (_meters, _owners) = (meters, owners);
    }

    function create(uint256 seed) external {
        uint32 hive = _beekeeper.nextHive();
        if (hive > _MOST_HIVES) return;
        address owner = _owners[seed % 2];
        address[] memory meters = _free((seed >> 8) % 4);
        bytes32[] memory points = new bytes32[](_meters.length);
        for (uint256 i = 0; i < points.length; ++i) {
            points[i] = keccak256(abi.encode((i + (seed >> 16) % points.length) % points.length));
        }
        (uint256 required,) = _beekeeper.priceOf(meters.length);
        vm.prank(owner);
        _beekeeper.createHive(required, owner, _coin, meters, points, address(0x9), 3 days, _terms(hive));
        _paid("create", required);
    }

    function add(uint256 seed) external {
        uint32 hive = _hive(seed);
        address[] memory meters = _free(1);
        if (meters.length == 0) return;
        bytes32 point = keccak256(abi.encode((seed >> 16) % _meters.length));
        uint256 price = _beekeeper.prices().meterPrice;
        vm.prank(_ownerOf(hive));
        _beekeeper.addMeterToHive(hive, meters[0], point);
        _paid("add", price);
    }

    function drop(uint256 seed) external {
        address meter = _meters[seed % _meters.length];
        uint32 hive = _beekeeper.meter(meter).hive;
        vm.prank(_ownerOf(hive));
        _beekeeper.dropMeterFromHive(hive, meter);
        ++done["drop"];
    }

    function beginSplit(uint256 seed) external {
        uint32 hive = _hive(seed);
        uint32 newHive = _beekeeper.nextHive();
        if (newHive > _MOST_HIVES) return;
        (uint256 required,) = _beekeeper.priceOf(0);
        vm.prank(_ownerOf(hive));
        _beekeeper.beginSplit(hive, required, address(0x9), 3 days, _terms(newHive));
        _paid("split", required);
    }

    function beginMerge(uint256 seed) external {
        (uint32 from, uint32 into) = (_hive(seed), _hive(seed >> 8));
        vm.prank(_ownerOf(from));
        _beekeeper.beginMerge(from, into);
        ++done["merge"];
    }

    /// Moves one meter of a Hive that is changing.
    function move(uint256 seed) external {
        address[] memory meters = new address[](1);
        for (uint256 i = 0; i < _meters.length; ++i) {
            meters[0] = _meters[(seed + i) % _meters.length];
            uint32 from = _beekeeper.meter(meters[0]).hive;
            uint32 to = _beekeeper.getHiveInfo(from).changeTo;
            if (to == 0) continue;
            vm.prank(_ownerOf(from));
            _beekeeper.moveMeters(from, to, meters);
            ++done["move"];
            return;
        }
    }

    function finish(uint256 seed) external {
        for (uint256 i = 0; i < _MOST_HIVES; ++i) {
            uint32 from = uint32((seed + i) % _MOST_HIVES + 1);
            HiveRecord memory hive = _beekeeper.getHiveInfo(from);
            if (hive.changeTo == 0) continue;
            vm.prank(hive.owner);
            if (!hive.merging) _beekeeper.finishSplit(from, hive.changeTo);
            else if (hive.meters == 0) _beekeeper.finishMerge(from, hive.changeTo);
            else _beekeeper.cancelMerge(from, hive.changeTo);
            ++done["finish"];
            return;
        }
    }

    /// Seldom, or there would soon be nothing left to do.
    function freeze(uint256 seed) external {
        if (seed % 4 != 0) return;
        uint32 hive = _hive(seed >> 8);
        vm.prank(_ownerOf(hive));
        _beekeeper.freezeHive(hive);
        ++done["freeze"];
    }

    /// An account opens (1), is closing (2) or is closed (3).
    function account(uint256 seed) external {
        address meter = _meters[seed % _meters.length];
        _settlement.setState(_beekeeper.meter(meter).hive, meter, uint8((seed >> 8) % 8 == 0 ? 1 : 3));
        ++done["account"];
    }

    function wait(uint256 seed) external {
        vm.warp(vm.getBlockTimestamp() + 1 + seed % 30 days);
    }

    /// The price role moves both prices a little, to odd values too.
    function prices(uint256 seed) external {
        uint256 hivePrice = _beekeeper.prices().hivePrice;
        uint256 meterPrice = _beekeeper.prices().meterPrice;
        vm.prank(_priceKeeper);
        _beekeeper.setPrices(hivePrice - seed % (hivePrice / 100), meterPrice + seed % (meterPrice / 100));
        ++done["prices"];
    }

    function _paid(string memory action, uint256 required) private {
        paid += required;
        burnt += required / 2;
        ++done[action];
    }

    function _hive(uint256 seed) private view returns (uint32) {
        uint32 count = _beekeeper.nextHive() - 1;
        return count == 0 ? 0 : uint32(seed % count) + 1;
    }

    function _ownerOf(uint32 hive) private view returns (address) {
        return _beekeeper.getHiveInfo(hive).owner;
    }

    function _free(uint256 most) private view returns (address[] memory free) {
        address[] memory found = new address[](_meters.length);
        uint256 count;
        for (uint256 i = 0; i < _meters.length && count < most; ++i) {
            MeterInfo memory meter = _beekeeper.meter(_meters[i]);
            if (meter.hive == 0) found[count++] = _meters[i];
        }
        free = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            free[i] = found[i];
        }
    }

    function _terms(uint32 hive) private pure returns (HiveTerms memory) {
        return HiveTerms(hive, 1, 0, bytes32(uint256(1)), 500, 20, 20, 1_000_000, 20_000, 1_000_000, 2);
    }
}
