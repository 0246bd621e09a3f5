"""The catalogue of checks: what each measures, why it matters, how to fix it, which controls it serves.

Owns: the rows (JSON beside this file, one file per area) and their shape.
Does not own: the judgement (`rules.checks`), frameworks (`rules.frameworks`).
Invariant: an id stands once; a row that does not have the shape stops the program at its start, not in front of a customer.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from importlib.resources import files

VERSION = "2026.2"
AREAS = (
    "access", "network", "encryption", "patches", "logging", "system", "integrity", "backup", "domain", "health", "integration",
    "automation", "governance",
)  # fmt: skip
SEVERITIES = ("critical", "high", "medium", "low", "info")
SUBJECTS = ("host", "service", "tenant", "vendor", "domain", "system")
PROBLEM_MAX = 90
STAGES = ("assess", "implement", "monitor", "optimise", "scale")


@dataclass(frozen=True, slots=True)
class Check:
    """One row. `title` states the goal and names the check and its step; `problem` says what is wrong when it fails and names the finding.

    `without_source` is the reason that stands under "not looked at" while no source of this check is connected.
    """

    id: str
    version: int
    area: str
    title: str
    problem: str
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
_REQUIRED = frozenset(one.name for one in fields(Check) if one.default is MISSING and one.default_factory is MISSING) - {"area", "version"}


def load() -> dict[str, Check]:
    """Read all rows, in the order of the areas and then of the files. Errors: ValueError for a row without the shape."""
    found: dict[str, Check] = {}
    for area in AREAS:
        for row in json.loads((files(__name__) / f"{area}.json").read_text(encoding="utf-8")):
            check = read_row(area, row)
            if check.id in found:
                raise ValueError(f"{check.id} stands twice in the catalogue")
            found[check.id] = check
    return found


def read_row(area: str, row: Mapping[str, object]) -> Check:
    """Return one row of an area. Errors: ValueError for a row without the shape."""
    unknown = set(row) - _NAMES
    if unknown:
        raise ValueError(f"{row.get('id')}: unknown members {sorted(unknown)}")
    if missing := _REQUIRED - set(row):
        raise ValueError(f"{row.get('id')}: missing members {sorted(missing)}")
    values = {name: tuple(value) if name in _TUPLES and isinstance(value, list) else value for name, value in row.items()}
    check = Check(**{"area": area, "version": 1, **values})  # type: ignore[arg-type]  # judged by the next line
    if check.severity not in SEVERITIES or check.subject not in SUBJECTS or check.stage not in STAGES or not (check.why and check.fix):
        raise ValueError(f"{check.id} has not the shape of a check")
    if not _is_problem(check.problem, check.title):
        raise ValueError(f"{check.id}: the problem is no short sentence of its own without a full stop")
    return check


def _is_problem(said: str, goal: str) -> bool:
    """Tell whether a sentence can name a finding: it begins like one, ends open, is short, and is not the goal over again."""
    return said[:1].isupper() and not said.endswith(".") and len(said) <= PROBLEM_MAX and said != goal


CATALOGUE: Mapping[str, Check] = load()
