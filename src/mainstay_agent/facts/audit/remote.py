"""The SSH server's effective settings, and how idle sessions end.

Owns: groups audit_ssh, audit_session.
Invariant: settings are those that the server itself computes; its files are not interpreted by us.
"""

import re

from mainstay_agent.facts.audit.looking import Look, lines
from mainstay_agent.facts.system import process_names
from mainstay_agent.facts.value import Fields, Unknown, Value
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.subprocesses import ToolMissing, ToolTimedOut

_SSHD = "usr/sbin/sshd"
_ARGV = ("/usr/sbin/sshd", "-T", "-C", "user=root,host=h,addr=127.0.0.1")
_SHOWN = (
    "permitrootlogin", "passwordauthentication", "permitemptypasswords", "maxauthtries", "ciphers", "macs", "kexalgorithms",
    "clientaliveinterval", "clientalivecountmax", "x11forwarding", "allowtcpforwarding", "loglevel", "port", "pubkeyauthentication",
    "kbdinteractiveauthentication", "hostbasedauthentication", "ignorerhosts", "usepam", "allowusers", "allowgroups", "banner",
    "maxsessions", "logingracetime", "strictmodes", "permituserenvironment", "gatewayports", "allowagentforwarding", "compression",
    "tcpkeepalive",
)  # fmt: skip


def ssh_server(machine: Machine) -> Fields:
    look = Look(machine)
    if not machine.path(_SSHD).exists():
        return look.fields(installed=False, running=False, settings=None)
    if not machine.is_root:
        raise Unknown("needs_helper")
    running = "sshd" in process_names(machine)
    settings = _effective(look)
    return look.fields(installed=True, running=running, settings=settings)


def _effective(look: Look) -> Fields | None:
    try:
        output = look.run(*_ARGV, excerpt="")
    except (ToolMissing, ToolTimedOut):
        look.unknown["settings"] = "timeout"
        return None
    settings = parse_settings(output.stdout)
    if output.code != 0 or "permitrootlogin" not in settings:
        look.unknown["settings"] = "parse_failed"
        return None
    shown = [f"{name} {settings[name]}" for name in _SHOWN[:4] if name in settings]
    look.sources[-1]["excerpt"] = "\n".join(shown)
    return settings


def parse_settings(text: str) -> Fields:
    """Parse `sshd -T`: a keyword in lower case, then its value; the first line of a keyword counts."""
    found: Fields = {}
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        if keyword in _SHOWN:
            found.setdefault(keyword, value.strip())
    return found


_SHELL_FILES = ("etc/profile", "etc/bash.bashrc", "etc/bashrc", "etc/environment")
_TMOUT = re.compile(r"(?:^|[\s;])(?:export\s+|readonly\s+|declare\s+-\w+\s+|typeset\s+-\w+\s+)*TMOUT=(\d+)")
_DESKTOPS = ("usr/bin/gnome-shell", "usr/bin/plasmashell", "usr/bin/xfce4-session", "usr/bin/cinnamon-session", "usr/bin/mate-session")


def session(machine: Machine) -> Fields:
    look = Look(machine)
    names = [*_SHELL_FILES, *(f"etc/profile.d/{name}" for name in machine.children("etc/profile.d") if name.endswith(".sh"))]
    found = [int(value) for name in names for line in lines(look.read(name)) for value in _TMOUT.findall(line)]
    idle_s, lock = _dconf(look)
    desktop = any(machine.path(name).exists() for name in _DESKTOPS)
    return look.fields(tmout_s=found[-1] if found else None, desktop=desktop, idle_s=idle_s, lock=lock)


def _dconf(look: Look) -> tuple[Value, Value]:
    """Return idle delay and lock of the system databases, which hold for every user."""
    idle: int | None = None
    lock: bool | None = None
    for folder in (f"etc/dconf/db/{name}" for name in look.machine.children("etc/dconf/db") if name.endswith(".d")):
        for name in look.machine.children(folder):
            text = look.read(f"{folder}/{name}") or ""
            delay, locked = (
                re.search(r"^idle-delay\s*=\s*(?:uint32\s+)?(\d+)", text, re.M),
                re.search(r"^lock-enabled\s*=\s*(\w+)", text, re.M),
            )
            idle = int(delay.group(1)) if delay else idle
            lock = locked.group(1) == "true" if locked else lock
    return idle, lock
