"""Every check of the catalogue over everything in scope.

Owns: which question goes where. Does not own: any answer (`checks`, `system_checks`).
Invariant: every row of the catalogue comes out, judged or not; a check that nobody implements was not looked at, never a pass.
"""

from collections.abc import Iterable, Sequence

from mainstay.domains.assurance.rules.catalogue import CATALOGUE, Check
from mainstay.domains.assurance.rules.checks import HOST_CHECKS, judge
from mainstay.domains.assurance.rules.infrastructure import Mapped
from mainstay.domains.assurance.rules.judged import Judgement, Subject
from mainstay.domains.assurance.rules.results import Result
from mainstay.domains.assurance.rules.system_checks import Around, answers, without_source

HOST = "host"


def judge_all(devices: Sequence[Mapped], around: Around, catalogue: Iterable[Check] | None = None) -> tuple[Judgement, ...]:
    """Ask every check about every subject in scope, in the order of the catalogue."""
    checks = CATALOGUE.values() if catalogue is None else catalogue
    return tuple(Judgement(check, _on_hosts(check, devices) if check.subject == HOST else answers(check, around)) for check in checks)


def _on_hosts(check: Check, devices: Sequence[Mapped]) -> tuple[tuple[Subject, Result], ...]:
    if check.id not in HOST_CHECKS:
        return tuple((one.subject, without_source(check)) for one in devices)
    return tuple((one.subject, judge(check.id, one.host)) for one in devices)
