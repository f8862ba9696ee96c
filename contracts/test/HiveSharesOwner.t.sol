// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {FlexibilityPool} from "../src/FlexibilityPool.sol";
import {HiveShares} from "../src/HiveShares.sol";
import {ShareRevenue} from "../src/ShareRevenue.sol";
import {IHiveReader} from "../src/interfaces/IHiveReader.sol";
import {SharedCall} from "../src/interfaces/IHiveShares.sol";
import {HiveTerms} from "../src/types/Messages.sol";
import {HiveFixture} from "./HiveFixture.sol";

/// HiveShares owns a Hive: what its pool pays out reaches the holders, and its owner's calls are decided by vote.
contract HiveSharesOwnerTest is HiveFixture {
    address private constant _ANNA = address(0xA1);
    address private constant _BERT = address(0xB2);
    uint32 private constant _SHARED = 2;
    HiveShares private _shares;

    function setUp() public override {
        super.setUp();
        address[] memory holders = new address[](2);
        uint256[] memory amounts = new uint256[](2);
        IERC20[] memory coins = new IERC20[](1);
        (holders[0], holders[1], amounts[0], amounts[1], coins[0]) = (_ANNA, _BERT, 2, 1, coin);
        _shares = new HiveShares("Two", "TWO", holders, amounts, 1 days, IGovernor(address(0x60)), coins);
        HiveTerms memory t = terms(1, 0);
        t.hive = _SHARED;
        list.createHive(_SHARED, address(_shares), coin, queen, 3 days, t);
        settlement.fundPool(_SHARED, 50 * COIN);
        later(1);
    }

    function later(uint256 seconds_) private {
        vm.warp(vm.getBlockTimestamp() + seconds_);
    }

    function decide(SharedCall[] memory calls) private {
        vm.prank(_ANNA);
        uint256 id = _shares.propose(calls, "why");
        vm.prank(_ANNA);
        _shares.vote(id, true);
        later(1 days + 1);
        _shares.execute(id, calls);
    }

    function one(address target, bytes memory data) private pure returns (SharedCall[] memory calls) {
        calls = new SharedCall[](1);
        calls[0] = SharedCall(target, data);
    }

    function test_what_the_pool_pays_out_reaches_every_holder() public {
        decide(one(address(settlement), abi.encodeCall(closing.requestPoolWithdrawal, (_SHARED, 10 * COIN))));
        decide(one(address(settlement), abi.encodeCall(closing.withdrawPool, (_SHARED))));
        assertEq(coin.balanceOf(address(_shares)), 10 * COIN, "paid to the owner");
        _shares.sweep(coin);
        ShareRevenue revenue = _shares.revenue();
        vm.prank(_ANNA);
        assertEq(revenue.pull(coin, _ANNA), 10 * COIN * 2 / 3, "two thirds, rounded down");
        vm.prank(_BERT);
        assertEq(revenue.pull(coin, _BERT), 10 * COIN / 3, "one third, rounded down");
        assertEq(coin.balanceOf(address(revenue)), 1, "the rest of a unit is held");
    }

    function test_the_owners_stake_for_their_hive_and_set_its_minimum() public {
        FlexibilityPool flex = new FlexibilityPool(IHiveReader(address(settlement)), TIMELOCK);
        coin.transfer(address(_shares), 5 * COIN);
        SharedCall[] memory calls = new SharedCall[](3);
        calls[0] = SharedCall(address(coin), abi.encodeCall(coin.approve, (address(flex), 5 * COIN)));
        calls[1] = SharedCall(address(flex), abi.encodeCall(flex.stakeFlex, (_SHARED, address(_shares), 5 * COIN)));
        calls[2] = SharedCall(address(flex), abi.encodeCall(flex.setMinimum, (_SHARED, 3)));
        decide(calls);
        assertEq(flex.memberOf(_SHARED, address(_shares)).stake, 5_000_000, "the Hive's stake");
        (uint64 minimum,) = flex.stakesOf(_SHARED);
        assertEq(minimum, 3, "minimum");
    }
}
