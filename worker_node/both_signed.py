"""The last Statement that Queen and Worker have both signed: what a close, a contest or a claim is made of.

It comes out of the journal's row of the answer; nothing here opens a file or a socket.
"""

from dataclasses import dataclass

from honey_edge.model.errors import HiveError
from honey_edge.wire.codec import decode
from honey_edge.wire.messages import CountersignMessage
from honey_edge.wire.signing import signed_by
from honey_edge.wire.statement_message import StatementMessage
from honey_edge.wire.structs import Statement
from honey_edge.wire.typed_data import Domain, digest


class EvidenceBroken(HiveError, ValueError):
    """What the journal keeps of a Statement does not hold: a signature or the domain is another."""

    code = "E-BOTH-SIGNED"


@dataclass(frozen=True, slots=True)
class BothSigned:
    """A Statement with both signatures, 64 bytes each (r, vs)."""

    statement: Statement
    worker_signature: bytes
    queen_signature: bytes

    @staticmethod
    def of(message: bytes, answer: bytes) -> "BothSigned":
        """From a statement message and its countersignature as the journal keeps them. Raises MessageError."""
        told, countersigned = decode(StatementMessage, message), decode(CountersignMessage, answer)
        return BothSigned(told.signed(), bytes.fromhex(countersigned.signature), bytes.fromhex(told.signature))

    def checked(self, domain: Domain, queen: bytes) -> "BothSigned":
        """The same, when both signatures are genuine in this domain; EvidenceBroken otherwise."""
        hashed = digest(domain, self.statement)
        for who, address, signature in (
            ("Queen", queen, self.queen_signature),
            ("Worker", self.statement.worker, self.worker_signature),
        ):
            if not signed_by(address, hashed, signature):
                raise EvidenceBroken(
                    f"the Statement of slot {self.statement.slot} is not signed by the {who} {address.hex()} for"
                    f" contract {domain.contract.hex()} on chain {domain.chain_id}",
                    next_step="use the settings that belong to this journal",
                )
        return self
