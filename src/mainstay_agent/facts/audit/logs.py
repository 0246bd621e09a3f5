"""What is recorded on the machine, and whether it survives a restart.

Owns: group audit_logging.
"""

import re

from mainstay_agent.facts.audit.looking import Look, lines, status
from mainstay_agent.facts.system import process_names
from mainstay_agent.facts.value import Fields, Unknown, Value
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.subprocesses import ToolMissing, ToolTimedOut

_SYSLOG = {"rsyslogd": "rsyslog", "syslog-ng": "syslog-ng", "syslogd": "syslogd"}
_COVERS = {
    "identity": re.compile(r"/etc/(passwd|shadow|group|gshadow)\b"),
    "sudo": re.compile(r"/etc/sudoers|/var/log/sudo\.log"),
    "time": re.compile(r"adjtimex|clock_settime|settimeofday|/etc/localtime"),
    "modules": re.compile(r"init_module|/(?:usr/)?s?bin/(?:insmod|modprobe|kmod)"),
}


def logging(machine: Machine) -> Fields:
    if not machine.is_root:
        raise Unknown("needs_helper")
    look = Look(machine)
    running = process_names(machine)
    name = next((_SYSLOG[one] for one in _SYSLOG if one in running), None)
    syslog: Fields | None = {"name": name, "running": True} if name else None
    return look.fields(journald=_journald(look), syslog=syslog, auditd=_auditd(look))


def _journald(look: Look) -> Fields | None:
    machine = look.machine
    names = ["etc/systemd/journald.conf"]
    for folder in ("usr/lib/systemd/journald.conf.d", "etc/systemd/journald.conf.d"):
        names += [f"{folder}/{one}" for one in machine.children(folder) if one.endswith(".conf")]
    if status(machine, "usr/lib/systemd/systemd-journald") is None and status(machine, "lib/systemd/systemd-journald") is None:
        return None
    storage = "auto"
    for name in names:
        for line in lines(look.read(name)):
            match = re.match(r"Storage\s*=\s*(\w+)", line)
            storage = match.group(1).lower() if match else storage
    has_folder = machine.path("var/log/journal").is_dir()
    look.note("stat /var/log/journal", str(has_folder), f"Storage={storage}, /var/log/journal {'exists' if has_folder else 'is absent'}")
    return {"storage": storage, "persistent": storage == "persistent" or (storage == "auto" and has_folder)}


def _auditd(look: Look) -> Fields:
    absent: Fields = {"installed": False, "enabled": None, "lost": None, "rules": None, "covers": []}
    try:
        state, rules = look.run("auditctl", "-s"), look.run("auditctl", "-l")
    except (ToolMissing, ToolTimedOut):
        return absent
    values = dict(re.findall(r"^(enabled|lost)\s+(\d+)", state.stdout, re.MULTILINE))
    written = [line for line in rules.stdout.splitlines() if line.startswith("-")]
    covers: list[Value] = [name for name, pattern in _COVERS.items() if any(pattern.search(line) for line in written)]
    return {
        "installed": True,
        "enabled": int(values["enabled"]) if "enabled" in values else None,
        "lost": int(values["lost"]) if "lost" in values else None,
        "rules": len(written),
        "covers": covers,
    }
