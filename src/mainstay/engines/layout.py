"""Where everything of one installation is, and how its parts reach each other.

Owns: the paths in the data folder, the derived database and telemetry addresses, the names of the system users.
Does not own: making folders (engines.ground) or starting anything. Invariant: reading a layout changes nothing on disk.
"""

import hashlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import psutil

from mainstay.engines.settings import Value, read_settings
from mainstay.kernel.errors import Invalid, Unavailable

Role = Literal["app", "owner", "ledger", "backup", "admin"]

DATABASE = "mainstay"
SUPERVISED = "MAINSTAY_SUPERVISED"
# The role `admin` is the cluster's superuser: the adapter alone uses it, to make the other roles.
ROLES: Mapping[Role, str] = {
    "app": "mainstay_app",
    "owner": "mainstay_owner",
    "ledger": "mainstay_ledger",
    "backup": "mainstay_backup",
    "admin": "postgres",
}
PROCESSES = ("postgres", "telemetry", "web", "lan", "worker", "agent", "helper")
SYSTEM_USERS: Mapping[str, str] = {
    "postgres": "mainstay-db",
    "telemetry": "mainstay-telemetry",
    "web": "mainstay-web",
    "worker": "mainstay-worker",
    "agent": "mainstay-agent",
}
# sockaddr_un holds 108 bytes; the name that PostgreSQL appends takes the rest.
_SOCKET_DIR_CHARS_MAX = 100 - len("/.s.PGSQL.5432")


@dataclass(frozen=True)
class DatabaseAddress:
    """The parts of a PostgreSQL URL. An empty host is libpq's default; one that begins with "/" is a socket folder."""

    name: str
    user: str
    password: str
    host: str
    port: int
    options: Mapping[str, str]

    @classmethod
    def parse(cls, url: str) -> "DatabaseAddress":
        """Read a URL. Errors: Invalid("engines.database_url_invalid"), without the password in the sentence."""
        try:
            parts = urlsplit(url)
            port = parts.port or 5432
        except ValueError as problem:
            raise Invalid("engines.database_url_invalid", f"the database URL cannot be read: {problem}") from problem
        options = dict(parse_qsl(parts.query))
        name = unquote(parts.path.lstrip("/")) or options.pop("dbname", "")
        if not name:
            raise Invalid("engines.database_url_invalid", "the database URL names no database; write postgresql://user@host/name")
        host = options.pop("host", "") or unquote(parts.hostname or "")
        user = unquote(parts.username or "") or options.pop("user", "")
        return cls(name, user, unquote(parts.password or ""), host, int(options.pop("port", port)), options)


@dataclass(frozen=True)
class Layout:
    """One installation: its data folder and the operator's choices."""

    data: Path
    settings: Mapping[str, Value]

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "Layout":
        """Read `MAINSTAY_DATA`, `mainstay.toml` in it, and the other variables. Errors: Invalid, naming file and line."""
        environ = os.environ if environ is None else environ
        data = Path(environ.get("MAINSTAY_DATA") or default_data(environ)).expanduser().absolute()
        # A supervised process is given every choice by its environment: the file may hold passwords that are not for it.
        file = None if environ.get(SUPERVISED) else data / "mainstay.toml"
        return cls(data, read_settings(file, environ))

    # --- folders and files ---------------------------------------------------------------------------------------------

    @property
    def config_file(self) -> Path:
        return self.data / "mainstay.toml"

    @property
    def run(self) -> Path:
        return self.data / "run"

    @property
    def status_file(self) -> Path:
        return self.run / "status.json"

    @property
    def lock_file(self) -> Path:
        return self.run / "supervisor.lock"

    @property
    def telemetry_port_file(self) -> Path:
        return self.run / "telemetry.port"

    @property
    def log(self) -> Path:
        return self.data / "log"

    @property
    def postgres(self) -> Path:
        return self.data / "postgres"

    @property
    def telemetry(self) -> Path:
        return self.data / "telemetry"

    @property
    def keys(self) -> Path:
        return self.data / "keys"

    @property
    def tls(self) -> Path:
        return self.data / "tls"

    @property
    def agent(self) -> Path:
        return self.data / "agent"

    @property
    def helper(self) -> Path:
        return self.data / "helper"

    @property
    def secrets(self) -> Path:
        return self.data / "secrets"

    @property
    def blobs(self) -> Path:
        return self.data / "blobs"

    @property
    def static_root(self) -> Path:
        return self.data / "static"

    @property
    def telemetry_secret(self) -> Path:
        return self.keys / "telemetry" / "secret"

    @property
    def helper_socket(self) -> Path:
        return self.short_run / "helper" / "helper.sock"

    def log_file(self, process: str) -> Path:
        return self.log / f"{process}.log"

    def spool(self, process: str) -> Path:
        return self.data / "spool" / process

    @property
    def short_run(self) -> Path:
        """The folder of sockets: `run`, or a short one under /tmp when the path would not fit into a socket address."""
        if len(os.fsencode(self.run / "postgres")) <= _SOCKET_DIR_CHARS_MAX:
            return self.run
        # Every process of the installation must find the same folder, so its name follows from the data folder alone.
        return Path("/tmp") / f"mainstay-{self.instance}"  # noqa: S108 - ownership is checked where it is made

    @property
    def socket_dir(self) -> Path:
        """The folder of PostgreSQL's socket."""
        return self.short_run / "postgres"

    # --- identity and addresses ----------------------------------------------------------------------------------------

    @property
    def instance(self) -> str:
        """A short name that two installations on one machine do not share (cookies, socket folders)."""
        return hashlib.sha256(os.fsencode(self.data)).hexdigest()[:10]

    @property
    def port(self) -> int:
        return int(str(self.settings["web.port"]))

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def has_lan(self) -> bool:
        return bool(self.settings["web.lan"])

    @property
    def lan_port(self) -> int:
        return int(str(self.settings["web.lan_port"]))

    @property
    def is_tls_listener(self) -> bool:
        """Whether this process serves behind TLS; the supervisor says so to the process that does."""
        return os.environ.get("MAINSTAY_LISTENER") == "tls"

    @property
    def lan_url(self) -> str:
        """The address at which another machine joins."""
        return f"https://{self.extra_hosts[0]}:{self.lan_port}"

    @property
    def extra_hosts(self) -> list[str]:
        """Host names besides loopback that are answered and stand in the certificate: those set, else this machine's own with `--lan`."""
        hosts = self.settings["web.hosts"]
        named = list(hosts) if isinstance(hosts, tuple) else []
        return named or (own_names() if self.has_lan else [])

    @property
    def has_embedded_postgres(self) -> bool:
        return not self.settings["database.url"]

    @property
    def has_embedded_telemetry(self) -> bool:
        return not self.settings["telemetry.url"]

    def database_url(self, role: Role) -> str:
        """Return the URL for a role.

        Errors: Invalid("engines.database_url_missing") where an external server is set without an address for this role.
        """
        if self.has_embedded_postgres:
            return f"postgresql://{ROLES[role]}@/{DATABASE}?host={quote(str(self.socket_dir), safe='/')}"
        key = "database.url" if role == "app" else f"database.{role}_url"
        url = str(self.settings.get(key, ""))
        if not url:
            raise Invalid("engines.database_url_missing", f"an external database needs {key} in {self.config_file} as well")
        return url

    def database(self, role: Role) -> dict[str, object]:
        """Return Django's settings of the database for a role."""
        address = DatabaseAddress.parse(self.database_url(role))
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": address.name,
            "USER": address.user,
            "PASSWORD": address.password,
            "HOST": address.host,
            "PORT": str(address.port),
            "OPTIONS": dict(address.options),
            "CONN_MAX_AGE": 0,
        }

    def telemetry_url(self) -> str:
        """Return the URL of the telemetry engine, with its credentials.

        Errors: Unavailable("engines.telemetry_not_started") for an embedded engine that was never started here.
        """
        if not self.has_embedded_telemetry:
            return str(self.settings["telemetry.url"])
        try:
            port = int(self.telemetry_port_file.read_text())
            secret = self.telemetry_secret.read_text().strip()
        except (OSError, ValueError) as problem:
            raise Unavailable(
                "engines.telemetry_not_started", f"the telemetry engine was not started; run mainstay up ({problem})"
            ) from problem
        return telemetry_url(port, secret)


def own_names() -> list[str]:
    """Return the host name of this machine and its addresses that others can reach, in a stable order."""
    found = (entry.address for entries in psutil.net_if_addrs().values() for entry in entries if entry.family == socket.AF_INET)
    return [socket.gethostname(), *sorted(address for address in found if not address.startswith("127."))]


def telemetry_url(port: int, secret: str) -> str:
    """Return the address of an embedded engine on loopback."""
    return f"http://mainstay:{secret}@127.0.0.1:{port}/{DATABASE}"


def default_data(environ: Mapping[str, str]) -> str:
    """Return the data folder where none is named: `var` in a clone, the system's for root, the person's own otherwise."""
    clone = Path(__file__).resolve().parents[3]
    if (clone / "Makefile").is_file() and (clone / "pyproject.toml").is_file():
        return str(clone / "var")
    if os.geteuid() == 0:
        return "/var/lib/mainstay"
    home = environ.get("XDG_DATA_HOME") or f"{environ.get('HOME', '~')}/.local/share"
    return f"{home}/mainstay"
