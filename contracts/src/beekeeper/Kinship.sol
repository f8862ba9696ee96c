// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HiveData} from "./BeekeeperTypes.sol";
import {IBeekeeperEvents} from "./IBeekeeperEvents.sol";

/// @title Mothers and daughters: a forest of Hives with at most eight levels and no circle.
/// @notice Each Hive counts its direct daughters by how many levels they have below them, in eight lanes of 32 bits
/// of one word; so linking and unlinking walk upwards only, at most eight steps, and the depth is always exact.
library Kinship {
    /// @notice Most levels, from a top Hive to the lowest daughter, both counted.
    uint256 internal constant MAX_LEVELS = 8;

    uint256 private constant _LANE_BITS = 32;
    /// No such lane: nothing to take or to add.
    uint256 private constant _NONE = MAX_LEVELS;

    /// @notice Puts `hive`, which has no mother, under `mother`.
    function link(mapping(uint32 => HiveData) storage hives, uint32 hive, uint32 mother) internal {
        uint256 below = levelsBelow(hives[hive].daughters);
        uint256 levels = below + 1;
        for (uint32 node = mother; node != 0; node = hives[node].mother) {
            if (node == hive) revert IBeekeeperEvents.LinkIsCircle(hive, mother);
            ++levels;
        }
        if (levels > MAX_LEVELS) revert IBeekeeperEvents.TooManyLevels(levels, MAX_LEVELS);
        hives[hive].mother = mother;
        _recount(hives, mother, _NONE, below);
    }

    /// @notice Takes `hive` from its mother.
    function unlink(mapping(uint32 => HiveData) storage hives, uint32 hive) internal {
        uint32 mother = hives[hive].mother;
        hives[hive].mother = 0;
        _recount(hives, mother, levelsBelow(hives[hive].daughters), _NONE);
    }

    /// @notice Levels below a Hive with these counts of daughters.
    function levelsBelow(uint256 daughters) internal pure returns (uint256 levels) {
        for (; daughters != 0; daughters >>= _LANE_BITS) {
            ++levels;
        }
    }

    /// Moves one daughter of `node` from lane `taken` to lane `added`; goes up as long as that changes a depth.
    function _recount(mapping(uint32 => HiveData) storage hives, uint32 node, uint256 taken, uint256 added) private {
        while (node != 0) {
            uint256 word = hives[node].daughters;
            uint256 before = levelsBelow(word);
            if (taken != _NONE) word -= 1 << (taken * _LANE_BITS);
            if (added != _NONE) word += 1 << (added * _LANE_BITS);
            hives[node].daughters = word;
            (taken, added) = (before, levelsBelow(word));
            if (taken == added) return;
            node = hives[node].mother;
        }
    }
}
