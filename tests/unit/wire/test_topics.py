"""Topics: one table both ways, nothing but lower-case addresses, no wildcard is ever a topic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honey_edge.wire import topics
from honey_edge.wire.codec import MAX_BYTES
from honey_edge.wire.topics import KINDS, TopicError, parse, queen_subscriptions, topic, worker_subscriptions

WORKER = "0123456789abcdef0123456789abcdef01234567"


@given(st.sampled_from(KINDS), st.integers(0, 2**32 - 1), st.binary(min_size=20, max_size=20))
def test_every_topic_parses_to_what_it_was_built_from(kind: topics.TopicKind, hive: int, worker: bytes) -> None:
    address = worker.hex() if kind.addressed else ""
    assert parse(topic(kind, hive, address)) == (kind, hive, address)


def test_topics_are_those_of_the_integrators_page() -> None:
    built = {topic(kind, 7, WORKER if kind.addressed else "") for kind in KINDS}
    assert built == {
        f"hive/v1/7/w/{WORKER}/reading",
        f"hive/v1/7/w/{WORKER}/declare",
        f"hive/v1/7/w/{WORKER}/countersign",
        f"hive/v1/7/w/{WORKER}/status",
        "hive/v1/7/q/round",
        "hive/v1/7/q/certificate",
        f"hive/v1/7/w/{WORKER}/maskkey",
        f"hive/v1/7/w/{WORKER}/maskopen",
        f"hive/v1/7/w/{WORKER}/grid",
        f"hive/v1/7/q/round/{WORKER}",
        f"hive/v1/7/w/{WORKER}/power",
        f"hive/v1/7/w/{WORKER}/offer",
        f"hive/v1/7/w/{WORKER}/accept",
        f"hive/v1/7/q/order/{WORKER}",
        f"hive/v1/7/w/{WORKER}/disclose",
        f"hive/v1/7/w/{WORKER}/appeal",
        f"hive/v1/7/q/audit/{WORKER}",
        f"hive/v1/7/q/standing/{WORKER}",
        "hive/v1/7/q/maskroster",
        "hive/v1/7/q/maskask",
        "hive/v1/7/q/slot",
        "hive/v1/7/q/peak",
        "hive/v1/7/q/reserve",
        f"hive/v1/7/q/statement/{WORKER}",
        f"hive/v1/7/q/cursor/{WORKER}",
        "hive/v1/7/q/status",
    }


def test_a_command_a_reading_or_an_event_is_never_retained_and_all_is_published_at_qos_1() -> None:
    assert {kind.name for kind in KINDS if kind.retained} == {
        "certificate",
        "slot",
        "peak",
        "reserve",
        "statement",
        "standing",
        "cursor",
        "status",
    }
    assert {kind.qos for kind in KINDS} == {1}
    assert {kind.message for kind in KINDS} == set(MAX_BYTES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hive/v1/7",
        f"hive/v1/7/w/{WORKER.upper()}/reading",
        f"hive/v1/7/w/{WORKER[:-1]}A/reading",
        f"hive/v1/7/w/{WORKER}/statement",
        f"hive/v1/7/w/{WORKER}/Reading",
        f"hive/v1/7/w/{WORKER}/",
        f"hive/v1/7/w/0x{WORKER}/reading",
        f"hive/v1/7/w/{WORKER}a/reading",
        f"hive/v1/07/w/{WORKER}/reading",
        f"hive/v1/-1/w/{WORKER}/reading",
        f"hive/v2/7/w/{WORKER}/reading",
        f"Hive/v1/7/w/{WORKER}/reading",
        f"/hive/v1/7/w/{WORKER}/reading",
        f"hive/v1/7/w/{WORKER}/reading\n",
        "hive/v1/7/w/+/reading",
        "hive/v1/7/w/#",
        "hive/v1/+/q/slot",
        "hive/v1/7/q/#",
        "hive/v1/7/q/statement",
        f"hive/v1/7/q/slot/{WORKER}",
        f"hive/v1/7/q/reading/{WORKER}",
        "hive/v1/7/q/nothing",
        "hive/v1/7/q/status/x",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(TopicError):
        parse(text)


@given(st.text(max_size=80))
def test_any_text_is_a_topic_or_a_named_error(text: str) -> None:
    try:
        kind, hive, worker = parse(text)
    except TopicError:
        return
    assert topic(kind, hive, worker) == text


@pytest.mark.parametrize("worker", [WORKER.upper(), "+", "#", WORKER + "/x", "0x" + WORKER, WORKER + "\n"])
def test_no_topic_is_built_for_another_form_of_address(worker: str) -> None:
    for kind in KINDS:
        if kind.addressed:
            with pytest.raises(TopicError):
                topic(kind, 7, worker)


def test_an_address_is_needed_where_the_kind_is_addressed_and_only_there() -> None:
    with pytest.raises(TopicError, match="needs"):
        topic(topics.READING, 7)
    with pytest.raises(TopicError, match="takes no"):
        topic(topics.ROUND, 7, WORKER)
    with pytest.raises(TopicError):
        topic(topics.ROUND, -1)


def test_each_side_subscribes_to_all_the_other_says_and_a_worker_to_nothing_of_others() -> None:
    assert queen_subscriptions(7) == [
        f"hive/v1/7/w/+/{name}"
        for name in (
            *("reading", "declare", "countersign", "status", "maskkey", "maskopen"),
            *("power", "offer", "accept", "grid", "disclose", "appeal"),
        )
    ]
    wanted = worker_subscriptions(7, WORKER)
    assert len(wanted) == len({kind for kind in KINDS if kind.from_queen})
    for text in wanted:
        kind, hive, worker = parse(text)
        assert kind.from_queen
        assert hive == 7
        assert worker in ("", WORKER)
