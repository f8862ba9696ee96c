// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {PausableUpgradeable} from "@openzeppelin/contracts-upgradeable/utils/PausableUpgradeable.sol";
import {CoinInfo, CoinStatus} from "../../src/beekeeper/BeekeeperTypes.sol";
import {IBeekeeperEvents as E} from "../../src/beekeeper/IBeekeeperEvents.sol";
import {TestCoin} from "../../src/TestCoin.sol";
import {BeekeeperFixture} from "./BeekeeperFixture.sol";

/// The Stablecoin List: every row of its diagram and every refusal.
contract BeekeeperCoinsTest is BeekeeperFixture {
    TestCoin private _franc;

    function setUp() public override {
        super.setUp();
        _franc = new TestCoin(address(this), 6);
    }

    function status(address coin) private view returns (uint256) {
        return uint256(beekeeper.coin(coin).status);
    }

    function test_an_owner_requests_and_the_coin_role_lists() public {
        vm.expectRevert(abi.encodeWithSelector(E.NotAHiveOwner.selector, OWNER));
        vm.prank(OWNER);
        beekeeper.requestCoin(address(_franc), "CHFX");
        makeHive(1, 1);
        vm.prank(OWNER);
        beekeeper.requestCoin(address(_franc), "CHFX");
        assertEq(status(address(_franc)), uint256(CoinStatus.REQUESTED), "requested");
        vm.expectRevert(abi.encodeWithSelector(E.CoinExists.selector, address(_franc)));
        vm.prank(OWNER);
        beekeeper.requestCoin(address(_franc), "CHFX");
        vm.expectRevert(abi.encodeWithSelector(E.ZeroAddress.selector));
        vm.prank(OWNER);
        beekeeper.requestCoin(address(0), "CHFX");
        vm.prank(COIN_KEEPER);
        beekeeper.addCoin(address(_franc), "XCHF", 7);
        CoinInfo memory info = beekeeper.coin(address(_franc));
        assertEq(uint256(info.status), uint256(CoinStatus.LISTED), "listed");
        assertEq(info.minPenalty, 7, "least penalty");
        assertEq(info.changedAt, START, "when");
        assertEq(keccak256(bytes(info.code)), keccak256("XCHF"), "the keeper's code");
    }

    function test_freeze_stops_new_hives_only_and_a_vote_lists_again() public {
        uint32 hive = makeHive(1, 2);
        vm.prank(COIN_KEEPER);
        beekeeper.freezeCoin(address(euro));
        assertEq(status(address(euro)), uint256(CoinStatus.FROZEN), "frozen");
        (uint256 required,) = beekeeper.priceOf(1);
        vm.expectRevert(abi.encodeWithSelector(E.CoinNotListed.selector, address(euro), CoinStatus.FROZEN));
        vm.prank(OWNER);
        beekeeper.createHive(
            required, OWNER, address(euro), metersFrom(3, 1), pointsFrom(3, 1), queenAt(2), WINDOW, platformTerms(2)
        );
        (required,) = beekeeper.priceOf(0);
        vm.expectRevert(abi.encodeWithSelector(E.CoinNotListed.selector, address(euro), CoinStatus.FROZEN));
        vm.prank(OWNER);
        beekeeper.beginSplit(hive, required, queenAt(2), WINDOW, platformTerms(2));
        vm.startPrank(OWNER);
        beekeeper.setPoints(hive, pointsFrom(3, 1));
        beekeeper.addMeterToHive(hive, meterAt(3), pointAt(3));
        beekeeper.dropMeterFromHive(hive, meterAt(1));
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(E.NotTimelock.selector, COIN_KEEPER));
        vm.prank(COIN_KEEPER);
        beekeeper.unfreezeCoin(address(euro));
        vm.prank(address(timelock));
        beekeeper.unfreezeCoin(address(euro));
        assertEq(status(address(euro)), uint256(CoinStatus.LISTED), "listed again");
        makeHive(4, 1);
    }

    function test_wrong_states_are_refused() public {
        vm.expectRevert(abi.encodeWithSelector(E.CoinExists.selector, address(euro)));
        vm.prank(COIN_KEEPER);
        beekeeper.addCoin(address(euro), "EURX", 1);
        vm.expectRevert(abi.encodeWithSelector(E.CoinNotListed.selector, address(_franc), CoinStatus.NONE));
        vm.prank(COIN_KEEPER);
        beekeeper.freezeCoin(address(_franc));
        vm.expectRevert(abi.encodeWithSelector(E.CoinNotFrozen.selector, address(euro), CoinStatus.LISTED));
        vm.prank(address(timelock));
        beekeeper.unfreezeCoin(address(euro));
        vm.prank(COIN_KEEPER);
        beekeeper.freezeCoin(address(euro));
        vm.expectRevert(abi.encodeWithSelector(E.CoinExists.selector, address(euro)));
        vm.prank(COIN_KEEPER);
        beekeeper.addCoin(address(euro), "EURX", 1);
    }

    function test_only_the_coin_role_or_a_vote_lists_and_freezes() public {
        bytes memory refusal = abi.encodeWithSelector(
            IAccessControl.AccessControlUnauthorizedAccount.selector, STRANGER, beekeeper.COIN_ROLE()
        );
        vm.expectRevert(refusal);
        vm.prank(STRANGER);
        beekeeper.addCoin(address(_franc), "CHFX", 1);
        vm.expectRevert(refusal);
        vm.prank(STRANGER);
        beekeeper.freezeCoin(address(euro));
        vm.prank(address(timelock));
        beekeeper.addCoin(address(_franc), "CHFX", 1);
        vm.prank(address(timelock));
        beekeeper.freezeCoin(address(_franc));
    }

    function test_decimals_from_6_to_18_and_short_codes() public {
        for (uint8 decimals = 5; decimals <= 19; decimals += 14) {
            TestCoin odd = new TestCoin(address(this), decimals);
            vm.expectRevert(abi.encodeWithSelector(E.UnsupportedDecimals.selector, decimals));
            vm.prank(COIN_KEEPER);
            beekeeper.addCoin(address(odd), "ODD", 1);
        }
        vm.expectRevert(abi.encodeWithSelector(E.TextTooLong.selector, 17, 16));
        vm.prank(COIN_KEEPER);
        beekeeper.addCoin(address(_franc), "12345678901234567", 1);
        vm.expectRevert(abi.encodeWithSelector(E.ZeroAddress.selector));
        vm.prank(COIN_KEEPER);
        beekeeper.addCoin(address(0), "ODD", 1);
    }

    function test_pausing_stops_new_coins_but_not_freezing() public {
        vm.prank(GUARDIAN);
        beekeeper.pause();
        vm.expectRevert(abi.encodeWithSelector(PausableUpgradeable.EnforcedPause.selector));
        vm.prank(COIN_KEEPER);
        beekeeper.addCoin(address(_franc), "CHFX", 1);
        vm.expectRevert(abi.encodeWithSelector(PausableUpgradeable.EnforcedPause.selector));
        beekeeper.requestCoin(address(_franc), "CHFX");
        vm.prank(COIN_KEEPER);
        beekeeper.freezeCoin(address(euro));
    }
}
