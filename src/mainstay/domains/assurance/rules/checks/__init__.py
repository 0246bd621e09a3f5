"""Every check that a Linux host can answer, as one explicit table of pure functions.

Owns: the table, and what happens when a check cannot know: the answer is unknown with its reason.
Does not own: titles, severities and remedies (`rules.catalogue`); facts (`rules.facts`).
Invariant: a check reads nothing but its host, and every id here has a row in the catalogue.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from mainstay.domains.assurance.rules.checks import accounts, remote
from mainstay.domains.assurance.rules.facts import Host, NotKnown
from mainstay.domains.assurance.rules.results import Result, Verdict

HostCheck: TypeAlias = Callable[[Host], Result]

HOST_CHECKS: Mapping[str, HostCheck] = {
    "ACC-01": accounts.acc_01,
    "ACC-02": accounts.acc_02,
    "ACC-03": accounts.acc_03,
    "ACC-04": accounts.acc_04,
    "ACC-05": accounts.acc_05,
    "ACC-06": accounts.acc_06,
    "ACC-07": accounts.acc_07,
    "ACC-10": accounts.acc_10,
    "NET-01": remote.net_01,
    "NET-03": remote.net_03,
    "NET-04": remote.net_04,
    "NET-05": remote.net_05,
    "NET-06": remote.net_06,
    "NET-07": remote.net_07,
    "NET-08": remote.net_08,
}


def judge(check_id: str, host: Host) -> Result:
    """Run one check. What it cannot know is `unknown` with the reason. Errors: KeyError for an id that no host answers."""
    try:
        return HOST_CHECKS[check_id](host)
    except NotKnown as problem:
        groups = (problem.group,) if problem.group in host.groups else ()
        return Result(check_id, Verdict.UNKNOWN, f"Not known: {problem}.", groups, reason=problem.reason)
