"""What can go wrong between Queen and chain; every error names the place, the limit and what to do next.

`transient` says whether the same call may succeed later without anybody changing anything.
"""


class ChainError(Exception):
    """Root of all errors of this package."""

    transient = False


class ChainUnreachable(ChainError, ConnectionError):
    """No RPC address answered."""

    transient = True

    def __init__(self, place: str, detail: str) -> None:
        super().__init__(f"{place}: no answer ({detail}); settlement waits, check chain.rpc_urls and the network")


class NotMinedYet(ChainError, TimeoutError):
    """A transaction is sent but in no block yet."""

    transient = True

    def __init__(self, tx_hash: str, waited_s: float) -> None:
        super().__init__(
            f"transaction {tx_hash}: in no block after {waited_s:g} s; settle again, it sends the same bytes"
        )


class WrongChain(ChainError, ValueError):
    """The node belongs to another chain than the settings name."""

    def __init__(self, place: str, expected: int, found: int) -> None:
        super().__init__(f"{place}: chain id {found}, the settings have {expected}; correct hive.chain_id or the URL")


class CodeMismatch(ChainError, ValueError):
    """The contract at the address is not the one these ABI files describe."""

    def __init__(self, address: str, detail: str) -> None:
        super().__init__(f"contract {address}: {detail}; correct hive.contract, nothing was signed")


class CallReverted(ChainError, ValueError):
    """The contract refused a call; `name` is its own error's name, empty when it gave none."""

    def __init__(self, place: str, name: str, detail: str) -> None:
        self.name = name
        super().__init__(f"{place}: refused with {name or 'no reason'} {detail}; see the contract's list of errors")


class FeeCapExceeded(ChainError, ValueError):
    """A transaction could cost more than the settings allow."""

    def __init__(self, place: str, cost_wei: int, cap_wei: int) -> None:
        super().__init__(f"{place}: may cost {cost_wei} wei, the cap is {cap_wei}; wait for lower fees or raise it")


class NonceTaken(ChainError, RuntimeError):
    """Another transaction of the same account has used the nonce: a second Queen, or the key used elsewhere."""

    def __init__(self, tx_hash: str, nonce: int) -> None:
        super().__init__(
            f"transaction {tx_hash}: nonce {nonce} was used by another one; find who else signs with this key, then "
            "settle again: it is signed anew, and repeated Statements are skipped by the contract"
        )
