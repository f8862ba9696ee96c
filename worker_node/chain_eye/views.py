"""The few contract views a Worker asks for, as a table: signature, words of the answer; and their ABI coding.

Every value of these views is static, so an answer is one 32-byte word per value (Solidity's contract ABI, version 2).
A test compares the table with the committed ABI files and the coding with an ABI library.
"""

from dataclasses import dataclass

from honey_edge.model.errors import HiveError
from honey_edge.wire.keccak import keccak

WORD = 32
Value = int | bytes | bool


class AnswerMalformed(HiveError, ValueError):
    """What a node answers is not what the contract's view returns."""

    code = "E-CHAIN-ANSWER"


@dataclass(frozen=True, slots=True)
class View:
    """One view: its name, the types of its arguments, and (type, name) of each word it returns."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[tuple[str, str], ...]

    @property
    def selector(self) -> bytes:
        """First four bytes of the keccak of the signature."""
        return keccak(f"{self.name}({','.join(self.inputs)})".encode())[:4]

    def call(self, *values: Value) -> bytes:
        """The call's data."""
        return self.selector + b"".join(
            encode_word(kind, value) for kind, value in zip(self.inputs, values, strict=True)
        )

    def answer(self, data: bytes) -> dict[str, Value]:
        """The named values of an answer; AnswerMalformed for another length or a word its type cannot hold."""
        if len(data) != WORD * len(self.outputs):
            raise AnswerMalformed(
                f"{self.name} answers {len(data)} bytes, not {WORD * len(self.outputs)}",
                next_step="check contract and chain_id in the settings",
            )
        words = (data[at : at + WORD] for at in range(0, len(data), WORD))
        return {name: decode_word(kind, word, name) for (kind, name), word in zip(self.outputs, words, strict=True)}


def _words(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (part.split(" ") for part in text.split(","))
    return tuple((kind, name) for kind, name in pairs)


_OF_WORKER = ("uint32", "address")

ACCOUNT = View(
    "account",
    _OF_WORKER,
    _words(
        "int64 funding,int64 net,uint48 imported,uint48 exported,uint32 slot,uint8 state,bool owed,uint32 owedSlot,"
        "address payout,uint32 payoutSerial,uint32 permitSerial,uint32 closedSlot"
    ),
)
POOL = View(
    "poolOf",
    ("uint32",),
    _words(
        "uint64 pool,uint64 pending,uint64 feeDue,uint64 fees,uint48 withdrawableAt,uint32 owedAccounts,"
        "uint32 lastSlot,uint32 nextBatch,uint64 claimsOpen,uint64 claimsFunded,uint64 bond"
    ),
)
CLOSE = View(
    "closeOf",
    _OF_WORKER,
    _words(
        "uint48 endsAt,uint32 slot,int64 net,uint48 imported,uint48 exported,uint32 newestSlot,uint8 side,"
        "address starter"
    ),
)
HIVE = View(
    "hiveInfo",
    ("uint32",),
    _words(
        "address coin,uint40 scale,bool frozen,bool short,address owner,uint32 window,address queen,"
        "address previousQueen,uint32 queenFromSlot,bytes32 terms,uint64 maxPrice,uint32 maxPowerW,"
        "bytes32 nextTerms,uint32 nextFromSlot,uint64 minPenalty,uint32 openAccounts,uint48 stayUntil"
    ),
)
CLAIM = View("claimOf", _OF_WORKER, _words("uint64 amount"))
MOTHER = View("motherOf", ("uint32",), _words("uint32 mother"))
VIEWS = (ACCOUNT, POOL, CLOSE, HIVE, MOTHER, CLAIM)


def encode_word(kind: str, value: Value) -> bytes:
    """One static value as its word; ValueError or OverflowError for one that does not fit."""
    if isinstance(value, bytes):
        return value.rjust(WORD, b"\0") if kind == "address" else value.ljust(WORD, b"\0")
    return int(value).to_bytes(WORD, "big", signed=kind.startswith("int"))


def decode_word(kind: str, word: bytes, name: str) -> Value:
    """The value in a word; AnswerMalformed when bits stand where the type has none."""
    if kind == "bytes32":
        return word
    signed = kind.startswith("int")
    number = int.from_bytes(word, "big", signed=signed)
    bits = {"address": 160, "bool": 1}.get(kind) or int(kind.lstrip("uint"))
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if not low <= number <= high:
        raise AnswerMalformed(f"{name} does not fit {kind}")
    if kind == "address":
        return word[-20:]
    return bool(number) if kind == "bool" else number
