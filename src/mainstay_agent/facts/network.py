"""The network as the machine sees it.

Owns: groups net, routes, dns_client, sockets, firewall.
Does not own: traffic (`samples.network`), reachability (probes).
"""

import ipaddress
import json
import os
import pwd
import re
import struct

from mainstay_agent.facts.value import Fields, Unknown, Value, with_unknown
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.subprocesses import ToolMissing

_LISTEN = "0A"
_UNCONNECTED = "07"
_FAMILIES = {"inet": "ipv4", "inet6": "ipv6"}
_KINDS = {
    "bridge": "bridge",
    "bond": "bond",
    "vlan": "vlan",
    "tun": "tunnel",
    "wireguard": "tunnel",
    "ipip": "tunnel",
    "gre": "tunnel",
    "sit": "tunnel",
}
SOCKETS_MAX = 2000


def interfaces(machine: Machine) -> Fields:
    try:
        output = machine.run("ip", "-json", "-details", "address", "show")
    except ToolMissing as problem:
        raise Unknown("tool_missing") from problem
    found = parse_addresses(output.stdout)
    for one in found:
        speed = machine.read_or_none(f"sys/class/net/{one['name']}/speed") or ""
        one["speed_mbps"] = int(speed) if speed.isdigit() else None
        if machine.path(f"sys/class/net/{one['name']}/wireless").is_dir():
            one["kind"] = "wireless"
    return {"interfaces": [*found], "hostname": machine.read_or_none("proc/sys/kernel/hostname")}


def parse_addresses(text: str) -> list[Fields]:
    """Parse `ip -json -details address show`."""
    return [
        {
            "name": link["ifname"],
            "mac": link.get("address") if link.get("link_type") == "ether" else None,
            "mtu": link.get("mtu"),
            "state": {"UP": "up", "DOWN": "down"}.get(link.get("operstate", ""), "unknown"),
            "kind": _link_kind(link),
            "addresses": [
                {"address": one["local"], "prefix": one["prefixlen"], "family": _FAMILIES[one["family"]]}
                for one in link.get("addr_info", [])
                if one.get("family") in _FAMILIES and "local" in one
            ],
        }
        for link in json.loads(text)
        if "ifname" in link
    ]


def _link_kind(link: dict[str, object]) -> str:
    if link.get("link_type") == "loopback":
        return "loopback"
    info = link.get("linkinfo")
    kind = info.get("info_kind") if isinstance(info, dict) else None
    if isinstance(kind, str):
        return _KINDS.get(kind, "virtual")
    return "ethernet" if link.get("link_type") == "ether" else "tunnel"


def routes(machine: Machine) -> Fields:
    try:
        both = [("ipv4", machine.run("ip", "-json", "-4", "route", "show")), ("ipv6", machine.run("ip", "-json", "-6", "route", "show"))]
    except ToolMissing as problem:
        raise Unknown("tool_missing") from problem
    return {"routes": [route for family, output in both for route in parse_routes(output.stdout, family)]}


def parse_routes(text: str, family: str) -> list[Value]:
    found: list[Value] = []
    for row in json.loads(text or "[]"):
        destination, _, prefix = row["dst"].partition("/")
        if destination == "default":
            destination, prefix = ("0.0.0.0" if family == "ipv4" else "::"), "0"  # noqa: S104 a route, not a socket
        width = "32" if family == "ipv4" else "128"
        gateway = row.get("gateway")
        found.append(
            {
                "family": family,
                "destination": destination,
                "prefix": int(prefix or width),
                "gateway": gateway if isinstance(gateway, str) else None,
                "interface": row.get("dev"),
                "metric": row.get("metric", 0),
            }
        )
    return found


def resolver(machine: Machine) -> Fields:
    try:
        return parse_resolv_conf(machine.read("etc/resolv.conf"))
    except OSError as problem:
        raise Unknown("not_supported") from problem


def parse_resolv_conf(text: str) -> Fields:
    servers: list[Value] = []
    search: list[Value] = []
    options: list[Value] = []
    for line in text.splitlines():
        keyword, *values = line.split("#")[0].split(";")[0].split() or [""]
        if keyword == "nameserver":
            servers += values[:1]
        elif keyword in ("search", "domain"):
            search = [*values]
        elif keyword == "options":
            options += values
    return {"servers": servers, "search": search, "options": options}


def listening_sockets(machine: Machine) -> Fields:
    rows: list[Fields] = []
    inodes: list[str] = []
    for protocol, family in (("tcp", "ipv4"), ("tcp6", "ipv6"), ("udp", "ipv4"), ("udp6", "ipv6")):
        for row, inode in parse_sockets(machine.read_or_none(f"proc/net/{protocol}") or "", protocol.rstrip("6"), family):
            rows.append(row)
            inodes.append(inode)
    owners = owners_of(machine, set(inodes[:SOCKETS_MAX]))
    packages = _packages(machine, {exe for _, _, exe in owners.values() if exe})
    for row, inode in zip(rows, inodes, strict=True):
        pid, name, exe = owners.get(inode, (None, None, None))
        row |= {"pid": pid, "process": name, "package": packages.get(exe or "")}
    is_partial = any(row["pid"] is None for row in rows) and not machine.is_root
    return with_unknown({"listening": [*rows[:SOCKETS_MAX]]}, {"pid": "needs_helper"} if is_partial else {})


def parse_sockets(text: str, protocol: str, family: str) -> list[tuple[Fields, str]]:
    """Parse /proc/net/{tcp,udp}[6]: listening TCP and unconnected UDP sockets, each with its inode."""
    wanted = _LISTEN if protocol == "tcp" else _UNCONNECTED
    found: list[tuple[Fields, str]] = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != wanted:
            continue
        address, _, port = fields[1].partition(":")
        uid = int(fields[7])
        row: Fields = {
            "protocol": protocol,
            "family": family,
            "address": decode_address(address),
            "port": int(port, 16),
            "uid": uid,
            "user": user_name(uid),
        }
        found.append((row, fields[9]))
    return found


def decode_address(text: str) -> str:
    """Decode the kernel's hexadecimal address: 32-bit words in host byte order."""
    packed = b"".join(struct.pack("=I", int(text[at : at + 8], 16)) for at in range(0, len(text), 8))
    return str(ipaddress.ip_address(packed))


def user_name(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def owners_of(machine: Machine, inodes: set[str]) -> dict[str, tuple[int, str | None, str | None]]:
    """Find which process holds each socket; only our own processes are visible without root."""
    owners: dict[str, tuple[int, str | None, str | None]] = {}
    for pid in (name for name in machine.children("proc") if name.isdigit()):
        for descriptor in machine.children(f"proc/{pid}/fd"):
            target = _link(machine, f"proc/{pid}/fd/{descriptor}") or ""
            inode = target[8:-1] if target.startswith("socket:[") else ""
            if inode in inodes and inode not in owners:
                owners[inode] = int(pid), machine.read_or_none(f"proc/{pid}/comm"), _link(machine, f"proc/{pid}/exe")
    return owners


def _link(machine: Machine, name: str) -> str | None:
    try:
        return os.readlink(machine.path(name))
    except OSError:
        return None


def _packages(machine: Machine, programs: set[str]) -> dict[str, str]:
    if not programs:
        return {}
    try:
        return parse_owners(machine.run("dpkg-query", "--search", *sorted(programs)).stdout)
    except ToolMissing:
        return {}


def parse_owners(text: str) -> dict[str, str]:
    """Parse `dpkg-query --search`: `package[:arch][, package]: path`; diversion lines are no owners."""
    owners: dict[str, str] = {}
    for line in text.splitlines():
        names, separator, path = line.partition(": ")
        if separator and not line.startswith("diversion "):
            owners[path] = names.split(",")[0].partition(":")[0]
    return owners


def firewall(machine: Machine) -> Fields:
    if not machine.is_root:
        raise Unknown("needs_helper")
    fields = _nftables(machine) or _iptables(machine)
    if fields is None:
        raise Unknown("tool_missing")
    ufw = machine.read_or_none("etc/ufw/ufw.conf")
    fields["ufw"] = None if ufw is None else "ENABLED=yes" in ufw
    fields["firewalld"] = machine.path("run/firewalld").exists() if machine.path("usr/sbin/firewalld").exists() else None
    return fields


def _nftables(machine: Machine) -> Fields | None:
    try:
        output = machine.run("nft", "--json", "list", "ruleset")
    except ToolMissing:
        return None
    return parse_nft(output.stdout) if output.code == 0 else None


def parse_nft(text: str) -> Fields:
    """Parse `nft --json list ruleset`; the policy is that of the base chain at hook input."""
    entries = json.loads(text).get("nftables", [])
    inputs = [entry["chain"] for entry in entries if entry.get("chain", {}).get("hook") == "input"]
    policies = {chain.get("policy", "accept") for chain in inputs}
    rules = sum("rule" in entry for entry in entries)
    policy = "drop" if "drop" in policies else "accept" if policies else None
    default = "drop" if policy == "drop" else _last_word(entries, inputs) or policy
    return {
        "active": rules > 0 or policy == "drop",
        "kind": "nftables",
        "rules": rules,
        "input_policy": policy,
        "input_default": default or "accept",
    }


def _last_word(entries: list[dict[str, dict[str, object]]], inputs: list[dict[str, object]]) -> str | None:
    """Return `drop` or `reject` when an input chain ends in that for every packet, as firewalld's does."""
    names = {(chain.get("family"), chain.get("table"), chain.get("name")) for chain in inputs}
    rules = [entry["rule"] for entry in entries if "rule" in entry]
    last = {key: rule for rule in rules if (key := (rule.get("family"), rule.get("table"), rule.get("chain"))) in names}
    for rule in last.values():
        body = rule.get("expr")
        words = [next(iter(one)) for one in body if isinstance(one, dict)] if isinstance(body, list) else []
        if words and words[-1] in ("drop", "reject") and not set(words[:-1]) - {"counter", "log"}:
            return str(words[-1])
    return None


def _iptables(machine: Machine) -> Fields | None:
    try:
        output = machine.run("iptables-save")
    except ToolMissing:
        return None
    return parse_iptables(output.stdout) if output.code == 0 else None


def parse_iptables(text: str) -> Fields:
    rules = len(re.findall(r"^-A ", text, re.MULTILINE))
    match = re.search(r"^:INPUT (ACCEPT|DROP)", text, re.MULTILINE)
    policy = match.group(1).lower() if match else None
    appended = re.findall(r"^-A INPUT (.*)$", text, re.MULTILINE)
    ends = re.fullmatch(r"-j (DROP|REJECT)\b.*", appended[-1]) if appended else None
    default = "drop" if policy == "drop" else ends.group(1).lower() if ends else policy or "accept"
    return {"active": rules > 0 or policy == "drop", "kind": "iptables", "rules": rules, "input_policy": policy, "input_default": default}
