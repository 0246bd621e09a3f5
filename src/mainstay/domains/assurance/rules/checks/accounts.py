"""Checks on accounts, passwords, keys and who may become root (ACC-01 to 07, 10).

Owns: what is well and what is not. Does not own: how accounts are read (the agent's groups audit_accounts, audit_sudo, audit_keys).
"""

from mainstay.domains.assurance.rules.checks.reading import complete, flag, flag_or_none, rows, text, text_or_none, whole, whole_or_none
from mainstay.domains.assurance.rules.checks.verdicts import counted, not_applicable, unknown, whether
from mainstay.domains.assurance.rules.facts import Host, NotKnown
from mainstay.domains.assurance.rules.results import Result
from mainstay.kernel.json import JsonObject

_GOOD_HASHES = frozenset({"yescrypt", "sha512", "sha256", "bcrypt", "argon2"})
_SHARED_NAMES = frozenset(
    {"admin", "administrator", "backup", "demo", "guest", "office", "service", "shared", "support", "temp", "test", "user"}
)
UNUSED_FOR_S = 90 * 86_400
CLOCK_SLACK_S = 86_400
LENGTH_MIN = 15
RSA_BITS_MIN = 2048


def acc_01(host: Host) -> Result:
    accounts = rows(host.group("audit_accounts"), "accounts")
    if not any(whole(one, "uid") == 0 for one in accounts):
        raise NotKnown("contradictory", "audit_accounts")  # every system has root; a list without it was cut
    twins = [text(one, "name") for one in accounts if whole(one, "uid") == 0 and text(one, "name") != "root"]
    good = f"Of {len(accounts)} accounts only root has user id 0."
    return counted("ACC-01", ("audit_accounts",), total=len(accounts), failing=twins, good=good, bad="User id 0 is also held by")


def acc_02(host: Host) -> Result:
    accounts = _accounts(host)
    empty = [text(one, "name") for one in accounts if text(one, "password") == "empty"]
    good = f"None of {len(accounts)} accounts has an empty password."
    return counted("ACC-02", ("audit_accounts",), total=len(accounts), failing=empty, good=good, bad="No password is asked for")


def acc_03(host: Host) -> Result:
    hashed = [one for one in _accounts(host) if text_or_none(one, "hash") is not None]
    if not hashed:
        return not_applicable("ACC-03", ("audit_accounts",), "no_passwords", "No account has a password.")
    weak = [f"{text(one, 'name')} ({text(one, 'hash')})" for one in hashed if text(one, "hash") not in _GOOD_HASHES]
    good = f"All {len(hashed)} passwords are kept in a form that is slow to guess."
    return counted("ACC-03", ("audit_accounts",), total=len(hashed), failing=weak, good=good, bad="Quick to guess once stolen:")


def acc_04(host: Host) -> Result:
    body = host.group("audit_accounts")
    complete(body, "last_login")
    people = [one for one in _accounts(host) if flag(one, "person") and flag(one, "interactive") and text(one, "password") != "locked"]
    if not people:
        return not_applicable("ACC-04", ("audit_accounts",), "no_people", "No person has an unlocked account here.")
    now = int(host.as_of.timestamp())
    unused = [text(one, "name") for one in people if now - _last_used(one, now) > UNUSED_FOR_S]
    good = f"All {len(people)} accounts of people were used in the last 90 days."
    return counted("ACC-04", ("audit_accounts",), total=len(people), failing=unused, good=good, bad="Unlocked, and unused for 90 days:")


def _last_used(account: JsonObject, now: int) -> int:
    """Return the last sign-in, or for an account that never signed in the day on which it got its password."""
    moments = [one for one in (whole_or_none(account, "last_login"), whole_or_none(account, "changed_at")) if one is not None]
    if not moments:
        raise NotKnown("missing", "last_login")
    if max(moments) > now + CLOCK_SLACK_S:
        raise NotKnown("contradictory", "last_login")
    return max(moments)


def acc_05(host: Host) -> Result:
    people = [one for one in _accounts(host) if flag(one, "person") and flag(one, "interactive") and text(one, "password") != "locked"]
    if not people:
        return not_applicable("ACC-05", ("audit_accounts",), "no_people", "No person has an unlocked account here.")
    known = host.declared.get("people")
    names = [text(one, "name") for one in people]
    if isinstance(known, list | tuple):
        strangers = [name for name in names if name not in known]
    else:
        strangers = [name for name in names if name.lower() in _SHARED_NAMES]
        if not strangers:
            return unknown("ACC-05", ("audit_accounts",), "no_people_list", "Nobody has said to whom the accounts of this host belong.")
    good = f"Each of {len(names)} accounts belongs to one known person."
    return counted("ACC-05", ("audit_accounts",), total=len(names), failing=strangers, good=good, bad="No one person stands behind")


def acc_06(host: Host) -> Result:
    body = host.group("audit_sudo")
    if not flag(body, "present"):
        return not_applicable("ACC-06", ("audit_sudo",), "no_sudo", "sudo is not installed.")
    problems = [
        f"{text(one, 'source')}:{whole(one, 'line')} lets {text(one, 'who')} do everything without a password."
        for one in rows(body, "rules")
        if flag(one, "person") and flag(one, "nopasswd") and flag(one, "all")
    ]
    problems += [f"{text(one, 'path')} may be changed by others than root." for one in rows(body, "files") if flag(one, "loose")]
    if flag_or_none(body, "valid") is False:
        problems.append("visudo finds a mistake in the rules.")
    elif body.get("valid") is None and not problems:
        raise NotKnown("tool_missing", "audit_sudo")
    return whether("ACC-06", ("audit_sudo",), problems=problems, good="Rules ask people for a password and only root may change them.")


def acc_07(host: Host) -> Result:
    body = host.group("audit_passwords")
    complete(body, "min_length", "lockout")
    length, deny = whole_or_none(body, "min_length"), whole_or_none(body, "lockout_deny")
    problems = []
    if length is None or length < LENGTH_MIN:
        problems.append(f"New passwords may be shorter than {LENGTH_MIN} characters ({length if length is not None else 'no limit'}).")
    if not flag(body, "lockout") or deny == 0:
        problems.append("Wrong passwords are never locked out.")
    if flag(body, "null_passwords"):
        problems.append("PAM accepts accounts without a password.")
    return whether(
        "ACC-07", ("audit_passwords",), problems=problems, good=f"Passwords have at least {length} characters; guessing is locked out."
    )


def acc_10(host: Host) -> Result:
    body = host.group("audit_keys")
    complete(body, "keys")
    keys = rows(body, "keys")
    loose = [text(one, "path") for one in rows(body, "files") if flag(one, "loose")]
    if not keys and not loose:
        return not_applicable("ACC-10", ("audit_keys",), "no_keys", "No account has an authorised key.")
    weak = [f"{text(one, 'path')}:{whole(one, 'line')} ({_weakness(one)})" for one in keys if _weakness(one)]
    weak += [f"{path} (may be changed by others)" for path in loose]
    good = f"All {len(keys)} authorised keys are of a sound kind and belong to a known account."
    return counted("ACC-10", ("audit_keys",), total=len(keys) + len(loose), failing=weak, good=good, bad="Keys to replace:")


def _weakness(key: JsonObject) -> str:
    kind, bits = text(key, "type"), whole_or_none(key, "bits")
    if not flag(key, "owner_known"):
        return "unknown owner"
    if kind == "ssh-dss":
        return "DSA"
    if kind == "ssh-rsa":
        if bits is None:
            raise NotKnown("parse_failed", "bits")
        return f"RSA with {bits} bits" if bits < RSA_BITS_MIN else ""
    return "" if kind.removeprefix("sk-").startswith(("ssh-ed25519", "ecdsa-sha2-")) else f"kind {kind}"


def _accounts(host: Host) -> list[JsonObject]:
    accounts = rows(host.group("audit_accounts"), "accounts")
    if not accounts:
        raise NotKnown("contradictory", "audit_accounts")
    return accounts
