// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IHiveReader} from "../src/interfaces/IHiveReader.sol";
import {AccountInfo, HiveInfo} from "../src/types/Hive.sol";
import {Signature} from "../src/types/Messages.sol";
import {Base} from "./Base.sol";

/// The cheat codes that only the tests of the smaller contracts use.
interface VmMore {
    function etch(address target, bytes calldata code) external;
    function parseJsonString(string calldata json, string calldata key) external pure returns (string memory);
    function startPrank(address sender) external;
    function stopPrank() external;
}

/// @title What EnergySettlement answers about Hives, set by hand, so that each value can be tried.
contract SettlementDouble is IHiveReader {
    mapping(uint32 hive => HiveInfo) private _hives;
    mapping(uint32 hive => mapping(address worker => address)) private _payouts;
    mapping(address meter => bool) public isBanned;

    function setHive(uint32 hive, address coin, uint40 scale, address owner, address queen) external {
        HiveInfo storage info = _hives[hive];
        (info.coin, info.scale, info.owner, info.queen) = (coin, scale, owner, queen);
    }

    function setQueen(uint32 hive, address queen, uint32 fromSlot) external {
        HiveInfo storage info = _hives[hive];
        (info.previousQueen, info.queen, info.queenFromSlot) = (info.queen, queen, fromSlot);
    }

    function setFrozen(uint32 hive, bool frozen) external {
        _hives[hive].frozen = frozen;
    }

    function setPayout(uint32 hive, address worker, address payout) external {
        _payouts[hive][worker] = payout;
    }

    function setBanned(address meter) external {
        isBanned[meter] = true;
    }

    function hiveInfo(uint32 hive) external view returns (HiveInfo memory) {
        return _hives[hive];
    }

    function queenOf(uint32 hive, uint32 slot) external view returns (address) {
        HiveInfo storage info = _hives[hive];
        return slot < info.queenFromSlot ? info.previousQueen : info.queen;
    }

    function account(uint32 hive, address worker) external view returns (AccountInfo memory info) {
        info.payout = _payouts[hive][worker];
    }
}

/// @title A coin that takes a hundredth of every transfer from who receives it.
contract TollCoin is ERC20 {
    constructor() ERC20("Toll", "TOLL") {
        _mint(msg.sender, 1e30);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0)) super._update(to, address(0xFEE), value / 100);
    }
}

/// @title A coin that takes a hundredth on top from who sends it, once armed.
contract GreedyCoin is ERC20 {
    bool public armed;

    constructor() ERC20("Greedy", "GREED") {
        _mint(msg.sender, 1e30);
    }

    function arm() external {
        armed = true;
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (armed) super._update(from, address(0xFEE), value / 100);
    }
}

/// @title A coin that makes one call before every transfer and keeps the answer: the hook that comes too early.
contract ReentrantCoin is ERC20 {
    address private _target;
    bytes private _call;
    bytes public answer;
    bool public succeeded;

    constructor() ERC20("Reentrant", "RE") {
        _mint(msg.sender, 1e30);
    }

    function arm(address target, bytes calldata call_) external {
        (_target, _call) = (target, call_);
    }

    function _update(address from, address to, uint256 value) internal override {
        address target = _target;
        if (target != address(0)) {
            _target = address(0);
            (succeeded, answer) = target.call(_call);
        }
        super._update(from, to, value);
    }
}

/// @title A coin that answers nothing to transfers and refuses one address.
contract SilentCoin {
    mapping(address account => uint256) public balanceOf;
    mapping(address account => mapping(address spender => uint256)) public allowance;
    address public blocked;

    error Blocked();

    constructor() {
        balanceOf[msg.sender] = 1e30;
    }

    function setBlocked(address account) external {
        blocked = account;
    }

    function approve(address spender, uint256 value) external {
        allowance[msg.sender][spender] = value;
    }

    function transfer(address to, uint256 value) external {
        _move(msg.sender, to, value);
    }

    function transferFrom(address from, address to, uint256 value) external {
        allowance[from][msg.sender] -= value;
        _move(from, to, value);
    }

    function _move(address from, address to, uint256 value) private {
        if (to == blocked) revert Blocked();
        balanceOf[from] -= value;
        balanceOf[to] += value;
    }
}

/// @title Signing and a Hive on the double. Keys 1, 2, 3 (Workers), 11 (Queen), 12 (next Queen) are published test
/// keys and worth nothing.
abstract contract HiveDoubles is Base {
    VmMore internal constant more = VmMore(address(vm));
    uint32 internal constant HIVE = 7;
    uint32 internal constant SLOT = 2_222_222;
    uint256 internal constant QUEEN_KEY = 11;
    uint256 internal constant NEXT_QUEEN_KEY = 12;
    address internal constant OWNER = address(0x0E);
    address internal constant TIMELOCK = address(0x71E);
    address internal constant STRANGER = address(0x57A);
    uint40 internal constant SCALE = 1e12;
    uint256 internal constant COIN = 1e18;

    function sign(uint256 key, bytes32 digest) internal pure returns (Signature memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return Signature(r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
    }

    function refuse(bytes memory reason) internal {
        vm.expectRevert(reason);
    }
}
