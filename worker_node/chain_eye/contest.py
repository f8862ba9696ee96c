"""Sends the last Statement both signed to the contest addresses of the tariff file, which may put it on the chain.

A home needs no gas and no key of a wallet for this: anyone may call `contest`, and earns a tenth of the penalty. Each
address gets a Statement until it answers 2xx, with growing pauses; the form is in docs/when-the-queen-is-gone.md.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from honey_edge.model.ids import address_text
from honey_edge.wire.typed_data import Domain
from worker_node.both_signed import BothSigned
from worker_node.chain_eye.http import HttpFailed, Limits, post_json, split_url

_LOG = logging.getLogger(__name__)
MAX_ADDRESSES = 8
FIRST_PAUSE_S = 60
LONGEST_PAUSE_S = 3_600
_LIMITS = Limits(seconds=10.0, answer_bytes=4_096)


class ContestMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What a contest address gets: a Statement with both signatures and where they count; hex without 0x."""

    v: int = 1
    kind: str = "contest"
    chain_id: int
    contract: str
    hive: int
    worker: str
    slot: int
    net_micro: int
    import_milliwh: int
    export_milliwh: int
    readings: str
    worker_signature: str
    queen_signature: str


def contest_document(both: BothSigned, domain: Domain) -> bytes:
    """The JSON body."""
    one = both.statement
    message = ContestMessage(
        chain_id=domain.chain_id,
        contract=domain.contract.hex(),
        hive=one.hive,
        worker=address_text(one.worker),
        slot=one.slot,
        net_micro=one.net,
        import_milliwh=one.imported,
        export_milliwh=one.exported,
        readings=one.readings.hex(),
        worker_signature=both.worker_signature.hex(),
        queen_signature=both.queen_signature.hex(),
    )
    return msgspec.json.encode(message)


@dataclass(slots=True)
class _Address:
    url: str
    taken_slot: int = -1
    tries: int = 0
    due_unix_s: float = 0.0


@dataclass(slots=True)
class Contest:
    """Which address has taken which Statement; lives as long as the daemon, and starts anew with it."""

    domain: Domain
    addresses: list[_Address] = field(default_factory=list)

    @staticmethod
    def of(domain: Domain, texts: Sequence[str]) -> "Contest":
        """From the tariff file; texts that are no http or https address are left out with one log line each."""
        usable = []
        for text in texts[:MAX_ADDRESSES]:
            try:
                split_url(text)
                usable.append(_Address(text))
            except HttpFailed as error:
                _LOG.warning("contest_address_unusable reason=%r", str(error))
        return Contest(domain, usable)

    def taken(self, slot: int) -> int:
        """How many addresses have taken the Statement of a slot."""
        return sum(one.taken_slot == slot for one in self.addresses)

    async def send(self, both: BothSigned, now_unix_s: float) -> float | None:
        """Sends to every address that is due; when to be called next, None when all have the Statement."""
        slot, document = both.statement.slot, contest_document(both, self.domain)
        waiting = [one for one in self.addresses if one.taken_slot < slot]
        for one in waiting:
            if one.due_unix_s <= now_unix_s:
                await self._offer(one, document, slot, now_unix_s)
        return min((one.due_unix_s for one in waiting if one.taken_slot < slot), default=None)

    async def _offer(self, one: _Address, document: bytes, slot: int, now_unix_s: float) -> None:
        try:
            answer = await post_json(one.url, document, _LIMITS)
            problem = "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"
        except HttpFailed as error:
            problem = str(error)
        if not problem:
            one.taken_slot, one.tries, one.due_unix_s = slot, 0, 0.0
            _LOG.warning("contest_sent slot=%d url=%s", slot, one.url)
            return
        one.due_unix_s = now_unix_s + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(one.tries, 10))
        one.tries += 1
        _LOG.warning("contest_unsent slot=%d reason=%r", slot, problem)
