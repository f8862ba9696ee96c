// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {Beekeeper} from "../../src/beekeeper/Beekeeper.sol";
import {BeekeeperHives} from "../../src/beekeeper/BeekeeperHives.sol";
import {PriceBounds, Roles} from "../../src/beekeeper/BeekeeperTypes.sol";
import {IBeekeeperEvents as E} from "../../src/beekeeper/IBeekeeperEvents.sol";
import {HVT} from "../../src/governance/HVT.sol";
import {StakeVotes} from "../../src/governance/StakeVotes.sol";
import {ISettlementForBeekeeper} from "../../src/interfaces/ISettlementForBeekeeper.sol";
import {BeekeeperNext} from "./BeekeeperNext.sol";
import {BeekeeperFixture} from "./BeekeeperFixture.sol";

/// Wiring, roles, pausing and upgrades: who may, who may not.
contract BeekeeperUpgradeTest is BeekeeperFixture {
    bytes32 private constant _IMPLEMENTATION = bytes32(uint256(keccak256("eip1967.proxy.implementation")) - 1);

    function fresh(HVT token, address lock, address wirer, uint256 hivePrice) private returns (Beekeeper) {
        Beekeeper implementation = new Beekeeper(beekeeper.hivesCode());
        bytes memory call = abi.encodeCall(
            Beekeeper.initialize,
            (token, lock, wirer, Roles(address(0), address(0), address(0), address(0)), hivePrice, METER_PRICE,
                priceBounds())
        );
        return Beekeeper(address(new ERC1967Proxy(address(implementation), call)));
    }

    function implementationOf(address proxy) private view returns (address) {
        return address(uint160(uint256(vm.load(proxy, _IMPLEMENTATION))));
    }

    // ---- Initialising and wiring

    function test_nobody_initialises_twice_or_the_implementation() public {
        Roles memory roles;
        vm.expectRevert(abi.encodeWithSelector(Initializable.InvalidInitialization.selector));
        beekeeper.initialize(hvt, STRANGER, STRANGER, roles, HIVE_PRICE, METER_PRICE, priceBounds());
        Beekeeper implementation = new Beekeeper(beekeeper.hivesCode());
        vm.expectRevert(abi.encodeWithSelector(Initializable.InvalidInitialization.selector));
        implementation.initialize(hvt, STRANGER, STRANGER, roles, HIVE_PRICE, METER_PRICE, priceBounds());
    }

    function test_initialising_refuses_zero_addresses_and_prices_out_of_bounds() public {
        vm.expectRevert(abi.encodeWithSelector(E.ZeroAddress.selector));
        this.tryFresh(HVT(address(0)), address(timelock), address(this), HIVE_PRICE);
        vm.expectRevert(abi.encodeWithSelector(E.ZeroAddress.selector));
        this.tryFresh(hvt, address(0), address(this), HIVE_PRICE);
        vm.expectRevert(abi.encodeWithSelector(E.ZeroAddress.selector));
        this.tryFresh(hvt, address(timelock), address(0), HIVE_PRICE);
        vm.expectRevert(abi.encodeWithSelector(E.PriceOutOfBounds.selector, 1, 500e18, 2_000e18));
        this.tryFresh(hvt, address(timelock), address(this), 1);
        vm.expectRevert(abi.encodeWithSelector(E.ZeroAddress.selector));
        new Beekeeper(STRANGER);
    }

    function tryFresh(HVT token, address lock, address wirer, uint256 hivePrice) external {
        fresh(token, lock, wirer, hivePrice);
    }

    function test_wiring_is_done_once_by_the_wirer() public {
        Beekeeper other = fresh(hvt, address(timelock), address(this), HIVE_PRICE);
        StakeVotes itsVotes = new StakeVotes(address(other));
        (address token, address noVotes, address lock, address none) = other.parts();
        assertTrue(token == address(hvt) && lock == address(timelock), "known from the beginning");
        assertTrue(noVotes == address(0) && none == address(0), "not wired");
        vm.expectRevert(abi.encodeWithSelector(E.NotWirer.selector, STRANGER));
        vm.prank(STRANGER);
        other.wire(itsVotes, double);
        vm.expectRevert(abi.encodeWithSelector(E.ZeroAddress.selector));
        other.wire(StakeVotes(address(0)), double);
        vm.expectRevert(abi.encodeWithSelector(E.ZeroAddress.selector));
        other.wire(itsVotes, ISettlementForBeekeeper(address(0)));
        other.wire(itsVotes, double);
        vm.expectRevert(abi.encodeWithSelector(E.NotWirer.selector, address(this)));
        other.wire(itsVotes, double);
        (, noVotes,, none) = other.parts();
        assertTrue(noVotes == address(itsVotes) && none == address(double), "wired");
    }

    function test_a_beekeeper_without_wires_makes_no_hive() public {
        Beekeeper other = fresh(hvt, address(timelock), address(this), HIVE_PRICE);
        vm.prank(address(timelock));
        other.addCoin(address(euro), "EURX", 1);
        vm.expectRevert(abi.encodeWithSelector(E.NotWired.selector));
        other.createHive(
            HIVE_PRICE, OWNER, address(euro), new address[](0), new bytes32[](0), queenAt(1), WINDOW, platformTerms(1)
        );
    }

    function test_a_new_settlement_contract_comes_by_vote_only_and_once() public {
        vm.expectRevert(abi.encodeWithSelector(E.NotTimelock.selector, address(this)));
        beekeeper.setSettlement(double);
        vm.expectRevert(abi.encodeWithSelector(E.SettlementListed.selector, address(double)));
        vm.prank(address(timelock));
        beekeeper.setSettlement(double);
    }

    function test_the_half_that_changes_hives_is_nothing_by_itself() public {
        BeekeeperHives half = BeekeeperHives(beekeeper.hivesCode());
        vm.expectRevert(abi.encodeWithSelector(E.UnknownHive.selector, 1));
        half.freezeHive(1);
        vm.expectRevert(abi.encodeWithSelector(E.CoinNotListed.selector, address(euro), 0));
        half.createHive(
            0, OWNER, address(euro), new address[](0), new bytes32[](0), queenAt(1), WINDOW, platformTerms(1)
        );
    }

    // ---- Roles

    function test_the_timelock_administers_every_role_and_nobody_else() public {
        bytes32[5] memory roles = [
            beekeeper.DEFAULT_ADMIN_ROLE(),
            beekeeper.CERTIFIER_ROLE(),
            beekeeper.COIN_ROLE(),
            beekeeper.PRICE_ROLE(),
            beekeeper.GUARDIAN_ROLE()
        ];
        address[5] memory others = [address(this), vm.addr(CERTIFIER_KEY), COIN_KEEPER, PRICE_KEEPER, GUARDIAN];
        for (uint256 i = 0; i < roles.length; ++i) {
            assertEq(beekeeper.getRoleAdmin(roles[i]), bytes32(0), "administered by the admin role");
            assertTrue(!beekeeper.hasRole(0, others[i]), "which no person holds");
            vm.expectRevert(
                abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, others[i], bytes32(0))
            );
            vm.prank(others[i]);
            beekeeper.grantRole(roles[i], STRANGER);
        }
        vm.prank(address(timelock));
        beekeeper.grantRole(roles[4], STRANGER);
        vm.prank(STRANGER);
        beekeeper.pause();
    }

    function test_the_guardian_pauses_and_a_vote_may_end_it_against_his_will() public {
        bytes32 role = beekeeper.GUARDIAN_ROLE();
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, STRANGER, role)
        );
        vm.prank(STRANGER);
        beekeeper.pause();
        vm.prank(GUARDIAN);
        beekeeper.pause();
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, STRANGER, role)
        );
        vm.prank(STRANGER);
        beekeeper.unpause();
        vm.prank(address(timelock));
        beekeeper.unpause();
        assertTrue(!beekeeper.paused(), "by vote");
        vm.startPrank(GUARDIAN);
        beekeeper.pause();
        beekeeper.unpause();
        vm.stopPrank();
        assertTrue(!beekeeper.paused(), "by himself");
    }

    // ---- Upgrades

    function test_nobody_but_the_timelock_upgrades() public {
        address old = implementationOf(address(beekeeper));
        address next = address(new BeekeeperNext(beekeeper.hivesCode()));
        address[6] memory others =
            [address(this), OWNER, GUARDIAN, vm.addr(CERTIFIER_KEY), address(governor), PRICE_KEEPER];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(E.NotTimelock.selector, others[i]));
            vm.prank(others[i]);
            beekeeper.upgradeToAndCall(next, "");
        }
        vm.prank(address(timelock));
        beekeeper.grantRole(bytes32(0), OWNER);
        vm.expectRevert(abi.encodeWithSelector(E.NotTimelock.selector, OWNER));
        vm.prank(OWNER);
        beekeeper.upgradeToAndCall(next, "");
        assertEq(implementationOf(address(beekeeper)), old, "not even an admin of the roles");
        vm.expectRevert(abi.encodeWithSelector(UUPSUpgradeable.UUPSUnauthorizedCallContext.selector));
        vm.prank(address(timelock));
        Beekeeper(old).upgradeToAndCall(next, "");
    }

    function test_an_upgrade_keeps_every_field_and_adds_one() public {
        uint32 hive = makeHive(1, 3);
        bytes32 before = keccak256(abi.encode(record(hive), meterInfo(2), beekeeper.coin(address(euro))));
        address next = address(new BeekeeperNext(address(new BeekeeperHives())));
        vm.prank(address(timelock));
        beekeeper.upgradeToAndCall(next, abi.encodeCall(BeekeeperNext.setMotto, ("more honey")));
        assertEq(implementationOf(address(beekeeper)), next, "upgraded");
        bytes32 later_ = keccak256(abi.encode(record(hive), meterInfo(2), beekeeper.coin(address(euro))));
        assertEq(later_, before, "all as before");
        assertEq(keccak256(bytes(BeekeeperNext(address(beekeeper)).motto())), keccak256("more honey"), "the new field");
        vm.prank(OWNER);
        beekeeper.dropMeterFromHive(hive, meterAt(1));
        makeHive(4, 1);
    }

    function test_an_upgrade_to_something_that_cannot_be_upgraded_is_refused() public {
        address half = beekeeper.hivesCode();
        vm.expectRevert();
        vm.prank(address(timelock));
        beekeeper.upgradeToAndCall(half, "");
    }

    function test_the_storage_place_is_the_one_its_name_says() public view {
        bytes32 place =
            keccak256(abi.encode(uint256(keccak256("hive.storage.Beekeeper")) - 1)) & ~bytes32(uint256(0xff));
        assertEq(uint256(vm.load(address(beekeeper), place)), uint256(uint160(address(hvt))), "first member: HVT");
    }
}
