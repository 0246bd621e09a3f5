"""The three paragraphs that open the report: what is better, what is worse, what comes next.

Owns: their words, for none, one and many. Does not own: any figure in them (`score`, `findings`, `roadmap`).
Invariant: what is wrong is named by its problem, what is to be done by its goal.
"""

from collections.abc import Mapping, Sequence
from typing import Any  # the report is JSON

from mainstay.domains.assurance.rules.document.words import minutes, plural
from mainstay.domains.assurance.rules.findings import Change
from mainstay.domains.assurance.rules.inputs import Inputs
from mainstay.domains.assurance.rules.score import Score

_BOTH = 2


def summary(
    inputs: Inputs, total: Score, found: Sequence[Mapping[str, Any]], plan: Sequence[Mapping[str, Any]], fixed: Sequence[str]
) -> list[str]:
    """Return the paragraphs. `found` has the worst finding first, `plan` the first step."""
    return [_better(inputs, total, len(fixed)), worse(found, is_compared=inputs.before is not None), ahead(plan)]


def gone(count: int) -> str:
    """Say how many findings are no longer there."""
    if count == 0:
        return "No finding has gone since the audit before."
    return f"{plural(count, 'finding')} {'has' if count == 1 else 'have'} gone since the audit before."


def judged(total: Score) -> str:
    """Say the score and on how much it rests."""
    if total.points is None:
        return "Nothing could be judged yet."
    count, of = total.coverage.judged, total.coverage.applicable
    seen = f"{count:,} of {plural(of, 'point')} {'was' if count == 1 else 'were'} judged"
    return f"The score is {total.points} of 100, {total.grade}; {seen}."


def worse(found: Sequence[Mapping[str, Any]], *, is_compared: bool) -> str:
    """Say what is wrong, and what of it is new where there is an audit to compare with."""
    if not found:
        return "Nothing that was looked at is wrong."
    if len(found) == 1:
        return _only(found[0], is_compared=is_compared)
    critical = sum(one["severity"] == "critical" for one in found)
    news = f" {_news(found)}" if is_compared else ""
    return f"{len(found):,} findings are open, {_none(critical)} of them critical.{news} The worst: {found[0]['title']}."


def ahead(plan: Sequence[Mapping[str, Any]]) -> str:
    """Say what to do first, and how long everything takes."""
    if not plan:
        return "Nothing is to be done."
    first = f"Next step: {plan[0]['title']} ({minutes(plan[0]['effort_min'])})."
    if len(plan) == 1:
        return first
    steps = "Both steps" if len(plan) == _BOTH else f"All {len(plan):,} steps"
    return f"{first} {steps} together take {minutes(sum(one['effort_min'] for one in plan))}."


def _better(inputs: Inputs, total: Score, fixed: int) -> str:
    if inputs.before is None:
        return f"This is the first audit of {inputs.scope.name}. {judged(total)}"
    moved = "" if inputs.before.score is None else f" The score was {inputs.before.score} before."
    return f"{gone(fixed)} {judged(total)}{moved}"


def _only(one: Mapping[str, Any], *, is_compared: bool) -> str:
    news = {Change.NEW: "new", Change.RETURNED: "back"}.get(one["change"], "") if is_compared else ""
    said = " and ".join(filter(None, ("critical" if one["severity"] == "critical" else "", news)))
    return f"1 finding is open: {one['title']}." + (f" It is {said}." if said else "")


def _news(found: Sequence[Mapping[str, Any]]) -> str:
    changes = [one["change"] for one in found]
    new, back = changes.count(Change.NEW), changes.count(Change.RETURNED)
    return f"{_none(new).capitalize()} {'are' if new > 1 else 'is'} new, {_none(back)} came back."


def _none(count: int) -> str:
    return f"{count:,}" if count else "none"
