"""What must hold without the grid: its tariff where the homes accepted it, money that adds up, prices that ration."""

import asyncio
import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honey_edge.billing.clearing import tariff_cost_pico
from honey_edge.billing.tariff import tariff_document
from honey_edge.market.homes.assets import Shed
from honey_edge.model.options import SettingsError
from honey_edge.model.slots import slot_end_unix_s, slot_start_unix_s
from honey_edge.wire.keccak import keccak
from honey_edge.wire.recompute import Agreement, check_totals, settled_on_island
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.terms_file import TermsFile, terms_document
from honey_edge.wire.typed_data import digest, struct_hash
from queen_node.app.island_watch import IslandWatch, file_says, meter_says
from queen_node.closing.decide import ClosingInput, IslandPrices, Rules, close_slot
from queen_node.connection import GrantedMeter
from queen_node.settings import load
from queen_node.store import Store, books, islands
from queen_node.verify import EvidenceError, verify_evidence
from tests.unit.queen_node.answering_homes import SLOTS, Hive, InstantClock, home
from tests.unit.queen_node.test_cli import OWNER, config, hive
from tests.unit.queen_node.test_closing import SLOT, account, rules_of

__all__ = ["config"]
ISLAND = (600_000, 400_000)


def accept_island(world, ceiling=700_000, island=ISLAND):
    """Lets the homes of a world accept an island tariff, and the Queen know when there is an island."""
    world.tariff = dataclasses.replace(world.tariff, island=island)
    hashed = keccak(tariff_document(world.tariff))
    world.terms = dataclasses.replace(world.terms, tariff=hashed, island_ceiling=ceiling)
    world.agreement = dataclasses.replace(world.agreement, terms=world.terms, tariff=world.tariff)
    for worker in world.workers:
        worker.agreement = world.agreement
    restart(world)


def restart(world):
    world.restart()
    world.closer = dataclasses.replace(world.closer, on_island=islands.island_throughout)


def on_island(world, since_unix_s, until_unix_s=None):
    with world.store.begin() as tx:
        islands.begin_island(tx, since_unix_s, "operator")
        if until_unix_s is not None:
            islands.end_island(tx, until_unix_s)


def live(world, slot, energies, moved=0):
    """All homes read and the slot closes; `moved` is what the Queen's meter saw import."""
    world.now_unix_s = float(slot_end_unix_s(slot))
    last = [worker.journal[-1] if worker.journal else None for worker in world.workers]
    for worker, before, energy in zip(world.workers, last, energies, strict=True):
        imported, exported = (before.imported, before.exported) if before else (0, 0)
        if energy is not None:
            world.send(worker, worker.read(slot, imported + max(0, energy), exported + max(0, -energy)))
    if world.metered:
        world.meter(slot, 10**9 + moved, 10**9)


def closed(world, first, energies, moved=0):
    live(world, first, [0, 0, 0])
    live(world, first + 1, energies, moved)
    totals = world.closer.close(first + 1).totals
    world.countersign_all()
    return totals


EVEN = (300_000, -500_000, 190_000)


@pytest.mark.parametrize("metered", [True, False])
def test_a_whole_slot_on_an_island_is_settled_by_its_tariff_and_every_home_agrees(make_world, first_slot, metered):
    world = make_world(3, metered=metered)
    accept_island(world)
    on_island(world, slot_start_unix_s(first_slot + 1))
    totals = closed(world, first_slot, EVEN)
    assert (totals.buy, totals.sell, totals.pcc) == (*ISLAND, 0)
    assert totals.sell <= totals.price <= totals.buy
    assert [worker.answers[-1].reason for worker in world.workers] == [0, 0, 0]
    with world.store.begin() as tx:
        for line in books.lines_closed_at(tx, first_slot + 1):
            assert line.amount_pico <= tariff_cost_pico(line.energy_milliwh, *ISLAND)


@pytest.mark.parametrize(
    ("case", "energies", "moved"),
    [
        ("connected", EVEN, 0),
        ("later", EVEN, 0),
        ("earlier", EVEN, 0),
        ("no prices", EVEN, 0),
        ("above the ceiling", EVEN, 0),
        ("a reading is missing", (300_000, -300_000, None), 0),
        ("the meter saw a flow", EVEN, 5),
        ("not even", (300_000, -200_000, 190_000), 0),
    ],
)
def test_every_other_slot_is_settled_by_the_ordinary_tariff(world, first_slot, case, energies, moved):
    accept_island(world, 599_999 if case == "above the ceiling" else 700_000, None if case == "no prices" else ISLAND)
    start = slot_start_unix_s(first_slot + 1)
    if case == "later":
        on_island(world, start + 1)
    elif case == "earlier":
        on_island(world, start - 9, start + 899)
    elif case != "connected":
        on_island(world, start)
    totals = closed(world, first_slot, energies, moved)
    assert (totals.buy, totals.sell) == world.tariff.prices(first_slot + 1)
    assert not settled_on_island(world.terms, world.tariff, totals)
    answered = [worker.answers[-1].reason for worker in world.workers if worker.answers]
    assert set(answered) == {0}


def test_a_late_reading_of_an_islands_slot_costs_the_ordinary_tariff_and_nobody_else_anything(world, first_slot):
    accept_island(world)
    on_island(world, slot_start_unix_s(first_slot + 1))
    closed(world, first_slot, (300_000, -300_000, None))
    live(world, first_slot + 2, (0, 0, 70_000))
    world.closer.close(first_slot + 2)
    assert world.countersign_all() >= 3
    with world.store.begin() as tx:
        late = [line for line in books.lines_closed_at(tx, first_slot + 2) if line.worker == world.workers[2].name]
    part = 35_000
    own = sum(tariff_cost_pico(part, *world.tariff.prices(first_slot + k)) for k in (1, 2))
    assert [line.amount_pico for line in late] == [own]


def rules_with_island(tariff, fee):
    rules = rules_of(dataclasses.replace(tariff, island=ISLAND), fee)
    terms = dataclasses.replace(rules.terms, island_ceiling=ISLAND[0])
    return Rules(terms, struct_hash(terms), rules.tariff)


QUEEN = KeySigner(b"\x51" * 32)
ENERGY = st.integers(-5_000_000, 5_000_000)


@pytest.fixture(scope="module")
def plain(make_world):
    world = make_world(0)
    return world.tariff, world.agreement.domain


@settings(max_examples=150, deadline=None)
@given(
    energies=st.lists(ENERGY, min_size=1, max_size=8),
    loss=st.integers(-300_000, 300_000),
    fee=st.integers(0, 1000),
    announced=st.integers(0, 10**6),
    meter=st.sampled_from([None, 0, 7]),
)
def test_money_adds_up_and_nobody_pays_more_than_the_island_tariff(plain, energies, loss, fee, announced, meter):
    tariff, domain = plain
    rules = rules_with_island(tariff, fee)
    whole = [*energies, loss - sum(energies)]
    given = ClosingInput(
        SLOT, rules, tuple(account(k, {SLOT: e}) for k, e in enumerate(whole)), announced, meter, 0,
        IslandPrices(*ISLAND, min(max(announced, ISLAND[1]), ISLAND[0])),
    )  # fmt: skip
    result = close_slot(given)
    totals, money = result.totals, result.money
    agreement = Agreement(domain, QUEEN.address, 7, rules.terms, rules.tariff)
    check_totals(agreement, totals, QUEEN.sign(digest(domain, totals)))
    reserve = money.surplus - money.fee - money.discounts
    assert money.pooled == money.hive_cost + money.fee + reserve - money.deficit
    assert len(result.lines) == len(whole)
    for line in result.lines:
        assert line.amount_pico <= tariff_cost_pico(line.energy_milliwh, totals.buy, totals.sell)
    if meter == 7:
        assert (totals.buy, totals.sell) == tariff.prices(SLOT)
    elif loss == 0:
        assert (totals.buy, totals.sell, totals.pcc) == (*ISLAND, 0)


def test_an_island_is_noted_once_and_ended_once(world):
    with world.store.begin() as tx:
        assert islands.begin_island(tx, 100, "operator")
        assert not islands.begin_island(tx, 120, "file")
        assert islands.end_island(tx, 300)
        assert not islands.end_island(tx, 400)
        assert islands.all_islands(tx, 9) == [islands.IslandRow(100, 300, "operator")]


@pytest.fixture
def homes():
    sun = [5.0 if 28 <= k < 64 else 0.0 for k in range(SLOTS)]
    cheap, dear = Shed([1.0] * SLOTS, 0.45), Shed([1.0] * SLOTS, 0.55)
    return [
        dataclasses.replace(home(0.8, 0.0, True), pv_kw=sun, pv_curtailable=True),
        dataclasses.replace(home(0.8, 0.0, True), shed=cheap),
        dataclasses.replace(home(0.8, 0.0, True), shed=dear),
    ]


def test_a_round_on_an_island_asks_for_nothing_and_its_prices_leave_the_tariff_up_to_the_ceiling(
    world, first_slot, homes
):
    on_island(world, 5)
    hive_of_homes = Hive(world, homes, island_ceiling_micro=600_000)
    row = hive_of_homes.coordinate(first_slot + 1)
    assert row.ended == "converged"
    total = [sum(powers) for powers in zip(*hive_of_homes.powers.values(), strict=True)]
    assert max(map(abs, total)) <= 60
    prices = [price / 10**7 for price in row.prices_e7]
    assert max(prices) > 0.45 > max(world.tariff.buy) / 10**6
    assert all(-0.6 <= price <= 0.6 for price in prices)
    _, cheap, dear = (sum(hive_of_homes.powers[name]) for name in hive_of_homes.homes)
    assert cheap < dear - 1_000


def test_without_a_ceiling_prices_stay_in_the_tariff_and_what_there_is_is_shared(world, first_slot, homes):
    on_island(world, 5)
    hive_of_homes = Hive(world, homes, most_iterations=10)
    row = hive_of_homes.coordinate(first_slot + 1)
    assert row.ended == "shared"
    assert all(0 <= price <= 10 * max(world.tariff.buy) for price in row.prices_e7)
    final = hive_of_homes.sent[-1]
    assert len(final.import_share_ppm) == len(final.export_share_ppm) == SLOTS
    assert max(final.import_share_ppm) <= 10**6
    opened = [hive_of_homes.coordinator._known[name][1] for name in hive_of_homes.homes]
    for slot in range(SLOTS):
        taken = sum(max(0, p[slot]) for p in opened) * final.import_share_ppm[slot] // 10**6
        assert taken <= sum(max(0, -p[slot]) for p in opened)


def test_rounds_after_and_before_an_island_begin_with_the_tariffs_prices(world, first_slot, homes):
    hive_of_homes = Hive(world, homes, island_ceiling_micro=600_000)
    on_island(world, 5)
    hive_of_homes.coordinate(first_slot + 1)
    with world.store.begin() as tx:
        islands.end_island(tx, 900)
    sent = len(hive_of_homes.sent)
    hive_of_homes.coordinate(first_slot + 2)
    opening = hive_of_homes.sent[sent].price_e7_per_kwh
    assert all(s * 10 <= price <= b * 10 for price, b, s in zip(opening, *shifted(world, first_slot + 2), strict=True))


def shifted(world, first):
    prices = [world.tariff.prices(first + k) for k in range(SLOTS)]
    return [b for b, _ in prices], [s for _, s in prices]


def watch(world, look, source="file"):
    return IslandWatch(InstantClock(), world.store, look, source, 5)


def now_on_island(world):
    with world.store.begin() as tx:
        row = islands.island_now(tx)
    return row and row.source


def test_two_equal_looks_count_and_a_silent_contact_changes_nothing(world):
    said = [True, False, True, True, None, None, False, None, False, False]
    found = []
    contact = watch(world, lambda: said[len(found)])
    for _ in said:
        contact.once()
        found.append(now_on_island(world))
    assert found == [None] * 3 + ["file"] * 6 + [None]


class Stop(Exception):
    """Ends what runs for ever."""


def test_the_contact_is_looked_at_at_the_set_times(world):
    said, times = [True, True, False], []
    clock = InstantClock()
    contact = IslandWatch(clock, world.store, lambda: said[len(times)], "file", 5)

    async def sleep_until(at_unix_s):
        times.append(at_unix_s - InstantClock().now)
        clock.now = at_unix_s
        if len(times) == len(said):
            raise Stop

    clock.sleep_until = sleep_until
    with pytest.raises(Stop):
        asyncio.run(contact.run())
    assert times == [5, 10, 15]
    assert now_on_island(world) == "file"


def test_a_contact_never_ends_what_the_operator_noted(world):
    on_island(world, 5)
    contact = watch(world, lambda: False)
    contact.once()
    contact.once()
    assert now_on_island(world) == "operator"


@pytest.mark.parametrize(
    ("text", "said"),
    [(b"island\n", True), (b" grid ", False), (b"", None), (b"ISLAND", None), (b"island" + b"x" * 10**6, None)],
)
def test_a_contact_file_says_one_of_two_words_or_nothing(tmp_path, text, said):
    file = tmp_path / "contact"
    assert file_says(file) is None
    file.write_bytes(text)
    assert file_says(file) is said


def test_the_meter_says_island_only_when_every_phase_is_without_voltage(world):
    meter = GrantedMeter(world.store)
    assert meter_says(meter.highest_mv, 230) is None
    told = {"unix_s": 1, "import_milliwh": 0, "export_milliwh": 0}
    meter.on_grant({"meter": told | {"highest_mv": 229_000}})
    assert meter_says(meter.highest_mv, 230) is False
    meter.on_grant({"meter": told | {"highest_mv": 4_000}})
    assert meter_says(meter.highest_mv, 230) is True
    meter.on_grant({"meter": told})
    assert meter_says(meter.highest_mv, 230) is True


def island(config, verb, *more):
    return hive("island", verb, *more, "--config", str(config))


def test_the_command_notes_an_island_shows_it_and_ends_it(config):
    assert island(config, "off").exit_code
    shown = json.loads(island(config, "on", "--json").stdout)
    assert (shown["island"], shown["source"], shown["buy_per_kwh"]) == (True, "operator", None)
    assert "already" in island(config, "on").stderr
    assert "operator" in island(config, "show").stdout
    ended = json.loads(island(config, "off", "--json").stdout)
    assert ended["island"] is False
    assert len(ended["history"]) == 1


def test_the_command_does_not_end_what_the_contact_says(config, world):
    store = Store(f"sqlite:///{config.parent / 'queen.sqlite'}")
    with store.begin() as tx:
        islands.begin_island(tx, 5, "file")
    store.close()
    assert "the file of [island]" in island(config, "off").stderr


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[island]\ncontact = "file"\n', "contact_file"),
        ('[island]\ncontact = "meter"\n', "needs a meter"),
        ('[island]\ncontact = "bell"\n', "contact"),
    ],
)
def test_a_contact_that_cannot_say_anything_stops_the_start(config, text, named):
    config.write_text(config.read_text() + text)
    with pytest.raises(SettingsError, match=named):
        load(config)


def test_island_prices_above_the_signed_ceiling_stop_the_start(config, world):
    tariff = dataclasses.replace(world.tariff, island=ISLAND)
    terms = dataclasses.replace(world.terms, tariff=keccak(tariff_document(tariff)), island_ceiling=ISLAND[0] - 1)
    hashed = digest(world.agreement.domain, terms)
    file = TermsFile.of(terms, QUEEN.sign(hashed), OWNER.sign(hashed))
    (config.parent / "tariff.json").write_bytes(tariff_document(tariff))
    (config.parent / "terms.json").write_bytes(terms_document(file))
    with pytest.raises(SettingsError, match="island_ceiling"):
        load(config)


@pytest.fixture
def island_config(world, request):
    accept_island(world)
    return request.getfixturevalue("config")


def island_evidence(world, config, slot, metered=True):
    """The evidence of a Hive whose newest slot was settled by the island tariff."""
    world.store = Store(f"sqlite:///{config.parent / 'queen.sqlite'}")
    restart(world)
    if not metered:
        world.closer = dataclasses.replace(world.closer, metered=lambda tx, slot: None)
    on_island(world, slot_start_unix_s(slot))
    world.meter(slot - 1, 10**9, 10**9)
    live(world, slot, EVEN, 0 if metered else 5)
    totals = world.closer.close(slot).totals
    assert (totals.buy, totals.sell) == ISLAND
    world.countersign_all()
    world.store.close()
    folder = config.parent / "bills"
    result = hive("evidence", "--config", str(config), str(folder))
    assert result.exit_code == 0, result.stderr
    return folder


def test_a_stranger_verifies_an_islands_bill(world, first_slot, island_config):
    assert verify_evidence(island_evidence(world, island_config, first_slot + 3)).conservation_pico == 0


def test_a_stranger_finds_an_island_that_the_meter_contradicts(world, first_slot, island_config):
    folder = island_evidence(world, island_config, first_slot + 3, metered=False)
    with pytest.raises(EvidenceError, match="island tariff"):
        verify_evidence(folder)
