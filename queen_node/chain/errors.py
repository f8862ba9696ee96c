"""What can go wrong between Queen and chain; every error names the place, the limit and what to do next.

`transient` says whether the same call may succeed later without anybody changing anything.
"""

from collections.abc import Mapping
from typing import Any

from honey_edge.model.errors import HiveError


class ChainError(HiveError):
    """Root of all errors of this package; `place` is where, `limit` what was exceeded (empty when nothing was)."""

    code = "E-CHAIN-TX"

    def __init__(self, place: str, problem: str, *, limit: str = "", next_step: str = "") -> None:
        super().__init__(f"{place}: {problem}" + (f"; {next_step}" if next_step else ""), next_step=next_step)
        self.place, self.limit = place, limit


class ChainUnreachable(ChainError, ConnectionError):
    """Too few RPC addresses answered."""

    code = "E-RPC"
    transient = True

    def __init__(self, place: str, detail: str) -> None:
        super().__init__(
            place, f"no answer ({detail})", next_step="settlement waits; check chain.rpc_urls and the network"
        )


class NodesDisagree(ChainError):
    """The RPC addresses give different answers to a question on which money depends."""

    code = "E-RPC-DISAGREE"
    transient = True

    def __init__(self, place: str, question: str, most: int, needed: int) -> None:
        super().__init__(
            place,
            f"{question}: at most {most} equal answers, {needed} are needed",
            limit=f"agreement {needed}",
            next_step="nothing was signed; it is asked again, remove the address that is wrong if this stays",
        )


class NotMinedYet(ChainError, TimeoutError):
    """A transaction is sent but in no block yet."""

    code = "E-TX-WAIT"
    transient = True

    def __init__(self, tx_hash: str, waited_s: float) -> None:
        super().__init__(
            f"transaction {tx_hash}",
            f"in no block after {waited_s:g} s",
            limit=f"{waited_s:g} s",
            next_step="do the same again, it sends the same bytes",
        )


class WrongChain(ChainError, ValueError):
    """The node belongs to another chain than the settings name."""

    code = "E-CHAIN-ID"

    def __init__(self, place: str, expected: int, found: int) -> None:
        super().__init__(
            place,
            f"chain id {found}, the settings have {expected}",
            limit=f"chain id {expected}",
            next_step="correct hive.chain_id or the URL",
        )


class CodeMismatch(ChainError, ValueError):
    """The contract at the address is not the one these ABI files describe."""

    code = "E-CHAIN-CODE"

    def __init__(self, address: str, detail: str) -> None:
        super().__init__(
            f"contract {address}",
            detail,
            limit="the code of this release",
            next_step="correct the contract's address or use the matching release; nothing was signed",
        )


class CallReverted(ChainError, ValueError):
    """The contract refused a call; `name` and `arguments` are its own error's, empty when it gave none."""

    code = "E-TX-REVERT"

    def __init__(self, place: str, name: str, detail: str, arguments: Mapping[str, Any] | None = None) -> None:
        super().__init__(
            place, f"refused with {name or 'no reason'} {detail}".rstrip(), next_step="see the contract's errors"
        )
        self.name = name
        self.arguments: Mapping[str, Any] = dict(arguments or {})


class UnexpectedOutcome(ChainError, ValueError):
    """A simulated call would do something else than its caller expects."""

    code = "E-TX-EXPECT"
    transient = True

    def __init__(self, place: str, expected: str, found: str) -> None:
        super().__init__(
            place,
            f"the simulation gives {found}, expected was {expected}",
            limit=expected,
            next_step="nothing was signed; look at the accounts again, then do the same again",
        )


class FeeCapExceeded(ChainError, ValueError):
    """A transaction could cost more than the settings allow."""

    code = "E-TX-CAP"

    def __init__(self, place: str, cost_wei: int, cap_wei: int, cap: str = "chain.fee_cap_tx_wei") -> None:
        super().__init__(
            place,
            f"may cost {cost_wei} wei, the cap is {cap_wei} ({cap})",
            limit=f"{cap} {cap_wei}",
            next_step="wait for lower fees or raise it",
        )


class GasAccountEmpty(ChainError, ValueError):
    """The sending account cannot pay for a transaction."""

    code = "E-TX-GAS"

    def __init__(self, sender: str, cost_wei: int, balance_wei: int) -> None:
        super().__init__(
            f"account {sender}",
            f"has {balance_wei} wei, the transaction may cost {cost_wei}",
            limit=f"balance {balance_wei}",
            next_step=f"send at least {cost_wei - balance_wei} wei to it, then do the same again; nothing is lost",
        )


class NonceTaken(ChainError, RuntimeError):
    """Another transaction of the same account has used the nonce: a second Queen, or the key used elsewhere."""

    code = "E-TX-NONCE"

    def __init__(self, tx_hash: str, nonce: int) -> None:
        super().__init__(
            f"transaction {tx_hash}",
            f"nonce {nonce} was used by another one",
            limit=f"nonce {nonce}",
            next_step="find who else signs with this key, then do the same again: once the other one is final it is "
            "signed anew, and the contract skips repeated Statements",
        )


class WriterBusy(ChainError, RuntimeError):
    """Another process writes with this account now."""

    code = "E-TX-WRITER"
    transient = True

    def __init__(self, sender: str, holder: str, until_unix_s: int) -> None:
        super().__init__(
            f"account {sender}",
            f"process {holder} is sending with it (until unix {until_unix_s} at the latest)",
            limit=f"one writer until {until_unix_s}",
            next_step="wait, or stop one of the two",
        )


class NotAllowed(ChainError, PermissionError):
    """The signer's list has no such target and function."""

    code = "E-TX-LIST"

    def __init__(self, target: str, selector: bytes) -> None:
        what = f"function {selector.hex()}" if selector else "a creation or payment"
        super().__init__(
            f"target {target or 'new contract'}",
            f"{what} is not on the signer's list",
            limit="the signer's list",
            next_step="use the command made for this call",
        )


class BadCall(ChainError, ValueError):
    """A call or an answer that does not fit the contract's ABI."""

    code = "E-CHAIN-ABI"

    def __init__(self, place: str, detail: str) -> None:
        super().__init__(place, detail, next_step="compare the arguments with contracts/abi")


class NoSuchIntent(ChainError, LookupError):
    """There is no row with that key."""

    code = "E-TX-KEY"

    def __init__(self, key: str) -> None:
        super().__init__(f"intent {key}", "there is no such row", next_step="plan it first")
