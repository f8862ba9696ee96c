// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISettlementEvents as S} from "../src/interfaces/ISettlementEvents.sol";
import {CloseRequest, Messages, Objection, Signature, Statement} from "../src/types/Messages.sol";
import {HiveFixture} from "./HiveFixture.sol";

/// Contests and penalties: who pays, how much, to whom, and what costs nobody anything.
contract DisputeTest is HiveFixture {
    uint32 private constant _NOW = OPENED + 96;
    address private constant _WATCHER = address(0x3A7C);

    function watch(Statement memory state) private {
        (Signature memory w, Signature memory q) = both(state);
        vm.prank(_WATCHER);
        settlement.contest(state, w, q);
    }

    /// The Queen shows a Statement herself and names the newest slot she has signed.
    function queenShows(uint256 key, Statement memory state, uint32 newestSlot) private {
        CloseRequest memory r = request(key, newestSlot);
        Signature memory sig = signHash(QUEEN_KEY, Messages.hash(r));
        (Signature memory w, Signature memory q) = both(state);
        vm.prank(queen);
        settlement.startClose(r, sig, state, w, q);
    }

    function object(uint256 key, Statement memory state) private {
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", settlement.domainSeparator(), Messages.hash(state)));
        Objection memory objection = Objection(digest, 0, 4);
        closing.showObjection(state.worker, objection, signHash(key, Messages.hash(objection)));
    }

    // ---- The Worker's side

    function test_a_worker_that_shows_an_old_state_pays_the_difference() public {
        startShown(1, 1, statement(1, _NOW - 50, 0), _NOW - 50);
        watch(statement(1, _NOW, 30_000_000));
        finish(1);
        assertEq(microOf(payoutOf(1)), 40_000_000, "70 were left, 30 are the penalty");
        assertEq(microOf(_WATCHER), 3_000_000, "a tenth to who proved it");
        assertEq(pool().pool, 50_000_000 + 30_000_000 + 27_000_000, "nine tenths to the pool");
        assertConserved(3);
    }

    function test_a_lie_costs_the_least_penalty_at_least_and_what_is_spendable_at_most() public {
        startShown(1, 1, statement(1, _NOW - 50, 10), _NOW - 50);
        watch(statement(1, _NOW, 11));
        finish(1);
        assertEq(microOf(payoutOf(1)), 100_000_000 - 11 - 1_000_000, "one coin for a millionth");
        startShown(2, 2, statement(2, OPENED + 20, 0), OPENED + 20);
        watch(statement(2, OPENED + 96, 99_999_999));
        finish(2);
        assertEq(microOf(payoutOf(2)), 0, "the last millionth is taken, not more");
        assertConserved(3);
    }

    function test_the_difference_is_counted_from_the_state_shown_to_the_newest() public {
        startShown(1, 1, statement(1, _NOW - 50, -20_000_000), _NOW - 50);
        contest(statement(1, _NOW - 1, 5_000_000));
        watch(statement(1, _NOW, 10_000_000));
        finish(1);
        assertEq(microOf(payoutOf(1)), 90_000_000 - 30_000_000, "30 from -20 to 10");
        assertEq(microOf(_WATCHER), 3_000_000, "who brought the newest state");
        assertConserved(3);
    }

    function test_an_objection_does_not_excuse_a_worker() public {
        Statement memory newest = statement(1, _NOW, 30_000_000);
        object(1, newest);
        startShown(1, 1, statement(1, _NOW - 50, 0), _NOW - 50);
        watch(newest);
        finish(1);
        assertEq(microOf(payoutOf(1)), 40_000_000, "it had signed the newer one, too");
        assertConserved(3);
    }

    function test_a_close_on_the_stored_state_costs_the_worker_nothing() public {
        startStored(1, 1, OPENED);
        watch(statement(1, _NOW, 30_000_000));
        finish(1);
        assertEq(microOf(payoutOf(1)), 70_000_000, "no penalty");
        assertEq(microOf(_WATCHER), 0, "no reward");
        assertConserved(3);
    }

    // ---- The Queen

    function test_a_queen_that_shows_an_old_state_pays_from_her_bond() public {
        postBond(100 * COIN);
        queenShows(1, statement(1, _NOW - 50, 30_000_000), _NOW - 50);
        watch(statement(1, _NOW, -10_000_000));
        finish(1);
        assertEq(microOf(payoutOf(1)), 110_000_000 + 36_000_000, "nine tenths of 40 to the Worker");
        assertEq(microOf(_WATCHER), 4_000_000, "a tenth to who proved it");
        assertEq(pool().bond, 60_000_000, "the rest of the bond");
        assertConserved(3);
    }

    function test_a_queen_without_bond_loses_the_dispute_all_the_same() public {
        postBond(5 * COIN);
        queenShows(1, statement(1, _NOW - 50, 30_000_000), _NOW - 50);
        watch(statement(1, _NOW, -10_000_000));
        finish(1);
        assertEq(microOf(payoutOf(1)), 110_000_000 + 4_500_000, "what the bond had");
        queenShows(2, statement(2, _NOW - 50, 30_000_000), _NOW - 50);
        watch(statement(2, _NOW, 0));
        finish(2);
        assertEq(microOf(payoutOf(2)), 100_000_000, "the newest state holds");
        assertConserved(3);
    }

    function test_the_slot_the_queen_has_named_costs_nobody_anything() public {
        postBond(100 * COIN);
        queenShows(1, statement(1, _NOW - 1, 30_000_000), _NOW);
        watch(statement(1, _NOW, -10_000_000));
        finish(1);
        assertEq(microOf(payoutOf(1)), 110_000_000, "the withheld countersignature counts");
        assertEq(pool().bond, 100_000_000, "but costs nothing");
        assertConserved(3);
    }

    function test_any_other_newer_slot_proves_a_lie_of_the_queen() public {
        postBond(100 * COIN);
        queenShows(1, statement(1, _NOW - 50, 30_000_000), _NOW - 10);
        contest(statement(1, _NOW - 10, 20_000_000));
        watch(statement(1, _NOW, 0));
        finish(1);
        assertEq(microOf(payoutOf(1)), 100_000_000 + 18_000_000, "later than she named: 20 from there");
        queenShows(2, statement(2, _NOW - 50, 30_000_000), _NOW);
        watch(statement(2, _NOW - 1, 10_000_000));
        finish(2);
        assertEq(microOf(payoutOf(2)), 90_000_000 + 18_000_000, "between the one shown and the one named");
        assertConserved(3);
    }

    function test_a_statement_the_worker_has_refused_costs_the_queen_nothing() public {
        postBond(100 * COIN);
        Statement memory refused = statement(1, _NOW - 1, 10_000_000);
        object(1, refused);
        queenShows(1, statement(1, _NOW - 50, 30_000_000), _NOW);
        watch(refused);
        finish(1);
        assertEq(microOf(payoutOf(1)), 90_000_000, "it is applied, as both have signed it after all");
        assertEq(pool().bond, 100_000_000, "no penalty");
        assertConserved(3);
    }

    function test_an_objection_is_signed_by_its_worker() public {
        Objection memory objection = Objection(bytes32(uint256(1)), 0, 4);
        Signature memory sig = signHash(2, Messages.hash(objection));
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, vm.addr(1)));
        closing.showObjection(vm.addr(1), objection, sig);
    }

    function test_a_queen_that_starts_on_the_stored_state_answers_for_the_slot_she_named_only() public {
        postBond(100 * COIN);
        startStored(1, QUEEN_KEY, _NOW - 10);
        contest(statement(1, _NOW - 20, -1_000_000));
        contest(statement(1, _NOW - 10, -2_000_000));
        finish(1);
        assertEq(pool().bond, 100_000_000, "up to the slot she named: nothing");
        startStored(2, QUEEN_KEY, _NOW - 10);
        watch(statement(2, _NOW - 9, -10_000_000));
        finish(2);
        assertEq(microOf(payoutOf(2)), 110_000_000 + 9_000_000, "a later one proves a lie");
        assertConserved(3);
    }

    function test_a_carrier_cannot_attach_an_old_statement_to_a_request() public {
        postBond(100 * COIN);
        CloseRequest memory r = request(1, _NOW);
        Signature memory sig = signHash(QUEEN_KEY, Messages.hash(r));
        Statement memory old = statement(1, _NOW - 50, 0);
        (Signature memory w, Signature memory q) = both(old);
        refuse(S.StatementNotNamed.selector, _NOW - 50, _NOW);
        settlement.startClose(r, sig, old, w, q);
        sig = signHash(1, Messages.hash(r));
        refuse(S.StatementNotNamed.selector, _NOW - 50, _NOW);
        settlement.startClose(r, sig, old, w, q);
        refuse(S.StatementMissing.selector, _NOW, OPENED);
        settlement.startClose(r, sig);
    }

    function test_who_contests_an_own_lie_only_loses() public {
        startShown(1, 1, statement(1, _NOW - 50, 0), _NOW - 50);
        (Signature memory w, Signature memory q) = both(statement(1, _NOW, 30_000_000));
        vm.prank(payoutOf(1));
        settlement.contest(statement(1, _NOW, 30_000_000), w, q);
        finish(1);
        assertEq(microOf(payoutOf(1)), 43_000_000, "27 less than without the lie");
        assertConserved(3);
    }

    // ---- Refusals

    function test_a_contest_is_newer_good_signed_and_in_time() public {
        bytes memory call = contestCall(statement(1, _NOW, 1));
        refuse(S.NoCloseRunning.selector, vm.addr(1));
        this.send(call);
        startShown(1, 1, statement(1, _NOW - 50, 5), _NOW - 50);
        call = contestCall(statement(1, _NOW - 50, 6));
        refuse(S.StatementNotNewer.selector, _NOW - 50, _NOW - 50);
        this.send(call);
        call = contestCall(statement(1, _NOW + 1, 6));
        refuse(S.SlotInFuture.selector, _NOW + 1, _NOW);
        this.send(call);
        call = contestCall(statement(1, _NOW, 100_000_001));
        refuse(S.NotFunded.selector, 100_000_001, 100_000_000);
        this.send(call);
        call = contestCall(statement(1, _NOW, -480_000_001));
        vm.expectRevert(abi.encodeWithSelector(S.ChangeTooLarge.selector, int256(-480_000_001), 480_000_000));
        this.send(call);
        Statement memory state = statement(1, _NOW, 6);
        (Signature memory w, Signature memory q) = both(state);
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, vm.addr(1)));
        settlement.contest(state, q, q);
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, queen));
        settlement.contest(state, w, w);
        uint256 end = closeInfo(1).endsAt;
        vm.warp(end);
        refuse(S.WindowOver.selector, end);
        settlement.contest(state, w, q);
        vm.warp(end - 1);
        settlement.contest(state, w, q);
    }

    function test_a_contest_is_judged_against_what_is_settled() public {
        settle(leaf(1, _NOW - 60, 0));
        startShown(1, 1, statement(1, _NOW - 50, 5), _NOW - 50);
        Statement memory lower = statement(1, _NOW, 6);
        lower.imported = info(1).imported - 1;
        bytes memory call = contestCall(lower);
        refuse(S.CounterWentDown.selector, vm.addr(1));
        this.send(call);
    }

    function test_a_close_is_contested_with_the_key_of_its_slot() public {
        uint32 from = _NOW + 97;
        vm.prank(OWNER);
        closing.setQueen(HIVE, vm.addr(NEXT_QUEEN_KEY), from);
        vm.warp(uint256(from + 1) * 900);
        startStored(1, 1, 0);
        bytes memory call = contestCall(statement(1, from, 7));
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, vm.addr(NEXT_QUEEN_KEY)));
        this.send(call);
        contest(statement(1, from - 1, 7));
        assertEq(closeInfo(1).net, 7, "the old key's last state");
    }

    // ---- Amounts

    function testFuzz_penalties_split_and_nothing_is_lost(int64 shown, int64 newest, uint64 bond, bool byQueen) public {
        shown = shown % 50_000_000;
        newest = newest % 50_000_000;
        postBond((uint256(bond) % 200_000_000 + 1) * SCALE);
        uint256 before = pool().bond;
        if (byQueen) queenShows(1, statement(1, _NOW - 50, shown), _NOW - 50);
        else startShown(1, 1, statement(1, _NOW - 50, shown), _NOW - 50);
        watch(statement(1, _NOW, newest));
        finish(1);
        assertConserved(3);
        uint256 penalty = uint256(int256(shown > newest ? int256(shown) - newest : int256(newest) - shown));
        if (penalty < 1_000_000) penalty = 1_000_000;
        uint256 most = byQueen ? before : uint256(int256(100_000_000) - newest);
        if (penalty > most) penalty = most;
        assertEq(microOf(_WATCHER), penalty / 10, "a tenth");
        assertEq(pool().bond, byQueen ? before - penalty : before, "bond");
        uint256 left = uint256(int256(100_000_000) - newest);
        left = byQueen ? left + penalty - penalty / 10 : left - penalty;
        assertEq(microOf(payoutOf(1)) + claimOf(1), left, "Worker");
    }
}
