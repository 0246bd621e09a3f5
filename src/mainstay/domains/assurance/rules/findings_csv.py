"""Findings as rows of a table. Invariant: no cell begins with a character that a spreadsheet takes for a formula."""

from collections.abc import Iterable, Mapping
from typing import Any  # findings of a report

HEADER = (
    *("id", "check", "severity", "title", "subjects", "of", "names", "seen", "why", "fix", "runbook", "effort_min", "controls"),
    *("requirements", "first_seen", "due", "owner", "exception_until", "exception_reason", "ticket", "change", "commands", "raw_sha256"),
)
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_rows(findings: Iterable[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return one row for each finding of a report, in its order."""
    return [tuple(safe(_row(one)[name]) for name in HEADER) for one in findings]


def safe(value: object) -> str:
    """Return a cell as text; what could be a formula is made text by an apostrophe."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(_DANGEROUS) else text


def _row(one: Mapping[str, Any]) -> dict[str, object]:
    exception, evidence = one["exception"] or {}, one["evidence"]
    return {
        **{name: one[name] for name in ("id", "check", "severity", "title", "seen", "why", "runbook", "effort_min", "first_seen", "due")},
        "subjects": one["subjects"]["count"],
        "of": one["subjects"]["of"],
        "names": "; ".join(one["subjects"]["list"]),
        "fix": " / ".join(one["fix"]),
        "controls": " ".join(one["controls"]),
        "requirements": " ".join(f"{each['framework']}:{each['id']}" for each in one["requirements"]),
        "owner": one["owner_name"],
        "exception_until": exception.get("until"),
        "exception_reason": exception.get("reason"),
        "ticket": one["ticket"],
        "change": one["change"],
        "commands": "; ".join(sorted({each["command"] for each in evidence})),
        "raw_sha256": " ".join(sorted({each["raw_sha256"] for each in evidence})),
    }
