"""The catalogue of checks: what each measures, why it matters, how to fix it, which controls it serves.

Owns: the rows (JSON beside this file, one file per area) and their shape.
Does not own: the judgement (`rules.checks`), frameworks (`rules.frameworks`).
Invariant: an id stands once; a row that does not have the shape stops the program at its start, not in front of a customer.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.resources import files

VERSION = "2026.1"
AREAS = (
    "access", "network", "encryption", "patches", "logging", "system", "integrity", "backup", "domain", "health", "integration",
    "automation", "governance",
)  # fmt: skip
SEVERITIES = ("critical", "high", "medium", "low", "info")
SUBJECTS = ("host", "service", "tenant", "vendor", "domain", "system")
STAGES = ("assess", "implement", "monitor", "optimise", "scale")


@dataclass(frozen=True, slots=True)
class Check:
    """One row. `without_source` is the reason that stands under "not looked at" while no source of this check is connected."""

    id: str
    version: int
    area: str
    title: str
    severity: str
    subject: str
    measured: str
    pass_when: str
    why: str
    fix: tuple[str, ...]
    effort_base_min: int
    effort_each_min: int
    controls: tuple[str, ...]
    stage: str
    hipaa: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    runbook: str | None = None
    severity_by_role: Mapping[str, str] = field(default_factory=dict)
    without_source: str = ""

    def severity_for(self, role: str) -> str:
        return self.severity_by_role.get(role, self.severity)


_TUPLES = frozenset({"fix", "controls", "hipaa", "after"})
_NAMES = frozenset(one.name for one in fields(Check))


def load() -> dict[str, Check]:
    """Read all rows, in the order of the areas and then of the files. Errors: ValueError for a row without the shape."""
    found: dict[str, Check] = {}
    for area in AREAS:
        for row in json.loads((files(__name__) / f"{area}.json").read_text(encoding="utf-8")):
            check = _check(area, row)
            if check.id in found:
                raise ValueError(f"{check.id} stands twice in the catalogue")
            found[check.id] = check
    return found


def _check(area: str, row: Mapping[str, object]) -> Check:
    unknown = set(row) - _NAMES
    if unknown:
        raise ValueError(f"{row.get('id')}: unknown members {sorted(unknown)}")
    values = {name: tuple(value) if name in _TUPLES and isinstance(value, list) else value for name, value in row.items()}
    check = Check(**{"area": area, "version": 1, **values})  # type: ignore[arg-type]  # judged by the next line
    if check.severity not in SEVERITIES or check.subject not in SUBJECTS or check.stage not in STAGES or not (check.why and check.fix):
        raise ValueError(f"{check.id} has not the shape of a check")
    return check


CATALOGUE: Mapping[str, Check] = load()
