// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISettlementEvents as S} from "../../src/interfaces/ISettlementEvents.sol";
import {CloseRequest, Messages, Signature, Statement} from "../../src/types/Messages.sol";
import {Attack} from "./Attack.sol";

/// Queens that lie, fall silent or have a meter of their own.
contract QueenAttacksTest is Attack {
    /// A Queen can do nothing to a Worker's account with her own key.
    function test_a_lying_queen_moves_nothing_without_the_workers_signature() public {
        uint256 queen = court.queenKey(1, court.nowSlot());
        Statement memory lie = court.lastState(1, 1);
        (lie.slot, lie.net) = (court.nowSlot(), 4e6);
        assertEq(reasonOf(1, court.leaf(lie, queen)), 5, "settle");
        Signature memory own = court.sign(queen, Messages.hash(lie));
        (, bytes memory answer) =
            court.send(_queen(1), abi.encodeCall(settlement.applyStatement, (1, lie, own, own)));
        assertEq(abi.decode(answer, (uint8)), 5, "applied alone");
        (CloseRequest memory r, Signature memory sig) = court.request(1, 1, queen, lie.slot);
        bytes memory call = abi.encodeWithSelector(court.startShown(), r, sig, lie, own, own);
        refused(_queen(1), call, S.InvalidSignature.selector, "a close on her own word");
        bytes32 hash = Messages.hashAgreement(lie, 0, r.deadline);
        own = court.sign(queen, hash);
        call = abi.encodeCall(settlement.closeAgreed, (lie, 0, r.deadline, own, own));
        refused(_queen(1), call, S.InvalidSignature.selector, "an agreement with herself");
        assertEq(_spendable(1, 1), 1_000e6, "nothing has moved");
        unbroken();
    }

    /// 7: whatever 140 bytes lie between two good leaves, both are applied and nothing else changes.
    function testFuzz_any_leaf_between_two_good_ones_changes_nothing_else(
        bytes32[4] calldata bytes_,
        uint8 kind
    ) public {
        bytes memory first = _leaf(present(1, 1, 3e6));
        bytes memory last = _leaf(present(1, 2, -2e6));
        bytes memory bad = abi.encodePacked(bytes_, bytes12(bytes_[0]));
        // Some of them are a good leaf of Worker 4 with one byte changed.
        if (kind % 2 == 0) {
            bad = _leaf(present(1, 4, -1e6));
            bad[uint8(bytes_[0][0]) % 140] ^= bytes1(uint8(bytes_[0][1]) | 1);
        }
        bytes32 other = keccak256(abi.encode(_account(1, 4)));
        assertEq(_settle(1, bytes.concat(first, bad, last)), 2, "both good ones");
        assertEq(int256(_account(1, 1).net), 3e6, "the first");
        assertEq(int256(_account(1, 2).net), -2e6, "the last");
        assertEq(_pool(1), 500e6 + 1e6 - 6_000, "the pool less the fee");
        assertEq(keccak256(abi.encode(_account(1, 4))), other, "the bad one's account");
        unbroken();
    }

    /// 15: whatever the nets are and however empty the pool, a settle goes through.
    function testFuzz_no_settle_fails_for_lack_of_money(int64[3] calldata nets, uint64 taken, uint16 fee) public {
        court.must(court.TIMELOCK(), abi.encodeCall(closing.setFeeBps, (fee % 101)));
        address owner = court.OWNER();
        court.must(owner, abi.encodeCall(closing.requestPoolWithdrawal, (1, uint256(taken % 500e6) * 1e12)));
        court.pass(1 days);
        if (taken % 500e6 != 0) court.must(owner, abi.encodeCall(closing.withdrawPool, (1)));
        bytes memory packed;
        for (uint256 i = 0; i < 3; ++i) {
            // Half of them within what the terms allow in two days.
            int256 net = nets[i] % 2 == 0 ? int256(nets[i]) : int256(nets[i] % 960e6);
            packed = bytes.concat(packed, _leaf(present(1, [uint256(1), 2, 4][i], net)));
        }
        _settle(1, packed);
        unbroken();
    }

    /// The Queen is gone: every home gets all that is its own, with its own key, and whoever sleeps is let out too.
    function test_homes_of_a_silent_queen_get_everything_back() public {
        Statement memory s = present(1, 1, 4e6);
        court.must(court.STRANGER(), _startShownCall(s, 1, s.slot));
        court.must(court.STRANGER(), _startStoredCall(1, 2, 1_002, _account(1, 2).slot));
        bytes memory asleep = abi.encodeCall(closing.startCloseStale, (1, _addr(4)));
        refused(court.STRANGER(), asleep, S.NotStale.selector, "not yet");
        court.pass(30 days);
        court.must(court.STRANGER(), asleep);
        assertTrue(_finish(1, 1) && _finish(1, 2) && _finish(1, 4), "finished");
        assertEq(held(1, 1), 996e6, "all but what it owed");
        assertEq(held(1, 2), 1_000e6, "by the payout key");
        assertEq(held(1, 4), 1_000e6, "by anyone, when abandoned");
        unbroken();
    }

    /// Price x power x time is all that a Queen and a meter of hers can draw at once, to the millionth.
    function test_a_shill_draws_at_most_price_times_power_times_time() public {
        uint256 slots = court.nowSlot() - _account(1, 4).slot;
        int256 most = int256(slots * court.SLOT_CAP());
        assertEq(slots, 96, "a day");
        assertEq(reasonOf(1, _leaf(present(1, 4, -most - 1))), 8, "a millionth more");
        assertEq(reasonOf(1, _leaf(present(1, 4, -most))), 0, "no more");
        assertEq(_pool(1), 500e6 - uint256(most), "of the pool");
        vm.warp((uint256(court.nowSlot()) + 1) * 900);
        assertEq(reasonOf(1, _leaf(present(1, 4, -most - 5e6 - 1))), 8, "then a slot at a time");
        assertEq(reasonOf(1, _leaf(present(1, 4, -most - 5e6))), 0, "five coins each");
        court.pass(30 days);
        Statement memory greedy = present(1, 4, -most - 5e6 - 960e6 - 1);
        refused(court.STRANGER(), _startShownCall(greedy, 4, greedy.slot), S.ChangeTooLarge.selector, "nor by closing");
        unbroken();
    }
}
