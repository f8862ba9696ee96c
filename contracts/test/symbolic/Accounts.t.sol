// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EnergySettlement} from "../../src/EnergySettlement.sol";
import {MeterList} from "../../src/MeterList.sol";
import {TestCoin} from "../../src/TestCoin.sol";
import {ISettlementClosing} from "../../src/interfaces/ISettlementClosing.sol";
import {ISettlementBook} from "../../src/interfaces/ISettlementBook.sol";
import {AccountInfo} from "../../src/types/Hive.sol";
import {CloseRequest, HiveTerms, Signature, Statement, WithdrawPermit} from "../../src/types/Messages.sol";

/// The cheat codes that the prover knows.
interface Prover {
    function assume(bool holds) external pure;
    function getCode(string calldata artifact) external view returns (bytes memory);
    function store(address target, bytes32 slot, bytes32 value) external;
    function load(address target, bytes32 slot) external view returns (bytes32);
    function warp(uint256 time) external;
    function prank(address sender) external;
}

/// @title Invariants 2 and 3, proven for one call from any account that could be there.
/// @notice A check holds for EVERY value of its arguments: the account's word and, where one runs, the close's word are
/// arbitrary but for what the invariants promise themselves (nothing spent below zero; a shown state not below the
/// account's). Signatures are arbitrary too: the prover lets the recovery give any address it likes. Bounds: one Hive
/// with a pool of 50 coins, no bond and no mother, one Worker, one leaf in a batch, one moment. The code is the released
/// bytes. Not here, because they run the same code: settleFor (settle), depositWithPermit (deposit), startCloseStale
/// (startClose on the stored state). setPayout changes one flag of a closed account.
contract AccountsSymbolicTest {
    Prover private constant vm = Prover(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint32 private constant HIVE = 1;
    uint32 private constant OPENED = 2_222_222;
    uint32 private constant NOW = OPENED + 96;
    address private constant WORKER = address(0xB0B0);
    address private constant QUEEN = address(0xBEE);
    address private constant PAYOUT = address(0xFA7);
    /// Places of the mappings in the storage of both pieces of code; setUp checks them.
    uint256 private constant ACCOUNTS = 4;
    uint256 private constant EXTRAS = 5;
    uint256 private constant CLOSES = 7;
    uint256 private constant LIES = 8;
    /// The flag in a close's word that says its starter has lied.
    uint256 private constant LIED = 8 << 240;
    uint8 private constant CLOSED = 3;
    int64 private constant MIN_PENALTY = 1_000_000;

    EnergySettlement private settlement;
    ISettlementClosing private closing;
    bytes32 private accountPlace;
    bytes32 private extraPlace;
    bytes32 private closePlace;
    bytes32 private liePlace;

    function setUp() public {
        vm.warp(uint256(OPENED) * 900);
        address list = made("MeterList", abi.encode(address(this)));
        bytes memory authorities = abi.encode(list, address(0x7EA), address(0x71E), uint16(20));
        address piece = made("SettlementClosing", authorities);
        settlement = EnergySettlement(
            made("EnergySettlement", bytes.concat(authorities, abi.encode(piece)))
        );
        closing = ISettlementClosing(address(settlement));
        MeterList(list).setSettlement(ISettlementBook(address(settlement)));
        TestCoin coin = TestCoin(made("TestCoin", abi.encode(address(this), uint8(6))));
        HiveTerms memory terms =
            HiveTerms(HIVE, 1, 0, bytes32(uint256(1)), 500, 20, 20, 1_000_000, 20_000, 1_000_000, 2);
        MeterList(list).createHive(HIVE, address(this), coin, QUEEN, 3 days, terms);
        address[] memory meters = new address[](1);
        address[] memory owners = new address[](1);
        (meters[0], owners[0]) = (WORKER, PAYOUT);
        MeterList(list).listMeters(HIVE, meters, owners);
        coin.mint(address(this), 1e15);
        coin.approve(address(settlement), type(uint256).max);
        settlement.deposit(HIVE, WORKER, 100e6);
        settlement.fundPool(HIVE, 50e6);
        vm.warp(uint256(NOW) * 900);
        accountPlace = keccak256(abi.encode(WORKER, keccak256(abi.encode(HIVE, ACCOUNTS))));
        extraPlace = keccak256(abi.encode(WORKER, keccak256(abi.encode(HIVE, EXTRAS))));
        closePlace = keccak256(abi.encode(WORKER, keccak256(abi.encode(HIVE, CLOSES))));
        liePlace = keccak256(abi.encode(WORKER, keccak256(abi.encode(HIVE, LIES))));
        uint256 word = uint256(vm.load(address(settlement), accountPlace));
        require(uint64(word) == 100e6 && uint24(word >> 224) == OPENED, "another storage layout");
        require(address(uint160(uint256(vm.load(address(settlement), extraPlace)))) == PAYOUT, "another layout");
    }

    // ---- One check for each way an account changes: it holds. One witness beside it: it is not empty
    // A witness claims that the call never succeeds with a real change at the very border; the prover must refute it.

    function check_settle(uint256 word, uint24 mark, Statement calldata s, Signature calldata sigW) external {
        AccountInfo memory before = arbitrary(word);
        arbitraryMark(mark);
        settles(s, sigW);
        assertHolds(before);
    }

    function witness_settle(uint256 word, uint24 mark, Statement calldata s, Signature calldata sigW) external {
        AccountInfo memory before = arbitrary(word);
        arbitraryMark(mark);
        bool done = settles(s, sigW);
        assert(!done || !spentToTheLast(before));
    }

    function check_applyStatement(
        uint256 word,
        uint24 mark,
        Statement calldata s,
        Signature calldata sigW,
        Signature calldata sigQ
    ) external {
        AccountInfo memory before = arbitrary(word);
        arbitraryMark(mark);
        applies(s, sigW, sigQ);
        assertHolds(before);
    }

    function witness_applyStatement(
        uint256 word,
        uint24 mark,
        Statement calldata s,
        Signature calldata sigW,
        Signature calldata sigQ
    ) external {
        AccountInfo memory before = arbitrary(word);
        arbitraryMark(mark);
        bool done = applies(s, sigW, sigQ);
        assert(!done || !spentToTheLast(before));
    }

    function check_withdraw(uint256 word, WithdrawPermit calldata permit, Signature calldata sigQ) external {
        AccountInfo memory before = arbitrary(word);
        withdraws(permit, sigQ);
        assertHolds(before);
    }

    /// As far down as the Hive's minimum for a penalty.
    function witness_withdraw(uint256 word, WithdrawPermit calldata permit, Signature calldata sigQ) external {
        AccountInfo memory before = arbitrary(word);
        bool done = withdraws(permit, sigQ);
        AccountInfo memory now_ = settlement.account(HIVE, WORKER);
        assert(!done || now_.funding == before.funding || now_.funding - now_.net != MIN_PENALTY);
    }

    function check_deposit(uint256 word, uint256 amount) external {
        AccountInfo memory before = arbitrary(word);
        deposits(amount);
        assertHolds(before);
    }

    /// Into a closed account, which it opens again.
    function witness_deposit(uint256 word, uint256 amount) external {
        AccountInfo memory before = arbitrary(word);
        bool done = deposits(amount);
        AccountInfo memory now_ = settlement.account(HIVE, WORKER);
        assert(!done || before.state != CLOSED || now_.slot == before.slot || now_.funding == before.funding);
    }

    function check_startClose(
        uint256 word,
        CloseRequest calldata r,
        Signature calldata sig,
        Statement calldata s,
        Signature calldata sigW,
        Signature calldata sigQ
    ) external {
        AccountInfo memory before = arbitrary(word);
        starts(r, sig, s, sigW, sigQ);
        assertHolds(before);
        assertShown();
    }

    function witness_startClose(
        uint256 word,
        CloseRequest calldata r,
        Signature calldata sig,
        Statement calldata s,
        Signature calldata sigW,
        Signature calldata sigQ
    ) external {
        arbitrary(word);
        bool done = starts(r, sig, s, sigW, sigQ);
        assert(!done || !showsTheLast());
    }

    function check_startCloseStored(uint256 word, CloseRequest calldata r, Signature calldata sig) external {
        AccountInfo memory before = arbitrary(word);
        startsStored(r, sig);
        assertHolds(before);
        assertShown();
    }

    function witness_startCloseStored(uint256 word, CloseRequest calldata r, Signature calldata sig) external {
        arbitrary(word);
        assert(!startsStored(r, sig));
    }

    function check_contest(
        uint256 word,
        uint256 close,
        Statement calldata s,
        Signature calldata sigW,
        Signature calldata sigQ
    ) external {
        AccountInfo memory before = arbitrary(word);
        arbitraryClose(before, close);
        contests(s, sigW, sigQ);
        assertHolds(before);
        assertShown();
        assert(uint24(shown() >> 160) >= uint24(close >> 160));
    }

    function witness_contest(
        uint256 word,
        uint256 close,
        Statement calldata s,
        Signature calldata sigW,
        Signature calldata sigQ
    ) external {
        AccountInfo memory before = arbitrary(word);
        arbitraryClose(before, close);
        bool done = contests(s, sigW, sigQ);
        assert(!done || !showsTheLast() || uint24(shown() >> 160) == uint24(close >> 160));
    }

    function check_finishClose(uint256 word, uint256 close) external {
        AccountInfo memory before = arbitrary(word);
        arbitraryClose(before, close);
        vm.assume(close & LIED == 0);
        finishes();
        assertHolds(before);
    }

    function witness_finishClose(uint256 word, uint256 close) external {
        AccountInfo memory before = arbitrary(word);
        arbitraryClose(before, close);
        vm.assume(close & LIED == 0);
        bool done = finishes();
        assert(!done || !spentToTheLast(before));
    }

    function check_finishCloseAfterALie(uint256 word, uint256 close, int64 shownNet) external {
        AccountInfo memory before = arbitrary(word);
        arbitraryClose(before, close);
        arbitraryLie(close, shownNet);
        finishes();
        assertHolds(before);
    }

    function witness_finishCloseAfterALie(uint256 word, uint256 close, int64 shownNet) external {
        AccountInfo memory before = arbitrary(word);
        arbitraryClose(before, close);
        arbitraryLie(close, shownNet);
        bool done = finishes();
        assert(!done || !spentToTheLast(before));
    }

    function check_closeAgreed(
        uint256 word,
        Statement calldata s,
        uint64 payout,
        uint48 deadline,
        Signature calldata sigW,
        Signature calldata sigQ
    ) external {
        AccountInfo memory before = arbitrary(word);
        agrees(s, payout, deadline, sigW, sigQ);
        assertHolds(before);
    }

    function witness_closeAgreed(
        uint256 word,
        Statement calldata s,
        uint64 payout,
        uint48 deadline,
        Signature calldata sigW,
        Signature calldata sigQ
    ) external {
        AccountInfo memory before = arbitrary(word);
        bool done = agrees(s, payout, deadline, sigW, sigQ);
        assert(!done || !spentToTheLast(before));
    }

    function check_claimLate(
        uint256 word,
        uint24 mark,
        Statement calldata s,
        Signature calldata sigW,
        Signature calldata sigQ
    ) external {
        AccountInfo memory before = arbitrary(word);
        arbitraryMark(mark);
        claims(s, sigW, sigQ);
        assertHolds(before);
    }

    function witness_claimLate(
        uint256 word,
        uint24 mark,
        Statement calldata s,
        Signature calldata sigW,
        Signature calldata sigQ
    ) external {
        AccountInfo memory before = arbitrary(word);
        arbitraryMark(mark);
        bool done = claims(s, sigW, sigQ);
        assert(!done || !spentToTheLast(before));
    }

    // ---- The calls, each with whether it was done

    function settles(Statement calldata s, Signature calldata sigW) private returns (bool) {
        bytes memory leaf =
            abi.encodePacked(WORKER, s.slot, s.net, s.imported, s.exported, s.readings, sigW.r, sigW.vs);
        vm.prank(QUEEN);
        try settlement.settle(HIVE, NOW, leaf) returns (uint32 applied) {
            return applied == 1;
        } catch {
            return false;
        }
    }

    function applies(Statement calldata s, Signature calldata sigW, Signature calldata sigQ) private returns (bool) {
        try settlement.applyStatement(HIVE, ofWorker(s), sigW, sigQ) returns (uint8 reason) {
            return reason == 0;
        } catch {
            return false;
        }
    }

    function withdraws(WithdrawPermit calldata permit, Signature calldata sigQ) private returns (bool) {
        WithdrawPermit memory own = permit;
        (own.hive, own.worker) = (HIVE, WORKER);
        vm.prank(PAYOUT);
        try closing.withdraw(own, sigQ) {
            return true;
        } catch {
            return false;
        }
    }

    function deposits(uint256 amount) private returns (bool) {
        try settlement.deposit(HIVE, WORKER, amount) {
            return true;
        } catch {
            return false;
        }
    }

    function starts(
        CloseRequest calldata r,
        Signature calldata sig,
        Statement calldata s,
        Signature calldata sigW,
        Signature calldata sigQ
    ) private returns (bool) {
        CloseRequest memory own = r;
        (own.hive, own.worker) = (HIVE, WORKER);
        try settlement.startClose(own, sig, ofWorker(s), sigW, sigQ) {
            return true;
        } catch {
            return false;
        }
    }

    function startsStored(CloseRequest calldata r, Signature calldata sig) private returns (bool) {
        CloseRequest memory own = r;
        (own.hive, own.worker) = (HIVE, WORKER);
        try settlement.startClose(own, sig) {
            return true;
        } catch {
            return false;
        }
    }

    function contests(Statement calldata s, Signature calldata sigW, Signature calldata sigQ) private returns (bool) {
        try settlement.contest(ofWorker(s), sigW, sigQ) {
            return true;
        } catch {
            return false;
        }
    }

    function finishes() private returns (bool) {
        try settlement.finishClose(HIVE, WORKER) {
            return true;
        } catch {
            return false;
        }
    }

    function agrees(
        Statement calldata s,
        uint64 payout,
        uint48 deadline,
        Signature calldata sigW,
        Signature calldata sigQ
    ) private returns (bool) {
        try settlement.closeAgreed(ofWorker(s), payout, deadline, sigW, sigQ) {
            return true;
        } catch {
            return false;
        }
    }

    function claims(Statement calldata s, Signature calldata sigW, Signature calldata sigQ) private returns (bool) {
        try closing.claimLate(ofWorker(s), sigW, sigQ) {
            return true;
        } catch {
            return false;
        }
    }

    // ---- Any account, any close, and what must hold

    /// Puts any account there whose spendable is not below zero and whose slot is not in the future.
    function arbitrary(uint256 word) private returns (AccountInfo memory before) {
        vm.store(address(settlement), accountPlace, bytes32(word));
        before = settlement.account(HIVE, WORKER);
        vm.assume(before.net <= before.funding);
        vm.assume(before.slot <= NOW);
    }

    /// Any slot in which the account could have become OWED or been closed.
    function arbitraryMark(uint24 mark) private {
        vm.store(address(settlement), extraPlace, bytes32((uint256(mark) << 224) | uint160(PAYOUT)));
        vm.assume(mark <= NOW);
    }

    /// Puts any close there that a start or a contest could have left.
    function arbitraryClose(AccountInfo memory account, uint256 close) private {
        vm.store(address(settlement), closePlace, bytes32(close));
        vm.assume(int64(uint64(close)) <= account.funding);
        vm.assume(uint48(close >> 64) >= account.imported);
        vm.assume(uint48(close >> 112) >= account.exported);
        vm.assume(uint24(close >> 160) >= account.slot);
    }

    /// Makes the close one whose starter, Worker or Queen, has lied, about any net.
    function arbitraryLie(uint256 close, int64 shownNet) private {
        vm.assume(close & LIED != 0);
        vm.assume(close >> 240 & 1 != close >> 241 & 1);
        vm.store(address(settlement), liePlace, bytes32((uint256(uint64(shownNet)) << 160) | uint160(PAYOUT)));
    }

    /// Whether a call has moved the account on, and to where nothing is spendable.
    function spentToTheLast(AccountInfo memory before) private view returns (bool) {
        AccountInfo memory now_ = settlement.account(HIVE, WORKER);
        bool moved = now_.slot > before.slot && now_.imported > before.imported && now_.exported > before.exported;
        return moved && now_.net != before.net && now_.net == now_.funding;
    }

    /// Whether a close shows a state newer than the account's that leaves nothing spendable.
    function showsTheLast() private view returns (bool) {
        AccountInfo memory now_ = settlement.account(HIVE, WORKER);
        uint256 close = shown();
        bool newer = uint24(close >> 160) > now_.slot && uint48(close >> 64) > now_.imported;
        return newer && int64(uint64(close)) != now_.net && int64(uint64(close)) == now_.funding;
    }

    /// The close's word; 0 when none runs.
    function shown() private view returns (uint256) {
        return uint256(vm.load(address(settlement), closePlace));
    }

    /// Invariants 2 and 3.
    function assertHolds(AccountInfo memory before) private view {
        AccountInfo memory now_ = settlement.account(HIVE, WORKER);
        assert(now_.net <= now_.funding);
        assert(now_.slot >= before.slot);
        assert(now_.imported >= before.imported);
        assert(now_.exported >= before.exported);
    }

    /// What `arbitraryClose` takes for granted is what starts and contests leave behind.
    function assertShown() private view {
        AccountInfo memory account = settlement.account(HIVE, WORKER);
        uint256 close = shown();
        if (close == 0) return;
        assert(int64(uint64(close)) <= account.funding);
        assert(uint48(close >> 64) >= account.imported);
        assert(uint48(close >> 112) >= account.exported);
        assert(uint24(close >> 160) >= account.slot);
    }

    function ofWorker(Statement calldata s) private pure returns (Statement memory own) {
        own = s;
        (own.hive, own.worker) = (HIVE, WORKER);
    }

    /// Makes a contract from the build that these checks belong to. The prover looks a bare name up in `out`, which
    /// may hold another build: then it would prove something about other bytes, whatever the sources say.
    function made(string memory name, bytes memory arguments) private returns (address at_) {
        string memory artifact = string.concat("cache/symbolic/out/", name, ".sol/", name, ".json");
        bytes memory code = bytes.concat(vm.getCode(artifact), arguments);
        assembly ("memory-safe") {
            at_ := create(0, add(code, 32), mload(code))
        }
        require(at_ != address(0), name);
    }
}
