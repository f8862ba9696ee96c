// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Beekeeper} from "../../src/beekeeper/Beekeeper.sol";
import {BeekeeperHives} from "../../src/beekeeper/BeekeeperHives.sol";
import {HiveRecord, MeterInfo, PriceBounds, Roles} from "../../src/beekeeper/BeekeeperTypes.sol";
import {HVT} from "../../src/governance/HVT.sol";
import {HiveGovernor} from "../../src/governance/HiveGovernor.sol";
import {HiveTimelock} from "../../src/governance/HiveTimelock.sol";
import {StakeVotes} from "../../src/governance/StakeVotes.sol";
import {EnergySettlement} from "../../src/EnergySettlement.sol";
import {SettlementClosing} from "../../src/SettlementClosing.sol";
import {ISettlementForBeekeeper} from "../../src/interfaces/ISettlementForBeekeeper.sol";
import {TestCoin} from "../../src/TestCoin.sol";
import {HiveTerms, Signature} from "../../src/types/Messages.sol";
import {Base} from "../Base.sol";

/// @title The whole platform, deployed in the order that Beekeeper.sol names, with one funded owner, a listed coin and
/// certified meters.
/// Keys: 21 certifier, 101 and up meters, 201 and up Queens; published test keys, worth nothing.
abstract contract PlatformFixture is Base {
    uint256 internal constant START = 2_000_000_700;
    uint256 internal constant CERTIFIER_KEY = 21;
    uint256 internal constant METER_KEYS = 100;
    uint256 internal constant QUEEN_KEYS = 200;
    uint256 internal constant METERS = 12;
    uint96 internal constant HIVE_PRICE = 1_000e18 + 1;
    uint96 internal constant METER_PRICE = 10e18 + 1;
    uint32 internal constant WINDOW = 3 days;
    uint16 internal constant FEE_BPS = 20;
    uint64 internal constant MIN_PENALTY = 5_000_000;
    address internal constant TREASURY = address(0x7EA);
    address internal constant OWNER = address(0x0E);
    address internal constant OTHER_OWNER = address(0x0F);
    address internal constant STRANGER = address(0x57A);
    address internal constant COIN_KEEPER = address(0xC0);
    address internal constant PRICE_KEEPER = address(0xC1);
    address internal constant GUARDIAN = address(0xC2);

    HVT internal hvt;
    HiveTimelock internal timelock;
    Beekeeper internal beekeeper;
    StakeVotes internal votes;
    HiveGovernor internal governor;
    ISettlementForBeekeeper internal platformSettlement;
    EnergySettlement internal platformMoney;
    TestCoin internal euro;

    function setUp() public virtual {
        vm.warp(START);
        _deployPlatform();
        euro = new TestCoin(address(this), 18);
        vm.prank(COIN_KEEPER);
        beekeeper.addCoin(address(euro), "EURX", MIN_PENALTY);
        fund(OWNER, 1_000_000e18);
        for (uint256 i = 1; i <= METERS; ++i) {
            certify(METER_KEYS + i, meterOwner(i));
        }
    }

    /// Steps 1 to 10 of the deployment.
    function _deployPlatform() internal {
        hvt = new HVT(address(this));
        timelock = new HiveTimelock();
        Beekeeper implementation = new Beekeeper(address(new BeekeeperHives()));
        Roles memory roles = Roles(vm.addr(CERTIFIER_KEY), COIN_KEEPER, PRICE_KEEPER, GUARDIAN);
        bytes memory call = abi.encodeCall(
            Beekeeper.initialize,
            (hvt, address(timelock), address(this), roles, HIVE_PRICE, METER_PRICE, priceBounds())
        );
        beekeeper = Beekeeper(address(new ERC1967Proxy(address(implementation), call)));
        votes = new StakeVotes(address(beekeeper));
        governor = new HiveGovernor(votes, timelock);
        timelock.handOver(address(governor));
        platformSettlement = _newSettlement();
        beekeeper.wire(votes, platformSettlement);
    }

    /// Steps 8 and 9; a test may put a double in their place.
    function _newSettlement() internal virtual returns (ISettlementForBeekeeper) {
        SettlementClosing closing = new SettlementClosing(beekeeper, TREASURY, address(timelock), FEE_BPS);
        platformMoney = new EnergySettlement(beekeeper, TREASURY, address(timelock), FEE_BPS, closing);
        return ISettlementForBeekeeper(address(platformMoney));
    }

    // ---- People and devices

    function fund(address owner, uint256 amount) internal {
        hvt.transfer(owner, amount);
        vm.prank(owner);
        hvt.approve(address(beekeeper), type(uint256).max);
    }

    function certify(uint256 key, address owner) internal {
        address meter = vm.addr(key);
        uint48 notAfter = uint48(vm.getBlockTimestamp() + 30 days);
        Signature memory sig = certificate(CERTIFIER_KEY, meter, notAfter);
        beekeeper.addMeter(meter, owner, "SN-1", "Hive", "M1", notAfter, sig);
    }

    function certificate(uint256 signer, address meter, uint48 notAfter) internal view returns (Signature memory) {
        bytes32 typehash = keccak256(
            "MeterCertificate(address meter,bytes32 serialHash,bytes32 manufacturer,bytes32 model,uint48 notAfter)"
        );
        bytes32 hash =
            keccak256(abi.encode(typehash, meter, keccak256("SN-1"), keccak256("Hive"), keccak256("M1"), notAfter));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", beekeeper.domainSeparator(), hash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signer, digest);
        return Signature(r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
    }

    function meterAt(uint256 i) internal pure returns (address) {
        return vm.addr(METER_KEYS + i);
    }

    function meterOwner(uint256 i) internal pure returns (address) {
        return address(uint160(0xB00 + i));
    }

    function queenAt(uint32 hive) internal pure returns (address) {
        return vm.addr(QUEEN_KEYS + hive);
    }

    /// Connection point of the i-th meter.
    function pointAt(uint256 i) internal pure returns (bytes32) {
        return keccak256(abi.encode("point", i));
    }

    // ---- Hives

    /// Makes a Hive of OWNER with meters first .. first + count - 1, at their own connection points.
    function makeHive(uint256 first, uint256 count) internal returns (uint32) {
        return makeHive(OWNER, address(euro), first, count);
    }

    function makeHive(address owner, address coin, uint256 first, uint256 count) internal returns (uint32) {
        (uint256 required,) = beekeeper.priceOf(count);
        uint32 hive = beekeeper.nextHive();
        vm.prank(owner);
        return beekeeper.createHive(
            required, owner, coin, metersFrom(first, count), pointsFrom(first, count), queenAt(hive), WINDOW,
            platformTerms(hive)
        );
    }

    function metersFrom(uint256 first, uint256 count) internal pure returns (address[] memory list) {
        list = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = meterAt(first + i);
        }
    }

    function pointsFrom(uint256 first, uint256 count) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = pointAt(first + i);
        }
    }

    /// 1 coin per kWh and 20 kW: 5 coins a slot.
    function platformTerms(uint32 hive) internal pure returns (HiveTerms memory) {
        return HiveTerms(hive, 1, 0, bytes32(uint256(1)), 500, 20, 20, 1_000_000, 20_000, 1_000_000, 2);
    }

    function priceBounds() internal pure returns (PriceBounds memory) {
        return PriceBounds(500e18, 2_000e18, 5e18, 20e18);
    }

    function record(uint32 hive) internal view returns (HiveRecord memory) {
        return beekeeper.getHiveInfo(hive);
    }

    function meterInfo(uint256 i) internal view returns (MeterInfo memory) {
        return beekeeper.meter(meterAt(i));
    }

    function later(uint256 seconds_) internal {
        vm.warp(vm.getBlockTimestamp() + seconds_);
    }
}
