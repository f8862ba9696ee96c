// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Beekeeper} from "../../src/beekeeper/Beekeeper.sol";

/// @title A next version of the Beekeeper with one more field, to rehearse an upgrade.
contract BeekeeperNext is Beekeeper {
    /// @custom:storage-location erc7201:hive.storage.BeekeeperNext
    struct NextStorage {
        string motto;
    }

    // keccak256(abi.encode(uint256(keccak256("hive.storage.BeekeeperNext")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant _NEXT = 0x325157ae9a85f5b79ab9132dca382185f9b703522e93c8d851d3c3d5c9268f00;

    constructor(address hives) Beekeeper(hives) {}

    function setMotto(string calldata text) external onlyTimelock {
        _next().motto = text;
    }

    function motto() external view returns (string memory) {
        return _next().motto;
    }

    function _next() private pure returns (NextStorage storage self) {
        assembly ("memory-safe") {
            self.slot := _NEXT
        }
    }
}
