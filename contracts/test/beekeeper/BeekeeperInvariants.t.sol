// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HiveRecord, HiveStatus, MeterInfo, MeterStatus} from "../../src/beekeeper/BeekeeperTypes.sol";
import {BeekeeperActors} from "./BeekeeperActors.sol";
import {BeekeeperFixture} from "./BeekeeperFixture.sol";

/// Invariants 9, 10 and 11 of the design after any sequence of creating, adding, dropping, splitting and merging.
contract BeekeeperInvariantsTest is BeekeeperFixture {
    uint32 private constant _MOST_HIVES = 8;
    BeekeeperActors private _actors;

    function setUp() public override {
        super.setUp();
        fund(OTHER_OWNER, 1_000_000e18);
        _actors = new BeekeeperActors(
            beekeeper, double, address(euro), PRICE_KEEPER, metersFrom(1, METERS), [OWNER, OTHER_OWNER]
        );
        _actors.create(0x0200);
        _actors.create(0x0301);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_actors);
    }

    /// The invariants would mean little if most actions were refused.
    function test_the_actors_get_somewhere() public {
        bytes4[11] memory actions = [
            _actors.create.selector, _actors.add.selector, _actors.drop.selector, _actors.beginSplit.selector,
            _actors.beginMerge.selector, _actors.move.selector, _actors.finish.selector, _actors.freeze.selector,
            _actors.account.selector, _actors.wait.selector, _actors.prices.selector
        ];
        uint256 seed = 1;
        for (uint256 i = 0; i < 300; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            bytes memory action = abi.encodeWithSelector(actions[(seed >> 128) % 11], seed);
            (bool done, bytes memory refusal) = address(_actors).call(action);
            assertTrue(done || bytes4(refusal) != bytes4(keccak256("Panic(uint256)")), "refused with a reason");
        }
        string[9] memory names = ["create", "add", "drop", "split", "merge", "move", "finish", "freeze", "prices"];
        for (uint256 i = 0; i < names.length; ++i) {
            assertTrue(_actors.done(names[i]) >= 3 || (i == 3 && _actors.done(names[i]) > 0), names[i]);
        }
        invariant_hvt_is_conserved();
        invariant_weights_add_up();
    }

    /// 9: supply + burnt = 100,000,000; HVT held = sum of stake records; burnt = sum of all R/2.
    function invariant_hvt_is_conserved() public view {
        assertEq(hvt.totalSupply() + beekeeper.totalBurnt(), hvt.SUPPLY(), "supply and burnt");
        assertEq(hvt.balanceOf(address(beekeeper)), sumOfRecords(), "held is what the records say");
        assertEq(beekeeper.totalBurnt(), _actors.burnt(), "sum of R/2");
    }

    /// 10: refunded + staked = ever staked.
    function invariant_what_was_staked_is_staked_or_refunded() public view {
        uint256 everStaked = _actors.paid() - _actors.burnt();
        assertEq(beekeeper.totalRefunded() + beekeeper.totalStaked(), everStaked, "refunded and staked");
        assertEq(beekeeper.totalStaked(), sumOfRecords(), "the total is the sum of the records");
    }

    /// 10: each meter is in at most one Hive, Hives count right, a point is used by one meter of a list only.
    function invariant_each_meter_is_counted_in_one_hive() public view {
        uint256[9] memory counted;
        for (uint256 i = 1; i <= METERS; ++i) {
            MeterInfo memory meter = meterInfo(i);
            ++counted[meter.hive];
            if (meter.hive == 0) assertTrue(meter.stake == 0 && meter.point == 0, "a free meter holds nothing");
            else assertEq(userOf(meterAt(i)), meterAt(i), "its point is marked with it");
        }
        for (uint32 hive = 1; hive <= _MOST_HIVES; ++hive) {
            assertEq(record(hive).meters, counted[hive], "a Hive's count");
        }
    }

    /// 10: nothing is deleted, and what has ended is over.
    function invariant_nothing_is_deleted() public view {
        for (uint32 hive = 1; hive < beekeeper.nextHive(); ++hive) {
            HiveRecord memory info = record(hive);
            assertTrue(info.owner != address(0) && info.startedAt != 0, "a Hive stays in the list");
            bool ended = info.status == HiveStatus.ENDED;
            assertTrue(ended == (info.endedAt != 0), "an end has a time");
            if (ended) assertTrue(info.meters == 0 && info.stake == 0, "and leaves nothing behind");
            bool changing = info.status == HiveStatus.CHANGING;
            assertTrue(changing == (info.changeTo != 0 || info.changeFrom != 0), "a change has two sides");
        }
        for (uint256 i = 1; i <= METERS; ++i) {
            MeterInfo memory meter = meterInfo(i);
            assertEq(meter.owner, meterOwner(i), "a meter stays in the list");
            assertTrue(meter.status == MeterStatus.ONLINE && meter.serialHash != 0, "with all its texts");
        }
    }

    /// 11: owners' weights add up at every past time, and each is the sum over the stake records now.
    function invariant_weights_add_up() public view {
        uint256 now_ = vm.getBlockTimestamp();
        for (uint256 i = 0; i < 8; ++i) {
            uint256 time = START + (now_ - START) * i / 8;
            if (time >= now_) return;
            uint256 sum = votes.getPastVotes(OWNER, time) + votes.getPastVotes(OTHER_OWNER, time);
            assertEq(sum, votes.getPastTotalSupply(time), "at a past time");
        }
        assertEq(votes.getVotes(OWNER), weightOfRecords(OWNER), "one owner's");
        assertEq(votes.getVotes(OTHER_OWNER), weightOfRecords(OTHER_OWNER), "the other's");
        assertEq(votes.totalStaked(), beekeeper.totalStaked(), "stakes");
    }

    function sumOfRecords() private view returns (uint256 sum) {
        for (uint256 i = 1; i <= METERS; ++i) {
            sum += meterInfo(i).stake;
        }
        for (uint32 hive = 1; hive <= _MOST_HIVES; ++hive) {
            sum += record(hive).stake;
        }
    }

    function weightOfRecords(address owner) private view returns (uint256 weight) {
        uint256 now_ = vm.getBlockTimestamp();
        for (uint32 hive = 1; hive <= _MOST_HIVES; ++hive) {
            HiveRecord memory info = record(hive);
            if (info.owner == owner && info.stake != 0) weight += info.stake * (now_ - info.stakedSince);
        }
        for (uint256 i = 1; i <= METERS; ++i) {
            MeterInfo memory meter = meterInfo(i);
            if (meter.hive == 0 || record(meter.hive).owner != owner) continue;
            weight += meter.stake * (now_ - meter.stakedSince);
        }
    }

    /// Who uses a meter's point, in the list that its Hive, or the Hive it came from, keeps.
    function userOf(address meter) private view returns (address user) {
        bytes32 point = beekeeper.meter(meter).point;
        for (uint32 hive = 1; hive <= _MOST_HIVES; ++hive) {
            (, user) = beekeeper.pointOf(hive, point);
            if (user == meter) return user;
        }
    }
}
