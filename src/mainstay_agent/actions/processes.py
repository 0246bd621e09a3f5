"""proc.list: print the processes with their cost. Arguments are left out: they may hold secrets."""

import os
import pwd
import sys

from mainstay_agent.actions.program import Request, run, show
from mainstay_agent.host.machine import Machine
from mainstay_agent.samples.own import parse_cpu_ms, parse_rss

PROCESSES_MAX = 2000


def list_processes(_request: Request) -> None:
    machine = Machine()
    pids = [int(name) for name in machine.children("proc") if name.isdigit()]
    rows = [row for pid in sorted(pids)[:PROCESSES_MAX] if (row := _row(machine, pid)) is not None]
    show({"processes": rows, "truncated": len(pids) > PROCESSES_MAX})


def _row(machine: Machine, pid: int) -> dict[str, object] | None:
    try:
        status, stat = machine.read(f"proc/{pid}/status"), machine.read(f"proc/{pid}/stat")
        uid = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None  # it ended while we looked
    fields = stat.rpartition(")")[2].split()
    return {
        "pid": pid,
        "ppid": int(fields[1]),
        "name": stat[stat.index("(") + 1 : stat.rindex(")")],
        "state": fields[0],
        "user": _user(uid),
        "rss_bytes": parse_rss(status),
        "cpu_ms": parse_cpu_ms(stat),
    }


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


if __name__ == "__main__":
    sys.exit(run(list_processes))
