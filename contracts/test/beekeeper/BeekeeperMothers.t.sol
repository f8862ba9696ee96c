// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HiveStatus} from "../../src/beekeeper/BeekeeperTypes.sol";
import {IBeekeeperEvents as E} from "../../src/beekeeper/IBeekeeperEvents.sol";
import {TestCoin} from "../../src/TestCoin.sol";
import {BeekeeperFixture} from "./BeekeeperFixture.sol";
import {SettlementDouble} from "./SettlementDouble.sol";

/// Mothers and daughters: consent, no circle, at most eight levels however they are linked.
contract BeekeeperMothersTest is BeekeeperFixture {
    uint32 private constant _COUNT = 9;

    function setUp() public override {
        super.setUp();
        for (uint32 i = 1; i <= _COUNT; ++i) {
            makeHive(1, 0);
            certify(QUEEN_KEYS + i, OWNER);
        }
    }

    /// Makes the daughter's Queen a meter of the mother and links.
    function link(uint32 daughter, uint32 mother) private {
        if (beekeeper.meter(queenAt(daughter)).hive == 0) {
            bytes32[] memory points = new bytes32[](1);
            points[0] = keccak256(abi.encode("queen", daughter));
            vm.startPrank(OWNER);
            beekeeper.setPoints(mother, points);
            beekeeper.addMeterToHive(mother, queenAt(daughter), points[0]);
            vm.stopPrank();
        }
        vm.prank(OWNER);
        beekeeper.linkMother(daughter, mother);
    }

    function unlink(uint32 daughter) private {
        vm.prank(OWNER);
        beekeeper.unlinkMother(daughter);
        uint32 mother = beekeeper.meter(queenAt(daughter)).hive;
        vm.prank(OWNER);
        beekeeper.dropMeterFromHive(mother, queenAt(daughter));
    }

    function refuseToLink(bytes memory refusal, uint32 daughter, uint32 mother) private {
        vm.expectRevert(refusal);
        vm.prank(OWNER);
        beekeeper.linkMother(daughter, mother);
    }

    function test_a_link_needs_the_queen_among_the_mothers_meters() public {
        refuseToLink(abi.encodeWithSelector(E.QueenNotInMother.selector, queenAt(2), 1), 2, 1);
        vm.expectRevert(abi.encodeWithSelector(E.NotHiveOwner.selector, 2, STRANGER));
        vm.prank(STRANGER);
        beekeeper.linkMother(2, 1);
        link(2, 1);
        assertEq(record(2).mother, 1, "linked");
        assertEq(beekeeper.levelsBelow(1), 1, "one level below");
        refuseToLink(abi.encodeWithSelector(E.AlreadyLinked.selector, 2, 1), 2, 1);
    }

    function test_either_owner_unlinks() public {
        link(2, 1);
        vm.expectRevert(abi.encodeWithSelector(E.NotLinked.selector, 1));
        beekeeper.unlinkMother(1);
        vm.expectRevert(abi.encodeWithSelector(E.NotHiveOwner.selector, 2, STRANGER));
        vm.prank(STRANGER);
        beekeeper.unlinkMother(2);
        unlink(2);
        assertEq(record(2).mother, 0, "unlinked");
        assertEq(beekeeper.levelsBelow(1), 0, "nothing below");
        fund(OTHER_OWNER, 10_000e18);
        uint32 foreign = makeHive(OTHER_OWNER, address(euro), 1, 0);
        bytes32[] memory points = new bytes32[](1);
        vm.startPrank(OTHER_OWNER);
        beekeeper.setPoints(foreign, points);
        beekeeper.addMeterToHive(foreign, queenAt(2), points[0]);
        vm.stopPrank();
        vm.prank(OWNER);
        beekeeper.linkMother(2, foreign);
        vm.prank(OTHER_OWNER);
        beekeeper.unlinkMother(2);
    }

    function test_no_circle_long_or_short() public {
        bytes32[] memory points = new bytes32[](1);
        vm.startPrank(OWNER);
        beekeeper.setPoints(1, points);
        beekeeper.addMeterToHive(1, queenAt(1), points[0]);
        vm.stopPrank();
        refuseToLink(abi.encodeWithSelector(E.LinkIsCircle.selector, 1, 1), 1, 1);
        link(3, 2);
        link(4, 3);
        points[0] = keccak256("top");
        vm.startPrank(OWNER);
        beekeeper.setPoints(4, points);
        beekeeper.addMeterToHive(4, queenAt(2), points[0]);
        vm.stopPrank();
        refuseToLink(abi.encodeWithSelector(E.LinkIsCircle.selector, 2, 4), 2, 4);
    }

    function test_eight_levels_from_the_top_down() public {
        for (uint32 i = 2; i <= 8; ++i) {
            link(i, i - 1);
        }
        assertEq(beekeeper.levelsBelow(1), 7, "eight levels");
        vm.expectRevert(abi.encodeWithSelector(E.TooManyLevels.selector, 9, 8));
        this.tryLink(9, 8);
        unlink(5);
        assertEq(beekeeper.levelsBelow(1), 3, "counted down");
        link(9, 8);
    }

    function test_eight_levels_from_the_bottom_up_and_in_the_middle() public {
        for (uint32 i = 8; i >= 2; --i) {
            link(i, i - 1);
        }
        assertEq(beekeeper.levelsBelow(1), 7, "eight levels");
        vm.expectRevert(abi.encodeWithSelector(E.TooManyLevels.selector, 9, 8));
        this.tryLink(1, 9);
        unlink(5);
        vm.expectRevert(abi.encodeWithSelector(E.TooManyLevels.selector, 9, 8));
        this.tryLinkBetween(5, 9, 4);
        assertEq(beekeeper.levelsBelow(1), 3, "a refused link leaves the counts");
        link(5, 4);
        link(9, 1);
        unlink(9);
        assertEq(beekeeper.levelsBelow(1), 7, "a short branch changes no depth");
    }

    /// Outside calls, so that a refusal undoes the adding of the Queen too.
    function tryLink(uint32 daughter, uint32 mother) external {
        link(daughter, mother);
    }

    function tryLinkBetween(uint32 daughter, uint32 middle, uint32 mother) external {
        link(middle, mother);
        link(daughter, middle);
    }

    function test_ending_a_daughter_unlinks_it_and_an_ended_hive_is_not_linked() public {
        link(2, 1);
        vm.prank(OWNER);
        beekeeper.freezeHive(2);
        assertEq(uint256(record(2).status), uint256(HiveStatus.ENDED), "ended");
        assertEq(record(2).mother, 0, "unlinked");
        assertEq(beekeeper.levelsBelow(1), 0, "counted down");
        refuseToLink(abi.encodeWithSelector(E.HiveNotActive.selector, 2, HiveStatus.ENDED), 2, 1);
        refuseToLink(abi.encodeWithSelector(E.HiveNotActive.selector, 2, HiveStatus.ENDED), 3, 2);
    }

    function test_coin_and_settlement_contract_must_be_the_same() public {
        TestCoin franc = new TestCoin(address(this), 6);
        vm.prank(COIN_KEEPER);
        beekeeper.addCoin(address(franc), "CHFX", 1);
        uint32 francs = makeHive(OWNER, address(franc), 1, 0);
        refuseToLink(abi.encodeWithSelector(E.CoinsDiffer.selector, 2, francs), 2, francs);
        SettlementDouble newer = new SettlementDouble();
        vm.prank(address(timelock));
        beekeeper.setSettlement(newer);
        uint32 modern = makeHive(1, 0);
        refuseToLink(abi.encodeWithSelector(E.SettlementsDiffer.selector, 2, modern), 2, modern);
    }
}
