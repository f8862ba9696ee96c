// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {HiveTerms} from "../types/Messages.sol";
import {HiveStatus} from "./BeekeeperTypes.sol";
import {IBeekeeperEvents} from "./IBeekeeperEvents.sol";
import {IHiveKeeping} from "./IHiveKeeping.sol";

/// @title The Beekeeper's door to BeekeeperHives: a contract may have 24,576 bytes of code, and it has more.
/// @notice Each function runs the function of the same name there, on this contract's storage, with the same
/// arguments. The address is part of this code, so only an upgrade changes it.
abstract contract HiveDoor is IHiveKeeping {
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    address private immutable _hives;

    /// @param hives_ BeekeeperHives
    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor(address hives_) {
        if (hives_.code.length == 0) revert IBeekeeperEvents.ZeroAddress();
        _hives = hives_;
    }

    /// @inheritdoc IHiveKeeping
    function createHive(
        uint256 amount,
        address owner,
        address coin,
        address[] calldata meters,
        bytes32[] calldata points,
        address queen,
        uint32 window,
        HiveTerms calldata terms
    ) external returns (uint32 hive) {
        bytes memory data = abi.encodeCall(
            IHiveKeeping.createHive, (amount, owner, coin, meters, points, queen, window, terms)
        );
        return abi.decode(_toHives(data), (uint32));
    }

    /// @inheritdoc IHiveKeeping
    function addMeterToHive(uint32 hive, address meter, bytes32 point) external {
        _toHives(abi.encodeCall(IHiveKeeping.addMeterToHive, (hive, meter, point)));
    }

    /// @inheritdoc IHiveKeeping
    function setPoints(uint32 hive, bytes32[] calldata points) external {
        _toHives(abi.encodeCall(IHiveKeeping.setPoints, (hive, points)));
    }

    /// @inheritdoc IHiveKeeping
    function dropMeterFromHive(uint32 hive, address meter) external {
        _toHives(abi.encodeCall(IHiveKeeping.dropMeterFromHive, (hive, meter)));
    }

    /// @inheritdoc IHiveKeeping
    function freezeHive(uint32 hive) external {
        _toHives(abi.encodeCall(IHiveKeeping.freezeHive, (hive)));
    }

    /// @inheritdoc IHiveKeeping
    function endHive(uint32 hive) external {
        _toHives(abi.encodeCall(IHiveKeeping.endHive, (hive)));
    }

    /// @inheritdoc IHiveKeeping
    function setHiveStatus(uint32 hive, HiveStatus status) external {
        _toHives(abi.encodeCall(IHiveKeeping.setHiveStatus, (hive, status)));
    }

    /// @inheritdoc IHiveKeeping
    function beginSplit(uint32 hive, uint256 amount, address queen, uint32 window, HiveTerms calldata terms)
        external
        returns (uint32 newHive)
    {
        bytes memory data = abi.encodeCall(IHiveKeeping.beginSplit, (hive, amount, queen, window, terms));
        return abi.decode(_toHives(data), (uint32));
    }

    /// @inheritdoc IHiveKeeping
    function finishSplit(uint32 hive, uint32 newHive) external {
        _toHives(abi.encodeCall(IHiveKeeping.finishSplit, (hive, newHive)));
    }

    /// @inheritdoc IHiveKeeping
    function beginMerge(uint32 from, uint32 into) external {
        _toHives(abi.encodeCall(IHiveKeeping.beginMerge, (from, into)));
    }

    /// @inheritdoc IHiveKeeping
    function finishMerge(uint32 from, uint32 into) external {
        _toHives(abi.encodeCall(IHiveKeeping.finishMerge, (from, into)));
    }

    /// @inheritdoc IHiveKeeping
    function cancelMerge(uint32 from, uint32 into) external {
        _toHives(abi.encodeCall(IHiveKeeping.cancelMerge, (from, into)));
    }

    /// @inheritdoc IHiveKeeping
    function moveMeters(uint32 from, uint32 to, address[] calldata meters) external {
        _toHives(abi.encodeCall(IHiveKeeping.moveMeters, (from, to, meters)));
    }

    /// @inheritdoc IHiveKeeping
    function linkMother(uint32 hive, uint32 mother) external {
        _toHives(abi.encodeCall(IHiveKeeping.linkMother, (hive, mother)));
    }

    /// @inheritdoc IHiveKeeping
    function unlinkMother(uint32 hive) external {
        _toHives(abi.encodeCall(IHiveKeeping.unlinkMother, (hive)));
    }

    /// @notice Where the code of these functions is.
    function hivesCode() external view returns (address) {
        return _hives;
    }

    /// Into code that this code names and that can neither be exchanged nor destroyed.
    /// @custom:oz-upgrades-unsafe-allow-reachable delegatecall
    function _toHives(bytes memory data) private returns (bytes memory) {
        return Address.functionDelegateCall(_hives, data);
    }
}
