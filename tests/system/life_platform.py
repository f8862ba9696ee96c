"""The platform of the life tests: deployed by the real command on a local node, with one Hive of four funded homes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account import Account

from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.structs import SlotTotals
from queen_node.chain.artifacts import artifact
from tests.chain_kit.anvil import running_anvil

from .life_world import COIN, SLOT_S, Home, World, secret, terms, words

START_UNIX_S = 1_800_000_000
DEPLOYER, OWNER, QUEEN, CERTIFIER, STRANGER = (secret(number) for number in (101, 102, 103, 104, 105))
MODEL = "M1"
UNTIL = START_UNIX_S + 10 * 365 * 86_400
HVT = 10**18
WINDOW_S = 3 * 86_400


def address_of(key: bytes) -> str:
    return str(Account.from_key(key).address)


@dataclass(slots=True)
class Platform:
    """One Hive on a deployed platform; `opened` is the slot at which its accounts opened."""

    world: World
    homes: list[Home] = field(default_factory=list)
    opened: int = 0
    deposit_micro: int = 20 * COIN

    owner, queen, stranger = address_of(OWNER), address_of(QUEEN), address_of(STRANGER)

    def list_home(self, number: int) -> Home:
        """A certified meter in the Meter List, with its own owner."""
        world, home = self.world, Home(KeySigner(secret(number)), secret(1_000 + number))
        serial = f"HV-{number}"
        made = world.certificate(KeySigner(CERTIFIER), home.address, serial, "Maker", MODEL, UNTIL)
        add = world.keeper.functions.addMeter(home.address, home.owner, serial, "Maker", MODEL, UNTIL, made)
        world.send(STRANGER, add)
        world.give_gas(home.owner_secret)
        world.mint(DEPLOYER, home.owner, amount=1_000 * COIN)
        world.approve(home.owner_secret)
        return home

    def fund(self, home: Home, number: int = 1, sender: bytes = b"") -> None:
        """A deposit for a home, by its owner unless somebody else pays."""
        deposit = self.world.settlement.functions.deposit(number, home.address, self.deposit_micro)
        self.world.send(sender or home.owner_secret, deposit)

    def totals(self, number: int, price: int) -> SlotTotals:
        """Some totals a Queen might sign."""
        return SlotTotals(
            number, self.world.slot() - 1, 10, 20, -10, 200, 100, price, 500, 20, 4, 0, 0, b"\1" * 32, b"\2" * 32
        )

    def deploy_implementation(self) -> str:
        """A second copy of the Beekeeper's code, as an upgrade would bring it."""
        halves = self._deploy("BeekeeperHives")
        return self._deploy("Beekeeper", halves)

    def _deploy(self, name: str, *arguments: Any) -> str:
        made = artifact(name)
        factory = self.world.web3.eth.contract(abi=made.abi, bytecode=made.bytecode)
        receipt = self.world.send(STRANGER, factory.constructor(*arguments))
        return str(receipt["contractAddress"])

    def vote(self, data: str, title: str, support: int) -> None:
        """Proposes a call of the Beekeeper, votes with all of the owner's weight, and executes it if it is accepted."""
        world, governor = self.world, self.world.governor.functions
        call = ([world.keeper.address], [0], [data])
        world.send(OWNER, governor.propose(*call, title))
        number = governor.getProposalId(*call, keccak(title.encode())).call()
        world.at_time(governor.proposalSnapshot(number).call() + 1)
        world.send(OWNER, governor.castVote(number, support))
        world.at_time(governor.proposalDeadline(number).call() + 1)
        queue = governor.queue(*call, keccak(title.encode()))
        if support != 1:
            assert world.refusal(STRANGER, queue) != ""
            return
        world.send(STRANGER, queue)
        execute = governor.execute(*call, keccak(title.encode()))
        assert world.refusal(STRANGER, execute) != "", "the timelock gives two days to leave"
        world.after(2 * 86_400 + 1)
        world.send(STRANGER, execute)


def hive_command(*arguments: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """Runs the operator's command with --json and gives its document; AssertionError with its words when it fails."""
    command = [sys.executable, "-m", "queen_node.cli", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | (env or {}), timeout=300)
    assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr}"
    return dict(json.loads(done.stdout))


def key_file(folder: Path, key: bytes) -> Path:
    """A key file as the commands want it."""
    file = folder / f"{address_of(key)[2:].lower()}.key"
    file.write_text(key.hex())
    file.chmod(0o600)
    return file


@contextmanager
def deployed_platform(folder: Path) -> Iterator[Platform]:
    """A node, everything deployed by `hive chain deploy`, and Hive 1 with a pool of 30 coins."""
    with running_anvil(START_UNIX_S) as node:
        for key in (DEPLOYER, OWNER, QUEEN, CERTIFIER, STRANGER):
            node.set_balance(address_of(key)[2:], 10**21)
        book = folder / "book.json"
        hive_command(
            *("chain", "deploy", "--rpc", node.url, "--key", str(key_file(folder, DEPLOYER)), "--out", str(book)),
            *("--test-coin", "--certifier", address_of(CERTIFIER), "--holder", address_of(OWNER)),
            *("--no-input", "--confirm", "31337"),
        )
        contracts = json.loads(book.read_text())["contracts"]
        yield _peopled(World(node.url, contracts, contracts["TestCoin"]))


def _peopled(world: World) -> Platform:
    made = Platform(world)
    world.mint(DEPLOYER, made.owner, made.queen, amount=1_000 * COIN)
    world.approve(OWNER, QUEEN)
    made.homes = [made.list_home(number) for number in (21, 22, 23, 24)]
    keeper = world.keeper.functions
    world.send(OWNER, world.hvt.functions.approve(world.keeper.address, 2**256 - 1))
    points = [bytes([place + 1]) * 32 for place in range(4)]
    meters = [home.address for home in made.homes]
    price, _ = keeper.priceOf(4).call()
    world.send(
        OWNER,
        keeper.createHive(price, made.owner, world.coin.address, meters, points, made.queen, WINDOW_S, words(terms(1))),
    )
    world.send(OWNER, world.settlement.functions.fundPool(1, 30 * COIN))
    for home in made.homes:
        made.fund(home)
    made.opened = world.slot()
    world.at_time((made.opened + 1) * SLOT_S)
    world.assert_conserved([1], made.homes)
    return made
