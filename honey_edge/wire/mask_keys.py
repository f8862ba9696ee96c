"""Who masks together, and the secrets that each two of them share without a word more (key agreement).

Every Worker makes a secp256k1 key for one round and signs it with its device key. A pair's secret is ECDH, hashed with
the context of the round: its number, first slot, group and every (address, key) of the list. Workers that were shown
different lists derive different masks, so a Queen who shows different lists gets noise, not answers.

Threshold: 2/3 of the homes, and at least (homes + 2) / 2. For each answer a home gives either the pairwise mask or the
share, so a lying Queen needs threshold - 1 homes that believe in the dropout and `threshold` homes that do not (the
home itself holds a share too): 2 * threshold - 1 > homes shuts her out, with as many allies among the homes as
2 * threshold - 2 - homes.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property

from coincurve import PrivateKey, PublicKey

from honey_edge.wire.keccak import keccak
from honey_edge.wire.mask_errors import MaskKeyError, TooFewForMasks
from honey_edge.wire.mask_field import ELEMENT_BYTES, element
from honey_edge.wire.mask_messages import MOST_MASKED, MaskKeyMessage, MaskRosterMessage
from honey_edge.wire.mask_structs import MaskKey, mask_key_digest
from honey_edge.wire.signing import Signer, signed_by
from honey_edge.wire.typed_data import Domain

FEWEST_MASKED = 3
SEED_BYTES = 32


def threshold(homes: int) -> int:
    """How many of `homes` must answer and must reveal; see the module's text."""
    return max(-(-2 * homes // 3), (homes + 3) // 2)


@dataclass(frozen=True, slots=True)
class RoundPlace:
    """Which round the masks belong to."""

    hive: int
    round: int
    first_slot: int
    group: int = 0


@dataclass(frozen=True)
class Roster:
    """The homes that mask together, and their public keys."""

    place: RoundPlace
    public_keys: dict[bytes, bytes]

    @cached_property
    def workers(self) -> tuple[bytes, ...]:
        """Their addresses in rising order."""
        return tuple(sorted(self.public_keys))

    @cached_property
    def positions(self) -> dict[bytes, int]:
        """Where each home's share lies: 1 to the number of homes."""
        return {worker: k + 1 for k, worker in enumerate(self.workers)}

    @cached_property
    def threshold(self) -> int:
        """How many of them must answer and reveal."""
        return threshold(len(self.public_keys))

    @cached_property
    def context(self) -> bytes:
        """The hash that every secret of this list is bound to."""
        place = self.place
        head = b"".join(n.to_bytes(4, "big") for n in (place.hive, place.round, place.first_slot, place.group))
        return keccak(b"Hive mask roster" + head + b"".join(w + self.public_keys[w] for w in self.workers))


class MaskSecret:
    """A Worker's own key for the masks of one round, from 32 secret random bytes. Forget it when the round ends."""

    def __init__(self, secret: bytes) -> None:
        self._key = PrivateKey(secret)
        self.secret = secret
        self.public_key: bytes = self._key.public_key.format(compressed=True)

    def roots(self, own: bytes, roster: Roster) -> dict[bytes, bytes]:
        """The secret shared with each other home of the list; under the own address one that nobody else has."""
        roots = {own: keccak(b"Hive mask own" + roster.context + self.secret)}
        for worker in roster.workers:
            if worker != own:
                shared: bytes = self._key.ecdh(roster.public_keys[worker])
                roots[worker] = keccak(b"Hive mask pair" + roster.context + shared)
        return roots


def pair_seed(root: bytes, iteration: int) -> bytes:
    """The seed of the mask between two homes in one iteration; the lower address adds it, the higher subtracts it."""
    return keccak(b"Hive mask seed" + root + iteration.to_bytes(2, "big"))


def share_key(root: bytes, owner: bytes, iteration: int) -> int:
    """What is added (modulo PRIME) to the share of `owner`'s own mask that the other home of `root` may release."""
    return element(keccak(b"Hive mask share" + root + owner + iteration.to_bytes(2, "big")))


def own_seed(secret: int, owner: bytes, context: bytes, iteration: int) -> bytes:
    """The seed of a home's own mask from the shared secret."""
    return keccak(b"Hive mask self" + context + owner + iteration.to_bytes(2, "big") + element_bytes(secret))


def element_bytes(value: int) -> bytes:
    """A field element as 16 bytes."""
    return value.to_bytes(ELEMENT_BYTES, "big")


def signed_key(domain: Domain, place: RoundPlace, signer: Signer, public_key: bytes) -> MaskKeyMessage:
    """The message by which a Worker announces its key for a round."""
    key = MaskKey(place.hive, signer.address, place.round, place.first_slot, public_key)
    return MaskKeyMessage(
        hive=place.hive,
        worker=signer.address.hex(),
        round=place.round,
        first_slot=place.first_slot,
        public_key=public_key.hex(),
        signature=signer.sign(mask_key_digest(domain, key)).hex(),
    )


def key_holds(domain: Domain, message: MaskKeyMessage) -> bool:
    """Whether the device key named in the message signed it and its key is a point of the curve."""
    worker, public_key = bytes.fromhex(message.worker), bytes.fromhex(message.public_key)
    key = MaskKey(message.hive, worker, message.round, message.first_slot, public_key)
    signature = bytes.fromhex(message.signature)
    return signed_by(worker, mask_key_digest(domain, key), signature) and _is_point(public_key)


def roster_message(place: RoundPlace, keys: Iterable[MaskKeyMessage]) -> MaskRosterMessage:
    """The list that the Queen sends, in the order of the addresses; TooFewForMasks below three."""
    ordered = sorted(keys, key=lambda message: message.worker)
    _refuse_few(len(ordered))
    return MaskRosterMessage(
        hive=place.hive,
        round=place.round,
        first_slot=place.first_slot,
        group=place.group,
        workers=tuple(message.worker for message in ordered),
        public_keys=tuple(message.public_key for message in ordered),
        signatures=tuple(message.signature for message in ordered),
    )


def checked_roster(domain: Domain, message: MaskRosterMessage, members: Collection[bytes]) -> Roster:
    """The list, when every key in it is signed by a different member of the Hive.

    `members` are the addresses that the home's owner knows as homes of this Hive: without that list the Queen could
    fill a group with homes of her own. TooFewForMasks, MaskKeyError.
    """
    _refuse_few(len(message.workers))
    if not len(message.workers) == len(message.public_keys) == len(message.signatures) <= MOST_MASKED:
        raise MaskKeyError("the lists of homes, keys and signatures differ in length")
    if list(message.workers) != sorted(set(message.workers)):
        raise MaskKeyError("the homes are not in the order of their addresses, or one stands there twice")
    keys = {}
    for name, key, signature in zip(message.workers, message.public_keys, message.signatures, strict=True):
        if bytes.fromhex(name) not in members:
            raise MaskKeyError(f"{name} is no home of this Hive that this home's owner knows")
        told = MaskKeyMessage(
            hive=message.hive,
            worker=name,
            round=message.round,
            first_slot=message.first_slot,
            public_key=key,
            signature=signature,
        )
        if not key_holds(domain, told):
            raise MaskKeyError(f"the key of {name} is not signed by its device key, or is none")
        keys[bytes.fromhex(name)] = bytes.fromhex(key)
    return Roster(RoundPlace(message.hive, message.round, message.first_slot, message.group), keys)


def _refuse_few(homes: int) -> None:
    if homes < FEWEST_MASKED:
        raise TooFewForMasks(
            f"{homes} homes cannot hide in their sum, {FEWEST_MASKED} are needed",
            next_step="run the round without masks",
        )


def _is_point(public_key: bytes) -> bool:
    try:
        PublicKey(public_key)
    except ValueError:
        return False
    return True
