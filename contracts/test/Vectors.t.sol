// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FlexOrder, FlexOrders} from "../src/types/FlexOrder.sol";
import {
    CloseRequest,
    Messages,
    Objection,
    Reading,
    SlotTotals,
    Statement,
    WithdrawPermit
} from "../src/types/Messages.sol";
import {Base} from "./Base.sol";

/// @title Every signed message hashes as in Python: tests/golden/vectors_eip712.json is made by eth-account.
/// The first six vectors are checked in HiveAndMoney.t.sol.
contract VectorsTest is Base {
    string private _json;
    string private _place;

    function setUp() public {
        _json = vm.readFile("../tests/golden/vectors_eip712.json");
    }

    function test_a_reading_hashes_as_in_python() public {
        _place = ".vectors[6]";
        Reading memory value = Reading(
            where("worker"), uint32(number("slot")), uint48(number("imported")), uint48(number("exported")),
            uint32(number("flags")), word("configuration"), word("previous")
        );
        same(Messages.hash(value));
    }

    function test_totals_hash_as_in_python() public {
        _place = ".vectors[7]";
        SlotTotals memory value;
        (value.hive, value.slot) = (uint32(number("hive")), uint32(number("slot")));
        (value.bought, value.sold) = (uint48(number("bought")), uint48(number("sold")));
        (value.pcc, value.buy) = (int64(signed("pcc")), int64(signed("buy")));
        (value.sell, value.price) = (int64(signed("sell")), int64(signed("price")));
        (value.theta, value.fee) = (uint16(number("theta")), uint16(number("fee")));
        (value.present, value.missing) = (uint16(number("present")), uint16(number("missing")));
        (value.reserve, value.readings, value.terms) = (int64(signed("reserve")), word("readings"), word("terms"));
        same(Messages.hash(value));
    }

    function test_a_close_request_hashes_as_in_python() public {
        _place = ".vectors[8]";
        same(
            Messages.hash(
                CloseRequest(
                    uint32(number("hive")), where("worker"), uint32(number("newestSlot")), uint48(number("deadline"))
                )
            )
        );
    }

    function test_a_close_agreement_hashes_as_in_python() public {
        _place = ".vectors[9]";
        Statement memory state = Statement(
            uint32(number("hive")), where("worker"), uint32(number("slot")), int64(signed("net")),
            uint48(number("imported")), uint48(number("exported")), word("readings")
        );
        same(Messages.hashAgreement(state, uint64(number("payout")), uint48(number("deadline"))));
    }

    function test_a_permit_hashes_as_in_python() public {
        _place = ".vectors[10]";
        same(
            Messages.hash(
                WithdrawPermit(
                    uint32(number("hive")), where("worker"), uint64(number("amount")), uint32(number("slot")),
                    uint32(number("serial")), uint48(number("deadline"))
                )
            )
        );
    }

    function test_a_flex_order_hashes_as_in_python() public {
        _place = ".vectors[12]";
        same(
            FlexOrders.hash(
                FlexOrder(
                    uint32(number("hive")), where("worker"), uint32(number("slot")), int32(signed("watts")),
                    uint64(number("price")), uint32(number("serial"))
                )
            )
        );
    }

    function test_an_objection_hashes_as_in_python() public {
        _place = ".vectors[13]";
        same(Messages.hash(Objection(word("statement"), int64(signed("net")), uint8(number("reason")))));
    }

    function same(bytes32 hash) private view {
        assertEq(hash, vm.parseJsonBytes32(_json, string.concat(_place, ".struct_hash")), _place);
    }

    function key(string memory name) private view returns (string memory) {
        return string.concat(_place, ".fields.", name);
    }

    function number(string memory name) private view returns (uint256) {
        return vm.parseJsonUint(_json, key(name));
    }

    function signed(string memory name) private view returns (int256) {
        return vm.parseJsonInt(_json, key(name));
    }

    function word(string memory name) private view returns (bytes32) {
        return vm.parseJsonBytes32(_json, key(name));
    }

    function where(string memory name) private view returns (address) {
        return vm.parseJsonAddress(_json, key(name));
    }
}
