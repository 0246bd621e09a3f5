"""What runs by the clock: systemd timers and cron.

Owns: group timers_cron.
Invariant: a file that cannot be read is named as unknown, never taken as "no jobs".
"""

import re

from mainstay_agent.facts.value import Fields, with_unknown
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.redaction import redact
from mainstay_agent.host.subprocesses import ToolMissing
from mainstay_agent.services.systemd import is_running

_CRON = re.compile(r"^(?P<schedule>@\w+|(?:[\d*/,A-Za-z-]+\s+){5})\s*(?P<rest>\S.*)$")
_PERIODS = ("hourly", "daily", "weekly", "monthly")
_USER_TABS = "var/spool/cron/crontabs"
JOBS_MAX = 500


def scheduled_jobs(machine: Machine) -> Fields:
    jobs = _timers(machine) + _system_cron(machine) + _period_folders(machine) + _user_cron(machine)
    hidden = not machine.is_root and machine.path(_USER_TABS).exists()
    return with_unknown({"jobs": [*jobs[:JOBS_MAX]]}, {"user_crontabs": "needs_helper"} if hidden else {})


def _timers(machine: Machine) -> list[Fields]:
    if not is_running(machine):
        return []
    try:
        output = machine.run("systemctl", "show", "--property=Id,TimersCalendar,TimersMonotonic,Unit,FragmentPath", "--", "*.timer")
    except ToolMissing:
        return []
    return parse_timers(output.stdout)


def parse_timers(text: str) -> list[Fields]:
    """Parse `systemctl show '*.timer'`; `TimersCalendar={ OnCalendar=*-*-* 6,18:00:00 ; next_elapse=... }`."""
    found: list[Fields] = []
    for block in text.split("\n\n"):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        match = re.search(r"\{ (.*?) ;", fields.get("TimersCalendar", "") or fields.get("TimersMonotonic", ""))
        if fields.get("Id"):
            found.append(
                _job(fields["Id"], "timer", match.group(1) if match else "", fields.get("Unit"), None, fields.get("FragmentPath", ""))
            )
    return found


def _job(name: str, kind: str, schedule: str, command: str | None, user: str | None, source: str) -> Fields:
    shown = redact(command.encode()).decode() if command is not None else None
    return {"name": name, "kind": kind, "schedule": schedule, "command": shown, "user": user, "source": source}


def _system_cron(machine: Machine) -> list[Fields]:
    sources = ["etc/crontab"] + [f"etc/cron.d/{name}" for name in machine.children("etc/cron.d") if not name.startswith(".")]
    return [job for source in sources for job in parse_crontab(machine.read_or_none(source) or "", f"/{source}", has_user=True)]


def _user_cron(machine: Machine) -> list[Fields]:
    found: list[Fields] = []
    for user in machine.children(_USER_TABS):
        source = f"{_USER_TABS}/{user}"
        found += [job | {"user": user} for job in parse_crontab(machine.read_or_none(source) or "", f"/{source}", has_user=False)]
    return found


def parse_crontab(text: str, source: str, *, has_user: bool) -> list[Fields]:
    found: list[Fields] = []
    for line in text.splitlines():
        match = _CRON.match(line.strip())
        if not match or line.lstrip().startswith("#"):
            continue
        user, command = None, match["rest"]
        if has_user:
            user, _, command = match["rest"].partition(" ")
        name = f"{source.rsplit('/', 1)[-1]}:{len(found) + 1}"
        found.append(_job(name, "cron", " ".join(match["schedule"].split()), command.strip(), user, source))
    return found


def _period_folders(machine: Machine) -> list[Fields]:
    return [
        _job(script, "cron", f"@{period}", f"/etc/cron.{period}/{script}", "root", f"/etc/cron.{period}")
        for period in _PERIODS
        for script in machine.children(f"etc/cron.{period}")
        if not script.startswith(".")
    ]
