"""`hive chain status`: the RPC addresses, where the chain stands, the sender's money, and what is not finished."""

from typing import Protocol

from queen_node.chain.intents import HistoryLine, Intent
from queen_node.operator.inputs import native_text, utc_text
from queen_node.operator.port import Head
from queen_node.operator.sending import Document


class Watched(Protocol):
    """What the status is told from."""

    @property
    def chain_id(self) -> int:
        """The chain's number."""

    @property
    def sender(self) -> str:
        """The sending account."""

    def head(self) -> Head:
        """Where the chain stands."""

    def balance_wei(self, address: str) -> int:
        """What an account can spend."""

    def fee_per_gas_wei(self) -> int:
        """What a unit of gas costs now."""

    def addresses(self) -> dict[str, str]:
        """RPC addresses by name, with what is wrong with each."""

    def spent_today_wei(self) -> int:
        """Fees of this sender since midnight UTC."""

    def cap_today_wei(self) -> int:
        """How much may be spent a day."""

    def unfinished(self) -> list[Intent]:
        """Transactions that are not final."""


def status(chain: Watched, cursor: tuple[int, int] | None) -> Document:
    """The chain as this sender sees it; the Queen has read events up to `cursor` (block number, unix seconds)."""
    head, spent, cap = chain.head(), chain.spent_today_wei(), chain.cap_today_wei()
    balance = chain.balance_wei(chain.sender)
    return {
        "chain_id": chain.chain_id,
        "addresses": [{"address": name, "fault": fault} for name, fault in chain.addresses().items()],
        "head": head.number,
        "head_at": utc_text(head.at_unix_s),
        "finalized": head.finalized,
        "sender": chain.sender,
        "balance_wei": balance,
        "balance": native_text(balance),
        "fee_per_gas_wei": chain.fee_per_gas_wei(),
        "fees_today_wei": spent,
        "fees_cap_wei": cap,
        "cursor": None if cursor is None else cursor[0],
        "cursor_at": None if cursor is None else utc_text(cursor[1]),
        "behind": None if cursor is None else head.number - cursor[0],
        "unfinished": [intent_document(row) for row in chain.unfinished()],
    }


def intent_document(row: Intent) -> Document:
    """One transaction's row."""
    return {
        "key": row.key,
        "state": row.state.value,
        "nonce": row.nonce,
        "hash": row.tx_hash,
        "block": row.block_number if row.block_number >= 0 else None,
        "succeeded": None if row.status < 0 else row.status == 1,
        "cost_wei": row.cost_wei,
        "planned_at": utc_text(row.planned_unix_s),
        "updated_at": utc_text(row.updated_unix_s),
    }


def line_document(line: HistoryLine) -> Document:
    """One change of a row."""
    return {
        "key": line.key,
        "at": utc_text(line.at_unix_s),
        "state": line.state.value,
        "nonce": line.nonce,
        "hash": line.tx_hash,
        "block_hash": line.block_hash,
        "remark": line.remark,
    }
