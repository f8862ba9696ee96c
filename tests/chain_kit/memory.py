"""An IntentStore in dictionaries with the same rules as the database's, and a way to die at every arrow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from queen_node.chain import HistoryLine, Intent, IntentState, Lease, SignedForm


class Killed(BaseException):
    """The process ended here; nothing may catch it."""


class MemoryIntents:
    """Rows in memory. `kill` is called with the name of every arrow, `before:signed`, `after:signed` and so on."""

    def __init__(self) -> None:
        self.rows: dict[str, Intent] = {}
        self.kept: list[SignedForm] = []
        self.lines: list[HistoryLine] = []
        self.leases: dict[str, Lease] = {}
        self.kill: Callable[[str], None] = lambda _arrow: None

    def die_at(self, arrow: str) -> None:
        """Raises Killed at one arrow."""

        def kill(now: str) -> None:
            if now == arrow:
                raise Killed(arrow)

        self.kill = kill

    def live(self) -> None:
        """Dies no more."""
        self.kill = lambda _arrow: None

    def get(self, key: str) -> Intent | None:
        return self.rows.get(key)

    def find(self, prefix: str) -> Sequence[Intent]:
        return [row for key, row in self.rows.items() if key.startswith(prefix)]

    def unfinished(self, sender: str) -> Sequence[Intent]:
        ended = (IntentState.PLANNED, IntentState.FINAL)
        found = [row for row in self.rows.values() if row.sender == sender and row.state not in ended]
        return sorted(found, key=lambda row: row.nonce)

    def plan(self, intents: Sequence[Intent]) -> None:
        self.kill("before:planned")
        for row in intents:
            if row.key not in self.rows:
                self.rows[row.key] = row
                self._line(row, "planned")
        self.kill("after:planned")

    def expect(self, intent: Intent) -> None:
        if self.rows[intent.key].state is IntentState.PLANNED:
            self.rows[intent.key] = intent

    def save(self, intent: Intent, lease: Lease, remark: str, form: SignedForm | None = None) -> bool:
        held = self.leases.get(lease.sender)
        if held is None or (held.holder, held.fence) != (lease.holder, lease.fence):
            return False
        self.kill(f"before:{intent.state.value}")
        self.rows[intent.key] = intent
        self._line(intent, remark)
        if form is not None:
            assert all(form.tx_hash != kept.tx_hash for kept in self.kept)
            self.kept.append(form)
        self.kill(f"after:{intent.state.value}")
        return True

    def forms(self, key: str) -> Sequence[SignedForm]:
        return [form for form in self.kept if form.key == key]

    def highest_nonce(self, sender: str) -> int:
        return max((form.nonce for form in self.kept if form.sender == sender), default=-1)

    def held_nonces(self, sender: str) -> frozenset[int]:
        rows = self.rows.values()
        return frozenset(row.nonce for row in rows if row.sender == sender and row.state is not IntentState.PLANNED)

    def spent_wei(self, sender: str, since_unix_s: int) -> Mapping[int, int]:
        found: dict[int, int] = {}
        for form in self.kept:
            if form.sender == sender and form.signed_unix_s >= since_unix_s:
                found[form.nonce] = max(found.get(form.nonce, 0), form.cost_wei)
        for row in self.rows.values():
            if row.block_hash and row.nonce in found:
                found[row.nonce] = row.cost_wei
        return found

    def history(self, key: str) -> Sequence[HistoryLine]:
        return [line for line in self.lines if line.key == key]

    def lease(self, sender: str) -> Lease | None:
        return self.leases.get(sender)

    def take(self, old: Lease | None, new: Lease) -> bool:
        if self.leases.get(new.sender) != old:
            return False
        self.leases[new.sender] = new
        return True

    def change(self, key: str, **values: object) -> None:
        """Sets fields of a row past all rules."""
        self.rows[key] = replace(self.rows[key], **values)  # type: ignore[arg-type]

    def _line(self, row: Intent, remark: str) -> None:
        self.lines.append(
            HistoryLine(row.key, row.updated_unix_s, row.state, row.nonce, row.tx_hash, row.block_hash, remark)
        )
