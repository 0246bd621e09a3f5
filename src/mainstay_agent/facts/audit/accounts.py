"""Accounts as an auditor sees them: classes of passwords, last use, the policy for new ones, authorised keys.

Owns: groups audit_accounts, audit_passwords, audit_keys.
Invariant: no hash and no key leaves the machine: the class of a hash, and the fingerprint of a public key.
"""

import base64
import binascii
import hashlib
import re
import struct

from mainstay_agent.facts.audit.looking import Look, lines, mode_text, owner_name, status
from mainstay_agent.facts.people import parse_passwd, parse_shadow
from mainstay_agent.facts.value import Fields, Unknown, Value
from mainstay_agent.host.machine import Machine

_HASHES = {"y": "yescrypt", "gy": "yescrypt", "7": "yescrypt", "6": "sha512", "5": "sha256", "1": "md5"}
_LASTLOG = struct.Struct("=i32s256s")
_LASTLOG_UIDS_MAX = 70_000
_UTMP_BYTES, _UTMP_USER, _UTMP_TIME = 384, slice(44, 76), slice(340, 344)
_DAY_S = 86_400
KEYS_MAX = 500
_NOT_INTERACTIVE = ("nologin", "false", "sync", "halt", "shutdown")


def accounts(machine: Machine) -> Fields:
    look = Look(machine)
    shadow = look.read("etc/shadow", shown=False)
    if shadow is None:
        raise Unknown("needs_helper")
    passwd = look.read("etc/passwd") or ""
    uid_min = _setting(look.read("etc/login.defs", shown=False), "UID_MIN", 1000)
    classes, changed = shadow_classes(shadow)
    used = last_logins(machine, passwd)
    if used is None:
        look.unknown["last_login"] = "not_supported"
    found: list[Value] = []
    for user in parse_passwd(passwd, parse_shadow(shadow)):
        name, uid = str(user["name"]), user["uid"]
        found.append(
            {
                "name": name,
                "uid": uid,
                "interactive": not str(user["shell"]).endswith(_NOT_INTERACTIVE),
                "person": isinstance(uid, int) and uid_min <= uid < 65_534,
                "password": user["password"] or ("empty" if has_no_password(passwd, name) else "locked"),
                "hash": classes.get(name),
                "last_login": (used or {}).get(name),
                "changed_at": changed.get(name),
            }
        )
    return look.fields(accounts=found, uid_min=uid_min)


def has_no_password(passwd: str, name: str) -> bool:
    """Tell whether an account without a line in shadow has an empty second field: it needs no password at all."""
    return any(line.startswith(f"{name}::") for line in passwd.splitlines())


def shadow_classes(text: str) -> tuple[dict[str, str], dict[str, int]]:
    """Return the class of each password hash (a locked one counts too: it may be unlocked), and when each was changed."""
    classes: dict[str, str] = {}
    changed: dict[str, int] = {}
    for line in text.splitlines():
        name, hashed, day = [*line.split(":"), "", "", ""][:3]
        if kind := hash_class(hashed.lstrip("!")):
            classes[name] = kind
        if day.isdigit() and int(day) > 0:
            changed[name] = int(day) * _DAY_S
    return classes, changed


def hash_class(hashed: str) -> str | None:
    """Name the kind of a hash. Source: crypt(5)."""
    if not hashed or hashed in ("*", "x"):
        return None
    if not hashed.startswith("$"):
        return "des"
    prefix = hashed.split("$")[1]
    if prefix.startswith("argon2"):
        return "argon2"
    return "bcrypt" if prefix.startswith("2") else _HASHES.get(prefix, "other")


def last_logins(machine: Machine, passwd: str) -> dict[str, int] | None:
    """Return the newest sign-in of each account from lastlog and wtmp; None when neither is kept."""
    uids = {int(row[2]): row[0] for row in (line.split(":") for line in passwd.splitlines()) if len(row) == 7 and row[2].isdigit()}
    lastlog, wtmp = _bytes(machine, "var/log/lastlog", _LASTLOG.size * _LASTLOG_UIDS_MAX), _bytes(machine, "var/log/wtmp", 8 * 1024 * 1024)
    if lastlog is None and wtmp is None:
        return None
    found = parse_wtmp(wtmp or b"")
    for uid, name in uids.items():
        at = uid * _LASTLOG.size
        if lastlog is not None and at + _LASTLOG.size <= len(lastlog):
            moment = _LASTLOG.unpack_from(lastlog, at)[0]
            if moment > found.get(name, 0):
                found[name] = moment
    return found


def parse_wtmp(data: bytes) -> dict[str, int]:
    """Return the newest user record of each name. Source: utmp(5), 64-bit layout."""
    found: dict[str, int] = {}
    for at in range(0, len(data) - _UTMP_BYTES + 1, _UTMP_BYTES):
        record = data[at : at + _UTMP_BYTES]
        if record[0] == 7:
            name = record[_UTMP_USER].split(b"\0")[0].decode("utf-8", "replace")
            found[name] = max(found.get(name, 0), int.from_bytes(record[_UTMP_TIME], "little"))
    return found


def _bytes(machine: Machine, name: str, most: int) -> bytes | None:
    try:
        with open(machine.path(name), "rb") as stream:
            return stream.read(most)
    except OSError:
        return None


def _setting(text: str | None, name: str, default: int) -> int:
    match = re.search(rf"^\s*{name}\s+(\d+)", text or "", re.MULTILINE)
    return int(match.group(1)) if match else default


# Password policy

_PAM_AUTH = ("etc/pam.d/common-auth", "etc/pam.d/system-auth", "etc/pam.d/password-auth", "etc/pam.d/login")
_PAM_PASSWORD = ("etc/pam.d/common-password", "etc/pam.d/system-auth", "etc/pam.d/password-auth")


def passwords(machine: Machine) -> Fields:
    look = Look(machine)
    auth = [line for name in _PAM_AUTH for line in lines(look.read(name))]
    stack = [line for name in _PAM_PASSWORD for line in lines(look.read(name))]
    if not auth and not stack:
        raise Unknown("not_supported")
    length, source = _min_length(look, stack)
    lockout = [line for line in auth if re.search(r"pam_(faillock|tally2)\.so", line)]
    return look.fields(
        min_length=length,
        min_length_from=source,
        lockout=bool(lockout),
        lockout_deny=_deny(look, lockout) if lockout else None,
        null_passwords=any("pam_unix" in line and "nullok" in line.split() for line in auth),
    )


def _min_length(look: Look, stack: list[str]) -> tuple[int | None, str | None]:
    for line in stack:
        if re.search(r"pam_(pwquality|cracklib|passwdqc)\.so", line):
            return _argument(line, "minlen") or _quality(look), "pwquality"
    for line in stack:
        if "pam_unix.so" in line:
            return _argument(line, "minlen") or 6, "pam_unix"  # source: pam_unix(8), the length that its `obscure` check asks for
    return None, None


def _quality(look: Look) -> int:
    names = [f"etc/security/pwquality.conf.d/{name}" for name in look.machine.children("etc/security/pwquality.conf.d")]
    found = 8  # source: pwquality.conf(5)
    for name in ["etc/security/pwquality.conf", *names]:
        for line in lines(look.read(name)):
            match = re.match(r"minlen\s*=\s*(\d+)", line)
            found = int(match.group(1)) if match else found
    return found


def _deny(look: Look, lockout: list[str]) -> int:
    written = next((value for line in lockout if (value := _argument(line, "deny")) is not None), None)
    if written is not None:
        return written
    for line in lines(look.read("etc/security/faillock.conf")):
        match = re.match(r"deny\s*=\s*(\d+)", line)
        if match:
            return int(match.group(1))
    return 3  # source: faillock.conf(5)


def _argument(line: str, name: str) -> int | None:
    match = re.search(rf"\b{name}=(\d+)", line)
    return int(match.group(1)) if match else None


# Authorised keys

_KEY = re.compile(r"(?:^|\s)(ssh-[a-z0-9-]+|ecdsa-sha2-\S+|sk-\S+)\s+(AAAA[0-9A-Za-z+/=]+)")


def authorised_keys(machine: Machine) -> Fields:
    if not machine.is_root:
        raise Unknown("needs_helper")
    look = Look(machine)
    found: list[Value] = []
    files: list[Value] = []
    names = {str(user["name"]): str(user["home"]) for user in parse_passwd(look.read("etc/passwd") or "", {})}
    for user, home in sorted(names.items()):
        for name in (
            f"{home.strip('/')}/.ssh/authorized_keys",
            f"{home.strip('/')}/.ssh/authorized_keys2",
            f"etc/ssh/authorized_keys/{user}",
        ):
            if (found_file := status(machine, name)) is None or len(found) >= KEYS_MAX:
                continue
            text = look.read(name, shown=False)
            files.append(_key_file(machine, name, user))
            owner = owner_name(found_file.st_uid)
            found += [key | {"user": user, "path": f"/{name}", "owner_known": owner in (user, "root")} for key in parse_keys(text or "")]
    unique = {str(one["path"]): one for one in files if isinstance(one, dict)}
    keys = {(str(one["path"]), str(one["line"])): one for one in found if isinstance(one, dict)}
    return look.fields(keys=[*keys.values()], files=[*unique.values()])


def _key_file(machine: Machine, name: str, user: str) -> Fields:
    """Say who may change the file. The owner may, root may; a folder above it that others may write counts as well."""
    parts = [name, name.rsplit("/", 1)[0], name.rsplit("/", 2)[0]]
    seen = [one for part in parts if (one := status(machine, part)) is not None]
    loose = any(one.st_mode & 0o022 for one in seen) or any(owner_name(one.st_uid) not in (user, "root") for one in seen[:2])
    return {"path": f"/{name}", "mode": mode_text(seen[0].st_mode), "owner": owner_name(seen[0].st_uid), "loose": loose}


def parse_keys(text: str) -> list[Fields]:
    """Parse authorized_keys lines. Source: sshd(8)."""
    found: list[Fields] = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = _KEY.search(line) if line.strip() and not line.lstrip().startswith("#") else None
        if match is None:
            continue
        try:
            blob = base64.b64decode(match.group(2) + "==")
        except (ValueError, binascii.Error):
            continue
        digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
        found.append({"line": number, "type": match.group(1), "bits": key_bits(blob), "fingerprint": f"SHA256:{digest}"})
    return found


def key_bits(blob: bytes) -> int | None:
    """Return the size of an RSA modulus or DSA prime; None for kinds with one size. Source: RFC 4253 section 6.6."""
    parts: list[bytes] = []
    at = 0
    while at + 4 <= len(blob) and len(parts) < 3:
        length = int.from_bytes(blob[at : at + 4], "big")
        parts.append(blob[at + 4 : at + 4 + length])
        at += 4 + length
    kind = parts[0] if parts else b""
    number = {b"ssh-rsa": 2, b"ssh-dss": 1}.get(kind)
    return int.from_bytes(parts[number], "big").bit_length() if number is not None and len(parts) > number else None
