"""What a device remembers of commands: which it has run, how often, which wait, which were running.

Owns: replay rows, budget uses, held commands, the mark of a command that has started and not ended.
Invariant: a replay row outlives its command by a day, so that no clock within tolerance can bring one back.
"""

from dataclasses import dataclass

from mainstay_agent.authority.store import Store
from mainstay_trust.actions import Action
from mainstay_trust.budgets import ALL, DAY_S
from mainstay_trust.canonical import JSON
from mainstay_trust.commands import Command, Remembered
from mainstay_trust.policies import Policy

HELD_MAX = 100


@dataclass(frozen=True, slots=True)
class Held:
    payload_sha256: str
    code: str
    envelope: bytes
    issue: str
    payload: bytes
    exp: int


class Memory:
    def __init__(self, store: Store) -> None:
        self._store = store

    def remembered(self, payload_sha256: str, command_id: str, idem: str) -> tuple[Remembered, ...]:
        with self._store.reading() as database:
            rows = database.execute(
                "SELECT payload_sha256, id, idem, content_sha256 FROM replay WHERE payload_sha256 = ? OR id = ? OR idem = ?",
                (payload_sha256, command_id, idem),
            ).fetchall()
        return tuple(Remembered(*row) for row in rows)

    def uses(self, budget: str, key: str | None) -> list[int]:
        with self._store.reading() as database:
            return [at for (at,) in database.execute("SELECT at FROM use WHERE budget = ? AND key = ?", (budget, key or ""))]

    def start(self, payload_sha256: str, payload: bytes, command: Command) -> None:
        """Write the replay row and the mark "running"; call it in the transaction of the `started` link."""
        with self._store.transaction() as database:
            row = (payload_sha256, command.id, command.idem, command.content_sha256, command.exp)
            database.execute("INSERT INTO replay (payload_sha256, id, idem, content_sha256, exp) VALUES (?, ?, ?, ?, ?)", row)
            database.execute("INSERT INTO running VALUES (?, ?)", (payload_sha256, payload))
            database.execute("DELETE FROM held WHERE payload_sha256 = ?", (payload_sha256,))

    def spend(self, action: Action, params: dict[str, JSON], policy: Policy | None, at: int) -> None:
        """Count one use of every budget that covers the action, by the clock that no server can push."""
        names = [name for name in (action.budget, ALL if action.tier != "T0" else None) if name is not None]
        with self._store.transaction() as database:
            for name in names:
                split = policy.limit(name).key if policy else None
                database.execute("INSERT INTO use VALUES (?, ?, ?)", (name, str(params.get(split)) if split else "", at))
            database.execute("DELETE FROM use WHERE at < ?", (at - 2 * DAY_S,))

    def end(self, payload_sha256: str) -> None:
        with self._store.transaction() as database:
            database.execute("DELETE FROM running WHERE payload_sha256 = ?", (payload_sha256,))

    def running(self) -> list[tuple[str, bytes]]:
        with self._store.reading() as database:
            return [(digest, payload) for digest, payload in database.execute("SELECT payload_sha256, payload FROM running")]

    def has_room(self, payload_sha256: str) -> bool:
        """Tell whether a command may wait: it does already, or fewer than the limit do."""
        with self._store.reading() as database:
            waiting = {digest for (digest,) in database.execute("SELECT payload_sha256 FROM held")}
        return payload_sha256 in waiting or len(waiting) < HELD_MAX

    def hold(self, one: Held) -> bool:
        """Keep a command for later; tell whether it is new."""
        with self._store.transaction() as database:
            is_new = database.execute("SELECT 1 FROM held WHERE payload_sha256 = ?", (one.payload_sha256,)).fetchone() is None
            row = (one.payload_sha256, one.code, one.envelope, one.issue, one.payload, one.exp)
            database.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?, ?, ?)", row)
        return is_new

    def held(self) -> list[Held]:
        with self._store.reading() as database:
            return [Held(*row) for row in database.execute("SELECT * FROM held ORDER BY exp LIMIT ?", (HELD_MAX,))]

    def let_go(self, payload_sha256: str) -> None:
        with self._store.transaction() as database:
            database.execute("DELETE FROM held WHERE payload_sha256 = ?", (payload_sha256,))

    def report_once(self, payload_sha256: str) -> bool:
        """Tell whether a repetition of this payload is reported for the first time: the chain must not grow with each copy."""
        with self._store.transaction() as database:
            changed = database.execute("UPDATE replay SET is_reported = 1 WHERE payload_sha256 = ? AND is_reported = 0", (payload_sha256,))
            return changed.rowcount == 1

    def forget(self, upper: int) -> None:
        """Drop replay rows a day after their command expired."""
        with self._store.transaction() as database:
            database.execute("DELETE FROM replay WHERE exp < ?", (upper - DAY_S,))
