// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HiveChanges} from "./HiveChanges.sol";

/// @title The half of the Beekeeper's code that changes Hives; it runs on the Beekeeper's storage only.
/// @notice Holds nothing and is nobody's entry: without the Beekeeper's storage it knows no Hive, no settlement
/// contract and no role, so every call straight to it is refused.
contract BeekeeperHives is HiveChanges {}
