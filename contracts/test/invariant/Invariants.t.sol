// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {EnergySettlement} from "../../src/EnergySettlement.sol";
import {Beekeeper} from "../../src/beekeeper/Beekeeper.sol";
import {MeterInfo} from "../../src/beekeeper/BeekeeperTypes.sol";
import {ISettlementClosing} from "../../src/interfaces/ISettlementClosing.sol";
import {AccountInfo, PoolInfo} from "../../src/types/Hive.sol";
import {CloseRequest, Signature} from "../../src/types/Messages.sol";
import {Base} from "../Base.sol";
import {Cheats} from "./Cheats.sol";
import {Court} from "./Court.sol";
import {Handler} from "./Handler.sol";
import {Seat} from "./World.sol";
// Deployed by name, because one contract cannot hold the code of all: imported so that they are compiled, too.
import "./Life.sol";
import "./Outsiders.sol";
import "./Owners.sol";
import "./Queens.sol";
import "./Workers.sol";

/// What an invariant asks the intruder.
interface IIntruder {
    function stored() external view returns (address);
    function implementation() external view returns (address);
}

/// What must always hold (chain-design section 8), one property each, after any sequence of what all attackers do.
/// Every call is judged by the court; the fixed sequence below is long, the fuzzer's by default are short.
/// forge-config: default.invariant.runs = 3
/// forge-config: default.invariant.depth = 20
/// forge-config: ci.invariant.runs = 8
/// forge-config: ci.invariant.depth = 50
contract InvariantsTest is Base {
    Cheats private constant _CHEATS = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 private constant _ROUNDS = 8;
    string[8] private _digits = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"];

    Court private _court;
    EnergySettlement private _settlement;
    IIntruder private _intruder;
    Handler[] private _handlers;
    string[] private _names;
    /// Actions of the fixed sequence that were refused as a whole.
    uint256 private _refused;

    function setUp() public {
        _court = Court(_CHEATS.deployCode("Court.sol:Court", ""));
        _settlement = _court.settlement();
        string[19] memory names = [
            "Life.sol:Life", "Queens.sol:LyingQueen", "Queens.sol:SilentQueen", "Queens.sol:ShillQueen",
            "Queens.sol:ExportHeavy", "Queens.sol:BigFee", "Queens.sol:QueenChanged", "Workers.sol:OldStates",
            "Workers.sol:Withholder", "Workers.sol:PermitUser", "Workers.sol:LateNewer", "Owners.sol:MotherOwner",
            "Owners.sol:DrainingOwner", "Owners.sol:Keeper", "Outsiders.sol:DustStranger",
            "Outsiders.sol:RevertingBeekeeper", "Outsiders.sol:Relayer", "Outsiders.sol:HostileIssuer",
            "Owners.sol:Intruder"
        ];
        for (uint256 i = 0; i < names.length; ++i) {
            _names.push(names[i]);
            _handlers.push(Handler(_CHEATS.deployCode(names[i], abi.encode(_court))));
        }
        _intruder = IIntruder(address(_handlers[names.length - 1]));
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](_handlers.length);
        for (uint256 i = 0; i < targets.length; ++i) targets[i] = address(_handlers[i]);
    }

    /// The runs are not empty: in a fixed long sequence every action of every attacker does what it is for.
    function test_every_action_of_every_attacker_happens() public {
        for (uint256 round = 0; round < _ROUNDS; ++round) {
            for (uint256 i = 0; i < _handlers.length; ++i) {
                bytes4[] memory actions = _handlers[(i * 7 + round) % _handlers.length].actions();
                for (uint256 j = 0; j < actions.length; ++j) {
                    _act(_handlers[(i * 7 + round) % _handlers.length], actions[j], round);
                }
            }
        }
        string memory missing;
        for (uint256 i = 0; i < _handlers.length; ++i) {
            bytes4[] memory actions = _handlers[i].actions();
            for (uint256 j = 0; j < actions.length; ++j) {
                if (_handlers[i].done(actions[j]) != 0) continue;
                missing = string.concat(missing, _names[i], " ", _digits[j], "; ");
            }
        }
        _allHold();
        assertTrue(bytes(missing).length == 0, missing);
        assertTrue(_refused < _ROUNDS * _handlers.length, "hardly anything goes through");
    }

    /// All of them on the same runs: the one that runs long in CI.
    /// forge-config: default.invariant.runs = 2
    /// forge-config: default.invariant.depth = 60
    /// forge-config: ci.invariant.runs = 48
    /// forge-config: ci.invariant.depth = 150
    /// forge-config: deep.invariant.runs = 2000
    /// forge-config: deep.invariant.depth = 500
    function invariant_all_at_once() public {
        _allHold();
    }

    function _allHold() private {
        for (uint256 property = 0; property <= 16; ++property) _unbroken(property);
        invariant_01_coins_cover_every_balance();
        invariant_01_claims_add_up();
        invariant_02_spendable_is_never_negative();
        invariant_03_totals_never_go_down();
        invariant_08_a_running_close_is_not_stopped();
        invariant_09_hvt_is_conserved();
        invariant_10_stakes_come_back_and_meters_are_in_one_hive();
        invariant_11_weights_add_up();
        invariant_12_only_the_timelock_upgrades();
        invariant_14_hostile_coins_break_nothing();
        // The way out changes the world: last.
        invariant_16_the_worker_or_its_payout_key_gets_out_alone();
        invariant_13_freezing_never_stops_a_way_out();
    }

    function _act(Handler handler, bytes4 action, uint256 round) private {
        uint256 seed = uint256(keccak256(abi.encode(address(handler), action, round)));
        // What is refused is refused: it counts as nothing.
        (bool ok,) = address(handler).call(abi.encodeWithSelector(action, seed));
        if (!ok) ++_refused;
    }

    // ---- The properties

    function invariant_00_no_attacker_gains() public view {
        _unbroken(0);
    }

    /// Equal, because nobody here sends coins by mistake.
    function invariant_01_coins_cover_every_balance() public view {
        for (uint256 i = 0; i < 3; ++i) {
            ERC20 coin = _court.coinOf([_court.HOME(), _court.EXPORT(), _court.ODD()][i]);
            uint256 total;
            for (uint32 hive = 1; hive <= 4; ++hive) {
                if (address(_court.coinOf(hive)) == address(coin)) total += _balances(hive) * _court.scaleOf(hive);
            }
            assertEq(coin.balanceOf(address(_settlement)), total, "coins are the balances");
        }
    }

    /// Also 1: what single accounts may claim is what the Hive says is open or put aside.
    function invariant_01_claims_add_up() public view {
        for (uint32 hive = 1; hive <= 4; ++hive) {
            uint256 claims;
            Seat[] memory all = _court.seats();
            for (uint256 i = 0; i < all.length; ++i) {
                if (all[i].hive == hive) claims += _settlement.claimOf(hive, _court.addr(all[i].key));
            }
            PoolInfo memory pool = _settlement.poolOf(hive);
            assertEq(claims, uint256(pool.claimsOpen) + pool.claimsFunded, "claims are open or funded");
        }
    }

    function invariant_02_spendable_is_never_negative() public view {
        _unbroken(2);
        Seat[] memory all = _court.seats();
        for (uint256 i = 0; i < all.length; ++i) {
            AccountInfo memory a = _settlement.account(all[i].hive, _court.addr(all[i].key));
            assertTrue(a.funding >= a.net, "spendable is never negative");
        }
    }

    function invariant_03_totals_never_go_down() public view {
        _unbroken(3);
        Seat[] memory all = _court.seats();
        for (uint256 i = 0; i < all.length; ++i) {
            AccountInfo memory a = _settlement.account(all[i].hive, _court.addr(all[i].key));
            uint256[3] memory most = _court.highest(i);
            assertTrue(a.slot >= most[0] && a.imported >= most[1] && a.exported >= most[2], "the highest ever seen");
        }
    }

    function invariant_04_an_old_statement_changes_nothing() public view {
        _unbroken(4);
    }

    function invariant_05_a_batch_makes_and_loses_no_money() public view {
        _unbroken(5);
    }

    function invariant_06_no_other_path_pays_a_worker() public view {
        _unbroken(6);
    }

    function invariant_07_a_bad_leaf_changes_its_own_account_only() public view {
        _unbroken(7);
    }

    function invariant_08_a_running_close_is_not_stopped() public view {
        _unbroken(8);
        Seat[] memory all = _court.seats();
        for (uint256 i = 0; i < all.length; ++i) {
            address worker = _court.addr(all[i].key);
            bool runs = _settlement.closeOf(all[i].hive, worker).endsAt != 0;
            assertTrue(runs == (_settlement.account(all[i].hive, worker).state == 2), "a close belongs to CLOSING");
        }
    }

    function invariant_09_hvt_is_conserved() public view {
        Beekeeper keeper = _court.beekeeper();
        assertEq(_court.hvt().totalSupply() + keeper.totalBurnt(), _court.hvt().SUPPLY(), "supply and burnt");
        assertEq(keeper.totalBurnt(), _court.halvesHvt(), "the half of every payment");
        assertEq(_court.hvt().balanceOf(address(keeper)), keeper.totalStaked(), "held is staked");
        uint256 records;
        for (uint32 hive = 1; hive < keeper.nextHive(); ++hive) records += keeper.getHiveInfo(hive).stake;
        address[] memory all = _court.meters();
        for (uint256 i = 0; i < all.length; ++i) records += keeper.meter(all[i]).stake;
        assertEq(records, keeper.totalStaked(), "the sum of the records");
    }

    function invariant_10_stakes_come_back_and_meters_are_in_one_hive() public view {
        _unbroken(10);
        Beekeeper keeper = _court.beekeeper();
        uint256 ever = _court.paidHvt() - _court.halvesHvt();
        assertEq(keeper.totalRefunded() + keeper.totalStaked(), ever, "refunded and staked");
        uint256[] memory counted = new uint256[](keeper.nextHive());
        address[] memory all = _court.meters();
        for (uint256 i = 0; i < all.length; ++i) {
            MeterInfo memory info = keeper.meter(all[i]);
            assertTrue(info.owner != address(0) && info.serialHash != 0, "nothing is deleted");
            ++counted[info.hive];
        }
        for (uint32 hive = 1; hive < keeper.nextHive(); ++hive) {
            assertEq(keeper.getHiveInfo(hive).meters, counted[hive], "a Hive counts its meters");
        }
    }

    function invariant_11_weights_add_up() public view {
        _unbroken(11);
        uint256 now_ = vm.getBlockTimestamp();
        for (uint256 i = 1; i <= 4; ++i) {
            uint256 time = now_ - (now_ - _court.START()) * i / 5 - 1;
            uint256 sum = _court.votes().getPastVotes(_court.OWNER(), time);
            sum += _court.votes().getPastVotes(_court.EXPORT_OWNER(), time);
            sum += _court.votes().getPastVotes(_court.ODD_OWNER(), time);
            assertEq(sum, _court.votes().getPastTotalSupply(time), "at a past time");
        }
    }

    function invariant_12_only_the_timelock_upgrades() public view {
        _unbroken(12);
        assertEq(_intruder.stored(), _intruder.implementation(), "the implementation");
    }

    /// With Hive and coin frozen, everything paused and a Beekeeper that answers nothing any more, a home gets out.
    function invariant_13_freezing_never_stops_a_way_out() public {
        _unbroken(13);
        Seat memory seat = _someSeat();
        Beekeeper keeper = _court.beekeeper();
        vm.prank(address(_court));
        keeper.pause();
        address coin = address(_court.coinOf(seat.hive));
        vm.prank(address(_court));
        keeper.freezeCoin(coin);
        ISettlementClosing book = _court.closing();
        vm.prank(address(keeper));
        book.tellFrozen(seat.hive);
        _CHEATS.etch(address(keeper), hex"5f5ffd");
        _leave(seat, seat.key);
    }

    function invariant_14_hostile_coins_break_nothing() public view {
        _unbroken(14);
        assertEq(_court.odd().entered(), 0, "no callback got in");
    }

    function invariant_15_settle_never_fails() public view {
        _unbroken(15);
    }

    function invariant_16_the_worker_or_its_payout_key_gets_out_alone() public {
        _unbroken(16);
        Seat memory seat = _someSeat();
        AccountInfo memory a = _settlement.account(seat.hive, _court.addr(seat.key));
        _leave(seat, _court.keyOf(a.payout) == 0 ? seat.key : _court.keyOf(a.payout));
    }

    // ---- Details

    function _unbroken(uint256 property) private view {
        string memory what = _court.breaches(property);
        if (bytes(what).length != 0) revert NotEqual(what, int256(property), 0);
    }

    /// All that is somebody's in a Hive, micro-coins.
    function _balances(uint32 hive) private view returns (uint256 total) {
        PoolInfo memory pool = _settlement.poolOf(hive);
        total = uint256(pool.pool) + pool.fees + pool.bond + pool.claimsFunded;
        Seat[] memory all = _court.seats();
        for (uint256 i = 0; i < all.length; ++i) {
            if (all[i].hive != hive) continue;
            AccountInfo memory a = _settlement.account(hive, _court.addr(all[i].key));
            total += uint256(int256(a.funding) - a.net);
        }
    }

    function _someSeat() private view returns (Seat memory) {
        Seat[] memory all = _court.seats();
        return all[uint256(keccak256(abi.encode(vm.getBlockTimestamp(), _settlement.poolOf(1)))) % all.length];
    }

    /// Closes an account by one key alone, on what storage has; all that is spendable is paid or becomes a claim.
    function _leave(Seat memory seat, uint256 signer) private {
        address worker = _court.addr(seat.key);
        AccountInfo memory a = _settlement.account(seat.hive, worker);
        if (a.state != 1) return;
        (CloseRequest memory r, Signature memory sig) = _court.request(seat.hive, seat.key, signer, a.slot);
        (bool ok,) = address(_settlement).call(abi.encodeWithSelector(_court.startStored(), r, sig));
        assertTrue(ok, "a close is started");
        vm.warp(_settlement.closeOf(seat.hive, worker).endsAt);
        (uint256 held, uint256 claimed) = _held(seat, a.payout);
        _settlement.finishClose(seat.hive, worker);
        (uint256 holds, uint256 claims) = _held(seat, a.payout);
        uint256 got = holds - held + claims - claimed;
        if (a.payout != address(_settlement)) assertEq(got, uint256(int256(a.funding) - a.net), "all that was left");
        assertEq(_settlement.account(seat.hive, worker).state, 3, "closed");
    }

    function _held(Seat memory seat, address payout) private view returns (uint256 coins, uint256 claims) {
        coins = _court.coinOf(seat.hive).balanceOf(payout) / _court.scaleOf(seat.hive);
        claims = _settlement.claimOf(seat.hive, _court.addr(seat.key));
    }
}
