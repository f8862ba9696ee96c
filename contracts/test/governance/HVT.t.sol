// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HVT} from "../../src/governance/HVT.sol";
import {Base} from "../Base.sol";

/// The token: one fixed supply, burnable by its holders, approvals by signature.
contract HVTTest is Base {
    address private constant _HOLDER = address(0x40);
    HVT private _hvt;

    function setUp() public {
        _hvt = new HVT(_HOLDER);
    }

    function test_a_hundred_million_are_minted_once_to_the_holder() public view {
        assertEq(_hvt.totalSupply(), 100_000_000e18, "supply");
        assertEq(_hvt.balanceOf(_HOLDER), 100_000_000e18, "holder");
        assertEq(_hvt.decimals(), 18, "decimals");
    }

    function test_holders_burn_their_own_and_nobody_mints() public {
        vm.prank(_HOLDER);
        _hvt.burn(1e18);
        assertEq(_hvt.totalSupply(), 99_999_999e18, "less");
        vm.expectRevert();
        _hvt.burnFrom(_HOLDER, 1);
        (bool done,) = address(_hvt).call(abi.encodeWithSignature("mint(address,uint256)", address(this), 1));
        assertTrue(!done, "no way to mint");
    }

    function test_permit_approves_by_signature() public {
        address holder = vm.addr(5);
        vm.prank(_HOLDER);
        _hvt.transfer(holder, 7);
        uint256 deadline = vm.getBlockTimestamp();
        bytes32 hash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                holder, address(this), 7, 0, deadline
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(5, keccak256(abi.encodePacked(hex"1901", _hvt.DOMAIN_SEPARATOR(), hash)));
        _hvt.permit(holder, address(this), 7, deadline, v, r, s);
        _hvt.transferFrom(holder, address(this), 7);
        assertEq(_hvt.balanceOf(address(this)), 7, "moved");
    }
}
