"""`mainstay up`, `down`, `status`, `link`, `db migrate`, and each process as a command of its own.

Owns: arguments, what is printed, exit codes. Does not own: supervision (engines.supervisor) or the processes themselves.
"""

import json
import os
import signal
import sys
import time
from typing import Annotated, NoReturn

import typer

from mainstay.engines import ground, steps
from mainstay.engines.accounts import accounts_of_this_machine, ensure_system_users
from mainstay.engines.clickhouse.process import TelemetryProcess
from mainstay.engines.layout import Layout
from mainstay.engines.plan import running_installation
from mainstay.engines.postgres.server import PostgresServer
from mainstay.engines.processes import Installation
from mainstay.engines.status import Status, read_status, supervisor_pid
from mainstay.kernel.errors import Unavailable

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
EXIT_NOT_RUNNING = 7
_DOWN_S_MAX = 90

database = typer.Typer(no_args_is_help=True, help="The database of this installation.")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (up, down, status, link):
        app.command()(command)
    for command in (postgres, telemetry, web, worker):
        app.command(rich_help_panel="Processes, for systemd or an orchestrator")(command)
    database.command("migrate")(migrate)
    app.add_typer(database, name="db")


def up(lan: Annotated[bool, typer.Option("--lan", help="Open the TLS listener, so that other machines can join.")] = False) -> None:
    """Start everything on this machine, keep it running, and print the address. Ctrl-C stops in order."""
    if lan:
        os.environ["MAINSTAY_LAN"] = "true"
    _become([sys.executable, "-m", "mainstay.cli.supervise"])


def down() -> None:
    """Stop what `mainstay up` started, in order."""
    layout = Layout.from_environment()
    pid = supervisor_pid(layout)
    if pid is None:
        raise not_running(layout)
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + _DOWN_S_MAX
    while supervisor_pid(layout) is not None:
        if time.monotonic() > end:
            raise Unavailable("cli.still_running", f"process {pid} does not end; its log folder is {layout.log}")
        time.sleep(0.1)
    say("Stopped.")


def status(as_json: JsonOption = False) -> None:
    """Show the processes. Exit code 7 when nothing runs."""
    layout = Layout.from_environment()
    seen = read_status(layout)
    say(json.dumps(seen) if as_json else as_table(seen))
    if supervisor_pid(layout) is None:
        raise typer.Exit(EXIT_NOT_RUNNING)


def link(as_json: JsonOption = False) -> None:
    """Print a new one-time link that signs you in on this machine."""
    layout = Layout.from_environment()
    if supervisor_pid(layout) is None:
        raise not_running(layout)
    url = steps.make_link(running_installation(layout))
    say(json.dumps({"url": url}) if as_json else url)


def migrate() -> None:
    """Bring the tables to this release's form, as the owner role. `mainstay up` does it by itself."""
    layout = Layout.from_environment()
    # Migrations speak to the relational engine alone; the address of telemetry is not theirs to know.
    steps.migrate(Installation(layout, accounts_of_this_machine(), telemetry_url=""))
    say("The tables are up to date.")


def postgres() -> None:
    """Run the bundled PostgreSQL in the foreground."""
    layout = _prepared()
    server = PostgresServer(layout, accounts_of_this_machine())
    server.prepare()
    _become(server.argv())


def telemetry() -> None:
    """Run the embedded ClickHouse in the foreground."""
    layout = _prepared()
    process = TelemetryProcess(layout, accounts_of_this_machine())
    process.prepare()
    _become(process.argv())


def web() -> None:
    """Run the web process in the foreground."""
    layout = Layout.from_environment()
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(layout.port), "--no-ws"]
    _become([*command, "mainstay.config.asgi:application"])


def worker() -> None:
    """Run the worker in the foreground."""
    _become([sys.executable, "-m", "mainstay.config.worker"])


def as_table(seen: Status) -> str:
    """Return the processes as aligned lines."""
    if not seen["processes"]:
        return "Mainstay is not running here. Start it with: mainstay up"
    lines = [f"{'ready' if seen['ready'] else 'NOT ready'}   {seen['url']}"]
    for one in seen["processes"]:
        pid = one["pid"] if one["pid"] is not None else "-"
        lines.append(
            f"  {one['name']:<10} {one['state']:<9} {pid:>8}  {one['restarts']:>3} restarts  {one['rss_mb']:>7.1f} MB  since {one['since']}"
        )
    return "\n".join(lines)


def not_running(layout: Layout) -> Unavailable:
    return Unavailable("cli.not_running", f"Mainstay is not running on {layout.data}; start it with: mainstay up", retryable=False)


def say(text: str) -> None:
    """Print at once: a start is watched, also through a pipe."""
    print(text, flush=True)


def _prepared() -> Layout:
    layout = Layout.from_environment()
    accounts = accounts_of_this_machine()
    ensure_system_users(accounts)
    ground.prepare(layout, accounts)
    return layout


def _become(argv: list[str]) -> NoReturn:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mainstay.config.settings")
    os.execv(argv[0], argv)  # noqa: S606 - the command is the process
