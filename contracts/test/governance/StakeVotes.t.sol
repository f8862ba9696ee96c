// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {StakeVotes} from "../../src/governance/StakeVotes.sol";
import {Base} from "../Base.sol";

/// Weight by age, against a plain sum over stakes kept here.
contract StakeVotesTest is Base {
    struct Record {
        address owner;
        uint256 amount;
        uint48 since;
        uint48 until;
    }

    uint256 private constant _START = 2_000_000_000;
    address private constant _SMALL = address(0x51);
    address private constant _LARGE = address(0x52);

    StakeVotes private _votes;
    Record[] private _records;

    function setUp() public {
        vm.warp(_START);
        _votes = new StakeVotes(address(this));
    }

    function now_() private view returns (uint48) {
        return uint48(vm.getBlockTimestamp());
    }

    function test_a_small_stake_of_a_year_beats_a_ten_times_larger_one_of_ten_days() public {
        _votes.stake(_SMALL, 1_000e18);
        vm.warp(_START + 355 days);
        _votes.stake(_LARGE, 10_000e18);
        vm.warp(_START + 365 days);
        assertEq(_votes.getVotes(_SMALL), 1_000e18 * uint256(365 days), "a year");
        assertEq(_votes.getVotes(_LARGE), 10_000e18 * uint256(10 days), "ten days");
        assertTrue(_votes.getVotes(_SMALL) > _votes.getVotes(_LARGE), "age wins");
        assertEq(_votes.totalStaked(), 11_000e18, "total");
    }

    function test_a_stake_weighs_nothing_in_its_own_second() public {
        _votes.stake(_LARGE, 1e26);
        assertEq(_votes.getVotes(_LARGE), 0, "now");
        _votes.unstake(_LARGE, 1e26, now_());
        vm.warp(_START + 1 days);
        assertEq(_votes.getPastVotes(_LARGE, _START), 0, "borrowed for a second: never any weight");
        assertEq(_votes.getPastTotalSupply(_START + 1 days - 1), 0, "nor in the total");
    }

    function test_taking_a_record_out_takes_its_own_age_and_leaves_the_past() public {
        _votes.stake(_SMALL, 100);
        vm.warp(_START + 10);
        _votes.stake(_SMALL, 50);
        vm.warp(_START + 20);
        _votes.unstake(_SMALL, 100, uint48(_START));
        assertEq(_votes.getVotes(_SMALL), 50 * 10, "the younger one is left");
        vm.warp(_START + 30);
        assertEq(_votes.getPastVotes(_SMALL, _START + 19), 100 * 19 + 50 * 9, "the past stays");
        assertEq(_votes.getPastVotes(_SMALL, _START - 1), 0, "before all");
    }

    function test_only_the_beekeeper_writes_and_only_what_is_there() public {
        vm.expectRevert(abi.encodeWithSelector(StakeVotes.NotBeekeeper.selector, _SMALL));
        vm.prank(_SMALL);
        _votes.stake(_SMALL, 1);
        vm.expectRevert(abi.encodeWithSelector(StakeVotes.NotBeekeeper.selector, _SMALL));
        vm.prank(_SMALL);
        _votes.unstake(_SMALL, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(StakeVotes.StakeTooSmall.selector, _SMALL, 1, 0));
        _votes.unstake(_SMALL, 1, now_());
        assertEq(_votes.beekeeper(), address(this), "writer");
        vm.expectRevert(abi.encodeWithSelector(StakeVotes.ZeroAddress.selector));
        new StakeVotes(address(0));
    }

    function test_a_sum_beyond_its_bits_is_refused_not_spilled() public {
        vm.expectRevert();
        _votes.stake(_SMALL, 1 << 88);
        vm.warp(1 << 34);
        vm.expectRevert();
        _votes.stake(_SMALL, 1e26);
    }

    function test_no_delegation() public {
        vm.expectRevert(abi.encodeWithSelector(StakeVotes.DelegationRefused.selector));
        _votes.delegate(_SMALL);
        vm.expectRevert(abi.encodeWithSelector(StakeVotes.DelegationRefused.selector));
        _votes.delegateBySig(_SMALL, 0, 0, 0, 0, 0);
        assertEq(_votes.delegates(_SMALL), _SMALL, "everybody for himself");
    }

    function test_the_present_is_not_the_past() public {
        vm.expectRevert(abi.encodeWithSelector(StakeVotes.NotInThePast.selector, _START, _START));
        _votes.getPastVotes(_SMALL, _START);
        vm.expectRevert(abi.encodeWithSelector(StakeVotes.NotInThePast.selector, _START, _START));
        _votes.getPastTotalSupply(_START);
        assertEq(keccak256(bytes(_votes.CLOCK_MODE())), keccak256("mode=timestamp"), "clock mode");
    }

    /// Any stakes and refunds of three owners: every past weight is the plain sum over records, and weights add up.
    function testFuzz_every_past_weight_is_the_plain_sum(uint256[12] memory steps) public {
        for (uint256 i = 0; i < steps.length; ++i) {
            uint256 step = steps[i];
            vm.warp(vm.getBlockTimestamp() + (step >> 8) % 1_000_000);
            uint256 pick = (step >> 64) % (_records.length + 1);
            if (pick < _records.length && _records[pick].until == 0) {
                _records[pick].until = now_();
                _votes.unstake(_records[pick].owner, _records[pick].amount, _records[pick].since);
            } else {
                address owner = address(uint160(1 + step % 3));
                uint256 amount = (step >> 128) % 1e24;
                _records.push(Record(owner, amount, now_(), 0));
                _votes.stake(owner, amount);
            }
        }
        uint256 end = vm.getBlockTimestamp();
        vm.warp(end + 1);
        for (uint256 i = 0; i <= 8; ++i) {
            uint256 time = _START + (end - _START) * i / 8;
            uint256 sum;
            for (uint160 owner = 1; owner <= 3; ++owner) {
                uint256 weight = plainWeight(address(owner), time);
                assertEq(_votes.getPastVotes(address(owner), time), weight, "an owner's");
                sum += weight;
            }
            assertEq(_votes.getPastTotalSupply(time), sum, "the total");
        }
    }

    function plainWeight(address owner, uint256 time) private view returns (uint256 weight) {
        for (uint256 i = 0; i < _records.length; ++i) {
            Record storage item = _records[i];
            if (item.owner != owner || item.since > time || (item.until != 0 && item.until <= time)) continue;
            weight += item.amount * (time - item.since);
        }
    }
}
