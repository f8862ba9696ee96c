"""Foundry's node as a child process on a free loopback port, with time, mining and reorganisations by command."""

import itertools
import json
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

MODULES = Path(__file__).resolve().parents[2] / "contracts" / "node_modules"


def anvil_path() -> Path | None:
    """Foundry's node from npm for this machine; None where it is not installed."""
    found = sorted(MODULES.glob("@foundry-rs/anvil-*/bin/anvil"))
    return found[0] if found else None


class Anvil:
    """A running node; every method is one JSON-RPC request straight to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._numbers = itertools.count(1)

    def rpc(self, method: str, *params: Any) -> Any:
        """The result of a method; AssertionError with the node's words when it refuses."""
        body = json.dumps({"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.loads(response.read())
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    @property
    def number(self) -> int:
        """Height of the newest block."""
        return int(self.rpc("eth_blockNumber"), 16)

    @property
    def now_unix_s(self) -> int:
        """Time of the newest block."""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def receipt(self, tx_hash: str) -> Any:
        """The receipt of a transaction (0x text) that is about to be mined: the node makes its block a moment later."""
        for _ in range(5_000):
            found = self.rpc("eth_getTransactionReceipt", tx_hash)
            if found is not None:
                return found
        raise AssertionError(f"{tx_hash} is in no block")

    def mine(self, count: int = 1) -> None:
        """Makes blocks, one second apart."""
        self.rpc("anvil_mine", hex(count), hex(1))

    def set_time(self, unix_s: int) -> None:
        """Makes a block that carries this time."""
        self.rpc("evm_setNextBlockTimestamp", unix_s)
        self.mine()

    def automine(self, on: bool) -> None:
        """Whether every transaction gets a block at once; else it waits for `mine`."""
        self.rpc("evm_setAutomine", on)

    def reorg(self, depth: int, transactions: list[tuple[str, int]] | None = None) -> None:
        """Replaces the newest `depth` blocks by as many others that hold `transactions` (raw, block from 0)."""
        self.rpc("anvil_reorg", depth, [list(one) for one in transactions or []])

    def drop_all(self) -> None:
        """Forgets every waiting transaction."""
        self.rpc("anvil_dropAllTransactions")

    def set_balance(self, address: str, wei: int) -> None:
        """Gives an address (40 hex digits) a native balance."""
        self.rpc("anvil_setBalance", "0x" + address, hex(wei))

    def nonce(self, address: str) -> int:
        """Transactions of an address (40 hex digits) in blocks."""
        return int(self.rpc("eth_getTransactionCount", "0x" + address, "latest"), 16)


@contextmanager
def running_anvil(start_unix_s: int, *options: str) -> Iterator[Anvil]:
    """A fresh node under the Osaka rules whose first block carries `start_unix_s`; skips loudly where there is none.

    Its `finalized` block is two behind the newest unless `options` have another --slots-in-an-epoch.
    """
    binary = anvil_path()
    if binary is None:
        pytest.skip("SKIPPED LOUDLY: no anvil (npm ci in contracts), so Foundry's node was not tried")
    command = [str(binary), "--port", "0", "--host", "127.0.0.1", "--timestamp", str(start_unix_s)]
    command += ["--hardfork", "osaka", "--accounts", "1", "--gas-limit", "60000000", "--slots-in-an-epoch", "1"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = next(line.split()[-1] for line in process.stdout if line.startswith("Listening on"))
            # The node logs every request: an unread pipe would fill up and stop it.
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield Anvil(f"http://{address}")
        finally:
            process.terminate()
            process.wait(timeout=10)
