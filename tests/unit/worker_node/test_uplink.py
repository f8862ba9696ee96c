"""The uplink: nothing is forgotten before the Queen's Receipt, and only hers counts."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from drivers.errors import BusFault
from drivers.sim.granted import GrantedClock
from honey_edge.wire.codec import decode, encode
from honey_edge.wire.messages import CursorMessage, ReadingMessage, RoundMessage, StatusMessage
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.structs import Receipt
from honey_edge.wire.typed_data import digest, struct_hash
from tests.unit.worker_node import world
from tests.unit.worker_node.world import DAY_UNIX_S, DOMAIN, FIRST_SLOT, HIVE, QUEEN, WORKER, reading
from worker_node.journal import JournalThread, SignedReading
from worker_node.uplink import Inbox, Peer, Publication, Uplink

ADDRESS = WORKER.address.hex()
CURSOR = f"hive/v1/{HIVE}/q/cursor/{ADDRESS}"


class Broker:
    """Remembers what was sent; may be away, and may answer."""

    def __init__(self) -> None:
        self.sent: list[Publication] = []
        self.away = False
        self.react: Callable[[Publication], Awaitable[None]] | None = None

    async def publish(self, out: Publication) -> None:
        if self.away:
            raise BusFault("no connection")
        self.sent.append(out)
        if self.react is not None:
            asyncio.get_running_loop().create_task(self.react(out))  # type: ignore[arg-type]

    def slots(self) -> list[int]:
        """Slots of the readings sent, in order."""
        payloads = [one.payload for one in self.sent if one.topic.endswith("reading")]
        return [decode(ReadingMessage, payload).slot - FIRST_SLOT for payload in payloads]


class Site:
    """An uplink over a journal with three readings."""

    def __init__(self, folder: Path) -> None:
        self.journal = JournalThread(folder / "journal.sqlite", WORKER.address)
        self.readings: list[SignedReading] = []
        for k in range(3):
            one = reading(FIRST_SLOT + k, 100 * k, 0, self.readings[-1].reading if self.readings else None)
            self.readings.append(SignedReading(one, WORKER.sign(digest(DOMAIN, one)), struct_hash(one)))
            self.journal.run(lambda journal, s=self.readings[-1]: journal.add_reading(s))  # type: ignore[misc]
        self.clock = GrantedClock(DAY_UNIX_S)
        self.broker = Broker()
        self.statements: list[bytes] = []
        peer = Peer(HIVE, ADDRESS, QUEEN.address.hex(), DOMAIN, "1")
        inbox = Inbox(self.statement, self.newest, self.round, self.changed)
        self.uplink = Uplink(peer, self.clock, self.journal, self.broker, inbox)

    async def statement(self, payload: bytes) -> bytes | None:
        self.statements.append(payload)
        return b"signed"

    async def newest(self) -> bytes | None:
        return b"newest answer"

    async def round(self, message: RoundMessage) -> None:
        return None

    async def changed(self) -> None:
        return None

    def receipt(self, place: int, signer: KeySigner = QUEEN, **changes: object) -> bytes:
        one = self.readings[place]
        receipt = Receipt(HIVE, WORKER.address, one.reading.slot, one.reading.imported, one.reading.exported, one.hash)
        receipt = replace(receipt, **changes)  # type: ignore[arg-type]
        return encode(CursorMessage.of(receipt, signer.sign(digest(DOMAIN, receipt))))


QUEEN_ONLINE = (f"hive/v1/{HIVE}/q/status", encode(StatusMessage(online=True, version="1", at_unix_s=1)))


def test_after_each_connection_everything_unconfirmed_is_sent_in_order(tmp_path: Path) -> None:
    async def story() -> None:
        site = Site(tmp_path)
        await site.uplink.load()
        await site.uplink.connected()
        assert site.broker.sent[0].retained
        assert decode(StatusMessage, site.broker.sent[0].payload).online
        assert site.broker.slots() == [0, 1, 2]
        assert site.broker.sent[-1].payload == b"newest answer"
        await site.uplink.received(CURSOR, site.receipt(1))
        site.broker.sent.clear()
        await site.uplink.disconnected()
        await site.uplink.connected()
        assert site.broker.slots() == [2]
        assert site.uplink.status.unreceipted == 1

    asyncio.run(story())


def test_a_queen_that_comes_back_gets_what_she_has_not_confirmed(tmp_path: Path) -> None:
    async def story() -> None:
        site = Site(tmp_path)
        await site.uplink.load()
        await site.uplink.received(*QUEEN_ONLINE)
        await site.uplink.received(*QUEEN_ONLINE)
        assert site.broker.slots() == [0, 1, 2]

    asyncio.run(story())


def test_lost_receipts_are_made_up_by_sending_again(tmp_path: Path) -> None:
    async def story() -> None:
        site = Site(tmp_path)
        await site.uplink.load()
        await site.uplink.connected()
        await site.uplink.received(*QUEEN_ONLINE)
        site.broker.sent.clear()
        resending = asyncio.create_task(site.uplink.run_resending(), name="resending")
        await asyncio.sleep(0)
        await site.clock.grant(DAY_UNIX_S + 61)
        assert site.broker.slots()[:3] == [0, 1, 2]
        await site.uplink.received(CURSOR, site.receipt(2))
        site.broker.sent.clear()
        await site.clock.grant(DAY_UNIX_S + 200)
        assert site.broker.slots() == []
        resending.cancel()

    asyncio.run(story())


def test_only_the_queens_receipt_for_an_own_reading_counts(tmp_path: Path) -> None:
    async def story() -> None:
        site = Site(tmp_path)
        await site.uplink.load()
        for forged in (
            site.receipt(2, world.OWNER),
            site.receipt(2, hive=8),
            site.receipt(2, worker=bytes(20)),
            site.receipt(2, reading=bytes(32)),
            site.receipt(2, slot=FIRST_SLOT + 9),
            b"not json",
        ):
            await site.uplink.received(CURSOR, forged)
        await site.uplink.received(f"hive/v1/{HIVE}/q/cursor/{'00' * 20}", site.receipt(2))
        await site.uplink.received("elsewhere", b"")
        assert site.uplink.status.refused_messages == 8
        assert site.uplink.status.unreceipted == 3
        await site.uplink.received(CURSOR, site.receipt(2))
        assert site.uplink.status.unreceipted == 0

    asyncio.run(story())


def test_time_waits_for_the_receipt_and_not_for_an_absent_queen(tmp_path: Path) -> None:
    async def story() -> None:
        site = Site(tmp_path)
        await site.uplink.load()
        await site.uplink.offer(site.readings[2])
        assert site.clock.busy_with() == ["receipt"]
        await site.clock.grant(DAY_UNIX_S + 1)
        await site.uplink.received(*QUEEN_ONLINE)

        async def receipt(out: Publication) -> None:
            await site.uplink.received(CURSOR, site.receipt(2))

        site.broker.react = receipt
        await site.uplink.offer(site.readings[2])
        await site.clock.grant(DAY_UNIX_S + 2)
        assert site.uplink.status.unreceipted == 0

    asyncio.run(story())


def test_a_statement_is_answered_on_the_countersign_topic(tmp_path: Path) -> None:
    async def story() -> None:
        site = Site(tmp_path)
        await site.uplink.received(f"hive/v1/{HIVE}/q/statement/{ADDRESS}", b"statement")
        assert site.statements == [b"statement"]
        out = site.broker.sent[-1]
        assert (out.topic, out.payload, out.qos, out.retained) == (
            f"hive/v1/{HIVE}/w/{ADDRESS}/countersign",
            b"signed",
            1,
            False,
        )
        site.broker.away = True
        await site.uplink.received(f"hive/v1/{HIVE}/q/statement/{ADDRESS}", b"statement")

    asyncio.run(story())
