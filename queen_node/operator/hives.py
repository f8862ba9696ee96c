"""A Hive's life in the Beekeeper: create, show, freeze; meters join and leave. Prices are paid in HVT."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from honey_edge.model.errors import HiveError
from honey_edge.wire.structs import HiveTerms
from honey_edge.wire.typed_data import struct_hash
from queen_node.operator.desk import Desk, hex_of, plain
from queen_node.operator.errors import ChannelOpen, InputError, NotAllowed, NotFound
from queen_node.operator.files import json_object
from queen_node.operator.inputs import coin_text, hvt_text, point_hash
from queen_node.operator.meters import Certificate, listing_step
from queen_node.operator.sending import Document, Offer, Step, offer

BEEKEEPER, SETTLEMENT = "Beekeeper", "EnergySettlement"
HIVE_STATES = ("none", "active", "offline", "changing", "frozen", "ended")
COIN_STATES = ("none", "requested", "listed", "frozen")
ACCOUNT_STATES = ("none", "open", "closing", "closed")
NO_ADDRESS = "00" * 20
DEFAULT_WINDOW_S = 72 * 3_600
METERS_PER_CALL = 200


@dataclass(frozen=True, slots=True)
class NewMeter:
    """A meter that joins, the text of its connection point, and its certificate where it is not listed yet."""

    meter: str
    point: str
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class NewHive:
    """What a Hive begins with: whose it is, its coin, its Queen's key, the window of a close, its terms."""

    owner: str
    coin: str
    queen: str
    window_s: int
    terms: HiveTerms


def record(desk: Desk, hive: int) -> Document:
    """What the Beekeeper knows of a Hive; NotFound for an unknown one."""
    found: Document = plain(desk.read(BEEKEEPER, "getHiveInfo", hive))
    if found["owner"] == NO_ADDRESS:
        raise NotFound(f"no Hive {hive}", next_step="hive show")
    return found | {"state": HIVE_STATES[int(found["status"])]}


def owned(desk: Desk, hive: int, state: str = "") -> Document:
    """The same, of the sender's own Hive and, where given, in this state."""
    found = record(desk, hive)
    if found["owner"] != desk.chain.sender:
        raise NotAllowed(
            f"Hive {hive} belongs to {found['owner']}, the key is that of {desk.chain.sender}",
            next_step="give the owner's key file with --key",
        )
    if state and found["state"] != state:
        raise NotAllowed(f"Hive {hive} is {found['state']}, it must be {state}", next_step=f"hive show {hive}")
    return found


def read_terms(file: Path, hive: int) -> HiveTerms:
    """The terms in a terms file or a draft of one (without signatures, `hive` may be left out or 0)."""
    document = json_object(file)
    names = {field.name for field in fields(HiveTerms)}
    given = set(document) - {"v", "queen_signature", "owner_signature"}
    if given | {"hive"} != names:
        wrong = sorted((given | {"hive"}) ^ names)
        raise InputError(f"{file}: {wrong[0]} is missing or unknown", next_step=f"fields: {', '.join(sorted(names))}")
    values = {name: document.get(name, 0) for name in names}
    for name in names - {"tariff"}:
        if type(values[name]) is not int:
            raise InputError(f"{file}: {name} = {values[name]!r} is not a whole number")
    if values["hive"] not in (0, hive):
        raise InputError(
            f"{file}: the terms are for Hive {values['hive']}, the next number is {hive}",
            next_step=f"sign terms for Hive {hive}, or leave hive out",
        )
    try:
        terms = HiveTerms(**{**values, "hive": hive, "tariff": bytes.fromhex(str(values["tariff"]))})
        struct_hash(terms)
    except (ValueError, HiveError) as error:
        raise InputError(f"{file}: {error}") from error
    return terms


def next_hive(desk: Desk) -> int:
    """The number the next Hive gets."""
    return int(desk.read(BEEKEEPER, "nextHive"))


def terms_values(terms: HiveTerms) -> tuple[object, ...]:
    """Terms in the contracts' order."""
    return tuple(getattr(terms, field.name) for field in fields(HiveTerms))


def approval(desk: Desk, wei: int) -> list[Step]:
    """The step that lets the Beekeeper take so much HVT, where it may not yet; NotAllowed when there is not enough."""
    sender, beekeeper = desk.chain.sender, desk.book.at(BEEKEEPER)
    held = int(desk.read("HVT", "balanceOf", sender))
    if held < wei:
        raise NotAllowed(f"{sender} has {hvt_text(held)} HVT, {hvt_text(wei)} are needed", next_step="get HVT first")
    if int(desk.read("HVT", "allowance", sender, beekeeper)) >= wei:
        return []
    return [Step("approve", f"allow the Beekeeper {hvt_text(wei)} HVT", desk.call("HVT", "approve", beekeeper, wei))]


def _listing(desk: Desk, meters: Sequence[NewMeter]) -> list[Step]:
    """Steps that list the meters which are not; refuses one that cannot join."""
    steps = []
    for one in meters:
        info = desk.read(BEEKEEPER, "meter", one.meter)
        if int(info["hive"]):
            raise NotAllowed(f"--meter {one.meter}: is in Hive {info['hive']}", next_step=f"hive drop {one.meter}")
        if hex_of(info["owner"]) != NO_ADDRESS:
            continue
        if one.certificate is None:
            raise NotAllowed(
                f"--meter {one.meter}: is not in the Meter List",
                next_step="hive meter register FILE, or --certificate FILE",
            )
        step = listing_step(desk, one.certificate)
        if step is not None:
            steps.append(step)
    return steps


def _distinct(meters: Sequence[NewMeter]) -> None:
    for what, values in (
        ("--meter", [m.meter for m in meters]),
        ("connection point", [m.point.strip() for m in meters]),
    ):
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise InputError(f"{what} {twice[0]} stands there twice")
    if len(meters) > METERS_PER_CALL:
        raise InputError(f"--meter: {len(meters)} meters, at most {METERS_PER_CALL} at once; add the others later")


def create(desk: Desk, new: NewHive, meters: Sequence[NewMeter]) -> Offer:
    """Makes a Hive with its first meters: lists them, allows the HVT, pays the price; half is burnt, half staked."""
    _distinct(meters)
    hive = next_hive(desk)
    coin = desk.read(BEEKEEPER, "coin", new.coin)
    if COIN_STATES[int(coin["status"])] != "listed":
        raise NotAllowed(f"--coin {new.coin}: is {COIN_STATES[int(coin['status'])]} in the Stablecoin List, not listed")
    required, burnt = (int(value) for value in desk.read(BEEKEEPER, "priceOf", len(meters)))
    steps = [*_listing(desk, meters), *approval(desk, required)]
    call = desk.call(
        BEEKEEPER,
        "createHive",
        required,
        new.owner,
        new.coin,
        [one.meter for one in meters],
        [point_hash(one.point) for one in meters],
        new.queen,
        new.window_s,
        terms_values(replace(new.terms, hive=hive)),
    )
    steps.append(Step(f"create/{hive}", f"create Hive {hive} with {len(meters)} meters in {coin['code']}", call))
    amount = f"{hvt_text(required)} HVT ({hvt_text(burnt)} burnt, {hvt_text(required - burnt)} staked)"
    return offer(desk.chain, "create", steps, str(hive), "the new Hive's number", amount)


def add(desk: Desk, hive: int, new: NewMeter) -> Offer:
    """A meter joins: lists it and its connection point where they are not, allows and pays the price of a meter."""
    owned(desk, hive, "active")
    with_one, _ = desk.read(BEEKEEPER, "priceOf", 1)
    without, _ = desk.read(BEEKEEPER, "priceOf", 0)
    price, point = int(with_one) - int(without), point_hash(new.point)
    steps = [*_listing(desk, [new]), *_point_steps(desk, hive, point, new.point), *approval(desk, price)]
    call = desk.call(BEEKEEPER, "addMeterToHive", hive, new.meter, point)
    steps.append(Step(f"add/{hive}/{new.meter}", f"add {new.meter} to Hive {hive} at {new.point.strip()}", call))
    amount = f"{hvt_text(price)} HVT (half burnt, half staked)"
    return offer(desk.chain, "add", steps, new.meter[:8], "the meter's first 8 digits", amount)


def _point_steps(desk: Desk, hive: int, point: bytes, text: str) -> list[Step]:
    """The step that lists a connection point which is not; refuses one that another meter uses."""
    listed, user = desk.read(BEEKEEPER, "pointOf", hive, point)
    if hex_of(user) != NO_ADDRESS:
        raise NotAllowed(f"--point {text}: is the meter {hex_of(user)}'s", next_step=f"hive show {hive}")
    if listed:
        return []
    call = desk.call(BEEKEEPER, "setPoints", hive, [point])
    return [Step(f"point/{hive}", f"list the connection point {text.strip()} of Hive {hive}", call)]


def drop(desk: Desk, hive: int, meter: str) -> Offer:
    """A meter leaves by the Hive's owner or its own; its stake comes back to the Hive's. Its account must be closed."""
    info = desk.read(BEEKEEPER, "meter", meter)
    if int(info["hive"]) != hive:
        raise NotFound(f"the meter {meter} is not in Hive {hive}", next_step=f"hive show {hive}")
    if hex_of(info["owner"]) != desk.chain.sender:
        owned(desk, hive)
    closed_accounts(desk, hive, [meter])
    step = Step(
        f"drop/{hive}/{meter}", f"drop {meter} from Hive {hive}", desk.call(BEEKEEPER, "dropMeterFromHive", hive, meter)
    )
    amount = f"{hvt_text(int(info['stake']))} HVT come back"
    return offer(desk.chain, "drop", [step], meter[:8], "the meter's first 8 digits", amount)


def closed_accounts(desk: Desk, hive: int, meters: Sequence[str]) -> None:
    """ChannelOpen names the first meter whose account is not closed."""
    for meter in meters:
        account = desk.read(SETTLEMENT, "account", hive, meter)
        state = ACCOUNT_STATES[int(account["state"])]
        if state in ("open", "closing"):
            spendable = coin_text(int(account["funding"]) - int(account["net"]))
            raise ChannelOpen(
                f"the account of {meter} in Hive {hive} is {state} and holds {spendable}",
                next_step=f"hive channel close {meter}",
            )


def freeze(desk: Desk, hive: int) -> Offer:
    """Ends a Hive: no new meters and deposits; it is over when its last meter is dropped. Cannot be undone."""
    found = owned(desk, hive)
    if found["state"] in ("frozen", "ended", "changing"):
        raise NotAllowed(f"Hive {hive} is {found['state']}", next_step=f"hive show {hive}")
    title = f"freeze Hive {hive} with {found['meters']} meters for ever; closing and withdrawing go on"
    step = Step(f"freeze/{hive}", title, desk.call(BEEKEEPER, "freezeHive", hive))
    return offer(desk.chain, "freeze", [step], str(hive), "the Hive's number")
