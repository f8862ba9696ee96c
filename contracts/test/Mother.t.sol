// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TestCoin} from "../src/TestCoin.sol";
import {ISettlementEvents as S} from "../src/interfaces/ISettlementEvents.sol";
import {AccountInfo} from "../src/types/Hive.sol";
import {CloseRequest, HiveTerms, Messages, PayoutAddress, Signature, Statement} from "../src/types/Messages.sol";
import {HiveFixture} from "./HiveFixture.sol";

/// A daughter Hive (the fixture's) whose Queen has an account in a mother Hive: linking, moving, closing.
contract MotherTest is HiveFixture {
    uint32 private constant _NOW = OPENED + 96;
    uint32 private constant _MOTHER = 2;
    uint256 private constant _MOTHER_QUEEN_KEY = 13;

    function setUp() public override {
        super.setUp();
        HiveTerms memory made = terms(1, 0);
        made.hive = _MOTHER;
        list.createHive(_MOTHER, OWNER, coin, vm.addr(_MOTHER_QUEEN_KEY), 3 days, made);
        (address[] memory meters, address[] memory owners) = (new address[](1), new address[](1));
        (meters[0], owners[0]) = (queen, OWNER);
        list.listMeters(_MOTHER, meters, owners);
        settlement.deposit(_MOTHER, queen, 20 * COIN);
    }

    function toPool(uint32 serial) private view returns (PayoutAddress memory) {
        return PayoutAddress(_MOTHER, queen, address(settlement), serial);
    }

    function link() private {
        Signature memory sig = signHash(QUEEN_KEY, Messages.hash(toPool(1)));
        vm.prank(OWNER);
        closing.linkMother(HIVE, _MOTHER, toPool(1), sig);
        vm.warp(vm.getBlockTimestamp() + 1 days);
    }

    function daughter() private view returns (AccountInfo memory) {
        return settlement.account(_MOTHER, queen);
    }

    function state(uint32 slot, int64 net) private view returns (Statement memory) {
        return Statement(_MOTHER, queen, slot, net, 0, 0, 0);
    }

    /// The mother settles what her daughter owes.
    function motherSettles(int64 net) private {
        uint32 slot = uint32(vm.getBlockTimestamp() / 900);
        bytes32 hash = Messages.hash(state(slot, net));
        bytes memory packed = pack(state(slot, net), signHash(QUEEN_KEY, hash));
        vm.prank(vm.addr(_MOTHER_QUEEN_KEY));
        assertEq(settlement.settle(_MOTHER, slot, packed), 1, "settled");
    }

    /// Invariant 1 over both Hives.
    function assertBothConserved() private view {
        int256 total = int256(uint256(pool().pool) + pool().bond + pool().claimsFunded);
        total += int256(uint256(settlement.poolOf(_MOTHER).pool) + settlement.poolOf(_MOTHER).claimsFunded);
        for (uint256 key = 1; key <= 3; ++key) total += int256(info(key).funding) - info(key).net;
        total += int256(daughter().funding) - daughter().net;
        assertEq(int256(microOf(address(settlement))), total, "coins equal balances");
    }

    function test_linking_makes_the_daughters_pool_the_payout_for_good() public {
        link();
        assertEq(settlement.motherOf(HIVE), _MOTHER, "mother");
        assertEq(settlement.motherLink(HIVE).account, queen, "account");
        assertEq(daughter().payout, address(settlement), "payout");
        PayoutAddress memory other = PayoutAddress(_MOTHER, queen, STRANGER, 2);
        Signature memory sig = signHash(QUEEN_KEY, Messages.hash(other));
        vm.expectRevert(abi.encodeWithSelector(S.PayoutFixed.selector, _MOTHER, queen));
        closing.setPayout(other, sig);
        other = PayoutAddress(HIVE, vm.addr(1), address(settlement), 1);
        sig = signHash(1, Messages.hash(other));
        vm.expectRevert(abi.encodeWithSelector(S.PayoutFixed.selector, HIVE, vm.addr(1)));
        closing.setPayout(other, sig);
    }

    function test_linking_is_checked() public {
        Signature memory sig = signHash(QUEEN_KEY, Messages.hash(toPool(1)));
        vm.expectRevert(abi.encodeWithSelector(S.NotOwner.selector, HIVE, address(this)));
        closing.linkMother(HIVE, _MOTHER, toPool(1), sig);
        vm.startPrank(OWNER);
        refuse(S.UnknownHive.selector, 9);
        closing.linkMother(HIVE, 9, toPool(1), sig);
        PayoutAddress memory other = toPool(1);
        other.hive = HIVE;
        refuse(S.WrongHive.selector, _MOTHER, HIVE);
        closing.linkMother(HIVE, _MOTHER, other, sig);
        refuse(S.WrongHive.selector, HIVE, HIVE);
        closing.linkMother(HIVE, HIVE, other, sig);
        other = toPool(1);
        other.worker = vm.addr(1);
        vm.expectRevert(abi.encodeWithSelector(S.WrongWorker.selector, queen, vm.addr(1)));
        closing.linkMother(HIVE, _MOTHER, other, sig);
        other = toPool(1);
        other.payout = OWNER;
        vm.expectRevert(abi.encodeWithSelector(S.PayoutNotPool.selector, OWNER));
        closing.linkMother(HIVE, _MOTHER, other, sig);
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, queen));
        closing.linkMother(HIVE, _MOTHER, toPool(2), sig);
        closing.linkMother(HIVE, _MOTHER, toPool(1), sig);
        refuse(S.SerialNotNewer.selector, 1, 1);
        closing.linkMother(HIVE, _MOTHER, toPool(1), sig);
        vm.stopPrank();
    }

    function test_different_coins_and_a_taken_account_are_refused() public {
        TestCoin other = new TestCoin(address(this), 18);
        HiveTerms memory made = terms(1, 0);
        made.hive = 3;
        list.createHive(3, OWNER, other, queen, 3 days, made);
        made.hive = 4;
        list.createHive(4, OWNER, coin, queen, 3 days, made);
        Signature memory sig = signHash(QUEEN_KEY, Messages.hash(toPool(1)));
        vm.startPrank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(S.CoinsDiffer.selector, address(other), address(coin)));
        closing.linkMother(3, _MOTHER, toPool(1), sig);
        closing.linkMother(HIVE, _MOTHER, toPool(1), sig);
        sig = signHash(QUEEN_KEY, Messages.hash(toPool(2)));
        vm.expectRevert(abi.encodeWithSelector(S.PayoutFixed.selector, _MOTHER, queen));
        closing.linkMother(4, _MOTHER, toPool(2), sig);
        vm.stopPrank();
    }

    function test_what_was_settled_moves_at_once_and_no_coin_moves() public {
        link();
        motherSettles(15_000_000);
        uint256 before = microOf(address(settlement));
        vm.prank(queen);
        closing.moveToMother(HIVE, 10 * COIN);
        assertEq(daughter().funding, 30_000_000, "funding");
        assertEq(pool().pool, 40_000_000, "pool");
        vm.prank(queen);
        vm.expectRevert(abi.encodeWithSelector(S.NotDue.selector, 5_000_000, 6_000_000));
        closing.moveToMother(HIVE, 6 * COIN);
        vm.prank(OWNER);
        closing.moveToMother(HIVE, 5 * COIN);
        vm.prank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(S.NotDue.selector, 0, 1));
        closing.moveToMother(HIVE, SCALE);
        assertEq(microOf(address(settlement)), before, "no transfer");
        assertBothConserved();
    }

    function test_more_than_that_waits_a_day_like_any_withdrawal() public {
        link();
        motherSettles(3_000_000);
        vm.startPrank(OWNER);
        closing.requestPoolWithdrawal(HIVE, 20 * COIN);
        uint256 ready = vm.getBlockTimestamp() + 1 days;
        refuse(S.TooEarly.selector, ready);
        closing.moveToMother(HIVE, 20 * COIN);
        vm.warp(ready);
        vm.expectRevert(abi.encodeWithSelector(S.NotDue.selector, 3_000_000, 23_000_001));
        closing.moveToMother(HIVE, 23 * COIN + SCALE);
        closing.moveToMother(HIVE, 13 * COIN);
        assertEq(pool().pending, 10_000_000, "three were due, ten used the notice");
        closing.withdrawPool(HIVE);
        vm.stopPrank();
        assertEq(pool().pool, 50_000_000 - 13_000_000 - 10_000_000, "both count together");
        assertBothConserved();
    }

    function test_an_owner_with_a_mother_of_his_own_empties_no_pool_without_a_days_notice() public {
        vm.warp(uint256(_NOW + 4) * 900);
        motherSettles(19_000_000);
        Signature memory sig = signHash(QUEEN_KEY, Messages.hash(toPool(1)));
        vm.startPrank(OWNER);
        closing.linkMother(HIVE, _MOTHER, toPool(1), sig);
        vm.expectRevert(abi.encodeWithSelector(S.NotDue.selector, 0, 19_000_000));
        closing.moveToMother(HIVE, 19 * COIN);
        vm.stopPrank();
        vm.warp(vm.getBlockTimestamp() + 900);
        motherSettles(20_000_000);
        vm.prank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(S.NotDue.selector, 0, 1_000_000));
        closing.moveToMother(HIVE, COIN);
        vm.warp(vm.getBlockTimestamp() + 1 days);
        vm.prank(OWNER);
        closing.moveToMother(HIVE, COIN);
        assertBothConserved();
    }

    function test_moving_is_checked() public {
        refuse(S.NoMother.selector, HIVE);
        closing.moveToMother(HIVE, COIN);
        link();
        vm.expectRevert(abi.encodeWithSelector(S.NotOwner.selector, HIVE, address(this)));
        closing.moveToMother(HIVE, COIN);
        vm.startPrank(OWNER);
        refuse(S.AmountNotWhole.selector, 1, SCALE);
        closing.moveToMother(HIVE, 1);
        refuse(S.AmountNotWhole.selector, 0, SCALE);
        closing.moveToMother(HIVE, 0);
        refuse(S.PoolTooSmall.selector, 50_000_000, 51_000_000);
        closing.moveToMother(HIVE, 51 * COIN);
        vm.stopPrank();
        settle(leaf(1, _NOW, -60_000_000));
        vm.prank(OWNER);
        refuse(S.HiveIsShort.selector, HIVE);
        closing.moveToMother(HIVE, COIN);
    }

    function test_the_queens_account_is_paid_into_the_daughters_pool() public {
        link();
        CloseRequest memory r = CloseRequest(_MOTHER, queen, 0, uint48(vm.getBlockTimestamp() + 1));
        settlement.startClose(r, signHash(QUEEN_KEY, Messages.hash(r)));
        vm.prank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(S.AccountNotOpen.selector, _MOTHER, queen));
        closing.moveToMother(HIVE, COIN);
        vm.warp(settlement.closeOf(_MOTHER, queen).endsAt);
        uint256 before = microOf(address(settlement));
        settlement.finishClose(_MOTHER, queen);
        assertEq(pool().pool, 70_000_000, "pool");
        assertEq(microOf(address(settlement)), before, "no transfer");
        assertEq(daughter().state, 3, "closed");
        assertBothConserved();
    }

    function test_a_claim_of_the_queens_account_is_paid_into_the_daughters_pool() public {
        link();
        uint32 slot = uint32(vm.getBlockTimestamp() / 900);
        uint48 deadline = uint48(vm.getBlockTimestamp());
        bytes32 hash = Messages.hashAgreement(state(slot, -5_000_000), 25_000_000, deadline);
        settlement.closeAgreed(
            state(slot, -5_000_000), 25_000_000, deadline, signHash(QUEEN_KEY, hash), signHash(_MOTHER_QUEEN_KEY, hash)
        );
        assertEq(pool().pool, 70_000_000, "what the mother had");
        assertEq(settlement.claimOf(_MOTHER, queen), 5_000_000, "the rest");
        settlement.fundPool(_MOTHER, 5 * COIN);
        closing.claim(_MOTHER, queen);
        assertEq(pool().pool, 75_000_000, "all");
        assertBothConserved();
    }

    function testFuzz_moving_keeps_every_coin(uint64 net, uint64 moved, uint64 asked) public {
        link();
        motherSettles(int64(net % 20_000_001));
        vm.startPrank(OWNER);
        closing.requestPoolWithdrawal(HIVE, uint256(asked % 50_000_001) * SCALE);
        vm.warp(vm.getBlockTimestamp() + 1 days);
        uint256 amount = moved % (uint256(net % 20_000_001) + asked % 50_000_001 + 1);
        if (amount != 0 && amount <= 50_000_000) closing.moveToMother(HIVE, amount * SCALE);
        vm.stopPrank();
        assertBothConserved();
    }
}
