"""The plan of a deployment: which contract is made from what, in which order, and who gets which role.

The order is the one on top of contracts/src/beekeeper/Beekeeper.sol; no step needs an address that is not known yet.
Pure: steps are computed from the addresses so far; `deploying.py` sends them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from queen_node.chain.calls import CONSTRUCTOR, Call
from queen_node.operator.errors import InputError
from queen_node.operator.inputs import HVT_UNIT, address, micro_coins

NO_ADDRESS = "00" * 20
#: Floor and ceiling of the prices of HVT, as parts and multiples of the first prices.
PRICE_SPAN = 100
TEST_COIN_DECIMALS = 6
TEST_COIN_CODE = "TEST"
TEST_MIN_PENALTY_MICRO = 1_000_000
MAX_FEE_BPS = 100
_CODE_BYTES = 16


@dataclass(frozen=True, slots=True)
class ListedCoin:
    """A coin that the Stablecoin List begins with; `min_penalty_micro` is the least penalty of a lie in a close."""

    address: str
    code: str
    min_penalty_micro: int


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the one who deploys decides; addresses are 40 hex digits, empty ones take the default.

    Defaults: the timelock is the treasury, the deployer holds the HVT, nobody keeps prices or guards. Coins are listed
    by the coin keeper; a deployer who was not named keeper gives that right away when the list is made.
    """

    deployer: str
    treasury: str = ""
    holder: str = ""
    certifier: str = ""
    coin_keeper: str = ""
    price_keeper: str = ""
    guardian: str = ""
    coins: tuple[ListedCoin, ...] = ()
    hive_price_wei: int = 1_000 * HVT_UNIT
    meter_price_wei: int = 10 * HVT_UNIT
    fee_bps: int = 20
    test_coin: bool = False

    @property
    def lists_coins(self) -> bool:
        """Whether the deployer has coins to list."""
        return bool(self.coins) or self.test_coin

    @property
    def first_coin_keeper(self) -> str:
        """Who holds the coin role at first."""
        return self.coin_keeper or (self.deployer if self.lists_coins else NO_ADDRESS)


def parse_coin(text: str) -> ListedCoin:
    """`ADDRESS:CODE:MINPENALTY`, the penalty in coins."""
    parts = text.split(":")
    if len(parts) != 3:
        raise InputError(f"--coin: {text[:60]!r} is not ADDRESS:CODE:MINPENALTY, e.g. 0x...:EURX:1.00")
    place, code, penalty = parts
    if not 0 < len(code.encode()) <= _CODE_BYTES or not code.isalnum():
        raise InputError(f"--coin: {code[:20]!r} is no code of 1 to {_CODE_BYTES} letters and digits")
    return ListedCoin(address(place, "--coin"), code, micro_coins(penalty, "--coin: MINPENALTY"))


def check_wishes(wishes: Wishes) -> None:
    """InputError for wishes that the contracts would refuse half-way."""
    if not 0 <= wishes.fee_bps <= MAX_FEE_BPS:
        raise InputError(f"--fee-bps: {wishes.fee_bps} is not 0 to {MAX_FEE_BPS}")
    if wishes.lists_coins and wishes.first_coin_keeper != wishes.deployer:
        raise InputError(
            f"--coin: coins are listed by the coin keeper {wishes.coin_keeper}, the key is that of {wishes.deployer}",
            next_step="leave --coin-keeper out, or let the keeper list the coins afterwards",
        )
    addresses = [coin.address for coin in wishes.coins]
    if len(set(addresses)) != len(addresses):
        raise InputError("--coin: one coin is given twice")


@dataclass(frozen=True, slots=True)
class Stage:
    """One transaction: `contract` is the entry of the book it makes, empty for a call; `made` builds it."""

    name: str
    title: str
    made: Callable[[Mapping[str, str]], Call]
    contract: str = ""


def _creation(artifact: str, *arguments: object) -> Call:
    return Call("", artifact, CONSTRUCTOR, arguments)


def _making(entry: str, artifact: str, arguments: Callable[[Mapping[str, str]], tuple[object, ...]]) -> Stage:
    return Stage(entry, f"deploy {entry}", lambda at: _creation(artifact, *arguments(at)), entry)


def _initialisation(wishes: Wishes, at: Mapping[str, str]) -> bytes:
    roles = (
        wishes.certifier or NO_ADDRESS,
        wishes.first_coin_keeper,
        wishes.price_keeper or NO_ADDRESS,
        wishes.guardian or NO_ADDRESS,
    )
    prices = (wishes.hive_price_wei, wishes.meter_price_wei)
    bounds = tuple(value for price in prices for value in (price // PRICE_SPAN, price * PRICE_SPAN))
    values = (at["HVT"], at["HiveTimelock"], wishes.deployer, roles, *prices, bounds)
    return Call(at["BeekeeperImplementation"], "Beekeeper", "initialize", values).data


def stages(wishes: Wishes) -> list[Stage]:
    """All transactions of a deployment, in their order."""
    made = [
        _making("HVT", "HVT", lambda at: (wishes.holder or wishes.deployer,)),
        _making("HiveTimelock", "HiveTimelock", lambda at: ()),
        _making("BeekeeperHives", "BeekeeperHives", lambda at: ()),
        _making("BeekeeperImplementation", "Beekeeper", lambda at: (at["BeekeeperHives"],)),
        _making("Beekeeper", "ERC1967Proxy", lambda at: (at["BeekeeperImplementation"], _initialisation(wishes, at))),
        _making("StakeVotes", "StakeVotes", lambda at: (at["Beekeeper"],)),
        _making("HiveGovernor", "HiveGovernor", lambda at: (at["StakeVotes"], at["HiveTimelock"])),
        Stage(
            "hand-over",
            "give the timelock to the governor; the deployer's right ends",
            lambda at: Call(at["HiveTimelock"], "HiveTimelock", "handOver", (at["HiveGovernor"],)),
        ),
        _making("SettlementClosing", "SettlementClosing", lambda at: _settlement(wishes, at)),
        _making("EnergySettlement", "EnergySettlement", lambda at: (*_settlement(wishes, at), at["SettlementClosing"])),
        Stage(
            "wire",
            "name StakeVotes and EnergySettlement to the Beekeeper; the deployer's right ends",
            lambda at: Call(at["Beekeeper"], "Beekeeper", "wire", (at["StakeVotes"], at["EnergySettlement"])),
        ),
        _making("FlexibilityPool", "FlexibilityPool", lambda at: (at["EnergySettlement"], at["HiveTimelock"])),
        _making("Reputation", "Reputation", lambda at: (at["EnergySettlement"],)),
    ]
    return [*made, *_coins(wishes)]


def _settlement(wishes: Wishes, at: Mapping[str, str]) -> tuple[object, ...]:
    return (at["Beekeeper"], treasury_of(wishes, at), at["HiveTimelock"], wishes.fee_bps)


def treasury_of(wishes: Wishes, at: Mapping[str, str]) -> str:
    """Where platform fees go."""
    return wishes.treasury or at["HiveTimelock"]


def _coins(wishes: Wishes) -> list[Stage]:
    found = []
    if wishes.test_coin:
        found.append(_making("TestCoin", "TestCoin", lambda at: (wishes.deployer, TEST_COIN_DECIMALS)))
        found.append(
            Stage(
                "coin-test",
                f"list the test coin as {TEST_COIN_CODE}",
                lambda at: _listing(at, ListedCoin(at["TestCoin"], TEST_COIN_CODE, TEST_MIN_PENALTY_MICRO)),
            )
        )
    found += [_coin_stage(coin) for coin in wishes.coins]
    if wishes.lists_coins and not wishes.coin_keeper:
        found.append(
            Stage(
                "renounce-coins", "the deployer gives the coin role away", lambda at: _renouncing(at, wishes.deployer)
            )
        )
    return found


def _coin_stage(coin: ListedCoin) -> Stage:
    return Stage(f"coin-{coin.address}", f"list the coin {coin.code}", lambda at: _listing(at, coin))


def _listing(at: Mapping[str, str], coin: ListedCoin) -> Call:
    return Call(at["Beekeeper"], "Beekeeper", "addCoin", (coin.address, coin.code, coin.min_penalty_micro))


def _renouncing(at: Mapping[str, str], deployer: str) -> Call:
    return Call(at["Beekeeper"], "Beekeeper", "renounceRole", (role("COIN_ROLE"), deployer))


def role(name: str) -> bytes:
    """The 32 bytes of a role of OpenZeppelin's AccessControl."""
    from honey_edge.wire.keccak import keccak

    return bytes(32) if name == "DEFAULT_ADMIN_ROLE" else keccak(name.encode())
