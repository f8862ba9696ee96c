// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISettlementForBeekeeper} from "../../src/interfaces/ISettlementForBeekeeper.sol";
import {PlatformFixture} from "./PlatformFixture.sol";
import {SettlementDouble} from "./SettlementDouble.sol";

/// @title The platform with a settlement contract that takes every account state a test asks for.
abstract contract BeekeeperFixture is PlatformFixture {
    SettlementDouble internal double;

    function _newSettlement() internal override returns (ISettlementForBeekeeper) {
        double = new SettlementDouble();
        return double;
    }
}
