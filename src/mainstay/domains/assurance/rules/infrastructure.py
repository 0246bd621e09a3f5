"""The map: devices, what runs and listens on them, who talks to whom, where data lies, and what everything hangs on.

Source: security page, section 5 rule 13. Invariant: an edge is a connection that a device saw; a data store listens or runs, and is one
by its name (a package that merely lies there keeps nothing); nothing is drawn that no fact shows.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any  # rows of fact groups, as agents report them

from mainstay.domains.assurance.rules.facts import Host, NotKnown
from mainstay.domains.assurance.rules.judged import Subject
from mainstay.domains.assurance.rules.matrix import Column, State, System

LISTED_MAX = 500
DEPENDED_ON_BY = 2
LOOPBACK = ("127.", "::1", "localhost")

# The words by which a listening process or a running service shows that it keeps data, and what kind.
_STORES_BY_KIND: Mapping[str, tuple[str, ...]] = {
    "database": (
        "postgres", "postgresql", "mysql", "mysqld", "mariadb", "mariadbd", "mongod", "redis", "redis-server", "clickhouse",
        "clickhouse-server",
    ),
    "search index": ("elasticsearch", "opensearch"),
    "file share": ("smb", "smbd", "samba", "nfs-server", "nfs-kernel-server", "rpc.nfsd"),
    "directory": ("slapd",),
    "mail store": ("dovecot",),
    "object store": ("minio",),
}  # fmt: skip
STORES: Mapping[str, str] = {word: kind for kind, words in _STORES_BY_KIND.items() for word in words}


@dataclass(frozen=True)
class Mapped:
    """A device on the map: its facts, what people said of it, and its row of the matrix."""

    host: Host
    subject: Subject
    system: System
    redundancy: str = ""


def draw(devices: Sequence[Mapped], others: Sequence[System] = ()) -> dict[str, Any]:
    """Return the map as plain data, in a total order."""
    found = sorted(devices, key=lambda one: (one.subject.name, one.subject.id))
    edges = dependencies(found)
    stores = [store for one in found for store in data_stores(one)]
    return {
        "devices": [_device(one) for one in found] + [_system(one) for one in others],
        "services": [row for one in found for row in _services(one)][:LISTED_MAX],
        "software": _software(found),
        "listeners": [row for one in found for row in _listeners(one)][:LISTED_MAX],
        "dependencies": edges[:LISTED_MAX],
        "data_stores": stores,
        "single_points": single_points(found, edges, stores),
        "watched_by": _by(found, Column.MONITORING),
        "protected_by": _by(found, Column.BACKUP),
    }


def dependencies(devices: Sequence[Mapped]) -> list[dict[str, Any]]:
    """Return who uses what, from outgoing connections; an address of a known device is named by the device."""
    names = {address: one.subject.name for one in devices for address in _addresses(one.host)}
    seen: Counter[tuple[str, str, int, str]] = Counter()
    for one in devices:
        for row in rows(one.host, "connections", "connections"):
            peer = str(row.get("peer", ""))
            if row.get("direction") == "out" and peer and not peer.startswith(LOOPBACK):
                edge = (one.subject.name, names.get(peer, peer), int(row.get("peer_port") or 0), str(row.get("process") or ""))
                seen[edge] += int(row.get("count") or 1)
    return [{"from": edge[0], "to": edge[1], "port": edge[2], "process": edge[3], "seen": count} for edge, count in sorted(seen.items())]


def data_stores(one: Mapped) -> list[dict[str, Any]]:
    """Return what keeps data on a device, with whether a backup is known of it."""
    kinds: dict[str, tuple[str, str]] = {}
    for row in rows(one.host, "services", "services"):
        name = str(row.get("unit", "")).removesuffix(".service").partition("@")[0]
        if name in STORES and _runs(row):
            kinds.setdefault(STORES[name], (name, "service"))
    for row in rows(one.host, "sockets", "listening"):
        process = str(row.get("process") or "")
        if process in STORES:
            kinds[STORES[process]] = (process, "listener")
    backed_up = one.system.cell(Column.BACKUP).state is State.CONNECTED
    return [
        {"device": one.subject.name, "kind": kind, "what": what, "seen_as": source, "backed_up": backed_up}
        for kind, (what, source) in sorted(kinds.items())
    ]


def single_points(
    devices: Sequence[Mapped], edges: Iterable[Mapping[str, Any]], stores: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return what would take others with it: depended on and alone, the only name server, data without a backup."""
    found = [*_depended_on(devices, edges), *_only_resolver(devices)]
    found += [
        {"what": f"{one['what']} on {one['device']}", "why": "data_without_backup", "affects": [one["device"]]}
        for one in stores
        if not one["backed_up"]
    ]
    return sorted(found, key=lambda one: (one["why"], one["what"]))


def rows(host: Host, group: str, name: str) -> list[Mapping[str, Any]]:
    """Return a list of a fact group; what is not known draws nothing (the audit's checks say that it is unknown)."""
    try:
        found = host.group(group).get(name)
    except NotKnown:
        return []
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, Sequence) and not isinstance(found, str) else []


def _runs(service: Mapping[str, Any]) -> bool:
    # A unit that did its work and ended ("active/exited", as Debian's umbrella unit of PostgreSQL) has no process that could keep data.
    return service.get("state") == "running" and not str(service.get("detail") or "").startswith("active/exited")


def _depended_on(devices: Sequence[Mapped], edges: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    users: dict[str, set[str]] = {}
    for edge in edges:
        if edge["from"] != edge["to"]:
            users.setdefault(edge["to"], set()).add(edge["from"])
    alone = {one.subject.name for one in devices if not one.redundancy}
    return [
        {"what": name, "why": "others_depend_on_it", "affects": sorted(users[name])}
        for name in sorted(users)
        if name in alone and len(users[name]) >= DEPENDED_ON_BY
    ]


def _only_resolver(devices: Sequence[Mapped]) -> list[dict[str, Any]]:
    using: dict[str, list[str]] = {}
    for one in devices:
        servers = _texts(one.host, "dns_client", "servers")
        if len(servers) == 1 and not servers[0].startswith(LOOPBACK):
            using.setdefault(servers[0], []).append(one.subject.name)
    return [{"what": f"name server {server}", "why": "only_name_server", "affects": sorted(names)} for server, names in using.items()]


def _device(one: Mapped) -> dict[str, Any]:
    system = str(_body(one.host, "os").get("name") or "")
    return {**_place(one.subject), "kind": "device", "role": str(one.subject.role), "os": system, "addresses": sorted(_addresses(one.host))}


def _system(one: System) -> dict[str, Any]:
    return {**_place(one.subject), "kind": "system", "role": "", "os": "", "addresses": []}


def _place(subject: Subject) -> dict[str, Any]:
    return {
        "id": subject.id,
        "name": subject.name,
        "exposure": str(subject.exposure),
        "data": str(subject.data),
        "tier": subject.tier,
        "owner": subject.owner,
        "assumed": list(subject.assumed),
    }


def _services(one: Mapped) -> list[dict[str, Any]]:
    found = (row for row in rows(one.host, "services", "services") if row.get("state") in ("running", "failed"))
    return sorted(
        (
            {
                "device": one.subject.name,
                "unit": str(row.get("unit", "")),
                "state": str(row["state"]),
                "what": str(row.get("description") or ""),
            }
            for row in found
        ),
        key=lambda row: row["unit"],
    )


def _listeners(one: Mapped) -> list[dict[str, Any]]:
    keys = {
        (
            str(row.get("protocol", "")),
            int(row.get("port") or 0),
            str(row.get("address", "")),
            str(row.get("process") or ""),
            str(row.get("package") or ""),
        )
        for row in rows(one.host, "sockets", "listening")
    }
    return [
        {"device": one.subject.name, "protocol": protocol, "port": port, "address": address, "process": process, "package": package}
        for protocol, port, address, process, package in sorted(keys)
    ]


def _software(devices: Sequence[Mapped]) -> dict[str, Any]:
    outside = {program for one in devices for program in _texts(one.host, "audit_unpackaged", "programs")}
    return {
        "packages": sum(len(rows(one.host, "packages", "packages")) for one in devices),
        "outside_packages": sorted(outside)[:LISTED_MAX],
    }


def _by(devices: Sequence[Mapped], column: Column) -> list[dict[str, Any]]:
    return [
        {"device": one.subject.name, "state": str(one.system.cell(column).state), "rule": one.system.cell(column).rule} for one in devices
    ]


def _addresses(host: Host) -> set[str]:
    found = (address for row in rows(host, "net", "interfaces") for address in row.get("addresses", ()) if isinstance(address, Mapping))
    return {text for text in (str(address.get("address", "")) for address in found) if text and not text.startswith((*LOOPBACK, "fe80:"))}


def _texts(host: Host, group: str, name: str) -> list[str]:
    found = _body(host, group).get(name)
    return [text for text in found if isinstance(text, str)] if isinstance(found, Sequence) and not isinstance(found, str) else []


def _body(host: Host, group: str) -> Mapping[str, Any]:
    try:
        return host.group(group)
    except NotKnown:
        return {}
