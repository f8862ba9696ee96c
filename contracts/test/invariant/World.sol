// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {EnergySettlement} from "../../src/EnergySettlement.sol";
import {SettlementClosing} from "../../src/SettlementClosing.sol";
import {TestCoin} from "../../src/TestCoin.sol";
import {Beekeeper} from "../../src/beekeeper/Beekeeper.sol";
import {BeekeeperHives} from "../../src/beekeeper/BeekeeperHives.sol";
import {PriceBounds, Roles} from "../../src/beekeeper/BeekeeperTypes.sol";
import {HVT} from "../../src/governance/HVT.sol";
import {StakeVotes} from "../../src/governance/StakeVotes.sol";
import {IMeterList} from "../../src/interfaces/IMeterList.sol";
import {ISettlementClosing} from "../../src/interfaces/ISettlementClosing.sol";
import {ISettlementForBeekeeper} from "../../src/interfaces/ISettlementForBeekeeper.sol";
import {HiveTerms, Signature} from "../../src/types/Messages.sol";
import {Base} from "../Base.sol";
import {HostileCoin} from "./HostileCoin.sol";

/// One account that the world knows: its Hive and its device key.
struct Seat {
    uint32 hive;
    uint256 key;
}

/// @title The real platform with four Hives, before anybody attacks it.
/// HOME (1): Workers 1 to 3 and the Queen's shill 4, a coin of 18 decimals. MOTHER (2): same owner and coin, Workers 5
/// and 6 and HOME's Queen. EXPORT (3): Workers 7 and 8, a coin of 6 decimals, nothing in the pool. ODD (4): Workers 9
/// and 10, the hostile coin. Queens have keys 11 to 14, the certifier 21; all are published test keys, worth nothing.
/// Workers 3, 6 and 8 are listed and have no account yet.
abstract contract World is Base {
    uint256 public constant START = 2_000_000_700;
    uint32 public constant HOME = 1;
    uint32 public constant MOTHER = 2;
    uint32 public constant EXPORT = 3;
    uint32 public constant ODD = 4;
    uint32 public constant WINDOW = 3 days;
    uint64 public constant MIN_PENALTY = 5_000_000;
    /// What the terms let one slot move, micro-coins: 1 coin per kWh and 20 kW.
    uint256 public constant SLOT_CAP = 5_000_000;
    address public constant TREASURY = address(0x7EA001);
    address public constant TIMELOCK = address(0x71E001);
    address public constant OWNER = address(0x0E001);
    address public constant EXPORT_OWNER = address(0x0E003);
    address public constant ODD_OWNER = address(0x0E004);
    address public constant STRANGER = address(0x57A001);
    uint256 internal constant CERTIFIER_KEY = 21;

    HVT public hvt;
    StakeVotes public votes;
    Beekeeper public beekeeper;
    EnergySettlement public settlement;
    ISettlementClosing public closing;
    TestCoin public euro;
    TestCoin public cent;
    HostileCoin public odd;
    /// @notice Keys of devices, Queens and payout addresses by their address.
    mapping(address => uint256) public keyOf;
    /// @notice What has been paid for Hives and meters, and the half of each payment, rounded down.
    uint256 public paidHvt;
    uint256 public halvesHvt;
    Seat[] private _seats;
    address[] private _meters;
    /// Addresses by key: deriving one costs far more time than looking it up.
    mapping(uint256 key => address) private _addresses;

    function _build() internal {
        vm.warp(START);
        _name();
        _deploy();
        _list();
        _populate();
    }

    function _name() private {
        for (uint256 key = 1; key <= 42; ++key) {
            for (uint256 i = 0; i < 3; ++i) {
                address derived = vm.addr(i * 1_000 + key);
                (keyOf[derived], _addresses[i * 1_000 + key]) = (i * 1_000 + key, derived);
            }
        }
    }

    function _deploy() private {
        hvt = new HVT(address(this));
        Roles memory roles = Roles(addr(CERTIFIER_KEY), address(this), address(this), address(this));
        PriceBounds memory bounds = PriceBounds(500e18, 2_000e18, 5e18, 20e18);
        bytes memory call = abi.encodeCall(
            Beekeeper.initialize, (hvt, TIMELOCK, address(this), roles, 1_000e18 + 1, 10e18 + 1, bounds)
        );
        Beekeeper implementation = new Beekeeper(address(new BeekeeperHives()));
        beekeeper = Beekeeper(address(new ERC1967Proxy(address(implementation), call)));
        votes = new StakeVotes(address(beekeeper));
        IMeterList list = IMeterList(address(beekeeper));
        SettlementClosing piece = new SettlementClosing(list, TREASURY, TIMELOCK, 20);
        settlement = new EnergySettlement(list, TREASURY, TIMELOCK, 20, piece);
        closing = ISettlementClosing(address(settlement));
        beekeeper.wire(votes, ISettlementForBeekeeper(address(settlement)));
    }

    function _list() private {
        (euro, cent, odd) = (new TestCoin(address(this), 18), new TestCoin(address(this), 6), new HostileCoin());
        euro.mint(address(this), 1e30);
        cent.mint(address(this), 1e18);
        address[3] memory owners = [OWNER, EXPORT_OWNER, ODD_OWNER];
        for (uint256 i = 0; i < 3; ++i) {
            ERC20 coin = i == 0 ? ERC20(euro) : i == 1 ? ERC20(cent) : ERC20(odd);
            beekeeper.addCoin(address(coin), "COIN", MIN_PENALTY);
            coin.approve(address(settlement), type(uint256).max);
            hvt.transfer(owners[i], 1_000_000e18);
            vm.prank(owners[i]);
            hvt.approve(address(beekeeper), type(uint256).max);
        }
        for (uint256 key = 1; key <= 11; ++key) certify(key);
    }

    function _populate() private {
        _hive(OWNER, address(euro), 1, 4);
        _hive(OWNER, address(euro), 5, 2);
        _hive(EXPORT_OWNER, address(cent), 7, 2);
        _hive(ODD_OWNER, address(odd), 9, 2);
        vm.prank(OWNER);
        beekeeper.addMeterToHive(MOTHER, addr(11), keccak256("spare"));
        notePaid(10e18 + 1);
        for (uint256 i = 0; i < 3; ++i) {
            uint32 hive = [HOME, MOTHER, ODD][i];
            settlement.fundPool(hive, 500 * 1e6 * scaleOf(hive));
        }
        _seats.push(Seat(MOTHER, 11));
        for (uint256 key = 1; key <= 10; ++key) _seats.push(Seat(hiveOf(key), key));
        for (uint256 i = 0; i < _seats.length; ++i) {
            Seat memory seat = _seats[i];
            if (seat.key == 3 || seat.key == 6 || seat.key == 8) continue;
            settlement.deposit(seat.hive, addr(seat.key), 1_000 * 1e6 * scaleOf(seat.hive));
        }
        vm.warp(START + 1 days);
    }

    function _hive(address owner, address coin, uint256 first, uint256 count) private {
        (uint256 required,) = beekeeper.priceOf(count);
        address[] memory devices = new address[](count);
        bytes32[] memory points = new bytes32[](count + 1);
        for (uint256 i = 0; i < count; ++i) {
            (devices[i], points[i]) = (addr(first + i), keccak256(abi.encode("point", i)));
        }
        points[count] = keccak256("spare");
        uint32 hive = beekeeper.nextHive();
        vm.prank(owner);
        beekeeper.createHive(required, owner, coin, devices, points, addr(10 + hive), WINDOW, terms(hive));
        notePaid(required);
    }

    /// @notice Notes a payment for a Hive or a meter.
    function notePaid(uint256 amount) public {
        paidHvt += amount;
        halvesHvt += amount / 2;
    }

    /// @notice Lists the meter of a key; its owner is `ownerOf`.
    function certify(uint256 key) public {
        bytes32 typehash = keccak256(
            "MeterCertificate(address meter,bytes32 serialHash,bytes32 manufacturer,bytes32 model,uint48 notAfter)"
        );
        uint48 notAfter = uint48(vm.getBlockTimestamp() + 1 days);
        bytes32 text = keccak256("x");
        bytes32 hash = keccak256(abi.encode(typehash, addr(key), text, text, text, notAfter));
        Signature memory sig = _signed(CERTIFIER_KEY, beekeeper.domainSeparator(), hash);
        _meters.push(addr(key));
        beekeeper.addMeter(addr(key), ownerOf(key), "x", "x", "x", notAfter, sig);
    }

    // ---- Who is who

    /// @notice Address of a published key.
    function addr(uint256 key) public view returns (address) {
        return _addresses[key];
    }

    function seats() public view returns (Seat[] memory) {
        return _seats;
    }

    function hiveOf(uint256 key) public pure returns (uint32) {
        return key <= 4 ? HOME : key <= 6 ? MOTHER : key <= 8 ? EXPORT : key <= 10 ? ODD : MOTHER;
    }

    /// @notice Every meter that was ever listed.
    function meters() external view returns (address[] memory) {
        return _meters;
    }

    /// @notice Owner of a meter, and first payout address of its account.
    function ownerOf(uint256 key) public view returns (address) {
        return addr(1_000 + key);
    }

    /// @notice The other payout address that a device of the world may name.
    function otherPayoutOf(uint256 key) public view returns (address) {
        return addr(2_000 + key);
    }

    function hiveOwner(uint32 hive) public pure returns (address) {
        return hive == EXPORT ? EXPORT_OWNER : hive == ODD ? ODD_OWNER : OWNER;
    }

    function coinOf(uint32 hive) public view returns (ERC20) {
        return hive == EXPORT ? ERC20(cent) : hive == ODD ? ERC20(odd) : ERC20(euro);
    }

    function scaleOf(uint32 hive) public pure returns (uint256) {
        return hive == EXPORT ? 1 : 1e12;
    }

    function terms(uint32 hive) public pure returns (HiveTerms memory) {
        return HiveTerms(hive, 1, 0, bytes32(uint256(1)), 500, 20, 20, 1_000_000, 20_000, 1_000_000, 2);
    }

    /// @notice Key of the Queen whose signature counts for a slot.
    function queenKey(uint32 hive, uint256 slot) public view returns (uint256) {
        return keyOf[settlement.queenOf(hive, uint32(slot))];
    }

    function nowSlot() public view returns (uint32) {
        return uint32(vm.getBlockTimestamp() / 900);
    }

    /// @notice Gives somebody coins of a Hive, micro-coins, and lets EnergySettlement take them.
    function supply(address who, uint32 hive, uint256 micro) external {
        ERC20 coin = coinOf(hive);
        coin.transfer(who, micro * scaleOf(hive));
        vm.prank(who);
        coin.approve(address(settlement), type(uint256).max);
    }

    function pass(uint256 time) public {
        vm.warp(vm.getBlockTimestamp() + time);
    }

    // ---- Signing

    /// @notice Signature of a key over a struct of EnergySettlement's domain.
    function sign(uint256 key, bytes32 structHash) public view returns (Signature memory) {
        return _signed(key, settlement.domainSeparator(), structHash);
    }

    function _signed(uint256 key, bytes32 domain, bytes32 hash) private pure returns (Signature memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, keccak256(abi.encodePacked(hex"1901", domain, hash)));
        return Signature(r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
    }
}
