// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {EnergySettlement} from "../src/EnergySettlement.sol";

/// @title Coins that misbehave: one takes a fee on transfer, one calls back while it transfers, one blocks addresses.
contract FeeCoin is ERC20 {
    constructor() ERC20("Fee", "FEE") {
        _mint(msg.sender, 1e30);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0)) super._update(to, address(0xFEE), value / 100);
    }
}

contract CallingCoin is ERC20 {
    EnergySettlement private _target;
    bytes private _call;
    bytes public answer;

    constructor() ERC20("Calling", "CALL") {
        _mint(msg.sender, 1e30);
    }

    function arm(EnergySettlement target, bytes calldata call_) external {
        (_target, _call) = (target, call_);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (address(_target) != address(0)) (, answer) = address(_target).call(_call);
    }
}

/// Refuses to pay blocked addresses.
contract BlockingCoin is ERC20 {
    mapping(address => bool) private _blocked;

    constructor() ERC20("Blocking", "BLOCK") {
        _mint(msg.sender, 1e30);
    }

    function setBlocked(address who, bool blocked) external {
        _blocked[who] = blocked;
    }

    function _update(address from, address to, uint256 value) internal override {
        require(!_blocked[to], "blocked");
        super._update(from, to, value);
    }
}
