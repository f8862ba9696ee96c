// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A coin whose issuer can make it misbehave in every known way, and make it behave again.
contract HostileCoin is ERC20 {
    /// What it does wrong: nothing, keeps a hundredth, answers false and moves nothing, answers nothing at all,
    /// stands still, calls somebody back.
    enum Vice {
        NONE,
        FEE,
        FALSE,
        SILENT,
        PAUSED,
        CALLBACK
    }

    Vice public vice;
    mapping(address => bool) public blocked;
    address private _target;
    bytes private _call;
    /// @notice Callbacks that went through; none may.
    uint256 public entered;
    /// @notice Callbacks that were refused.
    uint256 public refused;

    constructor() ERC20("Hostile", "HOST") {
        _mint(msg.sender, 1e30);
    }

    function setVice(Vice vice_) external {
        vice = vice_;
    }

    function setBlocked(address who, bool blocked_) external {
        blocked[who] = blocked_;
    }

    function arm(address target, bytes calldata call_) external {
        (vice, _target, _call) = (Vice.CALLBACK, target, call_);
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        return vice != Vice.FALSE && super.transfer(to, value) && _answer();
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        return vice != Vice.FALSE && super.transferFrom(from, to, value) && _answer();
    }

    /// A silent coin ends the call here, with no return data.
    function _answer() private view returns (bool) {
        if (vice != Vice.SILENT) return true;
        assembly ("memory-safe") {
            return(0, 0)
        }
    }

    function _update(address from, address to, uint256 value) internal override {
        require(!blocked[to] && vice != Vice.PAUSED, "blocked");
        super._update(from, to, value);
        if (vice == Vice.FEE) super._update(to, address(0xFEE), value / 100);
        if (vice != Vice.CALLBACK) return;
        (bool ok,) = _target.call(_call);
        if (ok) ++entered;
        else ++refused;
    }
}
