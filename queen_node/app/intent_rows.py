"""The chain module's rows in the Queen's database: an `IntentStore` over the tables intents, intent_hashes,
intent_history and writer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy.exc import IntegrityError

from queen_node.chain.intents import HistoryLine, Intent, IntentState, Lease, SignedForm
from queen_node.store import Store, intents


class IntentRows:
    """Every method is one transaction, committed when it returns."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, key: str) -> Intent | None:
        """One row."""
        with self._store.begin() as tx:
            row = intents.intent(tx, key)
        return None if row is None else _intent(row)

    def find(self, prefix: str) -> Sequence[Intent]:
        """The rows whose key starts with `prefix`, in the order they were planned."""
        with self._store.begin() as tx:
            return [_intent(row) for row in intents.intents_under(tx, prefix)]

    def unfinished(self, sender: str) -> Sequence[Intent]:
        """A sender's rows between SIGNED and MINED, by nonce."""
        with self._store.begin() as tx:
            return [_intent(row) for row in intents.unfinished(tx, sender)]

    def plan(self, rows: Sequence[Intent]) -> None:
        """Inserts rows in one transaction; a key that exists is left as it is."""
        with self._store.begin() as tx:
            intents.add_intents(tx, [_row(row) for row in rows])

    def expect(self, intent: Intent) -> None:
        """Renews a row that is still PLANNED."""
        with self._store.begin() as tx:
            known = intents.intent(tx, intent.key)
            if known is not None and known["state"] == IntentState.PLANNED.value:
                intents.replace_intent(tx, _row(intent))

    def save(self, intent: Intent, lease: Lease, remark: str, form: SignedForm | None = None) -> bool:
        """Replaces a row with its history line and form; False when the lease is no longer in force."""
        with self._store.begin() as tx:
            held = intents.lease(tx, lease.sender)
            if held is None or (held["holder"], held["fence"]) != (lease.holder, lease.fence):
                return False
            row = _row(intent)
            intents.replace_intent(tx, row)
            intents.add_history(tx, {**row, "at_unix_s": intent.updated_unix_s, "remark": remark})
            if form is not None:
                intents.add_form(tx, asdict(form))
        return True

    def forms(self, key: str) -> Sequence[SignedForm]:
        """All signed forms of a row, oldest first."""
        with self._store.begin() as tx:
            return [SignedForm(**row) for row in intents.forms(tx, key)]

    def highest_nonce(self, sender: str) -> int:
        """The highest nonce of a sender's forms; -1 when none."""
        with self._store.begin() as tx:
            return intents.highest_nonce(tx, sender)

    def held_nonces(self, sender: str) -> frozenset[int]:
        """Nonces of rows that are past PLANNED."""
        with self._store.begin() as tx:
            return intents.held_nonces(tx, sender)

    def spent_wei(self, sender: str, since_unix_s: int) -> Mapping[int, int]:
        """By nonce what forms signed since then may cost, or did cost."""
        with self._store.begin() as tx:
            return intents.spent_wei(tx, sender, since_unix_s)

    def history(self, key: str) -> Sequence[HistoryLine]:
        """All changes of a row, oldest first."""
        with self._store.begin() as tx:
            rows = intents.history(tx, key)
        return [HistoryLine(**row | {"state": IntentState(row["state"])}) for row in rows]

    def lease(self, sender: str) -> Lease | None:
        """Who writes with a sender's key."""
        with self._store.begin() as tx:
            row = intents.lease(tx, sender)
        return None if row is None else Lease(**row)

    def take(self, old: Lease | None, new: Lease) -> bool:
        """Puts `new` in the place of `old`; False when another process was faster."""
        try:
            with self._store.begin() as tx:
                if old is not None:
                    return intents.replace_lease(tx, asdict(old), asdict(new))
                intents.add_lease(tx, asdict(new))
        except IntegrityError:
            return False
        return True


def _intent(row: dict[str, Any]) -> Intent:
    return Intent(**row | {"state": IntentState(row["state"])})


def _row(intent: Intent) -> dict[str, Any]:
    return asdict(intent) | {"state": intent.state.value}
