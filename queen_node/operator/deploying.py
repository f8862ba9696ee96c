"""Carrying a deployment out: one transaction a stage, the address book after each, and on again after a stop.

A second deployment by mistake is refused: the book is complete, or it is another deployer's or chain's, or the deployer
has already made these contracts on this chain (found by the addresses its earlier transactions created).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from honey_edge.wire.keccak import keccak
from queen_node.chain.artifacts import artifact
from queen_node.chain.calls import CONSTRUCTOR, Call
from queen_node.operator.book import Book, read_book, write_book
from queen_node.operator.deployment import TEST_COIN_CODE, Stage, Wishes, check_wishes, stages, treasury_of
from queen_node.operator.errors import AlreadyDeployed, BookError, NotAllowed
from queen_node.operator.inputs import native_text
from queen_node.operator.port import Chain, Cost
from queen_node.operator.sending import Document

#: How far back the deployer's own transactions are searched for an earlier deployment.
NONCES_SEARCHED = 500
_WITNESSES = ("HVT", "HiveTimelock", "EnergySettlement")
#: Gas: a transaction, a creation, a byte of code kept (EIP-170 and the yellow paper), calldata (EIP-7623), and an
#: allowance for what a constructor stores.
_TX_GAS, _CREATE_GAS, _CODE_BYTE_GAS, _STORING_GAS = 21_000, 32_000, 200, 250_000
_ZERO_BYTE_GAS, _BYTE_GAS = 4, 16
_CALL_GAS = 150_000


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment that can begin or go on; `book` is where it stands, `left` what is to be sent."""

    file: Path
    wishes: Wishes
    book: Book
    done: int
    left: tuple[Stage, ...]
    costs: tuple[Cost, ...]
    chain_id: int

    @property
    def gas(self) -> int:
        """About what the rest takes."""
        return sum(cost.gas for cost in self.costs)

    @property
    def cost_wei(self) -> int:
        """The same in wei at today's fee."""
        return sum(cost.wei for cost in self.costs)

    def document(self) -> Document:
        """The plan for people and machines."""
        return {
            "book": str(self.file),
            "chain_id": self.chain_id,
            "deployer": self.wishes.deployer,
            "done": self.done,
            "gas": self.gas,
            "cost_wei": self.cost_wei,
            "cost": native_text(self.cost_wei),
            "transactions": [
                {"does": stage.title, "gas": cost.gas, "cost_wei": cost.wei, "exact": cost.exact}
                for stage, cost in zip(self.left, self.costs, strict=True)
            ],
        }

    def remark(self) -> str:
        """What would be sent, before anything is."""
        goes_on = f", goes on after {self.done} steps" if self.done else ""
        return (
            f"chain deploy: chain {self.chain_id}, from {self.wishes.deployer}{goes_on}, "
            f"{len(self.left)} transactions, "
            f"about {self.gas} gas = {native_text(self.cost_wei)} of the chain's coin, address book {self.file}"
        )


def prepare(chain: Chain, file: Path, wishes: Wishes, another: bool = False) -> Deployment:
    """What is left of a deployment; AlreadyDeployed when there is one, unless `another` is wanted on purpose."""
    check_wishes(wishes)
    book = _started(chain, file, wishes)
    if book is None:
        if not another:
            _refuse_second(chain, wishes)
        began = {"wishes": _fingerprint(wishes)}
        book = Book(chain.chain_id, wishes.deployer, source_hash=source_hash(), roles=began)
    planned = stages(wishes)
    left = tuple(stage for stage in planned if not _is_done(chain, book, stage))
    fee = chain.fee_per_gas_wei()
    costs = tuple(_cost(stage, fee) for stage in left)
    return Deployment(file, wishes, book, len(planned) - len(left), left, costs, chain.chain_id)


def source_hash() -> str:
    """The hash over the sources of everything that is deployed."""
    return artifact("EnergySettlement").source_hash


def _fingerprint(wishes: Wishes) -> str:
    """Tells whether a deployment goes on with the options it was begun with."""
    return keccak(repr(wishes).encode()).hex()


def _started(chain: Chain, file: Path, wishes: Wishes) -> Book | None:
    if not file.exists():
        return None
    book = read_book(file)
    if book.complete:
        raise AlreadyDeployed(
            f"{file}: is the address book of a finished deployment on chain {book.chain_id}",
            next_step="hive chain check looks at it; give another --out for another deployment",
        )
    if book.chain_id != chain.chain_id:
        raise BookError(f"{file}: was begun on chain {book.chain_id}, this is chain {chain.chain_id}")
    if book.deployer != wishes.deployer:
        raise BookError(f"{file}: was begun by {book.deployer}, the key is that of {wishes.deployer}")
    if book.roles.get("wishes") != _fingerprint(wishes):
        raise BookError(
            f"{file}: was begun with other options", next_step="repeat the command with the options it was begun with"
        )
    if book.source_hash != source_hash():
        raise BookError(
            f"{file}: was begun with other sources",
            next_step="go on with the release that began it, or start anew elsewhere",
        )
    return book


def _refuse_second(chain: Chain, wishes: Wishes) -> None:
    count = chain.nonce(wishes.deployer)
    places = [created_address(wishes.deployer, nonce) for nonce in range(max(0, count - NONCES_SEARCHED), count)]
    for place, code in zip(places, chain.codes(places), strict=True):
        for name in _WITNESSES:
            if code and artifact(name).matches(code):
                raise AlreadyDeployed(
                    f"{wishes.deployer} has made {name} on chain {chain.chain_id} before, at {place}",
                    next_step="find that address book; --another makes a second deployment on purpose",
                )


def created_address(sender: str, nonce: int) -> str:
    """Where a creation with this nonce puts its contract: keccak of the RLP list of both (yellow paper, section 7)."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    coded = number if len(number) == 1 and number[0] < 0x80 else bytes([0x80 + len(number)]) + number
    body = b"\x94" + bytes.fromhex(sender) + coded
    return keccak(bytes([0xC0 + len(body)]) + body)[-20:].hex()


def _key(stage: Stage) -> str:
    return f"operator/deploy/{stage.name}"


def _is_done(chain: Chain, book: Book, stage: Stage) -> bool:
    return stage.contract in book.contracts if stage.contract else chain.is_done(_key(stage))


def _cost(stage: Stage, fee_wei: int) -> Cost:
    """An upper estimate; a stage cannot be simulated before the contracts it speaks to are there."""
    if not stage.contract:
        return Cost(_CALL_GAS, _CALL_GAS * fee_wei, exact=False)
    code = artifact(
        {"BeekeeperImplementation": "Beekeeper", "Beekeeper": "ERC1967Proxy"}.get(stage.contract, stage.contract)
    )
    creation = bytes.fromhex(code.bytecode.removeprefix("0x"))
    zeros = creation.count(0)
    calldata = zeros * _ZERO_BYTE_GAS + (len(creation) - zeros) * _BYTE_GAS
    gas = _TX_GAS + _CREATE_GAS + len(code.deployed) * _CODE_BYTE_GAS + calldata + _STORING_GAS
    return Cost(gas, gas * fee_wei, exact=False)


def carry_out(chain: Chain, plan: Deployment, told: Callable[[str], None] = lambda _: None) -> Document:
    """Sends what is left, writing the book after every contract; NotAllowed when the account cannot pay for it."""
    held = chain.balance_wei(plan.wishes.deployer)
    if held < plan.cost_wei:
        raise NotAllowed(
            f"{plan.wishes.deployer} has {native_text(held)} of the chain's coin, the deployment costs about "
            f"{native_text(plan.cost_wei)}",
            next_step="send that account coin for gas; nothing was sent",
        )
    book, sent = plan.book, []
    write_book(plan.file, book)
    for stage in plan.left:
        call = stage.made(book.contracts)
        mined = chain.send_once(_key(stage), call)
        if stage.contract:
            _check_made(chain, stage, call, mined.created)
            book = book.with_contract(stage.contract, mined.created, mined.block)
            write_book(plan.file, book)
        told(f"{stage.title}: {mined.created or mined.tx_hash} in block {mined.block}")
        sent.append({"does": stage.title, "hash": mined.tx_hash, "block": mined.block, "gas_used": mined.gas_used})
    book = replace(book, complete=True, roles=_roles(plan.wishes, book), coins=_coins(plan.wishes, book))
    write_book(plan.file, book)
    return book.document() | {"transactions": sent, "gas_used": sum(int(str(one["gas_used"])) for one in sent)}


def _check_made(chain: Chain, stage: Stage, call: Call, created: str) -> None:
    assert call.function == CONSTRUCTOR
    if not artifact(call.contract).matches(chain.code(created)):
        raise NotAllowed(
            f"{stage.title}: the code at {created} is not what was sent", next_step="try another RPC address"
        )


def _roles(wishes: Wishes, book: Book) -> Document:
    return {
        "treasury": treasury_of(wishes, book.contracts),
        "hvt_holder": wishes.holder or wishes.deployer,
        "certifiers": [wishes.certifier] if wishes.certifier else [],
        "coin_keepers": [wishes.coin_keeper] if wishes.coin_keeper else [],
        "price_keepers": [wishes.price_keeper] if wishes.price_keeper else [],
        "guardians": [wishes.guardian] if wishes.guardian else [],
    }


def _coins(wishes: Wishes, book: Book) -> dict[str, str]:
    found = {coin.address: coin.code for coin in wishes.coins}
    if wishes.test_coin:
        found[book.at("TestCoin")] = TEST_COIN_CODE
    return found
