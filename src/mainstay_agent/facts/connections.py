"""Who talks with whom: established connections, summed up per peer.

Owns: group connections, from which the map draws dependencies.
Does not own: listening sockets (`network`).
Invariant: what stays on this machine is left out, and one line stands for all connections of the same kind.
"""

from mainstay_agent.facts.network import decode_address, owners_of, user_name
from mainstay_agent.facts.value import Fields, Value, with_unknown
from mainstay_agent.host.machine import Machine

_ESTABLISHED = "01"
_LISTEN = "0A"
CONNECTIONS_MAX = 500
_ROWS_MAX = 20_000


def connections(machine: Machine) -> Fields:
    rows: list[tuple[str, int, str, int, int, str]] = []
    listening: set[int] = set()
    for name in ("tcp", "tcp6"):
        text = machine.read("proc/net/" + name) if machine.path(f"proc/net/{name}").exists() else ""
        parsed, ports = parse_established(text)
        rows += parsed
        listening |= ports
    owners = owners_of(machine, {row[5] for row in rows[:_ROWS_MAX]})
    summed: dict[tuple[str, int, str, int, str | None, str | None], int] = {}
    for _local, port, peer, peer_port, uid, inode in rows[:_ROWS_MAX]:
        is_inward = port in listening
        key = (
            "in" if is_inward else "out",
            port if is_inward else 0,
            peer,
            0 if is_inward else peer_port,
            owners.get(inode, (0, None, None))[1],
            user_name(uid),
        )
        summed[key] = summed.get(key, 0) + 1
    listed: list[Value] = [_fields(key, count) for key, count in sorted(summed.items(), key=lambda item: [str(part) for part in item[0]])]
    is_partial = not machine.is_root and any(key[4] is None for key in summed)
    fields: Fields = {"connections": listed[:CONNECTIONS_MAX], "truncated": len(listed) > CONNECTIONS_MAX}
    return with_unknown(fields, {"process": "needs_helper"} if is_partial else {})


def _fields(key: tuple[str, int, str, int, str | None, str | None], count: int) -> Fields:
    direction, port, peer, peer_port, process, user = key
    return {
        "protocol": "tcp",
        "direction": direction,
        "local_port": port or None,
        "peer": peer,
        "peer_port": peer_port or None,
        "process": process,
        "user": user,
        "count": count,
    }


def parse_established(text: str) -> tuple[list[tuple[str, int, str, int, int, str]], set[int]]:
    """Parse /proc/net/tcp[6]: established connections beyond this machine, and the ports that listen."""
    found: list[tuple[str, int, str, int, int, str]] = []
    listening: set[int] = set()
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10:
            continue
        local, port = fields[1].split(":")
        if fields[3] == _LISTEN:
            listening.add(int(port, 16))
        if fields[3] != _ESTABLISHED:
            continue
        peer, peer_port = fields[2].split(":")
        here, there = decode_address(local), _plain(decode_address(peer))
        if not there.startswith("127.") and there not in ("::1", _plain(here)):
            found.append((here, int(port, 16), there, int(peer_port, 16), int(fields[7]), fields[9]))
    return found, listening


def _plain(address: str) -> str:
    """Return an IPv4 address that was mapped into IPv6 as what it is."""
    return address.removeprefix("::ffff:")
