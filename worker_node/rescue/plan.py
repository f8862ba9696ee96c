"""Which one step closes this account next: pure, from what the chain shows and what the journal holds.

The account's states and the functions that move it: chain-design section 4, Closing. A home that closes on an older
Statement than the last one it signed pays a penalty: an old copy of the journal is therefore told as such.
"""

from dataclasses import dataclass

from honey_edge.model.errors import HiveError
from honey_edge.model.slots import slot_end_unix_s
from honey_edge.wire.structs import CloseRequest
from worker_node.chain_eye.look import CLOSED, CLOSING, NONE, ChainLook
from worker_node.rescue import calls
from worker_node.rescue.evidence import Evidence

CLOSE, FINISH, CLAIM, LATE = "close", "finish", "claim", "late"
_OLD_S = 86_400


class NothingToDo(HiveError):
    """The account is in a state in which the step asked for does nothing; the next step says what does."""

    code = "E-RESCUE-STATE"


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be sent: a function's name, what it does in words, whether it needs a signed CloseRequest."""

    function: str
    text: str
    needs_request: bool = False
    with_statement: bool = False


def next_step(verb: str, evidence: Evidence, look: ChainLook, claim_micro: int) -> Step:
    """The step for a verb; NothingToDo says why there is none. The block's time decides what is over."""
    choose = {CLOSE: _close, FINISH: _finish, LATE: _late}.get(verb)
    if choose is not None:
        return choose(evidence, look)
    if claim_micro <= 0:
        raise NothingToDo("no claim is recorded for this account", next_step="nothing is open; look again later")
    return Step(calls.CLAIM, f"pay the recorded claim of {claim_micro} micro-coins as far as the pool has put aside")


def _close(evidence: Evidence, look: ChainLook) -> Step:
    slot = evidence.both.statement.slot if evidence.both else None
    if look.state == NONE:
        raise NothingToDo("this home has no account in this Hive", next_step="check --rpc and the journal")
    if look.state == CLOSED:
        late = slot is not None and slot > look.slot
        hint = "a newer Statement lies here: --late" if late else "what is still owed: --claim"
        raise NothingToDo("the account is closed already", next_step=hint)
    if look.state == CLOSING:
        return _while_closing(slot, look)
    if slot is None or slot < look.slot:
        text = f"start the close on the state of slot {look.slot} that the contract has; its window is twice as long"
        return Step(calls.START_BARE, text, needs_request=True)
    text = f"start the close on the Statement of slot {slot}, which both have signed"
    return Step(calls.START, text, needs_request=True, with_statement=True)


def _while_closing(slot: int | None, look: ChainLook) -> Step:
    if look.block_unix_s >= look.close_ends_unix_s:
        raise NothingToDo("the close's window is over", next_step="hive-worker close --finish")
    if slot is not None and slot > look.close_slot:
        text = f"contest the running close on slot {look.close_slot} with the Statement of slot {slot}"
        return Step(calls.CONTEST, text, with_statement=True)
    raise NothingToDo(
        f"a close runs on slot {look.close_slot} already, and nothing newer lies here",
        next_step="wait for the end of its window, then hive-worker close --finish",
    )


def _finish(evidence: Evidence, look: ChainLook) -> Step:
    if look.state != CLOSING:
        raise NothingToDo("no close runs for this account", next_step="start one: hive-worker close")
    if look.block_unix_s < look.close_ends_unix_s:
        left_s = look.close_ends_unix_s - look.block_unix_s
        raise NothingToDo(f"the close's window is open for {left_s} s more", next_step="run the command after that")
    return Step(calls.FINISH, f"end the close on slot {look.close_slot} and pay out")


def _late(evidence: Evidence, look: ChainLook) -> Step:
    slot = evidence.both.statement.slot if evidence.both else None
    if look.state != CLOSED or slot is None or slot <= look.slot:
        raise NothingToDo(
            "a late claim needs a closed account and a newer Statement than it was closed on",
            next_step="hive-worker close shows what is possible now",
        )
    return Step(calls.CLAIM_LATE, f"record the Statement of slot {slot} as a claim", with_statement=True)


def age_warning(evidence: Evidence, now_unix_s: int) -> str:
    """What to be sure of before closing on a Statement that is more than a day old; empty otherwise."""
    if evidence.both is None or now_unix_s - slot_end_unix_s(evidence.both.statement.slot) <= _OLD_S:
        return ""
    return (
        "the newest Statement in this journal is more than a day old. If the box has signed a newer one since this copy"
        " was made, use its newest journal: a close on an older Statement costs a penalty"
    )


def close_request(evidence: Evidence, stored_slot: int, deadline_unix_s: int) -> CloseRequest:
    """The request to be signed; it names the newest slot known here, so that nobody can call it a lie."""
    own = evidence.both.statement.slot if evidence.both else 0
    return CloseRequest(evidence.hive, evidence.worker, max(own, stored_slot), deadline_unix_s)


def call_data(step: Step, evidence: Evidence, signed: calls.SignedRequest | None) -> bytes:
    """The data of the step's transaction."""
    both, who = evidence.both, (evidence.hive, evidence.worker)
    if step.needs_request:
        assert signed is not None
        return calls.start_close(signed, both if step.with_statement else None)
    if step.with_statement:
        assert both is not None
        return calls.contest(both) if step.function == calls.CONTEST else calls.claim_late(both)
    return calls.finish_close(*who) if step.function == calls.FINISH else calls.claim(*who)
