"""The addresses under which the server may be found (rule X7): make before break.

Owns: which address is tried when, the one that last answered, how long a former one is kept.
Does not own: where addresses come from (the signed policy, the receipt of enrolment), connections (`net.exchange`).
Invariant: an address becomes the primary one only by an answered poll, and the one that it replaces stays in reach for 30 days.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from mainstay_agent.host import durable
from mainstay_agent.host.clocks import Clock
from mainstay_trust.canonical import JSON

KEPT_MS = 30 * 86_400_000
TRIAL_EVERY_MS = 900_000
FORMER_MAX = 4


class Contacts:
    """`first` is the address of the receipt. Used by the thread that polls; others read `primary`."""

    def __init__(self, path: Path, first: str, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._listed: tuple[str, ...] = ()
        self._trial_due_ms = 0
        self.primary, self._former = _load(path) or (first, {})

    def follow(self, urls: JSON) -> None:
        """Take the addresses of the policy; what is new among them is tried with the next poll."""
        listed = tuple(str(url) for url in urls) if isinstance(urls, list | tuple) else ()
        if listed != self._listed:
            self._listed, self._trial_due_ms = listed, 0

    @property
    def is_trial_due(self) -> bool:
        return bool(self._preferred()) and self._clock.boot_ms() >= self._trial_due_ms

    @property
    def is_second_best(self) -> bool:
        """Tell whether the policy names an address before the one that works."""
        return bool(self._preferred())

    def order(self) -> list[str]:
        """Return the addresses for one poll, in the order in which they are tried."""
        ahead: Sequence[str] = ()
        if self.is_trial_due:
            ahead, self._trial_due_ms = self._preferred(), self._clock.boot_ms() + TRIAL_EVERY_MS
        return list(dict.fromkeys([*ahead, self.primary, *self._listed, *self._kept()]))

    def answered(self, url: str) -> None:
        """An address has answered a poll as our server does: it is the primary one from here on. Errors: OSError."""
        if url == self.primary:
            return
        former = {**self._kept(), self.primary: self._clock.wall_ms()}
        former.pop(url, None)
        newest = sorted(former.items(), key=lambda one: one[1])[-FORMER_MAX:]
        self.primary, self._former = url, dict(newest)
        self._trial_due_ms = self._clock.boot_ms() + TRIAL_EVERY_MS
        durable.replace(self._path, json.dumps({"primary": self.primary, "former": self._former}).encode())

    def _preferred(self) -> Sequence[str]:
        place = self._listed.index(self.primary) if self.primary in self._listed else len(self._listed)
        return self._listed[:place]

    def _kept(self) -> dict[str, int]:
        now = self._clock.wall_ms()
        return {url: since for url, since in self._former.items() if now - since <= KEPT_MS}


def _load(path: Path) -> tuple[str, dict[str, int]] | None:
    """Return what was stored; a damaged file is as good as none, because the receipt and the policy say enough to go on."""
    try:
        stored = json.loads(path.read_bytes())
        return str(stored["primary"]), {str(url): int(since) for url, since in stored["former"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
