"""Every check that a Linux host can answer, as one explicit table of pure functions.

Owns: the table, and what happens when a check cannot know: the answer is unknown with its reason.
Does not own: titles, severities and remedies (`rules.catalogue`); facts (`rules.facts`).
Invariant: a check reads nothing but its host, and every id here has a row in the catalogue.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from mainstay.domains.assurance.rules.checks import accounts, encryption, health, integrity, logs, patches, remote, system
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
    "ENC-01": encryption.enc_01,
    "ENC-02": encryption.enc_02,
    "ENC-04": encryption.enc_04,
    "ENC-05": encryption.enc_05,
    "ENC-06": encryption.enc_06,
    "PAT-01": patches.pat_01,
    "PAT-02": patches.pat_02,
    "PAT-03": patches.pat_03,
    "PAT-04": patches.pat_04,
    "PAT-05": patches.pat_05,
    "PAT-06": patches.pat_06,
    "PAT-07": patches.pat_07,
    "LOG-01": logs.log_01,
    "LOG-02": logs.log_02,
    "LOG-03": logs.log_03,
    "SYS-01": system.sys_01,
    "SYS-02": system.sys_02,
    "SYS-03": system.sys_03,
    "SYS-04": system.sys_04,
    "SYS-05": system.sys_05,
    "SYS-06": system.sys_06,
    "SYS-07": system.sys_07,
    "SYS-08": system.sys_08,
    "SYS-09": system.sys_09,
    "INT-01": integrity.int_01,
    "INT-02": integrity.int_02,
    "INT-03": integrity.int_03,
    "INT-04": integrity.int_04,
    "HLT-01": health.hlt_01,
    "HLT-02": health.hlt_02,
    "HLT-03": health.hlt_03,
    "HLT-04": health.hlt_04,
}


def judge(check_id: str, host: Host) -> Result:
    """Run one check. What it cannot know is `unknown` with the reason. Errors: KeyError for an id that no host answers."""
    try:
        return HOST_CHECKS[check_id](host)
    except NotKnown as problem:
        groups = (problem.group,) if problem.group in host.groups else ()
        return Result(check_id, Verdict.UNKNOWN, f"Not known: {problem}.", groups, reason=problem.reason)
