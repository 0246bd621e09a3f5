"""How a check answers.

Owns: the four ways to answer with the shape of `Result`.
Invariant: nothing to judge is "not applicable" with a reason, never a pass; names of what is not well are sorted and unique.
"""

from collections.abc import Collection, Iterable

from mainstay.domains.assurance.rules.results import Result, Verdict


def counted(check: str, groups: tuple[str, ...], *, total: int, failing: Iterable[str], good: str, bad: str) -> Result:
    """Answer over `total` subjects inside the host (at least one), of which `failing` are not well."""
    named = tuple(sorted(set(failing)))
    count = min(len(named), total)
    if not named:
        return Result(check, Verdict.PASS, good, groups, total, total)
    verdict = Verdict.FAIL if count == total else Verdict.PARTIAL
    return Result(check, verdict, f"{bad} {_list(named)}", groups, total - count, total, named)


def whether(check: str, groups: tuple[str, ...], *, problems: Collection[str], good: str) -> Result:
    """Answer about the host as one subject; each problem is a sentence of its own."""
    if not problems:
        return Result(check, Verdict.PASS, good, groups, 1, 1)
    return Result(check, Verdict.FAIL, " ".join(sorted(problems)), groups, 0, 1, tuple(sorted(problems)))


def not_applicable(check: str, groups: tuple[str, ...], reason: str, seen: str) -> Result:
    return Result(check, Verdict.NOT_APPLICABLE, seen, groups, reason=reason)


def unknown(check: str, groups: tuple[str, ...], reason: str, seen: str = "") -> Result:
    return Result(check, Verdict.UNKNOWN, seen or f"Not known: {reason}.", groups, reason=reason)


def _list(named: tuple[str, ...], most: int = 8) -> str:
    shown = ", ".join(named[:most])
    return f"{shown} and {len(named) - most} more." if len(named) > most else f"{shown}."
