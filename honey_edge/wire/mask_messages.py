"""The messages of masked rounds beside broadcast and answer (market-design section 4.5); order in docs/masks.md.

The masked answer itself travels as `DeclareMessage.masked`, text of `mask_answer`.
"""

from typing import Annotated

from msgspec import Meta

from honey_edge.wire.messages import U16, U32, Hex20, Hex64, Message

MOST_MASKED = 128
"""Homes in one group of masks: what an answer and a reveal grow with."""

Hex33 = Annotated[str, Meta(pattern=r"^[0-9a-f]{66}$(?!\n)")]
Group = Annotated[tuple[Hex20, ...], Meta(max_length=MOST_MASKED)]
Base64 = Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]*={0,2}$(?!\n)", max_length=8_192)]


class MaskKeyMessage(Message, frozen=True, kw_only=True):
    """Worker to Queen: its public key for the masks of one round, signed by the device key (`MaskKey`)."""

    hive: U32
    worker: Hex20
    round: U32
    first_slot: U32
    public_key: Hex33
    signature: Hex64


class MaskRosterMessage(Message, frozen=True, kw_only=True):
    """Queen to all: the homes that mask together with their signed keys; empty lists call for the keys.

    Large Hives have several groups, numbered; the sums of the groups are added.
    """

    hive: U32
    round: U32
    first_slot: U32
    group: U16 = 0
    workers: Group = ()
    public_keys: Annotated[tuple[Hex33, ...], Meta(max_length=MOST_MASKED)] = ()
    signatures: Annotated[tuple[Hex64, ...], Meta(max_length=MOST_MASKED)] = ()


class MaskAskMessage(Message, frozen=True, kw_only=True):
    """Queen to all: what she needs to open the sum of an iteration; `serial` counts her requests within it.

    `missing` are the homes whose answer she does not have. `open` false asks for the pairwise masks with them;
    `open` true asks for the shares of the other homes' own masks and settles who is counted.
    """

    hive: U32
    round: U32
    group: U16
    iteration: U16
    serial: U16
    open: bool
    missing: Group = ()


class MaskRevealMessage(Message, frozen=True, kw_only=True):
    """Worker to Queen: the answer to a MaskAskMessage, base64.

    To `open` false: 32 bytes for each missing home, the seed of the mask between the two. To `open` true: 16 bytes for
    each home that is counted, the key of this Worker's share of its own mask. In the order of the addresses.
    """

    hive: U32
    worker: Hex20
    round: U32
    iteration: U16
    serial: U16
    revealed: Base64
