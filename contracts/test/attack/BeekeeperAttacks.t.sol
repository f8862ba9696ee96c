// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {Beekeeper} from "../../src/beekeeper/Beekeeper.sol";
import {MeterStatus} from "../../src/beekeeper/BeekeeperTypes.sol";
import {Messages, Reading, Signature, Statement, WithdrawPermit} from "../../src/types/Messages.sol";
import {Attack} from "./Attack.sol";

/// What a hostile or foolish vote could put behind the proxy: every call reverts, but for the question of an upgrade.
contract BrokenBeekeeper {
    function proxiableUUID() external pure returns (bytes32) {
        return 0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc;
    }

    fallback() external {
        revert("broken");
    }
}

/// What the upgradeable half of the platform can do to money: nothing.
contract BeekeeperAttacksTest is Attack {
    bytes4 private constant _PROVE_READINGS = bytes4(
        keccak256(
            "proveEquivocation((address,uint32,uint48,uint48,uint32,bytes32,bytes32),(bytes32,bytes32),(address,uint32,uint48,uint48,uint32,bytes32,bytes32),(bytes32,bytes32))"
        )
    );

    function breakBeekeeper() private {
        Beekeeper beekeeper = court.beekeeper();
        address broken = address(new BrokenBeekeeper());
        vm.prank(court.TIMELOCK());
        beekeeper.upgradeToAndCall(broken, "");
    }

    /// Whatever moves money in EnergySettlement goes on: paying in, settling, permits, closes of all kinds, the pool.
    function test_a_beekeeper_that_reverts_on_every_call_stops_no_money() public {
        breakBeekeeper();
        court.must(address(court), abi.encodeCall(settlement.deposit, (1, _addr(1), 1e18)));
        court.must(address(court), abi.encodeCall(settlement.fundPool, (1, 1e18)));
        assertEq(reasonOf(1, _leaf(present(1, 1, 2e6))), 0, "settle");
        (WithdrawPermit memory p, Signature memory sig) = court.permit(1, 1, 10e6);
        court.must(_account(1, 1).payout, abi.encodeCall(closing.withdraw, (p, sig)));
        vm.warp((uint256(court.nowSlot()) + 1) * 900);
        court.must(court.STRANGER(), court.agreement(present(1, 1, 3e6), 988e6));
        assertEq(held(1, 1), 998e6, "permit and agreement");
        Statement memory old = present(1, 2, 0);
        court.must(court.STRANGER(), _startShownCall(old, 2, old.slot));
        vm.warp((uint256(court.nowSlot()) + 1) * 900);
        court.must(_queen(1), _contestCall(present(1, 2, 1e6)));
        assertTrue(_finish(1, 2), "finish");
        address owner = court.OWNER();
        court.must(owner, abi.encodeCall(closing.requestPoolWithdrawal, (1, 1e18)));
        court.pass(1 days);
        court.must(owner, abi.encodeCall(closing.withdrawPool, (1)));
        (bool ok,) = court.send(address(court), abi.encodeCall(settlement.deposit, (1, _addr(3), 1e18)));
        assertTrue(!ok, "only a new account needs the Beekeeper");
        unbroken();
    }

    /// 13: frozen coin, frozen Hive, a pause, a retired and a banned meter: closing and withdrawing go on.
    function test_no_freeze_pause_or_ban_stops_a_way_out() public {
        Beekeeper beekeeper = court.beekeeper();
        address coin = address(court.euro());
        address worker = _addr(1);
        address owner = court.OWNER();
        vm.prank(address(court));
        beekeeper.pause();
        vm.prank(address(court));
        beekeeper.freezeCoin(coin);
        vm.prank(owner);
        beekeeper.freezeHive(1);
        vm.prank(court.ownerOf(1));
        beekeeper.setMeterStatus(worker, MeterStatus.RETIRED);
        ban(1);
        assertEq(reasonOf(1, _leaf(present(1, 1, 2e6))), 0, "settled");
        (WithdrawPermit memory p, Signature memory sig) = court.permit(1, 1, 10e6);
        court.must(_account(1, 1).payout, abi.encodeCall(closing.withdraw, (p, sig)));
        court.must(court.STRANGER(), _startStoredCall(1, 1, 1, _account(1, 1).slot));
        court.must(court.STRANGER(), abi.encodeCall(closing.startCloseStale, (1, _addr(2))));
        court.must(court.STRANGER(), court.agreement(present(1, 4, 0), 1_000e6));
        assertTrue(_finish(1, 1) && _finish(1, 2), "finished");
        assertEq(held(1, 1) + held(1, 2) + held(1, 4), 2_998e6, "everybody is out");
        address device = _addr(2);
        vm.prank(owner);
        beekeeper.dropMeterFromHive(1, device);
        unbroken();
    }

    /// 12 and more: somebody who is not the vote cannot even make a broken one.
    function test_nobody_but_the_timelock_breaks_the_beekeeper() public {
        Beekeeper beekeeper = court.beekeeper();
        address broken = address(new BrokenBeekeeper());
        address[4] memory all = [court.OWNER(), court.STRANGER(), address(court), address(settlement)];
        for (uint256 i = 0; i < all.length; ++i) {
            vm.prank(all[i]);
            (bool ok,) = address(beekeeper).call(abi.encodeCall(UUPSUpgradeable.upgradeToAndCall, (broken, "")));
            assertTrue(!ok, "upgraded");
        }
    }

    /// Two different Readings of one meter for one slot.
    function ban(uint256 key) private {
        Reading memory a;
        (a.worker, a.slot) = (_addr(key), court.nowSlot());
        Reading memory b = abi.decode(abi.encode(a), (Reading));
        b.imported = 1;
        (Signature memory sigA, Signature memory sigB) =
            (court.sign(key, Messages.hash(a)), court.sign(key, Messages.hash(b)));
        court.must(court.STRANGER(), abi.encodeWithSelector(_PROVE_READINGS, a, sigA, b, sigB));
        assertTrue(settlement.isBanned(_addr(key)), "banned");
    }
}
