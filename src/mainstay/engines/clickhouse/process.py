"""The telemetry process as the supervisor sees it: its port, its secret, its command, whether it answers.

Owns: `run/telemetry.port` and the secret of this start. Invariant: the secret is readable by the telemetry user only; who else
needs it receives the URL in its environment.
"""

import http.client
import os
import secrets
import signal
import socket
import sys
from dataclasses import dataclass
from urllib.parse import urlsplit

from mainstay.engines.accounts import Accounts, launch_argv
from mainstay.engines.layout import Layout, telemetry_url

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class TelemetryProcess:
    """The embedded ClickHouse of one installation."""

    layout: Layout
    accounts: Accounts

    def prepare(self) -> str:
        """Choose a free port and draw a secret for this start; return the URL that other processes use."""
        port = self._port()
        self.layout.telemetry_port_file.write_text(f"{port}\n")
        self.layout.telemetry_port_file.chmod(0o644)
        secret = secrets.token_hex(24)
        path = self.layout.telemetry_secret
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secret + "\n")
        if self.accounts.is_separate:
            os.chown(path, self.accounts.uid_of("telemetry"), self.accounts.gid_of("telemetry"))
        return telemetry_url(port, secret)

    def argv(self) -> list[str]:
        """Return the command of the process; its environment must name the data folder."""
        command = [sys.executable, "-m", "mainstay.engines.clickhouse"]
        return launch_argv(command, user=self.accounts.user_of("telemetry"), needs=[self.layout.data], death_signal=signal.SIGTERM)

    def is_ready(self) -> bool:
        """Tell whether the engine answers."""
        try:
            return answers_ping(f"http://{LOOPBACK}:{int(self.layout.telemetry_port_file.read_text())}")
        except (OSError, ValueError):
            return False

    def _port(self) -> int:
        """Keep the port of the last start where it is free: what still holds the old address then finds us again."""
        try:
            last = int(self.layout.telemetry_port_file.read_text())
        except (OSError, ValueError):
            last = 0
        for port in (last, 0):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((LOOPBACK, port))
                except OSError:
                    continue
                return int(probe.getsockname()[1])
        raise OSError("no free port on the loopback address")


def answers_ping(url: str) -> bool:
    """Tell whether a ClickHouse, embedded or not, answers at a URL."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname or LOOPBACK, parts.port, timeout=2)
        connection.request("GET", "/ping")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
