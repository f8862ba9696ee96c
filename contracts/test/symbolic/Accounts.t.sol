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
/// with a pool of 50 coins, one Worker, one leaf in a batch, one moment. The code is the released bytes.
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
    uint256 private constant CLOSES = 7;

    EnergySettlement private settlement;
    ISettlementClosing private closing;
    bytes32 private accountPlace;
    bytes32 private closePlace;

    function setUp() public {
        vm.warp(uint256(OPENED) * 900);
        address list = made("MeterList.sol:MeterList", abi.encode(address(this)));
        bytes memory authorities = abi.encode(list, address(0x7EA), address(0x71E), uint16(20));
        address piece = made("SettlementClosing.sol:SettlementClosing", authorities);
        settlement = EnergySettlement(
            made("EnergySettlement.sol:EnergySettlement", bytes.concat(authorities, abi.encode(piece)))
        );
        closing = ISettlementClosing(address(settlement));
        MeterList(list).setSettlement(ISettlementBook(address(settlement)));
        TestCoin coin = TestCoin(made("TestCoin.sol:TestCoin", abi.encode(address(this), uint8(6))));
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
        closePlace = keccak256(abi.encode(WORKER, keccak256(abi.encode(HIVE, CLOSES))));
        uint256 word = uint256(vm.load(address(settlement), accountPlace));
        require(uint64(word) == 100e6 && uint24(word >> 224) == OPENED, "another storage layout");
    }

    // ---- One check for each way an account changes

    function check_settle(uint256 word, Statement calldata s, Signature calldata sigW) external {
        AccountInfo memory before = arbitrary(word);
        bytes memory leaf =
            abi.encodePacked(WORKER, s.slot, s.net, s.imported, s.exported, s.readings, sigW.r, sigW.vs);
        vm.prank(QUEEN);
        try settlement.settle(HIVE, NOW, leaf) returns (uint32) {} catch {}
        assertHolds(before);
    }

    function check_applyStatement(
        uint256 word,
        Statement calldata s,
        Signature calldata sigW,
        Signature calldata sigQ
    ) external {
        AccountInfo memory before = arbitrary(word);
        try settlement.applyStatement(HIVE, ofWorker(s), sigW, sigQ) returns (uint8) {} catch {}
        assertHolds(before);
    }

    function check_withdraw(uint256 word, WithdrawPermit calldata permit, Signature calldata sigQ) external {
        AccountInfo memory before = arbitrary(word);
        WithdrawPermit memory own = permit;
        (own.hive, own.worker) = (HIVE, WORKER);
        vm.prank(PAYOUT);
        try closing.withdraw(own, sigQ) {} catch {}
        assertHolds(before);
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
        CloseRequest memory own = r;
        (own.hive, own.worker) = (HIVE, WORKER);
        try settlement.startClose(own, sig, ofWorker(s), sigW, sigQ) {} catch {}
        assertHolds(before);
        assertShown();
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
        try settlement.contest(ofWorker(s), sigW, sigQ) {} catch {}
        assertHolds(before);
        assertShown();
    }

    function check_finishClose(uint256 word, uint256 close) external {
        AccountInfo memory before = arbitrary(word);
        arbitraryClose(before, close);
        try settlement.finishClose(HIVE, WORKER) {} catch {}
        assertHolds(before);
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
        try settlement.closeAgreed(ofWorker(s), payout, deadline, sigW, sigQ) {} catch {}
        assertHolds(before);
    }

    function check_claimLate(
        uint256 word,
        Statement calldata s,
        Signature calldata sigW,
        Signature calldata sigQ
    ) external {
        AccountInfo memory before = arbitrary(word);
        try closing.claimLate(ofWorker(s), sigW, sigQ) {} catch {}
        assertHolds(before);
    }

    // ---- Any account, any close, and what must hold

    /// Puts any account there whose spendable is not below zero and whose slot is not in the future.
    function arbitrary(uint256 word) private returns (AccountInfo memory before) {
        vm.store(address(settlement), accountPlace, bytes32(word));
        before = settlement.account(HIVE, WORKER);
        vm.assume(before.net <= before.funding);
        vm.assume(before.slot <= NOW);
    }

    /// Puts any close there that a start or a contest could have left.
    function arbitraryClose(AccountInfo memory account, uint256 close) private {
        vm.store(address(settlement), closePlace, bytes32(close));
        vm.assume(int64(uint64(close)) <= account.funding);
        vm.assume(uint48(close >> 64) >= account.imported);
        vm.assume(uint48(close >> 112) >= account.exported);
        vm.assume(uint24(close >> 160) >= account.slot);
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
        uint256 close = uint256(vm.load(address(settlement), closePlace));
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

    function made(string memory artifact, bytes memory arguments) private returns (address at_) {
        bytes memory code = bytes.concat(vm.getCode(artifact), arguments);
        assembly ("memory-safe") {
            at_ := create(0, add(code, 32), mload(code))
        }
        require(at_ != address(0), artifact);
    }
}
