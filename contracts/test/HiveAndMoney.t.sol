// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {EnergySettlement} from "../src/EnergySettlement.sol";
import {MeterList} from "../src/MeterList.sol";
import {SettlementClosing} from "../src/SettlementClosing.sol";
import {TestCoin} from "../src/TestCoin.sol";
import {ISettlementBook} from "../src/interfaces/ISettlementBook.sol";
import {ISettlementEvents as S} from "../src/interfaces/ISettlementEvents.sol";
import {IMeterList} from "../src/interfaces/IMeterList.sol";
import {HiveTerms, Messages, PayoutAddress, Signature} from "../src/types/Messages.sol";
import {CallingCoin, FeeCoin} from "./Coins.sol";
import {HiveFixture} from "./HiveFixture.sol";

/// Deposits, payout, pool, terms, Queen's key, and every refusal among them.
contract HiveAndMoneyTest is HiveFixture {
    uint32 private constant _NOW = OPENED + 96;

    function test_deposit_opens_for_listed_meters_of_an_active_hive_only() public {
        address meter = vm.addr(4);
        vm.expectRevert(abi.encodeWithSelector(S.MeterNotInHive.selector, meter, HIVE));
        settlement.deposit(HIVE, meter, COIN);
        listMeter(meter, address(0xB4));
        refuse(S.UnknownHive.selector, 9);
        settlement.deposit(9, meter, COIN);
        vm.prank(STRANGER);
        vm.expectRevert();
        settlement.deposit(HIVE, meter, COIN);
        settlement.deposit(HIVE, meter, COIN);
        assertEq(info(4).slot, _NOW, "opened now");
        assertEq(info(4).payout, address(0xB4), "the meter's owner, not the sender");
        vm.warp(uint256(_NOW + 7) * 900);
        settlement.deposit(HIVE, meter, 2 * COIN);
        assertEq(info(4).slot, _NOW, "a top-up leaves the slot");
        assertEq(info(4).funding, 3_000_000, "funding");
        list.freezeHive(HIVE);
        refuse(S.HiveIsFrozen.selector, HIVE);
        settlement.deposit(HIVE, meter, COIN);
        assertEq(settle(leaf(4, _NOW + 7, 1)), 0, "settling goes on in a frozen Hive");
    }

    function test_an_inactive_hive_opens_no_account() public {
        OfflineList offline = new OfflineList();
        EnergySettlement other = deploy(offline);
        offline.register(other, coin, terms(1, 0));
        coin.approve(address(other), COIN);
        refuse(S.HiveNotActive.selector, HIVE);
        other.deposit(HIVE, vm.addr(1), COIN);
    }

    function test_amounts_must_be_whole_micro_coins() public {
        refuse(S.AmountNotWhole.selector, COIN + 1, SCALE);
        settlement.deposit(HIVE, vm.addr(1), COIN + 1);
        refuse(S.AmountNotWhole.selector, 0, SCALE);
        settlement.deposit(HIVE, vm.addr(1), 0);
        refuse(S.AmountNotWhole.selector, 5, SCALE);
        settlement.fundPool(HIVE, 5);
    }

    function test_a_coin_that_takes_a_fee_is_refused() public {
        FeeCoin fee = new FeeCoin();
        list.createHive(2, OWNER, fee, queen, 3 days, hiveTerms(2));
        fee.approve(address(settlement), COIN);
        refuse(S.TransferShort.selector, COIN, COIN - COIN / 100);
        settlement.fundPool(2, COIN);
    }

    function test_a_coin_that_calls_back_gets_nowhere() public {
        CallingCoin calling = new CallingCoin();
        list.createHive(2, OWNER, calling, queen, 3 days, hiveTerms(2));
        calling.approve(address(settlement), COIN);
        bytes4 entered = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;
        bytes[3] memory calls = [
            abi.encodeCall(settlement.fundPool, (2, COIN)),
            abi.encodeCall(settlement.settle, (2, _NOW, leaf(1, _NOW, 1))),
            abi.encodeCall(settlement.deposit, (HIVE, vm.addr(1), COIN))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            calling.arm(settlement, calls[i]);
            settlement.fundPool(2, COIN / 4);
            assertEq(bytes32(calling.answer()), bytes32(entered), "refused");
        }
    }

    function test_permit_pays_and_a_used_permit_with_allowance_does_not_matter() public {
        address payer = vm.addr(5);
        coin.mint(payer, 10 * COIN);
        uint256 deadline = vm.getBlockTimestamp() + 1;
        bytes32 hash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                payer, address(settlement), COIN, 0, deadline
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(5, keccak256(abi.encodePacked(hex"1901", coin.DOMAIN_SEPARATOR(), hash)));
        coin.permit(payer, address(settlement), COIN, deadline, v, r, s);
        vm.prank(payer);
        settlement.depositWithPermit(HIVE, vm.addr(1), COIN, deadline, v, r, s);
        assertEq(info(1).funding, 101_000_000, "front-run permit");
        refuse(S.AllowanceTooLow.selector, 0, COIN);
        vm.prank(payer);
        settlement.depositWithPermit(HIVE, vm.addr(1), COIN, deadline, v, r, s);
    }

    function test_payout_is_signed_by_the_device_and_its_serial_grows() public {
        PayoutAddress memory payout = PayoutAddress(HIVE, vm.addr(1), address(0xCAFE), 1);
        Signature memory sig = signHash(1, Messages.hash(payout));
        vm.prank(STRANGER);
        closing.setPayout(payout, sig);
        assertEq(info(1).payout, address(0xCAFE), "set");
        refuse(S.SerialNotNewer.selector, 1, 1);
        closing.setPayout(payout, sig);
        payout.serial = 2;
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, vm.addr(1)));
        closing.setPayout(payout, sig);
        payout.payout = address(0);
        vm.expectRevert(abi.encodeWithSelector(S.ZeroAddress.selector));
        closing.setPayout(payout, sig);
        payout = PayoutAddress(HIVE, vm.addr(4), address(0xF00D), 1);
        closing.setPayout(payout, signHash(4, Messages.hash(payout)));
        listMeter(vm.addr(4), address(0xB4));
        settlement.deposit(HIVE, vm.addr(4), COIN);
        assertEq(info(4).payout, address(0xF00D), "signed before the opening");
    }

    function test_a_closed_account_is_reopened_by_its_owner_or_a_new_payout_address_only() public {
        address worker = vm.addr(1);
        closeAgreed(1, _NOW, 2_000_000, 98_000_000);
        vm.expectRevert(abi.encodeWithSelector(S.ReopenNeedsOwner.selector, worker, address(0xB1)));
        settlement.deposit(HIVE, worker, COIN);
        PayoutAddress memory payout = PayoutAddress(HIVE, worker, address(0xCAFE), 1);
        closing.setPayout(payout, signHash(1, Messages.hash(payout)));
        refuse(S.TooEarly.selector, uint256(_NOW + 1) * 900);
        settlement.deposit(HIVE, worker, COIN);
        vm.warp(uint256(_NOW + 10) * 900);
        settlement.deposit(HIVE, worker, COIN);
        assertEq(info(1).state, 1, "open again");
        assertEq(info(1).slot, _NOW + 10, "from now on");
        assertEq(info(1).net, 2_000_000, "totals go on");
        assertEq(info(1).funding, 3_000_000, "what was paid out is not there any more");
        assertEq(info(1).imported, 96_000, "counters go on");
        assertEq(info(1).payout, address(0xCAFE), "new payout");
        closeAgreed(1, _NOW + 10, 2_000_000, 1_000_000);
        vm.warp(uint256(_NOW + 11) * 900);
        vm.expectRevert(abi.encodeWithSelector(S.ReopenNeedsOwner.selector, worker, address(0xB1)));
        settlement.deposit(HIVE, worker, COIN);
        vm.prank(address(0xB1));
        coin.approve(address(settlement), COIN);
        vm.prank(address(0xB1));
        settlement.deposit(HIVE, worker, COIN);
        assertEq(info(1).state, 1, "by the owner");
        assertConserved(3);
    }

    function testFuzz_deposits_and_pool_keep_every_coin(uint64[4] memory amounts, uint8[4] memory who) public {
        for (uint256 i = 0; i < 4; ++i) {
            uint256 amount = (uint256(amounts[i]) % 1e15 + 1) * SCALE;
            if (who[i] % 4 == 0) settlement.fundPool(HIVE, amount);
            else settlement.deposit(HIVE, vm.addr(who[i] % 4), amount);
            assertConserved(3);
        }
        uint256 asked = uint256(pool().pool) / 2 * SCALE;
        vm.prank(OWNER);
        closing.requestPoolWithdrawal(HIVE, asked);
        vm.warp(vm.getBlockTimestamp() + 1 days);
        vm.prank(OWNER);
        closing.withdrawPool(HIVE);
        assertEq(coin.balanceOf(OWNER), asked, "paid out");
        assertConserved(3);
    }

    function test_the_pool_is_withdrawn_after_a_day_by_the_owner() public {
        vm.expectRevert(abi.encodeWithSelector(S.NotOwner.selector, HIVE, address(this)));
        closing.requestPoolWithdrawal(HIVE, COIN);
        vm.prank(OWNER);
        refuse(S.PoolTooSmall.selector, 50_000_000, 51_000_000);
        closing.requestPoolWithdrawal(HIVE, 51 * COIN);
        vm.prank(OWNER);
        refuse(S.NothingRequested.selector, HIVE);
        closing.withdrawPool(HIVE);
        vm.prank(OWNER);
        closing.requestPoolWithdrawal(HIVE, 40 * COIN);
        assertEq(pool().pending, 40_000_000, "pending");
        vm.prank(OWNER);
        refuse(S.TooEarly.selector, uint256(_NOW) * 900 + 1 days);
        closing.withdrawPool(HIVE);
        vm.warp(uint256(_NOW + 96) * 900);
        settle(leaf(1, _NOW + 96, -30_000_000));
        settle(leaf(2, _NOW + 96, -30_000_000));
        vm.prank(OWNER);
        refuse(S.HiveIsShort.selector, HIVE);
        closing.withdrawPool(HIVE);
        settlement.fundPool(HIVE, 15 * COIN);
        settle(leaf(2, _NOW + 96, -30_000_000));
        vm.prank(OWNER);
        closing.withdrawPool(HIVE);
        assertEq(coin.balanceOf(OWNER), 5 * COIN, "at most what the pool has");
        assertEq(pool().pending, 0, "request used");
        assertConserved(3);
    }

    function test_terms_bind_from_their_slot_after_thirty_days() public {
        uint32 from = _NOW + 30 * 96;
        HiveTerms memory next = terms(2, from);
        next.maxPrice = 2_000_000;
        Signature memory sig = signHash(QUEEN_KEY, Messages.hash(next));
        vm.expectRevert(abi.encodeWithSelector(S.NotOwner.selector, HIVE, address(this)));
        closing.setTerms(next, sig);
        vm.prank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(S.InvalidSignature.selector, queen));
        closing.setTerms(next, Signature(sig.r, 0));
        vm.prank(OWNER);
        closing.setTerms(next, sig);
        vm.prank(OWNER);
        refuse(S.TermsVersionNotNewer.selector, 2, 2);
        closing.setTerms(next, sig);
        next.fromSlot = from - 1;
        vm.prank(OWNER);
        refuse(S.NoticeTooShort.selector, from - 1, from);
        closing.setTerms(next, sig);
        vm.warp(uint256(from + 1) * 900);
        settle(bytes.concat(leaf(1, from - 2, 0), leaf(2, from - 1, 0)));
        assertEq(settle(leaf(1, from - 1, 5_000_001)), 8, "the old limit before");
        assertEq(settle(leaf(2, from, 10_000_001)), 8, "the new limit");
        assertEq(settle(leaf(2, from, 10_000_000)), 0, "from its slot on");
        next = terms(3, from + 1 + 30 * 96);
        sig = signHash(QUEEN_KEY, Messages.hash(next));
        vm.prank(OWNER);
        closing.setTerms(next, sig);
        assertEq(settlement.hiveInfo(HIVE).maxPrice, 2_000_000, "the second terms became the first");
        assertEq(settlement.hiveInfo(HIVE).nextTerms, Messages.hash(next), "the third are next");
    }

    function test_a_new_queen_needs_a_days_notice_from_the_owner() public {
        vm.expectRevert(abi.encodeWithSelector(S.NotOwner.selector, HIVE, address(this)));
        closing.setQueen(HIVE, STRANGER, _NOW + 96);
        vm.prank(OWNER);
        refuse(S.NoticeTooShort.selector, _NOW + 95, _NOW + 96);
        closing.setQueen(HIVE, STRANGER, _NOW + 95);
        vm.prank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(S.ZeroAddress.selector));
        closing.setQueen(HIVE, address(0), _NOW + 96);
        vm.prank(OWNER);
        closing.setQueen(HIVE, STRANGER, _NOW + 96);
        vm.prank(OWNER);
        closing.setQueen(HIVE, vm.addr(NEXT_QUEEN_KEY), _NOW + 97);
        assertEq(settlement.queenOf(HIVE, _NOW + 96), queen, "the announced key was replaced, the old one stays");
        assertEq(settlement.queenOf(HIVE, _NOW + 97), vm.addr(NEXT_QUEEN_KEY), "new");
    }

    function test_an_old_queens_statements_stay_good_for_forty_four_days() public {
        vm.startPrank(OWNER);
        closing.setQueen(HIVE, vm.addr(NEXT_QUEEN_KEY), _NOW + 96);
        uint256 until = uint256(_NOW + 96) * 900 + 44 days;
        vm.warp(until - 1);
        refuse(S.TooEarly.selector, until);
        closing.setQueen(HIVE, STRANGER, uint32(until / 900 + 200));
        assertEq(settlement.queenOf(HIVE, _NOW), queen, "not forgotten");
        vm.warp(until);
        closing.setQueen(HIVE, STRANGER, uint32(until / 900 + 96));
        vm.stopPrank();
        assertEq(settlement.queenOf(HIVE, _NOW), vm.addr(NEXT_QUEEN_KEY), "then it may be");
    }

    function test_registering_is_checked_and_only_for_the_list() public {
        vm.expectRevert(abi.encodeWithSelector(S.NotBeekeeper.selector, address(this)));
        closing.registerHive(2, OWNER, coin, queen, 3 days, hiveTerms(2), 0);
        vm.expectRevert(abi.encodeWithSelector(S.NotBeekeeper.selector, address(this)));
        closing.tellFrozen(HIVE);
        refuse(S.HiveExists.selector, HIVE);
        list.createHive(HIVE, OWNER, coin, queen, 3 days, terms(1, 0));
        refuse(S.UnknownHive.selector, 0);
        list.createHive(0, OWNER, coin, queen, 3 days, hiveTerms(0));
        vm.expectRevert(abi.encodeWithSelector(S.WindowOutOfRange.selector, 1 hours, 6 hours, 7 days));
        list.createHive(2, OWNER, coin, queen, 1 hours, hiveTerms(2));
        refuse(S.WrongHive.selector, 2, 1);
        list.createHive(2, OWNER, coin, queen, 3 days, terms(1, 0));
        vm.expectRevert(abi.encodeWithSelector(S.ZeroAddress.selector));
        list.createHive(2, OWNER, coin, address(0), 3 days, hiveTerms(2));
        HiveTerms memory unbounded = hiveTerms(2);
        unbounded.maxPowerW = 0;
        vm.expectRevert(abi.encodeWithSelector(S.TermsUnbounded.selector));
        list.createHive(2, OWNER, coin, queen, 3 days, unbounded);
        TestCoin five = new TestCoin(address(this), 5);
        refuse(S.UnsupportedDecimals.selector, 5);
        list.createHive(2, OWNER, five, queen, 3 days, hiveTerms(2));
        TestCoin six = new TestCoin(address(this), 6);
        list.createHive(2, OWNER, six, queen, 3 days, hiveTerms(2));
        assertEq(settlement.hiveInfo(2).scale, 1, "six decimals are micro-coins");
        assertEq(settlement.hiveInfo(HIVE).scale, SCALE, "eighteen");
    }

    function test_the_fee_is_capped_and_set_by_the_timelock() public {
        vm.expectRevert(abi.encodeWithSelector(S.NotTimelock.selector, address(this)));
        closing.setFeeBps(1);
        vm.prank(TIMELOCK);
        refuse(S.FeeTooHigh.selector, 101, 100);
        closing.setFeeBps(101);
        vm.expectRevert(abi.encodeWithSelector(S.ZeroAddress.selector));
        new SettlementClosing(list, address(0), TIMELOCK, 0);
    }

    function test_the_list_is_kept_by_its_owner() public {
        vm.expectRevert(abi.encodeWithSelector(MeterList.SettlementAlreadySet.selector, address(settlement)));
        list.setSettlement(ISettlementBook(address(settlement)));
        vm.expectRevert(abi.encodeWithSelector(MeterList.MeterAlreadyInHive.selector, vm.addr(1), HIVE));
        listMeter(vm.addr(1), OWNER);
        list.dropMeter(vm.addr(1));
        (uint32 place,,) = list.placeOf(vm.addr(1));
        assertEq(place, 0, "dropped");
        vm.expectRevert(abi.encodeWithSelector(MeterList.MeterUnknown.selector, vm.addr(1)));
        list.dropMeter(vm.addr(1));
        refuse(MeterList.LengthsDiffer.selector, 1, 0);
        list.listMeters(HIVE, new address[](1), new address[](0));
        vm.prank(STRANGER);
        vm.expectRevert();
        list.freezeHive(HIVE);
    }

    function test_a_meter_owned_by_nobody_or_by_this_contract_opens_no_account() public {
        address meter = vm.addr(77);
        listMeter(meter, address(settlement));
        refuse(S.ZeroAddress.selector);
        settlement.deposit(HIVE, meter, COIN);
    }

    function test_vectors_hash_as_in_python() public view {
        string memory json = vm.readFile("../tests/golden/vectors_eip712.json");
        for (uint256 i = 0; i < 3; ++i) {
            string memory path = string.concat(".vectors[", i == 0 ? "0" : i == 1 ? "1" : "2", "]");
            assertEq(statementHash(json, path), vm.parseJsonBytes32(json, string.concat(path, ".struct_hash")), path);
        }
        assertEq(
            Messages.hashBatch(
                uint32(field(json, ".vectors[3].fields.hive")), uint32(field(json, ".vectors[3].fields.slot")),
                uint32(field(json, ".vectors[3].fields.batch")),
                vm.parseJsonBytes32(json, ".vectors[3].fields.packed")
            ), vm.parseJsonBytes32(json, ".vectors[3].struct_hash"), "SettleBatch"
        );
        PayoutAddress memory payout = PayoutAddress(
            uint32(field(json, ".vectors[4].fields.hive")), vm.parseJsonAddress(json, ".vectors[4].fields.worker"),
            vm.parseJsonAddress(json, ".vectors[4].fields.payout"), uint32(field(json, ".vectors[4].fields.serial"))
        );
        assertEq(Messages.hash(payout), vm.parseJsonBytes32(json, ".vectors[4].struct_hash"), "PayoutAddress");
        assertEq(termsHash(json, ".vectors[5]"), vm.parseJsonBytes32(json, ".vectors[5].struct_hash"), "HiveTerms");
    }

    function field(string memory json, string memory key) private pure returns (uint256) {
        return vm.parseJsonUint(json, key);
    }

    function statementHash(string memory json, string memory path) private pure returns (bytes32) {
        string memory f = string.concat(path, ".fields.");
        return keccak256(
            abi.encode(
                Messages.STATEMENT_TYPEHASH, field(json, string.concat(f, "hive")),
                vm.parseJsonAddress(json, string.concat(f, "worker")), field(json, string.concat(f, "slot")),
                vm.parseJsonInt(json, string.concat(f, "net")), field(json, string.concat(f, "imported")),
                field(json, string.concat(f, "exported")), vm.parseJsonBytes32(json, string.concat(f, "readings"))
            )
        );
    }

    function termsHash(string memory json, string memory path) private pure returns (bytes32) {
        string memory f = string.concat(path, ".fields.");
        HiveTerms memory t;
        t.hive = uint32(field(json, string.concat(f, "hive")));
        t.version = uint32(field(json, string.concat(f, "version")));
        t.fromSlot = uint32(field(json, string.concat(f, "fromSlot")));
        t.tariff = vm.parseJsonBytes32(json, string.concat(f, "tariff"));
        t.theta = uint16(field(json, string.concat(f, "theta")));
        t.fee = uint16(field(json, string.concat(f, "fee")));
        t.platformBps = uint16(field(json, string.concat(f, "platformBps")));
        t.maxPrice = uint64(field(json, string.concat(f, "maxPrice")));
        t.maxPowerW = uint32(field(json, string.concat(f, "maxPowerW")));
        t.islandCeiling = uint64(field(json, string.concat(f, "islandCeiling")));
        t.coverDays = uint8(field(json, string.concat(f, "coverDays")));
        return Messages.hash(t);
    }

    function hiveTerms(uint32 hive) private pure returns (HiveTerms memory made) {
        made = terms(1, 0);
        made.hive = hive;
    }
}

/// A list whose Hive is not active.
contract OfflineList is IMeterList {
    function register(EnergySettlement settlement, IERC20Metadata coin, HiveTerms calldata terms) external {
        ISettlementBook(address(settlement)).registerHive(1, address(1), coin, address(2), 3 days, terms, 0);
    }

    function placeOf(address) external pure returns (uint32, bool, address) {
        return (1, false, address(3));
    }
}
