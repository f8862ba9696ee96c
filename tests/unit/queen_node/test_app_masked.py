"""Masks in the daemons: messages reach the desk, requests go out on their topics, settings are checked."""

import asyncio

import pytest

from honey_edge.model.options import SettingsError
from honey_edge.wire import topics
from honey_edge.wire.codec import encode
from honey_edge.wire.mask_messages import MaskAskMessage, MaskRevealMessage, MaskRosterMessage
from queen_node.app.dispatch import Dispatcher, Takers
from queen_node.app.presence import Presence
from queen_node.settings import LimitsSection
from tests.unit.queen_node.answering_homes import home
from tests.unit.queen_node.masking_homes import MaskingHive
from tests.unit.queen_node.test_app import NoRounds, Wire, downlink_of
from tests.unit.worker_node.world import write_settings
from worker_node.app.parts import home_masks, make_clock, read_identity
from worker_node.settings import load_settings


def dispatcher_of(world, desk):
    takers = Takers(world.ingest, world.channels, NoRounds(), Presence(), world.refusals, desk)
    dispatcher = Dispatcher(7, takers, LimitsSection(), lambda: world.now_unix_s, downlink_of(world, Wire()).statements)
    dispatcher.enrol([worker.name for worker in world.workers])
    return dispatcher


@pytest.mark.parametrize("masked", [True, False])
def test_keys_and_reveals_reach_the_desk_where_there_is_one(world, first_slot, masked):
    hive = MaskingHive(world, [home(1.0, 0.0, True)] * 3, first_slot=first_slot)
    dispatcher = dispatcher_of(world, hive.desk if masked else None)
    name = world.workers[0].name
    key = hive.masks[name].roster(encode(MaskRosterMessage(hive=7, round=1, first_slot=first_slot + 1)))
    reveal = MaskRevealMessage(hive=7, worker=name, round=1, iteration=0, serial=0, revealed="")
    for kind, message in ((topics.MASK_KEY, key), (topics.MASK_OPEN, reveal)):
        asyncio.run(dispatcher.on_message(topics.topic(kind, 7, name), encode(message)))
    assert world.refusals.counted.get("mask", 0) == (2 if masked else 0)


def test_calls_lists_and_requests_go_out_on_their_topics(world):
    wire = Wire()
    down = downlink_of(world, wire)
    asyncio.run(down.masks(MaskRosterMessage(hive=7, round=1, first_slot=1)))
    asyncio.run(down.masks(MaskAskMessage(hive=7, round=1, group=0, iteration=0, serial=0, open=True)))
    assert wire.kinds() == ["maskroster", "maskask"]
    assert not any(out.retained for out in wire.out)


def test_a_worker_masks_only_with_the_homes_in_its_settings_and_sits_out_the_round_after_a_start(tmp_path):
    file = write_settings(tmp_path)
    plain = load_settings(file)
    who = read_identity(plain)
    clock = make_clock(plain, 0)
    assert home_masks(plain, who, clock) is None
    file.write_text(file.read_text() + f'\n[masks]\nhomes = ["{"ab" * 20}"]\n')
    settings = load_settings(file)
    masks = home_masks(settings, who, clock)
    running = int(clock.now_unix_s() // 900)
    call = MaskRosterMessage(hive=settings.worker.hive, round=1, first_slot=running + 1)
    assert masks.roster(encode(call)) is None
    assert settings.masks.required
    file.write_text(file.read_text().replace("ab" * 20, "no address"))
    with pytest.raises(SettingsError, match="homes"):
        load_settings(file)
