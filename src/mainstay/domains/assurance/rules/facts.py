"""What a check may look at: the facts of one host, each with its age, its hash and the command that gave it.

Owns: the shape, and the rule that a stale or missing group is unknown (security page, section 5, rule 1).
Does not own: where facts come from (`queries`), what they mean (`rules.checks`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from mainstay.kernel.json import JsonObject

FRESH_FOR = timedelta(hours=24)
AHEAD_BY = timedelta(hours=1)


class Role(StrEnum):
    """What a host is for, as people said or as its hardware and packages show; some checks hold for some roles only."""

    SERVER = "server"
    WORKSTATION = "workstation"
    LAPTOP = "laptop"
    ROUTER = "router"


@dataclass(frozen=True, slots=True)
class Source:
    """One command or file that a group was read from. `raw_sha256` covers the raw output; `excerpt` is redacted and short."""

    command: str
    raw_sha256: str
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """One fact group. Exactly one of `body` and `unknown` is set; `sha256` covers the canonical JSON of the body."""

    name: str
    collected_at: datetime
    sha256: str
    collector: str
    body: "JsonObject | None" = None
    unknown: str = ""
    sources: tuple[Source, ...] = ()


class NotKnown(Exception):
    """A check cannot judge. `reason` is a code such as `needs_helper`, `running`, `stale`, `missing`, `contradictory`."""

    def __init__(self, reason: str, group: str = "") -> None:
        super().__init__(f"{group}: {reason}" if group else reason)
        self.reason, self.group = reason, group


@dataclass(frozen=True, slots=True)
class Host:
    """The facts of one device as they stood at `as_of`, and what people and the server said about it.

    `declared` may hold: `listeners` (protocol, port), `people` (accounts that belong to one known person each), `origins` (prefixes of
    package sources), `docker_members`, `software_owners` (path prefixes), `disk_encryption_evidence`, `managed_updates`, `kev_matches`,
    `logs_received_at` (Unix seconds), `days_to_full` (per mount). A key that is absent was not said, which is not the same as "none".
    """

    device_id: str
    name: str
    as_of: datetime
    role: Role = Role.SERVER
    groups: Mapping[str, Group] = field(default_factory=dict)
    declared: JsonObject = field(default_factory=dict)

    def group(self, name: str) -> JsonObject:
        """Return the body of a group. Errors: NotKnown when it is missing, unknown at its source, from the future, or over 24 hours old."""
        group = self.groups.get(name)
        if group is None:
            raise NotKnown("missing", name)
        if group.body is None:
            raise NotKnown(group.unknown or "missing", name)
        if self.as_of - group.collected_at > FRESH_FOR:
            raise NotKnown("stale", name)
        if group.collected_at - self.as_of > AHEAD_BY:
            raise NotKnown("contradictory", name)
        return group.body
