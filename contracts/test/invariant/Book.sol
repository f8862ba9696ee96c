// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccountInfo} from "../../src/types/Hive.sol";
import {
    CloseRequest, Messages, PayoutAddress, Signature, Statement, WithdrawPermit
} from "../../src/types/Messages.sol";
import {World} from "./World.sol";

/// @title What was signed off the chain: every Statement, permit and agreement that both sides could show.
/// @notice A message that is not in this book was never signed by all it needs; the court looks it up here.
abstract contract Book is World {
    mapping(uint32 hive => mapping(uint256 key => Statement[])) private _papers;
    /// @notice Statements both have signed, by `stateKey`.
    mapping(bytes32 => bool) public bothSigned;
    /// @notice Permits the Queen has signed and that were not used yet, by struct hash; agreements likewise.
    mapping(bytes32 => bool) public permitted;
    mapping(bytes32 => bool) public agreed;
    /// @notice Newest permit serial and payout serial signed for an account.
    mapping(uint32 hive => mapping(uint256 key => uint32)) public serials;

    /// @notice What an account's totals are looked up by.
    function stateKey(uint32 hive, address worker, uint256 slot, int256 net, uint256 imported, uint256 exported)
        public
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(hive, worker, slot, net, imported, exported));
    }

    // ---- Statements

    /// @notice Both sign the next Statement: `change` micro-coins on top of the last, as far as the rules allow.
    /// Gives its place in the account's papers. Time passes by a slot when the last one is of the present.
    function writePaper(uint32 hive, uint256 key, int256 change, uint256 energy) public returns (uint256) {
        Statement memory base = lastState(hive, key);
        AccountInfo memory account = settlement.account(hive, addr(key));
        if (nowSlot() <= base.slot) vm.warp((uint256(base.slot) + 1) * 900);
        uint32 slot = base.slot + 1 + uint32(energy % (nowSlot() - base.slot));
        int256 net = clamp(base.net + change, account, slot);
        energy = energy % 1e9;
        return keepPaper(
            Statement(
                hive, addr(key), slot, int64(net), base.imported + uint48(energy), base.exported + uint48(energy / 3),
                keccak256(abi.encode(key, slot))
            )
        );
    }

    /// @notice Notes that both have signed a Statement, whatever it says.
    function keepPaper(Statement memory s) public returns (uint256) {
        bothSigned[stateKey(s.hive, s.worker, s.slot, s.net, s.imported, s.exported)] = true;
        Statement[] storage all = _papers[s.hive][keyOf[s.worker]];
        all.push(s);
        return all.length - 1;
    }

    /// @notice The newest of the last paper and what is stored: what the next Statement goes on from.
    function lastState(uint32 hive, uint256 key) public view returns (Statement memory base) {
        AccountInfo memory account = settlement.account(hive, addr(key));
        base = Statement(hive, addr(key), account.slot, account.net, account.imported, account.exported, 0);
        uint256 count = papers(hive, key);
        if (count == 0) return base;
        Statement memory last = _papers[hive][key][count - 1];
        if (last.slot >= base.slot) return last;
        // A new opening goes on from the stored totals, but no Reading is ever below one that was signed.
        if (last.imported > base.imported) base.imported = last.imported;
        if (last.exported > base.exported) base.exported = last.exported;
    }

    /// @notice A net that rules 4 and 8 accept for that slot.
    function clamp(int256 net, AccountInfo memory account, uint32 slot) public pure returns (int256) {
        uint256 passed = slot > account.slot ? slot - account.slot : 0;
        int256 most = int256((passed > 192 ? 192 : passed) * SLOT_CAP);
        if (net > account.net + most) net = account.net + most;
        if (net < account.net - most) net = account.net - most;
        return net > account.funding ? int256(account.funding) : net;
    }

    function papers(uint32 hive, uint256 key) public view returns (uint256) {
        return _papers[hive][key].length;
    }

    function paper(uint32 hive, uint256 key, uint256 index) public view returns (Statement memory) {
        return _papers[hive][key][index];
    }

    /// @notice Signatures of the Worker and of the Queen whose key counts for the slot.
    function both(Statement memory s) public view returns (Signature memory w, Signature memory q) {
        bytes32 hash = Messages.hash(s);
        return (sign(keyOf[s.worker], hash), sign(queenKey(s.hive, s.slot), hash));
    }

    /// @notice 140 bytes with the signature of `signer`.
    function leaf(Statement memory s, uint256 signer) public view returns (bytes memory) {
        Signature memory sig = sign(signer, Messages.hash(s));
        return abi.encodePacked(s.worker, s.slot, s.net, s.imported, s.exported, s.readings, sig.r, sig.vs);
    }

    // ---- Other messages

    /// @notice A CloseRequest of `signer` for the account of `key`.
    function request(uint32 hive, uint256 key, uint256 signer, uint32 newestSlot)
        public
        view
        returns (CloseRequest memory r, Signature memory sig)
    {
        r = CloseRequest(hive, addr(key), newestSlot, uint48(vm.getBlockTimestamp() + 1 hours));
        sig = sign(signer, Messages.hash(r));
    }

    /// @notice The Queen permits a withdrawal of `amount` micro-coins.
    function permit(uint32 hive, uint256 key, uint64 amount)
        public
        returns (WithdrawPermit memory p, Signature memory sig)
    {
        address worker = addr(key);
        uint32 slot = settlement.account(hive, worker).slot;
        uint32 serial = ++serials[hive][key];
        p = WithdrawPermit(hive, worker, amount, slot, serial, uint48(vm.getBlockTimestamp() + 1 hours));
        bytes32 hash = Messages.hash(p);
        permitted[hash] = true;
        sig = sign(queenKey(hive, nowSlot()), hash);
    }

    /// @notice Both agree to close on `s` with `payout` micro-coins; gives the call.
    function agreement(Statement memory s, uint64 payout) public returns (bytes memory) {
        uint48 deadline = uint48(vm.getBlockTimestamp() + 1 hours);
        bytes32 hash = Messages.hashAgreement(s, payout, deadline);
        agreed[hash] = true;
        bothSigned[stateKey(s.hive, s.worker, s.slot, s.net, s.imported, s.exported)] = true;
        Signature memory w = sign(keyOf[s.worker], hash);
        return abi.encodeCall(settlement.closeAgreed, (s, payout, deadline, w, sign(queenKey(s.hive, s.slot), hash)));
    }

    /// @notice The device names a payout address.
    function payoutAddress(uint32 hive, uint256 key, address payout)
        public
        returns (PayoutAddress memory p, Signature memory sig)
    {
        p = PayoutAddress(hive, addr(key), payout, ++serials[hive][key]);
        sig = sign(key, Messages.hash(p));
    }
}
