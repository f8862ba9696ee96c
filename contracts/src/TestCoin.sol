// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title A coin for tests and demonstrations only: its owner makes as many as he likes, it is worth nothing.
contract TestCoin is ERC20, ERC20Permit, Ownable {
    uint8 private immutable _decimals;

    constructor(address owner, uint8 decimals_)
        ERC20("Hive Test Coin (worthless)", "TEST")
        ERC20Permit("Hive Test Coin (worthless)")
        Ownable(owner)
    {
        _decimals = decimals_;
    }

    /// @notice Makes coins, in the smallest unit.
    function mint(address to, uint256 amount) external onlyOwner {
        _mint(to, amount);
    }

    /// @inheritdoc ERC20
    function decimals() public view override returns (uint8) {
        return _decimals;
    }
}
