// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title What a vote has decided waits here two days; then anyone may execute it.
/// @notice Only the governor proposes and cancels. After `handOver` nobody administers the timelock but itself.
contract HiveTimelock is TimelockController {
    /// @notice Wait between queueing and execution, seconds.
    uint256 public constant WAIT_SECONDS = 2 days;

    event HandedOver(address governor);

    error GovernorIsNoContract(address governor);
    error HandedOverAlready();

    /// @notice Open execution; the deployer is admin until it hands over.
    constructor() TimelockController(WAIT_SECONDS, new address[](0), _anyone(), msg.sender) {}

    /// @notice Makes the governor the only proposer and takes the deployer's right away, in one step.
    function handOver(address governor) external onlyRole(DEFAULT_ADMIN_ROLE) {
        // A vote changes the proposers with grantRole; here it would take the timelock's right over itself away.
        if (msg.sender == address(this)) revert HandedOverAlready();
        if (governor.code.length == 0) revert GovernorIsNoContract(governor);
        _grantRole(PROPOSER_ROLE, governor);
        _grantRole(CANCELLER_ROLE, governor);
        _revokeRole(DEFAULT_ADMIN_ROLE, msg.sender);
        emit HandedOver(governor);
    }

    function _anyone() private pure returns (address[] memory executors) {
        executors = new address[](1);
    }
}
