"""The everyday lists, tokens and the ledger on the command line.

Owns: which list has which short name, and how its rows look in a terminal. Does not own: filters, order and paging (the API).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any  # rows of any list

import typer
from rich.console import Console
from rich.table import Table

from mainstay.cli.client import Client, Query
from mainstay.kernel.errors import Conflict, Invalid

EXIT_NOT_VERIFIED = 1
LIMIT = 50
out = Console(highlight=False, soft_wrap=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print the answer of the API.")]
WhereOption = Annotated[
    list[str] | None, typer.Option("--where", "-w", help="A filter such as state=active, seen__lt=-1d, q=words; repeat it.")
]
SortOption = Annotated[str, typer.Option("--sort", help="Keys, comma-separated; -key descends.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many rows.")]
AllOption = Annotated[bool, typer.Option("--all", help="Every row.")]


@dataclass(frozen=True)
class Listed:
    """A list of the API under a short name, and the columns that a terminal has room for."""

    name: str
    path: str
    columns: tuple[str, ...]
    help: str


LISTS = (
    Listed("devices", "/estate/devices", ("name", "state", "os", "agent", "seen"), "The devices that have joined."),
    Listed("alerts", "/alerting/alerts", ("summary", "severity", "phase", "device", "fired", "acknowledged"), "The alerts, newest first."),
    Listed("incidents", "/desk/incidents", ("reference", "title", "status", "priority", "owner", "due", "started"), "The incidents."),
    Listed(
        "runs",
        "/automation/runs",
        ("runbook", "subject", "state", "reason", "started", "ended"),
        "What automation did, or did not do and why.",
    ),
)
ENTRIES = Listed("list", "/ledger/entries", ("seq", "at", "act", "who", "obj", "out"), "The entries of the ledger, newest first.")
TOKENS = Listed("list", "/access/tokens", ("label", "state", "holder", "expires", "used"), "The tokens.")

ledger = typer.Typer(no_args_is_help=True, help="The ledger: entries, evidence, verification.")
token = typer.Typer(no_args_is_help=True, help="Tokens for programs.")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for listed in LISTS:
        app.command(listed.name, help=listed.help)(list_command(listed))
    app.command("whoami")(whoami)
    ledger.command("list", help=ENTRIES.help)(list_command(ENTRIES))
    ledger.command("export")(export)
    ledger.command("verify")(verify)
    token.command("list", help=TOKENS.help)(list_command(TOKENS))
    token.command("create")(create_token)
    token.command("revoke")(revoke_token)
    app.add_typer(ledger, name="ledger")
    app.add_typer(token, name="token")


def list_command(listed: Listed) -> Any:
    """Return the command that shows a list."""

    def show(
        where: WhereOption = None, sort: SortOption = "", limit: LimitOption = LIMIT, every: AllOption = False, as_json: JsonOption = False
    ) -> None:
        query = read_where(where or [])
        rows = list(Client.from_environment().rows(listed.path, [*query, *([("sort", sort)] if sort else [])], None if every else limit))
        if as_json:
            typer.echo(json.dumps(rows, ensure_ascii=False))
        else:
            print_rows(rows, listed.columns)

    return show


def read_where(conditions: Sequence[str]) -> Query:
    """Read `key=value` conditions. Errors: Invalid("cli.bad_condition")."""
    pairs = [condition.partition("=") for condition in conditions]
    wrong = [condition for condition, (key, equals, _) in zip(conditions, pairs, strict=True) if not key or not equals]
    if wrong:
        raise Invalid("cli.bad_condition", f"A condition is written key=value, not {wrong[0]!r}.")
    return [(key, value) for key, _, value in pairs]


def print_rows(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Print rows as a table; what the terminal has no room for is in `--json`."""
    if not rows:
        out.print("Nothing matches.")
        return
    shown = [column for column in columns if column in rows[0]]
    table = Table(*(column.replace("_", " ") for column in shown), box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in shown))
    out.print(table)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    # Brackets are markup to the table; a name with brackets is a name.
    return str(value).replace("[", r"\[")


def whoami(as_json: JsonOption = False) -> None:
    """Show as whom this command line acts."""
    me = Client.from_environment().get("/access/whoami")
    if as_json:
        typer.echo(json.dumps(me))
        return
    typer.echo(f"{me['label']} ({me['ref']}) at {me['tenant_name']}: {', '.join(me['roles'])}")


def create_token(
    label: Annotated[str, typer.Argument(help="What the token is for.")] = "command line",
    days: Annotated[int, typer.Option(min=1, max=365, help="Days until it ends.")] = 90,
    action: Annotated[
        list[str] | None, typer.Option("--action", help="Limit it to an action such as estate.device.read; repeat it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token and print it; it is shown only now."""
    made = Client.from_environment().post("/access/tokens", {"label": label, "days": days, "actions": action})
    if as_json:
        typer.echo(json.dumps(made))
        return
    typer.echo(made["token"])
    typer.echo(f"Valid until {made['expires_at']}. It is shown only now.", err=True)


def revoke_token(token_id: Annotated[str, typer.Argument(help="The id of the token.")], as_json: JsonOption = False) -> None:
    """End a token at once."""
    ended = Client.from_environment().delete(f"/access/tokens/{token_id}")
    typer.echo(json.dumps(ended) if as_json else "The token has ended.")


def export(
    file: Annotated[Path, typer.Argument(help="Where the evidence goes.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Download the evidence; anybody can check it with `mainstay-verify FILE`, on any machine."""
    if file.exists() and not overwrite:
        raise Conflict("cli.file_exists", f"{file} exists already. Name another file, or add --overwrite.")
    if not file.absolute().parent.is_dir():
        raise Invalid("cli.no_such_folder", f"There is no folder {file.absolute().parent}.")
    size = Client.from_environment().download("/ledger/pack", file)
    typer.echo(
        json.dumps({"file": str(file), "bytes": size}) if as_json else f"{file}: {size} bytes. Check it with: mainstay-verify {file}"
    )


def verify(as_json: JsonOption = False) -> None:
    """Let the server check its own log. Exit code 1 when something does not agree."""
    report = Client.from_environment().post("/ledger/verify")
    if as_json:
        typer.echo(json.dumps(report))
    elif report["ok"]:
        typer.echo(f"Everything agrees: {report['checked_leaves']} leaves, {report['checked_bodies']} bodies, root {report['root']}.")
    else:
        for finding in report["findings"]:
            typer.echo(f"leaf {finding['index']}: {finding['fault']}: {finding['detail']}")
    if not report["ok"]:
        raise typer.Exit(EXIT_NOT_VERIFIED)
