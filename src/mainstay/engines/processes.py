"""The processes of one installation: command, user, environment, and the question that shows each is ready.

Owns: this table. Does not own: their order in time and their restarts (engines.supervisor). The commands name parts of the program
by module, so the engines import none of them. Invariant: a process is given the addresses that it needs, and no other.
"""

import http.client
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mainstay.engines.accounts import Accounts, launch_argv
from mainstay.engines.clickhouse.process import LOOPBACK, TelemetryProcess
from mainstay.engines.layout import SUPERVISED, Layout
from mainstay.engines.postgres.server import PostgresServer
from mainstay.engines.settings import SETTINGS

_DJANGO = {"DJANGO_SETTINGS_MODULE": "mainstay.config.settings"}
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "NO_COLOR")


@dataclass(frozen=True)
class Process:
    """One supervised process. Where nothing can be asked, `is_ready` is None and staying alive is the answer."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    is_ready: Callable[[], bool] | None = None
    before: Callable[[], None] | None = None
    stop_signal: int = signal.SIGTERM
    stop_s: float = 15
    ready_s: float = 60


@dataclass(frozen=True)
class Installation:
    """What every process of one installation is made from."""

    layout: Layout
    accounts: Accounts
    telemetry_url: str

    def postgres(self) -> Process:
        server = PostgresServer(self.layout, self.accounts)
        # Again before each restart: a killed server leaves orphans and a lock file.
        return Process(
            "postgres", server.argv(), self.environment("postgres"), server.is_ready, server.prepare, stop_signal=signal.SIGINT, stop_s=30
        )

    def telemetry(self) -> Process:
        process = TelemetryProcess(self.layout, self.accounts)
        return Process("telemetry", process.argv(), self.environment("telemetry"), process.is_ready, stop_s=30)

    def web(self) -> Process:
        command = granian("--host", LOOPBACK, "--port", str(self.layout.port))
        return Process("web", self.launched("web", command), self.environment("web"), lambda: answers_http(self.layout.port))

    def lan(self) -> Process:
        """The same application behind TLS, for browsers and agents of other machines."""
        certificate, key = self.layout.tls / "server.pem", self.layout.tls / "server.key"
        command = granian(
            *("--host", "0.0.0.0", "--port", str(self.layout.lan_port)),  # noqa: S104 - opened only when the owner asks for it
            *("--ssl-certificate", str(certificate), "--ssl-keyfile", str(key)),
        )
        environment = self.environment("web") | {"MAINSTAY_LISTENER": "tls"}
        return Process("lan", self.launched("web", command), environment, lambda: takes_connections(self.layout.lan_port))

    def worker(self) -> Process:
        return self._python("worker", "mainstay.config.worker")

    def helper(self) -> Process:
        command = [sys.executable, "-m", "mainstay_agent.helper", "--user", self.accounts.user_of("agent")]
        argv = launch_argv(command, may_gain=True)
        return Process("helper", argv, self.environment("helper"), self.layout.helper_socket.exists)

    def agent(self) -> Process:
        command = [sys.executable, "-m", "mainstay_agent", "run"]
        return Process("agent", self.launched("agent", command), self.environment("agent"))

    def environment(self, process: str) -> dict[str, str]:
        """Return the environment of a process: nothing of ours is inherited, everything is said."""
        layout = self.layout
        common = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        common |= {
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONNOUSERSITE": "1",
            # A request of some megabytes is given back to the system when it is over, and not kept for the next one.
            "MALLOC_ARENA_MAX": "2",
            "MALLOC_MMAP_THRESHOLD_": "131072",
            "MALLOC_TRIM_THRESHOLD_": "262144",
            # The same for Arrow's own pool; and no threads of linear algebra, which nothing here uses.
            "ARROW_DEFAULT_MEMORY_POOL": "system",
            "OPENBLAS_NUM_THREADS": "1",
        }
        if process in ("agent", "helper"):
            return common | {
                "MAINSTAY_AGENT_STATE": str(layout.agent),
                "MAINSTAY_HELPER_STATE": str(layout.helper),
                "MAINSTAY_HELPER_SOCKET": str(layout.helper_socket),
                "MAINSTAY_FREEZE_FILE": str(layout.short_run / "helper" / "freeze"),
            }
        common |= {SUPERVISED: "1", "MAINSTAY_DATA": str(layout.data), "MAINSTAY_PORT": str(layout.port)}
        if process == "telemetry":
            return common | self._chosen("telemetry.memory_mb")
        if process == "postgres":
            return common
        keys = ["database.url", "web.hosts", "web.label", "web.demo", "web.lan", "web.lan_port"] + (
            ["database.ledger_url"] if process == "worker" else []
        )
        return common | _DJANGO | self._chosen(*keys) | {"MAINSTAY_TELEMETRY_URL": self.telemetry_url}

    def launched(self, process: str, command: Sequence[str]) -> list[str]:
        """Return the command as the process's own user, ending with the supervisor."""
        return launch_argv(command, user=self.accounts.user_of(process), needs=self.needs())

    def needs(self) -> list[Path]:
        return [self.layout.data, self.layout.short_run]

    def _python(self, name: str, module: str) -> Process:
        return Process(name, self.launched(name, [sys.executable, "-m", module]), self.environment(name))

    def _chosen(self, *keys: str) -> dict[str, str]:
        values = {setting.variable: self.layout.settings[setting.key] for setting in SETTINGS if setting.key in keys}
        return {name: ",".join(value) if isinstance(value, tuple) else str(value) for name, value in values.items() if value}


def granian(*listener: str) -> list[str]:
    """Return the command of an ASGI server for a listener."""
    command = [sys.executable, "-m", "granian", "--interface", "asgi", *listener]
    command += ["--workers", "1", "--runtime-mode", "st", "--loop", "asyncio", "--no-ws", "--log-level", "warning"]
    return [*command, "--workers-kill-timeout", "10", "mainstay.config.asgi:application"]


def takes_connections(port: int) -> bool:
    """Tell whether something listens on a port of this machine."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=5):
            return True
    except OSError:
        return False


def answers_http(port: int) -> bool:
    """Tell whether the web process answers, whatever it answers."""
    try:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
        connection.request("GET", "/", headers={"Host": "localhost"})
        return connection.getresponse().status < http.client.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
