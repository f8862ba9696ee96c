// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISettlementEvents as S} from "../../src/interfaces/ISettlementEvents.sol";
import {PayoutAddress, Signature, Statement} from "../../src/types/Messages.sol";
import {Attack} from "./Attack.sol";

/// Owners that want the pool: by a mother Hive of their own, by a request, by the fee, by the bond.
contract OwnerAttacksTest is Attack {
    function move(uint256 micro) private view returns (bytes memory) {
        return abi.encodeCall(closing.moveToMother, (1, micro * 1e12));
    }

    function link() private {
        (PayoutAddress memory p, Signature memory sig) = court.payoutAddress(2, 11, address(settlement));
        court.must(court.OWNER(), abi.encodeCall(closing.linkMother, (1, 2, p, sig)));
    }

    /// A fresh link moves nothing for a day, whatever the mother settles; then no more than she has settled since.
    function test_an_own_mother_moves_only_what_was_settled_and_not_within_a_day() public {
        address owner = court.OWNER();
        link();
        assertEq(reasonOf(2, _leaf(present(2, 11, 100e6))), 0, "his own Hive settles what he likes");
        refused(owner, move(1), S.NotDue.selector, "not within the notice");
        refused(_queen(1), move(1), S.NotDue.selector, "nor by his Queen");
        court.pass(1 days);
        refused(owner, move(100e6 + 1), S.NotDue.selector, "a millionth more than settled");
        court.must(owner, move(100e6));
        refused(owner, move(1), S.NotDue.selector, "once");
        link();
        refused(owner, move(1), S.NotDue.selector, "another link begins from nothing");
        unbroken();
    }

    /// What it is no defence against, in numbers: once the link is a day old, an owner who settles with himself turns
    /// the daughter's pool into his mother's at once, as fast as his mother's terms allow. Workers of a daughter have
    /// the day between MotherLinked and the first move to settle and close, as with a pool withdrawal; no longer.
    function test_exposure_an_own_mother_takes_the_pool_after_the_links_notice() public {
        link();
        court.pass(2 days);
        int256 most = int256(192 * court.SLOT_CAP());
        Statement memory s = present(2, 11, most > 500e6 ? int256(500e6) : most);
        assertEq(reasonOf(2, _leaf(s)), 0, "a Statement with himself");
        court.must(court.OWNER(), move(500e6));
        assertEq(_pool(1), 0, "the daughter's pool");
        assertEq(_pool(2), 500e6 + 500e6 - 1e6, "is his mother's, less the fee");
        assertEq(int256(_spendable(1, 1)), 1_000e6, "what is a home's own stays its own");
        unbroken();
    }

    /// And the money of a Queen's account in the mother never goes to her or her owner.
    function test_the_queens_account_pays_into_the_daughters_pool_only() public {
        link();
        address elsewhere = court.OWNER();
        (PayoutAddress memory p, Signature memory sig) = court.payoutAddress(2, 11, elsewhere);
        refused(elsewhere, abi.encodeCall(closing.setPayout, (p, sig)), S.PayoutFixed.selector, "turned");
        uint256 before = _pool(1);
        court.must(court.STRANGER(), _startStoredCall(2, 11, 11, _account(2, 11).slot));
        assertTrue(_finish(2, 11), "closed");
        assertEq(_pool(1) - before, 1_000e6, "into the pool");
        unbroken();
    }

    /// A request of the whole pool is worth what is left after a day, and nothing while somebody is owed.
    function test_an_owner_draining_the_pool_waits_and_comes_last() public {
        address owner = court.OWNER();
        court.must(owner, abi.encodeCall(closing.requestPoolWithdrawal, (1, 500e18)));
        bytes memory take = abi.encodeCall(closing.withdrawPool, (1));
        refused(owner, take, S.TooEarly.selector, "a day's notice");
        court.pass(1 days);
        assertEq(reasonOf(1, _leaf(present(1, 1, -400e6))), 0, "a home is paid first");
        Statement memory unpaid = present(1, 2, -300e6);
        assertEq(reasonOf(1, _leaf(unpaid)), 7, "the next one is owed");
        refused(owner, take, S.HiveIsShort.selector, "while somebody is owed");
        court.must(address(court), abi.encodeCall(settlement.fundPool, (1, 250e18)));
        assertEq(_apply(unpaid), 0, "paid");
        court.must(owner, take);
        assertEq(court.coinOf(1).balanceOf(owner) / 1e12, 50e6, "what is left");
        refused(owner, take, S.NothingRequested.selector, "once");
        unbroken();
    }
}
