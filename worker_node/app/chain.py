"""Wires the eye on the chain: what it asks of the journal, what it tells the page. Loaded only where settings have
[chain].
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from drivers.clock import Clock
from honey_edge.wire.recompute import Agreement
from worker_node import state
from worker_node.account import owed_by_slot
from worker_node.both_signed import BothSigned
from worker_node.chain_eye.contest import Contest
from worker_node.chain_eye.findings import Own, cover_of
from worker_node.chain_eye.look import STATE_NAMES, ChainLook, Subject
from worker_node.chain_eye.rpc import Node
from worker_node.chain_eye.watch import ChainWatch, Home, Seen
from worker_node.journal import Journal, JournalThread
from worker_node.settings import ChainSection


@dataclass(frozen=True, slots=True)
class ChainTools:
    """What the eye needs of the daemon; `changed` is called after each look."""

    clock: Clock
    journal: JournalThread
    worker: bytes
    agreement: Agreement
    changed: Callable[[], Awaitable[None]]


def build_watch(section: ChainSection, tools: ChainTools) -> ChainWatch:
    """The watch, with the look that the journal keeps. Raises HttpFailed for an RPC address that is none."""
    agreement, journal = tools.agreement, tools.journal
    domain = agreement.domain

    async def own(look: ChainLook | None) -> Own:
        return await journal.call(lambda one: own_of(one, look, agreement))

    async def both_signed() -> BothSigned | None:
        return await journal.call(lambda one: one.both_signed())

    async def keep(look: ChainLook) -> None:
        await journal.call(lambda one: one.put_chain_look(look.at_unix_s, look.encoded()))

    code_hash = bytes.fromhex(section.code_hash)
    subject = Subject(agreement.hive, tools.worker, domain.contract, domain.chain_id, code_hash, section.mother_hive)
    nodes = [Node(url) for url in section.rpc_urls]
    contest = Contest.of(domain, agreement.tariff.contest_addresses)
    home = Home(own, both_signed, keep, tools.changed)
    watch = ChainWatch(nodes, subject, tools.clock, home, contest, section.poll_every_s)
    watch.load(journal.run(lambda one: one.chain_look()))
    return watch


def own_of(journal: Journal, look: ChainLook | None, agreement: Agreement) -> Own:
    """What the journal says that a look is compared with."""
    agreed = journal.last_answer(agreed_only=True)
    slot, days, queen = agreed.slot if agreed else None, agreement.terms.cover_days, agreement.queen.hex()
    if look is None or slot is None or not days:
        return Own(slot, {}, days, queen)
    return Own(slot, owed_by_slot(journal, cover_of(look), slot), days, queen)


def chain_of(seen: Seen) -> state.Chain:
    """The look for the page."""
    common = state.Chain(
        watched=True,
        trouble=seen.trouble,
        findings=seen.findings,
        cover=seen.cover_text,
        contest_taken=seen.contest_taken,
        contest_addresses=seen.contest_addresses,
    )
    return with_look(common, seen.look) if seen.look is not None else common


def with_look(chain: state.Chain, look: ChainLook) -> state.Chain:
    """The snapshot with the figures of a look."""
    return replace(
        chain,
        checked_unix_s=float(look.at_unix_s),
        block=look.block,
        account=STATE_NAMES[look.state] if look.state < len(STATE_NAMES) else "unknown",
        funding_micro=look.funding_micro,
        net_micro=look.net_micro,
        slot=look.slot,
        pool_micro=look.pool_micro,
        pending_micro=look.pending_micro,
        settled_slot=look.settled_slot or None,
        close_ends_unix_s=float(look.close_ends_unix_s) or None,
        close_slot=look.close_slot if look.close_ends_unix_s else None,
        close_side=look.close_side,
    )
