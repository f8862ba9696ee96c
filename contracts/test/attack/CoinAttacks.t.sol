// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PoolInfo} from "../../src/types/Hive.sol";
import {PayoutAddress, Signature, Statement, WithdrawPermit} from "../../src/types/Messages.sol";
import {HostileCoin} from "../invariant/HostileCoin.sol";
import {Attack} from "./Attack.sol";

/// Coins that call back, answer nothing, stand still or block somebody (Hive 4); and relayers short of gas.
contract CoinAttacksTest is Attack {
    /// From inside each transfer, in and out, every door is tried and found closed.
    function test_a_coin_that_reenters_finds_every_door_closed() public {
        HostileCoin odd = court.odd();
        Statement memory other = present(4, 10, -1);
        bytes[] memory doors = new bytes[](10);
        doors[0] = abi.encodeCall(settlement.deposit, (4, _addr(10), 1e12));
        doors[1] = abi.encodeCall(settlement.fundPool, (4, 1e12));
        doors[2] = _applyCall(other);
        doors[3] = abi.encodeCall(settlement.settle, (4, court.nowSlot(), _leaf(other)));
        doors[4] = _startShownCall(other, 10, other.slot);
        doors[5] = _startStoredCall(4, 10, 10, _account(4, 10).slot);
        doors[6] = court.agreement(other, 1);
        doors[7] = abi.encodeCall(settlement.finishClose, (4, _addr(9)));
        doors[8] = abi.encodeCall(closing.claim, (4, _addr(9)));
        doors[9] = abi.encodeCall(closing.claimFees, (4));
        uint256 tried;
        for (uint256 i = 0; i < doors.length; ++i) {
            odd.arm(address(settlement), doors[i]);
            court.must(address(court), abi.encodeCall(settlement.deposit, (4, _addr(9), 1e18)));
            (WithdrawPermit memory p, Signature memory sig) = court.permit(4, 9, 1e6);
            court.must(_account(4, 9).payout, abi.encodeCall(closing.withdraw, (p, sig)));
            assertEq(odd.refused(), tried += 2, "tried in and out");
        }
        assertEq(odd.entered(), 0, "none was open");
        unbroken();
    }

    /// 14: a coin without return values is as good as any.
    function test_a_coin_that_returns_nothing_works() public {
        court.odd().setVice(HostileCoin.Vice.SILENT);
        court.must(address(court), abi.encodeCall(settlement.deposit, (4, _addr(9), 5e18)));
        court.must(address(court), abi.encodeCall(settlement.fundPool, (4, 5e18)));
        vm.warp((uint256(court.nowSlot()) + 1) * 900);
        court.must(court.STRANGER(), court.agreement(present(4, 9, 0), 1_005e6));
        assertEq(held(4, 9), 1_005e6, "paid");
        unbroken();
    }

    /// The issuer pauses the coin: accounting goes on, closes end with claims, which are paid when it moves again.
    function test_a_paused_coin_stops_deposits_and_withdrawals_only() public {
        court.odd().setVice(HostileCoin.Vice.PAUSED);
        assertEq(reasonOf(4, _leaf(present(4, 9, 1e6))), 0, "settled");
        (bool ok,) = court.send(address(court), abi.encodeCall(settlement.deposit, (4, _addr(9), 1e18)));
        assertTrue(!ok, "no deposit");
        (WithdrawPermit memory p, Signature memory sig) = court.permit(4, 10, 1e6);
        address payout = _account(4, 10).payout;
        (ok,) = court.send(payout, abi.encodeCall(closing.withdraw, (p, sig)));
        assertTrue(!ok, "no withdrawal");
        court.must(court.STRANGER(), _startStoredCall(4, 9, 9, _account(4, 9).slot));
        assertTrue(_finish(4, 9), "a close ends");
        assertEq(settlement.claimOf(4, _addr(9)), 999e6, "with a claim");
        court.odd().setVice(HostileCoin.Vice.NONE);
        court.must(court.STRANGER(), abi.encodeCall(closing.claim, (4, _addr(9))));
        assertEq(held(4, 9), 999e6, "paid");
        unbroken();
    }

    /// 14: a blocked address waits alone, and gets its money elsewhere by its device's word.
    function test_a_coin_that_blocks_one_payout_address_stops_nobody_else() public {
        court.odd().setBlocked(court.ownerOf(9), true);
        Statement memory a = present(4, 9, 0);
        Statement memory b = present(4, 10, 0);
        court.must(court.STRANGER(), _startShownCall(a, 9, a.slot));
        court.must(court.STRANGER(), _startShownCall(b, 10, b.slot));
        assertTrue(_finish(4, 9) && _finish(4, 10), "both close");
        assertEq(held(4, 10), 1_000e6, "the neighbour is paid");
        PoolInfo memory pool = settlement.poolOf(4);
        assertTrue(pool.claimsFunded == 1_000e6 && pool.claimsOpen == 0, "put aside");
        court.mustNot(court.STRANGER(), abi.encodeCall(closing.claim, (4, _addr(9))), 14, "paid a blocked address");
        (PayoutAddress memory p, Signature memory sig) = court.payoutAddress(4, 9, court.otherPayoutOf(9));
        court.must(court.STRANGER(), abi.encodeCall(closing.setPayout, (p, sig)));
        court.must(court.STRANGER(), abi.encodeCall(closing.claim, (4, _addr(9))));
        assertEq(held(4, 9), 1_000e6, "paid there");
        unbroken();
    }

    /// A relayer that gives too little gas gets a refusal, never a payout turned into a claim.
    function test_no_amount_of_gas_turns_a_payout_into_a_claim() public {
        Statement memory s = present(1, 1, 0);
        court.must(court.STRANGER(), _startShownCall(s, 1, s.slot));
        vm.warp(settlement.closeOf(1, _addr(1)).endsAt);
        address worker = _addr(1);
        bool finished;
        for (uint256 gas_ = 30_000; gas_ <= 300_000 && !finished; gas_ += 1_000) {
            (finished,) = address(settlement).call{gas: gas_}(abi.encodeCall(settlement.finishClose, (1, worker)));
        }
        assertTrue(finished, "finished with the first amount that is enough");
        assertEq(settlement.claimOf(1, worker), 0, "no claim");
        assertEq(held(1, 1), 1_000e6, "paid");
    }
}
