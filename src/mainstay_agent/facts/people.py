"""Accounts, groups, who may become root, who is logged in.

Owns: groups users_groups, sudo, sessions.
Invariant: no password hash leaves the machine, only whether a password is set, locked or empty.
"""

import re
import struct

from mainstay_agent.facts.value import Fields, Unknown, Value, with_unknown
from mainstay_agent.host.machine import Machine

_NO_LOGIN = ("nologin", "false", "sync", "halt", "shutdown")
_FIRST_PERSON_UID = 1000
_NOBODY_UID = 65534
# struct utmp of glibc on 64-bit Linux: type, pid, line, id, user, host, exit, session, seconds, microseconds, address, reserve.
_UTMP = struct.Struct("<h2xi32s4s32s256s2hiii16s20s")
_USER_PROCESS = 7


def accounts(machine: Machine) -> Fields:
    shadow = machine.read_or_none("etc/shadow")
    passwords = parse_shadow(shadow) if shadow else {}
    users = parse_passwd(machine.read("etc/passwd"), passwords)
    fields: Fields = {"users": [*users], "groups": [*parse_group(machine.read("etc/group"))]}
    return with_unknown(fields, {} if shadow else {"password": "needs_helper"})


def parse_passwd(text: str, passwords: dict[str, str]) -> list[Fields]:
    found: list[Fields] = []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) != 7 or not fields[2].isdigit():
            continue
        uid, shell = int(fields[2]), fields[6]
        found.append(
            {
                "name": fields[0],
                "uid": uid,
                "gid": int(fields[3]),
                "home": fields[5],
                "shell": shell,
                "can_login": not shell.endswith(_NO_LOGIN),
                "system": uid < _FIRST_PERSON_UID or uid == _NOBODY_UID,
                "password": passwords.get(fields[0]),
            }
        )
    return found


def parse_shadow(text: str) -> dict[str, str]:
    """Return `set`, `locked` or `empty` per user."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        hashed = rest.partition(":")[0]
        found[name] = "empty" if hashed == "" else "locked" if hashed[0] in "!*" else "set"
    return found


def parse_group(text: str) -> list[Fields]:
    rows = (line.split(":") for line in text.splitlines())
    return [{"name": row[0], "gid": int(row[2]), "members": [name for name in row[3].split(",") if name]} for row in rows if len(row) == 4]


def sudo(machine: Machine) -> Fields:
    if not machine.is_root:
        raise Unknown("needs_helper")
    sources = ["etc/sudoers"] + [
        f"etc/sudoers.d/{name}" for name in machine.children("etc/sudoers.d") if "." not in name and not name.endswith("~")
    ]
    rules: list[Value] = [rule for source in sources for rule in parse_sudoers(machine.read_or_none(source) or "", f"/{source}")]
    groups = {str(group["name"]): group["members"] for group in parse_group(machine.read("etc/group"))}
    admins = {"root"} | {str(member) for name in ("sudo", "wheel", "admin") for member in _list(groups.get(name))}
    return {"rules": rules, "admins": [*sorted(admins)]}


def _list(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []


def parse_sudoers(text: str, source: str) -> list[Fields]:
    """Return each rule as written; defaults, aliases and includes are not rules."""
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    lines = (line.strip() for line in joined.splitlines())
    return [
        {"source": source, "rule": line}
        for line in lines
        if line and not line.startswith(("#", "@", "Defaults")) and not re.match(r"(User|Runas|Host|Cmnd)_Alias\b", line)
    ]


def sessions(machine: Machine) -> Fields:
    try:
        data = machine.path("var/run/utmp").read_bytes()
    except OSError:
        return {"sessions": []}  # without a utmp file nobody is logged in at a terminal
    return {"sessions": [*parse_utmp(data)]}


def parse_utmp(data: bytes) -> list[Fields]:
    found: list[Fields] = []
    for at in range(0, len(data) - _UTMP.size + 1, _UTMP.size):
        kind, _pid, line, _id, user, host, _e1, _e2, _session, seconds, *_rest = _UTMP.unpack_from(data, at)
        if kind == _USER_PROCESS and user.strip(b"\0"):
            found.append({"user": _c_text(user), "line": _c_text(line), "host": _c_text(host) or None, "since": seconds})
    return found


def _c_text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")
