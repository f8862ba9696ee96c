"""Proposals to the HiveGovernor: an upgrade of the Beekeeper or any call the timelock may make, from idea to execution.

What a proposal contains is read back from its event: whoever knows its number can queue and execute it.
"""

from dataclasses import dataclass
from typing import Any

from honey_edge.wire.keccak import keccak
from queen_node.operator.desk import Desk, hex_of
from queen_node.operator.errors import InputError, NotAllowed, NotFound
from queen_node.operator.inputs import utc_text
from queen_node.operator.sending import Document, Offer, Step, offer

GOVERNOR = "HiveGovernor"
STATES = ("pending", "active", "cancelled", "defeated", "succeeded", "queued", "expired", "executed")
CHOICES = {"against": 0, "for": 1, "abstain": 2}
_DATA_BYTES_AT_MOST = 32_768


@dataclass(frozen=True, slots=True)
class Action:
    """One call the timelock would make."""

    target: str
    data: bytes
    value_wei: int = 0


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal as its event tells it; times are unix seconds."""

    number: int
    proposer: str
    actions: tuple[Action, ...]
    description: str
    starts_at: int
    ends_at: int

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What `queue` and `execute` want."""
        return (
            [one.target for one in self.actions],
            [one.value_wei for one in self.actions],
            [one.data for one in self.actions],
            keccak(self.description.encode()),
        )


def upgrade(desk: Desk, implementation: str) -> Action:
    """The call that puts another implementation behind the Beekeeper's proxy."""
    if not desk.chain.code(implementation):
        raise InputError(
            f"--upgrade: there is no code at {implementation}", next_step="deploy the implementation first"
        )
    return Action(desk.book.at("Beekeeper"), desk.call("Beekeeper", "upgradeToAndCall", implementation, b"").data)


def raw_call(text: str) -> Action:
    """`TARGET:DATA`, both hex."""
    from queen_node.operator.inputs import address

    target, colon, data = text.partition(":")
    try:
        raw = bytes.fromhex(data.removeprefix("0x"))
    except ValueError as error:
        raise InputError("--call: the part after the colon is not hex") from error
    if not colon or len(raw) < 4 or len(raw) > _DATA_BYTES_AT_MOST:
        raise InputError("--call: is ADDRESS:DATA, data of 4 bytes (the function) or more")
    return Action(address(target, "--call"), raw)


def propose(desk: Desk, actions: list[Action], description: str) -> Offer:
    """Brings a proposal in; the sender needs the threshold's weight."""
    if not actions:
        raise InputError("nothing is proposed", next_step="give --upgrade ADDRESS or --call ADDRESS:DATA")
    if not description.strip():
        raise InputError("--why: is empty", next_step="say in one sentence what the vote is about")
    number = number_of(desk, actions, description)
    call = desk.call(
        GOVERNOR,
        "propose",
        [one.target for one in actions],
        [one.value_wei for one in actions],
        [one.data for one in actions],
        description,
    )
    step = Step("propose", f"propose number {number}: {description}", call)
    return offer(desk.chain, "vote propose", [step], short(number), "the proposal's first 8 digits")


def number_of(desk: Desk, actions: list[Action], description: str) -> int:
    """The number a proposal gets, known before it is brought in."""
    values = Proposal(0, "", tuple(actions), description, 0, 0).arguments
    return int(desk.read(GOVERNOR, "hashProposal", *values))


def short(number: int) -> str:
    """The first eight digits, enough to name a proposal."""
    return str(number)[:8]


def proposals(desk: Desk) -> list[Proposal]:
    """All proposals, oldest first."""
    return [_proposal(event.arguments) for event in desk.events(GOVERNOR) if event.name == "ProposalCreated"]


def _proposal(told: Any) -> Proposal:
    actions = zip(told["targets"], told["calldatas"], told["values"], strict=True)
    return Proposal(
        number=int(told["proposalId"]),
        proposer=hex_of(told["proposer"]),
        actions=tuple(Action(hex_of(target), bytes(data), int(value)) for target, data, value in actions),
        description=str(told["description"]),
        starts_at=int(told["voteStart"]),
        ends_at=int(told["voteEnd"]),
    )


def proposal(desk: Desk, name: str) -> Proposal:
    """The one proposal whose number starts with these digits; NotFound for none, InputError for several."""
    if not name.isascii() or not name.isdecimal():
        raise InputError(f"NUMBER: {name[:40]!r} is no number of a proposal, nor its first digits")
    found = [one for one in proposals(desk) if str(one.number).startswith(name)]
    if not found:
        raise NotFound(f"no proposal {name}", next_step="hive vote show")
    if len(found) > 1:
        raise InputError(f"NUMBER: {len(found)} proposals start with {name}; give more digits")
    return found[0]


def state(desk: Desk, number: int) -> str:
    """Where a proposal stands, in a word."""
    return STATES[int(desk.read(GOVERNOR, "state", number))]


def _in_state(desk: Desk, one: Proposal, wanted: str, verb: str) -> None:
    found = state(desk, one.number)
    if found != wanted:
        raise NotAllowed(
            f"proposal {short(one.number)} is {found}; only a proposal that is {wanted} can be {verb}",
            next_step=f"hive vote show {short(one.number)}",
        )


def cast(desk: Desk, name: str, choice: str, reason: str = "") -> Offer:
    """Votes with the weight the sender had when voting began."""
    if choice not in CHOICES:
        raise InputError(f"CHOICE: {choice[:20]!r} is none of {', '.join(CHOICES)}")
    one = proposal(desk, name)
    _in_state(desk, one, "active", "voted on")
    weight = int(desk.read(GOVERNOR, "getVotes", desk.chain.sender, one.starts_at))
    if weight == 0:
        raise NotAllowed(f"{desk.chain.sender} had no weight when voting on {short(one.number)} began")
    if desk.read(GOVERNOR, "hasVoted", one.number, desk.chain.sender):
        raise NotAllowed(f"{desk.chain.sender} has voted on {short(one.number)} already")
    values = (one.number, CHOICES[choice])
    call = (
        desk.call(GOVERNOR, "castVoteWithReason", *values, reason)
        if reason
        else desk.call(GOVERNOR, "castVote", *values)
    )
    step = Step(f"vote/{short(one.number)}", f"vote {choice} on {short(one.number)} ({one.description[:60]})", call)
    return offer(desk.chain, "vote cast", [step], choice, "the choice")


def queue(desk: Desk, name: str) -> Offer:
    """Hands a proposal that won to the timelock."""
    one = proposal(desk, name)
    _in_state(desk, one, "succeeded", "queued")
    step = Step(
        f"queue/{short(one.number)}", f"queue {short(one.number)}", desk.call(GOVERNOR, "queue", *one.arguments)
    )
    return offer(desk.chain, "vote queue", [step], short(one.number), "the proposal's first 8 digits")


def execute(desk: Desk, name: str) -> Offer:
    """Carries a queued proposal out, once the timelock's delay is over; anyone may."""
    one = proposal(desk, name)
    _in_state(desk, one, "queued", "executed")
    ready_at = int(desk.read(GOVERNOR, "proposalEta", one.number))
    if desk.chain.head().at_unix_s < ready_at:
        raise NotAllowed(f"proposal {short(one.number)} can be executed from {utc_text(ready_at)}")
    call = desk.call(GOVERNOR, "execute", *one.arguments)
    step = Step(f"execute/{short(one.number)}", f"execute {short(one.number)}: {one.description[:60]}", call)
    return offer(desk.chain, "vote execute", [step], short(one.number), "the proposal's first 8 digits")


def show(desk: Desk, name: str) -> Document:
    """One proposal: what it does, how the votes stand, what comes next."""
    return _document(desk, proposal(desk, name))


def show_all(desk: Desk) -> list[Document]:
    """All proposals, newest first."""
    return [_document(desk, one) for one in reversed(proposals(desk))]


def _document(desk: Desk, one: Proposal) -> Document:
    against, agreed, abstained = (int(votes) for votes in desk.read(GOVERNOR, "proposalVotes", one.number))
    now = desk.chain.head().at_unix_s
    begun = now > one.starts_at
    eta = int(desk.read(GOVERNOR, "proposalEta", one.number))
    return {
        "number": str(one.number),
        "state": state(desk, one.number),
        "description": one.description,
        "proposer": one.proposer,
        "voting_from": utc_text(one.starts_at),
        "voting_until": utc_text(int(desk.read(GOVERNOR, "proposalDeadline", one.number))),
        "for": agreed,
        "against": against,
        "abstain": abstained,
        "quorum": int(desk.read(GOVERNOR, "quorum", one.starts_at)) if begun else None,
        "executable_from": utc_text(eta) if eta else None,
        "calls": [{"to": a.target, "data": a.data.hex(), "value_wei": a.value_wei} for a in one.actions],
    }
