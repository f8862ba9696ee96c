// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {Beekeeper} from "../../src/beekeeper/Beekeeper.sol";
import {HiveRecord, MeterInfo} from "../../src/beekeeper/BeekeeperTypes.sol";
import {MotherLink, PoolInfo} from "../../src/types/Hive.sol";
import {HiveTerms, PayoutAddress, Signature} from "../../src/types/Messages.sol";
import {Court} from "./Court.sol";
import {Handler} from "./Handler.sol";

/// @title Attacker: an owner who puts his Hive under a mother Hive of his own, to move the pool there at once.
contract MotherOwner is Handler {
    constructor(Court court_) Handler(court_) {}

    function actions() external pure override returns (bytes4[] memory) {
        return _list(this.link.selector, this.moveDue.selector, this.moveWithNotice.selector);
    }

    function link(uint256) external {
        uint32 serial = court.serials(2, 11) + 1;
        address account = _addr(11);
        (PayoutAddress memory p, Signature memory sig) = court.payoutAddress(2, 11, address(settlement));
        if (p.serial != serial) return;
        bytes memory call = abi.encodeCall(closing.linkMother, (1, 2, p, sig));
        court.mustNot(court.STRANGER(), call, 0, "a stranger linked a Hive");
        court.must(court.OWNER(), call);
        _tooMuch("a fresh link moved money");
        (p, sig) = court.payoutAddress(2, 11, court.OWNER());
        call = abi.encodeCall(closing.setPayout, (p, sig));
        court.mustNot(account, call, 0, "the payout of a Queen's account was turned to her owner");
        _did();
    }

    /// What the mother has settled since goes at once, by Queen or owner; a millionth more does not.
    function moveDue(uint256 seed) external {
        if (settlement.motherOf(1) == 0 || !_makeOpen(2, 11)) return;
        if (vm.getBlockTimestamp() < settlement.motherLink(1).since) court.pass(1 days);
        _settle(2, _leaf(_paperOf(2, 11, int256(1e6 + seed % 20e6), seed >> 64)));
        uint256 due = _due();
        if (due == 0) return;
        _tooMuch("an owner moved more than was due");
        address mover = seed % 2 == 0 ? court.OWNER() : _queen(1);
        if (due > _pool(1)) due = _pool(1);
        (bool ok,) = court.send(mover, abi.encodeCall(closing.moveToMother, (1, due * 1e12)));
        if (ok) _did();
    }

    function moveWithNotice(uint256 seed) external {
        if (settlement.motherOf(1) == 0 || !_makeOpen(2, 11)) return;
        uint256 amount = _due() + 1 + seed % 5e6;
        court.must(court.OWNER(), abi.encodeCall(closing.requestPoolWithdrawal, (1, amount * 1e12)));
        bytes memory call = abi.encodeCall(closing.moveToMother, (1, amount * 1e12));
        court.mustNot(court.OWNER(), call, 0, "a pool was moved without notice");
        court.pass(1 days);
        (bool ok,) = court.send(court.OWNER(), call);
        if (ok) _did();
    }

    function _due() private view returns (uint256) {
        MotherLink memory mother = settlement.motherLink(1);
        int256 due = int256(_account(2, 11).net) - mother.settledAside;
        return due <= 0 || vm.getBlockTimestamp() < mother.since ? 0 : uint256(due);
    }

    function _tooMuch(string memory what) private {
        PoolInfo memory pool = settlement.poolOf(1);
        if (pool.pending != 0 && pool.withdrawableAt <= vm.getBlockTimestamp()) return;
        uint256 amount = (_due() + 1) * 1e12;
        court.mustNot(court.OWNER(), abi.encodeCall(closing.moveToMother, (1, amount)), 0, what);
        court.mustNot(_queen(1), abi.encodeCall(closing.moveToMother, (1, amount)), 0, what);
    }
}

/// @title Attacker: an owner who takes the pool and the bond out.
contract DrainingOwner is Handler {
    constructor(Court court_) Handler(court_) {}

    function actions() external pure override returns (bytes4[] memory) {
        return _list(this.request.selector, this.withdraw.selector, this.takeWhileOwing.selector);
    }

    function request(uint256 seed) external {
        uint32 hive = uint32(1 + seed % 4);
        uint256 amount = (seed >> 8) % (_pool(hive) + 1);
        address owner = court.hiveOwner(hive);
        court.must(
            owner, abi.encodeCall(closing.requestPoolWithdrawal, (hive, amount * court.scaleOf(hive)))
        );
        bytes memory call = abi.encodeCall(closing.withdrawPool, (hive));
        court.mustNot(owner, call, 0, "a pool was taken without notice");
        if (seed % 3 != 0) court.pass(1 days);
        _did();
    }

    function withdraw(uint256 seed) external {
        uint32 hive = uint32(1 + seed % 4);
        PoolInfo memory pool = settlement.poolOf(hive);
        if (pool.pending == 0) return;
        bytes memory call = abi.encodeCall(closing.withdrawPool, (hive));
        court.mustNot(court.STRANGER(), call, 0, "a stranger took a pool");
        bool early = vm.getBlockTimestamp() < pool.withdrawableAt;
        address owner = court.hiveOwner(hive);
        if (early) return court.mustNot(owner, call, 0, "a pool was taken early");
        if (pool.owedAccounts != 0 || pool.claimsOpen != 0) {
            return court.mustNot(owner, call, 0, "a pool was taken while the Hive owes");
        }
        (bool ok,) = court.send(owner, call);
        if (ok) _did();
    }

    /// Announces everything, waits, and then somebody is owed: neither pool nor bond leaves.
    function takeWhileOwing(uint256 seed) external {
        if (!_makeOpen(3, 7)) return;
        _bond(3);
        address owner = court.EXPORT_OWNER();
        court.mustNot(owner, abi.encodeCall(closing.withdrawBond, (3)), 0, "a bond was taken from a living Hive");
        PoolInfo memory pool = settlement.poolOf(3);
        uint256 amount = uint256(pool.claimsOpen) + pool.feeDue + 1e6 + seed % 10e6;
        court.must(address(court), abi.encodeCall(settlement.fundPool, (3, amount)));
        court.must(owner, abi.encodeCall(closing.requestPoolWithdrawal, (3, _pool(3))));
        court.pass(1 days);
        _settle(3, _leaf(_paperOf(3, 7, -int256(_pool(3)) - 1, seed >> 64)));
        if (!_account(3, 7).owed) return;
        bytes memory call = abi.encodeCall(closing.withdrawPool, (3));
        court.mustNot(owner, call, 0, "a pool was taken while the Hive owes");
        _did();
    }
}

/// @title Owners at the Beekeeper: Hives made, grown, shrunk, split, merged, with meters that hold accounts and others.
contract Keeper is Handler {
    uint256 private constant _MOST_HIVES = 10;
    uint256 private constant _MOST_METERS = 12;
    uint256 private _next = 31;
    Beekeeper private immutable _keeper;

    constructor(Court court_) Handler(court_) {
        _keeper = court_.beekeeper();
    }

    function actions() external pure override returns (bytes4[] memory list) {
        list = new bytes4[](6);
        (list[0], list[1], list[2]) = (this.create.selector, this.add.selector, this.drop.selector);
        (list[3], list[4], list[5]) = (this.split.selector, this.merge.selector, this.moveOn.selector);
    }

    function create(uint256 seed) external {
        uint32 hive = _keeper.nextHive();
        if (hive > _MOST_HIVES) return;
        uint256 count = seed % 3;
        (uint256 required,) = _keeper.priceOf(count);
        address[] memory devices = new address[](count);
        bytes32[] memory points = new bytes32[](4);
        for (uint256 i = 0; i < 4; ++i) points[i] = keccak256(abi.encode("new", i));
        for (uint256 i = 0; i < count; ++i) devices[i] = _newMeter();
        (address owner, address coin, HiveTerms memory terms) =
            (court.OWNER(), address(court.euro()), court.terms(hive));
        vm.prank(owner);
        _keeper.createHive(required, owner, coin, devices, points, vm.addr(16), 3 days, terms);
        court.notePaid(required);
        _did();
    }

    function add(uint256 seed) external {
        uint32 hive = _hive(seed);
        if (hive <= 4) return;
        address meter = _newMeter();
        uint256 price = _keeper.prices().meterPrice;
        address owner = _keeper.getHiveInfo(hive).owner;
        vm.prank(owner);
        _keeper.addMeterToHive(hive, meter, keccak256(abi.encode("new", (seed >> 8) % 4)));
        court.notePaid(price);
        _did();
    }

    /// 10: a meter with an account that is not closed stays; any other leaves with its own stake.
    function drop(uint256 seed) external {
        address[] memory all = court.meters();
        address meter = all[seed % all.length];
        MeterInfo memory info = _keeper.meter(meter);
        if (info.hive == 0) return;
        uint8 state = settlement.account(info.hive, meter).state;
        // The world needs its own meters: seldom is one of them let go.
        if (court.keyOf(meter) < 30 && state != OPEN && state != CLOSING && seed % 16 != 0) return;
        address owner = _keeper.getHiveInfo(info.hive).owner;
        uint256 held = court.hvt().balanceOf(owner);
        bytes memory call = abi.encodeWithSignature("dropMeterFromHive(uint32,address)", info.hive, meter);
        vm.prank(owner);
        (bool ok,) = address(_keeper).call(call);
        if (ok && (state == OPEN || state == CLOSING)) court.breach(10, "a meter left its account behind");
        if (!ok) return;
        if (court.hvt().balanceOf(owner) - held < info.stake) court.breach(10, "a refund of another amount");
        _did();
    }

    function split(uint256 seed) external {
        (uint32 hive, uint32 made) = (_hive(seed), _keeper.nextHive());
        if (made > _MOST_HIVES) return;
        (uint256 required,) = _keeper.priceOf(0);
        address owner = _keeper.getHiveInfo(hive).owner;
        HiveTerms memory terms = court.terms(made);
        vm.prank(owner);
        _keeper.beginSplit(hive, required, vm.addr(16), 3 days, terms);
        court.notePaid(required);
        _did();
    }

    function merge(uint256 seed) external {
        (uint32 from, uint32 into) = (_hive(seed), _hive(seed >> 8));
        // HOME is never merged away: most attackers live there.
        if (from <= 4) return;
        address owner = _keeper.getHiveInfo(from).owner;
        vm.prank(owner);
        _keeper.beginMerge(from, into);
        _did();
    }

    /// Moves what may be moved and ends the change. 11: moving changes nobody's weight.
    function moveOn(uint256 seed) external {
        for (uint256 i = 0; i < _MOST_HIVES; ++i) {
            uint32 from = uint32(1 + (seed + i) % _MOST_HIVES);
            HiveRecord memory info = _keeper.getHiveInfo(from);
            if (info.changeTo == 0) continue;
            uint256 weight = court.votes().getVotes(info.owner);
            _moveMeters(from, info);
            if (court.votes().getVotes(info.owner) != weight) court.breach(11, "moving changed a weight");
            info = _keeper.getHiveInfo(from);
            vm.prank(info.owner);
            if (!info.merging) _keeper.finishSplit(from, info.changeTo);
            else if (info.meters == 0) _keeper.finishMerge(from, info.changeTo);
            else _keeper.cancelMerge(from, info.changeTo);
            return _did();
        }
    }

    function _moveMeters(uint32 from, HiveRecord memory info) private {
        address[] memory all = court.meters();
        address[] memory one = new address[](1);
        for (uint256 i = 0; i < all.length; ++i) {
            MeterInfo memory meter = _keeper.meter(all[i]);
            if (meter.hive != from || court.keyOf(all[i]) < 30) continue;
            one[0] = all[i];
            vm.prank(info.owner);
            _keeper.moveMeters(from, info.changeTo, one);
        }
    }

    function _newMeter() private returns (address) {
        uint256 key = _next < 31 + _MOST_METERS ? _next++ : 31;
        address meter = _addr(key);
        if (_keeper.meter(meter).owner == address(0)) court.certify(key);
        return meter;
    }

    function _hive(uint256 seed) private view returns (uint32) {
        return uint32(1 + seed % (_keeper.nextHive() - 1));
    }
}

/// @title Attacker: anybody who wants rights that a vote alone gives.
contract Intruder is Handler {
    /// @notice Where the code behind the proxy should be; changes with a call of the timelock only.
    address public implementation;
    bytes32 private constant _PLACE = 0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc;

    constructor(Court court_) Handler(court_) {
        implementation = stored();
    }

    function actions() external pure override returns (bytes4[] memory) {
        return _list(this.upgrade.selector, this.command.selector);
    }

    /// @notice The implementation as it is in the proxy's storage.
    function stored() public view returns (address) {
        return address(uint160(uint256(vm.load(address(court.beekeeper()), _PLACE))));
    }

    function upgrade(uint256 seed) external {
        Beekeeper beekeeper = court.beekeeper();
        address made = address(new Beekeeper(beekeeper.hivesCode()));
        bytes memory call = abi.encodeCall(UUPSUpgradeable.upgradeToAndCall, (made, ""));
        vm.prank(_somebody(seed));
        (bool ok,) = address(beekeeper).call(call);
        if (ok) court.breach(12, "somebody else upgraded the Beekeeper");
        vm.prank(court.TIMELOCK());
        (ok,) = address(beekeeper).call(call);
        if (ok) implementation = made;
        if (ok) _did();
    }

    /// What only the Beekeeper may tell EnergySettlement.
    function command(uint256 seed) external {
        address who = _somebody(seed);
        court.mustNot(who, abi.encodeWithSignature("tellFrozen(uint32)", 1), 0, "a Hive was frozen by a stranger");
        bytes memory call = abi.encodeWithSignature("wire(address,address)", who, who);
        vm.prank(who);
        (bool ok,) = address(court.beekeeper()).call(call);
        if (ok) court.breach(0, "the Beekeeper was wired again");
        _did();
    }

    function _somebody(uint256 seed) private view returns (address) {
        address[5] memory all =
            [court.OWNER(), court.STRANGER(), _addr(11), address(court), address(uint160(seed | 1 << 100))];
        return all[seed % 5];
    }
}
