"""The authority's own time.

Owns: reading both clocks of rule 2.6, keeping their state, the floor, the moment of the last signed word of a server.
Does not own: the rules of those clocks (`mainstay_trust.clocks`).
Invariant: only a signature by a reply key or a policy moves the floor.
"""

from collections.abc import Mapping
from dataclasses import asdict

from mainstay_agent.authority.store import Store
from mainstay_agent.host.clocks import Clock
from mainstay_trust import clocks
from mainstay_trust.clocks import ClockState, Reading

_STATE, _CONTACT = "clock", "contact_at"
# A restart repeats the state from the last write; losing this much of it is harmless, writing each second is not.
_WRITE_EVERY_S = 60


class Timekeeper:
    def __init__(self, store: Store, clock: Clock, boot: str) -> None:
        self._store = store
        self._clock = clock
        self._boot = boot
        stored = store.get(_STATE)
        self._state = ClockState(**stored) if isinstance(stored, dict) else ClockState()
        self._written = self._state

    def read(self) -> Reading:
        """Return both clocks now; their state is kept durably as it moves."""
        reading, self._state = clocks.read(self._state, wall=self._wall, boot=self._boot, uptime_s=self._clock.boot_ms() // 1000)
        is_news = self._state.boot != self._written.boot or self._state.lower - self._written.lower >= _WRITE_EVERY_S
        if is_news:
            self._write()
        return reading

    def heard(self, at: int, *, is_contact: bool) -> str | None:
        """Take in a signed time; return `clock_disagree` when it is too far ahead to be believed."""
        self._state, code = clocks.raise_floor(self._state, at, wall=self._wall)
        lower = self.read().lower
        self._write()
        if is_contact:
            self._store.put(_CONTACT, lower)
        return code

    def offline_s(self, reading: Reading) -> int:
        """Return seconds since a server last proved itself, by the clock that it cannot push."""
        contact = self._store.get(_CONTACT)
        return max(0, reading.lower - contact) if isinstance(contact, int) else 0

    def start_contact(self) -> None:
        self._store.put(_CONTACT, self.read().lower)

    def _write(self) -> None:
        values: Mapping[str, object] = asdict(self._state)
        self._store.put(_STATE, dict(values))
        self._written = self._state

    @property
    def _wall(self) -> int:
        return self._clock.wall_ms() // 1000
