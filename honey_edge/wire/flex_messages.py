"""The messages of real time inside a slot (market-design section 11): power, offer, order, acceptance.

What is paid is the FlexOrder of chain-design section 3: the Queen signs it in an OrderMessage, the Worker in an
AcceptMessage, both the same digest in the domain of the FlexibilityPool.
"""

from typing import Annotated

from msgspec import Meta

from honey_edge.wire.flex_structs import FlexOffer
from honey_edge.wire.messages import I32, U32, Hex20, Hex32, Hex64, Message
from honey_edge.wire.structs import FlexOrder

MINUTES = 15
"""Minutes in a slot."""

Watts = Annotated[int, Meta(ge=0, le=10**8)]
Micro = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class PowerMessage(Message, frozen=True, kw_only=True):
    """Worker to Queen: the mean power (W, import positive) that its meter saw in a minute of a slot, 0 to 14."""

    worker: Hex20
    slot: U32
    minute: Annotated[int, Meta(ge=0, le=MINUTES - 1)]
    power_w: I32


class OfferMessage(Message, frozen=True, kw_only=True):
    """Worker to Queen: by how much its plan of a slot may be left, signed by the device key (`FlexOffer`).

    At most `up_w` more or `down_w` less import, in the first `minutes` of the slot, at a price per kWh so moved.
    """

    hive: U32
    worker: Hex20
    slot: U32
    up_w: Watts
    down_w: Watts
    price_micro_per_kwh: Annotated[int, Meta(ge=0, le=10**8)]
    minutes: Annotated[int, Meta(ge=1, le=MINUTES)]
    signature: Hex64

    def signed(self) -> FlexOffer:
        """The structure under the signature."""
        return FlexOffer(
            self.hive,
            bytes.fromhex(self.worker),
            self.slot,
            self.up_w,
            self.down_w,
            self.price_micro_per_kwh,
            self.minutes,
        )


class OrderMessage(Message, frozen=True, kw_only=True):
    """Queen to one Worker: a FlexOrder with her signature; nothing is owed before the Worker has signed it too.

    `watts` is the change of power from second `from_s` of the slot to second `until_s`, on top of orders before it.
    """

    hive: U32
    worker: Hex20
    slot: U32
    watts: I32
    price_micro: Micro
    serial: U32
    from_s: Annotated[int, Meta(ge=0, le=899)]
    until_s: Annotated[int, Meta(ge=1, le=900)]
    signature: Hex64

    def signed(self) -> FlexOrder:
        """The structure under both signatures."""
        return FlexOrder(self.hive, bytes.fromhex(self.worker), self.slot, self.watts, self.price_micro, self.serial)


class AcceptMessage(Message, frozen=True, kw_only=True):
    """Worker to Queen: its signature under a FlexOrder; `order` is the digest that both have signed."""

    worker: Hex20
    slot: U32
    serial: U32
    order: Hex32
    signature: Hex64
