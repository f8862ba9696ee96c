"""Write tests/golden/vectors_eip712.json: the contract's signed messages, hashed by eth-account.

    python contracts/scripts/vectors.py

The same file is read by the Foundry tests and by the Python tests, so that a hash which differs in one language
shows as a failing vector. Source: chain-design section 3, EIP-712.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

TARGET = Path(__file__).resolve().parents[2] / "tests" / "golden" / "vectors_eip712.json"
DOMAIN = {
    "name": "Hive Settlement",
    "version": "1",
    "chainId": 31337,
    "verifyingContract": "0x5615dEB798BB3E4dFa0139dFa1b3D433Cc23b72f",
}
TYPES = {
    "Statement": "uint32 hive,address worker,uint32 slot,int64 net,uint48 imported,uint48 exported,bytes32 readings",
    "SettleBatch": "uint32 hive,uint32 slot,uint32 batch,bytes32 packed",
    "PayoutAddress": "uint32 hive,address worker,address payout,uint32 serial",
    "HiveTerms": "uint32 hive,uint32 version,uint32 fromSlot,bytes32 tariff,uint16 theta,uint16 fee,"
    "uint16 platformBps,uint64 maxPrice,uint32 maxPowerW,uint64 islandCeiling,uint8 coverDays",
    "Reading": "address worker,uint32 slot,uint48 imported,uint48 exported,uint32 flags,bytes32 configuration,"
    "bytes32 previous",
    "SlotTotals": "uint32 hive,uint32 slot,uint48 bought,uint48 sold,int64 pcc,int64 buy,int64 sell,int64 price,"
    "uint16 theta,uint16 fee,uint16 present,uint16 missing,int64 reserve,bytes32 readings,bytes32 terms",
    "CloseRequest": "uint32 hive,address worker,uint32 newestSlot,uint48 deadline",
    "CloseAgreement": "uint32 hive,address worker,uint32 slot,int64 net,uint48 imported,uint48 exported,"
    "bytes32 readings,uint64 payout,uint48 deadline",
    "WithdrawPermit": "uint32 hive,address worker,uint64 amount,uint32 slot,uint32 serial,uint48 deadline",
    "MeterCertificate": "address meter,bytes32 serialHash,bytes32 manufacturer,bytes32 model,uint48 notAfter",
    "Objection": "bytes32 statement,int64 net,uint8 reason",
    "FlexOrder": "uint32 hive,address worker,uint32 slot,int32 watts,uint64 price,uint32 serial",
}
ONE = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"
TWO = "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF"
WORD = "0x" + "00112233445566778899aabbccddeeff" * 2
CASES: list[tuple[str, dict[str, Any]]] = [
    (
        "Statement",
        {
            "hive": 1,
            "worker": ONE,
            "slot": 2222222,
            "net": 1234567,
            "imported": 987654321,
            "exported": 123456789,
            "readings": WORD,
        },
    ),
    (
        "Statement",
        {
            "hive": 4294967295,
            "worker": TWO,
            "slot": 4294967295,
            "net": -9007199254740991,
            "imported": 281474976710655,
            "exported": 281474976710655,
            "readings": "0x" + "ff" * 32,
        },
    ),
    (
        "Statement",
        {"hive": 1, "worker": TWO, "slot": 1, "net": 0, "imported": 0, "exported": 0, "readings": "0x" + "00" * 32},
    ),
    ("SettleBatch", {"hive": 1, "slot": 2222222, "batch": 3, "packed": WORD}),
    ("PayoutAddress", {"hive": 7, "worker": ONE, "payout": TWO, "serial": 4294967295}),
    (
        "HiveTerms",
        {
            "hive": 1,
            "version": 2,
            "fromSlot": 2222222,
            "tariff": WORD,
            "theta": 500,
            "fee": 20,
            "platformBps": 20,
            "maxPrice": 9007199254740991,
            "maxPowerW": 4294967295,
            "islandCeiling": 1000000,
            "coverDays": 2,
        },
    ),
    (
        "Reading",
        {
            "worker": ONE,
            "slot": 2222222,
            "imported": 987654321,
            "exported": 281474976710655,
            "flags": 0x000200FF,
            "configuration": WORD,
            "previous": "0x" + "ff" * 32,
        },
    ),
    (
        "SlotTotals",
        {
            "hive": 7,
            "slot": 2222222,
            "bought": 987654321,
            "sold": 123456789,
            "pcc": -1234567,
            "buy": 200000,
            "sell": -50000,
            "price": 123456,
            "theta": 500,
            "fee": 20,
            "present": 1000,
            "missing": 3,
            "reserve": -9007199254740991,
            "readings": WORD,
            "terms": "0x" + "ff" * 32,
        },
    ),
    ("CloseRequest", {"hive": 7, "worker": ONE, "newestSlot": 2222222, "deadline": 281474976710655}),
    (
        "CloseAgreement",
        {
            "hive": 7,
            "worker": TWO,
            "slot": 2222222,
            "net": -1234567,
            "imported": 987654321,
            "exported": 123456789,
            "readings": WORD,
            "payout": 9007199254740991,
            "deadline": 2000000000,
        },
    ),
    (
        "WithdrawPermit",
        {"hive": 7, "worker": ONE, "amount": 5000000, "slot": 2222222, "serial": 4294967295, "deadline": 2000000000},
    ),
    (
        "MeterCertificate",
        {"meter": ONE, "serialHash": WORD, "manufacturer": "0x" + "ab" * 32, "model": WORD, "notAfter": 2000000000},
    ),
    ("FlexOrder", {"hive": 7, "worker": TWO, "slot": 2222222, "watts": -4500, "price": 1234567, "serial": 1}),
    ("Objection", {"statement": WORD, "net": -9007199254740991, "reason": 7}),
]


def members(kind: str) -> list[dict[str, str]]:
    """The fields of a message in the form eth-account takes."""
    pairs = (field.split(" ") for field in TYPES[kind].split(","))
    return [{"name": name, "type": solidity} for solidity, name in pairs]


def vector(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """One case with its struct hash and digest, hex with 0x."""
    message = {
        name: bytes.fromhex(value[2:]) if isinstance(value, str) and len(value) == 66 else value
        for name, value in fields.items()
    }
    typed = encode_typed_data(DOMAIN, {kind: members(kind)}, message)
    digest = keccak(b"\x19\x01" + typed.header + typed.body)
    return {
        "type": kind,
        "encode_type": f"{kind}({TYPES[kind]})",
        "fields": fields,
        "struct_hash": "0x" + typed.body.hex(),
        "digest": "0x" + digest.hex(),
        "domain_separator": "0x" + typed.header.hex(),
    }


def document() -> dict[str, Any]:
    """Everything that belongs in the file."""
    return {"domain": DOMAIN, "vectors": [vector(kind, fields) for kind, fields in CASES]}


if __name__ == "__main__":
    TARGET.write_text(json.dumps(document(), indent=1) + "\n", "utf-8")
