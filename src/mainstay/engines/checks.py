"""What `mainstay doctor` asks: one check per question, each with cause and fix.

Owns: the form of a check, and the checks of the machine and the engines. Does not own: checks of domains (they add their own).
Invariant: a check changes nothing, and one that cannot be carried out is a failure with a cause, never a pass.
"""

import importlib.util
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

import mainstay
from mainstay.engines import ports
from mainstay.engines.clickhouse.process import answers_ping
from mainstay.engines.layout import Layout
from mainstay.engines.postgres.examine import examine
from mainstay.engines.status import read_status, supervisor_pid
from mainstay.kernel.errors import MainstayError

_FREE_BYTES_MIN = 2 * 1024**3
_NETWORK_TYPES = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "glusterfs", "ceph", "afs"}
_RESTARTS_WARN = 3


@dataclass(frozen=True)
class Outcome:
    """The answer of a check. `fix` is what a person does next; empty when there is nothing to do."""

    state: Literal["ok", "warn", "fail"]
    cause: str
    fix: str = ""


@dataclass(frozen=True)
class Check:
    """A question with a name."""

    name: str
    run: Callable[[Layout], Outcome]


def examine_all(layout: Layout, checks: Sequence[Check]) -> Iterator[tuple[str, Outcome]]:
    """Yield every outcome; a check that fails to run is a failure with its error."""
    for check in checks:
        try:
            yield check.name, check.run(layout)
        except (MainstayError, OSError) as problem:
            yield check.name, Outcome("fail", str(problem), "put that right, then run mainstay doctor again")


def _python(_layout: Layout) -> Outcome:
    missing = [name for name in ("django", "granian", "clickhouse_connect", "cedarpy") if importlib.util.find_spec(name) is None]
    if missing:
        return Outcome("fail", f"not installed: {', '.join(missing)}", "pip install 'mainstay[server]'")
    return Outcome("ok", f"Python {'.'.join(map(str, sys.version_info[:3]))}, [server] installed")


def _front_end(_layout: Layout) -> Outcome:
    vendor = Path(mainstay.__file__).parent / "ui" / "static" / "vendor"
    if not vendor.is_dir() or not any(vendor.iterdir()):
        return Outcome("fail", f"the front-end files are missing in {vendor}", "run make up once while online")
    return Outcome("ok", "front-end files are there")


def _data_folder(layout: Layout) -> Outcome:
    if not layout.data.exists():
        return Outcome("warn", f"{layout.data} does not exist yet", "mainstay up makes it")
    # While it runs, the folder is in the hands of those who own its parts; the question is whether a start would succeed.
    if supervisor_pid(layout) is None and not os.access(layout.data, os.W_OK | os.X_OK):
        return Outcome("fail", f"{layout.data} is not writable for this user", "name another folder in MAINSTAY_DATA, or change its owner")
    kind = _filesystem_of(layout.data)
    if kind in _NETWORK_TYPES:
        return Outcome("fail", f"{layout.data} lies on a network file system ({kind})", "name a folder of a local disk in MAINSTAY_DATA")
    return Outcome("ok", f"{layout.data} ({kind})")


def _free_space(layout: Layout) -> Outcome:
    free = shutil.disk_usage(_existing(layout.data)).free
    text = f"{free / 1024**3:.1f} GB free"
    if free < _FREE_BYTES_MIN:
        return Outcome("fail", text, "make at least 2 GB free, or name a folder on another disk in MAINSTAY_DATA")
    return Outcome("ok", text)


def _sockets(layout: Layout) -> Outcome:
    if layout.short_run != layout.run:
        return Outcome("ok", f"the path of the data folder is long, so sockets are in {layout.short_run}")
    return Outcome("ok", f"sockets are in {layout.run}")


def _settings(layout: Layout) -> Outcome:
    if not layout.config_file.exists():
        return Outcome("ok", "no mainstay.toml, all defaults")
    return Outcome("ok", f"{layout.config_file} is understood")


def _ports(layout: Layout) -> Outcome:
    if supervisor_pid(layout) is not None:
        return Outcome("ok", f"{layout.port} is ours")
    if ports.is_free(layout.port):
        return Outcome("ok", f"{layout.port} is free")
    return Outcome("fail", f"{layout.port} is used by {ports.holder_of(layout.port)}", "end it, or set MAINSTAY_PORT or web.port")


def _processes(layout: Layout) -> Outcome:
    if supervisor_pid(layout) is None:
        return Outcome("warn", "Mainstay is not running", "mainstay up")
    seen = read_status(layout)["processes"]
    down = [one["name"] for one in seen if one["state"] != "running"]
    if down:
        return Outcome("fail", f"not running: {', '.join(down)}", f"read {layout.log_file(down[0])}")
    often = [f"{one['name']} ({one['restarts']})" for one in seen if one["restarts"] >= _RESTARTS_WARN]
    if often:
        return Outcome("warn", f"restarted often: {', '.join(often)}", f"read the logs in {layout.log}")
    return Outcome("ok", f"{len(seen)} processes, {sum(one['rss_mb'] for one in seen):.0f} MB")


def _database(layout: Layout) -> Outcome:
    if layout.has_embedded_postgres and supervisor_pid(layout) is None:
        return Outcome("warn", "the embedded PostgreSQL is not running", "mainstay up")
    facts = examine(layout.database_url("app"))
    if problem := facts.problem():
        cause, _, fix = problem.partition("; ")
        return Outcome("fail", cause, fix)
    return Outcome("ok", f"PostgreSQL {facts.version // 10000}, role {facts.role}, LISTEN works")


def _telemetry(layout: Layout) -> Outcome:
    kind = "embedded" if layout.has_embedded_telemetry else "external"
    if layout.has_embedded_telemetry and supervisor_pid(layout) is None:
        return Outcome("warn", "the embedded ClickHouse is not running", "mainstay up")
    if not answers_ping(layout.telemetry_url()):
        fix = f"read {layout.log_file('telemetry')}" if layout.has_embedded_telemetry else "check telemetry.url and that server"
        return Outcome("fail", f"the {kind} ClickHouse does not answer", fix)
    return Outcome("ok", f"{kind} ClickHouse answers")


def _separation(layout: Layout) -> Outcome:
    owner = _existing(layout.postgres).stat().st_uid
    if os.geteuid() == 0 or owner != os.geteuid():
        return Outcome("ok", "each process has a system user of its own; only the helper is root")
    return Outcome(
        "warn",
        "one user runs every process: whoever takes over one of them reads the keys of all, and the agent cannot repair",
        "start mainstay up as root, which gives each process a user of its own",
    )


def _key_files(layout: Layout) -> Outcome:
    closed: list[str] = []
    open_to_others = [
        str(path)
        for folder, _names, files in os.walk(layout.keys, onerror=lambda problem: closed.append(str(problem.filename)))
        for path in (Path(folder) / name for name in files)
        if path.stat().st_mode & stat.S_IRWXO
    ]
    if open_to_others:
        return Outcome("fail", f"readable by everybody: {', '.join(open_to_others[:3])}", f"chmod -R o= {layout.keys}")
    if closed:
        return Outcome("ok", f"closed to this process: {len(closed)} of the folders in {layout.keys}")
    return Outcome("ok", "closed to other users")


CHECKS: tuple[Check, ...] = (
    Check("python", _python),
    Check("front end", _front_end),
    Check("settings", _settings),
    Check("data folder", _data_folder),
    Check("free space", _free_space),
    Check("sockets", _sockets),
    Check("ports", _ports),
    Check("processes", _processes),
    Check("database", _database),
    Check("telemetry", _telemetry),
    Check("separation", _separation),
    Check("key files", _key_files),
)


def as_json(outcomes: Sequence[tuple[str, Outcome]]) -> str:
    """Return the outcomes as `mainstay doctor --json` prints them."""
    rows = [{"check": name, "state": one.state, "cause": one.cause, "fix": one.fix} for name, one in outcomes]
    return json.dumps({"ok": all(one.state != "fail" for _name, one in outcomes), "checks": rows})


def _existing(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())


def _filesystem_of(path: Path) -> str:
    """Return the type of the file system that holds a path, by the longest mount point above it."""
    real = str(path.resolve())
    mounts = [
        one for one in psutil.disk_partitions(all=True) if real == one.mountpoint or real.startswith(one.mountpoint.rstrip("/") + "/")
    ]
    return max(mounts, key=lambda one: len(one.mountpoint)).fstype if mounts else "unknown"
