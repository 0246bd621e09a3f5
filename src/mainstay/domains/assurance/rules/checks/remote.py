"""Checks on remote access and the network (NET-01, 03 to 08)."""

from mainstay.domains.assurance.rules.checks.reading import complete, flag, part, part_or_none, rows, text, text_or_none, whole
from mainstay.domains.assurance.rules.checks.verdicts import counted, not_applicable, whether
from mainstay.domains.assurance.rules.facts import Host, NotKnown, Role
from mainstay.domains.assurance.rules.results import Result
from mainstay.kernel.json import JsonObject

# What each role may offer without anybody saying so; all else is to be declared or closed.
_ROLE_LISTENERS: dict[Role, frozenset[tuple[str, int]]] = {
    Role.SERVER: frozenset({("tcp", 22), ("tcp", 80), ("tcp", 443), ("udp", 443)}),
    Role.WORKSTATION: frozenset({("udp", 5353)}),
    Role.LAPTOP: frozenset({("udp", 5353)}),
    Role.ROUTER: frozenset({("tcp", 22), ("tcp", 53), ("udp", 53), ("udp", 67), ("udp", 547)}),
}
_CLIENT_SOCKETS = frozenset({("udp", 68), ("udp", 546), ("udp", 123), ("udp", 323)})  # DHCP and time clients
_EPHEMERAL_FROM = 32_768
_ROOT_OK = frozenset({"no", "prohibit-password", "without-password", "forced-commands-only"})
_WEAK_WORDS = ("cbc", "arcfour", "3des", "md5", "group1-")
AUTH_TRIES_MAX = 4
_OLD_SERVICES = frozenset(
    {
        "telnetd", "inetutils-telnetd", "telnetd-ssl", "telnet-server", "rsh-server", "rsh-redone-server", "rsh", "tftpd", "tftpd-hpa",
        "atftpd", "tftp-server", "ypserv", "nis", "talkd", "fingerd",
    }
)  # fmt: skip
_KERNEL_NET = {
    "net.ipv4.conf.all.accept_redirects": ("0",),
    "net.ipv6.conf.all.accept_redirects": ("0",),
    "net.ipv4.conf.all.accept_source_route": ("0",),
    "net.ipv4.conf.all.rp_filter": ("1", "2"),
    "net.ipv4.tcp_syncookies": ("1", "2"),
}
_FORWARDING = {"net.ipv4.ip_forward": ("0",)}


def net_01(host: Host) -> Result:
    body = host.group("sockets")
    declared = _declared_listeners(host)
    open_to_others = [one for one in rows(body, "listening") if not _is_loopback(text(one, "address")) and not _is_client(one)]
    if not open_to_others:
        return whether("NET-01", ("sockets",), problems=(), good="Nothing listens beyond this host.")
    strangers = {_listener(one) for one in open_to_others if (text(one, "protocol"), whole(one, "port")) not in declared}
    total = len({_listener(one) for one in open_to_others})
    good = f"All {total} listeners are declared for this host."
    return counted("NET-01", ("sockets",), total=total, failing=strangers, good=good, bad="Reachable, and nobody declared it:")


def _declared_listeners(host: Host) -> set[tuple[str, int]]:
    said = host.declared.get("listeners")
    if not isinstance(said, list | tuple):
        return set(_ROLE_LISTENERS[host.role])
    found = rows({"listeners": said}, "listeners")
    return {(text(one, "protocol"), whole(one, "port")) for one in found} | set(_ROLE_LISTENERS[host.role])


def _is_loopback(address: str) -> bool:
    return address.startswith(("127.", "::ffff:127.")) or address == "::1"


def _is_client(socket: JsonObject) -> bool:
    protocol, port = text(socket, "protocol"), whole(socket, "port")
    return (protocol, port) in _CLIENT_SOCKETS or (protocol == "udp" and port >= _EPHEMERAL_FROM)


def _listener(socket: JsonObject) -> str:
    process = socket.get("process")
    return f"{text(socket, 'protocol')}/{whole(socket, 'port')}" + (f" ({process})" if isinstance(process, str) else "")


def net_03(host: Host) -> Result:
    body = host.group("firewall")
    default = text_or_none(body, "input_default")
    problems = [] if default in ("drop", "reject") else ["Packets to this host are accepted unless a rule refuses them."]
    return whether("NET-03", ("firewall",), problems=problems, good=f"Incoming packets meet “{default}” unless a rule lets them in.")


def net_04(host: Host) -> Result:
    settings = _ssh(host)
    if settings is None:
        return not_applicable("NET-04", ("audit_ssh",), "no_ssh_server", "No SSH server is installed.")
    root = text(settings, "permitrootlogin")
    problems = [] if root in _ROOT_OK else [f"PermitRootLogin is “{root}”."]
    return whether("NET-04", ("audit_ssh",), problems=problems, good=f"PermitRootLogin is “{root}”.")


def net_05(host: Host) -> Result:
    settings = _ssh(host)
    if settings is None:
        return not_applicable("NET-05", ("audit_ssh",), "no_ssh_server", "No SSH server is installed.")
    wrong = [f"{shown} is on." for key, shown in _SSH_PASSWORDS.items() if text(settings, key) != "no"]
    return whether("NET-05", ("audit_ssh",), problems=wrong, good="Only keys open an SSH session; empty passwords are refused.")


_SSH_PASSWORDS = {"passwordauthentication": "PasswordAuthentication", "permitemptypasswords": "PermitEmptyPasswords"}


def net_06(host: Host) -> Result:
    settings = _ssh(host)
    if settings is None:
        return not_applicable("NET-06", ("audit_ssh",), "no_ssh_server", "No SSH server is installed.")
    tries = text(settings, "maxauthtries")
    if not tries.isdigit():
        raise NotKnown("parse_failed", "audit_ssh")
    problems = [f"MaxAuthTries is {tries}."] if int(tries) > AUTH_TRIES_MAX else []
    offered = [name for key in ("ciphers", "macs", "kexalgorithms") for name in text(settings, key).split(",")]
    weak = [name for name in offered if any(word in name for word in _WEAK_WORDS)]
    problems += [f"The outdated algorithm {name} is offered." for name in weak]
    return whether("NET-06", ("audit_ssh",), problems=problems, good=f"At most {tries} tries and only current algorithms.")


def _ssh(host: Host) -> "JsonObject | None":
    """Return the effective settings of the SSH server, or None where there is none."""
    body = host.group("audit_ssh")
    if not flag(body, "installed"):
        return None
    complete(body, "settings")
    return part(body, "settings")


def net_07(host: Host) -> Result:
    groups = ("packages", "audit_services")
    names = {text(one, "name") for one in rows(host.group("packages"), "packages")}
    if not names:
        raise NotKnown("contradictory", "packages")
    problems = [f"{name} is installed." for name in sorted(names & _OLD_SERVICES)]
    snmp = part_or_none(host.group("audit_services"), "snmp")
    if snmp is not None and flag(snmp, "present") and (flag(snmp, "default_community")):
        problems.append("SNMP answers to the community “public” or “private”.")
    return whether("NET-07", groups, problems=problems, good="No service that sends passwords in the clear is installed.")


def net_08(host: Host) -> Result:
    values = part(host.group("audit_sysctl"), "values")
    wanted = _KERNEL_NET | ({} if host.role is Role.ROUTER else _FORWARDING)
    present = {key: value for key in wanted if (value := text_or_none(values, key)) is not None}
    missing = [key for key in wanted if key not in present and not key.startswith("net.ipv6.")]  # IPv6 may be switched off
    if missing:
        raise NotKnown("missing", missing[0])
    wrong = [f"{key}={value}" for key, value in present.items() if value not in wanted[key]]
    good = f"All {len(present)} network settings of the kernel are as they should be."
    return counted("NET-08", ("audit_sysctl",), total=len(present), failing=wrong, good=good, bad="Kernel settings to change:")
