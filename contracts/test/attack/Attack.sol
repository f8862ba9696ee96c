// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISettlementEvents} from "../../src/interfaces/ISettlementEvents.sol";
import {Statement} from "../../src/types/Messages.sol";
import {Log} from "../Base.sol";
import {Cheats} from "../invariant/Cheats.sol";
import {Court} from "../invariant/Court.sol";
import {Handler} from "../invariant/Handler.sol";

/// @title One attack at a time on the world of the invariants: the real platform, four Hives, every call judged.
abstract contract Attack is Handler {
    Cheats private constant _CHEATS = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));

    constructor() Handler(Court(_CHEATS.deployCode("Court.sol:Court", ""))) {}

    function actions() external pure override returns (bytes4[] memory) {}

    /// Sends a call and expects it to be refused with that error.
    function refused(address sender, bytes memory data, bytes4 selector, string memory what) internal {
        (bool ok, bytes memory answer) = court.send(sender, data);
        assertTrue(!ok && bytes4(answer) == selector, what);
    }

    /// Settles and gives the reason of the first skipped leaf, 0 when none.
    function reasonOf(uint32 hive, bytes memory packed) internal returns (uint8) {
        vm.recordLogs();
        _settle(hive, packed);
        Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == ISettlementEvents.Skipped.selector) return abi.decode(logs[i].data, (uint8));
        }
        return 0;
    }

    /// The Statement of `key` for the present slot with that net, and counters as they are.
    function present(uint32 hive, uint256 key, int256 net) internal returns (Statement memory s) {
        s = court.lastState(hive, key);
        (s.slot, s.net) = (court.nowSlot(), int64(net));
        court.keepPaper(s);
    }

    /// What the payout addresses of an account hold, micro-coins.
    function held(uint32 hive, uint256 key) internal view returns (uint256) {
        uint256 coins = court.coinOf(hive).balanceOf(court.ownerOf(key));
        return (coins + court.coinOf(hive).balanceOf(court.otherPayoutOf(key))) / court.scaleOf(hive);
    }

    /// Nothing was broken on the way.
    function unbroken() internal view {
        for (uint256 property = 0; property <= 16; ++property) {
            string memory what = court.breaches(property);
            assertTrue(bytes(what).length == 0, what);
        }
    }
}
