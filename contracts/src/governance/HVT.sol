// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title Hive Token: pays for Hives and meters. 18 decimals, minted once, never again; anyone may burn its own.
contract HVT is ERC20, ERC20Burnable, ERC20Permit {
    /// @notice All there will ever be, in the smallest unit: 100,000,000 HVT.
    uint256 public constant SUPPLY = 100_000_000e18;

    /// @param holder receives the whole supply
    constructor(address holder) ERC20("Hive Token", "HVT") ERC20Permit("Hive Token") {
        _mint(holder, SUPPLY);
    }
}
