"""`hive-worker close`: closes this home's account without its Queen, from any machine (chain-design section 4).

Reads the journal, asks one or two RPC addresses, shows what the next step does and costs, sends it, waits for it.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.errors import DriverError
from drivers.linux.key_source import find_key
from honey_edge.model.errors import HiveError
from honey_edge.wire.signing import Signer
from honey_edge.wire.token_signer import signer_of
from honey_edge.wire.typed_data import digest
from worker_node.chain_eye.look import STATE_NAMES, ChainLook, LookFailed, Subject, look
from worker_node.chain_eye.rpc import Node
from worker_node.chain_eye.views import CLAIM as CLAIM_VIEW
from worker_node.rescue import plan
from worker_node.rescue.calls import SignedRequest
from worker_node.rescue.evidence import JOURNAL_NAME, Evidence, NoEvidence, read_evidence
from worker_node.rescue.request_file import read_request, write_request
from worker_node.rescue.sending import Offer, send, simulate
from worker_node.settings import load_settings

ONLINE_DEADLINE_S = 3_600
_WEI_PER_ETHER = 10**18
_MICRO_PER_COIN = 10**6


class CloseUsage(HiveError, ValueError):
    """Options of `hive-worker close` that do not fit together, or a confirmation that was not given."""

    code = "E-RESCUE-USAGE"


@dataclass(frozen=True, slots=True)
class _Case:
    """What a run works with; `request` comes from a file that somebody else has signed, or is None."""

    evidence: Evidence
    request: SignedRequest | None


def run(options: argparse.Namespace) -> int:
    """Runs the command; 0 when done. Raises HiveError, named for every refusal."""
    case = _case(options)
    if options.offline:
        return _write_offline(case, options)
    if not options.rpc:
        raise CloseUsage("no RPC address", next_step="name one or two with --rpc")
    offered, sent = asyncio.run(_online(case, options))
    _print(offered | sent if options.json else sent, options)
    return 0


def _case(options: argparse.Namespace) -> _Case:
    if options.send:
        file = read_request(Path(options.send))
        return _Case(file.evidence(), file.signed_request())
    settings = load_settings(Path(options.config)) if _settings_wanted(options) else None
    if options.journal:
        journal = Path(options.journal)
    elif settings is not None:
        journal = settings.path(settings.worker.state_dir) / JOURNAL_NAME
    else:
        raise NoEvidence("no journal", next_step="name one with --journal, or the settings with --config")
    return _Case(read_evidence(journal, settings), None)


def _settings_wanted(options: argparse.Namespace) -> bool:
    """The settings are read when they were named, or when they alone say where the journal lies."""
    return not options.journal or Path(options.config).exists()


def _signer(name: str | None, what: str) -> Signer:
    if not name:
        raise CloseUsage(f"no key for {what}", next_step="name its file with --key")
    try:
        return signer_of(find_key(name, Path()))
    except DriverError as error:
        raise CloseUsage(f"{what}: {error}", next_step="name a file, credential or token with --key") from error


def _sign(evidence: Evidence, signer: Signer, stored_slot: int, deadline_unix_s: int) -> SignedRequest:
    request = plan.close_request(evidence, stored_slot, deadline_unix_s)
    return SignedRequest(request, signer.sign(digest(evidence.domain, request)))


def _write_offline(case: _Case, options: argparse.Namespace) -> int:
    """Writes the signed request; needs no network. The newest both-signed slot is named."""
    signer = _signer(options.request_key or options.key, "the request")
    signed = _sign(case.evidence, signer, 0, int(time.time() + options.valid_h * 3_600))
    write_request(Path(options.offline), case.evidence, signed)
    document = {
        "written": options.offline,
        "hive": case.evidence.hive,
        "worker": case.evidence.worker.hex(),
        "newest_slot": signed.request.newest_slot,
        "deadline_unix_s": signed.request.deadline,
        "warning": plan.age_warning(case.evidence, int(time.time())) or None,
        "next": f"before that anybody may send it: hive-worker close --send {options.offline} --rpc URL --key FILE",
    }
    _print(document, options)
    return 0


async def _online(case: _Case, options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the next step is, shown at once unless as JSON; and what came of sending it."""
    nodes, evidence = [Node(url) for url in options.rpc], case.evidence
    subject = Subject(evidence.hive, evidence.worker, evidence.domain.contract, evidence.domain.chain_id)
    seen = await _look(nodes, subject)
    claim_micro = await _claim(nodes[0], subject)
    step = plan.next_step(options.verb, evidence, seen, claim_micro)
    payer = _signer(options.key, "the transaction")
    signed = _request(case, options, payer, seen) if step.needs_request else None
    data = plan.call_data(step, evidence, signed)
    offer = await simulate(nodes, subject.chain_id, payer.address, subject.contract, data)
    document = _offered(step, evidence, seen, offer, payer)
    if not options.json:
        _print(document, options)
    if options.dry_run:
        return document, {"sent": False}
    _confirm(evidence.worker.hex()[-6:], options)
    hashed, receipt = await send(nodes, offer, payer, options.wait_s)
    after = await _after(nodes, subject, receipt.block)
    return document, _sent(hashed.hex(), receipt.cost_wei, after, await _claim(nodes[0], subject))


async def _look(nodes: Sequence[Node], subject: Subject) -> ChainLook:
    """A look as the daemon takes it, by the chain's own time: this machine's clock may be wrong."""
    try:
        now = (await nodes[0].block("latest")).at_unix_s
    except HiveError as error:
        raise LookFailed(str(error)) from error
    return await look(nodes, subject, now)


async def _after(nodes: Sequence[Node], subject: Subject, block: int) -> ChainLook | None:
    """The account once the node shows the transaction's block; None where it answers from before it."""
    try:
        seen = await _look(nodes[:1], subject)
    except LookFailed:
        return None
    return seen if seen.block >= block else None


async def _claim(node: Node, subject: Subject) -> int:
    answer = CLAIM_VIEW.answer(await node.view(subject.contract, CLAIM_VIEW.call(subject.hive, subject.worker)))
    amount = answer["amount"]
    assert isinstance(amount, int)
    return amount


def _request(case: _Case, options: argparse.Namespace, payer: Signer, seen: ChainLook) -> SignedRequest:
    """The signed request: the one of the file, else signed here by the device or payout key."""
    if case.request is not None:
        return case.request
    signer = _signer(options.request_key, "the request") if options.request_key else payer
    allowed = {case.evidence.worker.hex(), seen.payout, seen.queen}
    if signer.address.hex() not in allowed:
        raise CloseUsage(
            f"{signer.address.hex()} is neither the device ({case.evidence.worker.hex()}) nor the payout address"
            f" ({seen.payout})",
            next_step="name the device's or payout key with --request-key; --key may be any key that pays",
        )
    return _sign(case.evidence, signer, seen.slot, seen.block_unix_s + ONLINE_DEADLINE_S)


def _offered(step: plan.Step, evidence: Evidence, seen: ChainLook, offer: Offer, payer: Signer) -> dict[str, Any]:
    return {
        "step": step.function.split("(")[0],
        "does": step.text,
        "chain_id": evidence.domain.chain_id,
        "contract": evidence.domain.contract.hex(),
        "hive": evidence.hive,
        "worker": evidence.worker.hex(),
        "payout": seen.payout,
        "account": STATE_NAMES[seen.state],
        "stored_slot": seen.slot,
        "spendable_micro": seen.funding_micro - seen.net_micro,
        "statement_slot": evidence.both.statement.slot if evidence.both else None,
        "statement_gives_micro": seen.funding_micro - evidence.both.statement.net if evidence.both else None,
        "warning": (plan.age_warning(evidence, seen.block_unix_s) or None) if step.needs_request else None,
        "from": payer.address.hex(),
        "gas": offer.transaction.gas,
        "cost_likely_wei": offer.likely_wei,
        "cost_most_wei": offer.most_wei,
        "balance_wei": offer.balance_wei,
    }


def _sent(hashed: str, cost_wei: int, after: ChainLook | None, claim_micro: int) -> dict[str, Any]:
    told: dict[str, Any] = {"sent": True, "transaction": hashed, "cost_wei": cost_wei, "claim_micro": claim_micro}
    if after is None:
        return told | {"next": "hive-worker close --dry-run shows the account"}
    told["account"] = STATE_NAMES[after.state]
    if after.close_ends_unix_s:
        told |= {"window_ends_unix_s": after.close_ends_unix_s, "close_slot": after.close_slot}
        return told | {"next": f"after {_local(after.close_ends_unix_s)}: hive-worker close --finish"}
    if claim_micro:
        return told | {"next": "when the pool is filled: hive-worker close --claim"}
    return told | {"next": f"nothing; the money went to {after.payout}"}


def _local(unix_s: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(unix_s))


def _confirm(wanted: str, options: argparse.Namespace) -> None:
    """The typed confirmation that anything with money needs; never a question when nobody can answer."""
    if options.confirm:
        return
    if options.json or not sys.stdin.isatty():
        raise CloseUsage("nothing was sent: this needs a confirmation", next_step="add --confirm, or a terminal")
    question = f"Send this transaction? Type the last six digits of the Worker's address, {wanted}: "
    print(question, end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != wanted:
        raise CloseUsage("nothing was sent: not confirmed")


def _print(document: dict[str, Any], options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(document))
        return
    for key, value in document.items():
        if value is not None:
            name, text = _shown(key, value)
            print(f"{name.replace('_', ' ')}: {text}")


def _shown(key: str, value: Any) -> tuple[str, str]:
    """Name and text of one line, in units that people read."""
    if key.endswith("_wei"):
        return key.removesuffix("_wei"), f"{value / _WEI_PER_ETHER:.6f} of the chain's coin"
    if key.endswith("_micro"):
        return key.removesuffix("_micro"), f"{value / _MICRO_PER_COIN:.6f} coins"
    if key.endswith("_unix_s"):
        return key.removesuffix("_unix_s"), _local(value)
    return key, str(value)
