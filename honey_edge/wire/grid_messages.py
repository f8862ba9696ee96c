"""What a home tells about its feeder: voltages and powers of a slot, for the Queen's voltage limits (section 11).

It steers rounds and settles nothing, so it is not signed: the connection's certificate says whose it is.
"""

from typing import Annotated

from msgspec import Meta

from honey_edge.wire.messages import I32, U32, Hex20, Message

Millivolts = Annotated[int, Meta(ge=1, le=2_000_000)]


class GridMessage(Message, frozen=True, kw_only=True):
    """Worker to Queen: the means of a slot that has ended; a single-phase meter has one voltage.

    `power_w` and `reactive_var` are those of all phases together, import and inductive positive.
    """

    worker: Hex20
    slot: U32
    voltage_mv: Annotated[tuple[Millivolts, ...], Meta(min_length=1, max_length=3)]
    power_w: I32
    reactive_var: I32
