// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {HiveShares} from "../src/HiveShares.sol";
import {ShareRevenue} from "../src/ShareRevenue.sol";
import {TestCoin} from "../src/TestCoin.sol";
import {SharedCall} from "../src/interfaces/IHiveShares.sol";
import {HiveDoubles} from "./HiveDoubles.sol";

/// @title Something an owner decides about: remembers who called and with what, or refuses.
contract Lever {
    address public puller;
    uint256 public value;

    error Stuck();

    function pull(uint256 value_) external {
        (puller, value) = (msg.sender, value_);
    }

    function jam() external pure {
        revert Stuck();
    }
}

/// @title Three owners of a Hive: 60, 30 and 10 of 100 shares, decisions in three days.
abstract contract HiveSharesFixture is HiveDoubles {
    address internal constant ANNA = address(0xA1);
    address internal constant BERT = address(0xB2);
    address internal constant CORA = address(0xC3);
    uint48 internal constant PERIOD = 3 days;

    HiveShares internal shares;
    ShareRevenue internal revenue;
    TestCoin internal coin;
    Lever internal lever;

    function setUp() public virtual {
        vm.warp(uint256(SLOT) * 900);
        coin = new TestCoin(address(this), 18);
        coin.mint(address(this), 1e40);
        lever = new Lever();
        shares = newShares(coinsOf(coin), platform());
        revenue = shares.revenue();
        later(1);
    }

    /// The governor the shares are made with; none is asked before a test of the platform's votes overrides it.
    function platform() internal virtual returns (IGovernor) {
        return IGovernor(address(0x60));
    }

    function newShares(IERC20[] memory coins, IGovernor governor) internal returns (HiveShares) {
        return new HiveShares("Hive One", "HIVE1", threeHolders(), threeAmounts(), PERIOD, governor, coins);
    }

    function threeHolders() internal pure returns (address[] memory holders) {
        holders = new address[](3);
        (holders[0], holders[1], holders[2]) = (ANNA, BERT, CORA);
    }

    function threeAmounts() internal pure returns (uint256[] memory amounts) {
        amounts = new uint256[](3);
        (amounts[0], amounts[1], amounts[2]) = (60, 30, 10);
    }

    function coinsOf(IERC20 only) internal pure returns (IERC20[] memory coins) {
        coins = new IERC20[](1);
        coins[0] = only;
    }

    function later(uint256 seconds_) internal {
        vm.warp(vm.getBlockTimestamp() + seconds_);
    }

    function move(address from, address to, uint256 amount) internal {
        vm.prank(from);
        shares.transfer(to, amount);
    }

    function one(address target, bytes memory data) internal pure returns (SharedCall[] memory calls) {
        calls = new SharedCall[](1);
        calls[0] = SharedCall(target, data);
    }

    function propose(address by, SharedCall[] memory calls) internal returns (uint256) {
        vm.prank(by);
        return shares.propose(calls, "why");
    }

    function vote(address by, uint256 id, bool support) internal {
        vm.prank(by);
        shares.vote(id, support);
    }

    /// Anna has 60 of 100 shares: what she wants is decided.
    function decide(SharedCall[] memory calls) internal {
        uint256 id = propose(ANNA, calls);
        vote(ANNA, id, true);
        later(PERIOD + 1);
        shares.execute(id, calls);
    }

    function pull(address holder) internal returns (uint256) {
        vm.prank(holder);
        return revenue.pull(coin, holder);
    }
}
