"""Hives and meters against a chain in memory: what is read decides which transactions are offered."""

import json

import pytest

from honey_edge.wire.signing import KeySigner
from honey_edge.wire.structs import HiveTerms
from queen_node.operator import hive_views, hives, meters, regroup
from queen_node.operator.errors import ChannelOpen, InputError, NotAllowed, NotFound
from queen_node.operator.port import Event
from queen_node.operator.sending import carry_out

from .conftest import NOW, OWNER

NOBODY = "00" * 20
A, B, C = "a1" * 20, "b1" * 20, "c1" * 20
CERTIFIER = KeySigner((7).to_bytes(32, "big"))
TERMS = HiveTerms(3, 1, 0, b"\x11" * 32, 250, 30, 20, 540_000, 43_000, 0, 2)
NEW = hives.NewHive(OWNER, "dd" * 20, "ab" * 20, 259_200, TERMS)


def record(**changes):
    plain = {"owner": OWNER, "coin": "dd" * 20, "settlement": "88" * 20, "status": 1, "merging": False, "meters": 2}
    plain |= {"book": 1, "mother": 0, "changeTo": 0, "changeFrom": 0, "startedAt": NOW, "endedAt": 0}
    return plain | {"stake": 500 * 10**18, "stakedSince": NOW} | changes


def meter(hive=0, owner=OWNER):
    return {"owner": owner, "hive": hive, "status": 1, "stake": 5 * 10**18, "point": bytes(32)}


def account(state=3, funding=0, net=0):
    return {"state": state, "funding": funding, "net": net, "slot": 7}


@pytest.fixture
def places():
    """Which Hive each meter is in; 0 listed only, absent unknown."""
    return {A: 1, B: 1, C: 0}


@pytest.fixture(autouse=True)
def answers(chain, places):
    chain.answers |= {
        "Beekeeper.nextHive": 3,
        "Beekeeper.coin": {"status": 2, "code": "EURX", "minPenalty": 1},
        "Beekeeper.priceOf": lambda count: ((1_000 + 10 * count) * 10**18, (500 + 5 * count) * 10**18),
        "Beekeeper.meter": lambda name: meter(places[name]) if name in places else meter(0, NOBODY),
        "Beekeeper.getHiveInfo": lambda hive: record() if hive in (1, 2) else record(owner=NOBODY),
        "Beekeeper.pointOf": lambda hive, point: (True, NOBODY),
        "Beekeeper.CERTIFIER_ROLE": bytes(32),
        "Beekeeper.hasRole": lambda role, who: who == CERTIFIER.address.hex(),
        "HVT.balanceOf": 10**24,
        "HVT.allowance": 0,
        "EnergySettlement.account": account(),
    }
    chain.told = [
        Event("MeterJoined", {"hive": 1, "meter": A}, 1),
        Event("MeterJoined", {"hive": 2, "meter": B}, 1),
        Event("MetersMoved", {"from": 2, "to": 1, "meters": (B,)}, 2),
    ]


def functions(made):
    return [step.call.function for step in made.steps]


def certificate(book, name, **changes):
    values = {"meter": name, "owner": OWNER, "serial": "HP-9", "manufacturer": "Acme", "model": "M1"}
    values |= {"not_after": NOW + 10, "beekeeper": book.at("Beekeeper"), "chain_id": 31337} | changes
    return meters.certify(meters.Certificate(**values), CERTIFIER)


# ---- create, add, drop, freeze


def test_a_hive_is_offered_with_its_price_and_the_allowance_it_needs(desk, chain):
    made = hives.create(desk, NEW, [hives.NewMeter(C, "P1")])
    assert functions(made) == ["approve", "createHive"]
    assert made.amount == "1010 HVT (505 burnt, 505 staked)"
    assert (made.confirm, made.steps[1].call.arguments[0]) == ("3", 1_010 * 10**18)
    chain.answers["HVT.allowance"] = 1_010 * 10**18
    assert functions(hives.create(desk, NEW, [hives.NewMeter(C, "P1")])) == ["createHive"]
    carry_out(chain, hives.create(desk, NEW, []))
    assert chain.functions == ["createHive"]


@pytest.mark.parametrize(
    ("new", "error", "told"),
    [
        ([hives.NewMeter(A, "P1")], NotAllowed, "is in Hive 1"),
        ([hives.NewMeter("99" * 20, "P1")], NotAllowed, "not in the Meter List"),
        ([hives.NewMeter(C, "P1"), hives.NewMeter(C, "P2")], InputError, "twice"),
        ([hives.NewMeter(C, "P1"), hives.NewMeter("99" * 20, "P1 ")], InputError, "connection point"),
        ([hives.NewMeter(f"{n:040x}", str(n)) for n in range(1, 202)], InputError, "at most 200"),
    ],
)
def test_meters_that_cannot_join_are_named(desk, new, error, told):
    with pytest.raises(error, match=told):
        hives.create(desk, NEW, new)


def test_too_little_hvt_or_an_unlisted_coin_is_refused_before_simulating(desk, chain):
    chain.answers["HVT.balanceOf"] = 10**18
    with pytest.raises(NotAllowed, match="has 1 HVT, 1000 are needed"):
        hives.create(desk, NEW, [])
    chain.answers["Beekeeper.coin"] = {"status": 3, "code": "EURX"}
    with pytest.raises(NotAllowed, match="frozen in the Stablecoin List"):
        hives.create(desk, NEW, [])
    assert chain.costs_asked == []


def test_a_meter_joins_at_a_listed_point_and_pays_its_price(desk, chain):
    made = hives.add(desk, 1, hives.NewMeter(C, "P9"))
    assert (functions(made), made.amount) == (["approve", "addMeterToHive"], "10 HVT (half burnt, half staked)")
    chain.answers["Beekeeper.pointOf"] = (False, NOBODY)
    assert functions(hives.add(desk, 1, hives.NewMeter(C, "P9"))) == ["setPoints", "approve", "addMeterToHive"]
    chain.answers["Beekeeper.pointOf"] = (True, A)
    with pytest.raises(NotAllowed, match="--point P9"):
        hives.add(desk, 1, hives.NewMeter(C, "P9"))


def test_a_meter_with_an_open_account_stays(desk, chain):
    assert functions(hives.drop(desk, 1, A)) == ["dropMeterFromHive"]
    chain.answers["EnergySettlement.account"] = account(1, 9_000_000, 4_000_000)
    with pytest.raises(ChannelOpen, match=r"5\.00") as refused:
        hives.drop(desk, 1, A)
    assert refused.value.next_step == f"hive channel close {A}"
    with pytest.raises(NotFound):
        hives.drop(desk, 1, C)


def test_a_meters_owner_may_take_it_out_of_another_ones_hive(desk, chain, places):
    chain.answers["Beekeeper.getHiveInfo"] = record(owner="77" * 20)
    assert functions(hives.drop(desk, 1, A)) == ["dropMeterFromHive"]
    chain.answers["Beekeeper.meter"] = meter(1, "66" * 20)
    with pytest.raises(NotAllowed, match="belongs to"):
        hives.drop(desk, 1, A)


@pytest.mark.parametrize(("status", "ok"), [(1, True), (2, True), (3, False), (4, False), (5, False)])
def test_only_a_living_hive_can_be_frozen(desk, chain, status, ok):
    chain.answers["Beekeeper.getHiveInfo"] = record(status=status)
    if ok:
        assert functions(hives.freeze(desk, 1)) == ["freezeHive"]
    else:
        with pytest.raises(NotAllowed, match=hives.HIVE_STATES[status]):
            hives.freeze(desk, 1)


def test_a_hives_meters_are_found_wherever_they_came_from(desk):
    assert hive_views.meters_of(desk, 1) == [A, B]
    assert hive_views.meters_of(desk, 2) == []


# ---- terms


def terms_file(tmp_path, **changes):
    values = {"version": 1, "from_slot": 0, "tariff": "11" * 32, "theta": 250, "fee": 30, "platform_bps": 20}
    values |= {"max_price": 1, "max_power_w": 1, "island_ceiling": 0, "cover_days": 2} | changes
    file = tmp_path / "terms.json"
    file.write_text(json.dumps({name: value for name, value in values.items() if value is not None}))
    return file


def test_terms_are_taken_signed_or_as_a_draft(tmp_path):
    assert hives.read_terms(terms_file(tmp_path), 3).hive == 3
    signed = terms_file(tmp_path, hive=3, v=1, queen_signature="00" * 64, owner_signature="00" * 64)
    assert hives.read_terms(signed, 3).hive == 3


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"hive": 4}, "the next number is 3"),
        ({"fee": None}, "fee is missing"),
        ({"other": 1}, "other"),
        ({"theta": "250"}, "theta"),
        ({"tariff": "zz"}, "terms.json"),
        ({"tariff": "11"}, "32"),
        ({"max_power_w": 2**32}, "max_power_w"),
    ],
)
def test_other_terms_are_refused_by_field(tmp_path, changes, told):
    with pytest.raises(InputError, match=told):
        hives.read_terms(terms_file(tmp_path, **changes), 3)


# ---- certificates


def test_a_certificate_comes_back_from_its_file_and_lists_the_meter(desk, book, tmp_path):
    file = tmp_path / "meter.json"
    file.write_text(json.dumps(certificate(book, "99" * 20)))
    read = meters.read_certificate(file)
    assert functions(meters.register(desk, read)) == ["addMeter"]
    made = hives.create(desk, NEW, [hives.NewMeter("99" * 20, "P1", read)])
    assert functions(made) == ["addMeter", "approve", "createHive"]
    file.write_text(json.dumps(certificate(book, C)))
    with pytest.raises(NotAllowed, match="is listed"):
        meters.register(desk, meters.read_certificate(file))


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"chain_id": 5}, InputError, "on chain 5"),
        ({"beekeeper": "12" * 20}, InputError, "Beekeeper"),
        ({"not_after": NOW - 1}, NotAllowed, "could be used until"),
    ],
)
def test_a_certificate_for_elsewhere_or_earlier_is_refused(desk, book, tmp_path, changes, error, told):
    file = tmp_path / "meter.json"
    file.write_text(json.dumps(certificate(book, "99" * 20, **changes)))
    with pytest.raises(error, match=told):
        meters.register(desk, meters.read_certificate(file))


def test_a_changed_certificate_is_nobodys(desk, book, tmp_path):
    file = tmp_path / "meter.json"
    file.write_text(json.dumps(certificate(book, "99" * 20) | {"serial": "HP-8"}))
    with pytest.raises(NotAllowed, match="no certifier"):
        meters.register(desk, meters.read_certificate(file))
    for broken in ({"signature": "zz"}, {"serial": ""}, {"not_after": "soon"}, {"meter": "12"}, {"extra": 1}):
        file.write_text(json.dumps(certificate(book, "99" * 20) | broken))
        with pytest.raises((InputError, ValueError)):
            meters.register(desk, meters.read_certificate(file))


# ---- split and merge


SPLIT = regroup.Splitting("ab" * 20, 259_200, TERMS)


def test_a_split_begins_moves_and_ends(desk):
    made = regroup.split(desk, 1, [B], SPLIT)
    assert functions(made) == ["approve", "beginSplit", "moveMeters", "finishSplit"]
    assert made.steps[2].call.arguments == (1, 3, [B])


def test_a_split_goes_on_from_what_the_chain_says(desk, chain, places):
    chain.answers["Beekeeper.getHiveInfo"] = record(status=3, changeTo=2)
    later = regroup.Splitting("", 259_200, None)
    assert functions(regroup.split(desk, 1, [B], later)) == ["moveMeters", "finishSplit"]
    places[B] = 2
    made = regroup.split(desk, 1, [B], later)
    assert functions(made) == ["finishSplit"]
    assert "1 of 1 meters have moved" in made.what


@pytest.mark.parametrize("changes", [{"merging": True, "changeTo": 2}, {"changeTo": 0, "changeFrom": 2}])
def test_a_hive_in_another_change_cannot_be_split(desk, chain, changes):
    chain.answers["Beekeeper.getHiveInfo"] = record(status=3, **changes)
    with pytest.raises(NotAllowed, match="another change"):
        regroup.split(desk, 1, [B], SPLIT)


@pytest.mark.parametrize("names", [[], [B, B], [C], ["99" * 20]])
def test_a_split_names_meters_that_are_not_there(desk, names):
    with pytest.raises(InputError, match="--meter"):
        regroup.split(desk, 1, names, SPLIT)


def test_a_large_move_is_cut_into_calls_of_200(desk, chain, places):
    many = [f"{n:040x}" for n in range(1, 452)]
    places |= dict.fromkeys(many, 1)
    made = regroup.split(desk, 1, many, SPLIT)
    sizes = [len(step.call.arguments[2]) for step in made.steps if step.call.function == "moveMeters"]
    assert sizes == [200, 200, 51]


def test_a_merge_begins_moves_and_ends_and_goes_on(desk, chain):
    assert functions(regroup.merge(desk, 1, 2)) == ["beginMerge", "moveMeters", "finishMerge"]
    chain.answers["Beekeeper.getHiveInfo"] = record(status=3, merging=True, changeTo=2)
    assert functions(regroup.merge(desk, 1, 2)) == ["moveMeters", "finishMerge"]
    chain.told = []
    assert functions(regroup.merge(desk, 1, 2)) == ["finishMerge"]


def test_a_merge_elsewhere_than_begun_or_of_other_coins_is_refused(desk, chain):
    chain.answers["Beekeeper.getHiveInfo"] = record(status=3, merging=True, changeTo=9)
    with pytest.raises(NotAllowed, match="into Hive 9"):
        regroup.merge(desk, 1, 2)
    chain.answers["Beekeeper.getHiveInfo"] = record(status=3, changeTo=2)
    with pytest.raises(NotAllowed, match="not merged"):
        regroup.merge(desk, 1, 2)
    chain.answers["Beekeeper.getHiveInfo"] = lambda hive: record(coin=f"{hive:040x}")
    with pytest.raises(NotAllowed, match="different coins"):
        regroup.merge(desk, 1, 2)
    with pytest.raises(InputError, match="INTO"):
        regroup.merge(desk, 1, 1)
