"""Checks on releases, updates and where software comes from (PAT-01 to 07)."""

from urllib.parse import urlsplit

from mainstay.domains.assurance.rules.checks.lifecycle import end_of_security_updates
from mainstay.domains.assurance.rules.checks.reading import complete, flag, flag_or_none, part, rows, text, texts, whole, whole_or_none
from mainstay.domains.assurance.rules.checks.verdicts import counted, not_applicable, whether
from mainstay.domains.assurance.rules.facts import Host, NotKnown
from mainstay.domains.assurance.rules.results import Result
from mainstay.kernel.json import JsonObject

_DAY_S = 86_400
LISTS_AGE_MAX_S = 3 * _DAY_S
REBOOT_WAIT_MAX_S = 7 * _DAY_S
UNATTENDED_AGE_MAX_S = 2 * _DAY_S
_KNOWN_ORIGINS = (
    ".debian.org", ".ubuntu.com", ".kali.org", ".raspberrypi.com", ".raspbian.org", ".redhat.com", ".fedoraproject.org", ".centos.org",
    ".rockylinux.org", ".almalinux.org", ".oracle.com", ".opensuse.org", ".suse.com", ".alpinelinux.org", ".amazonaws.com",
)  # fmt: skip


def pat_01(host: Host) -> Result:
    body = host.group("os")
    system, version, name = text(body, "id"), text(body, "version_id"), text(body, "name")
    end = end_of_security_updates(system, version)
    if end is None:
        raise NotKnown("release_not_in_data", "os")
    problems = [f"{name} gets no security updates since {end.isoformat()}."] if end < host.as_of.date() else []
    return whether("PAT-01", ("os",), problems=problems, good=f"{name} gets security updates until {end.isoformat()}.")


def pat_02(host: Host) -> Result:
    body = host.group("updates")
    if int(host.as_of.timestamp()) - whole(body, "lists_at") > LISTS_AGE_MAX_S:
        raise NotKnown("lists_stale", "updates")
    pending = [text(one, "name") for one in rows(body, "updates") if flag(one, "security")]
    if len(pending) != whole(body, "security_count"):
        raise NotKnown("contradictory", "updates")
    return whether("PAT-02", ("updates",), problems=_pending(pending), good="No security update waits.")


def _pending(names: list[str]) -> list[str]:
    unique = sorted(set(names))
    return [f"{len(unique)} security updates wait: {', '.join(unique[:12])}{' and more' if len(unique) > 12 else ''}."] if unique else []


def pat_03(host: Host) -> Result:
    matches = host.declared.get("kev_matches")
    if not rows(host.group("packages"), "packages"):
        raise NotKnown("contradictory", "packages")
    if not isinstance(matches, list | tuple):
        return not_applicable("PAT-03", ("packages",), "no_exploited_list", "No list of known exploited holes is connected.")
    problems = [f"{name} is known to be exploited and is open here." for name in texts({"found": matches}, "found")]
    return whether("PAT-03", ("packages",), problems=problems, good="No installed package has a hole that is known to be exploited.")


def pat_04(host: Host) -> Result:
    groups = ("reboot_state", "audit_updates")
    state = host.group("reboot_state")
    required = flag_or_none(state, "required")
    if required is None:
        raise NotKnown("not_supported", "reboot_state")
    if not required:
        return whether("PAT-04", groups, problems=(), good="No restart is pending.")
    since = whole_or_none(host.group("audit_updates"), "reboot_flag_at")
    booted = whole_or_none(state, "booted_at")
    begin = since if since is not None else booted
    if begin is None or begin > int(host.as_of.timestamp()) + _DAY_S:
        raise NotKnown("contradictory" if begin else "missing", "reboot_state")
    waited_s = int(host.as_of.timestamp()) - begin
    problems = [f"A restart is pending for {waited_s // _DAY_S} days."] if waited_s > REBOOT_WAIT_MAX_S else []
    return whether("PAT-04", groups, problems=problems, good=f"A restart is pending, for {max(waited_s, 0) // _DAY_S} days only.")


def pat_05(host: Host) -> Result:
    body = part(host.group("audit_updates"), "unattended")
    if host.declared.get("managed_updates") is True:
        return whether("PAT-05", ("audit_updates",), problems=(), good="Updates of this host are run by us.")
    if not flag(body, "installed") or not flag(body, "enabled"):
        return whether("PAT-05", ("audit_updates",), problems=("Nothing installs security updates by itself.",), good="")
    if flag_or_none(body, "timer") is False:
        return whether("PAT-05", ("audit_updates",), problems=("The timer of automatic updates is off.",), good="")
    last, now = whole_or_none(body, "last_success"), int(host.as_of.timestamp())
    if last is None or last > now + _DAY_S:
        raise NotKnown("contradictory" if last else "missing", "last_success")
    problems = [f"Automatic updates last worked {(now - last) // _DAY_S} days ago."] if now - last > UNATTENDED_AGE_MAX_S else []
    return whether("PAT-05", ("audit_updates",), problems=problems, good="Security updates install themselves, last within two days.")


def pat_06(host: Host) -> Result:
    body = host.group("audit_updates")
    complete(body, "origins")
    origins = [one for one in rows(body, "origins") if flag(one, "enabled")]
    if not origins:
        raise NotKnown("nothing_seen", "audit_updates")
    known = host.declared.get("origins")
    prefixes = tuple(texts({"known": known}, "known")) if isinstance(known, list | tuple) else ()
    faults = [(f"{text(one, 'file')}:{whole(one, 'line')}", _origin_fault(one, prefixes)) for one in origins]
    failing = [f"{where} ({fault})" for where, fault in faults if fault]
    if flag(body, "allow_unauthenticated"):
        failing.append("apt.conf (AllowUnauthenticated is on)")
    total = len(origins) + flag(body, "allow_unauthenticated")
    good = f"All {len(origins)} sources of packages are known and signed."
    return counted("PAT-06", ("audit_updates",), total=total, failing=failing, good=good, bad="Sources to mend:")


def _origin_fault(origin: JsonObject, prefixes: tuple[str, ...]) -> str:
    if flag(origin, "trusted"):
        return "signatures are not checked"
    uri = text(origin, "uri")
    if prefixes and uri.startswith(prefixes):
        return ""
    host = urlsplit(uri.removeprefix("mirror+")).hostname or ""
    is_local = uri.startswith(("cdrom:", "file:"))
    return "" if is_local or f".{host}".endswith(_KNOWN_ORIGINS) else f"nobody declared {host or uri}"


def pat_07(host: Host) -> Result:
    body = host.group("audit_unpackaged")
    programs = texts(body, "programs")
    if not programs:
        complete(body, "programs")
        return not_applicable("PAT-07", ("audit_unpackaged",), "no_such_software", "All programs come from packages.")
    owned = host.declared.get("software_owners")
    prefixes = tuple(texts({"owned": owned}, "owned")) if isinstance(owned, list | tuple) else ()
    strays = [path for path in programs if not (prefixes and path.startswith(prefixes))]
    if not strays:
        complete(body, "programs")
    total = whole(body, "count")
    if total < len(programs):
        raise NotKnown("contradictory", "audit_unpackaged")
    good = f"All {total} programs outside the package manager have an owner."
    return counted("PAT-07", ("audit_unpackaged",), total=total, failing=strays, good=good, bad="No package and no owner:")
