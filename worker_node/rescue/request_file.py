"""The file of `hive-worker close --offline`: a signed CloseRequest and the Statement, for anybody to send.

JSON, hex without 0x. It holds no secret; who sends it can only start this close, before its deadline.
"""

from pathlib import Path

import msgspec

from honey_edge.model.errors import HiveError
from honey_edge.model.ids import address_text
from honey_edge.wire.messages import I64, U32, U48, Hex20, Hex32, Hex64
from honey_edge.wire.structs import CloseRequest, Statement
from honey_edge.wire.typed_data import Domain
from worker_node.both_signed import BothSigned
from worker_node.rescue.calls import SignedRequest, start_close
from worker_node.rescue.evidence import Evidence

_MAX_BYTES = 16_384


class RequestFileError(HiveError, ValueError):
    """A request file cannot be written, read, or is not one."""

    code = "E-RESCUE-FILE"


class StatementPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Statement with both signatures."""

    slot: U32
    net_micro: I64
    import_milliwh: U48
    export_milliwh: U48
    readings: Hex32
    worker_signature: Hex64
    queen_signature: Hex64


class RequestFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file; `data` is the transaction's data for `contract`, for those who send with a wallet of theirs."""

    v: int
    kind: str
    chain_id: int
    contract: Hex20
    queen: Hex20
    hive: U32
    worker: Hex20
    newest_slot: U32
    deadline_unix_s: U48
    request_signature: Hex64
    statement: StatementPart | None
    data: str

    def evidence(self) -> Evidence:
        """What it closes and where."""
        domain = Domain(self.chain_id, bytes.fromhex(self.contract))
        worker, queen = bytes.fromhex(self.worker), bytes.fromhex(self.queen)
        both = _both(self.hive, worker, self.statement) if self.statement is not None else None
        return Evidence(self.hive, worker, queen, domain, both.checked(domain, queen) if both else None)

    def signed_request(self) -> SignedRequest:
        """The request in it."""
        request = CloseRequest(self.hive, bytes.fromhex(self.worker), self.newest_slot, self.deadline_unix_s)
        return SignedRequest(request, bytes.fromhex(self.request_signature))


def _both(hive: int, worker: bytes, part: StatementPart) -> BothSigned:
    counters = part.import_milliwh, part.export_milliwh
    statement = Statement(hive, worker, part.slot, part.net_micro, *counters, bytes.fromhex(part.readings))
    return BothSigned(statement, bytes.fromhex(part.worker_signature), bytes.fromhex(part.queen_signature))


def write_request(file: Path, evidence: Evidence, signed: SignedRequest) -> None:
    """Writes a new file. Raises RequestFileError, also when there is one already."""
    both = evidence.both
    part = None
    if both is not None:
        one = both.statement
        part = StatementPart(
            slot=one.slot,
            net_micro=one.net,
            import_milliwh=one.imported,
            export_milliwh=one.exported,
            readings=one.readings.hex(),
            worker_signature=both.worker_signature.hex(),
            queen_signature=both.queen_signature.hex(),
        )
    document = RequestFile(
        v=1,
        kind="close-request",
        chain_id=evidence.domain.chain_id,
        contract=evidence.domain.contract.hex(),
        queen=evidence.queen.hex(),
        hive=evidence.hive,
        worker=address_text(evidence.worker),
        newest_slot=signed.request.newest_slot,
        deadline_unix_s=signed.request.deadline,
        request_signature=signed.signature.hex(),
        statement=part,
        data=start_close(signed, both).hex(),
    )
    try:
        with file.open("xb") as out:
            out.write(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
    except OSError as error:
        raise RequestFileError(f"{file}: {error}", next_step="name a new file with --offline") from error


def read_request(file: Path) -> RequestFile:
    """A file that `--offline` wrote. Raises RequestFileError."""
    try:
        data = file.read_bytes()
        if len(data) > _MAX_BYTES:
            raise RequestFileError(f"{file}: {len(data)} bytes, at most {_MAX_BYTES}")
        found = msgspec.json.decode(data, type=RequestFile)
    except OSError as error:
        raise RequestFileError(f"{file}: {error}", next_step="name the file with --send") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestFileError(f"{file}: {error}") from error
    if (found.v, found.kind) != (1, "close-request"):
        raise RequestFileError(f"{file}: kind {found.kind!r} version {found.v} is not a close request of version 1")
    return found
