"""Which of the mother's messages are taken, and what the daughter says at her broker: nothing but answers."""

import asyncio

import pytest

from drivers.linux.broker import BrokerAway
from honey_edge.wire import topics
from honey_edge.wire.codec import decode, encode
from honey_edge.wire.messages import DeclareMessage, StatusMessage
from queen_node.mother.link import MotherInbox, MotherLink

POINT, OTHER = "ab" * 20, "cd" * 20


class Broker:
    def __init__(self):
        self.out, self.away, self.connected = [], False, True

    async def publish(self, out):
        if self.away:
            raise BrokerAway("away")
        self.out.append(out)


@pytest.fixture
def world():
    broker, heard, refused = Broker(), [], []
    inbox = MotherInbox(
        lambda payload: heard.append(("round", payload)),
        lambda payload: heard.append(("statement", payload)),
        lambda reason, detail, payload: refused.append(reason),
    )
    return broker, heard, refused, MotherLink(1, POINT, inbox, broker.publish, lambda: broker.connected)


def bring(link, *messages):
    async def story():
        for name, payload in messages:
            await link.on_message(name, payload)

    asyncio.run(story())


def status(online):
    return encode(StatusMessage(online=online, version="1", at_unix_s=0))


def test_rounds_and_the_points_statements_reach_their_part_and_everything_else_none(world):
    _, heard, refused, link = world
    bring(
        link,
        (topics.topic(topics.ROUND, 1), b"a"),
        (topics.topic(topics.STATEMENT, 1, POINT), b"b"),
        (topics.topic(topics.STATEMENT, 1, OTHER), b"c"),
        (topics.topic(topics.ROUND, 2), b"d"),
        (topics.topic(topics.DECLARE, 1, POINT), b"e"),
        ("home/x/power-w", b"f"),
    )
    assert heard == [("round", b"a"), ("statement", b"b")]
    assert refused == ["mother-topic"] * 4


def test_the_mother_is_there_while_the_broker_is_and_she_says_so(world):
    broker, _, refused, link = world
    name = topics.topic(topics.QUEEN_STATUS, 1)
    assert not link.there()
    bring(link, (name, status(True)))
    assert link.there()
    broker.connected = False
    assert not link.there()
    broker.connected = True
    bring(link, (name, b"?"), (name, status(False)))
    assert not link.there()
    assert refused == ["mother-status"]


def test_an_answer_goes_to_the_points_own_topic_and_is_lost_with_the_broker(world):
    broker, _, _, link = world
    message = DeclareMessage(
        worker=POINT, round=1, iteration=0, first_slot=5, flexible=True, power_w=(1,) * 96, cost_e9_coin=0
    )
    asyncio.run(link.declare(message))
    broker.away = True
    asyncio.run(link.declare(message))
    (out,) = broker.out
    assert out.topic == topics.topic(topics.DECLARE, 1, POINT)
    assert (out.qos, out.retained) == (1, False)
    assert decode(DeclareMessage, out.payload) == message


def test_she_listens_to_no_more_than_a_worker_may_read(world):
    link = world[3]
    assert {name for name, _ in link.subscriptions()} <= set(topics.worker_subscriptions(1, POINT))
