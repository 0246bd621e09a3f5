"""Services with a way of their own to be too open: SNMP, containers, shared folders, malware protection.

Owns: group audit_services.
Invariant: a community of SNMP is compared here; only whether it is a default one leaves the machine.
"""

import json
import re

from mainstay_agent.facts.audit.looking import Look, lines, status
from mainstay_agent.facts.people import parse_group
from mainstay_agent.facts.system import process_names
from mainstay_agent.facts.value import Fields, Reason, Unknown, Value, with_unknown
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.subprocesses import ToolMissing, ToolTimedOut

_SNMP = "etc/snmp/snmpd.conf"
_COMMUNITY = re.compile(r"^\s*(?:ro|rw)(?:community6?)\s+(\S+)|^\s*com2sec6?\s+\S+\s+\S+\s+(\S+)", re.IGNORECASE)
_DEFAULTS = ("public", "private")
_FILE_SERVERS = ("smbd", "nfsd", "ganesha.nfsd", "vsftpd", "proftpd")
_SIGNATURES = ("var/lib/clamav/daily.cvd", "var/lib/clamav/daily.cld")
CONTAINERS_MAX = 100


def services(machine: Machine) -> Fields:
    if not machine.is_root:
        raise Unknown("needs_helper")
    look = Look(machine)
    running = process_names(machine)
    dates = [int(found.st_mtime) for name in _SIGNATURES if (found := status(machine, name)) is not None]
    return look.fields(
        snmp=_snmp(look),
        docker=_docker(look),
        file_server=any(name in running for name in _FILE_SERVERS),
        signatures_at=max(dates, default=None),
        scanner="clamav" if "clamd" in running else None,
    )


def _snmp(look: Look) -> Fields:
    # The file is not noted as a source: its hash would let a short community be guessed.
    text = look.machine.read_or_none(_SNMP)
    present = text is not None and look.machine.path("usr/sbin/snmpd").exists()
    names = {one or other for line in lines(text) for one, other in _COMMUNITY.findall(line)}
    is_default = any(name in _DEFAULTS for name in names)
    look.note(f"/{_SNMP}, judged here", f"default community: {is_default}", f"present {present}, default community {is_default}")
    return {"present": present, "default_community": is_default if present else None}


def _docker(look: Look) -> Fields:
    groups = {str(one["name"]): one["members"] for one in parse_group(look.read("etc/group") or "")}
    members = groups.get("docker")
    privileged, reason = _privileged(look)
    fields: Fields = {"members": members if isinstance(members, list) else [], "privileged": [*privileged]}
    return with_unknown(fields, {"privileged": reason} if reason else {})


def _privileged(look: Look) -> tuple[list[Value], Reason | None]:
    if "dockerd" not in process_names(look.machine):
        return [], None  # without the daemon no container of it runs
    try:
        ids = look.run("docker", "ps", "--quiet", excerpt="")
        if ids.code != 0:
            return [], "denied"
        if not ids.stdout.split():
            return [], None
        shown = look.run("docker", "inspect", "--format", "{{json .Name}} {{.HostConfig.Privileged}}", *ids.stdout.split()[:CONTAINERS_MAX])
    except ToolMissing:
        return [], None
    except ToolTimedOut:
        return [], "timeout"
    rows = (line.rsplit(" ", 1) for line in shown.stdout.splitlines() if " " in line)
    return [json.loads(name).lstrip("/") for name, is_privileged in rows if is_privileged == "true"], None
