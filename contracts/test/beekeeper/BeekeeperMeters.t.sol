// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PausableUpgradeable} from "@openzeppelin/contracts-upgradeable/utils/PausableUpgradeable.sol";
import {IBeekeeperEvents as E} from "../../src/beekeeper/IBeekeeperEvents.sol";
import {MeterInfo, MeterStatus} from "../../src/beekeeper/BeekeeperTypes.sol";
import {Signature} from "../../src/types/Messages.sol";
import {BeekeeperFixture} from "./BeekeeperFixture.sol";

/// The Meter List: certificates, status, owner, and every refusal.
contract BeekeeperMetersTest is BeekeeperFixture {
    uint48 private constant _NOT_AFTER = uint48(START + 30 days);

    function add(address meter, address owner, uint48 notAfter, Signature memory sig) private {
        beekeeper.addMeter(meter, owner, "SN-1", "Hive", "M1", notAfter, sig);
    }

    function test_a_certified_meter_is_listed_by_anyone_with_hashes_of_its_texts() public {
        address meter = vm.addr(300);
        Signature memory sig = certificate(CERTIFIER_KEY, meter, _NOT_AFTER);
        vm.prank(STRANGER);
        add(meter, address(0xB1), _NOT_AFTER, sig);
        MeterInfo memory info = beekeeper.meter(meter);
        assertEq(info.owner, address(0xB1), "owner");
        assertEq(uint256(info.status), uint256(MeterStatus.ONLINE), "online");
        assertEq(info.hive, 0, "in no Hive");
        assertEq(info.serialHash, keccak256("SN-1"), "serial");
        assertEq(info.manufacturer, keccak256("Hive"), "manufacturer");
        assertEq(info.model, keccak256("M1"), "model");
        assertEq(info.listedAt, START, "listed now");
        assertEq(info.notAfter, _NOT_AFTER, "certificate's end");
        assertEq(info.stake, 0, "no stake yet");
    }

    function test_a_meter_is_listed_once() public {
        Signature memory sig = certificate(CERTIFIER_KEY, meterAt(1), _NOT_AFTER);
        vm.expectRevert(abi.encodeWithSelector(E.MeterExists.selector, meterAt(1)));
        add(meterAt(1), STRANGER, _NOT_AFTER, sig);
    }

    function test_a_certificate_counts_to_its_last_second() public {
        address meter = vm.addr(300);
        Signature memory sig = certificate(CERTIFIER_KEY, meter, _NOT_AFTER);
        vm.warp(_NOT_AFTER + 1);
        vm.expectRevert(abi.encodeWithSelector(E.CertificateExpired.selector, _NOT_AFTER));
        add(meter, STRANGER, _NOT_AFTER, sig);
        vm.warp(_NOT_AFTER);
        add(meter, STRANGER, _NOT_AFTER, sig);
    }

    function test_only_a_certifier_certifies_and_only_what_he_signed() public {
        address meter = vm.addr(300);
        bytes memory refusal = abi.encodeWithSelector(E.NotCertified.selector, meter);
        Signature memory sig = certificate(22, meter, _NOT_AFTER);
        vm.expectRevert(refusal);
        add(meter, STRANGER, _NOT_AFTER, sig);
        sig = certificate(CERTIFIER_KEY, vm.addr(301), _NOT_AFTER);
        vm.expectRevert(refusal);
        add(meter, STRANGER, _NOT_AFTER, sig);
        sig = certificate(CERTIFIER_KEY, meter, _NOT_AFTER);
        vm.expectRevert(refusal);
        add(meter, STRANGER, _NOT_AFTER + 1, sig);
        vm.expectRevert(refusal);
        beekeeper.addMeter(meter, STRANGER, "SN-2", "Hive", "M1", _NOT_AFTER, sig);
        vm.expectRevert(refusal);
        add(meter, STRANGER, _NOT_AFTER, Signature(0, 0));
    }

    function test_a_certificate_with_high_s_is_refused() public {
        address meter = vm.addr(300);
        Signature memory sig = certificate(CERTIFIER_KEY, meter, _NOT_AFTER);
        // Half the order of the curve is just below 2**255, so this is about the only high s the compact form can hold.
        sig.vs = bytes32(type(uint256).max >> 1);
        vm.expectRevert(abi.encodeWithSelector(E.NotCertified.selector, meter));
        add(meter, STRANGER, _NOT_AFTER, sig);
    }

    function test_zero_addresses_and_long_texts_are_refused() public {
        address meter = vm.addr(300);
        Signature memory sig = certificate(CERTIFIER_KEY, meter, _NOT_AFTER);
        vm.expectRevert(abi.encodeWithSelector(E.ZeroAddress.selector));
        add(meter, address(0), _NOT_AFTER, sig);
        vm.expectRevert(abi.encodeWithSelector(E.ZeroAddress.selector));
        add(address(0), STRANGER, _NOT_AFTER, sig);
        string memory long = string(new bytes(65));
        bytes memory refusal = abi.encodeWithSelector(E.TextTooLong.selector, 65, 64);
        vm.expectRevert(refusal);
        beekeeper.addMeter(meter, STRANGER, long, "Hive", "M1", _NOT_AFTER, sig);
        vm.expectRevert(refusal);
        beekeeper.addMeter(meter, STRANGER, "SN-1", long, "M1", _NOT_AFTER, sig);
        vm.expectRevert(refusal);
        beekeeper.addMeter(meter, STRANGER, "SN-1", "Hive", long, _NOT_AFTER, sig);
    }

    function test_status_is_set_by_owner_or_certifier_and_retired_is_for_ever() public {
        address meter = meterAt(1);
        vm.expectRevert(abi.encodeWithSelector(E.NotMeterKeeper.selector, meter, STRANGER));
        vm.prank(STRANGER);
        beekeeper.setMeterStatus(meter, MeterStatus.OFFLINE);
        vm.prank(meterOwner(1));
        beekeeper.setMeterStatus(meter, MeterStatus.OFFLINE);
        assertEq(uint256(meterInfo(1).status), uint256(MeterStatus.OFFLINE), "offline");
        vm.prank(vm.addr(CERTIFIER_KEY));
        beekeeper.setMeterStatus(meter, MeterStatus.ONLINE);
        assertEq(uint256(meterInfo(1).status), uint256(MeterStatus.ONLINE), "online");
        vm.expectRevert(abi.encodeWithSelector(E.MeterStatusNotAllowed.selector, MeterStatus.NONE));
        vm.prank(meterOwner(1));
        beekeeper.setMeterStatus(meter, MeterStatus.NONE);
        vm.prank(meterOwner(1));
        beekeeper.setMeterStatus(meter, MeterStatus.RETIRED);
        vm.expectRevert(abi.encodeWithSelector(E.MeterIsRetired.selector, meter));
        vm.prank(meterOwner(1));
        beekeeper.setMeterStatus(meter, MeterStatus.ONLINE);
        assertEq(meterInfo(1).owner, meterOwner(1), "and still in the list");
    }

    function test_an_unknown_meter_has_no_status_no_owner_and_no_ban() public {
        bytes memory refusal = abi.encodeWithSelector(E.UnknownMeter.selector, STRANGER);
        vm.expectRevert(refusal);
        beekeeper.setMeterStatus(STRANGER, MeterStatus.ONLINE);
        vm.expectRevert(refusal);
        beekeeper.setMeterOwner(STRANGER, OWNER);
        vm.expectRevert(refusal);
        beekeeper.retireBanned(STRANGER);
    }

    function test_a_banned_meter_is_retired_by_anyone_and_an_honest_one_by_nobody() public {
        uint32 hive = makeHive(1, 2);
        vm.expectRevert(abi.encodeWithSelector(E.NotBanned.selector, meterAt(1)));
        beekeeper.retireBanned(meterAt(1));
        double.ban(meterAt(1));
        vm.prank(STRANGER);
        beekeeper.retireBanned(meterAt(1));
        assertEq(uint256(meterInfo(1).status), uint256(MeterStatus.RETIRED), "retired");
        (uint32 place, bool active,) = beekeeper.placeOf(meterAt(1));
        assertTrue(place == 0 && !active, "opens no account");
        vm.prank(OWNER);
        beekeeper.dropMeterFromHive(hive, meterAt(1));
        assertEq(uint256(meterInfo(1).status), uint256(MeterStatus.RETIRED), "dropped with its stake, still retired");
        vm.expectRevert(abi.encodeWithSelector(E.MeterIsRetired.selector, meterAt(1)));
        vm.prank(OWNER);
        beekeeper.addMeterToHive(hive, meterAt(1), pointAt(1));
        vm.expectRevert(abi.encodeWithSelector(E.MeterIsRetired.selector, meterAt(1)));
        beekeeper.retireBanned(meterAt(1));
    }

    function test_the_owner_is_changed_by_himself_or_by_a_certifier_before_the_meter_joins() public {
        address certifier = vm.addr(CERTIFIER_KEY);
        bytes memory refusal = abi.encodeWithSelector(E.NotMeterKeeper.selector, meterAt(1), certifier);
        vm.prank(certifier);
        beekeeper.setMeterOwner(meterAt(1), address(0xB2));
        assertEq(meterInfo(1).owner, address(0xB2), "corrected");
        makeHive(1, 1);
        vm.expectRevert(refusal);
        vm.prank(certifier);
        beekeeper.setMeterOwner(meterAt(1), address(0xB3));
        vm.expectRevert(abi.encodeWithSelector(E.ZeroAddress.selector));
        vm.prank(address(0xB2));
        beekeeper.setMeterOwner(meterAt(1), address(0));
        vm.prank(address(0xB2));
        beekeeper.setMeterOwner(meterAt(1), address(0xB3));
        (,, address owner) = beekeeper.placeOf(meterAt(1));
        assertEq(owner, address(0xB3), "the next account pays him");
    }

    function test_place_of_says_hive_activity_and_owner() public {
        (uint32 place, bool active, address owner) = beekeeper.placeOf(meterAt(1));
        assertTrue(place == 0 && !active, "listed only");
        assertEq(owner, meterOwner(1), "owner");
        uint32 hive = makeHive(1, 1);
        (place, active,) = beekeeper.placeOf(meterAt(1));
        assertTrue(place == hive && active, "in an active Hive");
        (place, active, owner) = beekeeper.placeOf(STRANGER);
        assertTrue(place == 0 && !active && owner == address(0), "unknown");
    }

    function test_pausing_stops_new_meters() public {
        Signature memory sig = certificate(CERTIFIER_KEY, vm.addr(300), _NOT_AFTER);
        vm.prank(GUARDIAN);
        beekeeper.pause();
        vm.expectRevert(abi.encodeWithSelector(PausableUpgradeable.EnforcedPause.selector));
        add(vm.addr(300), STRANGER, _NOT_AFTER, sig);
        vm.prank(meterOwner(1));
        beekeeper.setMeterStatus(meterAt(1), MeterStatus.RETIRED);
    }
}
