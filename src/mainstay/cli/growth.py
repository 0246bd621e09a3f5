"""`mainstay db provision` and `mainstay install-service`: the two steps by which an installation outgrows a terminal.

Owns: arguments and what is printed. Does not own: roles (engines.postgres.provision), or what systemd does with the unit.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from mainstay.cli.processes import database
from mainstay.engines.layout import DATABASE, Layout, Role
from mainstay.engines.postgres.provision import provision
from mainstay.kernel.errors import Invalid, Refused

UNIT = Path("/etc/systemd/system/mainstay.service")
_SETTINGS: dict[Role, str] = {"app": "url", "owner": "owner_url", "ledger": "ledger_url", "backup": "backup_url"}


def register(app: typer.Typer) -> None:
    database.command("provision")(provision_database)
    app.command("install-service")(install_service)


def provision_database(
    admin_url: Annotated[str, typer.Argument(help="postgresql://ADMIN:PASSWORD@HOST/postgres, used once and kept nowhere.")],
    name: Annotated[str, typer.Option("--name", help="The database to make.")] = DATABASE,
) -> None:
    """Make roles, database and grants on a PostgreSQL server of yours; print the settings that use it."""
    urls = provision(admin_url, name)
    print("# Into mainstay.toml in the data folder, mode 0600. The passwords were drawn now and are shown only here.")
    print("[database]")
    for role, key in _SETTINGS.items():
        print(f'{key} = "{urls[role]}"')


def install_service(
    show: Annotated[bool, typer.Option("--print", help="Print the unit and change nothing.")] = False,
) -> None:
    """Let systemd start Mainstay with the machine: writes the unit and enables it. Needs root."""
    layout = Layout.from_environment()
    text = unit_text(layout)
    if show:
        print(text, end="")
        return
    if os.geteuid() != 0:
        raise Refused("cli.needs_root", "only root may install a service; run it with sudo, or see the unit with --print")
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        raise Invalid("cli.no_systemd", "this machine has no systemctl; start `mainstay up` by the init system it has")
    UNIT.write_text(text)
    for argv in ([systemctl, "daemon-reload"], [systemctl, "enable", "--now", UNIT.name]):
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode != 0:
            raise Invalid(
                "cli.systemd_refused", f"{' '.join(argv)} ended with {done.returncode}: {done.stderr.strip()}; the unit is {UNIT}"
            )
    print(f"{UNIT} is enabled and started. See it with: systemctl status mainstay; sign in with: mainstay link")


def unit_text(layout: Layout) -> str:
    """Return the unit: `mainstay up` on this data folder and port, as the user that `up` itself then leaves behind."""
    command = Path(sys.prefix) / "bin" / "mainstay"
    return f"""[Unit]
Description=Mainstay
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
ExecStart={_quoted(str(command))} up
Environment={_quoted(f"MAINSTAY_DATA={layout.data}")}
Environment={_quoted(f"MAINSTAY_PORT={layout.port}")}
Restart=on-failure
RestartSec=5
KillMode=mixed
TimeoutStopSec=90
UMask=0077

[Install]
WantedBy=multi-user.target
"""


def _quoted(value: str) -> str:
    # systemd expands % and splits at blanks; a line break would begin another directive.
    if "\n" in value:
        raise Invalid("cli.bad_path", "a path with a line break cannot stand in a unit")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
