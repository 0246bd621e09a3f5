"""What is installed, what could be newer, and which programs protect or back up the machine.

Owns: groups packages, updates, protection, containers, backups.
Invariant: an update list is only as true as its package lists: without them the group is unknown, not empty.
"""

import json
import re

from mainstay_agent.facts.system import process_names
from mainstay_agent.facts.value import Fields, Unknown, Value, with_unknown
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.subprocesses import ToolMissing, ToolTimedOut

_DPKG_FORMAT = "${db:Status-Abbrev}\\t${Package}\\t${Version}\\t${Architecture}\\t${source:Package}\\t${source:Version}\\n"
_RPM_FORMAT = "%{NAME}\\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{SOURCERPM}\\t%{VENDOR}\\n"
_INST = re.compile(r"^Inst (?P<name>\S+)(?: \[(?P<current>[^\]]+)\])? \((?P<candidate>\S+) (?P<origin>.*) \[(?P<arch>[^\]]+)\]\)")
_REMV = re.compile(r"^Remv (?P<name>\S+) \[(?P<current>[^\]]+)\]")
_LISTS = "var/lib/apt/lists"


def packages(machine: Machine) -> Fields:
    try:
        installed = parse_dpkg(machine.run("dpkg-query", "-W", "-f", _DPKG_FORMAT).stdout)
        if installed:
            return {"manager": "dpkg", "packages": [*installed]}
    except ToolMissing:
        installed = []
    try:
        return {"manager": "rpm", "packages": [*parse_rpm(machine.run("rpm", "-qa", "--qf", _RPM_FORMAT).stdout)]}
    except ToolMissing as problem:
        raise Unknown("tool_missing") from problem


def parse_dpkg(text: str) -> list[Fields]:
    """Parse dpkg-query lines; `i` in the second letter is installed, `h` in the first is held."""
    found: list[Fields] = []
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) < 6 or fields[0][1:2] != "i":
            continue
        found.append(
            {
                "name": fields[1],
                "version": fields[2],
                "arch": fields[3],
                "source_name": fields[4],
                "source_version": fields[5],
                "held": fields[0].startswith("h"),
                "origin": None,
            }
        )
    return found


def parse_rpm(text: str) -> list[Fields]:
    found: list[Fields] = []
    for line in text.splitlines():
        name, version, arch, source, vendor = [*line.split("\t"), "", "", "", "", ""][:5]
        match = re.match(r"^(?P<name>.+)-(?P<version>[^-]+-[^-]+)\.src\.rpm$", source)
        found.append(
            {
                "name": name,
                "version": version.removeprefix("0:"),
                "arch": arch,
                "source_name": match.group("name") if match else name,
                "source_version": match.group("version") if match else version,
                "held": False,
                "origin": vendor or None,
            }
        )
    return found


def updates(machine: Machine) -> Fields:
    if not machine.path("usr/bin/apt-get").exists():
        raise Unknown("tool_missing")
    lists = [name for name in machine.children(_LISTS) if "_Packages" in name]
    if not lists:
        raise Unknown("lists_missing")
    # The simulation takes no lock and needs no root: it only reads.
    output = machine.run("apt-get", "-s", "-q", "-o", "Debug::NoLocking=true", "dist-upgrade")
    if output.code != 0:
        raise Unknown("parse_failed")
    found = parse_simulation(output.stdout)
    return {
        "manager": "apt",
        "updates": [*found],
        "security_count": sum(one["security"] is True for one in found),
        "lists_at": max(int(machine.path(f"{_LISTS}/{name}").stat().st_mtime) for name in lists),
    }


def parse_simulation(text: str) -> list[Fields]:
    """Parse `apt-get -s dist-upgrade`. Source: `Inst libc6 [old] (new Debian-Security:12/stable-security [amd64])`."""
    found: list[Fields] = []
    for line in text.splitlines():
        if match := _INST.match(line):
            found.append(_update(match.groupdict(), "upgrade" if match["current"] else "new"))
        elif match := _REMV.match(line):
            found.append(_update({**match.groupdict(), "candidate": None, "origin": None, "arch": None}, "remove"))
    return found


def _update(fields: dict[str, str | None], action: str) -> Fields:
    origin = fields["origin"]
    return {
        "name": fields["name"],
        "arch": fields["arch"],
        "current": fields["current"],
        "candidate": fields["candidate"],
        "origin": origin,
        "security": "security" in (origin or "").lower(),
        "action": action,
    }


_PROTECTION = {
    "clamav": "clamd",
    "falcon-sensor": "falcon-sensor",
    "mdatp": "wdavdaemon",
    "sentinelone": "s1-agent",
    "crowdsec": "crowdsec",
    "fail2ban": "fail2ban-server",
    "wazuh-agent": "wazuh-agentd",
    "auditd": "auditd",
}
_PROGRAM_PATHS = ("usr/sbin", "usr/bin", "usr/local/bin", "usr/local/sbin", "opt/{0}", "var/ossec")


def protection(machine: Machine) -> Fields:
    running = process_names(machine)
    products: list[Value] = []
    for name, process in _PROTECTION.items():
        is_running = process[:15] in running
        if is_running or _is_installed(machine, process):
            products.append({"name": name, "installed": True, "running": is_running})
    apparmor = machine.read_or_none("sys/module/apparmor/parameters/enabled")
    return {"products": products, "apparmor": {"Y": "enforce", "N": "disabled"}.get(apparmor or ""), "selinux": _selinux(machine)}


def _is_installed(machine: Machine, program: str) -> bool:
    return any(machine.path(f"{folder.format(program)}/{program}").exists() for folder in _PROGRAM_PATHS)


def _selinux(machine: Machine) -> str | None:
    answer = machine.read_or_none("sys/fs/selinux/enforce")
    return {"1": "enforcing", "0": "permissive"}.get(answer or "")


def containers(machine: Machine) -> Fields:
    engines: list[Value] = []
    found: list[Value] = []
    silent: list[str] = []
    for engine in ("docker", "podman"):
        try:
            output = machine.run(engine, "ps", "--all", "--no-trunc", "--format", "{{json .}}", timeout_s=10)
        except ToolMissing:
            continue
        except ToolTimedOut:
            silent.append(engine)
            continue
        engines.append({"name": engine, "version": None})
        if output.code == 0:
            found += parse_containers(output.stdout, engine)
        else:
            silent.append(engine)
    return with_unknown({"engines": engines, "containers": found}, {"containers": "denied"} if silent else {})


def parse_containers(text: str, engine: str) -> list[Value]:
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [{"name": row.get("Names"), "image": row.get("Image"), "state": row.get("State"), "engine": engine} for row in rows]


# Program on disk -> name of the tool, which is also looked for in the commands of scheduled jobs.
_BACKUP_TOOLS = {
    "restic": "restic",
    "borg": "borg",
    "borgmatic": "borgmatic",
    "duplicity": "duplicity",
    "rsnapshot": "rsnapshot",
    "timeshift": "timeshift",
    "bacula-fd": "bacula",
    "bareos-fd": "bareos",
    "urbackupclientbackend": "urbackup",
    "veeamconfig": "veeam",
    "proxmox-backup-client": "proxmox-backup",
    "pgbackrest": "pgbackrest",
    "barman": "barman",
    "kopia": "kopia",
}


def backups(machine: Machine, jobs: list[Fields]) -> Fields:
    """Name the backup tools found and the jobs that call them; `jobs` are those of the group timers_cron."""
    tools: list[Value] = []
    for program, name in _BACKUP_TOOLS.items():
        scheduled: list[Value] = [job["name"] for job in jobs if name in f"{job['name']} {job['command'] or ''}"]
        if scheduled or _is_installed(machine, program):
            tools.append({"name": name, "version": None, "scheduled": scheduled})
    return {"tools": tools, "known": bool(tools)}
