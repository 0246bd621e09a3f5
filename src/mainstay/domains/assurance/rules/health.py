"""The five signs that somebody needs help: crashes, slowness, security, data-loss risk, nobody responsible.

Source: business page, section 14; security page, section 5 rule 13. Invariant: below 80 % of judged subjects the answer is
unknown, unless what was seen is already a yes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mainstay.domains.assurance.rules.judged import Judgement, Severity
from mainstay.domains.assurance.rules.results import Verdict

JUDGED_MIN_PCT = 80
CRASHING_OVER_PCT = 5
SLOW_OVER_PCT = 10


@dataclass(frozen=True, slots=True)
class Sign:
    """`number` is how many subjects show it; `of` how many were judged."""

    sign: str
    answer: str
    number: int
    of: int
    next: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for somebody: alerts nobody has taken for a day, tickets without an owner for two working days."""

    alerts: int = 0
    tickets: int = 0


def signs(judgements: Sequence[Judgement], waiting: Waiting) -> tuple[Sign, ...]:
    """Return the five signs in the order in which the report shows them."""
    by_id = {one.check.id: one for one in judgements}
    return (
        _share("crashes", by_id, ("HLT-01",), CRASHING_OVER_PCT, "Read the crash in the device's log and fix its cause."),
        _share("slowness", by_id, ("HLT-02",), SLOW_OVER_PCT, "Find what uses up the host, or give it more."),
        _security(judgements),
        _share("data_loss", by_id, ("BCK-01", "BCK-02", "BCK-03", "HLT-03"), 0, "Name what protects this data, and restore it once."),
        _nobody(by_id, waiting),
    )


def _share(sign: str, by_id: Mapping[str, Judgement], ids: Sequence[str], over_pct: int, step: str) -> Sign:
    """Count a subject as judged when every check of the sign has judged it: a good disk says nothing of a missing backup."""
    ill: set[str] = set()
    unseen: set[str] = set()
    all_subjects: set[str] = set()
    for one in (by_id[check] for check in ids if check in by_id):
        ill |= {subject.id for subject, _ in one.failing}
        unseen |= {subject.id for subject, result in one.answers if result.verdict is Verdict.UNKNOWN} | {who.id for who, _ in one.unasked}
        all_subjects |= {subject.id for subject, _ in (*one.applicable, *one.unasked)}
    judged = len(ill | (all_subjects - unseen))
    return Sign(sign, _answer(len(ill), judged, len(all_subjects), over_pct), len(ill), judged, step if ill else "")


def _answer(ill: int, judged: int, of: int, over_pct: int) -> str:
    if ill and 100 * ill > over_pct * max(judged, 1):
        return "yes"
    if not of or 100 * judged < JUDGED_MIN_PCT * of:
        return "unknown"
    return "no"


def _security(judgements: Sequence[Judgement]) -> Sign:
    relevant = [one for one in judgements if one.severity is Severity.CRITICAL or one.check.id in ("PAT-03", "ACC-08")]
    ill = sum(bool(one.failing) for one in relevant)
    judged, of = sum(one.judged for one in relevant), sum(len(one.applicable) + len(one.unasked) for one in relevant)
    return Sign("security", _answer(ill, judged, of, 0), ill, judged, "Close the critical findings first." if ill else "")


def _nobody(by_id: Mapping[str, Judgement], waiting: Waiting) -> Sign:
    owned = by_id.get("HLT-05")
    ill = (len(owned.failing) if owned else 0) + waiting.alerts + waiting.tickets
    judged, of = (owned.judged, len(owned.applicable)) if owned else (0, 0)
    return Sign(
        "nobody_responsible", "yes" if ill else _answer(0, judged, of, 0), ill, judged, "Name an owner for each of them." if ill else ""
    )
