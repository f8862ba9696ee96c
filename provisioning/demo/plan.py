"""What a demo run consists of: homes, keys from the seed, tariff and terms, folders.

Keys are derived from the seed, so that the same seed gives the same addresses, bills and evidence. They are worthless
outside a local chain and are marked so in the folder.
"""

from dataclasses import dataclass, field
from pathlib import Path

from drivers.sim.profile import DAY_S, DEMO_DAY_UNIX_S, HomeProfile, load_profiles
from honey_edge.billing.tariff import Tariff
from honey_edge.model.errors import HiveError
from honey_edge.model.slots import SLOTS_PER_DAY, slot_at
from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import KeySigner

HIVE = 1
CURRENCY = "CHF"
BUY_DAY, BUY_NIGHT, SELL = 270_000, 210_000, 60_000
NIGHT_SLOTS = 6 * 4
FEE_PER_MILLE, THETA, PLATFORM_BPS = 30, 250, 20
MAX_POWER_W = 25_000
DEPOSIT_MICRO = 50_000_000
POOL_MICRO = 200_000_000
MODBUS_PLACE = 2
SIMULATED_DAY_UNIX_S = DEMO_DAY_UNIX_S


class DemoError(HiveError, ValueError):
    """The run asked for cannot be made."""

    code = "E-DEMO"


@dataclass(frozen=True, slots=True)
class HomePlan:
    """One home of the run: its printed serial, measured profile, meter kind and key."""

    serial: str
    profile: HomeProfile
    meter: str
    signer: KeySigner
    secret: bytes

    @property
    def address(self) -> str:
        """The Worker's identity."""
        return self.signer.address.hex()


@dataclass(frozen=True)
class RunPlan:
    """Everything that a run follows from."""

    homes: tuple[HomePlan, ...]
    slots: int
    seed: int
    folder: Path
    queen_secret: bytes
    owner_secret: bytes
    tariff: Tariff
    day_unix_s: int = SIMULATED_DAY_UNIX_S
    speed: float = 0.0
    serve: bool = False
    faults: tuple[str, ...] = ()
    first_slot: int = field(init=False)

    def __post_init__(self) -> None:
        """The first billed slot starts with the simulated day."""
        object.__setattr__(self, "first_slot", slot_at(self.day_unix_s))

    @property
    def days(self) -> list[int]:
        """The UTC days started by the run."""
        first = self.first_slot // SLOTS_PER_DAY
        return list(range(first, (self.first_slot + self.slots - 1) // SLOTS_PER_DAY + 1))


def demo_secret(seed: int, who: str) -> bytes:
    """A key for one run on a local chain, from its seed: public by construction."""
    return keccak(f"hive demo key, worthless | {seed} | {who}".encode())


def demo_tariff() -> Tariff:
    """A two-step tariff: dearer by day than from midnight to six."""
    buy = [BUY_NIGHT] * NIGHT_SLOTS + [BUY_DAY] * (SLOTS_PER_DAY - NIGHT_SLOTS)
    return Tariff(CURRENCY, tuple(buy), (SELL,) * SLOTS_PER_DAY, (), 20_000_000)


def choose_homes(count: int, hours: float, seed: int) -> tuple[HomePlan, ...]:
    """The first `count` measured homes, one of them behind a Modbus meter."""
    days = max(1, -int(-hours * 3600 // DAY_S))
    profiles = load_profiles(SIMULATED_DAY_UNIX_S + (days - 1) * DAY_S, days)
    if not 1 <= count <= len(profiles):
        raise DemoError(f"--homes {count}: the measured data hold 1 to {len(profiles)} homes")
    place = min(MODBUS_PLACE, count - 1)
    return tuple(
        _home(number, profile, "sdm630" if number == place else "atm90e32as", seed)
        for number, profile in enumerate(profiles[:count])
    )


def demo_hive_homes(seed: int) -> tuple[HomePlan, ...]:
    """The white paper's testbed (7.1.1): a producer and a consumer."""
    profiles = {profile.name: profile for profile in load_profiles(SIMULATED_DAY_UNIX_S)}
    return (_home(0, profiles["ca11"], "atm90e32as", seed), _home(1, profiles["uci"], "sdm630", seed))


def _home(number: int, profile: HomeProfile, meter: str, seed: int) -> HomePlan:
    serial = f"HP-{101 + number:06d}"
    secret = demo_secret(seed, serial)
    return HomePlan(serial, profile, meter, KeySigner(secret), secret)
