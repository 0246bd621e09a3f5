"""When which facts are taken, and whether they changed (rule I1).

Owns: the time table of groups, their hashes, the hash over all.
Does not own: collectors (`facts`), sending (`net.uplink`).
Invariant: only a group whose content changed is sent; the hash over all groups lets the server notice one that was lost.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mainstay_agent.authority.asking import Asks
from mainstay_agent.authority.launch import INVENTORY, Launcher
from mainstay_agent.facts.catalogue import GROUPS
from mainstay_agent.host.clocks import Clock
from mainstay_agent.net.spool import Spool
from mainstay_trust import canonical
from mainstay_trust.errors import Rejected

GROUPS_PER_LOOK = 6
RETRY_MS = 5 * 60_000
ASK_MAX = 40  # what the root half takes in one question
RUNNING = {"unknown": "running"}


class Collects(Protocol):
    """Takes facts: each answer has `group`, `collected_at`, and `value` or `unknown`."""

    def collect(self, groups: Sequence[str]) -> Iterable[Mapping[str, object]]: ...


@dataclass(frozen=True, slots=True)
class InChild:
    """Takes facts in a process of its own, so that the memory of parsers is not kept."""

    launcher: Launcher

    def collect(self, groups: Sequence[str]) -> Iterator[Mapping[str, object]]:
        outcome = self.launcher.launch(INVENTORY, {"params": {"groups": list(groups)}, "service": None})
        return parse_answers(outcome.output)


@dataclass(frozen=True, slots=True)
class ThroughHelper:
    """Takes groups that need root's eyes through the root half, the others here."""

    helper: Asks
    here: Collects

    def collect(self, groups: Sequence[str]) -> Iterator[Mapping[str, object]]:
        needing = [name for name in groups if GROUPS[name].needs_root]
        plain = [name for name in groups if not GROUPS[name].needs_root]
        for at in range(0, len(needing), ASK_MAX):
            yield from self._asked(needing[at : at + ASK_MAX])
        if plain:
            yield from self.here.collect(plain)

    def _asked(self, groups: list[str]) -> Iterable[Mapping[str, object]]:
        try:
            answer = self.helper.ask("collect", {"groups": [*groups]})
        except (ConnectionError, Rejected):
            return self.here.collect(groups)
        return parse_answers(str(answer.get("output", "")).encode())


@dataclass(slots=True)
class Inventory:
    """Spreads groups over looks, so that no single moment pays for all of them."""

    spool: Spool
    collects: Collects
    clock: Clock
    draw: Callable[[float, float], float]
    _due_ms: dict[str, int] = field(default_factory=dict)

    def look(self) -> int:
        """Take the groups that are due, at most a few, and only then a sweep, alone; return how many changed.

        The first look takes all quick groups in one go, because people wait for it, and says of each sweep that it is under way.
        """
        now = self.clock.boot_ms()
        is_first = not self._due_ms
        due = sorted((name for name in GROUPS if self._due_ms.get(name, 0) <= now), key=lambda name: self._due_ms.get(name, 0))
        quick, sweeps = [name for name in due if not GROUPS[name].is_sweep], [name for name in due if GROUPS[name].is_sweep]
        if is_first:
            return self._announce(sweeps) + self.take(quick)
        return self.take(quick[:GROUPS_PER_LOOK] or sweeps[:1]) if due else 0

    def _announce(self, sweeps: Sequence[str]) -> int:
        """Say of sweeps that were never done that they are under way."""
        held, now_s = self.spool.fact_hashes(), self.clock.wall_ms() // 1000
        return sum(self._keep(name, {"collected_at": now_s, **RUNNING}) for name in sweeps if name not in held)

    def take(self, names: Sequence[str]) -> int:
        now = self.clock.boot_ms()
        self._due_ms |= dict.fromkeys(names, now + RETRY_MS)
        missing, changed = list(names), 0
        # One answer after the other: all of them at once would be the largest thing that this process ever holds.
        for answer in self.collects.collect(names):
            name = str(answer.get("group"))
            if name in missing:
                missing.remove(name)
                changed += self._settle(name, answer, now)
        silent = {"collected_at": self.clock.wall_ms() // 1000, "unknown": "timeout"}
        return changed + sum(self._settle(name, silent, now) for name in missing)

    def _settle(self, name: str, answer: Mapping[str, object], now: int) -> bool:
        # A tenth of the period either way: groups that start together drift apart.
        period_ms = GROUPS[name].period_s * 1000 if answer.get("unknown") != "timeout" else RETRY_MS
        self._due_ms[name] = now + int(period_ms * self.draw(0.9, 1.1))
        return self._keep(name, answer)

    def want(self, names: Iterable[str]) -> None:
        """The server misses groups: send what we hold, or take what we do not."""
        held = self.spool.fact_hashes()
        known = [name for name in names if name in GROUPS]
        self.spool.want_facts([name for name in known if name in held])
        self._due_ms |= {name: 0 for name in known if name not in held}

    def digest(self) -> str:
        """Return the hash over the hashes of all groups."""
        return hashlib.sha256(canonical.encode(self.spool.fact_hashes())).hexdigest()

    def _keep(self, name: str, answer: Mapping[str, object]) -> bool:
        content = {"unknown": answer["unknown"]} if "unknown" in answer else answer.get("value")
        try:
            sha256 = hashlib.sha256(canonical.encode(content)).hexdigest()  # type: ignore[arg-type] # judged by encode itself
        except Rejected:
            content, sha256 = {"unknown": "parse_failed"}, hashlib.sha256(canonical.encode({"unknown": "parse_failed"})).hexdigest()
            answer = {"collected_at": answer.get("collected_at"), "unknown": "parse_failed"}
        member = {"unknown": answer["unknown"]} if "unknown" in answer else {"value": content}
        return self.spool.put_fact(name, sha256, {"sha256": sha256, "collected_at": answer.get("collected_at"), **member})


def parse_answers(output: bytes) -> Iterator[Mapping[str, object]]:
    """Read the lines that the collecting program printed; a line that was cut off is left out."""
    for line in io.BytesIO(output):
        try:
            answer = json.loads(line.decode("utf-8", "replace"))
        except ValueError:
            continue
        if isinstance(answer, dict):
            yield answer
