// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ShareRevenue} from "../src/ShareRevenue.sol";
import {TestCoin} from "../src/TestCoin.sol";
import {IHiveShares as H} from "../src/interfaces/IHiveShares.sol";
import {GreedyCoin, ReentrantCoin, SilentCoin, TollCoin} from "./HiveDoubles.sol";
import {HiveSharesFixture} from "./HiveSharesFixture.sol";

/// Revenue per share, through transfers and coins that misbehave.
contract HiveSharesRevenueTest is HiveSharesFixture {
    function list(IERC20 another) private {
        decide(one(address(revenue), abi.encodeCall(ShareRevenue.addCoin, (another))));
    }

    function earn(uint256 amount) private {
        coin.transfer(address(revenue), amount);
        revenue.book(coin);
    }

    /// The same without the three days of a decision.
    function addNow(IERC20 another) private {
        vm.prank(address(shares));
        revenue.addCoin(another);
    }

    // ---- Sharing

    function test_revenue_is_shared_by_what_each_held_when_it_came() public {
        earn(1000);
        move(ANNA, STRANGER, 60);
        earn(500);
        assertEq(revenue.due(coin, ANNA), 600, "what she earned before she sold");
        assertEq(revenue.due(coin, STRANGER), 300, "what came after");
        assertEq(pull(ANNA), 600, "paid");
        assertEq(pull(STRANGER), 300, "paid");
        assertEq(pull(BERT), 450, "both");
        assertEq(pull(CORA), 150, "both");
        assertEq(coin.balanceOf(address(revenue)), 0, "all is paid");
        refuse(abi.encodeWithSelector(ShareRevenue.NothingToPull.selector, coin, ANNA));
        pull(ANNA);
    }

    function test_what_has_come_is_shared_before_the_shares_move_only_when_it_is_booked() public {
        coin.transfer(address(revenue), 1000);
        assertEq(revenue.due(coin, ANNA), 0, "not booked yet");
        assertEq(pull(ANNA), 600, "pulling books");
        (, uint256 received, uint256 paid) = revenue.booksOf(coin);
        assertEq(received, 1000, "received");
        assertEq(paid, 600, "paid");
        assertEq(revenue.book(coin), 0, "nothing new");
    }

    function test_the_rest_of_a_unit_stays_owed_and_is_never_lost() public {
        for (uint256 i = 1; i <= 10; ++i) {
            earn(1);
            if (i == 4) assertEq(pull(BERT), 1, "one of one and two tenths");
            if (i == 9) {
                refuse(abi.encodeWithSelector(ShareRevenue.NothingToPull.selector, coin, CORA));
                pull(CORA);
            }
        }
        assertEq(pull(CORA), 1, "ten tenths");
        assertEq(pull(BERT), 2, "the two tenths were kept");
    }

    function test_dust_moved_to_a_holder_takes_nothing_from_it() public {
        for (uint256 i = 0; i < 10; ++i) {
            earn(1);
            move(ANNA, CORA, 0);
            revenue.settle(CORA, CORA);
        }
        assertEq(revenue.due(coin, CORA), 1, "settled ten times, still whole");
    }

    function test_a_transfer_to_oneself_changes_nothing() public {
        earn(100);
        move(ANNA, ANNA, 60);
        earn(100);
        assertEq(revenue.due(coin, ANNA), 120, "as before");
    }

    /// Anything may happen in any order: what was paid and what is held is what came, and what is owed is held.
    function testFuzz_paid_and_held_is_received(uint64[8] memory amounts, uint8[8] memory acts, uint8[8] memory parts)
        public
    {
        address[4] memory holders = [ANNA, BERT, CORA, STRANGER];
        uint256 came;
        for (uint256 i = 0; i < 8; ++i) {
            address from = holders[acts[i] % 4];
            address to = holders[(acts[i] / 4) % 4];
            came += amounts[i];
            coin.transfer(address(revenue), amounts[i]);
            if (acts[i] / 16 % 2 == 0) revenue.book(coin);
            move(from, to, shares.balanceOf(from) * parts[i] / 255);
            if (acts[i] / 32 % 2 == 0 && revenue.due(coin, to) != 0) pull(to);
        }
        revenue.book(coin);
        uint256 owed;
        uint256 paid;
        for (uint256 i = 0; i < 4; ++i) {
            owed += revenue.due(coin, holders[i]);
            paid += coin.balanceOf(holders[i]);
        }
        uint256 held = coin.balanceOf(address(revenue));
        assertEq(paid + held, came, "paid and held is received, to the unit");
        assertTrue(owed <= held, "rounded towards the contract");
        assertTrue(held - owed < 4, "by less than a unit a holder");
        assertPaysOut(holders, owed, held);
    }

    function assertPaysOut(address[4] memory holders, uint256 owed, uint256 held) private {
        uint256 more_;
        for (uint256 i = 0; i < 4; ++i) {
            if (revenue.due(coin, holders[i]) != 0) more_ += pull(holders[i]);
        }
        assertEq(more_, owed, "everybody is paid what is due");
        assertEq(coin.balanceOf(address(revenue)), held - owed, "and nothing else");
    }

    /// Each holder's own sum, against a plain model that divides once at the end.
    function testFuzz_a_holder_gets_its_exact_part(uint64[6] memory amounts, uint8[6] memory parts) public {
        uint256 annas;
        for (uint256 i = 0; i < 6; ++i) {
            annas += shares.balanceOf(ANNA) * amounts[i];
            earn(amounts[i]);
            address from = i % 2 == 0 ? ANNA : BERT;
            move(from, i % 2 == 0 ? BERT : ANNA, shares.balanceOf(from) * parts[i] / 255);
        }
        assertEq(revenue.due(coin, ANNA), annas / 100, "divided once");
    }

    // ---- Paths

    function test_what_lies_on_the_shares_contract_is_swept_by_anyone() public {
        coin.transfer(address(shares), 1000);
        vm.prank(STRANGER);
        assertEq(shares.sweep(coin), 1000, "swept");
        assertEq(revenue.due(coin, ANNA), 600, "and booked");
        TestCoin other = new TestCoin(address(this), 6);
        other.mint(address(shares), 5);
        refuse(abi.encodeWithSelector(H.CoinNotListed.selector, address(other)));
        shares.sweep(other);
        decide(one(address(other), abi.encodeCall(other.transfer, (BERT, 5))));
        assertEq(other.balanceOf(BERT), 5, "common until it is listed");
    }

    function test_coins_are_added_by_decision_up_to_eight() public {
        refuse(abi.encodeWithSelector(ShareRevenue.NotShares.selector, ANNA));
        vm.prank(ANNA);
        revenue.addCoin(coin);
        vm.prank(address(shares));
        refuse(abi.encodeWithSelector(ShareRevenue.CoinListed.selector, coin));
        revenue.addCoin(coin);
        vm.prank(address(shares));
        refuse(abi.encodeWithSelector(ShareRevenue.CoinIsShares.selector));
        revenue.addCoin(shares);
        vm.prank(address(shares));
        refuse(abi.encodeWithSelector(ShareRevenue.NoContract.selector, address(0xDEAD)));
        revenue.addCoin(IERC20(address(0xDEAD)));
        for (uint256 i = 1; i < 8; ++i) {
            list(new TestCoin(address(this), 6));
        }
        assertEq(revenue.coins().length, 8, "eight");
        TestCoin ninth = new TestCoin(address(this), 6);
        vm.prank(address(shares));
        refuse(abi.encodeWithSelector(ShareRevenue.TooManyCoins.selector, 8));
        revenue.addCoin(ninth);
        assertEq(address(revenue.shares()), address(shares), "whose balances count");
    }

    function test_a_coin_added_later_is_shared_from_then_on() public {
        TestCoin late = new TestCoin(address(this), 6);
        refuse(abi.encodeWithSelector(ShareRevenue.CoinNotListed.selector, late));
        revenue.book(late);
        move(ANNA, STRANGER, 60);
        addNow(late);
        late.mint(address(revenue), 1000);
        revenue.book(late);
        assertEq(revenue.due(late, ANNA), 0, "no share, no part");
        assertEq(revenue.due(late, STRANGER), 600, "the holder now");
    }


    // ---- Coins that misbehave

    function test_a_coin_that_takes_a_fee_shares_what_has_arrived() public {
        TollCoin toll = new TollCoin();
        addNow(toll);
        toll.transfer(address(revenue), 10_000);
        assertEq(revenue.book(toll), 9900, "counted here, not there");
        vm.prank(ANNA);
        assertEq(revenue.pull(toll, ANNA), 5940, "her part leaves");
        assertEq(toll.balanceOf(address(revenue)), 3960, "the others' is here");
    }

    function test_a_coin_that_takes_more_than_is_sent_is_not_paid_at_the_others_cost() public {
        GreedyCoin greedy = new GreedyCoin();
        addNow(greedy);
        greedy.transfer(address(revenue), 10_000);
        revenue.book(greedy);
        greedy.arm();
        vm.prank(ANNA);
        refuse(abi.encodeWithSelector(ShareRevenue.TransferNotExact.selector, 4000, 3940));
        revenue.pull(greedy, ANNA);
        earn(100);
        assertEq(pull(ANNA), 60, "the other coins go on");
    }

    function test_a_coin_that_reenters_is_booked_and_paid_once() public {
        ReentrantCoin evil = new ReentrantCoin();
        addNow(evil);
        evil.transfer(address(revenue), 1000);
        bytes[3] memory calls = [
            abi.encodeCall(ShareRevenue.book, (IERC20(address(evil)))),
            abi.encodeCall(ShareRevenue.pull, (IERC20(address(evil)), ANNA)),
            abi.encodeCall(ShareRevenue.pull, (IERC20(address(coin)), ANNA))
        ];
        address[3] memory holders = [ANNA, BERT, CORA];
        for (uint256 i = 0; i < 3; ++i) {
            evil.arm(address(revenue), calls[i]);
            vm.prank(holders[i]);
            revenue.pull(evil, holders[i]);
            assertEq(
                bytes32(evil.answer()),
                bytes32(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector),
                "refused"
            );
        }
        (, uint256 received, uint256 paid) = revenue.booksOf(evil);
        assertEq(received, 1000, "booked once");
        assertEq(paid, 1000, "paid once");
        assertEq(evil.balanceOf(BERT), 300, "each its part");
    }

    function test_shares_may_move_while_a_coin_is_paid_and_nobody_gains() public {
        ReentrantCoin evil = new ReentrantCoin();
        addNow(evil);
        evil.transfer(address(revenue), 1000);
        vm.prank(ANNA);
        shares.approve(address(evil), 60);
        evil.arm(address(shares), abi.encodeCall(shares.transferFrom, (ANNA, BERT, 60)));
        vm.prank(ANNA);
        revenue.pull(evil, ANNA);
        assertTrue(evil.succeeded(), "the shares moved");
        assertEq(revenue.due(evil, ANNA), 0, "paid");
        assertEq(revenue.due(evil, BERT), 300, "only what he held when it came");
    }

    function test_a_sweep_cannot_be_entered_twice() public {
        ReentrantCoin evil = new ReentrantCoin();
        addNow(evil);
        evil.transfer(address(shares), 1000);
        evil.arm(address(shares), abi.encodeCall(shares.sweep, (IERC20(address(evil)))));
        shares.sweep(evil);
        assertTrue(!evil.succeeded(), "refused");
        (, uint256 received,) = revenue.booksOf(evil);
        assertEq(received, 1000, "booked once");
    }

    function test_a_silent_coin_works_and_a_blocked_holder_names_another_address() public {
        SilentCoin silent = new SilentCoin();
        IERC20 asCoin = IERC20(address(silent));
        addNow(asCoin);
        silent.transfer(address(shares), 1000);
        shares.sweep(asCoin);
        silent.setBlocked(ANNA);
        vm.prank(ANNA);
        refuse(abi.encodeWithSelector(SilentCoin.Blocked.selector));
        revenue.pull(asCoin, ANNA);
        vm.prank(BERT);
        assertEq(revenue.pull(asCoin, BERT), 300, "the others are paid");
        move(ANNA, CORA, 1);
        vm.prank(ANNA);
        assertEq(revenue.pull(asCoin, STRANGER), 600, "to another address");
    }

    function test_a_coin_that_shrinks_books_nothing_and_blocks_no_transfer() public {
        earn(100);
        vm.prank(address(revenue));
        coin.transfer(STRANGER, 50);
        assertEq(revenue.book(coin), 0, "less than what is owed");
        move(ANNA, BERT, 1);
        assertEq(shares.balanceOf(BERT), 31, "shares move");
    }

    function test_a_coin_of_absurd_size_is_not_booked_and_blocks_no_transfer() public {
        TestCoin huge = new TestCoin(address(this), 18);
        addNow(huge);
        huge.mint(address(revenue), uint256(type(uint128).max) + 1);
        refuse(
            abi.encodeWithSelector(
                ShareRevenue.ReceivedTooMuch.selector, uint256(type(uint128).max) + 1, type(uint128).max
            )
        );
        revenue.book(huge);
        move(ANNA, BERT, 1);
        assertEq(shares.balanceOf(ANNA), 59, "shares move");
    }
}
